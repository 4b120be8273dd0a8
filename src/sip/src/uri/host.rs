//! Names and addresses of machines.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::text::Text;

/// A machine.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// A domain name in lower case. Made with [`Host::parse`], so it holds letters, digits, `-`, `_`
    /// and dots alone.
    Name(DomainName),
    /// An address; in brackets when it is written, if it is of version 6.
    Ip(IpAddr),
}

/// A domain name, checked.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct DomainName(Text);

/// A machine and, where one is given, a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// Which machine.
    pub host: Host,
    /// `None` means what the transport or DNS says.
    pub port: Option<u16>,
}

impl Host {
    /// A name, an IPv4 address or an IPv6 address in brackets.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let text = core::str::from_utf8(bytes).ok()?;
        if let Some(inner) = text.strip_prefix('[') {
            let inner = inner.strip_suffix(']')?;
            // The grammar of RFC 3261 has a colon too many before an IPv4 part (RFC 5118 §4.10).
            let mended = inner.contains('.').then(|| inner.replacen(":::", "::", 1));
            let address = mended.as_deref().unwrap_or(inner).parse::<Ipv6Addr>().ok()?;
            return Some(Self::Ip(address.into()));
        }
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Some(Self::Ip(address.into()));
        }
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let named = !text.is_empty() && text.len() <= MAX_NAME && text.bytes().all(known);
        named.then(|| Self::Name(DomainName(Text::from(text.to_ascii_lowercase()))))
    }

    /// The address, if it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(address) => Some(*address),
            Self::Name(_) => None,
        }
    }

    /// The name, if it is one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Name(DomainName(name)) => name.as_str(),
            Self::Ip(_) => None,
        }
    }
}

impl HostPort {
    /// `host` or `host:port`. Space may stand around the colon (RFC 3261 §25.1, COLON).
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.trim_ascii();
        let bracket = bytes.iter().position(|&byte| byte == b']').unwrap_or(0);
        let colon = bytes.iter().skip(bracket).position(|&byte| byte == b':');
        let Some(colon) = colon else {
            return Some(Self { host: Host::parse(bytes)?, port: None });
        };
        let (host, port) = bytes.split_at_checked(bracket + colon)?;
        let port = crate::scan::number(port.get(1..)?.trim_ascii())?;
        let host = Host::parse(host.trim_ascii())?;
        Some(Self { host, port: Some(u16::try_from(port).ok()?) })
    }

    /// The socket address, if the host is an address; with the default port if none is given.
    pub fn address(&self, default: u16) -> Option<SocketAddr> {
        Some(SocketAddr::new(self.host.ip()?, self.port.unwrap_or(default)))
    }
}

impl From<SocketAddr> for HostPort {
    fn from(address: SocketAddr) -> Self {
        Self { host: Host::Ip(address.ip()), port: Some(address.port()) }
    }
}

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Self {
        Self::Ip(address)
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted host]")
    }
}

impl fmt::Debug for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted host]")
    }
}

/// Longest domain name (RFC 1035 §2.3.4).
const MAX_NAME: usize = 255;
