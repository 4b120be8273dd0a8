//! One native client's session from its Join to its end: a task that owns the seat in the room and the leg on the media
//! node, and keeps the two and the client in step.

use std::collections::BTreeMap;

use bytes::Bytes;
use offhook_call::room::{
    Act, Door as RoomDoor, Joined, Left, Notice, Published, Receive, Refusal, Subscribed,
    SubscriptionChange,
};
use offhook_proto::quic as proto;
use offhook_types::media::{Command, Connection, Egress, Event, Ingress, OpenLeg};
use offhook_types::{MediaKind, Mid, Rng, Ssrc, TrackId};
use prost::Message;
use proto::from_client::Body as Ask;
use proto::from_server::Body as Answer;
use tokio::sync::mpsc;

use super::{Close, Quic, Wire, convert, formats};
use crate::limit::{Rate, Total};
use crate::media_node::{Leg, NodeFull};
use crate::negotiation;
use crate::rooms::Seat;

/// Events of one leg that may wait for its session.
const EVENTS: usize = 64;
/// Flows below carry the session and RTCP.
const FIRST_FLOW: u64 = 2;

/// A running session.
struct Session {
    wire: Box<dyn Wire>,
    seat: Seat,
    notices: mpsc::Receiver<Notice>,
    events: mpsc::Receiver<Event>,
    leg: Leg,
    rng: Rng,
    rate: Total,
    own: BTreeMap<TrackId, Own>,
    received: BTreeMap<TrackId, Received>,
    next_flow: u64,
}

/// A track that the client publishes.
struct Own {
    flow: u64,
    streams: Vec<Ssrc>,
    published: Published,
}

/// How one of the others' tracks comes to the client.
#[derive(Clone, Copy)]
struct Received {
    flow: u64,
    mid: Mid,
    ssrc: Ssrc,
    rtx: Option<Ssrc>,
}

/// Whether the session goes on.
type Step = Result<(), End>;

/// Why it does not.
enum End {
    /// The room hears why, and so does the client.
    Left(Left),
    /// The client did what it must not.
    Close(Close),
}

impl From<Left> for End {
    fn from(left: Left) -> Self {
        Self::Left(left)
    }
}

impl From<NodeFull> for End {
    fn from(_: NodeFull) -> Self {
        Self::Left(Left::JoinFailed)
    }
}

/// A session's whole life.
pub(super) async fn run(door: &Quic, mut wire: Box<dyn Wire>) {
    let Some(first) = wire.receive().await else { return };
    let ask = match proto::FromClient::decode(first) {
        Ok(proto::FromClient { request, body: Some(Ask::Join(join)) }) => (request, join),
        _ => return wire.close(Close::BadMessage),
    };
    match Session::open(door, wire, ask).await {
        Ok(session) => session.live().await,
        Err((wire, close)) => wire.close(close),
    }
}

impl Session {
    async fn open(
        door: &Quic,
        wire: Box<dyn Wire>,
        (request, join): (u32, proto::Join),
    ) -> Result<Self, (Box<dyn Wire>, Close)> {
        let refuse = |wire: Box<dyn Wire>, refused: proto::Refused, close| {
            say(&*wire, request, Answer::Refused(refused));
            (wire, close)
        };
        let grant = door.inner.keys.verify(&join.token).and_then(|claims| claims.grant(None));
        let grant = match grant {
            Ok(grant) => grant,
            Err(error) => {
                let reason = proto::Reason::BadToken.into();
                let refused = proto::Refused { reason, message: error.to_string() };
                return Err(refuse(wire, refused, Close::NotAdmitted));
            }
        };
        let receive = if join.receive_all { Receive::All } else { Receive::None };
        let entering = door.inner.rooms.join(grant.into_join(RoomDoor::Quic, receive)).await;
        let (seat, joined, notices) = match entering {
            Ok(entered) => entered,
            Err(refusal) => {
                return Err(refuse(wire, convert::refusal(refusal), Close::NotAdmitted));
            }
        };
        let node = &door.inner.node;
        let Some(placement) = node.place_on(wire.worker()) else {
            let refused = convert::refusal(Refusal::Unavailable);
            return Err(refuse(wire, refused, Close::MediaEnded));
        };
        let (owner, events) = mpsc::channel(EVENTS);
        let leg = Leg::attach(placement.leg, node.clone(), door.inner.events.clone(), owner);
        let per_second = door.inner.config.messages_per_second;
        let burst =
            Rate { burst: per_second.saturating_mul(10), per: std::time::Duration::from_secs(10) };
        let mut session = Self {
            wire,
            seat,
            notices,
            events,
            leg,
            rng: Rng::from_seed(negotiation::seed()),
            rate: Total::new(burst),
            own: BTreeMap::new(),
            received: BTreeMap::new(),
            next_flow: FIRST_FLOW,
        };
        match session.begin(request, joined) {
            Ok(()) => Ok(session),
            Err(_) => Err((session.wire, Close::MediaEnded)),
        }
    }

