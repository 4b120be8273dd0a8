//! A worker: one thread, one socket, the legs that live on it. One turn of its loop: read the clock once,
//! receive some batches, take what other workers hand over, forward all of it, send what goes to one destination
//! together; before that a bounded share of commands, after it timers.
//!
//! Nothing per packet locks, allocates, logs, or reads a clock. Start at [`Worker::turn`].

mod ceiling;
mod contact;
mod control;
mod egress;
mod forward;
mod guide;
mod leg;
mod memory;
mod opening;
mod overload;
mod pacing;
mod peers;
mod receive;
mod rtcp;
mod rtp;
mod timers;
mod tunnelled;

use core::net::SocketAddr;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use offhook_rtc::pacer::Pool;
use offhook_sfu::Router;
use offhook_types::media::{Command, Event, Extensions, LegEnd};
use offhook_types::{LegId, MediaKind, Rng, RoomId, Time, TrackId, WorkerId};
use rtrb::Consumer;

use crate::address::FastMap;
use crate::association::{Datagram, FromAssociation, ToAssociation};
use crate::clock::Clock;
use crate::node::Busy;
use crate::rings::{Outbox, Waker};
use crate::slots::{Arena, History};
use crate::socket::{Inbox, RECEIVE_BATCH, UdpSocket, thread_cpu};
use crate::transmit::Transmit;
use crate::tunnel::{Arrivals, Departures};
use crate::{Config, Count, Drop, OnEvent, Snapshot};
use egress::Exit;
use forward::{GATHERED, Waiting};
use leg::{Leg, Out};
use overload::Overload;
pub(crate) use peers::Link;

/// What a worker is made of.
pub(crate) struct Parts {
    pub(crate) id: WorkerId,
    pub(crate) config: Arc<Config>,
    pub(crate) socket: Arc<UdpSocket>,
    pub(crate) clock: Clock,
    pub(crate) on_event: OnEvent,
    pub(crate) waker: Arc<Waker>,
    pub(crate) commands: Consumer<Command>,
    pub(crate) associations: Vec<AssociationSide>,
    /// By worker; `None` for itself.
    pub(crate) links: Vec<Option<Link>>,
    pub(crate) tunnel: Option<(Arrivals, Departures)>,
    pub(crate) stopping: Arc<AtomicBool>,
    /// Where it tells how busy it is.
    pub(crate) busy: Arc<Busy>,
    pub(crate) rng: Rng,
}

/// The rings between one worker and one association thread, as the worker sees them.
pub(crate) struct AssociationSide {
    pub(crate) notes: Outbox<ToAssociation>,
    pub(crate) datagrams: Outbox<Datagram>,
    pub(crate) answers: Consumer<FromAssociation>,
}

/// One worker.
pub(crate) struct Worker {
    inbox: Inbox,
    core: Core,
    stopping: Arc<AtomicBool>,
}

