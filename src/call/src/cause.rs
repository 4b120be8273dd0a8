//! Why calls end and why requests are refused: two closed sets, each with a stable label for
//! metrics and storage.

use core::time::Duration;

use offhook_types::counted;
use offhook_types::counters::Counted;
use offhook_types::phone;

counted! {
    /// Why a call ended, as one device is told. A record carries the cause that the two people are
    /// told; the two `…Elsewhere` causes exist only for the callee's other devices.
    pub enum Cause {
        /// By one side, after it was accepted.
        HungUp = "hung_up",
        /// By the callee, before it was accepted.
        Declined = "declined",
        /// The callee is on another call.
        Busy = "busy",
        /// Taken back by the caller before an answer.
        Cancelled = "cancelled",
        /// It rang and nobody answered.
        NoAnswer = "no_answer",
        /// Nobody to ring: unknown, blocked or out of reach, which are not told apart.
        Unavailable = "unavailable",
        /// Another device of the callee accepted.
        AnsweredElsewhere = "answered_elsewhere",
        /// Another device of the callee declined.
        DeclinedElsewhere = "declined_elsewhere",
        /// A side vanished after the call was accepted.
        ConnectionLost = "connection_lost",
        /// The longest call allowed was reached.
        TimeLimit = "time_limit",
        /// The server went down, or could not record the call or open its room.
        Server = "server",
        /// The number cannot be called over the phone network.
        InvalidNumber = "invalid_number",
        /// The account may not call there, or is suspended.
        NotPermitted = "not_permitted",
        /// The balance does not pay for it.
        NoCredit = "no_credit",
        /// The balance was used up during the call.
        CreditEnded = "credit_ended",
        /// No carrier could take it.
        Carrier = "carrier",
    }
}

impl Cause {
    /// The cause of a [`label`](Counted::label), for reading records back.
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|cause| cause.label() == label)
    }

    /// What the people are told when a phone leg ends.
    pub fn of_phone(cause: phone::Cause) -> Self {
        match cause {
            phone::Cause::HungUp => Self::HungUp,
            phone::Cause::Declined => Self::Declined,
            phone::Cause::Busy => Self::Busy,
            phone::Cause::Cancelled => Self::Cancelled,
            phone::Cause::NoAnswer => Self::NoAnswer,
            phone::Cause::Unavailable => Self::Unavailable,
            phone::Cause::InvalidNumber => Self::InvalidNumber,
            phone::Cause::NotPermitted | phone::Cause::Suspended => Self::NotPermitted,
            phone::Cause::NoCredit => Self::NoCredit,
            phone::Cause::CreditEnded => Self::CreditEnded,
            phone::Cause::TimeLimit => Self::TimeLimit,
            phone::Cause::Congestion | phone::Cause::NoRoute => Self::Carrier,
            phone::Cause::MediaLost => Self::ConnectionLost,
            phone::Cause::Server => Self::Server,
        }
    }

    /// What the gateway is told when a call ends that has a phone leg. The phone network has no
    /// word for a device of ours that vanished: to it somebody hung up.
    pub fn to_phone(self) -> phone::Cause {
        match self {
            Self::HungUp
            | Self::AnsweredElsewhere
            | Self::DeclinedElsewhere
            | Self::ConnectionLost => phone::Cause::HungUp,
            Self::Declined => phone::Cause::Declined,
            Self::Busy => phone::Cause::Busy,
            Self::Cancelled => phone::Cause::Cancelled,
            Self::NoAnswer => phone::Cause::NoAnswer,
            Self::Unavailable => phone::Cause::Unavailable,
            Self::TimeLimit => phone::Cause::TimeLimit,
            Self::Server => phone::Cause::Server,
            Self::InvalidNumber => phone::Cause::InvalidNumber,
            Self::NotPermitted => phone::Cause::NotPermitted,
            Self::NoCredit => phone::Cause::NoCredit,
            Self::CreditEnded => phone::Cause::CreditEnded,
            Self::Carrier => phone::Cause::NoRoute,
        }
    }
}

counted! {
    /// [`Refusal`] without its details, to count by.
    pub enum RefusalKind {
        /// See [`Refusal::NoSuchCall`].
        NoSuchCall = "no_such_call",
        /// See [`Refusal::WrongState`].
        WrongState = "wrong_state",
        /// See [`Refusal::InCall`].
        InCall = "in_call",
        /// See [`Refusal::RateLimited`].
        RateLimited = "rate_limited",
        /// See [`Refusal::BadNumber`].
        BadNumber = "bad_number",
        /// See [`Refusal::Unavailable`].
        Unavailable = "unavailable",
    }
}

/// Why a device's request was not done. Nothing changed because of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such call for this device. Said of other people's calls too.
    #[error("no such call for this device")]
    NoSuchCall,
    /// The call is past the point where this makes sense.
    #[error("the call is past the point where this makes sense")]
    WrongState,
    /// The user is in another call already.
    #[error("you are in another call already")]
    InCall,
    /// The user places calls too quickly.
    #[error("too many calls were placed: try again in {} s", retry_after.as_secs())]
    RateLimited {
        /// When the next one would be let through, rounded up to whole seconds.
        retry_after: Duration,
    },
    /// One's own number.
    #[error("this number cannot be called")]
    BadNumber,
    /// The server is full or draining.
    #[error("no calls can be placed at the moment: try again later")]
    Unavailable,
}

impl Refusal {
    /// What to count it as.
    pub fn kind(self) -> RefusalKind {
        match self {
            Self::NoSuchCall => RefusalKind::NoSuchCall,
            Self::WrongState => RefusalKind::WrongState,
            Self::InCall => RefusalKind::InCall,
            Self::RateLimited { .. } => RefusalKind::RateLimited,
            Self::BadNumber => RefusalKind::BadNumber,
            Self::Unavailable => RefusalKind::Unavailable,
        }
    }
}
