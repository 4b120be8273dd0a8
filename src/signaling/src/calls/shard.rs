//! The task itself: mailbox and timers in, effects out.

use std::collections::BTreeMap;
use std::sync::Arc;

use offhook_call::{
    By, Calls, Effect, Event, Input, Record, RecordStep, Refusal, Reply, Seating, Snapshot,
};
use offhook_proto::client::{CallSnapshot, MediaGrant};
use offhook_types::counters::Counted;
use offhook_types::phone::Balance;
use offhook_types::{CallId, DeviceId, PhoneId, Rng, SessionId, Time, UserId};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::meeting::{Meeting, Present};
use super::writer::Writer;
use super::{Counts, DeviceEvent, Neighbours, Options, room_name, translate, wall_now};
use crate::phone::seat::sit;
use crate::push::Wake;
use crate::token::Claims;

/// What the task is sent.
pub(super) enum Mail {
    Attach {
        by: By,
        session: SessionId,
        events: mpsc::Sender<DeviceEvent>,
        /// The user's display name.
        name: Arc<str>,
        reply: oneshot::Sender<Vec<CallSnapshot>>,
    },
    Ask {
        input: Input,
        reply: oneshot::Sender<Result<Reply, Refusal>>,
    },
    Post {
        input: Input,
    },
    /// Money of a user's account moved.
    Balance {
        user: UserId,
        balance: Balance,
    },
    /// Who is in which call's room, after room events were missed.
    Present(Present),
    Count {
        reply: oneshot::Sender<Counts>,
    },
    /// Answered when everything is written.
    Stop {
        reply: oneshot::Sender<()>,
    },
}

/// A device's session as the task sees it.
struct Attached {
    session: SessionId,
    events: mpsc::Sender<DeviceEvent>,
    name: Arc<str>,
}

struct Shard {
    machine: Calls,
    options: Options,
    neighbours: Neighbours,
    /// The phones that sit in rooms.
    seats: BTreeMap<PhoneId, oneshot::Sender<()>>,
    /// The task's own mailbox, for those who report back.
    mailbox: mpsc::WeakSender<Mail>,
    origin: Instant,
    devices: BTreeMap<DeviceId, Attached>,
    slow_sessions: u64,
    writer: Writer,
    meeting: Meeting,
}

/// Mails taken between two looks at the timers.
const BATCH: usize = 64;

pub(super) fn start(options: Options, neighbours: Neighbours, seed: u64) -> mpsc::Sender<Mail> {
    let (mailbox, mail) = mpsc::channel(options.mailbox.max(1));
    let writer = Writer::start(neighbours.store.clone(), mailbox.downgrade(), options.unwritten);
    let meeting = Meeting::start(&neighbours.rooms, mailbox.downgrade(), &options.calls);
    let shard = Shard {
        machine: Calls::new(options.calls, Rng::from_seed(seed)),
        options,
        neighbours,
        seats: BTreeMap::new(),
        mailbox: mailbox.downgrade(),
        origin: Instant::now(),
        devices: BTreeMap::new(),
        slow_sessions: 0,
        writer,
        meeting,
    };
    tokio::spawn(shard.run(mail));
    mailbox
}

impl Shard {
    async fn run(mut self, mut mailbox: mpsc::Receiver<Mail>) {
        let mut mails = Vec::with_capacity(BATCH);
        loop {
            let due = self.machine.next_timeout().map(|due| self.origin + due.since(Time::ZERO));
            let timer = sleep_until(due.unwrap_or(self.origin));
            tokio::select! {
                taken = mailbox.recv_many(&mut mails, BATCH) => {
                    if taken == 0 {
                        return;
                    }
                    for mail in mails.drain(..) {
                        self.take(mail);
                        self.carry_out();
                    }
                }
                () = timer, if due.is_some() => {}
            }
            self.machine.handle_timeout(self.now());
            self.carry_out();
        }
    }

    fn now(&self) -> Time {
        let micros = self.origin.elapsed().as_micros();
        Time::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }

    fn handle(&mut self, input: Input) -> Result<Reply, Refusal> {
        self.machine.handle(self.now(), wall_now(), input)
    }

    fn take(&mut self, mail: Mail) {
        match mail {
            Mail::Attach { by, session, events, name, reply } => {
                self.devices.insert(by.device, Attached { session, events, name });
                let calls = match self.handle(Input::Attach { by, session }) {
                    Ok(Reply::Attached(calls)) => calls,
                    _ => Vec::new(),
                };
                let calls = calls.into_iter().map(|call| self.snapshot(by, call)).collect();
                let _ = reply.send(calls);
            }
            Mail::Ask { input, reply } => {
                let result = self.handle(input);
                let _ = reply.send(result);
            }
            Mail::Post { input } => {
                self.forget(&input);
                let _ = self.handle(input);
            }
            Mail::Balance { user, balance } => {
                let devices: Vec<_> = self.machine.devices_of(user).collect();
                for device in devices {
                    self.deliver(device, translate::balance(balance));
                }
            }
            Mail::Present(present) => self.present(&present),
            Mail::Count { reply } => {
                let _ = reply.send(Counts {
                    live: self.machine.live(),
                    phones: self.machine.phones(),
                    devices: self.devices.len(),
                    slow_sessions: self.slow_sessions,
                    calls: self.machine.stats().clone(),
                });
            }
            Mail::Stop { reply } => {
                let _ = self.handle(Input::Stop);
                self.carry_out();
                self.writer.flush(reply);
            }
        }
    }