/// Everything but the receive buffers, so that it can be changed while they are read.
struct Core {
    id: WorkerId,
    config: Arc<Config>,
    clock: Clock,
    on_event: OnEvent,
    waker: Arc<Waker>,
    commands: Consumer<Command>,
    associations: Vec<AssociationSide>,
    links: Vec<Option<Link>>,
    arrivals: Option<Arrivals>,
    rng: Rng,
    arena: Arena,
    exit: Exit,
    legs: Vec<Option<Box<Leg>>>,
    /// By leg, when it wants to be looked at.
    due: Vec<Time>,
    /// The earliest of `due`, or earlier.
    next_due: Time,
    last_tick: Time,
    vacant: Vec<u32>,
    by_id: FastMap<LegId, u32>,
    by_address: FastMap<SocketAddr, u32>,
    /// Looked up with names that strangers choose, so with the standard hasher.
    by_ufrag: HashMap<String, u32>,
    rooms: Vec<Option<Room>>,
    by_room: FastMap<RoomId, u32>,
    /// Rooms in which somebody asked for a key frame just now.
    asking: Vec<u32>,
    /// Publishers whose video is capped anew.
    capped: Vec<u32>,
    tracks: FastMap<TrackId, Track>,
    /// Tracks of other workers that legs here receive.
    attachments: FastMap<TrackId, Attachment>,
    /// By track, the other workers with receivers, one bit each.
    wanted: FastMap<TrackId, u64>,
    published: Arc<Mutex<Snapshot>>,
    busy: Arc<Busy>,
    /// CPU time used when that was told last, and when; `None` on a thread that does other things too.
    told: Option<(Duration, Time)>,
    next_publish: Time,
    next_expiry: Time,
    /// Packets of this turn that have not been forwarded yet.
    waiting: Vec<Waiting>,
    /// Packets that are kept are not looked through for room before.
    next_room: Time,
    /// Plain RTCP while it is read.
    scratch: Vec<u8>,
    /// What the kernel had dropped when the counters were last published.
    overflowed: u64,
    overload: Overload,
}

/// One room on this worker.
struct Room {
    id: RoomId,
    router: Router,
    legs: u32,
}

/// One track that can be forwarded here.
struct Track {
    room: u32,
    source: Source,
    kind: MediaKind,
    /// The publisher's extension ids.
    ids: Extensions,
    muted: bool,
    histories: Vec<History>,
    /// Other workers with receivers, one bit each; only for a local source.
    workers: u64,
}

/// Who publishes a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// A leg here.
    Local(u32),
    /// A leg of another worker.
    Remote(WorkerId),
}

/// A track of another worker that legs here receive.
struct Attachment {
    worker: WorkerId,
    room: u32,
    receivers: u32,
}

/// Batches received in one turn, while there is more: what a turn receives of one track is forwarded together.
const RECEIVES: usize = 4;
/// Commands taken in one turn.
const COMMANDS: usize = 32;
/// Least time between two looks at the timers.
const TICK: Duration = Duration::from_millis(10);
/// Longest sleep, and how often the counters are published.
const PUBLISH: Duration = Duration::from_millis(250);
/// Thousandths of a core from which on a worker lingers.
const LINGERS: u64 = 100;
/// One in so many slots may be held back by pacers: what waits longer than a moment is dropped anyway.
const HELD_PART: usize = 4;
/// Slots looked at when the counters are published, to take back those that others held after traffic has ceased.
const RECLAIM: usize = 1024;
/// Most workers: one bit each in [`Track::workers`].
pub(crate) const MAX_WORKERS: usize = 64;

impl Worker {
    pub(crate) fn new(parts: Parts) -> Self {
        let legs = parts.config.limits.legs_per_worker.clamp(1, 1 << 20);
        let arena = Arena::new(parts.id, parts.config.limits.slots);
        let (arrivals, departures) = parts.tunnel.unzip();
        let exit = Exit {
            socket: parts.socket,
            transmit: Transmit::new(departures),
            outs: (0..legs).map(|_| Out::default()).collect(),
            figures: Snapshot::default(),
            now: Time::ZERO,
            held: Pool::new(parts.config.limits.slots / HELD_PART),
            paced: Vec::with_capacity(legs),
            next_release: Time::MAX,
        };
        let core = Core {
            id: parts.id,
            config: parts.config,
            clock: parts.clock,
            on_event: parts.on_event,
            waker: parts.waker,
            commands: parts.commands,
            associations: parts.associations,
            links: parts.links,
            arrivals,
            rng: parts.rng,
            arena,
            exit,
            legs: (0..legs).map(|_| None).collect(),
            due: vec![Time::MAX; legs],
            next_due: Time::MAX,
            last_tick: Time::ZERO,
            vacant: (0..legs as u32).rev().collect(),
            by_id: FastMap::default(),
            by_address: FastMap::default(),
            by_ufrag: HashMap::new(),
            rooms: Vec::new(),
            by_room: FastMap::default(),
            asking: Vec::with_capacity(64),
            capped: Vec::with_capacity(64),
            tracks: FastMap::default(),
            attachments: FastMap::default(),
            wanted: FastMap::default(),
            published: Arc::default(),
            busy: parts.busy,
            told: None,
            next_publish: Time::ZERO,
            next_expiry: Time::ZERO,
            waiting: Vec::with_capacity(GATHERED),
            next_room: Time::ZERO,
            scratch: vec![0; 2048],
            overflowed: 0,
            overload: Overload::default(),
        };
        Self { inbox: Inbox::new(), core, stopping: parts.stopping }
    }

