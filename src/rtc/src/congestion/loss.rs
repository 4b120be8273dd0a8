//! Whether packets are lost because there are too many of them. A radio link loses packets however
//! little is sent, a full queue without delay (a policer) only what is too much: so where more is
//! lost than before, less is sent for a moment. If then less is lost the cut was right; if as much is
//! lost as before it is undone, and so much loss is taken for the link's own.

/// What to do about the estimate. Rates are bits a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Verdict {
    /// Nothing.
    Keep,
    /// Lower it to this.
    Cut(f64),
    /// Raise it to this: the last cut was in vain.
    Restore(f64),
}

/// What is known besides the loss itself. Rates are bits a second.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rates {
    pub(super) estimate: f64,
    /// What is sent.
    pub(super) sent: f64,
    /// What arrives.
    pub(super) delivered: f64,
    /// Milliseconds there and back.
    pub(super) round_trip: f64,
}

/// What one piece of feedback told.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    /// Packets that arrived, and of these such as were said to be lost before.
    pub(super) arrived: u32,
    pub(super) late: u32,
    /// Packets that did not arrive, and how often such packets came in a row.
    pub(super) lost: u32,
    pub(super) bursts: u32,
}

/// The loss of one leg. Times are milliseconds.
pub(super) struct Loss {
    /// Packets that were told of, and lost ones among them, fading.
    told: f64,
    lost: f64,
    /// Losses in a row count as one here.
    bursts: f64,
    faded_at: f64,
    /// Loss that does not depend on how much is sent.
    inherent: f64,
    trial: Option<Trial>,
}

/// A cut whose effect is awaited.
#[derive(Debug, Clone, Copy)]
struct Trial {
    /// The estimate before and after the cut.
    before: f64,
    after: f64,
    loss: f64,
    /// Packets lost in a row, on average.
    burst: f64,
    since: f64,
    /// Counting began anew, with packets from after the cut.
    counting: bool,
}

impl Loss {
    pub(super) const fn new() -> Self {
        Self { told: 0.0, lost: 0.0, bursts: 0.0, faded_at: 0.0, inherent: 0.0, trial: None }
    }

    /// Feedback told of packets.
    pub(super) fn told(&mut self, now: f64, tally: &Tally) {
        let elapsed = (now - self.faded_at).clamp(0.0, 10.0 * MEMORY);
        // What a trial counts is not forgotten before it is over.
        let is_trial = self.trial.is_some_and(|trial| trial.counting);
        let kept = if is_trial { 1.0 } else { (-elapsed / MEMORY).exp() };
        self.faded_at = now;
        let (arrived, lost) = (f64::from(tally.arrived), f64::from(tally.lost));
        self.told = self.told * kept + arrived + lost;
        self.lost = (self.lost * kept + lost - f64::from(tally.late)).max(0.0);
        self.bursts = self.bursts * kept + f64::from(tally.bursts);
    }

    /// The part of the packets that is lost now, 0 to 1.
    pub(super) fn ratio(&self) -> f64 {
        if self.told < 1.0 { 0.0 } else { (self.lost / self.told).clamp(0.0, 1.0) }
    }

    /// The estimate was lowered for another reason, so a cut of ours proves nothing any more.
    pub(super) fn abandon(&mut self) {
        self.trial = None;
    }

    pub(super) fn judge(&mut self, now: f64, rates: &Rates) -> Verdict {
        let ratio = self.ratio();
        if let Some(trial) = self.trial {
            return self.judge_trial(now, trial, rates);
        }
        if self.told < ENOUGH {
            return Verdict::Keep;
        }
        if ratio < self.inherent {
            self.inherent += (ratio - self.inherent) * 0.02;
        }
        if ratio <= self.tolerated() {
            return Verdict::Keep;
        }
        let after = (rates.delivered * 0.95).min(rates.estimate);
        let (before, loss, burst) = (rates.estimate, ratio, self.burst());
        self.trial = Some(Trial { before, after, loss, burst, since: now, counting: false });
        Verdict::Cut(after)
    }

    fn judge_trial(&mut self, now: f64, mut trial: Trial, rates: &Rates) -> Verdict {
        let elapsed = now - trial.since;
        if !trial.counting {
            // Layers are switched at key frames, which takes a moment.
            let obeyed = rates.sent <= trial.after * 1.1 || elapsed > PATIENCE;
            if elapsed > rates.round_trip + SETTLING && obeyed {
                (self.told, self.lost, self.bursts) = (0.0, 0.0, 0.0);
                trial.counting = true;
            }
            self.trial = Some(trial);
            return Verdict::Keep;
        }
        let enough = (EXPECTED / trial.loss).max(ENOUGH) * trial.burst;
        if self.told < enough && elapsed < 3.0 * PATIENCE {
            return Verdict::Keep;
        }
        self.trial = None;
        let ratio = self.ratio();
        if ratio < trial.loss / 2.0 || ratio > MOST_INHERENT {
            return Verdict::Keep;
        }
        self.inherent = f64::midpoint(trial.loss, ratio).min(MOST_INHERENT);
        Verdict::Restore(trial.before)
    }

