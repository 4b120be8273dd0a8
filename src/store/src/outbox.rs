//! What webhooks have to tell. A message is written together with what it tells of, by
//! [`commit_billing`](crate::Books::commit_billing), and stays until it was delivered or given up.

use core::fmt;

use async_trait::async_trait;
use offhook_types::WallTime;

use crate::Error;

/// A message to be told.
#[derive(Clone, PartialEq, Eq)]
pub struct NewMessage {
    /// By which a receiver knows one that it had already.
    pub key: String,
    /// What to tell.
    pub body: String,
    /// When it happened.
    pub at: WallTime,
}

impl fmt::Debug for NewMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message {}", self.key)
    }
}

/// A message that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Which.
    pub seq: u64,
    /// What to tell.
    pub message: NewMessage,
    /// How often it was tried.
    pub attempts: u32,
}

/// Messages that wait.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// The messages that are due, those that wait longest first.
    async fn due_messages(&self, now: WallTime, limit: u32) -> Result<Vec<Message>, Error>;

    /// Note that a message failed, and when to try again.
    async fn retry_message(&self, seq: u64, due_at: WallTime) -> Result<(), Error>;

    /// A message was told or is given up.
    async fn remove_message(&self, seq: u64) -> Result<(), Error>;

    /// How many wait.
    async fn waiting_messages(&self) -> Result<u64, Error>;
}
