//! Two clocks that must not be mixed: [`Time`] runs evenly and means nothing outside the process, [`WallTime`] is the
//! calendar and may jump. Machines are handed both; none reads a clock.

use core::ops::{Add, Sub};
use core::time::Duration;

/// A monotonic instant in microseconds since an origin that the process (or the simulation) chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Time(u64);

/// Microseconds from one beat to the next.
const BEAT: u64 = 50_000;

impl Time {
    /// The origin.
    pub const ZERO: Self = Self(0);
    /// Later than everything; "no timeout".
    pub const MAX: Self = Self(u64::MAX);

    /// An instant `micros` microseconds after the origin.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// An instant `millis` milliseconds after the origin.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1000))
    }

    /// Microseconds since the origin.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Milliseconds since the origin.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1000
    }

    /// The first beat that is no earlier than this: a multiple of 50 ms since the origin. Timers that need not
    /// be punctual end on beats, the same ones everywhere in a process, because a worker that sleeps pays for
    /// each time it wakes up and not for what it does then.
    pub fn on_beat(self) -> Self {
        Self(self.0.checked_next_multiple_of(BEAT).unwrap_or(u64::MAX))
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_micros()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for Time {
    type Output = Self;

    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(span.as_micros()).unwrap_or(u64::MAX)))
    }
}

/// Milliseconds since 1970-01-01 UTC, for records that outlive the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct WallTime(pub u64);

impl WallTime {
    /// This instant moved by `span`.
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }

    /// Whole seconds since 1970, as tokens and SIP want it.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beats_are_whole_multiples_and_never_earlier() {
        for (at, on) in [(0, 0), (1, 50), (50, 50), (51, 100)] {
            assert_eq!(Time::from_millis(at).on_beat(), Time::from_millis(on));
        }
        assert_eq!(Time::MAX.on_beat(), Time::MAX);
    }

    #[test]
    fn differences_saturate() {
        assert_eq!(Time::from_millis(1).since(Time::from_millis(5)), Duration::ZERO);
        assert_eq!(Time::MAX + Duration::from_secs(1), Time::MAX);
        assert_eq!(Time::ZERO - Duration::from_secs(1), Time::ZERO);
    }
}
