//! Who is in a room: coming, changing, leaving, and the room's own life.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use offhook_types::{ParticipantId, RoomId, SessionId, Time, TrackId, WallTime};

use super::input::Refusal;
use super::notice::{Left, Notice, RoomEvent, Score};
use super::publish::Track;
use super::want::Fulfilled;
use super::words::*;
use super::{Config, Hall, words};

/// One life of a room.
#[derive(Debug)]
pub(super) struct Room {
    pub id: RoomId,
    pub name: String,
    pub metadata: String,
    empty_timeout_s: u32,
    departure_timeout_s: u32,
    max_participants: u32,
    created: WallTime,
    version: u32,
    pub participants: BTreeMap<ParticipantId, Person>,
    identities: BTreeMap<String, ParticipantId>,
    pub sessions: BTreeMap<SessionId, Session>,
    /// Whose track it is.
    pub owners: BTreeMap<TrackId, ParticipantId>,
    /// Tracks published so far, which orders them.
    pub published: u64,
    /// Who speaks, and how loud.
    pub speaking: BTreeMap<TrackId, u8>,
    /// When the room ends, unless someone comes.
    closes_at: Time,
    /// When everyone is told of the room's new numbers.
    announce_at: Time,
    /// When the first track's qualities are to be looked at again.
    pub quality_at: Time,
    /// What the machine's timer is set to.
    pub timer: Time,
    pub closed: bool,
}

/// Someone in a room.
#[derive(Debug)]
pub(super) struct Person {
    pub id: ParticipantId,
    identity: String,
    name: String,
    metadata: String,
    attributes: BTreeMap<String, String>,
    pub permission: Permission,
    presence: Presence,
    joined: WallTime,
    version: u32,
    pub sessions: Vec<SessionId>,
    /// Announced and published tracks.
    pub tracks: Vec<Track>,
    /// Who may receive them, by their own word.
    pub allow: SubscriptionPermission,
    pub score: Option<Score>,
    client: ClientFacts,
    left: Option<Left>,
    pub view: Arc<ParticipantView>,
}

/// One way in which someone is connected.
#[derive(Debug)]
pub(super) struct Session {
    pub person: ParticipantId,
    pub door: Door,
    pub receive: Receive,
    pub permission: Permission,
    /// What it asked for explicitly, by track.
    pub desired: BTreeMap<TrackId, bool>,
    pub settings: BTreeMap<TrackId, TrackSettings>,
    pub subscribed: BTreeMap<TrackId, Fulfilled>,
    /// Tracks that it would receive if the publisher allowed it.
    pub denied: BTreeSet<TrackId>,
}

impl Room {
    pub fn new(config: &Config, now: Now, id: RoomId, wish: CreateRoom) -> Self {
        let or = |wished: u32, default: core::time::Duration| match wished {
            0 => u32::try_from(default.as_secs()).unwrap_or(u32::MAX),
            wished => wished,
        };
        let empty_timeout_s = or(wish.empty_timeout_s, config.empty_timeout);
        let closes_at = now.time + seconds(empty_timeout_s);
        Self {
            id,
            name: wish.name,
            metadata: wish.metadata,
            empty_timeout_s,
            departure_timeout_s: or(wish.departure_timeout_s, config.departure_timeout),
            max_participants: wish.max_participants,
            created: now.wall,
            version: 1,
            participants: BTreeMap::new(),
            identities: BTreeMap::new(),
            sessions: BTreeMap::new(),
            owners: BTreeMap::new(),
            published: 0,
            speaking: BTreeMap::new(),
            closes_at,
            announce_at: Time::MAX,
            quality_at: Time::MAX,
            timer: closes_at,
            closed: false,
        }
    }

    pub fn view(&self) -> RoomView {
        let visible = || self.participants.values().filter(|person| !person.permission.hidden);
        let publishing = |person: &&Person| person.tracks.iter().any(Track::is_published);
        RoomView {
            id: self.id,
            name: self.name.clone(),
            metadata: self.metadata.clone(),
            empty_timeout_s: self.empty_timeout_s,
            departure_timeout_s: self.departure_timeout_s,
            max_participants: self.max_participants,
            created: self.created,
            participants: count(visible().count()),
            publishers: count(visible().filter(publishing).count()),
            version: self.version,
        }
    }

    pub fn identity(&self, identity: &str) -> Result<ParticipantId, Refusal> {
        self.identities.get(identity).copied().ok_or(Refusal::NoParticipant)
    }

