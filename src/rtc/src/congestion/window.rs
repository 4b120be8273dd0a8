//! How many bytes passed in the last moment.

/// Bytes by time in buckets that are reused in turn. Times are milliseconds.
pub(super) struct Window {
    buckets: [u64; BUCKETS],
    /// The newest bucket's number since the origin of time.
    newest: i64,
    /// The first bucket that counted.
    first: Option<i64>,
}

impl Window {
    pub(super) const fn new() -> Self {
        Self { buckets: [0; BUCKETS], newest: 0, first: None }
    }

    /// Bytes that passed at a time. What is older than the newest counts for the newest.
    pub(super) fn add(&mut self, at: f64, bytes: u64) {
        self.advance(at);
        let place = self.newest.rem_euclid(BUCKETS as i64) as usize;
        if let Some(bucket) = self.buckets.get_mut(place) {
            *bucket = bucket.saturating_add(bytes);
        }
    }

    /// Let time go on.
    pub(super) fn advance(&mut self, at: f64) {
        let number = (at / BUCKET_MS) as i64;
        if self.first.is_none() {
            (self.first, self.newest) = (Some(number), number);
        }
        let passed = number.saturating_sub(self.newest).clamp(0, BUCKETS as i64);
        for step in 1..=passed {
            let place = (number - passed + step).rem_euclid(BUCKETS as i64) as usize;
            if let Some(bucket) = self.buckets.get_mut(place) {
                *bucket = 0;
            }
        }
        self.newest = self.newest.max(number);
    }

    /// Bits a second over the whole buckets; `None` while there are fewer than a third of them.
    pub(super) fn rate(&self) -> Option<f64> {
        let whole = self.newest.saturating_sub(self.first?).min(BUCKETS as i64 - 1);
        if whole < BUCKETS as i64 / 3 {
            return None;
        }
        let current = self.newest.rem_euclid(BUCKETS as i64) as usize;
        let open = self.buckets.get(current).copied().unwrap_or(0);
        let bytes = self.buckets.iter().sum::<u64>().saturating_sub(open);
        Some(bytes as f64 * 8000.0 / (whole as f64 * BUCKET_MS))
    }

    /// Bits a second over the latest few whole buckets, or what is known if there are fewer.
    pub(super) fn recent(&self) -> Option<f64> {
        let known = self.newest.saturating_sub(self.first?).min(RECENT);
        if known < RECENT {
            return self.rate();
        }
        let bucket = |back: i64| {
            let place = (self.newest - back).rem_euclid(BUCKETS as i64) as usize;
            self.buckets.get(place).copied().unwrap_or(0)
        };
        let bytes: u64 = (1..=RECENT).map(bucket).sum();
        Some(bytes as f64 * 8000.0 / (RECENT as f64 * BUCKET_MS))
    }

    /// Forget everything.
    pub(super) fn restart(&mut self) {
        *self = Self::new();
    }
}

/// Half a second: several frames, so that one large frame does not look like a rate.
const BUCKETS: usize = 16;
const BUCKET_MS: f64 = 33.0;
/// A fifth of a second: what a queue that grows lets through shows soon.
const RECENT: i64 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_rate_is_found_and_silence_forgets_it() {
        let mut window = Window::new();
        assert_eq!(window.rate(), None);
        for at in 0..1000 {
            window.add(f64::from(at) + 5e9, 125);
        }
        let rate = window.rate().unwrap();
        assert!((rate - 1e6).abs() < 2e4, "{rate}");
        window.advance(5e9 + 2000.0);
        assert_eq!(window.rate(), Some(0.0));
    }

    #[test]
    fn times_that_jump_lose_no_more_than_the_window() {
        let mut window = Window::new();
        for at in [0.0, -1e12, 1e12, 5.0, 1e12 + 200.0, f64::MAX, f64::MIN, f64::NAN] {
            window.add(at, 1000);
            assert!(window.rate().is_none_or(|rate| rate.is_finite() && rate < 1e9));
        }
    }
}
