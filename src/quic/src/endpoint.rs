//! The endpoints: for each worker a thread with a socket, the connections on it, and the worker's tunnel.

use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use offhook_media::{FromWorker, ToWorker, Tunnel};
use offhook_types::{LegId, WorkerId};
use offhook_wire::roq::error;
use quinn::{Connection, Endpoint, EndpointConfig, Incoming, ServerConfig, TokioRuntime, VarInt};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::admission::{Admission, Verdict};
use crate::ceiling::Ceilings;
use crate::certificate::{Certificate, CertificateError};
use crate::config::Config;
use crate::counters::{Count, Drop, Figures, Snapshot};
use crate::line::Line;
use crate::messages;
use crate::session::{Code, Session};

/// Called with each client that has connected, on an endpoint's thread. It must not block.
pub type OnSession = Arc<dyn Fn(Session) + Send + Sync>;

/// Why the endpoints did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is nothing to show to clients.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A port could not be had.
    #[error("cannot open UDP port {port}")]
    Socket {
        /// The port asked for; zero for any.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
    /// A thread could not be had.
    #[error("cannot start a thread")]
    Thread(#[from] io::Error),
    /// The ports run out of numbers, or a time is longer than QUIC can say.
    #[error("{0}")]
    Config(&'static str),
}

/// All endpoints of a node.
pub struct Endpoints {
    hubs: Vec<Arc<Hub>>,
    ports: Vec<u16>,
    fingerprint: [u8; 32],
    stop: watch::Sender<bool>,
    threads: Mutex<Vec<thread::JoinHandle<()>>>,
}

/// What the tasks of one endpoint share.
pub(crate) struct Hub {
    pub(crate) worker: WorkerId,
    pub(crate) config: Arc<Config>,
    pub(crate) figures: Figures,
    admission: Mutex<Admission>,
    /// By leg, who carries it.
    lines: Mutex<HashMap<LegId, Arc<Line>>>,
    to_worker: Mutex<ToWorker>,
}

/// Session messages that may wait: read ones for the door, written ones for the client.
const INBOX: usize = 16;
const OUTBOX: usize = 512;
/// Packets from the worker that are sent before others have their turn.
const BATCH: usize = 256;
/// How long the last words of all connections may take.
const FAREWELL: Duration = Duration::from_secs(2);

impl Endpoints {
    /// Open a socket and start a thread for each tunnel.
    pub fn start(
        config: Config,
        tunnels: Vec<Tunnel>,
        on_session: OnSession,
    ) -> Result<Self, StartError> {
        let certificate = Certificate::load(config.certificate.as_ref())?;
        let (config, (stop, stopped)) = (Arc::new(config), watch::channel(false));
        let server = server(&config, &certificate)?;
        let (mut hubs, mut ports, mut threads) = (Vec::new(), Vec::new(), Vec::new());
        for tunnel in tunnels {
            let socket = bind(&config, tunnel.worker)?;
            ports.push(socket.local_addr()?.port());
            let hub = Arc::new(Hub {
                worker: tunnel.worker,
                config: config.clone(),
                figures: Figures::default(),
                admission: Mutex::new(Admission::new(config.limits.clone())),
                lines: Mutex::default(),
                to_worker: Mutex::new(tunnel.to_worker),
            });
            hubs.push(hub.clone());
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let (server, on_session, stopped) =
                (server.clone(), on_session.clone(), stopped.clone());
            let name = format!("quic-{}", tunnel.worker.0);
            threads.push(thread::Builder::new().name(name).spawn(move || {
                let ends = (socket, tunnel.from_worker);
                if let Err(error) =
                    runtime.block_on(serve(hub, ends, server, (on_session, stopped)))
                {
                    tracing::error!(%error, "QUIC endpoint failed");
                }
            })?);
        }
        let fingerprint = certificate.fingerprint;
        Ok(Self { hubs, ports, fingerprint, stop, threads: Mutex::new(threads) })
    }

    /// UDP ports, one for each worker in order.
    pub fn ports(&self) -> &[u16] {
        &self.ports
    }

    /// SHA-256 of the certificate in DER.
    pub fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }

    /// The counters as they are now.
    pub fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for hub in &self.hubs {
            hub.figures.add_to(&mut snapshot);
            let (connections, joined) = hub.admission().level();
            snapshot.connections += connections as u64;
            snapshot.joined += joined as u64;
        }
        snapshot
    }

    /// Close every connection and wait for the threads, some seconds at most. Later calls do nothing.
    pub fn stop(&self) {
        let _ = self.stop.send(true);
        let threads = core::mem::take(&mut *lock(&self.threads));
        for thread in threads {
            let _ = thread.join();
        }
    }
}

