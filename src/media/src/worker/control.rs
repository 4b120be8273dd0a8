//! Commands from the control plane, answers from the association threads, and the end of a leg.

use offhook_rtc::srtp::{Protect, SrtpKeys, Unprotect};
use offhook_sfu::{Origin, Router, TrackSpec};
use offhook_types::media::{Command, Egress, Ingress, LegEnd, Negotiated, Want};
use offhook_types::{LegId, MediaKind, Time, TrackId};

use super::guide::Guide;
use super::leg::Receiving;
use super::rtp::described;
use super::{COMMANDS, Core, Source};
use crate::Drop;
use crate::association::{FromAssociation, ToAssociation};

impl Core {
    /// Apply what the control plane wants. True when there is more.
    pub(super) fn take_commands(&mut self, now: Time) -> bool {
        for _ in 0..COMMANDS {
            let Ok(command) = self.commands.pop() else { return false };
            if self.apply(now, command).is_none() {
                self.exit.drop_one(Drop::CommandStale);
            }
        }
        !self.commands.is_empty()
    }

    fn apply(&mut self, now: Time, command: Command) -> Option<()> {
        match command {
            Command::OpenLeg(open) => return self.open_leg(now, open),
            Command::SetRemote { leg, remote, local } => {
                let index = self.index(leg)?;
                return self.set_remote(index, remote, local);
            }
            Command::SetNegotiated { leg, negotiated } => {
                let index = self.index(leg)?;
                self.set_negotiated(now, index, negotiated);
            }
            Command::CloseLeg { leg } => {
                let index = self.index(leg)?;
                self.remove_leg(index, LegEnd::Closed);
            }
            Command::AddIngress { leg, ingress } => {
                let index = self.index(leg)?;
                return self.add_ingress(now, index, ingress);
            }
            Command::RemoveIngress { leg, track } => {
                let index = self.index(leg)?;
                self.is_published_by(track, index)?;
                self.remove_ingress(index, track);
                self.forget_track(track);
            }
            Command::SetMuted { leg, track, muted } => {
                let index = self.index(leg)?;
                self.is_published_by(track, index)?;
                self.mute(now, track, muted);
                self.tell_workers(track, |track| super::peers::Note::Muted { track, muted });
            }
            Command::AddEgress { leg, egress, want } => {
                let index = self.index(leg)?;
                return self.add_egress(now, index, egress, want);
            }
            Command::SetWant { leg, track, want } => {
                let index = self.index(leg)?;
                let receiving = self.leg_mut(index)?;
                let room = receiving.room;
                receiving.receiving(track)?.want = want;
                self.reach_out(index, track);
                self.room_mut(room)?.router.set_want(now, index, track, want);
                self.mark_asking(room);
            }
            Command::RemoveEgress { leg, track } => {
                let index = self.index(leg)?;
                return self.remove_egress(index, track);
            }
            // Messages go to the association threads, by way of the node.
            Command::SendData { .. } => return None,
        }
        Some(())
    }

    fn index(&self, leg: LegId) -> Option<u32> {
        self.by_id.get(&leg).copied()
    }

    fn is_published_by(&self, track: TrackId, index: u32) -> Option<()> {
        (self.tracks.get(&track)?.source == Source::Local(index)).then_some(())
    }

    pub(super) fn association_of(&self, leg: LegId) -> usize {
        let serial = leg.0 & 0xffff_ffff_ffff;
        (serial % self.associations.len().max(1) as u64) as usize
    }

    pub(super) fn tell_association(&mut self, association: usize, note: ToAssociation) {
        if let Some(side) = self.associations.get_mut(association) {
            side.notes.post(note);
        }
    }

    fn leave_room(&mut self, index: u32) {
        let Some(place) = self.rooms.get_mut(index as usize) else { return };
        let Some(room) = place else { return };
        room.legs = room.legs.saturating_sub(1);
        if room.legs == 0 {
            self.exit.figures.routing.merge(room.router.counters());
            self.by_room.remove(&room.id);
            *place = None;
        }
    }

