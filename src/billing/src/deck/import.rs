//! Price lists as carriers send them: CSV with a header. Either every row is good or none is taken, and
//! then every bad one is named.

use core::fmt;
use core::str::FromStr;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use offhook_types::{Currency, Micros, WallTime};

use super::csv::{Record, Records};
use super::{Prefix, Row, Tier, date, iso4217};
use crate::rate::{Rate, Rounding};

#[cfg(test)]
mod tests;

/// What holds where a list has no column, or an empty field, for something.
#[derive(Debug, Clone, Copy)]
pub struct Defaults {
    /// What the deck's prices are in. A `currency` column may only confirm it.
    pub currency: Currency,
    /// When rows begin to hold.
    pub from: WallTime,
    /// How risky destinations are.
    pub tier: Tier,
    /// Increments, fee, minimum and so on. Its price per minute is not used: that column must be there.
    pub rate: Rate,
}

/// A row that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRow {
    /// The line that it starts on, from one; the header is on line one.
    pub line: u32,
    /// The column by its name in the header; empty where the whole row is meant.
    pub column: String,
    /// What is wrong.
    pub reason: Reason,
}

impl fmt::Display for BadRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (space, column) = (if self.column.is_empty() { "" } else { ", " }, &self.column);
        write!(f, "line {}{space}{column}: {}", self.line, self.reason)
    }
}

/// What is wrong with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// There is no row at all.
    #[error("the list has no rows")]
    Empty,
    /// The header lacks this column.
    #[error("the column is missing")]
    ColumnMissing,
    /// The header has a column that nobody knows; it may be one misspelt.
    #[error("no such column; known are {}", COLUMNS.join(", "))]
    ColumnUnknown,
    /// The header names this column twice.
    #[error("the column is there twice")]
    ColumnTwice,
    /// Fewer or more fields than the header, or quotes that do not close.
    #[error("the row has not the columns of the header")]
    Shape,
    /// A field that must say something is empty.
    #[error("is empty")]
    Missing,
    /// Not a prefix.
    #[error("not a prefix: 1 to 15 digits, country code first")]
    Prefix,
    /// Not an amount.
    #[error("not an amount: main units of zero or more with at most six decimals, such as 0.0125")]
    Amount,
    /// Not a currency.
    #[error("not a currency: an ISO 4217 code such as EUR")]
    Currency,
    /// Another currency than the deck's.
    #[error("not the currency of this deck")]
    OtherCurrency,
    /// Not a number of seconds.
    #[error("not a number of seconds")]
    Seconds,
    /// An increment of no time.
    #[error("an increment is at least one second")]
    Increment,
    /// Not a date.
    #[error("not a date: 2026-03-01 or 2026-03-01T06:00:00Z")]
    Date,
    /// It ends before it starts.
    #[error("ends before it starts")]
    Never,
    /// Not a rounding.
    #[error("not a rounding: up, half_even or down")]
    Rounding,
    /// Not a risk tier.
    #[error("not a risk tier: standard, elevated, high or premium")]
    Tier,
    /// Another row has the same prefix at the same time.
    #[error("holds at the same time as line {0}")]
    Overlap(
        /// The line of the other row.
        u32,
    ),
}

/// The columns that a list may have. The first two must be there.
const COLUMNS: [&str; 14] = [
    "prefix",
    "per_minute",
    "destination",
    "connection_fee",
    "currency",
    "first_increment_s",
    "next_increment_s",
    "minimum_s",
    "grace_s",
    "max_cost",
    "rounding",
    "effective_from",
    "effective_until",
    "tier",
];
const REQUIRED: usize = 2;

/// Every row of a list.
///
/// # Errors
/// Every row that cannot be taken, in the order of their lines, each with what is wrong first. A header
/// that cannot be read is reported alone.
pub fn import(text: &str, defaults: &Defaults) -> Result<Vec<Row>, Vec<BadRow>> {
    let mut records = Records::new(text);
    let Some(header) = records.next() else {
        return Err(vec![BadRow { line: 1, column: String::new(), reason: Reason::Empty }]);
    };
    let columns = columns(&header)?;
    let mut reader = Reader { columns, defaults, destinations: HashSet::new() };
    let (mut rows, mut bad) = (Vec::new(), Vec::new());
    for record in records {
        match reader.row(&record) {
            Ok(row) => rows.push((record.line, row)),
            Err((column, reason)) => {
                bad.push(BadRow { line: record.line, column: column.into(), reason })
            }
        }
    }
    bad.extend(overlaps(&rows));
    if rows.is_empty() && bad.is_empty() {
        bad.push(BadRow { line: header.line, column: String::new(), reason: Reason::Empty });
    }
    if bad.is_empty() {
        return Ok(rows.into_iter().map(|(_, row)| row).collect());
    }
    bad.sort_by_key(|row| row.line);
    Err(bad)
}

/// Which column stands where.
fn columns(header: &Record) -> Result<Vec<&'static str>, Vec<BadRow>> {
    let mut bad = Vec::new();
    let mut complain = |column: &str, reason| {
        bad.push(BadRow { line: header.line, column: column.to_owned(), reason });
    };
    if header.broken {
        complain("", Reason::Shape);
    }
    let mut found = Vec::new();
    for field in &header.fields {
        let name = field.trim().to_ascii_lowercase().replace([' ', '-'], "_");
        match COLUMNS.into_iter().find(|column| *column == name) {
            Some(column) if found.contains(&column) => complain(column, Reason::ColumnTwice),
            Some(column) => found.push(column),
            None => complain(field.trim(), Reason::ColumnUnknown),
        }
    }
    for column in COLUMNS.into_iter().take(REQUIRED) {
        if !found.contains(&column) {
            complain(column, Reason::ColumnMissing);
        }
    }
    if bad.is_empty() { Ok(found) } else { Err(bad) }
}

