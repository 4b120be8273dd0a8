//! What is written down about a call, and the words it is made of.

use core::fmt;
use std::sync::Arc;

use offhook_types::{CallId, Number, UserId, WallTime};

use crate::cause::Cause;

/// What a side brings to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Media {
    /// Sound only.
    Audio,
    /// Sound and pictures.
    Video,
}

impl Media {
    /// The stable name in storage.
    pub fn label(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Video => "video",
        }
    }

    /// The inverse of [`label`](Self::label).
    pub fn from_label(label: &str) -> Option<Self> {
        [Self::Audio, Self::Video].into_iter().find(|media| media.label() == label)
    }
}

/// A person as the other side sees them. `Debug` shows neither field.
#[derive(Clone, PartialEq, Eq)]
pub struct Party {
    /// Their number.
    pub number: Number,
    /// What they call themselves; may be empty.
    pub name: Arc<str>,
}

impl fmt::Debug for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted party]")
    }
}

/// A call as it is stored: opened before anybody is rung, closed exactly once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Which call.
    pub call: CallId,
    /// Who placed it.
    pub caller: UserId,
    /// Who it reached; nobody for a number that is unknown or has blocked the caller, so that the
    /// callee's history shows nothing and the caller's shows the number.
    pub callee: Option<UserId>,
    /// The number that was dialled.
    pub number: Number,
    /// What the caller asked for.
    pub media: Media,
    /// When it was placed.
    pub placed_at: WallTime,
    /// When it was accepted, if it was.
    pub accepted_at: Option<WallTime>,
    /// How it ended, once it has.
    pub ending: Option<Ending>,
}

/// The end of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// Why, as the two people are told; never one of the `…Elsewhere` causes.
    pub cause: Cause,
    /// When. Counted from `placed_at` with the even clock, so that a calendar that jumps never
    /// bends a duration.
    pub at: WallTime,
}
