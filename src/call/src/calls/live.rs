//! One live call: its sides, its stage, and when its next timer ends it.

use core::time::Duration;
use std::collections::BTreeSet;

use offhook_types::{CallId, DeviceId, Number, Time, UserId, WallTime};

use super::Config;
use crate::cause::Cause;
use crate::effect::{Direction, Event, Snapshot, State};
use crate::input::By;
use crate::record::{Media, Party, Record};

/// A call that has not ended.
#[derive(Debug)]
pub(super) struct Live {
    pub id: CallId,
    pub caller: Side,
    /// How the caller is shown.
    pub from: Party,
    /// What was dialled.
    pub number: Number,
    /// The user reached; none for a call that only the caller knows of.
    pub callee: Option<UserId>,
    /// The callee's devices at the time of placing.
    pub devices: Vec<DeviceId>,
    pub media: Media,
    pub placed: Time,
    pub placed_at: WallTime,
    pub opening: Opening,
    /// Devices that were told to ring and not told to stop.
    pub rung: BTreeSet<DeviceId>,
    /// Devices that were sent a push for this call.
    pub pushed: BTreeSet<DeviceId>,
    pub stage: Stage,
    /// When its timer is set in the machine's queue.
    pub due: Time,
}

/// What is known of the opening record's write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    Pending,
    Durable,
    Failed,
}

#[derive(Debug)]
pub(super) enum Stage {
    /// The record is being written; nobody was told.
    Opening {
        until: Time,
    },
    /// Devices were told; none has acknowledged.
    Placed {
        ack_until: Time,
        rings_until: Time,
    },
    /// A device shows the call.
    Ringing {
        rings_until: Time,
    },
    Accepted(Accepted),
}

#[derive(Debug)]
pub(super) struct Accepted {
    pub at: Time,
    pub callee: Side,
    /// Until when the room may take to stand; none once it does.
    pub room_until: Option<Time>,
}

/// One of the two people, on the device that they talk through.
#[derive(Debug)]
pub(super) struct Side {
    pub by: By,
    /// Since when its session is broken.
    pub lost: Option<Time>,
    pub seat: Seat,
}

/// Where a side is with respect to the room. Once a call is accepted this is the evidence that
/// counts: a side that is heard is not lost, whatever its signaling connection does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seat {
    /// There is no room yet.
    NoRoom,
    Awaited {
        until: Time,
    },
    In,
    Out {
        since: Time,
    },
}

impl Side {
    pub fn new(by: By, lost: Option<Time>) -> Self {
        Self { by, lost, seat: Seat::NoRoom }
    }

    /// When this side of an accepted call counts as gone. A side that left the room has the grace
    /// to come back. If its session broke earlier its grace runs from there, but it keeps at least
    /// the time that joining takes.
    fn gone_at(&self, config: &Config) -> Time {
        match (self.seat, self.lost) {
            (Seat::NoRoom | Seat::In, _) => Time::MAX,
            (Seat::Awaited { until }, _) => until,
            (Seat::Out { since }, None) => since + config.reconnect_grace,
            (Seat::Out { since }, Some(lost)) => {
                let shortened = (lost + config.reconnect_grace).max(since + config.join_timeout);
                shortened.min(since + config.reconnect_grace)
            }
        }
    }
}

impl Live {
    /// The timer that fires next, and the cause that it ends the call with.
    pub fn timer(&self, config: &Config) -> (Time, Cause) {
        let given_up = match self.caller.lost {
            Some(lost) => lost + config.caller_grace,
            None => Time::MAX,
        };
        let timers = match &self.stage {
            Stage::Opening { until } => [(*until, Cause::Server), (given_up, Cause::Cancelled)],
            Stage::Placed { ack_until, rings_until } => {
                let unheard = (*ack_until).min(*rings_until);
                [(unheard, Cause::Unavailable), (given_up, Cause::Cancelled)]
            }
            Stage::Ringing { rings_until } => {
                [(*rings_until, Cause::NoAnswer), (given_up, Cause::Cancelled)]
            }
            Stage::Accepted(accepted) => return self.accepted_timer(accepted, config),
        };
        earliest(timers)
    }

