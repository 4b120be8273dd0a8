//! Legs where UDP is blocked: packets over TCP, in the clear or under TLS, in the frames of RFC 4571 (ICE over TCP,
//! RFC 6544) or from a TURN client (RFC 8656). One thread accepts streams, cuts the packets out of them, and passes
//! them to the leg's worker through an inlet, a UDP socket on loopback; the worker sees a peer like any other, and
//! its loop knows nothing of streams. Start at [`Streams::turn`].
//!
//! A newcomer has a few seconds to send a check that names a leg, and to be answered by its worker. Until then it
//! holds a place among the newcomers, of which the oldest makes room when there are too many.

mod connection;
mod directory;
mod inlet;
mod packets;
mod queue;
mod tls;

use core::net::{IpAddr, Ipv6Addr, SocketAddr};
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use offhook_rtc::turn::Authority;
use offhook_types::Time;
use rustls::ServerConfig;

use crate::clock::Clock;
use crate::socket::{Inbox, Sent, limit_unsent};
use crate::{Count, Drop, Limits, Snapshot};
use connection::{Connection, End};
pub(crate) use directory::Directory;
pub use tls::TlsError;
pub(crate) use tls::load;

/// What the stream thread is made of.
pub(crate) struct Parts {
    pub(crate) clock: Clock,
    pub(crate) limits: Limits,
    pub(crate) listeners: Vec<TcpListener>,
    pub(crate) tls: Option<Arc<ServerConfig>>,
    pub(crate) directory: Arc<Directory>,
    /// By worker, where it is reached inside this host.
    pub(crate) workers: Vec<SocketAddr>,
    /// Every UDP candidate of the node and its worker.
    pub(crate) candidates: Arc<[(SocketAddr, usize)]>,
    pub(crate) authority: Arc<Authority>,
    pub(crate) stopping: Arc<AtomicBool>,
}

/// The thread's machine.
pub(crate) struct Streams {
    parts: Parts,
    poll: Poll,
    events: Events,
    places: Vec<Option<Box<Connection>>>,
    vacant: Vec<usize>,
    /// Those that have proved nothing, oldest first: place and serial.
    newcomers: VecDeque<(usize, u64)>,
    by_address: HashMap<IpAddr, u32>,
    serial: u64,
    /// Looked at in this turn.
    ready: Vec<Token>,
    /// May have more, though no event will say so.
    again: Vec<Token>,
    inbox: Inbox,
    sent: Sent,
    figures: Snapshot,
    next_sweep: Time,
    published: Arc<Mutex<Snapshot>>,
}

/// Tokens of listeners are below this.
const LISTENERS: usize = 16;
/// Tokens of one place: its stream, then its inlets.
const PARTS: usize = 8;
/// Connections accepted in one turn, so that a flood of them does not delay those that are there.
const ACCEPTS: usize = 16;
/// Times that one stream is read in one turn.
const READS: usize = 4;
/// A newcomer's time until it has proved itself.
const NEWCOMER: Duration = Duration::from_secs(5);
/// Newcomers of one address (IPv6: /64): an office that joins at once, behind one NAT.
const NEWCOMERS_PER_ADDRESS: u32 = 32;
/// Newcomers together. At a thousand connections a second each still has half a second.
const NEWCOMERS: usize = 512;
/// A peer that takes nothing for so long is gone.
const STUCK: Duration = Duration::from_secs(10);
/// Between two looks at all streams, and how often the counters are published.
const SWEEP: Duration = Duration::from_millis(250);
/// Bytes that the kernel may hold unsent of one stream; the rest waits here, where video can be left out.
const UNSENT: usize = 16 * 1024;

