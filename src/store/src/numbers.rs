//! Our own numbers, and where a call to each of them leads.

use core::fmt;

use async_trait::async_trait;
use offhook_types::{AccountId, Number, UserId};

use crate::Error;

/// A number that callers from the phone network reach us at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedNumber {
    /// Which.
    pub number: Number,
    /// Who owns it and pays for it.
    pub account: AccountId,
    /// Where it leads.
    pub leads_to: LeadsTo,
}

/// What a call to a number reaches: a dispatch rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeadsTo {
    /// The devices of a user.
    User(UserId),
    /// A room.
    Room {
        /// Its name.
        name: String,
        /// What callers have to press, if anything.
        pin: Option<PinHash>,
    },
}

/// A salted hash of a PIN. What hashes it is the gateway's to say.
#[derive(Clone, PartialEq, Eq)]
pub struct PinHash {
    /// Random.
    pub salt: [u8; 16],
    /// Of salt and PIN.
    pub hash: [u8; 32],
}

impl fmt::Debug for PinHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted PIN]")
    }
}

/// Our own numbers.
#[async_trait]
pub trait Numbers: Send + Sync {
    /// Every number, in order.
    async fn owned_numbers(&self) -> Result<Vec<OwnedNumber>, Error>;

    /// One of our numbers.
    async fn owned_number(&self, number: &Number) -> Result<Option<OwnedNumber>, Error>;

    /// Add a number or change it. [`Error::Missing`] when the account or the user does not exist.
    async fn put_owned_number(&self, number: &OwnedNumber) -> Result<(), Error>;

    /// Give a number up; false when it was not ours.
    async fn remove_owned_number(&self, number: &Number) -> Result<bool, Error>;
}
