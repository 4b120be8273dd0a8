//! How many bits a second each layer inside a stream takes, measured as it comes from the publisher, so
//! that it is known before anybody gets it.

use core::time::Duration;

use offhook_types::Time;

/// Spatial or temporal layers told apart; higher ones count with the highest.
const LAYERS: usize = 4;
/// How long bytes are counted before they become a rate: ten frames at 30 frames a second.
const WINDOW: Duration = Duration::from_millis(333);
/// Windows until an encoder sends what it is allowed: two seconds.
const RAMP: u8 = 6;
/// What a packet takes on the wire besides its payload: RTP header 12, our extensions about 20, SRTP tag
/// 10 to 16.
const OVERHEAD: u32 = 44;

/// The rates of one stream. They rise fast and fall slowly, since an encoder that was quiet for a moment
/// is not a smaller encoder.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Meter {
    /// Bytes since `since`, by spatial and temporal layer.
    counted: [[u32; LAYERS]; LAYERS],
    since: Option<Time>,
    /// Bits a second; `None` before the first window is full.
    rates: Option<[[u32; LAYERS]; LAYERS]>,
    /// All of it in the last window, in bits a second.
    latest: u32,
    /// Windows that were counted, up to [`RAMP`].
    windows: u8,
}

impl Meter {
    /// A packet with this much payload.
    #[inline]
    pub(crate) fn count(&mut self, now: Time, (spatial, temporal): (u8, u8), payload: usize) {
        let since = *self.since.get_or_insert(now);
        if now.since(since) >= WINDOW {
            self.turn(now, since);
        }
        let row = self.counted.get_mut(usize::from(spatial).min(LAYERS - 1));
        let cell = row.and_then(|row| row.get_mut(usize::from(temporal).min(LAYERS - 1)));
        if let Some(cell) = cell {
            *cell = cell.saturating_add(payload as u32).saturating_add(OVERHEAD);
        }
    }

    /// Bits a second of the layers up to these, with what they are built on; `None` while unknown.
    pub(crate) fn rate(&self, (spatial, temporal): (u8, u8)) -> Option<u64> {
        let take = |layer: u8| usize::from(layer).saturating_add(1);
        let rows = self.rates.as_ref()?.iter().take(take(spatial));
        Some(
            rows.flat_map(|row| row.iter().take(take(temporal))).map(|&rate| u64::from(rate)).sum(),
        )
    }

    /// Bits a second of all layers in the last third of a second.
    pub(crate) fn latest(&self) -> u64 {
        self.latest.into()
    }

    /// What a rate will come to: an encoder that has just begun is on its way up.
    pub(crate) fn grown(&self, rate: u64) -> u64 {
        if self.windows < RAMP { rate.saturating_mul(2) } else { rate }
    }

    /// The highest temporal layer that anything came of.
    pub(crate) fn temporal_top(&self) -> u8 {
        let used = |at: &usize| {
            let cells = self.rates.iter().flatten().filter_map(|row| row.get(*at));
            cells.into_iter().any(|&rate| rate > 0)
        };
        (0..LAYERS).rev().find(used).unwrap_or(0) as u8
    }

    /// A window is full: its bytes become rates.
    #[cold]
    fn turn(&mut self, now: Time, since: Time) {
        let micros = u64::try_from(now.since(since).as_micros()).unwrap_or(u64::MAX).max(1);
        let bits =
            |bytes: u32| (u64::from(bytes) * 8_000_000 / micros).min(u64::from(u32::MAX)) as u32;
        if now.since(since) < WINDOW * 2 {
            // A window with a pause in it does not tell what is sent now.
            let all = self.counted.iter().flatten().fold(0, |sum, &b| u32::saturating_add(sum, b));
            self.latest = bits(all);
        }
        let before = self.rates;
        let mut rates = before.unwrap_or_default();
        for (row, counted) in rates.iter_mut().zip(&self.counted) {
            for (rate, &bytes) in row.iter_mut().zip(counted) {
                let measured = bits(bytes);
                *rate = match before {
                    None => measured,
                    Some(_) if measured > *rate => *rate + (measured - *rate).div_ceil(2),
                    Some(_) => *rate - (*rate - measured) / 8,
                };
            }
        }
        self.rates = Some(rates);
        self.windows = (self.windows + 1).min(RAMP);
        self.counted = Default::default();
        self.since = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets of 956 bytes (1000 with what is around them) each 10 ms, in turn in these layers.
    fn metered(seconds: u64, layers: &[(u8, u8)]) -> Meter {
        let mut meter = Meter::default();
        for (tick, &layer) in (0..seconds * 100).zip(layers.iter().cycle()) {
            meter.count(Time::from_millis(tick * 10), layer, 956);
        }
        meter
    }

    fn check(meter: &Meter, upto: (u8, u8), kilobits: u64) {
        let rate = meter.rate(upto).unwrap() / 1000;
        assert!(rate.abs_diff(kilobits) <= kilobits / 20, "{upto:?}: {rate} is not {kilobits}");
    }

    #[test]
    fn layers_are_measured_apart_and_summed_up() {
        let meter = metered(3, &[(0, 0), (0, 1), (1, 0), (1, 1)]);
        check(&meter, (0, 0), 200);
        check(&meter, (0, 1), 400);
        check(&meter, (1, 0), 400);
        check(&meter, (u8::MAX, u8::MAX), 800);
        assert!(meter.latest().abs_diff(800_000) < 40_000, "{}", meter.latest());
        assert_eq!(meter.temporal_top(), 1);
    }

    #[test]
    fn nothing_is_known_before_a_window_is_full() {
        let mut meter = Meter::default();
        meter.count(Time::from_millis(5), (0, 0), 1000);
        meter.count(Time::from_millis(300), (0, 0), 1000);
        assert_eq!(meter.rate((0, 0)), None);
        meter.count(Time::from_millis(400), (0, 0), 1000);
        assert!(meter.rate((0, 0)).is_some());
    }

    #[test]
    fn an_encoder_that_has_just_begun_will_send_more() {
        assert_eq!(metered(1, &[(0, 0)]).grown(100), 200);
        assert_eq!(metered(3, &[(0, 0)]).grown(100), 100);
    }

    #[test]
    fn rates_rise_fast_and_fall_slowly() {
        let mut meter = metered(3, &[(0, 0)]);
        check(&meter, (0, 0), 800);
        for tick in 0..4 {
            meter.count(Time::from_millis(3000 + tick * 340), (0, 0), 956);
        }
        let fallen = meter.rate((0, 0)).unwrap();
        assert!((450_000..700_000).contains(&fallen), "{fallen}");
        for tick in 0..200 {
            meter.count(Time::from_millis(4500 + tick * 5), (0, 0), 956);
        }
        assert!(meter.rate((0, 0)).unwrap() > 1_200_000);
    }
}
