//! From slots to receivers. What a turn receives is gathered first, then forwarded track by track and receiver by
//! receiver: all that arrived of a frame goes to one receiver in a row, so that its keys, numbers and bytes are fetched
//! once, and leaves as one message.

use std::sync::Arc;

use offhook_types::{Time, TrackId};
use offhook_wire::rtp::Packet;

use super::egress::inbound;
use super::peers::Handoff;
use super::{Core, Source};
use crate::slots::Slot;
use crate::{Count, Drop};

/// A packet that waits to be forwarded.
pub(super) struct Waiting {
    track: TrackId,
    /// Place among all that wait.
    order: usize,
    slot: Arc<Slot>,
}

/// Packets gathered before they are forwarded: at 5 us of receiving each, what came first waits for 0.6 ms at most.
pub(super) const GATHERED: usize = 128;

impl Core {
    /// Forward a packet together with others of this turn.
    pub(super) fn forward_later(&mut self, now: Time, track: TrackId, slot: Arc<Slot>) {
        let order = self.waiting.len();
        self.waiting.push(Waiting { track, order, slot });
        if order + 1 >= GATHERED {
            self.forward(now);
        }
    }

    /// Forward what was gathered.
    pub(super) fn forward(&mut self, now: Time) {
        let mut waiting = core::mem::take(&mut self.waiting);
        waiting.sort_unstable_by_key(|packet| (packet.track, packet.order));
        // Other workers first: they can begin while this one goes on.
        for packets in waiting.chunk_by(|one, next| one.track == next.track) {
            self.hand_over(packets);
        }
        self.links.iter_mut().flatten().for_each(|link| link.packets_out.settle());
        for packets in waiting.chunk_by(|one, next| one.track == next.track) {
            self.route(now, packets);
        }
        for Waiting { track, slot, .. } in waiting.drain(..) {
            match self.tracks.get_mut(&track).and_then(|track| track.history(slot.layer)) {
                Some(history) => history.keep(slot, &mut self.arena),
                None => self.arena.give(slot),
            }
        }
        self.waiting = waiting;
    }

    /// Give packets of one track to the other workers that have receivers of it.
    fn hand_over(&mut self, packets: &[Waiting]) {
        let track = packets.first().and_then(|first| self.tracks.get(&first.track));
        let Some(track) = track.filter(|track| !track.muted) else { return };
        let mut workers = track.workers;
        while workers != 0 {
            let worker = workers.trailing_zeros() as usize;
            workers &= workers - 1;
            let Some(link) = self.links.get_mut(worker).and_then(Option::as_mut) else { continue };
            for Waiting { track, slot, .. } in packets {
                if link.packets_out.offer(Handoff { track: *track, slot: slot.clone() }) {
                    self.exit.figures.counts.add(Count::Handoffs);
                } else {
                    self.exit.figures.drops.add(Drop::HandoffFull);
                }
            }
        }
    }

    /// Packets of one track to all its receivers here.
    fn route(&mut self, now: Time, packets: &[Waiting]) {
        let Some(id) = packets.first().map(|first| first.track) else { return };
        let track = self.tracks.get(&id);
        let room = track.and_then(|track| self.rooms.get_mut(track.room as usize)?.as_mut());
        let (Some(track), Some(room)) = (track, room) else {
            let many = packets.len() as u64;
            return self.exit.figures.drops.add_many(Drop::RtpUnknownStream, many);
        };
        let mut malformed = 0;
        let read = packets.iter().filter_map(|Waiting { slot, .. }| {
            let packet = Packet::parse(slot.packet()).ok();
            let inbound = packet.and_then(|packet| inbound(slot, &packet, track));
            malformed += u64::from(inbound.is_none());
            inbound
        });
        let (exit, ids) = (&mut self.exit, track.ids);
        let find = |payload: &[u8]| {
            packets.iter().map(|waiting| &waiting.slot).find(|slot| slot.holds(payload))
        };
        room.router.route_all(now, id, read, &mut |leg, outgoing| {
            exit.forward(leg, outgoing, ids, find);
        });
        exit.figures.drops.add_many(Drop::RtpMalformed, malformed);
    }

    /// Whether a track comes from another worker.
    pub(super) fn is_from(&self, track: TrackId, worker: usize) -> bool {
        self.tracks.get(&track).is_some_and(|track| match track.source {
            Source::Remote(source) => usize::from(source.0) == worker,
            Source::Local(_) => false,
        })
    }
}
