//! Native clients (docs/protocol/quic.md): one QUIC connection, whose first stream carries the session's messages and
//! whose datagrams carry packets. Nothing is negotiated: the server says payload types, extensions and flows.

mod client;
mod pin;

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use offhook_proto::quic as proto;
use offhook_scenario::H264_MODE_1;
use offhook_types::media::Extension;
use offhook_types::{Codec, MediaKind, Mid, PayloadType, Ssrc};
use offhook_wire::roq::FlowId;
use proto::from_client::Body as Ask;
use proto::from_server::Body as Answer;
use quinn::AsyncUdpSocket;
use tokio::time::{Instant, timeout};

use self::client::{Client, Place};
use super::{Leave, PATIENCE, Visitor, label};
use crate::caller::agreed::Agreed;
use crate::caller::description;
use crate::caller::leg::{Control, Leg};
use crate::caller::road;
use crate::caller::send::Outgoing;
use crate::caller::session::{Session, Setup};
use crate::caller::transport::quic::{Flows, Quic};
use crate::caller::wire::{self, Wire};

/// Flows below carry the session and RTCP.
const FIRST_FLOW: u64 = 2;

/// Come, stay until it is time, go.
pub async fn visit(visitor: &mut Visitor<'_>, leave: &mut Leave) -> Result<()> {
    let began = Instant::now();
    let entered = timeout(PATIENCE, Guest::enter(visitor)).await;
    let mut guest = entered.context("nobody answered the door")??;
    visitor.joined(began);
    let ended = guest.stay(visitor, leave).await;
    guest.leg.close().await;
    guest.client.close().await;
    ended
}

/// Somebody inside.
struct Guest {
    client: Client,
    leg: Leg,
    agreed: Agreed,
    watch: Vec<MediaKind>,
    /// Published tracks by their name at the server.
    published: HashMap<String, Mid>,
}

impl Guest {
    async fn enter(visitor: &mut Visitor<'_>) -> Result<Self> {
        let (stage, seat, watch) = (visitor.stage, visitor.seat, visitor.group.watch.clone());
        let began = stage.identity.now();
        let token = stage.target.token(&seat.room, &seat.identity);
        let url = format!("{}/quic/{}", stage.target.client, seat.room);
        let place = Place::ask(&stage.http, &url, &token).await?;
        let connected = Client::connect(&place, stage.target.address, socket(visitor).await?).await;
        let mut client = connected.context("no connection")?;
        let join = proto::Join { token, receive_all: watch.len() == 2 };
        let joined = match client.ask(Ask::Join(join)).await? {
            Answer::Joined(joined) => joined,
            other => bail!("not joined: {other:?}"),
        };
        let mut agreed = formats(&joined);
        let (mut published, mut flows) = (HashMap::new(), Flows::new());
        let mut outgoing = Vec::new();
        for (nth, track) in visitor.group.publish.iter().cloned().enumerate() {
            let sent = Outgoing::new(track, description::mid(nth), visitor.fork());
            let publish = request(nth, &sent);
            flows.extend(streams(&publish));
            match client.ask(Ask::Publish(publish)).await? {
                Answer::Published(done) => {
                    published.insert(done.track_id, sent.mid);
                }
                other => bail!("not published: {other:?}"),
            }
            agreed.taken.push(sent.mid);
            outgoing.push(sent);
        }
        let setup = Setup {
            transport: Box::new(Quic::new(client.connection.clone(), flows)),
            outgoing,
            messages: None,
            feedback: visitor.group.feedback,
            rng: visitor.fork(),
        };
        let wire = Wire::Quic(wire::quic::Packets::new(client.connection.clone()));
        let leg = Leg::start(Session::new(began, setup), wire, visitor.observer.clone());
        leg.control(Control::Agree(Box::new(agreed.clone())));
        let mut guest = Self { client, leg, agreed, watch, published };
        guest.subscribe(&joined.others).await?;
        guest.leg.up().await?;
        Ok(guest)
    }

    async fn stay(&mut self, visitor: &Visitor<'_>, leave: &mut Leave) -> Result<()> {
        let mut moves = visitor.group.roam.map(|roam| Instant::now() + roam);
        loop {
            tokio::select! {
                () = leave.wait() => return Ok(()),
                why = self.leg.over() => bail!("{why}"),
                news = self.client.news() => self.handle(news?).await?,
                () = road::until(moves) => {
                    self.client.move_on(socket(visitor).await?)?;
                    moves = visitor.group.roam.map(|roam| Instant::now() + roam);
                }
            }
        }
    }

    async fn handle(&mut self, news: Answer) -> Result<()> {
        match news {
            Answer::Subscribed(track) => self.receive(&track)?,
            Answer::Participants(news) => self.subscribe(&news.participants).await?,
            Answer::Qualities(told) => {
                if let Some(&mid) = self.published.get(&told.track_id) {
                    self.leg.control(Control::Layers(mid, told.wanted));
                }
            }
            Answer::Closing(closing) => bail!("sent away: {}", closing.message),
            _ => {}
        }
        Ok(())
    }

