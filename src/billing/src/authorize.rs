//! May this call be made, on how much money, and for how long? A call talks on slices: money is set aside
//! for the first before the INVITE and for each further one while talking, always before the time that it
//! pays for, so a balance never goes below its limit by more than a slice whatever crashes.
//!
//! Nothing is kept here. The ledger holds the money; whoever watches the call passes in what the ledger
//! says and does what the [`Allowance`] says.

use core::time::Duration;

use offhook_types::phone::{Balance, Cause};
use offhook_types::{Micros, WallTime};

use crate::rate::{BadRate, Rate, affordable, charge, slice};
use crate::refusal::Refusal;
use crate::route::Route;

#[cfg(test)]
mod tests;

/// What an account may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Customer {
    /// Whether it may call.
    pub status: Status,
    /// What it has. Prepaid accounts have a credit limit of zero.
    pub balance: Balance,
    /// When it was opened.
    pub opened: WallTime,
}

impl Customer {
    /// What is left to set aside.
    pub const fn funds(&self) -> Micros {
        let balance = &self.balance;
        balance.booked.saturating_add(balance.credit_limit).saturating_sub(balance.reserved)
    }
}

/// Whether an account may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Status {
    /// It may.
    #[default]
    Active,
    /// It may not until somebody lifts it: fraud limits, unpaid bills.
    Suspended,
    /// It is gone.
    Closed,
}

/// How calls are paid for in slices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slicing {
    /// The time that each slice adds.
    pub length: Duration,
    /// A call is not begun on money for less than this.
    pub least: Duration,
    /// How long before the cut-off the caller is warned.
    pub warning: Duration,
    /// How long a slice takes to be set aside at worst, so that the warning is still in time.
    pub lead: Duration,
    /// No call is longer than this.
    pub longest: Duration,
}

/// A minute is what carriers charge by at worst. Ten seconds are enough to say who one is and no more.
impl Default for Slicing {
    fn default() -> Self {
        Self {
            length: Duration::from_secs(60),
            least: Duration::from_secs(10),
            warning: Duration::from_secs(15),
            lead: Duration::from_secs(5),
            longest: Duration::from_secs(4 * 3600),
        }
    }
}

/// Whether a call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It is not.
    Refuse(Refusal),
    /// It is, on this.
    Allow(Allowance),
}

/// Money for a piece of a call. It holds once the ledger has set `amount` aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// What the call costs.
    pub rate: Rate,
    /// What to set aside now; may be zero.
    pub amount: Micros,
    /// What the call has set aside then, in all.
    pub total: Micros,
    /// What comes next.
    pub next: Next,
}

/// What to do with a call that goes on. Times count from the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Ask for more then.
    Extend {
        /// When to ask.
        at: Duration,
        /// When the money ends if no answer comes.
        covers: Duration,
    },
    /// This is the end of it. Asking again is allowed: money may have come in.
    Cut {
        /// When to warn; zero where it must be at once.
        warn_at: Duration,
        /// When to hang up.
        at: Duration,
        /// Why: [`Cause::CreditEnded`] or [`Cause::TimeLimit`].
        cause: Cause,
    },
}

impl Next {
    /// When the call has to end if nothing else happens.
    pub const fn ends(&self) -> Duration {
        match self {
            Self::Extend { covers, .. } => *covers,
            Self::Cut { at, .. } => *at,
        }
    }
}

/// Decide whether a routed call is made. `blocked` is what fraud limits say against it. Emergency calls
/// cost nothing and are only refused where no trunk takes them.
pub fn authorize(
    customer: &Customer,
    route: &Route,
    blocked: Option<Refusal>,
    slicing: &Slicing,
) -> Decision {
    let refusal = match route.emergency {
        Some(_) => route.refusal,
        None => refused(customer, route).or(blocked).or(route.refusal),
    };
    if let Some(refusal) = refusal {
        return Decision::Refuse(refusal);
    }
    let Some(rate) = route.rate() else { return Decision::Refuse(Refusal::NoPrice) };
    match allowance(&rate, customer.funds(), &Progress::default(), slicing) {
        Err(_) => Decision::Refuse(Refusal::BadRate),
        Ok(allowance) if allowance.next.ends() < slicing.least => {
            Decision::Refuse(Refusal::NoCredit)
        }
        Ok(allowance) => Decision::Allow(allowance),
    }
}

fn refused(customer: &Customer, route: &Route) -> Option<Refusal> {
    match customer.status {
        Status::Active => {}
        Status::Suspended => return Some(Refusal::Suspended),
        Status::Closed => return Some(Refusal::Closed),
    }
    let other = |currency| currency != customer.balance.currency;
    route.sell.as_ref().is_some_and(|sell| other(sell.currency)).then_some(Refusal::Currency)
}

/// How far a call has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// How long it has been talked since the answer.
    pub talked: Duration,
    /// What is set aside for it so far.
    pub reserved: Micros,
}

/// The next piece of a call that goes on. `funds` is what the account has left to set aside. If the ledger
/// then says that it has less, ask again with what it says.
///
/// # Errors
/// A rate that cannot be applied: an amount that fits no number.
pub fn extend(
    rate: &Rate,
    funds: Micros,
    progress: &Progress,
    slicing: &Slicing,
) -> Result<Allowance, BadRate> {
    allowance(rate, funds, progress, slicing)
}

fn allowance(
    rate: &Rate,
    funds: Micros,
    progress: &Progress,
    slicing: &Slicing,
) -> Result<Allowance, BadRate> {
    let reserved = progress.reserved;
    let covered = affordable(rate, reserved)?.unwrap_or(slicing.longest);
    // A slice starts where the money ends, not where the clock stands: nothing is set aside twice.
    let until = covered.max(progress.talked).saturating_add(slicing.length).min(slicing.longest);
    let wanted = slice(rate, reserved, until)?;
    let left = funds.max(Micros::ZERO);
    if wanted.amount <= left {
        let covers = wanted.covers.unwrap_or(slicing.longest);
        let next = if covers >= slicing.longest {
            slicing.cut(slicing.longest, Cause::TimeLimit)
        } else {
            let ahead = slicing.warning.saturating_add(slicing.lead);
            Next::Extend { at: covers.saturating_sub(ahead).max(progress.talked), covers }
        };
        return Ok(Allowance { rate: *rate, amount: wanted.amount, total: wanted.total, next });
    }
    let most = reserved.checked_add(left).ok_or(BadRate::Overflow)?;
    let covers = affordable(rate, most)?.unwrap_or(slicing.longest).min(slicing.longest);
    let total = charge(rate, covers)?.amount.max(reserved);
    let amount = total.checked_sub(reserved).ok_or(BadRate::Overflow)?;
    Ok(Allowance { rate: *rate, amount, total, next: slicing.cut(covers, Cause::CreditEnded) })
}

impl Slicing {
    fn cut(&self, at: Duration, cause: Cause) -> Next {
        Next::Cut { warn_at: at.saturating_sub(self.warning), at, cause }
    }
}
