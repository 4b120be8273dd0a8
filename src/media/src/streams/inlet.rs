//! The inner half of a stream's way: a UDP socket on loopback, through which the stream's packets reach the worker and
//! the worker's packets reach the stream. The kernel keeps the queue between the two threads and bounds it.

use core::net::SocketAddr;
use std::io;
use std::os::fd::AsRawFd;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use crate::socket::{Path, Run, SEND_BATCH, Sent, UdpSocket};

/// A way to one worker.
pub(super) struct Inlet {
    pub(super) socket: UdpSocket,
    /// Where the worker listens inside this host.
    worker: SocketAddr,
    /// For a TURN client, the address that it knows the worker under.
    pub(super) peer: Option<SocketAddr>,
}

/// Kernel buffer of an inlet and direction: 60 ms of 16 Mbit/s in full packets, as the kernel accounts them.
const BUFFER: usize = 256 * 1024;

impl Inlet {
    pub(super) fn open(worker: SocketAddr, registry: &Registry, token: Token) -> io::Result<Self> {
        let socket = UdpSocket::bind(SocketAddr::new(worker.ip(), 0), BUFFER, BUFFER)?;
        registry.register(&mut SourceFd(&socket.as_raw_fd()), token, Interest::READABLE)?;
        Ok(Self { socket, worker, peer: None })
    }

    /// Lead to a worker that is known under an address.
    pub(super) fn lead_to(&mut self, peer: SocketAddr, worker: SocketAddr) {
        (self.peer, self.worker) = (Some(peer), worker);
    }

    pub(super) fn close(&self, registry: &Registry) {
        // Closing the descriptor does the same; this only keeps the order.
        let _ = registry.deregister(&mut SourceFd(&self.socket.as_raw_fd()));
    }

    /// Where the worker sees the stream's packets come from.
    pub(super) fn address(&self) -> SocketAddr {
        self.socket.address()
    }

    /// Whether a message came from the worker and not from somebody else on this host.
    pub(super) fn is_from_worker(&self, path: Path) -> bool {
        path.peer == self.worker
    }

    /// Hand packets to the worker, at most [`SEND_BATCH`].
    pub(super) fn send(&self, packets: &[&[u8]], sent: &mut Sent) {
        let path = Path { peer: self.worker, local: None };
        let mut runs = [Run::EMPTY; SEND_BATCH];
        for (run, bytes) in runs.iter_mut().zip(packets) {
            *run = Run { path, bytes, segment: bytes.len() };
        }
        self.socket.send(runs.get(..packets.len()).unwrap_or_default(), sent);
    }
}
