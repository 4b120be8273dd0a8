//! What comes out of the room machine.

use std::sync::Arc;

use offhook_types::media::{DataKind, LegEnd, Want};
use offhook_types::{ParticipantId, SessionId, TrackId};

use super::words::{ParticipantView, RoomView, Subscribed};

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
