//! Bytes to URIs.

use super::escaped::PARAM;
use super::{Escaped, HostPort, MAX_PARAMS, MAX_URI, SipUri, TelUri, Uri, UriError};
use crate::text::Text;

pub(super) fn uri(bytes: &[u8]) -> Result<Uri, UriError> {
    if bytes.len() > MAX_URI {
        return Err(UriError::TooLong);
    }
    if bytes.iter().any(|byte| byte.is_ascii_control() || b" <>\"".contains(byte)) {
        return Err(UriError::Malformed);
    }
    let (scheme, rest) = cut(bytes, b':');
    let rest = rest.filter(|rest| !rest.is_empty()).ok_or(UriError::Malformed)?;
    if scheme.eq_ignore_ascii_case(b"sip") || scheme.eq_ignore_ascii_case(b"sips") {
        return sip(rest, scheme.len() == 4).map(Uri::Sip);
    }
    if scheme.eq_ignore_ascii_case(b"tel") {
        return tel(rest).map(Uri::Tel);
    }
    let known = |&byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let named = scheme.first().is_some_and(u8::is_ascii_alphabetic) && scheme.iter().all(known);
    if named { Ok(Uri::Other(Text::new(bytes))) } else { Err(UriError::Malformed) }
}

/// What may stand in a telephone number, `+` included.
pub(super) fn is_number_byte(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || b"+*#-.()".contains(&byte)
}

fn sip(rest: &[u8], secure: bool) -> Result<SipUri, UriError> {
    // Neither parameters nor headers may hold an unescaped @, and a user may hold ? and ;.
    let (info, place) = match cut(rest, b'@') {
        (info, Some(place)) => (Some(info), place),
        (place, None) => (None, place),
    };
    let (user, password) = match info {
        Some(info) => user_info(info)?,
        None => (None, None),
    };
    let (place, headers) = cut(place, b'?');
    let (at, params) = cut(place, b';');
    Ok(SipUri {
        secure,
        user,
        password,
        at: HostPort::parse(at).ok_or(UriError::Malformed)?,
        params: params.map_or(Ok(Vec::new()), parameters)?,
        headers: headers.map_or(Ok(Vec::new()), header_fields)?,
    })
}

fn user_info(info: &[u8]) -> Result<(Option<Escaped>, Option<Escaped>), UriError> {
    let (user, password) = cut(info, b':');
    let read = |raw, extra| Escaped::read(raw, extra).ok_or(UriError::Malformed);
    if user.is_empty() {
        return Err(UriError::Malformed);
    }
    let password = password.map(|password| read(password, b"&=+$,")).transpose()?;
    Ok((Some(read(user, b"&=+$,;?/")?), password))
}

fn parameters(raw: &[u8]) -> Result<Vec<(Escaped, Option<Escaped>)>, UriError> {
    let mut params = Vec::new();
    for piece in raw.split(|&byte| byte == b';').filter(|piece| !piece.is_empty()) {
        let (name, value) = cut(piece, b'=');
        let read = |raw| Escaped::read(raw, PARAM).ok_or(UriError::Malformed);
        if params.len() == MAX_PARAMS {
            return Err(UriError::TooLong);
        }
        if name.is_empty() {
            return Err(UriError::Malformed);
        }
        params.push((read(name)?, value.map(read).transpose()?));
    }
    Ok(params)
}

fn header_fields(raw: &[u8]) -> Result<Vec<(Escaped, Escaped)>, UriError> {
    let mut headers = Vec::new();
    for piece in raw.split(|&byte| byte == b'&') {
        let (name, value) = cut(piece, b'=');
        let read = |raw| Escaped::read(raw, b"[]/?:+$").ok_or(UriError::Malformed);
        if headers.len() == MAX_PARAMS {
            return Err(UriError::TooLong);
        }
        if name.is_empty() {
            return Err(UriError::Malformed);
        }
        headers.push((read(name)?, read(value.ok_or(UriError::Malformed)?)?));
    }
    Ok(headers)
}

fn tel(rest: &[u8]) -> Result<TelUri, UriError> {
    let (number, params) = cut(rest, b';');
    let digits = number.strip_prefix(b"+").unwrap_or(number);
    let known = digits.iter().all(|&byte| byte != b'+' && is_number_byte(byte));
    let dialable = |&byte: &u8| byte.is_ascii_hexdigit() || b"*#".contains(&byte);
    if !known || !digits.iter().any(dialable) {
        return Err(UriError::Malformed);
    }
    Ok(TelUri { number: Text::new(number), params: params.map_or(Ok(Vec::new()), parameters)? })
}

/// What is before the first such byte, and what is after it.
fn cut(bytes: &[u8], at: u8) -> (&[u8], Option<&[u8]>) {
    let mut pieces = bytes.splitn(2, |&byte| byte == at);
    (pieces.next().unwrap_or_default(), pieces.next())
}
