//! The public TCP listener with its limits: connections in all and from one address. A connection beyond the
//! first waits to be
//! accepted; beyond the second it is closed.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many connections.
pub struct Limits {
    /// In all.
    pub total: usize,
    /// From one address.
    pub per_address: usize,
    /// Addresses that carry other people's connections and are not counted.
    pub uncounted: Vec<IpAddr>,
}

/// A listener with limits.
pub struct Limited {
    listener: TcpListener,
    limits: Limits,
    total: Arc<Semaphore>,
    addresses: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// An accepted connection; it counts until it is dropped.
pub struct Connection {
    stream: TcpStream,
    _total: OwnedSemaphorePermit,
    _address: Option<Place>,
}

/// One connection's place in the count of its address.
struct Place {
    address: IpAddr,
    addresses: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// Who is at the other end.
#[derive(Clone, Copy)]
pub struct Peer(pub SocketAddr);

impl Limited {
    /// Put limits on a listener.
    pub fn new(listener: TcpListener, limits: Limits) -> Self {
        let total = Arc::new(Semaphore::new(limits.total.min(Semaphore::MAX_PERMITS)));
        Self { listener, limits, total, addresses: Arc::default() }
    }

    /// A place for one more connection from there; `None` when there is none left. The outer value is for the
    /// uncounted, who need none.
    fn place(&self, address: IpAddr) -> Option<Option<Place>> {
        if self.limits.uncounted.contains(&address) {
            return Some(None);
        }
        let mut counts = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_insert(0);
        if *count >= self.limits.per_address {
            return None;
        }
        *count += 1;
        Some(Some(Place { address, addresses: self.addresses.clone() }))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

impl Listener for Limited {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            let Ok(total) = self.total.clone().acquire_owned().await else {
                // The semaphore is never closed.
                std::future::pending::<()>().await;
                continue;
            };
            // Waits and retries on errors such as too many open files.
            let (stream, address) = Listener::accept(&mut self.listener).await;
            if let Some(place) = self.place(address.ip()) {
                // Signaling messages are small and answer each other; waiting to merge them only delays.
                let _ = stream.set_nodelay(true);
                return (Connection { stream, _total: total, _address: place }, address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Connected<IncomingStream<'_, Limited>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Limited>) -> Self {
        Self(*stream.remote_addr())
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn limited(per_address: usize) -> Limited {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Limited::new(
            listener,
            Limits { total: 10, per_address, uncounted: vec![[10, 0, 0, 1].into()] },
        )
    }

    #[tokio::test]
    async fn one_address_gets_its_share_and_gets_it_back() {
        let limited = limited(2).await;
        let address = IpAddr::from([192, 0, 2, 1]);
        let places = [limited.place(address).unwrap(), limited.place(address).unwrap()];
        assert!(limited.place(address).is_none());
        assert!(limited.place([192, 0, 2, 2].into()).is_some());
        drop(places);
        assert!(limited.place(address).is_some());
    }

    #[tokio::test]
    async fn proxies_are_not_counted() {
        let limited = limited(0).await;
        assert!(matches!(limited.place([10, 0, 0, 1].into()), Some(None)));
    }
}
