//! What a server asks for.

use super::Algorithm;
use crate::scan;
use crate::text::Text;

/// What a response protects (RFC 7616 §3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Qop {
    /// Method and URI.
    Auth,
    /// The body, too.
    AuthInt,
}

impl Qop {
    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::AuthInt => "auth-int",
        }
    }
}

/// A digest challenge that can be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// Whose password is wanted.
    pub realm: Text,
    /// To be hashed into the answer.
    pub nonce: Text,
    /// To be given back.
    pub opaque: Option<Text>,
    /// How to hash.
    pub algorithm: Algorithm,
    /// What to protect; `None` for a server of RFC 2069 times.
    pub qop: Option<Qop>,
    /// The last answer was right, but its nonce too old.
    pub stale: bool,
    /// The user's name may be hashed (RFC 7616 §3.4.4).
    pub userhash: bool,
}

impl Challenge {
    /// The value of a WWW-Authenticate or Proxy-Authenticate header; `None` for another scheme and for
    /// an algorithm or protection that we do not have.
    pub fn parse(value: &Text) -> Option<Self> {
        let params = AuthParams::digest(value)?;
        let flag = |name| params.get(name).is_some_and(|text| text.is("true"));
        Some(Self {
            realm: params.get("realm")?.clone(),
            nonce: params.get("nonce")?.clone(),
            opaque: params.get("opaque").cloned(),
            algorithm: match params.get("algorithm") {
                Some(name) => Algorithm::from_name(name.as_bytes())?,
                None => Algorithm::Md5,
            },
            qop: match params.get("qop") {
                Some(offered) => Some(pick(offered)?),
                None => None,
            },
            stale: flag("stale"),
            userhash: flag("userhash"),
        })
    }
}

/// Plain protection when there is a choice: a proxy may change a body on the way.
fn pick(offered: &Text) -> Option<Qop> {
    let mut names = offered.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    let offers =
        |qop: Qop| names.clone().any(|name| name.eq_ignore_ascii_case(qop.name().as_bytes()));
    let found = [Qop::Auth, Qop::AuthInt].into_iter().find(|&qop| offers(qop));
    // `qop=""` is what some servers write for none at all.
    found.or_else(|| names.all(<[u8]>::is_empty).then_some(Qop::Auth))
}

/// `Digest name=value, name="value"`
pub(super) struct AuthParams(Vec<(Text, Text)>);

impl AuthParams {
    pub fn digest(value: &Text) -> Option<Self> {
        let bytes = value.as_bytes().trim_ascii();
        let gap = bytes.iter().position(u8::is_ascii_whitespace)?;
        let (scheme, rest) = bytes.split_at_checked(gap)?;
        if !scheme.eq_ignore_ascii_case(b"Digest") {
            return None;
        }
        let pieces = scan::split(rest, b',').filter(|piece| !piece.is_empty());
        let params = pieces.map(param).collect::<Option<Vec<_>>>()?;
        (params.len() <= MAX_PARAMS).then_some(Self(params))
    }

    pub fn get(&self, name: &str) -> Option<&Text> {
        self.0.iter().find(|(known, _)| known.is(name)).map(|(_, value)| value)
    }
}

fn param(piece: &[u8]) -> Option<(Text, Text)> {
    let equals = piece.iter().position(|&byte| byte == b'=')?;
    let (name, value) = piece.split_at_checked(equals)?;
    let (name, value) = (name.trim_ascii(), value.get(1..)?.trim_ascii());
    if !scan::is_token(name) {
        return None;
    }
    let value = match value.first() {
        Some(b'"') => Text::new(scan::quoted(value)?.0),
        _ => Text::new(value),
    };
    Some((Text::new(name), value))
}

/// Most parameters of a challenge or an answer.
const MAX_PARAMS: usize = 32;
