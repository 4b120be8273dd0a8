//! One WebSocket connection as its session sees it: a bounded queue of frames and a way to end it.
//! A peer that does not read is cut off, so that it costs a queue and not the memory of the server.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message as Frame, WebSocket};
use futures_util::stream::SplitSink;
use futures_util::{Sink, SinkExt};
use offhook_proto::client::ServerMessage;
use offhook_proto::client::server_message::Message;
use offhook_types::counted;
use offhook_types::counters::Counted;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::account::{Encoding, Failure};

counted! {
    /// Why the server closed a connection. docs/protocol/client.md lists the codes.
    pub enum Closed {
        /// The first message was no Connect, or a frame could not be read.
        BadMessage = "bad_message",
        /// The device connected again.
        Replaced = "replaced",
        /// The token in Connect is not good.
        Unauthenticated = "unauthenticated",
        /// The device was signed out or revoked.
        Revoked = "revoked",
        /// No Connect in time, or silence.
        Timeout = "timeout",
        /// The client does not read, or does not acknowledge.
        SlowReader = "slow_reader",
        /// The client sends too much.
        TooFast = "too_fast",
        /// A message was longer than allowed.
        TooLong = "too_long",
        /// The server is going down.
        GoingAway = "going_away",
        /// The server cannot serve now.
        TryLater = "try_later",
        /// The client closed, or the network did.
        ByPeer = "by_peer",
    }
}

impl Closed {
    /// The close code (RFC 6455 §7.4; 4000 and up are ours).
    pub fn code(self) -> u16 {
        match self {
            Self::BadMessage => 4000,
            Self::Replaced => 4001,
            Self::Unauthenticated => 4002,
            Self::Revoked => 4003,
            Self::Timeout => 4005,
            Self::SlowReader => 4006,
            Self::TooFast => 4007,
            Self::TooLong => 1009,
            Self::GoingAway => 1001,
            Self::TryLater => 1013,
            Self::ByPeer => 1000,
        }
    }
}

/// Bytes that may wait for one peer. Its frames are small; this is for many long histories that
/// nobody reads.
const WAITING_BYTES: usize = 1024 * 1024;
/// A peer that takes no byte for so long does not read.
const WRITE_TIMEOUT: Duration = Duration::from_secs(15);
/// To say goodbye to a peer that may be gone.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

enum Out {
    Frame(Frame),
    Close(Closed),
}

/// The sending half of a connection. Cheap to clone; every clone sends into the same queue.
#[derive(Clone)]
pub(super) struct Link {
    /// Tells this connection from the one before it.
    pub(super) id: u64,
    pub(super) encoding: Encoding,
    out: mpsc::Sender<Out>,
    waiting: Arc<AtomicUsize>,
    cut: Arc<CutOff>,
}

/// Ends the writer without waiting for its queue.
struct CutOff(std::sync::Mutex<Option<oneshot::Sender<Closed>>>);

/// The peer does not read.
#[derive(Debug)]
pub(super) struct Stuck;

impl Link {
    /// A connection's sending half, and the writer to be run beside it.
    pub(super) fn new(
        id: u64,
        encoding: Encoding,
        queue: usize,
        sink: SplitSink<WebSocket, Frame>,
        ping: Duration,
    ) -> (Self, impl Future<Output = Closed>) {
        let (out, frames) = mpsc::channel(queue);
        let (cut, is_cut) = oneshot::channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let writer = write(sink, frames, is_cut, waiting.clone(), ping);
        let cut = Arc::new(CutOff(std::sync::Mutex::new(Some(cut))));
        (Self { id, encoding, out, waiting, cut }, writer)
    }

    /// Queue a message. When there is no room the peer is stuck, and cut off.
    pub(super) fn send(&self, message: &ServerMessage) -> Result<(), Stuck> {
        let frame = frame(self.encoding, message);
        let bytes = size(&frame);
        let before = self.waiting.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes <= WAITING_BYTES && self.out.try_send(Out::Frame(frame)).is_ok() {
            return Ok(());
        }
        self.cut(Closed::SlowReader);
        Err(Stuck)
    }

    /// Answer a request.
    pub(super) fn reply(&self, request: u32, reply: Message) -> Result<(), Stuck> {
        self.send(&ServerMessage { seq: 0, reply_to: request, message: Some(reply) })
    }

    /// Answer a request that failed.
    pub(super) fn refuse(&self, request: u32, failure: Failure) -> Result<(), Stuck> {
        self.reply(request, Message::Error(failure.into()))
    }

    /// Waits until nothing is sent any more, because either side ended the connection.
    pub(super) async fn gone(&self) {
        self.out.closed().await;
    }

    /// End the connection after what is queued.
    pub(super) fn close(&self, why: Closed) {
        if self.out.try_send(Out::Close(why)).is_err() {
            self.cut(why);
        }
    }

    /// End the connection now.
    fn cut(&self, why: Closed) {
        let cut = self.cut.0.lock().ok().and_then(|mut cut| cut.take());
        // Without a receiver the writer has ended already.
        let _ = cut.map(|cut| cut.send(why));
    }
}

fn frame(encoding: Encoding, message: &ServerMessage) -> Frame {
    let bytes = encoding.encode(message);
    match encoding {
        Encoding::Protobuf => Frame::Binary(bytes.into()),
        // JSON is written as UTF-8, so nothing is lost.
        Encoding::Json => Frame::Text(String::from_utf8(bytes).unwrap_or_default().into()),
    }
}

fn size(frame: &Frame) -> usize {
    match frame {
        Frame::Text(text) => text.len(),
        Frame::Binary(bytes) => bytes.len(),
        _ => 0,
    }
}

/// Send what is queued until there is a reason to stop. Pings keep the way open: browsers answer
/// them even where they put the page's own timers to sleep.
async fn write(
    mut sink: SplitSink<WebSocket, Frame>,
    mut frames: mpsc::Receiver<Out>,
    mut is_cut: oneshot::Receiver<Closed>,
    waiting: Arc<AtomicUsize>,
    ping: Duration,
) -> Closed {
    let mut pings = interval(ping);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pings.tick().await;
    let why = loop {
        let frame = tokio::select! {
            biased;
            why = &mut is_cut => break why.unwrap_or(Closed::ByPeer),
            out = frames.recv() => match out {
                Some(Out::Frame(frame)) => frame,
                Some(Out::Close(why)) => break why,
                None => break Closed::ByPeer,
            },
            _ = pings.tick() => Frame::Ping(axum::body::Bytes::new()),
        };
        let bytes = size(&frame);
        tokio::select! {
            biased;
            why = &mut is_cut => break why.unwrap_or(Closed::ByPeer),
            sent = timeout(WRITE_TIMEOUT, sink.send(frame)) => match sent {
                Ok(Ok(())) => waiting.fetch_sub(bytes, Ordering::Relaxed),
                Ok(Err(_)) => return Closed::ByPeer,
                Err(_) => break Closed::SlowReader,
            },
        };
    };
    // The session need not wait for the goodbye.
    frames.close();
    goodbye(&mut sink, why).await;
    why
}

/// Tell a peer why the connection ends.
pub(super) async fn goodbye(sink: &mut (impl Sink<Frame> + Unpin), why: Closed) {
    let close = CloseFrame { code: why.code(), reason: why.label().into() };
    // The peer may be gone, and then nobody is interested.
    let _ = timeout(CLOSE_TIMEOUT, sink.send(Frame::Close(Some(close)))).await;
}
