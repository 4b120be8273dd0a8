//! Transactions (RFC 3261 §17, as corrected by RFC 6026): one request, its retransmissions, and the
//! responses to it. [`client`] for what we ask, [`server`] for what we are asked.
//!
//! A transaction is handed what happened and answers with what its owner is to do; it holds the
//! message that it repeats but sends nothing itself. Timers carry the letters of RFC 3261 §17.

pub mod client;
pub mod server;

use core::time::Duration;

use offhook_types::Time;

/// A message that is repeated at growing intervals until something stops it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeat {
    /// When next.
    pub at: Time,
    /// How long after the last time.
    interval: Duration,
    /// The interval grows up to this.
    longest: Duration,
}

impl Repeat {
    /// First after `interval`, then after twice as long each time, up to `longest`.
    pub fn new(now: Time, interval: Duration, longest: Duration) -> Self {
        Self { at: now + interval, interval, longest }
    }

    /// It was repeated `now`.
    pub fn again(&mut self, now: Time) {
        self.interval = self.interval.saturating_mul(2).min(self.longest);
        self.at = now + self.interval;
    }

    /// From now on only every `longest`.
    pub fn slow_down(&mut self, now: Time) {
        self.interval = self.longest;
        self.at = now + self.interval;
    }
}
