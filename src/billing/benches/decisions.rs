//! What the decisions about a call cost in time on one core: longest-prefix matches in a deck of a million
//! rows, ratings, affordable times, and whole routing decisions over ten trunks with such decks.
//!
//! `ROWS` (1,000,000), `SECONDS` (2) for each figure.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::HashSet;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use offhook_billing::deck::{Deck, Defaults, Label, Row, Tier, import};
use offhook_billing::number::Country;
use offhook_billing::rate::{Rate, affordable, charge};
use offhook_billing::route::{Asked, Caller, CallerPolicy, Caps, Plan, Router, Thresholds, Trunk};
use offhook_types::{AccountId, Currency, Dialed, Micros, Number, Rng, Time, TrunkId, WallTime};

fn main() {
    let rows = setting("ROWS", 1_000_000);
    let mut rng = Rng::from_seed(1);
    let list = list(rows, &mut rng);
    let start = cpu_ns();
    let defaults = Defaults {
        currency: Currency::USD,
        from: WallTime(0),
        tier: Tier::Standard,
        rate: Rate::FREE,
    };
    let imported = import(&list, &defaults).unwrap();
    println!("import of {rows} rows: {} ms", (cpu_ns() - start) / 1_000_000);
    let numbers = numbers(&imported, &mut rng);
    let start = cpu_ns();
    let sell = deck("sell", imported.clone());
    println!("index of {rows} rows: {} ms", (cpu_ns() - start) / 1_000_000);

    measure("deck lookups", |turn| {
        black_box(sell.find(&numbers[turn % numbers.len()], WallTime(1)));
    });
    let rates: Vec<Rate> = imported.iter().take(4096).map(|row| row.rate).collect();
    measure("ratings", |turn| {
        let talked = Duration::from_millis(turn as u64 % 3_600_000);
        let _ = black_box(charge(black_box(&rates[turn % rates.len()]), talked));
    });
    measure("affordable times", |turn| {
        let funds = Micros(turn as i64 % 10_000_000);
        let _ = black_box(affordable(black_box(&rates[turn % rates.len()]), funds));
    });
    routes(sell, imported, &numbers);
}

fn routes(sell: Arc<Deck>, rows: Vec<Row>, numbers: &[Number]) {
    let mut router = Router::new(Thresholds::default());
    let buy = deck("buy", rows);
    router.set_trunks((0..10).map(|serial| (trunk(serial), Some(buy.clone()))).collect());
    let plan = Plan {
        name: "retail".into(),
        sell,
        tier: Tier::Standard,
        margin: Micros::ZERO,
        reference: Duration::from_secs(180),
        caps: Caps::NONE,
    };
    let number = numbers[0].clone();
    let caller = Caller {
        account: AccountId(1),
        home: Country::of(&number),
        tier: None,
        verified: vec![number.clone()],
        number: Some(number),
    };
    let dialed: Vec<Dialed> = numbers.iter().cloned().map(Dialed::Number).collect();
    let mut rng = Rng::from_seed(3);
    measure("routes over 10 trunks", |turn| {
        let asked = Asked {
            at: WallTime(1),
            to: &dialed[turn % dialed.len()],
            by: &caller,
            plan: &plan,
            pinned: None,
            anonymous: false,
        };
        black_box(router.decide(Time::ZERO, &asked, &mut rng));
    });
}

fn trunk(serial: u64) -> Trunk {
    Trunk {
        id: TrunkId(serial),
        name: "carrier".into(),
        priority: 0,
        weight: 1,
        deck: "buy".into(),
        caps: Caps::NONE,
        format: Default::default(),
        caller: CallerPolicy::Verified,
        tier: Tier::Premium,
        emergency: false,
        enabled: true,
    }
}

fn deck(name: &str, rows: Vec<Row>) -> Arc<Deck> {
    let label = Label { name: name.into(), version: 1, currency: Currency::USD };
    Arc::new(Deck::new(label, rows).unwrap())
}

/// A price list as wholesale carriers send: prefixes of one to nine digits, crowded in a few countries.
fn list(rows: usize, rng: &mut Rng) -> String {
    let mut prefixes = HashSet::new();
    let crowded = ["1", "49", "44", "33", "86", "91", "55", "7"];
    while prefixes.len() < rows {
        let mut prefix = match rng.below(4) {
            0 => (1 + rng.below(9)).to_string(),
            _ => crowded[rng.below(8) as usize].to_owned(),
        };
        for _ in 0..(1 + rng.below(7)) {
            prefix.push(char::from(b'0' + rng.below(10) as u8));
        }
        prefixes.insert(prefix);
    }
    let mut list =
        String::from("prefix,destination,per_minute,first_increment_s,next_increment_s\n");
    for prefix in prefixes {
        let (price, steps) =
            (rng.below(5000), [(1, 1), (6, 6), (60, 60), (30, 6)][rng.below(4) as usize]);
        list += &format!("{prefix},Place {},0.{price:05},{},{}\n", price % 997, steps.0, steps.1);
    }
    list
}

/// Whole numbers that start with prefixes of the list, in no order, more than a cache holds.
fn numbers(rows: &[Row], rng: &mut Rng) -> Vec<Number> {
    let complete = |row: &Row, rng: &mut Rng| {
        let mut digits = format!("+{}", row.prefix);
        while digits.len() < 13 {
            digits.push(char::from(b'0' + rng.below(10) as u8));
        }
        digits.parse().unwrap()
    };
    let many = u32::try_from(rows.len()).unwrap();
    (0..1_000_000).map(|_| complete(&rows[rng.below(many) as usize], rng)).collect()
}

fn measure(what: &str, mut turn: impl FnMut(usize)) {
    let limit = Duration::from_secs(setting("SECONDS", 2) as u64);
    let (start, before, mut turns) = (Instant::now(), cpu_ns(), 0usize);
    while start.elapsed() < limit {
        for _ in 0..10_000 {
            turn(turns);
            turns += 1;
        }
    }
    let spent = (cpu_ns() - before).max(1);
    let each = spent / turns as u128;
    let per_second = turns as u128 * 1_000_000_000 / spent;
    println!("{what}: {each} ns each, {per_second} per second");
}

/// How long this thread has been on a processor: other programs on the machine do not count.
fn cpu_ns() -> u128 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    stat.split(' ').next().unwrap().parse().unwrap()
}

fn setting(name: &str, usual: usize) -> usize {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(usual)
}
