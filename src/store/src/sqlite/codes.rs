//! One-time codes in SQLite.

use async_trait::async_trait;
use offhook_types::WallTime;

use super::{Field, Sqlite, explain, signed};
use crate::{CodeHash, CodeKey, Codes, Error, NewCode};

#[async_trait]
impl Codes for Sqlite {
    async fn put_code(&self, code: &NewCode) -> Result<(), Error> {
        sqlx::query(
            "INSERT OR REPLACE INTO codes (key, hash, expires_at, attempts_left) \
             VALUES (?, ?, ?, ?)",
        )
        .bind(&code.key.0[..])
        .bind(&code.hash.0[..])
        .bind(signed(code.expires_at.0))
        .bind(i64::from(code.attempts))
        .execute(&self.writer)
        .await
        .map_err(explain)?;
        Ok(())
    }

    async fn attempt_code(&self, now: WallTime, key: &CodeKey) -> Result<Option<CodeHash>, Error> {
        let row = sqlx::query(
            "UPDATE codes SET attempts_left = attempts_left - 1 \
             WHERE key = ? AND attempts_left > 0 AND expires_at > ? RETURNING hash",
        )
        .bind(&key.0[..])
        .bind(signed(now.0))
        .fetch_optional(&self.writer)
        .await
        .map_err(explain)?;
        let Some(row) = row else { return Ok(None) };
        let hash = row.field::<&[u8]>("hash")?;
        hash.try_into()
            .map(|hash| Some(CodeHash(hash)))
            .map_err(|_| Error::Corrupt { what: "hash" })
    }

    async fn consume_code(&self, key: &CodeKey, hash: &CodeHash) -> Result<bool, Error> {
        let done = sqlx::query("DELETE FROM codes WHERE key = ? AND hash = ?")
            .bind(&key.0[..])
            .bind(&hash.0[..])
            .execute(&self.writer)
            .await
            .map_err(explain)?;
        Ok(done.rows_affected() > 0)
    }

    async fn prune_codes(&self, now: WallTime) -> Result<u64, Error> {
        let done = sqlx::query("DELETE FROM codes WHERE expires_at <= ?")
            .bind(signed(now.0))
            .execute(&self.writer)
            .await
            .map_err(explain)?;
        Ok(done.rows_affected())
    }
}
