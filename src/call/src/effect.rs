//! What the call machine wants done.

use core::net::SocketAddr;
use core::time::Duration;

use offhook_types::{CallId, DeviceId, PhoneId, UserId, WallTime, phone};

use crate::cause::Cause;
use crate::record::{Media, Party, Record, Via};

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
    /// Create the media room of an accepted call, or of one to the phone network before it is
    /// answered. Answered with
    /// [`Input::RoomReady`](crate::Input::RoomReady) or
    /// [`Input::RoomGone`](crate::Input::RoomGone).
    OpenRoom {
        /// Whose room.
        call: CallId,
        /// The users that meet there; one when the other side is a phone.
        users: Vec<UserId>,
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
    /// Tell the gateway.
    Phone(phone::Command),
    /// Say which devices a user has. Answered with [`Input::Devices`](crate::Input::Devices); until
    /// then only those that are connected ring.
    FindDevices {
        /// For which call.
        call: CallId,
        /// Whose.
        user: UserId,
    },
    /// Give a phone its seat in a room and connect its sound. When the seat ends, or cannot be
    /// taken, [`Input::PhoneUnseated`](crate::Input::PhoneUnseated) says so.
    Seat(Seating),
    /// Take the seat away. Ignored when it is gone.
    Unseat {
        /// Which leg.
        phone: PhoneId,
    },
    /// The call that a device was woken for needs it no longer.
    CancelPush {
        /// Which device.
        device: DeviceId,
        /// For which call.
        call: CallId,
    },
}

/// A phone's seat to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seating {
    /// Which leg.
    pub phone: PhoneId,
    /// Where.
    pub venue: Venue,
    /// How the others see it.
    pub party: Party,
    /// The gateway's side of the path that is to be laid.
    pub bridge: SocketAddr,
}

/// A room for a phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Venue {
    /// The room of a call.
    Call(CallId),
    /// A room that people meet in, by its name.
    Room(String),
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
        /// How it comes in.
        via: Via,
        /// For how long it will ring at most.
        rings_for: Duration,
    },
    /// To the caller: at least one device shows the call.
    Ringing {
        /// Which call.
        call: CallId,
    },
    /// To the caller of a phone, before an answer: join the room now and hear how it goes on.
    /// Whoever delivers this adds the grant.
    Progress {
        /// Which call.
        call: CallId,
        /// Whose grant to add.
        user: UserId,
    },
    /// A call over the phone network was put on hold, or taken back.
    Held {
        /// Which call.
        call: CallId,
        /// On hold from now on.
        held: bool,
        /// By the phone, and not by the device that is told.
        by_peer: bool,
    },
    /// The call will be cut off.
    Warning {
        /// Which call.
        call: CallId,
        /// In how long.
        left: Duration,
        /// Why.
        cause: Cause,
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
            | Self::Progress { call, .. }
            | Self::Held { call, .. }
            | Self::Warning { call, .. }
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
    /// How it reaches the other side.
    pub via: Via,
    /// The device holds a phone.
    pub held: bool,
    /// The phone holds the device.
    pub held_by_peer: bool,
    /// When it was accepted.
    pub accepted_at: Option<WallTime>,
    /// The room stands and the device is to be in it: whoever delivers this adds a grant for the device's user.
    pub room_ready: bool,
    /// How long it still rings; zero unless incoming and not accepted.
    pub rings_for: Duration,
}
