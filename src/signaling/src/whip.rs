//! WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep): publish and play by one HTTP request.
//!
//! A session is a leg of a participant in a room, like any other: who may see what is decided by
//! the room. The bearer token is the JWT of the session door. Start at [`routes`]; one session's
//! life is in `session`.

mod patch;
mod reply;
mod session;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::{options, post};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use offhook_call::room::{Door as RoomDoor, Receive, TrackChoice};
use offhook_types::MediaKind;
use offhook_wire::sdp::Session as Description;
use serde::Deserialize;
use tokio::sync::{Semaphore, mpsc};

use crate::media_node::{Events, MediaNode};
use crate::negotiation::{Idle, Negotiation, Policy, Refused};
use crate::rooms::Rooms;
use crate::token::{Grant, Keys, bearer};

use reply::Problem;
use session::{Ask, Opened};

/// Limits of the door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Sessions at once.
    pub max_sessions: usize,
    /// Bytes of a request's body. Chromium writes about 6 KB for each section.
    pub max_body: usize,
    /// Sections of an offer.
    pub max_sections: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { max_sessions: 10_000, max_body: 1 << 20, max_sections: 200 }
    }
}

/// The door. Cheap to clone.
#[derive(Clone)]
pub struct Whip {
    inner: Arc<Inner>,
}

struct Inner {
    config: Config,
    keys: Keys,
    rooms: Rooms,
    node: Arc<dyn MediaNode>,
    events: Events,
    places: Arc<Semaphore>,
    sessions: Mutex<HashMap<String, Entry>>,
}

/// How a request finds a session.
#[derive(Clone)]
struct Entry {
    door: Door,
    room: String,
    identity: String,
    asks: mpsc::Sender<Ask>,
}

/// Which way media flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    Whip,
    Whep,
}

impl Door {
    fn as_str(self) -> &'static str {
        match self {
            Self::Whip => "whip",
            Self::Whep => "whep",
        }
    }

    fn policy(self) -> Policy {
        Policy {
            publish: self == Self::Whip,
            subscribe: self == Self::Whep,
            data: false,
            idle: Idle::Announced,
        }
    }
}

/// What narrows a playback.
#[derive(Debug, Default, Deserialize)]
struct Narrow {
    /// Identity of the publisher.
    participant: Option<String>,
    /// Id or name of the track.
    track: Option<String>,
}

impl Whip {
    /// A door to these rooms and this node.
    pub fn new(
        config: Config,
        keys: Keys,
        rooms: Rooms,
        (node, events): (Arc<dyn MediaNode>, Events),
    ) -> Self {
        let places = Arc::new(Semaphore::new(config.max_sessions.min(Semaphore::MAX_PERMITS)));
        let sessions = Mutex::default();
        let inner = Inner { config, keys, rooms, node, events, places, sessions };
        Self { inner: Arc::new(inner) }
    }

