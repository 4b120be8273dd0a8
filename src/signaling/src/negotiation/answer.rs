//! Answering the peer's offers.

use std::collections::BTreeSet;

use offhook_types::media::{DtlsRole, Extension, IceCredentials, Layer, Remote};
use offhook_types::{MediaKind, Mid};
use offhook_wire::sdp::{
    Direction, ExtensionName, GroupSemantics, Msid, RidLine, Section, SectionKind, Session, Setup,
    Simulcast, Source, SourceGroup,
};

use super::agree::{Bundle, Flow};
use super::local::{MAX_MESSAGE, SCTP_PORT};
use super::{Agreement, Inbound, Negotiation, Offering, Outbound, Refused, Slot, layers};

impl Negotiation {
    /// Answer an offer. `fresh` makes new ICE credentials for a restart. On refusal nothing has
    /// changed. Wished tracks are placed on sections that can receive.
    pub fn answer(
        &mut self,
        offer: &Session,
        fresh: &mut dyn FnMut() -> IceCredentials,
    ) -> Result<(Agreement, Session), Refused> {
        if self.offering != Offering::Never {
            return Err(Refused::NotOffered);
        }
        if offer.sections.len() < self.slots.len() {
            return Err(Refused::SectionsChanged);
        }
        let accepted = self.acceptable(offer);
        let tagged = tagged(offer, &accepted).ok_or(Refused::NothingAcceptable)?;
        let remote = self.remote_half(offer, tagged)?;
        let restarted = self.remote.as_ref().is_some_and(|known| known.ice != remote.ice);
        if restarted {
            self.local.ice = fresh();
            self.restarted = true;
        }
        self.remote = Some(remote);

        let mut bundle = Bundle::survey(&offer.sections);
        let mut slots = core::mem::take(&mut self.slots);
        let mut stopped = Vec::new();
        let mut sections = Vec::new();
        for (index, section) in offer.sections.iter().enumerate() {
            if slots.len() == index {
                slots.push(Slot::default());
            }
            let Some(slot) = slots.get_mut(index) else { continue };
            let before = slot.inbound.as_ref().and_then(|inbound| inbound.track);
            sections.push(if accepted.contains(&index) {
                self.accept(slot, section, &mut bundle)
            } else {
                slot.reject(section);
                rejection(section)
            });
            let after = slot.inbound.as_ref().and_then(|inbound| inbound.track);
            stopped.extend(before.filter(|_| before != after));
        }
        self.free(&mut slots);
        self.fill(&mut slots);
        for (index, (slot, section)) in slots.iter_mut().zip(&mut sections).enumerate() {
            if slot.accepted {
                self.finish(slot, section, index == tagged);
            }
            slot.described = slot.outbound.is_some();
        }
        self.slots = slots;
        self.negotiated = bundle.negotiated();
        let agreement = Agreement { incoming: self.incoming(), stopped, restarted };
        Ok((agreement, self.session(offer, sections)))
    }

    /// Which sections can be taken.
    fn acceptable(&self, offer: &Session) -> BTreeSet<usize> {
        let mut accepted = BTreeSet::new();
        let mut channels = false;
        for (index, section) in offer.sections.iter().enumerate() {
            // RFC 9143 §7.3.3: what is not bundled with the first would need another transport.
            let bundled = match section.mid {
                Some(mid) if !offer.bundle.is_empty() => offer.bundle.contains(&mid),
                _ => offer.bundle.is_empty() && accepted.is_empty(),
            };
            let fits = match section.kind.media() {
                Some(kind) => self.can_carry(section, kind),
                None => {
                    let wanted = section.kind == SectionKind::Application
                        && section.protocol.is_sctp()
                        && self.policy.data
                        && !channels;
                    channels |= wanted;
                    wanted
                }
            };
            if bundled && fits && !section.rejected() {
                accepted.insert(index);
            }
        }
        accepted
    }

