//! SIP user agents, one that calls and two that are called, over a network that loses, doubles and
//! reorders datagrams; with a splitter that hands an INVITE to both callees at once, people who act at
//! random at any time, and now and then a crash.
//!
//! A run has a wild part, and a quiet one in which nothing is lost and everybody hangs up: whatever is
//! left after that is left forever. [`judge`] says what must hold.

mod judge;
#[cfg(test)]
mod tests;

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::BTreeMap;

use offhook_sip::agent::{
    Agent, Body, Command, Config, Door, Event, Flow, Handle, Identity, Input, Invite, Misdeed,
    Output, Peer, PeerId, Refresh, Reliable, Transport, Trunk,
};
use offhook_sip::header::NameAddr;
use offhook_sip::uri::{HostPort, SipUri, Uri};
use offhook_types::{Rng, Time};

use crate::Failure;
use judge::Judge;

/// How long everybody acts.
const WILD: Time = Time::from_millis(120_000);
/// Long enough for every timer: the longest ring, three session intervals, every transaction.
const QUIET: Duration = Duration::from_secs(700);

/// What happened in a run, to see that runs are not idle.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Things that happened.
    pub steps: u64,
    /// Calls placed.
    pub placed: u64,
    /// Calls answered.
    pub answered: u64,
    /// Answers that crossed a CANCEL.
    pub crossed: u64,
    /// Offers after the first that were answered.
    pub reoffers: u64,
    /// Offers that met another.
    pub glare: u64,
    /// Second answers to one INVITE.
    pub seconds: u64,
    /// Agents that lost their memory.
    pub crashes: u64,
    /// Transfers that came to an end.
    pub transfers: u64,
    /// Messages sent again.
    pub repeated: u64,
}

impl Summary {
    /// Adds another run's.
    pub fn add(&mut self, other: &Self) {
        self.steps += other.steps;
        self.placed += other.placed;
        self.answered += other.answered;
        self.crossed += other.crossed;
        self.reoffers += other.reoffers;
        self.glare += other.glare;
        self.seconds += other.seconds;
        self.crashes += other.crashes;
        self.transfers += other.transfers;
        self.repeated += other.repeated;
    }
}

impl core::fmt::Display for Summary {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { steps, placed, answered, crossed, reoffers, glare, .. } = self;
        let Self { seconds, crashes, transfers, repeated, .. } = self;
        write!(
            f,
            "{steps} steps, placed {placed}, answered {answered}, crossed {crossed}, offers \
             {reoffers}, glare {glare}, second answers {seconds}, transfers {transfers}, crashes \
             {crashes}, repeated {repeated}"
        )
    }
}

/// Who takes part, by index: the caller and two callees. The splitter is no agent.
const CALLER: usize = 0;
const AGENTS: usize = 3;
const SPLITTER: usize = 3;

/// Everything that waits to happen.
#[derive(Debug, Clone)]
enum Happening {
    Arrives { from: usize, to: usize, bytes: Vec<u8> },
    Place,
    Act { agent: usize, handle: Handle, act: Act },
    Crash(usize),
}

/// What a person, or the gateway for one, does.
#[derive(Debug, Clone)]
enum Act {
    Progress(u16, bool),
    Answer,
    Reject(u16),
    HangUp,
    Reoffer,
    Reply(bool),
    Complete,
    Refer,
    ReferStatus(u16),
    Info,
}

struct World<'a> {
    now: Time,
    rng: Rng,
    agents: Vec<Agent>,
    judge: Judge,
    queue: BTreeMap<(Time, u64), Happening>,
    serial: u64,
    handles: u64,
    summary: Summary,
    loss: u32,
    trace: &'a mut dyn FnMut(Time, &str),
}

/// Runs a seed. `trace` is shown every step.
pub fn run(seed: u64, trace: &mut dyn FnMut(Time, &str)) -> Result<Summary, Failure> {
    let mut world = World::new(seed, trace);
    match world.play() {
        Ok(()) => Ok(world.summed()),
        Err(what) => Err(Failure { world: "sip", seed, at: world.now, what }),
    }
}

