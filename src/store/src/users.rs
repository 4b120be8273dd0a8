//! Users: who owns a number.

use async_trait::async_trait;
use offhook_types::{Number, UserId, WallTime};

use crate::Error;

/// A person, by the number that they proved to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Who.
    pub id: UserId,
    /// Their number; no two users have the same.
    pub number: Number,
    /// As they call themselves; may be empty.
    pub display_name: String,
    /// When they signed up.
    pub created_at: WallTime,
}

/// A user who may not exist yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUser {
    /// A fresh id, used only when the number is new.
    pub id: UserId,
    /// The number that was proved.
    pub number: Number,
    /// Used only when the number is new.
    pub display_name: String,
}

/// Users, found by id or number.
#[async_trait]
pub trait Users: Send + Sync {
    /// The user of a number, created when there is none. [`Error::Conflict`] when the id is taken.
    async fn sign_up(&self, now: WallTime, new: &NewUser) -> Result<User, Error>;

    /// A user by id.
    async fn user(&self, id: UserId) -> Result<Option<User>, Error>;

    /// A user by number.
    async fn user_by_number(&self, number: &Number) -> Result<Option<User>, Error>;

    /// Change the display name; the user as they are now, `None` when there is no such user.
    async fn rename(&self, id: UserId, display_name: &str) -> Result<Option<User>, Error>;
}
