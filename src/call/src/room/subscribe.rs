//! Who receives what.

use offhook_types::{ParticipantId, SessionId, TrackId};

use super::Hall;
use super::input::Refusal;
use super::notice::Notice;
use super::people::{Room, Session};
use super::want::{Fulfilled, fulfil};
use super::words::*;

/// What a session is to a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    /// It does not want it, or must not know of it.
    None,
    /// It wants it, but the publisher does not allow it.
    Denied,
    /// It receives it.
    Receives,
}

impl Room {
    fn relation(&self, session: &Session, id: TrackId) -> Relation {
        let owner = self.owners.get(&id).and_then(|owner| self.participants.get(owner));
        let Some((owner, track)) = owner.and_then(|owner| Some((owner, owner.track(id)?))) else {
            return Relation::None;
        };
        let reachable = track.is_published()
            && owner.id != session.person
            && session.permission.subscribe
            && !owner.permission.hidden;
        if !reachable || !self.wants(session, owner.identity(), id) {
            return Relation::None;
        }
        let identity = self.participants.get(&session.person).map(|person| person.identity());
        if owner.allow.covers(session.person, identity.unwrap_or_default(), id) {
            Relation::Receives
        } else {
            Relation::Denied
        }
    }

    fn wants(&self, session: &Session, publisher: &str, id: TrackId) -> bool {
        let policy = match &session.receive {
            Receive::None => false,
            Receive::All => true,
            Receive::Only { participant, track } => {
                let named = |name: &str| self.track(id).is_some_and(|t| t.request.name == name);
                let chosen = match track {
                    None => true,
                    Some(TrackChoice::Id(track)) => *track == id,
                    Some(TrackChoice::Name(name)) => named(name),
                };
                chosen && participant.as_ref().is_none_or(|identity| identity == publisher)
            }
        };
        session.desired.get(&id).copied().unwrap_or(policy)
    }

    /// A track as a session receives it.
    pub fn subscribed(&self, session: SessionId, id: TrackId) -> Option<Subscribed> {
        let owner = self.participants.get(self.owners.get(&id)?)?;
        let track = owner.track(id)?;
        let published = track.published.as_ref()?;
        Some(Subscribed {
            track: id,
            publisher: owner.id,
            identity: owner.identity().into(),
            source: published.leg,
            kind: track.request.kind,
            mime: published.mime.clone(),
            stream: track.stream(),
            want: self.sessions.get(&session)?.subscribed.get(&id)?.want,
        })
    }

    fn fulfilled(&self, session: &Session, id: TrackId) -> Option<Fulfilled> {
        let track = self.track(id)?;
        let settings = session.settings.get(&id);
        Some(fulfil(settings, &track.request, track.streams()))
    }
}

impl SubscriptionPermission {
    fn covers(&self, participant: ParticipantId, identity: &str, track: TrackId) -> bool {
        let meant = |allowed: &&AllowedTracks| match allowed.participant {
            Some(id) => id == participant,
            None => !allowed.identity.is_empty() && allowed.identity == identity,
        };
        let covers = |allowed: &AllowedTracks| allowed.all || allowed.tracks.contains(&track);
        self.everyone || self.allowed.iter().filter(meant).any(covers)
    }
}

