//! What must hold at every step, kept apart from the machine: the judge believes only what went in
//! and what came out.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use offhook_call::{
    By, Cause, Config, Direction, Effect, Event, Input, Reach, Record, RecordStep, Refusal, Reply,
    State,
};
use offhook_types::{CallId, DeviceId, PhoneId, SessionId, Time, UserId, phone};

use super::session::Response;

type Verdict = Result<(), String>;

#[derive(Debug)]
pub(super) struct Judge {
    config: Config,
    now: Time,
    /// What is being handled; nothing when a timer fired.
    cause: Option<Input>,
    calls: BTreeMap<CallId, Tracked>,
    /// Every device that was ever attached, with its latest session.
    devices: BTreeMap<DeviceId, (By, SessionId)>,
    /// Since when devices are not connected.
    away: BTreeMap<DeviceId, Time>,
    /// Calls whose end was seen in this step.
    ended: Vec<CallId>,
    /// The call that each phone was dialled for.
    phones: BTreeMap<PhoneId, CallId>,
    /// A device that rang too late and is to hear so in this step.
    late: Option<(CallId, DeviceId)>,
}

#[derive(Debug)]
struct Tracked {
    caller: By,
    callee: Option<UserId>,
    /// The other side is a phone.
    phone: bool,
    placed: Time,
    /// The callee was in a call when this one was placed.
    busy: bool,
    recorded: Option<(Time, bool)>,
    acked: bool,
    ringing: bool,
    winner: Option<DeviceId>,
    accepted: Option<Time>,
    room: Room,
    /// Where both sides are with respect to the room, once it stands.
    seats: BTreeMap<UserId, Seat>,
    /// Devices that were told, or shown, that it rings.
    rung: BTreeSet<DeviceId>,
    pushed: BTreeSet<DeviceId>,
    told: BTreeMap<DeviceId, (Cause, Duration)>,
    closed: Option<(Cause, Duration)>,
    over: Option<Time>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Room {
    None,
    Ordered(Time),
    Ready,
    Closed,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Seat {
    In,
    Since(Time, Duration),
}

fn must(holds: bool, what: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(what()) }
}

impl Judge {
    pub fn new(config: Config) -> Self {
        Self {
            config,
            now: Time::ZERO,
            cause: None,
            calls: BTreeMap::new(),
            devices: BTreeMap::new(),
            away: BTreeMap::new(),
            ended: Vec::new(),
            phones: BTreeMap::new(),
            late: None,
        }
    }

    pub fn timer(&mut self, now: Time) {
        self.now = now;
        self.cause = None;
    }

    pub fn before(&mut self, now: Time, input: &Input) {
        self.now = now;
        self.cause = Some(input.clone());
        match input {
            Input::Detach { by, session } | Input::Close { by, session }
                if self.devices.get(&by.device) == Some(&(*by, *session)) =>
            {
                self.away.entry(by.device).or_insert(now);
            }
            Input::SignOut { by } => {
                self.away.entry(by.device).or_insert(now);
                for call in self.calls.values_mut() {
                    call.rung.remove(&by.device);
                }
            }
            Input::Attach { by, session } => {
                self.devices.insert(by.device, (*by, *session));
                self.away.remove(&by.device);
            }
            Input::MediaJoined { call, user } => self.seat(*call, *user, true),
            Input::MediaLeft { call, user } => self.seat(*call, *user, false),
            Input::Recorded { call, durable } => {
                if let Some(call) = self.calls.get_mut(call).filter(|call| call.over.is_none()) {
                    call.recorded.get_or_insert((now, *durable));
                }
            }
            Input::RoomReady { call } => {
                if let Some(call) = self.calls.get_mut(call)
                    && let Room::Ordered(_) = call.room
                {
                    call.room = Room::Ready;
                    // The caller of a phone comes when they are told, and must from the answer on.
                    if call.phone && call.accepted.is_none() {
                        return;
                    }
                    let joining = Seat::Since(now, self.config.join_timeout);
                    for user in [Some(call.caller.user), call.callee].into_iter().flatten() {
                        call.seats.insert(user, joining);
                    }
                }
            }
            Input::Phone(event) => self.phone(event),
            _ => {}
        }
    }

