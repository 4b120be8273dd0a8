//! Calls with a phone on one side: what the gateway says, what devices ask of the phone, and that
//! every leg ends.
//!
//! - Out: the record is durable, then the room is ordered and the number dialled. The caller is
//!   told to join as soon as room and bridge stand, to hear tones and announcements; the answer is
//!   the accept. It is compare-and-set too: an answer that crosses a cancel finds no call, and the
//!   leg was told to hang up already.
//! - In: the call rings like one between devices; the phone is answered when a device accepts.
//! - Into a room: nobody is rung. The phone sits in the room until one of the three ends it: itself,
//!   the room, the longest call allowed.
//! - A leg is hung up once at most, and remembered until the gateway says that it has ended, or for
//!   [`Config::phone_end_timeout`](super::Config::phone_end_timeout).

use core::net::SocketAddr;
use std::collections::BTreeSet;

use offhook_types::phone::{self, Command, Digit, Event as PhoneEvent, Incoming, Reached};
use offhook_types::{CallId, PhoneId, Time, UserId, WallTime};

use super::Calls;
use super::legs::{Leg, Visit};
use super::live::{Live, Opening, Room, Seat, Stage};
use crate::cause::{Cause, Refusal};
use crate::effect::{Effect, Event, Seating, Venue};
use crate::input::{By, Reply};
use crate::record::{Media, Party};

/// The phone side of a live call.
#[derive(Debug)]
pub(super) struct Phone {
    pub id: PhoneId,
    /// What to dial with; none for a leg that came in.
    pub order: Option<Order>,
    pub bridge: Bridge,
    /// It was given a seat in the room.
    pub seated: bool,
    /// It sends sound before the answer.
    pub early: bool,
    pub held: bool,
    pub held_by_peer: bool,
}

/// What goes into the dialling besides the number.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub quote: Option<offhook_types::QuoteId>,
    pub anonymous: bool,
}

/// What is known of the gateway's side of the path into the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bridge {
    /// Nothing, and nobody waits for it.
    Unknown,
    /// Nothing yet; without it there is no call.
    Awaited {
        until: Time,
    },
    At(SocketAddr),
}

impl Phone {
    pub fn new(id: PhoneId, order: Option<Order>) -> Self {
        Self {
            id,
            order,
            bridge: Bridge::Unknown,
            seated: false,
            early: false,
            held: false,
            held_by_peer: false,
        }
    }

    /// When it is too late for a bridge.
    pub fn bridge_until(&self) -> Time {
        match self.bridge {
            Bridge::Awaited { until } => until,
            Bridge::Unknown | Bridge::At(_) => Time::MAX,
        }
    }

    pub fn bridged(&self) -> bool {
        matches!(self.bridge, Bridge::At(_))
    }
}

impl Calls {
    pub(super) fn phone_event(&mut self, now: Time, wall: WallTime, event: PhoneEvent) {
        match event {
            PhoneEvent::Incoming(incoming) => self.phone_incoming(now, wall, incoming),
            PhoneEvent::Bridge { phone, address } => self.bridged(now, phone, address),
            PhoneEvent::Ringing { phone } => self.phone_rings(phone),
            PhoneEvent::EarlyMedia { phone } => {
                if let Some(leg) = self.phone_call(phone).and_then(|live| live.phone.as_mut()) {
                    leg.early = true;
                }
            }
            PhoneEvent::Answered { phone, .. } => self.phone_answered(now, phone),
            PhoneEvent::Held { phone, held } => self.held_by_phone(phone, held),
            PhoneEvent::Warning { phone, left, cause } => {
                let cause = Cause::of_phone(cause);
                self.tell_talker(phone, |call| Event::Warning { call, left, cause });
            }
            PhoneEvent::Ended { phone, cause } => self.phone_ended(now, phone, cause),
        }
    }

