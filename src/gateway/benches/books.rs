//! How many reservations a second become durable: each is an opened record and money set aside,
//! answered when both are on the disk. `cargo bench -p offhook-gateway --bench books`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use offhook_billing::cdr::{Direction, Ender, Evidence, Interim, Opening, Pinned, Proof, Recorded};
use offhook_billing::deck::Label;
use offhook_billing::rate::Rate;
use offhook_gateway::books::{Books, Config, Start};
use offhook_store::Sqlite;
use offhook_types::phone::Cause;
use offhook_types::{AccountId, CdrId, Currency, Dialed, Micros, PhoneId, Rng, TrunkId, WallTime};

const ACCOUNTS: u64 = 1000;
const CALLS: u64 = 100_000;
/// Calls that are being set up at the same time.
const LINES: u64 = 4000;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.expect("a runtime").block_on(run());
}

async fn run() {
    let folder = std::env::temp_dir().join(format!("offhook-bench-books-{}", std::process::id()));
    let store = Arc::new(Sqlite::open(&folder.join("offhook.db")).await.expect("a store"));
    let started = Books::start(store.clone(), Config::default(), WallTime(1)).await;
    let (books, _, task) = started.expect("books");
    for account in 1..=ACCOUNTS {
        let (currency, credit_limit) = (Currency::USD, Micros::ZERO);
        let start = Start { currency, credit_limit, credit: Micros(1_000_000_000_000) };
        let opened = books.open_account(WallTime(1), AccountId(account), start);
        opened.await.expect("an account");
    }
    for round in 1..=3 {
        let before = books.figures().counts;
        let (took, cpu) = measure(&books, round).await;
        let commits = (books.figures().counts.commits - before.commits).max(1);
        let rate = CALLS as f64 / took.as_secs_f64();
        println!(
            "round {round}: {rate:.0} durable reservations/s, {} per commit, {:.1} us CPU each",
            CALLS / commits,
            cpu.as_secs_f64() * 1e6 / CALLS as f64
        );
        let began = Instant::now();
        let ends: Vec<_> =
            (0..CALLS).map(|serial| books.closing(id(round, serial), evidence())).collect();
        for end in ends {
            end.await.expect("an answer").expect("closed");
        }
        let rate = CALLS as f64 / began.elapsed().as_secs_f64();
        println!("round {round}: {rate:.0} records closed/s");
    }
    drop(books);
    task.await.expect("the task ends");
    store.close().await;
    let _ = std::fs::remove_dir_all(&folder);
}

/// Wall time and processor time of a hundred thousand.
async fn measure(books: &Books, round: u64) -> (Duration, Duration) {
    let (began, cpu) = (Instant::now(), cpu_time());
    let lines: Vec<_> = (0..LINES)
        .map(|line| {
            let books = books.clone();
            tokio::spawn(async move {
                for serial in (line..CALLS).step_by(LINES as usize) {
                    books.open(opening(round, serial), None).await.expect("reserved");
                }
            })
        })
        .collect();
    for line in lines {
        line.await.expect("no panic");
    }
    (began.elapsed(), cpu_time().saturating_sub(cpu))
}

/// User and system time of this process so far, from the kernel's ticks of 10 ms.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = after.split_whitespace().skip(11).take(2);
    Duration::from_millis(ticks.filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>() * 10)
}

/// Ids as random as real ones, and the same each time.
fn id(round: u64, serial: u64) -> CdrId {
    CdrId(Rng::from_seed(round * CALLS + serial).next_u64())
}

fn opening(round: u64, serial: u64) -> Opening {
    let pin = |per_minute| Pinned {
        deck: Label { name: "retail".into(), version: 1, currency: Currency::USD },
        rate: Rate::by_the_second(Micros(per_minute)),
    };
    let number: Dialed = "+4915112345678".parse().expect("a number");
    Opening {
        id: id(round, serial),
        phone: PhoneId(serial),
        account: AccountId(serial % ACCOUNTS + 1),
        user: None,
        direction: Direction::Out,
        from: Some(Recorded::from(&number)),
        to: Recorded::from(&number),
        destination: "Germany, mobile".into(),
        trunk: TrunkId(1),
        attempt: 1,
        route: "least cost of 3".into(),
        sell: pin(120_000),
        buy: pin(50_000),
        reserve: Micros(120_000),
        at: WallTime(1000 + serial),
    }
}

fn evidence() -> Evidence {
    Evidence {
        proof: Proof::Response,
        by: Ender::Callee,
        cause: Cause::Busy,
        sip: Some(486),
        q850: Some(17),
        at: WallTime(10_000),
        talked: Duration::ZERO,
        last: Interim::default(),
    }
}