impl<'a> World<'a> {
    fn new(seed: u64, trace: &'a mut dyn FnMut(Time, &str)) -> Self {
        let mut rng = Rng::from_seed(seed);
        let loss = if rng.chance(30) { 0 } else { 5 + rng.below(15) };
        let agents = (0..AGENTS).map(|who| agent(who, Time::ZERO, rng.next_u64())).collect();
        Self {
            now: Time::ZERO,
            rng,
            agents,
            judge: Judge::default(),
            queue: BTreeMap::new(),
            serial: 0,
            handles: 0,
            summary: Summary::default(),
            loss,
            trace,
        }
    }

    fn play(&mut self) -> Result<(), String> {
        for _ in 0..=self.rng.below(4) {
            self.after(60_000, Happening::Place);
        }
        if self.rng.chance(15) {
            let who = self.rng.below(3) as usize;
            self.after(120_000, Happening::Crash(who));
        }
        self.run_until(WILD)?;
        for (who, handle) in self.judge.open() {
            self.act(who, handle, 1, Act::HangUp);
        }
        self.run_until(WILD + QUIET)?;
        for (who, agent) in self.agents.iter().enumerate() {
            if agent.calls() + agent.transactions() > 0 || agent.next_timeout().is_some() {
                return Err(format!("agent {who} has something left when everything is over"));
            }
        }
        let no_ack =
            self.agents.iter().map(|agent| agent.stats().misdeeds.get(Misdeed::NoAck)).sum();
        self.judge.at_the_end(no_ack)
    }

    fn run_until(&mut self, end: Time) -> Result<(), String> {
        loop {
            let due = |(who, agent): (usize, &Agent)| agent.next_timeout().map(|at| (at, who));
            let timer = self.agents.iter().enumerate().filter_map(due).min();
            let at = timer.map_or(Time::MAX, |(at, _)| at);
            let next = self.queue.first_key_value().map_or(Time::MAX, |(&(at, _), _)| at);
            if at.min(next) > end {
                self.now = end;
                return Ok(());
            }
            self.now = self.now.max(at.min(next));
            self.summary.steps += 1;
            match timer.filter(|_| at <= next) {
                Some((_, who)) => {
                    self.agents[who].handle_timeout(self.now);
                    self.carry_out(who)?;
                }
                None => {
                    let Some((_, happening)) = self.queue.pop_first() else { return Ok(()) };
                    self.happen(happening)?;
                }
            }
        }
    }

    fn happen(&mut self, happening: Happening) -> Result<(), String> {
        match happening {
            Happening::Arrives { from, to: SPLITTER, bytes } => {
                for to in 1..AGENTS {
                    self.travel(from, to, bytes.clone());
                }
                Ok(())
            }
            Happening::Arrives { from, to, bytes } => {
                let flow =
                    Flow { transport: Transport::Udp, local: address(to), remote: address(from) };
                self.input(to, Input::Received { flow, bytes })
            }
            Happening::Place => self.place(),
            Happening::Act { agent, handle, act } => self.command(agent, handle, act),
            Happening::Crash(who) => {
                self.say(|| format!("agent {who} crashes"));
                self.summary.crashes += 1;
                let seed = self.rng.next_u64();
                self.agents[who] = agent(who, self.now, seed);
                self.judge.crashed(who);
                Ok(())
            }
        }
    }

    fn place(&mut self) -> Result<(), String> {
        self.handles += 1;
        let handle = Handle(self.handles);
        let to = match self.rng.below(4) {
            0 => SPLITTER,
            1 => 2,
            _ => 1,
        };
        let sip = |user: &str, who| SipUri::new(Some(user), HostPort::from(address(who)));
        let reliable = match self.rng.below(3) {
            0 => Reliable::Off,
            1 => Reliable::Supported,
            _ => Reliable::Required,
        };
        let refresh =
            Refresh { interval: Duration::from_secs(100), shortest: Duration::from_secs(90) };
        let invite = Invite {
            trunk: Trunk { peer: PeerId(to as u64), proxy: None, credentials: Vec::new() },
            target: sip("callee", to).into(),
            from: NameAddr::new(sip(&handle.0.to_string(), CALLER)),
            to: NameAddr::new(sip("callee", to)),
            contact_user: "caller".into(),
            identity: Identity::default(),
            headers: Vec::new(),
            body: (!self.rng.chance(25)).then(|| self.body()),
            reliable,
            refresh: self.rng.chance(70).then_some(refresh),
            first_response: Duration::from_secs(32),
            ring_limit: Duration::from_secs(60),
        };
        self.summary.placed += 1;
        self.judge.placed(handle, to == SPLITTER);
        // Often enough in the time in which answers come that some cross a CANCEL.
        if self.rng.chance(60) {
            let limit = if self.rng.chance(25) { 1_000 } else { 12_000 };
            self.act(CALLER, handle, limit, Act::HangUp);
        }
        self.input(CALLER, Input::Command { handle, command: Command::Invite(Box::new(invite)) })
    }

