//! The LiveKit client protocol over one peer connection that the client offers (`/rtc/v1`): a WebSocket with protobuf
//! messages. The server says how many receiving sections it needs, and which layers anybody watches.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use futures_util::{SinkExt, StreamExt};
use livekit_protocol as proto;
use offhook_scenario::{Track, TrackKind};
use offhook_types::{MediaKind, Mid};
use offhook_wire::sdp::Candidate;
use prost::Message as _;
use proto::signal_request::Message as Request;
use proto::signal_response::Message as Response;
use tokio::time::{Instant, interval, timeout};
use tokio_tungstenite::tungstenite::Message;

use super::socket::{self, Socket};
use super::{Leave, PATIENCE, Visitor, label};
use crate::caller::data::Messages;
use crate::caller::description::{self, Offerer};
use crate::caller::leg::{Control, Leg};
use crate::caller::send::Outgoing;

/// The version of the protocol that we speak.
const PROTOCOL: i32 = 16;
/// When the server does not say how often it wants to hear of us.
const PING: Duration = Duration::from_secs(5);

/// Come through the door at a server with a token, stay until it is time, go.
pub async fn visit(
    visitor: &mut Visitor<'_>,
    leave: &mut Leave,
    (url, token): (&str, &str),
) -> Result<()> {
    let began = Instant::now();
    let opened = timeout(PATIENCE, Guest::enter(visitor, (url, token))).await;
    let mut guest = opened.context("nobody answered the door")??;
    let connected = timeout(PATIENCE, guest.connect()).await;
    let connected = connected.context("no connection in time").and_then(|connected| connected);
    if connected.is_ok() {
        visitor.joined(began);
    }
    let ended = match connected {
        Ok(()) => guest.stay(leave).await,
        Err(error) => Err(error),
    };
    let farewell = proto::LeaveRequest {
        reason: proto::DisconnectReason::ClientInitiated.into(),
        ..proto::LeaveRequest::default()
    };
    let _ = guest.say(Request::Leave(farewell)).await;
    guest.leg.close().await;
    let _ = timeout(PATIENCE, guest.socket.close(None)).await;
    ended
}

/// Somebody inside.
struct Guest {
    socket: Socket,
    ping: Duration,
    offerer: Offerer,
    offers: u32,
    /// An offer waits for its answer, and another one is wanted.
    pending: bool,
    again: bool,
    leg: Leg,
    watch: Vec<MediaKind>,
    wire: offhook_scenario::WireName,
    /// Published tracks by their name at the server.
    published: HashMap<String, (Mid, usize)>,
}

impl Guest {
    async fn enter(visitor: &mut Visitor<'_>, (url, token): (&str, &str)) -> Result<Self> {
        let watch = visitor.group.watch.clone();
        let mut socket = open(url, token, watch.len() == 2).await?;
        let joined = loop {
            match hear(&mut socket).await? {
                Some(Response::Join(joined)) => break joined,
                Some(Response::Leave(leave)) => bail!("turned away: {:?}", leave.reason()),
                _ => {}
            }
        };
        let mut offerer = visitor.offerer();
        offerer.data();
        let outgoing = visitor.publish(&mut offerer);
        let mut published = HashMap::new();
        for (nth, outgoing) in outgoing.iter().enumerate() {
            let sid = announce(&mut socket, nth, outgoing).await?;
            published.insert(sid, (outgoing.mid, outgoing.layers.len()));
        }
        let messages = visitor.group.messages.map(Messages::new);
        let leg = visitor.leg(&offerer, outgoing, messages).await?;
        let ping = u64::try_from(joined.ping_interval).ok().filter(|seconds| *seconds > 0);
        let mut guest = Self {
            socket,
            ping: ping.map_or(PING, Duration::from_secs),
            offerer,
            offers: 0,
            pending: false,
            again: false,
            leg,
            watch,
            wire: visitor.group.wire,
            published,
        };
        guest.offer().await?;
        guest.subscribe(&joined.other_participants).await?;
        Ok(guest)
    }

