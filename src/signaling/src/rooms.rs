//! The tasks that own the room machines, and the handles through which doors reach them. Rooms are
//! spread over shards by a hash of their name; a shard is one task with one machine and one bounded
//! mailbox. Start at [`Rooms`]; a session that has joined holds a [`Seat`].

mod shard;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use offhook_call::room::{
    Act, Admin, Config as RoomConfig, CreateRoom, Input, Join, Joined, Left, Notice, Published,
    Refusal, Reply, RoomEvent, RoomView, TrackRequest, TrackView,
};
use offhook_types::media::Speaker;
use offhook_types::{ParticipantId, RoomId, SessionId, TrackId, WorkerId};
use tokio::sync::{broadcast, mpsc, oneshot};

/// Settings of the room tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Limits and timers of the machines. `max_rooms` holds for all shards together; `shard` and
    /// `shards` are filled in.
    pub rooms: RoomConfig,
    /// Number of tasks.
    pub shards: u16,
    /// Inputs that may wait for a shard.
    pub mailbox: usize,
    /// Notices that may wait for a session before it is ended as too slow.
    pub notices: usize,
    /// Room events that a watcher may lag behind.
    pub events: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { rooms: RoomConfig::default(), shards: 1, mailbox: 1024, notices: 512, events: 1024 }
    }
}

/// All rooms of this process. Cheap to clone; the tasks end when the last handle is gone.
#[derive(Clone)]
pub struct Rooms {
    shards: Arc<[mpsc::Sender<Mail>]>,
    events: broadcast::Sender<RoomEvent>,
    notices: usize,
}

/// What a shard is sent.
struct Mail {
    input: Input,
    reply: Option<oneshot::Sender<Result<Reply, Refusal>>>,
    /// With [`Input::Join`]: where the session's notices go.
    notices: Option<mpsc::Sender<Notice>>,
}

/// A session's place in a room. Dropping it leaves the room as a lost connection.
pub struct Seat {
    shard: mpsc::Sender<Mail>,
    room: RoomId,
    participant: ParticipantId,
    session: SessionId,
    left: bool,
}

impl Rooms {
    /// Start the tasks on the current tokio runtime. `seed` comes from the operating system.
    pub fn start(config: &Config, seed: u64) -> Self {
        let events = broadcast::channel(config.events.max(1)).0;
        let count = config.shards.max(1);
        let shards = (0..count).map(|shard| shard::start(config, shard, seed, events.clone()));
        Self { shards: shards.collect(), events, notices: config.notices.max(1) }
    }

    /// Enter a room, which is made if it does not exist. Notices arrive on the receiver; it closes
    /// after [`Notice::Closed`], or when the session does not keep up.
    pub async fn join(
        &self,
        join: Join,
    ) -> Result<(Seat, Joined, mpsc::Receiver<Notice>), Refusal> {
        let shard = self.of_name(&join.room).clone();
        let (notices, heard) = mpsc::channel(self.notices);
        match ask(&shard, Input::Join(Box::new(join)), Some(notices)).await? {
            Reply::Joined(joined) => {
                let seat = Seat {
                    shard,
                    room: joined.room.id,
                    participant: joined.you.id,
                    session: joined.session,
                    left: false,
                };
                Ok((seat, *joined, heard))
            }
            _ => Err(Refusal::Unavailable),
        }
    }

    /// Make a room, or return it as it is when it exists.
    pub async fn create(&self, room: CreateRoom) -> Result<RoomView, Refusal> {
        match self.admin(Admin::Create(room)).await? {
            Reply::Room(room) => Ok(room),
            _ => Err(Refusal::Unavailable),
        }
    }

    /// End a room and every presence in it.
    pub async fn delete(&self, room: &str, why: Left) -> Result<(), Refusal> {
        self.admin(Admin::Delete { room: room.into(), why }).await.map(|_| ())
    }

    /// The rooms with these names; all when none is named.
    pub async fn list(&self, names: Vec<String>) -> Result<Vec<RoomView>, Refusal> {
        let mut rooms = Vec::new();
        for shard in self.shards.iter() {
            let input = Input::Admin(Admin::List(names.clone()));
            if let Reply::Rooms(some) = ask(shard, input, None).await? {
                rooms.extend(some);
            }
        }
        Ok(rooms)
    }

