use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use offhook_call::room::{Admin, Left};
use offhook_proto::quic as proto;
use offhook_types::media::{Candidate, Command, Event, Fingerprint, LegEnd, Placement};
use offhook_types::{LegId, RoomId, Ssrc, WorkerId};
use prost::Message;
use proto::from_client::Body as Ask;
use proto::from_server::Body as Answer;
use tokio::sync::mpsc;

use super::{Close, Config, Quic, Wire};
use crate::media_node::{Events, MediaNode, NodeFull};
use crate::rooms::Rooms;
use crate::token::{Claims, Keys};

const PATIENCE: Duration = Duration::from_secs(10);

/// A media node that writes down what it is told.
struct Node {
    told: mpsc::UnboundedSender<Command>,
    legs: AtomicU64,
}

impl MediaNode for Node {
    fn fingerprint(&self) -> Fingerprint {
        Fingerprint([7; 32])
    }

    fn place(&self, _room: RoomId) -> Option<Placement> {
        self.place_on(WorkerId(0))
    }

    fn place_on(&self, worker: WorkerId) -> Option<Placement> {
        let leg = LegId::new(worker, self.legs.fetch_add(1, Ordering::SeqCst));
        let inside = SocketAddr::from(([127, 0, 0, 1], 7882));
        Some(Placement { leg, candidates: vec![Candidate::udp(inside)], inside })
    }

    fn send(&self, command: Command) -> Result<(), NodeFull> {
        self.told.send(command).map_err(|_| NodeFull)
    }
}

/// What a session does with its connection.
#[derive(Debug, PartialEq)]
enum Did {
    Say(proto::FromServer),
    Carry(LegId),
    Assign(u64, Vec<Ssrc>),
    Release(u64),
    Forget(u64),
    Close(Close),
}

struct Line {
    heard: mpsc::Receiver<Bytes>,
    did: mpsc::UnboundedSender<Did>,
}

#[async_trait]
impl Wire for Line {
    fn worker(&self) -> WorkerId {
        WorkerId(3)
    }

    async fn receive(&mut self) -> Option<Bytes> {
        self.heard.recv().await
    }

    fn send(&self, message: Bytes) -> bool {
        let message = proto::FromServer::decode(message).unwrap();
        self.did.send(Did::Say(message)).is_ok()
    }

    fn carry(&self, leg: LegId) {
        let _ = self.did.send(Did::Carry(leg));
    }

    fn expect(&self, flow: u64, _: Vec<Ssrc>) -> bool {
        flow >= 2
    }

    fn forget(&self, flow: u64) {
        let _ = self.did.send(Did::Forget(flow));
    }

    fn assign(&self, flow: u64, streams: &[Ssrc]) {
        let _ = self.did.send(Did::Assign(flow, streams.to_vec()));
    }

    fn release(&self, flow: u64) {
        let _ = self.did.send(Did::Release(flow));
    }

    fn close(self: Box<Self>, why: Close) {
        let _ = self.did.send(Did::Close(why));
    }
}

struct Stage {
    door: Quic,
    rooms: Rooms,
    keys: Keys,
    events: Events,
    told: mpsc::UnboundedReceiver<Command>,
}

struct Client {
    say: mpsc::Sender<Bytes>,
    did: mpsc::UnboundedReceiver<Did>,
}

impl Stage {
    fn new() -> Self {
        let (sender, told) = mpsc::unbounded_channel();
        let node = Arc::new(Node { told: sender, legs: AtomicU64::new(1) });
        let keys = Keys::new([("key".to_owned(), "a secret of thirty-two characters".to_owned())]);
        let rooms = Rooms::start(&crate::rooms::Config::default(), 5);
        let events = Events::new(|_, _, _| ());
        let config = Config { messages_per_second: 5 };
        let door = Quic::new(config, keys.clone(), rooms.clone(), (node, events.clone()));
        Self { door, rooms, keys, events, told }
    }

    fn connect(&self) -> Client {
        let ((say, heard), (did, seen)) = (mpsc::channel(256), mpsc::unbounded_channel());
        self.door.serve(Box::new(Line { heard, did }));
        Client { say, did: seen }
    }

    fn mint(&self, claims: &Claims) -> String {
        self.keys.mint(claims, Duration::from_secs(60)).unwrap()
    }

    async fn join(&self, identity: &str) -> (Client, proto::Joined, LegId) {
        self.join_with(&Claims::join("lobby", identity)).await
    }

