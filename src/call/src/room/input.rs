//! What goes into the room machine, and what it answers at once.

use std::sync::Arc;

use offhook_types::media::{LegQuality, Speaker};
use offhook_types::{RoomId, SessionId, TrackId, WorkerId};

use super::notice::Left;
use super::words::*;

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
        /// Which worker hears them.
        worker: WorkerId,
        /// Which room.
        room: RoomId,
        /// Loudest first; whoever else is published through this worker is silent.
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