    /// Dial: the record is durable.
    pub(super) fn dial(&mut self, now: Time, call: CallId) {
        let Some(live) = self.calls.get_mut(&call) else { return };
        let (Some(leg), Some(caller)) = (&mut live.phone, &live.caller) else { return };
        let Some(order) = leg.order.clone() else { return };
        let rings_until = now + self.config.phone_answer_timeout;
        live.stage = Stage::Placed { ack_until: rings_until, rings_until };
        live.room = Room::Awaited { until: now + self.config.room_timeout };
        leg.bridge = Bridge::Awaited { until: now + self.config.bridge_timeout };
        let user = caller.by.user;
        let dial = phone::Dial {
            phone: leg.id,
            call,
            user,
            to: live.number.clone(),
            quote: order.quote,
            anonymous: order.anonymous,
        };
        self.legs.insert(leg.id, Leg::Call(call));
        self.effects.push_back(Effect::OpenRoom { call, users: vec![user] });
        self.effects.push_back(Effect::Phone(Command::Dial(dial)));
        self.reschedule(call);
    }

    /// Answer the phone, whose call a device has just taken.
    pub(super) fn answer_phone(&mut self, now: Time, call: CallId) {
        let until = now + self.config.bridge_timeout;
        let Some(leg) = self.calls.get_mut(&call).and_then(|live| live.phone.as_mut()) else {
            return;
        };
        if !leg.bridged() {
            leg.bridge = Bridge::Awaited { until };
        }
        self.effects.push_back(Effect::Phone(Command::Answer { phone: leg.id }));
        self.reschedule(call);
    }

    /// A device shows the call that a phone placed.
    pub(super) fn ring_back(&mut self, call: CallId) {
        let Some(leg) = self.calls.get(&call).and_then(|live| live.phone.as_ref()) else { return };
        self.effects.push_back(Effect::Phone(Command::Ringing { phone: leg.id, call }));
    }

    /// Bring the phone into the room, and the caller of one that is not answered yet, once there is
    /// a room and a way to it.
    pub(super) fn seat_phone(&mut self, now: Time, call: CallId) {
        let join_until = now + self.config.join_timeout;
        let Some(live) = self.calls.get_mut(&call) else { return };
        let accepted = live.accepted().is_some();
        let Some(leg) = live.phone.as_mut().filter(|leg| !leg.seated) else { return };
        let Bridge::At(bridge) = leg.bridge else { return };
        if live.room != Room::Stands {
            return;
        }
        leg.seated = true;
        let party = match leg.order {
            Some(_) => Party { number: Some(live.number.clone()), name: "".into() },
            None => live.from.clone(),
        };
        let venue = Venue::Call(call);
        self.effects.push_back(Effect::Seat(Seating { phone: leg.id, venue, party, bridge }));
        if let Some(caller) = live.caller.as_mut().filter(|_| !accepted) {
            caller.seat = Seat::Awaited { until: join_until };
            let By { user, device } = caller.by;
            self.tell(device, Event::Progress { call, user });
        }
    }

    pub(super) fn press(
        &mut self,
        by: By,
        call: CallId,
        digits: Vec<Digit>,
    ) -> Result<Reply, Refusal> {
        let (leg, accepted) = self.talking(by, call)?;
        if !accepted && !leg.early {
            return Err(Refusal::WrongState);
        }
        let phone = leg.id;
        self.effects.push_back(Effect::Phone(Command::Press { phone, digits }));
        Ok(Reply::Done)
    }

    pub(super) fn hold(&mut self, by: By, call: CallId, held: bool) -> Result<Reply, Refusal> {
        let (leg, accepted) = self.talking(by, call)?;
        if !accepted {
            return Err(Refusal::WrongState);
        }
        if core::mem::replace(&mut leg.held, held) != held {
            let phone = leg.id;
            self.effects.push_back(Effect::Phone(Command::Hold { phone, held }));
            self.tell(by.device, Event::Held { call, held, by_peer: false });
        }
        Ok(Reply::Done)
    }