    async fn join_with(&self, claims: &Claims) -> (Client, proto::Joined, LegId) {
        let mut client = self.connect();
        let join = proto::Join { token: self.mint(claims), receive_all: true };
        client.ask(1, Ask::Join(join)).await;
        let leg = match client.next().await {
            Did::Carry(leg) => leg,
            other => panic!("{other:?}"),
        };
        match client.answer(1).await {
            Answer::Joined(joined) => (client, joined, leg),
            other => panic!("{other:?}"),
        }
    }

    /// The first command from now on that fits.
    async fn told<T>(&mut self, fits: impl Fn(&Command) -> Option<T>) -> T {
        let wait = async {
            loop {
                if let Some(found) = fits(&self.told.recv().await.unwrap()) {
                    return found;
                }
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("the node was never told")
    }
}

impl Client {
    async fn ask(&self, request: u32, body: Ask) {
        let message = proto::FromClient { request, body: Some(body) };
        self.say.send(message.encode_to_vec().into()).await.unwrap();
    }

    async fn next(&mut self) -> Did {
        tokio::time::timeout(PATIENCE, self.did.recv()).await.expect("nothing was done").unwrap()
    }

    /// The first thing done from now on that fits.
    async fn until<T>(&mut self, fits: impl Fn(Did) -> Option<T>) -> T {
        loop {
            if let Some(found) = fits(self.next().await) {
                return found;
            }
        }
    }

    async fn answer(&mut self, request: u32) -> Answer {
        self.until(|did| match did {
            Did::Say(message) if message.answers == request => message.body,
            _ => None,
        })
        .await
    }

    async fn closed(&mut self) -> Close {
        self.until(|did| match did {
            Did::Close(why) => Some(why),
            _ => None,
        })
        .await
    }
}

fn picture(flow: u64, ssrcs: &[u32]) -> proto::Publish {
    let layer = |&ssrc: &u32| proto::Layer { ssrc, width: 320, height: 180, ..Default::default() };
    proto::Publish {
        name: "picture".into(),
        kind: proto::Kind::Video.into(),
        source: proto::Source::Camera.into(),
        flow,
        mime: "video/VP8".into(),
        layers: ssrcs.iter().map(layer).collect(),
        muted: false,
    }
}

async fn published(client: &mut Client, publish: proto::Publish) -> String {
    client.ask(2, Ask::Publish(publish)).await;
    match client.answer(2).await {
        Answer::Published(published) => published.track_id,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_one_publishes_the_other_receives_until_it_is_taken_back() {
    let mut stage = Stage::new();
    let (mut ann, joined, leg) = stage.join("ann").await;
    assert_eq!((joined.room.as_str(), leg.worker()), ("lobby", WorkerId(3)));
    assert!(joined.formats.iter().any(|format| format.mime == "video/VP8"));
    let (mut bob, joined, other) = stage.join("bob").await;
    assert_eq!(joined.others.iter().map(|other| &other.identity).collect::<Vec<_>>(), ["ann"]);

    let track = published(&mut ann, picture(2, &[10, 11])).await;
    let layers = stage
        .told(|command| match command {
            Command::AddIngress { leg: at, ingress } if *at == leg => Some(ingress.layers.clone()),
            _ => None,
        })
        .await;
    assert_eq!(
        layers.iter().map(|layer| layer.ssrc).collect::<Vec<_>>(),
        [10, 11].map(|n| Some(Ssrc(n)))
    );
    let (flow, streams) = bob
        .until(|did| match did {
            Did::Assign(flow, streams) => Some((flow, streams)),
            _ => None,
        })
        .await;
    let told = bob
        .until(|did| match did {
            Did::Say(proto::FromServer { body: Some(Answer::Subscribed(told)), .. }) => Some(told),
            _ => None,
        })
        .await;
    assert_eq!((told.track_id.clone(), told.flow), (track.clone(), flow));
    assert!(streams.contains(&Ssrc(told.ssrc)) && streams.contains(&Ssrc(told.rtx_ssrc)));
    let source = stage
        .told(|command| match command {
            Command::AddEgress { leg: at, egress, .. } if *at == other => Some(egress.source),
            _ => None,
        })
        .await;
    assert_eq!(source, leg);

    ann.ask(3, Ask::Unpublish(proto::Unpublish { track_id: track.clone() })).await;
    assert_eq!(ann.next().await, Did::Forget(2));
    assert!(matches!(ann.answer(3).await, Answer::Done(_)));
    bob.until(|did| (did == Did::Release(flow)).then_some(())).await;
    ann.ask(4, Ask::Unpublish(proto::Unpublish { track_id: track })).await;
    assert!(
        matches!(ann.answer(4).await, Answer::Refused(why) if why.reason() == proto::Reason::NotFound)
    );
}

#[tokio::test]
async fn a_track_that_makes_no_sense_is_refused() {
    let stage = Stage::new();
    let (mut ann, ..) = stage.join("ann").await;
    published(&mut ann, picture(2, &[10])).await;
    let sound = |publish| proto::Publish { kind: proto::Kind::Audio.into(), ..publish };
    let wrong = [
        picture(0, &[1]),
        picture(1, &[1]),
        picture(3, &[]),
        picture(3, &[0]),
        picture(3, &[1, 1]),
        picture(3, &[10]),
        picture(3, &[1, 2, 3, 4]),
        proto::Publish { kind: 0, ..picture(3, &[1]) },
        proto::Publish { mime: "video/unheard-of".into(), ..picture(3, &[1]) },
        sound(picture(3, &[1])),
    ];
    for publish in wrong {
        ann.ask(7, Ask::Publish(publish.clone())).await;
        let answer = ann.answer(7).await;
        let refused =
            matches!(&answer, Answer::Refused(why) if why.reason() == proto::Reason::BadRequest);
        assert!(refused, "{publish:?}: {answer:?}");
    }
}

#[tokio::test]
async fn a_token_says_what_may_be_done() {
    let stage = Stage::new();
    let mut stranger = stage.connect();
    stranger.ask(1, Ask::Join(proto::Join { token: "x.y.z".into(), receive_all: true })).await;
    assert!(
        matches!(stranger.answer(1).await, Answer::Refused(why) if why.reason() == proto::Reason::BadToken)
    );
    assert_eq!(stranger.closed().await, Close::NotAdmitted);

    let mut claims = Claims::join("lobby", "ann");
    claims.video.can_publish = Some(false);
    let (mut ann, ..) = stage.join_with(&claims).await;
    ann.ask(2, Ask::Publish(picture(2, &[1]))).await;
    assert_eq!(ann.next().await, Did::Forget(2), "the flow is free again");
    assert!(
        matches!(ann.answer(2).await, Answer::Refused(why) if why.reason() == proto::Reason::NotPermitted)
    );
}

#[tokio::test]
async fn whoever_does_not_keep_to_the_protocol_is_closed() {
    let stage = Stage::new();
    for bytes in [&b"\xff\xff\xff"[..], b""] {
        let mut client = stage.connect();
        client.say.send(Bytes::from(bytes)).await.unwrap();
        assert_eq!(client.closed().await, Close::BadMessage);
    }
    let mut early = stage.connect();
    early.ask(1, Ask::Publish(picture(2, &[1]))).await;
    assert_eq!(early.closed().await, Close::BadMessage);

    let (mut twice, ..) = stage.join("twice").await;
    twice.ask(2, Ask::Join(proto::Join::default())).await;
    assert_eq!(twice.closed().await, Close::BadMessage);

    let (mut flood, ..) = stage.join("flood").await;
    for _ in 0..60 {
        flood.ask(0, Ask::Subscribe(proto::Subscribe::default())).await;
    }
    assert_eq!(flood.closed().await, Close::Misbehaved);
}

#[tokio::test]
async fn every_end_has_its_code() {
    let stage = Stage::new();
    let (mut ann, ..) = stage.join("ann").await;
    let (mut again, _, leg) = stage.join("ann").await;
    assert_eq!(ann.closed().await, Close::Replaced);
    stage.events.deliver(Event::LegDown { leg, end: LegEnd::Drained });
    assert_eq!(again.closed().await, Close::MediaEnded);

    let (mut bob, ..) = stage.join("bob").await;
    let remove = Admin::Remove { room: "lobby".into(), identity: "bob".into() };
    stage.rooms.admin(remove).await.unwrap();
    assert_eq!(bob.closed().await, Close::Removed);

    let (mut eve, ..) = stage.join("eve").await;
    eve.ask(0, Ask::Leave(proto::Leave {})).await;
    assert_eq!(eve.closed().await, Close::Left);

    let (mut dan, ..) = stage.join("dan").await;
    stage.rooms.delete("lobby", Left::ServerShutdown).await.unwrap();
    assert_eq!(dan.closed().await, Close::GoingDown);
}
