//! What a leg is told and what it wants done.

use std::sync::Arc;
use std::time::Duration;

use offhook_billing::authorize::{Allowance, Progress};
use offhook_billing::cdr::{Evidence, Interim, Opening, Pinned};
use offhook_billing::rate::Rate;
use offhook_billing::route::{Observed, Shown};
use offhook_bridge::{self as bridge, Opened, Order};
use offhook_sip::agent::{Body, Command as SipCommand, Event as SipEvent, Handle, Incoming};
use offhook_types::phone::{self, Cause, Digit, Reached};
use offhook_types::{
    AccountId, CdrId, Dialed, Number, PhoneId, QuoteId, Time, TrunkId, UserId, WallTime,
};

use crate::trunk::Trunk;

/// Both clocks, read once.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// The even one, for durations.
    pub time: Time,
    /// The calendar, for records.
    pub wall: WallTime,
}

/// Limits and timers of a leg.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For routing, the books and the bridge to answer before anything is sent.
    pub prepare: Duration,
    /// From an INVITE to its answer.
    pub ring: Duration,
    /// Trunks tried for one call.
    pub attempts: u16,
    /// Redirections and transfers followed in one call.
    pub redirections: u8,
    /// For the digits of a PIN, from the last one.
    pub pin_wait: Duration,
    /// Wrong PINs in one call.
    pub pin_tries: u8,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            prepare: Duration::from_secs(10),
            ring: Duration::from_secs(120),
            attempts: 4,
            redirections: 2,
            pin_wait: Duration::from_secs(15),
            pin_tries: 3,
        }
    }
}

/// What a leg is told.
#[derive(Debug)]
// An input is made, moved once and taken apart: a box would cost more than the bytes it saves.
#[expect(clippy::large_enum_variant)]
pub enum Input {
    /// By call control.
    Command(phone::Command),
    /// The answer to [`Output::Authorize`].
    Authorized(Result<Box<Authorized>, Refused>),
    /// The answer to [`Output::OpenBridge`].
    BridgeOpened(Result<Opened, bridge::Refused>),
    /// The answer to [`Output::Open`].
    Opened {
        /// Which record.
        cdr: CdrId,
        /// Whether it is durable and its money set aside.
        result: Result<(), OpenRefused>,
    },
    /// The answer to [`Output::Extend`].
    Extended(Result<Allowance, OpenRefused>),
    /// Money came in: what was too little may be enough now.
    Funds,
    /// By the agent, about one of the leg's dialogs.
    Sip {
        /// Which.
        handle: Handle,
        /// What.
        event: SipEvent,
    },
    /// The far side has moved to another phone, which calls in place of the first.
    TakenOver {
        /// Its dialog.
        handle: Handle,
        /// What it brings.
        takeover: Takeover,
    },
    /// By the bridge.
    Bridge(bridge::Event),
    /// The answer to [`Output::CheckPin`].
    Pin {
        /// Whether it is the one.
        right: bool,
    },
    /// The server goes down.
    Stop,
}

/// A call may be made, in these ways.
#[derive(Debug, Clone)]
pub struct Authorized {
    /// Who pays.
    pub account: AccountId,
    /// An emergency call: free, and never cut off.
    pub emergency: bool,
    /// What it costs.
    pub sell: Pinned,
    /// Where that is, in words.
    pub destination: String,
    /// Trunks in the order in which they are tried.
    pub ways: Vec<Way>,
    /// The first slice.
    pub allowance: Allowance,
}

/// One trunk for one call.
#[derive(Debug, Clone)]
pub struct Way {
    /// Which.
    pub trunk: Arc<Trunk>,
    /// What the carrier takes.
    pub buy: Pinned,
    /// What the far side is shown.
    pub shown: Shown,
    /// Why it comes where it comes, in a line.
    pub why: String,
    /// Random bytes that media keys are cut from.
    pub secret: Secret,
}

/// Random bytes from the operating system, enough for the key and salt of any suite.
#[derive(Clone, Copy)]
pub struct Secret(pub [u8; 48]);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted secret]")
    }
}

