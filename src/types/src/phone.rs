//! The words in which call control and the phone gateway speak to each other: [`Command`]s go down,
//! [`Event`]s come up. No SIP, no deck, no room: call control does not know how a number is reached or
//! what it costs, and the gateway does not know who is in a room.
//!
//! Rules of the conversation:
//! - A phone leg lives from [`Command::Dial`] or [`Event::Incoming`] to [`Event::Ended`], which comes
//!   exactly once, also after [`Command::HangUp`]. A command about a leg that is gone is ignored.
//! - Events about one leg arrive in order.
//! - [`Event::Bridge`] comes before any other event of a leg but its end; media can be connected from
//!   then on with [`Command::Connect`], before or after an answer.

use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;

use crate::counted;
use crate::id::{CallId, PhoneId, QuoteId, UserId};
use crate::media::SrtpProfile;
use crate::money::{Currency, Micros};
use crate::number::{Dialed, Number};
use crate::rtp::{PayloadType, Ssrc};
use crate::time::WallTime;

pub use crate::media::MasterKey;

/// What call control tells the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Call a number. Money is reserved and a record opened before anything leaves the machine.
    Dial(Dial),
    /// The incoming call belongs to this call and rings (SIP 180).
    Ringing {
        /// Which leg.
        phone: PhoneId,
        /// The call it became, for its records.
        call: CallId,
    },
    /// A device accepted the incoming call.
    Answer {
        /// Which leg.
        phone: PhoneId,
    },
    /// The relay leg that carries the phone's sound in the room stands: send there, listen there.
    Connect {
        /// Which leg.
        phone: PhoneId,
        /// The relay's half.
        relay: Relay,
    },
    /// Which streams of the room the phone hears, mixed. Replaces what was said before.
    Hear {
        /// Which leg.
        phone: PhoneId,
        /// Their SSRCs on the relay leg.
        streams: Vec<Ssrc>,
    },
    /// Press keys.
    Press {
        /// Which leg.
        phone: PhoneId,
        /// In order.
        digits: Vec<Digit>,
    },
    /// Put the phone on hold, or take it back.
    Hold {
        /// Which leg.
        phone: PhoneId,
        /// On hold from now on.
        held: bool,
    },
    /// End the leg: hang up, take back, or turn an incoming call away with this cause.
    HangUp {
        /// Which leg.
        phone: PhoneId,
        /// Why, for the carrier and the record.
        cause: Cause,
    },
}

/// A call to be placed over the phone network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dial {
    /// The leg to be.
    pub phone: PhoneId,
    /// The call that it belongs to.
    pub call: CallId,
    /// Who calls; their account pays.
    pub user: UserId,
    /// Whom.
    pub to: Dialed,
    /// The quote that the caller agreed to. Its price is the price of the call.
    pub quote: Option<QuoteId>,
    /// Do not show the caller's number.
    pub anonymous: bool,
}

/// What the gateway tells call control.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Where the bridge of a leg sends and receives what goes to and comes from the room.
    Bridge {
        /// Which leg.
        phone: PhoneId,
        /// The bridge's address on the side of the relay.
        address: SocketAddr,
    },
    /// Somebody calls one of our numbers.
    Incoming(Incoming),
    /// The far phone rings.
    Ringing {
        /// Which leg.
        phone: PhoneId,
    },
    /// The network sends sound before the answer, such as its own ringing tone or an announcement.
    EarlyMedia {
        /// Which leg.
        phone: PhoneId,
    },
    /// The far side answered.
    Answered {
        /// Which leg.
        phone: PhoneId,
        /// When.
        at: WallTime,
    },
    /// The far side put the call on hold, or took it back.
    Held {
        /// Which leg.
        phone: PhoneId,
        /// On hold from now on.
        held: bool,
    },
    /// The call will be cut off.
    Warning {
        /// Which leg.
        phone: PhoneId,
        /// In how long.
        left: Duration,
        /// Why.
        cause: Cause,
    },
    /// The leg is gone and its id will not be seen again.
    Ended {
        /// Which leg.
        phone: PhoneId,
        /// Why.
        cause: Cause,
    },
}

/// A call from the phone network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// The leg.
    pub phone: PhoneId,
    /// What the called number leads to.
    pub to: Reached,
    /// Our number that was called.
    pub called: Number,
    /// Who calls, unless they hide it.
    pub from: Option<Number>,
    /// The name that the network shows for them; may be empty.
    pub name: String,
}

/// What one of our numbers leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reached {
    /// The devices of a user.
    User(UserId),
    /// A room by its name. The caller has given the right PIN and is answered already.
    Room(String),
}

/// The relay's half of the path between a bridge and a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relay {
    /// Where the node listens.
    pub address: SocketAddr,
    /// How both directions are protected.
    pub profile: SrtpProfile,
    /// Protects what the bridge sends.
    pub to_room: MasterKey,
    /// Protects what the bridge hears.
    pub from_room: MasterKey,
    /// The SSRC that the bridge sends with.
    pub ssrc: Ssrc,
    /// Opus at 48 kHz (RFC 7587), both ways.
    pub opus: PayloadType,
    /// The id of the audio level extension (RFC 6464) on what the bridge sends.
    pub audio_level: u8,
}

