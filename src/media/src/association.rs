//! The threads that do what is slow and rare: DTLS handshakes and data channels. A leg's DTLS and SCTP live
//! here from its
//! opening to its end, so that a handshake of a millisecond never delays a packet. What a worker receives for them
//! comes over a bounded ring; what they send leaves through the worker's socket directly.
//!
//! This is also where a leg's life is reported from: `LegUp`, `Data` and `LegDown` come from one thread and
//! so in order.

mod peer;

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use core::time::Duration;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use offhook_rtc::dtls::Certificate;
use offhook_rtc::srtp::SrtpKeys;
use offhook_types::media::{DataKind, DtlsRole, Event, Fingerprint, LegEnd};
use offhook_types::{LegId, Time};
use rtrb::Consumer;

use crate::clock::Clock;
use crate::rings::{Outbox, Waker};
use crate::socket::{Path, UdpSocket};
use crate::{Count, Drop, Limits, OnEvent, Snapshot};
use peer::{Change, Peer};

/// What a worker tells an association thread. Nothing of it may be lost.
pub(crate) enum ToAssociation {
    /// A leg begins that will shake hands.
    Open { leg: LegId, opens_channels: bool },
    /// A relay leg begins: it is up, under these keys.
    Keyed { leg: LegId, keys: Box<SrtpKeys> },
    /// A leg begins whose transport ends elsewhere: it is up.
    Tunnelled { leg: LegId },
    /// The peer's half became known.
    Remote { leg: LegId, fingerprint: Fingerprint, role: DtlsRole },
    /// Connectivity selected this path.
    Selected { leg: LegId, path: Path },
    /// The leg is gone from its worker: say goodbye and report its end.
    Close { leg: LegId, end: LegEnd },
}

/// A DTLS datagram from a validated address; may be lost.
pub(crate) struct Datagram {
    pub(crate) leg: LegId,
    pub(crate) len: u16,
    pub(crate) bytes: [u8; DATAGRAM_BYTES],
}

/// Longest DTLS datagram taken: no path delivers a longer one unfragmented.
pub(crate) const DATAGRAM_BYTES: usize = 1500;

/// A data message for a leg, from the control plane; may be refused.
pub(crate) struct Message {
    pub(crate) leg: LegId,
    pub(crate) kind: DataKind,
    pub(crate) payload: Arc<[u8]>,
}

/// What an association thread tells a worker. Nothing of it may be lost.
pub(crate) enum FromAssociation {
    /// The leg is reported up: the handshake succeeded, or there was none.
    Keys { leg: LegId, keys: Box<SrtpKeys> },
    /// The leg is reported up, and its packets come and go in plain.
    Plain { leg: LegId },
    /// The leg must end.
    Ended { leg: LegId, end: LegEnd },
}

/// The rings between one worker and one association thread, as the thread sees them.
pub(crate) struct WorkerSide {
    pub(crate) notes: Consumer<ToAssociation>,
    pub(crate) datagrams: Consumer<Datagram>,
    pub(crate) answers: Outbox<FromAssociation>,
    pub(crate) socket: Arc<UdpSocket>,
}

/// What all association threads share.
pub(crate) struct Shared {
    pub(crate) certificate: Arc<Certificate>,
    pub(crate) clock: Clock,
    pub(crate) limits: Limits,
    pub(crate) on_event: OnEvent,
    /// Handshakes in progress on the node.
    pub(crate) handshakes: AtomicUsize,
    pub(crate) stopping: Arc<AtomicBool>,
}

/// One association thread.
pub(crate) struct Associations {
    shared: Arc<Shared>,
    workers: Vec<WorkerSide>,
    messages: Consumer<Message>,
    waker: Arc<Waker>,
    peers: HashMap<LegId, Peer>,
    /// When each peer wants to be looked at.
    timers: BTreeSet<(Time, LegId)>,
    figures: Snapshot,
    next_publish: Time,
    published: Arc<Mutex<Snapshot>>,
    /// DTLS output; grown by it when too small.
    buffer: Vec<u8>,
}

/// Items taken from one ring before the others have their turn.
const TURN: usize = 64;
/// Sleeps end at least this often, to publish the counters.
const IDLE: Duration = Duration::from_millis(250);
/// A client's hello that found every handshake place taken is tried again after this.
const RETRY: Duration = Duration::from_millis(100);

