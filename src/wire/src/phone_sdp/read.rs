//! Text to values. What is not understood is passed over; what is understood must be right.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::{
    Crypto, Direction, Encoding, Format, MAX_LINE, MAX_LIST, MAX_SECTIONS, MAX_TEXT, Media,
    PhoneCodec, PhoneSdpError, Protocol, Session,
};

pub(super) fn session(bytes: &[u8]) -> Result<Session, PhoneSdpError> {
    if bytes.len() > MAX_TEXT {
        return Err(PhoneSdpError::TooLong);
    }
    let mut lines = lines(bytes);
    if lines.next().transpose()? != Some((b'v', "0".into())) {
        return Err(PhoneSdpError::Grammar);
    }
    let mut session = match lines.next().transpose()? {
        Some((b'o', value)) => origin(&value)?,
        _ => return Err(PhoneSdpError::Grammar),
    };
    let mut common = Common::default();
    for line in lines {
        let (letter, value) = line?;
        let full = session.media.len() == MAX_SECTIONS;
        match (letter, session.media.last_mut()) {
            (b'm', _) if full => return Err(PhoneSdpError::TooLong),
            (b'm', _) => session.media.push(section(&value, &common)?),
            (b'c', None) => common.address = connection(&value)?,
            (b'c', Some(media)) => media.address = connection(&value)?,
            (b'a', None) => {
                if let Some(direction) = Direction::parse(&value) {
                    common.direction = direction;
                }
            }
            (b'a', Some(media)) => attribute(media, &value)?,
            _ => {}
        }
    }
    session.media.iter_mut().for_each(settle);
    Ok(session)
}

#[derive(Default)]
struct Common {
    address: Option<IpAddr>,
    direction: Direction,
}

/// Letter and value of each line. Lines end with CRLF or LF (RFC 8866 §5), and the last may not end.
fn lines(bytes: &[u8]) -> impl Iterator<Item = Result<(u8, String), PhoneSdpError>> + '_ {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.split(|&byte| byte == b'\n').map(|line| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > MAX_LINE {
            return Err(PhoneSdpError::TooLong);
        }
        match line {
            [letter, b'=', value @ ..] if letter.is_ascii_lowercase() && is_clean(value) => {
                Ok((*letter, String::from_utf8_lossy(value.trim_ascii()).into_owned()))
            }
            _ => Err(PhoneSdpError::Line),
        }
    })
}

fn is_clean(value: &[u8]) -> bool {
    !value.iter().any(|byte| matches!(byte, b'\r' | 0))
}

/// `- 1 2 IN IP4 192.0.2.1`. Numbers beyond 64 bits and names of hosts are legal and of no use to us.
fn origin(value: &str) -> Result<Session, PhoneSdpError> {
    let words = value.split_ascii_whitespace().collect::<Vec<_>>();
    let [_, id, version, "IN", _, address] = words.as_slice() else {
        return Err(PhoneSdpError::Grammar);
    };
    let origin = address.parse().unwrap_or(Ipv4Addr::UNSPECIFIED.into());
    let number = |text: &str| text.parse().unwrap_or(0);
    Ok(Session { id: number(id), version: number(version), origin, media: Vec::new() })
}

/// `IN IP4 192.0.2.1`; `None` for a name or a group.
fn connection(value: &str) -> Result<Option<IpAddr>, PhoneSdpError> {
    let words = value.split_ascii_whitespace().collect::<Vec<_>>();
    let [net, family, address] = words.as_slice() else { return Err(PhoneSdpError::Line) };
    let known = net.eq_ignore_ascii_case("IN") && ["IP4", "IP6"].contains(family);
    if !known {
        return Err(PhoneSdpError::Line);
    }
    let address = address.split('/').next().and_then(|address| address.parse::<IpAddr>().ok());
    Ok(address.filter(|address| !address.is_multicast() && is_of(family, *address)))
}

fn is_of(family: &str, address: IpAddr) -> bool {
    (family == "IP4") == address.is_ipv4()
}

/// `audio 49170 RTP/AVP 0 8`
fn section(value: &str, common: &Common) -> Result<Media, PhoneSdpError> {
    let mut words = value.split_ascii_whitespace();
    let mut next = || words.next().ok_or(PhoneSdpError::Line);
    let (kind, port, protocol) = (next()?, next()?, next()?);
    let port = port.split('/').next().unwrap_or_default();
    let port = decimal(port).ok_or(PhoneSdpError::Line)?;
    let protocol = protocol_of(protocol);
    let mut media = Media {
        kind: kind.to_ascii_lowercase(),
        protocol,
        port,
        address: common.address,
        formats: Vec::new(),
        other_formats: Vec::new(),
        direction: common.direction,
        ptime_ms: None,
        max_ptime_ms: None,
        crypto: Vec::new(),
        rtcp: None,
        rtcp_mux: false,
    };
    for word in words {
        if media.formats.len() + media.other_formats.len() == MAX_LIST {
            return Err(PhoneSdpError::TooLong);
        }
        if !media.protocol.is_rtp() {
            media.other_formats.push(word.to_owned());
            continue;
        }
        let number = decimal(word).and_then(|number| u8::try_from(number).ok());
        let payload_type = number.filter(|number| *number < 128).ok_or(PhoneSdpError::Line)?;
        if media.formats.iter().all(|format| format.payload_type != payload_type) {
            let encoding = assigned(payload_type);
            media.formats.push(Format { payload_type, encoding, parameters: None });
        }
    }
    if value.split_ascii_whitespace().all(is_graphic) {
        Ok(media)
    } else {
        Err(PhoneSdpError::Line)
    }
}

