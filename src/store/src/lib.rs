//! What outlives the process: users, devices, one-time codes, calls and their history.
//!
//! One trait per subject, gathered in [`Store`]; [`sqlite::Sqlite`] implements them all, and
//! whatever else comes must pass the same conformance suite. The store decides nothing: it keeps
//! rows, and makes those steps atomic that must not be seen half done. It sees no token and no code
//! in clear, only their hashes.
//!
//! Guaranteed: a write that returned `Ok` survives the end of the process and of the machine's
//! power. Not guaranteed: that a write which returned [`Error::Unavailable`] was not made.

#![deny(missing_docs)]

pub mod calls;
pub mod codes;
#[cfg(test)]
mod conformance;
pub mod devices;
pub mod sqlite;
pub mod users;

pub use calls::{Calls, HistoryEntry, HistoryPage};
pub use codes::{CodeHash, CodeKey, Codes, NewCode};
pub use devices::{Bearer, Device, Devices, NewDevice, Rotation, TokenHash, TokenPair};
pub use sqlite::Sqlite;
pub use users::{NewUser, User, Users};

/// Everything that is stored, as one object.
pub trait Store: Users + Devices + Codes + Calls {}

impl<T: Users + Devices + Codes + Calls> Store for T {}

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot answer now: the disk is full or gone, the database is locked or every connection
    /// is busy. The write may or may not have been made. Whoever guards something refuses on this.
    #[error("the store cannot answer now")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The id or key of a new row is taken. Draw another and try again.
    #[error("the id is taken")]
    Conflict,
    /// The row that this one refers to does not exist.
    #[error("the row referred to does not exist")]
    Missing,
    /// A row holds what this version cannot read.
    #[error("unreadable {what} in the store")]
    Corrupt {
        /// Table and column.
        what: &'static str,
    },
    /// Another process has the database open.
    #[error("another process has the database open")]
    InUse,
    /// The database was written by a newer version of the program.
    #[error("the database has schema {found}, this program knows up to {known}")]
    Newer {
        /// The version that the database has.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
}
