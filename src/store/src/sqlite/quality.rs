//! Quality figures in SQLite.

use async_trait::async_trait;
use offhook_types::{TrunkId, WallTime};
use sqlx::sqlite::SqliteRow;

use super::many::Insert;
use super::rows::{bits, time};
use super::{Field, Sqlite, explain, signed};
use crate::{Error, Quality, Reached};

const QUALITY: Insert = Insert {
    into: "INSERT INTO quality (trunk_id, country, hour, attempts, answered, one_way, delays, \
           delay_ms)",
    columns: 8,
    then: "ON CONFLICT DO UPDATE SET attempts = attempts + excluded.attempts, \
           answered = answered + excluded.answered, one_way = one_way + excluded.one_way, \
           delays = delays + excluded.delays, delay_ms = delay_ms + excluded.delay_ms",
};

fn read_reached(row: &SqliteRow) -> Result<Reached, Error> {
    Ok(Reached {
        trunk: TrunkId(bits(row, "trunk_id")?),
        country: row.field("country")?,
        hour: time(row, "hour")?,
        attempts: bits(row, "attempts")?,
        answered: bits(row, "answered")?,
        one_way: bits(row, "one_way")?,
        delays: bits(row, "delays")?,
        delay_ms: bits(row, "delay_ms")?,
    })
}

#[async_trait]
impl Quality for Sqlite {
    async fn add_quality(&self, reached: &[Reached]) -> Result<(), Error> {
        let mut tx = self.write().await?;
        QUALITY
            .run(&mut tx, reached, |reached, values| {
                values
                    .push(signed(reached.trunk.0))
                    .push(reached.country.as_str())
                    .push(signed(reached.hour.0))
                    .push(signed(reached.attempts))
                    .push(signed(reached.answered))
                    .push(signed(reached.one_way))
                    .push(signed(reached.delays))
                    .push(signed(reached.delay_ms));
            })
            .await?;
        tx.commit().await.map_err(explain)
    }

    async fn quality(&self, since: WallTime) -> Result<Vec<Reached>, Error> {
        let rows =
            sqlx::query("SELECT * FROM quality WHERE hour >= ? ORDER BY hour, trunk_id, country")
                .bind(signed(since.0))
                .fetch_all(&self.readers)
                .await
                .map_err(explain)?;
        rows.iter().map(read_reached).collect()
    }

    async fn prune_quality(&self, before: WallTime) -> Result<u64, Error> {
        let done = sqlx::query("DELETE FROM quality WHERE hour < ?")
            .bind(signed(before.0))
            .execute(&self.writer)
            .await
            .map_err(explain)?;
        Ok(done.rows_affected())
    }
}
