//! What a worker does when more arrives than it can forward. Left alone, the kernel would drop whatever does not fit
//! its receive buffer, sound and checks as likely as pictures, and every stream would be broken. Instead the worker
//! reads everything and leaves video out before it costs anything, of as many publishers as it takes, always the same
//! ones first, so that the others stay whole.

use core::time::Duration;

use offhook_types::{LegId, Time};

/// Between two looks at the backlog.
const EVERY: Duration = Duration::from_millis(50);
/// Publishers are shed in so many steps.
const STEPS: u32 = 64;
/// Steps taken at once when the buffer is more than half full: in 0.4 s everybody's video is left out.
const UP: u32 = 8;
/// A buffer this full, in thousandths, is too full; its packets are late.
const FULL: u32 = 500;
/// Looks in a row that find it so before anything is left out: a burst is no overload.
const PATIENCE: u32 = 4;
/// A buffer this empty means that somebody more can be served. A step every 50 ms: after an overload all are back in
/// 3.2 s.
const EMPTY: u32 = 50;

/// How much is left out now.
#[derive(Debug, Default)]
pub(super) struct Overload {
    level: u32,
    /// Looks in a row that found too full a buffer.
    full: u32,
    next: Time,
}

impl Overload {
    /// When to look again.
    pub(super) fn is_due(&self, now: Time) -> bool {
        now >= self.next
    }

    /// The receive buffer is so full, in thousandths. True when other legs are shed than before.
    pub(super) fn observe(&mut self, now: Time, fill: u32) -> bool {
        self.next = now + EVERY;
        let before = self.level;
        self.full = if fill >= FULL { self.full.saturating_add(1) } else { 0 };
        self.level = match fill {
            FULL.. if self.full >= PATIENCE => (before + UP).min(STEPS),
            0..EMPTY => before.saturating_sub(1),
            _ => before,
        };
        self.level != before
    }

    /// Whether a leg's video is left out.
    pub(super) fn sheds(&self, leg: LegId) -> bool {
        // A serial of the leg's worker in a fixed order that has nothing to do with rooms: an odd constant mixes it.
        let place = (leg.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32 % STEPS;
        place < self.level
    }
}

#[cfg(test)]
mod tests {
    use offhook_types::WorkerId;

    use super::*;

    fn shed(overload: &Overload) -> Vec<u64> {
        let legs = (0..640).map(|serial| LegId::new(WorkerId(1), serial));
        legs.filter(|leg| overload.sheds(*leg)).map(|leg| leg.0).collect()
    }

    #[test]
    fn more_and_more_are_shed_and_the_same_ones_first() {
        let mut overload = Overload::default();
        let mut before = shed(&overload);
        assert!(before.is_empty() && !overload.observe(Time::ZERO, 0));
        for step in 1..PATIENCE.into() {
            assert!(!overload.observe(Time::from_millis(step * 50), 1000), "a burst");
        }
        for step in u64::from(PATIENCE)..u64::from(PATIENCE) + 8 {
            assert!(overload.is_due(Time::from_millis(step * 50)));
            assert!(overload.observe(Time::from_millis(step * 50), 700));
            let now = shed(&overload);
            assert!(before.iter().all(|leg| now.contains(leg)), "whoever was shed still is");
            assert!(now.len() > before.len());
            before = now;
        }
        assert_eq!(before.len(), 640, "a worker that can do nothing leaves all of it out");
        assert!(!overload.observe(Time::from_millis(700), 900));
    }

    #[test]
    fn everybody_is_back_in_a_few_seconds() {
        let mut overload = Overload { level: STEPS, ..Overload::default() };
        let mut now = Time::ZERO;
        while overload.level > 0 {
            now = now + EVERY;
            assert!(overload.observe(now, 10));
        }
        assert!(now <= Time::from_millis(3200) && shed(&overload).is_empty());
    }

    #[test]
    fn a_half_full_buffer_changes_nothing() {
        let mut overload = Overload { level: 20, ..Overload::default() };
        assert!(!overload.observe(Time::from_millis(50), 300));
        assert!(!overload.is_due(Time::from_millis(99)) && overload.is_due(Time::from_millis(100)));
    }
}
