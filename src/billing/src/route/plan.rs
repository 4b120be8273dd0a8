//! What accounts buy.

use core::time::Duration;
use std::sync::Arc;

use offhook_types::Micros;

use super::Drop;
use super::trunk::Caps;
use crate::deck::{Deck, Tier};
use crate::rate::{Rate, charge};

/// What accounts of one kind pay and may do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Its name: `retail`.
    pub name: Arc<str>,
    /// What calls cost.
    pub sell: Arc<Deck>,
    /// The riskiest destinations that its accounts may call, unless one is allowed another.
    pub tier: Tier,
    /// What must be left of each minute at least when the carrier is paid.
    pub margin: Micros,
    /// The length of the call that prices and costs are compared at; above zero.
    pub reference: Duration,
    /// How much each account may do at once.
    pub caps: Caps,
}

impl Plan {
    /// Of each minute of a call of the reference length, what is left when the carrier has had `cost`.
    pub(super) fn profit(&self, sell: &Rate, cost: Micros) -> Result<Micros, Drop> {
        let paid = charge(sell, self.reference).map_err(|_| Drop::BadRate)?.amount;
        let left = i128::from(paid.0) - i128::from(cost.0);
        let reference_ms = i128::try_from(self.reference.as_millis()).unwrap_or(i128::MAX).max(1);
        // Rounded down, also below zero: a loss is never rounded away.
        let per_minute = (left * MINUTE_MS).div_euclid(reference_ms);
        i64::try_from(per_minute).map(Micros).map_err(|_| Drop::BadRate)
    }
}

const MINUTE_MS: i128 = 60_000;
