//! What is written down about a call, and the words it is made of.

use core::fmt;
use std::sync::Arc;

use offhook_types::{CallId, Dialed, Number, UserId, WallTime};

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

/// How a call reaches the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Via {
    /// Between our own devices.
    App,
    /// Over the phone network: one side is a phone, which is not end-to-end encrypted.
    Phone,
}

impl Via {
    /// The stable name in storage.
    pub fn label(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Phone => "phone",
        }
    }

    /// The inverse of [`label`](Self::label).
    pub fn from_label(label: &str) -> Option<Self> {
        [Self::App, Self::Phone].into_iter().find(|via| via.label() == label)
    }
}

/// A person as the other side sees them. `Debug` shows neither field.
#[derive(Clone, PartialEq, Eq)]
pub struct Party {
    /// Their number; none for a phone that hides it.
    pub number: Option<Dialed>,
    /// What they call themselves, or what the phone network calls them; may be empty.
    pub name: Arc<str>,
}

impl Party {
    /// Somebody with a number.
    pub fn new(number: Number, name: impl Into<Arc<str>>) -> Self {
        Self { number: Some(number.into()), name: name.into() }
    }
}

impl fmt::Debug for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted party]")
    }
}

/// Who placed a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// One of our users, with one of their devices.
    User(UserId),
    /// Somebody on the phone network, as it shows them.
    Phone(Party),
}

impl Caller {
    /// The user, unless it is a phone.
    pub fn user(&self) -> Option<UserId> {
        match self {
            Self::User(user) => Some(*user),
            Self::Phone(_) => None,
        }
    }
}

/// A call as it is stored: opened before anybody is rung, closed exactly once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Which call.
    pub call: CallId,
    /// Who placed it.
    pub caller: Caller,
    /// Who it reached; nobody for a number that is unknown or has blocked the caller, so that the
    /// callee's history shows nothing and the caller's shows the number. Nobody for a call to the
    /// phone network.
    pub callee: Option<UserId>,
    /// What was dialled; for a call from the phone network the number of ours that it came to.
    pub number: Dialed,
    /// How it reached the other side.
    pub via: Via,
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
