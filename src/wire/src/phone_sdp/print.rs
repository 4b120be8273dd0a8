//! Values to text.

use core::fmt;
use core::net::IpAddr;

use super::{Encoding, Format, Media, Session};

pub(super) fn session(session: &Session, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let live = session.media.iter().find(|media| media.port != 0);
    let common = live.and_then(|media| media.address).unwrap_or(session.origin);
    write!(f, "v=0\r\no=- {} {} ", session.id, session.version)?;
    address(f, session.origin)?;
    f.write_str("s=-\r\nc=")?;
    address(f, common)?;
    f.write_str("t=0 0\r\n")?;
    session.media.iter().try_for_each(|media| section(media, common, f))
}

fn section(media: &Media, common: IpAddr, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "m={} {} {}", word(&media.kind), media.port, word(media.protocol.as_str()))?;
    for format in &media.formats {
        write!(f, " {}", format.payload_type)?;
    }
    for format in &media.other_formats {
        write!(f, " {}", word(format))?;
    }
    f.write_str("\r\n")?;
    match media.address {
        _ if media.port == 0 => {}
        Some(own) if own == common => {}
        Some(own) => {
            f.write_str("c=")?;
            address(f, own)?;
        }
        // It was a name, which nobody resolves for media.
        None => f.write_str("c=IN IP4 name.invalid\r\n")?,
    }
    media.formats.iter().try_for_each(|format| lines(format, f))?;
    if let Some(ptime) = media.ptime_ms {
        write!(f, "a=ptime:{ptime}\r\n")?;
    }
    if let Some(ptime) = media.max_ptime_ms {
        write!(f, "a=maxptime:{ptime}\r\n")?;
    }
    if let Some(rtcp) = media.rtcp {
        write!(f, "a=rtcp:{} ", rtcp.port())?;
        address(f, rtcp.ip())?;
    }
    if media.rtcp_mux {
        f.write_str("a=rtcp-mux\r\n")?;
    }
    media.crypto.iter().try_for_each(|crypto| crypto.write(f))?;
    write!(f, "a={}\r\n", media.direction.as_str())
}

fn lines(format: &Format, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let number = format.payload_type;
    match &format.encoding {
        Encoding::Codec(codec) => {
            let channels = if codec.clock() == 48_000 { "/2" } else { "" };
            write!(f, "a=rtpmap:{number} {}/{}{channels}\r\n", codec.name(), codec.clock())?;
        }
        Encoding::Events(clock) => write!(f, "a=rtpmap:{number} telephone-event/{clock}\r\n")?,
        Encoding::ComfortNoise(clock) => write!(f, "a=rtpmap:{number} CN/{clock}\r\n")?,
        Encoding::Other(Some(map)) => write!(f, "a=rtpmap:{number} {}\r\n", word(map))?,
        Encoding::Other(None) => {}
    }
    match &format.parameters {
        Some(parameters) => {
            let clean = parameters.replace(['\r', '\n'], " ");
            write!(f, "a=fmtp:{number} {clean}\r\n")
        }
        None => Ok(()),
    }
}

fn address(f: &mut fmt::Formatter<'_>, address: IpAddr) -> fmt::Result {
    let family = if address.is_ipv4() { "IP4" } else { "IP6" };
    write!(f, "IN {family} {address}\r\n")
}

/// Up to the first byte that would end it: nothing in a value can begin another line.
fn word(text: &str) -> &str {
    text.split(|c: char| !c.is_ascii_graphic()).next().unwrap_or_default()
}
