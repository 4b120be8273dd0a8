//! Text to values. `rtc-sdp` splits lines and checks their order; the attributes get their meaning
//! here.

use std::collections::BTreeMap;
use std::io::Cursor;

use offhook_types::media::{Extension, Fingerprint, IceCredentials};
use offhook_types::{Mid, PayloadType, Rid, Ssrc};
use rtc_sdp::description::common::Attribute;
use rtc_sdp::{MediaDescription, SessionDescription};

use super::codec::{self, Feedback, Format};
use super::{
    Direction, ExtensionName, Extmap, GroupSemantics, MAX_LINE, MAX_LIST, MAX_SECTIONS, MAX_TEXT,
    MAX_TOKEN, Msid, Place, Protocol, RidLine, RidRef, SdpError, Section, SectionKind, Session,
    Setup, Simulcast, Source, SourceGroup,
};

pub(super) fn session(text: &str) -> Result<Session, SdpError> {
    check_lines(text)?;
    let raw = SessionDescription::unmarshal(&mut Cursor::new(text.as_bytes()))
        .map_err(|_| SdpError::Grammar)?;
    if raw.media_descriptions.len() > MAX_SECTIONS {
        return Err(SdpError::TooMany { what: "sections", limit: MAX_SECTIONS });
    }
    let mut session = Session {
        id: raw.origin.session_id,
        version: raw.origin.session_version,
        ..Session::default()
    };
    let mut defaults = Draft::default();
    for attribute in &raw.attributes {
        session_attribute(&mut session, attribute)?;
        defaults.attribute(Place::Session, attribute)?;
    }
    for (index, media) in raw.media_descriptions.iter().enumerate() {
        session.sections.push(section(index, media, &defaults)?);
        // RFC 8839 §5.6 keeps it at session level; libwebrtc writes it into each section.
        let options = media.attributes.iter().filter(|attribute| attribute.key == "ice-options");
        session.trickle |= options.filter_map(|a| a.value.as_deref()).any(trickles);
    }
    check_mids(&session)?;
    Ok(session)
}

/// Bounds before anything is allocated per line, and an error that names the line.
fn check_lines(text: &str) -> Result<(), SdpError> {
    if text.len() > MAX_TEXT {
        return Err(SdpError::TooLong { what: "the text", limit: MAX_TEXT });
    }
    for (index, line) in text.lines().enumerate() {
        if line.len() > MAX_LINE {
            return Err(SdpError::TooLong { what: "a line", limit: MAX_LINE });
        }
        let lettered = matches!(line.as_bytes(), [letter, b'=', ..] if letter.is_ascii_lowercase());
        let printable = !line.bytes().any(|byte| byte == 0 || byte == b'\r');
        if !(line.is_empty() || (lettered && printable)) {
            return Err(SdpError::Line(index.saturating_add(1)));
        }
    }
    Ok(())
}

fn check_mids(session: &Session) -> Result<(), SdpError> {
    let mut mids: Vec<Mid> = session.sections.iter().filter_map(|section| section.mid).collect();
    mids.sort_unstable();
    match mids.windows(2).find(|pair| pair.first() == pair.last()).and_then(|pair| pair.first()) {
        Some(&mid) => Err(SdpError::DuplicateMid(mid)),
        None => Ok(()),
    }
}

