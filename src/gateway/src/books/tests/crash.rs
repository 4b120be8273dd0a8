//! A process that makes calls is killed at a random point, again and again. Whatever it left, the
//! next start puts in order: records and ledger agree, nothing is open, nothing is set aside.

use std::process::{Command, Stdio};

use offhook_types::Rng;

use super::*;

const FOLDER: &str = "OFFHOOK_BOOKS_CRASH_FOLDER";
const SEED: &str = "OFFHOOK_BOOKS_CRASH_SEED";
const KILLS: u64 = 25;

/// Runs in the process that will be killed: does nothing when nobody asks for it.
#[tokio::test(flavor = "multi_thread")]
async fn victim() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let seed: u64 = std::env::var(SEED).unwrap().parse().unwrap();
    let store = Sqlite::open(&PathBuf::from(folder).join("offhook.db")).await.unwrap();
    let (books, _, _) = books(Arc::new(store)).await;
    fund(&books, 1_000_000_000).await;
    let calls: Vec<_> = (0..8)
        .map(|line| tokio::spawn(calls(books.clone(), Rng::from_seed(seed * 8 + line))))
        .collect();
    for call in calls {
        call.await.unwrap();
    }
}

/// Calls one after the other, each as far as chance will have it.
async fn calls(books: Books, mut rng: Rng) {
    // More than any kill leaves time for.
    for _ in 0..100_000 {
        let serial = rng.next_u64();
        if books.open(opening(serial, 100_000), None).await.is_err() {
            continue;
        }
        if rng.chance(70) {
            let last = 10_000 + u64::from(rng.below(70_000));
            let reserve = rng.chance(50).then_some(Micros(200_000));
            let _ = books.progress(CdrId(serial), answered(last), reserve).await;
        }
        if rng.chance(90) {
            let talked_s = u64::from(rng.below(120));
            books.close(CdrId(serial), bye(talked_s)).await.unwrap();
        }
    }
}

#[tokio::test]
async fn killed_at_any_point_nothing_is_lost_or_charged_twice() {
    let folder = Folder::new();
    std::fs::create_dir_all(&folder.0).unwrap();
    let mut rng = Rng::from_seed(7);
    let mut closed = 0;
    for seed in 1..=KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "books::tests::crash::victim", "--nocapture"])
            .env(FOLDER, &folder.0)
            .env(SEED, seed.to_string())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // Some are killed while they start, most while they write.
        tokio::time::sleep(Duration::from_millis(u64::from(rng.below(400)))).await;
        child.kill().unwrap();
        child.wait().unwrap();

        let store = folder.store().await;
        let before = store.open_cdrs().await.unwrap().len() as u64;
        let (books, recovered, task) = books(store.clone()).await;
        assert_eq!((recovered.closed, recovered.orphans), (before, 0), "kill {seed}");
        let summary = store.reconcile().await.unwrap();
        let summary = summary.unwrap_or_else(|difference| panic!("kill {seed}: {difference}"));
        assert_eq!((summary.open, summary.reservations), (0, 0), "kill {seed}");
        assert!(summary.closed >= closed, "kill {seed}: a record is gone");
        closed = summary.closed;
        drop(books);
        task.await.unwrap();
        store.close().await;
    }
    assert!(closed > 0, "nobody ever called");
}
