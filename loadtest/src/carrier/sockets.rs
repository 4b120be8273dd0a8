//! The sockets that SIP comes through: one for datagrams, and connections where TCP is spoken.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use offhook_sip::agent::{Door, Flow, Hop, Send, SendId, Transport};
use offhook_sip::framing::{Frame, Framing, PONG, Side};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc;

use super::switch::Inbox;

type Notes = mpsc::UnboundedSender<Inbox>;
type Datagram = (SendId, SocketAddr, Vec<u8>);

/// The sockets.
#[derive(Debug)]
pub struct Sockets {
    /// Where SIP is taken.
    pub local: SocketAddr,
    datagrams: mpsc::UnboundedSender<Datagram>,
    tcp: bool,
    /// Writers of open connections.
    streams: HashMap<SocketAddr, mpsc::UnboundedSender<Vec<u8>>>,
    notes: Notes,
}

impl Sockets {
    /// Opens them. With port 0 the system chooses one, the same for both transports.
    pub async fn open(listen: SocketAddr, tcp: bool, notes: Notes) -> Result<Self> {
        let (udp, listener) = bind(listen, tcp).await?;
        let (local, udp) = (udp.local_addr()?, Arc::new(udp));
        let (datagrams, waiting) = mpsc::unbounded_channel();
        tokio::spawn(read_datagrams(udp.clone(), local, notes.clone()));
        tokio::spawn(write_datagrams(udp, waiting, notes.clone()));
        if let Some(listener) = listener {
            tokio::spawn(accept(listener, notes.clone()));
        }
        Ok(Self { local, datagrams, tcp, streams: HashMap::new(), notes })
    }

    /// As the agent is to know them.
    pub fn doors(&self) -> Vec<Door> {
        let door = |transport| Door { transport, local: self.local, advertised: self.local.into() };
        let transports = [Some(Transport::Udp), self.tcp.then_some(Transport::Tcp)];
        transports.into_iter().flatten().map(door).collect()
    }

    /// A connection was accepted or opened.
    pub fn opened(&mut self, remote: SocketAddr, writer: mpsc::UnboundedSender<Vec<u8>>) {
        self.streams.insert(remote, writer);
    }

    /// A connection is gone.
    pub fn closed(&mut self, flow: Flow) {
        self.streams.remove(&flow.remote);
    }

    /// Sends a message. What comes to nothing is noted later.
    pub fn send(&mut self, send: Send) {
        let Send { id, hop, bytes } = send;
        match hop.transport {
            Transport::Udp => {
                let _ = self.datagrams.send((id, hop.remote, bytes));
            }
            Transport::Tcp => self.write(id, &hop, bytes),
            Transport::Tls => self.unsent(id),
        }
    }

    fn write(&mut self, id: SendId, hop: &Hop, bytes: Vec<u8>) {
        if let Some(writer) = self.streams.get(&hop.remote) {
            if writer.send(bytes).is_err() {
                self.unsent(id);
            }
        } else if hop.connect {
            let (writer, waiting) = mpsc::unbounded_channel();
            let _ = writer.send(bytes);
            self.streams.insert(hop.remote, writer);
            tokio::spawn(connect(hop.remote, id, waiting, self.notes.clone()));
        } else {
            self.unsent(id);
        }
    }

    fn unsent(&self, id: SendId) {
        let _ = self.notes.send(Inbox::Unsent(id));
    }
}

async fn bind(listen: SocketAddr, tcp: bool) -> Result<(UdpSocket, Option<TcpListener>)> {
    for _ in 0..100 {
        let udp = UdpSocket::bind(listen).await.context("the SIP port is taken")?;
        if !tcp {
            return Ok((udp, None));
        }
        match TcpListener::bind(udp.local_addr()?).await {
            Ok(listener) => return Ok((udp, Some(listener))),
            // Only a port of the system's choice can be chosen again.
            Err(error) if listen.port() != 0 => return Err(error).context("the SIP port is taken"),
            Err(_) => {}
        }
    }
    anyhow::bail!("no port is free for both UDP and TCP")
}

async fn read_datagrams(udp: Arc<UdpSocket>, local: SocketAddr, notes: Notes) {
    let mut buffer = vec![0; 65_536];
    loop {
        // An error is an ICMP message about something sent; the socket goes on.
        let Ok((length, remote)) = udp.recv_from(&mut buffer).await else { continue };
        let bytes = buffer.get(..length).unwrap_or(&[]).to_vec();
        let flow = Flow { transport: Transport::Udp, local, remote };
        if notes.send(Inbox::Received { flow, bytes }).is_err() {
            return;
        }
    }
}

async fn write_datagrams(
    udp: Arc<UdpSocket>,
    mut waiting: mpsc::UnboundedReceiver<Datagram>,
    notes: Notes,
) {
    while let Some((id, remote, bytes)) = waiting.recv().await {
        if udp.send_to(&bytes, remote).await.is_err() {
            let _ = notes.send(Inbox::Unsent(id));
        }
    }
}

async fn accept(listener: TcpListener, notes: Notes) {
    while let Ok((stream, remote)) = listener.accept().await {
        let (writer, waiting) = mpsc::unbounded_channel();
        let _ = notes.send(Inbox::Opened { remote, writer });
        tokio::spawn(serve(stream, Side::Accepted, waiting, notes.clone()));
    }
}

async fn connect(
    remote: SocketAddr,
    id: SendId,
    waiting: mpsc::UnboundedReceiver<Vec<u8>>,
    notes: Notes,
) {
    match TcpStream::connect(remote).await {
        Ok(stream) => serve(stream, Side::Opened, waiting, notes).await,
        Err(_) => {
            let _ = notes.send(Inbox::Unsent(id));
            let local = SocketAddr::new(remote.ip(), 0);
            let flow = Flow { transport: Transport::Tcp, local, remote };
            let _ = notes.send(Inbox::Closed(flow));
        }
    }
}

/// One connection until it ends.
async fn serve(
    mut stream: TcpStream,
    side: Side,
    mut waiting: mpsc::UnboundedReceiver<Vec<u8>>,
    notes: Notes,
) {
    let (Ok(local), Ok(remote)) = (stream.local_addr(), stream.peer_addr()) else { return };
    let flow = Flow { transport: Transport::Tcp, local, remote };
    let mut framing = Framing::new(side);
    let mut buffer = vec![0; 16_384];
    'open: loop {
        tokio::select! {
            bytes = waiting.recv() => {
                let Some(bytes) = bytes else { break };
                if stream.write_all(&bytes).await.is_err() {
                    break;
                }
            }
            read = stream.read(&mut buffer) => {
                let Ok(length @ 1..) = read else { break };
                framing.feed(buffer.get(..length).unwrap_or(&[]));
                loop {
                    match framing.poll() {
                        Ok(Some(Frame::Message(bytes))) => {
                            let _ = notes.send(Inbox::Received { flow, bytes });
                        }
                        Ok(Some(Frame::Ping)) => {
                            if stream.write_all(PONG).await.is_err() {
                                break 'open;
                            }
                        }
                        Ok(Some(Frame::Pong)) => {}
                        Ok(None) => break,
                        Err(_) => break 'open,
                    }
                }
            }
        }
    }
    let _ = notes.send(Inbox::Closed(flow));
}
