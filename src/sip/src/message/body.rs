//! Bodies of several parts (RFC 2046 §5.1, RFC 5621).

use crate::header::{Headers, MediaType, Name, Value};
use crate::parse::{end_of_head, header_of, unfolded};

/// The body of this type, whole or as a part.
pub(crate) fn part<'a>(
    headers: &Headers,
    body: &'a [u8],
    wanted: (&str, &str),
) -> Option<&'a [u8]> {
    let content = headers.content_type().ok().flatten()?;
    if content.is(wanted.0, wanted.1) {
        return Some(body);
    }
    let boundary = content.kind.is("multipart").then(|| content.params.get("boundary"))??;
    let known = !boundary.is_empty() && boundary.len() <= MAX_BOUNDARY;
    let mut parts = parts(body, boundary.as_bytes()).filter(|_| known);
    parts.find_map(|part| content_of(part, wanted))
}

/// What stands between two delimiters; each begins a line.
fn parts<'a>(body: &'a [u8], boundary: &[u8]) -> impl Iterator<Item = &'a [u8]> {
    let delimiter = [b"\r\n--", boundary].concat();
    // The line break before the first delimiter may be that which ends the head.
    let mut rest = match body.strip_prefix(delimiter.get(2..).unwrap_or_default()) {
        Some(first) => Some(first),
        None => find(body, &delimiter).and_then(|at| body.get(at + delimiter.len()..)),
    };
    core::iter::from_fn(move || {
        let part = rest.filter(|part| !part.starts_with(b"--"))?;
        let end = find(part, &delimiter);
        rest = end.and_then(|end| part.get(end + delimiter.len()..));
        part.get(..end?)
    })
    .take(MAX_PARTS)
}

/// What follows the head of a part, if it is of this type. The head begins behind the delimiter's line.
fn content_of<'a>(part: &'a [u8], wanted: (&str, &str)) -> Option<&'a [u8]> {
    let end = end_of_head(part)?;
    let (head, content) = part.split_at_checked(end)?;
    let mut lines = unfolded(head).skip(1);
    let fits = lines.any(|line| {
        let header = header_of(&line).filter(|(name, _)| *name == Name::ContentType);
        let content = header.and_then(|(_, value)| MediaType::parse(value));
        content.is_some_and(|content| content.is(wanted.0, wanted.1))
    });
    fits.then(|| content.get(4..)).flatten()
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len().max(1)).position(|window| window == wanted)
}

/// RFC 2046 §5.1.1.
const MAX_BOUNDARY: usize = 70;
/// A description, ISUP and a location are three.
const MAX_PARTS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(content: &str, body: &str, expect: Option<&str>) {
        let mut headers = Headers::default();
        headers.push(Name::ContentType, content);
        let found = part(&headers, body.as_bytes(), ("application", "sdp"));
        assert_eq!(found, expect.map(str::as_bytes), "{body}");
    }

    #[test]
    fn a_description_is_found_alone_and_among_others() {
        check("application/sdp", "v=0", Some("v=0"));
        check("text/plain", "v=0", None);
        let mixed = "multipart/mixed;boundary=\"a b\"";
        let isup = "--a b\r\nContent-Type: application/ISUP\r\n\r\n\x01\x02\r\n";
        let sdp = "--a b\r\nContent-Type: application/sdp\r\nX: y\r\n\r\nv=0\r\n\r\n";
        check(mixed, &format!("{isup}{sdp}--a b--\r\n"), Some("v=0\r\n"));
        check(mixed, &format!("a preamble\r\n{sdp}--a b--"), Some("v=0\r\n"));
        check(mixed, &format!("{isup}--a b--\r\n{sdp}--a b--\r\n"), None);
        check(mixed, sdp, None);
        check(mixed, "", None);
        check("multipart/mixed", sdp, None);
        check("multipart/mixed;boundary=\"\"", sdp, None);
    }
}
