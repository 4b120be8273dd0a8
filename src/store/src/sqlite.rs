//! The store in one SQLite file: write-ahead log, every commit synced to disk, one connection that
//! writes and a few that read. Writers take the write lock first (`BEGIN IMMEDIATE`), so a
//! transaction never fails half way for being late.
//!
//! One process at a time: a lock beside the file keeps a second server from closing the first one's
//! calls.

mod accounts;
mod books;
mod calls;
mod cdrs;
mod codes;
mod decisions;
mod decks;
mod devices;
mod ladder;
mod many;
mod numbers;
mod outbox;
mod quality;
mod rows;
mod schema;
mod trunks;
mod users;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, Row, SqlitePool, SqliteTransaction};

use crate::Error;

/// Waiting for a lock or a connection ends after this; with one writer only a backup or a stuck
/// disk takes so long.
const PATIENCE: Duration = Duration::from_secs(5);
/// Readers do not wait for each other or for the writer; more than the cores of a small machine
/// gain nothing.
const READERS: u32 = 4;
/// A batch of some thousand calls touches a page for most of them; in SQLite's own 2 MB it would be
/// written to the log, read again and written once more. Negative means kibibytes: 64 MiB.
const CACHE_KIB: &str = "-65536";
/// Names the file as one of ours ("Offh"). Setting it writes: where SQLite may only read, it opens the
/// file all the same, and such a connection would go on failing once the file can be written again.
const APPLICATION_ID: &str = "0x4f666668";
/// The log is folded into the database after 64 MiB: a page that many batches touch is copied once.
/// Commits are synced whatever this is.
const CHECKPOINT_PAGES: &str = "16384";

/// A store in one SQLite file.
#[derive(Debug)]
pub struct Sqlite {
    writer: SqlitePool,
    readers: SqlitePool,
    /// Many price lists may be imported at a time, and none while those that were never finished are removed.
    imports: tokio::sync::RwLock<()>,
    /// Held, not read: dropping it lets the next process in. A reader has none.
    _lock: Option<File>,
}

impl Sqlite {
    /// Open the file, creating it and its folder where missing (readable by the owner only), and
    /// bring its schema up to date.
    pub async fn open(path: &Path) -> Result<Self, Error> {
        let lock = claim(path)?;
        let options = options(path);
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(PATIENCE)
            .acquire_slow_threshold(PATIENCE)
            .idle_timeout(None)
            .max_lifetime(None)
            // Where a write failed, on a full disk say, SQLite has rolled back by itself and the library
            // does not know: the connection would refuse every transaction for ever.
            .test_before_acquire(false)
            .before_acquire(|connection, _| {
                let sound = !connection.is_in_transaction();
                Box::pin(async move { Ok(sound) })
            })
            .connect_with(
                options
                    .clone()
                    .journal_mode(SqliteJournalMode::Wal)
                    .pragma("application_id", APPLICATION_ID)
                    .pragma("cache_size", CACHE_KIB)
                    .pragma("wal_autocheckpoint", CHECKPOINT_PAGES),
            )
            .await
            .map_err(explain)?;
        schema::update(&writer).await?;
        decks::forget_broken_off(&writer).await?;
        let readers = readers(options).await?;
        Ok(Self { writer, readers, imports: Default::default(), _lock: Some(lock) })
    }

    /// Open the file of another process, which may be running, only to read. Whatever would write is
    /// [`Error::Unavailable`].
    pub async fn open_reader(path: &Path) -> Result<Self, Error> {
        let readers = readers(options(path)).await?;
        schema::check(&readers).await?;
        let imports = Default::default();
        Ok(Self { writer: readers.clone(), readers, imports, _lock: None })
    }

    /// Finish what is under way and close every connection. What comes after is
    /// [`Error::Unavailable`].
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    async fn write(&self) -> Result<SqliteTransaction<'static>, Error> {
        self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(explain)
    }
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(PATIENCE)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        // What a slow statement means is for the caller to say; the library would warn of it in its
        // own words.
        .disable_statement_logging()
}

async fn readers(options: SqliteConnectOptions) -> Result<SqlitePool, Error> {
    SqlitePoolOptions::new()
        .max_connections(READERS)
        .test_before_acquire(false)
        .acquire_timeout(PATIENCE)
        .acquire_slow_threshold(PATIENCE)
        .connect_with(options.read_only(true))
        .await
        .map_err(explain)
}

/// Make the file private before SQLite writes to it (its log files inherit the mode), and take the
/// lock.
fn claim(path: &Path) -> Result<File, Error> {
    let unavailable = |error: std::io::Error| Error::Unavailable(Box::new(error));
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(unavailable)?;
    }
    let mut private = OpenOptions::new();
    private.read(true).write(true).create(true).truncate(false).mode(0o600);
    let file = private.open(path).map_err(unavailable)?;
    file.set_permissions(fs::Permissions::from_mode(0o600)).map_err(unavailable)?;
    let mut beside = PathBuf::from(path).into_os_string();
    beside.push(".lock");
    let lock = private.open(beside).map_err(unavailable)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(Error::InUse),
        Err(TryLockError::Error(error)) => Err(unavailable(error)),
    }
}

/// What a database error means to the caller.
fn explain(error: sqlx::Error) -> Error {
    match &error {
        sqlx::Error::Database(database) if database.is_unique_violation() => Error::Conflict,
        sqlx::Error::Database(database) if database.is_foreign_key_violation() => Error::Missing,
        _ => Error::Unavailable(Box::new(error)),
    }
}

/// A column of a row; what cannot be read is named.
trait Field {
    fn field<'r, T>(&'r self, what: &'static str) -> Result<T, Error>
    where
        T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>;
}

impl Field for SqliteRow {
    fn field<'r, T>(&'r self, what: &'static str) -> Result<T, Error>
    where
        T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
    {
        self.try_get(what).map_err(|_| Error::Corrupt { what })
    }
}

/// SQLite integers are signed: the same 64 bits.
const fn signed(bits: u64) -> i64 {
    bits as i64
}

/// The 64 bits of a signed integer.
const fn unsigned(bits: i64) -> u64 {
    bits as u64
}

#[cfg(test)]
mod tests;
