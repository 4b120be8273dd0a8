//! The transports an agent speaks.

use crate::header;

/// What carries messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// Datagrams: loses, doubles, reorders.
    Udp,
    /// A stream.
    Tcp,
    /// A stream that nobody reads on the way.
    Tls,
}

impl Transport {
    /// By the name that stands in a URI.
    pub fn from_name(name: &str) -> Option<Self> {
        let known = [Self::Udp, Self::Tcp, Self::Tls];
        known.into_iter().find(|transport| transport.name().eq_ignore_ascii_case(name))
    }

    /// By the service of a NAPTR record (RFC 3263 §4.1).
    pub fn from_service(service: &str) -> Option<Self> {
        let known = [("SIP+D2U", Self::Udp), ("SIP+D2T", Self::Tcp), ("SIPS+D2T", Self::Tls)];
        let known = known.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(service));
        known.map(|(_, transport)| transport)
    }

    /// As it stands in a URI.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }

    /// The port where none is given (RFC 3261 §19.1.2).
    pub const fn port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
        }
    }

    /// Loses nothing, so that nothing is repeated.
    pub const fn is_sure(self) -> bool {
        !matches!(self, Self::Udp)
    }

    /// As it stands in a Via.
    pub(crate) const fn via(self) -> header::Transport {
        match self {
            Self::Udp => header::Transport::Udp,
            Self::Tcp => header::Transport::Tcp,
            Self::Tls => header::Transport::Tls,
        }
    }
}
