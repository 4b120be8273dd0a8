//! Where a response goes back to (RFC 3261 §20.42, RFC 3581).

use core::net::IpAddr;

use super::{Params, Value};
use crate::scan;
use crate::text::Text;
use crate::uri::{Host, HostPort};

/// What carries a message.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Transport {
    /// RFC 3261 §18.
    Udp,
    /// RFC 3261 §18.
    Tcp,
    /// RFC 3261 §26.
    Tls,
    /// RFC 4168.
    Sctp,
    /// RFC 7118.
    Ws,
    /// RFC 7118.
    Wss,
    /// Any other token.
    Other(Text),
}

impl Transport {
    /// By its name, whatever its case.
    pub fn from_name(name: &[u8]) -> Self {
        let known = KNOWN.iter().find(|(_, text)| name.eq_ignore_ascii_case(text.as_bytes()));
        known.map_or_else(|| Self::Other(Text::new(name)), |(transport, _)| transport.clone())
    }

    /// Its name.
    pub fn name(&self) -> &[u8] {
        match self {
            Self::Other(name) => name.as_bytes(),
            known => {
                let text = KNOWN.iter().find(|(transport, _)| transport == known);
                text.map_or(&b"UDP"[..], |(_, text)| text.as_bytes())
            }
        }
    }

    /// Delivers in order and whole, so requests are not sent again.
    pub fn is_reliable(&self) -> bool {
        !matches!(self, Self::Udp | Self::Other(_))
    }
}

const KNOWN: &[(Transport, &str)] = &[
    (Transport::Udp, "UDP"),
    (Transport::Tcp, "TCP"),
    (Transport::Tls, "TLS"),
    (Transport::Sctp, "SCTP"),
    (Transport::Ws, "WS"),
    (Transport::Wss, "WSS"),
];

/// `SIP/2.0/UDP host:port;params`
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Via {
    /// Protocol and version; `SIP/2.0` but for those who speak another.
    pub protocol: Text,
    /// What carried the message.
    pub transport: Transport,
    /// Who sent it, in its own words.
    pub sent_by: HostPort,
    /// Branch, received, rport and others.
    pub params: Params,
}

impl Via {
    /// Begins a branch that names a transaction (RFC 3261 §8.1.1.7).
    pub const COOKIE: &'static str = "z9hG4bK";

    /// `SIP/2.0/transport sent_by;branch=...;rport`
    pub fn new(transport: Transport, sent_by: HostPort, branch: impl Into<Text>) -> Self {
        let mut params = Params::default();
        params.set("branch", Some(branch));
        params.set("rport", None::<Text>);
        Self { protocol: Text::from(PROTOCOL), transport, sent_by, params }
    }

    /// Names the transaction.
    pub fn branch(&self) -> Option<&Text> {
        self.params.get("branch")
    }

    /// Where the request came from, as a server on the way saw it. Brackets may be left out around
    /// IPv6 (RFC 5118 §4.5).
    pub fn received(&self) -> Option<IpAddr> {
        let text = self.params.get("received")?.as_str()?;
        text.trim_start_matches('[').trim_end_matches(']').parse().ok()
    }

    /// The port that it came from, if it was asked for and filled in (RFC 3581 §4).
    pub fn rport(&self) -> Option<u16> {
        let number = scan::number(self.params.get("rport")?.as_bytes())?;
        u16::try_from(number).ok()
    }

    /// Note where a request really came from (RFC 3261 §18.2.1, RFC 3581 §4): `rport` when it is asked
    /// for, `received` then and when the host differs.
    pub fn note_source(&mut self, source: core::net::SocketAddr) {
        let asked = self.params.has("rport");
        if asked {
            self.params.set("rport", Some(source.port().to_string()));
        }
        if asked || self.sent_by.host != Host::Ip(source.ip()) {
            self.params.set("received", Some(source.ip().to_string()));
        }
    }

    /// The sender's part alone, whatever follows it: enough to answer a request that is malformed.
    pub fn parse_sender(bytes: &[u8]) -> Option<Self> {
        let end = bytes.iter().position(|byte| b";,".contains(byte)).unwrap_or(bytes.len());
        let sender = bytes.get(..end)?.trim_ascii();
        let mut pieces = sender.splitn(3, |&byte| byte == b'/').map(<[u8]>::trim_ascii);
        let (name, version, rest) = (pieces.next()?, pieces.next()?, pieces.next()?);
        let gap = rest.iter().position(u8::is_ascii_whitespace)?;
        let (transport, sent_by) = rest.split_at_checked(gap)?;
        if ![name, version, transport].into_iter().all(scan::is_token) {
            return None;
        }
        let mut protocol = name.to_ascii_uppercase();
        protocol.push(b'/');
        protocol.extend(version);
        Some(Self {
            protocol: Text::new(protocol),
            transport: Transport::from_name(transport),
            sent_by: HostPort::parse(sent_by)?,
            params: Params::default(),
        })
    }
}

impl Value for Via {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut via = Self::parse_sender(bytes)?;
        let end = bytes.iter().position(|&byte| byte == b';').unwrap_or(bytes.len());
        via.params = Params::parse(bytes.get(end..)?)?;
        Some(via)
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.protocol.as_bytes());
        out.push(b'/');
        out.extend(self.transport.name());
        out.push(b' ');
        self.sent_by.write(out);
        self.params.write(out);
    }
}

const PROTOCOL: &str = "SIP/2.0";
