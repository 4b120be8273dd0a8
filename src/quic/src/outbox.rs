//! Packets that wait to be sent on one connection. QUIC's own buffer drops its oldest without a word when it is
//! full, so it is kept small and the waiting is done here, where a packet that is late is dropped and counted.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

/// What waits, oldest first.
#[derive(Debug)]
pub(crate) struct Outbox {
    waiting: VecDeque<(Instant, Bytes)>,
    most: usize,
    delay: Duration,
    /// Somebody takes packets out, and is woken for more.
    draining: bool,
}

impl Outbox {
    /// For `most` packets that may wait for `delay`.
    pub(crate) fn new(most: usize, delay: Duration) -> Self {
        Self { waiting: VecDeque::new(), most: most.max(1), delay, draining: false }
    }

    /// Nothing waits, so that the next packet may go at once.
    pub(crate) fn is_idle(&self) -> bool {
        !self.draining
    }

    /// Let a packet wait. True when the oldest had to go for it.
    pub(crate) fn push(&mut self, now: Instant, packet: Bytes) -> bool {
        self.draining = true;
        let full = self.waiting.len() >= self.most;
        if full {
            self.waiting.pop_front();
        }
        self.waiting.push_back((now, packet));
        full
    }

    /// The next packet that is worth sending, and how many before it were not.
    pub(crate) fn pop(&mut self, now: Instant) -> (Option<Bytes>, u64) {
        let mut late = 0;
        while let Some((since, packet)) = self.waiting.pop_front() {
            if now.saturating_duration_since(since) <= self.delay {
                return (Some(packet), late);
            }
            late += 1;
        }
        self.draining = false;
        (None, late)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Duration = Duration::from_millis(50);

    fn packet(nth: u8) -> Bytes {
        Bytes::from(vec![nth])
    }

    #[test]
    fn packets_leave_in_order_while_they_are_fresh() {
        let (mut outbox, start) = (Outbox::new(8, DELAY), Instant::now());
        for nth in 0..4u8 {
            outbox.push(start + Duration::from_millis(20) * u32::from(nth), packet(nth));
        }
        // At 80 ms those of 0 and 20 ms have waited too long.
        let now = start + Duration::from_millis(80);
        assert_eq!(outbox.pop(now), (Some(packet(2)), 2));
        assert_eq!(outbox.pop(now), (Some(packet(3)), 0));
        assert!(!outbox.is_idle(), "whoever drains has not seen the end");
        assert_eq!(outbox.pop(now), (None, 0));
        assert!(outbox.is_idle());
    }

    #[test]
    fn the_oldest_goes_when_it_is_full() {
        let (mut outbox, now) = (Outbox::new(2, DELAY), Instant::now());
        assert!(!outbox.push(now, packet(0)) && !outbox.push(now, packet(1)));
        assert!(outbox.push(now, packet(2)));
        assert_eq!(outbox.pop(now), (Some(packet(1)), 0));
    }
}
