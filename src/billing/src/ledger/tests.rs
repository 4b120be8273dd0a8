//! Behaviour by example, then random operations against a ledger so simple that it cannot be wrong.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

const USD: Currency = Currency::USD;
const ADA: AccountId = AccountId(1);

fn id(serial: u128) -> TransferId {
    TransferId(serial)
}

fn house(house: House) -> Book {
    Book::House(house, USD)
}

fn top_up(serial: u128, amount: i64) -> Op {
    direct(serial, house(House::Funding), Book::Customer(ADA), amount)
}

fn direct(serial: u128, from: Book, to: Book, amount: i64) -> Op {
    let (purpose, at) = (Purpose::TopUp, WallTime(1));
    let transfer =
        Transfer { id: id(serial), from, to, amount: Micros(amount), purpose, cdr: None, at };
    Op::Transfer { transfer, cover: Cover::Available }
}

fn reserve(serial: u128, amount: i64) -> Op {
    let amount = Micros(amount);
    Op::Reserve(Reservation { id: id(serial), account: ADA, amount, cdr: CdrId(serial as u64) })
}

fn extend(serial: u128, total: i64) -> Op {
    Op::Extend { reservation: id(serial), total: Micros(total) }
}

fn capture(serial: u128, amount: i64) -> Op {
    let (amount, to) = (Micros(amount), house(House::Revenue));
    Op::Capture { reservation: id(serial), amount, to, purpose: Purpose::Call, at: WallTime(2) }
}

fn release(serial: u128) -> Op {
    Op::Release { reservation: id(serial) }
}

fn open(limit: i64) -> Op {
    Op::Open { account: ADA, currency: USD, credit_limit: Micros(limit) }
}

/// Ada's account after the operations, of which the last has this outcome.
fn check(ops: &[Op], last: Result<Applied, Refusal>, booked: i64, reserved: i64) {
    let mut ledger = Ledger::new(100);
    let outcomes: Vec<_> = ops.iter().map(|op| ledger.apply(*op)).collect();
    assert_eq!(outcomes.last(), Some(&last), "{ops:?}");
    let standing = ledger.standing(Book::Customer(ADA)).unwrap();
    assert_eq!((standing.booked.0, standing.reserved.0), (booked, reserved), "{ops:?}");
    ledger.audit().unwrap();
}

#[test]
fn money_is_set_aside_extended_and_captured_once() {
    use Applied::{Already, Done};
    let start = [open(0), top_up(1, 100), reserve(2, 60)];
    let after = |more: &[Op]| [&start[..], more].concat();
    check(&start, Ok(Done), 100, 60);
    check(&after(&[reserve(2, 60)]), Ok(Already), 100, 60);
    check(&after(&[extend(2, 90)]), Ok(Done), 100, 90);
    check(&after(&[extend(2, 90), extend(2, 80)]), Ok(Already), 100, 90);
    check(&after(&[capture(2, 40)]), Ok(Done), 60, 0);
    check(&after(&[capture(2, 40), capture(2, 40)]), Ok(Already), 60, 0);
    check(&after(&[capture(2, 40), capture(2, 41)]), Err(Refusal::Settled), 60, 0);
    check(&after(&[capture(2, 40), release(2)]), Err(Refusal::Settled), 60, 0);
    check(&after(&[capture(2, 40), reserve(2, 60)]), Err(Refusal::Reused), 60, 0);
    check(&after(&[release(2)]), Ok(Done), 100, 0);
    check(&after(&[release(2), release(2)]), Ok(Already), 100, 0);
    check(&after(&[release(2), capture(2, 1)]), Err(Refusal::Settled), 100, 0);
    check(&after(&[release(2), extend(2, 99)]), Err(Refusal::Settled), 100, 0);
    check(&after(&[release(2), reserve(2, 60)]), Err(Refusal::Settled), 100, 0);
    check(&after(&[top_up(1, 100)]), Ok(Already), 100, 60);
}