    fn accepted_timer(&self, accepted: &Accepted, config: &Config) -> (Time, Cause) {
        let room = accepted.room_until.unwrap_or(Time::MAX);
        let gone = self.caller.gone_at(config).min(accepted.callee.gone_at(config));
        let limit = accepted.at + config.max_duration;
        let first = earliest([(room, Cause::Server), (gone, Cause::ConnectionLost)]);
        earliest([first, (limit, Cause::TimeLimit)])
    }

    pub fn accepted(&self) -> Option<&Accepted> {
        match &self.stage {
            Stage::Accepted(accepted) => Some(accepted),
            _ => None,
        }
    }

    /// Until when devices ring, while they do.
    pub fn rings_until(&self) -> Option<Time> {
        match self.stage {
            Stage::Placed { rings_until, .. } | Stage::Ringing { rings_until } => Some(rings_until),
            Stage::Opening { .. } | Stage::Accepted(_) => None,
        }
    }

    /// The side of a device, if it is one of the two that talk or the one that placed the call.
    pub fn side_of(&mut self, device: DeviceId) -> Option<&mut Side> {
        let callee = match &mut self.stage {
            Stage::Accepted(accepted) => Some(&mut accepted.callee),
            _ => None,
        };
        [Some(&mut self.caller), callee].into_iter().flatten().find(|side| side.by.device == device)
    }

    /// The side of a user in an accepted call.
    pub fn seat_of(&mut self, user: UserId) -> Option<&mut Seat> {
        let Stage::Accepted(accepted) = &mut self.stage else { return None };
        let sides = [&mut self.caller, &mut accepted.callee];
        sides.into_iter().find(|side| side.by.user == user).map(|side| &mut side.seat)
    }

    pub fn incoming(&self, now: Time) -> Event {
        Event::Incoming {
            call: self.id,
            from: self.from.clone(),
            media: self.media,
            rings_for: self.rings_until().map_or(Duration::ZERO, |until| until.since(now)),
        }
    }

    /// The calendar's reading at `now`, counted from the placing so that records agree with
    /// durations.
    pub fn wall(&self, now: Time) -> WallTime {
        self.placed_at.plus(now.since(self.placed))
    }

    /// From accept until `now`; zero when not accepted.
    pub fn talked(&self, now: Time) -> Duration {
        self.accepted().map_or(Duration::ZERO, |accepted| now.since(accepted.at))
    }

    pub fn record(&self) -> Record {
        Record {
            call: self.id,
            caller: self.caller.by.user,
            callee: self.callee,
            number: self.number.clone(),
            media: self.media,
            placed_at: self.placed_at,
            accepted_at: self.accepted().map(|accepted| self.wall(accepted.at)),
            ending: None,
        }
    }

    /// How the call looks from a device; `None` when the device has no part in it.
    pub fn snapshot(&self, now: Time, by: By) -> Option<Snapshot> {
        let outgoing = self.caller.by.device == by.device;
        let answers = match &self.stage {
            Stage::Accepted(accepted) => accepted.callee.by.device == by.device,
            Stage::Opening { .. } => false,
            Stage::Placed { .. } | Stage::Ringing { .. } => self.callee == Some(by.user),
        };
        if !outgoing && !answers {
            return None;
        }
        let accepted = self.accepted();
        let nameless = || Party { number: self.number.clone(), name: "".into() };
        let rings_until = self.rings_until().filter(|_| !outgoing);
        Some(Snapshot {
            call: self.id,
            direction: if outgoing { Direction::Outgoing } else { Direction::Incoming },
            state: match self.stage {
                Stage::Opening { .. } | Stage::Placed { .. } => State::Placed,
                Stage::Ringing { .. } => State::Ringing,
                Stage::Accepted(_) => State::Accepted,
            },
            peer: if outgoing { nameless() } else { self.from.clone() },
            media: self.media,
            accepted_at: accepted.map(|accepted| self.wall(accepted.at)),
            room_ready: accepted.is_some_and(|accepted| accepted.room_until.is_none()),
            rings_for: rings_until.map_or(Duration::ZERO, |until| until.since(now)),
        })
    }
}

fn earliest(timers: [(Time, Cause); 2]) -> (Time, Cause) {
    let [first, second] = timers;
    if second.0 < first.0 { second } else { first }
}
