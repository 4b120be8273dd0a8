//! Call detail records in SQLite.

use async_trait::async_trait;
use offhook_billing::cdr::{Cdr, Fate, Policy};
use offhook_types::{CallId, CdrId, PhoneId, WallTime};
use sqlx::SqliteConnection;

use super::{Sqlite, explain, signed};
use crate::{CdrQuery, Cdrs, Error, Retained};

mod columns;

pub(super) use columns::{read_cdr, write};

/// A leg lasts at most so long on either side of a time within it.
const DAY_MS: i64 = 86_400_000;

#[async_trait]
impl Cdrs for Sqlite {
    async fn cdr(&self, id: CdrId) -> Result<Option<Cdr>, Error> {
        let row = sqlx::query("SELECT * FROM cdrs WHERE id = ?")
            .bind(signed(id.0))
            .fetch_optional(&self.readers)
            .await;
        row.map_err(explain)?.as_ref().map(read_cdr).transpose()
    }

    async fn cdrs_of_call(&self, call: CallId) -> Result<Vec<Cdr>, Error> {
        let rows = sqlx::query("SELECT * FROM cdrs WHERE call_id = ? ORDER BY opened_at, attempt")
            .bind(signed(call.0))
            .fetch_all(&self.readers)
            .await
            .map_err(explain)?;
        rows.iter().map(read_cdr).collect()
    }

    async fn cdrs_of_phone(&self, phone: PhoneId, around: WallTime) -> Result<Vec<Cdr>, Error> {
        let rows = sqlx::query(
            "SELECT * FROM cdrs WHERE opened_at BETWEEN ? AND ? AND phone_id = ? \
             ORDER BY attempt, opened_at",
        )
        .bind(signed(around.0).saturating_sub(DAY_MS))
        .bind(signed(around.0).saturating_add(DAY_MS))
        .bind(signed(phone.0))
        .fetch_all(&self.readers)
        .await
        .map_err(explain)?;
        rows.iter().map(read_cdr).collect()
    }

    async fn open_cdrs(&self) -> Result<Vec<Cdr>, Error> {
        let rows = sqlx::query("SELECT * FROM cdrs WHERE ended_at IS NULL ORDER BY opened_at")
            .fetch_all(&self.readers)
            .await
            .map_err(explain)?;
        rows.iter().map(read_cdr).collect()
    }

    async fn cdrs(&self, query: &CdrQuery, limit: u32) -> Result<Vec<Cdr>, Error> {
        let text = match (query.newest_first, query.account.is_some()) {
            (true, true) => NEWEST_OF_ACCOUNT,
            (true, false) => NEWEST,
            (false, true) => OLDEST_OF_ACCOUNT,
            (false, false) => OLDEST,
        };
        let edge = if query.newest_first { i64::MAX } else { i64::MIN };
        let (at, id) = query.after.map_or((edge, edge), |(at, id)| (signed(at.0), signed(id.0)));
        let rows = sqlx::query(text)
            .bind(query.account.map(|account| signed(account.0)))
            .bind(query.from.map_or(0, |from| signed(from.0)))
            .bind(query.until.map_or(i64::MAX, |until| signed(until.0)))
            .bind(at)
            .bind(id)
            .bind(i64::from(limit))
            .fetch_all(&self.readers)
            .await
            .map_err(explain)?;
        rows.iter().map(read_cdr).collect()
    }

    async fn retain_cdrs(
        &self,
        now: WallTime,
        policy: &Policy,
        limit: u32,
    ) -> Result<Retained, Error> {
        let mut tx = self.write().await?;
        let rows = sqlx::query(
            "SELECT * FROM cdrs WHERE ended_at IS NOT NULL AND to_number <> '' \
             AND ((ended_at <= ?1 AND ?2 > 0 AND (to_number GLOB '*[0-9]' \
             OR from_number GLOB '*[0-9]')) OR ended_at <= ?3) ORDER BY opened_at LIMIT ?4",
        )
        .bind(signed(now.0) - span_ms(policy.numbers_whole))
        .bind(i64::from(policy.hidden_digits))
        .bind(signed(now.0) - span_ms(policy.kept))
        .bind(i64::from(limit))
        .fetch_all(&mut *tx)
        .await
        .map_err(explain)?;
        let mut retained = Retained::default();
        for row in &rows {
            let cdr = read_cdr(row)?;
            match policy.fate(now, &cdr) {
                Fate::Stays => {}
                Fate::Cut => {
                    cut(&mut tx, &cdr, policy).await?;
                    retained.cut += 1;
                }
                Fate::Goes => {
                    erase(&mut tx, &cdr).await?;
                    retained.erased += 1;
                }
            }
        }
        tx.commit().await.map_err(explain)?;
        Ok(retained)
    }
}

const NEWEST_OF_ACCOUNT: &str = "SELECT * FROM cdrs WHERE account_id = ?1 \
     AND opened_at >= ?2 AND opened_at < ?3 AND (opened_at, id) < (?4, ?5) \
     ORDER BY opened_at DESC, id DESC LIMIT ?6";
const NEWEST: &str = "SELECT * FROM cdrs WHERE ?1 IS NULL \
     AND opened_at >= ?2 AND opened_at < ?3 AND (opened_at, id) < (?4, ?5) \
     ORDER BY opened_at DESC, id DESC LIMIT ?6";
const OLDEST_OF_ACCOUNT: &str = "SELECT * FROM cdrs WHERE account_id = ?1 \
     AND opened_at >= ?2 AND opened_at < ?3 AND (opened_at, id) > (?4, ?5) \
     ORDER BY opened_at, id LIMIT ?6";
const OLDEST: &str = "SELECT * FROM cdrs WHERE ?1 IS NULL \
     AND opened_at >= ?2 AND opened_at < ?3 AND (opened_at, id) > (?4, ?5) \
     ORDER BY opened_at, id LIMIT ?6";

fn span_ms(span: std::time::Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

async fn cut(tx: &mut SqliteConnection, cdr: &Cdr, policy: &Policy) -> Result<(), Error> {
    let (from, to) = (cdr.opening.from.as_ref(), &cdr.opening.to);
    sqlx::query("UPDATE cdrs SET from_number = ?, to_number = ? WHERE id = ?")
        .bind(from.map(|from| policy.cut(from).as_str().to_owned()))
        .bind(policy.cut(to).as_str())
        .bind(signed(cdr.opening.id.0))
        .execute(&mut *tx)
        .await
        .map_err(explain)?;
    Ok(())
}

async fn erase(tx: &mut SqliteConnection, cdr: &Cdr) -> Result<(), Error> {
    sqlx::query(
        "UPDATE cdrs SET from_number = NULL, to_number = '', user_id = NULL, call_id = NULL, \
         destination = '', route = '' WHERE id = ?",
    )
    .bind(signed(cdr.opening.id.0))
    .execute(&mut *tx)
    .await
    .map_err(explain)?;
    Ok(())
}
