//! Rooms: who is in, what they publish, who receives what, and who is told.
//!
//! The machine sees no packet, socket or session description. Doors hand it [`Input`]s, it answers
//! at once with a [`Reply`] or a [`Refusal`], and leaves [`Effect`]s to be polled. It is the only
//! place that decides who may see what. Start at [`Machine`].

mod input;
mod notice;
mod people;
mod publish;
mod subscribe;
mod voices;
mod want;
mod words;

#[cfg(test)]
mod tests;

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use offhook_types::{Rng, RoomId, SessionId, Time};

pub use input::{Act, Admin, Input, Refusal, Reply};
pub use notice::{Effect, Left, Notice, RoomEvent, Score, SpeakerView};
use people::Room;
pub use words::*;

/// Limits and timers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Rooms that may exist at once.
    pub max_rooms: usize,
    /// Participants per room, whatever the room's own limit says.
    pub max_participants: usize,
    /// Sessions of one participant in a room.
    pub max_sessions: usize,
    /// Tracks per participant.
    pub max_tracks: usize,
    /// Bytes of a room name, an identity or a display name.
    pub max_name_bytes: usize,
    /// Bytes of free text, and of all attributes of a participant together.
    pub max_metadata_bytes: usize,
    /// How long a room lives without anyone ever joining.
    pub empty_timeout: Duration,
    /// How long a room lives after the last one left.
    pub departure_timeout: Duration,
    /// How long a publisher keeps sending a quality that nobody wants any more, so that a receiver
    /// that changes its mind back costs no key frame.
    pub quality_delay: Duration,
    /// How long changes of a room's numbers are gathered before everyone is told.
    pub room_delay: Duration,
    /// Which of `shards` equal parts of the id space room ids are drawn from.
    pub shard: u64,
    /// Number of parts; at least one.
    pub shards: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_rooms: 10_000,
            max_participants: 500,
            max_sessions: 64,
            max_tracks: 16,
            max_name_bytes: 256,
            max_metadata_bytes: 64 * 1024,
            empty_timeout: Duration::from_secs(300),
            departure_timeout: Duration::from_secs(20),
            quality_delay: Duration::from_secs(5),
            room_delay: Duration::from_millis(500),
            shard: 0,
            shards: 1,
        }
    }
}

/// All rooms of one shard.
#[derive(Debug)]
pub struct Machine {
    config: Config,
    rng: Rng,
    rooms: BTreeMap<RoomId, Room>,
    names: BTreeMap<String, RoomId>,
    sessions: BTreeMap<SessionId, RoomId>,
    /// When each room wants to be woken; a room is in here at most once.
    timers: BTreeSet<(Time, RoomId)>,
    effects: VecDeque<Effect>,
}

impl Machine {
    /// No rooms yet. Ids are drawn from `rng`.
    pub fn new(config: Config, _now: Now, rng: Rng) -> Self {
        Self {
            config,
            rng,
            rooms: BTreeMap::new(),
            names: BTreeMap::new(),
            sessions: BTreeMap::new(),
            timers: BTreeSet::new(),
            effects: VecDeque::new(),
        }
    }

    /// Take an input; effects are left for [`Machine::poll`].
    pub fn handle(&mut self, now: Now, input: Input) -> Result<Reply, Refusal> {
        match input {
            Input::Join(join) => self.join(now, *join),
            Input::Act { session, act } => {
                let room = *self.sessions.get(&session).ok_or(Refusal::NoSession)?;
                self.with(now, room, |hall, now| hall.act(now, session, act))
            }
            Input::Admin(admin) => self.admin(now, admin),
            Input::Speakers { worker, room, speakers } => self.with(now, room, |hall, _| {
                hall.speakers(worker, &speakers);
                Ok(Reply::Done)
            }),
        }
    }

    /// Do what has become due.
    pub fn handle_timeout(&mut self, now: Now) {
        while let Some(&(due, room)) = self.timers.first() {
            if due > now.time {
                return;
            }
            self.timers.pop_first();
            let _ = self.with(now, room, |hall, now| {
                hall.due(now);
                Ok(Reply::Done)
            });
        }
    }

