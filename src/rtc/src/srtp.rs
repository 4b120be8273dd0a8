//! SRTP and SRTCP (RFC 3711, RFC 7714, RFC 6188 key derivation): [`Protect`] for what a leg sends,
//! [`Unprotect`] for what it receives. Neither allocates per packet. No state exists for a source
//! before one of its packets authenticated.
//!
//! The order of checks is the security design: shape, then replay (cheap), then the tag, and only
//! then is anything remembered. Who the packet belongs to and what is inside it is nobody's
//! business here.

use core::fmt;

use offhook_types::counted;
use offhook_types::media::SrtpProfile;
use offhook_wire::rtp::Head;

use cipher::{At, Cipher};
use replay::Sources;

mod cipher;
mod derive;
mod lanes;
mod replay;
mod signer;

pub use signer::{Signer, Unsigned};

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
        if key.len() != key_len(profile) || salt.len() != salt_len(profile) {
            return None;
        }
        let mut master = Self { key: [0; 32], salt: [0; 14] };
        master.key.get_mut(..key.len())?.copy_from_slice(key);
        // A 96-bit salt is padded on the right to the 112 bits of the derivation (RFC 7714 §11).
        master.salt.get_mut(..salt.len())?.copy_from_slice(salt);
        Some(master)
    }
}

impl core::ops::Drop for MasterKey {
    fn drop(&mut self) {
        self.key = core::hint::black_box([0; 32]);
        self.salt = core::hint::black_box([0; 14]);
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted SRTP key]")
    }
}

/// Both directions' keys of a leg.
#[derive(Debug, Clone)]
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
    /// SRTP packet index (RFC 3711 §3.3.1): the sequence number unwrapped to 48 bits by the
    /// rollover counter.
    pub sequence: u64,
}

/// Where the payload of a packet to protect is.
#[derive(Debug, Clone, Copy)]
pub enum Payload<'a> {
    /// Elsewhere, to be encrypted on the way.
    Apart(&'a [u8]),
    /// Behind its header already; the whole plain packet is so many bytes long.
    InPlace(usize),
}

/// A packet whose tag may be missing yet.
#[derive(Clone, Copy)]
pub struct Protected {
    /// Length of the packet, tag included.
    pub len: usize,
    /// What a [`Signer`] needs to write the tag, unless it is there.
    pub unsigned: Option<Unsigned>,
}

/// Protects what a leg sends.
pub struct Protect {
    rtp: Cipher,
    rtcp: Cipher,
    rtcp_index: u32,
}

impl Protect {
    /// From [`SrtpKeys::local`]; `None` if the cryptographic library refuses the key.
    pub fn new(profile: SrtpProfile, key: &MasterKey) -> Option<Self> {
        let (rtp, rtcp) = derive::ciphers(profile, key)?;
        Some(Self { rtp, rtcp, rtcp_index: 0 })
    }

    /// For a leg whose transport below protects everything (QUIC): packets leave as they are.
    pub fn plain() -> Self {
        Self { rtp: Cipher::Plain, rtcp: Cipher::Plain, rtcp_index: 0 }
    }

    /// Bytes that protection adds to an RTP packet.
    #[inline]
    pub fn rtp_overhead(&self) -> usize {
        self.rtp.tag_len()
    }

    /// Bytes that protection adds to a compound RTCP packet.
    #[inline]
    pub fn rtcp_overhead(&self) -> usize {
        self.rtcp.tag_len() + RTCP_INDEX_LEN
    }

    /// `out[..header_len]` holds the RTP header; appends `payload` encrypted and the tag.
    /// `sequence` is the extended sequence number whose low 16 bits are in the header; bits 16 to
    /// 47 are the rollover counter. It must not be used twice with different bytes for one source.
    /// Returns the length of the packet, `None` when `out` is too small.
    #[inline]
    pub fn protect_rtp(
        &mut self,
        sequence: u64,
        header_len: usize,
        payload: &[u8],
        out: &mut [u8],
    ) -> Option<usize> {
        let ssrc = word(out, SSRC_OFFSET)?;
        self.rtp.seal_rtp(At { ssrc, sequence }, header_len, payload, out)
    }

