//! Publishers whose video follows its receivers when all of those are narrow: what each is asked to stay under, found
//! from what the receivers' budgets leave for it.

use offhook_types::media::Want;
use offhook_types::{MediaKind, Time, TrackId};

use super::Router;
use crate::ceiling::{LOOK, Leeway};
use crate::subscription::Subscription;
use crate::track::Track;

impl Router {
    /// Whether a track's publisher can be asked to send less: it listens, sends no other video that would share
    /// what is asked for, and all receivers of the track are here. Poll ceilings afterwards.
    pub fn set_heeds(&mut self, now: Time, id: TrackId, heeds: bool) {
        let Some(track) = self.track_mut(id).filter(|track| track.heeds != heeds) else { return };
        track.heeds = heeds;
        if heeds {
            self.reviews_at = self.reviews_at.min(now);
        } else {
            self.lift_ceiling(now, id);
        }
    }

    /// What a track's layers are set to take, as its publisher says, in bits a second, from the lowest on; zero is not
    /// said.
    pub fn set_rates(&mut self, id: TrackId, rates: impl Iterator<Item = u64>) {
        // What is measured counts with its headers.
        let rates = rates.map(|rate| rate.saturating_add(rate / 16));
        if let Some(track) = self.track_mut(id) {
            track.ceiling.tell(rates);
        }
    }

    /// What a track's publisher is to keep all layers together under, in bits a second with headers; `None` is no
    /// limit.
    pub fn ceiling(&self, track: TrackId) -> Option<u64> {
        self.track(track).and_then(|track| track.ceiling.total(track.live))
    }

    /// The next track whose ceiling changed. Call until `None`.
    pub fn poll_ceiling(&mut self) -> Option<TrackId> {
        self.capped.pop_front()
    }

    /// What a publisher is to send in all, in bits a second, when that is its picture's ceiling and these are its
    /// sounds. Senders count headers of UDP and IP, too: a thirtieth of a picture, a fifth of a sound.
    pub fn asked(&self, ceiling: u64, sounds: impl Iterator<Item = TrackId>) -> u64 {
        let sound: u64 = sounds.filter_map(|id| self.track(id)).map(Track::rate).sum();
        ceiling.saturating_add(ceiling / 32).saturating_add(sound + sound / 4)
    }

    /// Look at all ceilings anew if it is time for that. When to look again, though nobody's budget is looked at.
    pub(super) fn look_at_ceilings(&mut self, now: Time) -> Time {
        if now < self.ceilings_at {
            return self.ceilings_at;
        }
        self.ceilings_at = (now + LOOK).on_beat();
        let mut next = Time::MAX;
        for place in 0..self.tracks.len() {
            let Some(track) = self.tracks.get_mut(place).filter(|track| track.is_capable()) else {
                continue;
            };
            let id = track.id;
            let changed = track.look_at_ceiling(now);
            if track.ceiling.bound().is_some() {
                next = self.ceilings_at;
            }
            if changed {
                self.capped.push_back(id);
                self.review_receivers(now, id);
            }
        }
        next
    }

    /// A track's publisher may send what it likes.
    pub(super) fn lift_ceiling(&mut self, now: Time, id: TrackId) {
        let Some(track) = self.track_mut(id) else { return };
        let was_capped = track.ceiling.bound().is_some();
        track.ceiling.lift();
        if was_capped {
            self.capped.push_back(id);
            self.review_receivers(now, id);
            self.reviews_at = self.reviews_at.min(now);
        }
    }
}

impl Track {
    /// What a receiver would be sent if the publisher were asked for nothing; `None` when it is not.
    pub(super) fn uncapped(&self, want: &Want) -> Option<u64> {
        self.ceiling.bound().map(|_| self.ceiling.full(self.upto(want.layer)))
    }

    fn is_capable(&self) -> bool {
        let is_video = self.spec.is_some_and(|spec| spec.kind == MediaKind::Video);
        self.heeds && is_video && !self.muted && self.live != 0
    }

    fn look_at_ceiling(&mut self, now: Time) -> bool {
        let sends = self.sends();
        let mut ceiling = self.ceiling;
        let leeways = self.subscriptions.iter().filter(|subscription| !subscription.want().paused);
        let leeways = leeways.map(|one| (self.leeway(one), self.upto(one.want().layer)));
        let changed = ceiling.look(now, &sends, leeways);
        self.ceiling = ceiling;
        changed
    }

    /// What a receiver could be given. Who misses nothing of a part of a stream says nothing about the whole.
    fn leeway(&self, subscription: &Subscription) -> Leeway {
        let (want, leeway) = (subscription.want(), subscription.leeway);
        let stream = self.layers.get(usize::from(self.upto(want.layer)));
        let wants_part = stream.is_some_and(|stream| {
            let is_single = self.spec.is_none_or(|spec| spec.layers <= 1);
            want.temporal < stream.meter.temporal_top()
                || is_single && want.layer < stream.spatial_top
        });
        if wants_part && leeway.whole { Leeway::ALL } else { leeway }
    }

    /// The stream that has a layer: one that is alone has them all.
    fn upto(&self, layer: u8) -> u8 {
        layer.min(self.spec.map_or(0, |spec| spec.layers.saturating_sub(1)))
    }
}
