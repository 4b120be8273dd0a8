//! Our own numbers in SQLite.

use async_trait::async_trait;
use offhook_types::{AccountId, Number, UserId};
use sqlx::sqlite::SqliteRow;

use super::rows::{bits, bytes, optional_bits, parsed};
use super::{Field, Sqlite, explain, signed};
use crate::{Error, LeadsTo, Numbers, OwnedNumber, PinHash};

fn read_number(row: &SqliteRow) -> Result<OwnedNumber, Error> {
    let leads_to = match optional_bits(row, "user_id")? {
        Some(user) => LeadsTo::User(UserId(user)),
        None => LeadsTo::Room { name: row.field("room")?, pin: read_pin(row)? },
    };
    let account = AccountId(bits(row, "account_id")?);
    Ok(OwnedNumber { number: parsed(row, "number")?, account, leads_to })
}

fn read_pin(row: &SqliteRow) -> Result<Option<PinHash>, Error> {
    if row.field::<Option<&[u8]>>("pin_hash")?.is_none() {
        return Ok(None);
    }
    Ok(Some(PinHash { salt: bytes(row, "pin_salt")?, hash: bytes(row, "pin_hash")? }))
}

#[async_trait]
impl Numbers for Sqlite {
    async fn owned_numbers(&self) -> Result<Vec<OwnedNumber>, Error> {
        let rows = sqlx::query("SELECT * FROM owned_numbers ORDER BY number")
            .fetch_all(&self.readers)
            .await
            .map_err(explain)?;
        rows.iter().map(read_number).collect()
    }

    async fn owned_number(&self, number: &Number) -> Result<Option<OwnedNumber>, Error> {
        let row = sqlx::query("SELECT * FROM owned_numbers WHERE number = ?")
            .bind(number.as_str())
            .fetch_optional(&self.readers)
            .await;
        row.map_err(explain)?.as_ref().map(read_number).transpose()
    }

    async fn put_owned_number(&self, number: &OwnedNumber) -> Result<(), Error> {
        let (user, room, pin) = match &number.leads_to {
            LeadsTo::User(user) => (Some(signed(user.0)), None, None),
            LeadsTo::Room { name, pin } => (None, Some(name.as_str()), pin.as_ref()),
        };
        sqlx::query(
            "INSERT INTO owned_numbers (number, account_id, user_id, room, pin_salt, pin_hash) \
             VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (number) DO UPDATE SET \
             account_id = excluded.account_id, user_id = excluded.user_id, room = excluded.room, \
             pin_salt = excluded.pin_salt, pin_hash = excluded.pin_hash",
        )
        .bind(number.number.as_str())
        .bind(signed(number.account.0))
        .bind(user)
        .bind(room)
        .bind(pin.map(|pin| &pin.salt[..]))
        .bind(pin.map(|pin| &pin.hash[..]))
        .execute(&self.writer)
        .await
        .map_err(explain)?;
        Ok(())
    }

    async fn remove_owned_number(&self, number: &Number) -> Result<bool, Error> {
        let done = sqlx::query("DELETE FROM owned_numbers WHERE number = ?")
            .bind(number.as_str())
            .execute(&self.writer)
            .await
            .map_err(explain)?;
        Ok(done.rows_affected() > 0)
    }
}
