//! Datagrams of one caller. Those that the server sent as one run arrive as one message (UDP_GRO), as on a machine
//! whose network card does that: else a server on the same machine would be charged for taking its own runs apart.

use std::io::{self, IoSliceMut};
use std::net::SocketAddr;

use quinn_udp::{RecvMeta, UdpSocketState};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// The longest message there is.
const MESSAGE: usize = 1 << 16;

/// A socket, and what is left of the last message.
pub struct Datagrams {
    socket: UdpSocket,
    state: UdpSocketState,
    message: Box<[u8]>,
    from: SocketAddr,
    at: usize,
    end: usize,
    /// Bytes of each datagram but the last.
    stride: usize,
}

impl Datagrams {
    pub fn new(socket: UdpSocket) -> io::Result<Self> {
        let state = UdpSocketState::new((&socket).into())?;
        let from = socket.local_addr()?;
        let message = vec![0; MESSAGE].into_boxed_slice();
        Ok(Self { socket, state, message, from, at: 0, end: 0, stride: 0 })
    }

    /// The next datagram, in `buffer`.
    pub async fn receive(&mut self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        loop {
            if let Some(next) = self.try_receive(buffer) {
                return Ok(next);
            }
            self.socket.readable().await?;
        }
    }

    /// The next datagram if it is there.
    pub fn try_receive(&mut self, buffer: &mut [u8]) -> Option<(usize, SocketAddr)> {
        if self.at >= self.end {
            self.refill().ok()?;
        }
        let datagram = &self.message[self.at..self.end.min(self.at + self.stride)];
        self.at += datagram.len();
        let len = datagram.len().min(buffer.len());
        buffer[..len].copy_from_slice(&datagram[..len]);
        Some((len, self.from))
    }

    /// Send one datagram; what does not fit waits.
    pub async fn send(&self, packet: &[u8], to: SocketAddr) {
        if let Err(error) = self.socket.try_send_to(packet, to)
            && error.kind() == io::ErrorKind::WouldBlock
        {
            let _ = self.socket.send_to(packet, to).await;
        }
    }

    fn refill(&mut self) -> io::Result<()> {
        let (socket, state, message) = (&self.socket, &self.state, &mut self.message);
        let mut meta = [RecvMeta::default()];
        socket.try_io(Interest::READABLE, || {
            state.recv(socket.into(), &mut [IoSliceMut::new(message)], &mut meta)
        })?;
        let [RecvMeta { addr, len, stride, .. }] = meta;
        (self.from, self.at, self.end, self.stride) = (addr, 0, len, stride.max(1));
        Ok(())
    }
}
