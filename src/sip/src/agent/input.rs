//! What an agent is told: by the network, by the resolver, and by whoever it works for.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use super::{Peer, Transport};
use crate::auth::{Algorithm, Credentials};
use crate::header::{Name, NameAddr, ReasonValue};
use crate::text::Text;
use crate::uri::Uri;

/// What a command and its events are about: one call, one registration or one keep-alive. Chosen by
/// the caller, never reused, below [`Handle::INCOMING`]; the agent numbers incoming calls from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Handle(pub u64);

impl Handle {
    /// The first handle of an incoming call.
    pub const INCOMING: Self = Self(1 << 63);
}

/// A carrier's trunk, as the caller numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId(pub u64);

/// Names an [`Output::Send`](super::Output::Send).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SendId(pub u64);

/// Names an [`Output::Resolve`](super::Output::Resolve).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueryId(pub u64);

/// Where a message came from. Two connections differ in one of the addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Flow {
    /// Over what.
    pub transport: Transport,
    /// Our address.
    pub local: SocketAddr,
    /// Theirs.
    pub remote: SocketAddr,
}

/// What an agent is told.
#[derive(Debug, Clone)]
pub enum Input {
    /// A datagram, or one whole message that [`framing`](crate::framing) cut from a stream.
    Received {
        /// From where.
        flow: Flow,
        /// The message.
        bytes: Vec<u8>,
    },
    /// A send came to nothing: refused, no connection could be opened, or an ICMP error.
    Unsent {
        /// Which.
        send: SendId,
    },
    /// A connection is gone, whoever closed it. Requests that wait on it are tried elsewhere.
    Closed {
        /// Which.
        flow: Flow,
    },
    /// What the resolver found. Nothing found, or an error, is an empty list.
    Resolved {
        /// Which question.
        query: QueryId,
        /// In any order.
        records: Vec<Record>,
    },
    /// Whose packets are read from now on. Replaces the table.
    Peers(Vec<Peer>),
    /// Which peers have to show a password for each call that they bring, and as whom (RFC 3261 §22.2).
    /// Replaces the table.
    Logins(Vec<(PeerId, Gate)>),
    /// Something to do. One about a handle that is gone, or that makes no sense in its state, is
    /// ignored: it crossed an event on its way.
    Command {
        /// About what.
        handle: Handle,
        /// What.
        command: Command,
    },
}

/// What a peer has to show for each call that it brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// As whom. The realm does not count: it is ours.
    pub credentials: Credentials,
    /// What is offered, in this order; nothing else is taken.
    pub algorithms: Vec<Algorithm>,
}

/// A record of the name system (RFC 3263).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// RFC 3403.
    Naptr {
        /// Lower first.
        order: u16,
        /// Lower first within an order.
        preference: u16,
        /// `s` where the replacement is to be looked up as SRV.
        flags: String,
        /// `SIP+D2U`, `SIP+D2T`, `SIPS+D2T`.
        service: String,
        /// The next name.
        replacement: String,
    },
    /// RFC 2782.
    Srv {
        /// Lower first.
        priority: u16,
        /// Share among those of one priority.
        weight: u16,
        /// Where it listens.
        port: u16,
        /// The host.
        target: String,
    },
    /// A or AAAA.
    Address(IpAddr),
}

/// What is to be done. The handle decides about what.
#[derive(Debug, Clone)]
pub enum Command {
    /// Call somebody. New handle; ends with one `Ended`.
    Invite(Box<Invite>),
    /// Say how an incoming call goes: 180 or 183, with early media where there is a body. Sent
    /// reliably (RFC 3262) where the caller requires it, or supports it and there is a body.
    Progress {
        /// 101 to 199.
        status: u16,
        /// An answer, or an offer to an INVITE without one.
        body: Option<Body>,
    },
    /// Answer an incoming call (200).
    Answer {
        /// The answer, or an offer to an INVITE without one; `None` where a reliable provisional
        /// response carried it.
        body: Option<Body>,
    },
    /// Turn an incoming call away.
    Reject {
        /// 300 to 699.
        status: u16,
        /// Why, for `Reason`.
        reason: Option<ReasonValue>,
        /// `Retry-After`.
        retry_after: Option<Duration>,
        /// `Contact` of a 3xx.
        contacts: Vec<Uri>,
    },
    /// End a call whatever its state: CANCEL, BYE, or 480 to an incoming call that was not answered.
    HangUp {
        /// Why, for `Reason` (RFC 3326).
        reason: Option<ReasonValue>,
    },
    /// Give the answer to an offer that came in an answer: [`Event::Answered`](super::Event::Answered)
    /// or a reliable [`Event::Provisional`](super::Event::Provisional) to an `Invite` without a body.
    Complete {
        /// The answer; `None` where the offer cannot be met, which ends the call after the ACK.
        body: Option<Body>,
    },
    /// Offer anew: by UPDATE before the answer, by re-INVITE after it. Glare is retried here.
    Reoffer {
        /// The offer.
        body: Body,
    },
    /// Reply to [`Event::Reoffer`](super::Event::Reoffer).
    Reply {
        /// The answer (or an offer where none came); or the status of a refusal, such as 488.
        result: Result<Body, u16>,
    },
    /// Send an INFO with this body, such as `application/dtmf-relay`.
    Info {
        /// The digit.
        body: Body,
    },
    /// Ask the far side to call somebody else (RFC 3515).
    Refer {
        /// Whom.
        to: Uri,
        /// The call of ours that the new one takes the place of (RFC 3891): attended transfer.
        replaces: Option<Handle>,
    },
    /// Reply to [`Event::Referred`](super::Event::Referred) or say how the new call goes: 100
    /// accepts, 101 to 199 is progress, anything later ends it.
    ReferStatus {
        /// Of the new call; a refusal where it is the first and at least 300.
        status: u16,
    },
    /// Register a contact and keep it registered. New handle; lives until `Unregister`.
    Register(Box<Register>),
    /// Take a registration back. Ends with one `Ended`.
    Unregister,
    /// Watch a trunk with OPTIONS. New handle; lives until `StopPing`.
    Ping(Box<Ping>),
    /// Stop watching. Ends with one `Ended`.
    StopPing,
}

