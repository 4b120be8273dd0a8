//! A client's session: from joining to the end, across connections that break and come back.
//!
//! It is one task. It hears the client, the room, the media node and its own timers, one thing at
//! a time, and nothing it does waits for a slow client.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::extract::ws::WebSocket;
use livekit_protocol as proto;
use offhook_call::room::{Act, Joined, Left, Notice, ParticipantView, Presence, Refusal, Reply};
use offhook_types::media::{Event, LegEnd};
use proto::leave_request::Action;
use proto::signal_response::Message as Response;
use tokio::sync::mpsc;
use tracing::{debug, info};

use super::connect::{Connect, Mode};
use super::line::{Heard, Line, Slow};
use super::publish::Own;
use super::rate::Bucket;
use super::receive::Received;
use super::transport::{NodeGone, Peer, Peers, is_news};
use super::{Entry, Inner, Misdeed, convert};
use crate::rooms::Seat;
use crate::token::Claims;

/// Messages that are none, before the connection is closed.
const STRIKES: u8 = 8;
/// Departures that a returning client is told about.
const DEPARTED: usize = 64;
/// Silence that we take for a broken connection, in ping timeouts.
const SILENCE: u32 = 3;

/// A client that comes back to its session.
pub(super) struct Attach {
    socket: WebSocket,
    connect: Connect,
}

/// The session is over, and this is why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End(pub Left);

impl From<NodeGone> for End {
    fn from(_: NodeGone) -> Self {
        Self(Left::Media(LegEnd::Refused))
    }
}

impl From<Slow> for End {
    fn from(_: Slow) -> Self {
        Self(Left::Misbehaved)
    }
}

/// Debugging aids that clients ask for.
#[derive(Debug, Default)]
pub(super) struct Simulated {
    /// Close the next connection that resumes, before or after the first message.
    pub drop_before: bool,
    pub drop_after: bool,
    /// When the pretended speaking stops.
    pub speaking_until: Option<Instant>,
}

/// The task's state.
pub(super) struct Session {
    pub door: Arc<Inner>,
    pub seat: Seat,
    pub claims: Claims,
    pub identity: String,
    pub sid: String,
    line: Option<Line>,
    pub peers: Peers,
    /// Published and announced tracks.
    pub own: Vec<Own>,
    /// Labels of sections that are none of our tracks: second codecs of one.
    pub ignored: VecDeque<String>,
    pub received: Received,
    departed: VecDeque<Arc<ParticipantView>>,
    messages: Bucket,
    pub data: Bucket,
    /// Sequence of the last reliable message from the client.
    pub sequence: u32,
    pub strikes: u8,
    pub simulated: Simulated,
    heard_at: Instant,
    refresh_at: Instant,
    /// When the session ends unless its client comes back.
    grace: Option<Instant>,
}

/// A WebSocket was opened by someone who may join.
pub(super) async fn enter(door: Arc<Inner>, connect: Connect, socket: WebSocket) {
    if let Some(sid) = connect.resumes() {
        let found = door.find(sid, &connect.grant.room, &connect.grant.identity);
        let refused = match found {
            Some(attach) => attach.send(Attach { socket, connect }).await.err().map(|e| e.0.socket),
            None => Some(socket),
        };
        if let Some(socket) = refused {
            refuse(&door, socket, Left::StateMismatch);
        }
        return;
    }
    let Ok(_place) = door.places.clone().try_acquire_owned() else {
        return refuse(&door, socket, Left::JoinFailed);
    };
    match door.rooms.join(connect.join()).await {
        Ok((seat, joined, notices)) => {
            Session::start(door, seat, connect, joined, socket).run(notices).await;
        }
        Err(refusal) => {
            debug!(%refusal, "join refused");
            let why = match refusal {
                Refusal::Unavailable => Left::JoinFailed,
                _ => Left::Misbehaved,
            };
            refuse(&door, socket, why);
        }
    }
}

/// Say why there is no session, and close.
fn refuse(door: &Inner, socket: WebSocket, why: Left) {
    let line = Line::new(socket, door.config.outgoing, door.config.write_timeout);
    let mut leave = convert::leave(why);
    if why == Left::Misbehaved {
        leave.reason = proto::DisconnectReason::JoinFailure.into();
    }
    let _ = line.send(Response::Leave(leave));
    line.close(false);
}

/// What the session waits for.
enum Next {
    Heard(Heard),
    Notice(Option<Notice>),
    Event(Option<Event>),
    Attach(Option<Box<Attach>>),
    Due,
}

