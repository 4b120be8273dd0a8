//! Values to text, as `rtc-sdp` prints it.

use offhook_types::media::Fingerprint;
use rtc_sdp::description::common::{Address, Attribute, ConnectionInformation};
use rtc_sdp::description::media::{MediaName, RangedPort};
use rtc_sdp::description::session::{Origin, TimeDescription};
use rtc_sdp::{MediaDescription, SessionDescription};

use super::{Direction, ExtensionName, Extmap, Msid, RidLine, RidRef, Section, Session, Simulcast};

pub(super) fn session(session: &Session) -> SessionDescription {
    let mut attributes = Lines::default();
    attributes.flag("ice-lite", session.ice_lite);
    if session.trickle {
        attributes.value("ice-options", "trickle");
    }
    if !session.bundle.is_empty() {
        let mids: Vec<&str> = session.bundle.iter().map(|mid| mid.as_str()).collect();
        attributes.value("group", format!("BUNDLE {}", mids.join(" ")));
    }
    attributes.flag("extmap-allow-mixed", session.extmap_allow_mixed);
    if let Some(semantic) = &session.msid_semantic {
        attributes.value("msid-semantic", semantic);
    }
    SessionDescription {
        origin: Origin {
            username: "-".into(),
            session_id: session.id,
            session_version: session.version,
            network_type: "IN".into(),
            address_type: "IP4".into(),
            unicast_address: "127.0.0.1".into(),
        },
        session_name: "-".into(),
        time_descriptions: vec![TimeDescription::default()],
        attributes: attributes.0,
        media_descriptions: session.sections.iter().map(section).collect(),
        ..SessionDescription::default()
    }
}

fn section(section: &Section) -> MediaDescription {
    let mut lines = Lines::default();
    if let Some(mid) = section.mid {
        lines.value("mid", mid);
    }
    transport(&mut lines, section);
    if section.kind.media().is_some() || section.direction != Direction::default() {
        lines.flag(section.direction.as_str(), true);
    }
    lines.flag("rtcp-mux", section.rtcp_mux);
    lines.flag("rtcp-rsize", section.rtcp_rsize);
    for extmap in &section.extmaps {
        lines.value("extmap", extmap_value(extmap));
    }
    formats(&mut lines, section);
    streams(&mut lines, section);
    if let Some(port) = section.sctp_port {
        lines.value("sctp-port", port);
    }
    if let Some(size) = section.max_message_size {
        lines.value("max-message-size", size);
    }
    MediaDescription {
        media_name: MediaName {
            media: section.kind.as_str().into(),
            port: RangedPort { value: section.port as isize, range: None },
            protos: section.protocol.as_str().split('/').map(Into::into).collect(),
            formats: format_names(section),
        },
        connection_information: Some(ConnectionInformation {
            network_type: "IN".into(),
            address_type: "IP4".into(),
            address: Some(Address { address: "0.0.0.0".into(), ttl: None, range: None }),
        }),
        attributes: lines.0,
        ..MediaDescription::default()
    }
}

/// An `m=` line needs at least one format, also when rejected (RFC 3264 §6). A dynamic number that
/// nothing explains promises nothing.
fn format_names(section: &Section) -> Vec<String> {
    let mut names: Vec<String> =
        section.formats.iter().map(|format| format.payload_type.0.to_string()).collect();
    names.extend(section.other_formats.iter().cloned());
    if names.is_empty() {
        names.push("127".into());
    }
    names
}

fn transport(lines: &mut Lines, section: &Section) {
    if let Some(ice) = &section.ice {
        lines.value("ice-ufrag", &ice.ufrag);
        lines.value("ice-pwd", &ice.pwd);
    }
    if let Some(fingerprint) = &section.fingerprint {
        lines.value("fingerprint", fingerprint_value(fingerprint));
    }
    if let Some(setup) = section.setup {
        lines.value("setup", setup.as_str());
    }
    lines.flag("bundle-only", section.bundle_only);
    for candidate in &section.candidates {
        lines.value("candidate", candidate);
    }
    lines.flag("end-of-candidates", section.end_of_candidates);
}

