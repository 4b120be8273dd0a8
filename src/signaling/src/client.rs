//! The client API's live half: sessions over a WebSocket at `GET /v1/connect`, and the same call
//! requests as HTTP POST for callers that are not told events.
//!
//! What it promises: an event reaches a device once and in order, also over broken connections, as
//! long as it comes back within the resume window; a request is done once, however often it is
//! repeated. docs/protocol/client.md tells the rest. Start at [`routes`].

mod connection;
mod link;
mod memory;
mod phone;
mod requests;
mod session;
mod sessions;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use offhook_call::By;
use offhook_proto::client::client_message::Message as Request;
use offhook_proto::client::server_message::Message as Reply;
use offhook_proto::client::{
    AcceptCall, Balance, BalanceRequest, CancelCall, Charge, ChargeRequest, DeclineCall, Empty,
    HangUp, HistoryRequest, HistoryResponse, HoldCall, PlaceCall, Placed, PressKeys, Quote,
    QuoteRequest,
};
use offhook_types::UserId;

pub use self::link::Closed;
use self::requests::Requests;
pub use self::sessions::Sessions;
use crate::account::{Accounts, Asked, Caller, Failure};
use crate::limit::{Keyed, Rate};

/// Limits and timers of sessions.
#[derive(Debug, Clone)]
pub struct Config {
    /// From the upgrade to the first message. Default 10 s.
    pub connect_timeout: Duration,
    /// How often clients send Ping, and we ping the connection. Default 20 s.
    pub ping_interval: Duration,
    /// A connection that is silent for so long is dead. Default 50 s: two pings may be lost.
    pub idle_timeout: Duration,
    /// How long a broken session may be resumed. Default 60 s.
    pub resume_window: Duration,
    /// Longest message. Default 64 KiB.
    pub message_bytes: usize,
    /// Messages of one connection. Default a burst of 100, refilled at 20 a second.
    pub messages: Rate,
    /// Prices that one user may ask for. Default a burst of 30, refilled in a minute.
    pub quotes: Rate,
    /// Events that a client may leave unacknowledged. Default 256.
    pub unacknowledged: usize,
    /// Frames that may wait for a slow peer. Default 512; more than `unacknowledged`, which are
    /// sent at once on resume.
    pub queue: usize,
    /// Sessions in all. Default 100,000.
    pub sessions: usize,
    /// Web pages, other than those of our own host, that may connect. Default none listed, which
    /// lets every page try: the token is in the first message and no browser adds it by itself.
    pub origins: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            ping_interval: Duration::from_secs(20),
            idle_timeout: Duration::from_secs(50),
            resume_window: Duration::from_secs(60),
            message_bytes: 64 * 1024,
            messages: Rate { burst: 100, per: Duration::from_secs(5) },
            quotes: Rate::per_minute(30),
            unacknowledged: 256,
            queue: 512,
            sessions: 100_000,
            origins: Vec::new(),
        }
    }
}

/// What the routes need. Cheap to clone.
#[derive(Clone)]
pub struct Door {
    accounts: Accounts,
    sessions: Sessions,
    quotes: Arc<Keyed<UserId>>,
}

impl Door {
    /// A door to these accounts and sessions.
    pub fn new(accounts: Accounts, sessions: Sessions) -> Self {
        let quotes = Keyed::new(sessions.config().quotes, sessions.config().sessions);
        Self { accounts, sessions, quotes: Arc::new(quotes) }
    }

    fn requests(&self) -> Requests {
        Requests {
            accounts: self.accounts.clone(),
            calls: self.sessions.calls().clone(),
            quotes: self.quotes.clone(),
        }
    }
}

/// `GET /v1/connect`, `POST /v1/calls/…`, `/v1/quote`, `/v1/balance` and `/v1/history`.
pub fn routes(door: Door) -> Router {
    let longest = door.sessions.config().message_bytes;
    Router::new()
        .route("/v1/connect", get(upgrade))
        .route("/v1/calls/place", post(place))
        .route("/v1/calls/accept", post(accept))
        .route("/v1/calls/decline", post(decline))
        .route("/v1/calls/cancel", post(cancel))
        .route("/v1/calls/hang-up", post(hang_up))
        .route("/v1/calls/press", post(press))
        .route("/v1/calls/hold", post(hold))
        .route("/v1/calls/charge", post(charge))
        .route("/v1/quote", post(quote))
        .route("/v1/balance", post(balance))
        .route("/v1/history", post(history))
        .layer(DefaultBodyLimit::max(longest))
        .with_state(door)
}

