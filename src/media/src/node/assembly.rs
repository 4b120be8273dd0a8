//! Puts a node together: sockets, then the rings between every two threads that talk, then the threads' machines.

use core::net::SocketAddr;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use offhook_rtc::dtls::Certificate;
use offhook_types::media::{Candidate, Event};
use offhook_types::{Rng, WorkerId};
use rtrb::Consumer;

use super::listen::{Listening, listen, stream_thread};
use super::placements::{Busy, Placements};
use super::{AssociationDoor, OnEvent, RESERVED, Reach, Shared, StartError, WorkerDoor};
use crate::Config;
use crate::address::{advertised, inside};
use crate::association::{self, Associations, WorkerSide};
use crate::clock::Clock;
use crate::rings::{Outbox, Waker};
use crate::socket::UdpSocket;
use crate::streams::{Directory, Streams};
use crate::tunnel;
use crate::worker::{AssociationSide, Link, MAX_WORKERS, Parts, Worker};

/// Commands that may wait for one worker. A worker takes some thousands in a millisecond.
const COMMANDS: usize = RESERVED + 8192;
/// Notes between a worker and an association thread; what exceeds it waits at the sender.
const NOTES: usize = 1024;
/// DTLS datagrams that may wait for an association thread: half a second of handshakes.
const DATAGRAMS: usize = 512;
/// Data messages that may wait for an association thread.
const MESSAGES: usize = 4096;
/// Packets that may wait for another worker: 10 ms at 100,000 packets a second.
const HANDOFFS: usize = 1024;

/// Everything of a node but its threads.
pub(super) struct Assembled {
    pub(super) shared: Arc<Shared>,
    pub(super) workers: Vec<Worker>,
    pub(super) associations: Vec<Associations>,
    pub(super) streams: Option<Streams>,
}

/// Open the sockets and make the machines.
pub(super) fn assemble(config: Config, on_event: OnEvent) -> Result<Assembled, StartError> {
    check(&config)?;
    let (clock, stopping) = (Clock::start(), Arc::<AtomicBool>::default());
    let certificate = Arc::new(Certificate::generate()?);
    let busy: Vec<Arc<Busy>> = (0..config.workers).map(|_| Arc::default()).collect();
    let placements = Arc::new(Mutex::new(Placements::new(busy.clone())));
    let sockets = bind(&config)?;
    let listening = listen(&config)?;
    let on_event = watch(on_event, placements.clone(), listening.directory.clone());
    let wakers = (0..config.workers).map(|_| Waker::new()).collect::<Result<Vec<_>, _>>()?;
    let shared = Arc::new(association::Shared {
        certificate: certificate.clone(),
        clock,
        limits: config.limits.clone(),
        on_event: on_event.clone(),
        handshakes: AtomicUsize::new(0),
        stopping: stopping.clone(),
    });
    let config = Arc::new(config);
    let (machines, association_doors, sides) =
        association_threads(&shared, &sockets, &wakers, config.handshake_threads.into())?;
    let (mut workers, mut worker_doors, mut tunnels) = (Vec::new(), Vec::new(), Vec::new());
    let rows = links(&wakers).into_iter().zip(sides).zip(busy);
    let rows = rows.zip(sockets.into_iter().zip(wakers));
    for (nth, (((links, associations), busy), (socket, waker))) in (0u16..).zip(rows) {
        let reach = reach(&config, &listening, &socket);
        let (commands, waiting) = Outbox::new(COMMANDS, waker.clone());
        let pair = config.tunnels.then(|| tunnel::pair(WorkerId(nth), waker.clone()));
        let (far, tunnel) = pair.unzip();
        tunnels.extend(far);
        let worker = Worker::new(Parts {
            id: WorkerId(nth),
            config: config.clone(),
            socket,
            clock,
            on_event: on_event.clone(),
            waker: waker.clone(),
            commands: waiting,
            associations,
            links,
            tunnel,
            stopping: stopping.clone(),
            busy,
            rng: Rng::from_seed(RandomState::new().hash_one(nth)),
        });
        worker_doors.push(WorkerDoor {
            commands: Mutex::new(commands),
            waker,
            reach,
            serial: AtomicU64::new(1),
            published: worker.published(),
        });
        workers.push(worker);
    }
    let (streams, stream_door) =
        stream_thread(&config, listening, &worker_doors, (clock, stopping.clone()))?;
    let shared = Shared {
        fingerprint: certificate.fingerprint(),
        clock,
        streams: stream_door,
        legs_per_worker: config.limits.legs_per_worker,
        stop_within: config.timeouts.stop,
        stopping,
        workers: worker_doors,
        associations: association_doors,
        placements,
        tunnels: Mutex::new(tunnels),
    };
    Ok(Assembled { shared: Arc::new(shared), workers, associations: machines, streams })
}

type Threads = (Vec<Associations>, Vec<AssociationDoor>, Vec<Vec<AssociationSide>>);

/// The association threads' machines, how they are reached, and each worker's ends of the rings to them.
fn association_threads(
    shared: &Arc<association::Shared>,
    sockets: &[Arc<UdpSocket>],
    wakers: &[Arc<Waker>],
    threads: usize,
) -> Result<Threads, StartError> {
    let mut sides: Vec<Vec<AssociationSide>> = sockets.iter().map(|_| Vec::new()).collect();
    let (mut machines, mut doors) = (Vec::new(), Vec::new());
    for _ in 0..threads {
        let waker = Waker::new()?;
        let mut theirs = Vec::new();
        for ((side, socket), reader) in sides.iter_mut().zip(sockets).zip(wakers) {
            let (worker_side, thread_side) = pair(&waker, reader, socket);
            side.push(worker_side);
            theirs.push(thread_side);
        }
        let (messages, waiting) = Outbox::new(MESSAGES, waker.clone());
        let machine = Associations::new(shared.clone(), theirs, waiting, waker.clone());
        let published = machine.published();
        doors.push(AssociationDoor { messages: Mutex::new(messages), waker, published });
        machines.push(machine);
    }
    Ok((machines, doors, sides))
}