impl Hub {
    pub(crate) fn lines(&self) -> MutexGuard<'_, HashMap<LegId, Arc<Line>>> {
        lock(&self.lines)
    }

    pub(crate) fn admission(&self) -> MutexGuard<'_, Admission> {
        lock(&self.admission)
    }

    pub(crate) fn to_worker(&self) -> MutexGuard<'_, ToWorker> {
        lock(&self.to_worker)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The endpoint's life on its own thread.
async fn serve(
    hub: Arc<Hub>,
    (socket, from_worker): (UdpSocket, FromWorker),
    server: ServerConfig,
    (on_session, mut stopped): (OnSession, watch::Receiver<bool>),
) -> io::Result<()> {
    let runtime = Arc::new(TokioRuntime);
    let endpoint = Endpoint::new(EndpointConfig::default(), Some(server), socket, runtime)?;
    let forwarding = tokio::spawn(forward(hub.clone(), from_worker));
    loop {
        tokio::select! {
            incoming = endpoint.accept() => match incoming {
                Some(incoming) => admit(&hub, incoming, &on_session),
                None => break,
            },
            _ = stopped.wait_for(|stop| *stop) => break,
        }
    }
    let code = VarInt::try_from(Code::GOING_DOWN.0).unwrap_or_default();
    endpoint.close(code, b"the server is going down");
    let _ = tokio::time::timeout(FAREWELL, endpoint.wait_idle()).await;
    forwarding.abort();
    Ok(())
}

/// Send what the worker has for the clients.
async fn forward(hub: Arc<Hub>, mut from_worker: FromWorker) {
    let mut room = BytesMut::with_capacity(64 << 10);
    loop {
        poll_fn(|context| from_worker.poll_ready(context)).await;
        {
            let (lines, now) = (hub.lines(), Instant::now());
            for _ in 0..BATCH {
                let Some((leg, packet)) = from_worker.receive() else { break };
                match lines.get(&leg) {
                    Some(line) => line.depart(now, packet, &mut room),
                    None => hub.figures.drop_one(Drop::ConnectionGone),
                }
            }
        }
        // Let the connections put on the wire what they were given.
        tokio::task::yield_now().await;
    }
}

fn admit(hub: &Arc<Hub>, incoming: Incoming, on_session: &OnSession) {
    let address = incoming.remote_address();
    let verdict = hub.admission().judge(address.ip(), incoming.remote_address_validated());
    match verdict {
        Verdict::Prove => {
            hub.figures.count(Count::Retries);
            // It may be retried, since it is not validated.
            let _ = incoming.retry();
        }
        Verdict::Refuse(reason) => {
            hub.figures.drop_one(reason);
            incoming.refuse();
        }
        Verdict::Welcome => {
            hub.admission().began(address.ip());
            let (hub, on_session) = (hub.clone(), on_session.clone());
            tokio::spawn(async move {
                let joined = welcome(&hub, incoming, on_session).await;
                hub.admission().ended(address.ip(), joined);
            });
        }
    }
}

