//! The double-entry ledger: every amount leaves one book and arrives in another, so all books of a
//! currency add up to nothing, always.
//!
//! A machine without clock or file: [`Ledger::apply`] does one operation entirely or not at all,
//! [`Ledger::take_changes`] says what has to be stored, and [`Ledger::restore`] goes on from what was.
//! Ids are made by the client, so an operation that is sent twice is done once.
//!
//! Money for a call is set aside by a [`Reservation`] before it starts, enlarged while it lasts, and
//! in the end captured in part or released. A reservation that is captured becomes the transfer of
//! the same id, so there can be no second capture.

mod apply;
mod book;

use std::collections::{BTreeMap, VecDeque};

use offhook_types::{AccountId, CdrId, Currency, Micros, WallTime};

pub use apply::Applied;
pub use book::{BadBook, BadTransferId, Book, House, Part, Purpose, TransferId};

/// What a book holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The sum of all its transfers.
    pub booked: Micros,
    /// The sum of its open reservations.
    pub reserved: Micros,
    /// How far below zero a customer may go; zero is prepaid. The books of the house have no floor.
    pub credit_limit: Micros,
    /// Of what.
    pub currency: Currency,
}

impl Standing {
    /// A fresh book.
    pub const fn new(currency: Currency, credit_limit: Micros) -> Self {
        Self { booked: Micros::ZERO, reserved: Micros::ZERO, credit_limit, currency }
    }

    /// What may still be spent or set aside. Below zero where more was consumed than was covered.
    pub const fn available(&self) -> Micros {
        let most = self.booked.saturating_add(self.credit_limit);
        most.saturating_sub(self.reserved)
    }
}

/// An amount that went from one book to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transfer {
    /// Made by whoever asks for it; asking again is free.
    pub id: TransferId,
    /// The book that has less of it now.
    pub from: Book,
    /// The book that has more of it now.
    pub to: Book,
    /// How much; more than zero.
    pub amount: Micros,
    /// What for.
    pub purpose: Purpose,
    /// The record that explains it.
    pub cdr: Option<CdrId>,
    /// When it was booked.
    pub at: WallTime,
}

impl Transfer {
    /// Whether both say the same, booked at whatever time.
    fn same(&self, other: &Self) -> bool {
        Self { at: other.at, ..*self } == *other
    }
}

/// Money set aside for a call: a pending transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reservation {
    /// Its id, and that of the transfer that it may become.
    pub id: TransferId,
    /// Whose money.
    pub account: AccountId,
    /// How much, with every extension.
    pub amount: Micros,
    /// For which record.
    pub cdr: CdrId,
}

/// Whether a transfer from a customer minds the floor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cover {
    /// Only what is available can be spent.
    Available,
    /// What was consumed is owed, also below the floor.
    Owed,
}

/// An operation on the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// Open a customer's account.
    Open {
        /// Whose.
        account: AccountId,
        /// In what it counts, for good.
        currency: Currency,
        /// How far below zero it may go.
        credit_limit: Micros,
    },
    /// Change how far below zero an account may go. What is reserved stays reserved.
    Limit {
        /// Whose.
        account: AccountId,
        /// From now on.
        credit_limit: Micros,
    },
    /// Book an amount at once.
    Transfer {
        /// What.
        transfer: Transfer,
        /// Whether the floor counts.
        cover: Cover,
    },
    /// Set money aside. Done already when the reservation is open with at least this amount, since
    /// an extension may have followed.
    Reserve(Reservation),
    /// Enlarge an open reservation to this total. Done already when it is as large.
    Extend {
        /// Which.
        reservation: TransferId,
        /// How much in all.
        total: Micros,
    },
    /// Book a part of a reservation and release the rest.
    Capture {
        /// Which.
        reservation: TransferId,
        /// How much of it; more than zero.
        amount: Micros,
        /// Into which book.
        to: Book,
        /// What for.
        purpose: Purpose,
        /// When.
        at: WallTime,
    },
    /// Give a reservation back entirely.
    Release {
        /// Which.
        reservation: TransferId,
    },
}

/// Why an operation was not done. Nothing changed because of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The account was never opened.
    #[error("no such account")]
    NoSuchAccount,
    /// The account is open in another currency or with another limit.
    #[error("the account exists and is different")]
    Exists,
    /// The reservation was never made.
    #[error("no such reservation")]
    NoSuchReservation,
    /// The reservation was captured or released already, otherwise than asked for now.
    #[error("the reservation is settled, and not in this way")]
    Settled,
    /// The id belongs to something else.
    #[error("the id belongs to another operation")]
    Reused,
    /// The account cannot cover it.
    #[error("only {available} is available")]
    Insufficient {
        /// What it could cover.
        available: Micros,
    },
    /// More than was reserved.
    #[error("only {reserved} was reserved")]
    OverReservation {
        /// What was.
        reserved: Micros,
    },
    /// Amounts are more than zero, limits not less.
    #[error("not a positive amount")]
    NotPositive,
    /// The two books count in different currencies, or are the same book.
    #[error("the books do not fit")]
    Unfit,
    /// A sum that does not fit 64 bits.
    #[error("a sum does not fit")]
    Overflow,
}

/// How an id was used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// A transfer has it, captured from a reservation or not.
    Booked(Transfer),
    /// A reservation had it and was given back.
    Released(Reservation),
}

impl Settled {
    const fn id(&self) -> TransferId {
        match self {
            Self::Booked(transfer) => transfer.id,
            Self::Released(reservation) => reservation.id,
        }
    }
}

