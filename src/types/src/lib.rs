//! Words and units shared by every crate: ids, time, randomness, numbers, codecs, and the vocabulary in which
//! the control plane and a media node speak to each other.
//!
//! It knows no protocol, does no input or output, and depends on nothing of ours. Start at [`media`] for the words
//! that cross between the planes.

#![deny(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

pub mod codec;
pub mod counters;
pub mod id;
pub mod media;
pub mod money;
pub mod number;
pub mod phone;
pub mod redact;
pub mod rng;
pub mod rtp;
pub mod time;

pub use codec::{Codec, H264, MediaKind};
pub use id::{
    AccountId, CallId, CdrId, DeviceId, LegId, ParticipantId, PhoneId, QuoteId, RoomId, SessionId,
    TrackId, TrunkId, UserId, WorkerId,
};
pub use money::{Currency, Micros};
pub use number::{Dialed, Number};
pub use redact::Redacted;
pub use rng::Rng;
pub use rtp::{Mid, PayloadType, Rid, Ssrc};
pub use time::{Time, WallTime};
