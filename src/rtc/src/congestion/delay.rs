//! Whether a queue grows on the way: packets that leave together are one group, and the way gets
//! longer when groups arrive further apart than they left. The sum of these variations is smoothed,
//! a straight line is laid through it by least squares, and its slope is held against a threshold
//! that adapts to how much the slope varies anyway (draft-ietf-rmcat-gcc-02 §5.4, with a line in
//! place of the filter of §5.3). Where the way varies by itself slopes come and go, so a queue is taken to grow only
//! when the way is also longer than it usually is by more than that explains.

use super::line::Line;

/// What the way does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Usage {
    /// Its delay stays as it is.
    Normal,
    /// A queue grows.
    Over,
    /// A queue drains.
    Under,
}

/// The delay trend of one leg. All times are milliseconds.
pub(super) struct Trend {
    current: Option<Group>,
    previous: Option<Group>,
    points: [(f64, f64); POINTS],
    /// How many variations were seen, and where the next point goes.
    seen: usize,
    sum: f64,
    smoothed: f64,
    /// What that has been of late.
    usual: f64,
    slope: f64,
    /// How much groups vary, on average.
    spread: f64,
    threshold: f64,
    threshold_at: f64,
    /// Since when the slope has been above the threshold.
    over_since: Option<f64>,
    usage: Usage,
}

/// Packets that left within one burst.
#[derive(Debug, Clone, Copy)]
struct Group {
    first_sent: f64,
    last_sent: f64,
    first_arrival: f64,
    last_arrival: f64,
}

impl Trend {
    pub(super) fn new() -> Self {
        Self {
            current: None,
            previous: None,
            points: [(0.0, 0.0); POINTS],
            seen: 0,
            sum: 0.0,
            smoothed: 0.0,
            usual: 0.0,
            slope: 0.0,
            spread: 0.0,
            threshold: THRESHOLD,
            threshold_at: 0.0,
            over_since: None,
            usage: Usage::Normal,
        }
    }

    pub(super) fn usage(&self) -> Usage {
        self.usage
    }

    /// Forget everything but the threshold: the peer's clock jumped, or nothing came for long.
    pub(super) fn restart(&mut self) {
        *self = Self { threshold: self.threshold, ..Self::new() };
    }

    /// A packet that left at `sent` came at `arrival`, each on its side's clock.
    pub(super) fn arrived(&mut self, sent: f64, arrival: f64) {
        let fresh = Group {
            first_sent: sent,
            last_sent: sent,
            first_arrival: arrival,
            last_arrival: arrival,
        };
        let Some(group) = &mut self.current else {
            self.current = Some(fresh);
            return;
        };
        if sent < group.first_sent {
            // Overtaken by its whole group: it tells nothing about the queue now.
            return;
        }
        if group.takes(sent, arrival) {
            group.last_sent = group.last_sent.max(sent);
            group.last_arrival = group.last_arrival.max(arrival);
            return;
        }
        let whole = *group;
        if let Some(previous) = self.previous {
            let spent = whole.last_sent - previous.last_sent;
            let taken = whole.last_arrival - previous.last_arrival;
            if taken < 0.0 {
                // Whole groups do not overtake each other: the peer's clock was set back.
                return self.restart();
            }
            self.vary(taken - spent, spent, whole.last_arrival);
        }
        (self.previous, self.current) = (Some(whole), Some(fresh));
    }

    fn vary(&mut self, variation: f64, spent: f64, arrival: f64) {
        self.spread += (variation.abs().min(100.0) - self.spread) / 32.0;
        self.sum += variation;
        self.smoothed = SMOOTHING * self.smoothed + (1.0 - SMOOTHING) * self.sum;
        if let Some(place) = self.points.get_mut(self.seen % POINTS) {
            *place = (arrival, self.smoothed);
        }
        self.seen += 1;
        self.usual += (self.smoothed - self.usual) / self.seen.min(USUAL) as f64;
        let slope = if self.seen < POINTS { 0.0 } else { slope(self.points.iter().copied()) };
        self.judge(slope, spent, arrival);
    }

    fn judge(&mut self, slope: f64, spent: f64, arrival: f64) {
        let scaled = slope * self.seen.min(GROUPS) as f64 * GAIN;
        if scaled > self.threshold && self.smoothed - self.usual > self.spread * BAND {
            let since = *self.over_since.get_or_insert(arrival - spent / 2.0);
            if arrival - since > OVER_TIME && slope >= self.slope {
                self.usage = Usage::Over;
            }
        } else {
            self.over_since = None;
            self.usage = if scaled < -self.threshold { Usage::Under } else { Usage::Normal };
        }
        self.slope = slope;
        self.adapt(scaled, arrival);
    }

    /// The threshold follows the slope's size: fast down, so that a queue is seen, and slowly up, so
    /// that a way that always varies, or others that fill its queue, do not starve the leg.
    fn adapt(&mut self, scaled: f64, arrival: f64) {
        let elapsed = (arrival - self.threshold_at).clamp(0.0, 100.0);
        self.threshold_at = arrival;
        let distance = scaled.abs() - self.threshold;
        if distance > FAR {
            // A sudden spike, such as a change of the way, is no habit.
            return;
        }
        let gain = if distance < 0.0 { GAIN_DOWN } else { GAIN_UP };
        self.threshold = (self.threshold + gain * distance * elapsed).clamp(6.0, 600.0);
    }
}

