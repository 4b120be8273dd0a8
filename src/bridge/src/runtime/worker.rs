//! One thread: its bridges, their sockets and one poller. It reads the clock once per turn, takes
//! what came, and runs the bridges whose time has come on a shared grid, so that a wake-up serves
//! all of them.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc as queue;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token, Waker};
use tokio::sync::{mpsc, oneshot};

use offhook_types::PhoneId;
use offhook_types::counters::Counters;
use offhook_types::{Rng, Time, WallTime};

use super::ports::{self, Ports};
use super::{Config, Notice};
use crate::tone::Announcements;
use crate::{Bridge, Count, Event, Opened, Options, Order, Output, Port, Refused};

/// What a worker is asked.
pub(super) enum Ask {
    Open { phone: PhoneId, options: Options, answer: oneshot::Sender<Result<Opened, Refused>> },
    Order { phone: PhoneId, order: Order },
    Counters { answer: oneshot::Sender<Counters<Count>> },
    Stop,
}

/// The way to a worker.
#[derive(Debug, Clone)]
pub(super) struct Asker {
    queue: queue::Sender<Ask>,
    waker: Arc<Waker>,
}

impl Asker {
    pub(super) fn ask(&self, ask: Ask) {
        if self.queue.send(ask).is_ok() {
            let _ = self.waker.wake();
        }
    }
}

pub(super) struct Worker {
    config: Arc<Config>,
    announcements: Arc<Announcements>,
    asks: queue::Receiver<Ask>,
    notices: mpsc::UnboundedSender<Notice>,
    poll: Poll,
    ports: Ports,
    origin: Instant,
    rng: Rng,
    slots: Vec<Option<Open>>,
    by_phone: HashMap<PhoneId, usize>,
    /// Sockets that had more to read than one turn takes.
    unfinished: Vec<Token>,
    next_tick: Time,
    load: Load,
    counters: Counters<Count>,
    stopping: bool,
}

/// An open bridge.
struct Open {
    phone: PhoneId,
    bridge: Bridge,
    sockets: [UdpSocket; 3],
    closed: bool,
}