    /// The phone that a device talks to, and whether the call is accepted.
    fn talking(&mut self, by: By, call: CallId) -> Result<(&mut Phone, bool), Refusal> {
        let live = self.party_call(by, call)?;
        let accepted = live.accepted().is_some();
        if live.side_of(by.device).is_none() {
            return Err(Refusal::WrongState);
        }
        live.phone.as_mut().map(|leg| (leg, accepted)).ok_or(Refusal::WrongState)
    }

    fn phone_incoming(&mut self, now: Time, wall: WallTime, incoming: Incoming) {
        let phone = incoming.phone;
        if self.legs.knows(phone) {
            return;
        }
        let live = self.calls.len().max(self.legs.len());
        if self.draining || live >= self.config.max_calls {
            return self.hang_up_leg(now, phone, phone::Cause::Congestion);
        }
        match incoming.to.clone() {
            Reached::User(user) => self.phone_calls_user(now, wall, user, incoming),
            Reached::Room(room) => {
                let party = party(&incoming);
                let bridge_until = now + self.config.bridge_timeout;
                let until = now + self.config.max_duration;
                let visit = Visit { room, party, until, bridge_until: Some(bridge_until) };
                self.legs.insert(phone, Leg::Visit(visit));
            }
        }
    }

    fn phone_calls_user(&mut self, now: Time, wall: WallTime, user: UserId, incoming: Incoming) {
        let id = self.fresh_id();
        let live = Live {
            id,
            caller: None,
            from: party(&incoming),
            number: incoming.called.into(),
            callee: Some(user),
            phone: Some(Phone::new(incoming.phone, None)),
            devices: Vec::new(),
            media: Media::Audio,
            placed: now,
            placed_at: wall,
            opening: Opening::Pending,
            rung: BTreeSet::new(),
            pushed: BTreeSet::new(),
            stage: Stage::Opening { until: now + self.config.record_timeout },
            room: Room::Unwanted,
            due: Time::MAX,
        };
        self.stats.placed = self.stats.placed.wrapping_add(1);
        self.legs.insert(incoming.phone, Leg::Call(id));
        self.effects.push_back(Effect::FindDevices { call: id, user });
        self.begin(now, live);
    }

    fn bridged(&mut self, now: Time, phone: PhoneId, address: SocketAddr) {
        if let Some(seating) = self.legs.visit_bridged(phone, address) {
            self.effects.push_back(Effect::Seat(seating));
        }
        let Some(live) = self.phone_call(phone) else { return };
        let call = live.id;
        if let Some(leg) = live.phone.as_mut().filter(|leg| !leg.bridged()) {
            leg.bridge = Bridge::At(address);
            self.seat_phone(now, call);
            self.reschedule(call);
        }
    }

    fn phone_rings(&mut self, phone: PhoneId) {
        let Some(live) = self.dialled(phone) else { return };
        let Stage::Placed { rings_until, .. } = live.stage else { return };
        live.stage = Stage::Ringing { rings_until };
        let (call, caller) = (live.id, live.caller_device());
        if let Some(device) = caller {
            self.tell(device, Event::Ringing { call });
        }
        self.reschedule(call);
    }

    fn phone_answered(&mut self, now: Time, phone: PhoneId) {
        let Some(live) = self.dialled(phone) else { return };
        if matches!(live.stage, Stage::Placed { .. } | Stage::Ringing { .. }) {
            let call = live.id;
            self.take(now, call, None);
        }
    }

    fn held_by_phone(&mut self, phone: PhoneId, held: bool) {
        let Some(leg) = self.phone_call(phone).and_then(|live| live.phone.as_mut()) else { return };
        if core::mem::replace(&mut leg.held_by_peer, held) != held {
            self.tell_talker(phone, |call| Event::Held { call, held, by_peer: true });
        }
    }

