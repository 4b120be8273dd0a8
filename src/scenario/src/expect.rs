//! What must come of a run.

use serde::{Deserialize, Serialize};

/// Bounds; what is not given is not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    /// Share of participants that joined.
    pub min_joined: Option<f64>,
    /// Share of packets missing at receivers after repair.
    pub max_loss: Option<f64>,
    /// Packets that reached receivers, of those that publishers sent times those who watch.
    pub min_delivered: Option<f64>,
    /// Pictures shown per second and video stream.
    pub min_fps: Option<f64>,
    /// Kilobits of payload per second and receiver.
    pub min_kbps: Option<f64>,
    /// Freezes per minute and video stream.
    pub max_freezes_per_minute: Option<f64>,
    /// From joining to the first picture or sound, at the 99th percentile.
    pub max_first_frame_ms: Option<f64>,
    /// From sender to receiver.
    pub max_delay_p99_ms: Option<f64>,
    /// Data messages that came, of those sent times those who listen.
    pub min_messages: Option<f64>,
    /// Microseconds of the server's CPU time per forwarded packet.
    pub max_cpu_us_per_packet: Option<f64>,
}

/// What a run came to, in the words of the bounds; `None` where there was nothing to measure.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Found {
    /// Share of participants that joined.
    pub joined: Option<f64>,
    /// Share of packets missing at receivers after repair.
    pub loss: Option<f64>,
    /// Packets that reached receivers, of those that publishers sent times those who watch.
    pub delivered: Option<f64>,
    /// Pictures shown per second and video stream.
    pub fps: Option<f64>,
    /// Kilobits of payload per second and receiver.
    pub kbps: Option<f64>,
    /// Freezes per minute and video stream.
    pub freezes_per_minute: Option<f64>,
    /// From joining to the first picture or sound, at the 99th percentile.
    pub first_frame_ms: Option<f64>,
    /// From sender to receiver, at the 99th percentile.
    pub delay_p99_ms: Option<f64>,
    /// Data messages that came, of those sent times those who listen.
    pub messages: Option<f64>,
    /// Microseconds of the server's CPU time per forwarded packet.
    pub cpu_us_per_packet: Option<f64>,
}

/// One bound and what was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// Name of the bound.
    pub bound: &'static str,
    /// What it says.
    pub wanted: f64,
    /// What was; `None` when there was nothing to measure.
    pub found: Option<f64>,
    /// It holds.
    pub holds: bool,
}

impl Expect {
    /// Look at every bound that is given.
    pub fn judge(&self, run: &Found) -> Vec<Verdict> {
        let least = [
            ("min_joined", self.min_joined, run.joined),
            ("min_delivered", self.min_delivered, run.delivered),
            ("min_fps", self.min_fps, run.fps),
            ("min_kbps", self.min_kbps, run.kbps),
            ("min_messages", self.min_messages, run.messages),
        ];
        let most = [
            ("max_loss", self.max_loss, run.loss),
            ("max_freezes_per_minute", self.max_freezes_per_minute, run.freezes_per_minute),
            ("max_first_frame_ms", self.max_first_frame_ms, run.first_frame_ms),
            ("max_delay_p99_ms", self.max_delay_p99_ms, run.delay_p99_ms),
            ("max_cpu_us_per_packet", self.max_cpu_us_per_packet, run.cpu_us_per_packet),
        ];
        let judge = |(bound, wanted, found): (_, Option<f64>, Option<f64>),
                     fits: fn(f64, f64) -> bool| {
            let wanted = wanted?;
            let holds = found.is_some_and(|found| fits(found, wanted));
            Some(Verdict { bound, wanted, found, holds })
        };
        let least = least.into_iter().filter_map(|one| judge(one, |found, wanted| found >= wanted));
        let most = most.into_iter().filter_map(|one| judge(one, |found, wanted| found <= wanted));
        least.chain(most).collect()
    }
}
