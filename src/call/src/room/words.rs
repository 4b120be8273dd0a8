//! What goes into the room machine and what comes out of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use offhook_types::media::{DataKind, LegEnd, LegQuality, Speaker, Want};
use offhook_types::{
    LegId, MediaKind, Mid, ParticipantId, Rid, RoomId, SessionId, Ssrc, Time, TrackId, WallTime,
};

/// Both clocks, read once by the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// For timers.
    pub time: Time,
    /// For what people are shown.
    pub wall: WallTime,
}

/// What a participant may do, from their token or an administrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// May receive others' tracks.
    pub subscribe: bool,
    /// May publish tracks.
    pub publish: bool,
    /// May send data messages.
    pub publish_data: bool,
    /// Sources that may be published; empty means all.
    pub sources: Vec<Source>,
    /// Not shown to others, and therefore not heard either.
    pub hidden: bool,
    /// Records the room (shown as such, nothing more).
    pub recorder: bool,
    /// May change their own name, metadata and attributes.
    pub update_metadata: bool,
}

impl Default for Permission {
    fn default() -> Self {
        Self {
            subscribe: true,
            publish: true,
            publish_data: true,
            sources: Vec::new(),
            hidden: false,
            recorder: false,
            update_metadata: false,
        }
    }
}

/// Where a track's media comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Source {
    /// Not said.
    #[default]
    Unknown,
    /// A camera.
    Camera,
    /// A microphone.
    Microphone,
    /// A shared screen.
    Screen,
    /// The sound of a shared screen.
    ScreenAudio,
}

/// Which door a session came through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Door {
    /// The LiveKit client protocol: one at a time per identity, the newer replaces the older.
    Livekit,
    /// WHIP: publishes.
    Whip,
    /// WHEP: plays.
    Whep,
}

/// Which of the others' tracks a session receives without asking.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Receive {
    /// None; it may ask for each.
    #[default]
    None,
    /// All that it may see.
    All,
    /// All of one participant and of one track, where named.
    Only {
        /// Identity of the publisher.
        participant: Option<String>,
        /// The track.
        track: Option<TrackId>,
    },
}

/// A session entering a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    /// Room name; the room is made if it does not exist.
    pub room: String,
    /// Who.
    pub identity: String,
    /// Display name.
    pub name: String,
    /// Free text of the application.
    pub metadata: String,
    /// Key-value pairs of the application.
    pub attributes: BTreeMap<String, String>,
    /// What they may do.
    pub permission: Permission,
    /// Through which door.
    pub door: Door,
    /// What the session receives by itself.
    pub receive: Receive,
    /// Shown to other clients; passed through.
    pub client: ClientFacts,
}

/// Facts about a client that other clients read. Not interpreted here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClientFacts {
    /// Kind of participant, as the client protocol numbers it.
    pub kind: i32,
    /// Feature level of the client.
    pub protocol: i32,
    /// Capabilities, as the client protocol numbers them.
    pub capabilities: Vec<i32>,
}

/// What a session gets for joining.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// The session's key from now on.
    pub session: SessionId,
    /// The room.
    pub room: RoomView,
    /// The participant it belongs to.
    pub you: Arc<ParticipantView>,
    /// The others that it may see.
    pub others: Vec<Arc<ParticipantView>>,
    /// What it receives from the start, in the order of publication.
    pub subscribed: Vec<Subscribed>,
}

/// A room as clients see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomView {
    /// This life of the room.
    pub id: RoomId,
    /// Its name.
    pub name: String,
    /// Free text of the application.
    pub metadata: String,
    /// Seconds it lives without anyone ever joining.
    pub empty_timeout_s: u32,
    /// Seconds it lives after the last one left.
    pub departure_timeout_s: u32,
    /// Limit of participants; zero is none but the server's.
    pub max_participants: u32,
    /// When it was made.
    pub created: WallTime,
    /// Visible participants.
    pub participants: u32,
    /// Participants with a published track.
    pub publishers: u32,
    /// Grows with each change.
    pub version: u32,
}

/// How far a participant has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Presence {
    /// In the room, no media path yet.
    Joined,
    /// A media path is up.
    Active,
    /// Gone.
    Gone,
}

