//! Our own offers, for clients that receive on a peer connection of its own. Sections are appended
//! and never removed; a section whose track is gone waits, inactive, for the next of its kind.

use offhook_types::media::{DtlsRole, Extension, IceCredentials, Remote};
use offhook_types::{Codec, H264, MediaKind, Mid, PayloadType};
use offhook_wire::sdp::{
    Direction, Encoding, ExtensionName, Extmap, Feedback, Format, MAX_SECTIONS, Protocol, Section,
    SectionKind, Session, Setup,
};

use super::agree::{Bundle, Flow};
use super::local::{MAX_MESSAGE, SCTP_PORT};
use super::{Agreement, Negotiation, Offering, Refused, Slot, Wish};

/// Our video payload types, each followed by its retransmissions. Every level is 3.1 with
/// asymmetry allowed: we decode nothing, so the level says nothing about us.
pub(crate) const VIDEO: [(u8, Codec, &str); 8] = [
    (96, Codec::Vp8, ""),
    (98, Codec::Vp9 { profile: 0 }, "profile-id=0"),
    (100, Codec::Vp9 { profile: 2 }, "profile-id=2"),
    (
        102,
        h264(1, 0x42e0),
        "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
    ),
    (
        104,
        h264(0, 0x42e0),
        "level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f",
    ),
    (
        106,
        h264(1, 0x4d00),
        "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=4d001f",
    ),
    (
        108,
        h264(1, 0x6400),
        "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=64001f",
    ),
    (112, Codec::Av1 { profile: 0 }, "level-idx=5;profile=0;tier=0"),
];
/// Opus.
pub(crate) const AUDIO: u8 = 111;

/// Our header extensions; numbers below 15 keep them in the one-byte form (RFC 8285 §4.2).
const EXTENSIONS: [(u8, Extension); 6] = [
    (1, Extension::Mid),
    (2, Extension::AudioLevel),
    (3, Extension::VideoOrientation),
    (4, Extension::PlayoutDelay),
    (5, Extension::AbsCaptureTime),
    (6, Extension::DependencyDescriptor),
];

const fn h264(packetization_mode: u8, profile: u16) -> Codec {
    Codec::H264(H264 { packetization_mode, profile })
}

impl Negotiation {
    /// An offer that would send all wished tracks; `None` while one waits for its answer. With
    /// `restart`, our new ICE credentials.
    pub fn offer(&mut self, restart: Option<IceCredentials>) -> Option<Session> {
        if self.offering == Offering::Pending {
            return None;
        }
        self.offering = Offering::Pending;
        if let Some(ice) = restart {
            self.restarted = self.remote.is_some();
            self.local.ice = ice;
        }
        let mut slots = core::mem::take(&mut self.slots);
        if slots.is_empty() && self.policy.data {
            slots.push(Slot::offered(0, SectionKind::Application));
        }
        self.free(&mut slots);
        self.fill(&mut slots);
        let missing = self.wishes.iter().filter(|wish| self.lacks(&slots, wish));
        let missing: Vec<MediaKind> = missing.map(|wish| wish.kind).collect();
        for kind in missing.into_iter().take(MAX_SECTIONS.saturating_sub(slots.len())) {
            slots.push(Slot::offered(slots.len(), kind.into()));
        }
        self.fill(&mut slots);
        let tagged = slots.iter().position(|slot| slot.accepted);
        let section = |(index, slot)| self.section(slot, tagged == Some(index));
        let sections: Vec<Section> = slots.iter().enumerate().map(section).collect();
        let live = |slot: &&Slot| slot.accepted;
        let bundle = slots.iter().filter(live).filter_map(|slot| slot.mid).collect();
        self.slots = slots;
        self.version += 1;
        Some(Session {
            id: self.id,
            version: self.version,
            ice_lite: true,
            trickle: false,
            extmap_allow_mixed: true,
            msid_semantic: Some("WMS *".into()),
            bundle,
            sections,
        })
    }

    /// Our offer or its answer was lost with the connection that carried it: another may be made.
    pub fn withdraw(&mut self) {
        if self.offering == Offering::Pending {
            self.offering = Offering::Stable;
        }
    }

    /// What the peer answered to our offer.
    pub fn accept_answer(&mut self, answer: &Session) -> Result<Agreement, Refused> {
        if self.offering != Offering::Pending {
            return Err(Refused::NotOffered);
        }
        let same = |(slot, section): (&Slot, &Section)| {
            slot.kind == section.kind && section.mid.is_none_or(|mid| Some(mid) == slot.mid)
        };
        let matches = self.slots.iter().zip(&answer.sections).all(same);
        if answer.sections.len() != self.slots.len() || !matches {
            return Err(Refused::SectionsChanged);
        }
        let remote = self.answered_half(answer)?;
        let restarted = self.remote.as_ref().is_some_and(|known| known.ice != remote.ice);
        self.remote = Some(remote);
        self.offering = Offering::Stable;

        let mut bundle = Bundle::default();
        for (slot, section) in self.slots.iter_mut().zip(&answer.sections) {
            let placed = slot.outbound.as_ref().and_then(|outbound| outbound.track);
            slot.answered(section, &mut bundle);
            if slot.outbound.is_none() {
                self.refused.extend(placed);
            }
        }
        self.negotiated = bundle.negotiated();
        Ok(Agreement { incoming: Vec::new(), stopped: Vec::new(), restarted })
    }

