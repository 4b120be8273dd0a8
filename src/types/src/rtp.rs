//! The small numbers of RTP (RFC 3550, RFC 8843, RFC 8852) as types, so that none is passed for another.

use core::fmt;

/// Synchronisation source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ssrc(pub u32);

/// Payload type, 0 to 127.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PayloadType(pub u8);

/// Longest identifier kept in line: RFC 8843 and RFC 8852 allow more, no implementation sends more in a one-byte
/// header extension (RFC 8285 §4.2: at most 16 bytes).
const SHORT: usize = 16;

/// A short identifier held without allocation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Short {
    bytes: [u8; SHORT],
    len: u8,
}

impl Short {
    fn new(bytes: &[u8]) -> Option<Self> {
        let mut short = Self { bytes: [0; SHORT], len: u8::try_from(bytes.len()).ok()? };
        short.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        // RFC 8843 §15.1 and RFC 8852 §3.3 restrict identifiers to a token; refusing the rest keeps them printable.
        let token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`{|}~".contains(b);
        (!bytes.is_empty() && bytes.iter().all(token)).then_some(short)
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

macro_rules! short {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Short);

        impl $name {
            /// From 1 to 16 token characters; anything else is `None`.
            pub fn new(bytes: &[u8]) -> Option<Self> {
                Short::new(bytes).map(Self)
            }

            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }

            /// The same as it stands in a packet.
            #[inline]
            pub fn as_bytes(&self) -> &[u8] {
                self.0.as_bytes()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

short!(/// Media section identifier (RFC 8843 §15).
    Mid);
short!(/// Restriction identifier: names one simulcast layer of a section (RFC 8852).
    Rid);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_short_tokens() {
        assert_eq!(Mid::new(b"0").map(|m| m.to_string()), Some("0".into()));
        assert_eq!(Mid::new(b"abcdefghijklmnop").map(|m| m.as_str().len()), Some(16));
        for bad in [&b""[..], b"abcdefghijklmnopq", b"a b", b"\xff"] {
            assert!(Rid::new(bad).is_none());
        }
    }
}
