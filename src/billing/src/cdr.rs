//! Call detail records: one for each attempt to reach a number over one trunk, opened before the
//! INVITE and closed exactly once.
//!
//! A [`Cdr`] is made by [`Cdr::open`], learns how the call goes from [`Interim`] figures, and is
//! closed by [`Cdr::close`] from [`Evidence`], which also says what the ledger has to do. After a
//! crash [`Cdr::evidence_left`] finds the evidence in what was stored last.
//!
//! The rates are pinned when it is opened: a deck that changes meanwhile changes nothing.

mod close;
mod e_model;
mod policy;
mod quality;

use core::fmt;
use core::time::Duration;

use offhook_types::phone::Cause;
use offhook_types::{
    AccountId, CallId, CdrId, Currency, Dialed, Micros, PhoneId, TrunkId, UserId, WallTime, counted,
};

use crate::deck::Label;
use crate::ledger::{Op, Part, Reservation, TransferId};
use crate::rate::{BadRate, Charge, Rate, charge};

pub use close::{AlreadyClosed, Closed};
pub use e_model::mos;
pub use policy::{Fate, Policy};
pub use quality::{Stream, Voice, VoiceCodec};

/// One attempt to reach a number over one trunk, or one call from a trunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cdr {
    /// What is known from the beginning.
    pub opening: Opening,
    /// The call that it belongs to; an incoming one has it only once somebody is rung.
    pub call: Option<CallId>,
    /// What is set aside for it in all.
    pub reserved: Micros,
    /// When what happened.
    pub times: Times,
    /// How it sounded.
    pub voice: Voice,
    /// How it ended; `None` while it is open.
    pub end: Option<End>,
}

/// What is known of an attempt before anything is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// The record.
    pub id: CdrId,
    /// The phone leg; its attempts share it.
    pub phone: PhoneId,
    /// Who pays.
    pub account: AccountId,
    /// Who calls or is called, unless it is a room.
    pub user: Option<UserId>,
    /// Which way.
    pub direction: Direction,
    /// Who calls; `None` when that is hidden.
    pub from: Option<Recorded>,
    /// Who is called.
    pub to: Recorded,
    /// Where that is, in words.
    pub destination: String,
    /// Over which trunk.
    pub trunk: TrunkId,
    /// Counting from one within the leg.
    pub attempt: u16,
    /// Why this trunk: the decision in a line.
    pub route: String,
    /// What the account pays.
    pub sell: Pinned,
    /// What the carrier gets.
    pub buy: Pinned,
    /// What to set aside before anything is sent; zero for calls that are free.
    pub reserve: Micros,
    /// When.
    pub at: WallTime,
}

/// A rate as it was when the record was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    /// The version of the deck that it comes from, and its currency.
    pub deck: Label,
    /// The rate.
    pub rate: Rate,
}

impl Pinned {
    /// Nothing costs anything, and no deck says so: version zero of the list without a name.
    pub fn free(currency: Currency) -> Self {
        Self { deck: Label { name: "".into(), version: 0, currency }, rate: Rate::FREE }
    }

    /// In which its amounts are.
    pub const fn currency(&self) -> Currency {
        self.deck.currency
    }

    /// What a call of this length costs. A length beyond [`LONGEST`] is a clock gone wrong.
    pub fn charge(&self, talked: Duration) -> Result<Charge, BadRate> {
        charge(&self.rate, talked.min(LONGEST))
    }
}

/// No call lasts longer, so a rate that can price a year can price them all.
pub const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

counted! {
    /// Which way a phone call goes.
    pub enum Direction {
        /// From us to the phone network.
        Out = "out",
        /// From the phone network to us.
        In = "in",
    }
}

/// A number as it is kept: whole, or with its last digits hidden as the policy wants it. `Debug` is
/// redacted.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Recorded(Box<str>);

impl Recorded {
    /// What was stored once.
    pub fn from_stored(text: &str) -> Self {
        Self(text.into())
    }

    /// As dialled, hidden digits as `X`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number itself, as long as it is whole.
    pub fn dialed(&self) -> Option<Dialed> {
        self.0.parse().ok()
    }

    /// With its last `hidden` digits hidden.
    #[must_use]
    pub fn truncated(&self, hidden: usize) -> Self {
        let digits = self.0.bytes().filter(u8::is_ascii_alphanumeric).count();
        let shown = digits.saturating_sub(hidden);
        let mut seen = 0;
        let hide = |face: char| {
            seen += usize::from(face.is_ascii_alphanumeric());
            if seen > shown && face.is_ascii_alphanumeric() { 'X' } else { face }
        };
        Self(self.0.chars().map(hide).collect::<String>().into())
    }
}

impl From<&Dialed> for Recorded {
    fn from(dialed: &Dialed) -> Self {
        Self(dialed.as_str().into())
    }
}

impl fmt::Debug for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted number]")
    }
}

/// When what happened, each on its own. `None` is not yet, or never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Times {
    /// The INVITE was sent or received.
    pub invited: Option<WallTime>,
    /// The far phone rings.
    pub ringing: Option<WallTime>,
    /// It was answered.
    pub answered: Option<WallTime>,
    /// The first packet from the carrier.
    pub first_in: Option<WallTime>,
    /// The newest packet from the carrier.
    pub last_in: Option<WallTime>,
    /// The first packet to the carrier.
    pub first_out: Option<WallTime>,
    /// The newest packet to the carrier.
    pub last_out: Option<WallTime>,
}

