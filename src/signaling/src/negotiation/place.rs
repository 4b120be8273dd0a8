//! Which section carries which track to the peer.

use offhook_types::media::Want;
use offhook_types::{MediaKind, Rng, Ssrc, TrackId};
use offhook_wire::sdp::Msid;

use super::{Demand, Idle, Negotiation, Offering, Outbound, Slot, Wish};

impl Negotiation {
    /// The tracks that the peer shall get from now on, most important first. Tracks that are no
    /// longer wished free their section at once. Where sections are announced ahead, free ones
    /// are filled at once; elsewhere the [`Demand`] says what the next offer would bring.
    pub fn wish(&mut self, wishes: Vec<Wish>) -> Demand {
        self.wishes = wishes;
        let wishes = &self.wishes;
        self.refused.retain(|track| wishes.iter().any(|wish| wish.track == *track));
        let mut slots = core::mem::take(&mut self.slots);
        self.free(&mut slots);
        if self.policy.idle == Idle::Announced && self.offering == Offering::Never {
            self.fill(&mut slots);
        }
        self.slots = slots;
        self.demand()
    }

    /// What is needed to send all wished tracks.
    pub fn demand(&self) -> Demand {
        let mut demand = Demand::default();
        let mut free: Vec<&Slot> = self.slots.iter().filter(|slot| slot.free()).collect();
        for wish in self.wishes.iter().filter(|wish| !placed(&self.slots, wish.track)) {
            demand.unplaced.push(wish.track);
            if self.refused.contains(&wish.track) {
                continue;
            }
            if let Some(place) = free.iter().position(|slot| slot.fits(wish)) {
                free.swap_remove(place);
                demand.offer = true;
            } else if self.offering != Offering::Never || self.could_receive(wish) {
                demand.offer = true;
                match wish.kind {
                    MediaKind::Audio => demand.audio += 1,
                    MediaKind::Video => demand.video += 1,
                }
            }
        }
        // A section whose track is gone is still described as sending until the next offer.
        demand.offer |= self.offering != Offering::Pending && self.stale();
        demand
    }

    /// One more section would help: the peer has not shown that it cannot decode the track.
    fn could_receive(&self, wish: &Wish) -> bool {
        let mut same =
            self.slots.iter().filter(|slot| slot.sendable && slot.kind.media() == Some(wish.kind));
        match same.next() {
            None => true,
            Some(first) => first.decodes(wish) || same.any(|slot| slot.decodes(wish)),
        }
    }

    /// Free the sections of tracks that are no longer wished.
    pub(super) fn free(&mut self, slots: &mut [Slot]) {
        for slot in slots {
            let sendable = slot.sendable;
            let Some(outbound) = &mut slot.outbound else { continue };
            let wished = |track| self.wishes.iter().any(|wish| wish.track == track);
            if outbound.track.is_some_and(|track| !wished(track)) {
                outbound.track = None;
            }
            let announced = self.policy.idle == Idle::Announced;
            if !sendable || (outbound.track.is_none() && !announced) {
                slot.outbound = None;
            }
        }
    }

    /// Put wished tracks on free sections.
    pub(super) fn fill(&mut self, slots: &mut [Slot]) {
        let announced = self.policy.idle == Idle::Announced;
        for wish in &self.wishes {
            if placed(slots, wish.track) {
                continue;
            }
            let fits = |slot: &Slot| slot.free() && slot.fits(wish);
            let Some(index) = slots.iter().position(fits) else { continue };
            let taken = ssrcs(slots);
            let Some(slot) = slots.get_mut(index) else { continue };
            match &mut slot.outbound {
                Some(outbound) if announced => outbound.track = Some(wish.track),
                place => {
                    let mut outbound = Outbound::new(wish, &mut self.rng, &taken);
                    if let (true, Some(stream)) = (slot.used, &wish.reused) {
                        outbound.msid.stream = token(stream);
                    }
                    *place = Some(outbound);
                    slot.used = true;
                    slot.described = false;
                }
            }
        }
        if announced {
            self.announce(slots);
        }
    }

