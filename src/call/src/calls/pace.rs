//! How often a user may place calls: a token bucket, kept as the one instant at which it would be
//! full again (the generic cell rate algorithm of ITU-T I.371).

use core::time::Duration;
use std::collections::BTreeMap;

use offhook_types::{Time, UserId};

#[derive(Debug)]
pub(super) struct Pace {
    interval: Duration,
    /// How far ahead of now the instant may lie before a call is refused.
    slack: Duration,
    full_at: BTreeMap<UserId, Time>,
    /// Size at which full buckets are thrown away, doubled when that frees nothing.
    prune_at: usize,
}

const PRUNE_AT: usize = 1024;

impl Pace {
    pub fn new(per_minute: u32, burst: u32) -> Self {
        let interval = Duration::from_secs(60) / per_minute.max(1);
        Self {
            interval,
            slack: interval.saturating_mul(burst.max(1).saturating_sub(1)),
            full_at: BTreeMap::new(),
            prune_at: PRUNE_AT,
        }
    }

    /// Take a token, or say how long until there is one.
    pub fn take(&mut self, now: Time, user: UserId) -> Result<(), Duration> {
        self.prune(now);
        let full_at = self.full_at.get(&user).copied().unwrap_or(now).max(now);
        if full_at > now + self.slack {
            return Err((full_at - self.slack).since(now));
        }
        self.full_at.insert(user, full_at + self.interval);
        Ok(())
    }

    fn prune(&mut self, now: Time) {
        if self.full_at.len() < self.prune_at {
            return;
        }
        self.full_at.retain(|_, &mut full_at| full_at > now);
        self.prune_at = self.full_at.len().saturating_mul(2).max(PRUNE_AT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_one_per_interval() {
        let mut pace = Pace::new(6, 3);
        let user = UserId(1);
        let mut now = Time::from_millis(5);
        for _ in 0..3 {
            assert_eq!(pace.take(now, user), Ok(()));
        }
        assert_eq!(pace.take(now, user), Err(Duration::from_secs(10)));
        assert_eq!(pace.take(now, UserId(2)), Ok(()), "one user's pace is not another's");
        now = now + Duration::from_secs(10);
        assert_eq!(pace.take(now, user), Ok(()));
        assert!(pace.take(now, user).is_err());
    }

    #[test]
    fn full_buckets_do_not_pile_up() {
        let mut pace = Pace::new(60, 1);
        for serial in 0..10_000 {
            let _ = pace.take(Time::from_millis(serial * 10), UserId(serial));
        }
        assert!(pace.full_at.len() <= PRUNE_AT, "{}", pace.full_at.len());
    }
}