impl Worker {
    pub(super) fn new(
        nth: usize,
        config: Arc<Config>,
        announcements: Arc<Announcements>,
        notices: mpsc::UnboundedSender<Notice>,
    ) -> io::Result<(Self, Asker)> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let (queue, asks) = queue::channel();
        let mut seed = [0; 8];
        aws_lc_rs::rand::fill(&mut seed).map_err(|_| io::Error::other("no randomness"))?;
        let mut rng = Rng::from_seed(u64::from_ne_bytes(seed));
        let start = (rng.next_u32() >> 16) as u16;
        let worker = Self {
            ports: Ports::new(config.carrier_bind, &config.ports, start.wrapping_add(nth as u16)),
            config,
            announcements,
            asks,
            notices,
            poll,
            origin: Instant::now(),
            rng,
            slots: Vec::new(),
            by_phone: HashMap::new(),
            unfinished: Vec::new(),
            next_tick: Time::ZERO,
            load: Load::default(),
            counters: Counters::default(),
            stopping: false,
        };
        Ok((worker, Asker { queue, waker }))
    }

    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        let mut buffer = vec![0; DATAGRAM];
        while !(self.stopping && self.by_phone.is_empty()) {
            let timeout = self.patience();
            if let Err(error) = self.poll.poll(&mut events, timeout)
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(%error, "bridge worker cannot poll");
                return;
            }
            let now = self.now();
            let unfinished = std::mem::take(&mut self.unfinished);
            for token in unfinished.into_iter().chain(events.iter().map(|event| event.token())) {
                if token == WAKER {
                    continue;
                }
                self.read(now, token, &mut buffer);
            }
            if !self.take_asks(now) {
                return;
            }
            self.tick(now);
        }
    }

    /// How long to sleep: not at all with unread packets, for good without bridges.
    fn patience(&self) -> Option<Duration> {
        if !self.unfinished.is_empty() {
            return Some(Duration::ZERO);
        }
        (!self.by_phone.is_empty()).then(|| self.next_tick.since(self.now()))
    }

    fn now(&self) -> Time {
        Time::ZERO + self.origin.elapsed()
    }

    fn read(&mut self, now: Time, token: Token, buffer: &mut [u8]) {
        let (slot, port) = (token.0 / PORTS, token.0 % PORTS);
        let Some(open) = self.slots.get_mut(slot).and_then(Option::as_mut) else { return };
        for _ in 0..PACKETS_PER_TURN {
            let Some(socket) = open.sockets.get(port) else { return };
            let (len, from) = match socket.recv_from(buffer) {
                Ok(received) => received,
                // An ICMP error of an earlier packet surfaces here once; there may be more to read.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => continue,
                Err(_) => return self.flush(slot),
            };
            let bytes = buffer.get(..len).unwrap_or_default();
            match port {
                0 => open.bridge.handle_carrier(now, from, bytes),
                1 => open.bridge.handle_carrier_rtcp(now, from, bytes),
                _ => open.bridge.handle_relay(now, from, bytes),
            }
        }
        self.unfinished.push(token);
        self.flush(slot);
    }

    /// False when everybody who could ask is gone.
    fn take_asks(&mut self, now: Time) -> bool {
        loop {
            match self.asks.try_recv() {
                Ok(Ask::Open { phone, options, answer }) => {
                    let _ = answer.send(self.open(now, phone, options));
                }
                Ok(Ask::Order { phone, order }) => self.order(now, phone, order),
                Ok(Ask::Counters { answer }) => {
                    let _ = answer.send(self.counted());
                }
                Ok(Ask::Stop) => self.stop(now),
                Err(queue::TryRecvError::Empty) => return true,
                Err(queue::TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn open(&mut self, now: Time, phone: PhoneId, options: Options) -> Result<Opened, Refused> {
        if self.stopping {
            return Err(Refused::Stopped);
        }
        if self.by_phone.contains_key(&phone) {
            return Err(Refused::Taken);
        }
        if self.by_phone.len() >= self.config.bridges_per_worker || self.load.is_high(now) {
            return Err(Refused::Busy);
        }
        let slot = self.slots.iter().position(Option::is_none).unwrap_or(self.slots.len());
        let (rtp, rtcp) = self.ports.pair().ok_or(Refused::NoPorts)?;
        let relay = ports::relay(self.config.relay_bind).map_err(|_| Refused::NoPorts)?;
        let mut sockets = [rtp, rtcp, relay];
        for (socket, port) in sockets.iter_mut().zip(0..) {
            let token = Token(slot * PORTS + port);
            let registered = self.poll.registry().register(socket, token, Interest::READABLE);
            registered.map_err(|_| Refused::NoPorts)?;
        }
        let [rtp, _, relay] = &sockets;
        let port = |socket: &UdpSocket| socket.local_addr().map(|local| local.port());
        let (rtp, relay) =
            (port(rtp).map_err(|_| Refused::NoPorts)?, port(relay).map_err(|_| Refused::NoPorts)?);
        if self.by_phone.is_empty() {
            self.next_tick = now;
        }
        // Bridges take turns on the grid, so that they do not all encode at the same moment.
        let phase = GRID * u32::try_from(slot % PHASES).unwrap_or(0);
        let rng = Rng::from_seed(self.rng.next_u64());
        let bridge = Bridge::new(self.next_tick + phase, options, self.announcements.clone(), rng);
        let open = Open { phone, bridge, sockets, closed: false };
        match self.slots.get_mut(slot) {
            Some(free) => *free = Some(open),
            None => self.slots.push(Some(open)),
        }
        self.by_phone.insert(phone, slot);
        Ok(Opened {
            relay: SocketAddr::new(self.config.relay_advertise, relay),
            carrier: SocketAddr::new(self.config.carrier_advertise, rtp),
        })
    }

    fn order(&mut self, now: Time, phone: PhoneId, order: Order) {
        let Some(&slot) = self.by_phone.get(&phone) else { return };
        if let Some(open) = self.slots.get_mut(slot).and_then(Option::as_mut) {
            open.bridge.handle(now, order);
        }
        self.flush(slot);
    }

    fn stop(&mut self, now: Time) {
        self.stopping = true;
        let phones: Vec<PhoneId> = self.by_phone.keys().copied().collect();
        for phone in phones {
            self.order(now, phone, Order::Close);
        }
    }

    fn tick(&mut self, now: Time) {
        if now < self.next_tick || self.by_phone.is_empty() {
            return;
        }
        self.load.ran(now, now.since(self.next_tick));
        let behind = now.since(self.next_tick).as_micros() / GRID.as_micros();
        self.next_tick = self.next_tick + GRID * (u32::try_from(behind).unwrap_or(0) + 1);
        for slot in 0..self.slots.len() {
            let Some(open) = self.slots.get_mut(slot).and_then(Option::as_mut) else { continue };
            if open.bridge.next_timeout() <= now {
                open.bridge.handle_timeout(now);
                self.flush(slot);
            }
        }
    }

    /// Carries out what a bridge wants, and lets it go once it has closed.
    fn flush(&mut self, slot: usize) {
        let Some(Some(open)) = self.slots.get_mut(slot) else { return };
        let Open { phone, bridge, sockets, closed } = open;
        let [rtp, rtcp, relay] = sockets;
        let (notices, counters) = (&self.notices, &mut self.counters);
        bridge.poll(|output| match output {
            Output::Send { port, to, bytes } => {
                let socket = match port {
                    Port::CarrierRtp => &*rtp,
                    Port::CarrierRtcp => &*rtcp,
                    Port::Relay => &*relay,
                };
                if socket.send_to(bytes, to).is_err() {
                    counters.add(Count::Unsent);
                }
            }
            Output::Event(event) => {
                *closed |= matches!(event, Event::Closed(_));
                let _ = notices.send(Notice { phone: *phone, at: wall(), event });
            }
        });
        if *closed {
            self.counters.merge(bridge.counters());
            for socket in sockets {
                let _ = self.poll.registry().deregister(socket);
            }
            self.by_phone.remove(phone);
            if let Some(slot) = self.slots.get_mut(slot) {
                *slot = None;
            }
        }
    }

    fn counted(&self) -> Counters<Count> {
        let mut all = self.counters.clone();
        for open in self.slots.iter().flatten() {
            all.merge(open.bridge.counters());
        }
        all
    }
}

/// Whether the thread keeps up. New bridges are refused for a while after it did not.
#[derive(Debug, Default)]
struct Load {
    late_in_a_row: u32,
    high_until: Option<Time>,
}

impl Load {
    fn ran(&mut self, now: Time, late: Duration) {
        self.late_in_a_row = if late > TOO_LATE { self.late_in_a_row + 1 } else { 0 };
        if self.late_in_a_row >= LATE_TURNS {
            self.high_until = Some(now + REST);
        }
    }

    fn is_high(&self, now: Time) -> bool {
        self.high_until.is_some_and(|until| now < until)
    }
}

fn wall() -> WallTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallTime(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

const WAKER: Token = Token(usize::MAX);
/// Sockets of a bridge.
const PORTS: usize = 3;
const EVENTS: usize = 256;
/// No RTP is longer on a path with an MTU of 1500 bytes.
const DATAGRAM: usize = 2048;
/// A stream has 100 packets per second; more than this at once is a flood that others wait for.
const PACKETS_PER_TURN: usize = 64;
const GRID: Duration = Duration::from_millis(5);
/// Bridges tick each 20 ms, so four groups of them fill the grid.
const PHASES: usize = 4;
/// Half a packet: what is later than this is heard as jitter.
const TOO_LATE: Duration = Duration::from_millis(10);
const LATE_TURNS: u32 = 20;
const REST: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn load_is_high_for_a_while_after_a_row_of_late_turns() {
        let mut load = Load::default();
        for turn in 0..LATE_TURNS {
            assert!(!load.is_high(Time::from_millis(u64::from(turn))));
            load.ran(Time::from_millis(u64::from(turn)), TOO_LATE * 2);
        }
        assert!(load.is_high(Time::from_millis(1000)));
        assert!(!load.is_high(Time::from_millis(6000)));
        load.ran(Time::from_millis(6000), Duration::ZERO);
        assert_eq!(load.late_in_a_row, 0);
    }
}
