use super::*;
use crate::ledger::{Book, House, Purpose};

const USD: Currency = Currency::USD;

/// An attempt that sells at 0.12 and buys at 0.05 a minute, with one unit set aside.
pub(crate) fn opening(serial: u64) -> Opening {
    let pin = |per_minute| Pinned {
        deck: Label { name: "retail".into(), version: 1, currency: USD },
        rate: Rate::by_the_second(Micros(per_minute)),
    };
    let number = |text: &str| Recorded::from(&text.parse::<Dialed>().unwrap());
    Opening {
        id: CdrId(serial),
        phone: PhoneId(serial),
        account: AccountId(5),
        user: Some(UserId(6)),
        direction: Direction::Out,
        from: Some(number("+12025550123")),
        to: number("+4915112345678"),
        destination: "Germany, mobile".into(),
        trunk: TrunkId(8),
        attempt: 1,
        route: "least cost of 2".into(),
        sell: pin(120_000),
        buy: pin(50_000),
        reserve: Micros(1_000_000),
        at: WallTime(1000),
    }
}

pub(crate) fn answered() -> Interim {
    let times = Times {
        answered: Some(WallTime(10_000)),
        last_in: Some(WallTime(70_000)),
        last_out: Some(WallTime(69_000)),
        ..Times::default()
    };
    Interim { times, ..Interim::default() }
}

fn evidence(talked_s: u64) -> Evidence {
    Evidence {
        proof: Proof::Bye,
        by: Ender::Caller,
        cause: Cause::HungUp,
        sip: Some(200),
        q850: Some(16),
        at: WallTime(70_000),
        talked: Duration::from_secs(talked_s),
        last: Interim::default(),
    }
}

/// The purposes and amounts that closing an answered call of this length books.
fn check(talked_s: u64, expect: &[(Purpose, i64)]) {
    let mut cdr = Cdr::open(opening(1)).unwrap();
    cdr.update(&answered());
    let closed = cdr.close(&evidence(talked_s)).unwrap();
    let booked: Vec<_> = closed
        .ops
        .iter()
        .filter_map(|op| match op {
            Op::Capture { amount, purpose, .. } => Some((*purpose, amount.0)),
            Op::Transfer { transfer, .. } => Some((transfer.purpose, transfer.amount.0)),
            _ => None,
        })
        .collect();
    assert_eq!(booked, expect, "{talked_s} s");
}

#[test]
fn what_was_talked_is_paid_and_the_carrier_gets_theirs() {
    check(60, &[(Purpose::Call, 120_000), (Purpose::Cost, 50_000)]);
    check(1, &[(Purpose::Call, 2_000), (Purpose::Cost, 834)]);
    check(500, &[(Purpose::Call, 1_000_000), (Purpose::Cost, 416_667)]);
    let beyond =
        [(Purpose::Call, 1_000_000), (Purpose::Overrun, 200_000), (Purpose::Cost, 500_000)];
    check(600, &beyond);
    check(0, &[]);
}

#[test]
fn a_call_that_nobody_answered_costs_nothing() {
    let closed = Cdr::open(opening(1)).unwrap().close(&evidence(60)).unwrap();
    let reservation = TransferId::of(CdrId(1), Part::Sell);
    assert_eq!(closed.ops, [Op::Release { reservation }]);
    let end = closed.cdr.end.unwrap();
    assert_eq!(
        (end.talked, end.sell, end.buy),
        (Duration::ZERO, Charge::default(), Charge::default())
    );
}

#[test]
fn a_record_is_closed_once() {
    let closed = Cdr::open(opening(1)).unwrap().close(&evidence(0)).unwrap();
    let mut cdr = closed.cdr;
    assert!(!cdr.update(&answered()));
    assert_eq!(cdr.extend(Micros(9_000_000)), None);
    assert_eq!(cdr.close(&evidence(60)), Err(AlreadyClosed));
}

#[test]
fn free_calls_reserve_nothing() {
    let free = Pinned::free(USD);
    let opening = Opening { sell: free.clone(), buy: free, reserve: Micros::ZERO, ..opening(1) };
    let mut cdr = Cdr::open(opening).unwrap();
    assert_eq!((cdr.reserve(), cdr.reservation()), (None, None));
    cdr.update(&answered());
    assert_eq!(cdr.close(&evidence(60)).unwrap().ops, []);
}