    fn set_negotiated(&mut self, now: Time, index: u32, negotiated: Negotiated) {
        let Some(leg) = self.leg_mut(index) else { return };
        leg.set_negotiated(negotiated);
        let ids = leg.negotiated.extensions;
        let negotiated = leg.negotiated.clone();
        if let Some(guide) = self.exit.guide_mut(index) {
            guide.set_negotiated(now, &negotiated);
        }
        let Some(leg) = self.leg(index) else { return };
        let published: Vec<TrackId> = leg.tracks.iter().map(|ingress| ingress.track).collect();
        for track in published {
            let Some(known) = self.tracks.get_mut(&track) else { continue };
            if known.ids != ids {
                known.ids = ids;
                self.tell_workers(track, |track| super::peers::Note::Extensions { track, ids });
            }
        }
        self.let_receive(now, index);
    }

    /// Once a leg has keys, its router learns what it agreed on, and subscriptions begin.
    fn let_receive(&mut self, now: Time, index: u32) {
        let leg = self.legs.get(index as usize).and_then(Option::as_deref);
        let Some(leg) = leg.filter(|leg| leg.is_up()) else { return };
        if let Some(room) = self.rooms.get_mut(leg.room as usize).and_then(Option::as_mut) {
            room.router.set_negotiated(now, index, &leg.negotiated);
        }
        let room = leg.room;
        self.mark_asking(room);
    }

    fn add_ingress(&mut self, now: Time, index: u32, ingress: Ingress) -> Option<()> {
        let limit = self.config.limits.ingress_per_leg;
        let id = ingress.track;
        let layers = u8::try_from(ingress.layers.len()).ok()?;
        if layers == 0 || layers > Router::MAX_LAYERS {
            return None;
        }
        if let Some(Source::Local(before)) = self.tracks.get(&id).map(|track| track.source) {
            self.remove_ingress(before, id);
        }
        let leg = self.leg_mut(index)?;
        if leg.tracks.len() >= limit {
            return None;
        }
        for stream in described(&ingress) {
            leg.streams.retain(|known| known.ssrc != stream.ssrc);
            leg.streams.push(stream);
        }
        let (room, ids) = (leg.room, leg.negotiated.extensions);
        let spec = TrackSpec { kind: ingress.kind, layers, origin: Origin::Local };
        let rates: Vec<u64> = ingress.layers.iter().map(|layer| layer.rate.into()).collect();
        leg.tracks.push(ingress);
        self.put_track(now, id, spec, (room, Source::Local(index), ids));
        let room = self.rooms.get_mut(room as usize).and_then(Option::as_mut);
        room?.router.set_rates(id, rates.into_iter());
        Some(())
    }

    fn remove_ingress(&mut self, index: u32, track: TrackId) {
        if let Some(leg) = self.leg_mut(index) {
            leg.tracks.retain(|ingress| ingress.track != track);
            leg.streams.retain(|stream| stream.track != track);
        }
    }

    fn add_egress(&mut self, now: Time, index: u32, egress: Egress, want: Want) -> Option<()> {
        let limit = self.config.limits.egress_per_leg;
        let track = egress.track;
        // An SSRC serves one track at a time; its numbers go on.
        let shares =
            |known: &&Receiving| known.egress.ssrc == egress.ssrc && known.egress.track != track;
        let replaced = self.leg(index)?.egress.iter().find(shares).map(|known| known.egress.track);
        if let Some(replaced) = replaced {
            self.remove_egress(index, replaced);
        }
        let leg = self.leg_mut(index)?;
        let room = leg.room;
        let full = leg.egress.len() >= limit;
        match leg.receiving(track) {
            Some(known) => (known.egress, known.want) = (egress, want),
            None if full => return None,
            None => leg.egress.push(Receiving::new(now, egress, want)),
        }
        self.reach_out(index, track);
        let inside = self.room_mut(room)?;
        if inside.router.subscribe(now, index, &egress, want).is_err() {
            self.remove_egress(index, track);
            return None;
        }
        if egress.kind == MediaKind::Video {
            self.guide(now, index);
        }
        self.mark_asking(room);
        self.schedule(index, now);
        Some(())
    }

    /// A leg that receives video is not sent more than it takes. What a process of ours receives takes no narrow way.
    fn guide(&mut self, now: Time, index: u32) {
        let leg = self.legs.get(index as usize).and_then(Option::as_deref);
        let (Some(leg), Some(out)) = (leg, self.exit.outs.get_mut(index as usize)) else { return };
        if out.guide.is_none() && !leg.contact.is_relay() {
            let mut guide = Guide::new(now, &self.config.congestion);
            guide.set_negotiated(now, &leg.negotiated);
            out.guide = Some(Box::new(guide));
        }
    }