    fn command(&mut self, who: usize, handle: Handle, act: Act) -> Result<(), String> {
        if !self.judge.is_open(who, handle) {
            return Ok(());
        }
        let command = match act {
            Act::Progress(status, body) => {
                Command::Progress { status, body: body.then(|| self.body()) }
            }
            Act::Answer => {
                let body = (!self.judge.described(who, handle)).then(|| self.body());
                Command::Answer { body }
            }
            Act::Reject(status) => {
                Command::Reject { status, reason: None, retry_after: None, contacts: Vec::new() }
            }
            Act::HangUp => Command::HangUp { reason: None },
            Act::Reoffer => Command::Reoffer { body: self.body() },
            Act::Reply(true) => Command::Reply { result: Ok(self.body()) },
            Act::Reply(false) => Command::Reply { result: Err(488) },
            Act::Complete => Command::Complete { body: Some(self.body()) },
            Act::Refer => {
                let to = Uri::from(SipUri::new(Some("other"), HostPort::from(address(2))));
                Command::Refer { to, replaces: None }
            }
            Act::ReferStatus(status) => Command::ReferStatus { status },
            Act::Info => Command::Info {
                body: Body { kind: "application/dtmf".into(), bytes: b"5".to_vec() },
            },
        };
        self.judge.commanded(who, handle, &command);
        self.input(who, Input::Command { handle, command })
    }

    /// Gives an agent an input, and the world everything that comes of it.
    fn input(&mut self, who: usize, input: Input) -> Result<(), String> {
        match &input {
            Input::Received { bytes, .. } => {
                let line = String::from_utf8_lossy(bytes).lines().next().unwrap_or("").to_owned();
                self.say(|| format!("{who} <- {line}"));
            }
            Input::Command { handle, command } => {
                self.say(|| format!("{who} {handle:?} {command:?}"))
            }
            _ => {}
        }
        self.agents[who].handle(self.now, input);
        self.carry_out(who)
    }

    fn carry_out(&mut self, who: usize) -> Result<(), String> {
        while let Some(output) = self.agents[who].poll() {
            match output {
                Output::Send(send) => {
                    let text = String::from_utf8_lossy(&send.bytes).into_owned();
                    self.say(|| format!("{who} -> {} {}", send.hop.remote.port(), seen(&text)));
                    let to = usize::from(send.hop.remote.port() - PORT);
                    self.travel(who, to, send.bytes);
                }
                Output::Event { handle, event } => {
                    self.say(|| format!("{who} {handle:?} says {event:?}"));
                    self.judge.event(self.now, who, handle, &event)?;
                    self.react(who, handle, event);
                }
                Output::Resolve { .. } => return Err("a question about an address".into()),
                Output::Trace(_) => {}
            }
        }
        self.agents[who].audit().map_err(|what| format!("agent {who}: {what}"))
    }

