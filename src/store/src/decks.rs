//! Price lists, version by version. A version never changes.

use async_trait::async_trait;
use offhook_billing::deck::{ContentHash, Label, Row};
use offhook_types::{Currency, WallTime};

use crate::Error;

/// A version of a list, without its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeckEntry {
    /// Which list and version.
    pub label: Label,
    /// What is in it.
    pub hash: ContentHash,
    /// How many rows it has.
    pub size: u64,
    /// When it was imported.
    pub published_at: WallTime,
}

/// A list to be imported.
#[derive(Debug, Clone, Copy)]
pub struct NewDeck<'a> {
    /// Which list.
    pub name: &'a str,
    /// What its prices are in.
    pub currency: Currency,
    /// What is in it.
    pub hash: ContentHash,
    /// Its rows.
    pub rows: &'a [Row],
}

/// Price lists.
#[async_trait]
pub trait Decks: Send + Sync {
    /// Add a version. Rows are written some thousands at a time, so that calls go on meanwhile, and
    /// are not seen until the last of them is there. The version that has just this content already
    /// is returned instead when it is the newest.
    async fn import_deck(&self, now: WallTime, deck: &NewDeck<'_>) -> Result<DeckEntry, Error>;

    /// Every version, by name, newest first.
    async fn decks(&self) -> Result<Vec<DeckEntry>, Error>;

    /// The rows of a version (`None` for the newest), and which it is.
    async fn deck(
        &self,
        name: &str,
        version: Option<u32>,
    ) -> Result<Option<(Label, Vec<Row>)>, Error>;

    /// Forget all but the newest `keep` versions of each list; how many. What is being imported stays.
    async fn prune_decks(&self, keep: u32) -> Result<u64, Error>;
}
