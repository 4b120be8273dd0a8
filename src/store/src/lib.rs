//! What outlives the process: users, devices, one-time codes, calls and their history; accounts, the
//! ledger, call detail records and all that phone calls are priced and routed by.
//!
//! One trait per subject, gathered in [`Store`]; [`sqlite::Sqlite`] implements them all, and
//! whatever else comes must pass the same conformance suite. The store decides nothing: it keeps
//! rows, and makes those steps atomic that must not be seen half done. It sees no token and no code
//! in clear, only their hashes.
//!
//! Guaranteed: a write that returned `Ok` survives the end of the process and of the machine's
//! power. Not guaranteed: that a write which returned [`Error::Unavailable`] was not made.

#![deny(missing_docs)]

pub mod accounts;
pub mod books;
pub mod calls;
pub mod cdrs;
pub mod codes;
#[cfg(test)]
mod conformance;
pub mod decisions;
pub mod decks;
pub mod devices;
pub mod ladder;
pub mod numbers;
pub mod outbox;
pub mod quality;
pub mod sqlite;
pub mod trunks;
pub mod users;

pub use accounts::{Account, AccountStatus, Accounts, NewAccount};
pub use books::{Batch, Books};
pub use calls::{CallStep, Calls, HistoryEntry, HistoryPage};
pub use cdrs::{CdrQuery, Cdrs, Retained};
pub use codes::{CodeHash, CodeKey, Codes, NewCode};
pub use decisions::{Decision, Decisions, NewDecision};
pub use decks::{DeckEntry, Decks, NewDeck};
pub use devices::{Bearer, Device, Devices, NewDevice, Rotation, TokenHash, TokenPair};
pub use ladder::{Ladder, Step};
pub use numbers::{LeadsTo, Numbers, OwnedNumber, PinHash};
pub use outbox::{Message, NewMessage, Outbox};
pub use quality::{Quality, Reached};
pub use sqlite::Sqlite;
pub use trunks::{StoredPlan, StoredRule, StoredTrunk, Trunks};
pub use users::{NewUser, User, Users};

/// People and their calls.
pub trait People: Users + Devices + Codes + Calls {}

impl<T: Users + Devices + Codes + Calls> People for T {}

/// What the one writer of money needs.
pub trait Money: Books + Cdrs {}

impl<T: Books + Cdrs> Money for T {}

/// Phone calls and money.
pub trait Phone: Money + Accounts + Decks + Trunks + Numbers + Records {}

impl<T: Money + Accounts + Decks + Trunks + Numbers + Records> Phone for T {}

/// What is written down beside the money.
pub trait Records: Decisions + Outbox + Ladder + Quality {}

impl<T: Decisions + Outbox + Ladder + Quality> Records for T {}

/// Everything that is stored, as one object.
pub trait Store: People + Phone {}

impl<T: People + Phone> Store for T {}

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot answer now: the disk is full or gone, the database is locked or every connection
    /// is busy. The write may or may not have been made. Whoever guards something refuses on this.
    #[error("the store cannot answer now")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The id or key of a new row is taken. Draw another and try again.
    #[error("the id is taken")]
    Conflict,
    /// The row that this one refers to does not exist.
    #[error("the row referred to does not exist")]
    Missing,
    /// A row holds what this version cannot read.
    #[error("unreadable {what} in the store")]
    Corrupt {
        /// Table and column.
        what: &'static str,
    },
    /// Another process has the database open.
    #[error("another process has the database open")]
    InUse,
    /// The database was written by an older version of the program, and whoever only reads it does not
    /// bring it up to date. Starting the server once does.
    #[error("the database has schema {found}, this program reads {known}: start the server first")]
    Older {
        /// The version that the database has.
        found: i64,
        /// The one that this program reads.
        known: i64,
    },
    /// The database was written by a newer version of the program.
    #[error("the database has schema {found}, this program knows up to {known}")]
    Newer {
        /// The version that the database has.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
}