#[test]
fn what_is_wrong_changes_nothing() {
    let start = [open(0), top_up(1, 100), reserve(2, 60)];
    let after = |op| [&start[..], &[op]].concat();
    let (over, none) = (Micros(60), Refusal::Insufficient { available: Micros(40) });
    for (op, refusal) in [
        (reserve(3, 41), none),
        (extend(2, 101), none),
        (capture(2, 61), Refusal::OverReservation { reserved: over }),
        (capture(3, 1), Refusal::NoSuchReservation),
        (release(3), Refusal::NoSuchReservation),
        (reserve(1, 1), Refusal::Reused),
        (reserve(2, 61), Refusal::Reused),
        (top_up(1, 99), Refusal::Reused),
        (top_up(2, 99), Refusal::Reused),
        (top_up(3, 0), Refusal::NotPositive),
        (reserve(3, -1), Refusal::NotPositive),
        (direct(3, Book::Customer(ADA), house(House::Refunds), 41), none),
        (direct(3, house(House::Funding), Book::Customer(AccountId(9)), 1), Refusal::NoSuchAccount),
        (direct(3, house(House::Funding), house(House::Funding), 1), Refusal::Unfit),
        (top_up(3, i64::MAX), Refusal::Overflow),
        (open(5), Refusal::Exists),
        (Op::Limit { account: ADA, credit_limit: Micros(-1) }, Refusal::NotPositive),
    ] {
        check(&after(op), Err(refusal), 100, 60);
    }
    let euros =
        direct(3, Book::House(House::Funding, "EUR".parse().unwrap()), Book::Customer(ADA), 1);
    check(&after(euros), Err(Refusal::Unfit), 100, 60);
}

#[test]
fn credit_reaches_below_zero_and_debts_reach_below_that() {
    check(&[open(50), reserve(1, 50)], Ok(Applied::Done), 0, 50);
    let none = Refusal::Insufficient { available: Micros(50) };
    check(&[open(50), reserve(1, 51)], Err(none), 0, 0);
    let Op::Transfer { transfer, .. } = direct(2, Book::Customer(ADA), house(House::Revenue), 70)
    else {
        panic!()
    };
    let owed = Op::Transfer { transfer, cover: Cover::Owed };
    check(&[open(50), owed], Ok(Applied::Done), -70, 0);
    let none = Refusal::Insufficient { available: Micros(-20) };
    check(&[open(50), owed, reserve(3, 1)], Err(none), -70, 0);
}

#[test]
fn several_operations_are_done_together_or_not_at_all() {
    let mut ledger = Ledger::new(100);
    ledger.apply_all(&[open(0), top_up(1, 100), reserve(2, 100)]).unwrap();
    ledger.take_changes();
    let refused = ledger.apply_all(&[release(2), reserve(3, 60), reserve(4, 60)]);
    assert_eq!(refused, Err(Refusal::Insufficient { available: Micros(40) }));
    assert!(ledger.take_changes().is_empty());
    assert!(ledger.reservation(id(2)).is_some() && ledger.reservation(id(3)).is_none());
    ledger.apply_all(&[release(2), reserve(3, 60)]).unwrap();
    let changes = ledger.take_changes();
    assert_eq!(changes.reservations[&id(2)], None);
    assert_eq!(changes.reservations[&id(3)].unwrap().amount, Micros(60));
}

#[test]
fn only_so_many_settled_ids_are_remembered() {
    let mut ledger = Ledger::new(2);
    ledger.apply(open(0)).unwrap();
    for serial in 1..=3 {
        ledger.apply(top_up(serial, 1)).unwrap();
    }
    assert!(ledger.settled(id(1)).is_none() && ledger.settled(id(2)).is_some());
}

#[test]
fn a_wrong_image_is_named() {
    let mut ledger = Ledger::new(100);
    ledger.apply_all(&[open(0), top_up(1, 100), reserve(2, 60)]).unwrap();
    let good = ledger.image();
    assert_eq!(Ledger::restore(good.clone(), 100).unwrap().image(), good);
    let mut image = good.clone();
    image.standings[0].1.booked = Micros(99);
    let fault = Ledger::restore(image, 100).unwrap_err();
    assert_eq!(fault, Fault::Unbalanced { currency: USD, sum: -1 });
    let mut image = good;
    image.reservations.clear();
    let fault = Ledger::restore(image, 100).unwrap_err();
    let book = Book::Customer(ADA);
    assert_eq!(fault, Fault::Reserved { book, expected: 0, found: Micros(60) });
}

/// A prepaid account as plainly as it can be written.
#[derive(Default)]
struct Naive {
    booked: i64,
    pending: HashMap<u128, i64>,
    used: HashMap<u128, &'static str>,
    moved: HashMap<u128, i64>,
}