    /// Where the counters are published.
    pub(crate) fn published(&self) -> Arc<Mutex<Snapshot>> {
        self.core.published.clone()
    }

    /// Turn until the node stops.
    pub(crate) fn run(mut self) {
        self.core.told = Some((thread_cpu(), self.core.clock.now()));
        while !self.stopping.load(Ordering::Acquire) {
            let now = self.core.clock.now();
            if !self.turn(now) {
                self.core.sleep(now);
            }
        }
        let now = self.core.clock.now();
        self.core.drain(now);
    }

    /// Publish the counters now.
    pub(crate) fn publish(&mut self, now: Time) {
        self.core.publish(now);
    }

    /// One turn. True when more may be waiting already.
    pub(crate) fn turn(&mut self, now: Time) -> bool {
        let core = &mut self.core;
        core.exit.now = now;
        let mut busy = core.take_answers(now);
        busy |= core.take_notes(now);
        let mut more = true;
        for _ in 0..RECEIVES {
            more = more && core.receive(now, &mut self.inbox);
        }
        busy |= more;
        busy |= core.take_tunnelled(now);
        busy |= core.take_handoffs(now);
        core.forward(now);
        core.ask_for_key_frames(now);
        core.release(now);
        core.exit.flush();
        if now >= core.next_due && now.since(core.last_tick) >= TICK {
            core.tick(now);
            core.exit.flush();
        }
        core.settle();
        if core.overload.is_due(now) {
            core.relieve(now);
        }
        if now >= core.next_publish {
            core.publish(now);
        }
        busy
    }
}

impl Core {
    /// Take one batch from the socket. True when more may be waiting.
    fn receive(&mut self, now: Time, inbox: &mut Inbox) -> bool {
        let received = self.exit.socket.receive(inbox).unwrap_or(0);
        // Between receiving and reading: what the control plane said before a packet was sent is known when it is read.
        let more = self.take_commands(now);
        if received > 0 {
            self.exit.figures.counts.add(Count::ReceiveCalls);
            self.exit.figures.counts.add_many(Count::MessagesReceived, received as u64);
            for message in inbox.messages() {
                self.handle_message(now, &message);
            }
        }
        more || received == RECEIVE_BATCH
    }

    fn sleep(&mut self, now: Time) {
        self.exit.figures.counts.add(Count::Sleeps);
        let tick = self.next_due.max(self.last_tick + TICK);
        let next = tick.min(self.next_publish).min(self.exit.next_release);
        let timeout = next.since(now).min(PUBLISH);
        let idle = || {
            self.commands.is_empty()
                && self.associations.iter().all(|side| side.answers.is_empty())
                && self.links.iter().flatten().all(Link::is_idle)
                && self.arrivals.as_ref().is_none_or(Arrivals::is_empty)
        };
        self.waker.sleep(Some(&self.exit.socket), timeout, idle);
        let linger = self.config.timeouts.linger;
        if self.exit.figures.busy >= LINGERS && !linger.is_zero() {
            std::thread::sleep(linger);
        }
    }

    /// Wake those for whom something was put into a ring.
    fn settle(&mut self) {
        for side in &mut self.associations {
            side.notes.settle();
            side.datagrams.settle();
        }
        for link in self.links.iter_mut().flatten() {
            link.settle();
        }
    }

