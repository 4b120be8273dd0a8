//! The caller's side of session descriptions: offers as a browser would write them with what a caller needs, and the
//! server's answers read.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use offhook_scenario::{H264_MODE_1, WireName};
use offhook_types::media::{DtlsRole, Extension, Fingerprint, IceCredentials};
use offhook_types::{Codec, MediaKind, Mid, PayloadType, Rng};
use offhook_wire::sdp::{
    Candidate, CandidateAddress, CandidateTransport, Direction, Encoding, ExtensionName, Extmap,
    Feedback, Format, GroupSemantics, Msid, Protocol, RidLine, RidRef, Section, SectionKind,
    Session as Description, Setup, Simulcast, Source, SourceGroup, TcpType,
};

use super::agreed::Agreed;
use super::send::Outgoing;
use super::transport::peer::Remote;

/// Payload types and header extensions as Chromium numbers them.
const OPUS: (u8, Codec) = (111, Codec::Opus);
const VP8: (u8, u8, Codec) = (96, 97, Codec::Vp8);
const H264: (u8, u8, Codec) = (102, 103, H264_MODE_1);
const EXTENSIONS: [(u8, Extension); 5] = [
    (1, Extension::AudioLevel),
    (3, Extension::TransportCc),
    (4, Extension::Mid),
    (10, Extension::Rid),
    (11, Extension::RepairedRid),
];
const H264_PARAMETERS: &str =
    "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f";

/// One section of an offer.
#[derive(Debug, Clone)]
enum Part {
    Data,
    Send(Box<Section>),
    Receive(MediaKind),
}

/// Makes the offers of one peer connection. Sections are only ever added.
pub struct Offerer {
    /// Ours.
    pub local: IceCredentials,
    fingerprint: Fingerprint,
    feedback: bool,
    id: u64,
    version: u64,
    parts: Vec<Part>,
}

impl Offerer {
    /// Without a section yet.
    pub fn new(fingerprint: Fingerprint, feedback: bool, rng: &mut Rng) -> Self {
        let local = IceCredentials { ufrag: word(rng, 8), pwd: word(rng, 24) };
        // RFC 9429 §5.2.1: 62 bits.
        let id = rng.next_u64() >> 2;
        Self { local, fingerprint, feedback, id, version: 0, parts: Vec::new() }
    }

    /// The section that the next added part will be.
    pub fn next_mid(&self) -> Mid {
        mid(self.parts.len())
    }

    /// Room for data channels.
    pub fn data(&mut self) {
        self.parts.push(Part::Data);
    }

    /// A section that sends a track under a label.
    pub fn send(&mut self, outgoing: &Outgoing, label: &str) {
        let codec = outgoing.feed.track.codec;
        let mut section = self.media(codec.kind(), Direction::SendOnly, &[codec]);
        section.msids = vec![Msid { stream: "load".into(), track: Some(label.into()) }];
        let rids: Vec<_> = outgoing.layers.iter().filter_map(|layer| layer.rid).collect();
        if rids.is_empty() {
            for layer in &outgoing.layers {
                let rtx = Outgoing::rtx(layer);
                let ssrcs = if codec.kind() == MediaKind::Video {
                    vec![layer.ssrc, rtx]
                } else {
                    vec![layer.ssrc]
                };
                let source = |ssrc| Source { ssrc, cname: Some("load".into()), msid: None };
                section.sources.extend(ssrcs.iter().map(|&ssrc| source(ssrc)));
                if ssrcs.len() > 1 {
                    section.groups.push(SourceGroup { semantics: GroupSemantics::Fid, ssrcs });
                }
            }
        } else {
            let line = |&rid| RidLine {
                rid,
                direction: Direction::SendOnly,
                payload_types: Vec::new(),
                max_width: None,
            };
            section.rids = rids.iter().map(line).collect();
            let send = rids.iter().map(|&rid| vec![RidRef { rid, paused: false }]).collect();
            section.simulcast = Some(Simulcast { send, recv: Vec::new() });
        }
        self.parts.push(Part::Send(Box::new(section)));
    }

    /// So many sections that receive.
    pub fn receive(&mut self, kind: MediaKind, many: usize) {
        self.parts.extend(std::iter::repeat_n(Part::Receive(kind), many));
    }

    /// The offer as it is now.
    pub fn offer(&mut self) -> String {
        self.version += 1;
        let sections: Vec<Section> =
            (0..self.parts.len()).map(|index| self.section(index)).collect();
        let description = Description {
            id: self.id,
            version: self.version,
            trickle: true,
            extmap_allow_mixed: true,
            msid_semantic: Some("WMS".into()),
            bundle: (0..sections.len()).map(mid).collect(),
            sections,
            ..Description::default()
        };
        description.to_string()
    }

    fn section(&self, index: usize) -> Section {
        let base = match &self.parts[index] {
            Part::Data => Section {
                kind: SectionKind::Application,
                protocol: Protocol::sctp(),
                other_formats: vec!["webrtc-datachannel".into()],
                sctp_port: Some(5000),
                max_message_size: Some(262_144),
                ..Section::default()
            },
            Part::Send(section) => (**section).clone(),
            Part::Receive(MediaKind::Audio) => {
                self.media(MediaKind::Audio, Direction::RecvOnly, &[Codec::Opus])
            }
            Part::Receive(MediaKind::Video) => {
                self.media(MediaKind::Video, Direction::RecvOnly, &[Codec::Vp8, H264_MODE_1])
            }
        };
        Section {
            port: 9,
            mid: Some(mid(index)),
            ice: Some(self.local.clone()),
            fingerprint: Some(self.fingerprint),
            setup: Some(Setup::ActPass),
            ..base
        }
    }

