//! What an agent wants done, and what it says.

use core::net::SocketAddr;
use core::time::Duration;

use offhook_types::Time;

use super::{Body, Flow, Handle, Identity, PeerId, QueryId, SendId, Transport};
use crate::header::{NameAddr, ReasonValue, Replaces};
use crate::text::Text;
use crate::uri::Uri;

/// What an agent wants done, and what it says.
#[derive(Debug, Clone)]
// An output is made, moved once and taken apart: a box would cost more than the bytes it saves.
#[expect(clippy::large_enum_variant)]
pub enum Output {
    /// Send a message.
    Send(Send),
    /// Look a name up and say [`Input::Resolved`](super::Input::Resolved).
    Resolve {
        /// Which question.
        query: QueryId,
        /// What.
        question: Question,
    },
    /// Something happened.
    Event {
        /// To which call, registration or keep-alive.
        handle: Handle,
        /// What.
        event: Event,
    },
    /// A message passed. Only with [`Config::trace`](super::Config::trace).
    Trace(Trace),
}

/// A message to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Send {
    /// Named in [`Input::Unsent`](super::Input::Unsent) where it comes to nothing.
    pub id: SendId,
    /// Where to.
    pub hop: Hop,
    /// The message.
    pub bytes: Vec<u8>,
}

/// The next hop of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// Over what.
    pub transport: Transport,
    /// From which socket; for streams, the local address of the connection where it is known.
    pub local: Option<SocketAddr>,
    /// Where to.
    pub remote: SocketAddr,
    /// The name that a TLS certificate must be for; `None` for an address.
    pub name: Option<String>,
    /// Whether a connection may be opened where there is none. Without, say `Unsent`.
    pub connect: bool,
}

/// A question to the name system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// NAPTR of this name.
    Naptr(String),
    /// SRV of this name, such as `_sip._udp.example.com`.
    Srv(String),
    /// A and AAAA of this name.
    Address(String),
}

/// Something happened.
#[derive(Debug, Clone)]
// As with outputs.
#[expect(clippy::large_enum_variant)]
pub enum Event {
    /// A provisional response to our INVITE, 101 to 199. One 100 is said too.
    Provisional {
        /// Its status.
        status: u16,
        /// An answer, which may be early media; or an offer, which wants [`Command::Complete`].
        ///
        /// [`Command::Complete`]: super::Command::Complete
        body: Option<Body>,
        /// Sent reliably: its body holds.
        reliable: bool,
        /// Which early dialog, counted from zero.
        fork: u16,
    },
    /// Our INVITE was answered. From now on it is a call.
    Answered {
        /// The answer, where none came before; an offer where the INVITE had none.
        body: Option<Body>,
        /// Of which early dialog. The others are gone.
        fork: u16,
    },
    /// Somebody calls.
    Incoming(Box<Incoming>),
    /// An ACK or PRACK came: the far side has our answer.
    Confirmed {
        /// Its answer, where ours was an offer.
        body: Option<Body>,
    },
    /// The far side offers anew and waits for [`Command::Reply`](super::Command::Reply).
    Reoffer {
        /// The offer; `None` asks for one.
        body: Option<Body>,
    },
    /// Our [`Command::Reoffer`](super::Command::Reoffer) was answered.
    ReofferAnswered {
        /// The answer.
        body: Option<Body>,
    },
    /// Our [`Command::Reoffer`](super::Command::Reoffer) was refused. What was agreed before holds.
    ReofferFailed {
        /// The response, or 408 where none came.
        status: u16,
    },
    /// An INFO came, and was answered.
    Info {
        /// Such as `application/dtmf-relay` or `application/dtmf`.
        body: Body,
    },
    /// The far side asks us to call somebody, and waits for
    /// [`Command::ReferStatus`](super::Command::ReferStatus).
    Referred {
        /// Whom.
        to: Uri,
        /// The dialog that the new call is to take the place of: an attended transfer. To be passed on
        /// as a header of the new [`Invite`](super::Invite).
        replaces: Option<Replaces>,
        /// Who asks (RFC 3892).
        by: Option<NameAddr>,
    },
    /// How our REFER goes.
    ReferProgress {
        /// Of the new call; 202 where only the request was accepted; 408 where nothing was heard.
        status: u16,
        /// Nothing more will come.
        done: bool,
    },
    /// The call, registration or keep-alive is over. Comes exactly once, and last.
    Ended(Ended),
    /// Registered, again or for the first time.
    Registered {
        /// For how long.
        expires: Duration,
    },
    /// Not registered. It will be tried again.
    RegistrationFailed {
        /// The response, or 408 where none came.
        status: u16,
        /// When the next try is.
        retry_in: Duration,
    },
    /// The trunk answers.
    TrunkUp,
    /// The trunk does not answer.
    TrunkDown,
}

/// A call that comes in.
#[derive(Clone)]
pub struct Incoming {
    /// From which peer.
    pub peer: PeerId,
    /// Over what.
    pub flow: Flow,
    /// The request URI.
    pub target: Uri,
    /// `From`.
    pub from: NameAddr,
    /// `To`.
    pub to: NameAddr,
    /// Who calls, and how that may be shown.
    pub identity: Identity,
    /// `Call-ID`, for records.
    pub call_id: Text,
    /// A call of ours that it wants to take the place of (RFC 3891).
    pub replaces: Option<Handle>,
    /// The offer; `None` asks for one.
    pub body: Option<Body>,
    /// Provisional responses will be reliable (RFC 3262).
    pub reliable: bool,
}

impl core::fmt::Debug for Incoming {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { peer, body, reliable, replaces, .. } = self;
        write!(f, "Incoming({peer:?}, {body:?}, reliable {reliable}, replaces {replaces:?})")
    }
}

/// How something ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// Who ended it.
    pub by: By,
    /// Whether a call had been answered.
    pub answered: bool,
    /// The final response: theirs to an INVITE of ours, ours to theirs, or 200 after a BYE. Where no
    /// response came it is the one that RFC 3261 has us assume: 408 or 503.
    pub status: u16,
    /// `Reason` of the BYE, CANCEL or response that ended it.
    pub reason: Option<ReasonValue>,
    /// `Retry-After`.
    pub retry_after: Option<Duration>,
    /// `Contact` of a 3xx.
    pub contacts: Vec<Uri>,
}

/// Who ended it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum By {
    /// We, at the caller's command.
    Us,
    /// The far side.
    Them,
    /// Nobody: it was not answered, refreshed, acknowledged or decided in time.
    Timer,
    /// The network: nothing could be sent or resolved.
    Network,
    /// We, since the far side broke the protocol or a limit was reached.
    Protocol,
}

/// A message that passed, for the ladder of a call.
#[derive(Debug, Clone)]
pub struct Trace {
    /// Whose; `None` where it is not known.
    pub handle: Option<Handle>,
    /// When.
    pub at: Time,
    /// Which way.
    pub way: Way,
    /// Over what.
    pub transport: Transport,
    /// The far end.
    pub remote: SocketAddr,
    /// The message, with what proves a password taken out.
    pub text: Vec<u8>,
}

/// Which way a message passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From us.
    Out,
    /// To us.
    In,
}
