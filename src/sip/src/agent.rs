//! A user agent: transactions, dialogs, calls, registrations and keep-alives as one machine.
//!
//! Hand it an [`Input`] with [`Agent::handle`], call [`Agent::handle_timeout`] when
//! [`Agent::next_timeout`] is due, and after either take [`Output`]s from [`Agent::poll`] until there
//! are none. It knows no session description (bodies are bytes), no socket and no clock.
//!
//! Inside, a message passes [`receive`], a transaction of [`crate::transaction`] and then the call,
//! registration or keep-alive that it is about (`invite`, `register`, `ping`). What we ask is an
//! [`exchange`]: one request with its name look-ups, failover and authentication, over as many
//! transactions as it takes.

mod challenge;
mod config;
mod counters;
mod exchange;
mod input;
mod login;
mod output;
mod receive;
mod respond;
mod sources;
mod timeouts;
mod trace;
mod transport;

use core::net::SocketAddr;
use std::collections::{BTreeMap, VecDeque};

use offhook_types::{Rng, Time};

use crate::invite::Call;
use crate::ping::Keepalive;
use crate::register::Registration;
use crate::text::Text;
use exchange::{ClientTx, Exchange};
use login::Logins;
use respond::ServerTx;
use sources::Sources;
use timeouts::Timeouts;

pub use config::{Config, Door, Limits, Peer, Refresh, Timers};
pub use counters::{Drop, Login, Misdeed, Stats};
pub use input::{
    Body, Command, Flow, Gate, Handle, Identity, Input, Invite, PeerId, Ping, QueryId, Record,
    Register, Reliable, SendId, Trunk,
};
pub use output::{By, Ended, Event, Hop, Incoming, Output, Question, Send, Trace, Way};
pub use transport::Transport;

pub(crate) use exchange::{Errand, ExchangeId, Failure, Owner, Plan};
pub(crate) use receive::{body_of, dialog_key, response_body};
pub(crate) use respond::TxId;

/// A user agent.
#[derive(Debug)]
pub struct Agent {
    pub(crate) config: Config,
    pub(crate) rng: Rng,
    /// Of the input that is being handled.
    pub(crate) now: Time,
    out: VecDeque<Output>,
    pub(crate) timers: Timeouts<Timer>,
    sources: Sources,
    logins: Logins,
    clients: BTreeMap<TxId, ClientTx>,
    /// Client transactions by branch and method.
    branches: BTreeMap<Vec<u8>, TxId>,
    servers: BTreeMap<TxId, ServerTx>,
    /// Server transactions by what names them (RFC 3261 §17.2.3).
    keys: BTreeMap<Vec<u8>, TxId>,
    /// Server transactions outside of dialogs by what a merged request shares (§8.2.2.2).
    merges: BTreeMap<Vec<u8>, TxId>,
    /// Server transactions per source.
    per_source: BTreeMap<core::net::IpAddr, usize>,
    exchanges: BTreeMap<ExchangeId, Exchange>,
    queries: BTreeMap<QueryId, ExchangeId>,
    pub(crate) calls: BTreeMap<Handle, Call>,
    /// Calls by Call-ID and our tag.
    pub(crate) dialogs: BTreeMap<(Text, Text), Handle>,
    pub(crate) registrations: BTreeMap<Handle, Registration>,
    pub(crate) pings: BTreeMap<Handle, Keepalive>,
    /// The last number given to a transaction, exchange or query.
    serial: u64,
    incoming: u64,
    pub(crate) stats: Stats,
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    Client(TxId),
    Server(TxId),
    Walk(ExchangeId),
    Call(Handle, crate::invite::Clock),
    Register(Handle),
    Ping(Handle),
}

impl Agent {
    /// An agent without peers, calls or registrations.
    pub fn new(config: Config, now: Time, rng: Rng) -> Self {
        let logins = Logins::new(&config.realm, config.key);
        Self {
            config,
            rng,
            now,
            out: VecDeque::new(),
            timers: Timeouts::new(),
            sources: Sources::default(),
            logins,
            clients: BTreeMap::new(),
            branches: BTreeMap::new(),
            servers: BTreeMap::new(),
            keys: BTreeMap::new(),
            merges: BTreeMap::new(),
            per_source: BTreeMap::new(),
            exchanges: BTreeMap::new(),
            queries: BTreeMap::new(),
            calls: BTreeMap::new(),
            dialogs: BTreeMap::new(),
            registrations: BTreeMap::new(),
            pings: BTreeMap::new(),
            serial: 0,
            incoming: Handle::INCOMING.0,
            stats: Stats::default(),
        }
    }