    /// Like [`Protect::protect_rtp`] for a whole plain packet of `len` bytes already in `out`.
    #[inline]
    pub fn protect_rtp_in_place(
        &mut self,
        sequence: u64,
        header_len: usize,
        len: usize,
        out: &mut [u8],
    ) -> Option<usize> {
        let ssrc = word(out, SSRC_OFFSET)?;
        self.rtp.seal_rtp_in_place(At { ssrc, sequence }, header_len, len, out)
    }

    /// Like [`Protect::protect_rtp`], but where the profile authenticates by HMAC the tag is left to
    /// a [`Signer`], which makes those of several packets at once.
    #[inline]
    pub fn protect_rtp_unsigned(
        &mut self,
        sequence: u64,
        header_len: usize,
        payload: Payload<'_>,
        out: &mut [u8],
    ) -> Option<Protected> {
        let ssrc = word(out, SSRC_OFFSET)?;
        self.rtp.seal_rtp_unsigned(At { ssrc, sequence }, (header_len, payload), out)
    }

    /// Protects the compound RTCP packet in `out[..len]` in place. Returns the length of the
    /// packet, `None` when `out` is too small or, after 2^31 packets, the key is used up (RFC 3711
    /// §9.2).
    pub fn protect_rtcp(&mut self, len: usize, out: &mut [u8]) -> Option<usize> {
        if matches!(self.rtcp, Cipher::Plain) {
            return Some(len);
        }
        // One index for all our sources: it is then unique under each of them, which is all that
        // the IV needs.
        let index = self.rtcp_index.checked_add(1).filter(|&index| index < RTCP_ENCRYPTED)?;
        let ssrc = word(out, RTCP_SSRC_OFFSET)?;
        let total = self.rtcp.seal_rtcp(ssrc, index, len, out)?;
        self.rtcp_index = index;
        Some(total)
    }
}

/// Unprotects what a leg receives.
pub struct Unprotect {
    rtp: Cipher,
    rtcp: Cipher,
    rtp_sources: Sources,
    rtcp_sources: Sources,
}

impl Unprotect {
    /// From [`SrtpKeys::remote`]; keeps state (about 48 bytes each) for at most `max_sources` RTP
    /// and as many RTCP sources. A source is never forgotten, since its packets could then be
    /// replayed. `None` if the cryptographic library refuses the key.
    pub fn new(profile: SrtpProfile, key: &MasterKey, max_sources: usize) -> Option<Self> {
        let (rtp, rtcp) = derive::ciphers(profile, key)?;
        Some(Self {
            rtp,
            rtcp,
            rtp_sources: Sources::new(max_sources),
            rtcp_sources: Sources::new(max_sources),
        })
    }

    /// For a leg whose transport below has authenticated everything (QUIC): packets come as they
    /// are, but numbers are unwrapped and repeated ones dropped all the same, since what forwards
    /// them under SRTP must never see a number twice.
    pub fn plain(max_sources: usize) -> Self {
        Self {
            rtp: Cipher::Plain,
            rtcp: Cipher::Plain,
            rtp_sources: Sources::new(max_sources),
            rtcp_sources: Sources::new(0),
        }
    }