    pub fn person(&self, id: ParticipantId) -> Result<&Person, Refusal> {
        self.participants.get(&id).ok_or(Refusal::NoParticipant)
    }

    pub fn session(&self, id: SessionId) -> Result<&Session, Refusal> {
        self.sessions.get(&id).ok_or(Refusal::NoSession)
    }

    /// Whether `viewer` is shown `person`: everyone is, but the hidden only to themselves.
    pub fn shows(&self, person: ParticipantId, viewer: &Session) -> bool {
        viewer.person == person
            || self.participants.get(&person).is_some_and(|person| !person.permission.hidden)
    }

    pub fn next_timer(&self) -> Time {
        self.closes_at.min(self.announce_at).min(self.quality_at)
    }
}

impl Person {
    fn new(id: ParticipantId, now: Now, join: &Join) -> Self {
        let view = ParticipantView {
            id,
            identity: String::new(),
            name: String::new(),
            metadata: String::new(),
            attributes: BTreeMap::new(),
            presence: Presence::Joined,
            joined: now.wall,
            version: 0,
            permission: join.permission.clone(),
            tracks: Vec::new(),
            left: None,
            client: ClientFacts::default(),
        };
        let mut person = Self {
            id,
            identity: join.identity.clone(),
            name: join.name.clone(),
            metadata: join.metadata.clone(),
            attributes: join.attributes.clone(),
            permission: join.permission.clone(),
            presence: Presence::Joined,
            joined: now.wall,
            version: 0,
            sessions: Vec::new(),
            tracks: Vec::new(),
            allow: SubscriptionPermission { everyone: true, allowed: Vec::new() },
            score: None,
            client: join.client.clone(),
            left: None,
            view: Arc::new(view),
        };
        person.refresh();
        person
    }

    /// Someone who is in already comes through one more door; what the token leaves out stays.
    fn also(&mut self, join: &Join) {
        if !join.name.is_empty() {
            self.name.clone_from(&join.name);
        }
        if !join.metadata.is_empty() {
            self.metadata.clone_from(&join.metadata);
        }
        self.attributes.extend(join.attributes.clone());
        if join.door.is_client() {
            self.permission = join.permission.clone();
            self.client = join.client.clone();
        }
        self.refresh();
    }

    /// Write down what others see.
    fn refresh(&mut self) {
        self.version = self.version.saturating_add(1);
        let mut tracks: Vec<_> = self.tracks.iter().filter(|track| track.is_published()).collect();
        tracks.sort_by_key(|track| track.order);
        self.view = Arc::new(ParticipantView {
            id: self.id,
            identity: self.identity.clone(),
            name: self.name.clone(),
            metadata: self.metadata.clone(),
            attributes: self.attributes.clone(),
            presence: self.presence,
            joined: self.joined,
            version: self.version,
            permission: self.permission.clone(),
            tracks: tracks.into_iter().map(Track::view).collect(),
            left: self.left,
            client: self.client.clone(),
        });
    }

    pub fn identity(&self) -> &str {
        &self.identity
    }

    pub fn track(&self, id: TrackId) -> Option<&Track> {
        self.tracks.iter().find(|track| track.id == id)
    }

    pub fn track_mut(&mut self, id: TrackId) -> Option<&mut Track> {
        self.tracks.iter_mut().find(|track| track.id == id)
    }
}