    /// Give every idle section its numbers. The nth audio and the nth video section share a stream,
    /// so that a peer plays a participant's sound and picture in step.
    fn announce(&mut self, slots: &mut [Slot]) {
        let mut counts = [0u32; 2];
        for index in 0..slots.len() {
            let taken = ssrcs(slots);
            let Some(slot) = slots.get_mut(index) else { continue };
            let Some(kind) = slot.kind.media().filter(|_| slot.sendable) else { continue };
            let count = &mut counts[usize::from(kind == MediaKind::Video)];
            *count += 1;
            if slot.outbound.is_none() {
                let idle = Wish {
                    track: TrackId(0),
                    kind,
                    mime: String::new(),
                    source: self.local.placement.leg,
                    stream: format!("stream{count}"),
                    reused: None,
                    label: format!("{}{count}", slot.kind.as_str()),
                    want: Want::BEST,
                };
                let numbers = Outbound::new(&idle, &mut self.rng, &taken);
                slot.outbound = Some(Outbound { track: None, ..numbers });
            }
        }
    }

    /// Some section is described as sending although it has nothing to send, or the other way
    /// round.
    fn stale(&self) -> bool {
        self.slots.iter().any(|slot| slot.described != slot.outbound.is_some())
    }
}

impl Slot {
    /// The peer can receive on it and nothing is placed on it.
    pub(super) fn free(&self) -> bool {
        let idle = self.outbound.as_ref().is_none_or(|outbound| outbound.track.is_none());
        self.accepted && self.sendable && idle
    }

    /// The kind and the codec are right.
    pub(super) fn fits(&self, wish: &Wish) -> bool {
        self.kind.media() == Some(wish.kind) && self.decodes(wish)
    }

    fn decodes(&self, wish: &Wish) -> bool {
        let Some((_, name)) = wish.mime.split_once('/') else { return true };
        let same = |codec: offhook_types::Codec| codec.name().eq_ignore_ascii_case(name);
        self.formats.iter().filter_map(|format| format.codec()).any(same)
    }
}

impl Outbound {
    pub(super) fn new(wish: &Wish, rng: &mut Rng, taken: &[Ssrc]) -> Self {
        let mut draw = |other: Option<Ssrc>| loop {
            let ssrc = Ssrc(rng.next_u32());
            if ssrc.0 != 0 && Some(ssrc) != other && !taken.contains(&ssrc) {
                return ssrc;
            }
        };
        let ssrc = draw(None);
        let rtx = draw(Some(ssrc));
        let msid = Msid { stream: token(&wish.stream), track: Some(token(&wish.label)) };
        Self { ssrc, rtx, msid, track: Some(wish.track) }
    }
}

/// Stream and label are tokens in a description (RFC 8830 §2); names of rooms and people are not.
fn token(text: &str) -> String {
    let kept = |c: &char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`{|}~".contains(*c);
    let token: String = text.chars().filter(|c| kept(c)).take(64).collect();
    if token.is_empty() { "-".into() } else { token }
}

fn placed(slots: &[Slot], track: TrackId) -> bool {
    slots.iter().any(|slot| slot.outbound.as_ref().is_some_and(|o| o.track == Some(track)))
}

/// All SSRCs in use on the leg, the peer's too.
fn ssrcs(slots: &[Slot]) -> Vec<Ssrc> {
    let ours = slots.iter().filter_map(|slot| slot.outbound.as_ref());
    let ours = ours.flat_map(|outbound| [outbound.ssrc, outbound.rtx]);
    let layers = slots.iter().filter_map(|slot| slot.inbound.as_ref());
    let theirs = layers.flat_map(|inbound| inbound.layers.iter());
    ours.chain(theirs.flat_map(|layer| [layer.ssrc, layer.rtx]).flatten()).collect()
}