    /// Sessions at this moment.
    pub fn sessions(&self) -> usize {
        self.entries().len()
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.inner.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The token's grant for this room.
    fn grant(&self, headers: &HeaderMap, room: &str) -> Result<Grant, Problem> {
        let token = bearer(headers).ok_or(crate::token::TokenError::Missing)?;
        Ok(self.inner.keys.verify(token)?.grant(Some(room))?)
    }

    /// The session that a request is about, if its token is the session's own.
    fn find(
        &self,
        headers: &HeaderMap,
        (door, room, session): (Door, &str, &str),
    ) -> Result<Entry, Problem> {
        let grant = self.grant(headers, room)?;
        let entry = self.entries().get(session).cloned();
        let entry = entry.filter(|entry| entry.door == door && entry.room == room);
        let entry = entry.ok_or(Problem::new(StatusCode::NOT_FOUND, "no such session"))?;
        if entry.identity != grant.identity {
            return Err(Problem::new(StatusCode::FORBIDDEN, "session of another participant"));
        }
        Ok(entry)
    }
}

/// `/whip/{room}`, `/whep/{room}` and the sessions below them.
pub fn routes(whip: Whip) -> Router {
    let mut router = Router::new();
    for door in [Door::Whip, Door::Whep] {
        let endpoint = post(move |state, path, query, headers, body| {
            open(door, (state, path, query), headers, body)
        });
        let session = axum::routing::patch(move |state, path, headers, body| {
            patch::patch(door, state, path, (headers, body))
        })
        .delete(move |state, path, headers| patch::delete(door, state, path, headers));
        router = router
            .route(
                &format!("/{}/{{room}}", door.as_str()),
                endpoint.merge(options(reply::endpoint)),
            )
            .route(
                &format!("/{}/{{room}}/{{session}}", door.as_str()),
                session.merge(options(reply::session)),
            );
    }
    router
        .layer(DefaultBodyLimit::max(whip.inner.config.max_body))
        .layer(map_response(reply::cross_origin))
        .with_state(whip)
}

/// POST: an offer comes in, an answer and a session go out.
async fn open(
    door: Door,
    (State(whip), Path(room), Query(narrow)): (State<Whip>, Path<String>, Query<Narrow>),
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    reply::content_type(&headers, "application/sdp")?;
    let grant = whip.grant(&headers, &room)?;
    let permitted = match door {
        Door::Whip => grant.permission.publish,
        Door::Whep => grant.permission.subscribe,
    };
    if !permitted {
        return Err(Problem::new(StatusCode::FORBIDDEN, "permissions denied"));
    }
    let offer = read(&whip, door, &reply::text(body)?)?;
    let place = whip.inner.places.clone().try_acquire_owned().map_err(|_| Problem::full())?;
    let identity = grant.identity.clone();
    let room_door = match door {
        Door::Whip => RoomDoor::Whip,
        Door::Whep => RoomDoor::Whep,
    };
    let joined = whip.inner.rooms.join(grant.into_join(room_door, receive(door, narrow))).await?;
    let Opened { session, answer, etag } =
        session::open(door, (whip.inner.node.clone(), &whip.inner.events), joined, offer).await?;

    let id = random_id();
    let (asks, asked) = mpsc::channel(4);
    whip.entries().insert(id.clone(), Entry { door, room: room.clone(), identity, asks });
    let location = format!("/{}/{}/{id}", door.as_str(), reply::escaped(&room));
    let servers = reply::ice_servers(&whip.inner.node.ice_servers());
    tokio::spawn(async move {
        session.run(asked).await;
        whip.entries().remove(&id);
        drop(place);
    });
    let headers = [
        (header::CONTENT_TYPE, "application/sdp".to_owned()),
        (header::LOCATION, location),
        (header::ETAG, etag),
        (reply::ACCEPT_PATCH, reply::FRAGMENT.to_owned()),
    ];
    Ok((StatusCode::CREATED, headers, servers, answer).into_response())
}

/// Text to an offer that will be answered.
fn read(whip: &Whip, door: Door, body: &str) -> Result<Description, Problem> {
    let offer = Description::parse(body)
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error.to_string()))?;
    if offer.sections.len() > whip.inner.config.max_sections {
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "too many sections"));
    }
    let agreement = Negotiation::check(&offer, door.policy())?;
    let useful = match door {
        Door::Whip => !agreement.incoming.is_empty(),
        Door::Whep => offer.sections.iter().any(|section| {
            section.kind.media().is_some() && section.direction.receives() && !section.rejected()
        }),
    };
    if useful { Ok(offer) } else { Err(Refused::NothingAcceptable.into()) }
}

/// What the room is asked for.
fn receive(door: Door, narrow: Narrow) -> Receive {
    let Narrow { participant, track } = narrow;
    match door {
        Door::Whip => Receive::None,
        Door::Whep if participant.is_none() && track.is_none() => Receive::All,
        Door::Whep => {
            let choice = |track: String| match track.parse() {
                Ok(id) => TrackChoice::Id(id),
                Err(_) => TrackChoice::Name(track),
            };
            Receive::Only { participant, track: track.map(choice) }
        }
    }
}

/// 128 random bits: whoever knows the path of a session still needs its token.
fn random_id() -> String {
    let mut bytes = [0; 16];
    // The source cannot fail once the process runs; a predictable id would be worse than waiting.
    while SystemRandom::new().fill(&mut bytes).is_err() {}
    URL_SAFE_NO_PAD.encode(bytes)
}

/// `video/VP8` and the like.
fn mime(codec: offhook_types::Codec) -> String {
    let kind = match codec.kind() {
        MediaKind::Audio => "audio",
        MediaKind::Video => "video",
    };
    format!("{kind}/{}", codec.name())
}