fn session_attribute(session: &mut Session, attribute: &Attribute) -> Result<(), SdpError> {
    let value = attribute.value.as_deref().unwrap_or_default().trim();
    match attribute.key.as_str() {
        "ice-lite" => session.ice_lite = true,
        "ice-options" => session.trickle = trickles(value),
        "extmap-allow-mixed" => session.extmap_allow_mixed = true,
        "msid-semantic" if value.len() <= MAX_TOKEN => session.msid_semantic = Some(value.into()),
        "group" if session.bundle.is_empty() => {
            let mut words = value.split_ascii_whitespace();
            if words.next() == Some("BUNDLE") {
                let mids = words.map(|word| Mid::new(word.as_bytes()));
                session.bundle =
                    mids.collect::<Option<_>>().ok_or_else(|| bad("group", Place::Session))?;
                bounded("bundled sections", session.bundle.len(), MAX_SECTIONS)?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn trickles(options: &str) -> bool {
    options.split_ascii_whitespace().any(|option| option == "trickle")
}

fn section(index: usize, media: &MediaDescription, defaults: &Draft) -> Result<Section, SdpError> {
    let name = &media.media_name;
    let mut draft =
        Draft { ufrag: defaults.ufrag.clone(), pwd: defaults.pwd.clone(), ..Draft::default() };
    draft.section.setup = defaults.section.setup;
    draft.section.direction = defaults.section.direction;
    for attribute in &media.attributes {
        draft.attribute(Place::Section(index), attribute)?;
    }
    let mut section = core::mem::take(&mut draft.section);
    section.kind = match name.media.as_str() {
        "audio" => SectionKind::Audio,
        "video" => SectionKind::Video,
        "application" => SectionKind::Application,
        other => SectionKind::Other(token(other).into()),
    };
    section.port = u16::try_from(name.port.value).map_err(|_| SdpError::Grammar)?;
    section.protocol = Protocol(token(&name.protos.join("/")).into());
    section.fingerprint = section.fingerprint.or(defaults.section.fingerprint);
    section.extmaps.extend(defaults.section.extmaps.iter().cloned());
    bounded("formats", name.formats.len(), MAX_LIST)?;
    bounded("header extensions", section.extmaps.len(), MAX_LIST)?;
    section.ice = draft.ice(Place::Section(index))?;
    if section.protocol.is_rtp() {
        section.formats = draft.formats(index, &name.formats)?;
    } else {
        section.other_formats = name.formats.iter().map(|format| token(format).into()).collect();
    }
    Ok(section)
}

/// A section while its attributes are read, in whatever order they come.
#[derive(Default)]
struct Draft {
    section: Section,
    ufrag: Option<String>,
    pwd: Option<String>,
    rtpmaps: BTreeMap<u8, String>,
    fmtps: BTreeMap<u8, String>,
    /// Feedback with the payload type it is for; `None` is for all.
    feedback: Vec<(Option<u8>, Feedback)>,
}

impl Draft {
    fn attribute(&mut self, place: Place, attribute: &Attribute) -> Result<(), SdpError> {
        let value = attribute.value.as_deref().unwrap_or_default().trim();
        match attribute.key.as_str() {
            "rtpmap" | "fmtp" | "rtcp-fb" => self.format_attribute(place, &attribute.key, value),
            "ssrc" | "ssrc-group" | "msid" | "rid" | "simulcast" => {
                stream_attribute(&mut self.section, place, &attribute.key, value)
            }
            "ice-ufrag" => {
                self.ufrag = Some(ice_text(value, 4).ok_or_else(|| bad("ice-ufrag", place))?);
                Ok(())
            }
            "ice-pwd" => {
                self.pwd = Some(ice_text(value, 22).ok_or_else(|| bad("ice-pwd", place))?);
                Ok(())
            }
            key => transport_attribute(&mut self.section, place, key, value),
        }
    }

    fn format_attribute(&mut self, place: Place, key: &str, value: &str) -> Result<(), SdpError> {
        let attribute = match key {
            "rtpmap" => "rtpmap",
            "fmtp" => "fmtp",
            _ => "rtcp-fb",
        };
        let wrong = || bad(attribute, place);
        let (format, rest) = value.split_once(' ').ok_or_else(wrong)?;
        let rest = rest.trim();
        let payload_type = format.parse::<u8>().ok().filter(|&number| number < 128);
        match (attribute, payload_type) {
            ("rtpmap", Some(number)) => {
                self.rtpmaps.entry(number).or_insert_with(|| rest.into());
            }
            ("fmtp", Some(number)) => {
                let kept = if rest.len() <= MAX_TOKEN { rest } else { return Err(wrong()) };
                self.fmtps.entry(number).or_insert_with(|| kept.into());
            }
            // Format parameters of a section that is not RTP.
            ("fmtp", None) => {}
            ("rtcp-fb", Some(_)) => {
                self.feedback.push((payload_type, Feedback::parse(token(rest))))
            }
            ("rtcp-fb", None) if format == "*" => {
                self.feedback.push((None, Feedback::parse(token(rest))));
            }
            _ => return Err(wrong()),
        }
        // At most a dozen kinds of feedback exist for a payload type.
        bounded("feedback lines", self.feedback.len(), MAX_LIST.saturating_mul(16))
    }

    fn formats(&mut self, index: usize, numbers: &[String]) -> Result<Vec<Format>, SdpError> {
        let mut formats: Vec<Format> = Vec::new();
        for text in numbers {
            let number = text.parse::<u8>().ok().filter(|&number| number < 128);
            let number = number.ok_or(SdpError::PayloadType(index))?;
            let payload_type = PayloadType(number);
            if formats.iter().any(|format| format.payload_type == payload_type) {
                continue;
            }
            let fmtp = self.fmtps.remove(&number).unwrap_or_default();
            let encoding = match self.rtpmaps.get(&number) {
                Some(rtpmap) => codec::encoding(token(rtpmap), &fmtp)
                    .ok_or_else(|| bad("rtpmap", Place::Section(index)))?,
                None => match codec::static_encoding(number) {
                    Some(encoding) => encoding,
                    // A dynamic number that nobody explains means nothing.
                    None => continue,
                },
            };
            formats.push(Format { payload_type, encoding, fmtp, feedback: Vec::new() });
        }
        for (number, feedback) in self.feedback.drain(..) {
            for format in &mut formats {
                let meant = number.is_none_or(|number| format.payload_type.0 == number);
                if meant && !format.feedback.contains(&feedback) {
                    format.feedback.push(feedback.clone());
                }
            }
        }
        Ok(formats)
    }

    fn ice(&mut self, place: Place) -> Result<Option<IceCredentials>, SdpError> {
        match (self.ufrag.take(), self.pwd.take()) {
            (Some(ufrag), Some(pwd)) => Ok(Some(IceCredentials { ufrag, pwd })),
            (None, None) => Ok(None),
            (Some(_), None) => Err(bad("ice-pwd", place)),
            (None, Some(_)) => Err(bad("ice-ufrag", place)),
        }
    }
}

fn transport_attribute(
    section: &mut Section,
    place: Place,
    key: &str,
    value: &str,
) -> Result<(), SdpError> {
    match key {
        "mid" => {
            let mid = Mid::new(value.as_bytes()).ok_or_else(|| bad("mid", place))?;
            section.mid = Some(mid);
        }
        "fingerprint" => {
            let found = fingerprint(value).ok_or_else(|| bad("fingerprint", place))?;
            section.fingerprint = section.fingerprint.or(found);
        }
        "setup" => {
            section.setup = Some(Setup::parse(value).ok_or_else(|| bad("setup", place))?);
        }
        "rtcp-mux" => section.rtcp_mux = true,
        "rtcp-rsize" => section.rtcp_rsize = true,
        "bundle-only" => section.bundle_only = true,
        "end-of-candidates" => section.end_of_candidates = true,
        "candidate" => {
            // RFC 8839 §5.1 tells to pass over candidates of kinds and transports that one does not
            // know.
            section.candidates.extend(value.parse().ok());
            bounded("candidates", section.candidates.len(), MAX_LIST)?;
        }
        "extmap" => {
            section.extmaps.extend(extmap(value).ok_or_else(|| bad("extmap", place))?);
            bounded("header extensions", section.extmaps.len(), MAX_LIST)?;
        }
        "sctp-port" => {
            section.sctp_port = Some(value.parse().map_err(|_| bad("sctp-port", place))?);
        }
        "sctpmap" => {
            let port = value.split_ascii_whitespace().next().and_then(|word| word.parse().ok());
            section.sctp_port = Some(port.ok_or_else(|| bad("sctpmap", place))?);
        }
        "max-message-size" => {
            let size = value.parse().map_err(|_| bad("max-message-size", place))?;
            section.max_message_size = Some(size);
        }
        other => section.direction = Direction::parse(other).unwrap_or(section.direction),
    }
    Ok(())
}

fn stream_attribute(
    section: &mut Section,
    place: Place,
    key: &str,
    value: &str,
) -> Result<(), SdpError> {
    match key {
        "ssrc" => source(&mut section.sources, value).ok_or_else(|| bad("ssrc", place))?,
        "ssrc-group" => {
            let mut words = value.split_ascii_whitespace();
            let semantics = words.next().map(|word| GroupSemantics::parse(token(word)));
            let ssrcs = words.map(|word| word.parse().map(Ssrc)).collect::<Result<Vec<_>, _>>();
            let (Some(semantics), Ok(ssrcs)) = (semantics, ssrcs) else {
                return Err(bad("ssrc-group", place));
            };
            bounded("sources in a group", ssrcs.len(), MAX_LIST)?;
            section.groups.push(SourceGroup { semantics, ssrcs });
        }
        "msid" => section.msids.push(msid(value).ok_or_else(|| bad("msid", place))?),
        "rid" => section.rids.push(rid(value).ok_or_else(|| bad("rid", place))?),
        _ => section.simulcast = Some(simulcast(value).ok_or_else(|| bad("simulcast", place))?),
    }
    bounded("sources", section.sources.len(), MAX_LIST)?;
    bounded("source groups", section.groups.len(), MAX_LIST)?;
    bounded("streams", section.msids.len(), MAX_LIST)?;
    bounded("restriction identifiers", section.rids.len(), MAX_LIST)
}

fn source(sources: &mut Vec<Source>, value: &str) -> Option<()> {
    let (number, rest) = value.split_once(' ').unwrap_or((value, ""));
    let ssrc = Ssrc(number.parse().ok()?);
    let known = sources.iter().position(|source| source.ssrc == ssrc);
    let place = known.unwrap_or_else(|| {
        sources.push(Source { ssrc, cname: None, msid: None });
        sources.len().saturating_sub(1)
    });
    let source = sources.get_mut(place)?;
    match rest.trim().split_once(':') {
        Some(("cname", name)) => source.cname = Some(token(name).into()),
        Some(("msid", value)) => source.msid = Some(msid(value)?),
        _ => {}
    }
    Some(())
}

fn msid(value: &str) -> Option<Msid> {
    let mut words = value.split_ascii_whitespace();
    let stream = words.next().filter(|word| word.len() <= MAX_TOKEN)?;
    let track = words.next().map(|word| token(word).into());
    Some(Msid { stream: stream.into(), track })
}

fn rid(value: &str) -> Option<RidLine> {
    let mut words = value.split_ascii_whitespace();
    let rid = Rid::new(words.next()?.as_bytes())?;
    let direction = match words.next()? {
        "send" => Direction::SendOnly,
        "recv" => Direction::RecvOnly,
        _ => return None,
    };
    let mut line = RidLine { rid, direction, payload_types: Vec::new(), max_width: None };
    for (key, value) in words.flat_map(|word| word.split(';')).filter_map(|p| p.split_once('=')) {
        match key {
            "pt" => {
                let numbers = value.split(',').take(MAX_LIST);
                let numbers = numbers.map(|text| text.parse().ok().filter(|&n| n < 128));
                line.payload_types =
                    numbers.map(|n| n.map(PayloadType)).collect::<Option<Vec<_>>>()?;
            }
            "max-width" => line.max_width = Some(value.parse().ok()?),
            _ => {}
        }
    }
    Some(line)
}

fn simulcast(value: &str) -> Option<Simulcast> {
    let mut simulcast = Simulcast::default();
    let mut words = value.split_ascii_whitespace();
    while let Some(direction) = words.next() {
        // Firefox wrote `rid=` in front of the list before the syntax was settled.
        let list = words.next()?;
        let list = list.strip_prefix("rid=").unwrap_or(list);
        let streams = list.split(';').take(MAX_LIST).map(|stream| {
            let alternatives = stream.split(',').take(MAX_LIST).map(|alternative| {
                let name = alternative.strip_prefix('~');
                let rid = Rid::new(name.unwrap_or(alternative).as_bytes())?;
                Some(RidRef { rid, paused: name.is_some() })
            });
            alternatives.collect::<Option<Vec<_>>>()
        });
        let streams = streams.collect::<Option<Vec<_>>>()?;
        match direction {
            "send" => simulcast.send = streams,
            "recv" => simulcast.recv = streams,
            _ => return None,
        }
    }
    Some(simulcast)
}

/// `Some(None)` is an extension outside the range that can be used.
fn extmap(value: &str) -> Option<Option<Extmap>> {
    let mut words = value.split_ascii_whitespace();
    let (id, direction) = match words.next()?.split_once('/') {
        Some((id, direction)) => (id, Some(Direction::parse(direction)?)),
        None => (value.split_ascii_whitespace().next()?, None),
    };
    let id: u32 = id.parse().ok()?;
    let uri = words.next().filter(|word| word.len() <= MAX_TOKEN)?;
    let known = Extension::ALL.into_iter().find(|extension| extension.uri() == uri);
    let name = known.map_or_else(|| ExtensionName::Other(uri.into()), ExtensionName::Known);
    let usable = u8::try_from(id).ok().filter(|&id| id != 0);
    Some(usable.map(|id| Extmap { id, direction, name }))
}

/// `Some(None)` is another hash than SHA-256.
fn fingerprint(value: &str) -> Option<Option<Fingerprint>> {
    let (algorithm, text) = value.split_once(' ')?;
    if !algorithm.eq_ignore_ascii_case("sha-256") {
        return Some(None);
    }
    let mut bytes = [0; 32];
    let mut pairs = text.trim().split(':');
    for byte in &mut bytes {
        let pair = pairs.next().filter(|pair| pair.len() == 2)?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    pairs.next().is_none().then_some(Some(Fingerprint(bytes)))
}

/// RFC 8839 §5.4: ice-chars, at most 256 of them.
pub(super) fn ice_text(text: &str, shortest: usize) -> Option<String> {
    let fits = (shortest..=256).contains(&text.len());
    let chars =
        text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'));
    (fits && chars).then(|| text.into())
}

fn bounded(what: &'static str, many: usize, limit: usize) -> Result<(), SdpError> {
    if many > limit { Err(SdpError::TooMany { what, limit }) } else { Ok(()) }
}

fn bad(attribute: &'static str, place: Place) -> SdpError {
    SdpError::Attribute { attribute, place }
}

/// As much of an opaque piece as is kept. Cutting is harmless: nothing compares pieces of this
/// length.
fn token(text: &str) -> &str {
    let mut end = text.len().min(MAX_TOKEN);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or_default().trim_end()
}
