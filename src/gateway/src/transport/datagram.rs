//! SIP over UDP: a socket per address, each read by a task.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use offhook_sip::agent::{Flow, Input, Send, Transport};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use super::{Arrival, Lost, StartError};

/// The sockets.
pub(super) struct Datagrams {
    sockets: Vec<(SocketAddr, Arc<UdpSocket>)>,
}

/// Longest UDP payload.
const LARGEST: usize = 65_535;

impl Datagrams {
    pub(super) async fn open(
        addresses: &[SocketAddr],
        arrivals: &mpsc::Sender<Arrival>,
    ) -> Result<Self, StartError> {
        let mut sockets = Vec::new();
        for &address in addresses {
            let failed = |source| StartError::Listen { transport: Transport::Udp, address, source };
            let socket = Arc::new(UdpSocket::bind(address).await.map_err(failed)?);
            let local = socket.local_addr().map_err(failed)?;
            tokio::spawn(read(socket.clone(), local, arrivals.clone()));
            sockets.push((local, socket));
        }
        Ok(Self { sockets })
    }

    pub(super) fn bound(&self) -> impl Iterator<Item = SocketAddr> {
        self.sockets.iter().map(|(local, _)| *local)
    }

    /// From the socket that is asked for, else from the first of the target's address family.
    pub(super) fn send(&self, send: &Send) -> Result<(), Lost> {
        let hop = &send.hop;
        let fits = |local: &SocketAddr| match hop.local {
            Some(wanted) => *local == wanted,
            None => local.is_ipv4() == hop.remote.is_ipv4(),
        };
        let socket = self.sockets.iter().find(|(local, _)| fits(local)).ok_or(Lost::Connect)?;
        match socket.1.try_send_to(&send.bytes, hop.remote) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(Lost::SendBufferFull),
            Err(_) => Err(Lost::Connect),
        }
    }
}

async fn read(socket: Arc<UdpSocket>, local: SocketAddr, arrivals: mpsc::Sender<Arrival>) {
    let mut buffer = vec![0; LARGEST];
    loop {
        let (length, remote) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            // Linux reports here that an earlier datagram was refused; the socket is still good.
            Err(error) => {
                tracing::debug!(kind = ?error.kind(), "UDP receive failed");
                if arrivals.is_closed() {
                    return;
                }
                continue;
            }
        };
        let flow = Flow { transport: Transport::Udp, local, remote };
        let bytes = buffer.get(..length).unwrap_or_default().to_vec();
        match arrivals.try_send(Arrival::Input(Input::Received { flow, bytes })) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Closed(_)) => return,
            Err(mpsc::error::TrySendError::Full(_)) => {
                if arrivals.send(Arrival::Lost(Lost::QueueFull)).await.is_err() {
                    return;
                }
            }
        }
    }
}
