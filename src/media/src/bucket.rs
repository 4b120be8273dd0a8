//! A token bucket: so many units a second, at most a second's worth at once.

use offhook_types::Time;

/// Units are kept in millionths, so that a microsecond at any rate is a whole number.
const SCALE: u64 = 1_000_000;

/// Meters one use of one peer.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    rate: u64,
    level: u64,
    last: Time,
}

impl Bucket {
    /// Full, refilled at `rate` units a second.
    pub(crate) fn new(now: Time, rate: u64) -> Self {
        Self { rate, level: rate.saturating_mul(SCALE), last: now }
    }

    /// Take `units` if they are there.
    #[inline]
    pub(crate) fn take(&mut self, now: Time, units: u64) -> bool {
        let elapsed = now.as_micros().saturating_sub(self.last.as_micros());
        self.last = self.last.max(now);
        let refilled = self.level.saturating_add(elapsed.saturating_mul(self.rate));
        self.level = refilled.min(self.rate.saturating_mul(SCALE));
        match self.level.checked_sub(units.saturating_mul(SCALE)) {
            Some(left) => {
                self.level = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_at_once_and_then_the_rate() {
        let mut bucket = Bucket::new(Time::ZERO, 100);
        assert!(bucket.take(Time::ZERO, 100));
        assert!(!bucket.take(Time::ZERO, 1));
        assert!(!bucket.take(Time::from_millis(9), 1));
        assert!(bucket.take(Time::from_millis(10), 1));
        assert!(!bucket.take(Time::from_millis(10), 1));
        assert!(!bucket.take(Time::from_millis(1_000_000), 101));
        assert!(bucket.take(Time::from_millis(1_000_000), 100));
    }
}