/// Why a call is not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// What call control is told.
    pub cause: Cause,
}

/// Why a record was not opened, or more money not set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenRefused {
    /// The trunk has no channel left: another may.
    TrunkFull,
    /// The balance does not cover it.
    NoCredit,
    /// A limit against fraud.
    NotPermitted,
    /// The store does not write.
    Unavailable,
}

/// What a leg wants done.
#[derive(Debug)]
pub enum Output {
    /// May this call be made, how, and on what? Answered by [`Input::Authorized`].
    Authorize(Dial),
    /// Open a bridge. Answered by [`Input::BridgeOpened`].
    OpenBridge,
    /// Tell the bridge.
    Bridge(Order),
    /// Take a channel of the trunk, open a record and set its money aside, durably. Answered by
    /// [`Input::Opened`].
    Open(Box<Opening>),
    /// How a call goes on. Not answered; what comes later counts.
    Update {
        /// Which record.
        cdr: CdrId,
        /// What is new.
        interim: Box<Interim>,
    },
    /// Set the next slice aside. Answered by [`Input::Extended`].
    Extend {
        /// For which record.
        cdr: CdrId,
        /// Whose money.
        account: AccountId,
        /// At which price.
        rate: Rate,
        /// How far the call is.
        progress: Progress,
    },
    /// Close a record, and give the trunk's channel back. Not answered: it is retried until it is done.
    Close {
        /// Which record.
        cdr: CdrId,
        /// Over which trunk it was.
        trunk: TrunkId,
        /// How it ended.
        evidence: Box<Evidence>,
        /// What became of the attempt, for the quality of the trunk; `None` where it says nothing.
        observed: Option<Observed>,
    },
    /// Have the agent do something.
    Sip {
        /// About which dialog.
        handle: Handle,
        /// What.
        command: Box<SipCommand>,
    },
    /// Tell call control.
    Tell(phone::Event),
    /// Compare what was pressed with the PIN of the called number. Answered by [`Input::Pin`].
    CheckPin {
        /// The number.
        called: Number,
        /// What was pressed.
        pressed: Vec<Digit>,
    },
}

/// A call to be authorized.
#[derive(Debug, Clone)]
pub struct Dial {
    /// Whose account pays.
    pub user: UserId,
    /// Whom.
    pub to: Dialed,
    /// The price that the caller agreed to.
    pub quote: Option<QuoteId>,
    /// The price that the call has already: another number is called in its course.
    pub pinned: Option<Rate>,
    /// The number that the far side has redirected from.
    pub redirected_from: Option<Dialed>,
    /// Do not show the caller's number.
    pub anonymous: bool,
}

/// A call from a trunk, to one of our numbers.
#[derive(Debug)]
pub struct Arrival {
    /// The leg to be.
    pub phone: PhoneId,
    /// The agent's name for it.
    pub handle: Handle,
    /// What the agent said.
    pub incoming: Box<Incoming>,
    /// From which trunk.
    pub trunk: Arc<Trunk>,
    /// Our number.
    pub called: Number,
    /// Who calls, unless they hide it.
    pub from: Option<Number>,
    /// The name that the network shows for them.
    pub name: String,
    /// Who owns the number.
    pub account: AccountId,
    /// Where it leads.
    pub leads_to: Where,
    /// What the number's owner pays.
    pub sell: Pinned,
    /// What the carrier takes.
    pub buy: Pinned,
    /// Random bytes that media keys are cut from.
    pub secret: Secret,
}

/// A call that takes the place of one that stands (RFC 3891).
#[derive(Debug)]
pub struct Takeover {
    /// The offer; `None` asks for ours.
    pub offer: Option<Body>,
    /// Random bytes that media keys are cut from.
    pub secret: Secret,
}

/// Where one of our numbers leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Where {
    /// To whom.
    pub reached: Reached,
    /// Whether a PIN is asked for first.
    pub pin: bool,
}
