//! The call machine: one server-owned record per call, from placing to its end.

use core::time::Duration;
use std::collections::VecDeque;

use offhook_types::counters::Counters;
use offhook_types::{Rng, Time, WallTime};

use crate::cause::{Cause, Refusal, RefusalKind};
use crate::effect::Effect;
use crate::input::{Input, Reply};

/// Limits and timers. Every state of a call has one, so no call outlives its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// For the opening record to be durable. Then [`Cause::Server`].
    pub record_timeout: Duration,
    /// For the first device to acknowledge. Then [`Cause::Unavailable`].
    pub ring_ack_timeout: Duration,
    /// For somebody to answer, from the moment the devices are told. Then [`Cause::NoAnswer`].
    pub no_answer_timeout: Duration,
    /// For a caller whose connection broke to come back before an answer. Then [`Cause::Cancelled`].
    pub caller_grace: Duration,
    /// For the room of an accepted call to stand. Then [`Cause::Server`].
    pub room_timeout: Duration,
    /// For each side to join the room once it stands. Then [`Cause::ConnectionLost`].
    pub join_timeout: Duration,
    /// For a side that left the room to come back. Then [`Cause::ConnectionLost`].
    pub reconnect_grace: Duration,
    /// Longest call from accept to end. Then [`Cause::TimeLimit`].
    pub max_duration: Duration,
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
    /// Calls accepted.
    pub accepted: u64,
    /// Calls ended, by the cause in their record.
    pub ended: Counters<Cause>,
    /// Requests refused.
    pub refused: Counters<RefusalKind>,
}

/// The machine.
#[derive(Debug)]
pub struct Calls {
    config: Config,
    rng: Rng,
    effects: VecDeque<Effect>,
    stats: Stats,
}

impl Calls {
    /// A machine without calls.
    pub fn new(config: Config, rng: Rng) -> Self {
        Self { config, rng, effects: VecDeque::new(), stats: Stats::default() }
    }

    /// Take an input. `wall` is used for the records only.
    pub fn handle(&mut self, now: Time, wall: WallTime, input: Input) -> Result<Reply, Refusal> {
        let _ = (now, wall, input, &self.config, &self.rng);
        Err(Refusal::Unavailable)
    }

    /// Let timers fire that are due by `now`.
    pub fn handle_timeout(&mut self, now: Time) {
        let _ = now;
    }

    /// The next thing to be done, until there is none.
    pub fn poll(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    pub fn next_timeout(&self) -> Option<Time> {
        None
    }

    /// Live calls.
    pub fn live(&self) -> usize {
        0
    }

    /// What was counted so far.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }
}
