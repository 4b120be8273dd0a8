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
    /// Once packets from after the cut are counted: how much more likely what became of them is if as many are lost as
    /// before than if hardly any is, as a logarithm (Wald's sequential test).
    evidence: Option<f64>,
}

impl Loss {
    pub(super) const fn new() -> Self {
        Self { told: 0.0, lost: 0.0, bursts: 0.0, faded_at: 0.0, inherent: 0.0, trial: None }
    }

    /// Feedback told of packets.
    pub(super) fn told(&mut self, now: f64, tally: &Tally) {
        let elapsed = (now - self.faded_at).clamp(0.0, 10.0 * MEMORY);
        // What a trial counts is not forgotten before it is over.
        let evidence = self.trial.as_mut().and_then(|trial| trial.weigh(tally, self.inherent));
        let kept = if evidence.is_some() { 1.0 } else { (-elapsed / MEMORY).exp() };
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

    /// Nothing is heard of what is sent, so a cut of ours proves nothing any more.
    pub(super) fn abandon(&mut self) {
        self.trial = None;
    }

    /// The estimate was lowered to this part of itself for another reason. Whether as much is lost as before shows even
    /// so, but an estimate that is restored is lower by as much.
    pub(super) fn lowered(&mut self, part: f64) {
        if let Some(trial) = &mut self.trial {
            trial.before *= part;
            trial.after *= part;
        }
    }

    pub(super) fn judge(&mut self, now: f64, rates: &Rates) -> Verdict {
        let ratio = self.ratio();
        if let Some(trial) = self.trial {
            return self.judge_trial(now, trial, rates);
        }
        if self.told < ENOUGH {
            return Verdict::Keep;
        }
        // Less by more than chance: the link has become better.
        if ratio < self.inherent - 2.0 * self.deviation() {
            self.inherent += (ratio - self.inherent) * 0.02;
        }
        if ratio <= self.tolerated() {
            return Verdict::Keep;
        }
        let after = (rates.delivered * 0.95).min(rates.estimate);
        let (before, loss, burst) = (rates.estimate, ratio, self.burst());
        self.trial = Some(Trial { before, after, loss, burst, since: now, evidence: None });
        Verdict::Cut(after)
    }

    fn judge_trial(&mut self, now: f64, mut trial: Trial, rates: &Rates) -> Verdict {
        let elapsed = now - trial.since;
        let Some(evidence) = trial.evidence else {
            // Layers are switched at key frames, which takes a moment.
            let obeyed = rates.sent <= trial.after * 1.1 || elapsed > PATIENCE;
            if elapsed > rates.round_trip + SETTLING && obeyed {
                (self.told, self.lost, self.bursts) = (0.0, 0.0, 0.0);
                trial.evidence = Some(0.0);
            }
            self.trial = Some(trial);
            return Verdict::Keep;
        };
        if evidence.abs() < CERTAIN && elapsed < 3.0 * PATIENCE {
            return Verdict::Keep;
        }
        self.trial = None;
        let ratio = self.ratio();
        if evidence < 0.0 || ratio > MOST_INHERENT {
            return Verdict::Keep;
        }
        self.inherent = ratio.min(trial.loss);
        Verdict::Restore(trial.before)
    }

    /// As much may be lost: what the link loses anyway, and what chance adds to that.
    fn tolerated(&self) -> f64 {
        self.inherent + 0.02 + 3.0 * self.deviation()
    }

    /// By as much the part that is lost differs by chance from what the link loses anyway.
    fn deviation(&self) -> f64 {
        let expected = self.inherent.max(0.01);
        // What is lost in a row is lost for one reason, so it says no more than one loss.
        let independent = (self.told / self.burst()).max(1.0);
        (expected * (1.0 - expected) / independent).sqrt()
    }

    fn burst(&self) -> f64 {
        if self.bursts < 0.5 { 1.0 } else { (self.lost / self.bursts).clamp(1.0, 20.0) }
    }
}

impl Trial {
    /// Count what became of packets, if it is time. The evidence then.
    fn weigh(&mut self, tally: &Tally, inherent: f64) -> Option<f64> {
        let evidence = self.evidence.as_mut()?;
        // A trial begins when much happens to be lost, so usually somewhat less is.
        let as_before = (self.loss * USUALLY / self.burst).min(0.9);
        let gone = (as_before * HARDLY).max((inherent / self.burst).min(as_before / 2.0));
        let losses = f64::from(tally.bursts) - f64::from(tally.late);
        *evidence += losses * (as_before / gone).ln()
            + f64::from(tally.arrived) * ((1.0 - as_before) / (1.0 - gone)).ln();
        self.evidence
    }
}

/// How long a packet counts, in milliseconds.
const MEMORY: f64 = 1000.0;
/// Fewer packets than this prove nothing.
const ENOUGH: f64 = 25.0;
/// As sure a trial has to be of either end: e^4 is more than fifty to one.
const CERTAIN: f64 = 4.0;
/// What is lost in truth, of what is seen lost when a trial begins.
const USUALLY: f64 = 0.75;
/// What is still lost, of what was, when the cause is gone.
const HARDLY: f64 = 0.125;
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
    fn a_cut_for_another_reason_meanwhile_does_not_end_a_trial() {
        let (mut loss, mut estimate, mut restored) = (Loss::new(), 1000.0, None);
        for step in 0..100 {
            loss.told(f64::from(step) * 100.0, &Tally { arrived: 9, lost: 1, late: 0, bursts: 1 });
            let (sent, delivered) = (estimate, estimate * 0.9);
            let rates = Rates { estimate, sent, delivered, round_trip: 50.0 };
            match loss.judge(f64::from(step) * 100.0, &rates) {
                Verdict::Keep => {}
                Verdict::Cut(to) => {
                    estimate = to / 2.0;
                    loss.lowered(0.5);
                }
                Verdict::Restore(to) => restored = Some(to),
            }
        }
        assert_eq!(restored, Some(500.0));
    }

    #[test]
    fn packets_that_were_only_late_are_no_loss() {
        let mut loss = Loss::new();
        loss.told(0.0, &Tally { arrived: 50, lost: 50, late: 0, bursts: 50 });
        loss.told(10.0, &Tally { arrived: 50, lost: 0, late: 50, bursts: 0 });
        assert!(loss.ratio() < 0.01);
    }
}