    /// Open the leg, and tell the client where it is.
    fn begin(&mut self, request: u32, joined: Joined) -> Step {
        let (leg, room) = (self.leg.id, self.seat.room());
        self.leg.send(vec![
            Command::OpenLeg(OpenLeg { leg, room, connection: Connection::Tunnelled }),
            Command::SetNegotiated { leg, negotiated: formats::negotiated() },
        ])?;
        self.wire.carry(leg);
        let others = joined.others.iter().map(|view| convert::participant(view)).collect();
        self.say(
            request,
            Answer::Joined(proto::Joined {
                participant_id: joined.you.id.to_string(),
                room: joined.room.name,
                formats: formats::formats(),
                extensions: formats::extensions(),
                others,
            }),
        )?;
        tracing::info!(door = "quic", %leg, "session opened");
        joined.subscribed.iter().try_for_each(|subscribed| self.receive(subscribed))
    }

    async fn live(mut self) {
        let end = loop {
            let step = tokio::select! {
                message = self.wire.receive() => match message {
                    Some(message) => self.handle_message(message).await,
                    None => Err(End::Left(Left::ConnectionLost)),
                },
                notice = self.notices.recv() => match notice {
                    Some(notice) => self.handle_notice(notice),
                    None => Err(End::Left(Left::Misbehaved)),
                },
                event = self.events.recv() => match event {
                    Some(event) => self.handle_event(event),
                    None => Err(End::Left(Left::Misbehaved)),
                },
            };
            if let Err(end) = step {
                break end;
            }
        };
        let (why, close) = match end {
            End::Left(why) => (why, Close::of(why)),
            End::Close(close) => (Left::Misbehaved, close),
        };
        tracing::info!(door = "quic", leg = %self.leg.id, ?why, "session ended");
        let closing = proto::Closing { message: close.reason().to_owned() };
        say(&*self.wire, 0, Answer::Closing(closing));
        self.wire.close(close);
        self.seat.leave(why).await;
    }

    async fn handle_message(&mut self, message: Bytes) -> Step {
        if self.rate.check().is_err() {
            return Err(End::Close(Close::Misbehaved));
        }
        let Ok(proto::FromClient { request, body }) = proto::FromClient::decode(message) else {
            return Err(End::Close(Close::BadMessage));
        };
        match body {
            Some(Ask::Publish(publish)) => self.publish(request, publish).await,
            Some(Ask::Unpublish(unpublish)) => self.unpublish(request, &unpublish.track_id).await,
            Some(Ask::SetMuted(mute)) => {
                let Ok(track) = mute.track_id.parse() else {
                    return self.refuse(request, Refusal::NoTrack);
                };
                self.act(request, Act::Mute { track, muted: mute.muted }).await
            }
            Some(Ask::Subscribe(change)) => {
                let tracks = convert::tracks(&change.track_ids);
                let subscribe = change.subscribe;
                self.act(request, Act::Subscribe(SubscriptionChange { tracks, subscribe })).await
            }
            Some(Ask::SetWant(want)) => {
                let (tracks, settings) =
                    (convert::tracks(&want.track_ids), convert::settings(&want));
                self.act(request, Act::Settings { tracks, settings }).await
            }
            Some(Ask::Leave(_)) => Err(End::Left(Left::ClientLeft)),
            Some(Ask::Join(_)) => Err(End::Close(Close::BadMessage)),
            // A message of a newer client.
            None => {
                let reason = proto::Reason::BadRequest.into();
                let message = "this server does not know the message".to_owned();
                self.say(request, Answer::Refused(proto::Refused { reason, message }))
            }
        }
    }

