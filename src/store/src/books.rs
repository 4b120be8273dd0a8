//! The ledger as it is stored, and the one write by which money and records change: everything of a
//! batch in one transaction, or nothing of it.
//!
//! There is one writer of it in the whole process. The store checks nothing that the ledger checks.

use async_trait::async_trait;
use offhook_billing::cdr::Cdr;
use offhook_billing::ledger::{Book, Changes, Image, Standing, Transfer, TransferId};
use offhook_billing::reconcile::{Difference, Summary};
use offhook_types::AccountId;

use crate::{Error, NewDecision, NewMessage};

/// What is written together.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// What changed in the ledger.
    pub changes: Changes,
    /// Records as they are now: new, changed or closed. No id twice.
    pub cdrs: Vec<Cdr>,
    /// What fraud limits decided.
    pub decisions: Vec<NewDecision>,
    /// What webhooks have to tell.
    pub messages: Vec<NewMessage>,
}

impl Batch {
    /// Nothing to write.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
            && self.cdrs.is_empty()
            && self.decisions.is_empty()
            && self.messages.is_empty()
    }
}

/// The ledger.
#[async_trait]
pub trait Books: Send + Sync {
    /// Write a batch in one transaction. [`Error::Conflict`] when a transfer's id is taken or one of
    /// the records is closed already; nothing is written then. A message whose key is taken was
    /// written before and is skipped.
    async fn commit_billing(&self, batch: &Batch) -> Result<(), Error>;

    /// The ledger as it is, its books in order, with its newest `recent` transfers.
    async fn ledger_image(&self, recent: u32) -> Result<Image, Error>;

    /// One transfer.
    async fn transfer(&self, id: TransferId) -> Result<Option<Transfer>, Error>;

    /// The newest transfers of a customer, newest first, older than `before`.
    async fn transfers_of(
        &self,
        account: AccountId,
        before: Option<TransferId>,
        limit: u32,
    ) -> Result<Vec<Transfer>, Error>;

    /// One book.
    async fn standing(&self, book: Book) -> Result<Option<Standing>, Error>;

    /// Prove records and ledger equal, as they are at one moment.
    async fn reconcile(&self) -> Result<Result<Summary, Difference>, Error>;
}
