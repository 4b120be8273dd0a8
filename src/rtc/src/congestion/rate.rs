//! The estimate itself: grows while nothing speaks against it, by a part of itself while nobody knows
//! where the limit is and by packets near a known one, and falls below what arrives when a queue
//! grows (draft-ietf-rmcat-gcc-02 §5.5).

use super::Limits;
use super::delay::Usage;

/// What the estimate is changed by. Rates are bits a second, times milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signals {
    pub(super) usage: Usage,
    /// What arrives, if known.
    pub(super) delivered: Option<f64>,
    /// The same over a shorter time.
    pub(super) recent: Option<f64>,
    /// What is sent, if known.
    pub(super) sent: Option<f64>,
    /// Less is sent than the estimate allows, so that it proves nothing.
    pub(super) limited: bool,
    pub(super) round_trip: f64,
}

impl Signals {
    /// Less is sent than might be, and it arrives as fast as it leaves.
    fn is_carried(&self, delivered: f64) -> bool {
        self.limited && self.sent.is_some_and(|sent| delivered >= sent * CARRIED)
    }
}

/// The estimate of one leg.
pub(super) struct Rate {
    bits: f64,
    limits: (f64, f64),
    /// What arrived when the queue grew: where the limit is.
    capacity: Option<Capacity>,
    /// The last look.
    at: f64,
    lowered_at: f64,
    /// A queue that grew is given time to drain.
    held: bool,
}

/// Mean and relative variance of what the link carried.
#[derive(Debug, Clone, Copy)]
struct Capacity {
    mean: f64,
    variance: f64,
}

impl Rate {
    pub(super) fn new(limits: &Limits) -> Self {
        let (min, max) = (limits.min as f64, limits.max as f64);
        let bits = (limits.start as f64).min(max).max(min);
        let (at, lowered_at) = (0.0, f64::MIN);
        Self { bits, limits: (min, max), capacity: None, at, lowered_at, held: false }
    }

    pub(super) fn bits(&self) -> f64 {
        self.bits
    }

    /// Set it, within its limits.
    pub(super) fn set(&mut self, bits: f64) {
        let (min, max) = self.limits;
        self.bits = bits.min(max).max(min);
    }

    /// A probe or an undone cut says that the way carries this.
    pub(super) fn raise(&mut self, bits: f64) {
        if self.capacity.is_some_and(|capacity| capacity.is_below(bits)) {
            self.capacity = None;
        }
        self.set(bits.max(self.bits));
    }

    /// True when it was lowered.
    pub(super) fn update(&mut self, now: f64, signals: &Signals) -> bool {
        let elapsed = (now - self.at).clamp(0.0, 1000.0);
        self.at = now;
        match signals.usage {
            Usage::Over => {
                self.held = true;
                self.lower(now, signals)
            }
            Usage::Under => {
                self.held = true;
                false
            }
            Usage::Normal => {
                // One look later the drained queue shows.
                if !core::mem::take(&mut self.held) && !signals.limited {
                    self.grow(elapsed, signals);
                }
                false
            }
        }
    }

    fn lower(&mut self, now: f64, signals: &Signals) -> bool {
        let pause = signals.round_trip.clamp(10.0, 200.0) + 50.0;
        let Some(delivered) = signals.recent else { return false };
        if now - self.lowered_at < pause && delivered > self.bits / 2.0 {
            return false;
        }
        self.lowered_at = now;
        if signals.is_carried(delivered) {
            // All of the little that is sent comes through: what arrives is not what the way can carry, and
            // cutting to it would starve a leg for a hiccup of its receiver.
            self.set(self.bits * DECREASE);
            return true;
        }
        self.capacity = Some(match self.capacity {
            Some(capacity) if !capacity.is_far(delivered) => capacity.with(delivered),
            _ => Capacity { mean: delivered, variance: FIRST_VARIANCE },
        });
        let target = delivered * DECREASE;
        if target >= self.bits {
            return false;
        }
        self.set(target);
        true
    }

