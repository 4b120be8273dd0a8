//! The carrier itself: one agent, its sockets and its calls, in one task.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use offhook_sip::agent::{
    Agent, Command, Config, Event, Flow, Handle, Identity, Incoming, Input, Invite, Output, Peer,
    PeerId, Reliable, Send, SendId, Trunk,
};
use offhook_sip::header::NameAddr;
use offhook_sip::uri::{HostPort, SipUri, Uri};
use offhook_types::{Rng, Time};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::control::Control;
use super::line::{Line, Start, Want};
use super::media::{Sound, Told};
use super::news::News;
use super::script::steps;
use super::sockets::Sockets;
use super::tap::{Tap, Verdict};

/// What the carrier is told by its tasks.
#[derive(Debug)]
pub enum Inbox {
    /// A message came.
    Received {
        /// Over what.
        flow: Flow,
        /// The message.
        bytes: Vec<u8>,
    },
    /// A connection was accepted.
    Opened {
        /// From whom.
        remote: SocketAddr,
        /// What is written to it.
        writer: mpsc::UnboundedSender<Vec<u8>>,
    },
    /// A connection is gone.
    Closed(Flow),
    /// A message could not be sent.
    Unsent(SendId),
    /// The sound of a call says something.
    Told(Handle, Told),
    /// Something to do.
    Control(Control),
}

/// What a carrier is set up with.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Where SIP is taken. Media is taken at the same address.
    pub listen: SocketAddr,
    /// Over TCP too; the carrier's own calls only over TCP.
    pub tcp: bool,
    /// Where calls of the carrier go.
    pub via: SocketAddr,
    /// Of everything that is drawn by lot.
    pub seed: u64,
}

/// The carrier.
#[derive(Debug)]
pub struct Switch {
    agent: Agent,
    tap: Tap,
    lines: BTreeMap<Handle, Line>,
    sockets: Sockets,
    notes: mpsc::UnboundedSender<Inbox>,
    inbox: mpsc::UnboundedReceiver<Inbox>,
    news: mpsc::UnboundedSender<News>,
    /// Where the carrier's own calls are sent.
    proxy: SipUri,
    rng: Rng,
    started: Instant,
    /// Calls so far.
    count: u64,
    /// No longer than until then, once it was told to quit.
    quits: Option<Instant>,
}

impl Switch {
    /// Opens the sockets. What happens is told to `news`.
    pub async fn open(setup: Setup, news: mpsc::UnboundedSender<News>) -> Result<Self> {
        let (notes, inbox) = mpsc::unbounded_channel();
        let sockets = Sockets::open(setup.listen, setup.tcp, notes.clone()).await?;
        let mut rng = Rng::from_seed(setup.seed);
        let (doors, product) = (sockets.doors(), "Offhook demo carrier".into());
        let config = Config { doors, product, trace: false, ..Config::default() };
        let mut agent = Agent::new(config, Time::ZERO, Rng::from_seed(rng.next_u64()));
        agent.handle(Time::ZERO, Input::Peers(anyone()));
        let mut proxy = SipUri::new(None, setup.via.into());
        proxy.set_param("transport", Some(if setup.tcp { "tcp" } else { "udp" }));
        let tap = Tap::new(Rng::from_seed(rng.next_u64()));
        let _ = news.send(News::Listening { address: sockets.local.to_string() });
        Ok(Self {
            agent,
            tap,
            lines: BTreeMap::new(),
            sockets,
            notes,
            inbox,
            news,
            proxy,
            rng,
            started: Instant::now(),
            count: 0,
            quits: None,
        })
    }

    /// Where the carrier is told things.
    pub fn notes(&self) -> mpsc::UnboundedSender<Inbox> {
        self.notes.clone()
    }

    /// Works until it is told to quit.
    pub async fn run(mut self) -> Result<()> {
        loop {
            let due = self.next_timeout();
            tokio::select! {
                note = self.inbox.recv() => match note {
                    Some(note) => self.take(note).await?,
                    None => return Ok(()),
                },
                () = sleep_until(due) => self.timeout(),
            }
            self.work().await?;
            if self.quits.is_some_and(|at| at <= Instant::now() || self.lines.is_empty()) {
                return Ok(());
            }
        }
    }

    fn next_timeout(&self) -> Instant {
        let machines = self.agent.next_timeout().into_iter().chain(self.tap.next_timeout());
        let machines = machines.map(|at| self.started + at.since(Time::ZERO));
        let lines = self.lines.values().filter_map(Line::next_timeout);
        let idle = Instant::now() + Duration::from_secs(3600);
        machines.chain(lines).chain(self.quits).fold(idle, Instant::min)
    }

