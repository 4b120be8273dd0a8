//! ICE candidates (RFC 8839 §5.1), as an attribute's value and as trickled by clients.

use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::str::FromStr;

use super::{MAX_TOKEN, Place, SdpError};

/// One candidate.
#[derive(Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Groups candidates that behave alike.
    pub foundation: String,
    /// 1 for RTP, 2 for RTCP.
    pub component: u8,
    /// UDP or TCP.
    pub transport: CandidateTransport,
    /// Higher is better.
    pub priority: u32,
    /// Where.
    pub address: CandidateAddress,
    /// At which port.
    pub port: u16,
    /// How the author learned it.
    pub kind: CandidateKind,
}

impl fmt::Debug for Candidate {
    /// Addresses are personal data and stay out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[redacted {:?} {:?} candidate]", self.kind, self.transport)
    }
}

/// Under what a candidate is reached.
#[derive(Clone, PartialEq, Eq)]
pub enum CandidateAddress {
    /// An address.
    Ip(IpAddr),
    /// A name, mostly `….local` behind multicast DNS.
    Name(String),
}

/// What a candidate runs over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CandidateTransport {
    /// RFC 8445.
    Udp,
    /// RFC 6544.
    Tcp,
}

/// How a candidate was learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CandidateKind {
    /// An interface's own address.
    Host,
    /// Seen by a STUN server.
    ServerReflexive,
    /// Seen by the peer.
    PeerReflexive,
    /// Lent by a TURN server.
    Relay,
}

impl CandidateKind {
    const ALL: [Self; 4] = [Self::Host, Self::ServerReflexive, Self::PeerReflexive, Self::Relay];

    /// The word behind `typ`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::ServerReflexive => "srflx",
            Self::PeerReflexive => "prflx",
            Self::Relay => "relay",
        }
    }
}

impl Candidate {
    /// A host candidate of ours over UDP. `rank` 0 is the best; priorities as RFC 8445 §5.1.2.1
    /// computes them.
    pub fn host(address: SocketAddr, rank: u16) -> Self {
        let local = u32::from(u16::MAX.saturating_sub(rank));
        Self {
            foundation: (u32::from(rank).saturating_add(1)).to_string(),
            component: 1,
            transport: CandidateTransport::Udp,
            priority: (126 << 24) | (local << 8) | 255,
            address: CandidateAddress::Ip(address.ip()),
            port: address.port(),
            kind: CandidateKind::Host,
        }
    }
}

impl fmt::Display for Candidate {
    /// The attribute's value, without `candidate:`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transport = match self.transport {
            CandidateTransport::Udp => "udp",
            CandidateTransport::Tcp => "tcp",
        };
        write!(f, "{} {} {transport} {} ", self.foundation, self.component, self.priority)?;
        match &self.address {
            CandidateAddress::Ip(ip) => write!(f, "{ip}")?,
            CandidateAddress::Name(name) => f.write_str(name)?,
        }
        write!(f, " {} typ {}", self.port, self.kind.as_str())
    }
}

impl FromStr for Candidate {
    type Err = SdpError;

    /// Reads the value with or without `candidate:` in front. Extensions behind the type are passed
    /// over.
    fn from_str(text: &str) -> Result<Self, SdpError> {
        let bad = SdpError::Attribute { attribute: "candidate", place: Place::Session };
        read(text).ok_or(bad)
    }
}

fn read(text: &str) -> Option<Candidate> {
    let text = text.trim();
    let text = text.strip_prefix("a=").unwrap_or(text);
    let text = text.strip_prefix("candidate:").unwrap_or(text);
    let mut words = text.split_ascii_whitespace();
    let foundation = words.next().filter(|word| is_foundation(word))?;
    let component = words.next()?.parse().ok().filter(|&component: &u8| component >= 1)?;
    let transport = match words.next()?.to_ascii_lowercase().as_str() {
        "udp" => CandidateTransport::Udp,
        "tcp" | "ssltcp" => CandidateTransport::Tcp,
        _ => return None,
    };
    let priority = words.next()?.parse().ok()?;
    let address = words.next().filter(|word| word.len() <= MAX_TOKEN)?;
    let port = words.next()?.parse().ok()?;
    if words.next()? != "typ" {
        return None;
    }
    let kind = words.next()?;
    Some(Candidate {
        foundation: foundation.into(),
        component,
        transport,
        priority,
        address: address
            .parse()
            .map_or_else(|_| CandidateAddress::Name(address.into()), CandidateAddress::Ip),
        port,
        kind: CandidateKind::ALL.into_iter().find(|known| known.as_str() == kind)?,
    })
}

/// RFC 8839 §5.1 has ice-chars; a few more are harmless. An equals sign or a colon is not: it would
/// read as the prefix of an attribute.
fn is_foundation(word: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"+/-_.".contains(&byte);
    word.len() <= MAX_TOKEN && word.bytes().all(fits)
}