    /// Until media may flow.
    async fn connect(&mut self) -> Result<()> {
        loop {
            tokio::select! {
                up = self.leg.up() => return up,
                heard = hear(&mut self.socket) => {
                    if let Some(response) = heard? {
                        self.handle(response).await?;
                    }
                }
            }
        }
    }

    async fn stay(&mut self, leave: &mut Leave) -> Result<()> {
        let mut pings = interval(self.ping);
        loop {
            tokio::select! {
                () = leave.wait() => return Ok(()),
                why = self.leg.over() => bail!("{why}"),
                heard = hear(&mut self.socket) => {
                    if let Some(response) = heard? {
                        self.handle(response).await?;
                    }
                }
                _ = pings.tick() => self.say(Request::PingReq(proto::Ping::default())).await?,
            }
        }
    }

    async fn handle(&mut self, response: Response) -> Result<()> {
        match response {
            Response::Answer(answer) => {
                let agreed = description::read(&answer.sdp, self.wire)?;
                self.leg.control(Control::Agree(Box::new(agreed)));
                self.pending = false;
                if std::mem::take(&mut self.again) {
                    self.offer().await?;
                }
            }
            Response::MediaSectionsRequirement(more) => {
                self.offerer.receive(MediaKind::Audio, more.num_audios as usize);
                self.offerer.receive(MediaKind::Video, more.num_videos as usize);
                self.offer().await?;
            }
            Response::Trickle(trickle) => {
                let candidate = candidate(&trickle.candidate_init);
                let address = candidate.and_then(|c| description::address(&c, self.wire));
                self.leg.control(Control::Candidates(address.into_iter().collect()));
            }
            Response::SubscribedQualityUpdate(update) => self.limit(&update),
            Response::Update(update) => self.subscribe(&update.participants).await?,
            Response::Leave(leave) => bail!("sent away: {:?}", leave.reason()),
            _ => {}
        }
        Ok(())
    }

    async fn offer(&mut self) -> Result<()> {
        if self.pending {
            self.again = true;
            return Ok(());
        }
        self.pending = true;
        self.offers += 1;
        let offer = proto::SessionDescription {
            r#type: "offer".into(),
            sdp: self.offerer.offer(),
            id: self.offers,
            ..proto::SessionDescription::default()
        };
        self.say(Request::Offer(offer)).await
    }