    /// Writes the plain packet to `out`, which needs room for `packet.len()` bytes. On a drop the
    /// contents of `out` mean nothing.
    #[inline]
    pub fn unprotect_rtp(&mut self, packet: &[u8], out: &mut [u8]) -> Result<Opened, Drop> {
        let head = Head::parse(packet).map_err(|_| Drop::Malformed)?;
        let (ssrc, number, header_len) =
            (head.header.ssrc.0, head.header.sequence, head.header_len);
        if packet.len() < header_len + self.rtp.tag_len() {
            return Err(Drop::Malformed);
        }
        if let Some(window) = self.rtp_sources.window(ssrc) {
            let sequence = window.unwrap(number).ok_or(Drop::TooOld)?;
            window.check(sequence)?;
            let len = self.rtp.open_rtp(At { ssrc, sequence }, header_len, packet, out)?;
            window.record(sequence);
            return Ok(Opened { len, sequence });
        }
        let (len, sequence) = self.open_first(&head, packet, out)?;
        self.rtp_sources.add(ssrc, sequence)?;
        Ok(Opened { len, sequence })
    }

    /// The first packet of a source. Its rollover counter is zero, unless the source began just
    /// below the wrap and everything before it was lost, which costs a second try.
    #[cold]
    fn open_first(
        &self,
        head: &Head<'_>,
        packet: &[u8],
        out: &mut [u8],
    ) -> Result<(usize, u64), Drop> {
        let (ssrc, sequence) = (head.header.ssrc.0, u64::from(head.header.sequence));
        match self.rtp.open_rtp(At { ssrc, sequence }, head.header_len, packet, out) {
            Err(Drop::Unauthenticated) if sequence < 1 << 15 => {
                let sequence = sequence | 1 << 16;
                let len = self.rtp.open_rtp(At { ssrc, sequence }, head.header_len, packet, out)?;
                Ok((len, sequence))
            }
            other => other.map(|len| (len, sequence)),
        }
    }

    /// Writes the plain compound packet to `out`, which needs room for `packet.len()` bytes, and
    /// returns its length.
    pub fn unprotect_rtcp(&mut self, packet: &[u8], out: &mut [u8]) -> Result<usize, Drop> {
        let ssrc = word(packet, RTCP_SSRC_OFFSET).ok_or(Drop::Malformed)?;
        if matches!(self.rtcp, Cipher::Plain) {
            out.get_mut(..packet.len()).ok_or(Drop::NoSpace)?.copy_from_slice(packet);
            return Ok(packet.len());
        }
        let (word, sealed) = self.rtcp.split_rtcp(packet).ok_or(Drop::Malformed)?;
        if word & RTCP_ENCRYPTED == 0 {
            return Err(Drop::Unencrypted);
        }
        let index = word & !RTCP_ENCRYPTED;
        if let Some(window) = self.rtcp_sources.window(ssrc) {
            window.check(u64::from(index))?;
            let len = self.rtcp.open_rtcp(ssrc, index, sealed, out)?;
            window.record(u64::from(index));
            return Ok(len);
        }
        let len = self.rtcp.open_rtcp(ssrc, index, sealed, out)?;
        self.rtcp_sources.add(ssrc, u64::from(index))?;
        Ok(len)
    }
}

#[inline]
fn word(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes.get(offset..offset + 4)?.try_into().ok().map(u32::from_be_bytes)
}

const fn key_len(profile: SrtpProfile) -> usize {
    match profile {
        SrtpProfile::AeadAes256Gcm => 32,
        SrtpProfile::AeadAes128Gcm
        | SrtpProfile::Aes128CmSha1_80
        | SrtpProfile::Aes128CmSha1_32 => 16,
    }
}

const fn salt_len(profile: SrtpProfile) -> usize {
    match profile {
        SrtpProfile::AeadAes256Gcm | SrtpProfile::AeadAes128Gcm => 12,
        SrtpProfile::Aes128CmSha1_80 | SrtpProfile::Aes128CmSha1_32 => 14,
    }
}

const SSRC_OFFSET: usize = 8;
const RTCP_SSRC_OFFSET: usize = 4;
/// First header and sender SSRC stay in the clear (RFC 3711 §3.4).
const RTCP_CLEAR_LEN: usize = 8;
const RTCP_INDEX_LEN: usize = 4;
/// The E bit; the 31 bits below are the index.
const RTCP_ENCRYPTED: u32 = 1 << 31;

#[cfg(test)]
mod tests;