    fn grow(&mut self, elapsed: f64, signals: &Signals) {
        let Some(delivered) = signals.delivered else { return };
        if self.capacity.is_some_and(|capacity| capacity.is_below(delivered)) {
            self.capacity = None;
        }
        let step = match self.capacity {
            Some(_) => {
                let response = signals.round_trip + FEEDBACK_MS;
                (PACKET_BITS / response * 1000.0).max(4000.0) * elapsed / 1000.0
            }
            None => self.bits * (GROWTH.powf(elapsed / 1000.0) - 1.0),
        };
        let ceiling = delivered * 1.5 + 10_000.0;
        if self.bits < ceiling {
            self.set((self.bits + step.max(0.0)).min(ceiling));
        }
    }
}

impl Capacity {
    fn deviation(&self) -> f64 {
        (self.variance * self.mean).sqrt()
    }

    fn is_below(&self, rate: f64) -> bool {
        rate > self.mean + 3.0 * self.deviation()
    }

    fn is_far(&self, rate: f64) -> bool {
        (rate - self.mean).abs() > 3.0 * self.deviation()
    }

    fn with(self, rate: f64) -> Self {
        let mean = self.mean + (rate - self.mean) * LEARNING;
        let error = (rate - mean) * (rate - mean) / mean.max(1.0);
        let variance = (1.0 - LEARNING) * self.variance + LEARNING * error;
        Self { mean, variance: variance.clamp(400.0, 2500.0) }
    }
}

/// What is kept of what arrived when a queue grows.
const DECREASE: f64 = 0.85;
/// A queue that a link's limit makes grow lets less through than this part of what is sent, or is no such queue.
const CARRIED: f64 = 0.9;
/// In a second, while the limit is unknown.
const GROWTH: f64 = 1.08;
/// One packet more in each response time near the limit.
const PACKET_BITS: f64 = 1200.0 * 8.0;
/// What feedback adds to the round trip.
const FEEDBACK_MS: f64 = 100.0;
const LEARNING: f64 = 0.05;
/// In bits a second, for each bit a second of the mean.
const FIRST_VARIANCE: f64 = 400.0;

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { start: 1_000_000, min: 50_000, max: 3_000_000 };

    /// What a second of the same signals makes of the start.
    fn check(usage: Usage, delivered: Option<f64>, limited: bool) -> f64 {
        let mut rate = Rate::new(&LIMITS);
        rate.update(
            0.0,
            &Signals {
                usage: Usage::Normal,
                delivered,
                recent: delivered,
                sent: delivered,
                limited,
                round_trip: 50.0,
            },
        );
        for step in 1..=10 {
            let now = f64::from(step) * 100.0;
            rate.update(
                now,
                &Signals {
                    usage,
                    delivered,
                    recent: delivered,
                    sent: delivered,
                    limited,
                    round_trip: 50.0,
                },
            );
        }
        rate.bits()
    }

    #[test]
    fn the_estimate_follows_the_signals() {
        for (usage, delivered, limited, expect) in [
            (Usage::Normal, Some(1e6), false, 1.08e6),
            (Usage::Normal, Some(1e6), true, 1e6),
            (Usage::Normal, Some(5e5), false, 1e6),
            (Usage::Normal, None, false, 1e6),
            (Usage::Under, Some(1e6), false, 1e6),
            (Usage::Over, Some(4e5), false, 3.4e5),
            (Usage::Over, Some(1e3), false, 5e4),
            (Usage::Over, None, false, 1e6),
            (Usage::Over, Some(9e6), false, 1e6),
            (Usage::Over, Some(4e5), true, 1e6 * 0.85f64.powi(10)),
        ] {
            let got = check(usage, delivered, limited);
            assert!((got / expect - 1.0).abs() < 0.01, "{usage:?} {delivered:?}: {got}");
        }
    }

    #[test]
    fn near_a_known_limit_growth_is_slow() {
        let mut rate = Rate::new(&LIMITS);
        let signals = Signals {
            usage: Usage::Over,
            delivered: Some(1e6),
            recent: Some(1e6),
            sent: Some(1e6),
            limited: false,
            round_trip: 50.0,
        };
        assert!(rate.update(0.0, &signals));
        let signals = Signals { usage: Usage::Normal, ..signals };
        for step in 1..=10 {
            rate.update(f64::from(step) * 100.0, &signals);
        }
        assert!((8.9e5..9.3e5).contains(&rate.bits()), "{}", rate.bits());
    }
}
