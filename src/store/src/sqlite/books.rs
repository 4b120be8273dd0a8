//! The ledger in SQLite. A batch is a handful of statements, however many calls are in it.

use std::collections::BTreeMap;

use async_trait::async_trait;
use offhook_billing::ledger::{
    Book, Changes, Image, Purpose, Reservation, Standing, Transfer, TransferId,
};
use offhook_billing::reconcile::{Difference, Summary};
use offhook_types::counters::Counted;
use offhook_types::{AccountId, CdrId};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::many::Insert;
use super::rows::{bits, bytes, label, micros, optional_bits, parsed, time};
use super::{Sqlite, explain, signed};
use crate::{Batch, Books, Error, NewDecision, NewMessage};

mod reconcile;

const TRANSFERS: Insert = Insert {
    into: "INSERT INTO transfers (id, from_book, to_book, amount, purpose, account_id, cdr_id, \
           booked_at)",
    columns: 8,
    then: "",
};

const STANDINGS: Insert = Insert {
    into: "INSERT INTO books (book, currency, booked, reserved, credit_limit)",
    columns: 5,
    then: "ON CONFLICT (book) DO UPDATE SET booked = excluded.booked, \
           reserved = excluded.reserved, credit_limit = excluded.credit_limit",
};

const RESERVATIONS: Insert = Insert {
    into: "INSERT INTO reservations (id, account_id, amount, cdr_id)",
    columns: 4,
    then: "ON CONFLICT (id) DO UPDATE SET amount = excluded.amount",
};

const DECISIONS: Insert = Insert {
    into: "INSERT INTO decisions (account_id, phone_id, rule, action, reason, target, appeal, \
           decided_at)",
    columns: 8,
    then: "",
};

const MESSAGES: Insert = Insert {
    into: "INSERT INTO outbox (key, body, created_at, due_at)",
    columns: 4,
    then: "ON CONFLICT (key) DO NOTHING",
};

fn read_transfer(row: &SqliteRow) -> Result<Transfer, Error> {
    Ok(Transfer {
        id: read_id(row)?,
        from: parsed(row, "from_book")?,
        to: parsed(row, "to_book")?,
        amount: micros(row, "amount")?,
        purpose: label::<Purpose>(row, "purpose")?,
        cdr: optional_bits(row, "cdr_id")?.map(CdrId),
        at: time(row, "booked_at")?,
    })
}

fn read_id(row: &SqliteRow) -> Result<TransferId, Error> {
    bytes(row, "id").map(|id| TransferId(u128::from_be_bytes(id)))
}

fn read_reservation(row: &SqliteRow) -> Result<Reservation, Error> {
    Ok(Reservation {
        id: read_id(row)?,
        account: AccountId(bits(row, "account_id")?),
        amount: micros(row, "amount")?,
        cdr: CdrId(bits(row, "cdr_id")?),
    })
}

fn read_standing(row: &SqliteRow) -> Result<(Book, Standing), Error> {
    let standing = Standing {
        booked: micros(row, "booked")?,
        reserved: micros(row, "reserved")?,
        credit_limit: micros(row, "credit_limit")?,
        currency: parsed(row, "currency")?,
    };
    Ok((parsed(row, "book")?, standing))
}

/// The customer whose statement shows a transfer.
const fn customer(transfer: &Transfer) -> Option<AccountId> {
    match (transfer.from, transfer.to) {
        (Book::Customer(account), _) | (_, Book::Customer(account)) => Some(account),
        _ => None,
    }
}

async fn write_changes(tx: &mut SqliteConnection, changes: &Changes) -> Result<(), Error> {
    TRANSFERS
        .run(tx, &changes.transfers, |transfer, values| {
            values
                .push(transfer.id.0.to_be_bytes().to_vec())
                .push(transfer.from.to_string())
                .push(transfer.to.to_string())
                .push(transfer.amount.0)
                .push(transfer.purpose.label())
                .push(customer(transfer).map(|account| signed(account.0)))
                .push(transfer.cdr.map(|cdr| signed(cdr.0)))
                .push(signed(transfer.at.0));
        })
        .await?;
    let standings: Vec<_> = changes.standings.iter().collect();
    STANDINGS
        .run(tx, &standings, |(book, standing), values| {
            values
                .push(book.to_string())
                .push(standing.currency.as_str())
                .push(standing.booked.0)
                .push(standing.reserved.0)
                .push(standing.credit_limit.0);
        })
        .await?;
    write_reservations(tx, changes).await
}

