//! Parts of a URI that may hold `%` escapes.

use core::fmt;

use crate::text::Text;

/// A part of a URI in normal form: what need not be escaped is not, and hexadecimal digits are
/// upper case (RFC 3261 §19.1.4, RFC 3986 §6.2.2). It holds no byte that could end it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Escaped(Text);

impl Escaped {
    /// A user, from plain text.
    pub fn user(plain: &str) -> Self {
        Self::escape(plain.as_bytes(), b"&=+$,;?/")
    }

    /// A parameter's name or value, from plain text.
    pub fn param(plain: &str) -> Self {
        Self::escape(plain.as_bytes(), PARAM)
    }

    /// A header's name or value (RFC 3261 §25.1, `hnv-unreserved`), from plain text.
    pub fn header(plain: &str) -> Self {
        Self::escape(plain.as_bytes(), b"[]/?:+$")
    }

    /// From what stands in a URI: `None` when a byte may not stand there or an escape is cut off.
    /// `extra` are the reserved characters that this part may hold. Bytes above 127 and `#` are not
    /// allowed by the grammar and seen in the wild; they become escapes.
    pub(super) fn read(raw: &[u8], extra: &[u8]) -> Option<Self> {
        let mut out = Vec::with_capacity(raw.len());
        let mut bytes = raw.iter().copied();
        while let Some(byte) = bytes.next() {
            if byte == b'%' {
                let value = hex(bytes.next()?)? << 4 | hex(bytes.next()?)?;
                if is_unreserved(value) {
                    out.push(value);
                } else {
                    push_escape(&mut out, value);
                }
            } else if is_unreserved(byte) || extra.contains(&byte) {
                out.push(byte);
            } else if byte >= 0x80 || byte == b'#' {
                push_escape(&mut out, byte);
            } else {
                return None;
            }
        }
        Some(Self(Text::new(out)))
    }

    /// As it stands in a URI.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Without escapes; any bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.0.len());
        let mut bytes = self.as_bytes().iter().copied();
        while let Some(byte) = bytes.next() {
            if byte == b'%' {
                let high = bytes.next().and_then(hex).unwrap_or(0);
                let low = bytes.next().and_then(hex).unwrap_or(0);
                out.push(high << 4 | low);
            } else {
                out.push(byte);
            }
        }
        out
    }

    /// Without escapes, for a reader.
    pub fn decoded(&self) -> String {
        let bytes = self.bytes();
        match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => error.into_bytes().into_iter().map(char::from).collect(),
        }
    }

    /// Equal but for case.
    pub fn is(&self, name: impl AsRef<[u8]>) -> bool {
        self.0.is(name)
    }

    fn escape(plain: &[u8], allowed: &[u8]) -> Self {
        let mut out = Vec::with_capacity(plain.len());
        for &byte in plain {
            if is_unreserved(byte) || allowed.contains(&byte) {
                out.push(byte);
            } else {
                push_escape(&mut out, byte);
            }
        }
        Self(Text::new(out))
    }
}

impl AsRef<[u8]> for Escaped {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl fmt::Debug for Escaped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Reserved characters that may stand in a URI parameter (RFC 3261 §25.1, `param-unreserved`).
pub(super) const PARAM: &[u8] = b"[]/:&+$";

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

fn push_escape(out: &mut Vec<u8>, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble & 15)).copied().unwrap_or(b'0');
    out.extend([b'%', digit(byte >> 4), digit(byte)]);
}
