//! What is limited, and to how much.

use core::fmt;
use core::str::FromStr;
use core::time::Duration;
use std::sync::Arc;

use offhook_types::WallTime;

use super::{Action, HOUR};
use crate::deck::Tier;

/// One limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The reason code in records: `spend_hour_high`.
    pub name: Arc<str>,
    /// What is measured.
    pub measure: Measure,
    /// The least risky tier that it counts; tiers above are counted too.
    pub tier: Tier,
    /// The most that is allowed: micro-units where money is measured, else calls. Not used for hours.
    pub limit: i64,
    /// The most for a new account, where that is less.
    pub newcomer_limit: Option<i64>,
    /// What is done beyond it.
    pub action: Action,
}

/// What a rule measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Measure {
    /// Money spent in an hour.
    SpendPerHour,
    /// Money spent in a day.
    SpendPerDay,
    /// Calls at one time.
    Concurrent,
    /// Calls begun in a minute.
    CallsPerMinute,
    /// Calls to one number in an hour.
    SameNumber,
    /// Calls to numbers that differ in their last digits only, in an hour.
    SamePrefix,
    /// What a minute costs.
    PricePerMinute,
    /// Calls at other times of day than these.
    Hours(Hours),
}

impl Measure {
    /// The name: `spend_per_hour`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SpendPerHour => "spend_per_hour",
            Self::SpendPerDay => "spend_per_day",
            Self::Concurrent => "concurrent",
            Self::CallsPerMinute => "calls_per_minute",
            Self::SameNumber => "same_number",
            Self::SamePrefix => "same_prefix",
            Self::PricePerMinute => "price_per_minute",
            Self::Hours(_) => "hours",
        }
    }

    /// The measure of a name, all but hours, which have their own text.
    pub fn from_name(name: &str) -> Option<Self> {
        [
            Self::SpendPerHour,
            Self::SpendPerDay,
            Self::Concurrent,
            Self::CallsPerMinute,
            Self::SameNumber,
            Self::SamePrefix,
            Self::PricePerMinute,
        ]
        .into_iter()
        .find(|measure| measure.as_str() == name)
    }
}

/// A part of every day, which may go over midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hours {
    /// The first minute of the day, 0 to 1439, where the account is.
    pub from: u16,
    /// The first minute that is not in it any more.
    pub until: u16,
    /// How far that place is ahead of UTC, in minutes.
    pub offset: i16,
}

impl Hours {
    /// Whether an instant is in it.
    pub const fn hold(self, at: WallTime) -> bool {
        let minute = self.minute(at);
        if self.from <= self.until {
            self.from <= minute && minute < self.until
        } else {
            self.from <= minute || minute < self.until
        }
    }

    /// The minute of the day.
    pub(super) const fn minute(self, at: WallTime) -> u16 {
        let minutes = (at.0 / 60_000 % DAY_MIN as u64) as i64;
        (minutes + self.offset as i64).rem_euclid(DAY_MIN) as u16
    }
}

/// Text that is no part of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a part of a day: write 07:00-22:30 or 07:00-22:30+02:00")]
pub struct BadHours;

impl FromStr for Hours {
    type Err = BadHours;

    fn from_str(text: &str) -> Result<Self, BadHours> {
        let (from, rest) = text.split_at_checked(5).ok_or(BadHours)?;
        let (until, zone) =
            rest.strip_prefix('-').and_then(|rest| rest.split_at_checked(5)).ok_or(BadHours)?;
        let offset = match (zone.strip_prefix('+'), zone.strip_prefix('-')) {
            (Some(ahead), _) => i16::try_from(minute(ahead)?).map_err(|_| BadHours)?,
            (_, Some(behind)) => -i16::try_from(minute(behind)?).map_err(|_| BadHours)?,
            _ if zone.is_empty() => 0,
            _ => return Err(BadHours),
        };
        Ok(Self { from: minute(from)?, until: minute(until)?, offset })
    }
}

/// `07:30` as a minute of the day.
fn minute(text: &str) -> Result<u16, BadHours> {
    let (hour, minute) = text.split_once(':').ok_or(BadHours)?;
    let two = |text: &str, most: u16| {
        let plain = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|number: &u16| plain && *number <= most).ok_or(BadHours)
    };
    Ok(two(hour, 23)? * 60 + two(minute, 59)?)
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, ahead) = (if self.offset < 0 { '-' } else { '+' }, self.offset.unsigned_abs());
        write!(f, "{:02}:{:02}-", self.from / 60, self.from % 60)?;
        write!(f, "{:02}:{:02}", self.until / 60, self.until % 60)?;
        write!(f, "{sign}{:02}:{:02}", ahead / 60, ahead % 60)
    }
}

/// Every limit, and what they have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// The limits.
    pub rules: Vec<Rule>,
    /// How long an account is new.
    pub newcomer: Duration,
    /// How long a destination stays blocked.
    pub block: Duration,
    /// What the account's owner is told, with how to object.
    pub appeal: Arc<str>,
    /// How many accounts are counted at once. Beyond that the one that has been idle longest is forgotten.
    pub accounts: usize,
}

/// A person who calls family abroad spends a few units an hour and makes a handful of calls at once at
/// most. Fraud wants dear destinations, many calls at once, one range again and again, at night.
impl Default for Rules {
    fn default() -> Self {
        let rule = |name: &str, measure, tier, (limit, newcomer_limit), action| Rule {
            name: name.into(),
            measure,
            tier,
            limit,
            newcomer_limit: Some(newcomer_limit),
            action,
        };
        let (all, risky) = (Tier::Standard, Tier::High);
        let rules = vec![
            rule(
                "spend_hour_high",
                Measure::SpendPerHour,
                all,
                (15 * UNIT, 5 * UNIT),
                Action::Warn,
            ),
            rule("spend_hour", Measure::SpendPerHour, all, (30 * UNIT, 10 * UNIT), Action::Block),
            rule("spend_day", Measure::SpendPerDay, all, (100 * UNIT, 25 * UNIT), Action::Suspend),
            rule("risky_hour", Measure::SpendPerHour, risky, (10 * UNIT, 2 * UNIT), Action::Block),
            rule("risky_day", Measure::SpendPerDay, risky, (25 * UNIT, 5 * UNIT), Action::Suspend),
            rule("concurrent", Measure::Concurrent, all, (10, 3), Action::Block),
            rule("risky_concurrent", Measure::Concurrent, risky, (2, 1), Action::Block),
            rule("calls_minute", Measure::CallsPerMinute, all, (20, 6), Action::Block),
            rule("same_number", Measure::SameNumber, all, (30, 15), Action::Block),
            rule("same_range", Measure::SamePrefix, risky, (10, 4), Action::Block),
            rule("price", Measure::PricePerMinute, all, (5 * UNIT, UNIT), Action::Block),
        ];
        Self {
            rules,
            newcomer: 24 * 7 * HOUR,
            block: HOUR,
            appeal: "This limit protects you from calls that others make at your cost. \
                If these calls are yours, write to support and name this code."
                .into(),
            accounts: 50_000,
        }
    }
}

const UNIT: i64 = 1_000_000;
const DAY_MIN: i64 = 1440;