    /// What people do about what they hear.
    fn react(&mut self, who: usize, handle: Handle, event: Event) {
        match event {
            Event::Incoming(incoming) => {
                let early = incoming.body.is_some() || self.rng.chance(50);
                if self.rng.chance(70) {
                    let status = if self.rng.chance(50) { 180 } else { 183 };
                    self.act(who, handle, 3_000, Act::Progress(status, early && status == 183));
                }
                if self.rng.chance(80) {
                    self.act(who, handle, 12_000, Act::Answer);
                } else if self.rng.chance(50) && !self.judge.forked(&incoming) {
                    self.act(who, handle, 12_000, Act::Reject(486));
                }
                if self.rng.chance(10) {
                    self.act(who, handle, 15_000, Act::HangUp);
                }
            }
            Event::Provisional { body: Some(_), reliable: true, .. } => {
                self.act(who, handle, 500, Act::Complete);
            }
            Event::Answered { .. } => {
                self.summary.answered += 1;
                if !self.rng.chance(5) {
                    self.act(who, handle, 500, Act::Complete);
                }
                self.talk(who, handle);
            }
            Event::Confirmed { .. } => self.talk(who, handle),
            Event::Reoffer { .. } => {
                let good = !self.rng.chance(20);
                if !self.rng.chance(5) {
                    self.act(who, handle, 1_500, Act::Reply(good));
                }
            }
            Event::ReofferAnswered { .. } => self.summary.reoffers += 1,
            Event::Referred { .. } => {
                self.act(who, handle, 1_000, Act::ReferStatus(100));
                self.act(who, handle, 9_000, Act::ReferStatus(200));
            }
            Event::ReferProgress { done: true, .. } => self.summary.transfers += 1,
            _ => {}
        }
    }

    fn talk(&mut self, who: usize, handle: Handle) {
        if self.rng.chance(40) {
            self.act(who, handle, 40_000, Act::HangUp);
        }
        for act in [Act::Reoffer, Act::Reoffer, Act::Refer, Act::Info] {
            if self.rng.chance(30) {
                self.act(who, handle, 8_000, act);
            }
        }
    }

    fn act(&mut self, agent: usize, handle: Handle, limit: u32, act: Act) {
        self.after(limit, Happening::Act { agent, handle, act });
    }

    fn body(&mut self) -> Body {
        self.serial += 1;
        Body::sdp(format!("v=0 {}", self.serial).into_bytes())
    }

    /// Lets something happen within `limit` milliseconds.
    fn after(&mut self, limit: u32, happening: Happening) {
        let micros = u64::from(self.rng.below(limit.saturating_mul(1000).max(1)));
        self.serial += 1;
        self.queue.insert((self.now + Duration::from_micros(micros), self.serial), happening);
    }

    /// A datagram's way: lost, doubled or delayed while the network is wild.
    fn travel(&mut self, from: usize, to: usize, bytes: Vec<u8>) {
        let wild = self.now < WILD;
        if wild && self.rng.chance(self.loss) {
            return;
        }
        let arrives = Happening::Arrives { from, to, bytes };
        if wild && self.rng.chance(5) {
            self.after(3_000, arrives.clone());
        }
        let limit = if wild && self.rng.chance(8) { 1_500 } else { 60 };
        self.after(limit, arrives);
    }

    fn summed(&mut self) -> Summary {
        let mut summary = self.summary.clone();
        for agent in &self.agents {
            let stats = agent.stats();
            summary.glare += stats.misdeeds.get(Misdeed::Glare);
            summary.seconds += stats.misdeeds.get(Misdeed::SecondAnswer);
            summary.repeated += stats.repeated;
        }
        summary.crossed = self.judge.crossed;
        summary
    }

    fn say(&mut self, line: impl FnOnce() -> String) {
        (self.trace)(self.now, &line());
    }
}

const PORT: u16 = 5060;

fn address(who: usize) -> SocketAddr {
    let port = PORT + u16::try_from(who).unwrap_or(0);
    SocketAddr::from(([192, 0, 2, 1], port))
}

fn agent(who: usize, now: Time, seed: u64) -> Agent {
    let local = address(who);
    let door = Door { transport: Transport::Udp, local, advertised: HostPort::from(local) };
    let refresh = Refresh { interval: Duration::from_secs(100), shortest: Duration::from_secs(90) };
    let config = Config { doors: vec![door], refresh, trace: false, ..Config::default() };
    let mut agent = Agent::new(config, now, Rng::from_seed(seed));
    let peer = |who| Peer {
        id: PeerId(who as u64),
        net: address(who).ip(),
        prefix: 32,
        port: Some(address(who).port()),
    };
    agent.handle(now, Input::Peers((0..=SPLITTER).map(peer).collect()));
    agent
}

/// The start line, and what tells messages of one kind apart.
fn seen(text: &str) -> String {
    let mut lines = text.lines();
    let first = lines.next().unwrap_or("").to_owned();
    let cseq = lines.find(|line| line.starts_with("CSeq")).unwrap_or("");
    format!("{first} ({cseq})")
}
