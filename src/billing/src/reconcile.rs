//! Proves that records and ledger say the same: every closed record is explained by its transfers, to
//! the micro-unit, every open reservation by an open record, every balance by all its transfers.
//!
//! Streaming: closed records and the transfers of calls are handed over in the order of the record's
//! id, so a check of millions keeps one record in memory, and one sum per book. The first difference
//! is named and ends the check.

use core::cmp::Ordering;
use core::fmt;
use std::collections::BTreeMap;

use offhook_types::{AccountId, CdrId, Currency, Micros};

use crate::cdr::{Cdr, End};
use crate::ledger::{Book, House, Part, Purpose, Reservation, Standing, Transfer, TransferId};

/// Records and ledger disagree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what} should be {expected} and is {found}")]
pub struct Difference {
    /// Where.
    pub place: Place,
    /// Which figure.
    pub what: &'static str,
    /// As the other side has it.
    pub expected: String,
    /// As it is.
    pub found: String,
}

/// Where a difference is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In a record or what was booked for it.
    Cdr(CdrId),
    /// In one transfer or reservation.
    Transfer(TransferId),
    /// In the sum of a book.
    Book(Book),
    /// In the sum of all books of a currency.
    Currency(Currency),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cdr(cdr) => write!(f, "record {cdr}"),
            Self::Transfer(transfer) => write!(f, "transfer {transfer}"),
            Self::Book(book) => write!(f, "book {book}"),
            Self::Currency(currency) => write!(f, "all books in {currency}"),
        }
    }
}

/// What a check went through.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Closed records.
    pub closed: u64,
    /// Open records.
    pub open: u64,
    /// Transfers.
    pub transfers: u64,
    /// Open reservations.
    pub reservations: u64,
    /// What customers paid for calls, per account.
    pub paid: BTreeMap<(AccountId, Currency), Micros>,
    /// What calls brought in, per currency.
    pub revenue: BTreeMap<Currency, Micros>,
    /// What calls cost, per currency.
    pub cost: BTreeMap<Currency, Micros>,
}

/// A check under way. Hand it records and transfers of calls in ascending order of record id, in
/// any interleaving that keeps a record at or before its transfers; the other transfers at any
/// time; then reservations; then books.
#[derive(Debug, Default)]
pub struct Reconcile {
    summary: Summary,
    /// The record whose transfers come now.
    current: Option<Expected>,
    /// Open records, and what each has set aside.
    open: BTreeMap<CdrId, (AccountId, Micros)>,
    sums: BTreeMap<Book, i128>,
    reserved: BTreeMap<AccountId, i128>,
    totals: BTreeMap<Currency, i128>,
}

/// What is still to come for one record.
#[derive(Debug)]
struct Expected {
    cdr: CdrId,
    transfers: Vec<(TransferId, Leg)>,
}

/// A transfer without its id and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Leg {
    from: Book,
    to: Book,
    amount: Micros,
    purpose: Purpose,
}

impl fmt::Display for Leg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} from {} to {}", self.amount, self.from, self.to)
    }
}

impl Reconcile {
    /// A check of nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A record, open or closed. Records come in ascending order.
    pub fn cdr(&mut self, cdr: &Cdr) -> Result<(), Difference> {
        self.finish_record()?;
        let id = cdr.opening.id;
        let mut transfers = Vec::new();
        match &cdr.end {
            Some(end) => {
                self.summary.closed += 1;
                self.count(cdr, end);
                transfers = expected(cdr, end);
            }
            None => {
                self.summary.open += 1;
                if cdr.reserved > Micros::ZERO {
                    self.open.insert(id, (cdr.opening.account, cdr.reserved));
                }
            }
        }
        self.current = Some(Expected { cdr: id, transfers });
        Ok(())
    }

    /// A transfer; those of calls come after their record and before the next one.
    pub fn transfer(&mut self, transfer: &Transfer) -> Result<(), Difference> {
        self.summary.transfers += 1;
        let amount = i128::from(transfer.amount.0);
        *self.sums.entry(transfer.from).or_default() -= amount;
        *self.sums.entry(transfer.to).or_default() += amount;
        let of_call = matches!(transfer.purpose, Purpose::Call | Purpose::Overrun | Purpose::Cost);
        let Some(cdr) = transfer.cdr.filter(|_| of_call) else {
            return if of_call { Err(unexplained(transfer)) } else { Ok(()) };
        };
        let Some(current) = self.current.as_mut() else { return Err(unexplained(transfer)) };
        if current.cdr.cmp(&cdr) != Ordering::Equal {
            return Err(unexplained(transfer));
        }
        let place = current.transfers.iter().position(|(id, _)| *id == transfer.id);
        let Some(place) = place else { return Err(unexplained(transfer)) };
        let (id, expected) = current.transfers.swap_remove(place);
        let found = Leg::of(transfer);
        if expected == found {
            return Ok(());
        }
        let (expected, found) = (expected.to_string(), found.to_string());
        Err(Difference { place: Place::Transfer(id), what: "what was booked", expected, found })
    }

