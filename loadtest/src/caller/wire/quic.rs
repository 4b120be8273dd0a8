//! Packets over a QUIC connection: in datagrams, and in a stream of its own what is too long for one. Each is behind
//! the number of its flow. The connection is QUIC's to drive, over a [`socket`] that may lead through a link.

use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use offhook_wire::cursor::Reader;
use offhook_wire::roq::{self, Varint};
use quinn::udp::{RecvMeta, Transmit};
use quinn::{
    AsyncUdpSocket, Connection, RecvStream, Runtime, SendDatagramError, TokioRuntime, UdpPoller,
};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{copy, toward};
use crate::caller::road::{Driver, Lane};

/// Packets out of streams that wait to be taken.
const WAITING: usize = 256;
/// What a stream of packets may come to.
const STREAM_BYTES: usize = 64 << 10;
/// A packet that finds no stream for so long is lost.
const STREAM_DELAY: Duration = Duration::from_millis(200);

/// Packets both ways.
pub struct Packets {
    connection: Connection,
    peer: SocketAddr,
    streamed: mpsc::Receiver<Bytes>,
}

impl Packets {
    /// Of this connection.
    pub fn new(connection: Connection) -> Self {
        let (arrived, streamed) = mpsc::channel(WAITING);
        tokio::spawn(take_streams(connection.clone(), arrived));
        Self { peer: connection.remote_address(), connection, streamed }
    }

    /// The next packet, in `buffer`. An error when the connection is over.
    pub async fn receive(&mut self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let packet = tokio::select! {
            datagram = self.connection.read_datagram() => datagram?,
            Some(packet) = self.streamed.recv() => packet,
        };
        Ok((copy(&packet, buffer), self.peer))
    }

    /// The next packet if it is there.
    pub fn try_receive(&mut self, buffer: &mut [u8]) -> Option<(usize, SocketAddr)> {
        let datagram = self.connection.read_datagram().now_or_never()?.ok()?;
        Some((copy(&datagram, buffer), self.peer))
    }

    /// Send a packet; what QUIC does not take is lost.
    pub fn send(&self, packet: &[u8]) {
        let packet = Bytes::copy_from_slice(packet);
        let sent = self.connection.send_datagram(packet.clone());
        if matches!(sent, Err(SendDatagramError::TooLarge)) {
            let connection = self.connection.clone();
            tokio::spawn(async move { send_in_stream(&connection, &packet).await });
        }
    }
}

/// The flow once, then the length before the packet.
async fn send_in_stream(connection: &Connection, datagram: &[u8]) -> Option<()> {
    let (flow, packet) = roq::datagram(datagram).ok()?;
    let len = Varint::new(packet.len() as u64)?;
    let bytes = [Varint::from(flow).as_bytes(), len.as_bytes(), packet].concat();
    let mut stream = timeout(STREAM_DELAY, connection.open_uni()).await.ok()?.ok()?;
    stream.write_all(&bytes).await.ok()?;
    stream.finish().ok()
}

async fn take_streams(connection: Connection, arrived: mpsc::Sender<Bytes>) {
    while let Ok(stream) = connection.accept_uni().await {
        tokio::spawn(take_stream(stream, arrived.clone()));
    }
}

async fn take_stream(mut stream: RecvStream, arrived: mpsc::Sender<Bytes>) -> Option<()> {
    let bytes = stream.read_to_end(STREAM_BYTES).await.ok()?;
    let mut reader = Reader::new(&bytes);
    let flow = Varint::new(roq::varint(&mut reader).ok()?)?;
    while !reader.is_empty() {
        let len = usize::try_from(roq::varint(&mut reader).ok()?).ok()?;
        let packet = [flow.as_bytes(), reader.take(len).ok()?].concat();
        arrived.send(packet.into()).await.ok()?;
    }
    Some(())
}

/// A socket for QUIC that can reach the server's machine, through the participant's link if it has one.
pub async fn socket(server: IpAddr, link: Option<&Driver>) -> io::Result<Arc<dyn AsyncUdpSocket>> {
    let socket = UdpSocket::bind(toward(server)).await?;
    match link {
        None => TokioRuntime.wrap_udp_socket(socket.into_std()?),
        Some(driver) => {
            let local = socket.local_addr()?;
            Ok(Arc::new(Linked { local, lane: Mutex::new(driver.lane(socket)) }))
        }
    }
}

/// A link as QUIC's socket. It is always writable: what the link's task cannot take is lost, as in a socket's buffer.
struct Linked {
    local: SocketAddr,
    lane: Mutex<Lane>,
}

impl Linked {
    fn lane(&self) -> MutexGuard<'_, Lane> {
        self.lane.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Linked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} through a link", self.local)
    }
}

impl AsyncUdpSocket for Linked {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Writable)
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.lane().send(transmit.destination, transmit.contents);
        Ok(())
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let (Some(buffer), Some(meta)) = (buffers.first_mut(), metas.first_mut()) else {
            return Poll::Ready(Ok(0));
        };
        self.lane().poll_receive(context).map(|parcel| {
            let parcel = parcel.ok_or(io::ErrorKind::BrokenPipe)?;
            let len = copy(&parcel.bytes, buffer);
            *meta = RecvMeta { addr: parcel.peer, len, stride: len, ..RecvMeta::default() };
            Ok(1)
        })
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }

    /// A link carries a datagram of any length whole, so QUIC may look for the longest.
    fn may_fragment(&self) -> bool {
        false
    }
}

#[derive(Debug)]
struct Writable;

impl UdpPoller for Writable {
    fn poll_writable(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