/// A connection from its first packet to its end. True when its client was in a room.
async fn welcome(hub: &Arc<Hub>, incoming: Incoming, on_session: OnSession) -> bool {
    let until = tokio::time::Instant::now() + hub.config.join_timeout;
    let shaken = tokio::time::timeout_at(until, async { incoming.accept()?.await }).await;
    let Ok(Ok(connection)) = shaken else {
        hub.figures.drop_one(Drop::Handshake);
        return false;
    };
    hub.figures.count(Count::Connections);
    let line = Arc::new(Line::new(hub.clone(), connection.clone()));
    if connection.max_datagram_size().is_none() {
        line.close(Code(error::EXPECTATION_UNMET), "datagrams are needed");
        return false;
    }
    let Ok(Ok(streams)) = tokio::time::timeout_at(until, connection.accept_bi()).await else {
        line.close(Code::JOIN_TIMEOUT, "no session was begun");
        return false;
    };
    let mut tasks = converse(&line, &connection, streams, on_session);
    tasks.spawn(line.clone().drain());
    tasks.spawn(line.clone().take_streams());
    tasks.spawn(line.watch());
    let waiting = line.clone();
    tasks.spawn(async move {
        tokio::time::sleep_until(until).await;
        if !waiting.has_joined() {
            waiting.close(Code::JOIN_TIMEOUT, "the room was not joined in time");
        }
    });
    line.listen().await;
    line.has_joined()
}

/// Read and write session messages, and give the session to its door.
fn converse(
    line: &Arc<Line>,
    connection: &Connection,
    (send, receive): (quinn::SendStream, quinn::RecvStream),
    on_session: OnSession,
) -> JoinSet<()> {
    let (read, messages) = mpsc::channel(INBOX);
    let (outgoing, written) = mpsc::channel(OUTBOX);
    let mut tasks = JoinSet::new();
    let reading = line.clone();
    tasks.spawn(async move {
        let limit = reading.hub.config.limits.message_bytes;
        if let Err(code) = messages::read(receive, limit, read, &reading.hub.figures).await {
            reading.close(code, "the session's stream is malformed");
        }
    });
    let (connection, hub) = (connection.clone(), line.hub.clone());
    tasks.spawn(async move { messages::write(send, &connection, written, &hub.figures).await });
    on_session(Session { line: line.clone(), messages, outgoing });
    tasks
}

fn bind(config: &Config, worker: WorkerId) -> Result<UdpSocket, StartError> {
    use socket2::{Domain, Protocol, Socket, Type};
    let port = match config.base_port {
        0 => 0,
        base => base
            .checked_add(worker.0)
            .ok_or(StartError::Config("the endpoints' ports exceed 65535"))?,
    };
    let open = |address: SocketAddr| -> io::Result<UdpSocket> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(false)?;
        }
        socket.set_recv_buffer_size(config.socket_buffer)?;
        socket.set_send_buffer_size(config.socket_buffer)?;
        socket.bind(&address.into())?;
        Ok(socket.into())
    };
    let wanted = SocketAddr::new(config.bind, port);
    let opened = open(wanted).or_else(|error| match config.bind {
        // A host without IPv6.
        IpAddr::V6(any) if any.is_unspecified() => {
            open(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port)).map_err(|_| error)
        }
        _ => Err(error),
    });
    opened.map_err(|source| StartError::Socket { port, source })
}

/// What every connection is told about us.
fn server(config: &Config, certificate: &Certificate) -> Result<ServerConfig, StartError> {
    let too_long = |_| StartError::Config("the idle timeout is too long");
    let mut transport = quinn::TransportConfig::default();
    transport
        // One stream of messages; packets that are too long for a datagram.
        .max_concurrent_bidi_streams(1u32.into())
        .max_concurrent_uni_streams(16u32.into())
        .stream_receive_window((128u32 << 10).into())
        .receive_window((512u32 << 10).into())
        .send_window(512 << 10)
        .max_idle_timeout(Some(config.idle_timeout.try_into().map_err(too_long)?))
        .keep_alive_interval(Some(config.idle_timeout / 3))
        .datagram_receive_buffer_size(Some(256 << 10))
        // Half a dozen packets, enough for one system call; what waits longer waits in our own buffer.
        .datagram_send_buffer_size(8 << 10)
        .congestion_controller_factory(Arc::new(Ceilings));
    let mut server = ServerConfig::with_crypto(certificate.tls.clone());
    server.transport_config(Arc::new(transport));
    server.migration(true);
    // First packets of handshakes that were not decided on yet: a few hellos each.
    server.max_incoming(1024).incoming_buffer_size(16 << 10).incoming_buffer_size_total(4 << 20);
    Ok(server)
}
