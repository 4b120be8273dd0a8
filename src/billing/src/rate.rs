//! Time into money and back. [`charge`] says what a call of some length costs, [`affordable`] is its
//! exact inverse, and [`slice`] sizes reservations with both, so that money set aside and time granted
//! never disagree.

use core::fmt;
use core::str::FromStr;
use core::time::Duration;

use offhook_types::Micros;

#[cfg(test)]
mod tests;

/// The price of one destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    /// What a minute costs.
    pub per_minute: Micros,
    /// What an answer costs, on top.
    pub connection_fee: Micros,
    /// What the first bit of time is rounded up to, in seconds; at least one.
    pub first_increment_s: u32,
    /// What further time is rounded up to, in seconds; at least one.
    pub next_increment_s: u32,
    /// A shorter call is charged as if it had lasted this long, in seconds.
    pub minimum_s: u32,
    /// A call up to this long is free, fee included, in seconds; zero for none.
    pub grace_s: u32,
    /// No call costs more than this, fee included.
    pub max_cost: Option<Micros>,
    /// Where a fraction of a micro-unit goes.
    pub rounding: Rounding,
}

impl Rate {
    /// Nothing costs anything: emergency calls.
    pub const FREE: Self = Self {
        per_minute: Micros::ZERO,
        connection_fee: Micros::ZERO,
        first_increment_s: 1,
        next_increment_s: 1,
        minimum_s: 0,
        grace_s: 0,
        max_cost: None,
        rounding: Rounding::Up,
    };

    /// A price per minute, charged by the second, without conditions.
    pub const fn by_the_second(per_minute: Micros) -> Self {
        Self { per_minute, ..Self::FREE }
    }

    /// The rate, if its parts make sense together.
    ///
    /// # Errors
    /// An increment of zero seconds, or an amount below zero.
    pub fn checked(self) -> Result<Self, BadRate> {
        if self.first_increment_s == 0 || self.next_increment_s == 0 {
            return Err(BadRate::Increment);
        }
        let cap = self.max_cost.unwrap_or_default();
        if self.per_minute.0 < 0 || self.connection_fee.0 < 0 || cap.0 < 0 {
            return Err(BadRate::Negative);
        }
        Ok(self)
    }
}

/// Why a rate cannot be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadRate {
    /// An increment is zero seconds long.
    #[error("an increment of zero seconds")]
    Increment,
    /// A price is below zero.
    #[error("a price below zero")]
    Negative,
    /// The amount or the time does not fit a number.
    #[error("the amount does not fit")]
    Overflow,
}

/// In which direction a fraction of a micro-unit is rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Rounding {
    /// To the next whole micro-unit.
    #[default]
    Up,
    /// To the nearest, halves to the even one.
    HalfEven,
    /// The fraction is dropped.
    Down,
}

impl Rounding {
    /// What `sixtieths` of an amount of zero or more come to.
    const fn of_sixtieths(self, sixtieths: i128) -> i128 {
        match self {
            Self::Up => round_up(sixtieths),
            Self::HalfEven => round_half_even(sixtieths),
            Self::Down => round_down(sixtieths),
        }
    }

    /// The most sixtieths that come to `limit` and no more.
    const fn most_sixtieths(self, limit: i128) -> i128 {
        let exact = limit * MINUTE_S;
        match self {
            Self::Up => exact,
            // A half above an even limit comes back to it; a half above an odd one does not.
            Self::HalfEven => exact + MINUTE_S / 2 - (limit & 1),
            Self::Down => exact + MINUTE_S - 1,
        }
    }

    /// The name: `up`, `half_even`, `down`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::HalfEven => "half_even",
            Self::Down => "down",
        }
    }
}

/// Text that names no rounding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a rounding: write up, half_even or down")]
pub struct BadRounding;

impl FromStr for Rounding {
    type Err = BadRounding;

    fn from_str(text: &str) -> Result<Self, BadRounding> {
        [Self::Up, Self::HalfEven, Self::Down]
            .into_iter()
            .find(|rounding| rounding.as_str() == text)
            .ok_or(BadRounding)
    }
}

impl fmt::Display for Rounding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

const fn round_up(sixtieths: i128) -> i128 {
    (sixtieths + MINUTE_S - 1) / MINUTE_S
}

const fn round_down(sixtieths: i128) -> i128 {
    sixtieths / MINUTE_S
}

