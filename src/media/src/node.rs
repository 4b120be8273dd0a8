//! The node: starts the threads, hands out placements, passes commands on, sums the counters.

mod assembly;
mod listen;
mod placements;
mod stepped;

use core::net::SocketAddr;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

use offhook_types::media::{Candidate, Command, DataKind, Event, Fingerprint, Placement};
use offhook_types::{LegId, RoomId, WorkerId};

use crate::association::Message;
use crate::clock::Clock;
use crate::rings::{Outbox, Waker};
use crate::socket::{pin_thread, wake_promptly, yield_to_others};
use crate::tunnel::Tunnel;
use crate::{Config, Snapshot, TurnCredentials};
use assembly::Assembled;
use listen::StreamDoor;
pub(crate) use placements::Busy;
use placements::Placements;
pub use stepped::SteppedNode;

/// What the node calls with each [`Event`], from its own threads. It must not block: put the event on a channel.
pub type OnEvent = Arc<dyn Fn(Event) + Send + Sync>;

/// Why a node could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration contradicts itself.
    #[error("media configuration: {0}")]
    Config(&'static str),
    /// A worker's UDP port could not be had.
    #[error("cannot open UDP port {port}")]
    Socket {
        /// The port asked for; zero for any.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
    /// A port for streams could not be had.
    #[error("cannot listen on TCP port {port}")]
    Stream {
        /// The port asked for; zero for any.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
    /// The certificate for streams under TLS cannot be used.
    #[error("streams under TLS")]
    Tls(#[from] crate::TlsError),
    /// No certificate could be made.
    #[error("cannot make a DTLS certificate")]
    Certificate(#[from] offhook_rtc::dtls::CertificateError),
    /// A thread, or what it sleeps on, could not be had.
    #[error("cannot start a thread")]
    Thread(#[from] io::Error),
}

/// The node did not take a command: its queue is full, the worker does not exist, or the node is stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the media node refuses commands")]
pub struct Refused;

/// A running media node. All methods may be called from any thread; none waits for the data plane but [`Node::stop`].
pub struct Node {
    shared: Arc<Shared>,
    threads: Mutex<Vec<Thread>>,
}

/// What handles, workers and tests share.
struct Shared {
    fingerprint: Fingerprint,
    legs_per_worker: usize,
    stop_within: Duration,
    stopping: Arc<AtomicBool>,
    workers: Vec<WorkerDoor>,
    associations: Vec<AssociationDoor>,
    placements: Arc<Mutex<Placements>>,
    /// Until they are taken.
    tunnels: Mutex<Vec<Tunnel>>,
    clock: Clock,
    streams: StreamDoor,
}

/// How a worker is reached.
struct WorkerDoor {
    commands: Mutex<Outbox<Command>>,
    waker: Arc<Waker>,
    reach: Reach,
    serial: AtomicU64,
    published: Arc<Mutex<Snapshot>>,
}

/// Where a worker is found.
struct Reach {
    /// What peers are told.
    told: Vec<Candidate>,
    /// Its own port, told or not.
    own: Vec<Candidate>,
    /// Where this host reaches it.
    inside: SocketAddr,
}

/// How an association thread is reached.
struct AssociationDoor {
    messages: Mutex<Outbox<Message>>,
    waker: Arc<Waker>,
    published: Arc<Mutex<Snapshot>>,
}

struct Thread {
    handle: thread::JoinHandle<()>,
    /// Disconnected when the thread has ended.
    ended: mpsc::Receiver<()>,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Worker,
    Association,
    Streams,
}

/// Places in a command ring kept for what makes room: the ends of legs.
const RESERVED: usize = 1024;

impl Node {
    /// Open the sockets and start the threads.
    pub fn start(config: Config, on_event: OnEvent) -> Result<Self, StartError> {
        let pin = config.pin;
        let Assembled { shared, workers, associations, streams } =
            assembly::assemble(config, on_event)?;
        let node = Self { shared, threads: Mutex::default() };
        for (nth, associations) in associations.into_iter().enumerate() {
            let name = format!("media-assoc-{nth}");
            node.spawn(Kind::Association, name, move || {
                // A handshake takes a millisecond, in which a core that is shared would forward a thousand packets.
                if let Err(error) = yield_to_others() {
                    tracing::warn!(%error, "cannot lower the priority of a handshake thread");
                }
                associations.run();
            })?;
        }
        if let Some(streams) = streams {
            node.spawn(Kind::Streams, "media-streams".to_owned(), move || streams.run())?;
        }
        for (nth, worker) in workers.into_iter().enumerate() {
            node.spawn(Kind::Worker, format!("media-{nth}"), move || {
                if pin && let Err(error) = pin_thread(nth) {
                    tracing::warn!(worker = nth, %error, "cannot pin media worker to a core");
                }
                if let Err(error) = wake_promptly() {
                    tracing::warn!(worker = nth, %error, "a media worker may have to wait for its core");
                }
                worker.run();
            })?;
        }
        Ok(node)
    }

    fn spawn(
        &self,
        kind: Kind,
        name: String,
        run: impl FnOnce() + Send + 'static,
    ) -> Result<(), StartError> {
        let (alive, ended) = mpsc::channel::<()>();
        let handle = thread::Builder::new().name(name).spawn(move || {
            let _alive = alive;
            run();
        })?;
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.push(Thread { handle, ended, kind });
        Ok(())
    }

    /// Where a new leg of a room goes; `None` when the node is full or stopping.
    pub fn place(&self, room: RoomId) -> Option<Placement> {
        self.shared.place(room)
    }

    /// Like [`Node::place`] on this worker only; `None` when it is full.
    pub fn place_on(&self, worker: WorkerId) -> Option<Placement> {
        self.shared.place_on(worker)
    }

    /// The ends of the workers' tunnels, one for each worker in order; nothing when they were taken before, or when
    /// there are none.
    pub fn take_tunnels(&self) -> Vec<Tunnel> {
        core::mem::take(&mut *self.shared.tunnels.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Pass a command on. Commands about one leg are applied in the order of these calls.
    pub fn send(&self, command: Command) -> Result<(), Refused> {
        self.shared.send(command)
    }

    /// SHA-256 of the certificate that every leg shows.
    pub fn fingerprint(&self) -> Fingerprint {
        self.shared.fingerprint
    }

    /// Credentials for TURN over the stream ports, for a client that the control plane has let in, with the TCP ports
    /// on which it is served under TLS: none without a certificate. They are good for `lasting`.
    pub fn lend_turn(&self, lasting: Duration) -> (TurnCredentials, &[u16]) {
        let name = u64::from_le_bytes(crate::secret::random());
        let ends = self.shared.clock.now() + lasting;
        let credentials = self.shared.streams.authority.issue(ends, &format!("{name:x}"));
        (credentials, &self.shared.streams.tls_ports)
    }

    /// The counters of all threads, a quarter of a second old at most.
    pub fn snapshot(&self) -> Snapshot {
        self.shared.snapshot()
    }

    /// End every leg with `Drained`, stop the threads and wait for them, each within `timeouts.stop`. Later calls do
    /// nothing.
    pub fn stop(&self) {
        for door in &self.shared.workers {
            let _commands = door.commands.lock();
            self.shared.stopping.store(true, Ordering::Release);
        }
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let threads = core::mem::take(&mut *threads);
        let (workers, others): (Vec<_>, Vec<_>) =
            threads.into_iter().partition(|thread| thread.kind == Kind::Worker);
        self.shared.workers.iter().for_each(|door| door.waker.wake());
        join(workers, self.shared.stop_within);
        // The association threads end when the workers have let go of their rings.
        self.shared.associations.iter().for_each(|door| door.waker.wake());
        join(others, self.shared.stop_within);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop();
    }
}

fn join(threads: Vec<Thread>, within: Duration) {
    for thread in threads {
        match thread.ended.recv_timeout(within) {
            Err(mpsc::RecvTimeoutError::Timeout) => {
                tracing::error!(thread = thread.handle.thread().name(), "media thread hangs");
            }
            _ => {
                let _ = thread.handle.join();
            }
        }
    }
}

impl Shared {
    fn place(&self, room: RoomId) -> Option<Placement> {
        if self.stopping.load(Ordering::Relaxed) {
            return None;
        }
        let worker = {
            let placements = self.placements.lock().unwrap_or_else(PoisonError::into_inner);
            placements.choose(room, self.legs_per_worker)?
        };
        self.placement(worker)
    }

    fn place_on(&self, worker: WorkerId) -> Option<Placement> {
        if self.stopping.load(Ordering::Relaxed) {
            return None;
        }
        {
            let placements = self.placements.lock().unwrap_or_else(PoisonError::into_inner);
            placements.has_room(worker, self.legs_per_worker).then_some(())?;
        }
        self.placement(worker)
    }

    fn placement(&self, worker: WorkerId) -> Option<Placement> {
        let door = self.workers.get(usize::from(worker.0))?;
        let leg = LegId::new(worker, door.serial.fetch_add(1, Ordering::Relaxed));
        let Reach { told, inside, .. } = &door.reach;
        Some(Placement { leg, candidates: told.clone(), inside: *inside })
    }

    fn send(&self, command: Command) -> Result<(), Refused> {
        let leg = match &command {
            Command::SendData { leg, kind, payload } => {
                return self.send_message(*leg, *kind, payload.clone());
            }
            Command::OpenLeg(open) => open.leg,
            Command::SetRemote { leg, .. }
            | Command::SetNegotiated { leg, .. }
            | Command::CloseLeg { leg }
            | Command::AddIngress { leg, .. }
            | Command::RemoveIngress { leg, .. }
            | Command::SetMuted { leg, .. }
            | Command::AddEgress { leg, .. }
            | Command::SetWant { leg, .. }
            | Command::RemoveEgress { leg, .. } => *leg,
        };
        let opened = match &command {
            Command::OpenLeg(open) => Some(open.room),
            _ => None,
        };
        let closes = matches!(command, Command::CloseLeg { .. });
        let door = self.workers.get(usize::from(leg.worker().0)).ok_or(Refused)?;
        let mut commands = door.commands.lock().unwrap_or_else(PoisonError::into_inner);
        // Looked at under the lock: `stop` passes through it, so that no leg is opened after the last was ended.
        if self.stopping.load(Ordering::Acquire) {
            return Err(Refused);
        }
        if !closes && commands.room() <= RESERVED {
            return Err(Refused);
        }
        self.streams.directory.follow(&command);
        if let Some(room) = opened {
            // Before the command, since the leg may end before this returns.
            self.placements.lock().unwrap_or_else(PoisonError::into_inner).opened(leg, room);
        }
        if !commands.offer(command) {
            return Err(Refused);
        }
        commands.settle();
        Ok(())
    }

    fn send_message(&self, leg: LegId, kind: DataKind, payload: Arc<[u8]>) -> Result<(), Refused> {
        let serial = leg.0 & 0xffff_ffff_ffff;
        let nth = serial % self.associations.len().max(1) as u64;
        let door = self.associations.get(nth as usize).ok_or(Refused)?;
        let mut messages = door.messages.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = messages.offer(Message { leg, kind, payload });
        messages.settle();
        if taken { Ok(()) } else { Err(Refused) }
    }

    fn snapshot(&self) -> Snapshot {
        let mut sum = Snapshot::default();
        let workers = self.workers.iter().map(|door| &door.published);
        let associations = self.associations.iter().map(|door| &door.published);
        for published in workers.chain(associations).chain(&self.streams.published) {
            sum.merge(&published.lock().unwrap_or_else(PoisonError::into_inner));
        }
        sum
    }
}
