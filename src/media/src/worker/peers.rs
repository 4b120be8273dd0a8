//! Rooms that span workers. The publisher's worker decrypts once and hands each packet, by reference, to
//! every worker with a
//! receiver of its track; that worker routes and protects for its own. Around the packets travels a slow
//! conversation about
//! who wants what.

use std::sync::Arc;

use offhook_sfu::{Origin, TrackSpec};
use offhook_types::media::Extensions;
use offhook_types::{MediaKind, Time, TrackId, WorkerId};
use rtrb::Consumer;

use super::{Attachment, Core, Source, Track};
use crate::Drop;
use crate::rings::Outbox;
use crate::slots::{History, Slot};

/// A packet for the receivers of another worker.
pub(crate) struct Handoff {
    pub(super) track: TrackId,
    pub(super) slot: Arc<Slot>,
}

/// What workers tell each other about tracks.
pub(crate) enum Note {
    /// A leg here receives a track of yours.
    Attach { track: TrackId },
    /// None does any more.
    Detach { track: TrackId },
    /// The track is published, or published anew.
    Published { track: TrackId, kind: MediaKind, layers: u8, ids: Extensions, muted: bool },
    /// The publisher renumbered its extensions.
    Extensions { track: TrackId, ids: Extensions },
    /// It is no longer published.
    Gone { track: TrackId },
    /// It is forwarded, or not.
    Muted { track: TrackId, muted: bool },
    /// A layer's numbering began anew.
    Restarted { track: TrackId, layer: u8 },
    /// The publisher's clock.
    Clock { track: TrackId, layer: u8, clock: (u64, u32) },
    /// Receivers here need a key frame.
    KeyFrame { track: TrackId, layer: u8 },
    /// What receivers here lose of it, in 1/256.
    Lossy { track: TrackId, fraction: u8 },
}

/// The rings between this worker and one other.
pub(crate) struct Link {
    pub(crate) packets_in: Consumer<Handoff>,
    pub(crate) notes_in: Consumer<Note>,
    pub(crate) packets_out: Outbox<Handoff>,
    pub(crate) notes_out: Outbox<Note>,
}

/// Packets taken from one other worker in one turn.
const HANDOFFS: usize = 256;
/// Notes taken from one other worker in one turn.
const NOTES: usize = 64;

impl Link {
    pub(super) fn is_idle(&self) -> bool {
        self.packets_in.is_empty() && self.notes_in.is_empty()
    }

    pub(super) fn settle(&mut self) {
        self.packets_out.settle();
        self.notes_out.settle();
    }
}

impl Core {
    /// Gather what other workers handed over. True when there is more.
    pub(super) fn take_handoffs(&mut self, now: Time) -> bool {
        let mut more = false;
        for worker in 0..self.links.len() {
            for taken in 0..=HANDOFFS {
                let Some(link) = self.links.get_mut(worker).and_then(Option::as_mut) else { break };
                if taken == HANDOFFS {
                    more |= !link.packets_in.is_empty();
                    break;
                }
                let Ok(Handoff { track, slot }) = link.packets_in.pop() else { break };
                if self.is_from(track, worker) {
                    self.forward_later(now, track, slot);
                } else {
                    self.exit.drop_one(Drop::HandoffStale);
                }
            }
        }
        more
    }

    /// Listen to the other workers. True when there is more.
    pub(super) fn take_notes(&mut self, now: Time) -> bool {
        let mut more = false;
        for worker in 0..self.links.len() {
            for taken in 0..=NOTES {
                let Some(link) = self.links.get_mut(worker).and_then(Option::as_mut) else { break };
                if taken == NOTES {
                    more |= !link.notes_in.is_empty();
                    break;
                }
                let Ok(note) = link.notes_in.pop() else { break };
                self.handle_note(now, WorkerId(worker as u16), note);
            }
        }
        more
    }