    fn timeout(&mut self) {
        let now = self.now();
        self.agent.handle_timeout(now);
        let mut sends = Vec::new();
        self.tap.handle_timeout(now, &mut sends);
        sends.into_iter().for_each(|send| self.sockets.send(send));
    }

    async fn take(&mut self, note: Inbox) -> Result<()> {
        let now = self.now();
        match note {
            Inbox::Received { flow, bytes } => self.receive(flow, bytes),
            Inbox::Opened { remote, writer } => self.sockets.opened(remote, writer),
            Inbox::Closed(flow) => {
                self.sockets.closed(flow);
                self.agent.handle(now, Input::Closed { flow });
            }
            Inbox::Unsent(send) => self.agent.handle(now, Input::Unsent { send }),
            Inbox::Told(handle, told) => {
                let last = self.lines.get_mut(&handle).is_some_and(|line| line.hear(told));
                if last && let Some(line) = self.lines.remove(&handle) {
                    self.tap.forget(&line.call_id);
                }
            }
            Inbox::Control(control) => self.obey(control).await?,
        }
        Ok(())
    }

    fn receive(&mut self, flow: Flow, bytes: Vec<u8>) {
        let (now, mut sends) = (self.now(), Vec::new());
        let verdict = self.tap.hear(now, flow, &bytes, &mut sends);
        sends.into_iter().for_each(|send: Send| self.sockets.send(send));
        match verdict {
            Verdict::Pass => self.agent.handle(now, Input::Received { flow, bytes }),
            Verdict::Swallow => {}
            Verdict::Bye(call) => {
                if let Some((_, line)) = self.line_of(&call) {
                    line.unheard_bye();
                }
            }
            Verdict::Offer(call, offer) => {
                let line = self.line_of(&call);
                if let Some((handle, want)) =
                    line.and_then(|(handle, line)| Some((handle, line.asked_offer(offer)?)))
                {
                    self.want(handle, want);
                }
            }
            Verdict::NoOffer(call, status) => {
                if let Some((_, line)) = self.line_of(&call) {
                    line.refused_offer(status);
                }
            }
        }
    }

    fn line_of(&mut self, call: &offhook_sip::text::Text) -> Option<(Handle, &mut Line)> {
        let mut lines = self.lines.iter_mut();
        lines.find(|(_, line)| line.call_id == *call).map(|(handle, line)| (*handle, line))
    }

    async fn obey(&mut self, control: Control) -> Result<()> {
        match control {
            Control::Call { from, to } => self.call(&from, &to).await?,
            Control::HangUp(id) => {
                if let Some(handle) = self.handle_of(id) {
                    self.command(handle, Command::HangUp { reason: None });
                }
            }
            Control::Digits(id, digits) => {
                let Some(handle) = self.handle_of(id) else { return Ok(()) };
                let commands = self.lines.get(&handle).map(|line| line.press(digits));
                for command in commands.into_iter().flatten() {
                    self.command(handle, command);
                }
            }
            Control::Quit => {
                self.quits = Some(Instant::now() + QUIT_WITHIN);
                for handle in self.lines.keys().copied().collect::<Vec<_>>() {
                    self.command(handle, Command::HangUp { reason: None });
                }
            }
        }
        Ok(())
    }

    fn handle_of(&self, id: u64) -> Option<Handle> {
        self.lines.iter().find(|(_, line)| line.id == id).map(|(handle, _)| *handle)
    }

    /// Everything that follows from what was taken, until nothing more does.
    async fn work(&mut self) -> Result<()> {
        loop {
            while let Some(output) = self.agent.poll() {
                self.output(output).await?;
            }
            let now = Instant::now();
            let stepped = self.lines.iter_mut().find_map(|(handle, line)| {
                let want = line.step(now)?;
                Some((*handle, want))
            });
            match stepped {
                Some((handle, want)) => self.want(handle, want),
                None => return Ok(()),
            }
        }
    }