    fn can_carry(&self, section: &Section, kind: MediaKind) -> bool {
        let known =
            |codec: offhook_types::Codec| codec.kind() == kind && super::agree::taken(codec);
        section.protocol.is_rtp()
            && section.rtcp_mux
            && section.formats.iter().filter_map(|format| format.codec()).any(known)
    }

    /// The peer's half of the transport, from the section that stands for the bundle.
    fn remote_half(&self, session: &Session, tagged: usize) -> Result<Remote, Refused> {
        let section = session.sections.get(tagged).ok_or(Refused::NothingAcceptable)?;
        let ice = section.ice.clone().ok_or(Refused::NoIce)?;
        let fingerprint = section.fingerprint.ok_or(Refused::NoFingerprint)?;
        let role = match (section.setup, self.role()) {
            (Some(Setup::HoldConn), _) => return Err(Refused::Setup),
            // RFC 8842 §5.3: the sides of a running association stay as they are.
            (Some(Setup::ActPass), Some(role)) => role,
            (Some(Setup::Passive), _) => DtlsRole::Client,
            // RFC 4145 §4: an offer that does not say is active.
            (Some(Setup::ActPass | Setup::Active) | None, _) => DtlsRole::Server,
        };
        if let Some(known) = &self.remote {
            if known.fingerprint != fingerprint {
                return Err(Refused::CertificateChanged);
            }
            if known.role != role {
                return Err(Refused::Setup);
            }
        }
        Ok(Remote { ice, fingerprint, role })
    }

    /// Agree one section. Sources and streams of ours are added once tracks are placed.
    fn accept(&self, slot: &mut Slot, offer: &Section, bundle: &mut Bundle) -> Section {
        if slot.kind != offer.kind || slot.mid != offer.mid {
            *slot = Slot::default();
        }
        slot.kind = offer.kind.clone();
        slot.mid = offer.mid;
        slot.protocol = offer.protocol.clone();
        slot.accepted = true;
        let mut answer = Section {
            kind: offer.kind.clone(),
            protocol: offer.protocol.clone(),
            mid: offer.mid,
            ..Section::default()
        };
        let Some(kind) = offer.kind.media() else {
            answer.other_formats.clone_from(&offer.other_formats);
            answer.sctp_port = Some(SCTP_PORT);
            answer.max_message_size = Some(MAX_MESSAGE);
            return answer;
        };
        let flow = Flow {
            sends: offer.direction.receives() && self.policy.subscribe,
            receives: offer.direction.sends() && self.policy.publish,
        };
        answer.rtcp_mux = true;
        answer.rtcp_rsize = offer.rtcp_rsize;
        answer.formats = bundle.formats(kind, &offer.formats, flow);
        answer.extmaps = bundle.extmaps(&offer.extmaps);
        answer.direction = Direction::new(false, flow.receives);
        slot.formats.clone_from(&answer.formats);
        slot.sendable = flow.sends && !slot.formats.is_empty();
        slot.receive(offer, &mut answer);
        answer
    }

    /// Say where we are, and what we send.
    fn finish(&self, slot: &Slot, section: &mut Section, tagged: bool) {
        let setup = match self.role() {
            Some(DtlsRole::Client) => Setup::Active,
            _ => Setup::Passive,
        };
        self.local.describe(section, setup, tagged);
        if let Some(outbound) = &slot.outbound {
            section.direction = Direction::new(true, section.direction.receives());
            self.describe_outbound(slot, outbound, section);
        }
    }

    /// The sources of a section that we send in.
    pub(super) fn describe_outbound(&self, slot: &Slot, out: &Outbound, section: &mut Section) {
        let source =
            |ssrc| Source { ssrc, cname: Some(self.cname.clone()), msid: Some(out.msid.clone()) };
        section.msids = vec![out.msid.clone()];
        section.sources = vec![source(out.ssrc)];
        if slot.repairs() {
            let ssrcs = vec![out.ssrc, out.rtx];
            section.groups = vec![SourceGroup { semantics: GroupSemantics::Fid, ssrcs }];
            section.sources.push(source(out.rtx));
        }
    }

