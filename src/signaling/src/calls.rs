//! The task that owns the call machine, and the handle through which device sessions reach it.
//!
//! For a session (the WebSocket door):
//! - [`Handle::attach`] when it starts and again when it is resumed, with the sender of its event
//!   channel; [`Handle::detach`] when its connection breaks; [`Handle::close`] when its resume
//!   window is over.
//! - Events come through the channel in order, also while the connection is broken: the session
//!   numbers and keeps them. A channel that is full, or whose device attached another session, is
//!   dropped here: its receiver yields `None`, and the session ends.
//! - A reply is to be sent before any event that was queued after the request was made, or a client
//!   would hear of a call before it knows its id. So a session waits for the reply before it takes
//!   the next event.
//!
//! The task never waits for anybody: records go to a [`writer`], rooms to a [`meeting`] task, and
//! both report back through the mailbox.

mod meeting;
mod shard;
#[cfg(test)]
mod tests;
mod translate;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use offhook_call::{By, Input, Media, Party, Place, Reach, Refusal, Reply, Stats};
use offhook_proto::client::{CallSnapshot, server_message};
use offhook_store::Store;
use offhook_types::phone::{self, Balance, Charge, Digit, Quote};
use offhook_types::{CallId, Dialed, Number, QuoteId, SessionId, UserId, WallTime};
use tokio::sync::{mpsc, oneshot};

use crate::phone::{PhoneNetwork, Phones, Question, QuoteRefusal, Unavailable};
use crate::push::Push;
use crate::rooms::Rooms;
use crate::token::Keys;
use shard::Mail;

pub(crate) use translate::{cause_of, show_balance};

/// What a device is told: an event of a call, or `Balance`, ready to be numbered and sent.
pub type DeviceEvent = server_message::Message;

/// How the task is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// Limits and timers of calls.
    pub calls: offhook_call::Config,
    /// The server URL that devices are given for media; empty means the one that they are connected
    /// to.
    pub media_url: String,
    /// How long a grant lets a device join. A device that attaches later in the call is given a new
    /// one.
    pub grant_ttl: Duration,
    /// Requests that may wait for the task.
    pub mailbox: usize,
    /// Opening records that may wait to be written; beyond that, calls fail.
    pub unwritten: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            calls: offhook_call::Config::default(),
            media_url: String::new(),
            grant_ttl: Duration::from_secs(6 * 3600),
            mailbox: 4096,
            unwritten: 4096,
        }
    }
}

/// What the task works with.
#[derive(Clone)]
pub struct Neighbours {
    /// Users, devices, records.
    pub store: Arc<dyn Store>,
    /// Where accepted calls meet.
    pub rooms: Rooms,
    /// What grants are signed with.
    pub keys: Keys,
    /// How sleeping devices are woken.
    pub push: Arc<dyn Push>,
    /// Calls over the phone network.
    pub phones: Phones,
}

/// Whom a device wants to call over the phone network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialing {
    /// What was dialled.
    pub to: Dialed,
    /// The quote that the caller agreed to.
    pub quote: Option<QuoteId>,
    /// Do not show the caller's number.
    pub anonymous: bool,
}

/// Why a request was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The machine refused it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store could not answer.
    #[error("the store cannot answer now")]
    Store(#[from] offhook_store::Error),
    /// There is no gateway to the phone network.
    #[error("no carrier goes there")]
    NoNetwork,
    /// The task is gone.
    #[error("the server takes no call requests at the moment")]
    Closed,
}

/// Starts the task on the current tokio runtime, after closing the records that an earlier life of
/// the server left open. `seed` comes from the operating system. The task ends with the last handle.
pub async fn start(
    options: Options,
    neighbours: Neighbours,
    seed: u64,
) -> Result<Handle, offhook_store::Error> {
    let store = neighbours.store.clone();
    let left_open = store.close_left_open(wall_now()).await?;
    if left_open > 0 {
        tracing::info!(calls = left_open, "calls left open by an earlier run were closed");
    }
    let network = neighbours.phones.network.clone();
    Ok(Handle { mailbox: shard::start(options, neighbours, seed), store, network })
}