    /// Whether a wish needs a section that does not exist yet.
    fn lacks(&self, slots: &[Slot], wish: &Wish) -> bool {
        let carries =
            |slot: &Slot| slot.outbound.as_ref().and_then(|o| o.track) == Some(wish.track);
        !slots.iter().any(carries) && !self.refused.contains(&wish.track)
    }

    fn section(&self, slot: &Slot, tagged: bool) -> Section {
        let mut section = Section {
            kind: slot.kind.clone(),
            protocol: slot.protocol.clone(),
            mid: slot.mid,
            ..Section::default()
        };
        if let Some(kind) = slot.kind.media() {
            section.direction = Direction::new(slot.outbound.is_some(), false);
            section.rtcp_mux = true;
            section.rtcp_rsize = true;
            section.formats = formats(kind);
            section.extmaps = extmaps(kind);
        } else {
            section.other_formats = vec!["webrtc-datachannel".into()];
            section.sctp_port = Some(SCTP_PORT);
            section.max_message_size = Some(MAX_MESSAGE);
        }
        if !slot.accepted {
            return section;
        }
        self.local.describe(&mut section, Setup::ActPass, tagged);
        if let Some(outbound) = &slot.outbound {
            self.describe_outbound(slot, outbound, &mut section);
        }
        section
    }

    /// The peer's half, from its first section that lives.
    fn answered_half(&self, answer: &Session) -> Result<Remote, Refused> {
        let live = answer.sections.iter().find(|section| !section.rejected());
        let section = live.ok_or(Refused::NothingAcceptable)?;
        let ice = section.ice.clone().ok_or(Refused::NoIce)?;
        let fingerprint = section.fingerprint.ok_or(Refused::NoFingerprint)?;
        let role = match section.setup {
            Some(Setup::Active) => DtlsRole::Server,
            Some(Setup::Passive) => DtlsRole::Client,
            _ => return Err(Refused::Setup),
        };
        match &self.remote {
            Some(known) if known.fingerprint != fingerprint => Err(Refused::CertificateChanged),
            Some(known) if known.role != role => Err(Refused::Setup),
            _ => Ok(Remote { ice, fingerprint, role }),
        }
    }
}

impl Slot {
    /// A new section of ours.
    fn offered(index: usize, kind: SectionKind) -> Self {
        let media = kind.media();
        Self {
            mid: Mid::new(index.to_string().as_bytes()),
            protocol: if media.is_some() { Protocol::default() } else { Protocol::sctp() },
            accepted: true,
            sendable: media.is_some(),
            formats: media.map(formats).unwrap_or_default(),
            kind,
            ..Self::default()
        }
    }

    /// The peer's word on a section of ours.
    fn answered(&mut self, section: &Section, bundle: &mut Bundle) {
        self.accepted = !section.rejected();
        let Some(kind) = self.kind.media() else { return };
        let flow = Flow { sends: true, receives: false };
        if self.accepted {
            self.formats = bundle.formats(kind, &section.formats, flow);
            bundle.extmaps(&section.extmaps);
        }
        if self.outbound.is_some() {
            self.sendable =
                self.accepted && section.direction.receives() && !self.formats.is_empty();
            if !self.sendable {
                self.outbound = None;
            }
        }
        self.described = self.outbound.is_some();
    }
}

/// All that we offer of a kind.
fn formats(kind: MediaKind) -> Vec<Format> {
    match kind {
        MediaKind::Audio => vec![Format {
            payload_type: PayloadType(AUDIO),
            encoding: Encoding::Media(Codec::Opus),
            fmtp: "minptime=10;useinbandfec=1".into(),
            feedback: vec![Feedback::TransportCc, Feedback::Nack],
        }],
        MediaKind::Video => VIDEO
            .iter()
            .flat_map(|&(number, codec, fmtp)| {
                let media = Format {
                    payload_type: PayloadType(number),
                    encoding: Encoding::Media(codec),
                    fmtp: fmtp.into(),
                    feedback: vec![
                        Feedback::TransportCc,
                        Feedback::GoogRemb,
                        Feedback::Nack,
                        Feedback::NackPli,
                        Feedback::CcmFir,
                    ],
                };
                let repair = Format {
                    payload_type: PayloadType(number + 1),
                    encoding: Encoding::Rtx { of: PayloadType(number), clock_rate: 90_000 },
                    fmtp: format!("apt={number}"),
                    feedback: Vec::new(),
                };
                [media, repair]
            })
            .collect(),
    }
}

fn extmaps(kind: MediaKind) -> Vec<Extmap> {
    let fits = |extension| match extension {
        Extension::AudioLevel => kind == MediaKind::Audio,
        Extension::Mid | Extension::AbsCaptureTime | Extension::TransportCc => true,
        _ => kind == MediaKind::Video,
    };
    let listed = EXTENSIONS.into_iter().filter(|&(_, extension)| fits(extension));
    listed
        .map(|(id, extension)| Extmap {
            id,
            direction: None,
            name: ExtensionName::Known(extension),
        })
        .collect()
}