    /// A description of ours around these sections.
    fn session(&mut self, offer: &Session, sections: Vec<Section>) -> Session {
        self.version += 1;
        let live = |mid: &Mid| {
            sections.iter().any(|section| section.mid == Some(*mid) && section.port != 0)
        };
        Session {
            id: self.id,
            version: self.version,
            ice_lite: true,
            trickle: false,
            extmap_allow_mixed: offer.extmap_allow_mixed,
            msid_semantic: Some("WMS *".into()),
            bundle: offer.bundle.iter().copied().filter(live).collect(),
            sections,
        }
    }
}

impl Slot {
    fn reject(&mut self, section: &Section) {
        let kept = Self { kind: section.kind.clone(), mid: section.mid, ..Self::default() };
        *self = kept;
    }

    /// What the peer sends in this section from now on. A new label is a new track.
    fn receive(&mut self, offer: &Section, answer: &mut Section) {
        let codec = answer.formats.iter().find_map(|format| format.codec());
        let Some(codec) = codec.filter(|_| answer.direction.receives()) else {
            self.inbound = None;
            return;
        };
        let rid = ExtensionName::Known(Extension::Rid);
        let rids_agreed = answer.extmaps.iter().any(|extmap| extmap.name == rid);
        let mut layers = layers::of(offer, rids_agreed);
        answer_rids(offer, answer, &layers);
        let msid = label(offer);
        let before = self.inbound.take();
        let same = before.filter(|before| match (&before.msid, &msid) {
            (Some(before), Some(now)) => before.track == now.track,
            _ => true,
        });
        let (track, told) = same.map(|b| (b.track, b.told)).unwrap_or_default();
        layers::arrange(&mut layers, &told);
        self.inbound = Some(Inbound { codec, msid, layers, track, told });
    }
}

/// The peer's name for what it sends: `a=msid`, or as older clients write it.
fn label(offer: &Section) -> Option<Msid> {
    let source = || offer.sources.iter().find_map(|source| source.msid.clone());
    offer.msids.first().cloned().or_else(source)
}

/// Take the simulcast streams that were recognised (RFC 8853 §5.3), in the peer's order.
fn answer_rids(offer: &Section, answer: &mut Section, layers: &[Layer]) {
    let taken = |rid| layers.iter().any(|layer| layer.rid == Some(rid));
    let lines = offer.rids.iter().filter(|line| line.direction.sends() && taken(line.rid));
    answer.rids = lines
        .map(|line| RidLine {
            rid: line.rid,
            direction: Direction::RecvOnly,
            payload_types: Vec::new(),
            max_width: None,
        })
        .collect();
    if let Some(simulcast) = &offer.simulcast {
        let streams = simulcast.send.iter().filter_map(|stream| stream.first());
        let streams = streams.filter(|choice| taken(choice.rid)).map(|&choice| vec![choice]);
        let recv: Vec<_> = streams.collect();
        answer.simulcast = (!recv.is_empty()).then(|| Simulcast { send: Vec::new(), recv });
    }
}

/// The section that stands for the bundle: the first one accepted (RFC 9143 §7.3.1), in the
/// group's order.
fn tagged(offer: &Session, accepted: &BTreeSet<usize>) -> Option<usize> {
    let index = |mid: &Mid| offer.sections.iter().position(|section| section.mid == Some(*mid));
    let mut grouped = offer.bundle.iter().filter_map(index);
    grouped.find(|index| accepted.contains(index)).or_else(|| accepted.first().copied())
}

/// RFC 3264 §6: a rejected section keeps its place and its kind.
fn rejection(offer: &Section) -> Section {
    Section {
        kind: offer.kind.clone(),
        port: 0,
        protocol: offer.protocol.clone(),
        mid: offer.mid,
        direction: Direction::Inactive,
        formats: offer.formats.first().cloned().into_iter().collect(),
        other_formats: offer.other_formats.clone(),
        ..Section::default()
    }
}