    fn handle_note(&mut self, now: Time, from: WorkerId, note: Note) {
        match note {
            Note::Attach { track } => self.attached(now, from, track),
            Note::Detach { track } => self.detached(from, track),
            Note::Lossy { track, fraction } => {
                let Some(room) = self.tracks.get(&track).map(|track| track.room) else { return };
                if let Some(inside) = self.room_mut(room) {
                    inside.router.hear_track_loss(track, fraction);
                }
            }
            Note::KeyFrame { track, layer } => {
                let Some(room) = self.tracks.get(&track).map(|track| track.room) else { return };
                if let Some(inside) = self.room_mut(room) {
                    inside.router.request_layer_key_frame(now, track, layer);
                    self.mark_asking(room);
                }
            }
            // The rest is about a track of `from`, and means nothing when no leg here receives it from there any more.
            Note::Published { track, kind, layers, ids, muted }
                if self.is_attached(track, from) =>
            {
                self.remote_published(now, from, track, (kind, layers), (ids, muted));
            }
            Note::Gone { track } if self.is_attached(track, from) => self.forget_track(track),
            Note::Extensions { track, ids } if self.is_attached(track, from) => {
                if let Some(track) = self.tracks.get_mut(&track) {
                    track.ids = ids;
                }
            }
            Note::Muted { track, muted } if self.is_attached(track, from) => {
                self.mute(now, track, muted);
            }
            Note::Restarted { track, layer } if self.is_attached(track, from) => {
                self.restart_layer(now, track, layer);
            }
            Note::Clock { track, layer, clock } if self.is_attached(track, from) => {
                self.tell_router_clock(now, track, layer, clock);
            }
            _ => {}
        }
    }

    fn is_attached(&self, track: TrackId, worker: WorkerId) -> bool {
        self.attachments.get(&track).is_some_and(|attachment| attachment.worker == worker)
    }

    fn attached(&mut self, now: Time, from: WorkerId, track: TrackId) {
        *self.wanted.entry(track).or_default() |= bit(from);
        if let Some(known) = self.tracks.get_mut(&track)
            && let Source::Local(publisher) = known.source
        {
            known.workers |= bit(from);
            let note = published(track, known);
            self.tell(from, note);
            self.judge_publisher(now, publisher);
            self.tell_ceiling(publisher);
        }
    }

    fn detached(&mut self, from: WorkerId, track: TrackId) {
        if let Some(mask) = self.wanted.get_mut(&track) {
            *mask &= !bit(from);
            if *mask == 0 {
                self.wanted.remove(&track);
            }
        }
        if let Some(known) = self.tracks.get_mut(&track) {
            known.workers &= !bit(from);
        }
    }

    fn remote_published(
        &mut self,
        now: Time,
        from: WorkerId,
        id: TrackId,
        (kind, layers): (MediaKind, u8),
        (ids, muted): (Extensions, bool),
    ) {
        let Some(room) = self.attachments.get(&id).map(|attachment| attachment.room) else {
            return;
        };
        let spec = TrackSpec { kind, layers, origin: Origin::Remote };
        self.put_track(now, id, spec, (room, Source::Remote(from), ids));
        self.mute(now, id, muted);
    }

    /// A track can be forwarded here from now on.
    pub(super) fn put_track(
        &mut self,
        now: Time,
        id: TrackId,
        spec: TrackSpec,
        (room, source, ids): (u32, Source, Extensions),
    ) {
        let limits = &self.config.limits;
        let kept = match spec.kind {
            MediaKind::Video => limits.history_video,
            MediaKind::Audio => limits.history_audio,
        };
        let histories = (0..spec.layers).map(|_| History::new(kept)).collect();
        let workers = match source {
            Source::Local(_) => self.wanted.get(&id).copied().unwrap_or(0),
            Source::Remote(_) => 0,
        };
        let track = Track { room, source, kind: spec.kind, ids, muted: false, histories, workers };
        if let Some(mut old) = self.tracks.insert(id, track) {
            old.histories.iter_mut().for_each(|history| history.clear(&mut self.arena));
        }
        let Some(inside) = self.room_mut(room) else { return };
        if inside.router.add_track(now, id, spec).is_err() {
            self.exit.drop_one(Drop::CommandStale);
        }
        self.mark_asking(room);
        self.tell_published(id);
    }

