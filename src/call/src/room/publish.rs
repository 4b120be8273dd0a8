//! What participants publish: announced, negotiated, muted, taken down; and which qualities of it
//! anyone wants.

use offhook_types::{MediaKind, ParticipantId, SessionId, Time, TrackId};

use super::input::{Refusal, Reply};
use super::notice::Notice;
use super::people::{Room, Session};
use super::want::HIGH;
use super::words::*;
use super::{Hall, words};

/// A track, from its announcement on.
#[derive(Debug)]
pub(super) struct Track {
    pub id: TrackId,
    /// Whose it is within the person.
    pub session: SessionId,
    pub request: TrackRequest,
    /// Once negotiated.
    pub published: Option<Published>,
    /// Position among all that was ever published in the room.
    pub order: u64,
    version: u32,
    /// Someone received it once.
    received: bool,
    /// The best quality that the publisher was told to send; `None` is nothing.
    told: Option<u8>,
    /// When to look whether less would do.
    review_at: Time,
}

impl Track {
    pub fn is_published(&self) -> bool {
        self.published.is_some()
    }

    pub fn view(&self) -> TrackView {
        let published = self.published.as_ref();
        TrackView {
            id: self.id,
            request: self.request.clone(),
            mime: published.map(|published| published.mime.clone()).unwrap_or_default(),
            mid: published.and_then(|p| p.mid).map(|mid| mid.to_string()).unwrap_or_default(),
            version: self.version,
        }
    }

    /// Number of streams it arrives in.
    pub fn streams(&self) -> usize {
        self.published.as_ref().map_or(1, |published| published.layers.len().max(1))
    }

    /// The stream that groups it: as its publisher says, else camera with microphone and screen
    /// with its sound, so that pictures and sound are played in step.
    pub fn stream(&self) -> String {
        if !self.request.stream.is_empty() {
            return self.request.stream.clone();
        }
        match self.request.source {
            Source::Camera | Source::Microphone => "camera".into(),
            Source::Screen | Source::ScreenAudio => "screen".into(),
            Source::Unknown => self.id.to_string(),
        }
    }
}

impl Room {
    pub fn track(&self, id: TrackId) -> Option<&Track> {
        self.participants.get(self.owners.get(&id)?)?.track(id)
    }

    pub fn track_mut(&mut self, id: TrackId) -> Option<&mut Track> {
        self.participants.get_mut(self.owners.get(&id)?)?.track_mut(id)
    }

    /// Position in the order of publication.
    pub fn order(&self, id: TrackId) -> u64 {
        self.track(id).map_or(u64::MAX, |track| track.order)
    }

    /// Published tracks of the whole room, in order of publication.
    pub fn in_order(&self) -> Vec<TrackId> {
        let published = self.participants.values().flat_map(|person| &person.tracks);
        let mut tracks: Vec<_> = published.filter(|t| t.is_published()).collect();
        tracks.sort_by_key(|track| track.order);
        tracks.into_iter().map(|track| track.id).collect()
    }
}

