//! Price lists. A [`Deck`] is one immutable version of one list: built from [`Row`]s, asked by number and
//! date. Trunks have decks of what we pay, plans have decks of what we take.
//!
//! The longest prefix that has a price at the time of the call decides.

use core::fmt;
use core::ops::Range;
use core::str::FromStr;
use std::collections::HashMap;
use std::sync::Arc;

use offhook_types::{Currency, Number, WallTime};
use sha2::{Digest, Sha256};

use crate::rate::{BadRate, Rate};

mod csv;
mod date;
mod import;
mod iso4217;
mod prefix;
#[cfg(test)]
mod tests;

pub use import::{BadRow, Defaults, Reason, import};
pub use prefix::{BadPrefix, Prefix};

/// One line of a price list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Which numbers.
    pub prefix: Prefix,
    /// Where that is, in words: `Germany, mobile`.
    pub destination: Arc<str>,
    /// What it costs.
    pub rate: Rate,
    /// The first instant at which this price holds.
    pub from: WallTime,
    /// The first instant at which it does not any more; `None` until further notice.
    pub until: Option<WallTime>,
    /// How often this destination is abused.
    pub tier: Tier,
}

impl Row {
    /// Whether a row that does not start earlier prices the same prefix at the same time.
    fn overlaps(&self, later: &Self) -> bool {
        self.prefix == later.prefix && self.until.is_none_or(|until| later.from < until)
    }
}

/// How risky a destination is. Accounts are allowed up to a tier; what lies above is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Tier {
    /// Ordinary destinations.
    #[default]
    Standard,
    /// Dear or often called by mistake.
    Elevated,
    /// Known targets of fraud.
    High,
    /// Numbers that share what a call earns.
    Premium,
}

impl Tier {
    /// Every tier, the least risky first.
    pub const ALL: [Self; 4] = [Self::Standard, Self::Elevated, Self::High, Self::Premium];

    /// The name: `standard`, `elevated`, `high`, `premium`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Elevated => "elevated",
            Self::High => "high",
            Self::Premium => "premium",
        }
    }
}

/// Text that names no tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a risk tier: write standard, elevated, high or premium")]
pub struct BadTier;

impl FromStr for Tier {
    type Err = BadTier;

    fn from_str(text: &str) -> Result<Self, BadTier> {
        Self::ALL.into_iter().find(|tier| tier.as_str() == text).ok_or(BadTier)
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which list a deck is, and which version of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The list: `retail`, `carrier-a`.
    pub name: Arc<str>,
    /// Counts from one with each import.
    pub version: u32,
    /// What its prices are in.
    pub currency: Currency,
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} v{} {}", self.name, self.version, self.currency)
    }
}

/// The SHA-256 of a deck's rows and currency: equal decks hash equally whatever their row order, name or
/// version.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContentHash(pub [u8; 32]);

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why rows make no deck.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadDeck {
    /// Two rows give one prefix two prices at the same time.
    #[error("two rows for the prefix {0} hold at the same time")]
    Overlap(Prefix),
    /// A row ends before it starts.
    #[error("a row for the prefix {0} never holds")]
    Never(Prefix),
    /// A price makes no sense.
    #[error("a row for the prefix {0} has {1}")]
    Rate(Prefix, #[source] BadRate),
    /// More than four thousand million rows.
    #[error("too many rows")]
    TooLong,
}

/// What a deck says about a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Match<'a> {
    /// The prefix that decided.
    pub prefix: Prefix,
    /// Where that is, in words.
    pub destination: &'a Arc<str>,
    /// What it costs.
    pub rate: &'a Rate,
    /// How risky it is.
    pub tier: Tier,
}

/// One version of a price list.
///
/// Prefixes are kept sorted in one flat array, each with the index of the longest shorter prefix that it
/// continues. The longest match of a number is then its predecessor in the array or one that this
/// continues: a table over the first digits narrows the search to a few cache lines, and at most fifteen
/// steps lead up. A prefix takes 20 bytes and each of its rows 32.
#[derive(Debug, Clone)]
pub struct Deck {
    label: Label,
    hash: ContentHash,
    /// Sorted, without duplicates.
    prefixes: Box<[Prefix]>,
    /// Of each prefix, where its rows are and what it continues.
    nodes: Box<[Node]>,
    /// Sorted by prefix, then by date.
    entries: Box<[Entry]>,
    /// Where the prefixes that start with each combination of the first `depth` digits begin.
    starts: Box<[u32]>,
    depth: u32,
    destinations: Box<[Arc<str>]>,
    rates: Box<[Rate]>,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    /// The prefix that this one continues, or `NONE`.
    parent: u32,
    first: u32,
    many: u32,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    from: WallTime,
    until: WallTime,
    rate: u32,
    destination: u32,
    tier: Tier,
}

