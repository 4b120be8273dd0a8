//! Call records and history in SQLite.

use async_trait::async_trait;
use offhook_call::{Caller, Cause, Direction, Ending, Media, Party, Record, Via};
use offhook_types::counters::Counted;
use offhook_types::{CallId, Currency, Dialed, Micros, UserId, WallTime};
use sqlx::SqliteConnection;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};

use super::rows::parsed;
use super::{Field, Sqlite, explain, signed, unsigned};
use crate::{CallStep, Calls, Error, HistoryEntry, HistoryPage};

fn read_media(row: &SqliteRow) -> Result<Media, Error> {
    Media::from_label(row.field("media")?).ok_or(Error::Corrupt { what: "media" })
}

fn read_cause(row: &SqliteRow) -> Result<Cause, Error> {
    Cause::from_label(row.field("cause")?).ok_or(Error::Corrupt { what: "cause" })
}

fn read_dialed(row: &SqliteRow, what: &'static str) -> Result<Dialed, Error> {
    row.field::<&str>(what)?.parse().map_err(|_| Error::Corrupt { what })
}

fn read_via(row: &SqliteRow) -> Result<Via, Error> {
    Via::from_label(row.field("via")?).ok_or(Error::Corrupt { what: "via" })
}

fn read_caller(row: &SqliteRow) -> Result<Caller, Error> {
    if let Some(bits) = row.field::<Option<i64>>("caller_id")? {
        return Ok(Caller::User(UserId(unsigned(bits))));
    }
    let number = match row.field::<Option<&str>>("caller_number")? {
        Some(_) => Some(read_dialed(row, "caller_number")?),
        None => None,
    };
    let name = row.field::<&str>("caller_name")?.into();
    Ok(Caller::Phone(Party { number, name }))
}

fn read_time(row: &SqliteRow, what: &'static str) -> Result<WallTime, Error> {
    Ok(WallTime(unsigned(row.field(what)?)))
}

fn read_optional_time(row: &SqliteRow, what: &'static str) -> Result<Option<WallTime>, Error> {
    Ok(row.field::<Option<i64>>(what)?.map(|bits| WallTime(unsigned(bits))))
}

fn read_record(row: &SqliteRow) -> Result<Record, Error> {
    let ending = match read_optional_time(row, "ended_at")? {
        Some(at) => Some(Ending { cause: read_cause(row)?, at }),
        None => None,
    };
    Ok(Record {
        call: CallId(unsigned(row.field("id")?)),
        caller: read_caller(row)?,
        callee: row.field::<Option<i64>>("callee_id")?.map(|bits| UserId(unsigned(bits))),
        number: read_dialed(row, "called")?,
        via: read_via(row)?,
        media: read_media(row)?,
        placed_at: read_time(row, "placed_at")?,
        accepted_at: read_optional_time(row, "accepted_at")?,
        ending,
    })
}

fn read_charge(row: &SqliteRow) -> Result<Option<(Micros, Currency)>, Error> {
    match row.field::<Option<i64>>("charge")? {
        Some(amount) => Ok(Some((Micros(amount), parsed(row, "currency")?))),
        None => Ok(None),
    }
}

fn read_entry(row: &SqliteRow) -> Result<HistoryEntry, Error> {
    let direction = match row.field::<&str>("direction")? {
        "out" => Direction::Outgoing,
        "in" => Direction::Incoming,
        _ => return Err(Error::Corrupt { what: "direction" }),
    };
    let via = read_via(row)?;
    let name = match via {
        Via::App => row.field::<Option<String>>("display_name")?.unwrap_or_default(),
        Via::Phone => row.field("peer_name")?,
    };
    let hidden = row.field::<&str>("peer_number")?.is_empty();
    Ok(HistoryEntry {
        call: CallId(unsigned(row.field("call_id")?)),
        direction,
        peer_number: if hidden { None } else { Some(read_dialed(row, "peer_number")?) },
        peer_name: if direction == Direction::Incoming { name } else { String::new() },
        via,
        charge: read_charge(row)?,
        media: read_media(row)?,
        cause: read_cause(row)?,
        placed_at: read_time(row, "placed_at")?,
        accepted_at: read_optional_time(row, "accepted_at")?,
        ended_at: read_time(row, "ended_at")?,
    })
}

async fn write(tx: &mut SqliteConnection, step: &CallStep) -> Result<bool, Error> {
    let query = match step {
        CallStep::Open(record) => open(record),
        CallStep::Accept { call, at } => sqlx::query(
            "UPDATE calls SET accepted_at = ? \
             WHERE id = ? AND accepted_at IS NULL AND ended_at IS NULL",
        )
        .bind(signed(at.0))
        .bind(signed(call.0)),
        // A trigger writes the history.
        CallStep::Close { call, accepted_at, ending } => sqlx::query(
            "UPDATE calls SET ended_at = ?, cause = ?, accepted_at = COALESCE(accepted_at, ?) \
             WHERE id = ? AND ended_at IS NULL",
        )
        .bind(signed(ending.at.0))
        .bind(ending.cause.label())
        .bind(accepted_at.map(|at| signed(at.0)))
        .bind(signed(call.0)),
    };
    Ok(query.execute(tx).await.map_err(explain)?.rows_affected() > 0)
}