    /// A track cannot be forwarded any more.
    pub(super) fn forget_track(&mut self, id: TrackId) {
        let Some(mut track) = self.tracks.remove(&id) else { return };
        track.histories.iter_mut().for_each(|history| history.clear(&mut self.arena));
        if let Some(room) = self.room_mut(track.room) {
            room.router.remove_track(id);
        }
        let mut workers = track.workers;
        while workers != 0 {
            self.tell(WorkerId(workers.trailing_zeros() as u16), Note::Gone { track: id });
            workers &= workers - 1;
        }
    }

    /// One more leg of a room here receives a track of another worker.
    pub(super) fn attach(&mut self, track: TrackId, worker: WorkerId, room: u32) {
        match self.attachments.get_mut(&track) {
            Some(known) if known.worker == worker => known.receivers += 1,
            Some(known) => {
                // The publisher moved to another worker; everyone here is about to hear so.
                let old = core::mem::replace(&mut known.worker, worker);
                known.receivers += 1;
                self.forget_track(track);
                self.tell(old, Note::Detach { track });
                self.tell(worker, Note::Attach { track });
            }
            None => {
                self.attachments.insert(track, Attachment { worker, room, receivers: 1 });
                self.tell(worker, Note::Attach { track });
            }
        }
    }

    /// One leg here less receives a track of another worker.
    pub(super) fn detach(&mut self, track: TrackId) {
        let Some(known) = self.attachments.get_mut(&track) else { return };
        known.receivers = known.receivers.saturating_sub(1);
        if known.receivers > 0 {
            return;
        }
        let worker = known.worker;
        self.attachments.remove(&track);
        self.tell(worker, Note::Detach { track });
        if self.is_from(track, usize::from(worker.0)) {
            self.forget_track(track);
        }
    }

    pub(super) fn tell(&mut self, worker: WorkerId, note: Note) {
        if let Some(link) = self.links.get_mut(usize::from(worker.0)).and_then(Option::as_mut) {
            link.notes_out.post(note);
        }
    }

    /// Tell every worker that receives a track of ours.
    pub(super) fn tell_workers(&mut self, id: TrackId, note: impl Fn(TrackId) -> Note) {
        let mut workers = self.tracks.get(&id).map_or(0, |track| track.workers);
        while workers != 0 {
            self.tell(WorkerId(workers.trailing_zeros() as u16), note(id));
            workers &= workers - 1;
        }
    }

    pub(super) fn tell_published(&mut self, id: TrackId) {
        let Some(track) = self.tracks.get(&id) else { return };
        let mut workers = track.workers;
        while workers != 0 {
            let Some(note) = self.tracks.get(&id).map(|track| published(id, track)) else { return };
            self.tell(WorkerId(workers.trailing_zeros() as u16), note);
            workers &= workers - 1;
        }
    }

    /// Ask the publisher of a remote track for a key frame, through its worker.
    pub(super) fn ask_remote(&mut self, worker: WorkerId, track: TrackId, layer: u8) {
        self.tell(worker, Note::KeyFrame { track, layer });
    }

    pub(super) fn tell_router_clock(
        &mut self,
        now: Time,
        track: TrackId,
        layer: u8,
        clock: (u64, u32),
    ) {
        let Some(room) = self.tracks.get(&track).map(|track| track.room) else { return };
        if let Some(room) = self.room_mut(room) {
            room.router.sender_report(now, track, layer, clock);
        }
    }

    /// Stop or resume forwarding a track to the receivers here.
    pub(super) fn mute(&mut self, now: Time, id: TrackId, muted: bool) {
        let Some(track) = self.tracks.get_mut(&id) else { return };
        track.muted = muted;
        let room = track.room;
        if let Some(inside) = self.room_mut(room) {
            inside.router.set_muted(now, id, muted);
            self.mark_asking(room);
        }
    }
}

fn bit(worker: WorkerId) -> u64 {
    1u64.checked_shl(u32::from(worker.0)).unwrap_or(0)
}

fn published(id: TrackId, track: &Track) -> Note {
    Note::Published {
        track: id,
        kind: track.kind,
        layers: track.histories.len() as u8,
        ids: track.ids,
        muted: track.muted,
    }
}
