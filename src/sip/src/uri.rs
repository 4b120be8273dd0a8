//! Addresses: SIP and SIPS URIs (RFC 3261 §19.1), tel URIs (RFC 3966), and any other scheme as it was
//! written.
//!
//! Parts that may be escaped are [`Escaped`] and in normal form, so that what `==` says is what RFC
//! 3261 §19.1.4 says about them. Two whole URIs are compared with [`Uri::same`]; their `==` asks
//! whether they are written alike.

mod compare;
mod escaped;
mod host;
mod read;

use core::fmt;

use crate::text::Text;

pub use escaped::Escaped;
pub use host::{DomainName, Host, HostPort};

/// Longest URI read. Carriers' longest, with a dozen parameters, stay below 500 bytes.
pub const MAX_URI: usize = 2048;
/// Most parameters, or header fields, of one URI.
pub const MAX_PARAMS: usize = 32;

/// Where a request goes, or who somebody is.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Uri {
    /// `sip:` or `sips:`.
    Sip(SipUri),
    /// `tel:`.
    Tel(TelUri),
    /// Another scheme, whole, as it was written.
    Other(Text),
}

/// `sip:user:password@host:port;params?headers`
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SipUri {
    /// `sips:`: only over TLS.
    pub secure: bool,
    /// Before the `@`.
    pub user: Option<Escaped>,
    /// After the user's colon. Nobody should use it (RFC 3261 §19.1.1).
    pub password: Option<Escaped>,
    /// Name or address, and port where one is given.
    pub at: HostPort,
    /// In order; `None` for one without an equals sign.
    pub params: Vec<(Escaped, Option<Escaped>)>,
    /// Header fields of the request to be made from it.
    pub headers: Vec<(Escaped, Escaped)>,
}

/// `tel:number;params`
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TelUri {
    /// As written, with visual separators: digits, `*`, `#`, `A` to `F`, `-.()` and a leading `+`.
    pub number: Text,
    /// In order.
    pub params: Vec<(Escaped, Option<Escaped>)>,
}

/// Why bytes are not a URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// Beyond [`MAX_URI`] or [`MAX_PARAMS`].
    #[error("URI too long")]
    TooLong,
    /// Not of the form that its scheme wants, or no scheme.
    #[error("malformed URI")]
    Malformed,
}

impl Uri {
    /// Bytes to value.
    pub fn parse(bytes: &[u8]) -> Result<Self, UriError> {
        read::uri(bytes)
    }

    /// The SIP URI, if it is one.
    pub fn as_sip(&self) -> Option<&SipUri> {
        match self {
            Self::Sip(uri) => Some(uri),
            Self::Tel(_) | Self::Other(_) => None,
        }
    }

    /// A SIP URI's user, or a tel URI's number without visual separators, unescaped: what was dialed or
    /// who calls, once its own parameters (`;npdi`, RFC 3261 §19.1.6) are taken off.
    pub fn subscriber(&self) -> Option<String> {
        let user = match self {
            Self::Sip(uri) => uri.user.as_ref()?.decoded(),
            Self::Tel(uri) => uri.digits(),
            Self::Other(_) => return None,
        };
        let end = user.find(';').unwrap_or(user.len());
        user.get(..end).map(str::to_owned)
    }

    /// The same resource, as RFC 3261 §19.1.4 and RFC 3966 §5 compare.
    pub fn same(&self, other: &Self) -> bool {
        compare::uri(self, other)
    }
}

impl SipUri {
    /// `sip:user@host:port`; the user is escaped as needed.
    pub fn new(user: Option<&str>, at: HostPort) -> Self {
        let user = user.map(Escaped::user);
        Self { secure: false, user, password: None, at, params: Vec::new(), headers: Vec::new() }
    }

    /// The value of a parameter, by its name in lower case. `Some(None)` for one without a value.
    pub fn param(&self, name: &str) -> Option<Option<&Escaped>> {
        param(&self.params, name)
    }

    /// Loose routing (RFC 3261 §16.12).
    pub fn is_loose(&self) -> bool {
        self.param("lr").is_some()
    }

    /// The transport parameter, in lower case.
    pub fn transport(&self) -> Option<String> {
        self.param("transport").flatten().map(|value| value.decoded().to_ascii_lowercase())
    }

    /// Add a parameter, or change it.
    pub fn set_param(&mut self, name: &str, value: Option<&str>) {
        self.params.retain(|(known, _)| !known.is(name));
        self.params.push((Escaped::param(name), value.map(Escaped::param)));
    }
}

impl TelUri {
    /// The number; what is not a digit, a separator or a leading `+` is left out.
    pub fn new(number: &str) -> Self {
        let number = number.bytes().filter(|&byte| read::is_number_byte(byte)).collect::<Vec<_>>();
        Self { number: Text::new(number), params: Vec::new() }
    }

    /// Without visual separators.
    pub fn digits(&self) -> String {
        let digits = self.number.as_bytes().iter().filter(|byte| !b"-.()".contains(byte));
        digits.map(|&byte| char::from(byte)).collect()
    }

    /// The value of a parameter, by its name in lower case.
    pub fn param(&self, name: &str) -> Option<Option<&Escaped>> {
        param(&self.params, name)
    }
}

impl From<SipUri> for Uri {
    fn from(uri: SipUri) -> Self {
        Self::Sip(uri)
    }
}

impl From<TelUri> for Uri {
    fn from(uri: TelUri) -> Self {
        Self::Tel(uri)
    }
}

/// Who is meant is not for a log.
impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sip(_) => "[redacted sip uri]",
            Self::Tel(_) => "[redacted tel uri]",
            Self::Other(_) => "[redacted uri]",
        })
    }
}

impl fmt::Debug for SipUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted sip uri]")
    }
}

impl fmt::Debug for TelUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted tel uri]")
    }
}

fn param<'a>(params: &'a [(Escaped, Option<Escaped>)], name: &str) -> Option<Option<&'a Escaped>> {
    params.iter().find(|(known, _)| known.is(name)).map(|(_, value)| value.as_ref())
}

#[cfg(test)]
mod tests;
