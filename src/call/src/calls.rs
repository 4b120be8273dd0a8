//! The call machine: one server-owned record per call, from placing to its end.
//!
//! A call is *opening* until its record is durable, *placed* while the callee's devices are told,
//! *ringing* once one of them acknowledged, *accepted* when one took it, and then over. Every state
//! has a timer that ends the call, so none outlives its limits; every end has a [`Cause`]; a record
//! is opened once and closed once.
//!
//! Rules that are easy to get wrong, and where they live:
//! - Accept is compare-and-set ([`requests`]): the first device wins, the others are told, a late
//!   one is refused.
//! - A user is in at most one call. Whoever calls them meanwhile hears "busy" and nothing else;
//!   their devices stay quiet.
//! - Glare: when B calls A while A's call to B is not answered yet, both want to talk, so B's call
//!   becomes the accept of A's. It does not matter which of the two came first, since the later one
//!   always finds the earlier. Each side brings the media that it asked for.
//! - A number that is unknown, blocked or merely out of reach takes the same path and the same time
//!   to "unavailable".
//! - One side may be a phone. It is rung, answered and hung up through the gateway, and counts as
//!   present until the gateway says otherwise ([`phone`]).
//! - Once accepted, the room is the evidence: a side that is in it is not lost, whatever its
//!   signaling connection does.
//!
//! Files: [`requests`] what devices ask, [`sessions`] devices coming and going, [`progress`] how a
//! call moves on and ends, [`phone`] what the gateway says, [`live`] one call with its timers.

mod gone;
mod legs;
mod live;
mod pace;
mod phone;
mod presence;
mod progress;
mod requests;
mod sessions;
#[cfg(test)]
mod tests;

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use offhook_types::counters::Counters;
use offhook_types::{CallId, DeviceId, Rng, Time, UserId, WallTime};

use crate::cause::{Cause, Refusal, RefusalKind};
use crate::effect::{Effect, Event, Snapshot};
use crate::input::{By, Input, Reply};
use gone::Gone;
use legs::Legs;
use live::{Live, Room};
use pace::Pace;
use presence::Presence;

/// Limits and timers. Every state of a call has one, so no call outlives its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// For the opening record to be durable. Then [`Cause::Server`].
    pub record_timeout: Duration,
    /// For the first device to acknowledge. Then [`Cause::Unavailable`].
    pub ring_ack_timeout: Duration,
    /// For somebody to answer, from the moment the devices are told. Then [`Cause::NoAnswer`].
    pub no_answer_timeout: Duration,
    /// For a caller whose connection broke to come back before an answer. Then
    /// [`Cause::Cancelled`].
    pub caller_grace: Duration,
    /// For the room of an accepted call to stand. Then [`Cause::Server`].
    pub room_timeout: Duration,
    /// For each side to join the room once it stands. Then [`Cause::ConnectionLost`].
    pub join_timeout: Duration,
    /// For a side that left the room to come back. Then [`Cause::ConnectionLost`].
    pub reconnect_grace: Duration,
    /// Longest call from accept to end. Then [`Cause::TimeLimit`].
    pub max_duration: Duration,
    /// For the gateway to say where a phone's sound comes from, since it was dialled or answered.
    /// Then [`Cause::Server`].
    pub bridge_timeout: Duration,
    /// For a phone to be answered, since it was dialled. Then [`Cause::NoAnswer`], or
    /// [`Cause::Unavailable`] when it never rang.
    pub phone_answer_timeout: Duration,
    /// For the gateway to say that a phone leg has ended after it was told to hang up. Then the
    /// leg is forgotten and counted.
    pub phone_end_timeout: Duration,
    /// For how long an ended call is remembered, to tell a device that rings late.
    pub memory: Duration,
    /// Live calls at once.
    pub max_calls: usize,
    /// Calls that one user may place per minute, on average.
    pub places_per_minute: u32,
    /// Calls that one user may place in a burst.
    pub place_burst: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            record_timeout: Duration::from_secs(5),
            ring_ack_timeout: Duration::from_secs(10),
            no_answer_timeout: Duration::from_secs(45),
            caller_grace: Duration::from_secs(15),
            room_timeout: Duration::from_secs(5),
            join_timeout: Duration::from_secs(20),
            reconnect_grace: Duration::from_secs(60),
            max_duration: Duration::from_secs(12 * 3600),
            // The gateway has a bridge before it sends anything, so this bounds its own delays:
            // a reservation and a record that must be durable.
            bridge_timeout: Duration::from_secs(10),
            // Longer than carriers let a phone ring, so that their own end is the usual one.
            phone_answer_timeout: Duration::from_secs(120),
            // Two transactions that time out after 32 s each (RFC 3261 §17.1), say CANCEL and BYE.
            phone_end_timeout: Duration::from_secs(75),
            memory: Duration::from_secs(120),
            max_calls: 100_000,
            places_per_minute: 12,
            place_burst: 6,
        }
    }
}

