//! What the exchange counts, for metrics.

use std::collections::HashMap;
use std::time::Duration;

use offhook_billing::cdr::{Direction, Evidence};
use offhook_billing::fraud::Action;
use offhook_billing::route::Observed;
use offhook_types::TrunkId;
use offhook_types::counters::Counters;
use offhook_types::phone::{Cause, Event};

use super::Exchange;

/// Upper bounds of the buckets of post-dial delay, in milliseconds.
pub const POST_DIAL_MS: [u64; 8] = [250, 500, 1000, 2000, 4000, 8000, 16_000, 32_000];

/// Figures for metrics.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// Legs now.
    pub legs: usize,
    /// Attempts over trunks, outgoing.
    pub attempts_out: u64,
    /// Calls from trunks to numbers of ours.
    pub attempts_in: u64,
    /// Legs that were answered.
    pub answered: u64,
    /// Ends of legs, as call control was told.
    pub ended: Counters<Cause>,
    /// Calls from trunks that were turned away before they were a leg.
    pub turned_away: u64,
    /// Attempts by post-dial delay, one for each of [`POST_DIAL_MS`] and one above.
    pub post_dial: [u64; 9],
    /// The sum of those delays.
    pub post_dial_sum: Duration,
    /// What limits against fraud did: warnings, blocks, suspensions.
    pub decisions: [u64; 3],
    /// By trunk.
    pub trunks: Vec<TrunkCounts>,
}

/// Figures of one trunk.
#[derive(Debug, Clone, Default)]
pub struct TrunkCounts {
    /// What people call it.
    pub name: String,
    /// Whether it answers.
    pub up: bool,
    /// Whether we are registered; `None` where we do not register.
    pub registered: Option<bool>,
    /// Channels taken now.
    pub channels: u32,
    /// Attempts over it.
    pub attempts: u64,
    /// Of these, answered.
    pub answered: u64,
}

/// The running counts.
#[derive(Debug, Default)]
pub(super) struct Tally {
    counts: Counts,
    trunks: HashMap<TrunkId, (u64, u64)>,
}

impl Tally {
    pub(super) fn attempted(&mut self, trunk: TrunkId, direction: Direction) {
        match direction {
            Direction::Out => self.counts.attempts_out += 1,
            Direction::In => self.counts.attempts_in += 1,
        }
        self.trunks.entry(trunk).or_default().0 += 1;
    }

    pub(super) fn closed(
        &mut self,
        trunk: TrunkId,
        evidence: &Evidence,
        observed: Option<&Observed>,
    ) {
        if evidence.last.times.answered.is_some() {
            self.trunks.entry(trunk).or_default().1 += 1;
        }
        if let Some(delay) = observed.and_then(|observed| observed.post_dial_delay) {
            let ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
            let bucket = POST_DIAL_MS.iter().position(|bound| ms <= *bound);
            let bucket = bucket.unwrap_or(POST_DIAL_MS.len());
            self.counts.post_dial[bucket] += 1;
            self.counts.post_dial_sum += delay;
        }
    }

    pub(super) fn told(&mut self, event: &Event) {
        match event {
            Event::Answered { .. } => self.counts.answered += 1,
            Event::Ended { cause, .. } => self.counts.ended.add(*cause),
            _ => {}
        }
    }

    pub(super) fn turned_away(&mut self) {
        self.counts.turned_away += 1;
    }

    pub(super) fn decided(&mut self, action: Action) {
        let place = match action {
            Action::Warn => 0,
            Action::Block => 1,
            Action::Suspend => 2,
        };
        self.counts.decisions[place] += 1;
    }
}

impl Exchange {
    pub(super) fn counts(&self) -> Counts {
        let trunks = self.watch.states().map(|(trunk, up, registered)| {
            let (attempts, answered) =
                self.tally.trunks.get(&trunk.id()).copied().unwrap_or_default();
            TrunkCounts {
                name: trunk.way.name.to_string(),
                up,
                registered,
                channels: self.router.channels(trunk.id()),
                attempts,
                answered,
            }
        });
        Counts { legs: self.legs.len(), trunks: trunks.collect(), ..self.tally.counts.clone() }
    }
}
