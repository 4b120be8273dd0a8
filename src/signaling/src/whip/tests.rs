use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request};
use offhook_call::room::{Admin, ParticipantView, Reply};
use offhook_types::media::{
    Candidate, Command, Connection, Egress, Event, Fingerprint, LegEnd, Placement,
};
use offhook_types::{LegId, RoomId};
use tokio::sync::watch;
use tower::ServiceExt;

use super::*;
use crate::media_node::NodeFull;
use crate::token::Claims;

mod play;
mod requests;

const PUBLISH: &str = include_str!("../../../wire/src/sdp/offers/chromium-simulcast.sdp");
const PLAY: &str = include_str!("../../../wire/src/sdp/offers/chromium-recvonly.sdp");
const SDP: &str = "application/sdp";
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";
/// Longer than anything here takes; only a failing test waits it out.
const PATIENCE: Duration = Duration::from_secs(10);

/// A node that writes down what it is told.
struct Node {
    told: watch::Sender<Vec<Command>>,
    legs: AtomicU64,
    /// How many more legs it has places for, and commands it takes.
    places: AtomicU64,
    takes: AtomicU64,
}

impl Node {
    fn spend(budget: &AtomicU64) -> bool {
        budget.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
    }
}

impl MediaNode for Node {
    fn fingerprint(&self) -> Fingerprint {
        Fingerprint([7; 32])
    }

    fn place(&self, _room: RoomId) -> Option<Placement> {
        let leg = LegId(self.legs.fetch_add(1, Ordering::SeqCst));
        let inside = SocketAddr::from(([127, 0, 0, 1], 7882));
        let candidates = vec![Candidate::udp(inside)];
        Self::spend(&self.places).then_some(Placement { leg, candidates, inside })
    }

    fn send(&self, command: Command) -> Result<(), NodeFull> {
        if !Self::spend(&self.takes) {
            return Err(NodeFull);
        }
        self.told.send_modify(|told| told.push(command));
        Ok(())
    }
}

/// The door with everything behind it.
struct Stage {
    router: Router,
    whip: Whip,
    node: Arc<Node>,
    events: Events,
    rooms: Rooms,
    keys: Keys,
}

/// What came back.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    fn location(&self) -> &str {
        assert_eq!(self.status, StatusCode::CREATED, "{}", self.body);
        self.header("location")
    }

    fn description(&self) -> Description {
        assert_eq!(self.status, StatusCode::CREATED, "{}", self.body);
        Description::parse(&self.body).unwrap()
    }
}

impl Stage {
    fn new() -> Self {
        Self::with(Config { max_body: 64 * 1024, ..Config::default() })
    }

    fn with(config: Config) -> Self {
        let node = Arc::new(Node {
            told: watch::channel(Vec::new()).0,
            legs: AtomicU64::new(1),
            places: AtomicU64::new(u64::MAX),
            takes: AtomicU64::new(u64::MAX),
        });
        let keys = Keys::new([("key".to_owned(), "a secret of thirty-two characters".to_owned())]);
        let rooms = Rooms::start(&crate::rooms::Config::default(), 5);
        let events = Events::new(|_, _, _| ());
        let whip = Whip::new(config, keys.clone(), rooms.clone(), (node.clone(), events.clone()));
        Self { router: routes(whip.clone()), whip, node, events, rooms, keys }
    }

    fn token(&self, identity: &str) -> String {
        self.mint(Claims::join("lobby", identity))
    }

