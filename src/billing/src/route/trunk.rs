//! What a trunk is, as far as routing goes: no address, no credentials.

use core::fmt;
use core::str::FromStr;
use std::sync::Arc;

use offhook_types::{Number, TrunkId};

use crate::deck::Tier;
use crate::number::Format;

/// A way to one carrier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trunk {
    /// Names it.
    pub id: TrunkId,
    /// What people call it.
    pub name: Arc<str>,
    /// Lower ones are tried first, whatever they cost. Trunks of one priority compete by cost.
    pub priority: u16,
    /// Among trunks of one priority and cost, how often it comes first. Zero counts as one.
    pub weight: u16,
    /// The name of the deck of what it costs.
    pub deck: Arc<str>,
    /// How much the carrier takes at once.
    pub caps: Caps,
    /// How the carrier wants numbers written.
    pub format: Format,
    /// Which number the carrier is told.
    pub caller: CallerPolicy,
    /// The riskiest destinations that it may be used for.
    pub tier: Tier,
    /// Whether the carrier takes emergency calls.
    pub emergency: bool,
    /// Whether it is used at all.
    pub enabled: bool,
}

impl Trunk {
    /// What the other side is shown. `verified` is the caller's number if the account has proven it.
    pub fn shown(&self, verified: Option<&Number>, anonymous: bool) -> Shown {
        match (&self.caller, verified) {
            (_, _) if anonymous => Shown::Anonymous,
            (CallerPolicy::Verified, Some(number)) => Shown::Number(number.clone()),
            (CallerPolicy::VerifiedOr(_), Some(number)) => Shown::Number(number.clone()),
            (CallerPolicy::VerifiedOr(number) | CallerPolicy::Always(number), _) => {
                Shown::Number(number.clone())
            }
            (CallerPolicy::Verified, None) => Shown::Anonymous,
        }
    }
}

/// How much is allowed at once. `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Caps {
    /// Calls that begin in one second.
    pub per_second: Option<u32>,
    /// Calls at one time.
    pub channels: Option<u32>,
}

impl Caps {
    /// No limit.
    pub const NONE: Self = Self { per_second: None, channels: None };
}

/// Which number a trunk tells its carrier. Only numbers that the account has proven to be its own, and
/// numbers of the operator, ever go out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum CallerPolicy {
    /// The caller's verified number, else none.
    #[default]
    Verified,
    /// The caller's verified number, else this one of the operator.
    VerifiedOr(Number),
    /// Always this one of the operator.
    Always(Number),
}

/// Its text form: `verified`, `verified or +4930901820`, `always +4930901820`.
impl fmt::Display for CallerPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Verified => f.write_str("verified"),
            Self::VerifiedOr(number) => write!(f, "verified or {}", number.as_str()),
            Self::Always(number) => write!(f, "always {}", number.as_str()),
        }
    }
}

/// Text that is no caller-ID policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a caller-ID policy: write `verified`, `verified or +4930901820` or `always +4930901820`"
)]
pub struct BadPolicy;

impl FromStr for CallerPolicy {
    type Err = BadPolicy;

    fn from_str(text: &str) -> Result<Self, BadPolicy> {
        if text == "verified" {
            return Ok(Self::Verified);
        }
        let number = |text: &str| text.parse().map_err(|_| BadPolicy);
        match text.split_once(" +") {
            Some(("verified or", digits)) => Ok(Self::VerifiedOr(number(&format!("+{digits}"))?)),
            Some(("always", digits)) => Ok(Self::Always(number(&format!("+{digits}"))?)),
            _ => Err(BadPolicy),
        }
    }
}

/// What the other side is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// This number.
    Number(Number),
    /// No number (RFC 3323: `anonymous`).
    Anonymous,
}
