//! A user agent: transactions, dialogs, calls, registrations and keep-alives as one machine.
//!
//! Hand it an [`Input`] with [`Agent::handle`], call [`Agent::handle_timeout`] when
//! [`Agent::next_timeout`] is due, and after either take [`Output`]s from [`Agent::poll`] until there
//! are none. It knows no session description (bodies are bytes), no socket and no clock.

mod config;
mod counters;
mod input;
mod output;
mod transport;

use core::net::SocketAddr;

use offhook_types::{Rng, Time};

pub use config::{Config, Door, Limits, Peer, Refresh, Timers};
pub use counters::{Drop, Misdeed, Stats};
pub use input::{
    Body, Command, Flow, Handle, Identity, Input, Invite, PeerId, Ping, QueryId, Record, Register,
    Reliable, SendId, Trunk,
};
pub use output::{By, Ended, Event, Hop, Incoming, Output, Question, Send, Trace, Way};
pub use transport::Transport;

/// A user agent.
#[derive(Debug)]
pub struct Agent {
    config: Config,
    now: Time,
    rng: Rng,
    stats: Stats,
}

impl Agent {
    /// An agent without peers, calls or registrations.
    pub fn new(config: Config, now: Time, rng: Rng) -> Self {
        Self { config, now, rng, stats: Stats::default() }
    }

    /// Something happened.
    pub fn handle(&mut self, now: Time, _input: Input) {
        self.now = self.now.max(now);
        let _ = (&self.config, &self.rng);
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Time) {
        self.now = self.now.max(now);
    }

    /// The next thing to do, until there is none.
    pub fn poll(&mut self) -> Option<Output> {
        None
    }

    /// When [`Agent::handle_timeout`] is due.
    pub fn next_timeout(&self) -> Option<Time> {
        None
    }

    /// What was counted.
    pub const fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Whether anything from this address would be read; a connection from elsewhere need not be
    /// accepted.
    pub fn knows(&self, _now: Time, _remote: SocketAddr) -> bool {
        false
    }

    /// How many calls are in progress.
    pub fn calls(&self) -> usize {
        0
    }

    /// How many transactions are remembered.
    pub fn transactions(&self) -> usize {
        0
    }

    /// Whether what is remembered hangs together. For tests.
    pub fn audit(&self) -> Result<(), &'static str> {
        Ok(())
    }
}
