//! How a call moves on: rung, accepted, met, over.

use core::time::Duration;

use offhook_types::{CallId, DeviceId, Time, UserId};

use super::Calls;
use super::gone::Ended;
use super::live::{Accepted, Live, Opening, Room, Seat, Side, Stage};
use crate::cause::Cause;
use crate::effect::{Effect, Event, RecordStep};
use crate::input::By;
use crate::record::Ending;

impl Calls {
    /// The opening record was written, or was not.
    pub(super) fn recorded(&mut self, now: Time, call: CallId, durable: bool) {
        let Some(live) = self.calls.get_mut(&call) else { return };
        if live.opening != Opening::Pending {
            return;
        }
        if !durable {
            live.opening = Opening::Failed;
            return self.end(now, call, Cause::Server, None);
        }
        live.opening = Opening::Durable;
        // Glare may have accepted it before it was ever rung.
        if matches!(live.stage, Stage::Opening { .. }) {
            let to_phone = live.phone.as_ref().is_some_and(|phone| phone.order.is_some());
            if to_phone { self.dial(now, call) } else { self.ring(now, call) }
        }
    }

    fn ring(&mut self, now: Time, call: CallId) {
        let Some(live) = self.calls.get_mut(&call) else { return };
        live.stage = Stage::Placed {
            ack_until: now + self.config.ring_ack_timeout,
            rings_until: now + self.config.no_answer_timeout,
        };
        let reached = live.callee.into_iter().flat_map(|user| self.presence.of(user));
        live.rung = reached.collect();
        for &device in &live.rung {
            self.effects.push_back(Effect::Tell { device, event: live.incoming(now) });
        }
        self.push(call);
        self.reschedule(call);
    }

    /// Wake the devices that are not connected.
    fn push(&mut self, call: CallId) {
        let Some(live) = self.calls.get_mut(&call) else { return };
        for &device in live.devices.iter().filter(|&device| !live.rung.contains(device)) {
            if live.pushed.insert(device) {
                self.effects.push_back(Effect::Push { device, call });
            }
        }
    }

    /// The devices of the called user became known.
    pub(super) fn found(&mut self, call: CallId, devices: Vec<DeviceId>) {
        let Some(live) = self.calls.get_mut(&call).filter(|live| live.caller.is_none()) else {
            return;
        };
        live.devices = devices;
        if live.rings_until().is_some() {
            self.push(call);
        }
    }

    /// The callee takes the call on this device, or on the phone. The compare of compare-and-set
    /// was done by whoever asks.
    pub(super) fn take(&mut self, now: Time, call: CallId, by: Option<By>) {
        let side = by.map(|by| {
            let lost = (!self.presence.connected(by.device)).then_some(now);
            Side::new(by, lost)
        });
        let Some(live) = self.calls.get_mut(&call) else { return };
        live.stage = Stage::Accepted(Accepted { at: now, callee: side });
        let record = live.record();
        let others = core::mem::take(&mut live.rung);
        let pushed = core::mem::take(&mut live.pushed);
        let early = live.room;
        self.effects.push_back(Effect::Record { record, step: RecordStep::Accept });
        if early == Room::Unwanted {
            live.room = Room::Awaited { until: now + self.config.room_timeout };
            let users = live.users().collect();
            self.effects.push_back(Effect::OpenRoom { call, users });
        }
        let answered = by.map(|by| by.device);
        let (cause, duration) = (Cause::AnsweredElsewhere, Duration::ZERO);
        for device in others.into_iter().filter(|&device| Some(device) != answered) {
            self.tell(device, Event::Ended { call, cause, duration });
        }
        for device in pushed.into_iter().filter(|&device| Some(device) != answered) {
            self.effects.push_back(Effect::CancelPush { device, call });
        }
        self.stats.accepted = self.stats.accepted.wrapping_add(1);
        if by.is_some() {
            self.answer_phone(now, call);
        }
        if early == Room::Stands {
            self.meet(now, call);
        }
        self.reschedule(call);
    }

    pub(super) fn room_ready(&mut self, now: Time, call: CallId) {
        let Some(live) = self.calls.get_mut(&call) else { return };
        if !matches!(live.room, Room::Awaited { .. }) {
            return;
        }
        live.room = Room::Stands;
        let accepted = live.accepted().is_some();
        self.seat_phone(now, call);
        if accepted {
            self.meet(now, call);
        }
        self.reschedule(call);
    }