async fn upgrade(
    State(door): State<Door>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let config = door.sessions.config();
    if !is_welcome(&headers, &config.origins) {
        return StatusCode::FORBIDDEN.into_response();
    }
    upgrade
        .max_message_size(config.message_bytes)
        .max_frame_size(config.message_bytes)
        .on_upgrade(move |socket| connection::serve(door, socket))
}

/// Whether a page may connect. Other programs send no Origin and need none.
fn is_welcome(headers: &HeaderMap, origins: &[String]) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    if origins.is_empty() {
        return true;
    }
    let Ok(origin) = origin.to_str() else { return false };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let uri = origin.parse::<Uri>().ok();
    let authority = uri.as_ref().and_then(Uri::authority).map(|authority| authority.as_str());
    (authority.is_some() && authority == host) || origins.iter().any(|known| known == origin)
}

/// Do a request for a device that is not told events through this.
async fn once(door: &Door, caller: &Caller, request: Request) -> Result<Reply, Failure> {
    let bearer = door.accounts.bearer(caller).await?;
    let by = By { user: bearer.user.id, device: bearer.device.id };
    door.requests().serve(by, &bearer.user, request).await
}

/// As [`once`], for a request with a reply of its own.
async fn told<M>(
    door: &Door,
    caller: &Caller,
    request: Request,
    pick: fn(Reply) -> Option<M>,
) -> Result<M, Failure> {
    pick(once(door, caller, request).await?).ok_or_else(Failure::unavailable)
}

async fn place(State(door): State<Door>, asked: Asked<PlaceCall>) -> Response {
    let Asked { message, caller, answer } = asked;
    let request = Request::Place(message);
    let placed = told(&door, &caller, request, |reply| match reply {
        Reply::Placed(placed) => Some(placed),
        _ => None,
    });
    answer.respond::<Placed>(placed.await)
}

async fn accept(State(door): State<Door>, asked: Asked<AcceptCall>) -> Response {
    let Asked { message, caller, answer } = asked;
    answer.respond(once(&door, &caller, Request::Accept(message)).await.map(|_| Empty {}))
}

async fn decline(State(door): State<Door>, asked: Asked<DeclineCall>) -> Response {
    let Asked { message, caller, answer } = asked;
    answer.respond(once(&door, &caller, Request::Decline(message)).await.map(|_| Empty {}))
}

async fn cancel(State(door): State<Door>, asked: Asked<CancelCall>) -> Response {
    let Asked { message, caller, answer } = asked;
    answer.respond(once(&door, &caller, Request::Cancel(message)).await.map(|_| Empty {}))
}

async fn hang_up(State(door): State<Door>, asked: Asked<HangUp>) -> Response {
    let Asked { message, caller, answer } = asked;
    answer.respond(once(&door, &caller, Request::HangUp(message)).await.map(|_| Empty {}))
}

async fn press(State(door): State<Door>, asked: Asked<PressKeys>) -> Response {
    let Asked { message, caller, answer } = asked;
    answer.respond(once(&door, &caller, Request::Press(message)).await.map(|_| Empty {}))
}

async fn hold(State(door): State<Door>, asked: Asked<HoldCall>) -> Response {
    let Asked { message, caller, answer } = asked;
    answer.respond(once(&door, &caller, Request::Hold(message)).await.map(|_| Empty {}))
}

async fn charge(State(door): State<Door>, asked: Asked<ChargeRequest>) -> Response {
    let Asked { message, caller, answer } = asked;
    let request = Request::Charge(message);
    let charge = told(&door, &caller, request, |reply| match reply {
        Reply::Charge(charge) => Some(charge),
        _ => None,
    });
    answer.respond::<Charge>(charge.await)
}

async fn quote(State(door): State<Door>, asked: Asked<QuoteRequest>) -> Response {
    let Asked { message, caller, answer } = asked;
    let request = Request::Quote(message);
    let quote = told(&door, &caller, request, |reply| match reply {
        Reply::Quote(quote) => Some(quote),
        _ => None,
    });
    answer.respond::<Quote>(quote.await)
}

async fn balance(State(door): State<Door>, asked: Asked<BalanceRequest>) -> Response {
    let Asked { message, caller, answer } = asked;
    let request = Request::Balance(message);
    let balance = told(&door, &caller, request, |reply| match reply {
        Reply::Balance(balance) => Some(balance),
        _ => None,
    });
    answer.respond::<Balance>(balance.await)
}

async fn history(State(door): State<Door>, asked: Asked<HistoryRequest>) -> Response {
    let Asked { message, caller, answer } = asked;
    let request = Request::History(message);
    let history = told(&door, &caller, request, |reply| match reply {
        Reply::History(history) => Some(history),
        _ => None,
    });
    answer.respond::<HistoryResponse>(history.await)
}

#[cfg(test)]
mod tests;
