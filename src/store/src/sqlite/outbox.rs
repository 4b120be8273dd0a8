//! Waiting messages in SQLite.

use async_trait::async_trait;
use offhook_types::WallTime;
use sqlx::sqlite::SqliteRow;

use super::rows::{bits, small, time};
use super::{Field, Sqlite, explain, signed, unsigned};
use crate::{Error, Message, NewMessage, Outbox};

fn read_message(row: &SqliteRow) -> Result<Message, Error> {
    Ok(Message {
        seq: bits(row, "seq")?,
        message: NewMessage {
            key: row.field("key")?,
            body: row.field("body")?,
            at: time(row, "created_at")?,
        },
        attempts: small(row, "attempts")?,
    })
}

#[async_trait]
impl Outbox for Sqlite {
    async fn due_messages(&self, now: WallTime, limit: u32) -> Result<Vec<Message>, Error> {
        let rows =
            sqlx::query("SELECT * FROM outbox WHERE due_at <= ? ORDER BY due_at, seq LIMIT ?")
                .bind(signed(now.0))
                .bind(i64::from(limit))
                .fetch_all(&self.readers)
                .await
                .map_err(explain)?;
        rows.iter().map(read_message).collect()
    }

    async fn retry_message(&self, seq: u64, due_at: WallTime) -> Result<(), Error> {
        sqlx::query("UPDATE outbox SET attempts = attempts + 1, due_at = ? WHERE seq = ?")
            .bind(signed(due_at.0))
            .bind(signed(seq))
            .execute(&self.writer)
            .await
            .map_err(explain)?;
        Ok(())
    }

    async fn remove_message(&self, seq: u64) -> Result<(), Error> {
        sqlx::query("DELETE FROM outbox WHERE seq = ?")
            .bind(signed(seq))
            .execute(&self.writer)
            .await
            .map_err(explain)?;
        Ok(())
    }

    async fn waiting_messages(&self) -> Result<u64, Error> {
        let many: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM outbox")
            .fetch_one(&self.readers)
            .await
            .map_err(explain)?;
        Ok(unsigned(many))
    }
}