impl Streams {
    pub(crate) fn new(mut parts: Parts) -> io::Result<Self> {
        let poll = Poll::new()?;
        parts.listeners.truncate(LISTENERS);
        for (nth, listener) in parts.listeners.iter_mut().enumerate() {
            poll.registry().register(listener, Token(nth), Interest::READABLE)?;
        }
        Ok(Self {
            parts,
            poll,
            events: Events::with_capacity(256),
            places: Vec::new(),
            vacant: Vec::new(),
            newcomers: VecDeque::new(),
            by_address: HashMap::new(),
            serial: 0,
            ready: Vec::with_capacity(512),
            again: Vec::with_capacity(512),
            inbox: Inbox::new(),
            sent: Sent::default(),
            figures: Snapshot::default(),
            next_sweep: Time::ZERO,
            published: Arc::default(),
        })
    }

    /// Where the counters are published.
    pub(crate) fn published(&self) -> Arc<Mutex<Snapshot>> {
        self.published.clone()
    }

    /// Turn until the node stops.
    pub(crate) fn run(mut self) {
        while !self.parts.stopping.load(Ordering::Acquire) {
            self.turn(SWEEP);
        }
    }

    /// Wait for something at most so long, and do what there is to do. True when more may be waiting already.
    pub(crate) fn turn(&mut self, wait: Duration) -> bool {
        let wait = if self.again.is_empty() { wait } else { Duration::ZERO };
        // An error is an interruption by a signal: the turn finds nothing new.
        let _ = self.poll.poll(&mut self.events, Some(wait));
        let now = self.parts.clock.now();
        self.ready.clear();
        self.ready.append(&mut self.again);
        self.ready.extend(self.events.iter().map(|event| event.token()));
        for nth in 0..self.ready.len() {
            let Some(&token) = self.ready.get(nth) else { break };
            self.serve(now, token);
        }
        if now >= self.next_sweep {
            self.next_sweep = now + SWEEP;
            self.sweep(now);
            self.publish();
        }
        !self.again.is_empty()
    }

    fn serve(&mut self, now: Time, token: Token) {
        let Some(inner) = token.0.checked_sub(LISTENERS) else {
            return self.accept(now, token);
        };
        let (place, part) = (inner / PARTS, inner % PARTS);
        let served = match part.checked_sub(1) {
            None => self.serve_stream(now, place),
            Some(inlet) => self.serve_inlet(now, place, inlet),
        };
        if let Err(reason) = served {
            self.close(place, reason);
        }
    }

