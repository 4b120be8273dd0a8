//! SIP over TCP and TLS: connections that are accepted and opened, each with a task that cuts messages
//! out of what arrives and one that writes.
//!
//! A connection that a peer opened carries our requests to it too (RFC 5923 without the alias: only to
//! the very address it came from, as the agent asks for).

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use offhook_sip::agent::{Flow, Hop, Input, Send, SendId, Transport};
use offhook_sip::framing::{Frame, Framing, PONG, Side};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::tls::Tls;
use super::{Arrival, Lost, Options};

/// A connection that waits for a verdict.
pub(super) struct Accepted {
    pub(super) flow: Flow,
    socket: TcpStream,
}

/// What became of opening a connection.
pub(super) struct Opened {
    key: Key,
    result: Option<(Flow, Wire)>,
}

/// The connections.
pub(super) struct Streams {
    tls: Tls,
    limit: usize,
    per_address: usize,
    arrivals: mpsc::Sender<Arrival>,
    open: HashMap<Flow, Open>,
    opening: HashMap<Key, Vec<(SendId, Vec<u8>)>>,
}

/// A connection that is being opened.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    transport: Transport,
    remote: SocketAddr,
    name: Option<String>,
}

struct Open {
    writer: mpsc::Sender<Vec<u8>>,
    accepted: bool,
    name: Option<String>,
}

type Wire = Box<dyn Duplex>;

trait Duplex: AsyncRead + AsyncWrite + std::marker::Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + std::marker::Send + Unpin> Duplex for T {}

/// Opening a connection, TLS included.
const CONNECT: Duration = Duration::from_secs(5);
/// A message that was begun, and a write, must end within this.
const PATIENCE: Duration = Duration::from_secs(15);
/// A connection with nothing to say is closed after this. Session timers, registrations and keep-alives
/// all speak more often.
const IDLE: Duration = Duration::from_secs(2400);
/// Messages that may wait for a peer to read.
const UNWRITTEN: usize = 256;

