//! A participant's link under real datagrams: everything that its connections send and receive goes through one
//! [`Link`] for each direction, as through one access line.

use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use offhook_link::Link;
use offhook_scenario::Paths;
use offhook_types::{Rng, Time};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// IPv4 and UDP headers, which a bottleneck carries too.
pub const HEADERS: usize = 28;
/// Datagrams that wait for a task that is behind; more are lost, as in a socket's buffer.
pub const WAITING: usize = 1024;
const LONGEST: usize = 2048;

/// A datagram on its way.
#[derive(Debug, Clone)]
pub struct Parcel {
    /// Which connection it belongs to.
    pub flow: usize,
    /// The server's address.
    pub peer: SocketAddr,
    /// Its bytes.
    pub bytes: Bytes,
}

/// Both directions.
pub struct Road {
    up: Link<Parcel>,
    down: Link<Parcel>,
    began: std::time::Instant,
}

impl Road {
    /// Idle. The schedules begin at `base`.
    pub fn new(paths: &Paths, base: std::time::Instant, seed: u64) -> Self {
        let mut rng = Rng::from_seed(seed);
        let mut fork = || Rng::from_seed(rng.next_u64());
        Self {
            up: Link::new(Time::ZERO, paths.up.clone(), fork()),
            down: Link::new(Time::ZERO, paths.down.clone(), fork()),
            began: base,
        }
    }

    /// The time on the link's clock.
    pub fn now(&self) -> Time {
        Time::ZERO + self.began.elapsed()
    }

    /// Other conditions both ways from now on, those that `paths` begin with.
    pub fn change(&mut self, paths: &Paths) {
        let now = self.now();
        self.up.change(now, paths.up.at(Duration::ZERO));
        self.down.change(now, paths.down.at(Duration::ZERO));
    }

    /// A datagram toward the server.
    pub fn send_up(&mut self, parcel: Parcel) {
        let now = self.now();
        self.up.send(now, parcel.bytes.len() + HEADERS, parcel);
    }

    /// A datagram from the server.
    pub fn send_down(&mut self, parcel: Parcel) {
        let now = self.now();
        self.down.send(now, parcel.bytes.len() + HEADERS, parcel);
    }

    /// The next datagram that has arrived at the server.
    pub fn poll_up(&mut self) -> Option<Parcel> {
        let now = self.now();
        self.up.poll(now)
    }

    /// The next datagram that has arrived from the server.
    pub fn poll_down(&mut self) -> Option<Parcel> {
        let now = self.now();
        self.down.poll(now)
    }

    /// When the next one arrives at either end.
    pub fn due(&self) -> Option<Instant> {
        let due = self.up.next_timeout().into_iter().chain(self.down.next_timeout()).min()?;
        let after = Duration::from_micros(due.as_micros());
        Some(Instant::from_std(self.began + after))
    }

    /// Both directions, to the server first.
    pub fn links(&self) -> [&Link<Parcel>; 2] {
        [&self.up, &self.down]
    }
}

/// Wait until then; for ever without a time.
pub async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// One participant's road with the task that drives it.
#[derive(Clone)]
pub struct Driver {
    outgoing: mpsc::Sender<Parcel>,
    joins: mpsc::UnboundedSender<(Arc<UdpSocket>, mpsc::Sender<Parcel>)>,
    legs: Arc<std::sync::atomic::AtomicUsize>,
}

/// What one connection holds of it.
#[derive(Debug)]
pub struct Lane {
    flow: usize,
    outgoing: mpsc::Sender<Parcel>,
    incoming: mpsc::Receiver<Parcel>,
}

impl Driver {
    /// Drive a road until nobody uses it any more.
    pub fn start(road: Road) -> Self {
        let (outgoing, taken) = mpsc::channel(WAITING);
        let (joins, joined) = mpsc::unbounded_channel();
        tokio::spawn(drive(road, taken, joined));
        Self { outgoing, joins, legs: Arc::default() }
    }

    /// One more connection, over this socket. They are numbered as they come.
    pub fn lane(&self, socket: UdpSocket) -> Lane {
        let (arrived, incoming) = mpsc::channel(WAITING);
        let _ = self.joins.send((Arc::new(socket), arrived));
        let flow = self.legs.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Lane { flow, outgoing: self.outgoing.clone(), incoming }
    }
}

impl Lane {
    /// Send a datagram into the link. It is lost if the link's task is behind.
    pub fn send(&self, peer: SocketAddr, packet: &[u8]) {
        let bytes = Bytes::copy_from_slice(packet);
        let _ = self.outgoing.try_send(Parcel { flow: self.flow, peer, bytes });
    }

    /// The next datagram out of the link.
    pub async fn receive(&mut self) -> Option<Parcel> {
        self.incoming.recv().await
    }

    /// The next one, or the task is woken when it comes.
    pub fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<Option<Parcel>> {
        self.incoming.poll_recv(context)
    }

    /// The next one if it is there.
    pub fn try_receive(&mut self) -> Option<Parcel> {
        self.incoming.try_recv().ok()
    }
}

async fn drive(
    mut road: Road,
    mut outgoing: mpsc::Receiver<Parcel>,
    mut joins: mpsc::UnboundedReceiver<(Arc<UdpSocket>, mpsc::Sender<Parcel>)>,
) {
    let mut legs: Vec<(Arc<UdpSocket>, mpsc::Sender<Parcel>)> = Vec::new();
    let (arrived, mut incoming) = mpsc::channel(WAITING);
    loop {
        tokio::select! {
            joined = joins.recv() => match joined {
                Some(leg) => {
                    tokio::spawn(read(legs.len(), leg.0.clone(), leg.1.clone(), arrived.clone()));
                    legs.push(leg);
                }
                None => return,
            },
            Some(parcel) = outgoing.recv() => road.send_up(parcel),
            Some(parcel) = incoming.recv() => road.send_down(parcel),
            () = until(road.due()) => {}
        }
        while let Some(parcel) = road.poll_up() {
            if let Some((socket, _)) = legs.get(parcel.flow) {
                let _ = socket.try_send_to(&parcel.bytes, parcel.peer);
            }
        }
        while let Some(parcel) = road.poll_down() {
            if let Some((_, lane)) = legs.get(parcel.flow) {
                let _ = lane.try_send(parcel);
            }
        }
    }
}

/// Move what a socket receives into the link, until the connection is gone.
async fn read(
    flow: usize,
    socket: Arc<UdpSocket>,
    lane: mpsc::Sender<Parcel>,
    into: mpsc::Sender<Parcel>,
) {
    let mut buffer = vec![0; LONGEST];
    loop {
        tokio::select! {
            () = lane.closed() => return,
            received = socket.recv_from(&mut buffer) => {
                let Ok((len, peer)) = received else { continue };
                let bytes = Bytes::copy_from_slice(&buffer[..len]);
                let _ = into.try_send(Parcel { flow, peer, bytes });
            }
        }
    }
}