impl Session {
    fn start(
        door: Arc<Inner>,
        seat: Seat,
        connect: Connect,
        joined: Joined,
        socket: WebSocket,
    ) -> Start {
        let now = Instant::now();
        let config = &door.config;
        let line = Line::new(socket, config.outgoing, config.write_timeout);
        let session = Self {
            identity: joined.you.identity.clone(),
            sid: joined.you.id.to_string(),
            claims: connect.claims.clone(),
            line: Some(line),
            peers: Peers::new(connect.mode),
            own: Vec::new(),
            ignored: VecDeque::new(),
            received: Received::default(),
            departed: VecDeque::new(),
            messages: Bucket::new(config.messages_per_s, config.message_burst, now),
            data: Bucket::new(config.data_bytes_per_s, config.data_burst, now),
            sequence: 0,
            strikes: 0,
            simulated: Simulated::default(),
            heard_at: now,
            refresh_at: now + config.token_refresh,
            grace: None,
            seat,
            door,
        };
        Start { session, connect, joined }
    }

    async fn hear(line: &mut Option<Line>) -> Heard {
        match line {
            Some(line) => line.next().await,
            None => core::future::pending().await,
        }
    }

    async fn live(
        &mut self,
        notices: &mut mpsc::Receiver<Notice>,
        attach: &mut mpsc::Receiver<Attach>,
    ) -> Result<(), End> {
        loop {
            let due = tokio::time::Instant::from_std(self.due());
            let next = tokio::select! {
                heard = Self::hear(&mut self.line) => Next::Heard(heard),
                notice = notices.recv() => Next::Notice(notice),
                event = self.peers.next_event() => Next::Event(event),
                attached = attach.recv() => Next::Attach(attached.map(Box::new)),
                () = tokio::time::sleep_until(due) => Next::Due,
            };
            match next {
                Next::Heard(heard) => self.heard(heard).await?,
                Next::Notice(Some(notice)) => self.notice(notice).await?,
                // The room closed our channel without a word: we were too slow.
                Next::Notice(None) => return Err(End(Left::Misbehaved)),
                Next::Event(Some(event)) => self.event(event).await?,
                Next::Event(None) => return Err(End(Left::Misbehaved)),
                Next::Attach(Some(attach)) => self.resume(*attach).await?,
                Next::Attach(None) => return Err(End(Left::ConnectionLost)),
                Next::Due => self.timers()?,
            }
        }
    }

    fn due(&self) -> Instant {
        let silence = self.line.is_some().then(|| self.heard_at + self.silence());
        let timers = [self.grace, silence, self.simulated.speaking_until];
        timers.into_iter().flatten().fold(self.refresh_at, Instant::min)
    }

    fn silence(&self) -> Duration {
        self.door.config.ping_timeout * SILENCE
    }

    fn timers(&mut self) -> Result<(), End> {
        let now = Instant::now();
        if self.grace.is_some_and(|grace| grace <= now) {
            return Err(End(Left::ConnectionLost));
        }
        if self.line.is_some() && self.heard_at + self.silence() <= now {
            debug!("client fell silent");
            self.detach()?;
        }
        if self.refresh_at <= now {
            self.refresh_at = now + self.door.config.token_refresh;
            self.refresh_token()?;
        }
        if self.simulated.speaking_until.is_some_and(|until| until <= now) {
            self.simulated.speaking_until = None;
            self.simulate_speaking(false)?;
        }
        Ok(())
    }

    /// A new token, so that a client that stays long can still come back.
    fn refresh_token(&mut self) -> Result<(), End> {
        let life = self.door.config.token_life;
        let left = Duration::from_secs(self.claims.exp.saturating_sub(seconds()));
        match self.door.keys.mint(&self.claims, life.max(left)) {
            Ok(token) => self.say(Response::RefreshToken(token)),
            Err(error) => {
                debug!(%error, "token not refreshed");
                Ok(())
            }
        }
    }

    /// Tell the client, if it is connected. What it misses meanwhile it is told on its return.
    pub fn say(&mut self, message: Response) -> Result<(), End> {
        match &self.line {
            Some(line) => line.send(message).map_err(|slow| {
                self.door.tally.add(Misdeed::Slow);
                slow.into()
            }),
            None => Ok(()),
        }
    }

