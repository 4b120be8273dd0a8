//! How long to wait for packets: the delay that all but a few of them stay under, counted from the
//! fastest, and the peaks that come again and again.

use core::time::Duration;

use offhook_types::Time;

/// All in microseconds.
#[derive(Debug)]
pub(super) struct Delay {
    /// The fastest transit of each of the last seconds. Their minimum follows the drift of the
    /// sender's clock.
    minima: [i64; SECONDS],
    second: usize,
    second_began: Time,
    /// How probable each delay is, in [`BUCKET_US`] steps; sums to [`ONE`], about.
    histogram: [u32; BUCKETS],
    seen: u32,
    quantile: i64,
    peaks: Peaks,
}

/// Delays far above what is usual. One is an accident, two within seconds are a habit of the path.
#[derive(Debug, Default)]
struct Peaks {
    last: Option<Time>,
    height: i64,
    held_until: Option<Time>,
}

impl Default for Delay {
    fn default() -> Self {
        Self {
            minima: [i64::MAX; SECONDS],
            second: 0,
            second_began: Time::ZERO,
            histogram: [0; BUCKETS],
            seen: 0,
            quantile: START_US,
            peaks: Peaks::default(),
        }
    }
}

impl Delay {
    /// A packet took this long, against an arbitrary zero.
    pub(super) fn observe(&mut self, now: Time, transit: i64) {
        if now.since(self.second_began) >= Duration::from_secs(1) {
            self.second_began = now;
            self.second = (self.second + 1) % SECONDS;
            self.minima[self.second] = i64::MAX;
        }
        let minimum = &mut self.minima[self.second];
        *minimum = (*minimum).min(transit);
        let delay = transit - self.fastest();
        self.count(delay);
        self.peaks.observe(now, delay, self.quantile);
    }

    fn count(&mut self, delay: i64) {
        self.seen = self.seen.saturating_add(1);
        let weight = ONE / self.seen.clamp(1, MEMORY);
        for probability in &mut self.histogram {
            let fade = u64::from(*probability) * u64::from(weight) / u64::from(ONE);
            *probability -= fade as u32;
        }
        let bucket = usize::try_from(delay / BUCKET_US).unwrap_or(0).min(BUCKETS - 1);
        self.histogram[bucket] += weight;
        let total: u64 = self.histogram.iter().map(|&probability| u64::from(probability)).sum();
        let mut left = total * u64::from(QUANTILE_PERCENT) / 100;
        let reached = self.histogram.iter().position(|&probability| {
            let enough = u64::from(probability) >= left;
            left = left.saturating_sub(probability.into());
            enough
        });
        let quantile = (reached.unwrap_or(BUCKETS - 1) as i64 + 1) * BUCKET_US;
        // A few packets say little: start from a guess that suits most paths.
        self.quantile = if self.seen < FEW { quantile.max(START_US) } else { quantile };
    }

    /// The fastest transit of late.
    pub(super) fn fastest(&self) -> i64 {
        let fastest = self.minima.iter().copied().min().unwrap_or(0);
        if fastest == i64::MAX { 0 } else { fastest }
    }

    /// How long after the fastest to play.
    pub(super) fn target(&self) -> i64 {
        let wanted = self.quantile.max(self.peaks.held());
        (wanted + TICK_US).clamp(TICK_US, MAX_US)
    }
}

impl Peaks {
    fn observe(&mut self, now: Time, delay: i64, usual: i64) {
        if self.held_until.is_some_and(|until| now > until) {
            *self = Self::default();
        }
        if delay < usual.saturating_mul(2).max(usual + PEAK_US) {
            return;
        }
        let again = self.last.is_some_and(|last| now.since(last) <= PEAK_INTERVAL);
        // The packets behind a delayed one are part of the same peak.
        if self.last.is_some_and(|last| now.since(last) < PEAK_APART) {
            self.height = self.height.max(delay);
            return;
        }
        self.height = if again { self.height.max(delay) } else { delay };
        self.last = Some(now);
        if again {
            self.held_until = Some(now + PEAK_INTERVAL * 2);
        }
    }

    fn held(&self) -> i64 {
        if self.held_until.is_some() { self.height } else { 0 }
    }
}

/// Long enough to see an undelayed packet, short enough to follow 100 ppm of drift to within a
/// millisecond.
const SECONDS: usize = 8;
const BUCKET_US: i64 = 5000;
const BUCKETS: usize = 80;
const ONE: u32 = 1 << 24;
/// Packets: two and a half seconds of them.
const MEMORY: u32 = 128;
const FEW: u32 = 32;
/// What comes later is concealed: 3 % of conceals cost less than the delay that would avoid them.
const QUANTILE_PERCENT: u32 = 97;
const START_US: i64 = 20_000;
/// Packets are looked for on a grid, and not on their boundaries.
const TICK_US: i64 = 20_000;
/// Conversation suffers from more (ITU-T G.114).
const MAX_US: i64 = 400_000;
const PEAK_US: i64 = 40_000;
const PEAK_APART: Duration = Duration::from_millis(500);
const PEAK_INTERVAL: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    /// The target in milliseconds after packets each 20 ms with the delays that `delay` gives.
    fn check(packets: u64, delay: impl Fn(u64) -> i64) -> i64 {
        let mut estimate = Delay::default();
        for packet in 0..packets {
            let delay = delay(packet);
            let now = Time::from_micros(packet * 20_000 + delay as u64);
            estimate.observe(now, delay);
        }
        estimate.target() / 1000
    }

    #[test]
    fn target_follows_the_delays() {
        assert_eq!(check(3, |_| 0), 40, "a guess at first");
        assert_eq!(check(100, |_| 0), 25, "a steady path");
        assert_eq!(check(100, |_| 250_000), 25, "a long path is as steady");
        assert_eq!(check(400, |i| (i as i64 % 4) * 10_000), 55, "spread over 30 ms");
        assert_eq!(check(1000, |i| if i < 500 { (i as i64 % 4) * 10_000 } else { 0 }), 25);
        assert_eq!(check(400, |i| (i as i64 % 2) * 900_000), 400, "never more than the limit");
    }

    #[test]
    fn one_peak_is_an_accident_and_two_are_a_habit() {
        let peaks = |at: &'static [u64]| move |i: u64| if at.contains(&i) { 150_000 } else { 0 };
        assert_eq!(check(500, peaks(&[300])), 25);
        assert_eq!(check(500, peaks(&[200, 400])), 170);
        assert_eq!(check(2000, peaks(&[200, 400])), 25, "forgotten after a while");
    }

    #[test]
    fn drift_moves_the_fastest_and_not_the_target() {
        // The sender's clock is 200 ppm slow: transits grow by 4 us per packet, 12 ms in a minute.
        assert_eq!(check(3000, |i| i as i64 * 4), 25);
    }
}