impl Hall<'_> {
    pub fn add_track(
        &mut self,
        session: SessionId,
        mut request: TrackRequest,
    ) -> Result<Reply, Refusal> {
        let Session { person, permission, .. } = self.room.session(session)?;
        let id = *person;
        if !permission.publishes(request.source) {
            return Err(Refusal::NotPermitted);
        }
        words::check_track(self.config, &request)?;
        if self.room.person(id)?.tracks.len() >= self.config.max_tracks {
            return Err(Refusal::TooManyTracks);
        }
        let pixels = |layer: &LayerView| u64::from(layer.width) * u64::from(layer.height);
        request.layers.sort_by_key(|layer| (pixels(layer), layer.quality));
        let track = loop {
            let track = TrackId::random(self.rng);
            if !self.room.owners.contains_key(&track) {
                break track;
            }
        };
        let track = Track {
            id: track,
            session,
            request,
            published: None,
            order: u64::MAX,
            version: 1,
            received: false,
            told: Some(HIGH),
            review_at: Time::MAX,
        };
        let view = track.view();
        self.room.owners.insert(track.id, id);
        if let Some(person) = self.room.participants.get_mut(&id) {
            person.tracks.push(track);
        }
        Ok(Reply::Track(Box::new(view)))
    }

    /// The session's own track; others' do not exist for it here.
    fn own(&mut self, session: SessionId, id: TrackId) -> Result<&mut Track, Refusal> {
        self.room.session(session)?;
        let own = |track: &&mut Track| track.session == session;
        self.room.track_mut(id).filter(own).ok_or(Refusal::NoTrack)
    }

    pub fn publish(
        &mut self,
        now: Now,
        session: SessionId,
        published: Published,
    ) -> Result<(), Refusal> {
        let id = published.track;
        let order = self.room.published;
        let track = self.own(session, id)?;
        if track.published.as_ref() == Some(&published) {
            return Ok(());
        }
        let before = track.published.replace(published);
        track.version = track.version.saturating_add(1);
        if before.is_none() {
            track.order = order;
            track.review_at = now.time;
            self.room.published = order.saturating_add(1);
        }
        let Some(owner) = self.room.owners.get(&id).copied() else { return Ok(()) };
        // Others must know the participant's track before they are offered its media.
        self.announce(owner);
        match before {
            None => {
                self.less_wanted(now, id);
                self.offer_track(now, id);
                self.room_changed(now);
            }
            Some(_) => self.track_moved(id),
        }
        Ok(())
    }

    pub fn unpublish(
        &mut self,
        now: Now,
        session: SessionId,
        track: TrackId,
    ) -> Result<(), Refusal> {
        self.own(session, track)?;
        let owner = self.room.owners.get(&track).copied();
        self.drop_track(now, track);
        if let Some(owner) = owner {
            self.announce(owner);
        }
        Ok(())
    }

    /// The server takes a track down and tells its publisher.
    pub fn take_down(&mut self, now: Now, id: TrackId) {
        if let Some(session) = self.room.track(id).map(|track| track.session) {
            self.drop_track(now, id);
            self.tell(session, Notice::Unpublished { track: id });
        }
    }

    /// A track is gone; whoever calls this announces its owner.
    pub fn drop_track(&mut self, now: Now, id: TrackId) {
        self.silence(id);
        let Some(owner) = self.room.owners.remove(&id) else { return };
        if let Some(person) = self.room.participants.get_mut(&owner) {
            person.tracks.retain(|track| track.id != id);
        }
        for (&session, viewer) in &mut self.room.sessions {
            viewer.desired.remove(&id);
            viewer.settings.remove(&id);
            viewer.denied.remove(&id);
            if viewer.subscribed.remove(&id).is_some() {
                let notice = Notice::Unsubscribed { track: id };
                self.effects.push_back(super::Effect::Tell { session, notice });
            }
        }
        self.room_changed(now);
    }

    pub fn mute(
        &mut self,
        now: Now,
        session: SessionId,
        id: TrackId,
        muted: bool,
    ) -> Result<(), Refusal> {
        self.own(session, id)?;
        self.set_muted(now, id, muted, false);
        Ok(())
    }

    pub fn force_mute(
        &mut self,
        now: Now,
        owner: ParticipantId,
        id: TrackId,
        muted: bool,
    ) -> Result<Reply, Refusal> {
        if self.room.owners.get(&id) != Some(&owner) {
            return Err(Refusal::NoTrack);
        }
        self.set_muted(now, id, muted, true);
        let track = self.room.track(id).ok_or(Refusal::NoTrack)?;
        Ok(Reply::Track(Box::new(track.view())))
    }

    fn set_muted(&mut self, _now: Now, id: TrackId, muted: bool, forced: bool) {
        let Some(track) = self.room.track_mut(id) else { return };
        if track.request.muted == muted {
            return;
        }
        track.request.muted = muted;
        track.version = track.version.saturating_add(1);
        let session = track.session;
        self.tell(session, Notice::Muted { track: id, muted, forced });
        if muted {
            self.silence(id);
        }
        if let Some(owner) = self.room.owners.get(&id).copied() {
            self.announce(owner);
        }
    }

    pub fn reshape(
        &mut self,
        _now: Now,
        session: SessionId,
        id: TrackId,
        change: impl FnOnce(&mut TrackRequest),
    ) -> Result<(), Refusal> {
        let track = self.own(session, id)?;
        change(&mut track.request);
        track.version = track.version.saturating_add(1);
        if let Some(owner) = self.room.owners.get(&id).copied() {
            self.announce(owner);
        }
        Ok(())
    }

    /// Someone receives a track, at this quality.
    pub fn wanted(&mut self, id: TrackId, quality: Option<u8>) {
        let Some(track) = self.room.track_mut(id) else { return };
        let session = track.session;
        let first = !core::mem::replace(&mut track.received, true);
        let more = track.request.kind == MediaKind::Video && quality > track.told;
        if more {
            track.told = quality;
        }
        if first {
            self.tell(session, Notice::FirstSubscriber { track: id });
        }
        if more {
            self.tell_quality(id);
        }
    }

    /// Someone stopped receiving a track, or receives less of it: look later whether the publisher
    /// can do less too.
    pub fn less_wanted(&mut self, now: Now, id: TrackId) {
        let at = now.time + self.config.quality_delay;
        let Some(track) = self.room.track_mut(id) else { return };
        if track.request.kind == MediaKind::Video && track.is_published() {
            track.review_at = if track.review_at > now.time { track.review_at.min(at) } else { at };
            let at = track.review_at;
            self.room.quality_at = self.room.quality_at.min(at);
        }
    }

    pub fn qualities_due(&mut self, now: Now) {
        let all = self.room.participants.values().flat_map(|person| &person.tracks);
        let due: Vec<_> = all.filter(|t| t.review_at <= now.time).map(|track| track.id).collect();
        for id in due {
            let wanted = self.room.sessions.values().filter_map(|s| s.subscribed.get(&id));
            let best = wanted.filter_map(|fulfilled| fulfilled.quality).max();
            let Some(track) = self.room.track_mut(id) else { continue };
            track.review_at = Time::MAX;
            if core::mem::replace(&mut track.told, best) != best {
                self.tell_quality(id);
            }
        }
        let all = self.room.participants.values().flat_map(|person| &person.tracks);
        self.room.quality_at = all.map(|track| track.review_at).min().unwrap_or(Time::MAX);
    }

    fn tell_quality(&mut self, id: TrackId) {
        let Some(track) = self.room.track(id) else { return };
        let session = track.session;
        let wanted = [0, 1, HIGH].map(|quality| track.told >= Some(quality));
        let mime = track.published.as_ref().map(|p| p.mime.clone()).unwrap_or_default();
        self.tell(session, Notice::Qualities { track: id, mime, wanted });
    }

    /// For a publisher that may have missed it: every own track of which less than all is wanted.
    pub fn tell_qualities(&mut self, owner: ParticipantId) {
        let Ok(person) = self.room.person(owner) else { return };
        let less = |track: &&Track| track.is_published() && track.told != Some(HIGH);
        for track in person.tracks.iter().filter(less).map(|t| t.id).collect::<Vec<_>>() {
            self.tell_quality(track);
        }
    }
}