/// What the machine counted since its start.
#[derive(Debug, Clone, Default)]
pub struct Stats {
    /// Calls placed.
    pub placed: u64,
    /// Calls placed while the other side's call was not answered yet, so that they became its
    /// accept.
    pub glare: u64,
    /// Calls accepted.
    pub accepted: u64,
    /// Calls ended, by the cause in their record.
    pub ended: Counters<Cause>,
    /// Requests refused.
    pub refused: Counters<RefusalKind>,
    /// Phone legs that were told to hang up and of which no end was heard.
    pub phones_lost: u64,
}

/// The machine.
#[derive(Debug)]
pub struct Calls {
    config: Config,
    rng: Rng,
    calls: BTreeMap<CallId, Live>,
    /// Every live call under the time of its next timer.
    timers: BTreeSet<(Time, CallId)>,
    /// The live call of each user that has one.
    in_call: BTreeMap<UserId, CallId>,
    legs: Legs,
    presence: Presence,
    pace: Pace,
    gone: Gone,
    draining: bool,
    effects: VecDeque<Effect>,
    stats: Stats,
}

impl Calls {
    /// A machine without calls. Call ids are drawn from `rng`; they are no secrets.
    pub fn new(config: Config, rng: Rng) -> Self {
        Self {
            config,
            rng,
            calls: BTreeMap::new(),
            timers: BTreeSet::new(),
            in_call: BTreeMap::new(),
            legs: Legs::default(),
            presence: Presence::default(),
            pace: Pace::new(config.places_per_minute, config.place_burst),
            gone: Gone::default(),
            draining: false,
            effects: VecDeque::new(),
            stats: Stats::default(),
        }
    }

    /// Take an input, after the timers that are due by `now`. `wall` dates the record of a call
    /// that is placed; the rest of the record is counted from there.
    pub fn handle(&mut self, now: Time, wall: WallTime, input: Input) -> Result<Reply, Refusal> {
        self.handle_timeout(now);
        let result = self.dispatch(now, wall, input);
        if let Err(refusal) = result {
            self.stats.refused.add(refusal.kind());
        }
        result
    }

    fn dispatch(&mut self, now: Time, wall: WallTime, input: Input) -> Result<Reply, Refusal> {
        match input {
            Input::Attach { by, session } => return Ok(self.attach(now, by, session)),
            Input::Detach { by, session } => self.detach(now, by, session),
            Input::Close { by, session } => self.close(now, by, session),
            Input::SignOut { by } => self.sign_out(now, by),
            Input::Place(place) => return self.place(now, wall, place),
            Input::RingAck { by, call } => return self.ring_ack(by, call),
            Input::Accept { by, call } => return self.accept(now, by, call),
            Input::Decline { by, call } => return self.decline(now, by, call),
            Input::Cancel { by, call } => return self.cancel(now, by, call),
            Input::HangUp { by, call } => return self.hang_up(now, by, call),
            Input::Press { by, call, digits } => return self.press(by, call, digits),
            Input::Hold { by, call, held } => return self.hold(by, call, held),
            Input::Phone(event) => self.phone_event(now, wall, event),
            Input::Devices { call, devices } => self.found(call, devices),
            Input::PhoneUnseated { phone } => self.phone_unseated(now, phone),
            Input::Recorded { call, durable } => self.recorded(now, call, durable),
            Input::RoomReady { call } => self.room_ready(now, call),
            Input::RoomGone { call } => self.room_gone(now, call),
            Input::MediaJoined { call, user } => self.media_joined(call, user),
            Input::MediaLeft { call, user } => self.media_left(now, call, user),
            Input::MediaPresent { call, users } => self.media_present(now, call, &users),
            Input::Drain => self.draining = true,
            Input::Stop => self.stop(now),
        }
        Ok(Reply::Done)
    }

