//! Trunks, plans and fraud rules.

use offhook_store::{StoredPlan, StoredRule, StoredTrunk};
use offhook_types::TrunkId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Changed, Desk, Error};
use crate::tariff::{PlanSettings, RuleSettings};
use crate::trunk::Trunk;

/// A trunk to be added or changed, by its name.
#[derive(Clone, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PutTrunk {
    /// The price list of what it costs.
    #[serde(default)]
    pub deck: Option<String>,
    /// Whether calls go there.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Where the carrier is and how it is spoken to; `proxy` at least. docs/PHONE.md names every field. A
    /// password that is left out stays as it is.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub settings: Map<String, Value>,
}

/// A trunk. Its passwords are never shown.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TrunkView {
    /// Which.
    pub id: String,
    /// What operators call it.
    pub name: String,
    /// The price list of what it costs.
    pub deck: Option<String>,
    /// Whether calls go there.
    pub enabled: bool,
    /// Whether it has a password.
    pub password: bool,
    /// Whether calls that it brings are challenged for a password.
    pub challenge_password: bool,
    /// The rest of it, every field, without the passwords.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub settings: Value,
}

/// A plan to be added or changed, by its name.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PutPlan {
    /// The price list of what calls cost.
    pub deck: String,
    /// Tier, margin, reference length and caps.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub settings: Map<String, Value>,
}

/// A plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PlanView {
    /// What it is called.
    pub name: String,
    /// The price list of what calls cost.
    pub deck: String,
    /// The rest of it, every field.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub settings: Value,
}

/// A fraud rule to be added or changed, by its name.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PutRule {
    /// Whether it counts.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// What is measured, the limit, and what is done beyond it.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub settings: Map<String, Value>,
}

/// A fraud rule.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RuleView {
    /// What it is called.
    pub name: String,
    /// Whether it counts.
    pub enabled: bool,
    /// The rest of it, every field.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub settings: Value,
}

impl Desk {
    /// Every trunk, by name.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn trunks(&self) -> Result<Vec<TrunkView>, Error> {
        Ok(self.store.trunks().await?.iter().map(show).collect())
    }

    /// Add a trunk, or change the one of this name.
    ///
    /// # Errors
    /// Which field is wrong.
    pub async fn put_trunk(&self, name: &str, put: PutTrunk) -> Result<TrunkView, Error> {
        let known = self.store.trunks().await?.into_iter().find(|trunk| trunk.name == name);
        if let Some(deck) = &put.deck {
            self.deck_exists(deck).await?;
        }
        let mut settings = put.settings;
        let kept = known.as_ref().map(|known| object(&known.settings)).unwrap_or_default();
        keep_secrets(&mut settings, kept);
        let stored = StoredTrunk {
            id: known.map_or_else(|| TrunkId(self.draw()), |known| known.id),
            name: name.into(),
            deck: put.deck,
            enabled: put.enabled,
            settings: Value::Object(settings).to_string(),
        };
        let trunk = Trunk::read(&stored)?;
        let stored = StoredTrunk { settings: whole(&trunk.settings)?, ..stored };
        self.store.put_trunk(&stored).await?;
        self.tell(Changed::Tariff).await;
        Ok(show(&stored))
    }

    /// Remove a trunk. Its records stay.
    ///
    /// # Errors
    /// There is none of this name.
    pub async fn remove_trunk(&self, name: &str) -> Result<(), Error> {
        let known = self.store.trunks().await?.into_iter().find(|trunk| trunk.name == name);
        let known = known.ok_or_else(|| Error::missing("trunk", name))?;
        self.store.remove_trunk(known.id).await?;
        self.tell(Changed::Tariff).await;
        Ok(())
    }

    /// Every plan, by name.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn plans(&self) -> Result<Vec<PlanView>, Error> {
        let plans = self.store.plans().await?;
        Ok(plans.into_iter().map(show_plan).collect())
    }

    /// Add a plan, or change the one of this name.
    ///
    /// # Errors
    /// Which field is wrong.
    pub async fn put_plan(&self, name: &str, put: PutPlan) -> Result<PlanView, Error> {
        check_name(name)?;
        self.deck_exists(&put.deck).await?;
        let settings = PlanSettings::read(&Value::Object(put.settings).to_string())?;
        let stored = StoredPlan { name: name.into(), deck: put.deck, settings: whole(&settings)? };
        self.store.put_plan(&stored).await?;
        self.tell(Changed::Tariff).await;
        Ok(show_plan(stored))
    }

    /// Remove a plan.
    ///
    /// # Errors
    /// There is none of this name, or accounts have it.
    pub async fn remove_plan(&self, name: &str) -> Result<(), Error> {
        match self.store.remove_plan(name).await {
            Ok(true) => {}
            Ok(false) => return Err(Error::missing("plan", name)),
            Err(offhook_store::Error::Conflict) => {
                let why = format!("accounts have the plan {name}: give them another first");
                return Err(Error::Conflict(why));
            }
            Err(error) => return Err(error.into()),
        }
        self.tell(Changed::Tariff).await;
        Ok(())
    }

    /// Every fraud rule, by name. With none of its own an installation has the built-in ones.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn rules(&self) -> Result<Vec<RuleView>, Error> {
        let rules = self.store.fraud_rules().await?;
        Ok(rules.into_iter().map(show_rule).collect())
    }

    /// Add a fraud rule, or change the one of this name.
    ///
    /// # Errors
    /// Which field is wrong.
    pub async fn put_rule(&self, name: &str, put: PutRule) -> Result<RuleView, Error> {
        check_name(name)?;
        let settings = RuleSettings::read(&Value::Object(put.settings).to_string())?;
        settings.rule(name)?;
        let stored =
            StoredRule { name: name.into(), enabled: put.enabled, settings: whole(&settings)? };
        self.store.put_fraud_rule(&stored).await?;
        self.tell(Changed::Tariff).await;
        Ok(show_rule(stored))
    }

    /// Remove a fraud rule. Its decisions stay.
    ///
    /// # Errors
    /// There is none of this name.
    pub async fn remove_rule(&self, name: &str) -> Result<(), Error> {
        if !self.store.remove_fraud_rule(name).await? {
            return Err(Error::missing("fraud rule", name));
        }
        self.tell(Changed::Tariff).await;
        Ok(())
    }

    async fn deck_exists(&self, name: &str) -> Result<(), Error> {
        let decks = self.store.decks().await?;
        if decks.iter().any(|entry| &*entry.label.name == name) {
            return Ok(());
        }
        Err(Error::field("deck", format!("there is no deck {name}: import it first")))
    }
}

