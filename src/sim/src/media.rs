//! Congestion control and pacing toward one receiver over a virtual link: the machines of
//! `offhook-rtc` on both sides, a camera in three layers and a voice, and a link that narrows,
//! delays, varies and loses.
//!
//! [`run`] draws a condition from its seed and judges what came of it; [`table`] plays the named
//! conditions of the performance tables.

pub mod path;
pub mod source;
pub mod table;

use core::fmt;
use core::time::Duration;

use offhook_link::{Bursts, Conditions, Share};
use offhook_types::{Rng, Time};

use crate::Failure;
use path::Path;

/// Layers of the camera, in bits a second.
pub const LAYERS: &[u64] = &[150_000, 500_000, 1_700_000];

/// What happened in one or more runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Seconds played.
    pub seconds: u64,
    /// Kilobytes of media that arrived.
    pub received: u64,
    /// Packets that full queues dropped.
    pub dropped: u64,
}

impl Summary {
    /// Add another run's.
    pub fn add(&mut self, other: &Self) {
        self.seconds += other.seconds;
        self.received += other.received;
        self.dropped += other.dropped;
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seconds, received, dropped } = self;
        write!(f, "{seconds} s, {received} kB received, {dropped} packets dropped by queues")
    }
}

/// Play the condition of a seed.
pub fn run(seed: u64, trace: &mut dyn FnMut(Time, &str)) -> Result<Summary, Failure> {
    let mut rng = Rng::from_seed(seed);
    let link = draw(&mut rng);
    trace(Time::ZERO, &format!("{link:?}"));
    let mut path = Path::new(&link, LAYERS, &mut rng);
    let (mut estimates, mut delays) = (0.0, 0.0);
    for millis in 1..=SECONDS * 1000 {
        let now = Time::from_millis(millis);
        path.step(now);
        let (estimate, delay) = (path.leg.estimate(), path.queue_delay());
        if millis % 200 == 0 {
            let loss = path.leg.lost_permille();
            trace(now, &format!("{estimate} bit/s, {delay:?} queued, {loss} of 1000 lost"));
        }
        if millis > SETTLED * 1000 {
            estimates += estimate as f64;
            delays += delay.as_secs_f64();
        }
    }
    let steps = ((SECONDS - SETTLED) * 1000) as f64;
    let failure =
        |what| Failure { world: "media", seed, at: Time::from_millis(SECONDS * 1000), what };
    let (estimate, delay) = (estimates / steps, delays / steps);
    let rate = link.rate_bps.unwrap_or(u64::MAX);
    let fair = rate.min(path.wanted()) as f64;
    if estimate < fair * 0.5 || estimate > rate as f64 * 1.2 {
        return Err(failure(format!("an estimate of {estimate:.0} on {link:?}")));
    }
    if delay > link.queue.as_secs_f64() / 2.0 {
        return Err(failure(format!("{delay:.3} s of queue on {link:?}")));
    }
    let (received, dropped) = (path.received / 1000, path.dropped());
    Ok(Summary { seconds: SECONDS, received, dropped })
}

/// How long a run is, and from when on it is judged.
const SECONDS: u64 = 30;
const SETTLED: u64 = 10;

fn draw(rng: &mut Rng) -> Conditions {
    let mut millis =
        |least: u32, most: u32| Duration::from_millis(u64::from(least + rng.below(most - least)));
    let (queue, delay, jitter) = (millis(100, 500), millis(2, 120), millis(0, 15));
    let rate_bps = Some(u64::from(250 + rng.below(4000)) * 1000);
    let plain = Conditions { rate_bps, queue, delay, jitter, ..Conditions::default() };
    match rng.below(3) {
        0 => plain,
        1 => Conditions { loss: Share::of_million(rng.below(60_000)), ..plain },
        _ => {
            let bursts = Bursts { every: 200 + rng.below(800), length: 2 + rng.below(3) };
            Conditions { bursts: Some(bursts), ..plain }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_all_kinds_are_used_and_not_flooded() {
        for seed in 0..40 {
            if let Err(failure) = run(seed, &mut |_, _| ()) {
                panic!("{failure}");
            }
        }
    }
}
