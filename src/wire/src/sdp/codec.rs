//! Payload types of a section: what `a=rtpmap`, `a=fmtp` and `a=rtcp-fb` say about each number of
//! the `m=` line.

use core::fmt;

use offhook_types::{Codec, H264, PayloadType};

/// One payload type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    /// Its number.
    pub payload_type: PayloadType,
    /// What it stands for.
    pub encoding: Encoding,
    /// Format parameters as written after the number, empty when there are none.
    pub fmtp: String,
    /// RTCP feedback for it, `*` lines included.
    pub feedback: Vec<Feedback>,
}

impl Format {
    /// The codec, when it is one that we forward.
    pub fn codec(&self) -> Option<Codec> {
        match self.encoding {
            Encoding::Media(codec) => Some(codec),
            Encoding::Rtx { .. } | Encoding::Other { .. } => None,
        }
    }

    /// Whether a kind of feedback is listed.
    pub fn has(&self, feedback: &Feedback) -> bool {
        self.feedback.contains(feedback)
    }

    /// The value of a format parameter (names compare without case, RFC 8866 leaves it to the
    /// format).
    pub fn parameter(&self, name: &str) -> Option<&str> {
        parameter(&self.fmtp, name)
    }
}

/// What a payload type stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Encoding {
    /// A codec that we forward.
    Media(Codec),
    /// Retransmissions of another payload type (RFC 4588).
    Rtx {
        /// The payload type whose packets it repeats.
        of: PayloadType,
        /// RTP clock.
        clock_rate: u32,
    },
    /// Anything else.
    Other {
        /// Encoding name.
        name: String,
        /// RTP clock.
        clock_rate: u32,
        /// Channels, one when not said.
        channels: u8,
    },
}

impl fmt::Display for Encoding {
    /// The value of the `a=rtpmap` line behind the number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Media(codec @ (Codec::Opus | Codec::Red)) => {
                write!(f, "{}/{}/2", codec.name(), codec.clock_rate())
            }
            Self::Media(codec) => write!(f, "{}/{}", codec.name(), codec.clock_rate()),
            Self::Rtx { clock_rate, .. } => write!(f, "rtx/{clock_rate}"),
            Self::Other { name, clock_rate, channels: 0 | 1 } => write!(f, "{name}/{clock_rate}"),
            Self::Other { name, clock_rate, channels } => {
                write!(f, "{name}/{clock_rate}/{channels}")
            }
        }
    }
}

/// One `a=rtcp-fb` value (RFC 4585 §4.2, RFC 5104 §7.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Feedback {
    /// Generic negative acknowledgement.
    Nack,
    /// Picture loss indication.
    NackPli,
    /// Full intra request.
    CcmFir,
    /// Transport-wide congestion control.
    TransportCc,
    /// Receiver-estimated maximum bitrate.
    GoogRemb,
    /// Anything else, as written.
    Other(String),
}

impl Feedback {
    /// The value as written.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Nack => "nack",
            Self::NackPli => "nack pli",
            Self::CcmFir => "ccm fir",
            Self::TransportCc => "transport-cc",
            Self::GoogRemb => "goog-remb",
            Self::Other(text) => text,
        }
    }

    pub(crate) fn parse(text: &str) -> Self {
        match text {
            "nack" => Self::Nack,
            "nack pli" => Self::NackPli,
            "ccm fir" => Self::CcmFir,
            "transport-cc" => Self::TransportCc,
            "goog-remb" => Self::GoogRemb,
            other => Self::Other(other.into()),
        }
    }
}

/// What an `a=rtpmap` value and the format parameters stand for. `None` when the value is not
/// `name/clock[/channels]`.
pub(crate) fn encoding(rtpmap: &str, fmtp: &str) -> Option<Encoding> {
    let mut parts = rtpmap.split('/');
    let name = parts.next().filter(|name| !name.is_empty())?;
    let clock_rate: u32 = parts.next()?.parse().ok()?;
    let channels: u8 = parts.next().map_or(Some(1), |text| text.parse().ok())?.max(1);
    let known = match (name.to_ascii_lowercase().as_str(), clock_rate) {
        ("opus", 48_000) if channels == 2 => Some(Codec::Opus),
        ("red", 48_000) if channels == 2 => Some(Codec::Red),
        ("vp8", 90_000) => Some(Codec::Vp8),
        ("vp9", 90_000) => number(fmtp, "profile-id", 0).map(|profile| Codec::Vp9 { profile }),
        ("av1", 90_000) => number(fmtp, "profile", 0).map(|profile| Codec::Av1 { profile }),
        ("h264", 90_000) => h264(fmtp).map(Codec::H264),
        ("rtx", _) => {
            let of = number(fmtp, "apt", u8::MAX).filter(|&of| of < 128)?;
            return Some(Encoding::Rtx { of: PayloadType(of), clock_rate });
        }
        _ => None,
    };
    Some(known.map_or_else(
        || Encoding::Other { name: name.into(), clock_rate, channels },
        Encoding::Media,
    ))
}

/// The payload type of one of the static numbers that need no `a=rtpmap` (RFC 3551 §6).
pub(crate) fn static_encoding(payload_type: u8) -> Option<Encoding> {
    let (name, clock_rate) = match payload_type {
        0 => ("PCMU", 8000),
        3 => ("GSM", 8000),
        8 => ("PCMA", 8000),
        9 => ("G722", 8000),
        13 => ("CN", 8000),
        18 => ("G729", 8000),
        26 => ("JPEG", 90_000),
        34 => ("H263", 90_000),
        _ => return None,
    };
    Some(Encoding::Other { name: name.into(), clock_rate, channels: 1 })
}

fn parameter<'a>(fmtp: &'a str, name: &str) -> Option<&'a str> {
    fmtp.split(';').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn number(fmtp: &str, name: &str, default: u8) -> Option<u8> {
    parameter(fmtp, name).map_or(Some(default), |text| text.parse().ok())
}

/// RFC 6184 §8.1: mode 0 and Baseline when nothing is said. Profiles that are the same set of tools
/// under different constraint flags become one value (table 5), so that they compare equal.
fn h264(fmtp: &str) -> Option<H264> {
    let packetization_mode = number(fmtp, "packetization-mode", 0).filter(|&mode| mode <= 1)?;
    let level_id = match parameter(fmtp, "profile-level-id") {
        None => 0x42_00_0a,
        Some(text) if text.len() == 6 => u32::from_str_radix(text, 16).ok()?,
        Some(_) => return None,
    };
    let (idc, flags) = ((level_id >> 16) as u8, (level_id >> 8) as u8);
    let profile = match idc {
        0x42 if flags & 0x40 != 0 => CONSTRAINED_BASELINE,
        0x4d if flags & 0x80 != 0 => CONSTRAINED_BASELINE,
        0x58 if flags & 0xc0 == 0xc0 => CONSTRAINED_BASELINE,
        0x42 => 0x4200,
        0x58 if flags & 0xc0 == 0x80 => 0x4200,
        0x4d => 0x4d00,
        0x64 if flags & 0x0c == 0x0c => 0x640c,
        0x64 => 0x6400,
        _ => u16::from_be_bytes([idc, flags]),
    };
    Some(H264 { packetization_mode, profile })
}

/// What every WebRTC stack decodes (RFC 7742 §6.2).
const CONSTRAINED_BASELINE: u16 = 0x42e0;
