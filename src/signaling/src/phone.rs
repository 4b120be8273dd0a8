//! Calls over the phone network, as far as this side of the gateway goes: [`PhoneNetwork`] is what
//! a gateway offers, and a phone's seat in a room is taken here.
//!
//! The gateway is told [`Command`]s through [`PhoneNetwork::send`], and tells its
//! [`Event`](offhook_types::phone::Event)s and changed balances to the call task, through
//! [`calls::Handle`](crate::calls::Handle). Neither side knows more of the other.

pub(crate) mod seat;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use offhook_types::phone::{Balance, Charge, Command, Quote};
use offhook_types::{CallId, Number, UserId};

use crate::media_node::{Events, MediaNode};

/// Who wants to know what a call would cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Whose account would pay.
    pub user: UserId,
    /// Their own number, which says in which country they dial.
    pub home: Number,
    /// What they typed.
    pub typed: Typed,
}

/// A number as somebody typed it. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Typed(pub String);

impl std::fmt::Debug for Typed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted number]")
    }
}

/// Why there is no quote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuoteRefusal {
    /// It is no number.
    #[error("this is not a number that can be called")]
    InvalidNumber,
    /// The account may not call there, or is suspended. The text says which, and whom to ask.
    #[error("{why}")]
    NotPermitted {
        /// For the person who asks, in English.
        why: String,
    },
    /// The balance does not pay for a call there.
    #[error("the balance does not pay for a call there: top it up")]
    NoCredit,
    /// No carrier goes there.
    #[error("no carrier goes there")]
    NoRoute,
    /// The same question too often.
    #[error("too many questions: wait {} s", retry_after.as_secs())]
    RateLimited {
        /// When the next one would be let through.
        retry_after: Duration,
    },
    /// The gateway or its books cannot answer now.
    #[error("calls over the phone network cannot be priced now: try again later")]
    Unavailable,
}

/// The gateway's books cannot answer now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the gateway cannot answer now")]
pub struct Unavailable;

/// The phone network behind a gateway, for one installation.
#[async_trait]
pub trait PhoneNetwork: Send + Sync {
    /// What a call would cost, kept under the quote's id for as long as it says.
    async fn quote(&self, question: Question) -> Result<Quote, QuoteRefusal>;

    /// What a user's account has; `None` for a user who has none.
    async fn balance(&self, user: UserId) -> Result<Option<Balance>, Unavailable>;

    /// What a call cost, or costs so far; `None` when it is not the user's to pay or cost nothing.
    async fn charge(&self, user: UserId, call: CallId) -> Result<Option<Charge>, Unavailable>;

    /// What these calls cost; those that cost nothing, or are not the user's to pay, are left out.
    async fn charges(&self, user: UserId, calls: Vec<CallId>) -> Result<Vec<Charge>, Unavailable> {
        let mut charges = Vec::new();
        for call in calls {
            charges.extend(self.charge(user, call).await?);
        }
        Ok(charges)
    }

    /// Whether there is a gateway at all.
    fn is_there(&self) -> bool {
        true
    }

    /// Do this. Returns at once; what is sent arrives, in order.
    fn send(&self, command: Command);
}

/// No gateway: nothing can be called, and nobody calls.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nobody;

#[async_trait]
impl PhoneNetwork for Nobody {
    async fn quote(&self, _: Question) -> Result<Quote, QuoteRefusal> {
        Err(QuoteRefusal::NoRoute)
    }

    async fn balance(&self, _: UserId) -> Result<Option<Balance>, Unavailable> {
        Ok(None)
    }

    async fn charge(&self, _: UserId, _: CallId) -> Result<Option<Charge>, Unavailable> {
        Ok(None)
    }

    fn is_there(&self) -> bool {
        false
    }

    fn send(&self, _: Command) {}
}

/// The phone network, and the media node over which its sound comes into rooms. Cheap to clone.
#[derive(Clone)]
pub struct Phones {
    pub(crate) network: Arc<dyn PhoneNetwork>,
    pub(crate) media: Option<(Arc<dyn MediaNode>, Events)>,
}

impl Phones {
    /// A network whose phones are heard through this node.
    pub fn new(network: Arc<dyn PhoneNetwork>, media: (Arc<dyn MediaNode>, Events)) -> Self {
        Self { network, media: Some(media) }
    }

    /// No phones at all.
    pub fn none() -> Self {
        Self { network: Arc::new(Nobody), media: None }
    }
}
