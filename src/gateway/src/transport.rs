//! The task that owns the SIP agent: what arrives on sockets goes into the machine, what the machine
//! wants sent goes out, and its events go to whoever started it.
//!
//! One task is enough: a call costs the agent some ten messages of a few tens of microseconds each, so
//! one core carries thousands of call set-ups a second. Sockets are read by tasks of their own, through
//! one bounded queue; what does not fit is dropped and counted, as a network would.
//!
//! A connection from an address that is no peer's is closed before a byte of it is read.

mod datagram;
mod resolver;
mod stream;
mod tls;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use offhook_sip::agent::{
    Agent, Command, Config, Event, Flow, Gate, Handle as Leg, Input, Output, Peer, PeerId, Send,
    Trace, Transport,
};
use offhook_sip::uri::{Host, HostPort};
use offhook_types::counters::Counters;
use offhook_types::{Rng, Time, counted};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use datagram::Datagrams;
use resolver::Resolver;
use stream::Streams;
pub use tls::TlsError;

/// Where SIP is spoken.
#[derive(Debug, Clone)]
pub struct Options {
    /// UDP addresses.
    pub udp: Vec<SocketAddr>,
    /// TCP addresses.
    pub tcp: Vec<SocketAddr>,
    /// TLS addresses; they need [`Options::certificate`].
    pub tls: Vec<SocketAddr>,
    /// The host that carriers are told in place of a bound address, when behind NAT.
    pub advertise: Option<Host>,
    /// A PEM file with our certificate chain, and one with its key.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// A PEM file with the authorities that carriers' certificates are checked against; `None` takes
    /// the system's.
    pub authorities: Option<PathBuf>,
    /// Connections at a time, accepted and opened.
    pub connections: usize,
    /// Accepted connections of one address at a time.
    pub connections_per_address: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            udp: Vec::new(),
            tcp: Vec::new(),
            tls: Vec::new(),
            advertise: None,
            certificate: None,
            authorities: None,
            connections: 2000,
            connections_per_address: 32,
        }
    }
}

/// Why SIP cannot be spoken.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A port could not be had.
    #[error("cannot listen on {transport:?} {address}: choose another address or free it")]
    Listen {
        /// Of which transport.
        transport: Transport,
        /// Which.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// TLS is not set up right.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

counted! {
    /// Why something that arrived, or was to leave, did not.
    pub enum Lost {
        /// The task's queue was full.
        QueueFull = "queue_full",
        /// The socket's send buffer was full.
        SendBufferFull = "send_buffer_full",
        /// A connection from an address that is no peer's.
        UnknownSource = "unknown_source",
        /// No place for a further connection.
        ConnectionLimit = "connection_limit",
        /// A stream that is no SIP.
        BadFraming = "bad_framing",
        /// A connection that said nothing whole in time.
        Idle = "idle",
        /// A peer that does not read.
        SlowReader = "slow_reader",
        /// A TLS handshake that failed.
        Handshake = "handshake",
        /// A connection that could not be opened.
        Connect = "connect",
    }
}

/// What the task says.
#[derive(Debug)]
// It is made, moved once and taken apart: a box would cost more than the bytes it saves.
#[expect(clippy::large_enum_variant)]
pub enum Said {
    /// Something happened to a call, registration or keep-alive.
    Event(Leg, Event),
    /// A message passed.
    Trace(Trace),
}

/// Figures for metrics.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// What the machine counted.
    pub agent: offhook_sip::agent::Stats,
    /// What was lost on the way.
    pub lost: Counters<Lost>,
    /// Open connections.
    pub connections: usize,
}

/// Reaches the task. Cheap to clone; the task ends with the last one.
#[derive(Clone)]
pub struct Handle {
    orders: mpsc::UnboundedSender<Order>,
    bound: Arc<[(Transport, SocketAddr)]>,
}

enum Order {
    Command(Leg, Box<Command>),
    Peers(Vec<Peer>, Vec<(PeerId, Gate)>),
    Count(oneshot::Sender<Counts>),
}

impl Handle {
    /// Have the agent do something. Returns at once. What waits is bounded by the legs that there are:
    /// each has a handful of commands at most before it hears from the agent.
    pub fn command(&self, leg: Leg, command: Command) {
        let _ = self.orders.send(Order::Command(leg, Box::new(command)));
    }

    /// Whose packets are read from now on, and which of them have to show a password for each call.
    pub fn peers(&self, peers: Vec<Peer>, logins: Vec<(PeerId, Gate)>) {
        let _ = self.orders.send(Order::Peers(peers, logins));
    }

    /// Figures; nothing when the task is gone.
    pub async fn counts(&self) -> Option<Counts> {
        let (reply, answer) = oneshot::channel();
        self.orders.send(Order::Count(reply)).ok()?;
        answer.await.ok()
    }

    /// The addresses that are listened on, with the ports that the system chose.
    pub fn bound(&self) -> &[(Transport, SocketAddr)] {
        &self.bound
    }
}

/// What sockets and the resolver tell the task.
enum Arrival {
    Input(Input),
    /// A connection was accepted and waits for a verdict.
    Accepted(stream::Accepted),
    /// A connection that we opened stands.
    Opened(stream::Opened),
    /// A connection is gone.
    Closed(Flow),
    Lost(Lost),
}

/// Arrivals that may wait for the task.
const QUEUE: usize = 8192;
/// Taken of each queue between two looks at the timers.
const BATCH: usize = 64;

