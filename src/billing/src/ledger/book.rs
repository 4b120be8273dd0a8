//! The names of things in the ledger: books, transfer ids, purposes. Each has a text form for
//! storage and for people.

use core::fmt;
use core::str::FromStr;

use offhook_types::counters::Counted;
use offhook_types::{AccountId, CdrId, Currency, TrunkId, counted};

/// Whose money is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Book {
    /// A customer's account: above zero is credit that they have with us. Its currency is fixed
    /// when it is opened.
    Customer(AccountId),
    /// The carrier behind a trunk: above zero is what we owe them.
    Carrier(TrunkId, Currency),
    /// One of our own.
    House(House, Currency),
}

counted! {
    /// Our own books, one of each per currency. Below zero is money that came from there.
    #[derive(PartialOrd, Ord)]
    pub enum House {
        /// What customers paid for calls.
        Revenue = "revenue",
        /// What calls cost us; the other side of every carrier's book.
        CarrierCost = "carrier_cost",
        /// Where top-ups come from.
        Funding = "funding",
        /// Where refunds come from.
        Refunds = "refunds",
        /// The other side of corrections by hand.
        Adjustments = "adjustments",
        /// Amounts that somebody has to explain yet.
        Suspense = "suspense",
    }
}

counted! {
    /// What a transfer is for.
    pub enum Purpose {
        /// A call, paid from its reservation.
        Call = "call",
        /// What a call cost beyond its reservation.
        Overrun = "overrun",
        /// What a carrier gets for a call.
        Cost = "cost",
        /// Credit bought or given.
        TopUp = "top_up",
        /// Credit given back for a call.
        Refund = "refund",
        /// A correction by hand.
        Adjustment = "adjustment",
    }
}

impl House {
    /// The inverse of [`label`](Counted::label).
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|house| house.label() == label)
    }
}

impl Purpose {
    /// The inverse of [`label`](Counted::label).
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|purpose| purpose.label() == label)
    }
}

/// `AC_…` for customers, `TK_…/USD` for carriers, `revenue/USD` for the house.
impl fmt::Display for Book {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Customer(account) => write!(f, "{account}"),
            Self::Carrier(trunk, currency) => write!(f, "{trunk}/{currency}"),
            Self::House(house, currency) => write!(f, "{}/{currency}", house.label()),
        }
    }
}

/// Text that names no book.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a book: write AC_…, TK_…/USD or revenue/USD")]
pub struct BadBook;

impl FromStr for Book {
    type Err = BadBook;

    fn from_str(text: &str) -> Result<Self, BadBook> {
        let Some((name, currency)) = text.split_once('/') else {
            return text.parse().map(Self::Customer).map_err(|_| BadBook);
        };
        let currency = currency.parse().map_err(|_| BadBook)?;
        if let Some(house) = House::from_label(name) {
            return Ok(Self::House(house, currency));
        }
        name.parse().map(|trunk| Self::Carrier(trunk, currency)).map_err(|_| BadBook)
    }
}

/// The id of a transfer or reservation, made by whoever asks for it. Those of a call are derived
/// from its record by [`TransferId::of`], so that a restart makes the same ones; others are random.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransferId(pub u128);

/// Which of the transfers of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The reservation, and what is captured of it.
    Sell = 1,
    /// What went beyond the reservation.
    Overrun = 2,
    /// What the carrier gets.
    Cost = 3,
}

impl TransferId {
    /// The id of a record's transfer.
    pub const fn of(cdr: CdrId, part: Part) -> Self {
        Self(((cdr.0 as u128) << 64) | part as u128)
    }
}

/// Thirty-two hexadecimal digits.
impl fmt::Display for TransferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for TransferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Text that is not a transfer id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a transfer id: write 32 hexadecimal digits")]
pub struct BadTransferId;

impl FromStr for TransferId {
    type Err = BadTransferId;

    fn from_str(text: &str) -> Result<Self, BadTransferId> {
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(BadTransferId);
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| BadTransferId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn books_survive_printing() {
        for book in [
            Book::Customer(AccountId(7)),
            Book::Carrier(TrunkId(u64::MAX), Currency::USD),
            Book::House(House::CarrierCost, Currency::USD),
        ] {
            assert_eq!(book.to_string().parse(), Ok(book));
        }
        for text in ["", "AC_", "revenue", "revenue/usd", "US_00000000001", "TK_00000000001"] {
            assert!(text.parse::<Book>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_parts_of_a_record_have_ids_of_their_own() {
        let of = |cdr, part| TransferId::of(CdrId(cdr), part);
        let ids = [of(1, Part::Sell), of(1, Part::Overrun), of(1, Part::Cost), of(2, Part::Sell)];
        for (place, id) in ids.iter().enumerate() {
            assert!(!ids[..place].contains(id));
            assert_eq!(id.to_string().parse(), Ok(*id));
        }
        assert!("+".repeat(32).parse::<TransferId>().is_err());
    }
}