fn open(record: &Record) -> Query<'_, sqlx::Sqlite, SqliteArguments> {
    let phone = match &record.caller {
        Caller::User(_) => None,
        Caller::Phone(party) => Some(party),
    };
    let number = phone.and_then(|party| party.number.as_ref());
    sqlx::query(
        "INSERT INTO calls (id, caller_id, caller_number, caller_name, called, callee_id, via, \
         media, placed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(signed(record.call.0))
    .bind(record.caller.user().map(|caller| signed(caller.0)))
    .bind(number.map(|number| number.as_str()))
    .bind(phone.map_or("", |party| party.name.as_ref()))
    .bind(record.number.as_str())
    .bind(record.callee.map(|callee| signed(callee.0)))
    .bind(record.via.label())
    .bind(record.media.label())
    .bind(signed(record.placed_at.0))
}

#[async_trait]
impl Calls for Sqlite {
    async fn write_calls(&self, steps: &[CallStep]) -> Result<Vec<Result<bool, Error>>, Error> {
        if let [step] = steps {
            // A statement is a transaction by itself.
            let mut writer = self.writer.acquire().await.map_err(explain)?;
            return match write(&mut writer, step).await {
                Err(error @ Error::Unavailable(_)) => Err(error),
                done => Ok(vec![done]),
            };
        }
        let mut tx = self.write().await?;
        let mut written = Vec::with_capacity(steps.len());
        for step in steps {
            match write(&mut tx, step).await {
                Err(error @ Error::Unavailable(_)) => return Err(error),
                done => written.push(done),
            }
        }
        tx.commit().await.map_err(explain)?;
        Ok(written)
    }

    async fn close_left_open(&self, now: WallTime) -> Result<u64, Error> {
        let closed = sqlx::query("UPDATE calls SET ended_at = ?, cause = ? WHERE ended_at IS NULL")
            .bind(signed(now.0))
            .bind(Cause::Server.label())
            .execute(&self.writer)
            .await
            .map_err(explain)?;
        Ok(closed.rows_affected())
    }

    async fn call(&self, call: CallId) -> Result<Option<Record>, Error> {
        let row = sqlx::query("SELECT * FROM calls WHERE id = ?")
            .bind(signed(call.0))
            .fetch_optional(&self.readers)
            .await;
        row.map_err(explain)?.as_ref().map(read_record).transpose()
    }

    async fn history(
        &self,
        user: UserId,
        before: Option<WallTime>,
        limit: u32,
    ) -> Result<HistoryPage, Error> {
        let before = before.map_or(i64::MAX, |at| i64::try_from(at.0).unwrap_or(i64::MAX));
        // The page ends below the newest time that does not fit; calls of one millisecond stay
        // together.
        let rows = sqlx::query(
            "SELECT h.*, u.display_name, (SELECT SUM(d.sell_amount) FROM cdrs d \
                    JOIN accounts a ON a.id = d.account_id WHERE d.call_id = h.call_id \
                    AND a.user_id = h.user_id) AS charge, \
                    (SELECT a.currency FROM accounts a WHERE a.user_id = h.user_id) AS currency \
             FROM history h LEFT JOIN users u ON u.id = h.peer_id \
             WHERE h.user_id = ?1 AND h.placed_at < ?2 AND h.placed_at >= COALESCE( \
                 (SELECT placed_at FROM history WHERE user_id = ?1 AND placed_at < ?2 \
                  ORDER BY placed_at DESC LIMIT 1 OFFSET ?3), 0) \
             ORDER BY h.placed_at DESC, h.call_id, h.direction",
        )
        .bind(signed(user.0))
        .bind(before)
        .bind(i64::from(limit.max(1)) - 1)
        .fetch_all(&self.readers)
        .await
        .map_err(explain)?;
        let entries = rows.iter().map(read_entry).collect::<Result<Vec<_>, _>>()?;
        let oldest = entries.last().map_or(0, |entry| signed(entry.placed_at.0));
        let more = sqlx::query("SELECT 1 FROM history WHERE user_id = ? AND placed_at < ? LIMIT 1")
            .bind(signed(user.0))
            .bind(oldest)
            .fetch_optional(&self.readers)
            .await
            .map_err(explain)?
            .is_some();
        Ok(HistoryPage { entries, more })
    }
}
