//! What devices ask for: place, acknowledge, accept, decline, cancel, hang up.

use core::time::Duration;
use std::collections::BTreeSet;

use offhook_types::{CallId, Dialed, PhoneId, Time, WallTime};

use super::Calls;
use super::gone::Ended;
use super::live::{Live, Opening, Room, Side, Stage};
use super::phone::{Order, Phone};
use crate::cause::{Cause, Refusal};
use crate::effect::{Effect, Event, RecordStep};
use crate::input::{By, Place, Reach, Reply};

impl Calls {
    pub(super) fn place(
        &mut self,
        now: Time,
        wall: WallTime,
        place: Place,
    ) -> Result<Reply, Refusal> {
        let Place { by, reach, .. } = &place;
        if let Some(call) = self.glare(*by, reach) {
            self.stats.glare = self.stats.glare.wrapping_add(1);
            self.take(now, call, Some(*by));
            return Ok(Reply::Placed(call));
        }
        if self.in_call.contains_key(&by.user) {
            return Err(Refusal::InCall);
        }
        let own = matches!(reach, Reach::User { user, .. } if *user == by.user);
        if own || Some(&place.number) == place.caller.number.as_ref() {
            return Err(Refusal::BadNumber);
        }
        if self.draining || self.calls.len() >= self.config.max_calls {
            return Err(Refusal::Unavailable);
        }
        // A short code may be the way to help: it waits for nothing here.
        let urgent = matches!(place.number, Dialed::Short(_));
        let pace = self.pace.take(now, by.user);
        if let Err(wait) = pace.or_else(|wait| if urgent { Ok(()) } else { Err(wait) }) {
            let whole = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
            return Err(Refusal::RateLimited { retry_after: Duration::from_secs(whole) });
        }
        self.stats.placed = self.stats.placed.wrapping_add(1);
        Ok(Reply::Placed(self.open(now, wall, place)))
    }

    /// The call that the caller is being asked to take by the very user whom they now call.
    fn glare(&self, by: By, reach: &Reach) -> Option<CallId> {
        let Reach::User { user, .. } = reach else { return None };
        let live = self.calls.get(self.in_call.get(&by.user)?)?;
        let crossing = live.callee == Some(by.user)
            && live.caller.as_ref().is_some_and(|caller| caller.by.user == *user)
            && live.accepted().is_none();
        crossing.then_some(live.id)
    }

    fn open(&mut self, now: Time, wall: WallTime, place: Place) -> CallId {
        let id = self.fresh_id();
        let (callee, devices, phone) = match place.reach {
            Reach::Nobody => (None, Vec::new(), None),
            Reach::User { user, devices } => (Some(user), devices, None),
            Reach::Phone { quote, anonymous } => {
                let order = Order { quote, anonymous };
                (None, Vec::new(), Some(Phone::new(self.fresh_phone(), Some(order))))
            }
        };
        let lost = (!self.presence.connected(place.by.device)).then_some(now);
        let live = Live {
            id,
            caller: Some(Side::new(place.by, lost)),
            from: place.caller,
            number: place.number,
            callee,
            phone,
            devices,
            media: place.media,
            placed: now,
            placed_at: wall,
            opening: Opening::Pending,
            rung: BTreeSet::new(),
            pushed: BTreeSet::new(),
            stage: Stage::Opening { until: now + self.config.record_timeout },
            room: Room::Unwanted,
            due: Time::MAX,
        };
        self.begin(now, live);
        id
    }

    /// Write the opening record, unless the callee is busy: then that is all there is.
    pub(super) fn begin(&mut self, now: Time, live: Live) {
        let id = live.id;
        let record = live.record();
        self.effects.push_back(Effect::Record { record, step: RecordStep::Open });
        if live.callee.is_some_and(|user| self.in_call.contains_key(&user)) {
            return self.conclude(now, live, Cause::Busy, None);
        }
        for user in live.users() {
            self.in_call.insert(user, id);
        }
        self.calls.insert(id, live);
        self.reschedule(id);
    }

    fn fresh_phone(&mut self) -> PhoneId {
        loop {
            let id = PhoneId::random(&mut self.rng);
            if !self.legs.knows(id) {
                return id;
            }
        }
    }

