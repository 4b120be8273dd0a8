//! One client's connection: its packets to the worker and from it.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use offhook_types::LegId;
use offhook_wire::Parsed;
use offhook_wire::cursor::Reader;
use offhook_wire::roq::{self, FlowId, Varint, error};
use quinn::{Connection, RecvStream, SendDatagramError, VarInt};
use tokio::sync::{Notify, Semaphore};

use crate::counters::{Count, Drop, Figures};
use crate::endpoint::Hub;
use crate::flows::Flows;
use crate::outbox::Outbox;
use crate::session::Code;

/// A connection.
pub(crate) struct Line {
    pub(crate) hub: Arc<Hub>,
    connection: Connection,
    flows: Mutex<Flows>,
    outbox: Mutex<Outbox>,
    waiting: Notify,
    streams: Arc<Semaphore>,
    joined: AtomicBool,
    /// Datagrams read.
    read: AtomicU64,
}

/// Packets at a time that are too long for a datagram and under way in streams.
const STREAMS: usize = 32;
/// How long such a packet may wait for a stream.
const STREAM_DELAY: Duration = Duration::from_millis(200);
/// How long a client may take over a stream of packets, and how long it may be.
const STREAM_LIFE: Duration = Duration::from_secs(2);
const STREAM_BYTES: usize = 16 << 10;

impl Line {
    pub(crate) fn new(hub: Arc<Hub>, connection: Connection) -> Self {
        let outbox = Outbox::new(hub.config.limits.send_packets, hub.config.send_delay);
        Self {
            hub,
            connection,
            flows: Mutex::default(),
            outbox: Mutex::new(outbox),
            waiting: Notify::new(),
            streams: Arc::new(Semaphore::new(STREAMS)),
            joined: AtomicBool::new(false),
            read: AtomicU64::new(0),
        }
    }

    pub(crate) fn flows(&self) -> MutexGuard<'_, Flows> {
        self.flows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether its client was ever in a room.
    pub(crate) fn has_joined(&self) -> bool {
        self.joined.load(Ordering::Acquire)
    }

    pub(crate) fn carry(self: &Arc<Self>, leg: LegId) {
        self.flows().carry(leg);
        self.hub.lines().insert(leg, self.clone());
        if !self.joined.swap(true, Ordering::AcqRel) {
            self.hub.admission().joined();
        }
    }

    pub(crate) fn uncarry(&self) {
        if let Some(leg) = self.flows().leg() {
            self.hub.lines().remove(&leg);
        }
    }

    pub(crate) fn close(&self, code: Code, reason: &str) {
        self.connection.close(VarInt::try_from(code.0).unwrap_or_default(), reason.as_bytes());
    }

    /// Hand what arrives in datagrams to the worker until the connection is over.
    pub(crate) async fn listen(&self) {
        while let Ok(datagram) = self.connection.read_datagram().await {
            self.read.fetch_add(1, Ordering::Relaxed);
            self.arrived(|flows| flows.take(&datagram));
        }
        // What was neither read nor is left was dropped unread.
        let received = self.connection.stats().frame_rx.datagram;
        let lost = received.saturating_sub(self.read.load(Ordering::Relaxed));
        self.figures().drop_many(Drop::ReceiveBufferFull, lost);
    }

