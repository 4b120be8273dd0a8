//! How well trunks reach countries, hour by hour, so that a restart does not forget it.

use async_trait::async_trait;
use offhook_types::{TrunkId, WallTime};

use crate::Error;

/// What became of the attempts of one hour over one trunk to one country.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// Over which.
    pub trunk: TrunkId,
    /// To where, as two letters (ISO 3166-1); empty when unknown.
    pub country: String,
    /// When the hour began.
    pub hour: WallTime,
    /// How many attempts.
    pub attempts: u64,
    /// How many were answered.
    pub answered: u64,
    /// How many had sound one way only.
    pub one_way: u64,
    /// How many rang, and so have a post-dial delay.
    pub delays: u64,
    /// The sum of those delays, in milliseconds.
    pub delay_ms: u64,
}

/// How well trunks reach countries.
#[async_trait]
pub trait Quality: Send + Sync {
    /// Add to what is known.
    async fn add_quality(&self, reached: &[Reached]) -> Result<(), Error>;

    /// What is known of the hours since `since`, oldest first.
    async fn quality(&self, since: WallTime) -> Result<Vec<Reached>, Error>;

    /// Forget hours from before `before`; how many.
    async fn prune_quality(&self, before: WallTime) -> Result<u64, Error>;
}
