//! Bytes to values and back. Untrusted bytes become types here and nowhere else; every parser is
//! total: whatever it is fed, it returns a value or a [`Malformed`] reason, and it never reads
//! past, loops without progress or allocates.
//!
//! It knows no socket, clock or key store. Start at [`demux`], which says what a datagram is, then
//! at [`rtp`]. Only [`sdp`] and [`phone_sdp`] allocate: session descriptions are text and live at the edges.

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

pub mod cursor;
pub mod dd;
pub mod demux;
pub mod dtls;
pub mod number;
pub mod payload;
pub mod phone_sdp;
pub mod roq;
pub mod rtcp;
pub mod rtp;
pub mod sdp;
pub mod stream;
pub mod stun;

offhook_types::counted! {
    /// Why bytes are not what they claim to be. It indexes a drop counter.
    #[derive(thiserror::Error)]
    pub enum Malformed {
        /// They end before what they announce.
        #[error("bytes end too early")]
        Truncated = "truncated",
        /// A version, magic number or packet type that does not belong here.
        #[error("not this protocol or version")]
        Version = "version",
        /// A length field that contradicts another one.
        #[error("length fields contradict each other")]
        Length = "length",
        /// A field holds a value that its specification forbids.
        #[error("forbidden value in a field")]
        Value = "value",
    }
}

/// What every parser here returns.
pub type Parsed<T> = Result<T, Malformed>;