impl Times {
    /// Take what is new: what happened first stays, what happened last moves on.
    pub fn merge(&mut self, newer: &Self) {
        self.invited = self.invited.or(newer.invited);
        self.ringing = self.ringing.or(newer.ringing);
        self.answered = self.answered.or(newer.answered);
        self.first_in = self.first_in.or(newer.first_in);
        self.first_out = self.first_out.or(newer.first_out);
        self.last_in = self.last_in.max(newer.last_in);
        self.last_out = self.last_out.max(newer.last_out);
    }

    /// The newest sign of life of the media, whichever way.
    pub fn last_media(&self) -> Option<WallTime> {
        self.last_in.max(self.last_out)
    }
}

/// How a call goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Interim {
    /// The call that it belongs to, if that is new.
    pub call: Option<CallId>,
    /// When what happened so far.
    pub times: Times,
    /// How it sounds so far.
    pub voice: Voice,
}

/// How it is known that a call ended, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evidence {
    /// What shows it.
    pub proof: Proof,
    /// Who ended it.
    pub by: Ender,
    /// Why, as the caller is told.
    pub cause: Cause,
    /// The final response, if there was one.
    pub sip: Option<u16>,
    /// The cause of the telephone network (ITU-T Q.850), if one was named.
    pub q850: Option<u8>,
    /// When it ended.
    pub at: WallTime,
    /// From the answer to the end, by the even clock; zero when it was not answered.
    pub talked: Duration,
    /// The last figures.
    pub last: Interim,
}

counted! {
    /// What shows that a call ended.
    pub enum Proof {
        /// The far side sent BYE.
        Bye = "bye",
        /// We sent BYE.
        HangUp = "hang_up",
        /// The caller took it back before the answer.
        Cancel = "cancel",
        /// A final response turned it away.
        Response = "response",
        /// Nothing came in answer to the INVITE.
        Silence = "silence",
        /// No media came for too long.
        MediaLost = "media_lost",
        /// Nothing was ever sent.
        NotSent = "not_sent",
        /// The server went down; the newest media stored is the end.
        LastMedia = "last_media",
        /// The server went down before an answer.
        NeverAnswered = "never_answered",
    }
}

counted! {
    /// Who ended a call.
    pub enum Ender {
        /// Who called.
        Caller = "caller",
        /// Who was called.
        Callee = "callee",
        /// The carrier or the network behind it.
        Network = "network",
        /// We: a limit, a fault, the end of the money.
        House = "house",
    }
}

/// The end of a call, and what it came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// What shows it.
    pub proof: Proof,
    /// Who ended it.
    pub by: Ender,
    /// Why, as the caller is told.
    pub cause: Cause,
    /// The final response, if there was one.
    pub sip: Option<u16>,
    /// The cause of the telephone network (ITU-T Q.850), if one was named.
    pub q850: Option<u8>,
    /// When.
    pub at: WallTime,
    /// From answer to end; zero when it was not answered.
    pub talked: Duration,
    /// What the account pays.
    pub sell: Charge,
    /// What the carrier gets.
    pub buy: Charge,
}

impl Cdr {
    /// Open a record.
    ///
    /// # Errors
    /// Rates that make no sense, or that cannot price a long call: better before it than after.
    pub fn open(opening: Opening) -> Result<Self, BadRate> {
        opening.sell.charge(LONGEST)?;
        opening.buy.charge(LONGEST)?;
        Ok(Self {
            call: None,
            reserved: opening.reserve,
            times: Times::default(),
            voice: Voice::default(),
            end: None,
            opening,
        })
    }

    /// The reservation that has to be made before anything is sent, unless the call is free.
    pub fn reserve(&self) -> Option<Op> {
        let reservation = self.reservation()?;
        let Opening { account, id: cdr, .. } = self.opening;
        let amount = self.reserved;
        Some(Op::Reserve(Reservation { id: reservation, account, amount, cdr }))
    }

    /// The id of its reservation; `None` when nothing is set aside.
    pub fn reservation(&self) -> Option<TransferId> {
        (self.reserved > Micros::ZERO).then(|| TransferId::of(self.opening.id, Part::Sell))
    }

    /// Set more aside, this much in all. What the ledger has to do for it, unless that much is set
    /// aside or the record is closed.
    pub fn extend(&mut self, total: Micros) -> Option<Op> {
        if self.end.is_some() || total <= self.reserved {
            return None;
        }
        let before = self.reservation();
        self.reserved = total;
        match before {
            Some(reservation) => Some(Op::Extend { reservation, total }),
            None => self.reserve(),
        }
    }

    /// Learn how the call goes on; false when the record is closed, which changes nothing.
    pub fn update(&mut self, interim: &Interim) -> bool {
        if self.end.is_some() {
            return false;
        }
        self.call = self.call.or(interim.call);
        self.times.merge(&interim.times);
        self.voice.merge(&interim.voice);
        true
    }

    /// From answer to end, or to the newest media while it is open.
    pub fn talked(&self) -> Duration {
        match (self.end, self.times.answered, self.times.last_media()) {
            (Some(end), ..) => end.talked,
            (None, Some(answered), Some(last)) => {
                Duration::from_millis(last.0.saturating_sub(answered.0))
            }
            _ => Duration::ZERO,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