impl Hall<'_> {
    /// Bring what a session receives of a track in line with what it should receive. Returns the
    /// track when it starts to be received.
    fn settle(&mut self, now: Now, session: SessionId, id: TrackId) -> Option<Subscribed> {
        let viewer = self.room.sessions.get(&session)?;
        let relation = self.room.relation(viewer, id);
        let fulfilled = self.room.fulfilled(viewer, id);
        let publisher = self.room.owners.get(&id).copied();
        let viewer = self.room.sessions.get_mut(&session)?;
        let was_denied = match relation {
            Relation::Denied => !viewer.denied.insert(id),
            _ => viewer.denied.remove(&id),
        };
        let denied = relation == Relation::Denied;
        let received = viewer.subscribed.contains_key(&id);
        let starts = match (relation, fulfilled) {
            (Relation::Receives, Some(fulfilled)) if !received => {
                viewer.subscribed.insert(id, fulfilled);
                Some(fulfilled)
            }
            (Relation::Receives, _) => None,
            _ => {
                if viewer.subscribed.remove(&id).is_some() {
                    self.tell(session, Notice::Unsubscribed { track: id });
                    self.less_wanted(now, id);
                }
                None
            }
        };
        // Being denied is worth telling, and so is being allowed again.
        if denied != was_denied
            && (denied || relation == Relation::Receives)
            && let Some(publisher) = publisher
        {
            let allowed = !denied;
            self.tell(session, Notice::Allowed { publisher, track: id, allowed });
        }
        self.wanted(id, starts?.quality);
        self.room.subscribed(session, id)
    }

    fn settle_and_tell(&mut self, now: Now, session: SessionId, id: TrackId) {
        if let Some(subscribed) = self.settle(now, session, id) {
            self.tell(session, Notice::Subscribed(subscribed));
        }
    }

    /// Everything that a new session receives from the start.
    pub fn receive_all(&mut self, now: Now, session: SessionId) -> Vec<Subscribed> {
        let tracks = self.room.in_order();
        tracks.into_iter().filter_map(|id| self.settle(now, session, id)).collect()
    }

    /// A track was published.
    pub fn offer_track(&mut self, now: Now, id: TrackId) {
        for session in self.room.sessions.keys().copied().collect::<Vec<_>>() {
            self.settle_and_tell(now, session, id);
        }
    }

    /// A published track arrives in another way: whoever receives it is told anew.
    pub fn track_moved(&mut self, id: TrackId) {
        let receives = |(_, viewer): &(&SessionId, &Session)| viewer.subscribed.contains_key(&id);
        let sessions = self.room.sessions.iter().filter(receives).map(|(&session, _)| session);
        for session in sessions.collect::<Vec<_>>() {
            let viewer = self.room.sessions.get(&session);
            let fulfilled = viewer.and_then(|viewer| self.room.fulfilled(viewer, id));
            if let (Some(viewer), Some(fulfilled)) =
                (self.room.sessions.get_mut(&session), fulfilled)
            {
                viewer.subscribed.insert(id, fulfilled);
            }
            if let Some(subscribed) = self.room.subscribed(session, id) {
                self.tell(session, Notice::Subscribed(subscribed));
            }
        }
    }

    /// A session's permission changed.
    pub fn review_session(&mut self, now: Now, session: SessionId) {
        for track in self.room.in_order() {
            self.settle_and_tell(now, session, track);
        }
    }

    /// A publisher's permission, or what they permit, changed.
    pub fn review_publisher(&mut self, now: Now, id: ParticipantId) {
        let Ok(person) = self.room.person(id) else { return };
        let tracks: Vec<_> = person.tracks.iter().map(|track| track.id).collect();
        for track in tracks {
            self.offer_track(now, track);
        }
    }

    pub fn subscribe(&mut self, now: Now, session: SessionId, change: &SubscriptionChange) {
        for &id in &change.tracks {
            let Ok(viewer) = self.room.session(session) else { return };
            let track = self.room.track(id).filter(|track| track.is_published());
            let owner = self.room.owners.get(&id).copied();
            let known = track.is_some()
                && owner.is_some_and(|owner| self.room.shows(owner, viewer))
                && owner != Some(viewer.person);
            let may = viewer.permission.subscribe || !change.subscribe;
            if !known || !may {
                if change.subscribe {
                    self.tell(session, Notice::NotSubscribed { track: id });
                }
                continue;
            }
            if let Some(viewer) = self.room.sessions.get_mut(&session) {
                viewer.desired.insert(id, change.subscribe);
            }
            self.settle_and_tell(now, session, id);
        }
    }

    pub fn settings(
        &mut self,
        now: Now,
        session: SessionId,
        tracks: &[TrackId],
        settings: TrackSettings,
    ) {
        for &id in tracks {
            if self.room.track(id).is_none() {
                continue;
            }
            let Some(viewer) = self.room.sessions.get_mut(&session) else { return };
            viewer.settings.insert(id, settings);
            let before = viewer.subscribed.get(&id).copied();
            let Some(viewer) = self.room.sessions.get(&session) else { return };
            let (Some(before), Some(after)) = (before, self.room.fulfilled(viewer, id)) else {
                continue;
            };
            if before == after {
                continue;
            }
            if let Some(viewer) = self.room.sessions.get_mut(&session) {
                viewer.subscribed.insert(id, after);
            }
            self.tell(session, Notice::Want { track: id, want: after.want });
            if after.quality > before.quality {
                self.wanted(id, after.quality);
            } else if after.quality < before.quality {
                self.less_wanted(now, id);
            }
        }
    }

    /// A publisher says who may receive.
    pub fn allow(
        &mut self,
        now: Now,
        session: SessionId,
        permission: SubscriptionPermission,
    ) -> Result<(), Refusal> {
        let id = self.room.session(session)?.person;
        // As many as can be in the room, each with as many tracks as there can be.
        let tracks = permission.allowed.iter().map(|allowed| allowed.tracks.len()).max();
        if permission.allowed.len() > self.config.max_participants.saturating_mul(2)
            || tracks.unwrap_or(0) > self.config.max_tracks.saturating_mul(2)
        {
            return Err(Refusal::TooLong);
        }
        if let Some(person) = self.room.participants.get_mut(&id) {
            person.allow = permission;
        }
        self.review_publisher(now, id);
        Ok(())
    }
}
