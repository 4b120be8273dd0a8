//! Price lists in SQLite.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::TryStreamExt;
use offhook_billing::deck::{ContentHash, Label, Row};
use offhook_types::WallTime;
use sqlx::SqlitePool;
use sqlx::sqlite::SqliteRow;

use super::many::Insert;
use super::rows::{bits, bytes, optional_time, parsed, rate, rate_text, small, time};
use super::{Field, Sqlite, explain, signed};
use crate::{DeckEntry, Decks, Error, NewDeck};

const ROWS: Insert = Insert {
    into: "INSERT INTO deck_rows (deck_id, place, prefix, destination, rate, valid_from, \
           valid_until, tier)",
    columns: 8,
    then: "",
};

/// Rows in one transaction: about 20 ms, which is how long a call may have to wait for it.
const STEP: usize = 4096;

fn read_entry(row: &SqliteRow) -> Result<DeckEntry, Error> {
    Ok(DeckEntry {
        label: read_label(row)?,
        hash: ContentHash(bytes(row, "hash")?),
        size: bits(row, "size")?,
        published_at: time(row, "published_at")?,
    })
}

fn read_label(row: &SqliteRow) -> Result<Label, Error> {
    Ok(Label {
        name: row.field::<&str>("name")?.into(),
        version: small(row, "version")?,
        currency: parsed(row, "currency")?,
    })
}

/// A million rows name some thousand destinations.
#[derive(Default)]
struct Destinations(HashSet<Arc<str>>);

impl Destinations {
    fn one(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.0.get(text) {
            return known.clone();
        }
        let new: Arc<str> = text.into();
        self.0.insert(new.clone());
        new
    }
}

fn read_row(row: &SqliteRow, destinations: &mut Destinations) -> Result<Row, Error> {
    Ok(Row {
        prefix: parsed(row, "prefix")?,
        destination: destinations.one(row.field("destination")?),
        rate: rate(row, "rate")?,
        from: time(row, "valid_from")?,
        until: optional_time(row, "valid_until")?,
        tier: parsed(row, "tier")?,
    })
}

const NEWEST: &str = "SELECT * FROM decks WHERE name = ?1 AND published_at IS NOT NULL \
                      AND (?2 IS NULL OR version = ?2) ORDER BY version DESC LIMIT 1";

/// Forget imports that broke off with an earlier process. Later this would take away what is being
/// imported.
pub(super) async fn forget_broken_off(writer: &SqlitePool) -> Result<(), Error> {
    let done = sqlx::query("DELETE FROM decks WHERE published_at IS NULL").execute(writer).await;
    done.map(drop).map_err(explain)
}

impl Sqlite {
    async fn newest_deck(&self, name: &str) -> Result<Option<DeckEntry>, Error> {
        let row =
            sqlx::query(NEWEST).bind(name).bind(None::<i64>).fetch_optional(&self.readers).await;
        row.map_err(explain)?.as_ref().map(read_entry).transpose()
    }

    /// A version that nobody sees yet.
    async fn start_deck(&self, deck: &NewDeck<'_>) -> Result<i64, Error> {
        sqlx::query_scalar(
            "INSERT INTO decks (name, version, currency, hash, size) SELECT ?1, \
             COALESCE(MAX(version), 0) + 1, ?2, ?3, ?4 FROM decks WHERE name = ?1 RETURNING id",
        )
        .bind(deck.name)
        .bind(deck.currency.as_str())
        .bind(&deck.hash.0[..])
        .bind(signed(deck.rows.len() as u64))
        .fetch_one(&self.writer)
        .await
        .map_err(explain)
    }
}

#[async_trait]
impl Decks for Sqlite {
    async fn import_deck(&self, now: WallTime, deck: &NewDeck<'_>) -> Result<DeckEntry, Error> {
        let known = self.newest_deck(deck.name).await?;
        let same =
            |known: &DeckEntry| known.hash == deck.hash && known.label.currency == deck.currency;
        if let Some(known) = known.filter(same) {
            return Ok(known);
        }
        let _unfinished = self.imports.read().await;
        let id = self.start_deck(deck).await?;
        let places: Vec<_> = (0i64..).zip(deck.rows).collect();
        for step in places.chunks(STEP) {
            let mut tx = self.write().await?;
            ROWS.run(&mut tx, step, |(place, row), values| {
                values
                    .push(id)
                    .push(*place)
                    .push(row.prefix.to_string())
                    .push(&*row.destination)
                    .push(rate_text(&row.rate))
                    .push(signed(row.from.0))
                    .push(row.until.map(|until| signed(until.0)))
                    .push(row.tier.as_str());
            })
            .await?;
            tx.commit().await.map_err(explain)?;
        }
        let row = sqlx::query("UPDATE decks SET published_at = ? WHERE id = ? RETURNING *")
            .bind(signed(now.0))
            .bind(id)
            .fetch_one(&self.writer)
            .await;
        read_entry(&row.map_err(explain)?)
    }

    async fn decks(&self) -> Result<Vec<DeckEntry>, Error> {
        let rows = sqlx::query(
            "SELECT * FROM decks WHERE published_at IS NOT NULL ORDER BY name, version DESC",
        )
        .fetch_all(&self.readers)
        .await
        .map_err(explain)?;
        rows.iter().map(read_entry).collect()
    }

    async fn deck(
        &self,
        name: &str,
        version: Option<u32>,
    ) -> Result<Option<(Label, Vec<Row>)>, Error> {
        let found = sqlx::query(NEWEST)
            .bind(name)
            .bind(version.map(i64::from))
            .fetch_optional(&self.readers)
            .await;
        let Some(found) = found.map_err(explain)? else { return Ok(None) };
        let mut stream = sqlx::query("SELECT * FROM deck_rows WHERE deck_id = ? ORDER BY place")
            .bind(found.field::<i64>("id")?)
            .fetch(&self.readers);
        let mut destinations = Destinations::default();
        let mut rows = Vec::with_capacity(small(&found, "size")?);
        while let Some(row) = stream.try_next().await.map_err(explain)? {
            rows.push(read_row(&row, &mut destinations)?);
        }
        Ok(Some((read_label(&found)?, rows)))
    }

    async fn prune_decks(&self, keep: u32) -> Result<u64, Error> {
        let _finished = self.imports.write().await;
        let done = sqlx::query(
            "DELETE FROM decks WHERE published_at IS NOT NULL AND (SELECT COUNT(*) FROM decks \
             newer WHERE newer.name = decks.name AND newer.version > decks.version \
             AND newer.published_at IS NOT NULL) >= ?",
        )
        .bind(i64::from(keep.max(1)))
        .execute(&self.writer)
        .await
        .map_err(explain)?;
        Ok(done.rows_affected())
    }
}