    /// The server tells the flow and the streams of a track.
    fn receive(&mut self, track: &proto::Subscribed) -> Result<()> {
        let flow = FlowId::new(track.flow).context("no such flow")?;
        let (media, repair) = (Ssrc(track.ssrc), Ssrc(track.rtx_ssrc));
        self.agreed.flows.insert(media, flow);
        if track.rtx_ssrc != 0 {
            self.agreed.flows.insert(repair, flow);
            self.agreed.repairs.insert(repair, media);
        }
        self.leg.control(Control::Agree(Box::new(self.agreed.clone())));
        Ok(())
    }

    /// Who watches one kind only asks for each track of it.
    async fn subscribe(&mut self, others: &[proto::Participant]) -> Result<()> {
        let [watched] = self.watch[..] else { return Ok(()) };
        let tracks = others.iter().flat_map(|other| &other.tracks);
        let wanted = tracks.filter(|track| track.kind() == kind(watched));
        let track_ids: Vec<String> = wanted.map(|track| track.id.clone()).collect();
        if track_ids.is_empty() {
            return Ok(());
        }
        self.client.tell(Ask::Subscribe(proto::Subscribe { track_ids, subscribe: true })).await
    }
}

async fn socket(visitor: &Visitor<'_>) -> Result<Arc<dyn AsyncUdpSocket>> {
    let (server, link) = (visitor.stage.target.address, visitor.link.as_ref());
    wire::quic::socket(server, link).await.context("no socket")
}

/// What the server says that packets look like, as far as callers know the codecs.
fn formats(joined: &proto::Joined) -> Agreed {
    let mut agreed = Agreed { transport_feedback: true, ..Agreed::default() };
    for extension in &joined.extensions {
        let known = Extension::ALL.into_iter().find(|known| known.uri() == extension.uri);
        if let (Some(known), Ok(id)) = (known, u8::try_from(extension.id)) {
            agreed.extensions.set(known, id);
        }
    }
    let number = |number: u32| u8::try_from(number).ok().filter(|number| *number != 0);
    for format in &joined.formats {
        let (Some(codec), Some(media)) = (codec(format), number(format.payload_type)) else {
            continue;
        };
        agreed.codecs.push((PayloadType(media), codec));
        let repair = number(format.rtx_payload_type);
        agreed.rtx.extend(repair.map(|repair| (PayloadType(repair), PayloadType(media))));
    }
    agreed
}

fn codec(format: &proto::Format) -> Option<Codec> {
    let says = |parameter| format.parameters.split(';').any(|said| said == parameter);
    match format.mime.to_ascii_lowercase().as_str() {
        "audio/opus" => Some(Codec::Opus),
        "video/vp8" => Some(Codec::Vp8),
        "video/h264" if says("packetization-mode=1") && says("profile-level-id=42e01f") => {
            Some(H264_MODE_1)
        }
        _ => None,
    }
}

fn request(nth: usize, outgoing: &Outgoing) -> proto::Publish {
    let track = &outgoing.feed.track;
    let (source, named) = match track.media() {
        MediaKind::Audio => (proto::Source::Microphone, "audio"),
        MediaKind::Video => (proto::Source::Camera, "video"),
    };
    let layers = outgoing.layers.iter().zip(&track.layers).map(|(stream, layer)| proto::Layer {
        ssrc: stream.ssrc.0,
        rtx_ssrc: match track.media() {
            MediaKind::Audio => 0,
            MediaKind::Video => Outgoing::rtx(stream).0,
        },
        width: layer.width.into(),
        height: layer.height.into(),
        bitrate: track.bits(layer) as u32,
    });
    proto::Publish {
        name: label(nth, &track.name),
        kind: kind(track.media()).into(),
        source: source.into(),
        flow: FIRST_FLOW + nth as u64,
        mime: format!("{named}/{}", track.codec.name()),
        layers: layers.collect(),
        muted: false,
    }
}

/// The streams of a published track, all in its flow.
fn streams(publish: &proto::Publish) -> impl Iterator<Item = (Ssrc, FlowId)> + use<> {
    let numbers = publish.layers.iter().flat_map(|layer| [layer.ssrc, layer.rtx_ssrc]);
    let numbers: Vec<u32> = numbers.filter(|number| *number != 0).collect();
    let flow = FlowId::new(publish.flow);
    numbers.into_iter().filter_map(move |number| Some((Ssrc(number), flow?)))
}

fn kind(kind: MediaKind) -> proto::Kind {
    match kind {
        MediaKind::Audio => proto::Kind::Audio,
        MediaKind::Video => proto::Kind::Video,
    }
}
