//! What can be wrong with what an operator asks.

use offhook_billing::deck::BadRow;

use crate::books;
use crate::tariff::{BadSetting, Unreadable};
use crate::trunk::BadTrunk;

/// Why something was not done. Nothing of it was stored.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field is wrong.
    #[error("{field}: {why}")]
    Field {
        /// Which, as the request names it.
        field: String,
        /// What is wrong, and what would be right.
        why: String,
    },
    /// What is meant is not there.
    #[error("there is no {what} {name}")]
    Missing {
        /// What kind of thing.
        what: &'static str,
        /// Which.
        name: String,
    },
    /// It contradicts something that is there.
    #[error("{0}")]
    Conflict(String),
    /// A price list that cannot be taken, with every row that is why.
    #[error("{} of the list's rows cannot be taken; nothing was imported", .0.len())]
    Rows(Vec<BadRow>),
    /// The store does not answer.
    #[error("the store cannot answer now; try again")]
    Store(#[source] offhook_store::Error),
    /// The store does not answer.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The books cannot be written.
    #[error("the books cannot be written now; try again")]
    Books,
}

impl Error {
    /// A field and what is wrong with it.
    pub fn field(field: &str, why: impl ToString) -> Self {
        Self::Field { field: field.into(), why: why.to_string() }
    }

    pub(super) fn missing(what: &'static str, name: impl ToString) -> Self {
        Self::Missing { what, name: name.to_string() }
    }
}

impl From<offhook_store::Error> for Error {
    fn from(error: offhook_store::Error) -> Self {
        match error {
            offhook_store::Error::Conflict => Self::Conflict("the name or id is taken".into()),
            offhook_store::Error::Missing => {
                Self::Conflict("what this refers to does not exist".into())
            }
            error => Self::Store(error),
        }
    }
}

impl From<books::Error> for Error {
    fn from(error: books::Error) -> Self {
        match error {
            books::Error::Unavailable => Self::Books,
            refused => Self::Conflict(refused.to_string()),
        }
    }
}

impl From<BadTrunk> for Error {
    fn from(error: BadTrunk) -> Self {
        match error {
            BadTrunk::Name => Self::field("name", "1 to 64 letters, digits, `-`, `_` or `.`"),
            BadTrunk::Json(error) => Self::field("settings", error),
            BadTrunk::Field { field, why } => {
                Self::Field { field: format!("settings.{field}"), why }
            }
        }
    }
}

impl From<BadSetting> for Error {
    fn from(error: BadSetting) -> Self {
        match error {
            BadSetting::Json(error) => Self::field("settings", error),
            BadSetting::Field { field, why } => {
                Self::Field { field: format!("settings.{field}"), why }
            }
        }
    }
}
