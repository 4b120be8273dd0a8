//! Numbered migrations, each applied once and in its own transaction. SQLite's `user_version` holds
//! the last one.

use std::cmp::Ordering;

use sqlx::{AssertSqlSafe, SqlitePool};

use super::explain;
use crate::Error;

/// In order; the number of a migration is its place, counting from 1. Never edited once released.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_first.sql"),
    include_str!("../migrations/0002_phone.sql"),
    include_str!("../migrations/0003_phone_calls.sql"),
    include_str!("../migrations/0004_history.sql"),
];

/// Whether a reader understands what is there.
pub(super) async fn check(reader: &SqlitePool) -> Result<(), Error> {
    let found = version(reader).await?;
    let known = MIGRATIONS.len() as i64;
    match found.cmp(&known) {
        Ordering::Less => Err(Error::Older { found, known }),
        Ordering::Equal => Ok(()),
        Ordering::Greater => Err(Error::Newer { found, known }),
    }
}

async fn version(pool: &SqlitePool) -> Result<i64, Error> {
    sqlx::query_scalar("PRAGMA user_version").fetch_one(pool).await.map_err(explain)
}

/// Apply what is missing.
pub(super) async fn update(writer: &SqlitePool) -> Result<(), Error> {
    let found = version(writer).await?;
    let known = MIGRATIONS.len() as i64;
    if found > known {
        return Err(Error::Newer { found, known });
    }
    for (migration, number) in MIGRATIONS.iter().zip(1..).skip_while(|(_, n)| *n <= found) {
        let mut step = writer.begin_with("BEGIN IMMEDIATE").await.map_err(explain)?;
        sqlx::raw_sql(*migration).execute(&mut *step).await.map_err(explain)?;
        // A pragma takes no parameters; the number is ours.
        let note = AssertSqlSafe(format!("PRAGMA user_version = {number}"));
        sqlx::raw_sql(note).execute(&mut *step).await.map_err(explain)?;
        step.commit().await.map_err(explain)?;
        tracing::debug!(migration = number, "store schema updated");
    }
    Ok(())
}