#[test]
fn a_crash_ends_the_call_at_its_newest_media() {
    let mut cdr = Cdr::open(opening(1)).unwrap();
    let left = cdr.evidence_left(WallTime(500_000));
    assert_eq!((left.proof, left.at), (Proof::NeverAnswered, WallTime(500_000)));
    cdr.update(&answered());
    let left = cdr.evidence_left(WallTime(500_000));
    assert_eq!((left.proof, left.at), (Proof::LastMedia, WallTime(70_000)));
    assert_eq!(left.talked, Duration::from_secs(60));
    let end = cdr.close(&left).unwrap().cdr.end.unwrap();
    assert_eq!(end.sell.amount, Micros(120_000));
}

#[test]
fn after_a_crash_nobody_pays_more_than_was_set_aside() {
    // Two seconds cost 4000, and a third would be begun.
    let poor = Opening { reserve: Micros(4000), ..opening(1) };
    let mut cdr = Cdr::open(poor).unwrap();
    cdr.update(&answered());
    let left = cdr.evidence_left(WallTime(500_000));
    assert_eq!(left.talked, Duration::from_secs(2));
    assert_eq!(cdr.close(&left).unwrap().cdr.end.unwrap().sell.amount, Micros(4000));
}

#[test]
fn reservations_grow_and_never_shrink() {
    let mut cdr = Cdr::open(opening(1)).unwrap();
    let reservation = cdr.reservation().unwrap();
    assert_eq!(cdr.extend(Micros(1_000_000)), None);
    let total = Micros(2_000_000);
    assert_eq!(cdr.extend(total), Some(Op::Extend { reservation, total }));
    assert_eq!(cdr.reserved, total);
}

#[test]
fn first_times_stay_and_last_times_move_on() {
    let mut times = answered().times;
    times.first_in = Some(WallTime(10_500));
    let newer = Times {
        answered: Some(WallTime(1)),
        first_in: Some(WallTime(2)),
        last_in: Some(WallTime(80_000)),
        last_out: Some(WallTime(3)),
        ..Times::default()
    };
    times.merge(&newer);
    assert_eq!((times.answered, times.first_in), (Some(WallTime(10_000)), Some(WallTime(10_500))));
    assert_eq!((times.last_in, times.last_out), (Some(WallTime(80_000)), Some(WallTime(69_000))));
    assert_eq!(times.last_media(), Some(WallTime(80_000)));
}

#[test]
fn numbers_are_cut_and_records_go_when_their_time_has_come() {
    let policy = Policy {
        numbers_whole: Duration::from_secs(100),
        hidden_digits: 4,
        kept: Duration::from_secs(1000),
    };
    let open = Cdr::open(opening(1)).unwrap();
    let mut closed = open.clone().close(&evidence(0)).unwrap().cdr;
    let at = |s: u64| WallTime(70_000 + s * 1000);
    assert_eq!(policy.fate(at(99), &closed), Fate::Stays);
    assert_eq!(policy.fate(at(100), &closed), Fate::Cut);
    assert_eq!(policy.fate(at(1000), &closed), Fate::Goes);
    assert_eq!(policy.fate(at(5000), &open), Fate::Stays);
    closed.opening.to = policy.cut(&closed.opening.to);
    closed.opening.from = closed.opening.from.map(|from| policy.cut(&from));
    assert_eq!(closed.opening.to.as_str(), "+491511234XXXX");
    assert_eq!(closed.opening.to.dialed(), None);
    assert_eq!(policy.fate(at(100), &closed), Fate::Stays);
    assert_eq!(Recorded::from_stored("112").truncated(4).as_str(), "XXX");
}

#[test]
fn absurd_rates_are_refused_before_the_call() {
    let mut opening = opening(1);
    opening.sell.rate.per_minute = Micros::MAX;
    assert!(Cdr::open(opening).is_err());
}

#[test]
fn money_goes_where_it_belongs() {
    let mut cdr = Cdr::open(opening(1)).unwrap();
    cdr.update(&answered());
    let ops = cdr.close(&evidence(60)).unwrap().ops;
    let [Op::Capture { to, .. }, Op::Transfer { transfer, .. }] = ops[..] else {
        panic!("{ops:?}")
    };
    assert_eq!(to, Book::House(House::Revenue, USD));
    let cost = Book::House(House::CarrierCost, USD);
    assert_eq!((transfer.from, transfer.to), (cost, Book::Carrier(TrunkId(8), USD)));
}