const NONE: u32 = u32::MAX;
/// The table of first digits grows with the deck up to five digits: 100,000 places, 400 kB.
const DEEPEST: u32 = 5;

impl Deck {
    /// A deck of these rows, in any order.
    ///
    /// # Errors
    /// The first row that makes no sense, alone or with another.
    pub fn new(label: Label, mut rows: Vec<Row>) -> Result<Self, BadDeck> {
        rows.sort_by_key(|row| (row.prefix, row.from));
        check(&rows)?;
        let hash = hash(label.currency, &rows);
        let (mut rates, mut destinations) = (Interned::default(), Interned::default());
        let mut prefixes: Vec<Prefix> = Vec::new();
        let mut nodes: Vec<Node> = Vec::new();
        let mut entries = Vec::with_capacity(rows.len());
        for (index, row) in (0u32..).zip(rows) {
            entries.push(Entry {
                from: row.from,
                until: row.until.unwrap_or(FOREVER),
                rate: rates.place(row.rate),
                destination: destinations.place(row.destination),
                tier: row.tier,
            });
            match nodes.last_mut() {
                Some(node) if prefixes.last() == Some(&row.prefix) => node.many += 1,
                _ => {
                    let parent = continued(&prefixes, &nodes, row.prefix);
                    nodes.push(Node { parent, first: index, many: 1 });
                    prefixes.push(row.prefix);
                }
            }
        }
        let depth = prefixes.len().checked_ilog10().unwrap_or(0).min(DEEPEST);
        Ok(Self {
            label,
            hash,
            starts: starts(&prefixes, depth),
            depth,
            prefixes: prefixes.into(),
            nodes: nodes.into(),
            entries: entries.into(),
            destinations: destinations.values.into(),
            rates: rates.values.into(),
        })
    }

    /// Which list and version.
    pub const fn label(&self) -> &Label {
        &self.label
    }

    /// What is in it.
    pub const fn hash(&self) -> ContentHash {
        self.hash
    }

    /// How many rows it has.
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it prices nothing.
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The price of a call to `number` at `at`: of the prefixes that hold then, the longest.
    pub fn find(&self, number: &Number, at: WallTime) -> Option<Match<'_>> {
        let digits = Prefix::of(number);
        let mut index = self.predecessor(digits)?;
        loop {
            let (prefix, node) = (*self.prefixes.get(index)?, self.nodes.get(index)?);
            if prefix.starts(digits)
                && let Some(entry) = self.rows_of(node).iter().find(|entry| entry.holds(at))
            {
                return self.read(prefix, entry);
            }
            index = usize::try_from(node.parent).ok().filter(|_| node.parent != NONE)?;
        }
    }

    /// Every row, sorted by prefix and date.
    pub fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        self.prefixes.iter().zip(&self.nodes).flat_map(move |(prefix, node)| {
            self.rows_of(node).iter().filter_map(move |entry| {
                let found = self.read(*prefix, entry)?;
                Some(Row {
                    prefix: *prefix,
                    destination: found.destination.clone(),
                    rate: *found.rate,
                    from: entry.from,
                    until: (entry.until != FOREVER).then_some(entry.until),
                    tier: entry.tier,
                })
            })
        })
    }

    /// The last prefix that does not come after `digits`.
    fn predecessor(&self, digits: Prefix) -> Option<usize> {
        let place = digits.head(self.depth);
        let start = usize::try_from(*self.starts.get(place)?).ok()?;
        let end = usize::try_from(*self.starts.get(place + 1)?).ok()?;
        let among = self.prefixes.get(start..end)?;
        (start + among.partition_point(|prefix| *prefix <= digits)).checked_sub(1)
    }

    fn rows_of(&self, node: &Node) -> &[Entry] {
        self.entries.get(span(node)).unwrap_or_default()
    }

    fn read(&self, prefix: Prefix, entry: &Entry) -> Option<Match<'_>> {
        Some(Match {
            prefix,
            destination: self.destinations.get(usize::try_from(entry.destination).ok()?)?,
            rate: self.rates.get(usize::try_from(entry.rate).ok()?)?,
            tier: entry.tier,
        })
    }
}

