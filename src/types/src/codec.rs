//! The codecs that Offhook forwards. A codec here is what decides whether a receiver can decode a stream, nothing more.

/// Audio or video.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MediaKind {
    /// Sound.
    Audio,
    /// Pictures, camera and screen alike.
    Video,
}

/// What tells two H.264 streams apart for a decoder (RFC 6184 §8.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct H264 {
    /// `packetization-mode`: 0 or 1 (2 is not offered by anyone and refused).
    pub packetization_mode: u8,
    /// The first two bytes of `profile-level-id`: profile_idc and the constraint flags. The level is not compared.
    pub profile: u16,
}

/// A codec with the parameters that make streams incompatible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Codec {
    /// RFC 7587, always 48 kHz and two channels in SDP.
    Opus,
    /// Redundant audio around Opus (RFC 2198).
    Red,
    /// RFC 7741.
    Vp8,
    /// RFC 6184.
    H264(H264),
    /// RFC 9628, with its `profile-id`.
    Vp9 {
        /// 0 for 8-bit 4:2:0, which everyone decodes.
        profile: u8,
    },
    /// The AOMedia RTP payload format, with its `profile`.
    Av1 {
        /// 0 is Main.
        profile: u8,
    },
}

impl Codec {
    /// Audio or video.
    pub const fn kind(self) -> MediaKind {
        match self {
            Self::Opus | Self::Red => MediaKind::Audio,
            Self::Vp8 | Self::H264(_) | Self::Vp9 { .. } | Self::Av1 { .. } => MediaKind::Video,
        }
    }

    /// RTP clock in hertz.
    pub const fn clock_rate(self) -> u32 {
        match self.kind() {
            MediaKind::Audio => 48_000,
            MediaKind::Video => 90_000,
        }
    }

    /// The encoding name of an `a=rtpmap` line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Opus => "opus",
            Self::Red => "red",
            Self::Vp8 => "VP8",
            Self::H264(_) => "H264",
            Self::Vp9 { .. } => "VP9",
            Self::Av1 { .. } => "AV1",
        }
    }
}
