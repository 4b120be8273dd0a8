//! Rooms, participants and tracks as the doors describe and see them.

use std::collections::BTreeMap;
use std::sync::Arc;

use offhook_types::media::{DataKind, Want};
use offhook_types::{
    LegId, MediaKind, Mid, ParticipantId, Rid, RoomId, SessionId, Ssrc, Time, TrackId, WallTime,
};

use super::Config;
use super::input::Refusal;
use super::notice::Left;

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

impl Permission {
    /// Whether tracks of this source may be published.
    pub fn publishes(&self, source: Source) -> bool {
        self.publish && (self.sources.is_empty() || self.sources.contains(&source))
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
    /// The phone network, through a gateway.
    Phone,
    /// Native clients over QUIC: one at a time per identity, together with LiveKit.
    Quic,
}

impl Door {
    /// Whether its clients are told about everyone in the room. An identity has one such session at a time.
    pub fn is_client(self) -> bool {
        matches!(self, Self::Livekit | Self::Quic)
    }
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
        track: Option<TrackChoice>,
    },
}

/// A track as someone outside names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrackChoice {
    /// By id.
    Id(TrackId),
    /// By the name that its publisher gave it.
    Name(String),
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
    /// Which track, from the answer to [`Act::AddTrack`](super::Act::AddTrack).
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

/// Codecs and layers that a track may announce. Clients send one or two codecs of three layers.
const MAX_FORMS: usize = 4;

/// A name or identity: not empty, not too long, and nothing in it that a terminal would obey.
pub(super) fn check_name(config: &Config, name: &str) -> Result<(), Refusal> {
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(Refusal::BadName);
    }
    check_short(config, name)
}

fn check_short(config: &Config, text: &str) -> Result<(), Refusal> {
    if text.len() > config.max_name_bytes { Err(Refusal::TooLong) } else { Ok(()) }
}

pub(super) fn check_text(config: &Config, text: &str) -> Result<(), Refusal> {
    if text.len() > config.max_metadata_bytes { Err(Refusal::TooLong) } else { Ok(()) }
}

pub(super) fn check_attributes(
    config: &Config,
    attributes: &BTreeMap<String, String>,
) -> Result<(), Refusal> {
    // An entry costs memory even when both of its texts are short.
    const ENTRY: usize = 64;
    let entry = |(key, value): (&String, &String)| {
        key.len().saturating_add(value.len()).saturating_add(ENTRY)
    };
    let bytes = attributes.iter().map(entry).fold(0, usize::saturating_add);
    if bytes > config.max_metadata_bytes { Err(Refusal::TooLong) } else { Ok(()) }
}

pub(super) fn check(config: &Config, join: &Join) -> Result<(), Refusal> {
    check_name(config, &join.room)?;
    check_name(config, &join.identity)?;
    check_short(config, &join.name)?;
    check_text(config, &join.metadata)?;
    check_attributes(config, &join.attributes)
}

pub(super) fn check_track(config: &Config, request: &TrackRequest) -> Result<(), Refusal> {
    let texts = [&request.cid, &request.name, &request.stream];
    let codecs = request.codecs.iter().flat_map(|codec| [&codec.mime, &codec.cid, &codec.mid]);
    for text in texts.into_iter().chain(codecs) {
        check_short(config, text)?;
    }
    let features = request.audio_features.len().max(request.trailer_features.len());
    let layers = request.codecs.iter().map(|codec| codec.layers.len()).max().unwrap_or(0);
    let forms = request.layers.len().max(request.codecs.len()).max(layers);
    if forms > MAX_FORMS || features > 16 { Err(Refusal::TooLong) } else { Ok(()) }
}
