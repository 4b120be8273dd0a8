//! Names with addresses: From, To, Contact, Route and their like (RFC 3261 §20.10).

use super::{Params, Value};
use crate::scan;
use crate::text::Text;
use crate::uri::Uri;

/// `"Name" <uri>;params`
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NameAddr {
    /// What to show; plain, without its quotes.
    pub name: Option<Text>,
    /// Who or where.
    pub uri: Uri,
    /// The header's, not the URI's.
    pub params: Params,
}

impl NameAddr {
    /// A bare address.
    pub fn new(uri: impl Into<Uri>) -> Self {
        Self { name: None, uri: uri.into(), params: Params::default() }
    }

    /// The tag of a From or To.
    pub fn tag(&self) -> Option<&Text> {
        self.params.get("tag")
    }

    /// With this tag.
    pub fn with_tag(mut self, tag: impl Into<Text>) -> Self {
        self.params.set("tag", Some(tag));
        self
    }

    /// The `expires` of a Contact, in seconds. One that is no number counts as an hour, as for
    /// Expires (RFC 3261 §20.19).
    pub fn expires(&self) -> Option<u32> {
        let text = self.params.get("expires")?;
        let seconds = scan::number(text.as_bytes()).and_then(|number| u32::try_from(number).ok());
        Some(seconds.unwrap_or(super::value::DEFAULT_EXPIRES))
    }

    /// The `q` of a Contact in thousandths; 1000 without one that can be read.
    pub fn preference(&self) -> u16 {
        self.params.get("q").and_then(|q| thousandths(q.as_bytes())).unwrap_or(1000)
    }
}

impl Value for NameAddr {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.trim_ascii();
        let (name, rest) = match bytes.first()? {
            b'"' => {
                let (name, rest) = scan::quoted(bytes)?;
                (Some(Text::new(name)), rest.trim_ascii_start())
            }
            _ => match bytes.iter().position(|&byte| byte == b'<') {
                Some(open) => {
                    let (name, rest) = bytes.split_at_checked(open)?;
                    (bare_name(name.trim_ascii())?, rest)
                }
                None => return bare(bytes),
            },
        };
        let inner = rest.strip_prefix(b"<")?;
        let close = inner.iter().position(|&byte| byte == b'>')?;
        let (uri, rest) = inner.split_at_checked(close)?;
        let params = Params::parse(rest.get(1..)?)?;
        Some(Self { name, uri: Uri::parse(uri).ok()?, params })
    }

    fn write(&self, out: &mut Vec<u8>) {
        if let Some(name) = &self.name {
            scan::push_quoted(out, name.as_bytes());
            out.push(b' ');
        }
        out.push(b'<');
        self.uri.write(out);
        out.push(b'>');
        self.params.write(out);
    }
}

/// The addresses of a Contact header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contacts {
    /// `*`: every one of a registration (RFC 3261 §10.2.2).
    All,
    /// In order; empty without the header.
    List(Vec<NameAddr>),
}

impl Contacts {
    /// The first address.
    pub fn first(&self) -> Option<&NameAddr> {
        match self {
            Self::All => None,
            Self::List(list) => list.first(),
        }
    }
}

/// Words before `<`. RFC 3261 allows tokens; any byte above 127 is taken too.
fn bare_name(name: &[u8]) -> Option<Option<Text>> {
    let known = |byte: u8| scan::is_token_byte(byte) || b" \t".contains(&byte) || byte >= 0x80;
    if !name.iter().copied().all(known) {
        return None;
    }
    Some((!name.is_empty()).then(|| Text::new(name)))
}

/// Without brackets a semicolon begins the header's parameters, and a comma or question mark may not
/// stand at all (RFC 3261 §20).
fn bare(bytes: &[u8]) -> Option<NameAddr> {
    let end = bytes.iter().position(|&byte| byte == b';').unwrap_or(bytes.len());
    let (uri, params) = bytes.split_at_checked(end)?;
    let uri = uri.trim_ascii_end();
    if uri.iter().any(|byte| b",?".contains(byte)) {
        return None;
    }
    Some(NameAddr { name: None, uri: Uri::parse(uri).ok()?, params: Params::parse(params)? })
}

/// `0.5` or `1` (RFC 3261 §25.1, qvalue).
fn thousandths(text: &[u8]) -> Option<u16> {
    let mut parts = text.splitn(2, |&byte| byte == b'.');
    let whole = match parts.next()? {
        b"0" | b"" => 0,
        b"1" => 1000,
        _ => return None,
    };
    let digits = parts.next().unwrap_or_default();
    let mut fraction = 0;
    for place in 0..3 {
        let digit = digits.get(place).copied().unwrap_or(b'0');
        fraction = fraction * 10 + u16::try_from(char::from(digit).to_digit(10)?).ok()?;
    }
    Some((whole + fraction).min(1000))
}
