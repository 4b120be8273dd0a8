//! Limits that stop a stolen account before it costs much. A [`Guard`] counts, per account and risk tier of
//! the destination, what is spent and how calls are made, in windows of fixed size; a rule that is passed
//! warns, blocks a destination or suspends the account. Every decision is a [`Record`] to be stored.
//!
//! Emergency calls do not come here.

use core::time::Duration;
use std::sync::Arc;

use offhook_types::{AccountId, Micros, WallTime};

use crate::deck::{Prefix, Tier};
use crate::refusal::Refusal;

mod guard;
mod rules;
#[cfg(test)]
mod tests;
mod window;

pub use guard::Guard;
pub use rules::{BadHours, Hours, Measure, Rule, Rules};

/// A call that somebody wants to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// Who pays.
    pub account: AccountId,
    /// When the account was opened: new ones have tighter limits.
    pub opened: WallTime,
    /// The whole number, as a prefix.
    pub to: Prefix,
    /// How risky the destination is.
    pub tier: Tier,
    /// What a minute costs.
    pub per_minute: Micros,
}

/// Money that a call has set aside, or given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spent {
    /// Who pays.
    pub account: AccountId,
    /// When the account was opened.
    pub opened: WallTime,
    /// How risky the destination is.
    pub tier: Tier,
    /// How much; below zero for what is given back.
    pub amount: Micros,
}

/// What the limits say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Findings {
    /// Why the call may not be made, or not go on; `None` if it may.
    pub refusal: Option<Refusal>,
    /// What to store, the gravest action last.
    pub records: Vec<Record>,
}

/// One decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// When.
    pub at: WallTime,
    /// Whose.
    pub account: AccountId,
    /// The rule's name, which is the reason code.
    pub rule: Arc<str>,
    /// What it measures.
    pub measure: Measure,
    /// What was measured, this call included: micro-units, calls or minutes of the day.
    pub seen: i64,
    /// What is allowed.
    pub limit: i64,
    /// What was done.
    pub action: Action,
    /// What is blocked, where something is.
    pub blocked: Option<Blocked>,
    /// What the account's owner is told about it and how to object.
    pub appeal: Arc<str>,
}

/// What is done about a limit that is passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// It is noted; the call is made.
    Warn,
    /// The call is refused, and others to the destination for a while.
    Block,
    /// The account makes no more calls until somebody lifts it.
    Suspend,
}

impl Action {
    /// The name: `warn`, `block`, `suspend`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warn => "warn",
            Self::Block => "block",
            Self::Suspend => "suspend",
        }
    }
}

/// A destination that an account may not call for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocked {
    /// Which.
    pub scope: Scope,
    /// The first instant at which it may be called again.
    pub until: WallTime,
}

/// What is blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// Every destination of a tier.
    Tier(Tier),
    /// Every number that starts so.
    Prefix(Prefix),
}

impl Scope {
    fn holds(&self, attempt: &Attempt) -> bool {
        match self {
            Self::Tier(tier) => *tier == attempt.tier,
            Self::Prefix(prefix) => prefix.starts(attempt.to),
        }
    }
}

/// Its text form, for records: `tier high`, `prefix 4930`.
impl core::fmt::Display for Scope {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Tier(tier) => write!(f, "tier {tier}"),
            Self::Prefix(prefix) => write!(f, "prefix {prefix}"),
        }
    }
}

/// Text that is no scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a blocked destination: `tier high` or `prefix 4930`")]
pub struct BadScope;

impl core::str::FromStr for Scope {
    type Err = BadScope;

    fn from_str(text: &str) -> Result<Self, BadScope> {
        match text.split_once(' ') {
            Some(("tier", tier)) => tier.parse().map(Self::Tier).map_err(|_| BadScope),
            Some(("prefix", prefix)) => prefix.parse().map(Self::Prefix).map_err(|_| BadScope),
            _ => Err(BadScope),
        }
    }
}

const HOUR: Duration = Duration::from_secs(3600);