/// Reaches the call task. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    mailbox: mpsc::Sender<Mail>,
    store: Arc<dyn Store>,
    network: Arc<dyn PhoneNetwork>,
}

impl Handle {
    /// A session started or was resumed. Answers with the calls that the device is part of, for a
    /// session that starts.
    pub async fn attach(
        &self,
        by: By,
        session: SessionId,
        events: mpsc::Sender<DeviceEvent>,
    ) -> Result<Vec<CallSnapshot>, Error> {
        let user = self.store.user(by.user).await?.ok_or(offhook_store::Error::Missing)?;
        let (reply, answer) = oneshot::channel();
        let name = user.display_name.into();
        self.send(Mail::Attach { by, session, events, name, reply }).await?;
        answer.await.map_err(|_| Error::Closed)
    }

    /// The connection broke; the session may still be resumed, so its events are kept coming.
    pub async fn detach(&self, by: By, session: SessionId) {
        self.post(Input::Detach { by, session }).await;
    }

    /// The session is over and cannot be resumed.
    pub async fn close(&self, by: By, session: SessionId) {
        self.post(Input::Close { by, session }).await;
    }

    /// The device was signed out or revoked: it leaves its call at once and its channel is dropped.
    pub async fn sign_out(&self, by: By) {
        self.post(Input::SignOut { by }).await;
    }

    /// Place a call to a number.
    pub async fn place(&self, by: By, number: Number, media: Media) -> Result<CallId, Error> {
        let caller = self.store.user(by.user).await?.ok_or(offhook_store::Error::Missing)?;
        let reach = self.reach(&number).await?;
        let caller = Party::new(caller.number, caller.display_name);
        self.put(Place { by, caller, number: number.into(), reach, media }).await
    }

    /// Place a call over the phone network.
    pub async fn dial(&self, by: By, dialing: Dialing) -> Result<CallId, Error> {
        if !self.network.is_there() {
            return Err(Error::NoNetwork);
        }
        let caller = self.store.user(by.user).await?.ok_or(offhook_store::Error::Missing)?;
        let Dialing { to, quote, anonymous } = dialing;
        let caller = Party::new(caller.number, caller.display_name);
        let reach = Reach::Phone { quote, anonymous };
        self.put(Place { by, caller, number: to, reach, media: Media::Audio }).await
    }

    async fn put(&self, place: Place) -> Result<CallId, Error> {
        match self.ask(Input::Place(place)).await? {
            Reply::Placed(call) => Ok(call),
            Reply::Done | Reply::Attached(_) => Err(Error::Closed),
        }
    }

    /// Whom a number reaches. Asks the same questions for a number that is nobody's, so that the
    /// time to answer does not tell.
    async fn reach(&self, number: &Number) -> Result<Reach, Error> {
        let user = self.store.user_by_number(number).await?.map(|user| user.id);
        let devices = self.store.devices_of(user.unwrap_or(UserId(0))).await?;
        let devices = devices.into_iter().map(|device| device.id).collect();
        Ok(user.map_or(Reach::Nobody, |user| Reach::User { user, devices }))
    }

    /// The device shows the call.
    pub async fn ring_ack(&self, by: By, call: CallId) -> Result<(), Error> {
        self.ask(Input::RingAck { by, call }).await.map(|_| ())
    }

    /// Take the call on this device.
    pub async fn accept(&self, by: By, call: CallId) -> Result<(), Error> {
        self.ask(Input::Accept { by, call }).await.map(|_| ())
    }

    /// Turn the call away.
    pub async fn decline(&self, by: By, call: CallId) -> Result<(), Error> {
        self.ask(Input::Decline { by, call }).await.map(|_| ())
    }

    /// Take back a call that was not accepted yet.
    pub async fn cancel(&self, by: By, call: CallId) -> Result<(), Error> {
        self.ask(Input::Cancel { by, call }).await.map(|_| ())
    }

