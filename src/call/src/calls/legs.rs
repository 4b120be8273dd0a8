//! Every phone leg that has not ended, and the timers of those that belong to no call.

use core::net::SocketAddr;
use std::collections::{BTreeMap, BTreeSet};

use offhook_types::{CallId, PhoneId, Time};

use crate::effect::{Seating, Venue};
use crate::record::Party;

/// What a leg is part of.
#[derive(Debug)]
pub(super) enum Leg {
    /// A live call, which has the timers.
    Call(CallId),
    /// A room that nobody is rung for.
    Visit(Visit),
    /// Nothing any more: it was told to hang up.
    Closing { until: Time },
}

/// A phone's stay in a room.
#[derive(Debug)]
pub(super) struct Visit {
    pub room: String,
    pub party: Party,
    /// The longest call allowed.
    pub until: Time,
    /// Until when the gateway may take to say where the bridge is; none once it has.
    pub bridge_until: Option<Time>,
}

impl Leg {
    fn due(&self) -> Option<Time> {
        match self {
            Self::Call(_) => None,
            Self::Visit(visit) => Some(visit.bridge_until.unwrap_or(visit.until).min(visit.until)),
            Self::Closing { until } => Some(*until),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Legs {
    legs: BTreeMap<PhoneId, Leg>,
    timers: BTreeSet<(Time, PhoneId)>,
}

impl Legs {
    pub fn insert(&mut self, phone: PhoneId, leg: Leg) {
        self.remove(phone);
        self.timers.extend(leg.due().map(|due| (due, phone)));
        self.legs.insert(phone, leg);
    }

    pub fn remove(&mut self, phone: PhoneId) -> Option<Leg> {
        let leg = self.legs.remove(&phone)?;
        if let Some(due) = leg.due() {
            self.timers.remove(&(due, phone));
        }
        Some(leg)
    }

    pub fn get(&self, phone: PhoneId) -> Option<&Leg> {
        self.legs.get(&phone)
    }

    pub fn knows(&self, phone: PhoneId) -> bool {
        self.legs.contains_key(&phone)
    }

    pub fn len(&self) -> usize {
        self.legs.len()
    }

    /// A leg whose timer is due.
    pub fn due(&self, now: Time) -> Option<PhoneId> {
        self.timers.first().filter(|&&(due, _)| due <= now).map(|&(_, phone)| phone)
    }

    pub fn next_timeout(&self) -> Option<Time> {
        self.timers.first().map(|&(due, _)| due)
    }

    /// The bridge of a visitor stands: the seat to give it. Nothing for a leg that is no visitor
    /// or has its seat.
    pub fn visit_bridged(&mut self, phone: PhoneId, bridge: SocketAddr) -> Option<Seating> {
        let Some(Leg::Visit(_)) = self.legs.get(&phone) else { return None };
        let mut leg = self.remove(phone)?;
        let seating = match &mut leg {
            Leg::Visit(visit) => visit.bridge_until.take().map(|_| Seating {
                phone,
                venue: Venue::Room(visit.room.clone()),
                party: visit.party.clone(),
                bridge,
            }),
            _ => None,
        };
        self.insert(phone, leg);
        seating
    }

    /// The phones that sit in rooms.
    pub fn visits(&self) -> Vec<PhoneId> {
        let visits = self.legs.iter().filter(|(_, leg)| matches!(leg, Leg::Visit(_)));
        visits.map(|(&phone, _)| phone).collect()
    }

    /// Checks the table against the live calls; says what does not fit.
    pub fn audit(&self, call_lives: impl Fn(CallId) -> bool) -> Result<(), &'static str> {
        for leg in self.legs.values() {
            if let Leg::Call(call) = leg
                && !call_lives(*call)
            {
                return Err("a phone leg belongs to a call that is over");
            }
        }
        let timed = self.legs.iter().filter_map(|(&phone, leg)| Some((leg.due()?, phone)));
        if timed.clone().count() != self.timers.len()
            || !timed.into_iter().all(|timer| self.timers.contains(&timer))
        {
            return Err("a phone leg's timer is not the one that is set");
        }
        Ok(())
    }
}
