//! The machine's words in the client protocol's.

use std::time::Duration;

use offhook_call::{Cause, Direction, Event, Media, Party, Snapshot, State};
use offhook_proto::client::{
    CallAccepted, CallCause, CallDirection, CallEnded, CallMedia, CallRinging, CallSnapshot,
    CallState, IncomingCall, MediaGrant, Peer, server_message,
};
use offhook_types::{CallId, WallTime};

use super::DeviceEvent;

/// An event that carries no grant. (An accepted one comes from [`accepted`].)
pub(super) fn event(event: Event) -> DeviceEvent {
    use server_message::Message;
    match event {
        Event::Incoming { call, from, media, rings_for } => Message::Incoming(IncomingCall {
            call_id: call.to_string(),
            from: Some(peer(from)),
            media: media_of(media).into(),
            rings_for_ms: millis(rings_for),
        }),
        Event::Ringing { call } => Message::Ringing(CallRinging { call_id: call.to_string() }),
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
    }
}

fn peer(party: Party) -> Peer {
    Peer { number: party.number.as_str().into(), display_name: party.name.as_ref().into() }
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
pub(super) fn cause_of(cause: Cause) -> CallCause {
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
    }
}
