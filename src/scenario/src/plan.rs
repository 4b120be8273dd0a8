//! Who comes when: every participant of a scenario with all visits, drawn from its seed.

use std::time::Duration;

use offhook_types::Rng;

use super::{Arrivals, Churn, DoorName, Group, Scenario};

/// One participant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    /// Position among all.
    pub index: u32,
    /// Position of the group in the scenario.
    pub group: usize,
    /// Position in its group and room.
    pub number: u32,
    /// Where it goes.
    pub room: String,
    /// Who it is.
    pub identity: String,
    /// When it comes first, after the beginning.
    pub arrives: Duration,
    /// For everything that it draws.
    pub seed: u64,
}

/// From when to when a participant is there, after the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visit {
    /// It comes.
    pub from: Duration,
    /// It goes; `None` stays to the end.
    pub until: Option<Duration>,
}

/// Every participant, in the order in which they come.
pub fn seats(scenario: &Scenario) -> Vec<Seat> {
    let mut rng = Rng::from_seed(scenario.seed);
    let mut seats = Vec::new();
    for (group, plan) in scenario.groups.iter().enumerate() {
        let all = plan.rooms * plan.count;
        for nth in 0..all {
            let (room, number) = (nth % plan.rooms, nth / plan.rooms);
            seats.push(Seat {
                index: 0,
                group,
                number,
                room: format!("{}-{room}", plan.room),
                identity: format!("{}-{room}-{number}", plan.name),
                arrives: arrival(plan, (nth, all), &mut rng),
                seed: rng.next_u64(),
            });
        }
    }
    seats.sort_by_key(|seat| seat.arrives);
    for (index, seat) in seats.iter_mut().enumerate() {
        seat.index = index as u32;
    }
    seats
}

fn arrival(plan: &Group, (nth, all): (u32, u32), rng: &mut Rng) -> Duration {
    let within = plan.arrive.within;
    let later = match plan.arrive.pattern {
        Arrivals::Even => within * nth / all.max(1),
        Arrivals::Random => {
            let micros = u32::try_from(within.as_micros()).unwrap_or(u32::MAX);
            Duration::from_micros(rng.below(micros).into())
        }
    };
    plan.arrive.after + later
}

impl Seat {
    /// The room where it meets others, or of those who call each other, the call.
    pub fn meets(&self, scenario: &Scenario) -> String {
        let group = scenario.group(self.group);
        match group.door {
            DoorName::Client => format!("{}/{}", self.room, self.number % (group.count / 2)),
            _ => self.room.clone(),
        }
    }

    /// Its visits one after another, without end.
    pub fn visits(&self, churn: Option<Churn>) -> impl Iterator<Item = Visit> + use<> {
        let mut rng = Rng::from_seed(self.seed);
        let mut from = Some(self.arrives);
        std::iter::from_fn(move || {
            let begin = from?;
            let until = churn.map(|churn| begin + around(churn.stay, &mut rng));
            from = churn.zip(until).map(|(churn, until)| until + around(churn.away, &mut rng));
            Some(Visit { from: begin, until })
        })
    }
}

/// Evenly from half of it to half more.
fn around(mean: Duration, rng: &mut Rng) -> Duration {
    mean / 2 + mean * rng.below(1000) / 1000
}