    /// As much may be lost: what the link loses anyway, and what chance adds to that.
    fn tolerated(&self) -> f64 {
        let expected = self.inherent.max(0.01);
        // What is lost in a row is lost for one reason, so it says no more than one loss.
        let independent = (self.told / self.burst()).max(1.0);
        let deviation = (expected * (1.0 - expected) / independent).sqrt();
        self.inherent + 0.02 + 3.0 * deviation
    }

    fn burst(&self) -> f64 {
        if self.bursts < 0.5 { 1.0 } else { (self.lost / self.bursts).clamp(1.0, 20.0) }
    }
}

/// How long a packet counts, in milliseconds.
const MEMORY: f64 = 1000.0;
/// Fewer packets than this prove nothing.
const ENOUGH: f64 = 25.0;
/// So many losses are awaited in a trial, if as much is lost as before, so that chance alone does not halve them.
const EXPECTED: f64 = 6.0;
/// What is lost until the queue has drained does not count.
const SETTLING: f64 = 150.0;
/// How long is waited until less is sent, in milliseconds.
const PATIENCE: f64 = 1500.0;
/// A link that loses more than this is not worth filling.
const MOST_INHERENT: f64 = 0.25;

#[cfg(test)]
mod tests {
    use super::*;

    /// Twenty seconds at 100 packets a second over a link that loses `percent` of everything and all
    /// beyond `capacity`: what the estimate, once 1000, has come to.
    fn check(percent: f64, capacity: f64) -> f64 {
        let (mut loss, mut estimate) = (Loss::new(), 1000.0f64);
        let mut owed = 0.0;
        for step in 0..200 {
            let now = f64::from(step) * 100.0;
            let passes = (capacity / estimate).min(1.0) * (1.0 - percent / 100.0);
            owed += 10.0 * (1.0 - passes);
            let lost = owed as u32;
            owed -= f64::from(lost);
            let arrived = 10 - lost.min(10);
            loss.told(now, &Tally { arrived, lost, late: 0, bursts: lost });
            let delivered = estimate * passes;
            let rates = Rates { estimate, sent: estimate, delivered, round_trip: 50.0 };
            match loss.judge(now, &rates) {
                Verdict::Keep => {}
                Verdict::Cut(to) => {
                    assert!(to < estimate);
                    estimate = to;
                }
                Verdict::Restore(to) => {
                    assert!(to > estimate);
                    estimate = to;
                }
            }
        }
        estimate
    }

    #[test]
    fn loss_that_does_not_depend_on_the_rate_is_borne() {
        for percent in [0.0, 2.0, 5.0, 10.0, 20.0] {
            assert_eq!(check(percent, 1e9), 1000.0, "{percent}");
        }
    }

    #[test]
    fn loss_of_what_is_too_much_lowers_the_estimate_to_what_arrives() {
        for capacity in [800.0, 500.0, 200.0] {
            let estimate = check(0.0, capacity);
            assert!((0.7..1.03).contains(&(estimate / capacity)), "{capacity}: {estimate}");
        }
        let both = check(5.0, 500.0);
        assert!((0.6..1.1).contains(&(both / 500.0)), "{both}");
    }

    #[test]
    fn a_burst_now_and_then_is_no_reason() {
        let mut loss = Loss::new();
        for step in 0..400 {
            let lost = if step % 16 == 7 { 5 } else { 0 };
            let tally = Tally { arrived: 10 - lost, lost, late: 0, bursts: lost.min(1) };
            loss.told(f64::from(step) * 100.0, &tally);
            let rates = Rates { estimate: 1e6, sent: 1e6, delivered: 1e6, round_trip: 50.0 };
            assert_eq!(loss.judge(f64::from(step) * 100.0, &rates), Verdict::Keep, "{step}");
        }
    }

    #[test]
    fn packets_that_were_only_late_are_no_loss() {
        let mut loss = Loss::new();
        loss.told(0.0, &Tally { arrived: 50, lost: 50, late: 0, bursts: 50 });
        loss.told(10.0, &Tally { arrived: 50, lost: 0, late: 50, bursts: 0 });
        assert!(loss.ratio() < 0.01);
    }
}