    /// Ask another worker for a track, or no longer, as its receiver needs.
    fn reach_out(&mut self, index: u32, track: TrackId) {
        let own = self.id;
        let Some(leg) = self.leg_mut(index) else { return };
        let room = leg.room;
        let Some(receiving) = leg.receiving(track) else { return };
        let (before, needs) = (receiving.attached, receiving.needs(own));
        receiving.attached = needs;
        // Attach before detaching, so that an unchanged source stays attached in between.
        if let Some(worker) = needs {
            self.attach(track, worker, room);
        }
        if before.is_some() {
            self.detach(track);
        }
    }

    fn remove_egress(&mut self, index: u32, track: TrackId) -> Option<()> {
        let leg = self.leg_mut(index)?;
        let at = leg.egress.iter().position(|known| known.egress.track == track)?;
        let gone = leg.egress.swap_remove(at);
        let room = leg.room;
        if gone.attached.is_some() {
            self.detach(track);
        }
        self.room_mut(room)?.router.unsubscribe(index, track);
        Some(())
    }

    /// The end of a leg, however it came: everything of it goes, and its end is reported once.
    pub(super) fn remove_leg(&mut self, index: u32, end: LegEnd) {
        let Some(leg) = self.legs.get_mut(index as usize).and_then(Option::take) else { return };
        self.by_id.remove(&leg.id);
        for ufrag in leg.contact.ufrags() {
            self.by_ufrag.remove(ufrag);
        }
        self.by_address.retain(|_, owner| *owner != index);
        self.exit.clear(index);
        if let Some(due) = self.due.get_mut(index as usize) {
            *due = Time::MAX;
        }
        for ingress in &leg.tracks {
            if self.is_published_by(ingress.track, index).is_some() {
                self.forget_track(ingress.track);
            }
        }
        for receiving in &leg.egress {
            if receiving.attached.is_some() {
                self.detach(receiving.egress.track);
            }
        }
        if let Some(room) = self.room_mut(leg.room) {
            room.router.remove_leg(index);
        }
        self.leave_room(leg.room);
        self.vacant.push(index);
        self.tell_association(leg.association, ToAssociation::Close { leg: leg.id, end });
    }

    /// Hear the association threads. True when there is more.
    pub(super) fn take_answers(&mut self, now: Time) -> bool {
        let mut more = false;
        for association in 0..self.associations.len() {
            for _ in 0..COMMANDS {
                let Some(side) = self.associations.get_mut(association) else { break };
                match side.answers.pop() {
                    Ok(FromAssociation::Keys { leg, keys }) => self.set_keys(now, leg, &keys),
                    Ok(FromAssociation::Plain { leg }) => self.set_plain(now, leg),
                    Ok(FromAssociation::Ended { leg, end }) => {
                        if let Some(index) = self.index(leg) {
                            self.remove_leg(index, end);
                        }
                    }
                    Err(_) => break,
                }
            }
            let side = self.associations.get(association);
            more |= side.is_some_and(|side| !side.answers.is_empty());
        }
        more
    }

    fn set_keys(&mut self, now: Time, leg: LegId, keys: &SrtpKeys) {
        let Some(index) = self.index(leg) else { return };
        let protect = Protect::new(keys.profile, &keys.local);
        let unprotect = Unprotect::new(keys.profile, &keys.remote, self.sources());
        match (protect, unprotect) {
            (Some(protect), Some(unprotect)) => self.come_up(now, index, protect, unprotect),
            _ => self.remove_leg(index, LegEnd::HandshakeRefused),
        }
    }

    fn set_plain(&mut self, now: Time, leg: LegId) {
        let Some(index) = self.index(leg) else { return };
        let unprotect = Unprotect::plain(self.sources());
        self.come_up(now, index, Protect::plain(), unprotect);
    }

    /// Streams that one leg may send: media and retransmissions of each layer, and as many again for encoders that
    /// begin anew.
    fn sources(&self) -> usize {
        let tracks = self.config.limits.ingress_per_leg;
        tracks.saturating_mul(usize::from(Router::MAX_LAYERS) * 4)
    }

    fn come_up(&mut self, now: Time, index: u32, protect: Protect, unprotect: Unprotect) {
        if let Some(leg) = self.leg_mut(index) {
            leg.unprotect = Some(unprotect);
            leg.contact.keyed_up(now);
            leg.quality.since = now;
        }
        if let Some(out) = self.exit.outs.get_mut(index as usize) {
            out.protect = Some(protect);
        }
        self.let_receive(now, index);
        self.schedule(index, now);
    }
}
