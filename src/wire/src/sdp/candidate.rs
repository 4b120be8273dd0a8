//! ICE candidates (RFC 8839 §5.1), as an attribute's value and as trickled by clients.

use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::str::FromStr;

use offhook_types::media::Protocol;

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
    Tcp(TcpType),
}

/// Who opens the connection of a TCP candidate (RFC 6544 §4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TcpType {
    /// The author does.
    Active,
    /// The author waits for it.
    Passive,
    /// Both do, at once.
    SimultaneousOpen,
}

impl TcpType {
    const ALL: [Self; 3] = [Self::Active, Self::Passive, Self::SimultaneousOpen];

    /// The word behind `tcptype`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::SimultaneousOpen => "so",
        }
    }
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
    /// A host candidate of ours; over TCP we wait for the connection. `rank` 0 is the best, and
    /// none has the rank of another. Priorities as RFC 8445 §5.1.2.1 computes them; one over TCP
    /// is below every other host candidate (RFC 6544 §4.2: a lower type preference, and in the
    /// local preference 4 in the upper three bits for passive).
    pub fn host(protocol: Protocol, address: SocketAddr, rank: u16) -> Self {
        let (transport, preference, local) = match protocol {
            Protocol::Udp => (CandidateTransport::Udp, 126, u16::MAX.saturating_sub(rank)),
            Protocol::Tcp => {
                let local = (4 << 13) | 0x1fffu16.saturating_sub(rank);
                (CandidateTransport::Tcp(TcpType::Passive), 90, local)
            }
        };
        Self {
            foundation: (u32::from(rank).saturating_add(1)).to_string(),
            component: 1,
            transport,
            priority: (preference << 24) | (u32::from(local) << 8) | 255,
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
            CandidateTransport::Tcp(_) => "tcp",
        };
        write!(f, "{} {} {transport} {} ", self.foundation, self.component, self.priority)?;
        match &self.address {
            CandidateAddress::Ip(ip) => write!(f, "{ip}")?,
            CandidateAddress::Name(name) => f.write_str(name)?,
        }
        write!(f, " {} typ {}", self.port, self.kind.as_str())?;
        match self.transport {
            CandidateTransport::Tcp(kind) => write!(f, " tcptype {}", kind.as_str()),
            CandidateTransport::Udp => Ok(()),
        }
    }
}

impl FromStr for Candidate {
    type Err = SdpError;

    /// Reads the value with or without `candidate:` in front. Extensions behind the type are passed
    /// over, but for the one that says who opens a TCP connection.
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
    let is_tcp = match words.next()?.to_ascii_lowercase().as_str() {
        "udp" => false,
        "tcp" | "ssltcp" => true,
        _ => return None,
    };
    let priority = words.next()?.parse().ok()?;
    let address = words.next().filter(|word| word.len() <= MAX_TOKEN)?;
    let port = words.next()?.parse().ok()?;
    if words.next()? != "typ" {
        return None;
    }
    let kind = words.next()?;
    let transport =
        if is_tcp { CandidateTransport::Tcp(tcp_type(words)?) } else { CandidateTransport::Udp };
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

/// The value of `tcptype` among extensions, which come as name and value. Old browsers left it out
/// and opened the connection themselves.
fn tcp_type<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<TcpType> {
    while let Some(name) = words.next() {
        let value = words.next()?;
        if name == "tcptype" {
            return TcpType::ALL.into_iter().find(|known| known.as_str() == value);
        }
    }
    Some(TcpType::Active)
}

/// RFC 8839 §5.1 has ice-chars; a few more are harmless. An equals sign or a colon is not: it would
/// read as the prefix of an attribute.
fn is_foundation(word: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"+/-_.".contains(&byte);
    word.len() <= MAX_TOKEN && word.bytes().all(fits)
}
