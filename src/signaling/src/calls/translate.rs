//! The machine's words in the client protocol's.

use std::time::Duration;

use offhook_call::{Cause, Direction, Event, Media, Party, Snapshot, State, Via};
use offhook_proto::client::{
    CallAccepted, CallCause, CallDirection, CallEnded, CallHeld, CallMedia, CallProgress,
    CallRinging, CallSnapshot, CallState, CallVia, CallWarning, IncomingCall, MediaGrant, Peer,
    server_message,
};
use offhook_types::phone::Balance;
use offhook_types::{CallId, WallTime};

use super::DeviceEvent;

/// An event that carries no grant. (Those that do come from [`accepted`] and [`progress`].)
pub(super) fn event(event: Event) -> DeviceEvent {
    use server_message::Message;
    match event {
        Event::Incoming { call, from, media, via, rings_for } => Message::Incoming(IncomingCall {
            call_id: call.to_string(),
            from: Some(peer(from)),
            media: media_of(media).into(),
            rings_for_ms: millis(rings_for),
            via: via_of(via).into(),
        }),
        Event::Ringing { call } => Message::Ringing(CallRinging { call_id: call.to_string() }),
        Event::Progress { call, .. } => progress(call, None),
        Event::Held { call, held, by_peer } => {
            Message::Held(CallHeld { call_id: call.to_string(), held, by_peer })
        }
        Event::Warning { call, left, cause } => Message::Warning(CallWarning {
            call_id: call.to_string(),
            left_ms: millis(left),
            cause: cause_of(cause).into(),
        }),
        Event::Accepted { call, accepted_at, .. } => accepted(call, None, accepted_at),
        Event::Ended { call, cause, duration } => Message::Ended(CallEnded {
            call_id: call.to_string(),
            cause: cause_of(cause).into(),
            duration_ms: millis(duration),
        }),
    }
}

pub(super) fn accepted(call: CallId, grant: Option<MediaGrant>, at: WallTime) -> DeviceEvent {
    let accepted = CallAccepted { call_id: call.to_string(), grant, accepted_at: at.0 };
    server_message::Message::Accepted(accepted)
}

pub(super) fn progress(call: CallId, grant: Option<MediaGrant>) -> DeviceEvent {
    server_message::Message::Progress(CallProgress { call_id: call.to_string(), grant })
}

pub(super) fn balance(balance: Balance) -> DeviceEvent {
    server_message::Message::Balance(show_balance(balance))
}

/// A balance as the protocol says it.
pub(crate) fn show_balance(balance: Balance) -> offhook_proto::client::Balance {
    offhook_proto::client::Balance {
        booked_micros: balance.booked.0,
        reserved_micros: balance.reserved.0,
        credit_limit_micros: balance.credit_limit.0,
        currency: balance.currency.to_string(),
    }
}

pub(super) fn snapshot(call: Snapshot, grant: Option<MediaGrant>) -> CallSnapshot {
    CallSnapshot {
        call_id: call.call.to_string(),
        direction: direction_of(call.direction).into(),
        state: state_of(call.state).into(),
        peer: Some(peer(call.peer)),
        media: media_of(call.media).into(),
        grant,
        accepted_at: call.accepted_at.map_or(0, |at| at.0),
        rings_for_ms: millis(call.rings_for),
        via: via_of(call.via).into(),
        held: call.held,
        held_by_peer: call.held_by_peer,
    }
}

fn peer(party: Party) -> Peer {
    let number = party.number.map(|number| number.as_str().to_owned());
    Peer { number: number.unwrap_or_default(), display_name: party.name.as_ref().into() }
}

fn via_of(via: Via) -> CallVia {
    match via {
        Via::App => CallVia::App,
        Via::Phone => CallVia::Phone,
    }
}

fn millis(span: Duration) -> u32 {
    u32::try_from(span.as_millis()).unwrap_or(u32::MAX)
}

fn media_of(media: Media) -> CallMedia {
    match media {
        Media::Audio => CallMedia::Audio,
        Media::Video => CallMedia::Video,
    }
}

fn state_of(state: State) -> CallState {
    match state {
        State::Placed => CallState::Placed,
        State::Ringing => CallState::Ringing,
        State::Accepted => CallState::Accepted,
    }
}

fn direction_of(direction: Direction) -> CallDirection {
    match direction {
        Direction::Outgoing => CallDirection::Outgoing,
        Direction::Incoming => CallDirection::Incoming,
    }
}

/// The cause as the protocol says it.
pub(crate) fn cause_of(cause: Cause) -> CallCause {
    match cause {
        Cause::HungUp => CallCause::HungUp,
        Cause::Declined => CallCause::Declined,
        Cause::Busy => CallCause::Busy,
        Cause::Cancelled => CallCause::Cancelled,
        Cause::NoAnswer => CallCause::NoAnswer,
        Cause::Unavailable => CallCause::Unavailable,
        Cause::AnsweredElsewhere => CallCause::AnsweredElsewhere,
        Cause::DeclinedElsewhere => CallCause::DeclinedElsewhere,
        Cause::ConnectionLost => CallCause::ConnectionLost,
        Cause::TimeLimit => CallCause::TimeLimit,
        Cause::Server => CallCause::Server,
        Cause::InvalidNumber => CallCause::InvalidNumber,
        Cause::NotPermitted => CallCause::NotPermitted,
        Cause::NoCredit => CallCause::NoCredit,
        Cause::CreditEnded => CallCause::CreditEnded,
        Cause::Carrier => CallCause::Carrier,
    }
}