/// Names stand in URLs, in labels of metrics and in records.
pub(super) fn check_name(name: &str) -> Result<(), Error> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if (1..=64).contains(&name.len()) && name.bytes().all(plain) {
        return Ok(());
    }
    Err(Error::field("name", "1 to 64 letters, digits, `-`, `_` or `.`"))
}

fn show(stored: &StoredTrunk) -> TrunkView {
    let mut settings = object(&stored.settings);
    let [password, challenge_password] =
        SECRETS.map(|(secret, _)| settings.remove(secret).is_some_and(|secret| is_given(&secret)));
    TrunkView {
        id: stored.id.to_string(),
        name: stored.name.clone(),
        deck: stored.deck.clone(),
        enabled: stored.enabled,
        password,
        challenge_password,
        settings: Value::Object(settings),
    }
}

fn show_plan(stored: StoredPlan) -> PlanView {
    let settings = Value::Object(object(&stored.settings));
    PlanView { name: stored.name, deck: stored.deck, settings }
}

fn show_rule(stored: StoredRule) -> RuleView {
    let settings = Value::Object(object(&stored.settings));
    RuleView { name: stored.name, enabled: stored.enabled, settings }
}

/// Settings with every default written out, so that a later version's defaults change none of them.
fn whole(settings: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(settings).map_err(|error| Error::field("settings", error))
}

fn object(json: &str) -> Map<String, Value> {
    serde_json::from_str(json).unwrap_or_default()
}

fn yes() -> bool {
    true
}

/// Secrets that are left out stay as they were, as long as there is a name to each.
fn keep_secrets(settings: &mut Map<String, Value>, mut kept: Map<String, Value>) {
    for (secret, name) in SECRETS {
        if settings.get(name).is_some_and(is_given)
            && !settings.contains_key(secret)
            && let Some(known) = kept.remove(secret)
        {
            settings.insert(secret.into(), known);
        }
    }
}

fn is_given(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty())
}

/// Settings of trunks that are never shown, and whose they are.
const SECRETS: [(&str, &str); 2] =
    [("password", "username"), ("challenge_password", "challenge_username")];