    /// The call is accepted and its room stands: both sides are to be in it. The caller of a phone
    /// may be there already.
    fn meet(&mut self, now: Time, call: CallId) {
        let until = now + self.config.join_timeout;
        let Some(live) = self.calls.get_mut(&call) else { return };
        let Some(at) = live.accepted().map(|accepted| accepted.at) else { return };
        let accepted_at = live.wall(at);
        for side in live.sides() {
            if side.seat != Seat::In {
                side.seat = Seat::Awaited { until };
            }
            let By { user, device } = side.by;
            let event = Event::Accepted { call, user, accepted_at };
            self.effects.push_back(Effect::Tell { device, event });
        }
    }

    pub(super) fn room_gone(&mut self, now: Time, call: CallId) {
        if self.calls.get(&call).is_some_and(|live| live.room != Room::Unwanted) {
            self.end(now, call, Cause::Server, None);
        }
    }

    pub(super) fn media_joined(&mut self, call: CallId, user: UserId) {
        let seat = self.calls.get_mut(&call).and_then(|live| live.seat_of(user));
        if let Some(seat) = seat.filter(|seat| **seat != Seat::NoRoom) {
            *seat = Seat::In;
            self.reschedule(call);
        }
    }

    pub(super) fn media_left(&mut self, now: Time, call: CallId, user: UserId) {
        let seat = self.calls.get_mut(&call).and_then(|live| live.seat_of(user));
        if let Some(seat) = seat.filter(|seat| **seat == Seat::In) {
            *seat = Seat::Out { since: now };
            self.reschedule(call);
        }
    }

    pub(super) fn media_present(&mut self, now: Time, call: CallId, users: &[UserId]) {
        let Some(live) = self.calls.get(&call) else { return };
        for user in live.users() {
            if users.contains(&user) {
                self.media_joined(call, user);
            } else {
                self.media_left(now, call, user);
            }
        }
    }

    pub(super) fn stop(&mut self, now: Time) {
        self.draining = true;
        while let Some((&call, _)) = self.calls.first_key_value() {
            self.end(now, call, Cause::Server, None);
        }
        self.stop_visits(now);
    }

    /// End a live call. `actor` is the callee's device that declined.
    pub(super) fn end(&mut self, now: Time, call: CallId, cause: Cause, actor: Option<DeviceId>) {
        let Some(live) = self.calls.remove(&call) else { return };
        self.timers.remove(&(live.due, call));
        for user in live.users() {
            self.in_call.remove(&user);
        }
        self.conclude(now, live, cause, actor);
    }

    /// Tell everybody concerned, close the record and the room, and remember the call for those who
    /// ask late.
    pub(super) fn conclude(
        &mut self,
        now: Time,
        live: Live,
        cause: Cause,
        actor: Option<DeviceId>,
    ) {
        let (call, duration) = (live.id, live.talked(now));
        let winner = live.callee_device();
        let answered_by = winner.or(actor);
        let ended = Ended {
            caller: live.caller.as_ref().map(|side| side.by),
            callee: live.callee,
            answered_by,
            accepted: live.accepted().is_some(),
            cause,
            duration,
        };
        if let Some(device) = live.caller_device() {
            self.tell(device, Event::Ended { call, cause, duration });
        }
        for device in live.rung.iter().copied().chain(winner) {
            let (cause, duration) = ended.told(device);
            self.tell(device, Event::Ended { call, cause, duration });
        }
        for &device in &live.pushed {
            self.effects.push_back(Effect::CancelPush { device, call });
        }
        self.release_phone(now, &live, cause);
        if live.room != Room::Unwanted {
            self.effects.push_back(Effect::CloseRoom { call });
        }
        if live.opening != Opening::Failed {
            let ending = Some(Ending { cause, at: live.wall(now) });
            let record = crate::record::Record { ending, ..live.record() };
            self.effects.push_back(Effect::Record { record, step: RecordStep::Close });
        }
        self.stats.ended.add(cause);
        let until = now + self.config.memory;
        self.gone.remember(until, call, ended, self.config.max_calls);
    }
}