    /// Drop what belongs to a session or seat that is over. The device may have attached another
    /// since.
    fn forget(&mut self, input: &Input) {
        match input {
            Input::Close { by, session }
                if self.devices.get(&by.device).is_some_and(|at| at.session == *session) =>
            {
                self.devices.remove(&by.device);
            }
            Input::SignOut { by } => {
                self.devices.remove(&by.device);
            }
            Input::PhoneUnseated { phone } => {
                self.seats.remove(phone);
            }
            _ => {}
        }
    }

    fn present(&mut self, present: &Present) {
        let calls: Vec<CallId> = self.machine.met().collect();
        for call in calls {
            let input = match present.get(&call) {
                Some(users) => Input::MediaPresent { call, users: users.clone() },
                None => Input::RoomGone { call },
            };
            let _ = self.handle(input);
        }
    }

    fn carry_out(&mut self) {
        while let Some(effect) = self.machine.poll() {
            match effect {
                Effect::Tell { device, event } => self.tell(device, event),
                Effect::Record { record, step } => self.record(record, step),
                Effect::OpenRoom { call, .. } => self.meeting.open(call),
                Effect::CloseRoom { call } => self.meeting.close(call),
                Effect::Push { device, call } => {
                    self.neighbours.push.push(Wake::Ring, device, call);
                }
                Effect::CancelPush { device, call } => {
                    self.neighbours.push.push(Wake::Cancel, device, call);
                }
                Effect::Phone(command) => self.neighbours.phones.network.send(command),
                Effect::FindDevices { call, user } => self.find_devices(call, user),
                Effect::Seat(seating) => self.seat(seating),
                Effect::Unseat { phone } => {
                    self.seats.remove(&phone);
                }
            }
        }
    }

    /// A task of its own sits in the room until it loses the seat, or is told to go by the drop of
    /// what is kept here.
    fn seat(&mut self, seating: Seating) {
        let phone = seating.phone;
        let (stay, go) = oneshot::channel::<()>();
        self.seats.insert(phone, stay);
        let sitting = sit(self.neighbours.phones.clone(), self.neighbours.rooms.clone(), seating);
        let mailbox = self.mailbox.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = sitting => {}
                _ = go => {}
            }
            if let Some(mailbox) = mailbox.upgrade() {
                let input = Input::PhoneUnseated { phone };
                let _ = mailbox.send(Mail::Post { input }).await;
            }
        });
    }

    /// Ask the store in a task of its own; without an answer only connected devices ring.
    fn find_devices(&self, call: CallId, user: UserId) {
        let (store, mailbox) = (self.neighbours.store.clone(), self.mailbox.clone());
        tokio::spawn(async move {
            let devices = match store.devices_of(user).await {
                Ok(devices) => devices.into_iter().map(|device| device.id).collect(),
                Err(error) => {
                    tracing::warn!(%call, %error, "devices not found, so none is woken");
                    return;
                }
            };
            if let Some(mailbox) = mailbox.upgrade() {
                let _ = mailbox.send(Mail::Post { input: Input::Devices { call, devices } }).await;
            }
        });
    }

    fn tell(&mut self, device: DeviceId, event: Event) {
        let Some(attached) = self.devices.get(&device) else { return };
        let event = match event {
            Event::Progress { call, user } => {
                translate::progress(call, self.grant(call, user, &attached.name))
            }
            Event::Accepted { call, user, accepted_at } => {
                let grant = self.grant(call, user, &attached.name);
                translate::accepted(call, grant, accepted_at)
            }
            event => translate::event(event),
        };
        self.deliver(device, event);
    }

    fn deliver(&mut self, device: DeviceId, event: DeviceEvent) {
        let Some(attached) = self.devices.get(&device) else { return };
        if let Err(error) = attached.events.try_send(event) {
            self.slow_sessions += u64::from(matches!(error, mpsc::error::TrySendError::Full(_)));
            self.devices.remove(&device);
        }
    }

    fn snapshot(&self, by: By, call: Snapshot) -> CallSnapshot {
        let name = self.devices.get(&by.device).map(|attached| attached.name.as_ref());
        let grant = call.room_ready.then(|| self.grant(call.call, by.user, name.unwrap_or("")));
        translate::snapshot(call, grant.flatten())
    }

    /// A token for one user in one call's room. Nothing but a configuration without keys prevents
    /// it; the device then has no way in, and the call ends at its join timeout.
    fn grant(&self, call: CallId, user: UserId, name: &str) -> Option<MediaGrant> {
        let room = room_name(call);
        let claims = Claims { name: name.into(), ..Claims::join(room.as_str(), user.to_string()) };
        match self.neighbours.keys.mint(&claims, self.options.grant_ttl) {
            Ok(token) => Some(MediaGrant { url: self.options.media_url.clone(), token, room }),
            Err(error) => {
                tracing::error!(%call, %error, "no media grant could be signed");
                None
            }
        }
    }

    fn record(&mut self, record: Record, step: RecordStep) {
        let call = record.call;
        match (step, record.ending) {
            (RecordStep::Open, _) => tracing::info!(%call, "call placed"),
            (RecordStep::Accept, _) => tracing::info!(%call, "call accepted"),
            (RecordStep::Close, Some(ending)) => {
                tracing::info!(%call, cause = ending.cause.label(), "call ended");
            }
            (RecordStep::Close, None) => {}
        }
        if !self.writer.write(record, step) {
            tracing::warn!(%call, "too many records wait to be written, call refused");
            let _ = self.handle(Input::Recorded { call, durable: false });
        }
    }
}