impl Hall<'_> {
    pub fn join(&mut self, now: Now, join: Join) -> Result<super::Reply, Refusal> {
        let known = self.room.identities.get(&join.identity).copied();
        if join.door.is_client()
            && let Some(person) = known
        {
            let same_kind = |id: &SessionId| {
                self.room.sessions.get(id).is_some_and(|session| session.door.is_client())
            };
            let sessions = self.room.person(person)?.sessions.iter();
            for older in sessions.filter(|id| same_kind(id)).copied().collect::<Vec<_>>() {
                self.leave(now, older, Left::DuplicateIdentity);
            }
        }
        let id = self.enter(now, &join)?;
        let session = self.session_id();
        let room = self.room.id;
        self.sessions.insert(session, room);
        self.room.sessions.insert(
            session,
            Session {
                person: id,
                door: join.door,
                receive: join.receive,
                permission: join.permission,
                desired: BTreeMap::new(),
                settings: BTreeMap::new(),
                subscribed: BTreeMap::new(),
                denied: BTreeSet::new(),
            },
        );
        if let Some(person) = self.room.participants.get_mut(&id) {
            person.sessions.push(session);
        }
        self.room.closes_at = Time::MAX;
        self.announce_except(id, Some(session));
        self.room_changed(now);
        let subscribed = self.receive_all(now, session);
        let joined = Joined { subscribed, ..self.snapshot(session)? };
        self.tell_scores(session);
        Ok(super::Reply::Joined(Box::new(joined)))
    }

    /// The person that the session belongs to, made if need be.
    fn enter(&mut self, now: Now, join: &Join) -> Result<ParticipantId, Refusal> {
        if let Some(&id) = self.room.identities.get(&join.identity) {
            let person = self.room.participants.get_mut(&id).ok_or(Refusal::NoParticipant)?;
            if person.sessions.len() >= self.config.max_sessions {
                return Err(Refusal::RoomFull);
            }
            person.also(join);
            return Ok(id);
        }
        let limit = match self.room.max_participants {
            0 => self.config.max_participants,
            limit => self.config.max_participants.min(limit as usize),
        };
        if self.room.participants.len() >= limit {
            return Err(Refusal::RoomFull);
        }
        let id = loop {
            let id = ParticipantId::random(self.rng);
            if !self.room.participants.contains_key(&id) {
                break id;
            }
        };
        self.room.identities.insert(join.identity.clone(), id);
        self.room.participants.insert(id, Person::new(id, now, join));
        let (room, identity) = (self.room.name.clone(), join.identity.clone());
        self.event(RoomEvent::Joined { room, identity });
        Ok(id)
    }

    fn session_id(&mut self) -> SessionId {
        loop {
            let id = SessionId::random(self.rng);
            if !self.sessions.contains_key(&id) {
                return id;
            }
        }
    }

    pub fn snapshot(&mut self, session: SessionId) -> Result<Joined, Refusal> {
        let viewer = self.room.session(session)?;
        let you = self.room.person(viewer.person)?.view.clone();
        let others = self.room.participants.values().filter(|person| person.id != you.id);
        let others = others.filter(|person| self.room.shows(person.id, viewer));
        let mut subscribed: Vec<_> = viewer.subscribed.keys().copied().collect();
        subscribed.sort_by_key(|track| self.room.order(*track));
        let subscribed =
            subscribed.into_iter().filter_map(|track| self.room.subscribed(session, track));
        let joined = Joined {
            session,
            room: self.room.view(),
            others: others.map(|person| person.view.clone()).collect(),
            subscribed: subscribed.collect(),
            you,
        };
        self.tell_qualities(joined.you.id);
        Ok(joined)
    }

    /// A session ends, and with it what it published; the person goes with the last session.
    pub fn leave(&mut self, now: Now, session: SessionId, why: Left) {
        let Some(gone) = self.room.sessions.remove(&session) else { return };
        self.sessions.remove(&session);
        self.tell(session, Notice::Closed(why));
        for &track in gone.subscribed.keys() {
            self.less_wanted(now, track);
        }
        let Some(person) = self.room.participants.get_mut(&gone.person) else { return };
        person.sessions.retain(|&id| id != session);
        let last = person.sessions.is_empty();
        let own = |track: &&Track| track.session == session;
        let tracks: Vec<_> = person.tracks.iter().filter(own).map(|track| track.id).collect();
        for track in &tracks {
            self.drop_track(now, *track);
        }
        if last {
            self.gone(now, gone.person, why);
        } else if !tracks.is_empty() {
            self.announce(gone.person);
        }
    }

    fn gone(&mut self, now: Now, id: ParticipantId, why: Left) {
        if let Some(person) = self.room.participants.get_mut(&id) {
            person.presence = Presence::Gone;
            person.left = Some(why);
        }
        self.announce(id);
        let Some(person) = self.room.participants.remove(&id) else { return };
        self.room.identities.remove(&person.identity);
        let room = self.room.name.clone();
        self.event(RoomEvent::Left { room, identity: person.identity, why });
        if self.room.participants.is_empty() {
            self.room.closes_at = now.time + seconds(self.room.departure_timeout_s);
        }
        self.room_changed(now);
    }

    pub fn remove(&mut self, now: Now, id: ParticipantId, why: Left) {
        let sessions = self.room.person(id).map(|person| person.sessions.clone());
        for session in sessions.unwrap_or_default() {
            self.leave(now, session, why);
        }
    }

    pub fn close(&mut self, now: Now, why: Left) {
        for id in self.room.participants.keys().copied().collect::<Vec<_>>() {
            self.remove(now, id, why);
        }
        self.room.closed = true;
    }

    pub fn due(&mut self, now: Now) {
        if self.room.closes_at <= now.time {
            self.close(now, Left::RoomDeleted);
        }
        if self.room.announce_at <= now.time {
            self.announce_room();
        }
        if self.room.quality_at <= now.time {
            self.qualities_due(now);
        }
    }

    pub fn describe_self(&mut self, session: SessionId, change: Describe) -> Result<(), Refusal> {
        let session = self.room.session(session)?;
        if !session.permission.update_metadata {
            return Err(Refusal::NotPermitted);
        }
        let person = session.person;
        self.describe_texts(person, &change)?;
        self.announce(person);
        Ok(())
    }

    fn describe_texts(&mut self, id: ParticipantId, change: &Describe) -> Result<(), Refusal> {
        let person = self.room.participants.get_mut(&id).ok_or(Refusal::NoParticipant)?;
        let mut attributes = person.attributes.clone();
        for (key, value) in &change.attributes {
            match value.as_str() {
                "" => attributes.remove(key),
                _ => attributes.insert(key.clone(), value.clone()),
            };
        }
        words::check_attributes(self.config, &attributes)?;
        if let Some(metadata) = &change.metadata {
            words::check_text(self.config, metadata)?;
        }
        if let Some(name) = &change.name {
            if name.len() > self.config.max_name_bytes {
                return Err(Refusal::TooLong);
            }
            person.name.clone_from(name);
        }
        if let Some(metadata) = &change.metadata {
            person.metadata.clone_from(metadata);
        }
        person.attributes = attributes;
        Ok(())
    }

    /// An administrator changes someone, also what they may do.
    pub fn describe(
        &mut self,
        now: Now,
        id: ParticipantId,
        change: Describe,
    ) -> Result<(), Refusal> {
        self.describe_texts(id, &change)?;
        if let Some(permission) = change.permission {
            self.permit(now, id, permission);
        }
        self.announce(id);
        Ok(())
    }

    fn permit(&mut self, now: Now, id: ParticipantId, permission: Permission) {
        let Some(person) = self.room.participants.get_mut(&id) else { return };
        person.permission = permission.clone();
        let sessions = person.sessions.clone();
        let refused = |track: &&Track| !permission.publishes(track.request.source);
        let refused: Vec<_> = person.tracks.iter().filter(refused).map(|t| t.id).collect();
        for session in &sessions {
            if let Some(session) = self.room.sessions.get_mut(session) {
                session.permission = permission.clone();
            }
        }
        for track in refused {
            self.take_down(now, track);
        }
        for session in sessions {
            self.review_session(now, session);
        }
        self.review_publisher(now, id);
    }

    pub fn leg_up(&mut self, session: SessionId) {
        let Ok(session) = self.room.session(session) else { return };
        let id = session.person;
        let Some(person) = self.room.participants.get_mut(&id) else { return };
        if person.presence == Presence::Active {
            return;
        }
        person.presence = Presence::Active;
        let (room, identity) = (self.room.name.clone(), person.identity.clone());
        self.event(RoomEvent::Active { room, identity });
        self.announce(id);
    }

    /// Tell everyone who may know that a person changed.
    pub fn announce(&mut self, id: ParticipantId) {
        self.announce_except(id, None);
    }

    fn announce_except(&mut self, id: ParticipantId, except: Option<SessionId>) {
        let Some(person) = self.room.participants.get_mut(&id) else { return };
        person.refresh();
        let view = person.view.clone();
        for (&session, viewer) in &self.room.sessions {
            let told = viewer.door.is_client() && Some(session) != except;
            if told && self.room.shows(id, viewer) {
                let notice = Notice::Participants(vec![view.clone()]);
                self.effects.push_back(super::Effect::Tell { session, notice });
            }
        }
    }

    /// The room's numbers changed; everyone is told a little later, once for many changes.
    pub fn room_changed(&mut self, now: Now) {
        self.room.announce_at = self.room.announce_at.min(now.time + self.config.room_delay);
    }

    pub fn announce_room(&mut self) {
        self.room.announce_at = Time::MAX;
        self.room.version = self.room.version.saturating_add(1);
        let view = self.room.view();
        for (&session, viewer) in &self.room.sessions {
            if viewer.door.is_client() {
                let notice = Notice::Room(view.clone());
                self.effects.push_back(super::Effect::Tell { session, notice });
            }
        }
    }
}

fn seconds(seconds: u32) -> core::time::Duration {
    core::time::Duration::from_secs(u64::from(seconds))
}

fn count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
