//! How much a client may send.

use std::time::Instant;

/// A token bucket: `burst` at once, `per_s` on average.
#[derive(Debug)]
pub(super) struct Bucket {
    burst: f64,
    per_s: f64,
    level: f64,
    filled: Instant,
}

impl Bucket {
    pub fn new(per_s: u32, burst: u32, now: Instant) -> Self {
        let burst = f64::from(burst.max(1));
        Self { burst, per_s: f64::from(per_s), level: burst, filled: now }
    }

    /// Whether `amount` may pass; if so it is taken.
    pub fn take(&mut self, now: Instant, amount: usize) -> bool {
        let since = now.saturating_duration_since(self.filled).as_secs_f64();
        self.level = (self.level + since * self.per_s).min(self.burst);
        self.filled = now;
        let amount = amount as f64;
        let enough = amount <= self.level;
        if enough {
            self.level -= amount;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn bursts_pass_and_floods_do_not() {
        let start = Instant::now();
        let mut bucket = Bucket::new(10, 5, start);
        let passed = (0..20).filter(|_| bucket.take(start, 1)).count();
        assert_eq!(passed, 5);
        assert!(bucket.take(start + Duration::from_millis(101), 1));
        assert!(!bucket.take(start + Duration::from_millis(102), 1));
        assert!(!bucket.take(start + Duration::from_secs(3600), 6), "never more than a burst");
    }
}
