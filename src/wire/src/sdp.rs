//! Session descriptions as types (RFC 8866, RFC 9429 and the drafts and RFCs that WebRTC adds to
//! them).
//!
//! [`Session::parse`] turns text into values once, with every number in range and every list
//! bounded, so that nothing behind it looks at text again. [`Session`]'s `Display` prints a
//! description back. Session-level ICE credentials, fingerprint, setup, direction and header
//! extensions are folded into each section while parsing (RFC 8839 §5.4, RFC 8122 §5, RFC 4145 §4,
//! RFC 8285 §7), so a reader only looks at sections.
//!
//! Line grammar is left to the `rtc-sdp` crate; this module owns the meaning of what WebRTC uses.
//! It does not decide what to answer.

mod candidate;
mod codec;
mod fragment;
mod parse;
mod print;
mod stream;

#[cfg(test)]
mod tests;

use core::fmt;
use core::str::FromStr;

use offhook_types::media::{Extension, Fingerprint, IceCredentials};
use offhook_types::{MediaKind, Mid};

pub use candidate::{Candidate, CandidateAddress, CandidateKind, CandidateTransport, TcpType};
pub use codec::{Encoding, Feedback, Format};
pub use fragment::Fragment;
pub use stream::{GroupSemantics, Msid, RidLine, RidRef, Simulcast, Source, SourceGroup};

/// Longest description accepted: Chromium writes about 6 KB for a section with every codec, so this
/// is room for more than 150 of them.
pub const MAX_TEXT: usize = 1 << 20;
/// Longest line accepted.
pub const MAX_LINE: usize = 4096;
/// Most sections of a description.
pub const MAX_SECTIONS: usize = 512;
/// Most payload types, header extensions, candidates, sources or restrictions of one section.
pub const MAX_LIST: usize = 128;
/// Longest opaque piece (names, stream labels, format parameters) kept from a peer.
pub const MAX_TOKEN: usize = 512;

/// Why text is not a description that we can work with. Says what to mend; never quotes the peer's
/// text at length.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    /// Beyond [`MAX_TEXT`] or [`MAX_LINE`].
    #[error("session description is too long: {what} is limited to {limit} bytes")]
    TooLong {
        /// The text or a line.
        what: &'static str,
        /// In bytes.
        limit: usize,
    },
    /// A list beyond its bound.
    #[error("too many {what}: at most {limit}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many are allowed.
        limit: usize,
    },
    /// A line that is not a letter, an equals sign and a value.
    #[error("line {0} is not of the form letter=value")]
    Line(usize),
    /// Lines are missing, out of order or hold no such thing (RFC 8866 §5).
    #[error("not a session description: v=, o=, s=, t= or m= is missing, misplaced or malformed")]
    Grammar,
    /// A payload type in an `m=` line that is not a number below 128.
    #[error("bad payload type in the m= line of section {0}")]
    PayloadType(usize),
    /// An attribute whose value does not mean anything.
    #[error("bad a={attribute} in {place}")]
    Attribute {
        /// Its name.
        attribute: &'static str,
        /// Session, or which section by index.
        place: Place,
    },
    /// Two sections with one identifier.
    #[error("mid {0} appears twice")]
    DuplicateMid(Mid),
}

/// Where in a description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Before the first section.
    Session,
    /// The section with this index.
    Section(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session => f.write_str("the session part"),
            Self::Section(index) => write!(f, "section {index}"),
        }
    }
}

/// A whole description.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Session {
    /// From the `o=` line: same for every description of one peer connection.
    pub id: u64,
    /// From the `o=` line: counts the descriptions of one peer connection.
    pub version: u64,
    /// The author is an ICE lite agent.
    pub ice_lite: bool,
    /// The author understands trickled candidates (`a=ice-options:trickle`).
    pub trickle: bool,
    /// One- and two-byte header extensions may be mixed (RFC 8285 §6).
    pub extmap_allow_mixed: bool,
    /// Value of `a=msid-semantic`, which nobody needs and old clients look for.
    pub msid_semantic: Option<String>,
    /// The sections of the first BUNDLE group, in its order; empty without one (RFC 9143).
    pub bundle: Vec<Mid>,
    /// Media sections in order.
    pub sections: Vec<Section>,
}

/// One media section.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Section {
    /// What it carries.
    pub kind: SectionKind,
    /// Zero means rejected, unless bundle-only; nine means "see the candidates".
    pub port: u16,
    /// What RTP or SCTP runs over, as written.
    pub protocol: Protocol,
    /// Formats of a section that is not RTP, as written.
    pub other_formats: Vec<String>,
    /// Identifier.
    pub mid: Option<Mid>,
    /// Which way media flows, seen by the author.
    pub direction: Direction,
    /// The author's ICE credentials.
    pub ice: Option<IceCredentials>,
    /// SHA-256 of the author's certificate; other hashes are passed over.
    pub fingerprint: Option<Fingerprint>,
    /// The author's wish for its side of DTLS.
    pub setup: Option<Setup>,
    /// RTP and RTCP share a port.
    pub rtcp_mux: bool,
    /// RTCP without a report in front is understood (RFC 5506).
    pub rtcp_rsize: bool,
    /// Only usable inside the bundle (RFC 9143 §6).
    pub bundle_only: bool,
    /// Payload types in order of preference.
    pub formats: Vec<Format>,
    /// Header extensions.
    pub extmaps: Vec<Extmap>,
    /// Restriction identifiers.
    pub rids: Vec<RidLine>,
    /// Simulcast streams by restriction identifier.
    pub simulcast: Option<Simulcast>,
    /// Described sources.
    pub sources: Vec<Source>,
    /// How they belong together.
    pub groups: Vec<SourceGroup>,
    /// Streams that the section's track belongs to.
    pub msids: Vec<Msid>,
    /// The author's candidates.
    pub candidates: Vec<Candidate>,
    /// No more candidates will follow.
    pub end_of_candidates: bool,
    /// Port of the SCTP association (RFC 8841).
    pub sctp_port: Option<u16>,
    /// Largest message that the author takes over SCTP; zero is no limit.
    pub max_message_size: Option<u64>,
}