impl Group {
    /// Whether a packet belongs to the group: it left in the same burst, or came in one, held up by
    /// the same queue.
    fn takes(&self, sent: f64, arrival: f64) -> bool {
        let gap = arrival - self.last_arrival;
        let shorter = gap < sent - self.last_sent;
        sent - self.first_sent <= BURST
            || (shorter && gap <= BURST && arrival - self.first_arrival < LONGEST_BURST)
    }
}

/// The slope of the line through points in their order.
fn slope(points: impl Iterator<Item = (f64, f64)> + Clone) -> f64 {
    let origin = points.clone().next().unwrap_or_default();
    let mut line = Line::EMPTY;
    points.for_each(|(x, y)| line.add(x - origin.0, y - origin.1));
    line.slope().map_or(0.0, |slope| slope.mean)
}

/// Points under the line: at 30 frames a second two thirds of a second.
const POINTS: usize = 20;
/// How much of the smoothed sum stays at each variation.
const SMOOTHING: f64 = 0.9;
/// So many variations make up what is usual: about two seconds.
const USUAL: usize = 128;
/// Delays that differ by `spread` from one group to the next, on average, deviate by 0.9 times that; smoothed, by
/// 0.23 times as much. Three times this is no chance.
const BAND: f64 = 0.6;
/// The slope counts for more the more variations it rests on, up to this many.
const GROUPS: usize = 60;
/// Brings slopes to the size of the threshold, which is in milliseconds.
const GAIN: f64 = 4.0;
/// The threshold at the start.
const THRESHOLD: f64 = 12.5;
const GAIN_UP: f64 = 0.0087;
const GAIN_DOWN: f64 = 0.039;
const FAR: f64 = 15.0;
/// The slope must stay above the threshold longer than this.
const OVER_TIME: f64 = 10.0;
/// Packets that leave within this time are one group.
const BURST: f64 = 5.0;
const LONGEST_BURST: f64 = 100.0;

#[cfg(test)]
mod tests {
    use offhook_types::Rng;

    use super::*;

    /// Sixty groups 20 ms apart whose way gets longer by `growth` milliseconds each, after sixty
    /// even ones. The usages seen in this second part.
    fn check(growth: f64, expect: Usage) {
        let mut trend = Trend::new();
        let (mut delay, mut seen) = (50.0, Vec::new());
        for group in 0..120 {
            let sent = f64::from(group) * 20.0;
            delay += if group < 60 { 0.0 } else { growth };
            trend.arrived(sent, sent + delay);
            trend.arrived(sent + 1.0, sent + delay + 1.0);
            if group < 60 {
                assert_eq!(trend.usage(), Usage::Normal);
            } else {
                seen.push(trend.usage());
            }
        }
        assert!(seen.contains(&expect), "{growth}: {seen:?}");
        assert!(seen.iter().all(|&usage| usage == expect || usage == Usage::Normal));
    }

    #[test]
    fn a_growing_queue_is_overuse_and_a_draining_one_underuse() {
        check(2.0, Usage::Over);
        check(-0.7, Usage::Under);
        check(0.0, Usage::Normal);
    }

    /// A minute of groups 20 ms apart, each up to `jitter` milliseconds late but in order, then ten seconds whose way
    /// gets longer by 2 ms each. How often a queue was seen in the first part, and after how many groups of the second.
    fn vary(jitter: u32, seed: u64) -> (usize, Option<usize>) {
        let (mut trend, mut rng, mut last) = (Trend::new(), Rng::from_seed(seed), 0.0f64);
        let (mut overs, mut was, mut seen) = (0, Usage::Normal, None);
        for group in 0..3500 {
            let sent = f64::from(group) * 20.0;
            let queue = f64::from((group - 3000).max(0)) * 2.0;
            last = last.max(sent + queue + f64::from(rng.below(jitter * 1000)) / 1000.0);
            trend.arrived(sent, last);
            let is_over = trend.usage() == Usage::Over;
            if group < 3000 {
                overs += usize::from(is_over && was != Usage::Over);
            } else if is_over && seen.is_none() {
                seen = usize::try_from(group - 3000).ok();
            }
            was = trend.usage();
        }
        (overs, seen)
    }

    #[test]
    fn a_way_that_varies_is_no_queue_and_hides_none() {
        for jitter in [5, 10, 20, 30, 50] {
            let runs: Vec<_> = (0..10).map(|seed| vary(jitter, seed)).collect();
            let false_alarms: usize = runs.iter().map(|run| run.0).sum();
            assert!(false_alarms <= 20, "{jitter}: {runs:?}");
            assert!(runs.iter().all(|run| run.1.is_some_and(|at| at < 50)), "{jitter}: {runs:?}");
        }
    }

    #[test]
    fn times_that_run_backwards_start_anew() {
        let mut trend = Trend::new();
        for group in 0..200 {
            let sent = f64::from(group) * 20.0;
            let arrival = if group % 50 == 49 { -1e9 } else { sent };
            trend.arrived(sent, arrival);
            assert_eq!(trend.usage(), Usage::Normal, "{group}");
        }
    }

    #[test]
    fn a_reordered_packet_is_left_out() {
        let mut trend = Trend::new();
        for group in 0..100 {
            let sent = f64::from(group) * 20.0;
            trend.arrived(sent, sent + 10.0);
            trend.arrived(sent - 60.0, sent + 12.0);
            assert_eq!(trend.usage(), Usage::Normal, "{group}");
        }
    }
}
