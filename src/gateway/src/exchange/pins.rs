//! How often a PIN of one of our numbers may be tried, whoever tries it.

use std::collections::HashMap;
use std::time::Duration;

use offhook_types::{Number, Time};

/// Tries by called number.
#[derive(Debug, Default)]
pub(super) struct Pins {
    tried: HashMap<Number, (Time, u32)>,
}

/// Within this time.
const WINDOW: Duration = Duration::from_secs(3600);
/// So many wrong ones. A PIN of six digits is then found in a lifetime, not in a night.
const MOST: u32 = 20;

impl Pins {
    /// Count a try; false when there were too many.
    pub(super) fn may_try(&mut self, now: Time, called: &Number) -> bool {
        let (since, count) = self.tried.entry(called.clone()).or_insert((now, 0));
        if now.since(*since) >= WINDOW {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        *count <= MOST
    }

    /// The right one was given.
    pub(super) fn forget(&mut self, called: &Number) {
        self.tried.remove(called);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_are_limited_by_the_hour() {
        let mut pins = Pins::default();
        let number: Number = "+4930901820".parse().unwrap();
        let start = Time::from_millis(1000);
        assert!((0..MOST).all(|_| pins.may_try(start, &number)));
        assert!(!pins.may_try(start, &number));
        assert!(!pins.may_try(start + WINDOW - Duration::from_secs(1), &number));
        assert!(pins.may_try(start + WINDOW, &number));
        pins.forget(&number);
        assert!(pins.may_try(start + WINDOW, &number));
    }
}