    async fn act(&mut self, request: u32, act: Act) -> Step {
        match self.seat.act(act).await {
            Ok(_) => self.say(request, Answer::Done(proto::Done {})),
            Err(refusal) => self.refuse(request, refusal),
        }
    }

    fn refuse(&self, request: u32, refusal: Refusal) -> Step {
        self.say(request, Answer::Refused(convert::refusal(refusal)))
    }

    async fn publish(&mut self, request: u32, publish: proto::Publish) -> Step {
        let refused = |(reason, message): convert::Refused| proto::Refused {
            reason: reason.into(),
            message: message.to_owned(),
        };
        let wished = match convert::wished(publish) {
            Ok(wished) => wished,
            Err(why) => return self.say(request, Answer::Refused(refused(why))),
        };
        let streams = wished.streams();
        let known = |ssrc: &Ssrc| self.own.values().any(|own| own.streams.contains(ssrc));
        let twice = (1..streams.len()).any(|at| streams[at..].contains(&streams[at - 1]));
        if twice || streams.iter().any(known) {
            let why = (proto::Reason::BadRequest, "an ssrc is used twice");
            return self.say(request, Answer::Refused(refused(why)));
        }
        if !self.wire.expect(wished.flow, streams.clone()) {
            let why = (proto::Reason::BadRequest, "the flow is taken, or not for tracks");
            return self.say(request, Answer::Refused(refused(why)));
        }
        let (flow, muted, kind) = (wished.flow, wished.request.muted, wished.request.kind);
        let track = match self.seat.add_track(wished.request).await {
            Ok(view) => view.id,
            Err(refusal) => {
                self.wire.forget(flow);
                return self.refuse(request, refusal);
            }
        };
        let (leg, layers) = (self.leg.id, wished.layers);
        let shown = layers.iter().map(|layer| (layer.rid, layer.ssrc)).collect();
        let published = Published { track, leg, mid: None, layers: shown, mime: wished.mime };
        self.own.insert(track, Own { flow, streams, published: published.clone() });
        let ingress = Ingress { track, kind, mid: None, layers };
        self.leg.send(vec![
            Command::AddIngress { leg, ingress },
            Command::SetMuted { leg, track, muted },
        ])?;
        match self.seat.publish(published).await {
            Ok(()) => {
                let track_id = track.to_string();
                self.say(request, Answer::Published(proto::Published { track_id }))
            }
            Err(refusal) => {
                self.take_down(track)?;
                self.refuse(request, refusal)
            }
        }
    }

    async fn unpublish(&mut self, request: u32, id: &str) -> Step {
        let own = id.parse().ok().filter(|track| self.own.contains_key(track));
        let Some(track) = own else { return self.refuse(request, Refusal::NoTrack) };
        self.take_down(track)?;
        match self.seat.unpublish(track).await {
            Ok(()) => self.say(request, Answer::Done(proto::Done {})),
            Err(refusal) => self.refuse(request, refusal),
        }
    }

    fn take_down(&mut self, track: TrackId) -> Step {
        if let Some(own) = self.own.remove(&track) {
            self.wire.forget(own.flow);
        }
        Ok(self.leg.send(vec![Command::RemoveIngress { leg: self.leg.id, track }])?)
    }

    /// Send a track to the client. For a known one its numbering goes on, wherever it comes from now.
    fn receive(&mut self, subscribed: &Subscribed) -> Step {
        let (leg, track) = (self.leg.id, subscribed.track);
        let Some(received) = self.received.get(&track).copied().or_else(|| self.fresh(subscribed))
        else {
            return Ok(());
        };
        self.received.insert(track, received);
        let streams: Vec<_> = received.rtx.into_iter().chain([received.ssrc]).collect();
        self.wire.assign(received.flow, &streams);
        let told = convert::subscribed(subscribed, (received.flow, received.ssrc, received.rtx));
        self.say(0, Answer::Subscribed(told))?;
        let egress = Egress {
            track,
            source: subscribed.source,
            kind: subscribed.kind,
            mid: received.mid,
            ssrc: received.ssrc,
            rtx: received.rtx,
        };
        Ok(self.leg.send(vec![Command::AddEgress { leg, egress, want: subscribed.want }])?)
    }

