//! QUIC's congestion controller on these connections: a ceiling, not a governor. How much media is sent is decided
//! by the media worker from RTP feedback, as on any other leg; a second loop below it that halves at each loss
//! would make it send into a queue. What remains for QUIC is what the media's control does not do: bound what is
//! in flight on a path that no longer answers.
//!
//! The window is twice what the path delivered in the best of the last rounds, and never less than a burst of
//! frames. It doubles with each round in which it was the limit, and falls to its least in persistent congestion
//! (RFC 9002 §7.6).

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quinn::congestion::{Controller, ControllerFactory};
use quinn_proto::RttEstimator;

/// A key frame of a large picture, and as much again of other media: 1 Mbit in flight, which at a round trip of
/// 100 ms is 10 Mbit/s before anything was measured.
const LEAST: u64 = 128 << 10;
/// What a path of 100 Mbit/s and 300 ms holds.
const MOST: u64 = 4 << 20;
/// On a short path a round is no measure: ten frames a second must fit.
const ROUND: Duration = Duration::from_millis(100);

/// Makes a [`Ceiling`] for each path.
pub(crate) struct Ceilings;

impl ControllerFactory for Ceilings {
    fn build(self: Arc<Self>, now: Instant, _mtu: u16) -> Box<dyn Controller> {
        Box::new(Ceiling { began: now, delivered: 0, best: [0; 4], blocked: false })
    }
}

#[derive(Clone)]
struct Ceiling {
    /// When the current round began.
    began: Instant,
    /// Bytes acknowledged in it.
    delivered: u64,
    /// Bytes acknowledged in the rounds before it, the latest first.
    best: [u64; 4],
    /// The window was the limit in this round.
    blocked: bool,
}

impl Ceiling {
    fn measured(&self) -> u64 {
        self.best.iter().copied().fold(self.delivered, u64::max)
    }
}

impl Controller for Ceiling {
    fn on_ack(
        &mut self,
        now: Instant,
        _sent: Instant,
        bytes: u64,
        app_limited: bool,
        rtt: &RttEstimator,
    ) {
        self.delivered = self.delivered.saturating_add(bytes);
        self.blocked |= !app_limited;
        if now.saturating_duration_since(self.began) < rtt.get().max(ROUND) {
            return;
        }
        let round = if self.blocked { self.window() } else { self.delivered };
        self.best.rotate_right(1);
        self.best[0] = round;
        (self.began, self.delivered, self.blocked) = (now, 0, false);
    }

    fn on_congestion_event(
        &mut self,
        _now: Instant,
        _sent: Instant,
        is_persistent_congestion: bool,
        _lost_bytes: u64,
    ) {
        if is_persistent_congestion {
            (self.delivered, self.best, self.blocked) = (0, [0; 4], false);
        }
    }

    fn on_mtu_update(&mut self, _new_mtu: u16) {}

    fn window(&self) -> u64 {
        self.measured().saturating_mul(2).clamp(LEAST, MOST)
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn initial_window(&self) -> u64 {
        LEAST
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