    async fn output(&mut self, output: Output) -> Result<()> {
        match output {
            Output::Send(send) => {
                let bytes = self.tap.outgoing(send.bytes);
                self.sockets.send(Send { bytes, ..send });
            }
            // A laptop's carrier has addresses to call, no names.
            Output::Resolve { query, .. } => {
                let records = Vec::new();
                self.agent.handle(self.now(), Input::Resolved { query, records });
            }
            Output::Event { handle, event: Event::Incoming(incoming) } => {
                self.incoming(handle, *incoming).await?;
            }
            Output::Event { handle, event } => {
                let want = self.lines.get_mut(&handle).and_then(|line| line.handle(event));
                if let Some(want) = want {
                    self.want(handle, want);
                }
            }
            Output::Trace(_) => {}
        }
        Ok(())
    }

    fn want(&mut self, handle: Handle, want: Want) {
        let Some(line) = self.lines.get(&handle) else { return };
        let call = line.call_id.clone();
        let send = match want {
            Want::Command(command) => return self.command(handle, command),
            Want::Deafen => return self.tap.deafen(&call),
            Want::AskOffer => self.tap.ask(self.now(), &call),
            Want::AnswerOffer(body) => self.tap.answer(&call, &body),
        };
        if let Some(send) = send {
            self.sockets.send(send);
        }
    }

    fn command(&mut self, handle: Handle, command: Command) {
        let now = self.now();
        self.agent.handle(now, Input::Command { handle, command });
    }

    async fn incoming(&mut self, handle: Handle, incoming: Incoming) -> Result<()> {
        let number = incoming.target.subscriber().unwrap_or_default();
        let (id, sound) = self.sound(handle).await?;
        let asserted = incoming.identity.asserted.first().map(name);
        let (from, to) = (name(&incoming.from), number.clone());
        let _ = self.news.send(News::Invite { id, from, asserted, to });
        let steps = steps(&number);
        let (at, call_id) = (self.sockets.local.into(), incoming.call_id);
        let reliable = incoming.reliable;
        let start = Start { id, call_id, number, at, steps, reliable, sound };
        let mut line = Line::new(start, self.news.clone());
        let refusal = line.offered(incoming.body.as_ref());
        self.lines.insert(handle, line);
        if let Some(command) = refusal {
            self.command(handle, command);
        }
        Ok(())
    }

    async fn call(&mut self, from: &str, to: &str) -> Result<()> {
        let handle = Handle(self.count + 1);
        let (id, sound) = self.sound(handle).await?;
        let here = HostPort::from(self.sockets.local);
        let (at, number, call_id) = (here.clone(), to.to_owned(), "".into());
        let start = Start { id, call_id, number, at, steps: &[], reliable: false, sound };
        let mut line = Line::new(start, self.news.clone());
        let offer = line.offer();
        self.lines.insert(handle, line);
        let caller = NameAddr::new(SipUri::new(Some(from), here));
        let called: Uri = SipUri::new(Some(to), self.proxy.at.clone()).into();
        let invite = Invite {
            trunk: Trunk {
                peer: PeerId(0),
                proxy: Some(self.proxy.clone().into()),
                credentials: Vec::new(),
            },
            target: called.clone(),
            from: caller.clone(),
            to: NameAddr::new(called),
            contact_user: from.to_owned(),
            identity: Identity { asserted: vec![caller], ..Identity::default() },
            headers: Vec::new(),
            body: Some(offer),
            reliable: Reliable::Supported,
            refresh: None,
            first_response: Duration::from_secs(32),
            ring_limit: Duration::from_secs(180),
        };
        let (from, to) = (from.to_owned(), to.to_owned());
        let _ = self.news.send(News::Calling { id, from, to });
        self.command(handle, Command::Invite(Box::new(invite)));
        Ok(())
    }

    /// A number and sound for a new call.
    async fn sound(&mut self, handle: Handle) -> Result<(u64, Sound)> {
        self.count += 1;
        let notes = self.notes.clone();
        let tell = move |told| {
            let _ = notes.send(Inbox::Told(handle, told));
        };
        let ip = self.sockets.local.ip();
        Ok((self.count, Sound::start(ip, self.rng.next_u64(), tell).await?))
    }

    fn now(&self) -> Time {
        Time::ZERO + self.started.elapsed()
    }
}

/// The carrier takes calls from everybody.
fn anyone() -> Vec<Peer> {
    let nets = [[0; 4].into(), [0_u8; 16].into()];
    nets.map(|net| Peer { id: PeerId(0), net, prefix: 0, port: None }).into()
}

/// Who somebody is: the user of the address.
fn name(address: &NameAddr) -> String {
    address.uri.subscriber().unwrap_or_default()
}

/// How long calls may take to hang up at the end.
const QUIT_WITHIN: Duration = Duration::from_secs(1);
