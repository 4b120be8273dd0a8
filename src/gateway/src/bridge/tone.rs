//! Sounds made here.

use std::io;
use std::path::Path;

/// The operator's recordings.
#[derive(Debug, Default)]
pub struct Announcements {}

impl Announcements {
    /// Reads every `.wav` of a folder.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn read(folder: &Path) -> io::Result<Self> {
        std::fs::read_dir(folder).map(|_| Self {})
    }
}
