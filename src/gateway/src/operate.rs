//! The operator's desk: every change that a person makes to phone calls and money, and every look at
//! them. What is wrong is said before anything is stored, with the field and what would be right; after
//! a change the running gateway is told to read it.
//!
//! Start at [`Desk`]. [`explain`] is the one part that also works without a running server.

mod accounts;
mod decks;
mod error;
pub mod explain;
pub mod ladder;
mod money;
mod numbers;
mod records;
mod setup;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use offhook_store::Store;
use offhook_types::Rng;

use crate::books::Books;
use crate::exchange::Newcomer;

pub use accounts::{AccountChange, AccountView};
pub use decks::{DeckView, Import};
pub use error::Error;
pub use explain::{Explained, Live, Question, explain};
pub use money::{Booked, Kind, Move, TransferView};
pub use numbers::{NumberView, PutNumber};
pub use records::{CdrPage, DecisionView};
pub use setup::{PlanView, PutPlan, PutRule, PutTrunk, RuleView, TrunkView};

/// What an operator changed, for the parts of the server that hold a copy of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// Trunks, decks, plans, our numbers or fraud rules: the tariff is to be read again.
    Tariff,
    /// An account: its status, plan, limits or caller IDs.
    Account(offhook_types::AccountId),
    /// An account was suspended and may call again: what fraud limits hold against it is over.
    Lifted(offhook_types::AccountId),
}

/// Called after each change, once it is stored. Done when the change holds, so that whoever asked for it
/// can rely on it.
pub type Listener = Arc<dyn Fn(Changed) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// Asks the running gateway what it knows of its trunks; nothing when it is gone.
pub type Watcher =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Option<Live>> + Send>> + Send + Sync>;

/// Where operators work. Cheap to clone.
#[derive(Clone)]
pub struct Desk {
    store: Arc<dyn Store>,
    books: Books,
    terms: Arc<Newcomer>,
    listener: Listener,
    live: Option<Watcher>,
    rng: Arc<Mutex<Rng>>,
}

impl Desk {
    /// A desk over the store and the books of the running server.
    pub fn new(
        store: Arc<dyn Store>,
        books: Books,
        terms: Newcomer,
        (listener, rng): (Listener, Rng),
    ) -> Self {
        let (terms, rng) = (Arc::new(terms), Arc::new(Mutex::new(rng)));
        Self { store, books, terms, listener, live: None, rng }
    }

    /// The same desk, which sees how trunks are.
    pub fn watching(self, live: Watcher) -> Self {
        Self { live: Some(live), ..self }
    }

    async fn tell(&self, changed: Changed) {
        (self.listener)(changed).await;
    }

    fn draw(&self) -> u64 {
        self.rng.lock().unwrap_or_else(PoisonError::into_inner).next_u64()
    }
}

/// The most that one page holds.
pub const MOST: u32 = 1000;

/// A page of what is wanted: at least one, at most [`MOST`].
fn page(limit: Option<u32>) -> u32 {
    limit.unwrap_or(100).clamp(1, MOST)
}