    /// The next effect, in the order in which they happened.
    pub fn poll(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When [`Machine::handle_timeout`] wants to be called; [`Time::MAX`] for never.
    pub fn next_timeout(&self) -> Time {
        self.timers.first().map_or(Time::MAX, |&(due, _)| due)
    }

    fn join(&mut self, now: Now, join: Join) -> Result<Reply, Refusal> {
        words::check(&self.config, &join)?;
        let room = match self.names.get(&join.room) {
            Some(&room) => room,
            None => {
                self.open(now, CreateRoom { name: join.room.clone(), ..CreateRoom::default() })?
            }
        };
        self.with(now, room, |hall, now| hall.join(now, join))
    }

    /// A room of this name, which does not exist yet.
    fn open(&mut self, now: Now, wish: CreateRoom) -> Result<RoomId, Refusal> {
        words::check_name(&self.config, &wish.name)?;
        words::check_text(&self.config, &wish.metadata)?;
        if self.rooms.len() >= self.config.max_rooms {
            return Err(Refusal::TooManyRooms);
        }
        let shards = self.config.shards.max(1);
        let id = loop {
            let id = RoomId::random(&mut self.rng);
            if id.0 % shards == self.config.shard && !self.rooms.contains_key(&id) {
                break id;
            }
        };
        self.names.insert(wish.name.clone(), id);
        self.effects.push_back(Effect::Event(RoomEvent::Opened { room: wish.name.clone() }));
        let room = Room::new(&self.config, now, id, wish);
        self.timers.insert((room.timer, id));
        self.rooms.insert(id, room);
        Ok(id)
    }

    fn admin(&mut self, now: Now, admin: Admin) -> Result<Reply, Refusal> {
        match admin {
            Admin::Create(wish) => {
                let id = match self.names.get(&wish.name) {
                    Some(&id) => id,
                    None => self.open(now, wish)?,
                };
                self.rooms.get(&id).map(|room| Reply::Room(room.view())).ok_or(Refusal::NoRoom)
            }
            Admin::List(names) => {
                let named = |room: &&Room| names.is_empty() || names.contains(&room.name);
                Ok(Reply::Rooms(self.rooms.values().filter(named).map(Room::view).collect()))
            }
            admin => {
                let name = admin.room().unwrap_or_default();
                let room = *self.names.get(name).ok_or(Refusal::NoRoom)?;
                self.with(now, room, |hall, now| hall.admin(now, admin))
            }
        }
    }

    /// Let something happen in a room, then keep the books that rooms share.
    fn with(
        &mut self,
        now: Now,
        id: RoomId,
        happen: impl FnOnce(&mut Hall<'_>, Now) -> Result<Reply, Refusal>,
    ) -> Result<Reply, Refusal> {
        let room = self.rooms.get_mut(&id).ok_or(Refusal::NoRoom)?;
        let before = room.timer;
        let mut hall = Hall {
            room,
            config: &self.config,
            rng: &mut self.rng,
            sessions: &mut self.sessions,
            effects: &mut self.effects,
        };
        let reply = happen(&mut hall, now);
        hall.room.timer = hall.room.next_timer();
        let (timer, closed) = (hall.room.timer, hall.room.closed);
        if closed {
            self.timers.remove(&(before, id));
            if let Some(room) = self.rooms.remove(&id) {
                self.names.remove(&room.name);
                self.effects.push_back(Effect::Event(RoomEvent::Closed { room: room.name }));
            }
        } else {
            // The old entry may have been popped already, when this is about a timeout.
            self.timers.remove(&(before, id));
            if timer < Time::MAX {
                self.timers.insert((timer, id));
            }
        }
        reply
    }
}

/// A room with what it needs of the machine while something happens in it.
struct Hall<'a> {
    room: &'a mut Room,
    config: &'a Config,
    rng: &'a mut Rng,
    sessions: &'a mut BTreeMap<SessionId, RoomId>,
    effects: &'a mut VecDeque<Effect>,
}

impl Hall<'_> {
    fn tell(&mut self, session: SessionId, notice: Notice) {
        self.effects.push_back(Effect::Tell { session, notice });
    }

    fn event(&mut self, event: RoomEvent) {
        self.effects.push_back(Effect::Event(event));
    }

    fn act(&mut self, now: Now, session: SessionId, act: Act) -> Result<Reply, Refusal> {
        match act {
            Act::AddTrack(request) => return self.add_track(session, request),
            Act::Publish(published) => self.publish(now, session, published)?,
            Act::Unpublish(track) => self.unpublish(now, session, track)?,
            Act::Mute { track, muted } => self.mute(now, session, track, muted)?,
            Act::Resize { track, width, height } => {
                self.reshape(now, session, track, |request| {
                    (request.width, request.height) = (width, height);
                })?;
            }
            Act::AudioFeatures { track, features } => {
                let features = features.into_iter().take(16).collect();
                self.reshape(now, session, track, |request| request.audio_features = features)?;
            }
            Act::Subscribe(change) => self.subscribe(now, session, &change),
            Act::Settings { tracks, settings } => self.settings(now, session, &tracks, settings),
            Act::SubscriptionPermission(permission) => self.allow(now, session, permission)?,
            Act::Describe(change) => {
                let change = Describe { permission: None, ..change };
                self.describe_self(session, change)?;
            }
            Act::Data(message) => self.data(session, &message)?,
            Act::LegUp => self.leg_up(session),
            Act::Quality(quality) => self.quality(session, quality),
            Act::Snapshot => return self.snapshot(session).map(Box::new).map(Reply::Joined),
            Act::Leave(why) => self.leave(now, session, why),
        }
        Ok(Reply::Done)
    }

    fn admin(&mut self, now: Now, admin: Admin) -> Result<Reply, Refusal> {
        match admin {
            // Both are answered by the machine, which knows all rooms.
            Admin::Create(_) | Admin::List(_) => return Ok(Reply::Room(self.room.view())),
            Admin::Delete { why, .. } => self.close(now, why),
            Admin::Participants { .. } => {
                let all = self.room.participants.values().map(|person| person.view.clone());
                return Ok(Reply::Participants(all.collect()));
            }
            Admin::Participant { identity, .. } => {
                let id = self.room.identity(&identity)?;
                return self.room.person(id).map(|p| Reply::Participant(p.view.clone()));
            }
            Admin::Remove { identity, .. } => {
                let id = self.room.identity(&identity)?;
                self.remove(now, id, Left::Removed);
            }
            Admin::Mute { identity, track, muted, .. } => {
                let id = self.room.identity(&identity)?;
                return self.force_mute(now, id, track, muted);
            }
            Admin::Describe { identity, change, .. } => {
                let id = self.room.identity(&identity)?;
                self.describe(now, id, change)?;
                return self.room.person(id).map(|p| Reply::Participant(p.view.clone()));
            }
            Admin::Subscribe { identity, change, .. } => {
                let id = self.room.identity(&identity)?;
                for session in self.room.person(id)?.sessions.clone() {
                    self.subscribe(now, session, &change);
                }
            }
            Admin::Data { message, .. } => self.deliver(None, &message),
            Admin::Metadata { metadata, .. } => {
                words::check_text(self.config, &metadata)?;
                self.room.metadata = metadata;
                self.announce_room();
                return Ok(Reply::Room(self.room.view()));
            }
        }
        Ok(Reply::Done)
    }
}