    async fn heard(&mut self, heard: Heard) -> Result<(), End> {
        let now = Instant::now();
        self.heard_at = now;
        match heard {
            Heard::Closed => return self.detach(),
            Heard::Malformed => self.strike()?,
            Heard::Request(_) if !self.messages.take(now, 1) => {
                debug!("client sends too many messages");
                self.door.tally.add(Misdeed::Flood);
                return Err(End(Left::Misbehaved));
            }
            Heard::Request(Some(request)) => self.request(*request).await?,
            Heard::Request(None) => self.unsupported(0, None)?,
        }
        Ok(())
    }

    /// Something that makes no sense. A client may be wrong a few times.
    pub fn strike(&mut self) -> Result<(), End> {
        self.door.tally.add(Misdeed::Malformed);
        self.strikes = self.strikes.saturating_add(1);
        if self.strikes > STRIKES { Err(End(Left::Misbehaved)) } else { Ok(()) }
    }

    /// The connection is over; the session waits for its client, if it has anything to come back
    /// to.
    fn detach(&mut self) -> Result<(), End> {
        self.line = None;
        self.grace = Some(Instant::now() + self.door.config.resume_grace);
        Ok(())
    }

    /// Close the connection as if it broke.
    pub fn drop_line(&mut self) -> Result<(), End> {
        self.detach()
    }

    /// The client is back on another connection.
    async fn resume(&mut self, attach: Attach) -> Result<(), End> {
        let config = &self.door.config;
        let line = Line::new(attach.socket, config.outgoing, config.write_timeout);
        (self.line, self.grace, self.heard_at) = (Some(line), None, Instant::now());
        self.claims = attach.connect.claims;
        if core::mem::take(&mut self.simulated.drop_before) {
            return self.detach();
        }
        self.say(Response::Reconnect(proto::ReconnectResponse {
            server_info: Some(self.server_info()),
            last_message_seq: self.sequence,
            ice_servers: convert::ice_servers(self.door.node.ice_servers()),
            ..proto::ReconnectResponse::default()
        }))?;
        let snapshot = match self.seat.act(Act::Snapshot).await {
            Ok(Reply::Joined(snapshot)) => snapshot,
            _ => return Err(End(Left::StateMismatch)),
        };
        let mut people = convert::participants(self.departed.make_contiguous());
        people.push(convert::participant(&snapshot.you));
        people.extend(convert::participants(&snapshot.others));
        self.say(Response::Update(proto::ParticipantUpdate { participants: people }))?;
        let room = Some(convert::room(&snapshot.room));
        self.say(Response::RoomUpdate(proto::RoomUpdate { room }))?;
        if core::mem::take(&mut self.simulated.drop_after) {
            return self.detach();
        }
        self.restart_receiving()?;
        if let Some(sync) = attach.connect.request.sync_state {
            self.sync_state(sync).await?;
        }
        if let Some(offer) = attach.connect.request.publisher_offer {
            self.offered(&offer).await?;
        }
        Ok(())
    }

    async fn notice(&mut self, notice: Notice) -> Result<(), End> {
        match notice {
            Notice::Participants(people) => {
                for gone in people.iter().filter(|p| p.presence == Presence::Gone) {
                    self.departed.truncate(DEPARTED - 1);
                    self.departed.push_front(gone.clone());
                }
                let participants = convert::participants(&people);
                self.say(Response::Update(proto::ParticipantUpdate { participants }))
            }
            Notice::Room(room) => {
                let room = Some(convert::room(&room));
                self.say(Response::RoomUpdate(proto::RoomUpdate { room }))
            }
            Notice::Speakers(speakers) => {
                let speakers = speakers.iter().map(convert::speaker).collect();
                self.say(Response::SpeakersChanged(proto::SpeakersChanged { speakers }))
            }
            Notice::Scores(scores) => {
                let updates = scores.iter().map(|&(id, score)| convert::score(id, score)).collect();
                self.say(Response::ConnectionQuality(proto::ConnectionQualityUpdate { updates }))
            }
            Notice::Data { kind, payload } => self.deliver(kind, payload),
            Notice::Closed(why) => Err(End(why)),
            Notice::Subscribed(_)
            | Notice::Unsubscribed { .. }
            | Notice::Want { .. }
            | Notice::Allowed { .. }
            | Notice::NotSubscribed { .. } => self.receive_notice(notice),
            Notice::Muted { .. }
            | Notice::Unpublished { .. }
            | Notice::FirstSubscriber { .. }
            | Notice::Qualities { .. } => self.publish_notice(notice),
        }
    }

