//! SRTP and SRTCP (RFC 3711, RFC 7714, RFC 6188 key derivation): [`Protect`] for what a leg sends, [`Unprotect`] for what
//! it receives. Neither allocates per packet. No state exists for a source before one of its packets authenticated.

use offhook_types::counted;
use offhook_types::media::SrtpProfile;

counted! {
    /// Why a packet was not unprotected.
    pub enum Drop {
        /// Too short, or its header does not parse.
        Malformed = "malformed",
        /// The tag does not verify: forged, damaged, or protected under another key.
        Unauthenticated = "unauthenticated",
        /// Seen before.
        Replayed = "replayed",
        /// So far behind the newest packet that a replay could not be told.
        TooOld = "too_old",
        /// Authentic, but from one more source than the limit allows.
        TooManySources = "too_many_sources",
        /// The caller's buffer cannot hold the result.
        NoSpace = "no_space",
        /// RTCP sent in the clear (E bit not set).
        Unencrypted = "unencrypted",
    }
}

/// One direction's master key and salt as exported from DTLS (RFC 5764 §4.2).
#[derive(Clone)]
pub struct MasterKey {
    key: [u8; 32],
    salt: [u8; 14],
}

impl MasterKey {
    /// From exported bytes; `None` when the lengths are not the profile's.
    pub fn new(profile: SrtpProfile, key: &[u8], salt: &[u8]) -> Option<Self> {
        let _ = (profile, key, salt);
        None
    }
}

/// Both directions' keys of a leg.
#[derive(Clone)]
pub struct SrtpKeys {
    /// The profile that both sides agreed on.
    pub profile: SrtpProfile,
    /// For [`Protect`].
    pub local: MasterKey,
    /// For [`Unprotect`].
    pub remote: MasterKey,
}

/// A packet that authenticated and was decrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// Length of the plain packet in the caller's buffer.
    pub len: usize,
    /// SRTP packet index (RFC 3711 §3.3.1): the sequence number unwrapped to 48 bits by the rollover counter.
    pub sequence: u64,
}

/// Protects what a leg sends.
pub struct Protect {
    profile: SrtpProfile,
}

impl Protect {
    /// From [`SrtpKeys::local`].
    pub fn new(profile: SrtpProfile, key: &MasterKey) -> Self {
        let _ = key;
        Self { profile }
    }

    /// Bytes that protection adds to an RTP packet.
    pub fn rtp_overhead(&self) -> usize {
        let _ = self.profile;
        16
    }

    /// Bytes that protection adds to a compound RTCP packet.
    pub fn rtcp_overhead(&self) -> usize {
        20
    }

    /// `out[..header_len]` holds the RTP header; appends `payload` encrypted and the tag. `sequence` is the extended sequence
    /// number whose low 16 bits are in the header; bits 16 to 47 are the rollover counter. Returns the length of the
    /// packet, `None` when `out` is too small.
    pub fn protect_rtp(
        &mut self,
        sequence: u64,
        header_len: usize,
        payload: &[u8],
        out: &mut [u8],
    ) -> Option<usize> {
        let _ = (sequence, header_len, payload, out);
        None
    }

    /// Like [`Protect::protect_rtp`] for a whole plain packet of `len` bytes already in `out`.
    pub fn protect_rtp_in_place(
        &mut self,
        sequence: u64,
        header_len: usize,
        len: usize,
        out: &mut [u8],
    ) -> Option<usize> {
        let _ = (sequence, header_len, len, out);
        None
    }

    /// Protects the compound RTCP packet in `out[..len]` in place. Returns the length of the packet, `None` when `out`
    /// is too small.
    pub fn protect_rtcp(&mut self, len: usize, out: &mut [u8]) -> Option<usize> {
        let _ = (len, out);
        None
    }
}

/// Unprotects what a leg receives.
pub struct Unprotect {
    profile: SrtpProfile,
}

impl Unprotect {
    /// From [`SrtpKeys::remote`]; keeps state for at most `max_sources` RTP and as many RTCP sources.
    pub fn new(profile: SrtpProfile, key: &MasterKey, max_sources: usize) -> Self {
        let _ = (key, max_sources);
        Self { profile }
    }

    /// Writes the plain packet to `out`, which needs room for `packet.len()` bytes.
    pub fn unprotect_rtp(&mut self, packet: &[u8], out: &mut [u8]) -> Result<Opened, Drop> {
        let _ = (packet, out, self.profile);
        Err(Drop::Malformed)
    }

    /// Writes the plain compound packet to `out`, which needs room for `packet.len()` bytes, and returns its length.
    pub fn unprotect_rtcp(&mut self, packet: &[u8], out: &mut [u8]) -> Result<usize, Drop> {
        let _ = (packet, out);
        Err(Drop::Malformed)
    }
}