impl Naive {
    fn available(&self) -> i64 {
        self.booked - self.pending.values().sum::<i64>()
    }

    fn apply(&mut self, step: Step) -> bool {
        match step {
            Step::TopUp(id, amount) => {
                if self.moved.get(&id) == Some(&amount) && self.used[&id] == "top-up" {
                    return true;
                }
                if self.used.contains_key(&id) {
                    return false;
                }
                self.booked += amount;
                self.used.insert(id, "top-up");
                self.moved.insert(id, amount);
                true
            }
            Step::Reserve(id, amount) => match self.pending.get(&id) {
                Some(pending) => *pending >= amount,
                None if self.used.contains_key(&id) || amount > self.available() => false,
                None => {
                    self.pending.insert(id, amount);
                    self.used.insert(id, "reserved");
                    true
                }
            },
            Step::Extend(id, total) => {
                let Some(pending) = self.pending.get(&id).copied() else { return false };
                if total > pending && total - pending > self.available() {
                    return false;
                }
                self.pending.insert(id, pending.max(total));
                true
            }
            Step::Capture(id, amount) => {
                if self.used.get(&id) == Some(&"captured") {
                    return self.moved[&id] == amount;
                }
                if self.pending.get(&id).is_none_or(|pending| amount > *pending) {
                    return false;
                }
                self.pending.remove(&id);
                self.booked -= amount;
                self.used.insert(id, "captured");
                self.moved.insert(id, amount);
                true
            }
            Step::Release(id) => {
                if self.used.get(&id) == Some(&"released") {
                    return true;
                }
                let open = self.pending.remove(&id).is_some();
                if open {
                    self.used.insert(id, "released");
                }
                open
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Step {
    TopUp(u128, i64),
    Reserve(u128, i64),
    Extend(u128, i64),
    Capture(u128, i64),
    Release(u128),
}

impl Step {
    fn op(self) -> Op {
        match self {
            Self::TopUp(id, amount) => top_up(id, amount),
            Self::Reserve(id, amount) => reserve(id, amount),
            Self::Extend(id, total) => extend(id, total),
            Self::Capture(id, amount) => capture(id, amount),
            Self::Release(id) => release(id),
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (id, amount) = (|| 0u128..8, || 1i64..50);
    let step = prop_oneof![
        (id(), amount()).prop_map(|(id, amount)| Step::TopUp(id, amount)),
        (id(), amount()).prop_map(|(id, amount)| Step::Reserve(id, amount)),
        (id(), amount()).prop_map(|(id, amount)| Step::Extend(id, amount)),
        (id(), amount()).prop_map(|(id, amount)| Step::Capture(id, amount)),
        id().prop_map(Step::Release),
    ];
    proptest::collection::vec(step, 0..60)
}

proptest! {
    #[test]
    fn agrees_with_the_naive_ledger(steps in steps(), cut in 0usize..60) {
        let (mut ledger, mut naive) = (Ledger::new(1000), Naive::default());
        ledger.apply(open(0)).unwrap();
        let mut stored = Image::default();
        for (place, step) in steps.into_iter().enumerate() {
            let expect = naive.apply(step);
            prop_assert_eq!(ledger.apply(step.op()).is_ok(), expect, "{:?}", step);
            ledger.audit().unwrap();
            let standing = ledger.standing(Book::Customer(ADA)).unwrap();
            prop_assert_eq!(standing.booked.0, naive.booked);
            prop_assert_eq!(standing.available().0, naive.available());
            prop_assert!(standing.available() >= Micros::ZERO, "prepaid stays above zero");
            store(&mut stored, ledger.take_changes());
            if place == cut {
                // What was stored is the ledger, but for the reservations that were given back.
                let released: Vec<_> = ledger.settled.values().filter(|settled| {
                    matches!(settled, Settled::Released(_))
                }).copied().collect();
                ledger = Ledger::restore(stored.clone(), 1000).unwrap();
                released.into_iter().for_each(|settled| ledger.remember(settled));
            }
        }
    }
}

/// What a store does with changes.
fn store(image: &mut Image, changes: Changes) {
    for (book, standing) in changes.standings {
        image.standings.retain(|(known, _)| *known != book);
        image.standings.push((book, standing));
    }
    for (id, reservation) in changes.reservations {
        image.reservations.retain(|known| known.id != id);
        image.reservations.extend(reservation);
    }
    image.recent.extend(changes.transfers);
}
