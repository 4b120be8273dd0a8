//! A store that fails when told to: before it writes, or after, which looks the same from outside.

use std::sync::atomic::AtomicU8;

use async_trait::async_trait;
use offhook_billing::ledger::{Image, Standing};
use offhook_billing::reconcile::{Difference, Summary};
use offhook_store::{Batch, CdrQuery, Cdrs, Error as StoreError, Retained};
use offhook_types::PhoneId;

use super::*;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Well,
    /// Nothing is written.
    Full,
    /// It is written, but the answer is lost.
    Lossy,
    /// Nothing is read either.
    Gone,
}

struct Failing {
    inner: Arc<Sqlite>,
    mode: AtomicU8,
}

impl Failing {
    fn set(&self, mode: Mode) {
        self.mode.store(mode as u8, Ordering::SeqCst);
    }

    fn is(&self, mode: Mode) -> bool {
        self.mode.load(Ordering::SeqCst) == mode as u8
    }

    fn read(&self) -> Result<&Sqlite, StoreError> {
        if self.is(Mode::Gone) { Err(unavailable()) } else { Ok(&self.inner) }
    }
}

fn unavailable() -> StoreError {
    StoreError::Unavailable("told to fail".into())
}

#[async_trait]
impl offhook_store::Books for Failing {
    async fn commit_billing(&self, batch: &Batch) -> Result<(), StoreError> {
        if self.is(Mode::Full) || self.is(Mode::Gone) {
            return Err(unavailable());
        }
        self.inner.commit_billing(batch).await?;
        if self.is(Mode::Lossy) { Err(unavailable()) } else { Ok(()) }
    }

    async fn ledger_image(&self, recent: u32) -> Result<Image, StoreError> {
        self.read()?.ledger_image(recent).await
    }

    async fn transfer(&self, id: TransferId) -> Result<Option<Transfer>, StoreError> {
        self.read()?.transfer(id).await
    }

    async fn transfers_of(
        &self,
        account: AccountId,
        before: Option<TransferId>,
        limit: u32,
    ) -> Result<Vec<Transfer>, StoreError> {
        self.read()?.transfers_of(account, before, limit).await
    }

    async fn standing(&self, book: Book) -> Result<Option<Standing>, StoreError> {
        self.read()?.standing(book).await
    }

    async fn reconcile(&self) -> Result<Result<Summary, Difference>, StoreError> {
        self.read()?.reconcile().await
    }
}

#[async_trait]
impl Cdrs for Failing {
    async fn cdr(&self, id: CdrId) -> Result<Option<Cdr>, StoreError> {
        self.read()?.cdr(id).await
    }

    async fn cdrs_of_call(&self, call: CallId) -> Result<Vec<Cdr>, StoreError> {
        self.read()?.cdrs_of_call(call).await
    }

    async fn cdrs_of_phone(
        &self,
        phone: PhoneId,
        around: WallTime,
    ) -> Result<Vec<Cdr>, StoreError> {
        self.read()?.cdrs_of_phone(phone, around).await
    }

    async fn open_cdrs(&self) -> Result<Vec<Cdr>, StoreError> {
        self.read()?.open_cdrs().await
    }

    async fn cdrs(&self, query: &CdrQuery, limit: u32) -> Result<Vec<Cdr>, StoreError> {
        self.read()?.cdrs(query, limit).await
    }

    async fn retain_cdrs(
        &self,
        now: WallTime,
        policy: &offhook_billing::cdr::Policy,
        limit: u32,
    ) -> Result<Retained, StoreError> {
        self.read()?.retain_cdrs(now, policy, limit).await
    }
}

/// One call is in progress when the store fails in this way. A new one is refused, the old one ends,
/// and once the store is well again everything is as it should be.
async fn check(mode: Mode) {
    let folder = Folder::new();
    let store = Arc::new(Failing { inner: folder.store().await, mode: AtomicU8::new(0) });
    let (books, _, _) = books(store.clone()).await;
    fund(&books, 1_000_000).await;
    books.open(opening(1, 100_000), None).await.unwrap();

    store.set(mode);
    assert_eq!(books.open(opening(2, 100_000), None).await, Err(Error::Unavailable));
    let ended = books.closing(CdrId(1), bye(60));
    store.set(Mode::Well);
    let closed = ended.await.unwrap().unwrap();
    assert_eq!(closed.end.unwrap().sell.amount, Micros(120_000));

    // The refused one is nowhere, or taken back before anything else is done.
    books.open(opening(3, 100_000), None).await.unwrap();
    books.close(CdrId(3), bye(0)).await.unwrap();
    assert_eq!(held(&books), (880_000, 0));
    let summary = store.reconcile().await.unwrap().unwrap();
    assert_eq!((summary.open, summary.reservations), (0, 0));
    let refused = store.cdr(CdrId(2)).await.unwrap();
    assert!(refused.is_none_or(|cdr| cdr.end.unwrap().proof == Proof::NotSent));
    assert!(books.figures().counts.failures > 0);
}

#[tokio::test]
async fn a_full_disk_refuses_new_calls_and_bills_those_in_progress() {
    check(Mode::Full).await;
}

#[tokio::test]
async fn a_lost_answer_of_the_store_charges_nobody_twice() {
    check(Mode::Lossy).await;
}

#[tokio::test]
async fn a_store_that_cannot_be_read_either_is_waited_for() {
    check(Mode::Gone).await;
}
