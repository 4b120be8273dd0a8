//! SIP messages in SQLite.

use async_trait::async_trait;
use offhook_types::{PhoneId, WallTime};
use sqlx::sqlite::SqliteRow;

use super::rows::{bits, time};
use super::{Field, Sqlite, explain, signed};
use crate::{Error, Ladder, Step};

fn read_step(row: &SqliteRow) -> Result<Step, Error> {
    Ok(Step {
        phone: PhoneId(bits(row, "phone_id")?),
        at: time(row, "at")?,
        sent: match row.field::<&str>("direction")? {
            "out" => true,
            "in" => false,
            _ => return Err(Error::Corrupt { what: "direction" }),
        },
        peer: row.field("peer")?,
        line: row.field("line")?,
    })
}

#[async_trait]
impl Ladder for Sqlite {
    async fn add_steps(&self, steps: &[Step], most: u32) -> Result<(), Error> {
        let mut tx = self.write().await?;
        for step in steps {
            sqlx::query(
                "INSERT INTO sip_steps (phone_id, place, at, direction, peer, line) \
                 SELECT ?1, place, ?2, ?3, ?4, ?5 FROM (SELECT COALESCE(MAX(place), 0) + 1 AS place \
                 FROM sip_steps WHERE phone_id = ?1) WHERE place <= ?6",
            )
            .bind(signed(step.phone.0))
            .bind(signed(step.at.0))
            .bind(if step.sent { "out" } else { "in" })
            .bind(&step.peer)
            .bind(&step.line)
            .bind(i64::from(most))
            .execute(&mut *tx)
            .await
            .map_err(explain)?;
        }
        tx.commit().await.map_err(explain)
    }

    async fn steps(&self, phone: PhoneId) -> Result<Vec<Step>, Error> {
        let rows = sqlx::query("SELECT * FROM sip_steps WHERE phone_id = ? ORDER BY place")
            .bind(signed(phone.0))
            .fetch_all(&self.readers)
            .await
            .map_err(explain)?;
        rows.iter().map(read_step).collect()
    }

    async fn prune_steps(&self, before: WallTime) -> Result<u64, Error> {
        let done = sqlx::query("DELETE FROM sip_steps WHERE at < ?")
            .bind(signed(before.0))
            .execute(&self.writer)
            .await
            .map_err(explain)?;
        Ok(done.rows_affected())
    }
}
