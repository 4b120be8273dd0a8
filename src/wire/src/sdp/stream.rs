//! How a section names what flows in it: streams, restriction identifiers, simulcast, sources and
//! their groups.

use offhook_types::{PayloadType, Rid, Ssrc};

use super::Direction;

/// `a=msid` (RFC 8830): the stream and the track that a section carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Msid {
    /// Stream; tracks of one stream are played in step. `-` is none.
    pub stream: String,
    /// Track label; some clients leave it out.
    pub track: Option<String>,
}

/// `a=rid` (RFC 8851).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RidLine {
    /// Its name.
    pub rid: Rid,
    /// [`Direction::SendOnly`] or [`Direction::RecvOnly`], seen by the author.
    pub direction: Direction,
    /// Payload types it is limited to; empty for all.
    pub payload_types: Vec<PayloadType>,
    /// `max-width`, when given.
    pub max_width: Option<u32>,
}

/// `a=simulcast` (RFC 8853). Each stream is a list of alternatives.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Simulcast {
    /// Streams that the author sends.
    pub send: Vec<Vec<RidRef>>,
    /// Streams that the author receives.
    pub recv: Vec<Vec<RidRef>>,
}

/// A restriction identifier within `a=simulcast`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RidRef {
    /// Which.
    pub rid: Rid,
    /// Initially paused (`~`).
    pub paused: bool,
}

/// `a=ssrc` lines of one source (RFC 5576).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its number.
    pub ssrc: Ssrc,
    /// Canonical name.
    pub cname: Option<String>,
    /// Stream and track, as older clients write them.
    pub msid: Option<Msid>,
}

/// `a=ssrc-group` (RFC 5576 §4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceGroup {
    /// What the group means.
    pub semantics: GroupSemantics,
    /// Its members, the order matters.
    pub ssrcs: Vec<Ssrc>,
}

/// What a group of sources means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupSemantics {
    /// A stream and its retransmissions (RFC 4588 §8.7).
    Fid,
    /// Simulcast by SSRC, smallest picture first, as libwebrtc did before restriction identifiers.
    Sim,
    /// Another.
    Other(String),
}

impl GroupSemantics {
    /// As written.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Fid => "FID",
            Self::Sim => "SIM",
            Self::Other(name) => name,
        }
    }

    pub(crate) fn parse(text: &str) -> Self {
        match text {
            "FID" => Self::Fid,
            "SIM" => Self::Sim,
            other => Self::Other(other.into()),
        }
    }
}
