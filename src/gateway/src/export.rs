//! Call detail records for other programs: CSV, JSON lines and Parquet, read from the store page by page,
//! so that years of them need no more memory than one page. [`FIELDS`] is what each record says.

mod columns;
pub mod fields;
#[cfg(test)]
pub(crate) mod tests;

use std::io::{self, Write};
use std::str::FromStr;

use offhook_billing::cdr::Cdr;
use offhook_store::{CdrQuery, Cdrs};
use offhook_types::{AccountId, WallTime};
use parquet::errors::ParquetError;

use columns::Columns;
pub use fields::{FIELDS, Field, Kind, Value, object};

use crate::iso8601;

/// How records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// RFC 4180, with a header; nothing is an empty field.
    Csv,
    /// One JSON object a line; nothing is `null`.
    Jsonl,
    /// Apache Parquet, typed columns, not compressed.
    Parquet,
}

/// Text that names no format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a format: write csv, jsonl or parquet")]
pub struct BadFormat;

impl FromStr for Format {
    type Err = BadFormat;

    fn from_str(text: &str) -> Result<Self, BadFormat> {
        match text {
            "csv" => Ok(Self::Csv),
            "jsonl" => Ok(Self::Jsonl),
            "parquet" => Ok(Self::Parquet),
            _ => Err(BadFormat),
        }
    }
}

/// Which records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Selection {
    /// Of this account only.
    pub account: Option<AccountId>,
    /// Opened at this time or later.
    pub from: Option<WallTime>,
    /// Opened before this time.
    pub until: Option<WallTime>,
    /// Also those of calls in progress, with figures so far.
    pub open: bool,
}

/// Why not everything was written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store does not answer.
    #[error("records cannot be read")]
    Store(#[from] offhook_store::Error),
    /// The file, or whatever is behind the pipe, takes no more.
    #[error("records cannot be written")]
    Write(#[from] io::Error),
    /// Parquet's own.
    #[error("records cannot be written as Parquet")]
    Parquet(#[from] ParquetError),
}

/// Write the selected records, oldest first, and say how many there were. It writes while it reads:
/// give it an output that may block.
///
/// # Errors
/// Which side failed. What was written until then is not whole.
pub async fn export(
    store: &dyn Cdrs,
    selection: &Selection,
    format: Format,
    out: impl Write + Send,
) -> Result<u64, Error> {
    let mut sink = Sink::new(format, out)?;
    let Selection { account, from, until, open } = *selection;
    let mut query = CdrQuery { account, from, until, after: None, newest_first: false };
    let mut written = 0;
    loop {
        let mut page = store.cdrs(&query, PAGE).await?;
        let Some(last) = page.last() else { break };
        query.after = Some((last.opening.at, last.opening.id));
        let whole = page.len() == PAGE as usize;
        page.retain(|cdr| open || cdr.end.is_some());
        if !page.is_empty() {
            sink.write(&page)?;
            written += page.len() as u64;
        }
        if !whole {
            break;
        }
    }
    sink.finish()?;
    Ok(written)
}

/// Records read at once, and rows of a Parquet row group. About ten megabytes.
const PAGE: u32 = 10_000;

enum Sink<W: Write + Send> {
    Csv(Box<csv::Writer<W>>),
    Jsonl(W),
    Parquet(Box<Columns<W>>),
}

impl<W: Write + Send> Sink<W> {
    fn new(format: Format, out: W) -> Result<Self, Error> {
        Ok(match format {
            Format::Csv => {
                let mut writer = csv::Writer::from_writer(out);
                writer.write_record(FIELDS.iter().map(|field| field.name)).map_err(io_error)?;
                Self::Csv(Box::new(writer))
            }
            Format::Jsonl => Self::Jsonl(out),
            Format::Parquet => Self::Parquet(Box::new(Columns::new(out)?)),
        })
    }

    fn write(&mut self, cdrs: &[Cdr]) -> Result<(), Error> {
        match self {
            Self::Csv(writer) => {
                for cdr in cdrs {
                    let cells = FIELDS.iter().map(|field| cell(field.of(cdr)));
                    writer.write_record(cells).map_err(io_error)?;
                }
            }
            Self::Jsonl(out) => {
                for cdr in cdrs {
                    serde_json::to_writer(&mut *out, &object(cdr)).map_err(io::Error::from)?;
                    out.write_all(b"\n")?;
                }
            }
            Self::Parquet(columns) => columns.write(cdrs)?,
        }
        Ok(())
    }

    fn finish(self) -> Result<(), Error> {
        match self {
            Self::Csv(mut writer) => writer.flush()?,
            Self::Jsonl(mut out) => out.flush()?,
            Self::Parquet(columns) => columns.finish()?.flush()?,
        }
        Ok(())
    }
}

fn cell(value: Value) -> String {
    match value {
        Value::None => String::new(),
        Value::Text(text) => text,
        Value::Integer(number) => number.to_string(),
        Value::Time(at) => iso8601::show(at),
    }
}

fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}
