//! How often something may be done: by everybody together, or by each key. Buckets refill evenly
//! (GCRA), the table of keys is bounded, and what cannot be counted is refused.

use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, NotUntil, Quota, RateLimiter};

/// So many in a burst, refilled evenly over a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many at once; zero allows nothing.
    pub burst: u32,
    /// How long an empty bucket takes to fill.
    pub per: Duration,
}

impl Rate {
    /// `burst` in a minute.
    pub const fn per_minute(burst: u32) -> Self {
        Self { burst, per: Duration::from_secs(60) }
    }

    /// `burst` in an hour.
    pub const fn per_hour(burst: u32) -> Self {
        Self { burst, per: Duration::from_secs(3600) }
    }

    /// `None` when nothing is allowed.
    fn quota(self) -> Option<Quota> {
        let burst = NonZeroU32::new(self.burst)?;
        // A zero span is a mistake; reading it as "nothing" is the safe side.
        Some(Quota::with_period(self.per / self.burst)?.allow_burst(burst))
    }
}

/// Too often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too often: wait {} s", retry_after.as_secs())]
pub struct Limited {
    /// When it would be let through, rounded up to whole seconds.
    pub retry_after: Duration,
}

impl Limited {
    /// For what is refused without a bucket that would say when.
    const LATER: Self = Self { retry_after: Duration::from_secs(60) };

    fn until(clock: &DefaultClock, not: &NotUntil<<DefaultClock as Clock>::Instant>) -> Self {
        let wait = not.wait_time_from(clock.now());
        Self { retry_after: Duration::from_secs(wait.as_millis().div_ceil(1000) as u64) }
    }
}

/// One bucket for everybody.
#[derive(Debug)]
pub struct Total {
    limiter: Option<DefaultDirectRateLimiter>,
    clock: DefaultClock,
}

impl Total {
    /// A full bucket.
    pub fn new(rate: Rate) -> Self {
        Self { limiter: rate.quota().map(RateLimiter::direct), clock: DefaultClock::default() }
    }

    /// Take one.
    pub fn check(&self) -> Result<(), Limited> {
        let limiter = self.limiter.as_ref().ok_or(Limited::LATER)?;
        limiter.check().map_err(|not| Limited::until(&self.clock, &not))
    }
}

/// A bucket for each key.
#[derive(Debug)]
pub struct Keyed<K: Hash + Eq + Clone> {
    limiter: Option<DefaultKeyedRateLimiter<K>>,
    clock: DefaultClock,
    /// How many buckets are kept; a full one is as good as none and is forgotten first.
    most: usize,
    swept: Mutex<Option<Instant>>,
}

/// Sweeping walks the whole table, so a flood of new keys must not cause it more often than this.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

impl<K: Hash + Eq + Clone> Keyed<K> {
    /// Full buckets, at most `most` of them that are not full.
    pub fn new(rate: Rate, most: usize) -> Self {
        Self {
            limiter: rate.quota().map(RateLimiter::keyed),
            clock: DefaultClock::default(),
            most,
            swept: Mutex::new(None),
        }
    }

    /// Take one from the key's bucket. Refused also when the table is full of keys that count.
    pub fn check(&self, key: &K) -> Result<(), Limited> {
        let limiter = self.limiter.as_ref().ok_or(Limited::LATER)?;
        if limiter.len() >= self.most {
            self.sweep(limiter)?;
        }
        limiter.check_key(key).map_err(|not| Limited::until(&self.clock, &not))
    }

    fn sweep(&self, limiter: &DefaultKeyedRateLimiter<K>) -> Result<(), Limited> {
        let now = Instant::now();
        let mut swept = self.swept.lock().map_err(|_| Limited::LATER)?;
        if swept.is_none_or(|before| now.duration_since(before) >= SWEEP_EVERY) {
            *swept = Some(now);
            limiter.retain_recent();
        }
        if limiter.len() < self.most { Ok(()) } else { Err(Limited::LATER) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_and_says_when_it_refills() {
        let total = Total::new(Rate::per_minute(2));
        assert_eq!(total.check(), Ok(()));
        assert_eq!(total.check(), Ok(()));
        let limited = total.check().unwrap_err();
        assert_eq!(limited.retry_after, Duration::from_secs(30));
    }

    #[test]
    fn keys_have_buckets_of_their_own() {
        let keyed = Keyed::new(Rate::per_hour(1), 10);
        assert_eq!(keyed.check(&"a"), Ok(()));
        assert!(keyed.check(&"a").is_err());
        assert_eq!(keyed.check(&"b"), Ok(()));
    }

    #[test]
    fn a_full_table_refuses_instead_of_growing() {
        let keyed = Keyed::new(Rate::per_hour(5), 100);
        let passed = (0..1000).filter(|key| keyed.check(key).is_ok()).count();
        assert_eq!(passed, 100);
        assert_eq!(keyed.limiter.map(|limiter| limiter.len()), Some(100));
    }

    #[test]
    fn full_buckets_make_room() {
        let keyed = Keyed::new(Rate { burst: 1, per: Duration::from_nanos(1) }, 10);
        assert!((0..10).all(|key| keyed.check(&key).is_ok()));
        // Their nanosecond has passed, so they are full again and need not be kept.
        assert_eq!(keyed.check(&11), Ok(()));
    }

    #[test]
    fn zero_allows_nothing() {
        assert!(Total::new(Rate::per_hour(0)).check().is_err());
        assert!(Keyed::new(Rate { burst: 1, per: Duration::ZERO }, 10).check(&1).is_err());
    }
}
