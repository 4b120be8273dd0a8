//! The door over real WebSockets on loopback, with a media node that only takes notes.

mod api;
mod data;
mod join;
mod limits;
mod publish;
mod resume;
mod subscriber;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use futures_util::{SinkExt, StreamExt};
use livekit_protocol as proto;
use offhook_types::media::{Candidate, Command, Connection, Event, Fingerprint, Placement};
use offhook_types::{LegId, RoomId, WorkerId};
use prost::Message as _;
use proto::signal_request::Message as Request;
use proto::signal_response::Message as Response;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::*;
use crate::media_node::NodeFull;
use crate::rooms;
use crate::token::{Claims, VideoGrant};

/// Longer than anything here takes; a test that waits this long has failed.
const DEADLINE: Duration = Duration::from_secs(10);

/// A node that takes notes.
#[derive(Default)]
struct Notebook {
    commands: Mutex<Vec<Command>>,
    serial: AtomicU64,
    changed: tokio::sync::Notify,
}

impl MediaNode for Notebook {
    fn fingerprint(&self) -> Fingerprint {
        Fingerprint([7; 32])
    }

    fn place(&self, _room: RoomId) -> Option<Placement> {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        let inside = SocketAddr::from(([127, 0, 0, 1], 7882));
        let candidates = vec![Candidate::udp(inside)];
        Some(Placement { leg: LegId::new(WorkerId(0), serial), candidates, inside })
    }

    fn send(&self, command: Command) -> Result<(), NodeFull> {
        self.commands.lock().unwrap().push(command);
        self.changed.notify_waiters();
        Ok(())
    }
}

impl Notebook {
    /// The first command so far, or to come, that `pick` takes; it is taken out.
    async fn take<T>(&self, pick: impl Fn(&Command) -> Option<T>) -> T {
        let found = async {
            loop {
                let changed = self.changed.notified();
                {
                    let mut commands = self.commands.lock().unwrap();
                    if let Some(place) = commands.iter().position(|c| pick(c).is_some()) {
                        return pick(&commands.remove(place)).unwrap();
                    }
                }
                changed.await;
            }
        };
        match tokio::time::timeout(DEADLINE, found).await {
            Ok(found) => found,
            Err(_) => panic!("not commanded; left: {:#?}", self.commands.lock().unwrap()),
        }
    }
}

/// A server on a port of its own.
struct World {
    address: SocketAddr,
    node: Arc<Notebook>,
    events: Events,
    keys: Keys,
    rooms: Rooms,
    door: Livekit,
}

impl World {
    async fn new() -> Self {
        Self::with(Config::default()).await
    }