fn check(config: &Config) -> Result<(), StartError> {
    let workers = usize::from(config.workers);
    if workers == 0 || workers > MAX_WORKERS {
        return Err(StartError::Config("workers must be from 1 to 64"));
    }
    if config.handshake_threads == 0 {
        return Err(StartError::Config("there must be at least one handshake thread"));
    }
    if config.base_port != 0 && config.base_port.checked_add(config.workers - 1).is_none() {
        return Err(StartError::Config("the workers' ports exceed 65535"));
    }
    if config.stream_only && config.stream_ports.is_empty() {
        return Err(StartError::Config("streams only, and no port for them"));
    }
    if config.limits.legs_per_worker == 0 || config.limits.slots == 0 {
        return Err(StartError::Config("legs and slots must not be zero"));
    }
    Ok(())
}

/// Every event passes here on its way out, so that placements and streams learn of ends.
fn watch(
    on_event: OnEvent,
    placements: Arc<Mutex<Placements>>,
    directory: Arc<Directory>,
) -> OnEvent {
    Arc::new(move |event| {
        if let Event::LegDown { leg, .. } = &event {
            placements.lock().unwrap_or_else(PoisonError::into_inner).ended(*leg);
            directory.ended(*leg);
        }
        on_event(event);
    })
}

fn bind(config: &Config) -> Result<Vec<Arc<UdpSocket>>, StartError> {
    let one = |nth: u16| {
        let port = if config.base_port == 0 { 0 } else { config.base_port + nth };
        let address = SocketAddr::new(config.bind, port);
        let socket = UdpSocket::bind(address, config.receive_buffer, config.send_buffer)
            .map_err(|source| StartError::Socket { port, source })?;
        let (received, sent) = (socket.receive_buffer, socket.send_buffer);
        if received < config.receive_buffer / 2 || sent < config.send_buffer / 2 {
            tracing::warn!(
                received,
                sent,
                "small socket buffers: raise net.core.rmem_max and net.core.wmem_max"
            );
        }
        Ok(Arc::new(socket))
    };
    (0..config.workers).map(one).collect()
}

/// Where a worker is reached, and what peers are told of it.
fn reach(config: &Config, listening: &Listening, socket: &UdpSocket) -> Reach {
    let own = candidates(config, socket);
    let told = listening.candidates(config, &own);
    Reach { told, own, inside: inside(socket.address()) }
}

fn candidates(config: &Config, socket: &UdpSocket) -> Vec<Candidate> {
    let bound = socket.address();
    let addresses = match config.advertise.as_slice() {
        [] => advertised(bound.ip(), socket.takes_v6()),
        named => named.to_vec(),
    };
    let at = |ip| Candidate::udp(SocketAddr::new(ip, bound.port()));
    addresses.into_iter().map(at).collect()
}

fn pair(
    association: &Arc<Waker>,
    worker: &Arc<Waker>,
    socket: &Arc<UdpSocket>,
) -> (AssociationSide, WorkerSide) {
    let (notes_out, notes) = Outbox::new(NOTES, association.clone());
    let (datagrams_out, datagrams) = Outbox::new(DATAGRAMS, association.clone());
    let (answers, answers_in) = Outbox::new(NOTES, worker.clone());
    let theirs = WorkerSide { notes, datagrams, answers, socket: socket.clone() };
    (AssociationSide { notes: notes_out, datagrams: datagrams_out, answers: answers_in }, theirs)
}

/// For each worker, its ends of the rings to every other.
fn links(wakers: &[Arc<Waker>]) -> Vec<Vec<Option<Link>>> {
    let workers = wakers.len();
    let mut packets = Cross::new(wakers, HANDOFFS);
    let mut notes = Cross::new(wakers, NOTES);
    let mut link = |from: usize, to: usize| {
        let (packets_out, packets_in) = (packets.outbox(from, to)?, packets.inbox(to, from)?);
        let (notes_out, notes_in) = (notes.outbox(from, to)?, notes.inbox(to, from)?);
        Some(Link { packets_in, notes_in, packets_out, notes_out })
    };
    (0..workers).map(|from| (0..workers).map(|to| link(from, to)).collect()).collect()
}

/// One ring from each worker to each other.
struct Cross<T> {
    rings: Vec<Ring<T>>,
}

/// A ring whose ends have not been taken yet.
struct Ring<T> {
    from: usize,
    to: usize,
    outbox: Option<Outbox<T>>,
    inbox: Option<Consumer<T>>,
}

impl<T> Cross<T> {
    fn new(wakers: &[Arc<Waker>], capacity: usize) -> Self {
        let mut rings = Vec::new();
        for from in 0..wakers.len() {
            for (to, waker) in wakers.iter().enumerate().filter(|(to, _)| *to != from) {
                let (outbox, inbox) = Outbox::new(capacity, waker.clone());
                rings.push(Ring { from, to, outbox: Some(outbox), inbox: Some(inbox) });
            }
        }
        Self { rings }
    }

    fn ring(&mut self, from: usize, to: usize) -> Option<&mut Ring<T>> {
        self.rings.iter_mut().find(|ring| (ring.from, ring.to) == (from, to))
    }

    fn outbox(&mut self, from: usize, to: usize) -> Option<Outbox<T>> {
        self.ring(from, to)?.outbox.take()
    }

    fn inbox(&mut self, from: usize, to: usize) -> Option<Consumer<T>> {
        self.ring(from, to)?.inbox.take()
    }
}