    async fn event(&mut self, event: Event) -> Result<(), End> {
        match event {
            Event::LegUp { leg, .. } => {
                if let Some(peer) = self.peers.by_leg(leg) {
                    peer.up = true;
                }
                self.seat.post(Act::LegUp);
            }
            // Whoever closes the media path means to leave, and some clients say no more than that.
            Event::LegDown { end: LegEnd::PeerClosed, .. } => return Err(End(Left::ClientLeft)),
            Event::LegDown { end, .. } if is_news(end) => return Err(End(Left::Media(end))),
            Event::LegDown { .. } | Event::Speakers { .. } => (),
            Event::TrackLive { track, codec, .. } => self.track_live(track, codec).await?,
            Event::Data { kind, payload, .. } => self.message(kind, &payload).await,
            Event::Paused { track, paused, .. } => self.paused(track, paused)?,
            Event::Quality { leg, quality } => {
                let quality = self.peers.quality(leg, quality);
                self.seat.post(Act::Quality(quality));
            }
        }
        Ok(())
    }

    pub fn server_info(&self) -> proto::ServerInfo {
        proto::ServerInfo {
            version: self.door.config.version.clone(),
            protocol: PROTOCOL,
            ..proto::ServerInfo::default()
        }
    }

    fn greeting(&self, joined: &Joined) -> proto::JoinResponse {
        let seconds = |span: Duration| i32::try_from(span.as_secs().max(1)).unwrap_or(i32::MAX);
        proto::JoinResponse {
            room: Some(convert::room(&joined.room)),
            participant: Some(convert::participant(&joined.you)),
            other_participants: convert::participants(&joined.others),
            server_version: self.door.config.version.clone(),
            subscriber_primary: self.peers.mode == Mode::Dual,
            ping_timeout: seconds(self.door.config.ping_timeout),
            ping_interval: seconds(self.door.config.ping_interval),
            server_info: Some(self.server_info()),
            enabled_publish_codecs: convert::codecs(),
            ice_servers: convert::ice_servers(self.door.node.ice_servers()),
            fast_publish: self.peers.mode == Mode::Dual && joined.you.permission.publish,
            ..proto::JoinResponse::default()
        }
    }

    /// The end: the client is told, the legs and the place in the room are given up.
    async fn finish(mut self, why: Left) {
        info!(?why, "client session ended");
        let id = self.seat.participant();
        self.door.registry().remove(&id);
        if why != Left::ClientLeft {
            let _ = self.say(Response::Leave(convert::leave(why)));
        }
        if let Some(line) = self.line.take() {
            line.close(self.strikes > STRIKES);
        }
        for peer in self.peers.all() {
            peer.close(&self.door);
        }
        self.seat.leave(why).await;
    }

    /// Tell the client to come back in a certain way.
    pub fn send_away(&mut self, action: Action) -> Result<(), End> {
        let leave = convert::leave_with(action, proto::DisconnectReason::ServerShutdown);
        self.say(Response::Leave(leave))
    }
}

/// A session about to begin.
struct Start {
    session: Session,
    connect: Connect,
    joined: Joined,
}

impl Start {
    async fn run(self, mut notices: mpsc::Receiver<Notice>) {
        let Self { mut session, connect, joined } = self;
        let (attach, mut attached) = mpsc::channel(4);
        let entry =
            Entry { room: joined.room.name.clone(), identity: joined.you.identity.clone(), attach };
        session.door.registry().insert(joined.you.id, entry);
        info!(mode = ?connect.mode, "client session began");
        let ended = match session.begin(connect, joined).await {
            Ok(()) => session.live(&mut notices, &mut attached).await,
            ended => ended,
        };
        let why = ended.err().map_or(Left::ClientLeft, |End(why)| why);
        session.finish(why).await;
    }
}

impl Session {
    async fn begin(&mut self, connect: Connect, joined: Joined) -> Result<(), End> {
        self.say(Response::Join(self.greeting(&joined)))?;
        self.received.start(joined.subscribed);
        if self.peers.mode == Mode::Dual {
            let policy = self.peers.receiving_policy();
            let mut peer = Peer::new(&self.door, self.seat.room(), policy)?;
            peer.negotiation.wish(self.received.wishes());
            self.peers.subscriber = Some(peer);
            self.offer(false)?;
        }
        for request in connect.request.add_track_requests {
            self.add_track(request).await?;
        }
        if let Some(offer) = connect.request.publisher_offer {
            self.offered(&offer).await?;
        }
        Ok(())
    }
}

/// The protocol version that we speak: leave actions (13), reliable signaling state (15) and the
/// single peer connection (16).
const PROTOCOL: i32 = 16;

fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
