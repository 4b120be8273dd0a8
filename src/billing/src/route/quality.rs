//! How well trunks reach countries, from what became of calls.
//!
//! Everything is a sum that halves every ten minutes, so figures follow a carrier's day and a trunk that
//! was put last because it failed is tried again once its failures have faded.

use core::time::Duration;
use std::collections::HashMap;

use offhook_types::{Time, TrunkId};

use crate::number::Country;

/// What became of one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observed {
    /// It was answered.
    pub answered: bool,
    /// From INVITE to ringing or answer; `None` if neither came.
    pub post_dial_delay: Option<Duration>,
    /// It was answered and sound came from one side only.
    pub one_way: bool,
}

/// How a trunk does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Attempts that the others are drawn from, older ones counted less.
    pub attempts: u32,
    /// Of a thousand attempts, how many were answered.
    pub answer_ratio: u32,
    /// From INVITE to ringing, on average, in milliseconds.
    pub post_dial_delay_ms: u32,
    /// Of a thousand answered calls, how many had sound from one side only.
    pub one_way_ratio: u32,
}

/// Below which a trunk is tried last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// Fewer attempts say nothing.
    pub attempts: u32,
    /// The least answers of a thousand attempts.
    pub answer_ratio: u32,
    /// The longest wait for ringing, on average, in milliseconds.
    pub post_dial_delay_ms: u32,
    /// The most one-way calls of a thousand answered.
    pub one_way_ratio: u32,
}

/// Phone networks answer four to seven of ten calls. Half of the lower figure, a wait at which people hang
/// up, and more one-way calls than chance makes are a carrier's fault.
impl Default for Thresholds {
    fn default() -> Self {
        Self { attempts: 20, answer_ratio: 200, post_dial_delay_ms: 8_000, one_way_ratio: 50 }
    }
}

impl Thresholds {
    /// Whether a trunk does so badly that it is tried last.
    pub const fn poor(&self, figures: &Figures) -> bool {
        figures.attempts >= self.attempts
            && (figures.answer_ratio < self.answer_ratio
                || figures.post_dial_delay_ms > self.post_dial_delay_ms
                || figures.one_way_ratio > self.one_way_ratio)
    }
}

/// A trunk and where it is used for.
type Key = (TrunkId, Option<Country>);

#[derive(Debug, Clone, Default)]
pub(super) struct Quality {
    sums: HashMap<Key, Sums>,
}

/// Sums in thousandths, so that halves of few calls are not lost.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    /// When they were last halved.
    since: Time,
    attempts: u64,
    answered: u64,
    one_way: u64,
    rang: u64,
    delay_ms: u64,
}

impl Quality {
    pub(super) fn observe(&mut self, now: Time, key: Key, observed: Observed) {
        let sums = self.sums.entry(key).or_insert(Sums { since: now, ..Sums::default() });
        *sums = sums.faded(now);
        sums.attempts += ONE;
        sums.answered += if observed.answered { ONE } else { 0 };
        sums.one_way += if observed.one_way { ONE } else { 0 };
        if let Some(delay) = observed.post_dial_delay {
            let delay_ms = delay.min(LONGEST_DELAY).as_millis();
            sums.rang += ONE;
            sums.delay_ms += ONE * u64::try_from(delay_ms).unwrap_or(0);
        }
    }

    pub(super) fn figures(&self, now: Time, key: Key) -> Figures {
        self.sums.get(&key).map_or_else(Figures::default, |sums| sums.faded(now).figures())
    }

    /// Forget the trunks that are no more.
    pub(super) fn keep(&mut self, trunks: &[TrunkId]) {
        self.sums.retain(|(trunk, _), _| trunks.contains(trunk));
    }
}

impl Sums {
    fn faded(mut self, now: Time) -> Self {
        let halves = now.since(self.since).as_secs() / HALF_LIFE.as_secs();
        self.since =
            self.since + HALF_LIFE.saturating_mul(u32::try_from(halves).unwrap_or(u32::MAX));
        let sums = [
            &mut self.attempts,
            &mut self.answered,
            &mut self.one_way,
            &mut self.rang,
            &mut self.delay_ms,
        ];
        for sum in sums {
            *sum = sum.checked_shr(u32::try_from(halves).unwrap_or(u32::MAX)).unwrap_or(0);
        }
        self
    }

    fn figures(&self) -> Figures {
        let of = |part: u64, whole: u64| {
            u32::try_from(part.checked_div(whole).unwrap_or(0)).unwrap_or(u32::MAX)
        };
        Figures {
            attempts: of(self.attempts, ONE),
            answer_ratio: of(self.answered * 1000, self.attempts),
            post_dial_delay_ms: of(self.delay_ms, self.rang),
            one_way_ratio: of(self.one_way * 1000, self.answered),
        }
    }
}

const ONE: u64 = 1000;
const HALF_LIFE: Duration = Duration::from_secs(600);
/// An INVITE times out before (RFC 3261 timer C); no sum can overflow.
const LONGEST_DELAY: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key = (TrunkId(1), None);

    fn observed(answered: bool) -> Observed {
        let post_dial_delay = answered.then_some(Duration::from_millis(1500));
        Observed { answered, post_dial_delay, one_way: false }
    }

    fn after(answers: u32, failures: u32) -> Quality {
        let mut quality = Quality::default();
        for nth in 0..answers + failures {
            quality.observe(Time::ZERO, KEY, observed(nth < answers));
        }
        quality
    }

    #[test]
    fn figures_are_ratios_and_averages() {
        let mut quality = after(30, 10);
        quality.observe(Time::ZERO, KEY, Observed { one_way: true, ..observed(true) });
        let figures = quality.figures(Time::ZERO, KEY);
        assert_eq!(
            figures,
            Figures {
                attempts: 41,
                answer_ratio: 756,
                post_dial_delay_ms: 1500,
                one_way_ratio: 32
            }
        );
        assert_eq!(quality.figures(Time::ZERO, (TrunkId(2), None)), Figures::default());
    }

    #[test]
    fn failures_count_once_there_are_enough_and_fade() {
        let limits = Thresholds::default();
        assert!(!limits.poor(&after(0, 19).figures(Time::ZERO, KEY)));
        let failed = after(0, 40);
        assert!(limits.poor(&failed.figures(Time::ZERO, KEY)));
        assert!(limits.poor(&failed.figures(Time::from_millis(1_199_000), KEY)));
        assert!(!limits.poor(&failed.figures(Time::from_millis(1_200_000), KEY)));
        assert_eq!(failed.figures(Time::MAX, KEY), Figures::default());
    }

    #[test]
    fn slow_and_one_way_trunks_are_poor() {
        let figures = after(40, 0).figures(Time::ZERO, KEY);
        let limits = Thresholds::default();
        assert!(!limits.poor(&figures));
        assert!(limits.poor(&Figures { post_dial_delay_ms: 8001, ..figures }));
        assert!(limits.poor(&Figures { one_way_ratio: 51, ..figures }));
    }
}
