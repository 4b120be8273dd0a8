//! The LiveKit client protocol: `/rtc/v1` for clients that offer first over one peer connection,
//! `/rtc` for those with two, and the server API beside it.
//!
//! A door: it turns the protocol's messages into acts of the room machine and its notices back,
//! and lets `negotiation` agree on descriptions. Unknown requests are answered, not fatal. Start at
//! [`routes`]; a client's life is in `session`.

// Older clients read the protocol's deprecated fields, so we fill them in.
#![allow(deprecated)]

mod api;
mod connect;
mod convert;
mod data;
mod line;
mod publish;
mod rate;
mod receive;
mod requests;
mod session;
mod tally;
mod transport;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use offhook_types::ParticipantId;
use tokio::sync::{Semaphore, mpsc};
use tower_http::cors::CorsLayer;
use tracing::info;

use crate::media_node::{Events, MediaNode};
use crate::rooms::Rooms;
use crate::token::Keys;

use connect::{Connect, Mode};
use session::Attach;
pub use tally::Misdeed;
use tally::Tally;

/// Limits and timers of the door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Sessions at once.
    pub max_sessions: usize,
    /// Bytes of one signaling message.
    pub max_message_bytes: usize,
    /// Bytes of one data message.
    pub max_data_bytes: usize,
    /// Messages that may wait for a client before it is disconnected as too slow.
    pub outgoing: usize,
    /// How long one message may take to be written.
    pub write_timeout: Duration,
    /// Signaling messages per second that a client may send on average.
    pub messages_per_s: u32,
    /// Signaling messages that it may send at once.
    pub message_burst: u32,
    /// Bytes of data messages per second that a client may send on average.
    pub data_bytes_per_s: u32,
    /// Bytes of data messages that it may send at once.
    pub data_burst: u32,
    /// How often a client shows that it is there.
    pub ping_interval: Duration,
    /// After how long without an answer it gives the connection up.
    pub ping_timeout: Duration,
    /// How long a session outlives its connection.
    pub resume_grace: Duration,
    /// How often a client gets a new token.
    pub token_refresh: Duration,
    /// How long that token is valid.
    pub token_life: Duration,
    /// What clients are told is the server's version.
    pub version: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_sessions: 10_000,
            max_message_bytes: 256 * 1024,
            max_data_bytes: 64 * 1024,
            outgoing: 256,
            write_timeout: Duration::from_secs(10),
            messages_per_s: 50,
            message_burst: 500,
            data_bytes_per_s: 1_000_000,
            data_burst: 4_000_000,
            ping_interval: Duration::from_secs(5),
            ping_timeout: Duration::from_secs(15),
            resume_grace: Duration::from_secs(30),
            token_refresh: Duration::from_secs(300),
            token_life: Duration::from_secs(600),
            version: env!("CARGO_PKG_VERSION").into(),
        }
    }
}

/// The door. Cheap to clone.
#[derive(Clone)]
pub struct Livekit {
    inner: Arc<Inner>,
}

struct Inner {
    config: Config,
    keys: Keys,
    rooms: Rooms,
    node: Arc<dyn MediaNode>,
    events: Events,
    /// Sessions that a client may come back to.
    sessions: Mutex<HashMap<ParticipantId, Entry>>,
    places: Arc<Semaphore>,
    tally: Tally,
}

/// How a returning client finds its session.
struct Entry {
    room: String,
    identity: String,
    attach: mpsc::Sender<Attach>,
}

impl Livekit {
    /// A door to these rooms and this media node. `events` is what the node delivers into.
    pub fn new(
        config: Config,
        keys: Keys,
        rooms: Rooms,
        node: Arc<dyn MediaNode>,
        events: Events,
    ) -> Self {
        let places = Arc::new(Semaphore::new(config.max_sessions));
        let (sessions, tally) = (Mutex::default(), Tally::default());
        Self {
            inner: Arc::new(Inner { config, keys, rooms, node, events, sessions, places, tally }),
        }
    }

    /// Sessions now, those that wait for their client to come back included.
    pub fn sessions(&self) -> usize {
        self.inner.registry().len()
    }

    /// What clients did wrong so far.
    pub fn misdeeds(&self) -> Vec<(Misdeed, u64)> {
        self.inner.tally.all()
    }
}

impl Inner {
    fn registry(&self) -> MutexGuard<'_, HashMap<ParticipantId, Entry>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a returning client attaches, if the session is still there and its own.
    fn find(&self, sid: &str, room: &str, identity: &str) -> Option<mpsc::Sender<Attach>> {
        let id: ParticipantId = sid.parse().ok()?;
        let registry = self.registry();
        let entry = registry.get(&id)?;
        (entry.room == room && entry.identity == identity).then(|| entry.attach.clone())
    }
}

/// The door's routes. Any origin may use them: what opens rooms is the token, not a cookie.
pub fn routes(door: Livekit) -> Router {
    Router::new()
        .route("/rtc", get(rtc_v0))
        .route("/rtc/v1", get(rtc_v1))
        .route("/rtc/validate", get(validate_v0))
        .route("/rtc/v1/validate", get(validate_v1))
        .route("/twirp/livekit.RoomService/{method}", post(api::call))
        .layer(CorsLayer::permissive())
        .with_state(door)
}

type Upgrade = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

async fn rtc_v0(
    State(door): State<Livekit>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    upgrade: Upgrade,
) -> Response {
    open(&door, Mode::Dual, query.as_deref(), &headers, upgrade)
}

async fn rtc_v1(
    State(door): State<Livekit>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    upgrade: Upgrade,
) -> Response {
    open(&door, Mode::Single, query.as_deref(), &headers, upgrade)
}

async fn validate_v0(
    State(door): State<Livekit>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    validate(&door, Mode::Dual, query.as_deref(), &headers)
}

async fn validate_v1(
    State(door): State<Livekit>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    validate(&door, Mode::Single, query.as_deref(), &headers)
}

/// What clients ask when the WebSocket did not open, to learn why.
fn validate(door: &Livekit, mode: Mode, query: Option<&str>, headers: &HeaderMap) -> Response {
    match Connect::read(&door.inner, mode, query, headers) {
        Ok(_) => (StatusCode::OK, "success").into_response(),
        // The attempt that this is about was counted.
        Err(refused) => refused.into_response(),
    }
}

fn open(
    door: &Livekit,
    mode: Mode,
    query: Option<&str>,
    headers: &HeaderMap,
    upgrade: Upgrade,
) -> Response {
    let connect = match Connect::read(&door.inner, mode, query, headers) {
        Ok(connect) => connect,
        Err(refused) => {
            info!(%refused, "client refused");
            door.inner.tally.add(refused.misdeed());
            return refused.into_response();
        }
    };
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => return rejection.into_response(),
    };
    let door = door.inner.clone();
    let bytes = door.config.max_message_bytes;
    upgrade
        .max_message_size(bytes)
        .max_frame_size(bytes)
        .on_upgrade(move |socket| session::enter(door, connect, socket))
}
