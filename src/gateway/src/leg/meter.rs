//! Money while talking: when to ask for the next slice, when to warn, when to cut off.

use std::time::Duration;

use offhook_billing::authorize::{Allowance, Next, Progress};
use offhook_billing::rate::Rate;
use offhook_bridge::{Side, Sound, Tone};
use offhook_types::phone::{Cause, Event};
use offhook_types::{AccountId, Micros, Time};

use super::ending::Ending;
use super::{Leg, Now, OpenRefused, Output};

/// The meter of one call.
#[derive(Debug)]
pub(super) struct Meter {
    pub(super) account: AccountId,
    pub(super) rate: Rate,
    pub(super) answered: Time,
    reserved: Micros,
    next: Next,
    /// An answer of the books is awaited.
    asked: bool,
    warned: bool,
    /// Do not ask before this.
    ask_after: Time,
    /// An emergency call is never cut off for money or time.
    unlimited: bool,
}

/// Between two questions to books that do not answer well, or to a balance that was too small.
const ASK_AGAIN: Duration = Duration::from_secs(2);

impl Meter {
    pub(super) fn new(
        now: Time,
        account: AccountId,
        allowance: &Allowance,
        unlimited: bool,
    ) -> Self {
        Self {
            account,
            rate: allowance.rate,
            answered: now,
            reserved: allowance.total,
            next: allowance.next,
            asked: false,
            warned: false,
            ask_after: Time::ZERO,
            unlimited,
        }
    }

    /// When something is to be done.
    pub(super) fn due(&self) -> Time {
        if self.unlimited {
            return Time::MAX;
        }
        let at = |span: Duration| self.answered + span;
        let ends = at(self.next.ends());
        match self.next {
            Next::Extend { at: ask, .. } if !self.asked => at(ask).max(self.ask_after).min(ends),
            Next::Extend { .. } => ends,
            Next::Cut { warn_at, .. } if !self.warned => at(warn_at).min(ends),
            Next::Cut { .. } => ends,
        }
    }

    /// How long it was talked until then. A timer that fires late is no reason to charge for more than was
    /// set aside.
    pub(super) fn talked(&self, until: Time) -> Duration {
        let talked = until.since(self.answered);
        if self.unlimited { talked } else { talked.min(self.next.ends()) }
    }

    fn progress(&self, now: Time) -> Progress {
        Progress { talked: now.since(self.answered), reserved: self.reserved }
    }
}

impl Leg {
    /// Do what the meter wants by now.
    pub(super) fn meter_due(&mut self, now: Now) {
        while self.is_talking() && self.meter.as_ref().is_some_and(|meter| meter.due() <= now.time)
        {
            self.meter_step(now);
        }
    }

    fn meter_step(&mut self, now: Now) {
        let Some(meter) = &mut self.meter else { return };
        let talked = now.time.since(meter.answered);
        if talked >= meter.next.ends() {
            let cause = match meter.next {
                Next::Cut { cause, .. } => cause,
                // The books did not answer in time: what is paid for is over.
                Next::Extend { .. } => Cause::Server,
            };
            return self.end(now, Ending::ours(now, cause));
        }
        match meter.next {
            Next::Extend { .. } => self.ask(now),
            Next::Cut { at, cause, .. } => {
                meter.warned = true;
                let left = at.saturating_sub(talked);
                self.warn(left, cause);
            }
        }
    }

    fn ask(&mut self, now: Now) {
        let (Some(meter), Some(attempt)) = (&mut self.meter, &self.attempt) else { return };
        if meter.asked || meter.unlimited {
            return;
        }
        meter.asked = true;
        let (cdr, account, rate) = (attempt.cdr, meter.account, meter.rate);
        let progress = meter.progress(now.time);
        self.say(Output::Extend { cdr, account, rate, progress });
    }

    /// Money came in: if the call was about to be cut off for want of it, ask.
    pub(super) fn ask_again(&mut self, now: Now) {
        let short = self
            .meter
            .as_ref()
            .is_some_and(|meter| matches!(meter.next, Next::Cut { cause: Cause::CreditEnded, .. }));
        if self.is_talking() && short {
            self.ask(now);
        }
    }

    /// The books answered.
    pub(super) fn extended(&mut self, now: Now, result: Result<Allowance, OpenRefused>) {
        let Some(meter) = &mut self.meter else { return };
        meter.asked = false;
        match result {
            Ok(allowance) => {
                meter.reserved = allowance.total;
                // Warned once and then paid for anew: the next end is warned of again.
                meter.warned &= matches!(allowance.next, Next::Cut { .. });
                meter.next = allowance.next;
            }
            Err(OpenRefused::Unavailable | OpenRefused::TrunkFull) => {
                meter.ask_after = now.time + ASK_AGAIN;
            }
            Err(refused) => {
                let at = meter.next.ends();
                let cause = match refused {
                    OpenRefused::NotPermitted => Cause::NotPermitted,
                    _ => Cause::CreditEnded,
                };
                let warn_at = now.time.since(meter.answered);
                meter.next = Next::Cut { warn_at, at, cause };
            }
        }
    }

    fn warn(&mut self, left: Duration, cause: Cause) {
        self.tell(Event::Warning { phone: self.phone, left, cause });
        let sound = Sound::Announcement { name: "cut-off".into(), otherwise: Tone::Warning };
        self.play(Side::Room, sound, 1);
    }
}