/// A body and what it is.
#[derive(Clone, PartialEq, Eq)]
pub struct Body {
    /// `Content-Type`.
    pub kind: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Body {
    /// A session description.
    pub fn sdp(bytes: Vec<u8>) -> Self {
        Self { kind: "application/sdp".into(), bytes }
    }
}

impl core::fmt::Debug for Body {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "[{} of {} bytes]", self.kind, self.bytes.len())
    }
}

/// How a trunk is reached.
#[derive(Debug, Clone)]
pub struct Trunk {
    /// Whose it is. Addresses that its host resolves to count as this peer's.
    pub peer: PeerId,
    /// Where everything is sent first, whatever it is addressed to. A `transport` parameter counts.
    pub proxy: Option<Uri>,
    /// For digest challenges; several where several realms ask.
    pub credentials: Vec<Credentials>,
}

/// A call to be placed.
#[derive(Debug, Clone)]
pub struct Invite {
    /// Over which trunk.
    pub trunk: Trunk,
    /// The request URI.
    pub target: Uri,
    /// `From`, without a tag.
    pub from: NameAddr,
    /// `To`, without a tag.
    pub to: NameAddr,
    /// The user part of our `Contact`.
    pub contact_user: String,
    /// Who calls, and how that may be shown.
    pub identity: Identity,
    /// Other headers, such as `Replaces` or `Identity`. Names that the agent owns are ignored.
    pub headers: Vec<(Name, Text)>,
    /// The offer; `None` asks the far side for one.
    pub body: Option<Body>,
    /// Reliable provisional responses (RFC 3262).
    pub reliable: Reliable,
    /// Session timers; `None` leaves them to the far side.
    pub refresh: Option<super::Refresh>,
    /// How long one address of the trunk may go without any response before the next is tried; timer B,
    /// 32 s, at most. Carriers that answer at all do so within a few seconds.
    pub first_response: Duration,
    /// The longest from the INVITE to a final response; then it is cancelled.
    pub ring_limit: Duration,
}

/// Who calls, and how that may be shown. `Debug` shows none of it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// `P-Asserted-Identity` (RFC 3325).
    pub asserted: Vec<NameAddr>,
    /// `Privacy` (RFC 3323), such as `id`.
    pub privacy: Option<Text>,
    /// `Diversion` (RFC 5806), the latest first.
    pub diversion: Vec<NameAddr>,
}

impl core::fmt::Debug for Identity {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("[redacted identity]")
    }
}

/// Reliable provisional responses (RFC 3262).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reliable {
    /// Not even supported.
    Off,
    /// `Supported: 100rel`.
    Supported,
    /// `Require: 100rel`.
    Required,
}

/// A registration to be kept.
#[derive(Debug, Clone)]
pub struct Register {
    /// Over which trunk. Without a proxy the registrar itself is asked.
    pub trunk: Trunk,
    /// The registrar's domain, `sip:carrier.example`.
    pub registrar: Uri,
    /// The address of record, in `From` and `To`.
    pub identity: Uri,
    /// The user part of our `Contact`.
    pub contact_user: String,
    /// For how long at a time.
    pub expires: Duration,
}

/// A trunk to be watched.
#[derive(Debug, Clone)]
pub struct Ping {
    /// Which.
    pub trunk: Trunk,
    /// Whom the OPTIONS are for.
    pub target: Uri,
    /// How often.
    pub interval: Duration,
    /// So many failures in a row take the trunk down.
    pub down_after: u8,
    /// So many successes in a row bring it back.
    pub up_after: u8,
}
