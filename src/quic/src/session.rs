//! One client's session as its door has it: messages both ways, and what each flow carries.

use std::sync::Arc;

use bytes::Bytes;
use offhook_types::{LegId, Ssrc, WorkerId};
use offhook_wire::roq::error;
use tokio::sync::mpsc;

use crate::line::Line;
use crate::messages::Outgoing;

/// Why a connection is closed, as the peer is told (docs/protocol/quic.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code(pub u64);

impl Code {
    /// A message longer than allowed.
    pub const MESSAGE_TOO_LONG: Self = Self(error::OURS);
    /// Not in a room within the time allowed.
    pub const JOIN_TIMEOUT: Self = Self(error::OURS + 1);
    /// The server is going down.
    pub const GOING_DOWN: Self = Self(error::OURS + 2);
}

/// A client that has connected. Dropping it closes the connection.
pub struct Session {
    pub(crate) line: Arc<Line>,
    pub(crate) messages: mpsc::Receiver<Bytes>,
    pub(crate) outgoing: mpsc::Sender<Outgoing>,
}

impl Session {
    /// The worker beside which the connection ends: its leg must live there.
    pub fn worker(&self) -> WorkerId {
        self.line.hub.worker
    }

    /// The next message; `None` when the connection is over. Nothing is lost when this is not waited for to the end.
    pub async fn receive(&mut self) -> Option<Bytes> {
        self.messages.recv().await
    }

    /// Send a message. False when the client does not read, or the connection is over.
    pub fn send(&self, message: Bytes) -> bool {
        self.outgoing.try_send(Outgoing::Message(message)).is_ok()
    }

    /// The client is in a room: its media belongs to this leg. Call it once.
    pub fn carry(&self, leg: LegId) {
        self.line.carry(leg);
    }

    /// The client will send these streams in this flow. False when it may not.
    pub fn expect(&self, flow: u64, streams: Vec<Ssrc>) -> bool {
        self.line.flows().expect(flow, streams)
    }

    /// The client no longer sends in this flow.
    pub fn forget(&self, flow: u64) {
        self.line.flows().forget(flow);
    }

    /// The client receives these streams in this flow.
    pub fn assign(&self, flow: u64, streams: &[Ssrc]) {
        self.line.flows().assign(flow, streams);
    }

    /// The client no longer receives in this flow.
    pub fn release(&self, flow: u64) {
        self.line.flows().release(flow);
    }

    /// Close the connection when what was sent has arrived, or after a second.
    pub fn close(self, code: Code, reason: &'static str) {
        if self.outgoing.try_send(Outgoing::Close(code, reason)).is_err() {
            // It does not read what it is sent, so it need not read why.
            self.line.close(code, reason);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.line.uncarry();
    }
}
