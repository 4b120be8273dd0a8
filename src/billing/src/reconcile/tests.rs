use core::time::Duration;

use offhook_types::WallTime;
use offhook_types::phone::Cause;

use super::*;
use crate::cdr::tests::{answered, opening};
use crate::cdr::{Ender, Evidence, Interim, Proof};
use crate::ledger::{Cover, Ledger, Op};

/// Records and ledger after an answered call of a minute, one turned away and one still open.
struct Books {
    ledger: Ledger,
    cdrs: Vec<Cdr>,
    transfers: Vec<Transfer>,
}

fn books() -> Books {
    let mut ledger = Ledger::new(100);
    let account = opening(1).account;
    let open = Op::Open { account, currency: Currency::USD, credit_limit: Micros::ZERO };
    let top_up = Transfer {
        id: TransferId(7),
        from: Book::House(House::Funding, Currency::USD),
        to: Book::Customer(account),
        amount: Micros(10_000_000),
        purpose: Purpose::TopUp,
        cdr: None,
        at: WallTime(1),
    };
    ledger.apply_all(&[open, Op::Transfer { transfer: top_up, cover: Cover::Available }]).unwrap();
    let mut cdrs: Vec<_> = (1..=3).map(|serial| Cdr::open(opening(serial)).unwrap()).collect();
    for cdr in &cdrs {
        ledger.apply(cdr.reserve().unwrap()).unwrap();
    }
    let evidence = |talked_s| Evidence {
        proof: Proof::Bye,
        by: Ender::Callee,
        cause: Cause::HungUp,
        sip: Some(200),
        q850: Some(16),
        at: WallTime(99_000),
        talked: Duration::from_secs(talked_s),
        last: Interim::default(),
    };
    for (place, talked_s) in [(0, 600), (1, 0)] {
        if talked_s > 0 {
            cdrs[place].update(&answered());
        }
        let closed = cdrs[place].clone().close(&evidence(talked_s)).unwrap();
        ledger.apply_all(&closed.ops).unwrap();
        cdrs[place] = closed.cdr;
    }
    let transfers = ledger.take_changes().transfers;
    Books { ledger, cdrs, transfers }
}

fn check(books: &Books) -> Result<Summary, Difference> {
    let mut reconcile = Reconcile::new();
    for transfer in books.transfers.iter().filter(|transfer| transfer.cdr.is_none()) {
        reconcile.transfer(transfer)?;
    }
    for cdr in &books.cdrs {
        reconcile.cdr(cdr)?;
        let id = cdr.opening.id;
        for transfer in books.transfers.iter().filter(|transfer| transfer.cdr == Some(id)) {
            reconcile.transfer(transfer)?;
        }
    }
    for reservation in books.ledger.reservations() {
        reconcile.reservation(reservation)?;
    }
    for (book, standing) in books.ledger.standings() {
        reconcile.book(*book, standing)?;
    }
    reconcile.finish()
}

#[test]
fn honest_books_are_clean() {
    let summary = check(&books()).unwrap();
    assert_eq!((summary.closed, summary.open), (2, 1));
    // Top-up, captured part, overrun, cost.
    assert_eq!((summary.transfers, summary.reservations), (4, 1));
    assert_eq!(summary.revenue[&Currency::USD], Micros(1_200_000));
    assert_eq!(summary.cost[&Currency::USD], Micros(500_000));
}

/// Every single thing that is changed is found, and the place where it is named.
#[test]
fn the_first_difference_is_named() {
    let at = |spoil: fn(&mut Books)| {
        let mut books = books();
        spoil(&mut books);
        check(&books).unwrap_err().place
    };
    let transfer = |part| Place::Transfer(TransferId::of(CdrId(1), part));
    let customer = Place::Book(Book::Customer(opening(1).account));
    assert_eq!(at(|b| b.transfers[1].amount = Micros(1)), transfer(Part::Sell));
    assert_eq!(at(|b| b.transfers[3].amount = Micros(1)), transfer(Part::Cost));
    assert_eq!(at(|b| b.transfers.truncate(2)), Place::Cdr(CdrId(1)));
    assert_eq!(at(|b| b.transfers.push(b.transfers[1])), transfer(Part::Sell));
    assert_eq!(at(|b| b.transfers[1].cdr = Some(CdrId(2))), Place::Cdr(CdrId(1)));
    assert_eq!(at(|b| b.transfers[0].amount = Micros(1)), customer);
    assert_eq!(
        at(|b| b.cdrs[0].end.as_mut().unwrap().sell.amount = Micros(1)),
        transfer(Part::Sell)
    );
    assert_eq!(at(|b| b.cdrs.truncate(2)), Place::Transfer(TransferId::of(CdrId(3), Part::Sell)));
    assert_eq!(
        at(|b| b.cdrs[2].reserved = Micros(1)),
        Place::Transfer(TransferId::of(CdrId(3), Part::Sell))
    );
    let lost_reservation = |b: &mut Books| {
        b.ledger.apply(Op::Release { reservation: TransferId::of(CdrId(3), Part::Sell) }).unwrap();
    };
    assert_eq!(at(lost_reservation), Place::Cdr(CdrId(3)));
}

#[test]
fn a_difference_reads_as_a_sentence() {
    let mut books = books();
    books.transfers[1].amount = Micros(1);
    let text = check(&books).unwrap_err().to_string();
    let id = TransferId::of(CdrId(1), Part::Sell);
    assert!(
        text.starts_with(&format!("transfer {id}: what was booked should be 1.000000")),
        "{text}"
    );
    assert!(text.contains("and is 0.000001"), "{text}");
}