/// A key of a telephone (RFC 4733 §3.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digit(u8);

impl Digit {
    /// The keys in the order of their event codes.
    pub const KEYS: &'static [u8; 16] = b"0123456789*#ABCD";

    /// The key with this face: `0` to `9`, `*`, `#`, `A` to `D`.
    pub fn from_face(face: char) -> Option<Self> {
        let face = u8::try_from(face).ok()?.to_ascii_uppercase();
        Self::KEYS.iter().zip(0..).find(|(key, _)| **key == face).map(|(_, code)| Self(code))
    }

    /// The key with this event code, 0 to 15.
    pub fn from_event(code: u8) -> Option<Self> {
        (usize::from(code) < Self::KEYS.len()).then_some(Self(code))
    }

    /// Its event code, 0 to 15.
    pub const fn event(self) -> u8 {
        self.0
    }

    /// What is printed on it.
    pub fn face(self) -> char {
        Self::KEYS.get(usize::from(self.0)).copied().unwrap_or(b'0').into()
    }
}

/// What somebody presses may be a PIN.
impl fmt::Debug for Digit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted digit]")
    }
}

counted! {
    /// Why a phone leg ended.
    pub enum Cause {
        /// By one side, after an answer.
        HungUp = "hung_up",
        /// The far side turned it away.
        Declined = "declined",
        /// The far side is busy.
        Busy = "busy",
        /// Taken back before an answer.
        Cancelled = "cancelled",
        /// It rang and nobody answered.
        NoAnswer = "no_answer",
        /// The number does not exist, or its phone cannot be reached.
        Unavailable = "unavailable",
        /// The number cannot be a number.
        InvalidNumber = "invalid_number",
        /// The account may not call this destination.
        NotPermitted = "not_permitted",
        /// The account is suspended.
        Suspended = "suspended",
        /// The balance does not pay for a call there.
        NoCredit = "no_credit",
        /// The balance was used up during the call.
        CreditEnded = "credit_ended",
        /// The longest call allowed was reached.
        TimeLimit = "time_limit",
        /// Too many calls, of the account or of every trunk.
        Congestion = "congestion",
        /// No trunk goes there at a price that pays, or every one failed.
        NoRoute = "no_route",
        /// No sound came from the far side for too long.
        MediaLost = "media_lost",
        /// Our own fault, or our store's.
        Server = "server",
    }
}

/// What a call to a number would cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// Names it in [`Dial::quote`].
    pub id: QuoteId,
    /// The number as it was understood.
    pub to: Dialed,
    /// Where that is, in words: `Germany, mobile`.
    pub destination: String,
    /// What a minute costs.
    pub per_minute: Micros,
    /// What an answer costs.
    pub connection_fee: Micros,
    /// Of which currency.
    pub currency: Currency,
    /// What the first bit of time is rounded up to, in seconds.
    pub first_increment_s: u32,
    /// What further time is rounded up to, in seconds.
    pub next_increment_s: u32,
    /// How long the price is kept.
    pub valid_for: Duration,
    /// How long the balance would last; `None` where nothing limits it.
    pub longest: Option<Duration>,
    /// An emergency number: free, and never refused for credit.
    pub emergency: bool,
}

/// What an account has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balance {
    /// Booked, without what is set aside. Below zero on credit.
    pub booked: Micros,
    /// Set aside for calls in progress.
    pub reserved: Micros,
    /// How far below zero it may go.
    pub credit_limit: Micros,
    /// Of which currency.
    pub currency: Currency,
}

/// What one phone leg cost its account, for the account's owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// The call it belongs to.
    pub call: CallId,
    /// Where that was, in words.
    pub destination: String,
    /// What a minute cost.
    pub per_minute: Micros,
    /// What an answer cost.
    pub connection_fee: Micros,
    /// From answer to end, in milliseconds.
    pub talked_ms: u64,
    /// The time that was charged for, in seconds.
    pub billed_s: u64,
    /// What it cost.
    pub amount: Micros,
    /// Of which currency.
    pub currency: Currency,
    /// How good it sounded, as a mean opinion score in hundredths, 100 to 500; zero when unknown.
    pub mos: u16,
    /// False while the call goes on: figures so far.
    pub closed: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faces_and_event_codes_name_the_same_keys() {
        for (face, code) in [('0', 0), ('9', 9), ('*', 10), ('#', 11), ('A', 12), ('d', 15)] {
            let digit = Digit::from_face(face).unwrap();
            assert_eq!(digit.event(), code);
            assert_eq!(Digit::from_event(code), Some(digit));
            assert_eq!(digit.face(), face.to_ascii_uppercase());
        }
        assert_eq!(Digit::from_event(16), None);
        assert_eq!(Digit::from_face('x'), None);
    }

    #[test]
    fn secrets_are_not_shown() {
        let key = MasterKey { key: vec![7; 16], salt: vec![7; 12] };
        assert!(!format!("{key:?}{:?}", Digit::from_face('7')).contains('7'));
    }
}