/// A participant as others see them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParticipantView {
    /// This presence in the room.
    pub id: ParticipantId,
    /// Who.
    pub identity: String,
    /// Display name.
    pub name: String,
    /// Free text of the application.
    pub metadata: String,
    /// Key-value pairs of the application.
    pub attributes: BTreeMap<String, String>,
    /// How far they have come.
    pub presence: Presence,
    /// When they joined.
    pub joined: WallTime,
    /// Grows with each change.
    pub version: u32,
    /// What they may do.
    pub permission: Permission,
    /// Published tracks, in order of publication.
    pub tracks: Vec<TrackView>,
    /// Why they left, when gone.
    pub left: Option<Left>,
    /// Facts about their client.
    pub client: ClientFacts,
}

/// Size and name of one simulcast or scalable layer, as the publisher announced it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LayerView {
    /// 0 low, 1 medium, 2 high.
    pub quality: u8,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Target in bits per second.
    pub bitrate: u32,
    /// SSRC, if announced.
    pub ssrc: u32,
    /// Index of the spatial layer.
    pub spatial: i32,
    /// Restriction identifier, if announced.
    pub rid: String,
}

/// An encoding of a track in a codec, as the publisher announced it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CodecView {
    /// `video/VP8` and the like.
    pub mime: String,
    /// The publisher's name of the source.
    pub cid: String,
    /// Section, once negotiated.
    pub mid: String,
    /// Layers, from the smallest.
    pub layers: Vec<LayerView>,
    /// How spatial layers are spread over streams, as the client protocol numbers it.
    pub layer_mode: i32,
}

/// A publisher's wish to publish. Numbers of the client protocol that mean nothing here pass
/// through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackRequest {
    /// The publisher's name of the source.
    pub cid: String,
    /// Display name.
    pub name: String,
    /// Audio or video.
    pub kind: MediaKind,
    /// What it shows.
    pub source: Source,
    /// Pixels, for video.
    pub width: u32,
    /// Pixels, for video.
    pub height: u32,
    /// Starts silent.
    pub muted: bool,
    /// Announced layers, from the smallest.
    pub layers: Vec<LayerView>,
    /// Announced codecs, the first is the main one.
    pub codecs: Vec<CodecView>,
    /// Stream that groups tracks; empty groups by source.
    pub stream: String,
    /// Discontinuous transmission is off.
    pub disable_dtx: bool,
    /// Redundant audio is off.
    pub disable_red: bool,
    /// Two channels.
    pub stereo: bool,
    /// End-to-end encryption, as the client protocol numbers it.
    pub encryption: i32,
    /// What to do for receivers without the main codec, as the client protocol numbers it.
    pub backup_policy: i32,
    /// Audio features, as the client protocol numbers them.
    pub audio_features: Vec<i32>,
    /// Packet trailer features, as the client protocol numbers them.
    pub trailer_features: Vec<i32>,
}

impl TrackRequest {
    /// The least that can be said about a track.
    pub fn new(cid: impl Into<String>, kind: MediaKind) -> Self {
        Self {
            cid: cid.into(),
            name: String::new(),
            kind,
            source: Source::Unknown,
            width: 0,
            height: 0,
            muted: false,
            layers: Vec::new(),
            codecs: Vec::new(),
            stream: String::new(),
            disable_dtx: false,
            disable_red: false,
            stereo: false,
            encryption: 0,
            backup_policy: 0,
            audio_features: Vec::new(),
            trailer_features: Vec::new(),
        }
    }
}

/// A track as others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackView {
    /// The track.
    pub id: TrackId,
    /// What the publisher said about it; `muted` is current.
    pub request: TrackRequest,
    /// `audio/opus` and the like, once negotiated.
    pub mime: String,
    /// Section at the publisher, once negotiated.
    pub mid: String,
    /// Grows with each change.
    pub version: u32,
}

/// How a track arrives, known when its section was negotiated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Which track, from the answer to [`Input::AddTrack`].
    pub track: TrackId,
    /// The leg it arrives on.
    pub leg: LegId,
    /// The section it arrives in.
    pub mid: Option<Mid>,
    /// Restriction identifiers and SSRCs of its layers in the order of `Ingress::layers`; one for
    /// plain media.
    pub layers: Vec<(Option<Rid>, Option<Ssrc>)>,
    /// `video/VP8` and the like: the codec that its sender prefers.
    pub mime: String,
}