impl Associations {
    pub(crate) fn new(
        shared: Arc<Shared>,
        workers: Vec<WorkerSide>,
        messages: Consumer<Message>,
        waker: Arc<Waker>,
    ) -> Self {
        Self {
            shared,
            workers,
            messages,
            waker,
            peers: HashMap::new(),
            timers: BTreeSet::new(),
            figures: Snapshot::default(),
            next_publish: Time::ZERO,
            published: Arc::default(),
            buffer: vec![0; 2048],
        }
    }

    /// Where the counters are published.
    pub(crate) fn published(&self) -> Arc<Mutex<Snapshot>> {
        self.published.clone()
    }

    /// Turns until the node stops and every leg's end is reported.
    pub(crate) fn run(mut self) {
        loop {
            let now = self.shared.clock.now();
            let busy = self.turn(now);
            let stopping = self.shared.stopping.load(Ordering::Acquire);
            // The workers stop first, and let go of their ends after having closed every leg.
            if stopping && !busy && self.workers.iter().all(|side| side.notes.is_abandoned()) {
                // A ring may have been filled and let go of since the turn began.
                while self.turn(self.shared.clock.now()) {}
                self.publish();
                return;
            }
            if !busy {
                self.sleep(now);
            }
        }
    }

    /// Take a bounded share of everything that waits. True when there may be more.
    pub(crate) fn turn(&mut self, now: Time) -> bool {
        let mut busy = false;
        for worker in 0..self.workers.len() {
            busy |= self.take_notes(now, worker);
            busy |= self.take_datagrams(now, worker);
        }
        for taken in 0.. {
            let Ok(message) = self.messages.pop() else { break };
            self.send_message(now, &message);
            if taken == TURN {
                busy = true;
                break;
            }
        }
        self.take_timers(now);
        for side in &mut self.workers {
            side.answers.settle();
            busy |= side.answers.is_backed_up();
        }
        if now >= self.next_publish {
            self.next_publish = now + IDLE;
            self.publish();
        }
        busy
    }

    fn sleep(&self, now: Time) {
        let due = self.timers.first().map_or(IDLE, |(due, _)| due.since(now));
        let idle = || {
            self.messages.is_empty()
                && self.workers.iter().all(|w| w.notes.is_empty() && w.datagrams.is_empty())
        };
        self.waker.sleep(None, due.min(IDLE), idle);
    }

    pub(crate) fn publish(&mut self) {
        let shaking = self.peers.values().filter(|peer| peer.is_shaking_hands());
        self.figures.handshakes = shaking.count() as u64;
        if let Ok(mut published) = self.published.try_lock() {
            published.copy_from(&self.figures);
            for peer in self.peers.values() {
                peer.count(&mut published);
            }
        }
    }

    fn take_notes(&mut self, now: Time, worker: usize) -> bool {
        for _ in 0..TURN {
            let Some(side) = self.workers.get_mut(worker) else { return false };
            let Ok(note) = side.notes.pop() else { return false };
            match note {
                ToAssociation::Open { leg, opens_channels } => {
                    let socket = side.socket.clone();
                    self.peers.insert(leg, Peer::new(leg, worker, socket, opens_channels));
                }
                ToAssociation::Keyed { leg, keys } => {
                    self.report(leg, worker, Change::Up { keys, version: None });
                }
                ToAssociation::Tunnelled { leg } => self.report_tunnelled(leg, worker),
                ToAssociation::Remote { leg, fingerprint, role } => {
                    self.with(now, leg, |peer, _| peer.set_remote(fingerprint, role));
                }
                ToAssociation::Selected { leg, path } => {
                    self.with(now, leg, |peer, _| peer.set_path(path));
                }
                ToAssociation::Close { leg, end } => self.close(now, leg, end),
            }
        }
        true
    }

