//! One live call: its sides, its stage, and when its next timer ends it.

use core::time::Duration;
use std::collections::BTreeSet;

use offhook_types::{CallId, DeviceId, Dialed, Time, UserId, WallTime};

use super::Config;
use super::phone::Phone;
use crate::cause::Cause;
use crate::effect::{Direction, Event, Snapshot, State};
use crate::input::By;
use crate::record::{Caller, Media, Party, Record, Via};

/// A call that has not ended.
#[derive(Debug)]
pub(super) struct Live {
    pub id: CallId,
    /// The device that placed it; none when a phone did.
    pub caller: Option<Side>,
    /// How the caller is shown.
    pub from: Party,
    /// What was dialled.
    pub number: Dialed,
    /// The user reached; none for a call that only the caller knows of, and for one to a phone.
    pub callee: Option<UserId>,
    /// The leg over the phone network, where one of the sides is a phone.
    pub phone: Option<Phone>,
    /// The callee's devices, as the store knows them.
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
    pub room: Room,
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
    /// Devices were told, or a number dialled; nothing rings yet.
    Placed {
        ack_until: Time,
        rings_until: Time,
    },
    /// A device shows the call, or the far phone rings.
    Ringing {
        rings_until: Time,
    },
    Accepted(Accepted),
}

#[derive(Debug)]
pub(super) struct Accepted {
    pub at: Time,
    /// The device that took it; none when a phone did.
    pub callee: Option<Side>,
}

/// The media room of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    Unwanted,
    Awaited { until: Time },
    Stands,
}

/// One of our people, on the device that they talk through.
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
        let room = match self.room {
            Room::Awaited { until } => until,
            Room::Unwanted | Room::Stands => Time::MAX,
        };
        let bridge = self.phone.as_ref().map_or(Time::MAX, Phone::bridge_until);
        let lost = self.caller.as_ref().and_then(|caller| caller.lost);
        let given_up = lost.map_or(Time::MAX, |lost| lost + config.caller_grace);
        let given_up = (given_up, Cause::Cancelled);
        let own = match &self.stage {
            Stage::Opening { until } => [(*until, Cause::Server), given_up],
            Stage::Placed { ack_until, rings_until } => {
                [((*ack_until).min(*rings_until), Cause::Unavailable), given_up]
            }
            Stage::Ringing { rings_until } => [(*rings_until, Cause::NoAnswer), given_up],
            Stage::Accepted(accepted) => {
                let sides = [self.caller.as_ref(), accepted.callee.as_ref()];
                let gone = sides.into_iter().flatten().map(|side| side.gone_at(config)).min();
                let gone = (gone.unwrap_or(Time::MAX), Cause::ConnectionLost);
                [gone, (accepted.at + config.max_duration, Cause::TimeLimit)]
            }
        };
        let outside = (room.min(bridge), Cause::Server);
        own.into_iter().fold(outside, |first, next| if next.0 < first.0 { next } else { first })
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

    pub fn via(&self) -> Via {
        if self.phone.is_some() { Via::Phone } else { Via::App }
    }

    /// The device that placed it.
    pub fn caller_device(&self) -> Option<DeviceId> {
        self.caller.as_ref().map(|side| side.by.device)
    }

    /// The device that took it.
    pub fn callee_device(&self) -> Option<DeviceId> {
        Some(self.accepted()?.callee.as_ref()?.by.device)
    }

    /// Whether the device has, or could have, a part in it.
    pub fn concerns(&self, by: By) -> bool {
        self.caller.as_ref().is_some_and(|side| side.by == by) || self.callee == Some(by.user)
    }

    /// The users who are in this call and can be in no other.
    pub fn users(&self) -> impl Iterator<Item = UserId> + use<> {
        [self.caller.as_ref().map(|side| side.by.user), self.callee].into_iter().flatten()
    }

    /// The devices that talk, or will when the call is accepted.
    pub fn sides(&mut self) -> impl Iterator<Item = &mut Side> {
        let callee = match &mut self.stage {
            Stage::Accepted(accepted) => accepted.callee.as_mut(),
            _ => None,
        };
        [self.caller.as_mut(), callee].into_iter().flatten()
    }

    /// The side of a device, if it is one of those that talk or the one that placed the call.
    pub fn side_of(&mut self, device: DeviceId) -> Option<&mut Side> {
        self.sides().find(|side| side.by.device == device)
    }

    /// The seat of a user in the room.
    pub fn seat_of(&mut self, user: UserId) -> Option<&mut Seat> {
        self.sides().find(|side| side.by.user == user).map(|side| &mut side.seat)
    }

    pub fn incoming(&self, now: Time) -> Event {
        Event::Incoming {
            call: self.id,
            from: self.from.clone(),
            media: self.media,
            via: self.via(),
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
            caller: match &self.caller {
                Some(side) => Caller::User(side.by.user),
                None => Caller::Phone(self.from.clone()),
            },
            callee: self.callee,
            number: self.number.clone(),
            via: self.via(),
            media: self.media,
            placed_at: self.placed_at,
            accepted_at: self.accepted().map(|accepted| self.wall(accepted.at)),
            ending: None,
        }
    }

    /// How the call looks from a device; `None` when the device has no part in it.
    pub fn snapshot(&self, now: Time, by: By) -> Option<Snapshot> {
        let outgoing = self.caller_device() == Some(by.device);
        let answers = match &self.stage {
            Stage::Accepted(_) => self.callee_device() == Some(by.device),
            Stage::Opening { .. } => false,
            Stage::Placed { .. } | Stage::Ringing { .. } => self.callee == Some(by.user),
        };
        if !outgoing && !answers {
            return None;
        }
        let accepted = self.accepted();
        let nameless = || Party { number: Some(self.number.clone()), name: "".into() };
        let rings_until = self.rings_until().filter(|_| !outgoing);
        let phone = self.phone.as_ref();
        let invited = accepted.is_some() || phone.is_some_and(|phone| outgoing && phone.bridged());
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
            via: self.via(),
            held: phone.is_some_and(|phone| phone.held),
            held_by_peer: phone.is_some_and(|phone| phone.held_by_peer),
            accepted_at: accepted.map(|accepted| self.wall(accepted.at)),
            room_ready: self.room == Room::Stands && invited,
            rings_for: rings_until.map_or(Duration::ZERO, |until| until.since(now)),
        })
    }
}