    fn accept(&mut self, now: Time, token: Token) {
        for _ in 0..ACCEPTS {
            let Some(listener) = self.parts.listeners.get(token.0) else { return };
            match listener.accept() {
                Ok((socket, from)) => self.admit(now, socket, from.ip()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // Out of descriptors, or the peer went away again. The sweep comes back to those that wait.
                Err(_) => return self.figures.drops.add(Drop::StreamLimit),
            }
        }
        self.again.push(token);
    }

    fn admit(&mut self, now: Time, mut socket: TcpStream, from: IpAddr) {
        let from = counted_as(from);
        let limits = &self.parts.limits;
        let (mine, newcomers) = self.of_address(from);
        let open = self.places.len() - self.vacant.len();
        if open >= limits.streams
            || mine >= limits.streams_per_address
            || newcomers >= NEWCOMERS_PER_ADDRESS
        {
            return self.figures.drops.add(Drop::StreamLimit);
        }
        if self.newcomers.len() >= NEWCOMERS
            && let Some((oldest, _)) = self.newcomers.front().copied()
        {
            self.close(oldest, Some(Drop::StreamLimit));
        }
        let place = self.vacant.pop().unwrap_or(self.places.len());
        let interest = Interest::READABLE | Interest::WRITABLE;
        let token = token(place, 0);
        let ready = socket
            .set_nodelay(true)
            .and_then(|()| limit_unsent(&socket, UNSENT))
            .and_then(|()| self.poll.registry().register(&mut socket, token, interest));
        self.serial += 1;
        let tls = self.parts.tls.clone();
        let connection = Box::new(Connection::new(now, socket, (from, self.serial), tls));
        match self.places.get_mut(place) {
            Some(slot) => *slot = Some(connection),
            None => self.places.push(Some(connection)),
        }
        *self.by_address.entry(from).or_insert(0) += 1;
        self.newcomers.push_back((place, self.serial));
        self.figures.counts.add(Count::StreamsAccepted);
        if ready.is_err() {
            self.close(place, Some(Drop::StreamLimit));
        }
    }

    /// Streams of an address, and those of them that have proved nothing.
    fn of_address(&self, from: IpAddr) -> (u32, u32) {
        let all = self.by_address.get(&from).copied().unwrap_or(0);
        if all < NEWCOMERS_PER_ADDRESS {
            return (all, all);
        }
        let places = self.newcomers.iter().filter_map(|(place, _)| self.places.get(*place));
        let new = places.flatten().filter(|connection| connection.from == from).count();
        (all, u32::try_from(new).unwrap_or(u32::MAX))
    }

    /// A newcomer has proved itself.
    fn admitted(&mut self, place: usize) {
        self.newcomers.retain(|(newcomer, _)| *newcomer != place);
        self.figures.counts.add(Count::StreamsProven);
        if let Some(Some(connection)) = self.places.get_mut(place) {
            connection.proven = true;
            connection.queue.grow(queue::BYTES);
            if connection.is_tls() {
                self.figures.counts.add(Count::StreamsTls);
            }
        }
    }

    fn close(&mut self, place: usize, reason: Option<Drop>) {
        let Some(mut connection) = self.places.get_mut(place).and_then(Option::take) else {
            return;
        };
        let registry = self.poll.registry();
        let _ = registry.deregister(&mut connection.socket);
        for inlet in &connection.inlets {
            self.figures.drops.add_many(Drop::StreamBehind, inlet.socket.overflowed());
            inlet.close(registry);
        }
        if let Some(count) = self.by_address.get_mut(&connection.from) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&connection.from);
            }
        }
        if !connection.proven {
            self.newcomers.retain(|(_, serial)| *serial != connection.serial);
        }
        self.vacant.push(place);
        self.figures.counts.add(Count::StreamsClosed);
        if let Some(reason) = reason {
            self.figures.drops.add(reason);
        }
    }

    /// End what has had its time, and look again where an event may have been missed.
    fn sweep(&mut self, now: Time) {
        for place in 0..self.places.len() {
            let Some(Some(connection)) = self.places.get_mut(place) else { continue };
            // Its goodbye may be in the inlet when a leg ends, so it has until the next time.
            let over = connection.over;
            connection.over = connection.leg.as_ref().is_some_and(|leg| leg.is_over());
            let stuck = !connection.queue.is_empty() && now.since(connection.moved) > STUCK;
            let late = !connection.proven && now.since(connection.opened) > NEWCOMER;
            if over {
                self.close(place, None);
            } else if late || stuck {
                self.close(place, Some(Drop::StreamTimeout));
            }
        }
        self.again.extend((0..self.parts.listeners.len()).map(Token));
    }

    pub(crate) fn publish(&mut self) {
        let sent = core::mem::take(&mut self.sent);
        self.figures.drops.add_many(Drop::StreamBehind, sent.full + sent.failed);
        self.figures.streams = (self.places.len() - self.vacant.len()) as u64;
        if let Ok(mut published) = self.published.try_lock() {
            published.copy_from(&self.figures);
        }
    }
}

fn token(place: usize, part: usize) -> Token {
    Token(LISTENERS + place * PARTS + part)
}

/// Limits by address count an IPv6 network of one customer as one.
fn counted_as(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => Ipv6Addr::from(u128::from(v6) >> 64 << 64).into(),
    }
}

/// What ends a stream, as it is counted; the peer's own closing is nothing to count.
fn reason(end: End) -> Option<Drop> {
    match end {
        End::Gone => None,
        End::Tls => Some(Drop::StreamTls),
    }
}
