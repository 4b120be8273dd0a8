//! Proves again and again, while the server runs, that call detail records and ledger say the same. A
//! difference is a fault of ours: it wakes a person, and stays visible until a later proof succeeds.

use std::sync::Arc;
use std::time::Duration;

use offhook_billing::reconcile::{Difference, Summary};
use offhook_store::Books;
use offhook_types::WallTime;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::iso8601;

/// What the last proof said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// When.
    pub at: WallTime,
    /// What was gone through, or the first difference.
    pub result: Result<Summary, Difference>,
}

/// The last proof; `None` before the first one is done.
pub type Proofs = watch::Receiver<Option<Checked>>;

/// Prove now and then until the task is aborted.
pub fn start<B: Books + 'static + ?Sized>(
    every: Duration,
    books: Arc<B>,
) -> (Proofs, JoinHandle<()>) {
    let (told, proofs) = watch::channel(None);
    let task = tokio::spawn(async move {
        let mut ticks = interval(every.max(Duration::from_secs(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match books.reconcile().await {
                Ok(result) => {
                    if let Err(difference) = &result {
                        tracing::error!(%difference, "records and ledger differ");
                    }
                    told.send_replace(Some(Checked { at: iso8601::now(), result }));
                }
                Err(error) => tracing::warn!(%error, "records and ledger cannot be compared"),
            }
        }
    });
    (proofs, task)
}

#[cfg(test)]
mod tests {
    use offhook_billing::ledger::{Book, Standing};
    use offhook_store::Batch;
    use offhook_types::{AccountId, Currency, Micros};

    use super::*;
    use crate::export::tests::{closed, with_records};

    async fn first_proof(books: Arc<offhook_store::Sqlite>) -> Checked {
        let (mut proofs, task) = start(Duration::from_secs(3600), books);
        let proof = tokio::time::timeout(Duration::from_secs(20), proofs.wait_for(Option::is_some));
        let proof = proof.await.expect("a proof in time").unwrap().clone();
        task.abort();
        proof.unwrap()
    }

    #[tokio::test]
    async fn a_balance_out_of_nowhere_is_named() {
        let kept = with_records(vec![closed(1)]).await;
        let summary = first_proof(kept.store.clone()).await.result.unwrap();
        assert_eq!(summary.closed, 1);
        let mut batch = Batch::default();
        let standing = Standing { booked: Micros(5), ..Standing::new(Currency::USD, Micros::ZERO) };
        batch.changes.standings.insert(Book::Customer(AccountId(1)), standing);
        kept.store.commit_billing(&batch).await.unwrap();
        let difference = first_proof(kept.store.clone()).await.result.unwrap_err();
        assert!(difference.to_string().contains("AC_"), "{difference}");
    }
}
