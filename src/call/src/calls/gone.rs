//! Calls that ended a moment ago, remembered to tell a device that rings late why it should stop.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use offhook_types::{CallId, DeviceId, Time, UserId};

use crate::cause::Cause;
use crate::input::By;

/// What is remembered of an ended call.
#[derive(Debug)]
pub(super) struct Ended {
    /// The device that placed it; none when a phone did.
    pub caller: Option<By>,
    pub callee: Option<UserId>,
    /// The callee's device that accepted or declined.
    pub answered_by: Option<DeviceId>,
    pub accepted: bool,
    pub cause: Cause,
    pub duration: Duration,
}

impl Ended {
    /// Whether the device had a part in the call.
    pub fn concerns(&self, by: By) -> bool {
        self.caller.is_some_and(|caller| caller.device == by.device) || self.callee == Some(by.user)
    }

    /// What one device of the callee is told.
    pub fn told(&self, device: DeviceId) -> (Cause, Duration) {
        match self.answered_by {
            Some(answered) if answered != device && self.accepted => {
                (Cause::AnsweredElsewhere, Duration::ZERO)
            }
            Some(answered) if answered != device => (Cause::DeclinedElsewhere, Duration::ZERO),
            _ => (self.cause, self.duration),
        }
    }
}

/// The memory: bounded in time and in number.
#[derive(Debug, Default)]
pub(super) struct Gone {
    calls: BTreeMap<CallId, Ended>,
    order: VecDeque<(Time, CallId)>,
}

impl Gone {
    /// Remember a call until `until`, forgetting the oldest beyond `most`.
    pub fn remember(&mut self, until: Time, call: CallId, ended: Ended, most: usize) {
        self.calls.insert(call, ended);
        self.order.push_back((until, call));
        while self.order.len() > most {
            self.forget_oldest();
        }
    }

    /// Forget what is due by `now`.
    pub fn prune(&mut self, now: Time) {
        while self.order.front().is_some_and(|&(until, _)| until <= now) {
            self.forget_oldest();
        }
    }

    pub fn find(&self, call: CallId) -> Option<&Ended> {
        self.calls.get(&call)
    }

    pub fn next_timeout(&self) -> Option<Time> {
        self.order.front().map(|&(until, _)| until)
    }

    fn forget_oldest(&mut self) {
        if let Some((_, call)) = self.order.pop_front() {
            self.calls.remove(&call);
        }
    }
}
