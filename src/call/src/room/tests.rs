//! Rooms as lists of steps: whoever does something is named, and what each session hears is
//! compared in a short written form.

mod life;
mod media;
mod permissions;
mod random;

use std::collections::BTreeMap;
use std::sync::Arc;

use offhook_types::media::{DataKind, LegQuality, Speaker, Want};
use offhook_types::{LegId, MediaKind, Mid, SessionId, Time, TrackId, WallTime, WorkerId};

use super::*;

/// A machine with named sessions and tracks.
struct Scene {
    machine: Machine,
    now: Now,
    sessions: BTreeMap<String, SessionId>,
    tracks: BTreeMap<String, TrackId>,
    heard: BTreeMap<SessionId, Vec<String>>,
    events: Vec<String>,
}

impl Scene {
    fn new() -> Self {
        Self::with(Config::default())
    }

    fn with(config: Config) -> Self {
        let now = Now { time: Time::from_millis(1), wall: WallTime(1_700_000_000_000) };
        Self {
            machine: Machine::new(config, now, Rng::from_seed(7)),
            now,
            sessions: BTreeMap::new(),
            tracks: BTreeMap::new(),
            heard: BTreeMap::new(),
            events: Vec::new(),
        }
    }

    fn handle(&mut self, input: Input) -> Result<Reply, Refusal> {
        let reply = self.machine.handle(self.now, input);
        self.drain();
        reply
    }

    fn drain(&mut self) {
        while let Some(effect) = self.machine.poll() {
            match effect {
                Effect::Tell { session, notice } => {
                    let text = self.brief(&notice);
                    self.heard.entry(session).or_default().extend(text);
                }
                Effect::Event(event) => self.events.push(match event {
                    RoomEvent::Opened { room } => format!("opened {room}"),
                    RoomEvent::Joined { identity, .. } => format!("joined {identity}"),
                    RoomEvent::Active { identity, .. } => format!("active {identity}"),
                    RoomEvent::Left { identity, why, .. } => format!("left {identity} {why:?}"),
                    RoomEvent::Closed { room } => format!("closed {room}"),
                }),
            }
        }
    }

    fn wait(&mut self, millis: u64) {
        let end = Time::from_millis(self.now.time.as_millis() + millis);
        loop {
            let next = self.machine.next_timeout();
            self.now.time = next.min(end).max(self.now.time);
            if next > end {
                return;
            }
            self.machine.handle_timeout(self.now);
            self.drain();
        }
    }

    fn join_with(&mut self, who: &str, change: impl FnOnce(&mut Join)) -> Result<Joined, Refusal> {
        let identity = who.split('/').next().unwrap();
        let mut join = Join {
            room: "cellar".into(),
            identity: identity.into(),
            name: String::new(),
            metadata: String::new(),
            attributes: BTreeMap::new(),
            permission: Permission::default(),
            door: Door::Livekit,
            receive: Receive::All,
            client: ClientFacts::default(),
        };
        change(&mut join);
        let Reply::Joined(joined) = self.handle(Input::Join(Box::new(join)))? else { panic!() };
        self.sessions.insert(who.into(), joined.session);
        Ok(*joined)
    }

    fn join(&mut self, who: &str) -> Joined {
        self.join_with(who, |_| ()).unwrap()
    }

    fn act(&mut self, who: &str, act: Act) -> Result<Reply, Refusal> {
        let session = self.sessions[who];
        self.handle(Input::Act { session, act })
    }

    fn add(&mut self, who: &str, name: &str, request: TrackRequest) -> Result<TrackId, Refusal> {
        let Reply::Track(track) = self.act(who, Act::AddTrack(request))? else { panic!() };
        self.tracks.insert(name.into(), track.id);
        Ok(track.id)
    }

    /// Announce and negotiate a track; names that start with `mic` are audio.
    fn publish(&mut self, who: &str, name: &str) -> TrackId {
        let audio = name.starts_with("mic");
        let kind = if audio { MediaKind::Audio } else { MediaKind::Video };
        let mut request = TrackRequest::new(name, kind);
        request.source = if audio { Source::Microphone } else { Source::Camera };
        if !audio {
            request.layers = vec![layer(0, 320, 180), layer(1, 640, 360), layer(2, 1280, 720)];
        }
        let track = self.add(who, name, request).unwrap();
        let layers = if audio { 1 } else { 3 };
        let published = published(track, layers);
        self.act(who, Act::Publish(published)).unwrap();
        track
    }