    /// A flow and streams that this client never had.
    fn fresh(&mut self, subscribed: &Subscribed) -> Option<Received> {
        let flow = self.next_flow;
        let mid = Mid::new(flow.to_string().as_bytes())?;
        self.next_flow += 1;
        // Zero is kept free: messages read it as none.
        let mut draw = || Ssrc(self.rng.next_u32() | 1);
        let (ssrc, rtx) = (draw(), (subscribed.kind == MediaKind::Video).then(&mut draw));
        Some(Received { flow, mid, ssrc, rtx })
    }

    fn handle_event(&mut self, event: Event) -> Step {
        match event {
            Event::LegUp { .. } => {
                self.seat.post(Act::LegUp);
            }
            Event::LegDown { end, .. } => {
                self.leg.opened = false;
                return Err(End::Left(Left::Media(end)));
            }
            Event::TrackLive { track, codec, .. } => {
                // What arrives may be in another codec than was said.
                let mime = formats::mime(codec);
                let own = self.own.get_mut(&track);
                if let Some(own) = own.filter(|own| own.published.mime != mime) {
                    own.published.mime = mime;
                    self.seat.post(Act::Publish(own.published.clone()));
                }
            }
            Event::Quality { quality, .. } => {
                self.seat.post(Act::Quality(quality));
            }
            _ => {}
        }
        Ok(())
    }

    fn handle_notice(&mut self, notice: Notice) -> Step {
        let leg = self.leg.id;
        match notice {
            Notice::Participants(views) => {
                let you = self.seat.participant();
                let others = views.iter().filter(|view| view.id != you);
                let participants: Vec<_> = others.map(|view| convert::participant(view)).collect();
                if participants.is_empty() {
                    return Ok(());
                }
                self.say(0, Answer::Participants(proto::Participants { participants }))
            }
            Notice::Subscribed(subscribed) => self.receive(&subscribed),
            Notice::Unsubscribed { track } => {
                if let Some(received) = self.received.remove(&track) {
                    self.wire.release(received.flow);
                    self.leg.send(vec![Command::RemoveEgress { leg, track }])?;
                }
                self.say(
                    0,
                    Answer::Unsubscribed(proto::Unsubscribed { track_id: track.to_string() }),
                )
            }
            Notice::NotSubscribed { track } => self
                .say(0, Answer::Unsubscribed(proto::Unsubscribed { track_id: track.to_string() })),
            Notice::Want { track, want } => {
                Ok(self.leg.send(vec![Command::SetWant { leg, track, want }])?)
            }
            Notice::Muted { track, muted, forced } => {
                self.leg.send(vec![Command::SetMuted { leg, track, muted }])?;
                match forced {
                    true => self
                        .say(0, Answer::Muted(proto::Muted { track_id: track.to_string(), muted })),
                    false => Ok(()),
                }
            }
            Notice::Unpublished { track } => {
                self.take_down(track)?;
                self.say(0, Answer::Unpublished(proto::Unpublished { track_id: track.to_string() }))
            }
            Notice::Qualities { track, wanted, .. } => self.tell_qualities(track, wanted),
            Notice::Speakers(speakers) => {
                let each = speakers.iter().map(|s| (s.participant, s.level, s.active));
                let speakers = each.map(convert::speaker).collect();
                self.say(0, Answer::Speakers(proto::Speakers { speakers }))
            }
            Notice::Closed(why) => Err(why.into()),
            _ => Ok(()),
        }
    }

    fn tell_qualities(&self, track: TrackId, wanted: [bool; 3]) -> Step {
        let Some(own) = self.own.get(&track) else { return Ok(()) };
        let layers = own.published.layers.len();
        let wants = |index| wanted[usize::from(convert::quality(index, layers.saturating_sub(1)))];
        let wanted = (0..layers).map(wants).collect();
        let track_id = track.to_string();
        self.say(0, Answer::Qualities(proto::Qualities { track_id, wanted }))
    }

    /// Tell the client. One that does not read is over.
    fn say(&self, answers: u32, answer: Answer) -> Step {
        match say(&*self.wire, answers, answer) {
            true => Ok(()),
            false => Err(End::Left(Left::Misbehaved)),
        }
    }
}

fn say(wire: &dyn Wire, answers: u32, answer: Answer) -> bool {
    // An answer that nobody waits for is not sent; news is.
    let unasked = answers == 0 && matches!(answer, Answer::Done(_));
    let message = proto::FromServer { answers, body: Some(answer) };
    unasked || wire.send(message.encode_to_vec().into())
}
