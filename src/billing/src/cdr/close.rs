//! The end of a record: what the call came to, and what the ledger has to do.

use core::time::Duration;

use offhook_types::phone::Cause;
use offhook_types::{Micros, WallTime};

use super::{Cdr, End, Ender, Evidence, Interim, Pinned, Proof};
use crate::ledger::{Book, Cover, House, Op, Part, Purpose, Transfer, TransferId};
use crate::rate::{Charge, affordable};

/// A record that has just been closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// The record, with its end.
    pub cdr: Cdr,
    /// What the ledger has to do, together with storing the record.
    pub ops: Vec<Op>,
}

/// The record has an end already, which stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the record is closed already")]
pub struct AlreadyClosed;

impl Cdr {
    /// Close the record: price the time that was talked, capture it from the reservation, and book
    /// what the carrier gets. What goes beyond the reservation is owed.
    pub fn close(mut self, evidence: &Evidence) -> Result<Closed, AlreadyClosed> {
        if !self.update(&evidence.last) {
            return Err(AlreadyClosed);
        }
        let answered = self.times.answered.is_some();
        // Records are kept in milliseconds, and what is kept is what is priced.
        let talked_ms = u64::try_from(evidence.talked.as_millis()).unwrap_or(u64::MAX);
        let talked = Duration::from_millis(if answered { talked_ms } else { 0 });
        // Opening made sure that every length up to the longest has a price.
        let price = |pinned: &Pinned| -> Charge { pinned.charge(talked).unwrap_or_default() };
        let end = End {
            proof: evidence.proof,
            by: evidence.by,
            cause: evidence.cause,
            sip: evidence.sip,
            q850: evidence.q850,
            at: evidence.at,
            talked,
            sell: price(&self.opening.sell),
            buy: price(&self.opening.buy),
        };
        self.end = Some(end);
        let ops = self.settle(&end);
        Ok(Closed { cdr: self, ops })
    }

    /// What shows how a call ended that an earlier life of the server left open, as far as it was
    /// stored. The newest media in either direction is the end of an answered call: it cannot have
    /// ended before, and nothing shows that it went on.
    pub fn evidence_left(&self, now: WallTime) -> Evidence {
        let (proof, at) = match (self.times.answered, self.times.last_media()) {
            (Some(answered), last) => (Proof::LastMedia, last.unwrap_or(answered).max(answered)),
            (None, _) => (Proof::NeverAnswered, now),
        };
        // It was not allowed to go on for longer than was paid for, whatever the clocks of media say.
        let paid = affordable(&self.opening.sell.rate, self.reserved).ok().flatten();
        let talked = self.talked().min(paid.unwrap_or(Duration::MAX));
        Evidence {
            proof,
            by: Ender::House,
            cause: Cause::Server,
            sip: None,
            q850: None,
            at,
            talked,
            last: Interim::default(),
        }
    }

    fn settle(&self, end: &End) -> Vec<Op> {
        let mut ops = Vec::new();
        let paid = end.sell.amount.min(self.reserved);
        if let Some(reservation) = self.reservation() {
            ops.push(self.capture(reservation, paid, end.at));
        }
        let over = end.sell.amount.saturating_sub(paid);
        let (id, account) = (self.opening.id, self.opening.account);
        let (sell, buy) = (self.opening.sell.currency(), self.opening.buy.currency());
        let book = |part, from, to, amount, purpose| Op::Transfer {
            transfer: Transfer {
                id: TransferId::of(id, part),
                from,
                to,
                amount,
                purpose,
                cdr: Some(id),
                at: end.at,
            },
            cover: Cover::Owed,
        };
        if over > Micros::ZERO {
            let revenue = Book::House(House::Revenue, sell);
            let from = Book::Customer(account);
            ops.push(book(Part::Overrun, from, revenue, over, Purpose::Overrun));
        }
        if end.buy.amount > Micros::ZERO {
            let cost = Book::House(House::CarrierCost, buy);
            let carrier = Book::Carrier(self.opening.trunk, buy);
            ops.push(book(Part::Cost, cost, carrier, end.buy.amount, Purpose::Cost));
        }
        ops
    }

    fn capture(&self, reservation: TransferId, amount: Micros, at: WallTime) -> Op {
        if amount == Micros::ZERO {
            return Op::Release { reservation };
        }
        let to = Book::House(House::Revenue, self.opening.sell.currency());
        Op::Capture { reservation, amount, to, purpose: Purpose::Call, at }
    }
}
