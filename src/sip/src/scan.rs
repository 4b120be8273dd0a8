//! The small pieces of SIP's grammar (RFC 3261 §25.1), over bytes.

/// Digits alone, that fit.
pub(crate) fn number(bytes: &[u8]) -> Option<u64> {
    let digits = !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit);
    if !digits {
        return None;
    }
    core::str::from_utf8(bytes).ok()?.parse().ok()
}

/// May stand in a token.
pub(crate) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte)
}

/// A token without anything around it.
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().copied().all(is_token_byte)
}

/// The pieces between `separator`s that stand outside quoted strings and angle brackets, without the
/// space around them.
pub(crate) fn split(bytes: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(bytes);
    core::iter::from_fn(move || {
        let whole = rest?;
        let end = find(whole, |byte| byte == separator);
        let (piece, after) = whole.split_at_checked(end.unwrap_or(whole.len()))?;
        rest = end.and(after.get(1..));
        Some(piece.trim_ascii())
    })
}

/// Where the first such byte outside quoted strings and angle brackets is.
pub(crate) fn find(bytes: &[u8], wanted: impl Fn(u8) -> bool) -> Option<usize> {
    let (mut quoted, mut escaped, mut bracketed) = (false, false, false);
    for (at, &byte) in bytes.iter().enumerate() {
        if escaped {
            escaped = false;
        } else if quoted {
            match byte {
                b'\\' => escaped = true,
                b'"' => quoted = false,
                _ => {}
            }
        } else if bracketed {
            bracketed = byte != b'>';
        } else if wanted(byte) {
            return Some(at);
        } else {
            quoted = byte == b'"';
            bracketed = byte == b'<';
        }
    }
    None
}

/// The text of a quoted string that starts here, and what follows it. `None` if it does not end.
pub(crate) fn quoted(bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let inner = bytes.strip_prefix(b"\"")?;
    let mut text = Vec::new();
    let mut escaped = false;
    for (at, &byte) in inner.iter().enumerate() {
        if escaped {
            text.push(byte);
            escaped = false;
        } else {
            match byte {
                b'\\' => escaped = true,
                b'"' => return Some((text, inner.get(at + 1..)?)),
                other => text.push(other),
            }
        }
    }
    None
}

/// Append as a quoted string. Quotes, backslashes and control bytes are escaped.
pub(crate) fn push_quoted(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for &byte in text {
        if matches!(byte, b'"' | b'\\') || byte.is_ascii_control() {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_in_quotes_and_brackets_are_text() {
        let list = b"\"a,\\\"b\" <sip:c,d>;x , e ,";
        let pieces = split(list, b',').collect::<Vec<_>>();
        assert_eq!(pieces, [&b"\"a,\\\"b\" <sip:c,d>;x"[..], b"e", b""]);
    }

    #[test]
    fn a_quoted_string_is_read_as_it_is_written() {
        let text = b"say \"hi\" \\ \x00";
        let mut out = Vec::new();
        push_quoted(&mut out, text);
        out.extend(b";rest");
        assert_eq!(quoted(&out), Some((text.to_vec(), &b";rest"[..])));
        assert_eq!(quoted(b"\"no end\\\""), None);
    }

    #[test]
    fn numbers_are_digits_that_fit() {
        assert_eq!(number(b"007"), Some(7));
        for bad in ["", "-1", "+1", " 1", "18446744073709551616"] {
            assert_eq!(number(bad.as_bytes()), None, "{bad}");
        }
    }
}