async fn write_reservations(tx: &mut SqliteConnection, changes: &Changes) -> Result<(), Error> {
    let open: Vec<_> = changes.reservations.values().flatten().collect();
    RESERVATIONS
        .run(tx, &open, |reservation, values| {
            values
                .push(reservation.id.0.to_be_bytes().to_vec())
                .push(signed(reservation.account.0))
                .push(reservation.amount.0)
                .push(signed(reservation.cdr.0));
        })
        .await?;
    for (id, _) in changes.reservations.iter().filter(|(_, open)| open.is_none()) {
        sqlx::query("DELETE FROM reservations WHERE id = ?")
            .bind(id.0.to_be_bytes().to_vec())
            .execute(&mut *tx)
            .await
            .map_err(explain)?;
    }
    Ok(())
}

async fn write_decisions(tx: &mut SqliteConnection, new: &[NewDecision]) -> Result<(), Error> {
    DECISIONS
        .run(tx, new, |decision, values| {
            values
                .push(signed(decision.account.0))
                .push(decision.phone.map(|phone| signed(phone.0)))
                .push(decision.rule.as_str())
                .push(decision.action.as_str())
                .push(decision.reason.as_str())
                .push(decision.target.as_str())
                .push("")
                .push(signed(decision.at.0));
        })
        .await?;
    Ok(())
}

async fn write_messages(tx: &mut SqliteConnection, new: &[NewMessage]) -> Result<(), Error> {
    MESSAGES
        .run(tx, new, |message, values| {
            values
                .push(message.key.as_str())
                .push(message.body.as_str())
                .push(signed(message.at.0))
                .push(signed(message.at.0));
        })
        .await?;
    Ok(())
}

#[async_trait]
impl Books for Sqlite {
    async fn commit_billing(&self, batch: &Batch) -> Result<(), Error> {
        let mut tx = self.write().await?;
        write_changes(&mut tx, &batch.changes).await?;
        super::cdrs::write(&mut tx, &batch.cdrs).await?;
        write_decisions(&mut tx, &batch.decisions).await?;
        write_messages(&mut tx, &batch.messages).await?;
        tx.commit().await.map_err(explain)
    }

    async fn ledger_image(&self, recent: u32) -> Result<Image, Error> {
        let mut tx = self.readers.begin().await.map_err(explain)?;
        let standings =
            sqlx::query("SELECT * FROM books").fetch_all(&mut *tx).await.map_err(explain)?;
        let reservations = sqlx::query("SELECT * FROM reservations ORDER BY id")
            .fetch_all(&mut *tx)
            .await
            .map_err(explain)?;
        let transfers = sqlx::query(
            "SELECT * FROM (SELECT * FROM transfers ORDER BY seq DESC LIMIT ?) ORDER BY seq",
        )
        .bind(i64::from(recent))
        .fetch_all(&mut *tx)
        .await
        .map_err(explain)?;
        let standings =
            standings.iter().map(read_standing).collect::<Result<BTreeMap<_, _>, _>>()?;
        Ok(Image {
            standings: standings.into_iter().collect(),
            reservations: reservations.iter().map(read_reservation).collect::<Result<_, _>>()?,
            recent: transfers.iter().map(read_transfer).collect::<Result<_, _>>()?,
        })
    }

    async fn transfer(&self, id: TransferId) -> Result<Option<Transfer>, Error> {
        let row = sqlx::query("SELECT * FROM transfers WHERE id = ?")
            .bind(id.0.to_be_bytes().to_vec())
            .fetch_optional(&self.readers)
            .await;
        row.map_err(explain)?.as_ref().map(read_transfer).transpose()
    }

    async fn transfers_of(
        &self,
        account: AccountId,
        before: Option<TransferId>,
        limit: u32,
    ) -> Result<Vec<Transfer>, Error> {
        let rows = sqlx::query(
            "SELECT * FROM transfers WHERE account_id = ?1 \
             AND seq < COALESCE((SELECT seq FROM transfers WHERE id = ?2), ?3) \
             ORDER BY seq DESC LIMIT ?4",
        )
        .bind(signed(account.0))
        .bind(before.map(|id| id.0.to_be_bytes().to_vec()))
        .bind(i64::MAX)
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await
        .map_err(explain)?;
        rows.iter().map(read_transfer).collect()
    }

    async fn standing(&self, book: Book) -> Result<Option<Standing>, Error> {
        let row = sqlx::query("SELECT * FROM books WHERE book = ?")
            .bind(book.to_string())
            .fetch_optional(&self.readers)
            .await;
        let found = row.map_err(explain)?.as_ref().map(read_standing).transpose()?;
        Ok(found.map(|(_, standing)| standing))
    }

    async fn reconcile(&self) -> Result<Result<Summary, Difference>, Error> {
        let mut tx = self.readers.begin().await.map_err(explain)?;
        match reconcile::run(&mut tx).await {
            Ok(summary) => Ok(Ok(summary)),
            Err(reconcile::End::Difference(difference)) => Ok(Err(difference)),
            Err(reconcile::End::Store(error)) => Err(error),
        }
    }
}
