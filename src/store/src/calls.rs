//! Calls: a record opened before anything rings and closed exactly once, and for each participant a
//! line of history.
//!
//! The record is what happened. The history is what one participant may see of it, written when the
//! record is closed.

use async_trait::async_trait;
use offhook_call::{Cause, Direction, Ending, Media, Record, Via};
use offhook_types::{CallId, Currency, Dialed, Micros, UserId, WallTime};

use crate::Error;

/// A call as one participant may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// Which call.
    pub call: CallId,
    /// Their side.
    pub direction: Direction,
    /// The other's number; none for a phone that hid it.
    pub peer_number: Option<Dialed>,
    /// The caller's display name as it is now, or what the phone network showed. Empty for outgoing
    /// calls: what a callee shows is theirs to choose, and calling a number does not give away
    /// whether anybody is behind it.
    pub peer_name: String,
    /// How it reached the other side.
    pub via: Via,
    /// What this user's account paid for it, as far as its records are closed; none when there are
    /// none of theirs.
    pub charge: Option<(Micros, Currency)>,
    /// What the caller asked for.
    pub media: Media,
    /// Why it ended.
    pub cause: Cause,
    /// When it was placed.
    pub placed_at: WallTime,
    /// When it was accepted, if it was.
    pub accepted_at: Option<WallTime>,
    /// When it ended.
    pub ended_at: WallTime,
}

/// One page of history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryPage {
    /// Newest first.
    pub entries: Vec<HistoryEntry>,
    /// Whether there are older ones.
    pub more: bool,
}

/// What is written of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallStep {
    /// Open a record, before anything rings. [`Error::Conflict`] when the id is taken. Only what is
    /// known at that moment is written: acceptance and ending have their own steps.
    Open(Record),
    /// Note that an open call was accepted. Nothing is written when it is closed, unknown or accepted
    /// already.
    Accept {
        /// Which call.
        call: CallId,
        /// When.
        at: WallTime,
    },
    /// Close a record and write the history of both sides. Nothing is written when it is closed or
    /// unknown.
    Close {
        /// Which call.
        call: CallId,
        /// Fills in an acceptance that was not noted.
        accepted_at: Option<WallTime>,
        /// When and why.
        ending: Ending,
    },
}

/// Call records and history.
#[async_trait]
pub trait Calls: Send + Sync {
    /// Write steps in their order and in one transaction, each as a whole or not at all; whether each
    /// wrote something. [`Error::Unavailable`] is the answer to all of them.
    async fn write_calls(&self, steps: &[CallStep]) -> Result<Vec<Result<bool, Error>>, Error>;

    /// [`CallStep::Open`].
    async fn open_call(&self, record: &Record) -> Result<(), Error> {
        self.write_call(CallStep::Open(record.clone())).await.map(|_| ())
    }

    /// [`CallStep::Accept`]; false when nothing was written.
    async fn accept_call(&self, call: CallId, at: WallTime) -> Result<bool, Error> {
        self.write_call(CallStep::Accept { call, at }).await
    }

    /// [`CallStep::Close`]; false when nothing was written.
    async fn close_call(
        &self,
        call: CallId,
        accepted_at: Option<WallTime>,
        ending: Ending,
    ) -> Result<bool, Error> {
        self.write_call(CallStep::Close { call, accepted_at, ending }).await
    }

    /// One step by itself.
    async fn write_call(&self, step: CallStep) -> Result<bool, Error> {
        self.write_calls(&[step]).await?.pop().unwrap_or(Ok(false))
    }

    /// Close with [`Cause::Server`] what an earlier life of the server left open; how many. Called
    /// once, before the first call is placed.
    async fn close_left_open(&self, now: WallTime) -> Result<u64, Error>;

    /// A record.
    async fn call(&self, call: CallId) -> Result<Option<Record>, Error>;

    /// The newest calls of a user placed before `before` (`None` for the newest of all), about
    /// `limit` of them: a page is not cut between calls of the same millisecond, so the last
    /// entry's `placed_at` continues without a gap.
    async fn history(
        &self,
        user: UserId,
        before: Option<WallTime>,
        limit: u32,
    ) -> Result<HistoryPage, Error>;
}
