//! Decisions in SQLite.

use async_trait::async_trait;
use offhook_types::{AccountId, PhoneId, WallTime};
use sqlx::sqlite::SqliteRow;

use super::rows::{bits, optional_bits, time};
use super::{Field, Sqlite, explain, signed};
use crate::{Decision, Decisions, Error, NewDecision};

fn read_decision(row: &SqliteRow) -> Result<Decision, Error> {
    Ok(Decision {
        seq: bits(row, "seq")?,
        decision: NewDecision {
            account: AccountId(bits(row, "account_id")?),
            phone: optional_bits(row, "phone_id")?.map(PhoneId),
            rule: row.field("rule")?,
            action: row.field("action")?,
            reason: row.field("reason")?,
            target: row.field("target")?,
            at: time(row, "decided_at")?,
        },
        appeal: row.field("appeal")?,
    })
}

#[async_trait]
impl Decisions for Sqlite {
    async fn decisions(
        &self,
        account: Option<AccountId>,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<Decision>, Error> {
        let rows = sqlx::query(
            "SELECT * FROM decisions WHERE (?1 IS NULL OR account_id = ?1) AND seq < ?2 \
             ORDER BY seq DESC LIMIT ?3",
        )
        .bind(account.map(|account| signed(account.0)))
        .bind(before.map_or(i64::MAX, signed))
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await
        .map_err(explain)?;
        rows.iter().map(read_decision).collect()
    }

    async fn appeal(&self, seq: u64, note: &str) -> Result<bool, Error> {
        let done = sqlx::query("UPDATE decisions SET appeal = ? WHERE seq = ?")
            .bind(note)
            .bind(signed(seq))
            .execute(&self.writer)
            .await
            .map_err(explain)?;
        Ok(done.rows_affected() > 0)
    }

    async fn prune_decisions(&self, before: WallTime) -> Result<u64, Error> {
        let done = sqlx::query("DELETE FROM decisions WHERE decided_at < ?")
            .bind(signed(before.0))
            .execute(&self.writer)
            .await
            .map_err(explain)?;
        Ok(done.rows_affected())
    }
}
