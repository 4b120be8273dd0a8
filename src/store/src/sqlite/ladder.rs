//! SIP messages in SQLite.

use async_trait::async_trait;
use offhook_types::{PhoneId, WallTime};
use sqlx::sqlite::SqliteRow;

use super::many::Insert;
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

/// Each gets the place after those of its leg, as long as there is one left.
const STEPS: Insert = Insert {
    into: "WITH new (nth, phone_id, at, direction, peer, line, most) AS (",
    columns: 7,
    then: ") INSERT INTO sip_steps (phone_id, place, at, direction, peer, line) \
           SELECT phone_id, place, at, direction, peer, line FROM (SELECT *, \
           COALESCE((SELECT MAX(place) FROM sip_steps s WHERE s.phone_id = new.phone_id), 0) \
           + ROW_NUMBER() OVER (PARTITION BY phone_id ORDER BY nth) AS place FROM new) \
           WHERE place <= most",
};

#[async_trait]
impl Ladder for Sqlite {
    async fn add_steps(&self, steps: &[Step], most: u32) -> Result<(), Error> {
        let mut tx = self.write().await?;
        let rows: Vec<_> = (0_i64..).zip(steps).collect();
        STEPS
            .run(&mut tx, &rows, |(nth, step), values| {
                values
                    .push(*nth)
                    .push(signed(step.phone.0))
                    .push(signed(step.at.0))
                    .push(if step.sent { "out" } else { "in" })
                    .push(step.peer.as_str())
                    .push(step.line.as_str())
                    .push(i64::from(most));
            })
            .await?;
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