    /// Who watches one kind only asks for each track of it.
    async fn subscribe(&mut self, others: &[proto::ParticipantInfo]) -> Result<()> {
        let [kind] = self.watch[..] else { return Ok(()) };
        let wanted = match kind {
            MediaKind::Audio => proto::TrackType::Audio,
            MediaKind::Video => proto::TrackType::Video,
        };
        let tracks = others.iter().flat_map(|other| &other.tracks);
        let sids: Vec<String> = tracks
            .filter(|track| track.r#type() == wanted && !self.published.contains_key(&track.sid))
            .map(|track| track.sid.clone())
            .collect();
        if sids.is_empty() {
            return Ok(());
        }
        self.say(Request::Subscription(proto::UpdateSubscription {
            track_sids: sids,
            subscribe: true,
            ..proto::UpdateSubscription::default()
        }))
        .await
    }

    /// Layers that nobody watches are not sent.
    fn limit(&self, update: &proto::SubscribedQualityUpdate) {
        let Some(&(mid, layers)) = self.published.get(&update.track_sid) else { return };
        let qualities = match update.subscribed_codecs.first() {
            Some(codec) => &codec.qualities,
            None => return,
        };
        let wanted = (0..layers).map(|layer| {
            let is_layer = |quality: &&proto::SubscribedQuality| quality.quality == layer as i32;
            qualities.iter().find(is_layer).is_none_or(|quality| quality.enabled)
        });
        self.leg.control(Control::Layers(mid, wanted.collect()));
    }

    async fn say(&mut self, message: Request) -> Result<()> {
        say(&mut self.socket, message).await
    }
}

async fn open(url: &str, token: &str, everything: bool) -> Result<Socket> {
    let request = proto::JoinRequest {
        client_info: Some(proto::ClientInfo {
            protocol: PROTOCOL,
            version: env!("CARGO_PKG_VERSION").into(),
            ..proto::ClientInfo::default()
        }),
        connection_settings: Some(proto::ConnectionSettings {
            auto_subscribe: everything,
            ..proto::ConnectionSettings::default()
        }),
        ..proto::JoinRequest::default()
    };
    let wrapped = proto::WrappedJoinRequest {
        join_request: request.encode_to_vec(),
        ..proto::WrappedJoinRequest::default()
    };
    // LiveKit's own server takes it with padding only.
    let request = URL_SAFE.encode(wrapped.encode_to_vec()).replace('=', "%3D");
    let url = url.trim_end_matches('/');
    socket::open(&format!("{url}/rtc/v1?access_token={token}&join_request={request}")).await
}

/// Announce a track; what the server calls it.
async fn announce(socket: &mut Socket, nth: usize, outgoing: &Outgoing) -> Result<String> {
    let cid = label(nth, &outgoing.feed.track.name);
    say(socket, Request::AddTrack(request(&cid, &outgoing.feed.track))).await?;
    loop {
        match hear(socket).await? {
            Some(Response::TrackPublished(published)) if published.cid == cid => {
                return Ok(published.track.map(|track| track.sid).unwrap_or_default());
            }
            Some(Response::RequestResponse(refused)) => {
                bail!("the track was refused: {}", refused.message)
            }
            Some(Response::Leave(leave)) => bail!("sent away: {:?}", leave.reason()),
            _ => {}
        }
    }
}

fn request(cid: &str, track: &Track) -> proto::AddTrackRequest {
    let (kind, source) = match track.kind {
        TrackKind::Audio => (proto::TrackType::Audio, proto::TrackSource::Microphone),
        TrackKind::Video => (proto::TrackType::Video, proto::TrackSource::Camera),
    };
    let layers = track.layers.iter().enumerate().map(|(nth, layer)| proto::VideoLayer {
        quality: nth as i32,
        width: layer.width.into(),
        height: layer.height.into(),
        bitrate: track.bits(layer) as u32,
        rid: layer.rid.map(|rid| rid.to_string()).unwrap_or_default(),
        ..proto::VideoLayer::default()
    });
    let largest = track.layers.last();
    proto::AddTrackRequest {
        cid: cid.into(),
        name: track.name.clone(),
        r#type: kind.into(),
        source: source.into(),
        width: largest.map_or(0, |layer| layer.width.into()),
        height: largest.map_or(0, |layer| layer.height.into()),
        layers: if track.kind == TrackKind::Video { layers.collect() } else { Vec::new() },
        ..proto::AddTrackRequest::default()
    }
}

async fn say(socket: &mut Socket, message: Request) -> Result<()> {
    let request = proto::SignalRequest { message: Some(message) };
    Ok(socket.send(Message::binary(request.encode_to_vec())).await?)
}

/// The next thing that the server says; `None` for what is not a message of the protocol.
async fn hear(socket: &mut Socket) -> Result<Option<Response>> {
    match socket.next().await.context("the server closed the WebSocket")?? {
        Message::Binary(bytes) => Ok(proto::SignalResponse::decode(bytes)?.message),
        Message::Close(_) => bail!("the server closed the WebSocket"),
        _ => Ok(None),
    }
}

fn candidate(init: &str) -> Option<Candidate> {
    let init: serde_json::Value = serde_json::from_str(init).ok()?;
    init.get("candidate")?.as_str()?.parse().ok()
}