/// A track that a session is to receive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscribed {
    /// Which track.
    pub track: TrackId,
    /// Who publishes it.
    pub publisher: ParticipantId,
    /// Their identity.
    pub identity: String,
    /// The leg it arrives on.
    pub source: LegId,
    /// Audio or video.
    pub kind: MediaKind,
    /// `video/VP8` and the like.
    pub mime: String,
    /// The stream that groups it with others of its publisher (for `a=msid`).
    pub stream: String,
    /// What to ask of the relay.
    pub want: Want,
}

/// What a receiver asks of a track, in the client's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TrackSettings {
    /// Send nothing for now.
    pub disabled: bool,
    /// 0 low, 1 medium, 2 high, 3 off; counts where no size is given.
    pub quality: Option<u8>,
    /// Pixels wanted; zero if not said.
    pub width: u32,
    /// Pixels wanted; zero if not said.
    pub height: u32,
    /// Frames per second wanted; zero if not said.
    pub fps: u32,
    /// 1 is the highest; zero if not said.
    pub priority: u32,
}

/// Who may receive a publisher's tracks, by the publisher's own word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionPermission {
    /// Everyone may receive everything.
    pub everyone: bool,
    /// Otherwise these.
    pub allowed: Vec<AllowedTracks>,
}

/// One receiver that a publisher allows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AllowedTracks {
    /// The receiver, by presence.
    pub participant: Option<ParticipantId>,
    /// The receiver, by identity.
    pub identity: String,
    /// All tracks.
    pub all: bool,
    /// Otherwise these.
    pub tracks: Vec<TrackId>,
}

/// Change of one's own or someone's description. `None` leaves as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Describe {
    /// Display name.
    pub name: Option<String>,
    /// Free text.
    pub metadata: Option<String>,
    /// Keys to set; an empty value removes the key.
    pub attributes: BTreeMap<String, String>,
    /// Permission (administrators only).
    pub permission: Option<Permission>,
}

/// A message for others in the room, already in the form in which they read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataMessage {
    /// Over which channel.
    pub kind: DataKind,
    /// Identities that receive it; with `to_participants` empty too, everyone does.
    pub to_identities: Vec<String>,
    /// Presences that receive it.
    pub to_participants: Vec<ParticipantId>,
    /// The message.
    pub payload: Arc<[u8]>,
}

/// Settings of a room made by request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CreateRoom {
    /// Its name.
    pub name: String,
    /// Seconds it lives without anyone ever joining; zero is the default.
    pub empty_timeout_s: u32,
    /// Seconds it lives after the last one left; zero is the default.
    pub departure_timeout_s: u32,
    /// Limit of participants; zero is none but the server's.
    pub max_participants: u32,
    /// Free text.
    pub metadata: String,
}

/// Who or what a subscription change is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionChange {
    /// Tracks.
    pub tracks: Vec<TrackId>,
    /// True subscribes.
    pub subscribe: bool,
}

/// Everything that a session may do once it is in.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// Announce a track. Answered with [`Reply::Track`].
    AddTrack(TrackRequest),
    /// The section of an announced track was negotiated (again): it becomes visible to others.
    Publish(Published),
    /// Take a track back.
    Unpublish(TrackId),
    /// Silence or unsilence an own track.
    Mute {
        /// Which track.
        track: TrackId,
        /// True silences.
        muted: bool,
    },
    /// New size of an own video track.
    Resize {
        /// Which track.
        track: TrackId,
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
    /// New features of an own audio track.
    AudioFeatures {
        /// Which track.
        track: TrackId,
        /// As the client protocol numbers them.
        features: Vec<i32>,
    },
    /// Receive, or no longer receive, tracks.
    Subscribe(SubscriptionChange),
    /// What to send of tracks.
    Settings {
        /// Which tracks.
        tracks: Vec<TrackId>,
        /// From now on.
        settings: TrackSettings,
    },
    /// Who may receive the own tracks.
    SubscriptionPermission(SubscriptionPermission),
    /// Change the own description.
    Describe(Describe),
    /// Send a message.
    Data(DataMessage),
    /// A leg of the session came up.
    LegUp,
    /// The figures of a leg of the session.
    Quality(LegQuality),
    /// The whole view again, for a client that may have missed notices. Answered with
    /// [`Reply::Joined`].
    Snapshot,
    /// The session ends.
    Leave(Left),
}

