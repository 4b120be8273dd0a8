//! Walks through records and transfers side by side, some thousand at a time, within one view of the
//! database.

use offhook_billing::cdr::Cdr;
use offhook_billing::ledger::Transfer;
use offhook_billing::reconcile::{Difference, Reconcile, Summary};
use sqlx::SqliteConnection;

use super::super::cdrs::read_cdr;
use super::super::{Field, explain, signed};
use super::{read_reservation, read_standing, read_transfer};
use crate::Error;

/// What ended a check early.
pub(super) enum End {
    /// They are not equal.
    Difference(Difference),
    /// The store failed.
    Store(Error),
}

impl From<Difference> for End {
    fn from(difference: Difference) -> Self {
        Self::Difference(difference)
    }
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl From<sqlx::Error> for End {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(explain(error))
    }
}

/// Some megabytes.
const PAGE: i64 = 4000;

pub(super) async fn run(tx: &mut SqliteConnection) -> Result<Summary, End> {
    let mut check = Reconcile::new();
    free_transfers(tx, &mut check).await?;
    // Ids are compared as the database sorts them: signed.
    let mut after = None;
    loop {
        let cdrs = cdrs_after(tx, after).await?;
        let last = cdrs.last().map(|cdr| signed(cdr.opening.id.0));
        let end = if cdrs.len() == PAGE as usize { last } else { None };
        compare(&mut check, &cdrs, &transfers_between(tx, after, end).await?)?;
        match end {
            Some(last) => after = Some(last),
            None => break,
        }
    }
    let reservations = sqlx::query("SELECT * FROM reservations").fetch_all(&mut *tx).await?;
    for row in &reservations {
        check.reservation(&read_reservation(row)?)?;
    }
    for row in &sqlx::query("SELECT * FROM books").fetch_all(&mut *tx).await? {
        let (book, standing) = read_standing(row)?;
        check.book(book, &standing)?;
    }
    Ok(check.finish()?)
}

/// The transfers that belong to no record.
async fn free_transfers(tx: &mut SqliteConnection, check: &mut Reconcile) -> Result<(), End> {
    let mut after = 0i64;
    loop {
        let rows = sqlx::query(
            "SELECT * FROM transfers WHERE cdr_id IS NULL AND seq > ? ORDER BY seq LIMIT ?",
        )
        .bind(after)
        .bind(PAGE)
        .fetch_all(&mut *tx)
        .await?;
        for row in &rows {
            check.transfer(&read_transfer(row)?)?;
        }
        match rows.last() {
            Some(row) => after = row.field("seq")?,
            None => return Ok(()),
        }
    }
}

async fn cdrs_after(tx: &mut SqliteConnection, after: Option<i64>) -> Result<Vec<Cdr>, End> {
    let rows = sqlx::query("SELECT * FROM cdrs WHERE ?1 IS NULL OR id > ?1 ORDER BY id LIMIT ?2")
        .bind(after)
        .bind(PAGE)
        .fetch_all(&mut *tx)
        .await?;
    Ok(rows.iter().map(read_cdr).collect::<Result<_, _>>()?)
}

/// The transfers of records after one and up to another, in the order of the records.
async fn transfers_between(
    tx: &mut SqliteConnection,
    after: Option<i64>,
    last: Option<i64>,
) -> Result<Vec<Transfer>, End> {
    let rows = sqlx::query(
        "SELECT * FROM transfers WHERE cdr_id IS NOT NULL AND (?1 IS NULL OR cdr_id > ?1) \
         AND (?2 IS NULL OR cdr_id <= ?2) ORDER BY cdr_id, seq",
    )
    .bind(after)
    .bind(last)
    .fetch_all(&mut *tx)
    .await?;
    Ok(rows.iter().map(read_transfer).collect::<Result<_, _>>()?)
}

/// Hand over each record with the transfers that follow it.
fn compare(check: &mut Reconcile, cdrs: &[Cdr], transfers: &[Transfer]) -> Result<(), Difference> {
    let place = |transfer: &Transfer| transfer.cdr.map(|cdr| signed(cdr.0));
    let mut rest = transfers.iter().peekable();
    for cdr in cdrs {
        let id = signed(cdr.opening.id.0);
        while let Some(stray) = rest.next_if(|transfer| place(transfer) < Some(id)) {
            check.transfer(stray)?;
        }
        check.cdr(cdr)?;
        while let Some(own) = rest.next_if(|transfer| place(transfer) == Some(id)) {
            check.transfer(own)?;
        }
    }
    rest.try_for_each(|stray| check.transfer(stray))
}