    /// Something happened.
    pub fn handle(&mut self, now: Time, input: Input) {
        self.now = self.now.max(now);
        match input {
            Input::Received { flow, bytes } => self.receive(flow, &bytes),
            Input::Unsent { send } => self.unsent(TxId(send.0)),
            Input::Closed { flow } => self.closed(flow),
            Input::Resolved { query, records } => self.resolved(query, records),
            Input::Peers(table) => self.sources.set(table),
            Input::Logins(table) => self.logins.set(table),
            Input::Command { handle, command } => self.command(handle, command),
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Time) {
        self.now = self.now.max(now);
        while let Some(timer) = self.timers.pop(self.now) {
            match timer {
                Timer::Client(tx) => self.client_timeout(tx),
                Timer::Server(tx) => self.server_timeout(tx),
                Timer::Walk(exchange) => self.walk_timeout(exchange),
                Timer::Call(handle, clock) => self.call_timeout(handle, clock),
                Timer::Register(handle) => self.register_timeout(handle),
                Timer::Ping(handle) => self.ping_timeout(handle),
            }
        }
    }

    /// The next thing to do, until there is none.
    pub fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// When [`Agent::handle_timeout`] is due.
    pub fn next_timeout(&self) -> Option<Time> {
        self.timers.next()
    }

    /// What was counted.
    pub const fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Whether anything from this address would be read; a connection from elsewhere need not be
    /// accepted.
    pub fn knows(&self, now: Time, remote: SocketAddr) -> bool {
        self.sources.peer(now, remote, self.config.timers.remembered).is_some()
    }

    /// How many calls are in progress.
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    /// How many transactions are remembered.
    pub fn transactions(&self) -> usize {
        self.clients.len() + self.servers.len()
    }

    /// Whether what is remembered hangs together: every index leads to something, and everything that
    /// waits has a timer. For tests.
    pub fn audit(&self) -> Result<(), &'static str> {
        let must = |holds: bool, what| if holds { Ok(()) } else { Err(what) };
        for (tx, client) in &self.clients {
            let timed = self.timers.of(Timer::Client(*tx)).is_some();
            must(timed || client.is_ringing(), "a client transaction without a timer")?;
            must(self.branches.get(&client.key) == Some(tx), "a client transaction without a key")?;
        }
        must(self.branches.len() == self.clients.len(), "a branch without a transaction")?;
        for (tx, server) in &self.servers {
            let timed = self.timers.of(Timer::Server(*tx)).is_some();
            must(timed, "a server transaction without a timer")?;
            must(self.keys.get(&server.key) == Some(tx), "a server transaction without a key")?;
        }
        must(self.keys.len() == self.servers.len(), "a key without a transaction")?;
        must(
            self.merges.values().all(|tx| self.servers.contains_key(tx)),
            "a merge key without a transaction",
        )?;
        let sum: usize = self.per_source.values().sum();
        must(sum == self.servers.len(), "sources and server transactions differ")?;
        for (id, exchange) in &self.exchanges {
            let waits = self.timers.of(Timer::Walk(*id)).is_some();
            let asks = exchange.tx.is_some_and(|tx| self.clients.contains_key(&tx));
            must(waits || asks, "an exchange that waits for nothing")?;
        }
        must(
            self.dialogs.values().all(|handle| self.calls.contains_key(handle)),
            "a dialog without a call",
        )?;
        must(self.dialogs.len() == self.calls.len(), "a call without a dialog")?;
        self.audit_calls()
    }

    fn command(&mut self, handle: Handle, command: Command) {
        match command {
            Command::Register(register) => self.register(handle, *register),
            Command::Unregister => self.unregister(handle),
            Command::Ping(ping) => self.ping(handle, *ping),
            Command::StopPing => self.stop_ping(handle),
            other => self.call_command(handle, other),
        }
    }

    pub(crate) fn event(&mut self, handle: Handle, event: Event) {
        self.out.push_back(Output::Event { handle, event });
    }

    pub(crate) fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    pub(crate) fn next_incoming(&mut self) -> Handle {
        self.incoming += 1;
        Handle(self.incoming - 1)
    }

    /// A word that nobody guesses, for tags, branches and Call-IDs (RFC 3261 §19.3).
    pub(crate) fn word(&mut self) -> String {
        format!("{:016x}", self.rng.next_u64())
    }
}

#[cfg(test)]
mod tests;
