//! Call detail records. They are written with the ledger, by
//! [`commit_billing`](crate::Books::commit_billing), and read here.

use async_trait::async_trait;
use offhook_billing::cdr::{Cdr, Policy};
use offhook_types::{AccountId, CallId, CdrId, PhoneId, WallTime};

use crate::Error;

/// Which records, and from where on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CdrQuery {
    /// Of this account only.
    pub account: Option<AccountId>,
    /// Opened at this time or later.
    pub from: Option<WallTime>,
    /// Opened before this time.
    pub until: Option<WallTime>,
    /// After this one: the last of the page before.
    pub after: Option<(WallTime, CdrId)>,
    /// Newest first; oldest first otherwise.
    pub newest_first: bool,
}

/// What a visit of the retention policy did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retained {
    /// Records whose numbers were cut.
    pub cut: u64,
    /// Records from which everything but the money was erased.
    pub erased: u64,
}

/// Call detail records.
#[async_trait]
pub trait Cdrs: Send + Sync {
    /// A record.
    async fn cdr(&self, id: CdrId) -> Result<Option<Cdr>, Error>;

    /// The records of a call, in the order of their attempts.
    async fn cdrs_of_call(&self, call: CallId) -> Result<Vec<Cdr>, Error>;

    /// The records of a phone leg, in the order of its attempts, as far as `around` is less than a
    /// day from when they were opened.
    async fn cdrs_of_phone(&self, phone: PhoneId, around: WallTime) -> Result<Vec<Cdr>, Error>;

    /// Every open record.
    async fn open_cdrs(&self) -> Result<Vec<Cdr>, Error>;

    /// Up to `limit` records by the time at which they were opened.
    async fn cdrs(&self, query: &CdrQuery, limit: u32) -> Result<Vec<Cdr>, Error>;

    /// Do to closed records what the policy wants by now, at most `limit` of them. A record whose
    /// time is over keeps its amounts, so that it still explains the ledger; who called whom is
    /// erased from it.
    async fn retain_cdrs(
        &self,
        now: WallTime,
        policy: &Policy,
        limit: u32,
    ) -> Result<Retained, Error>;
}
