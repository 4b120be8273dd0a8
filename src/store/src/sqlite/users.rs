//! Users in SQLite.

use async_trait::async_trait;
use offhook_types::{Number, UserId, WallTime};
use sqlx::sqlite::SqliteRow;

use super::{Field, Sqlite, explain, signed, unsigned};
use crate::{Error, NewUser, User, Users};

pub(super) fn read_user(row: &SqliteRow) -> Result<User, Error> {
    Ok(User {
        id: UserId(unsigned(row.field("user_id")?)),
        number: read_number(row, "number")?,
        display_name: row.field("display_name")?,
        created_at: WallTime(unsigned(row.field("user_created_at")?)),
    })
}

pub(super) fn read_number(row: &SqliteRow, what: &'static str) -> Result<Number, Error> {
    row.field::<&str>(what)?.parse().map_err(|_| Error::Corrupt { what })
}

const BY_ID: &str = "SELECT id AS user_id, number, display_name, created_at AS user_created_at \
                     FROM users WHERE id = ?";
const BY_NUMBER: &str = "SELECT id AS user_id, number, display_name, \
                         created_at AS user_created_at FROM users WHERE number = ?";

#[async_trait]
impl Users for Sqlite {
    async fn sign_up(&self, now: WallTime, new: &NewUser) -> Result<User, Error> {
        let mut tx = self.write().await?;
        let known = sqlx::query(BY_NUMBER)
            .bind(new.number.as_str())
            .fetch_optional(&mut *tx)
            .await
            .map_err(explain)?;
        if let Some(row) = known {
            return read_user(&row);
        }
        sqlx::query("INSERT INTO users (id, number, display_name, created_at) VALUES (?, ?, ?, ?)")
            .bind(signed(new.id.0))
            .bind(new.number.as_str())
            .bind(&new.display_name)
            .bind(signed(now.0))
            .execute(&mut *tx)
            .await
            .map_err(explain)?;
        tx.commit().await.map_err(explain)?;
        Ok(User {
            id: new.id,
            number: new.number.clone(),
            display_name: new.display_name.clone(),
            created_at: now,
        })
    }

    async fn user(&self, id: UserId) -> Result<Option<User>, Error> {
        let row = sqlx::query(BY_ID).bind(signed(id.0)).fetch_optional(&self.readers).await;
        row.map_err(explain)?.as_ref().map(read_user).transpose()
    }

    async fn user_by_number(&self, number: &Number) -> Result<Option<User>, Error> {
        let row = sqlx::query(BY_NUMBER).bind(number.as_str()).fetch_optional(&self.readers).await;
        row.map_err(explain)?.as_ref().map(read_user).transpose()
    }

    async fn rename(&self, id: UserId, display_name: &str) -> Result<Option<User>, Error> {
        let row = sqlx::query(
            "UPDATE users SET display_name = ? WHERE id = ? \
             RETURNING id AS user_id, number, display_name, created_at AS user_created_at",
        )
        .bind(display_name)
        .bind(signed(id.0))
        .fetch_optional(&self.writer)
        .await;
        row.map_err(explain)?.as_ref().map(read_user).transpose()
    }
}
