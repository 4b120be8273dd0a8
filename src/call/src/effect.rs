//! What the call machine wants done.

use core::time::Duration;

use offhook_types::{CallId, DeviceId, UserId, WallTime};

use crate::cause::Cause;
use crate::record::{Media, Party, Record};

/// Something to be done outside. Effects are to be carried out in the order in which they are
/// yielded, as far as they concern one call or one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Send an event to a device's session: at once when connected, on resume when its connection
    /// is broken. A device without a session hears nothing; its next session starts with a
    /// snapshot.
    Tell {
        /// Whom.
        device: DeviceId,
        /// What.
        event: Event,
    },
    /// Write a record. An opening one is answered with [`Input::Recorded`](crate::Input::Recorded).
    Record {
        /// The record as it stands.
        record: Record,
        /// Which of its three writes this is. One call's come in order and at most once each.
        step: RecordStep,
    },
    /// Create the media room of an accepted call for these two users. Answered with
    /// [`Input::RoomReady`](crate::Input::RoomReady) or
    /// [`Input::RoomGone`](crate::Input::RoomGone).
    OpenRoom {
        /// Whose room.
        call: CallId,
        /// Caller and callee.
        users: [UserId; 2],
    },
    /// Close the media room and turn everybody out.
    CloseRoom {
        /// Whose room.
        call: CallId,
    },
    /// Wake a device that has no connection.
    Push {
        /// Which device.
        device: DeviceId,
        /// For which call.
        call: CallId,
    },
    /// The call that a device was woken for needs it no longer.
    CancelPush {
        /// Which device.
        device: DeviceId,
        /// For which call.
        call: CallId,
    },
}

/// Which of its writes a record is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordStep {
    /// The call exists. To be durable before anybody is rung.
    Open,
    /// It was accepted.
    Accept,
    /// It ended; nothing is written after this.
    Close,
}

/// What a device is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Ring.
    Incoming {
        /// Which call.
        call: CallId,
        /// Who calls.
        from: Party,
        /// What the caller asks for.
        media: Media,
        /// For how long it will ring at most.
        rings_for: Duration,
    },
    /// To the caller: at least one device shows the call.
    Ringing {
        /// Which call.
        call: CallId,
    },
    /// To both sides: join the room now. Whoever delivers this adds the grant.
    Accepted {
        /// Which call.
        call: CallId,
        /// Whose grant to add.
        user: UserId,
        /// When.
        accepted_at: WallTime,
    },
    /// The call is over for this device.
    Ended {
        /// Which call.
        call: CallId,
        /// Why.
        cause: Cause,
        /// From accept to end; zero when it was never accepted.
        duration: Duration,
    },
}

impl Event {
    /// The call that it is about.
    pub fn call(&self) -> CallId {
        match self {
            Self::Incoming { call, .. }
            | Self::Ringing { call }
            | Self::Accepted { call, .. }
            | Self::Ended { call, .. } => *call,
        }
    }
}

/// Seen from one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// This side placed it.
    Outgoing,
    /// This side is called.
    Incoming,
}

/// How far a call is, as devices are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// The callee's devices are being told.
    Placed,
    /// At least one device shows it.
    Ringing,
    /// Taken.
    Accepted,
}

/// A live call as it stands for one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Which call.
    pub call: CallId,
    /// Seen from the device.
    pub direction: Direction,
    /// How far it is.
    pub state: State,
    /// The other side. For the caller it is the dialled number without a name: what a callee shows
    /// is theirs to choose.
    pub peer: Party,
    /// What the caller asked for.
    pub media: Media,
    /// When it was accepted.
    pub accepted_at: Option<WallTime>,
    /// The room stands: whoever delivers this adds a grant for the device's user.
    pub room_ready: bool,
    /// How long it still rings; zero unless incoming and not accepted.
    pub rings_for: Duration,
}
