//! What the call machine is told.

use offhook_types::phone::{self, Digit};
use offhook_types::{CallId, DeviceId, Dialed, PhoneId, QuoteId, SessionId, UserId};

use crate::effect::Snapshot;
use crate::record::{Media, Party};

/// Who asks: an authenticated device and its user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct By {
    /// The person.
    pub user: UserId,
    /// One of their devices.
    pub device: DeviceId,
}

/// Everything that can happen to calls. Any input may come late, twice or never; what makes no
/// sense any more is refused or ignored and changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A device connected, or came back: with a session the machine knows it is a resume (its
    /// events are replayed by the session layer), with another one it is a new start, answered by a
    /// snapshot. A device has one session; a newer one takes its place. Answered with
    /// [`Reply::Attached`].
    Attach {
        /// Who.
        by: By,
        /// Through which session.
        session: SessionId,
    },
    /// The connection broke; the device may come back. Ignored for a session that was replaced.
    Detach {
        /// Who.
        by: By,
        /// Through which session.
        session: SessionId,
    },
    /// The session is over for good: its resume window has passed. Ignored for a session that was
    /// replaced.
    Close {
        /// Who.
        by: By,
        /// Which session.
        session: SessionId,
    },
    /// The device was signed out or revoked: it leaves its call at once.
    SignOut {
        /// Who.
        by: By,
    },
    /// Place a call. Answered with [`Reply::Placed`].
    Place(Place),
    /// The device shows the incoming call to its user.
    RingAck {
        /// Who.
        by: By,
        /// Which call.
        call: CallId,
    },
    /// Take the call on this device.
    Accept {
        /// Who.
        by: By,
        /// Which call.
        call: CallId,
    },
    /// Turn the call away, for all devices of the user.
    Decline {
        /// Who.
        by: By,
        /// Which call.
        call: CallId,
    },
    /// Take back a call that was not accepted yet.
    Cancel {
        /// Who.
        by: By,
        /// Which call.
        call: CallId,
    },
    /// End an accepted call; from the caller of a call not yet accepted it is a cancel.
    HangUp {
        /// Who.
        by: By,
        /// Which call.
        call: CallId,
    },
    /// Press keys on the phone at the other end.
    Press {
        /// Who.
        by: By,
        /// Which call.
        call: CallId,
        /// In order.
        digits: Vec<Digit>,
    },
    /// Put the phone at the other end on hold, or take it back.
    Hold {
        /// Who.
        by: By,
        /// Which call.
        call: CallId,
        /// On hold from now on.
        held: bool,
    },
    /// Something happened to a phone leg.
    Phone(phone::Event),
    /// The answer to [`Effect::FindDevices`](crate::Effect::FindDevices).
    Devices {
        /// For which call.
        call: CallId,
        /// All devices of the called user. Those without a connection are sent a wake-up push.
        devices: Vec<DeviceId>,
    },
    /// A phone's seat in its room could not be taken, or was lost: the room closed, a moderator
    /// turned it out, its path broke. To be said of every seat that ends, also by
    /// [`Effect::Unseat`](crate::Effect::Unseat).
    PhoneUnseated {
        /// Which leg.
        phone: PhoneId,
    },
    /// The answer to an opening [`Effect::Record`](crate::Effect::Record).
    Recorded {
        /// Which call.
        call: CallId,
        /// Whether the record is durable. Without it the call is not made.
        durable: bool,
    },
    /// The answer to [`Effect::OpenRoom`](crate::Effect::OpenRoom): the room stands.
    RoomReady {
        /// Whose room.
        call: CallId,
    },
    /// The room could not be opened, or was closed by somebody else.
    RoomGone {
        /// Whose room.
        call: CallId,
    },
    /// A side is in the room.
    MediaJoined {
        /// Whose room.
        call: CallId,
        /// Which side.
        user: UserId,
    },
    /// A side is no longer in the room.
    MediaLeft {
        /// Whose room.
        call: CallId,
        /// Which side.
        user: UserId,
    },
    /// Exactly these are in the room, whatever was said before. For whoever missed who came and went.
    MediaPresent {
        /// Whose room.
        call: CallId,
        /// Who is in it.
        users: Vec<UserId>,
    },
    /// Place no new calls; let the live ones run.
    Drain,
    /// End every call now, with [`Cause::Server`](crate::Cause::Server).
    Stop,
}

/// A call to be placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The caller's device.
    pub by: By,
    /// How the caller is shown to the callee.
    pub caller: Party,
    /// What was dialled.
    pub number: Dialed,
    /// Whom it reaches, as the store knows.
    pub reach: Reach,
    /// What the caller asks for.
    pub media: Media,
}

/// Whom a number reaches for one caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// The number is unknown, or its owner wants no calls from this caller.
    Nobody,
    /// A user.
    User {
        /// Who.
        user: UserId,
        /// All their devices. Those without a connection are sent a wake-up push.
        devices: Vec<DeviceId>,
    },
    /// Whoever has the number, over the phone network.
    Phone {
        /// The quote that the caller agreed to.
        quote: Option<QuoteId>,
        /// Do not show the caller's number.
        anonymous: bool,
    },
}

/// What an input is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Done; nothing to tell.
    Done,
    /// The call exists. It is not ringing yet. In glare this is the other side's call, now
    /// accepted.
    Placed(CallId),
    /// The device is attached. The calls that it is part of, for a session that starts afresh; a
    /// resumed session has heard of them through its events.
    Attached(Vec<Snapshot>),
}
