//! What fraud limits decided, and what was said about it afterwards. Decisions are written by
//! [`commit_billing`](crate::Books::commit_billing), with whatever else they changed.

use core::fmt;

use async_trait::async_trait;
use offhook_types::{AccountId, PhoneId, WallTime};

use crate::Error;

/// A decision to be recorded.
#[derive(Clone, PartialEq, Eq)]
pub struct NewDecision {
    /// About whom.
    pub account: AccountId,
    /// About which call, if it was one.
    pub phone: Option<PhoneId>,
    /// Which rule.
    pub rule: String,
    /// What was done: its stable name.
    pub action: String,
    /// Why: its stable name.
    pub reason: String,
    /// What it was done to, such as the prefix that is blocked; empty for the whole account.
    pub target: String,
    /// When.
    pub at: WallTime,
}

impl fmt::Debug for NewDecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { account, phone, rule, action, reason, target: _, at } = self;
        write!(f, "{action} {account} {phone:?} by {rule} for {reason} at {at:?}")
    }
}

/// A recorded decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Which: counts up.
    pub seq: u64,
    /// What was decided.
    pub decision: NewDecision,
    /// What the account's owner or an operator says about it; empty when nobody did.
    pub appeal: String,
}

/// What fraud limits decided.
#[async_trait]
pub trait Decisions: Send + Sync {
    /// The newest decisions, newest first, older than `before`; of one account or of all.
    async fn decisions(
        &self,
        account: Option<AccountId>,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<Decision>, Error>;

    /// Note what is said about a decision; false when there is none.
    async fn appeal(&self, seq: u64, note: &str) -> Result<bool, Error>;

    /// Forget decisions from before `before`; how many.
    async fn prune_decisions(&self, before: WallTime) -> Result<u64, Error>;
}