impl Session {
    /// Text to values.
    pub fn parse(text: &str) -> Result<Self, SdpError> {
        parse::session(text)
    }

    /// The section with this identifier.
    pub fn section(&self, mid: Mid) -> Option<&Section> {
        self.sections.iter().find(|section| section.mid == Some(mid))
    }
}

impl FromStr for Session {
    type Err = SdpError;

    fn from_str(text: &str) -> Result<Self, SdpError> {
        Self::parse(text)
    }
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&print::session(self).marshal())
    }
}

impl Section {
    /// Refused or stopped by its author.
    pub fn rejected(&self) -> bool {
        self.port == 0 && !self.bundle_only
    }
}

/// What a section carries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum SectionKind {
    /// Sound.
    #[default]
    Audio,
    /// Pictures.
    Video,
    /// Data channels, or something else that is called an application.
    Application,
    /// `text`, `message`, `image`.
    Other(String),
}

impl SectionKind {
    /// The word in the `m=` line.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Audio => "audio",
            Self::Video => "video",
            Self::Application => "application",
            Self::Other(name) => name,
        }
    }

    /// Audio or video.
    pub fn media(&self) -> Option<MediaKind> {
        match self {
            Self::Audio => Some(MediaKind::Audio),
            Self::Video => Some(MediaKind::Video),
            Self::Application | Self::Other(_) => None,
        }
    }
}

impl From<MediaKind> for SectionKind {
    fn from(kind: MediaKind) -> Self {
        match kind {
            MediaKind::Audio => Self::Audio,
            MediaKind::Video => Self::Video,
        }
    }
}

/// The transport in the `m=` line. Kept as written, because an answer repeats it (RFC 9429 §5.1.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protocol(pub(crate) String);

impl Protocol {
    /// What WebRTC offers for audio and video.
    pub const RTP: &'static str = "UDP/TLS/RTP/SAVPF";
    /// What WebRTC offers for data channels.
    pub const SCTP: &'static str = "UDP/DTLS/SCTP";

    /// Data channels over UDP.
    pub fn sctp() -> Self {
        Self(Self::SCTP.into())
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// RTP with feedback over SRTP, keyed by DTLS: all spellings that RFC 9429 §5.1.2 tells to
    /// accept.
    pub fn is_rtp(&self) -> bool {
        matches!(
            self.as_str(),
            Self::RTP | "TCP/DTLS/RTP/SAVPF" | "TCP/TLS/RTP/SAVPF" | "RTP/SAVPF" | "RTP/SAVP"
        )
    }

    /// SCTP over DTLS, also as older clients write it.
    pub fn is_sctp(&self) -> bool {
        matches!(self.as_str(), Self::SCTP | "TCP/DTLS/SCTP" | "DTLS/SCTP")
    }
}

impl Default for Protocol {
    fn default() -> Self {
        Self(Self::RTP.into())
    }
}

/// Which way media flows, seen by the author of the description (RFC 3264 §5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// Both ways; what a section without a direction means.
    #[default]
    SendRecv,
    /// The author only sends.
    SendOnly,
    /// The author only receives.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl Direction {
    /// From what the author does.
    pub fn new(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// The author sends.
    pub fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// The author receives.
    pub fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// The attribute.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::SendRecv, Self::SendOnly, Self::RecvOnly, Self::Inactive]
            .into_iter()
            .find(|direction| direction.as_str() == text)
    }
}

/// The author's side of the DTLS handshake (RFC 4145 §4, RFC 8842).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setup {
    /// Sends the ClientHello.
    Active,
    /// Waits for it.
    Passive,
    /// Either; only in offers.
    ActPass,
    /// Not now.
    HoldConn,
}

impl Setup {
    /// The attribute's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::ActPass => "actpass",
            Self::HoldConn => "holdconn",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Active, Self::Passive, Self::ActPass, Self::HoldConn]
            .into_iter()
            .find(|setup| setup.as_str() == text)
    }
}

/// One header extension of a section (RFC 8285 §7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extmap {
    /// 1 to 255; numbers above are only placeholders of an offer and are dropped while parsing.
    pub id: u8,
    /// Restricts it to one way.
    pub direction: Option<Direction>,
    /// What it is.
    pub name: ExtensionName,
}

/// What a header extension is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExtensionName {
    /// One that means something to us.
    Known(Extension),
    /// Another URI.
    Other(String),
}
