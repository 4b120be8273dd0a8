//! Trunks, plans and fraud rules: what operators set up. The gateway says what their settings mean
//! and checks them before they are stored; the store keeps the text.

use core::fmt;

use async_trait::async_trait;
use offhook_types::TrunkId;

use crate::Error;

/// A way to a carrier.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredTrunk {
    /// Which; stays when it is renamed.
    pub id: TrunkId,
    /// What operators call it; no two have the same name.
    pub name: String,
    /// The list of what it costs.
    pub deck: Option<String>,
    /// Whether calls go there.
    pub enabled: bool,
    /// The rest, as the gateway writes it. May hold a password.
    pub settings: String,
}

impl fmt::Debug for StoredTrunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, name, deck, enabled, settings: _ } = self;
        f.debug_struct("StoredTrunk")
            .field("id", id)
            .field("name", name)
            .field("deck", deck)
            .field("enabled", enabled)
            .finish_non_exhaustive()
    }
}

/// What accounts pay by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPlan {
    /// Which.
    pub name: String,
    /// The list of what calls cost.
    pub deck: String,
    /// The rest, as the gateway writes it.
    pub settings: String,
}

/// A limit against fraud.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRule {
    /// Which.
    pub name: String,
    /// Whether it counts.
    pub enabled: bool,
    /// The rest, as the gateway writes it.
    pub settings: String,
}

/// What operators set up.
#[async_trait]
pub trait Trunks: Send + Sync {
    /// Every trunk, by name.
    async fn trunks(&self) -> Result<Vec<StoredTrunk>, Error>;

    /// Add a trunk or change the one with this id. [`Error::Conflict`] when another has its name.
    async fn put_trunk(&self, trunk: &StoredTrunk) -> Result<(), Error>;

    /// Remove a trunk; false when it was not there. Its records stay.
    async fn remove_trunk(&self, id: TrunkId) -> Result<bool, Error>;

    /// Every plan, by name.
    async fn plans(&self) -> Result<Vec<StoredPlan>, Error>;

    /// Add a plan or change the one with this name.
    async fn put_plan(&self, plan: &StoredPlan) -> Result<(), Error>;

    /// Remove a plan; false when it was not there, [`Error::Conflict`] while accounts have it.
    async fn remove_plan(&self, name: &str) -> Result<bool, Error>;

    /// Every fraud rule, by name.
    async fn fraud_rules(&self) -> Result<Vec<StoredRule>, Error>;

    /// Add a rule or change the one with this name.
    async fn put_fraud_rule(&self, rule: &StoredRule) -> Result<(), Error>;

    /// Remove a rule; false when it was not there. Its decisions stay.
    async fn remove_fraud_rule(&self, name: &str) -> Result<bool, Error>;
}
