//! The DTLS handshake of a leg (RFC 5763, RFC 5764; DTLS 1.2 and 1.3 by `dimpl`): it ends with SRTP keys whose owner has
//! shown the announced certificate, and then carries SCTP. Costs about a millisecond of processor time per handshake, so
//! it is [`Send`] and belongs on a thread that does not move media.
//!
//! Feed it only datagrams from an address that passed a connectivity check. Whatever is wrong with a datagram costs a counter.

use std::sync::Arc;
use std::time::Instant;

use offhook_types::counted;
use offhook_types::counters::Counters;
use offhook_types::media::{DtlsRole, DtlsVersion, Fingerprint};
use offhook_types::time::Time;

use crate::srtp::SrtpKeys;

counted! {
    /// Why a datagram had no effect.
    pub enum Drop {
        /// Not a DTLS record, or not what this state waits for.
        Unexpected = "unexpected",
        /// It broke the handshake, which was started again.
        Restarted = "restarted",
        /// The leg is closed or refused.
        Over = "over",
    }
}

/// A certificate and its key could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a self-signed certificate")]
pub struct CertificateError;

/// A node's self-signed ECDSA P-256 certificate.
pub struct Certificate {
    fingerprint: Fingerprint,
}

impl Certificate {
    /// A new key and certificate. Called once at start: it draws system randomness and dates the certificate.
    pub fn generate() -> Result<Self, CertificateError> {
        Err(CertificateError)
    }

    /// What `a=fingerprint:sha-256` announces.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }
}

/// How to shake hands.
#[derive(Clone)]
pub struct Setup {
    /// Ours.
    pub certificate: Arc<Certificate>,
    /// The side that we take.
    pub role: DtlsRole,
    /// What the peer's certificate must hash to.
    pub peer: Fingerprint,
    /// The instant that [`Time::ZERO`] stands for.
    pub base: Instant,
}

/// The handshake succeeded.
#[derive(Clone)]
pub struct Connected {
    /// Keys of both directions.
    pub keys: SrtpKeys,
    /// What was negotiated.
    pub version: DtlsVersion,
}

/// Why a handshake cannot succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The peer's certificate is not the announced one.
    WrongCertificate,
    /// No SRTP profile in common.
    NoProfile,
    /// It failed too often or took too long.
    Failed,
}

/// What [`Dtls::poll`] yields.
pub enum Output<'a> {
    /// Send this datagram to the peer.
    Packet(&'a [u8]),
    /// Comes once.
    Connected(Connected),
    /// Application data: an SCTP packet.
    Data(&'a [u8]),
    /// Comes at most once: end the leg as refused.
    Refused(Refusal),
    /// Comes at most once: the peer said goodbye.
    Closed,
    /// Nothing more now. Call [`Dtls::handle_timeout`] at this time at the latest.
    Timeout(Time),
}

/// One leg's DTLS.
pub struct Dtls {
    drops: Counters<Drop>,
}

impl Dtls {
    /// A handshake that waits for the ClientHello (server) or sends it on the first poll (client).
    pub fn new(now: Time, setup: Setup) -> Self {
        let _ = (now, setup);
        Self { drops: Counters::default() }
    }

    /// Takes one datagram. Poll afterwards until [`Output::Timeout`].
    pub fn handle_packet(&mut self, now: Time, packet: &[u8]) {
        let _ = (now, packet);
    }

    /// Lets time pass. Poll afterwards until [`Output::Timeout`].
    pub fn handle_timeout(&mut self, now: Time) {
        let _ = now;
    }

    /// The next output, in `buf` where it has bytes. `buf` is grown when too small.
    pub fn poll<'a>(&mut self, buf: &'a mut Vec<u8>) -> Output<'a> {
        let _ = buf;
        Output::Timeout(Time::MAX)
    }

    /// Queues application data; false when not connected. Poll afterwards.
    pub fn send(&mut self, now: Time, data: &[u8]) -> bool {
        let _ = (now, data);
        false
    }

    /// Says goodbye, once connected. Poll afterwards for the packet.
    pub fn close(&mut self, now: Time) {
        let _ = now;
    }

    /// Datagrams that had no effect.
    pub fn drops(&self) -> &Counters<Drop> {
        &self.drops
    }
}