const fn round_half_even(sixtieths: i128) -> i128 {
    let (whole, twice) = (sixtieths / MINUTE_S, sixtieths % MINUTE_S * 2);
    if twice > MINUTE_S || (twice == MINUTE_S && whole % 2 == 1) { whole + 1 } else { whole }
}

/// What a call costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Charge {
    /// The time charged for, in seconds: what was talked, after minimum and increments.
    pub billed_s: u64,
    /// What that costs, fee included.
    pub amount: Micros,
}

/// What an answered call costs that lasted `talked`. No time at all costs nothing: that call was not
/// answered.
///
/// # Errors
/// A rate that makes no sense, or an amount that fits no number. Nothing is ever charged wrongly instead.
pub fn charge(rate: &Rate, talked: Duration) -> Result<Charge, BadRate> {
    let rate = rate.checked()?;
    if talked.is_zero() || talked <= seconds(rate.grace_s) {
        return Ok(Charge::default());
    }
    let talked_s = talked.as_secs().checked_add(u64::from(talked.subsec_nanos() > 0));
    let billed_s = billed(&rate, talked_s.ok_or(BadRate::Overflow)?)?;
    let amount = price(&rate, billed_s);
    let amount = Micros(i64::try_from(amount).map_err(|_| BadRate::Overflow)?);
    Ok(Charge { billed_s, amount })
}

/// The longest call that `funds` pay for: it costs no more, and a nanosecond longer costs more. `None`
/// where nothing limits it, or only in centuries. What is free needs no funds, not even a balance above
/// zero.
///
/// # Errors
/// A rate that makes no sense.
pub fn affordable(rate: &Rate, funds: Micros) -> Result<Option<Duration>, BadRate> {
    let rate = rate.checked()?;
    let funds = funds.max(Micros::ZERO);
    let free = Ok(Some(seconds(rate.grace_s)));
    if rate.max_cost.is_some_and(|cap| cap <= funds) {
        return Ok(None);
    }
    let left = i128::from(funds.0) - i128::from(rate.connection_fee.0);
    if left < 0 {
        return free;
    }
    let per_minute = i128::from(rate.per_minute.0);
    if per_minute == 0 {
        return Ok(None);
    }
    let paid_s = rate.rounding.most_sixtieths(left) / per_minute;
    let Ok(paid_s) = u32::try_from(paid_s) else { return Ok(None) };
    if u64::from(paid_s) < billed(&rate, 1)?.max(billed(&rate, u64::from(rate.grace_s) + 1)?) {
        return free;
    }
    let (first, next) = (rate.first_increment_s, rate.next_increment_s);
    Ok(Some(seconds(first + (paid_s - first) / next * next)))
}

/// One more piece of a call that is paid for in advance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// What to set aside in addition.
    pub amount: Micros,
    /// What the call has set aside then, in all.
    pub total: Micros,
    /// How long the call may last on that, counted from the answer; `None` where nothing limits it.
    pub covers: Option<Duration>,
}

/// What must be set aside, beyond the `reserved` so far, so that a call may last `until` after its answer.
///
/// # Errors
/// A rate that makes no sense, or an amount that fits no number.
pub fn slice(rate: &Rate, reserved: Micros, until: Duration) -> Result<Slice, BadRate> {
    let total = charge(rate, until)?.amount.max(reserved);
    let amount = total.checked_sub(reserved).ok_or(BadRate::Overflow)?;
    Ok(Slice { amount, total, covers: affordable(rate, total)? })
}

/// The seconds charged for `talked_s` of talk: the minimum first, then increments.
fn billed(rate: &Rate, talked_s: u64) -> Result<u64, BadRate> {
    let (first, next) = (u64::from(rate.first_increment_s), u64::from(rate.next_increment_s));
    let wanted = talked_s.max(u64::from(rate.minimum_s));
    let further = wanted.saturating_sub(first).div_ceil(next).checked_mul(next);
    further.and_then(|further| further.checked_add(first)).ok_or(BadRate::Overflow)
}

/// What so many seconds cost. It fits: 2^63 micro-units times 2^64 seconds stay below 2^127.
fn price(rate: &Rate, billed_s: u64) -> i128 {
    let time = i128::from(rate.per_minute.0) * i128::from(billed_s);
    let sum = rate.rounding.of_sixtieths(time) + i128::from(rate.connection_fee.0);
    rate.max_cost.map_or(sum, |cap| sum.min(i128::from(cap.0)))
}

const MINUTE_S: i128 = 60;

const fn seconds(s: u32) -> Duration {
    Duration::from_secs(s as u64)
}