    /// Any other administrator's act.
    pub async fn admin(&self, admin: Admin) -> Result<Reply, Refusal> {
        let Some(name) = admin.room() else {
            return Ok(Reply::Rooms(self.list(Vec::new()).await?));
        };
        let shard = self.of_name(name).clone();
        ask(&shard, Input::Admin(admin), None).await
    }

    /// What happens in all rooms from now on. A watcher that lags loses the oldest events and is
    /// told how many.
    pub fn watch(&self) -> broadcast::Receiver<RoomEvent> {
        self.events.subscribe()
    }

    /// Who speaks in a room; never blocks, and is lost when the shard is busy: the next one comes
    /// within a second.
    pub fn speakers(&self, worker: WorkerId, room: RoomId, speakers: Vec<Speaker>) {
        let shard = room.0 % self.shards.len() as u64;
        if let Some(shard) = self.shards.get(shard as usize) {
            let input = Input::Speakers { worker, room, speakers };
            let _ = shard.try_send(Mail { input, reply: None, notices: None });
        }
    }

    /// End all rooms because the server goes down.
    pub async fn stop(&self) {
        for room in self.list(Vec::new()).await.unwrap_or_default() {
            let _ = self.delete(&room.name, Left::ServerShutdown).await;
        }
    }

    fn of_name(&self, name: &str) -> &mpsc::Sender<Mail> {
        let mut hash = DefaultHasher::new();
        name.hash(&mut hash);
        &self.shards[(hash.finish() % self.shards.len() as u64) as usize]
    }
}

impl Seat {
    /// The room's id, as the media node knows it.
    pub fn room(&self) -> RoomId {
        self.room
    }

    /// Whose session this is.
    pub fn participant(&self) -> ParticipantId {
        self.participant
    }

    /// Do something and wait for the answer.
    pub async fn act(&self, act: Act) -> Result<Reply, Refusal> {
        ask(&self.shard, Input::Act { session: self.session, act }, None).await
    }

    /// Do something that has no answer worth waiting for. False when the shard is too busy.
    pub fn post(&self, act: Act) -> bool {
        let input = Input::Act { session: self.session, act };
        self.shard.try_send(Mail { input, reply: None, notices: None }).is_ok()
    }

    /// Announce a track.
    pub async fn add_track(&self, request: TrackRequest) -> Result<TrackView, Refusal> {
        match self.act(Act::AddTrack(request)).await? {
            Reply::Track(track) => Ok(*track),
            _ => Err(Refusal::Unavailable),
        }
    }

    /// The announced track was negotiated: others see it from now on.
    pub async fn publish(&self, published: Published) -> Result<(), Refusal> {
        self.act(Act::Publish(published)).await.map(|_| ())
    }

    /// Take a track back.
    pub async fn unpublish(&self, track: TrackId) -> Result<(), Refusal> {
        self.act(Act::Unpublish(track)).await.map(|_| ())
    }

    /// Leave the room for a reason.
    pub async fn leave(mut self, why: Left) {
        self.left = true;
        let _ = self.act(Act::Leave(why)).await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if self.left {
            return;
        }
        let input = Input::Act { session: self.session, act: Act::Leave(Left::ConnectionLost) };
        let mail = Mail { input, reply: None, notices: None };
        // A full mailbox must not keep a ghost in the room, so the message waits in a task.
        if let Err(mpsc::error::TrySendError::Full(mail)) = self.shard.try_send(mail)
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let shard = self.shard.clone();
            runtime.spawn(async move { shard.send(mail).await });
        }
    }
}

async fn ask(
    shard: &mpsc::Sender<Mail>,
    input: Input,
    notices: Option<mpsc::Sender<Notice>>,
) -> Result<Reply, Refusal> {
    let (reply, answer) = oneshot::channel();
    let mail = Mail { input, reply: Some(reply), notices };
    shard.send(mail).await.map_err(|_| Refusal::Unavailable)?;
    answer.await.map_err(|_| Refusal::Unavailable)?
}

#[cfg(test)]
mod tests;