    /// End an accepted call; the caller may also end one that was not accepted yet.
    pub async fn hang_up(&self, by: By, call: CallId) -> Result<(), Error> {
        self.ask(Input::HangUp { by, call }).await.map(|_| ())
    }

    /// Press keys on the phone at the other end.
    pub async fn press(&self, by: By, call: CallId, digits: Vec<Digit>) -> Result<(), Error> {
        self.ask(Input::Press { by, call, digits }).await.map(|_| ())
    }

    /// Put the phone at the other end on hold, or take it back.
    pub async fn hold(&self, by: By, call: CallId, held: bool) -> Result<(), Error> {
        self.ask(Input::Hold { by, call, held }).await.map(|_| ())
    }

    /// What a call over the phone network would cost.
    pub async fn quote(&self, question: Question) -> Result<Quote, QuoteRefusal> {
        self.network.quote(question).await
    }

    /// What a user's account has; `None` for a user who has none.
    pub async fn balance(&self, user: UserId) -> Result<Option<Balance>, Unavailable> {
        self.network.balance(user).await
    }

    /// What a call cost its caller; `None` when that is not this user, or it cost nothing.
    pub async fn charge(&self, user: UserId, call: CallId) -> Result<Option<Charge>, Unavailable> {
        self.network.charge(user, call).await
    }

    /// What these calls cost; see [`charge`](Self::charge).
    pub async fn charges(
        &self,
        user: UserId,
        calls: Vec<CallId>,
    ) -> Result<Vec<Charge>, Unavailable> {
        self.network.charges(user, calls).await
    }

    /// For the gateway: something happened to a phone leg. Events of one leg are to be told one
    /// after the other. Waits while the task has too much to do.
    pub async fn phone_event(&self, event: phone::Event) {
        self.post(Input::Phone(event)).await;
    }

    /// For the gateway: money of a user's account moved. All their devices are told.
    pub async fn balance_changed(&self, user: UserId, balance: Balance) {
        let _ = self.send(Mail::Balance { user, balance }).await;
    }

    /// Place no new calls from now on; the live ones go on.
    pub async fn drain(&self) {
        self.post(Input::Drain).await;
    }

    /// End every call, and return when all records are written.
    pub async fn stop(&self) {
        let (reply, answer) = oneshot::channel();
        if self.send(Mail::Stop { reply }).await.is_ok() {
            let _ = answer.await;
        }
    }

    /// What was counted so far.
    pub async fn counts(&self) -> Result<Counts, Error> {
        let (reply, answer) = oneshot::channel();
        self.send(Mail::Count { reply }).await?;
        answer.await.map_err(|_| Error::Closed)
    }

    async fn ask(&self, input: Input) -> Result<Reply, Error> {
        let (reply, answer) = oneshot::channel();
        self.send(Mail::Ask { input, reply }).await?;
        Ok(answer.await.map_err(|_| Error::Closed)??)
    }

    async fn post(&self, input: Input) {
        let _ = self.send(Mail::Post { input }).await;
    }

    async fn send(&self, mail: Mail) -> Result<(), Error> {
        self.mailbox.send(mail).await.map_err(|_| Error::Closed)
    }
}

/// Figures for metrics.
#[derive(Debug, Clone)]
pub struct Counts {
    /// Calls that have not ended.
    pub live: usize,
    /// Phone legs that have not ended.
    pub phones: usize,
    /// Devices with a session.
    pub devices: usize,
    /// Sessions dropped because they did not take their events.
    pub slow_sessions: u64,
    /// What the machine counted.
    pub calls: Stats,
}

/// The name of the room in which a call meets.
pub fn room_name(call: CallId) -> String {
    format!("{ROOM_PREFIX}{call}")
}

/// The call that meets in a room.
pub fn call_of_room(name: &str) -> Option<CallId> {
    name.strip_prefix(ROOM_PREFIX)?.parse().ok()
}

const ROOM_PREFIX: &str = "call-";

fn wall_now() -> WallTime {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    WallTime(u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX))
}