    fn arrived<'a>(&self, take: impl FnOnce(&Flows) -> Result<(LegId, &'a [u8]), Drop>) {
        let taken = take(&self.flows());
        let done = taken.and_then(|(leg, packet)| {
            let mut worker = self.hub.to_worker();
            let sent = worker.send(leg, packet);
            worker.settle();
            if sent { Ok(()) } else { Err(Drop::TunnelFull) }
        });
        match done {
            Ok(()) => self.figures().count(Count::PacketsReceived),
            Err(reason) => self.figures().drop_one(reason),
        }
    }

    /// Take the packets that come in streams until the connection is over.
    pub(crate) async fn take_streams(self: Arc<Self>) {
        while let Ok(stream) = self.connection.accept_uni().await {
            let line = self.clone();
            tokio::spawn(async move {
                let taken = tokio::time::timeout(STREAM_LIFE, line.take_stream(stream)).await;
                if matches!(taken, Ok(Err(_))) {
                    line.close(Code(error::PACKET_ERROR), "a stream of packets is malformed");
                }
            });
        }
    }

    async fn take_stream(&self, mut stream: RecvStream) -> Parsed<()> {
        // One that was reset or is too long is not wrong in form; it is let go.
        let Ok(bytes) = stream.read_to_end(STREAM_BYTES).await else { return Ok(()) };
        let mut reader = Reader::new(&bytes);
        let flow = roq::varint(&mut reader)?;
        while !reader.is_empty() {
            let len = usize::try_from(roq::varint(&mut reader)?).unwrap_or(usize::MAX);
            let packet = reader.take(len)?;
            let flow = FlowId::new(flow).ok_or(offhook_wire::Malformed::Value)?;
            self.arrived(|flows| flows.take_from(flow, packet));
        }
        Ok(())
    }

    /// Send a packet of the worker. `room` is written to and split off.
    pub(crate) fn depart(self: &Arc<Self>, now: Instant, packet: &[u8], room: &mut BytesMut) {
        let wrapped = self.flows().wrap(packet, room);
        let datagram = match wrapped {
            Ok(datagram) => datagram,
            Err(reason) => return self.figures().drop_one(reason),
        };
        let mut outbox = self.outbox.lock().unwrap_or_else(PoisonError::into_inner);
        if outbox.is_idle() && self.connection.datagram_send_buffer_space() >= datagram.len() {
            drop(outbox);
            let sent = self.connection.send_datagram(datagram.clone());
            return self.sent(sent, datagram);
        }
        self.figures().count(Count::PacketsQueued);
        if outbox.push(now, datagram) {
            self.figures().drop_one(Drop::SendBufferFull);
        }
        self.waiting.notify_one();
    }

    /// Send what had to wait, as fast as QUIC takes it.
    pub(crate) async fn drain(self: Arc<Self>) {
        loop {
            self.waiting.notified().await;
            while let Some(datagram) = self.next() {
                let sent = self.connection.send_datagram_wait(datagram.clone()).await;
                self.sent(sent, datagram);
            }
        }
    }

    fn next(&self) -> Option<Bytes> {
        let mut outbox = self.outbox.lock().unwrap_or_else(PoisonError::into_inner);
        let (next, late) = outbox.pop(Instant::now());
        self.figures().drop_many(Drop::SendLate, late);
        next
    }

    fn sent(self: &Arc<Self>, result: Result<(), SendDatagramError>, datagram: Bytes) {
        match result {
            Ok(()) => self.figures().count(Count::PacketsSent),
            Err(SendDatagramError::TooLarge) => self.send_in_stream(datagram),
            Err(_) => self.figures().drop_one(Drop::ConnectionGone),
        }
    }

    /// A packet that is too long for the path goes in a stream of its own, in pieces.
    fn send_in_stream(self: &Arc<Self>, datagram: Bytes) {
        let Ok(place) = self.streams.clone().try_acquire_owned() else {
            return self.figures().drop_one(Drop::SendTooLong);
        };
        let line = self.clone();
        tokio::spawn(async move {
            let _place = place;
            let opened = tokio::time::timeout(STREAM_DELAY, line.connection.open_uni()).await;
            let written = match (opened, framed(&datagram)) {
                (Ok(Ok(mut stream)), Some(bytes)) => {
                    stream.write_all_chunks(&mut [bytes]).await.is_ok() && stream.finish().is_ok()
                }
                _ => false,
            };
            match written {
                true => line.figures().count(Count::PacketsInStreams),
                false => line.figures().drop_one(Drop::SendTooLong),
            }
        });
    }

    /// Count each time that the client comes back under another address.
    pub(crate) fn watch(&self) -> impl Future<Output = ()> + use<> {
        let (connection, hub) = (self.connection.clone(), self.hub.clone());
        async move {
            let mut address = connection.remote_address();
            let mut ticks = tokio::time::interval(Duration::from_millis(250));
            loop {
                ticks.tick().await;
                let now = connection.remote_address();
                if now != address {
                    address = now;
                    hub.figures.count(Count::Migrations);
                }
            }
        }
    }

    fn figures(&self) -> &Figures {
        &self.hub.figures
    }
}

/// A datagram as a stream: the flow, then the packet's length, then the packet.
fn framed(datagram: &[u8]) -> Option<Bytes> {
    let (flow, packet) = datagram.split_at_checked(roq::varint_len(*datagram.first()?))?;
    let len = Varint::new(packet.len() as u64)?;
    let mut bytes = BytesMut::with_capacity(datagram.len() + 8);
    bytes.put_slice(flow);
    bytes.put_slice(len.as_bytes());
    bytes.put_slice(packet);
    Some(bytes.freeze())
}
