//! Session descriptions of the telephone world (RFC 8866, RFC 3264): one audio stream over RTP, a handful
//! of codecs, digits as events (RFC 4733), keys in the description if any (RFC 4568). No ICE, no
//! bundle; those are in [`crate::sdp`].
//!
//! [`Session::parse`] and [`Session`]'s `Display` are the text. [`offer`], [`answer`] and [`accept`] are the
//! negotiation, as functions of values.

mod answer;
mod crypto;
mod print;
mod read;

use core::fmt;
use core::net::{IpAddr, SocketAddr};

pub use crate::sdp::Direction;
pub use answer::{Agreed, Events, Local, Prefs, Protection, Refused, accept, answer, offer};
pub use crypto::{Crypto, Keys, Suite};

/// Longest description read.
pub const MAX_TEXT: usize = 65_535;
/// Longest line.
pub const MAX_LINE: usize = 2048;
/// Most media sections.
pub const MAX_SECTIONS: usize = 16;
/// Most payload types, or keys, of one section.
pub const MAX_LIST: usize = 64;

/// Why bytes are not a description.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PhoneSdpError {
    /// Beyond one of the limits of this module.
    #[error("session description is too long")]
    TooLong,
    /// A line that is not a letter, an equals sign and a value, or one that means nothing.
    #[error("malformed line in a session description")]
    Line,
    /// No `v=0` or no `o=`, or in another place than the beginning.
    #[error("not a session description")]
    Grammar,
}

/// A description.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    /// Names the session; never changes.
    pub id: u64,
    /// Goes up by one with each change.
    pub version: u64,
    /// Who wrote it.
    pub origin: IpAddr,
    /// The sections, in an order that never changes.
    pub media: Vec<Media>,
}

/// One section.
#[derive(Clone, PartialEq, Eq)]
pub struct Media {
    /// `audio`, `video`, `image` and so on.
    pub kind: String,
    /// What it runs over.
    pub protocol: Protocol,
    /// Zero means refused or gone.
    pub port: u16,
    /// Where media is to be sent, if it is an address. `0.0.0.0` and `::` mean nowhere (RFC 3264 §8.4).
    pub address: Option<IpAddr>,
    /// Payload types in order of preference, where it is RTP.
    pub formats: Vec<Format>,
    /// Formats of what is not RTP.
    pub other_formats: Vec<String>,
    /// Which way media flows, seen by the author. An address of zero is counted in.
    pub direction: Direction,
    /// How much sound the author wants in a packet, in milliseconds.
    pub ptime_ms: Option<u16>,
    /// How much it takes at most, in milliseconds.
    pub max_ptime_ms: Option<u16>,
    /// Keys that can be used; others are passed over.
    pub crypto: Vec<Crypto>,
    /// Where RTCP goes, if not to the next port (RFC 3605).
    pub rtcp: Option<SocketAddr>,
    /// RTCP goes where RTP goes (RFC 5761).
    pub rtcp_mux: bool,
}

/// What media runs over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Protocol {
    /// `RTP/AVP`
    Avp,
    /// `RTP/AVPF`
    Avpf,
    /// `RTP/SAVP`
    Savp,
    /// `RTP/SAVPF`
    Savpf,
    /// Any other, as written.
    Other(String),
}

impl Protocol {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Avp => "RTP/AVP",
            Self::Avpf => "RTP/AVPF",
            Self::Savp => "RTP/SAVP",
            Self::Savpf => "RTP/SAVPF",
            Self::Other(text) => text,
        }
    }

    /// Its packets are protected.
    pub fn is_secure(&self) -> bool {
        matches!(self, Self::Savp | Self::Savpf)
    }

    /// It is one of RTP that we know.
    pub fn is_rtp(&self) -> bool {
        !matches!(self, Self::Other(_))
    }
}

/// A codec of telephones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PhoneCodec {
    /// G.711 mu-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// Wide band in the bandwidth of G.711. Its RTP clock says 8000 and its sampling rate is 16000 (RFC
    /// 3551 §4.5.2).
    G722,
    /// RFC 7587.
    Opus,
}

impl PhoneCodec {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Pcmu, Self::Pcma, Self::G722, Self::Opus];

    /// The name in `a=rtpmap`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::G722 => "G722",
            Self::Opus => "opus",
        }
    }

    /// Ticks of the RTP clock in a second.
    pub const fn clock(self) -> u32 {
        match self {
            Self::Opus => 48_000,
            Self::Pcmu | Self::Pcma | Self::G722 => 8000,
        }
    }

    /// Samples in a second.
    pub const fn sampling(self) -> u32 {
        match self {
            Self::Opus => 48_000,
            Self::G722 => 16_000,
            Self::Pcmu | Self::Pcma => 8000,
        }
    }

    const fn payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
            Self::G722 => 9,
            Self::Opus => 96,
        }
    }
}

/// One payload type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    /// 0 to 127.
    pub payload_type: u8,
    /// What it stands for.
    pub encoding: Encoding,
    /// The value of its `a=fmtp`, without the number.
    pub parameters: Option<String>,
}

/// What a payload type stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Encoding {
    /// Sound that we can decode.
    Codec(PhoneCodec),
    /// Keys pressed, `telephone-event`, at this clock rate.
    Events(u32),
    /// Comfort noise (RFC 3389), at this clock rate.
    ComfortNoise(u32),
    /// Something else, with what its `a=rtpmap` says, if there is one.
    Other(Option<String>),
}

impl Session {
    /// Bytes to value.
    pub fn parse(bytes: &[u8]) -> Result<Self, PhoneSdpError> {
        read::session(bytes)
    }

    /// The same description again with media flowing another way: to put a call on hold
    /// ([`Direction::SendOnly`], or [`Direction::Inactive`]) and take it back. Refused sections stay.
    pub fn again(&self, direction: Direction) -> Self {
        let mut next = self.clone();
        next.version = next.version.saturating_add(1);
        for media in next.media.iter_mut().filter(|media| media.port != 0) {
            media.direction = direction;
        }
        next
    }
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print::session(self, f)
    }
}

/// Addresses and keys are not for a log.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.id)
            .field("version", &self.version)
            .field("media", &self.media)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Media")
            .field("kind", &self.kind)
            .field("protocol", &self.protocol)
            .field("port", &self.port)
            .field("formats", &self.formats)
            .field("direction", &self.direction)
            .field("ptime_ms", &self.ptime_ms)
            .field("crypto", &self.crypto)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