    fn media(&self, kind: MediaKind, direction: Direction, codecs: &[Codec]) -> Section {
        let formats = codecs.iter().flat_map(|&codec| self.formats(codec, direction)).collect();
        let useful = |extension: &Extension| match extension {
            Extension::AudioLevel => kind == MediaKind::Audio,
            Extension::Rid | Extension::RepairedRid => kind == MediaKind::Video,
            Extension::TransportCc => self.feedback || direction.sends(),
            _ => true,
        };
        let extmaps = EXTENSIONS.into_iter().filter(|(_, extension)| useful(extension));
        let extmap =
            |(id, extension)| Extmap { id, direction: None, name: ExtensionName::Known(extension) };
        Section {
            kind: kind.into(),
            direction,
            rtcp_mux: true,
            rtcp_rsize: true,
            formats,
            extmaps: extmaps.map(extmap).collect(),
            ..Section::default()
        }
    }

    fn formats(&self, codec: Codec, direction: Direction) -> Vec<Format> {
        let format = |number, encoding, fmtp: &str, feedback: &[Feedback]| Format {
            payload_type: PayloadType(number),
            encoding,
            fmtp: fmtp.into(),
            feedback: feedback.to_vec(),
        };
        let mut feedback = vec![Feedback::Nack, Feedback::NackPli, Feedback::CcmFir];
        if self.feedback {
            feedback.push(Feedback::TransportCc);
        }
        // Who sends listens to it beside transport-wide feedback, as browsers do.
        if !self.feedback || direction.sends() {
            feedback.push(Feedback::GoogRemb);
        }
        let video = |(number, rtx, codec): (u8, u8, Codec), fmtp| {
            let of = PayloadType(number);
            let repeats = Encoding::Rtx { of, clock_rate: 90_000 };
            vec![
                format(number, Encoding::Media(codec), fmtp, &feedback),
                format(rtx, repeats, &format!("apt={number}"), &[]),
            ]
        };
        match codec {
            Codec::Vp8 => video(VP8, ""),
            Codec::H264(_) => video(H264, H264_PARAMETERS),
            _ => {
                let sound = &feedback[3..];
                vec![format(OPUS.0, Encoding::Media(OPUS.1), "minptime=10;useinbandfec=1", sound)]
            }
        }
    }
}

/// Read what the server answered.
pub fn read(text: &str, wire: WireName) -> Result<Agreed> {
    let answer = Description::parse(text)?;
    let live = || answer.sections.iter().filter(|section| !section.rejected());
    let first = live().find(|section| section.ice.is_some()).context("no section was taken")?;
    let candidates: Vec<SocketAddr> =
        live().flat_map(|section| &section.candidates).filter_map(|c| address(c, wire)).collect();
    let remote = Remote {
        ice: first.ice.clone().context("no ICE credentials")?,
        fingerprint: first.fingerprint.context("no SHA-256 fingerprint")?,
        role: match first.setup {
            Some(Setup::Active) => DtlsRole::Server,
            _ => DtlsRole::Client,
        },
        candidates,
    };
    let mut agreed = Agreed { remote: Some(remote), ..Agreed::default() };
    live().for_each(|section| note(&mut agreed, section));
    Ok(agreed)
}

/// One section's part of the agreement.
fn note(agreed: &mut Agreed, section: &Section) {
    for extmap in &section.extmaps {
        if let ExtensionName::Known(extension) = extmap.name {
            agreed.extensions.set(extension, extmap.id);
        }
    }
    for format in &section.formats {
        agreed.transport_feedback |= format.has(&Feedback::TransportCc);
        match format.encoding {
            Encoding::Media(codec) => agreed.codecs.push((format.payload_type, codec)),
            Encoding::Rtx { of, .. } => agreed.rtx.push((format.payload_type, of)),
            Encoding::Other { .. } => {}
        }
    }
    for group in section.groups.iter().filter(|group| group.semantics == GroupSemantics::Fid) {
        if let [media, repair] = group.ssrcs[..] {
            agreed.repairs.insert(repair, media);
        }
    }
    if section.direction.receives() && section.kind.media().is_some() {
        agreed.taken.extend(section.mid);
    }
}

/// Where a candidate is, if it fits.
pub fn address(candidate: &Candidate, wire: WireName) -> Option<SocketAddr> {
    let fits = matches!(
        (candidate.transport, wire),
        (CandidateTransport::Udp, WireName::Udp)
            | (CandidateTransport::Tcp(TcpType::Passive), WireName::Tcp)
    );
    match candidate.address {
        CandidateAddress::Ip(ip) if fits => Some(SocketAddr::new(ip, candidate.port)),
        _ => None,
    }
}

/// Sections are named by their position.
pub fn mid(index: usize) -> Mid {
    // Digits are a token.
    Mid::new(index.to_string().as_bytes()).unwrap_or_else(|| unreachable!())
}

/// Random letters (RFC 8445 §5.3 wants 24 bits in the fragment and 128 in the password).
fn word(rng: &mut Rng, len: usize) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    (0..len).map(|_| char::from(LETTERS[rng.below(64) as usize])).collect()
}
