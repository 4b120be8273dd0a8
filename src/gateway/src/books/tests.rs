//! The books over a real store, one that fails on command, and one whose process is killed.

mod crash;
mod failing;

use std::future::{Future, poll_fn};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

use offhook_billing::cdr::{Direction, Ender, Pinned, Proof, Recorded, Times};
use offhook_billing::deck::Label;
use offhook_billing::rate::Rate;
use offhook_store::{Books as _, Cdrs as _, Sqlite};
use offhook_types::phone::Cause;
use offhook_types::{Dialed, PhoneId, TrunkId};

use super::*;

const USD: Currency = Currency::USD;
const ADA: AccountId = AccountId(1);

/// A folder of its own that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let serial = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("offhook-books-{}-{serial}", std::process::id())))
    }

    async fn store(&self) -> Arc<Sqlite> {
        Arc::new(Sqlite::open(&self.0.join("offhook.db")).await.unwrap())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// An attempt at 0.12 a minute that sets `reserve` aside.
fn opening(serial: u64, reserve: i64) -> Opening {
    let pin = |per_minute| Pinned {
        deck: Label { name: "retail".into(), version: 1, currency: USD },
        rate: Rate::by_the_second(Micros(per_minute)),
    };
    Opening {
        id: CdrId(serial),
        phone: PhoneId(serial),
        account: ADA,
        user: None,
        direction: Direction::Out,
        from: None,
        to: Recorded::from(&"+4915112345678".parse::<Dialed>().unwrap()),
        destination: "Germany, mobile".into(),
        trunk: TrunkId(1),
        attempt: 1,
        route: "the only one".into(),
        sell: pin(120_000),
        buy: pin(50_000),
        reserve: Micros(reserve),
        at: WallTime(1000),
    }
}

fn answered(last_media: u64) -> Interim {
    let times = Times {
        answered: Some(WallTime(10_000)),
        last_in: Some(WallTime(last_media)),
        ..Times::default()
    };
    Interim { times, ..Interim::default() }
}

fn bye(talked_s: u64) -> Evidence {
    Evidence {
        proof: Proof::Bye,
        by: Ender::Callee,
        cause: Cause::HungUp,
        sip: Some(200),
        q850: Some(16),
        at: WallTime(90_000),
        talked: Duration::from_secs(talked_s),
        last: answered(80_000),
    }
}

async fn books(store: Arc<dyn Money>) -> (Books, Recovered, JoinHandle<()>) {
    let config = Config { backoff: Duration::from_millis(1), ..Config::default() };
    Books::start(store, config, WallTime(500_000)).await.unwrap()
}

async fn fund(books: &Books, credit: i64) {
    let start = Start { currency: USD, credit_limit: Micros::ZERO, credit: Micros(credit) };
    books.open_account(WallTime(1), ADA, start).await.unwrap();
}

fn held(books: &Books) -> (i64, i64) {
    let balance = books.balance(ADA).unwrap();
    (balance.booked.0, balance.reserved.0)
}

#[tokio::test]
async fn a_call_is_reserved_extended_and_paid_once() {
    let folder = Folder::new();
    let store = folder.store().await;
    let (books, recovered, _) = books(store.clone()).await;
    assert_eq!(recovered, Recovered::default());
    fund(&books, 1_000_000).await;
    fund(&books, 1_000_000).await;
    let mut moved = books.moved();
    books.open(opening(1, 100_000), None).await.unwrap();
    assert_eq!(held(&books), (1_000_000, 100_000));
    assert_eq!(moved.recv().await.unwrap().1.reserved, Micros(100_000));
    assert_eq!(books.open(opening(1, 100_000), None).await, Err(Error::Exists));
    books.progress(CdrId(1), answered(50_000), Some(Micros(200_000))).await.unwrap();
    assert_eq!(held(&books), (1_000_000, 200_000));
    let none = Refusal::Insufficient { available: Micros(800_000) };
    let refused = books.progress(CdrId(1), answered(60_000), Some(Micros(2_000_000))).await;
    assert_eq!(refused, Err(Error::Refused(none)));
    let noted = store.cdr(CdrId(1)).await.unwrap().unwrap();
    assert_eq!(noted.times.last_in, Some(WallTime(60_000)), "noted though refused");
    let closed = books.close(CdrId(1), bye(60)).await.unwrap();
    assert_eq!(store.cdr(CdrId(1)).await.unwrap(), Some(closed));
    assert_eq!(held(&books), (880_000, 0));
    assert_eq!(books.close(CdrId(1), bye(60)).await, Err(Error::NotOpen));
    assert_eq!(books.figures().captured[&USD], Micros(120_000));
    assert_eq!(books.figures().cost[&USD], Micros(50_000));
    let summary = store.reconcile().await.unwrap().unwrap();
    assert_eq!((summary.closed, summary.open, summary.reservations), (1, 0, 0));
}

#[tokio::test]
async fn parallel_calls_share_one_balance_and_never_overspend() {
    let folder = Folder::new();
    let store = folder.store().await;
    let (books, _, _) = books(store.clone()).await;
    fund(&books, 1_000_000).await;
    // Each wants a tenth: ten get it.
    let calls: Vec<_> = (1..=200)
        .map(|serial| {
            let books = books.clone();
            tokio::spawn(async move { books.open(opening(serial, 100_000), None).await })
        })
        .collect();
    let mut made = 0;
    for call in calls {
        made += u64::from(call.await.unwrap().is_ok());
    }
    assert_eq!(made, 10);
    assert_eq!(held(&books), (1_000_000, 1_000_000));
    // Each talks a slice longer than its money: that much is owed at most.
    for serial in 1..=200 {
        let _ = books.close(CdrId(serial), bye(100)).await;
    }
    assert_eq!(held(&books), (1_000_000 - 10 * 200_000, 0));
    store.reconcile().await.unwrap().unwrap();
}

#[tokio::test]
async fn what_was_open_is_closed_at_its_newest_media() {
    let folder = Folder::new();
    let store = folder.store().await;
    let (first, _, task) = books(store.clone()).await;
    fund(&first, 1_000_000).await;
    for serial in 1..=3 {
        first.open(opening(serial, 100_000), None).await.unwrap();
    }
    first.progress(CdrId(1), answered(40_000), None).await.unwrap();
    first.close(CdrId(3), bye(10)).await.unwrap();
    drop(first);
    task.await.unwrap();
    let (second, recovered, _) = books(store.clone()).await;
    // Thirty seconds of talk at 0.12 a minute.
    let expect = Recovered { closed: 2, charged: 1, amount: Micros(60_000), orphans: 0 };
    assert_eq!(recovered, expect);
    assert_eq!(held(&second), (1_000_000 - 60_000 - 20_000, 0));
    let never = store.cdr(CdrId(2)).await.unwrap().unwrap().end.unwrap();
    assert_eq!(never.proof, Proof::NeverAnswered);
    let summary = store.reconcile().await.unwrap().unwrap();
    assert_eq!((summary.closed, summary.open, summary.reservations), (3, 0, 0));
}

#[tokio::test]
async fn a_repeated_top_up_is_known_after_a_restart_too() {
    let folder = Folder::new();
    let store = folder.store().await;
    let top_up = |id, amount| Transfer {
        id: TransferId(id),
        from: Book::House(House::Funding, USD),
        to: Book::Customer(ADA),
        amount: Micros(amount),
        purpose: Purpose::TopUp,
        cdr: None,
        at: WallTime(1),
    };
    for _ in 0..2 {
        let config = Config { remembered: 1, ..Config::default() };
        let (books, _, task) = Books::start(store.clone(), config, WallTime(1)).await.unwrap();
        fund(&books, 0).await;
        books.transfer(top_up(77, 5), Cover::Available).await.unwrap();
        let other = books.transfer(top_up(77, 6), Cover::Available).await;
        assert_eq!(other, Err(Error::Refused(Refusal::Reused)));
        // What pushes the first one out of memory.
        books.transfer(top_up(78, 1), Cover::Available).await.unwrap();
        assert_eq!(held(&books), (6, 0));
        drop(books);
        task.await.unwrap();
    }
}

#[tokio::test]
async fn a_record_whose_asker_went_away_is_taken_back() {
    let folder = Folder::new();
    let store = folder.store().await;
    let (books, _, task) = books(store.clone()).await;
    fund(&books, 1_000_000).await;
    let mut call = Box::pin(books.open(opening(1, 100_000), None));
    // It is asked, and nobody waits for the answer.
    let asked = |context: &mut Context<'_>| Poll::Ready(call.as_mut().poll(context).is_pending());
    assert!(poll_fn(asked).await);
    drop(call);
    drop(books);
    task.await.unwrap();
    let summary = store.reconcile().await.unwrap().unwrap();
    assert_eq!((summary.open, summary.reservations), (0, 0));
}
