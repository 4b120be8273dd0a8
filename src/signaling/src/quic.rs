//! The door of native clients: rooms over QUIC. A client's connection ends elsewhere (`offhook-quic`); here is what its
//! session says: join with a token, publish, receive, leave. The binary joins the two through [`Wire`].
//!
//! A session is a leg of a participant in a room, like any other: who may see what is decided by the room. Start at
//! [`Quic::serve`]; one session's life is in `session`. docs/protocol/quic.md is for clients.

mod convert;
mod formats;
mod session;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use offhook_call::room::Left;
use offhook_types::{LegId, RoomId, Ssrc, WorkerId};
use serde::Serialize;

use crate::media_node::{Events, MediaNode};
use crate::rooms::Rooms;
use crate::token::{Keys, TokenError, bearer};

/// Limits of the door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Messages of one session in a second; a burst of ten seconds' worth is let through.
    pub messages_per_second: u32,
}

/// A client's connection as its session has it.
#[async_trait]
pub trait Wire: Send + Sync {
    /// The worker beside which it ends: the session's leg must live there.
    fn worker(&self) -> WorkerId;

    /// The next message; `None` when the connection is over. May be dropped at any time without losing one.
    async fn receive(&mut self) -> Option<Bytes>;

    /// Send a message; false when the client does not read, or the connection is over.
    fn send(&self, message: Bytes) -> bool;

    /// Media belongs to this leg from now on.
    fn carry(&self, leg: LegId);

    /// The client will send these streams in this flow; false when it may not.
    fn expect(&self, flow: u64, streams: Vec<Ssrc>) -> bool;

    /// The client no longer sends in this flow.
    fn forget(&self, flow: u64);

    /// The client receives these streams in this flow.
    fn assign(&self, flow: u64, streams: &[Ssrc]);

    /// The client no longer receives in this flow.
    fn release(&self, flow: u64);

    /// Close the connection once what was sent has arrived.
    fn close(self: Box<Self>, why: Close);
}

/// Why a session's connection is closed. Each has a code that clients see (docs/protocol/quic.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Close {
    /// The client left.
    Left,
    /// A message that is not one, or that must not come now.
    BadMessage,
    /// The token opens nothing here, or the room does not let it in.
    NotAdmitted,
    /// The same identity came again.
    Replaced,
    /// Put out by a moderator.
    Removed,
    /// The room was ended.
    RoomEnded,
    /// The server is going down.
    GoingDown,
    /// The media node has no room, or ended the leg.
    MediaEnded,
    /// More messages than allowed, or none read.
    Misbehaved,
}

impl Close {
    /// The QUIC application error code. The numbers below are of the connection itself.
    pub const fn code(self) -> u64 {
        match self {
            Self::Left => 0,
            Self::GoingDown => 0x102,
            Self::BadMessage => 0x103,
            Self::NotAdmitted => 0x104,
            Self::Replaced => 0x105,
            Self::Removed => 0x106,
            Self::RoomEnded => 0x107,
            Self::MediaEnded => 0x108,
            Self::Misbehaved => 0x109,
        }
    }

    /// A sentence for whoever debugs the client.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::GoingDown => "the server is going down",
            Self::BadMessage => "a message is malformed or must not come now",
            Self::NotAdmitted => "not admitted",
            Self::Replaced => "the same identity joined again",
            Self::Removed => "removed from the room",
            Self::RoomEnded => "the room was ended",
            Self::MediaEnded => "no media path",
            Self::Misbehaved => "too many messages, or none read",
        }
    }

    const fn of(left: Left) -> Self {
        match left {
            Left::ClientLeft | Left::ConnectionLost => Self::Left,
            Left::DuplicateIdentity => Self::Replaced,
            Left::Removed => Self::Removed,
            Left::RoomDeleted => Self::RoomEnded,
            Left::ServerShutdown => Self::GoingDown,
            Left::JoinFailed | Left::Media(_) => Self::MediaEnded,
            Left::StateMismatch | Left::Misbehaved => Self::Misbehaved,
        }
    }
}

/// The door. Cheap to clone.
#[derive(Clone)]
pub struct Quic {
    inner: Arc<Inner>,
}

struct Inner {
    config: Config,
    keys: Keys,
    rooms: Rooms,
    node: Arc<dyn MediaNode>,
    events: Events,
    runtime: tokio::runtime::Handle,
    sessions: AtomicUsize,
}

impl Quic {
    /// A door to these rooms and this node. Sessions run on the runtime that this is called on.
    pub fn new(
        config: Config,
        keys: Keys,
        rooms: Rooms,
        (node, events): (Arc<dyn MediaNode>, Events),
    ) -> Self {
        let (runtime, sessions) = (tokio::runtime::Handle::current(), AtomicUsize::new(0));
        let inner = Inner { config, keys, rooms, node, events, runtime, sessions };
        Self { inner: Arc::new(inner) }
    }

    /// Serve a client that has connected, until it or the room ends the session. Returns at once, on any thread.
    pub fn serve(&self, wire: Box<dyn Wire>) {
        let door = self.clone();
        self.inner.runtime.spawn(async move {
            door.inner.sessions.fetch_add(1, Ordering::Relaxed);
            session::run(&door, wire).await;
            door.inner.sessions.fetch_sub(1, Ordering::Relaxed);
        });
    }

    /// Sessions at this moment, joined or not.
    pub fn sessions(&self) -> usize {
        self.inner.sessions.load(Ordering::Relaxed)
    }
}

/// Where clients connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// UDP ports, by worker.
    pub ports: Vec<u16>,
    /// The protocol's name in the TLS handshake.
    pub alpn: &'static str,
    /// SHA-256 of the certificate in DER.
    pub fingerprint: [u8; 32],
}

/// What a client is told that asks where to connect.
#[derive(Debug, Serialize)]
struct Answer {
    port: u16,
    alpn: &'static str,
    certificate_sha256: String,
}

/// `GET /quic/{room}`: where to connect for this room.
pub fn routes(quic: Quic, access: Access) -> Router {
    Router::new().route("/quic/{room}", get(find)).with_state((quic, Arc::new(access)))
}

async fn find(
    State((quic, access)): State<(Quic, Arc<Access>)>,
    Path(room): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Response> {
    let refused = |error: TokenError| (error.status(), error.to_string()).into_response();
    let token = bearer(&headers).ok_or(TokenError::Missing).map_err(refused)?;
    let claims = quic.inner.keys.verify(token).map_err(refused)?;
    claims.grant(Some(&room)).map_err(refused)?;
    // Where the room's others are; a room that is not there yet begins where there is most room.
    let rooms = quic.inner.rooms.list(vec![room]).await.unwrap_or_default();
    let id = rooms.first().map_or(RoomId(0), |room| room.id);
    let full =
        || (StatusCode::SERVICE_UNAVAILABLE, "no capacity for another session").into_response();
    let worker = quic.inner.node.place(id).ok_or_else(full)?.leg.worker();
    let port = *access.ports.get(usize::from(worker.0)).ok_or_else(full)?;
    let certificate_sha256 = access.fingerprint.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Json(Answer { port, alpn: access.alpn, certificate_sha256 }).into_response())
}
