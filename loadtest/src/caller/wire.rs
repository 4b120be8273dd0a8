//! What carries a connection's packets: datagrams, datagrams through a link, a stream with framing, or QUIC.

mod datagrams;
pub mod quic;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::mpsc;

use self::datagrams::Datagrams;
use super::outbox::Outbox;
use super::road::{Driver, Lane};

/// Longest datagram taken.
pub const LONGEST: usize = 2048;
/// Frames that wait for a stream that is slow; more are lost, or a stalled stream would hold everything up.
const WAITING: usize = 256;

/// One connection's wire.
pub enum Wire {
    /// Datagrams.
    Udp(Datagrams),
    /// Datagrams through a link.
    Linked(Lane),
    /// A stream (RFC 4571 framing, RFC 6544), once its address is known.
    Tcp(Stream),
    /// A QUIC connection.
    Quic(quic::Packets),
}

/// A stream to one address.
#[derive(Default)]
pub struct Stream {
    open: Option<Open>,
}

struct Open {
    peer: SocketAddr,
    outgoing: mpsc::Sender<Vec<u8>>,
    incoming: mpsc::Receiver<Vec<u8>>,
}

impl Wire {
    /// A socket that can reach the server's machine, through the participant's link if it has one.
    pub async fn udp(server: IpAddr, link: Option<&Driver>) -> io::Result<Self> {
        let socket = UdpSocket::bind(toward(server)).await?;
        Ok(match link {
            Some(driver) => Self::Linked(driver.lane(socket)),
            None => Self::Udp(Datagrams::new(socket)?),
        })
    }

    /// The next packet, in `buffer`.
    pub async fn receive(&mut self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        match self {
            Self::Udp(datagrams) => datagrams.receive(buffer).await,
            Self::Linked(lane) => {
                let parcel = lane.receive().await.ok_or(io::ErrorKind::BrokenPipe)?;
                Ok((copy(&parcel.bytes, buffer), parcel.peer))
            }
            Self::Tcp(stream) => match &mut stream.open {
                Some(open) => {
                    let frame = open.incoming.recv().await.ok_or(io::ErrorKind::BrokenPipe)?;
                    Ok((copy(&frame, buffer), open.peer))
                }
                None => std::future::pending().await,
            },
            Self::Quic(packets) => packets.receive(buffer).await,
        }
    }

    /// The next packet if it is there.
    pub fn try_receive(&mut self, buffer: &mut [u8]) -> Option<(usize, SocketAddr)> {
        match self {
            Self::Udp(datagrams) => datagrams.try_receive(buffer),
            Self::Linked(lane) => {
                lane.try_receive().map(|parcel| (copy(&parcel.bytes, buffer), parcel.peer))
            }
            Self::Tcp(stream) => {
                let open = stream.open.as_mut()?;
                let frame = open.incoming.try_recv().ok()?;
                Some((copy(&frame, buffer), open.peer))
            }
            Self::Quic(packets) => packets.try_receive(buffer),
        }
    }

    /// Send everything; what does not fit is lost, as on a network.
    pub async fn send(&mut self, out: &mut Outbox) {
        for (to, packet) in out.iter() {
            match self {
                Self::Udp(datagrams) => datagrams.send(packet, to).await,
                Self::Linked(lane) => lane.send(to, packet),
                Self::Tcp(stream) => stream.send(to, packet).await,
                Self::Quic(packets) => packets.send(packet),
            }
        }
        out.clear();
    }
}

impl Stream {
    async fn send(&mut self, to: SocketAddr, packet: &[u8]) {
        if self.open.is_none()
            && let Ok(stream) = TcpStream::connect(to).await
        {
            let _ = stream.set_nodelay(true);
            let (read, write) = stream.into_split();
            let (outgoing, frames) = mpsc::channel(WAITING);
            let (arrived, incoming) = mpsc::channel(WAITING);
            tokio::spawn(write_frames(write, frames));
            tokio::spawn(read_frames(read, arrived));
            self.open = Some(Open { peer: to, outgoing, incoming });
        }
        if let Some(open) = self.open.as_ref().filter(|open| open.peer == to) {
            let _ = open.outgoing.try_send(packet.to_vec());
        }
    }
}

/// RFC 4571 §2: two bytes of length before each packet.
async fn write_frames(mut stream: OwnedWriteHalf, mut frames: mpsc::Receiver<Vec<u8>>) {
    let mut buffer = Vec::new();
    while let Some(frame) = frames.recv().await {
        buffer.clear();
        let mut next = Some(frame);
        while let Some(frame) = next {
            let Ok(len) = u16::try_from(frame.len()) else { break };
            buffer.extend(len.to_be_bytes());
            buffer.extend(frame);
            next = frames.try_recv().ok();
        }
        if stream.write_all(&buffer).await.is_err() {
            return;
        }
    }
}

async fn read_frames(stream: OwnedReadHalf, frames: mpsc::Sender<Vec<u8>>) {
    let mut stream = tokio::io::BufReader::with_capacity(1 << 16, stream);
    while let Ok(len) = stream.read_u16().await {
        let mut frame = vec![0; usize::from(len)];
        if stream.read_exact(&mut frame).await.is_err() || frames.send(frame).await.is_err() {
            return;
        }
    }
}

/// A local address of any port, from which the server's machine can be reached.
fn toward(server: IpAddr) -> SocketAddr {
    let local: IpAddr = match server {
        IpAddr::V4(ip) if ip.is_loopback() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(ip) if ip.is_loopback() => Ipv6Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    SocketAddr::new(local, 0)
}

fn copy(from: &[u8], to: &mut [u8]) -> usize {
    let len = from.len().min(to.len());
    to[..len].copy_from_slice(&from[..len]);
    len
}
