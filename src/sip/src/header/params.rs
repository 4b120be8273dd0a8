//! The `;name=value` that follow a header's value.

use crate::scan;
use crate::text::Text;

/// Parameters in order. Values are plain: quotes and escapes are read away and written where needed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Params(Vec<(Text, Option<Text>)>);

impl Params {
    /// `;a;b=c;d="e"`, or nothing. `None` when something is there that is no parameter.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut params = Self::default();
        let bytes = bytes.trim_ascii();
        if bytes.is_empty() {
            return Some(params);
        }
        for piece in scan::split(bytes.strip_prefix(b";")?, b';') {
            params.0.push(parameter(piece)?);
            if params.0.len() > MAX_PARAMS {
                return None;
            }
        }
        Some(params)
    }

    /// The value of a parameter, whatever its case; `None` also for one without a value.
    pub fn get(&self, name: &str) -> Option<&Text> {
        self.0.iter().find(|(known, _)| known.is(name)).and_then(|(_, value)| value.as_ref())
    }

    /// Whether it is there, with a value or without.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known.is(name))
    }

    /// Each, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Text, Option<&Text>)> {
        self.0.iter().map(|(name, value)| (name, value.as_ref()))
    }

    /// Add one, or change it where it stands.
    pub fn set(&mut self, name: &str, value: Option<impl Into<Text>>) {
        let value = value.map(Into::into);
        match self.0.iter_mut().find(|(known, _)| known.is(name)) {
            Some((_, old)) => *old = value,
            None => self.0.push((Text::from(name), value)),
        }
    }

    /// Take one away.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| !known.is(name));
    }

    /// Append as text.
    pub fn write(&self, out: &mut Vec<u8>) {
        for (name, value) in &self.0 {
            out.push(b';');
            out.extend(name.as_bytes().iter().filter(|&&byte| scan::is_token_byte(byte)));
            if let Some(value) = value {
                out.push(b'=');
                write_value(value, out);
            }
        }
    }
}

fn parameter(piece: &[u8]) -> Option<(Text, Option<Text>)> {
    let Some(equals) = piece.iter().position(|&byte| byte == b'=') else {
        return scan::is_token(piece).then(|| (Text::new(piece), None));
    };
    let (name, value) = piece.split_at_checked(equals)?;
    let (name, value) = (name.trim_ascii_end(), value.get(1..)?.trim_ascii_start());
    if !scan::is_token(name) {
        return None;
    }
    if value.first() == Some(&b'"') {
        let (text, rest) = scan::quoted(value)?;
        return rest.is_empty().then(|| (Text::new(name), Some(Text::new(text))));
    }
    let plain = !value.is_empty() && value.iter().copied().all(is_plain);
    plain.then(|| (Text::new(name), Some(Text::new(value))))
}

fn write_value(value: &Text, out: &mut Vec<u8>) {
    let bytes = value.as_bytes();
    let bare = |byte: u8| scan::is_token_byte(byte) || b"[]:".contains(&byte);
    if !bytes.is_empty() && bytes.iter().copied().all(bare) {
        out.extend(bytes);
    } else {
        scan::push_quoted(out, bytes);
    }
}

/// What is read without quotes: tokens, hosts (RFC 5118 §4.5 wants bare IPv6 addresses too), and what
/// careless peers leave unquoted.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\"<>,;".contains(&byte) || byte >= 0x80
}

/// Most parameters of one value.
const MAX_PARAMS: usize = 64;