    pub(super) fn fresh_id(&mut self) -> CallId {
        loop {
            let id = CallId::random(&mut self.rng);
            if !self.calls.contains_key(&id) && self.gone.find(id).is_none() {
                return id;
            }
        }
    }

    pub(super) fn ring_ack(&mut self, by: By, call: CallId) -> Result<Reply, Refusal> {
        if let Some(ended) = self.gone.find(call).filter(|ended| ended.callee == Some(by.user)) {
            let (cause, duration) = ended.told(by.device);
            self.tell(by.device, Event::Ended { call, cause, duration });
            return Err(Refusal::WrongState);
        }
        let live = self.callee_call(by, call)?;
        match live.stage {
            Stage::Placed { rings_until, .. } => {
                live.rung.insert(by.device);
                live.stage = Stage::Ringing { rings_until };
                match live.caller_device() {
                    Some(caller) => self.tell(caller, Event::Ringing { call }),
                    None => self.ring_back(call),
                }
                self.reschedule(call);
            }
            Stage::Ringing { .. } => {
                live.rung.insert(by.device);
            }
            Stage::Opening { .. } => return Err(Refusal::NoSuchCall),
            Stage::Accepted(_) if live.callee_device() == Some(by.device) => {}
            Stage::Accepted(_) => {
                let (cause, duration) = (Cause::AnsweredElsewhere, Duration::ZERO);
                self.tell(by.device, Event::Ended { call, cause, duration });
                return Err(Refusal::WrongState);
            }
        }
        Ok(Reply::Done)
    }

    pub(super) fn accept(&mut self, now: Time, by: By, call: CallId) -> Result<Reply, Refusal> {
        let live = self.callee_call(by, call)?;
        match &live.stage {
            Stage::Opening { .. } => return Err(Refusal::NoSuchCall),
            Stage::Placed { .. } | Stage::Ringing { .. } => self.take(now, call, Some(by)),
            Stage::Accepted(_) if live.callee_device() == Some(by.device) => {}
            Stage::Accepted(_) => return Err(Refusal::WrongState),
        }
        Ok(Reply::Done)
    }

    pub(super) fn decline(&mut self, now: Time, by: By, call: CallId) -> Result<Reply, Refusal> {
        let live = self.callee_call(by, call)?;
        match live.stage {
            Stage::Opening { .. } => return Err(Refusal::NoSuchCall),
            Stage::Accepted(_) => return Err(Refusal::WrongState),
            Stage::Placed { .. } | Stage::Ringing { .. } => {}
        }
        self.end(now, call, Cause::Declined, Some(by.device));
        Ok(Reply::Done)
    }

    pub(super) fn cancel(&mut self, now: Time, by: By, call: CallId) -> Result<Reply, Refusal> {
        let live = self.party_call(by, call)?;
        if live.caller_device() != Some(by.device) || live.accepted().is_some() {
            return Err(Refusal::WrongState);
        }
        self.end(now, call, Cause::Cancelled, None);
        Ok(Reply::Done)
    }

    pub(super) fn hang_up(&mut self, now: Time, by: By, call: CallId) -> Result<Reply, Refusal> {
        let live = self.party_call(by, call)?;
        let is_caller = live.caller_device() == Some(by.device);
        let cause = match live.accepted() {
            Some(_) if is_caller || live.callee_device() == Some(by.device) => Cause::HungUp,
            None if is_caller => Cause::Cancelled,
            _ => return Err(Refusal::WrongState),
        };
        self.end(now, call, cause, None);
        Ok(Reply::Done)
    }

    /// A live call that the device has a part in.
    pub(super) fn party_call(&mut self, by: By, call: CallId) -> Result<&mut Live, Refusal> {
        let over = self.gone.find(call).is_some_and(|ended: &Ended| ended.concerns(by));
        match self.calls.get_mut(&call) {
            Some(live) if live.concerns(by) => Ok(live),
            None if over => Err(Refusal::WrongState),
            _ => Err(Refusal::NoSuchCall),
        }
    }

    /// A live call in which the device is the callee's.
    fn callee_call(&mut self, by: By, call: CallId) -> Result<&mut Live, Refusal> {
        let live = self.party_call(by, call)?;
        if live.callee == Some(by.user) { Ok(live) } else { Err(Refusal::WrongState) }
    }
}