/// What has to be stored since the last time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Books as they are now.
    pub standings: BTreeMap<Book, Standing>,
    /// Reservations as they are now; `None` for those that are settled.
    pub reservations: BTreeMap<TransferId, Option<Reservation>>,
    /// Transfers in the order in which they were booked.
    pub transfers: Vec<Transfer>,
}

impl Changes {
    /// Nothing to store.
    pub fn is_empty(&self) -> bool {
        self.standings.is_empty() && self.reservations.is_empty() && self.transfers.is_empty()
    }
}

/// A ledger as it is stored, without its past.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Image {
    /// Every book.
    pub standings: Vec<(Book, Standing)>,
    /// Every open reservation.
    pub reservations: Vec<Reservation>,
    /// The newest transfers, oldest first, as far back as repeated requests shall be known.
    pub recent: Vec<Transfer>,
}

/// What is wrong with a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The books of a currency do not add up to nothing.
    #[error("all books in {currency} add up to {sum} instead of zero")]
    Unbalanced {
        /// Which.
        currency: Currency,
        /// To what they add up.
        sum: i128,
    },
    /// The reserved amount of a book is not the sum of its reservations.
    #[error("{book} has {found} reserved, its open reservations add up to {expected}")]
    Reserved {
        /// Which.
        book: Book,
        /// The sum of its reservations.
        expected: i128,
        /// What it says.
        found: Micros,
    },
}

/// All books, in memory.
#[derive(Debug, Clone)]
pub struct Ledger {
    books: BTreeMap<Book, Standing>,
    open: BTreeMap<TransferId, Reservation>,
    settled: BTreeMap<TransferId, Settled>,
    /// The ids in `settled`, oldest first.
    order: VecDeque<TransferId>,
    /// How many of them are kept.
    remembered: usize,
    changes: Changes,
}

impl Ledger {
    /// An empty ledger that knows the last `remembered` settled ids again, at least one. Whoever repeats an older
    /// one must be recognised by the store.
    pub fn new(remembered: usize) -> Self {
        Self {
            books: BTreeMap::new(),
            open: BTreeMap::new(),
            settled: BTreeMap::new(),
            order: VecDeque::new(),
            remembered: remembered.max(1),
            changes: Changes::default(),
        }
    }

    /// The ledger of an image. An image that is wrong in itself is refused.
    pub fn restore(image: Image, remembered: usize) -> Result<Self, Fault> {
        let mut ledger = Self::new(remembered);
        ledger.books = image.standings.into_iter().collect();
        ledger.open = image.reservations.into_iter().map(|open| (open.id, open)).collect();
        for transfer in image.recent {
            ledger.remember(Settled::Booked(transfer));
        }
        ledger.audit()?;
        Ok(ledger)
    }

    /// The image of this ledger.
    pub fn image(&self) -> Image {
        let booked = |id| match self.settled.get(id) {
            Some(Settled::Booked(transfer)) => Some(*transfer),
            _ => None,
        };
        Image {
            standings: self.books.iter().map(|(book, standing)| (*book, *standing)).collect(),
            reservations: self.open.values().copied().collect(),
            recent: self.order.iter().filter_map(booked).collect(),
        }
    }

    /// What a book holds; `None` when nothing ever touched it.
    pub fn standing(&self, book: Book) -> Option<&Standing> {
        self.books.get(&book)
    }

    /// Every book, in order.
    pub fn standings(&self) -> impl Iterator<Item = (&Book, &Standing)> {
        self.books.iter()
    }

    /// An open reservation.
    pub fn reservation(&self, id: TransferId) -> Option<&Reservation> {
        self.open.get(&id)
    }

    /// Every open reservation, in order.
    pub fn reservations(&self) -> impl Iterator<Item = &Reservation> {
        self.open.values()
    }

    /// How an id was used up, as far as it is remembered.
    pub fn settled(&self, id: TransferId) -> Option<&Settled> {
        self.settled.get(&id)
    }

    /// Recall how an id was used up, from the store.
    pub fn remember(&mut self, settled: Settled) {
        let id = settled.id();
        if self.settled.insert(id, settled).is_none() {
            self.order.push_back(id);
        }
        while self.order.len() > self.remembered {
            if let Some(oldest) = self.order.pop_front() {
                self.settled.remove(&oldest);
            }
        }
    }

    /// What changed since the last time, to be stored.
    pub fn take_changes(&mut self) -> Changes {
        std::mem::take(&mut self.changes)
    }

    /// Prove that the books add up, and name the first that does not.
    pub fn audit(&self) -> Result<(), Fault> {
        let mut sums = BTreeMap::<Currency, i128>::new();
        let mut reserved = BTreeMap::<Book, i128>::new();
        for open in self.open.values() {
            *reserved.entry(Book::Customer(open.account)).or_default() += i128::from(open.amount.0);
        }
        for (book, standing) in &self.books {
            *sums.entry(standing.currency).or_default() += i128::from(standing.booked.0);
            let expected = reserved.remove(book).unwrap_or_default();
            if expected != i128::from(standing.reserved.0) {
                return Err(Fault::Reserved { book: *book, expected, found: standing.reserved });
            }
        }
        if let Some((book, expected)) = reserved.pop_first() {
            return Err(Fault::Reserved { book, expected, found: Micros::ZERO });
        }
        match sums.into_iter().find(|(_, sum)| *sum != 0) {
            Some((currency, sum)) => Err(Fault::Unbalanced { currency, sum }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