    fn publish(&mut self, now: Time) {
        self.next_publish = now + PUBLISH;
        self.tell_busy(now);
        self.arena.reclaim(RECLAIM);
        let Exit { socket, transmit, figures, outs, .. } = &mut self.exit;
        transmit.count(&mut figures.counts, &mut figures.drops);
        let overflowed = socket.overflowed();
        let since = overflowed.saturating_sub(self.overflowed);
        figures.drops.add_many(Drop::ReceiveBufferFull, since);
        self.overflowed = overflowed;
        figures.legs = self.by_id.len() as u64;
        figures.rooms = self.by_room.len() as u64;
        let local = |track: &&Track| matches!(track.source, Source::Local(_));
        figures.tracks = self.tracks.values().filter(local).count() as u64;
        figures.egress = self.legs.iter().flatten().map(|leg| leg.egress.len() as u64).sum();
        figures.free_slots = self.arena.free() as u64;
        let guides = outs.iter().filter_map(|out| out.guide.as_deref());
        let estimates = guides.filter_map(|guide| Some((guide.told()?, guide.wanted())));
        (figures.estimated, figures.narrow) = estimates
            .fold((0, 0), |(all, narrow), (told, wanted)| {
                (all + 1, narrow + u64::from(told < wanted))
            });
        if let Ok(mut published) = self.published.try_lock() {
            published.copy_from(figures);
            for room in self.rooms.iter().flatten() {
                published.routing.merge(room.router.counters());
            }
        }
    }

    /// How much of its core this thread used since it was told last.
    fn tell_busy(&mut self, now: Time) {
        let Some((before, since)) = self.told else { return };
        let used = thread_cpu();
        let span = now.since(since);
        if span >= PUBLISH / 2 {
            let used_now = used.saturating_sub(before).as_micros() * 1000;
            let busy = used_now.checked_div(span.as_micros()).unwrap_or(0);
            self.exit.figures.busy = busy.min(1000) as u64;
            self.busy.tell(busy.min(1000) as u32);
            self.told = Some((used, now));
        }
    }

    /// End every leg, because the node stops.
    fn drain(&mut self, now: Time) {
        let all: Vec<u32> = self.by_id.values().copied().collect();
        for index in all {
            self.remove_leg(index, LegEnd::Drained);
        }
        // Legs whose opening still waits have an end too.
        while let Ok(command) = self.commands.pop() {
            if let Command::OpenLeg(open) = command {
                self.refuse(open.leg, LegEnd::Drained);
            }
        }
        self.exit.flush();
        // The association threads take them, unless one died.
        let limit = now + self.config.timeouts.stop;
        while self.associations.iter().any(|side| side.notes.is_backed_up())
            && self.clock.now() < limit
        {
            self.settle();
            std::thread::yield_now();
        }
        self.settle();
        self.publish(now);
    }

    fn leg(&self, index: u32) -> Option<&Leg> {
        self.legs.get(index as usize)?.as_deref()
    }

    fn leg_mut(&mut self, index: u32) -> Option<&mut Leg> {
        self.legs.get_mut(index as usize)?.as_deref_mut()
    }

    fn room_mut(&mut self, index: u32) -> Option<&mut Room> {
        self.rooms.get_mut(index as usize)?.as_mut()
    }

    /// Look at a leg's timers at `due` at the latest.
    fn schedule(&mut self, index: u32, due: Time) {
        if let Some(place) = self.due.get_mut(index as usize) {
            *place = (*place).min(due);
        }
        self.next_due = self.next_due.min(due);
    }

    fn event(&self, event: Event) {
        (self.on_event)(event);
    }
}

impl Track {
    fn history(&mut self, layer: u8) -> Option<&mut History> {
        self.histories.get_mut(usize::from(layer))
    }
}