struct Reader<'a> {
    columns: Vec<&'static str>,
    defaults: &'a Defaults,
    /// A million rows name a few thousand places.
    destinations: HashSet<Arc<str>>,
}

/// The column and what is wrong in it.
type Wrong = (&'static str, Reason);

impl Reader<'_> {
    fn row(&mut self, record: &Record) -> Result<Row, Wrong> {
        if record.broken || record.fields.len() != self.columns.len() {
            return Err(("", Reason::Shape));
        }
        let fields = Fields { columns: &self.columns, fields: &record.fields };
        self.currency(&fields)?;
        let prefix = fields.get("prefix").ok_or(("prefix", Reason::Missing))?;
        let prefix: Prefix = prefix.parse().map_err(|_| ("prefix", Reason::Prefix))?;
        let from = fields.read("effective_from", Reason::Date, date::read)?;
        let from = from.unwrap_or(self.defaults.from);
        let until = fields.read("effective_until", Reason::Date, date::read)?;
        if until.is_some_and(|until| until <= from) {
            return Err(("effective_until", Reason::Never));
        }
        let tier = fields.read("tier", Reason::Tier, parse)?.unwrap_or(self.defaults.tier);
        let rate = self.rate(&fields)?;
        let destination = fields.get("destination").unwrap_or_default();
        let destination = intern(&mut self.destinations, destination);
        Ok(Row { prefix, destination, rate, from, until, tier })
    }

    fn rate(&self, fields: &Fields<'_>) -> Result<Rate, Wrong> {
        let usual = self.defaults.rate;
        let amount = |column| fields.read(column, Reason::Amount, amount);
        let seconds = |column| fields.read(column, Reason::Seconds, seconds);
        let increment = |column| match seconds(column)? {
            Some(0) => Err((column, Reason::Increment)),
            length => Ok(length),
        };
        Ok(Rate {
            per_minute: amount("per_minute")?.ok_or(("per_minute", Reason::Missing))?,
            connection_fee: amount("connection_fee")?.unwrap_or(usual.connection_fee),
            first_increment_s: increment("first_increment_s")?.unwrap_or(usual.first_increment_s),
            next_increment_s: increment("next_increment_s")?.unwrap_or(usual.next_increment_s),
            minimum_s: seconds("minimum_s")?.unwrap_or(usual.minimum_s),
            grace_s: seconds("grace_s")?.unwrap_or(usual.grace_s),
            max_cost: amount("max_cost")?.or(usual.max_cost),
            rounding: fields
                .read("rounding", Reason::Rounding, parse::<Rounding>)?
                .unwrap_or(usual.rounding),
        })
    }

    fn currency(&self, fields: &Fields<'_>) -> Result<(), Wrong> {
        let known = |text: &str| parse(text).filter(|currency| iso4217::known(*currency));
        match fields.read("currency", Reason::Currency, known)? {
            Some(currency) if currency != self.defaults.currency => {
                Err(("currency", Reason::OtherCurrency))
            }
            _ => Ok(()),
        }
    }
}

fn intern(known: &mut HashSet<Arc<str>>, name: &str) -> Arc<str> {
    if let Some(name) = known.get(name) {
        return name.clone();
    }
    let name: Arc<str> = name.into();
    known.insert(name.clone());
    name
}

struct Fields<'a> {
    columns: &'a [&'static str],
    fields: &'a [String],
}

impl Fields<'_> {
    /// What a column holds; `None` where it is not there or empty.
    fn get(&self, column: &str) -> Option<&str> {
        let mut pairs = self.columns.iter().zip(self.fields);
        let (_, field) = pairs.find(|(name, _)| **name == column)?;
        Some(field.trim()).filter(|field| !field.is_empty())
    }

    fn read<T>(
        &self,
        column: &'static str,
        reason: Reason,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, Wrong> {
        self.get(column).map(|field| read(field).ok_or((column, reason))).transpose()
    }
}

fn parse<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

fn amount(text: &str) -> Option<Micros> {
    text.parse().ok().filter(|amount| *amount >= Micros::ZERO)
}

fn seconds(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Rows that hold while an earlier line with the same prefix does.
fn overlaps(rows: &[(u32, Row)]) -> Vec<BadRow> {
    let mut of_prefix: HashMap<Prefix, Vec<&(u32, Row)>> = HashMap::new();
    for row in rows {
        of_prefix.entry(row.1.prefix).or_default().push(row);
    }
    let mut bad = Vec::new();
    for same in of_prefix.values_mut().filter(|same| same.len() > 1) {
        same.sort_by_key(|(line, row)| (row.from, *line));
        let Some((mut longest, rest)) = same.split_first().map(|(first, rest)| (*first, rest))
        else {
            continue;
        };
        for next in rest {
            if longest.1.overlaps(&next.1) {
                let (line, other) = (next.0.max(longest.0), next.0.min(longest.0));
                bad.push(BadRow { line, column: PREFIX.into(), reason: Reason::Overlap(other) });
            }
            if ends(&next.1) > ends(&longest.1) {
                longest = next;
            }
        }
    }
    bad
}

const PREFIX: &str = "prefix";

fn ends(row: &Row) -> WallTime {
    row.until.unwrap_or(super::FOREVER)
}