impl Entry {
    fn holds(&self, at: WallTime) -> bool {
        self.from <= at && at < self.until
    }
}

const FOREVER: WallTime = WallTime(u64::MAX);

fn span(node: &Node) -> Range<usize> {
    let first = node.first as usize;
    first..first + node.many as usize
}

/// Whether sorted rows make a deck.
fn check(rows: &[Row]) -> Result<(), BadDeck> {
    if u32::try_from(rows.len()).is_err() {
        return Err(BadDeck::TooLong);
    }
    for row in rows {
        row.rate.checked().map_err(|bad| BadDeck::Rate(row.prefix, bad))?;
        if row.until.is_some_and(|until| until <= row.from) {
            return Err(BadDeck::Never(row.prefix));
        }
    }
    let mut pairs = rows.iter().zip(rows.iter().skip(1));
    match pairs.find(|(one, next)| one.overlaps(next)) {
        Some((row, _)) => Err(BadDeck::Overlap(row.prefix)),
        None => Ok(()),
    }
}

/// The index of the longest prefix that `prefix` continues, among those before it.
fn continued(prefixes: &[Prefix], nodes: &[Node], prefix: Prefix) -> u32 {
    let mut index = u32::try_from(prefixes.len()).unwrap_or(NONE).wrapping_sub(1);
    while let Some(at) = usize::try_from(index).ok().filter(|at| *at < prefixes.len()) {
        if prefixes.get(at).is_some_and(|shorter| shorter.starts(prefix)) {
            return index;
        }
        index = nodes.get(at).map_or(NONE, |node| node.parent);
    }
    NONE
}

/// For each combination of `depth` digits, where its prefixes begin. One that is shorter belongs to the
/// first combination that continues it.
fn starts(prefixes: &[Prefix], depth: u32) -> Box<[u32]> {
    let places = 10usize.pow(depth);
    let mut starts = vec![0u32; places + 1];
    for prefix in prefixes {
        if let Some(count) = starts.get_mut(prefix.head(depth) + 1) {
            *count += 1;
        }
    }
    let mut sum = 0;
    for count in &mut starts {
        sum += *count;
        *count = sum;
    }
    starts.into()
}

/// Equal values kept once.
struct Interned<T> {
    values: Vec<T>,
    places: HashMap<T, u32>,
}

impl<T> Default for Interned<T> {
    fn default() -> Self {
        Self { values: Vec::new(), places: HashMap::new() }
    }
}

impl<T: Clone + Eq + core::hash::Hash> Interned<T> {
    fn place(&mut self, value: T) -> u32 {
        if let Some(place) = self.places.get(&value) {
            return *place;
        }
        let place = u32::try_from(self.values.len()).unwrap_or(NONE);
        self.values.push(value.clone());
        self.places.insert(value, place);
        place
    }
}

/// Every field of every row in order, lengths before texts.
fn hash(currency: Currency, rows: &[Row]) -> ContentHash {
    let mut sha = Sha256::new();
    sha.update(currency.as_str());
    for row in rows {
        let rate = &row.rate;
        sha.update(row.prefix.to_bits().to_be_bytes());
        sha.update((row.destination.len() as u64).to_be_bytes());
        sha.update(row.destination.as_bytes());
        for amount in [rate.per_minute, rate.connection_fee, rate.max_cost.unwrap_or(NO_CAP)] {
            sha.update(amount.0.to_be_bytes());
        }
        let times = [rate.first_increment_s, rate.next_increment_s, rate.minimum_s, rate.grace_s];
        times.iter().for_each(|time| sha.update(time.to_be_bytes()));
        sha.update([rate.rounding as u8, row.tier as u8]);
        sha.update(row.from.0.to_be_bytes());
        sha.update(row.until.unwrap_or(FOREVER).0.to_be_bytes());
    }
    ContentHash(sha.finalize().into())
}

/// No amount is below zero in a deck, so this one stands for none.
const NO_CAP: offhook_types::Micros = offhook_types::Micros(-1);
