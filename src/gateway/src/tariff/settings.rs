//! Plans and fraud rules as operators write them: JSON in the store, checked before it gets there.

use std::sync::Arc;
use std::time::Duration;

use offhook_billing::deck::{Deck, Tier};
use offhook_billing::fraud::{Action, Measure, Rule};
use offhook_billing::route::{Caps, Plan};
use offhook_types::Micros;
use serde::{Deserialize, Serialize};

/// What is wrong with a plan or a rule.
#[derive(Debug, thiserror::Error)]
pub enum BadSetting {
    /// Not JSON of the right shape.
    #[error("settings: {0}")]
    Json(#[from] serde_json::Error),
    /// One field.
    #[error("{field}: {why}")]
    Field {
        /// Which.
        field: &'static str,
        /// What is wrong, and what would be right.
        why: String,
    },
}

/// Everything about a plan but its name and deck.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PlanSettings {
    /// The riskiest destinations that its accounts may call.
    pub tier: String,
    /// What must be left of each minute at least when the carrier is paid, in main units: `0.001`.
    pub margin: String,
    /// The length of the call that prices and costs are compared at.
    pub reference_s: u32,
    /// Calls that an account may begin in one second.
    pub calls_per_second: Option<u32>,
    /// Calls of an account at one time.
    pub channels: Option<u32>,
}

impl Default for PlanSettings {
    fn default() -> Self {
        Self {
            tier: Tier::Standard.to_string(),
            margin: "0".into(),
            reference_s: 180,
            calls_per_second: Some(2),
            channels: Some(10),
        }
    }
}

impl PlanSettings {
    /// Check what is stored, or is to be.
    ///
    /// # Errors
    /// Which field is wrong, and why.
    pub fn read(json: &str) -> Result<Self, BadSetting> {
        let read: Self = serde_json::from_str(json)?;
        read.tier()?;
        read.margin()?;
        if read.reference_s == 0 {
            return Err(wrong("reference_s", "at least 1"));
        }
        Ok(read)
    }

    /// The plan. What is wrong counts as the default: [`read`](Self::read) lets nothing wrong through.
    pub fn plan(&self, name: &str, sell: Arc<Deck>) -> Plan {
        Plan {
            name: name.into(),
            sell,
            tier: self.tier().unwrap_or(Tier::Standard),
            margin: self.margin().unwrap_or_default(),
            reference: Duration::from_secs(self.reference_s.max(1).into()),
            caps: Caps { per_second: self.calls_per_second, channels: self.channels },
        }
    }

    fn tier(&self) -> Result<Tier, BadSetting> {
        self.tier.parse().map_err(|error| wrong("tier", error))
    }

    fn margin(&self) -> Result<Micros, BadSetting> {
        self.margin.parse().map_err(|error| wrong("margin", error))
    }
}

/// Everything about a fraud rule but its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleSettings {
    /// What is measured: `spend_per_hour`, `concurrent` and so on, or `hours 07:00-22:00+01:00`.
    pub measure: String,
    /// The least risky tier that counts.
    #[serde(default)]
    pub tier: String,
    /// The most that is allowed: main units where money is measured, else a count.
    #[serde(default)]
    pub limit: String,
    /// The most for a new account.
    #[serde(default)]
    pub newcomer_limit: Option<String>,
    /// `warn`, `block` or `suspend`.
    pub action: String,
}

impl RuleSettings {
    /// Check the shape.
    ///
    /// # Errors
    /// Not JSON of the right shape.
    pub fn read(json: &str) -> Result<Self, BadSetting> {
        Ok(serde_json::from_str(json)?)
    }

    /// The rule.
    ///
    /// # Errors
    /// Which field is wrong, and why.
    pub fn rule(&self, name: &str) -> Result<Rule, BadSetting> {
        let measure = match self.measure.strip_prefix("hours ") {
            Some(hours) => Measure::Hours(hours.parse().map_err(|error| wrong("measure", error))?),
            None => Measure::from_name(&self.measure).ok_or_else(|| {
                wrong(
                    "measure",
                    "spend_per_hour, spend_per_day, concurrent, calls_per_minute, \
                    same_number, same_prefix, price_per_minute or hours 07:00-22:00",
                )
            })?,
        };
        let tier = match self.tier.as_str() {
            "" => Tier::Standard,
            text => text.parse().map_err(|error| wrong("tier", error))?,
        };
        let action = [Action::Warn, Action::Block, Action::Suspend]
            .into_iter()
            .find(|action| action.as_str() == self.action)
            .ok_or_else(|| wrong("action", "warn, block or suspend"))?;
        let money = matches!(
            measure,
            Measure::SpendPerHour | Measure::SpendPerDay | Measure::PricePerMinute
        );
        let amount = |field, text: &str| match (measure, money) {
            (Measure::Hours(_), _) => Ok(0),
            (_, true) => text.parse::<Micros>().map(|amount| amount.0).map_err(|e| wrong(field, e)),
            (_, false) => text.parse::<u32>().map(i64::from).map_err(|e| wrong(field, e)),
        };
        let limit = amount("limit", &self.limit)?;
        let newcomer = self.newcomer_limit.as_deref();
        let newcomer_limit = newcomer.map(|text| amount("newcomer_limit", text)).transpose()?;
        Ok(Rule { name: name.into(), measure, tier, limit, newcomer_limit, action })
    }
}

fn wrong(field: &'static str, why: impl ToString) -> BadSetting {
    BadSetting::Field { field, why: why.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_plan_is_named() {
        let check = |json: &str, expect: Option<&str>| {
            let said = PlanSettings::read(json).err().map(|error| error.to_string());
            match expect {
                None => assert_eq!(said, None, "{json}"),
                Some(field) => assert!(said.unwrap_or_default().starts_with(field), "{json}"),
            }
        };
        check("{}", None);
        check(r#"{"margin": "0.001", "tier": "standard"}"#, None);
        check(r#"{"margin": "a lot"}"#, Some("margin"));
        check(r#"{"tier": "wild"}"#, Some("tier"));
        check(r#"{"reference_s": 0}"#, Some("reference_s"));
        check(r#"{"margn": "0"}"#, Some("settings"));
    }

    #[test]
    fn rules_are_read_with_their_units() {
        let check = |json: &str, expect: Result<(Measure, i64), &str>| {
            let read = RuleSettings::read(json).and_then(|read| read.rule("r"));
            match expect {
                Ok(expect) => {
                    let rule = read.unwrap();
                    assert_eq!((rule.measure, rule.limit), expect, "{json}");
                }
                Err(field) => assert!(read.unwrap_err().to_string().starts_with(field), "{json}"),
            }
        };
        let spend = r#"{"measure": "spend_per_hour", "limit": "1.5", "action": "block"}"#;
        check(spend, Ok((Measure::SpendPerHour, 1_500_000)));
        let calls = r#"{"measure": "concurrent", "limit": "4", "action": "warn"}"#;
        check(calls, Ok((Measure::Concurrent, 4)));
        check(r#"{"measure": "concurrent", "limit": "1.5", "action": "warn"}"#, Err("limit"));
        check(r#"{"measure": "luck", "limit": "1", "action": "warn"}"#, Err("measure"));
        check(r#"{"measure": "concurrent", "limit": "1", "action": "shout"}"#, Err("action"));
        let hours = r#"{"measure": "hours 07:00-22:00", "action": "block"}"#;
        assert!(RuleSettings::read(hours).and_then(|read| read.rule("night")).is_ok());
    }
}