    /// What the gateway says of a phone.
    fn phone(&mut self, event: &phone::Event) {
        let now = self.now;
        let (phone::Event::Ringing { phone } | phone::Event::Answered { phone, .. }) = event else {
            return;
        };
        let call = self.phones.get(phone).and_then(|call| self.calls.get_mut(call));
        let Some(call) = call.filter(|call| call.over.is_none() && call.accepted.is_none()) else {
            return;
        };
        if matches!(event, phone::Event::Ringing { .. }) {
            call.acked = true;
            return;
        }
        call.accepted = Some(now);
        let joining = Seat::Since(now, self.config.join_timeout);
        if call.room == Room::Ready {
            let seat = call.seats.entry(call.caller.user).or_insert(joining);
            if *seat != Seat::In {
                *seat = joining;
            }
        }
    }

    fn seat(&mut self, call: CallId, user: UserId, joined: bool) {
        let grace = self.config.reconnect_grace;
        let Some(call) = self.calls.get_mut(&call).filter(|call| call.over.is_none()) else {
            return;
        };
        match call.seats.get_mut(&user) {
            Some(seat) if joined => *seat = Seat::In,
            Some(seat) if *seat == Seat::In => *seat = Seat::Since(self.now, grace),
            _ => {}
        }
    }

    /// What the machine answered.
    pub fn after(&mut self, input: &Input, response: &Response) -> Verdict {
        self.strangers(input, response)?;
        match (input, response) {
            (Input::Place(place), Ok(Reply::Placed(call))) => {
                if self.calls.contains_key(call) {
                    return self.crossed(place.by, &place.reach, *call);
                }
                let callee = match place.reach {
                    Reach::Nobody | Reach::Phone { .. } => None,
                    Reach::User { user, .. } => Some(user),
                };
                must(self.call_of(place.by.user).is_none(), || "two calls at once".into())?;
                let busy = callee.is_some_and(|user| self.call_of(user).is_some());
                let tracked = Tracked {
                    phone: matches!(place.reach, Reach::Phone { .. }),
                    ..Tracked::new(self.now, place.by, callee, busy)
                };
                self.calls.insert(*call, tracked);
                Ok(())
            }
            (Input::Place(place), Err(Refusal::InCall)) => {
                must(self.call_of(place.by.user).is_some(), || "refused although free".into())
            }
            (Input::Accept { by, call }, Ok(_)) => self.took(*by, *call),
            (Input::RingAck { by, call }, Ok(_)) => {
                let call = self.calls.get_mut(call).ok_or("acknowledged an unknown call")?;
                must(call.callee == Some(by.user), || "a stranger acknowledged".into())?;
                call.acked = true;
                if call.accepted.is_none() {
                    call.rung.insert(by.device);
                }
                Ok(())
            }
            (Input::RingAck { by, call }, Err(Refusal::WrongState)) => {
                let callee = self.calls.get(call).and_then(|call| call.callee);
                self.late = Some((*call, by.device)).filter(|_| callee == Some(by.user));
                Ok(())
            }
            (Input::Attach { by, .. }, Ok(Reply::Attached(calls))) => {
                for shown in calls {
                    let call = self.calls.get_mut(&shown.call).ok_or("shown an unknown call")?;
                    must(call.over.is_none(), || format!("{} is shown after its end", shown.call))?;
                    let incoming = shown.direction == Direction::Incoming;
                    if incoming && shown.state != State::Accepted {
                        must(call.callee == Some(by.user), || "rung a stranger".into())?;
                        must(call.accepted.is_none(), || "rung after the accept".into())?;
                        call.rung.insert(by.device);
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Other people's calls do not exist for a device.
    fn strangers(&self, input: &Input, response: &Response) -> Verdict {
        let (by, id) = match input {
            Input::RingAck { by, call }
            | Input::Accept { by, call }
            | Input::Decline { by, call }
            | Input::Cancel { by, call }
            | Input::HangUp { by, call } => (by, call),
            _ => return Ok(()),
        };
        let call = self.calls.get(id);
        let known = call.is_some_and(|call| call.caller == *by || call.callee == Some(by.user));
        must(known || *response == Err(Refusal::NoSuchCall), || {
            format!("{} has no part in {id} and hears {response:?}", by.device)
        })
    }

    /// A call was answered with one that exists: both sides called each other.
    fn crossed(&mut self, by: By, reach: &Reach, id: CallId) -> Verdict {
        let call = self.calls.get(&id).ok_or("crossed an unknown call")?;
        let crossing = matches!(reach, Reach::User { user, .. } if *user == call.caller.user);
        must(crossing && call.callee == Some(by.user), || format!("{id} does not cross"))?;
        must(call.winner.is_none(), || format!("{id} was taken twice by crossing"))?;
        self.took(by, id)
    }

    fn took(&mut self, by: By, id: CallId) -> Verdict {
        let now = self.now;
        let call = self.calls.get_mut(&id).ok_or("accepted an unknown call")?;
        must(call.over.is_none(), || format!("{id} was accepted after its end"))?;
        must(call.callee == Some(by.user), || format!("{id} was accepted by a stranger"))?;
        let winner = *call.winner.get_or_insert(by.device);
        call.accepted.get_or_insert(now);
        must(winner == by.device, || format!("{id} has two winners: {winner} and {}", by.device))
    }

    /// What the machine wants done.
    pub fn effect(&mut self, effect: &Effect) -> Verdict {
        match effect {
            Effect::Tell { device, event } => self.told(*device, event),
            Effect::Record { record, step } => self.record(record, *step),
            Effect::OpenRoom { call: id, .. } => {
                let now = self.now;
                let call = self.calls.get_mut(id).ok_or("a room for an unknown call")?;
                must(call.room == Room::None, || format!("a second room for {id}"))?;
                must(call.accepted.is_some() || call.phone, || {
                    format!("a room for {id} before the accept")
                })?;
                call.room = Room::Ordered(now);
                Ok(())
            }
            Effect::CloseRoom { call: id } => {
                let call = self.calls.get_mut(id).ok_or("an unknown call's room")?;
                let open = matches!(call.room, Room::Ordered(_) | Room::Ready);
                must(open, || format!("the room of {id} is closed while {:?}", call.room))?;
                call.room = Room::Closed;
                Ok(())
            }
            Effect::Push { device, call: id } => {
                let call = self.calls.get_mut(id).ok_or("a push for an unknown call")?;
                must(!call.busy, || format!("{id} is busy and wakes {device}"))?;
                call.pushed.insert(*device);
                Ok(())
            }
            Effect::CancelPush { device, call: id } => {
                let call = self.calls.get_mut(id).ok_or("a push for an unknown call")?;
                must(call.pushed.remove(device), || format!("{id} never woke {device}"))
            }
            Effect::Phone(phone::Command::Dial(dial)) => {
                let call = self.calls.get(&dial.call).ok_or("a phone for an unknown call")?;
                let durable = call.recorded.is_some_and(|(_, durable)| durable);
                must(durable && call.phone, || format!("{} is dialled too early", dial.call))?;
                self.phones.insert(dial.phone, dial.call);
                Ok(())
            }
            Effect::Phone(_) | Effect::FindDevices { .. } => Ok(()),
            Effect::Seat(_) | Effect::Unseat { .. } => Ok(()),
        }
    }

    fn told(&mut self, device: DeviceId, event: &Event) -> Verdict {
        let id = event.call();
        let call = self.calls.get_mut(&id).ok_or("an event of an unknown call")?;
        let user = self.devices.get(&device).map(|(by, _)| by.user);
        match event {
            Event::Incoming { .. } => {
                let durable = call.recorded.is_some_and(|(_, durable)| durable);
                must(durable, || format!("{id} rings before its record is durable"))?;
                must(!call.busy, || format!("{id} is busy and rings {device}"))?;
                must(call.callee.is_some() && call.callee == user, || {
                    format!("{id} rings {device}, a stranger's")
                })?;
                must(call.accepted.is_none() && call.over.is_none(), || {
                    format!("{id} rings late")
                })?;
                call.rung.insert(device);
                Ok(())
            }
            Event::Ringing { .. } => {
                must(call.caller.device == device, || format!("{device} hears ringback of {id}"))?;
                must(call.acked, || format!("{id} is said to ring before a device said so"))?;
                must(!call.ringing, || format!("{id} is said to ring twice"))?;
                call.ringing = true;
                Ok(())
            }
            Event::Accepted { user: of, .. } => {
                let side = call.caller == By { user: *of, device }
                    || call.winner == Some(device) && call.callee == Some(*of);
                must(side, || format!("{device} is sent to the room of {id} as {of}"))?;
                must(call.room == Room::Ready, || format!("{id} meets in a room not ready"))
            }
            Event::Progress { user: of, .. } => {
                must(call.phone && call.caller == By { user: *of, device }, || {
                    format!("{device} is sent to the room of {id} early")
                })?;
                must(call.room == Room::Ready && call.accepted.is_none(), || {
                    format!("{id} progresses into no room, or too late")
                })?;
                call.seats.insert(*of, Seat::Since(self.now, Duration::ZERO));
                Ok(())
            }
            Event::Held { .. } | Event::Warning { .. } => Ok(()),
            Event::Ended { cause, duration, .. } => call.told_end(id, device, *cause, *duration),
        }
    }

    fn record(&mut self, record: &Record, step: RecordStep) -> Verdict {
        let id = record.call;
        let call = self.calls.get_mut(&id).ok_or("a record of an unknown call")?;
        must(call.closed.is_none(), || format!("{id} is written after its close"))?;
        match step {
            RecordStep::Open => must(call.recorded.is_none(), || format!("{id} is opened twice")),
            RecordStep::Accept => {
                must(record.accepted_at.is_some(), || format!("{id} is accepted at no time"))
            }
            RecordStep::Close => {
                let failed = matches!(call.recorded, Some((_, false)));
                must(!failed, || format!("{id} is closed but was never opened"))?;
                let ending = record.ending.ok_or("a close without an ending")?;
                let talked = record.accepted_at.map_or(0, |at| ending.at.0.saturating_sub(at.0));
                call.closed = Some((ending.cause, Duration::from_millis(talked)));
                self.ended.push(id);
                Ok(())
            }
        }
    }

    /// After everything that one input or timer caused.
    pub fn settle(&mut self, now: Time) -> Verdict {
        if let Some(Input::Recorded { call, durable: false }) = self.cause
            && self
                .calls
                .get(&call)
                .is_some_and(|call| call.over.is_none() && call.closed.is_none())
        {
            self.ended.push(call);
        }
        for id in core::mem::take(&mut self.ended) {
            self.end(id)?;
        }
        if let Some((id, device)) = self.late.take() {
            let told = self.calls.get(&id).is_some_and(|call| call.told.contains_key(&device));
            must(told, || format!("{device} rings late for {id} and is not told"))?;
        }
        for (id, call) in self.calls.iter().filter(|(_, call)| call.over.is_none()) {
            self.rings_everywhere(*id, call)?;
            let away = self.away.get(&call.caller.device).copied();
            call.in_time(*id, now, away, &self.config)?;
        }
        Ok(())
    }

    /// While a call rings, every connected device of the callee knows.
    fn rings_everywhere(&self, id: CallId, call: &Tracked) -> Verdict {
        let ringing = matches!(call.recorded, Some((_, true))) && call.accepted.is_none();
        let theirs = self.devices.values().map(|(by, _)| by).filter(|by| {
            ringing && call.callee == Some(by.user) && !self.away.contains_key(&by.device)
        });
        let mut silent = theirs.filter(|by| !call.rung.contains(&by.device));
        silent.next().map_or(Ok(()), |by| Err(format!("{id} does not ring on {}", by.device)))
    }

    fn end(&mut self, id: CallId) -> Verdict {
        let (now, input) = (self.now, self.cause.clone());
        let call = self.calls.get_mut(&id).ok_or("the end of an unknown call")?;
        call.over = Some(now);
        let (cause, duration) = call
            .told
            .get(&call.caller.device)
            .copied()
            .ok_or_else(|| format!("{id} ended and its caller was not told"))?;
        if let Some((written, talked)) = call.closed {
            must(written == cause, || format!("{id}: told {cause:?}, wrote {written:?}"))?;
            let apart = duration.abs_diff(talked);
            must(apart < Duration::from_millis(2), || {
                format!("{id}: told {duration:?}, wrote {talked:?}")
            })?;
        }
        let sound = call.accepted.map_or(Duration::ZERO, |at| now.since(at));
        must(duration == sound, || format!("{id} lasted {sound:?} and not {duration:?}"))?;
        if let Some(winner) = call.winner {
            let heard = call.told.get(&winner).copied();
            must(heard == Some((cause, duration)), || {
                format!("{id}: the caller heard {cause:?} {duration:?}, the callee {heard:?}")
            })?;
        }
        for device in &call.rung {
            must(call.told.contains_key(device), || format!("{id} rings on {device} for ever"))?;
        }
        let left = call.pushed.iter().find(|&&device| call.winner != Some(device));
        must(left.is_none(), || format!("{id} leaves a push on {left:?}"))?;
        let closed = matches!(call.room, Room::None | Room::Closed);
        must(closed, || format!("{id} leaves its room open"))?;
        let lost = self.away.get(&call.caller.device).copied();
        call.just(id, cause, input.as_ref(), now, lost, &self.config)
    }

    /// Nothing may be open when a run is over.
    pub fn at_the_end(&self) -> Verdict {
        let open = self.calls.iter().find(|(_, call)| call.over.is_none());
        must(open.is_none(), || format!("never ended: {open:?}"))
    }

    /// What a device shows of an end.
    pub fn screen(&self, id: CallId, device: DeviceId, end: (Cause, Duration)) -> Verdict {
        let call = self.calls.get(&id).ok_or("an unknown call on a screen")?;
        let told = call.told.get(&device).copied();
        must(told == Some(end), || format!("{device} shows {end:?} of {id}, was told {told:?}"))
    }

    /// The call that a user is in.
    fn call_of(&self, user: UserId) -> Option<CallId> {
        let open = self.calls.iter().filter(|(_, call)| call.over.is_none() && !call.busy);
        let mut mine =
            open.filter(|(_, call)| call.caller.user == user || call.callee == Some(user));
        mine.next().map(|(&id, _)| id)
    }
}

impl Tracked {
    fn new(placed: Time, caller: By, callee: Option<UserId>, busy: bool) -> Self {
        Self {
            caller,
            callee,
            phone: false,
            placed,
            busy,
            recorded: None,
            acked: false,
            ringing: false,
            winner: None,
            accepted: None,
            room: Room::None,
            seats: BTreeMap::new(),
            rung: BTreeSet::new(),
            pushed: BTreeSet::new(),
            told: BTreeMap::new(),
            closed: None,
            over: None,
        }
    }

    /// What a device hears of the end must fit what the others hear.
    fn told_end(
        &mut self,
        id: CallId,
        device: DeviceId,
        cause: Cause,
        duration: Duration,
    ) -> Verdict {
        let before = self.told.insert(device, (cause, duration));
        must(before.is_none_or(|before| before == (cause, duration)), || {
            format!("{device} is told two ends of {id}: {before:?}, then {cause:?}")
        })?;
        let side = device == self.caller.device || self.winner == Some(device);
        if self.winner.is_some() && !side {
            return must(cause == Cause::AnsweredElsewhere && duration.is_zero(), || {
                format!("{device} did not answer {id} and hears {cause:?} {duration:?}")
            });
        }
        must(cause != Cause::AnsweredElsewhere, || format!("{id} was answered by nobody"))?;
        let callers = self.told.get(&self.caller.device).map(|&(cause, _)| cause);
        let agreed = match (callers, cause) {
            (Some(Cause::Declined), Cause::DeclinedElsewhere) => true,
            (Some(callers), _) => callers == cause,
            // The caller is told first, or the call is not over.
            (None, _) => false,
        };
        must(agreed, || format!("{device} hears {cause:?} of {id}, the caller {callers:?}"))
    }

    /// No state outlives its limit.
    fn in_time(&self, id: CallId, now: Time, away: Option<Time>, config: &Config) -> Verdict {
        let Some(accepted) = self.accepted else {
            let away = away.map(|since| since.max(self.placed) + config.caller_grace);
            must(away.is_none_or(|until| now < until), || format!("{id} rings for nobody"))?;
            let answer = match self.phone {
                true => config.phone_answer_timeout,
                false => config.no_answer_timeout,
            };
            let limit = self.placed + config.record_timeout + answer;
            must(now < limit, || format!("{id} still rings"))?;
            let Some((recorded, _)) = self.recorded else {
                let limit = self.placed + config.record_timeout;
                return must(now < limit, || format!("{id} still waits for its record"));
            };
            let unheard = recorded + config.ring_ack_timeout;
            return must(self.acked || self.phone || now < unheard, || {
                format!("{id} is still unheard")
            });
        };
        must(now < accepted + config.max_duration, || format!("{id} is too long"))?;
        if let Room::Ordered(since) = self.room {
            must(now < since + config.room_timeout, || format!("{id} still waits for its room"))?;
        }
        for (user, seat) in &self.seats {
            if let Seat::Since(since, grace) = *seat {
                must(now < since + grace, || format!("{id} goes on without {user}"))?;
            }
        }
        Ok(())
    }

    /// What ends only calls to phones.
    fn just_of_phone(
        &self,
        cause: Cause,
        input: Option<&Input>,
        after: &dyn Fn(Option<Time>, Duration) -> bool,
        config: &Config,
    ) -> bool {
        let recorded = self.recorded.map(|(at, _)| at);
        match (input, cause) {
            (Some(Input::Phone(phone::Event::Ended { cause: said, .. })), _) => {
                let early = self.accepted.is_none() && *said == phone::Cause::HungUp;
                cause == if early { Cause::Declined } else { Cause::of_phone(*said) }
            }
            (Some(Input::PhoneUnseated { .. }), cause) => cause == Cause::ConnectionLost,
            (None, Cause::NoAnswer) => self.acked && after(recorded, config.phone_answer_timeout),
            (None, Cause::Unavailable) => {
                !self.acked && after(recorded, config.phone_answer_timeout)
            }
            (None, Cause::Server) => {
                let room = after(recorded, config.room_timeout);
                room || after(recorded, config.bridge_timeout)
            }
            _ => false,
        }
    }

    /// A call ends for the reason it says, and at the time that this reason has.
    fn just(
        &self,
        id: CallId,
        cause: Cause,
        input: Option<&Input>,
        now: Time,
        caller_away: Option<Time>,
        config: &Config,
    ) -> Verdict {
        let after = |since: Option<Time>, span: Duration| {
            input.is_none() && since.is_some_and(|since| since + span == now)
        };
        let recorded = self.recorded.map(|(at, _)| at);
        let by = |by: &By| *by == self.caller || self.winner == Some(by.device);
        if self.phone && self.just_of_phone(cause, input, &after, config) {
            return Ok(());
        }
        let just = match cause {
            Cause::Busy => self.busy && self.told.len() == 1 && self.placed == now,
            Cause::HungUp => {
                self.accepted.is_some()
                    && match input {
                        Some(Input::HangUp { by: who, .. } | Input::SignOut { by: who }) => by(who),
                        _ => false,
                    }
            }
            Cause::Declined => {
                self.accepted.is_none()
                    && matches!(input,
                Some(Input::Decline { by, .. }) if self.callee == Some(by.user))
            }
            Cause::Cancelled => {
                self.accepted.is_none()
                    && match input {
                        Some(
                            Input::Cancel { by: who, .. }
                            | Input::HangUp { by: who, .. }
                            | Input::SignOut { by: who },
                        ) => *who == self.caller,
                        None => {
                            after(caller_away.map(|at| at.max(self.placed)), config.caller_grace)
                        }
                        _ => false,
                    }
            }
            Cause::NoAnswer => self.acked && after(recorded, config.no_answer_timeout),
            Cause::Unavailable => !self.acked && after(recorded, config.ring_ack_timeout),
            Cause::ConnectionLost => {
                input.is_none() && self.seats.values().any(|seat| *seat != Seat::In)
            }
            Cause::TimeLimit => after(self.accepted, config.max_duration),
            Cause::Server => match input {
                Some(Input::Recorded { durable, .. }) => !durable,
                Some(input) => matches!(input, Input::RoomGone { .. } | Input::Stop),
                None => recorded.is_none() || !self.seats.is_empty() || self.accepted.is_some(),
            },
            Cause::AnsweredElsewhere | Cause::DeclinedElsewhere => false,
            Cause::InvalidNumber
            | Cause::NotPermitted
            | Cause::NoCredit
            | Cause::CreditEnded
            | Cause::Carrier => false,
        };
        must(just, || format!("{id} ended with {cause:?} by {input:?}, which is not so: {self:?}"))
    }
}