    fn phone_ended(&mut self, now: Time, phone: PhoneId, cause: phone::Cause) {
        match self.legs.remove(phone) {
            Some(Leg::Call(call)) => {
                let Some(live) = self.calls.get(&call) else { return };
                let cause = match (live.accepted(), cause) {
                    // Nobody had answered: the side that hung up took its call back or turned ours
                    // away.
                    (None, phone::Cause::HungUp) if live.caller.is_none() => Cause::Cancelled,
                    (None, phone::Cause::HungUp) => Cause::Declined,
                    (_, cause) => Cause::of_phone(cause),
                };
                self.end(now, call, cause, None);
            }
            Some(Leg::Visit(_)) => self.effects.push_back(Effect::Unseat { phone }),
            Some(Leg::Closing { .. }) | None => {}
        }
    }

    pub(super) fn phone_unseated(&mut self, now: Time, phone: PhoneId) {
        match self.legs.get(phone) {
            Some(&Leg::Call(call)) => self.end(now, call, Cause::ConnectionLost, None),
            Some(Leg::Visit(_)) => self.hang_up_leg(now, phone, phone::Cause::HungUp),
            Some(Leg::Closing { .. }) | None => {}
        }
    }

    /// The call of a phone leg is over: hang up, unless the leg ended it.
    pub(super) fn release_phone(&mut self, now: Time, live: &Live, cause: Cause) {
        let Some(leg) = &live.phone else { return };
        if self.legs.knows(leg.id) {
            self.hang_up_leg(now, leg.id, cause.to_phone());
        }
        if leg.seated {
            self.effects.push_back(Effect::Unseat { phone: leg.id });
        }
    }

    fn hang_up_leg(&mut self, now: Time, phone: PhoneId, cause: phone::Cause) {
        let until = now + self.config.phone_end_timeout;
        self.effects.push_back(Effect::Phone(Command::HangUp { phone, cause }));
        self.legs.insert(phone, Leg::Closing { until });
    }

    /// Let the timers of legs fire that are due.
    pub(super) fn time_legs(&mut self, now: Time) {
        while let Some(phone) = self.legs.due(now) {
            match self.legs.get(phone) {
                Some(Leg::Visit(visit)) => {
                    let cause = match visit.bridge_until {
                        Some(until) if until <= now => phone::Cause::Server,
                        _ => phone::Cause::TimeLimit,
                    };
                    self.hang_up_leg(now, phone, cause);
                    self.effects.push_back(Effect::Unseat { phone });
                }
                Some(Leg::Closing { .. }) => {
                    self.stats.phones_lost = self.stats.phones_lost.wrapping_add(1);
                    self.legs.remove(phone);
                }
                Some(Leg::Call(_)) | None => return,
            }
        }
    }

    /// End the visits of phones in rooms.
    pub(super) fn stop_visits(&mut self, now: Time) {
        for phone in self.legs.visits() {
            self.hang_up_leg(now, phone, phone::Cause::Server);
            self.effects.push_back(Effect::Unseat { phone });
        }
    }

    fn phone_call(&mut self, phone: PhoneId) -> Option<&mut Live> {
        match self.legs.get(phone) {
            Some(Leg::Call(call)) => self.calls.get_mut(call),
            _ => None,
        }
    }

    /// The call that a device placed to this phone.
    fn dialled(&mut self, phone: PhoneId) -> Option<&mut Live> {
        self.phone_call(phone).filter(|live| live.caller.is_some())
    }

    /// Tell the device at the other end of a phone.
    fn tell_talker(&mut self, phone: PhoneId, event: impl FnOnce(CallId) -> Event) {
        let Some(live) = self.phone_call(phone) else { return };
        let call = live.id;
        if let Some(device) = live.caller_device().or_else(|| live.callee_device()) {
            self.tell(device, event(call));
        }
    }
}

fn party(incoming: &Incoming) -> Party {
    Party { number: incoming.from.clone().map(Into::into), name: incoming.name.as_str().into() }
}