    async fn with(config: Config) -> Self {
        let mut settings = rooms::Config::default();
        settings.rooms.quality_delay = Duration::from_millis(50);
        let rooms = Rooms::start(&settings, 1);
        let heard = rooms.clone();
        let events = Events::new(move |worker, room, list| heard.speakers(worker, room, list));
        let node = Arc::new(Notebook::default());
        let keys = Keys::new([("devkey".into(), "a secret of sufficient length".into())]);
        let door = Livekit::new(config, keys.clone(), rooms.clone(), node.clone(), events.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = routes(door.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, node, events, keys, rooms, door }
    }

    fn sign(&self, claims: &Claims) -> String {
        self.keys.mint(claims, Duration::from_secs(600)).unwrap()
    }

    fn token(&self, identity: &str) -> String {
        self.sign(&Claims::join("cellar", identity))
    }

    async fn connect(&self, path: &str) -> Result<Client, u16> {
        let url = format!("ws://{}{path}", self.address);
        match tokio_tungstenite::connect_async(url).await {
            Ok((socket, _)) => Ok(Client { socket }),
            Err(tokio_tungstenite::tungstenite::Error::Http(response)) => {
                Err(response.status().as_u16())
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Join as current clients do, with one peer connection.
    async fn join(&self, identity: &str) -> (Client, proto::JoinResponse) {
        self.join_as(&self.token(identity), proto::JoinRequest::default()).await
    }

    async fn join_as(
        &self,
        token: &str,
        mut request: proto::JoinRequest,
    ) -> (Client, proto::JoinResponse) {
        request.connection_settings.get_or_insert(proto::ConnectionSettings {
            auto_subscribe: true,
            ..proto::ConnectionSettings::default()
        });
        let mut client = self.connect(&v1(token, &request)).await.unwrap();
        let Response::Join(joined) = client.next().await else { panic!("not joined") };
        (client, joined)
    }

    /// How often clients did this wrong.
    fn counted(&self, what: Misdeed) -> u64 {
        self.door.misdeeds().iter().find(|(misdeed, _)| *misdeed == what).unwrap().1
    }

    /// What a leg says.
    fn event(&self, event: Event) {
        self.events.deliver(event);
    }

    /// Ask over HTTP; the status and the body.
    async fn http(&self, request: axum::http::Request<axum::body::Body>) -> (u16, Vec<u8>) {
        use tower::ServiceExt;
        let response = routes(self.door.clone()).oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, body.to_vec())
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let request = axum::http::Request::get(path).body(axum::body::Body::empty()).unwrap();
        let (status, body) = self.http(request).await;
        (status, String::from_utf8(body).unwrap())
    }
}

/// The address at which current clients join.
fn v1(token: &str, request: &proto::JoinRequest) -> String {
    let wrapped = proto::WrappedJoinRequest {
        join_request: request.encode_to_vec(),
        ..proto::WrappedJoinRequest::default()
    };
    let text = URL_SAFE.encode(wrapped.encode_to_vec()).replace('=', "%3D");
    format!("/rtc/v1?access_token={token}&join_request={text}")
}

struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Client {
    async fn send(&mut self, message: Request) {
        let request = proto::SignalRequest { message: Some(message) };
        self.raw(Message::Binary(request.encode_to_vec().into())).await;
    }

    async fn raw(&mut self, message: Message) {
        self.socket.send(message).await.unwrap();
    }

    /// The next message; how the connection was closed, if it was.
    async fn read(&mut self) -> Result<Response, Option<CloseFrame>> {
        loop {
            let read = tokio::time::timeout(DEADLINE, self.socket.next()).await;
            match read.expect("nothing was said in time") {
                Some(Ok(Message::Binary(bytes))) => {
                    let response = proto::SignalResponse::decode(bytes).unwrap();
                    return Ok(response.message.unwrap());
                }
                Some(Ok(Message::Close(frame))) => return Err(frame),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => (),
                Some(Ok(other)) => panic!("{other:?}"),
                Some(Err(_)) | None => return Err(None),
            }
        }
    }

    async fn next(&mut self) -> Response {
        self.read().await.expect("connection is closed")
    }

    /// Skip messages until `pick` takes one.
    async fn until<T>(&mut self, pick: impl Fn(Response) -> Option<T>) -> T {
        loop {
            if let Some(found) = pick(self.next().await) {
                return found;
            }
        }
    }

    /// Skip messages until someone is described in a way.
    async fn sees(
        &mut self,
        wanted: impl Fn(&proto::ParticipantInfo) -> bool,
    ) -> proto::ParticipantInfo {
        self.until(|message| match message {
            Response::Update(update) => update.participants.into_iter().find(&wanted),
            _ => None,
        })
        .await
    }

    async fn leave(&mut self) -> proto::LeaveRequest {
        self.until(|message| match message {
            Response::Leave(leave) => Some(leave),
            _ => None,
        })
        .await
    }

    async fn response(&mut self) -> proto::RequestResponse {
        self.until(|message| match message {
            Response::RequestResponse(response) => Some(response),
            _ => None,
        })
        .await
    }

    /// Offer and wait for the answer.
    async fn offer(&mut self, id: u32, sections: &[&str]) -> proto::SessionDescription {
        self.send(Request::Offer(offer(id, sections))).await;
        let answer = self
            .until(|message| match message {
                Response::Answer(answer) => Some(answer),
                _ => None,
            })
            .await;
        assert_eq!((answer.r#type.as_str(), answer.id), ("answer", id));
        answer
    }

    /// Announce a track and wait until it has an id.
    async fn add_track(&mut self, request: proto::AddTrackRequest) -> proto::TrackInfo {
        let cid = request.cid.clone();
        self.send(Request::AddTrack(request)).await;
        self.until(|message| match message {
            Response::TrackPublished(p) if p.cid == cid => p.track,
            _ => None,
        })
        .await
    }

    /// Announce a microphone and offer it beside what is received.
    async fn publish_audio(&mut self, cid: &str) -> proto::TrackInfo {
        let track = self.add_track(microphone(cid)).await;
        let section = format!("audio sendonly {cid}");
        self.offer(1, &["data", &section, "audio recvonly", "video recvonly"]).await;
        track
    }
}

fn microphone(cid: &str) -> proto::AddTrackRequest {
    proto::AddTrackRequest {
        cid: cid.into(),
        r#type: proto::TrackType::Audio.into(),
        source: proto::TrackSource::Microphone.into(),
        ..proto::AddTrackRequest::default()
    }
}

fn camera(cid: &str) -> proto::AddTrackRequest {
    let layer = |quality: proto::VideoQuality, width, height, bitrate| proto::VideoLayer {
        quality: quality.into(),
        width,
        height,
        bitrate,
        ..proto::VideoLayer::default()
    };
    proto::AddTrackRequest {
        cid: cid.into(),
        r#type: proto::TrackType::Video.into(),
        source: proto::TrackSource::Camera.into(),
        width: 1280,
        height: 720,
        layers: vec![
            layer(proto::VideoQuality::Low, 320, 180, 150_000),
            layer(proto::VideoQuality::Medium, 640, 360, 500_000),
            layer(proto::VideoQuality::High, 1280, 720, 1_700_000),
        ],
        ..proto::AddTrackRequest::default()
    }
}

const TRANSPORT: &str = "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n\
    a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:\
    00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\na=setup:actpass\r\n";

/// A client's offer. A section is `data`, or kind, direction and the label of what is sent; a
/// trailing `simulcast` sends three layers.
fn offer(id: u32, sections: &[&str]) -> proto::SessionDescription {
    let mids: Vec<_> = (0..sections.len()).map(|mid| mid.to_string()).collect();
    let bundle = mids.join(" ");
    let mut sdp = format!("v=0\r\no=- 1 {id} IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n");
    sdp += &format!("a=group:BUNDLE {bundle}\r\na=msid-semantic: WMS\r\n");
    for (mid, section) in sections.iter().enumerate() {
        sdp += &self::section(mid, section);
    }
    let kind = "offer".into();
    proto::SessionDescription { r#type: kind, sdp, id, ..proto::SessionDescription::default() }
}

fn section(mid: usize, section: &str) -> String {
    let words: Vec<_> = section.split(' ').collect();
    let (media, codecs) = match words[0] {
        "data" => {
            return format!(
                "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n\
                 {TRANSPORT}a=mid:{mid}\r\na=sctp-port:5000\r\na=max-message-size:262144\r\n"
            );
        }
        "audio" => ("audio 9 UDP/TLS/RTP/SAVPF 111", "a=rtpmap:111 opus/48000/2\r\n"),
        _ => (
            "video 9 UDP/TLS/RTP/SAVPF 96 97",
            "a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n\
             a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n\
             a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
             a=extmap:5 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n\
             a=extmap:6 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id\r\n",
        ),
    };
    let mut text = format!("m={media}\r\nc=IN IP4 0.0.0.0\r\n{TRANSPORT}a=mid:{mid}\r\n");
    text += &format!("a={}\r\na=rtcp-mux\r\n{codecs}", words[1]);
    if let Some(label) = words.get(2) {
        text += &format!("a=msid:- {label}\r\n");
    }
    if words.last() == Some(&"simulcast") {
        text += "a=rid:q send\r\na=rid:h send\r\na=rid:f send\r\na=simulcast:send q;h;f\r\n";
    }
    text
}

/// The leg of a command that opens one.
fn opened(command: &Command) -> Option<LegId> {
    match command {
        Command::OpenLeg(open) => Some(open.leg),
        _ => None,
    }
}
