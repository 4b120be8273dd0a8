//! Values of single headers.

use core::time::Duration;

use super::{Params, Value};
use crate::message::Method;
use crate::scan;
use crate::text::Text;

/// What an Expires that is no number counts as: an hour (RFC 3261 §20.19).
pub(crate) const DEFAULT_EXPIRES: u32 = 3600;

/// The number of a request in its dialog (RFC 3261 §20.16).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CSeq {
    /// Below 2^31.
    pub number: u32,
    /// That of the request.
    pub method: Method,
}

impl Value for CSeq {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut words = words(bytes);
        let number = u32::try_from(scan::number(words.next()?)?).ok()?;
        let method = words.next().filter(|word| scan::is_token(word))?;
        let whole = number < 1 << 31 && words.next().is_none();
        whole.then(|| Self { number, method: Method::from_name(method) })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.number.to_string().into_bytes());
        out.push(b' ');
        out.extend(self.method.name());
    }
}

/// Which provisional response a PRACK confirms (RFC 3262 §7.2).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RAck {
    /// The RSeq of the response.
    pub response: u32,
    /// The CSeq of the response.
    pub request: CSeq,
}

impl Value for RAck {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.trim_ascii();
        let gap = bytes.iter().position(u8::is_ascii_whitespace)?;
        let (response, request) = bytes.split_at_checked(gap)?;
        let response = u32::try_from(scan::number(response)?).ok()?;
        Some(Self { response, request: CSeq::parse(request)? })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.response.to_string().into_bytes());
        out.push(b' ');
        self.request.write(out);
    }
}

/// Who refreshes a session (RFC 4028 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refresher {
    /// The client of the request's transaction.
    Uac,
    /// Its server.
    Uas,
}

/// How long a session lives without a refresh (RFC 4028 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionExpires {
    /// In seconds.
    pub seconds: u32,
    /// Who refreshes it, once that is said.
    pub refresher: Option<Refresher>,
}

impl Value for SessionExpires {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (seconds, params) = with_params(bytes)?;
        let seconds = u32::try_from(scan::number(seconds)?).ok()?;
        let refresher = match params.get("refresher") {
            Some(text) if text.is("uac") => Some(Refresher::Uac),
            Some(text) if text.is("uas") => Some(Refresher::Uas),
            Some(_) => return None,
            None => None,
        };
        Some(Self { seconds, refresher })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.seconds.to_string().into_bytes());
        match self.refresher {
            Some(Refresher::Uac) => out.extend(b";refresher=uac"),
            Some(Refresher::Uas) => out.extend(b";refresher=uas"),
            None => {}
        }
    }
}

/// Why a request was made (RFC 3326).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReasonValue {
    /// Whose causes these are: `SIP`, `Q.850`, ...
    pub protocol: Text,
    /// The cause.
    pub cause: Option<u16>,
    /// For people.
    pub text: Option<Text>,
}

impl Value for ReasonValue {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (protocol, params) = with_params(bytes)?;
        let cause = params.get("cause").and_then(|text| scan::number(text.as_bytes()));
        scan::is_token(protocol).then(|| Self {
            protocol: Text::new(protocol),
            cause: cause.and_then(|cause| u16::try_from(cause).ok()),
            text: params.get("text").cloned(),
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.protocol.as_bytes().iter().filter(|&&byte| scan::is_token_byte(byte)));
        if let Some(cause) = self.cause {
            out.extend(b";cause=");
            out.extend(cause.to_string().into_bytes());
        }
        if let Some(text) = &self.text {
            out.extend(b";text=");
            scan::push_quoted(out, text.as_bytes());
        }
    }
}

/// When to try again (RFC 3261 §20.33).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RetryAfter {
    /// Not before.
    pub wait: Duration,
}

impl Value for RetryAfter {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let digits = bytes.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(bytes.len());
        let (seconds, rest) = bytes.split_at_checked(digits)?;
        let seconds = u32::try_from(scan::number(seconds)?).ok()?;
        // A comment or parameters may follow; nobody acts on them.
        let rest = rest.trim_ascii_start();
        let known = rest.first().is_none_or(|byte| b"(;".contains(byte));
        known.then(|| Self { wait: Duration::from_secs(seconds.into()) })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.wait.as_secs().to_string().into_bytes());
    }
}

/// What a body is (RFC 3261 §20.15).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MediaType {
    /// `application` of `application/sdp`, in lower case.
    pub kind: Text,
    /// `sdp` of `application/sdp`, in lower case.
    pub subtype: Text,
    /// Such as a boundary.
    pub params: Params,
}