    fn take_datagrams(&mut self, now: Time, worker: usize) -> bool {
        for _ in 0..TURN {
            let Some(side) = self.workers.get_mut(worker) else { return false };
            let Ok(datagram) = side.datagrams.pop() else { return false };
            let bytes = datagram.bytes.get(..usize::from(datagram.len)).unwrap_or_default();
            let known = self.with(now, datagram.leg, |peer, shared| {
                if !peer.handle_datagram(now, bytes, shared) {
                    return Some(Drop::HandshakeLimit);
                }
                None
            });
            if let Some(Some(drop)) = known {
                self.figures.drops.add(drop);
            }
        }
        true
    }

    fn take_timers(&mut self, now: Time) {
        while let Some(&(due, leg)) = self.timers.first() {
            if due > now {
                return;
            }
            self.timers.pop_first();
            if let Some(peer) = self.peers.get_mut(&leg) {
                peer.wake_at = None;
            }
            self.with(now, leg, |peer, _| peer.handle_timeout(now));
        }
    }

    fn send_message(&mut self, now: Time, message: &Message) {
        let taken =
            self.with(now, message.leg, |peer, _| peer.send(message.kind, &message.payload));
        match taken {
            Some(Ok(())) => self.figures.counts.add(Count::MessagesToPeers),
            Some(Err(drop)) => self.figures.drops.add(drop),
            None => self.figures.drops.add(Drop::DataNotOpen),
        }
    }

    /// Do something with a peer and then all that follows from it.
    fn with<T>(
        &mut self,
        now: Time,
        leg: LegId,
        act: impl FnOnce(&mut Peer, &Shared) -> T,
    ) -> Option<T> {
        let peer = self.peers.get_mut(&leg)?;
        let result = act(peer, &self.shared);
        if peer.may_begin() && !peer.begin(now, &self.shared) {
            peer.retry = Some(now + RETRY);
        }
        let (worker, mut changes) = (peer.worker, Vec::new());
        peer.poll(now, &self.shared, &mut self.buffer, &mut changes);
        let wanted = peer.next_timeout();
        if wanted != peer.wake_at {
            if let Some(earlier) = peer.wake_at.take() {
                self.timers.remove(&(earlier, leg));
            }
            peer.wake_at = wanted;
            self.timers.extend(wanted.map(|due| (due, leg)));
        }
        for change in changes {
            self.report(leg, worker, change);
        }
        Some(result)
    }

    fn report(&mut self, leg: LegId, worker: usize, change: Change) {
        let Some(side) = self.workers.get_mut(worker) else { return };
        match change {
            Change::Started => self.figures.counts.add(Count::HandshakesStarted),
            Change::Up { keys, version } => {
                let profile = keys.profile;
                self.figures.counts.add(Count::LegsUp);
                self.figures.counts.add(Count::of_version(version));
                self.figures.counts.add(Count::of_profile(profile));
                tracing::info!(%leg, ?profile, ?version, "leg up");
                (self.shared.on_event)(Event::LegUp { leg, profile: Some(profile), dtls: version });
                side.answers.post(FromAssociation::Keys { leg, keys });
            }
            Change::Ended(end) => {
                if end == LegEnd::HandshakeRefused {
                    self.figures.counts.add(Count::HandshakesFailed);
                }
                side.answers.post(FromAssociation::Ended { leg, end });
            }
            Change::Data { kind, payload } => {
                self.figures.counts.add(Count::MessagesFromPeers);
                (self.shared.on_event)(Event::Data { leg, kind, payload });
            }
        }
    }

    fn report_tunnelled(&mut self, leg: LegId, worker: usize) {
        let Some(side) = self.workers.get_mut(worker) else { return };
        self.figures.counts.add(Count::LegsUp);
        self.figures.counts.add(Count::LegsTunnelled);
        tracing::info!(%leg, "tunnelled leg up");
        (self.shared.on_event)(Event::LegUp { leg, profile: None, dtls: None });
        side.answers.post(FromAssociation::Plain { leg });
    }

    fn close(&mut self, now: Time, leg: LegId, end: LegEnd) {
        if let Some(mut peer) = self.peers.remove(&leg) {
            if let Some(due) = peer.wake_at {
                self.timers.remove(&(due, leg));
            }
            peer.close(now, &self.shared, &mut self.buffer);
            peer.count(&mut self.figures);
        }
        self.figures.counts.add(Count::LegsDown);
        tracing::info!(%leg, ?end, "leg down");
        (self.shared.on_event)(Event::LegDown { leg, end });
    }
}
