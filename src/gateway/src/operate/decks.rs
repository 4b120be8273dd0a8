//! Price lists: imported whole or not at all, listed, pruned.

use std::sync::Arc;

use bytes::Bytes;
use offhook_billing::deck::{BadDeck, ContentHash, Deck, Defaults, Label, Row, Tier, import};
use offhook_billing::rate::Rate;
use offhook_store::{DeckEntry, NewDeck};
use offhook_types::{Currency, WallTime};
use serde::Serialize;
use tokio::task::spawn_blocking;

use super::setup::check_name;
use super::{Changed, Desk, Error};
use crate::iso8601;

/// A list to be imported.
#[derive(Debug, Clone)]
pub struct Import {
    /// CSV with a header, in UTF-8.
    pub csv: Bytes,
    /// What its prices are in.
    pub currency: Currency,
    /// When rows without a date begin to hold; `None` is always.
    pub from: Option<WallTime>,
    /// How risky destinations are whose row does not say.
    pub tier: Tier,
    /// Charge by this much time at first, in seconds, where rows do not say.
    pub first_increment_s: u32,
    /// Charge by this much further time, in seconds, where rows do not say.
    pub next_increment_s: u32,
}

impl Import {
    /// A list that is charged by the second where its rows do not say otherwise.
    pub fn new(csv: Bytes, currency: Currency) -> Self {
        let (tier, first_increment_s, next_increment_s) = (Tier::Standard, 1, 1);
        Self { csv, currency, from: None, tier, first_increment_s, next_increment_s }
    }
}

/// A version of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeckView {
    /// Which list.
    pub name: String,
    /// Which version of it.
    pub version: u32,
    /// What its prices are in.
    pub currency: String,
    /// How many rows it has.
    pub rows: u64,
    /// SHA-256 of what is in it.
    pub hash: String,
    /// When it was imported.
    pub published_at: String,
}

impl Desk {
    /// Every version of every list, by name, newest first.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn decks(&self) -> Result<Vec<DeckView>, Error> {
        Ok(self.store.decks().await?.iter().map(show).collect())
    }

    /// Import a list as the newest version of its name: every row of it or none. Importing the newest
    /// version again changes nothing.
    ///
    /// # Errors
    /// Every row that cannot be taken, with its line, its column and what is wrong.
    pub async fn import_deck(&self, name: &str, list: Import) -> Result<DeckView, Error> {
        check_name(name)?;
        if list.first_increment_s == 0 || list.next_increment_s == 0 {
            return Err(Error::field("increments", "at least one second"));
        }
        let (currency, label) = (list.currency, name.to_owned());
        // A million rows take seconds of work and no waiting.
        let read = spawn_blocking(move || read(&label, &list)).await;
        let (hash, rows) = match read {
            Ok(read) => read?,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        };
        let deck = NewDeck { name, currency, hash, rows: &rows };
        let entry = self.store.import_deck(iso8601::now(), &deck).await?;
        self.tell(Changed::Tariff).await;
        Ok(show(&entry))
    }

    /// Forget all but the newest `keep` versions of each list; how many. The newest one always stays.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn prune_decks(&self, keep: u32) -> Result<u64, Error> {
        if keep == 0 {
            return Err(Error::field("keep", "at least 1: the newest version is in use"));
        }
        Ok(self.store.prune_decks(keep).await?)
    }
}

fn read(name: &str, list: &Import) -> Result<(ContentHash, Arc<[Row]>), Error> {
    let text = std::str::from_utf8(&list.csv).map_err(|error| {
        Error::field("csv", format!("not UTF-8 at byte {}", error.valid_up_to()))
    })?;
    let rate = Rate {
        first_increment_s: list.first_increment_s,
        next_increment_s: list.next_increment_s,
        ..Rate::FREE
    };
    let from = list.from.unwrap_or(WallTime(0));
    let defaults = Defaults { currency: list.currency, from, tier: list.tier, rate };
    // Spreadsheets put a byte order mark in front.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let rows = import(text, &defaults).map_err(Error::Rows)?;
    let label = Label { name: name.into(), version: 0, currency: list.currency };
    // Built once here: what makes no deck must not be stored.
    let built = Deck::new(label, rows.clone());
    let hash = built.map_err(|error: BadDeck| Error::field("csv", error))?.hash();
    Ok((hash, rows.into()))
}

fn show(entry: &DeckEntry) -> DeckView {
    DeckView {
        name: entry.label.name.as_ref().into(),
        version: entry.label.version,
        currency: entry.label.currency.to_string(),
        rows: entry.size,
        hash: entry.hash.to_string(),
        published_at: iso8601::show(entry.published_at),
    }
}