fn formats(lines: &mut Lines, section: &Section) {
    for format in &section.formats {
        let number = format.payload_type.0;
        lines.value("rtpmap", format!("{number} {}", format.encoding));
        if !format.fmtp.is_empty() {
            lines.value("fmtp", format!("{number} {}", format.fmtp));
        }
        for feedback in &format.feedback {
            lines.value("rtcp-fb", format!("{number} {}", feedback.as_str()));
        }
    }
}

fn streams(lines: &mut Lines, section: &Section) {
    for rid in &section.rids {
        lines.value("rid", rid_value(rid));
    }
    if let Some(simulcast) = &section.simulcast {
        lines.value("simulcast", simulcast_value(simulcast));
    }
    for msid in &section.msids {
        lines.value("msid", msid_value(msid));
    }
    for group in &section.groups {
        let ssrcs: Vec<String> = group.ssrcs.iter().map(|ssrc| ssrc.0.to_string()).collect();
        lines.value("ssrc-group", format!("{} {}", group.semantics.as_str(), ssrcs.join(" ")));
    }
    for source in &section.sources {
        let ssrc = source.ssrc.0;
        if let Some(cname) = &source.cname {
            lines.value("ssrc", format!("{ssrc} cname:{cname}"));
        }
        if let Some(msid) = &source.msid {
            lines.value("ssrc", format!("{ssrc} msid:{}", msid_value(msid)));
        }
        if source.cname.is_none() && source.msid.is_none() {
            lines.value("ssrc", ssrc);
        }
    }
}

fn extmap_value(extmap: &Extmap) -> String {
    let uri = match &extmap.name {
        ExtensionName::Known(extension) => extension.uri(),
        ExtensionName::Other(uri) => uri,
    };
    match extmap.direction {
        Some(direction) => format!("{}/{} {uri}", extmap.id, direction.as_str()),
        None => format!("{} {uri}", extmap.id),
    }
}

fn rid_value(line: &RidLine) -> String {
    let direction = if line.direction.sends() { "send" } else { "recv" };
    let mut limits = Vec::new();
    if !line.payload_types.is_empty() {
        let numbers: Vec<String> = line.payload_types.iter().map(|pt| pt.0.to_string()).collect();
        limits.push(format!("pt={}", numbers.join(",")));
    }
    limits.extend(line.max_width.map(|width| format!("max-width={width}")));
    if limits.is_empty() {
        format!("{} {direction}", line.rid)
    } else {
        format!("{} {direction} {}", line.rid, limits.join(";"))
    }
}

fn simulcast_value(simulcast: &Simulcast) -> String {
    let streams = |streams: &[Vec<RidRef>]| {
        let alternative = |r: &RidRef| format!("{}{}", if r.paused { "~" } else { "" }, r.rid);
        let stream =
            |stream: &Vec<RidRef>| stream.iter().map(alternative).collect::<Vec<_>>().join(",");
        streams.iter().map(stream).collect::<Vec<_>>().join(";")
    };
    let mut parts = Vec::new();
    if !simulcast.send.is_empty() {
        parts.push(format!("send {}", streams(&simulcast.send)));
    }
    if !simulcast.recv.is_empty() {
        parts.push(format!("recv {}", streams(&simulcast.recv)));
    }
    parts.join(" ")
}

fn msid_value(msid: &Msid) -> String {
    match &msid.track {
        Some(track) => format!("{} {track}", msid.stream),
        None => msid.stream.clone(),
    }
}

fn fingerprint_value(fingerprint: &Fingerprint) -> String {
    let pairs: Vec<String> = fingerprint.0.iter().map(|byte| format!("{byte:02X}")).collect();
    format!("sha-256 {}", pairs.join(":"))
}

/// The `a=` lines of one part.
#[derive(Default)]
struct Lines(Vec<Attribute>);

impl Lines {
    fn flag(&mut self, name: &str, set: bool) {
        if set {
            self.0.push(Attribute::new(name.into(), None));
        }
    }

    fn value(&mut self, name: &str, value: impl ToString) {
        self.0.push(Attribute::new(name.into(), Some(value.to_string())));
    }
}