    fn settings(&mut self, who: &str, track: &str, settings: TrackSettings) {
        let tracks = vec![self.tracks[track]];
        self.act(who, Act::Settings { tracks, settings }).unwrap();
    }

    fn subscribe(&mut self, who: &str, track: &str, subscribe: bool) {
        let tracks = vec![self.tracks[track]];
        let change = SubscriptionChange { tracks, subscribe };
        self.act(who, Act::Subscribe(change)).unwrap();
    }

    /// What a session heard since the last call.
    fn heard(&mut self, who: &str) -> Vec<String> {
        self.heard.remove(&self.sessions[who]).unwrap_or_default()
    }

    /// What all sessions heard does not matter.
    fn forget(&mut self) {
        self.heard.clear();
        self.events.clear();
    }

    fn name(&self, id: TrackId) -> &str {
        let named = self.tracks.iter().find(|(_, track)| **track == id);
        named.map_or("?", |(name, _)| name)
    }

    fn brief(&self, notice: &Notice) -> Vec<String> {
        let want = |want: &Want| match (want.paused, want.layer) {
            (true, _) => "paused".into(),
            (_, u8::MAX) => "best".into(),
            (_, layer) => format!("layer {layer}"),
        };
        match notice {
            Notice::Participants(people) => people.iter().map(|p| self.person(p)).collect(),
            // Numbers of the room are tested on their own.
            Notice::Room(_) => Vec::new(),
            Notice::Subscribed(s) => {
                vec![format!("+{} of {} {}", self.name(s.track), s.identity, want(&s.want))]
            }
            Notice::Unsubscribed { track } => vec![format!("-{}", self.name(*track))],
            Notice::Want { track, want: w } => vec![format!("{} {}", self.name(*track), want(w))],
            Notice::Allowed { track, allowed, .. } => {
                vec![format!(
                    "{} {}",
                    self.name(*track),
                    if *allowed { "allowed" } else { "denied" }
                )]
            }
            Notice::NotSubscribed { track } => vec![format!("no {}", self.name(*track))],
            Notice::Muted { track, muted, forced } => {
                let by = if *forced { " by force" } else { "" };
                let muted = if *muted { "muted" } else { "unmuted" };
                vec![format!("{} {muted}{by}", self.name(*track))]
            }
            Notice::Unpublished { track } => vec![format!("{} taken down", self.name(*track))],
            Notice::FirstSubscriber { track } => vec![format!("{} received", self.name(*track))],
            Notice::Qualities { track, wanted, .. } => {
                let wanted = wanted.map(|wanted| if wanted { '1' } else { '0' });
                vec![format!("{} {}", self.name(*track), String::from_iter(wanted))]
            }
            Notice::Speakers(views) => {
                let view =
                    |v: &SpeakerView| if v.active { format!("{}", v.level) } else { "-".into() };
                vec![format!("speakers {}", views.iter().map(view).collect::<Vec<_>>().join(" "))]
            }
            Notice::Scores(scores) => scores.iter().map(|(_, s)| format!("{s:?}")).collect(),
            Notice::Data { payload, .. } => vec![String::from_utf8_lossy(payload).into_owned()],
            Notice::Closed(why) => vec![format!("closed {why:?}")],
        }
    }

    fn person(&self, person: &ParticipantView) -> String {
        assert_eq!(person.left.is_some(), person.presence == Presence::Gone);
        let tracks = person.tracks.iter().map(|track| {
            let muted = if track.request.muted { " muted" } else { "" };
            format!(" {}{muted}", self.name(track.id))
        });
        let tracks = String::from_iter(tracks);
        match person.left {
            Some(why) => format!("{} gone {why:?}", person.identity),
            None => format!("{}{tracks}", person.identity),
        }
    }
}

fn layer(quality: u8, width: u32, height: u32) -> LayerView {
    LayerView { quality, width, height, ..LayerView::default() }
}

fn published(track: TrackId, layers: usize) -> Published {
    Published {
        track,
        leg: LegId::new(WorkerId(0), track.0),
        mid: Mid::new(b"0"),
        layers: vec![(None, None); layers],
        mime: "video/VP8".into(),
    }
}

fn message(text: &str, to: &[&str]) -> DataMessage {
    DataMessage {
        kind: DataKind::Reliable,
        to_identities: to.iter().map(|to| (*to).into()).collect(),
        to_participants: Vec::new(),
        payload: Arc::from(text.as_bytes()),
    }
}