fn protocol_of(text: &str) -> Protocol {
    let known = [Protocol::Avp, Protocol::Avpf, Protocol::Savp, Protocol::Savpf];
    let found = known.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(text));
    found.unwrap_or_else(|| Protocol::Other(text.to_owned()))
}

/// What a number means without `a=rtpmap` (RFC 3551 §6).
fn assigned(payload_type: u8) -> Encoding {
    match payload_type {
        0 => Encoding::Codec(PhoneCodec::Pcmu),
        8 => Encoding::Codec(PhoneCodec::Pcma),
        9 => Encoding::Codec(PhoneCodec::G722),
        13 => Encoding::ComfortNoise(8000),
        _ => Encoding::Other(None),
    }
}

fn attribute(media: &mut Media, value: &str) -> Result<(), PhoneSdpError> {
    let (name, value) = value.split_once(':').unwrap_or((value, ""));
    match name {
        "rtpmap" => {
            if let Some((format, map)) = format(media, value).filter(|(_, map)| is_graphic(map)) {
                format.encoding = encoding(map);
            }
        }
        "fmtp" => {
            if let Some((format, parameters)) = format(media, value) {
                format.parameters = Some(parameters.to_owned());
            }
        }
        "ptime" => media.ptime_ms = milliseconds(value),
        "maxptime" => media.max_ptime_ms = milliseconds(value),
        "rtcp" => media.rtcp = rtcp(value, media.address),
        "rtcp-mux" => media.rtcp_mux = true,
        "crypto" if media.crypto.len() == MAX_LIST => return Err(PhoneSdpError::TooLong),
        "crypto" => {
            let fresh = |crypto: &Crypto| media.crypto.iter().all(|had| had.tag != crypto.tag);
            if let Some(crypto) = Crypto::parse(value).filter(fresh) {
                media.crypto.push(crypto);
            }
        }
        _ => {
            if let Some(direction) = Direction::parse(name) {
                media.direction = direction;
            }
        }
    }
    Ok(())
}

/// The format that `96 rest` is about, and the rest. A number that is not in the `m=` line is passed over.
fn format<'a, 'b>(media: &'a mut Media, value: &'b str) -> Option<(&'a mut Format, &'b str)> {
    let (number, rest) = value.split_once(' ')?;
    let number = decimal(number)?;
    let rest = rest.trim();
    let found = media.formats.iter_mut().find(|known| u16::from(known.payload_type) == number)?;
    // What is no UTF-8 is no parameter of a codec that we have.
    let readable = !rest.is_empty() && !rest.contains(char::REPLACEMENT_CHARACTER);
    readable.then_some((found, rest))
}

/// `name/clock/channels`
fn encoding(map: &str) -> Encoding {
    let mut parts = map.split('/');
    let name = parts.next().unwrap_or_default();
    let clock = parts.next().and_then(|clock| clock.trim().parse::<u32>().ok()).unwrap_or(0);
    let channels = parts.next().unwrap_or("1").trim();
    let codec = PhoneCodec::ALL.into_iter().find(|codec| codec.name().eq_ignore_ascii_case(name));
    match codec {
        // Opus always says two channels (RFC 7587 §7), the others one.
        Some(codec) if codec.clock() == clock => {
            let wanted = if codec == PhoneCodec::Opus { "2" } else { "1" };
            if channels == wanted { Encoding::Codec(codec) } else { other(map) }
        }
        _ if name.eq_ignore_ascii_case("telephone-event") && clock > 0 => Encoding::Events(clock),
        _ if name.eq_ignore_ascii_case("CN") && clock > 0 => Encoding::ComfortNoise(clock),
        _ => other(map),
    }
}

fn other(map: &str) -> Encoding {
    Encoding::Other(Some(map.to_owned()))
}

fn is_graphic(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_graphic())
}

/// `53020 IN IP4 192.0.2.1`, or the port alone.
fn rtcp(value: &str, address: Option<IpAddr>) -> Option<SocketAddr> {
    let (port, rest) = value.split_once(' ').unwrap_or((value, ""));
    let port = decimal(port.trim()).filter(|port| *port != 0)?;
    let own = connection(rest).ok().flatten();
    Some(SocketAddr::new(own.or(address)?, port))
}

/// Some write fractions; a part of a millisecond is nobody's wish.
fn milliseconds(value: &str) -> Option<u16> {
    let whole = value.split('.').next().unwrap_or_default();
    decimal(whole.trim()).filter(|ptime| (1..=1000).contains(ptime))
}

fn decimal(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// A section that is refused has no address, and one with the address zero does not receive.
fn settle(media: &mut Media) {
    if media.port == 0 {
        media.address = None;
    }
    if media.address.is_some_and(|address| address.is_unspecified()) {
        media.direction = Direction::new(media.direction.sends(), false);
    }
}