/// What an administrator may do, by room name.
#[derive(Debug, Clone, PartialEq)]
pub enum Admin {
    /// Make a room. Answered with [`Reply::Room`]. An existing room is answered as it is.
    Create(CreateRoom),
    /// List rooms; empty lists all. Answered with [`Reply::Rooms`].
    List(Vec<String>),
    /// End a room and everyone's presence in it.
    Delete {
        /// Which room.
        room: String,
        /// What the participants are told.
        why: Left,
    },
    /// List participants, hidden ones too. Answered with [`Reply::Participants`].
    Participants {
        /// Which room.
        room: String,
    },
    /// One participant. Answered with [`Reply::Participant`].
    Participant {
        /// Which room.
        room: String,
        /// Who.
        identity: String,
    },
    /// Put someone out.
    Remove {
        /// Which room.
        room: String,
        /// Who.
        identity: String,
    },
    /// Mute or unmute someone's track. Answered with [`Reply::Track`].
    Mute {
        /// Which room.
        room: String,
        /// Who.
        identity: String,
        /// Which track.
        track: TrackId,
        /// True mutes.
        muted: bool,
    },
    /// Change someone's description or permission. Answered with [`Reply::Participant`].
    Describe {
        /// Which room.
        room: String,
        /// Who.
        identity: String,
        /// What changes.
        change: Describe,
    },
    /// Subscribe someone or unsubscribe them.
    Subscribe {
        /// Which room.
        room: String,
        /// Who.
        identity: String,
        /// What changes.
        change: SubscriptionChange,
    },
    /// Send a message as the server.
    Data {
        /// Which room.
        room: String,
        /// The message.
        message: DataMessage,
    },
    /// Change the room's free text. Answered with [`Reply::Room`].
    Metadata {
        /// Which room.
        room: String,
        /// The text.
        metadata: String,
    },
}

impl Admin {
    /// The room it is about; none for a list.
    pub fn room(&self) -> Option<&str> {
        match self {
            Self::Create(room) => Some(&room.name),
            Self::List(_) => None,
            Self::Delete { room, .. }
            | Self::Participants { room }
            | Self::Participant { room, .. }
            | Self::Remove { room, .. }
            | Self::Mute { room, .. }
            | Self::Describe { room, .. }
            | Self::Subscribe { room, .. }
            | Self::Data { room, .. }
            | Self::Metadata { room, .. } => Some(room),
        }
    }
}

/// Everything that goes into the machine.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A session enters. Answered with [`Reply::Joined`].
    Join(Box<Join>),
    /// A session acts.
    Act {
        /// Which session.
        session: SessionId,
        /// What it does.
        act: Act,
    },
    /// An administrator acts.
    Admin(Admin),
    /// Who speaks, from a media worker.
    Speakers {
        /// Which room.
        room: RoomId,
        /// Loudest first.
        speakers: Vec<Speaker>,
    },
}

/// What the machine answers at once.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// Done; nothing to tell.
    Done,
    /// To [`Input::Join`] and [`Act::Snapshot`].
    Joined(Box<Joined>),
    /// To [`Act::AddTrack`] and [`Admin::Mute`].
    Track(Box<TrackView>),
    /// To [`Admin::Create`] and [`Admin::Metadata`].
    Room(RoomView),
    /// To [`Admin::List`].
    Rooms(Vec<RoomView>),
    /// To [`Admin::Participant`] and [`Admin::Describe`].
    Participant(Arc<ParticipantView>),
    /// To [`Admin::Participants`].
    Participants(Vec<Arc<ParticipantView>>),
}

/// Why the machine does not do what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// No such room.
    #[error("requested room does not exist")]
    NoRoom,
    /// No such participant.
    #[error("participant does not exist")]
    NoParticipant,
    /// No such track.
    #[error("track does not exist")]
    NoTrack,
    /// No such session: it has ended.
    #[error("session has ended")]
    NoSession,
    /// The permission is missing.
    #[error("not permitted")]
    NotPermitted,
    /// A name, metadata or attribute is too long.
    #[error("text is too long")]
    TooLong,
    /// A name or identity is empty or has characters that cannot be shown.
    #[error("not a usable name")]
    BadName,
    /// The room is full.
    #[error("room is full")]
    RoomFull,
    /// The server has as many rooms as it is allowed.
    #[error("too many rooms")]
    TooManyRooms,
    /// The participant has as many tracks as they are allowed.
    #[error("too many tracks")]
    TooManyTracks,
    /// The server is going down, or too busy to answer.
    #[error("server is not taking requests")]
    Unavailable,
}