/// Accept until the task is gone.
pub(super) async fn listen(
    listener: TcpListener,
    transport: Transport,
    arrivals: mpsc::Sender<Arrival>,
) {
    loop {
        let Ok((socket, remote)) = listener.accept().await else {
            // Out of descriptors, most likely: give connections the time to end.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let Ok(local) = socket.local_addr() else { continue };
        let accepted = Accepted { flow: Flow { transport, local, remote }, socket };
        if arrivals.send(Arrival::Accepted(accepted)).await.is_err() {
            return;
        }
    }
}

impl Streams {
    pub(super) fn new(options: &Options, tls: Tls, arrivals: mpsc::Sender<Arrival>) -> Self {
        Self {
            tls,
            limit: options.connections.max(1),
            per_address: options.connections_per_address.max(1),
            arrivals,
            open: HashMap::new(),
            opening: HashMap::new(),
        }
    }

    /// How many stand.
    pub(super) fn open(&self) -> usize {
        self.open.len()
    }

    /// Take a connection in; false when there is no place for it.
    pub(super) fn accept(&mut self, accepted: Accepted) -> bool {
        let Accepted { flow, socket } = accepted;
        let of = |ip: IpAddr| {
            self.open.iter().filter(|(flow, open)| open.accepted && flow.remote.ip() == ip).count()
        };
        if self.open.len() >= self.limit || of(flow.remote.ip()) >= self.per_address {
            return false;
        }
        let acceptor = self.tls.acceptor.clone();
        let (writer, written) = mpsc::channel(UNWRITTEN);
        self.open.insert(flow, Open { writer, accepted: true, name: None });
        let arrivals = self.arrivals.clone();
        tokio::spawn(async move {
            let wire: Option<Wire> = match (flow.transport, acceptor) {
                (Transport::Tls, Some(acceptor)) => timeout(CONNECT, acceptor.accept(socket))
                    .await
                    .ok()
                    .and_then(Result::ok)
                    .map(|wire| Box::new(wire) as Wire),
                (Transport::Tls, None) => None,
                _ => Some(Box::new(socket)),
            };
            match wire {
                Some(wire) => carry((flow, Side::Accepted), wire, written, arrivals).await,
                None => {
                    let _ = arrivals.send(Arrival::Lost(Lost::Handshake)).await;
                    let _ = arrivals.send(Arrival::Closed(flow)).await;
                }
            }
        });
        true
    }

    /// Send over a connection that stands, or open one where that is wanted.
    pub(super) fn send(&mut self, send: Send) -> Result<(), Lost> {
        let Send { id, hop, bytes } = send;
        if let Some(open) = self.find(&hop) {
            return open.writer.try_send(bytes).map_err(|_| Lost::SlowReader);
        }
        if !hop.connect {
            return Err(Lost::Connect);
        }
        let key = Key { transport: hop.transport, remote: hop.remote, name: hop.name };
        if let Some(waiting) = self.opening.get_mut(&key) {
            if waiting.len() >= UNWRITTEN {
                return Err(Lost::SlowReader);
            }
            waiting.push((id, bytes));
            return Ok(());
        }
        if self.open.len() + self.opening.len() >= self.limit {
            return Err(Lost::ConnectionLimit);
        }
        self.opening.insert(key.clone(), vec![(id, bytes)]);
        let (connector, arrivals) = (self.tls.connector.clone(), self.arrivals.clone());
        tokio::spawn(async move {
            let result = timeout(CONNECT, connect(&key, connector)).await.ok().flatten();
            let _ = arrivals.send(Arrival::Opened(Opened { key, result })).await;
        });
        Ok(())
    }

    fn find(&self, hop: &Hop) -> Option<&Open> {
        let matches = |flow: &Flow, open: &Open| {
            let wanted = hop.local.is_none_or(|local| local == flow.local);
            // A certificate was checked for one name only. What a peer opened was not checked at all,
            // so nothing goes out on it but to that very connection.
            let named = match (&hop.name, open.accepted) {
                (Some(name), false) => open.name.as_ref() == Some(name),
                (Some(_), true) => hop.local == Some(flow.local),
                (None, _) => true,
            };
            flow.transport == hop.transport && flow.remote == hop.remote && wanted && named
        };
        self.open.iter().find(|(flow, open)| matches(flow, open)).map(|(_, open)| open)
    }

    /// A connection stands, or does not: what waited for it goes out, or is returned as unsent.
    pub(super) fn opened(&mut self, opened: Opened) -> Vec<SendId> {
        let Opened { key, result } = opened;
        let waiting = self.opening.remove(&key).unwrap_or_default();
        let Some((flow, wire)) = result else {
            return waiting.into_iter().map(|(id, _)| id).collect();
        };
        let (writer, written) = mpsc::channel(UNWRITTEN);
        let unsent = waiting
            .into_iter()
            .filter_map(|(id, bytes)| writer.try_send(bytes).is_err().then_some(id));
        let unsent = unsent.collect();
        self.open.insert(flow, Open { writer, accepted: false, name: key.name });
        tokio::spawn(carry((flow, Side::Opened), wire, written, self.arrivals.clone()));
        unsent
    }

    /// A connection is gone.
    pub(super) fn closed(&mut self, flow: Flow) {
        self.open.remove(&flow);
    }
}

async fn connect(key: &Key, connector: tokio_rustls::TlsConnector) -> Option<(Flow, Wire)> {
    let socket = TcpStream::connect(key.remote).await.ok()?;
    let _ = socket.set_nodelay(true);
    let flow =
        Flow { transport: key.transport, local: socket.local_addr().ok()?, remote: key.remote };
    if key.transport != Transport::Tls {
        return Some((flow, Box::new(socket)));
    }
    let name = match &key.name {
        Some(name) => ServerName::try_from(name.clone()).ok()?,
        None => ServerName::IpAddress(key.remote.ip().into()),
    };
    let wire = connector.connect(name, socket).await.ok()?;
    Some((flow, Box::new(wire)))
}

/// Read and write until either side is done.
async fn carry(
    (flow, side): (Flow, Side),
    wire: Wire,
    written: mpsc::Receiver<Vec<u8>>,
    arrivals: mpsc::Sender<Arrival>,
) {
    let (reader, writer) = split(wire);
    // A pong goes out between messages, so the reader hands it to the writer.
    let (pongs, ponged) = mpsc::channel(1);
    let lost = tokio::select! {
        lost = read((flow, side), reader, &arrivals, pongs) => lost,
        lost = write(writer, written, ponged) => lost,
    };
    if let Some(lost) = lost {
        let _ = arrivals.send(Arrival::Lost(lost)).await;
    }
    let _ = arrivals.send(Arrival::Closed(flow)).await;
}

async fn read(
    (flow, side): (Flow, Side),
    mut reader: ReadHalf<Wire>,
    arrivals: &mpsc::Sender<Arrival>,
    pongs: mpsc::Sender<()>,
) -> Option<Lost> {
    let mut framing = Framing::new(side);
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let patience = if framing.is_inside() { PATIENCE } else { IDLE };
        let length = match timeout(patience, reader.read(&mut buffer)).await {
            Err(_) => return Some(Lost::Idle),
            Ok(Ok(0) | Err(_)) => return None,
            Ok(Ok(length)) => length,
        };
        framing.feed(buffer.get(..length).unwrap_or_default());
        loop {
            match framing.poll() {
                Ok(None) => break,
                Ok(Some(Frame::Message(bytes))) => {
                    let input = Input::Received { flow, bytes };
                    // Waiting here is what slows a peer down that sends faster than we read.
                    arrivals.send(Arrival::Input(input)).await.ok()?;
                }
                Ok(Some(Frame::Ping)) => drop(pongs.try_send(())),
                Ok(Some(Frame::Pong)) => {}
                Err(_) => return Some(Lost::BadFraming),
            }
        }
    }
}

async fn write(
    mut writer: WriteHalf<Wire>,
    mut written: mpsc::Receiver<Vec<u8>>,
    mut pongs: mpsc::Receiver<()>,
) -> Option<Lost> {
    loop {
        let bytes = tokio::select! {
            message = written.recv() => message?,
            pong = pongs.recv() => {
                pong?;
                PONG.to_vec()
            }
        };
        let whole = async {
            writer.write_all(&bytes).await?;
            writer.flush().await
        };
        match timeout(PATIENCE, whole).await {
            Err(_) => return Some(Lost::SlowReader),
            Ok(Err(_)) => return None,
            Ok(Ok(())) => {}
        }
    }
}