impl MediaType {
    /// `kind/subtype`
    pub fn new(kind: &str, subtype: &str) -> Self {
        let (kind, subtype) = (kind.to_ascii_lowercase(), subtype.to_ascii_lowercase());
        Self { kind: kind.into(), subtype: subtype.into(), params: Params::default() }
    }

    /// Is it this one, whatever its parameters?
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind.is(kind) && self.subtype.is(subtype)
    }

    /// As an element of Accept: does it take that type?
    pub fn takes(&self, kind: &str, subtype: &str) -> bool {
        let any = |mine: &Text, theirs: &str| *mine == "*" || mine.is(theirs);
        any(&self.kind, kind) && any(&self.subtype, subtype)
    }
}

impl Value for MediaType {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (name, params) = with_params(bytes)?;
        let slash = name.iter().position(|&byte| byte == b'/')?;
        let (kind, subtype) = name.split_at_checked(slash)?;
        let (kind, subtype) = (kind.trim_ascii(), subtype.get(1..)?.trim_ascii());
        let known = scan::is_token(kind) && scan::is_token(subtype);
        known.then(|| Self {
            kind: Text::new(kind.to_ascii_lowercase()),
            subtype: Text::new(subtype.to_ascii_lowercase()),
            params,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.kind.as_bytes().iter().filter(|&&byte| scan::is_token_byte(byte)));
        out.push(b'/');
        out.extend(self.subtype.as_bytes().iter().filter(|&&byte| scan::is_token_byte(byte)));
        self.params.write(out);
    }
}

/// The dialog that an INVITE takes the place of (RFC 3891 §6.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Replaces {
    /// Its Call-ID.
    pub call_id: Text,
    /// The tag of the side that is asked.
    pub to_tag: Text,
    /// The tag of the other side.
    pub from_tag: Text,
    /// Only if it is not answered yet.
    pub early_only: bool,
}

impl Value for Replaces {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (call_id, params) = with_params(bytes)?;
        if !is_call_id(call_id) {
            return None;
        }
        Some(Self {
            call_id: Text::new(call_id),
            to_tag: params.get("to-tag")?.clone(),
            from_tag: params.get("from-tag")?.clone(),
            early_only: params.has("early-only"),
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.call_id.as_bytes());
        let mut params = Params::default();
        params.set("to-tag", Some(&self.to_tag));
        params.set("from-tag", Some(&self.from_tag));
        if self.early_only {
            params.set("early-only", None::<Text>);
        }
        params.write(out);
    }
}

/// What went wrong besides (RFC 3261 §20.43).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Warning {
    /// 300 to 399.
    pub code: u16,
    /// Who says so.
    pub agent: Text,
    /// For people.
    pub text: Text,
}

impl Value for Warning {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let quote = bytes.iter().position(|&byte| byte == b'"')?;
        let (head, text) = bytes.split_at_checked(quote)?;
        let (text, rest) = scan::quoted(text)?;
        let mut words = words(head);
        let code = u16::try_from(scan::number(words.next()?)?).ok()?;
        let agent = Text::new(words.next()?);
        let whole = words.next().is_none() && rest.trim_ascii().is_empty();
        whole.then(|| Self { code, agent, text: Text::new(text) })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.code.to_string().into_bytes());
        out.push(b' ');
        out.extend(self.agent.as_bytes().iter().filter(|byte| byte.is_ascii_graphic()));
        out.push(b' ');
        scan::push_quoted(out, self.text.as_bytes());
    }
}

/// Any text, trimmed.
impl Value for Text {
    fn parse(bytes: &[u8]) -> Option<Self> {
        Some(Self::new(bytes.trim_ascii()))
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.as_bytes());
    }
}

/// A number of 32 bits.
impl Value for u32 {
    fn parse(bytes: &[u8]) -> Option<Self> {
        Self::try_from(scan::number(bytes.trim_ascii())?).ok()
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.to_string().into_bytes());
    }
}

/// `word` or `word@word` (RFC 3261 §25.1, callid).
pub(crate) fn is_call_id(bytes: &[u8]) -> bool {
    let word = |byte: u8| scan::is_token_byte(byte) || b"()<>:\\\"/[]?{}".contains(&byte);
    let mut words = bytes.splitn(2, |&byte| byte == b'@');
    words.all(|piece| !piece.is_empty() && piece.iter().copied().all(word))
}

/// What stands before the first semicolon, and the parameters after it.
fn with_params(bytes: &[u8]) -> Option<(&[u8], Params)> {
    let end = bytes.iter().position(|&byte| byte == b';').unwrap_or(bytes.len());
    let (value, params) = bytes.split_at_checked(end)?;
    Some((value.trim_ascii(), Params::parse(params)?))
}

fn words(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}