/// Why a session or participant left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Left {
    /// The client said so.
    ClientLeft,
    /// The same identity joined again.
    DuplicateIdentity,
    /// An administrator put them out.
    Removed,
    /// The room was ended.
    RoomDeleted,
    /// The server goes down.
    ServerShutdown,
    /// The client did not come back in time.
    ConnectionLost,
    /// No media path came up.
    JoinFailed,
    /// The client no longer agrees with the server about what is going on.
    StateMismatch,
    /// The client does not read, or sends what it must not.
    Misbehaved,
    /// The media path ended.
    Media(LegEnd),
}

/// How well someone's media path is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Score {
    /// Nothing comes through.
    Lost,
    /// Bad.
    Poor,
    /// Fair.
    Good,
    /// Fine.
    Excellent,
}

/// Someone's voice.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SpeakerView {
    /// Who.
    pub participant: ParticipantId,
    /// -dBov, 0 loudest to 127; see `offhook_types::media::Speaker`.
    pub level: u8,
    /// False when they have stopped.
    pub active: bool,
}

/// What a session is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// Participants came, changed or left (also the session's own participant).
    Participants(Vec<Arc<ParticipantView>>),
    /// The room's facts changed.
    Room(RoomView),
    /// Receive this track. Repeated for a known track, its source or stream changed.
    Subscribed(Subscribed),
    /// No longer receive this track.
    Unsubscribed {
        /// Which track.
        track: TrackId,
    },
    /// Ask the relay for something else of this track.
    Want {
        /// Which track.
        track: TrackId,
        /// From now on.
        want: Want,
    },
    /// A publisher allows or forbids a track to this session.
    Allowed {
        /// The publisher.
        publisher: ParticipantId,
        /// Which track.
        track: TrackId,
        /// True if it may be received.
        allowed: bool,
    },
    /// The track asked for does not exist or may not be received.
    NotSubscribed {
        /// Which track.
        track: TrackId,
    },
    /// An own track was muted or unmuted: tell the relay, and the client when it was not its own
    /// doing.
    Muted {
        /// Which track.
        track: TrackId,
        /// True is muted.
        muted: bool,
        /// By someone else.
        forced: bool,
    },
    /// An own track was taken down by the server.
    Unpublished {
        /// Which track.
        track: TrackId,
    },
    /// Someone receives an own track for the first time.
    FirstSubscriber {
        /// Which track.
        track: TrackId,
    },
    /// Which qualities of an own video track are wanted by anyone: low, medium, high.
    Qualities {
        /// Which track.
        track: TrackId,
        /// `video/VP8` and the like.
        mime: String,
        /// Low, medium, high.
        wanted: [bool; 3],
    },
    /// Who speaks, and who has stopped.
    Speakers(Vec<SpeakerView>),
    /// How well participants are doing.
    Scores(Vec<(ParticipantId, Score)>),
    /// A received track was paused or resumed by the server.
    Paused {
        /// The publisher.
        publisher: ParticipantId,
        /// Which track.
        track: TrackId,
        /// True is paused.
        paused: bool,
    },
    /// A message from someone else.
    Data {
        /// Over which channel.
        kind: DataKind,
        /// The message.
        payload: Arc<[u8]>,
    },
    /// The session is over.
    Closed(Left),
}

/// What happens in rooms, for whoever watches them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomEvent {
    /// A room was made.
    Opened {
        /// Its name.
        room: String,
    },
    /// Someone is in.
    Joined {
        /// Which room.
        room: String,
        /// Who.
        identity: String,
    },
    /// A media path of someone is up.
    Active {
        /// Which room.
        room: String,
        /// Who.
        identity: String,
    },
    /// Someone is out for good.
    Left {
        /// Which room.
        room: String,
        /// Who.
        identity: String,
        /// Why.
        why: Left,
    },
    /// A room is gone.
    Closed {
        /// Its name.
        room: String,
    },
}

/// Everything that comes out of the machine.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Tell a session.
    Tell {
        /// Which session.
        session: SessionId,
        /// What.
        notice: Notice,
    },
    /// Tell whoever watches rooms.
    Event(RoomEvent),
}
