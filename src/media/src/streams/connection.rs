//! One accepted stream: bytes in, bytes out, in the clear or under TLS, and what is known of its sender.

use core::net::IpAddr;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;

use mio::net::TcpStream;
use offhook_rtc::turn::Turn;
use offhook_types::Time;
use offhook_wire::stream::Dialect;
use rustls::{ServerConfig, ServerConnection};

use super::directory::Facts;
use super::inlet::Inlet;
use super::queue::{self, Queue, Worth};

/// A stream and its ends.
pub(super) struct Connection {
    pub(super) socket: TcpStream,
    layer: Layer,
    /// Whose it counts as.
    pub(super) from: IpAddr,
    /// Tells it from another that had the same place.
    pub(super) serial: u64,
    pub(super) opened: Time,
    /// When bytes last left, or none waited.
    pub(super) moved: Time,
    pub(super) received: Received,
    pub(super) queue: Queue,
    /// Once enough has come to tell.
    pub(super) dialect: Option<Dialect>,
    /// The leg that its checks name.
    pub(super) leg: Option<Arc<Facts>>,
    /// One by peer for TURN, else one.
    pub(super) inlets: Vec<Inlet>,
    pub(super) turn: Option<Box<Turn>>,
    /// A worker answered it, or TURN credentials were good.
    pub(super) proven: bool,
    /// The leg has ended.
    pub(super) over: bool,
}

enum Layer {
    /// Nothing came yet; what may be shown to a peer that begins with TLS.
    Unknown(Option<Arc<ServerConfig>>),
    Plain,
    Tls(Box<ServerConnection>),
}

/// What reading brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filled {
    /// Bytes to look at.
    More,
    /// Nothing is there now.
    Dry,
}

/// Why a stream cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The peer closed it, or the network did.
    Gone,
    /// The peer speaks TLS that ours refuses, or TLS where we have no certificate.
    Tls,
}

/// First byte of a TLS handshake record (RFC 8446 §5.1).
const HANDSHAKE: u8 = 22;
/// Plain bytes handed to TLS at once: one record.
const RECORD: usize = 16 * 1024;

impl Connection {
    pub(super) fn new(
        now: Time,
        socket: TcpStream,
        (from, serial): (IpAddr, u64),
        tls: Option<Arc<ServerConfig>>,
    ) -> Self {
        Self {
            socket,
            layer: Layer::Unknown(tls),
            from,
            serial,
            opened: now,
            moved: now,
            received: Received::new(),
            queue: Queue::new(queue::FIRST_BYTES),
            dialect: None,
            leg: None,
            inlets: Vec::new(),
            turn: None,
            proven: false,
            over: false,
        }
    }

    pub(super) fn is_tls(&self) -> bool {
        matches!(self.layer, Layer::Tls(_))
    }

    /// Read what fits.
    pub(super) fn fill(&mut self) -> Result<Filled, End> {
        if let Layer::Unknown(tls) = &mut self.layer {
            let mut first = [0];
            match self.socket.peek(&mut first) {
                Ok(0) => return Err(End::Gone),
                Ok(_) => {}
                Err(error) => return waits(&error),
            }
            self.layer = match (first, tls.take()) {
                ([HANDSHAKE], Some(config)) => {
                    let session = ServerConnection::new(config).map_err(|_| End::Tls)?;
                    Layer::Tls(Box::new(session))
                }
                ([HANDSHAKE], None) => return Err(End::Tls),
                _ => Layer::Plain,
            };
        }
        let place = self.received.space();
        let read = match &mut self.layer {
            Layer::Tls(session) => read_tls(session, &mut self.socket, place),
            _ => match self.socket.read(place) {
                Ok(len) => Ok(Some(len)),
                Err(error) => waits(&error).map(|_| None),
            },
        };
        match read? {
            None => Ok(Filled::Dry),
            Some(0) => Err(End::Gone),
            Some(len) => {
                self.received.end += len;
                Ok(Filled::More)
            }
        }
    }

    /// Write what waits, as far as the peer takes it.
    pub(super) fn flush(&mut self, now: Time) -> Result<(), End> {
        let moved = match &mut self.layer {
            Layer::Tls(session) => write_tls(session, &mut self.socket, &mut self.queue),
            _ => write_plain(&mut self.socket, &mut self.queue),
        };
        if moved? || self.queue.is_empty() {
            self.moved = now;
        }
        Ok(())
    }

    /// What a packet is worth to the leg.
    pub(super) fn worth(&self, packet: &[u8]) -> Worth {
        match &self.leg {
            Some(leg) if leg.is_video(packet) => Worth::Video,
            _ => Worth::Rest,
        }
    }
}

/// What was read and not taken yet.
pub(super) struct Received {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
}

/// Ten packets; the longest that is taken fits several times.
const RECEIVED: usize = 16 * 1024;

impl Received {
    fn new() -> Self {
        Self { bytes: vec![0; RECEIVED].into_boxed_slice(), start: 0, end: 0 }
    }

    /// Where more can be read to: never empty, since whole packets are taken at once and one that is not whole is
    /// shorter than half of all.
    fn space(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        self.bytes.get_mut(self.end..).unwrap_or_default()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    pub(super) fn taken(&mut self, len: usize) {
        self.start = (self.start + len).min(self.end);
    }
}

/// Not an end.
fn waits(error: &io::Error) -> Result<Filled, End> {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::Interrupted => Ok(Filled::Dry),
        _ => Err(End::Gone),
    }
}

fn read_tls(
    session: &mut ServerConnection,
    socket: &mut TcpStream,
    place: &mut [u8],
) -> Result<Option<usize>, End> {
    loop {
        match session.reader().read(place) {
            Ok(len) => return Ok(Some(len)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return Err(End::Gone),
        }
        match session.read_tls(socket) {
            Ok(0) => return Err(End::Gone),
            Ok(_) => {}
            Err(error) => return waits(&error).map(|_| None),
        }
        if session.process_new_packets().is_err() {
            // The alert that says why.
            let _ = session.write_tls(socket);
            return Err(End::Tls);
        }
    }
}

/// True when something left.
fn write_tls(
    session: &mut ServerConnection,
    socket: &mut TcpStream,
    queue: &mut Queue,
) -> Result<bool, End> {
    let mut moved = false;
    loop {
        while session.wants_write() {
            match session.write_tls(socket) {
                Ok(_) => moved = true,
                Err(error) => return waits(&error).map(|_| moved),
            }
        }
        if queue.is_empty() || session.is_handshaking() {
            return Ok(moved);
        }
        let [first, second] = queue.parts();
        let part = if first.is_empty() { &second } else { &first };
        let part = part.get(..part.len().min(RECORD)).unwrap_or_default();
        let taken = session.writer().write(part).map_err(|_| End::Gone)?;
        queue.written(taken);
    }
}

/// True when something left.
fn write_plain(socket: &mut TcpStream, queue: &mut Queue) -> Result<bool, End> {
    let mut moved = false;
    while !queue.is_empty() {
        match socket.write_vectored(&queue.parts()) {
            Ok(0) => return Err(End::Gone),
            Ok(len) => {
                queue.written(len);
                moved = true;
            }
            Err(error) => return waits(&error).map(|_| moved),
        }
    }
    Ok(moved)
}
