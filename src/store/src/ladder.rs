//! The SIP messages of each phone leg, for operators: the ladder that shows who said what.

use core::fmt;

use async_trait::async_trait;
use offhook_types::{PhoneId, WallTime};

use crate::Error;

/// One message of a leg.
#[derive(Clone, PartialEq, Eq)]
pub struct Step {
    /// Of which leg.
    pub phone: PhoneId,
    /// When.
    pub at: WallTime,
    /// Whether we sent it.
    pub sent: bool,
    /// To or from where.
    pub peer: String,
    /// Its first line, and what of its header an operator wants to see.
    pub line: String,
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step of {} at {:?}", self.phone, self.at)
    }
}

/// SIP messages.
#[async_trait]
pub trait Ladder: Send + Sync {
    /// Add messages, in order. Of each leg the first `most` are kept and the rest is left out.
    async fn add_steps(&self, steps: &[Step], most: u32) -> Result<(), Error>;

    /// The messages of a leg, in order.
    async fn steps(&self, phone: PhoneId) -> Result<Vec<Step>, Error>;

    /// Forget messages from before `before`; how many.
    async fn prune_steps(&self, before: WallTime) -> Result<u64, Error>;
}