    /// Let the timers fire that are due by `now`.
    pub fn handle_timeout(&mut self, now: Time) {
        while let Some(&(due, call)) = self.timers.first().filter(|&&(due, _)| due <= now) {
            match self.calls.get(&call) {
                Some(live) => {
                    let (_, cause) = live.timer(&self.config);
                    self.end(now, call, cause, None);
                }
                None => {
                    self.timers.remove(&(due, call));
                }
            }
        }
        self.time_legs(now);
        self.gone.prune(now);
    }

    /// The next thing to be done, until there is none.
    pub fn poll(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    pub fn next_timeout(&self) -> Option<Time> {
        let timer = self.timers.first().map(|&(due, _)| due);
        [timer, self.legs.next_timeout(), self.gone.next_timeout()].into_iter().flatten().min()
    }

    /// The live calls that a device is part of, as [`Reply::Attached`] would show them.
    pub fn snapshot(&self, now: Time, by: By) -> Vec<Snapshot> {
        let call = self.in_call.get(&by.user).and_then(|call| self.calls.get(call));
        call.and_then(|live| live.snapshot(now, by)).into_iter().collect()
    }

    /// The calls whose room stands.
    pub fn met(&self) -> impl Iterator<Item = CallId> + '_ {
        let met = |live: &&Live| live.room == Room::Stands;
        self.calls.values().filter(met).map(|live| live.id)
    }

    /// Phone legs that have not ended.
    pub fn phones(&self) -> usize {
        self.legs.len()
    }

    /// The devices of a user that have a session, broken or not.
    pub fn devices_of(&self, user: UserId) -> impl Iterator<Item = DeviceId> + '_ {
        self.presence.all_of(user)
    }

    /// Live calls.
    pub fn live(&self) -> usize {
        self.calls.len()
    }

    /// What was counted so far.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Checks that the machine's tables agree with each other; says which do not. For simulation
    /// and fuzzing.
    pub fn audit(&self) -> Result<(), &'static str> {
        if self.timers.len() != self.calls.len() {
            return Err("a call has no timer, or several");
        }
        for (id, live) in &self.calls {
            if live.due != live.timer(&self.config).0 || !self.timers.contains(&(live.due, *id)) {
                return Err("a call's timer is not the one that is set");
            }
            if live.due == Time::MAX {
                return Err("a call has no limit");
            }
            if live.users().any(|user| self.in_call.get(&user) != Some(id)) {
                return Err("a user of a call is not marked as being in it");
            }
        }
        if self.in_call.values().any(|call| !self.calls.contains_key(call)) {
            return Err("a user is marked as being in a call that is over");
        }
        self.legs.audit(|call| self.calls.contains_key(&call))
    }

    /// Set the timer of a call anew after it changed.
    fn reschedule(&mut self, call: CallId) {
        let Some(live) = self.calls.get_mut(&call) else { return };
        self.timers.remove(&(live.due, call));
        live.due = live.timer(&self.config).0;
        self.timers.insert((live.due, call));
    }

    fn tell(&mut self, device: DeviceId, event: Event) {
        self.effects.push_back(Effect::Tell { device, event });
    }

    fn live_of(&mut self, user: UserId) -> Option<&mut Live> {
        self.in_call.get(&user).and_then(|call| self.calls.get_mut(call))
    }
}