    /// An open reservation, after all records.
    pub fn reservation(&mut self, reservation: &Reservation) -> Result<(), Difference> {
        self.finish_record()?;
        self.summary.reservations += 1;
        *self.reserved.entry(reservation.account).or_default() += i128::from(reservation.amount.0);
        let place = Place::Transfer(reservation.id);
        let Some((account, amount)) = self.open.remove(&reservation.cdr) else {
            let expected = "the reservation of an open record".into();
            let found = format!("open without one, for record {}", reservation.cdr);
            return Err(Difference { place, what: "it", expected, found });
        };
        let show = |account: AccountId, amount: Micros| format!("{amount} of {account}");
        let (expected, found) =
            (show(account, amount), show(reservation.account, reservation.amount));
        let what = "the amount set aside";
        if expected == found { Ok(()) } else { Err(Difference { place, what, expected, found }) }
    }

    /// A book as it stands, after all transfers and reservations.
    pub fn book(&mut self, book: Book, standing: &Standing) -> Result<(), Difference> {
        self.finish_record()?;
        *self.totals.entry(standing.currency).or_default() += i128::from(standing.booked.0);
        let booked = self.sums.remove(&book).unwrap_or_default();
        agree(book, "the balance", booked, standing.booked)?;
        let reserved = match book {
            Book::Customer(account) => self.reserved.remove(&account).unwrap_or_default(),
            _ => 0,
        };
        agree(book, "the reserved amount", reserved, standing.reserved)
    }

    /// The end: nothing may be left over.
    pub fn finish(mut self) -> Result<Summary, Difference> {
        self.finish_record()?;
        if let Some((cdr, (account, amount))) = self.open.pop_first() {
            let expected = format!("{amount} of {account}");
            let what = "the open reservation";
            return Err(Difference { place: Place::Cdr(cdr), what, expected, found: none() });
        }
        if let Some((book, sum)) = self.sums.into_iter().find(|(_, sum)| *sum != 0) {
            agree(book, "the balance", sum, Micros::ZERO)?;
        }
        if let Some((account, sum)) = self.reserved.pop_first() {
            agree(Book::Customer(account), "the reserved amount", sum, Micros::ZERO)?;
        }
        for (currency, sum) in self.totals {
            if sum != 0 {
                let (expected, found) = ("0".into(), format!("{sum} micro-units"));
                let place = Place::Currency(currency);
                return Err(Difference { place, what: "the sum", expected, found });
            }
        }
        Ok(self.summary)
    }

    /// Everything that the record before should have booked has to be there by now.
    fn finish_record(&mut self) -> Result<(), Difference> {
        let Some(missing) = self.current.take() else { return Ok(()) };
        let Some((id, leg)) = missing.transfers.first() else { return Ok(()) };
        let expected = format!("{leg} as transfer {id}");
        let what = "what was booked";
        Err(Difference { place: Place::Cdr(missing.cdr), what, expected, found: none() })
    }

    fn count(&mut self, cdr: &Cdr, end: &End) {
        let add = |sum: &mut Micros, amount| *sum = sum.saturating_add(amount);
        let (account, sell, buy) =
            (cdr.opening.account, cdr.opening.sell.currency(), cdr.opening.buy.currency());
        add(self.summary.paid.entry((account, sell)).or_default(), end.sell.amount);
        add(self.summary.revenue.entry(sell).or_default(), end.sell.amount);
        add(self.summary.cost.entry(buy).or_default(), end.buy.amount);
    }
}

/// The transfers that a closed record must have, worked out from its amounts alone.
fn expected(cdr: &Cdr, end: &End) -> Vec<(TransferId, Leg)> {
    let opening = &cdr.opening;
    let id = |part| TransferId::of(opening.id, part);
    let customer = Book::Customer(opening.account);
    let revenue = Book::House(House::Revenue, opening.sell.currency());
    let cost = Book::House(House::CarrierCost, opening.buy.currency());
    let carrier = Book::Carrier(opening.trunk, opening.buy.currency());
    let paid = end.sell.amount.min(cdr.reserved);
    let over = end.sell.amount.saturating_sub(paid);
    let leg = |from, to, amount, purpose| Leg { from, to, amount, purpose };
    [
        (id(Part::Sell), leg(customer, revenue, paid, Purpose::Call)),
        (id(Part::Overrun), leg(customer, revenue, over, Purpose::Overrun)),
        (id(Part::Cost), leg(cost, carrier, end.buy.amount, Purpose::Cost)),
    ]
    .into_iter()
    .filter(|(_, leg)| leg.amount > Micros::ZERO)
    .collect()
}

impl Leg {
    const fn of(transfer: &Transfer) -> Self {
        let Transfer { from, to, amount, purpose, .. } = *transfer;
        Self { from, to, amount, purpose }
    }
}

fn unexplained(transfer: &Transfer) -> Difference {
    let expected = "explained by a closed record".into();
    let found = match transfer.cdr {
        Some(cdr) => format!("{}, which record {cdr} does not say", Leg::of(transfer)),
        None => format!("{}, for no record", Leg::of(transfer)),
    };
    Difference { place: Place::Transfer(transfer.id), what: "it", expected, found }
}

fn agree(book: Book, what: &'static str, expected: i128, found: Micros) -> Result<(), Difference> {
    if expected == i128::from(found.0) {
        return Ok(());
    }
    let expected = i64::try_from(expected)
        .map_or_else(|_| format!("{expected} micro-units"), |fits| Micros(fits).to_string());
    Err(Difference { place: Place::Book(book), what, expected, found: found.to_string() })
}

fn none() -> String {
    "missing".into()
}

#[cfg(test)]
mod tests;