/// Open the sockets and start the task on the current tokio runtime. `config.doors` is filled in here.
/// What the agent says goes to `said`; the task waits when that is full, so its reader must not wait
/// for the task.
pub async fn start(
    options: &Options,
    mut config: Config,
    seed: u64,
    said: mpsc::Sender<Said>,
) -> Result<Handle, StartError> {
    let (arrivals, arrived) = mpsc::channel(QUEUE);
    let datagrams = Datagrams::open(&options.udp, &arrivals).await?;
    let mut bound: Vec<(Transport, SocketAddr)> =
        datagrams.bound().map(|address| (Transport::Udp, address)).collect();
    let tls = tls::Tls::load(options)?;
    for (transport, addresses) in [(Transport::Tcp, &options.tcp), (Transport::Tls, &options.tls)] {
        for &address in addresses {
            let failed = |source| StartError::Listen { transport, address, source };
            let listener = TcpListener::bind(address).await.map_err(failed)?;
            bound.push((transport, listener.local_addr().map_err(failed)?));
            tokio::spawn(stream::listen(listener, transport, arrivals.clone()));
        }
    }
    config.doors = bound.iter().map(|&door| options.door(door)).collect();
    let (orders, ordered) = mpsc::unbounded_channel();
    let origin = Instant::now();
    let task = Task {
        agent: Agent::new(config, Time::ZERO, Rng::from_seed(seed)),
        origin,
        datagrams,
        streams: Streams::new(options, tls, arrivals.clone()),
        resolver: Resolver::new(arrivals),
        said,
        lost: Counters::default(),
    };
    tokio::spawn(task.run(ordered, arrived));
    Ok(Handle { orders, bound: bound.into() })
}

impl Options {
    fn door(&self, (transport, local): (Transport, SocketAddr)) -> offhook_sip::agent::Door {
        let host = self.advertise.clone().unwrap_or(Host::Ip(local.ip()));
        let advertised = HostPort { host, port: Some(local.port()) };
        offhook_sip::agent::Door { transport, local, advertised }
    }
}

struct Task {
    agent: Agent,
    origin: Instant,
    datagrams: Datagrams,
    streams: Streams,
    resolver: Resolver,
    said: mpsc::Sender<Said>,
    lost: Counters<Lost>,
}

impl Task {
    async fn run(
        mut self,
        mut orders: mpsc::UnboundedReceiver<Order>,
        mut arrivals: mpsc::Receiver<Arrival>,
    ) {
        let (mut ordered, mut arrived) = (Vec::with_capacity(BATCH), Vec::with_capacity(BATCH));
        loop {
            let due = self.agent.next_timeout().map(|due| self.origin + due.since(Time::ZERO));
            let timer = sleep_until(due.unwrap_or(self.origin));
            tokio::select! {
                taken = orders.recv_many(&mut ordered, BATCH) => {
                    if taken == 0 {
                        return;
                    }
                }
                _ = arrivals.recv_many(&mut arrived, BATCH) => {}
                () = timer, if due.is_some() => {}
            }
            for order in ordered.drain(..) {
                self.take_order(order);
            }
            for arrival in arrived.drain(..) {
                self.take_arrival(arrival);
            }
            let now = self.now();
            self.agent.handle_timeout(now);
            if !self.carry_out().await {
                return;
            }
        }
    }

    fn now(&self) -> Time {
        let micros = self.origin.elapsed().as_micros();
        Time::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }

    fn take_order(&mut self, order: Order) {
        let now = self.now();
        match order {
            Order::Command(handle, command) => {
                self.agent.handle(now, Input::Command { handle, command: *command });
            }
            Order::Peers(peers, logins) => {
                self.agent.handle(now, Input::Logins(logins));
                self.agent.handle(now, Input::Peers(peers));
            }
            Order::Count(reply) => {
                let counts = Counts {
                    agent: self.agent.stats().clone(),
                    lost: self.lost.clone(),
                    connections: self.streams.open(),
                };
                let _ = reply.send(counts);
            }
        }
    }

    fn take_arrival(&mut self, arrival: Arrival) {
        let now = self.now();
        match arrival {
            Arrival::Input(input) => self.agent.handle(now, input),
            Arrival::Accepted(accepted) => {
                if !self.agent.knows(now, accepted.flow.remote) {
                    self.lost.add(Lost::UnknownSource);
                } else if !self.streams.accept(accepted) {
                    self.lost.add(Lost::ConnectionLimit);
                }
            }
            Arrival::Opened(opened) => {
                for send in self.streams.opened(opened) {
                    self.agent.handle(now, Input::Unsent { send });
                }
            }
            Arrival::Closed(flow) => {
                self.streams.closed(flow);
                self.agent.handle(now, Input::Closed { flow });
            }
            Arrival::Lost(lost) => self.lost.add(lost),
        }
    }

    /// False when nobody listens any more.
    async fn carry_out(&mut self) -> bool {
        while let Some(output) = self.agent.poll() {
            let said = match output {
                Output::Send(send) => {
                    self.send(send);
                    continue;
                }
                Output::Resolve { query, question } => {
                    self.resolver.ask(query, question);
                    continue;
                }
                Output::Event { handle, event } => Said::Event(handle, event),
                Output::Trace(trace) => Said::Trace(trace),
            };
            if self.said.send(said).await.is_err() {
                return false;
            }
        }
        true
    }

    fn send(&mut self, send: Send) {
        let id = send.id;
        let sent = match send.hop.transport {
            Transport::Udp => self.datagrams.send(&send),
            Transport::Tcp | Transport::Tls => self.streams.send(send),
        };
        if let Err(lost) = sent {
            self.lost.add(lost);
            // A full send buffer is a lost packet, which timers repair; the rest is final.
            if lost != Lost::SendBufferFull {
                let now = self.now();
                self.agent.handle(now, Input::Unsent { send: id });
            }
        }
    }
}
