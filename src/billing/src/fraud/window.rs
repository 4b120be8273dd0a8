//! A sum over the recent past in fixed memory.

use offhook_types::WallTime;

/// Sums what was added in the last `N - 1` buckets of `MS` milliseconds each. The bucket that is being
/// filled is counted on top, so nothing of the window is ever missed and at most one bucket too much is
/// seen. A clock that jumps back adds to the newest bucket.
#[derive(Debug, Clone)]
pub(super) struct Window<const N: usize, const MS: u64> {
    buckets: [i64; N],
    /// The number of the newest bucket since 1970.
    newest: u64,
}

impl<const N: usize, const MS: u64> Default for Window<N, MS> {
    fn default() -> Self {
        Self { buckets: [0; N], newest: 0 }
    }
}

impl<const N: usize, const MS: u64> Window<N, MS> {
    /// Add to the sum. What is taken back never makes it less than nothing.
    pub(super) fn add(&mut self, at: WallTime, amount: i64) {
        let bucket = at.0 / MS;
        if bucket > self.newest {
            let passed = usize::try_from(bucket - self.newest).unwrap_or(N).min(N);
            // The newest bucket is the last, so the oldest ones fall out in front.
            self.buckets.rotate_left(passed % N);
            self.buckets.iter_mut().rev().take(passed).for_each(|old| *old = 0);
            self.newest = bucket;
        }
        if let Some(newest) = self.buckets.last_mut() {
            *newest = newest.saturating_add(amount);
        }
    }

    /// The sum of the window that ends now.
    pub(super) fn sum(&self, at: WallTime) -> i64 {
        let passed = usize::try_from((at.0 / MS).saturating_sub(self.newest)).unwrap_or(N).min(N);
        let recent = self.buckets.iter().skip(passed);
        recent.fold(0i64, |sum, bucket| sum.saturating_add(*bucket)).max(0)
    }
}

/// A minute in steps of ten seconds.
pub(super) type Minute = Window<7, 10_000>;
/// An hour in steps of five minutes.
pub(super) type Hour = Window<13, 300_000>;
/// A day in steps of an hour.
pub(super) type Day = Window<25, 3_600_000>;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_older_than_the_window_is_forgotten() {
        let mut minute = Minute::default();
        minute.add(WallTime(1_000_000), 3);
        minute.add(WallTime(1_030_000), 4);
        assert_eq!(minute.sum(WallTime(1_060_000)), 7);
        assert_eq!(minute.sum(WallTime(1_070_000)), 4);
        assert_eq!(minute.sum(WallTime(1_100_000)), 0);
    }

    #[test]
    fn what_is_given_back_never_makes_credit() {
        let mut hour = Hour::default();
        hour.add(WallTime(0), 5);
        hour.add(WallTime(0), -9);
        assert_eq!(hour.sum(WallTime(0)), 0);
    }

    #[test]
    fn a_clock_that_jumps_back_loses_nothing() {
        let mut minute = Minute::default();
        minute.add(WallTime(1_000_000), 1);
        minute.add(WallTime(0), 1);
        assert_eq!(minute.sum(WallTime(1_000_000)), 2);
        assert_eq!(minute.sum(WallTime(0)), 2);
    }

    proptest! {
        #[test]
        fn the_sum_is_that_of_the_window_and_at_most_one_bucket_more(
            steps in prop::collection::vec((0..30_000u64, 0..100i64), 1..60),
            wait in 0..90_000u64,
        ) {
            let (mut minute, mut at, mut added) = (Minute::default(), 1_000_000, Vec::new());
            for (step, amount) in steps {
                at += step;
                minute.add(WallTime(at), amount);
                added.push((at, amount));
            }
            let now = at + wait;
            let since = |age: u64| -> i64 {
                added.iter().filter(|(at, _)| at + age > now).map(|(_, amount)| amount).sum()
            };
            let sum = minute.sum(WallTime(now));
            prop_assert!(since(60_000) <= sum && sum <= since(70_000), "{sum}");
        }
    }
}
