//! The estimate for a receiver that gives no transport-wide feedback: what it estimates itself
//! (draft-alvestrand-rmcat-remb-03), or else what its reports say it lost
//! (draft-ietf-rmcat-gcc-02 §6).

use core::time::Duration;

use offhook_types::Time;

use super::Limits;

/// The congestion control of a leg by REMB and receiver reports.
#[derive(Debug, Clone)]
pub struct Reported {
    limits: Limits,
    /// Bits a second by losses; `None` as long as nothing worth mentioning was lost.
    by_loss: Option<f64>,
    /// The receiver's own, and when it came.
    remb: Option<(u64, Time)>,
    changed: Time,
}

impl Reported {
    /// For a leg that starts now.
    pub const fn new(now: Time, limits: Limits) -> Self {
        Self { limits, by_loss: None, remb: None, changed: now }
    }

    /// What may be sent, in bits a second; `None` while nothing speaks against anything.
    pub fn estimate(&self, now: Time) -> Option<u64> {
        let Limits { min, max, .. } = self.limits;
        let remb = self.remb.filter(|(_, at)| now.since(*at) < REMB_LIFE).map(|(bits, _)| bits);
        let by_loss = self.by_loss.map(|bits| bits as u64);
        let lower = match (remb, by_loss) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        lower.map(|bits| bits.min(max).max(min))
    }

    /// The receiver's estimate.
    pub fn handle_remb(&mut self, now: Time, bits_per_second: u64) {
        self.remb = Some((bits_per_second, now));
    }

    /// The worst of a report's blocks: the part lost in 1/256, while `sent` bits a second left.
    pub fn handle_loss(&mut self, now: Time, fraction_lost: u8, sent: u64) {
        let lost = f64::from(fraction_lost) / 256.0;
        let (min, max) = (self.limits.min as f64, self.limits.max as f64);
        let elapsed = now.since(self.changed);
        match self.by_loss {
            _ if lost > MUCH => {
                // Reports of one moment, one for each stream, count once.
                if elapsed >= PAUSE {
                    let from = self.by_loss.unwrap_or(max).min(sent as f64 * 1.5);
                    self.by_loss = Some((from * (1.0 - lost / 2.0)).max(min));
                    self.changed = now;
                }
            }
            Some(bits) if lost < LITTLE => {
                let grown = bits * GROWTH.powf(elapsed.min(LONGEST).as_secs_f64());
                // Far above what is sent it limits nothing any more.
                self.by_loss = (grown < max && grown < sent as f64 * 8.0).then_some(grown);
                self.changed = now;
            }
            _ => self.changed = now,
        }
    }
}

/// How long a receiver's estimate is believed: senders of REMB repeat it every second.
const REMB_LIFE: Duration = Duration::from_secs(5);
/// Above this less is sent, below [`LITTLE`] more.
const MUCH: f64 = 0.10;
const LITTLE: f64 = 0.02;
const GROWTH: f64 = 1.08;
const PAUSE: Duration = Duration::from_millis(300);
const LONGEST: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { start: 600_000, min: 50_000, max: 5_000_000 };

    #[test]
    fn the_receivers_own_estimate_holds_while_it_is_repeated() {
        let mut reported = Reported::new(Time::ZERO, LIMITS);
        assert_eq!(reported.estimate(Time::ZERO), None);
        for (bits, expect) in [(800_000, 800_000), (1, 50_000), (u64::MAX, 5_000_000)] {
            reported.handle_remb(Time::from_millis(10), bits);
            assert_eq!(reported.estimate(Time::from_millis(20)), Some(expect));
        }
        assert_eq!(reported.estimate(Time::from_millis(6_000)), None);
    }

    #[test]
    fn much_loss_lowers_and_little_raises_until_nothing_is_limited() {
        let mut reported = Reported::new(Time::ZERO, LIMITS);
        let (mut at, sent) = (1000, 1_000_000);
        for _ in 0..3 {
            reported.handle_loss(Time::from_millis(at), 64, sent);
            at += 1000;
        }
        let low = reported.estimate(Time::from_millis(at)).unwrap();
        assert!((900_000..1_100_000).contains(&low), "{low}");
        reported.handle_loss(Time::from_millis(at), 13, sent);
        assert_eq!(reported.estimate(Time::from_millis(at)), Some(low));
        for _ in 0..60 {
            at += 1000;
            reported.handle_loss(Time::from_millis(at), 0, sent);
        }
        assert_eq!(reported.estimate(Time::from_millis(at)), None);
    }
}
