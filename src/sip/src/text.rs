//! Text of a SIP message: bytes that are UTF-8 by the book (RFC 3261 §7.3.1) and Latin-1 or worse
//! in the wild. They are kept as they came and never make a message unreadable.

use core::fmt;
use std::borrow::Cow;

/// Bytes of one line. There is no CR and no LF in it, whoever made it, so a value cannot become a
/// second header. Its `Debug` shows the length alone: nearly every text here names a person.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Text(Vec<u8>);

impl Text {
    /// These bytes, with a space for each CR and LF.
    pub fn new(bytes: impl AsRef<[u8]>) -> Self {
        Self(bytes.as_ref().iter().map(|&byte| if is_break(byte) { b' ' } else { byte }).collect())
    }

    /// As they came.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// As a string, unless it is not UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        core::str::from_utf8(&self.0).ok()
    }

    /// For a reader: UTF-8, or else every byte as the Latin-1 character it probably is.
    pub fn decoded(&self) -> Cow<'_, str> {
        match self.as_str() {
            Some(text) => Cow::Borrowed(text),
            None => Cow::Owned(self.0.iter().copied().map(char::from).collect()),
        }
    }

    /// No bytes at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Equal but for the case of ASCII letters.
    pub fn is(&self, other: impl AsRef<[u8]>) -> bool {
        self.0.eq_ignore_ascii_case(other.as_ref())
    }
}

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<u32> for Text {
    fn from(number: u32) -> Self {
        Self(number.to_string().into_bytes())
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[redacted text of {} bytes]", self.0.len())
    }
}

fn is_break(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_no_line_break() {
        assert_eq!(Text::from("a\r\nRoute: <sip:b>"), "a  Route: <sip:b>");
    }

    #[test]
    fn latin_1_is_kept_and_readable() {
        let text = Text::new(b"J\xf6rg");
        assert_eq!(text.as_bytes(), b"J\xf6rg");
        assert_eq!(text.decoded(), "Jörg");
        assert_eq!(Text::from("Jörg").decoded(), "Jörg");
    }

    #[test]
    fn a_text_is_not_shown() {
        assert!(!format!("{:?}", Text::from("+4912345")).contains("4912345"));
    }
}