    fn mint(&self, claims: Claims) -> String {
        self.keys.mint(&claims, Duration::from_secs(60)).unwrap()
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let body = String::from_utf8(body.into()).unwrap();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    async fn post(&self, path: &str, identity: &str, body: &str) -> Answer {
        let token = self.token(identity);
        self.send(request(Method::POST, path, &[("authorization", &token)], (SDP, body))).await
    }

    async fn publish(&self, identity: &str) -> Answer {
        let answer = self.post("/whip/lobby", identity, PUBLISH).await;
        answer.location();
        answer
    }

    async fn delete(&self, location: &str, identity: &str) -> StatusCode {
        let token = self.token(identity);
        let request = request(Method::DELETE, location, &[("authorization", &token)], ("", ""));
        self.send(request).await.status
    }

    fn told(&self) -> Vec<Command> {
        self.node.told.borrow().clone()
    }

    /// Wait until the node was told something.
    async fn until(&self, what: impl FnMut(&Vec<Command>) -> bool) -> Vec<Command> {
        let mut told = self.node.told.subscribe();
        let wait = tokio::time::timeout(PATIENCE, told.wait_for(what));
        let told = wait.await.map_err(|_| format!("only {:?}", self.told()));
        told.unwrap().unwrap().clone()
    }

    /// Wait until so many sessions are left.
    async fn until_sessions(&self, many: usize) {
        let wait = async {
            while self.whip.sessions() != many {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap();
    }

    async fn people(&self) -> Vec<Arc<ParticipantView>> {
        match self.rooms.admin(Admin::Participants { room: "lobby".into() }).await {
            Ok(Reply::Participants(people)) => people,
            Ok(other) => panic!("{other:?}"),
            Err(_) => Vec::new(),
        }
    }
}

/// What a receiver gets, in the order in which it was told, with later words replacing earlier.
fn egress(told: &[Command], receiver: LegId) -> Vec<Egress> {
    let mut all: Vec<Egress> = Vec::new();
    for command in told {
        match command {
            Command::AddEgress { leg, egress, .. } if *leg == receiver => {
                all.retain(|known| known.track != egress.track);
                all.push(*egress);
            }
            Command::RemoveEgress { leg, track } if *leg == receiver => {
                all.retain(|known| known.track != *track);
            }
            _ => {}
        }
    }
    all
}

fn request(
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    (content_type, body): (&str, &str),
) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        let value =
            if *name == "authorization" { format!("Bearer {value}") } else { (*value).into() };
        request = request.header(*name, value);
    }
    if !content_type.is_empty() {
        request = request.header("content-type", content_type);
    }
    request.body(Body::from(body.to_owned())).unwrap()
}

#[tokio::test]
async fn publishing_opens_a_leg_and_shows_the_tracks() {
    let stage = Stage::new();
    let answer = stage.publish("ann").await;
    assert!(answer.location().starts_with("/whip/lobby/"));
    assert_eq!(answer.header("content-type"), SDP);
    assert_eq!(answer.header("accept-patch"), FRAGMENT);
    assert!(answer.header("etag").starts_with('"'));
    assert_eq!(answer.header("access-control-expose-headers").split(", ").next(), Some("Location"));
    let description = answer.description();
    assert!(description.sections.iter().all(|section| !section.direction.sends()));

    let told = stage.told();
    let [Command::OpenLeg(open), Command::SetNegotiated { .. }, rest @ ..] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert!(matches!(open.connection, Connection::Ice { remote: Some(_), .. }));
    let layers = |command: &Command| match command {
        Command::AddIngress { ingress, .. } => ingress.layers.len(),
        other => panic!("{other:?}"),
    };
    let mut layers: Vec<usize> = rest.iter().map(layers).collect();
    layers.sort_unstable();
    assert_eq!(layers, [1, 3]);

    let people = stage.people().await;
    assert_eq!((people.len(), people[0].identity.as_str()), (1, "ann"));
    let mimes: Vec<&str> = people[0].tracks.iter().map(|track| track.mime.as_str()).collect();
    assert_eq!(mimes, ["audio/opus", "video/VP8"]);
}

#[tokio::test]
async fn deleting_closes_the_leg_and_leaves_the_room() {
    let stage = Stage::new();
    let answer = stage.publish("ann").await;
    assert_eq!(stage.delete(answer.location(), "bob").await, StatusCode::FORBIDDEN);
    assert_eq!(stage.delete(answer.location(), "ann").await, StatusCode::OK);
    stage.until(|told| matches!(told.last(), Some(Command::CloseLeg { leg: LegId(1) }))).await;
    assert_eq!(stage.delete(answer.location(), "ann").await, StatusCode::NOT_FOUND);
    stage.until_sessions(0).await;
    assert!(stage.people().await.iter().all(|person| person.tracks.is_empty()));
    assert_eq!(stage.events.attached(), 0);
}

#[tokio::test]
async fn a_leg_that_goes_down_ends_the_session() {
    let stage = Stage::new();
    stage.publish("ann").await;
    stage.events.deliver(Event::LegDown { leg: LegId(1), end: LegEnd::ConsentLost });
    stage.until_sessions(0).await;
    assert!(!stage.told().iter().any(|command| matches!(command, Command::CloseLeg { .. })));
}

#[tokio::test]
async fn a_room_that_ends_takes_its_sessions_along() {
    let stage = Stage::new();
    stage.publish("ann").await;
    stage.rooms.delete("lobby", offhook_call::room::Left::RoomDeleted).await.unwrap();
    stage.until(|told| matches!(told.last(), Some(Command::CloseLeg { .. }))).await;
    stage.until_sessions(0).await;
}
