//! Many rows in few statements: a statement with parameters for a power of two of rows is prepared
//! once and used again, so a batch of any size takes a handful of steps.

use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments, AssertSqlSafe, Encode, SqliteConnection, Type};

use super::explain;
use crate::Error;

/// An insertion without its rows.
pub(super) struct Insert {
    /// Up to and without `VALUES`.
    pub into: &'static str,
    /// How many values a row has.
    pub columns: usize,
    /// What comes after the rows, such as what to do about a conflict.
    pub then: &'static str,
}

/// The values of rows, in the order of the columns.
#[derive(Default)]
pub(super) struct Values {
    arguments: SqliteArguments,
    broken: bool,
}

impl Values {
    /// The next value.
    pub fn push<'t, T>(&mut self, value: T) -> &mut Self
    where
        T: Encode<'t, sqlx::Sqlite> + Type<sqlx::Sqlite>,
    {
        self.broken |= self.arguments.add(value).is_err();
        self
    }
}

/// SQLite takes 32,766 parameters; 128 rows of the widest table are 6,528.
const MOST_ROWS: usize = 128;

impl Insert {
    /// Insert every row; how many were inserted or changed.
    pub async fn run<T>(
        &self,
        tx: &mut SqliteConnection,
        rows: &[T],
        bind: impl Fn(&T, &mut Values),
    ) -> Result<u64, Error> {
        let (mut rest, mut affected) = (rows, 0);
        while !rest.is_empty() {
            let size = MOST_ROWS.min(1 << rest.len().ilog2());
            let (now, later) = rest.split_at(size);
            let mut values = Values::default();
            values.arguments.reserve(size * self.columns, 0);
            now.iter().for_each(|row| bind(row, &mut values));
            if values.broken || values.arguments.len() != size * self.columns {
                return Err(Error::Corrupt { what: self.into });
            }
            // The text is made of our own constants.
            let text = AssertSqlSafe(self.text(size));
            let done = sqlx::query_with(text, values.arguments).execute(&mut *tx).await;
            affected += done.map_err(explain)?.rows_affected();
            rest = later;
        }
        Ok(affected)
    }

    fn text(&self, rows: usize) -> String {
        let row = format!("({}?)", "?,".repeat(self.columns - 1));
        let rows = vec![row; rows].join(",");
        format!("{} VALUES {rows} {}", self.into, self.then)
    }
}
