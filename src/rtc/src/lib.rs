//! One leg's transport as pieces without input or output: connectivity checks ([`ice`]), the
//! handshake ([`dtls`]), packet protection ([`srtp`]), repair ([`nack`], [`rtx`]), feedback
//! ([`twcc`], [`reports`]), how much may be sent ([`congestion`]) and when ([`pacer`]), and data
//! channels ([`sctp`]); and, where only TLS gets through, the TURN server of one client ([`turn`]).
//!
//! Nothing here reads a clock, owns a socket or knows what a track is. Each piece is handed the
//! time and bytes and answers with values; the media worker moves the bytes between them. What a
//! peer sends wrongly is a drop with a reason from a closed enum, never the end of a leg.

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

pub mod congestion;
pub mod dtls;
pub mod ice;
pub mod nack;
pub mod pacer;
pub mod reports;
pub mod rtx;
pub mod sctp;
pub mod srtp;
pub mod turn;
pub mod twcc;
