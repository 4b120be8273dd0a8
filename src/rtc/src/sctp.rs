//! The data channels of a leg: SCTP over DTLS (RFC 8831, by `sctp-proto`) and their opening handshake (RFC 8832). Only
//! the two channels of [`DataKind`] carry messages; others are accepted and ignored.

use std::time::Instant;

use bytes::Bytes;
use offhook_types::counted;
use offhook_types::counters::Counters;
use offhook_types::media::{DataKind, DtlsRole};
use offhook_types::time::Time;

counted! {
    /// What was thrown away.
    pub enum Drop {
        /// Not an SCTP packet of this association.
        Malformed = "malformed",
        /// A message on a channel that means nothing to us.
        UnknownChannel = "unknown_channel",
        /// A message longer than the limit.
        TooLong = "too_long",
        /// A lossy message that found the send buffer full.
        LossyOverflow = "lossy_overflow",
        /// Not a valid channel-opening message.
        BadOpen = "bad_open",
        /// A channel beyond the limit.
        TooManyChannels = "too_many_channels",
    }
}

/// How to run an association.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    /// The side that we took in DTLS; it decides whose channels have even ids (RFC 8832 §6).
    pub role: DtlsRole,
    /// Open the two channels ourselves.
    pub opens_channels: bool,
    /// Longest message in either direction, in bytes.
    pub max_message: usize,
    /// Most bytes that wait to be sent on one channel.
    pub max_buffered: usize,
    /// The instant that [`Time::ZERO`] stands for.
    pub base: Instant,
}

/// Why a message was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The channel is not open yet.
    #[error("the channel is not open")]
    NotOpen,
    /// Longer than the limit.
    #[error("the message is longer than the limit")]
    TooLong,
    /// The reliable channel's buffer is full: the peer does not read.
    #[error("the peer does not read")]
    Full,
    /// The association is over.
    #[error("the association is over")]
    Closed,
}

/// What [`Sctp::poll`] yields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send this over DTLS.
    Packet(Bytes),
    /// A channel can be sent on from now on.
    Opened(DataKind),
    /// A message from the peer.
    Message {
        /// On which channel.
        kind: DataKind,
        /// As sent.
        payload: Vec<u8>,
    },
    /// The association ended.
    Closed,
}

/// One leg's SCTP association.
pub struct Sctp {
    drops: Counters<Drop>,
}

impl Sctp {
    /// Call once DTLS is connected.
    pub fn new(now: Time, setup: Setup) -> Self {
        let _ = (now, setup);
        Self { drops: Counters::default() }
    }

    /// Takes one packet out of DTLS. Poll afterwards until `None`.
    pub fn handle_packet(&mut self, now: Time, packet: &[u8]) {
        let _ = (now, packet);
    }

    /// Lets time pass. Poll afterwards until `None`.
    pub fn handle_timeout(&mut self, now: Time) {
        let _ = now;
    }

    /// The next output.
    pub fn poll(&mut self, now: Time) -> Option<Output> {
        let _ = now;
        None
    }

    /// When to call [`Sctp::handle_timeout`] next.
    pub fn next_timeout(&self) -> Option<Time> {
        None
    }

    /// Queues a message. Poll afterwards. A lossy message that finds the buffer full is dropped and counted.
    pub fn send(&mut self, now: Time, kind: DataKind, payload: &[u8]) -> Result<(), SendError> {
        let _ = (now, kind, payload);
        Err(SendError::NotOpen)
    }

    /// Bytes that wait to be sent or acknowledged on a channel.
    pub fn buffered(&self, kind: DataKind) -> usize {
        let _ = kind;
        0
    }

    /// What was thrown away.
    pub fn drops(&self) -> &Counters<Drop> {
        &self.drops
    }
}
