//! The far side transfers the call (RFC 3515): another number is called over the same bridge, and takes
//! the place of the first when it answers. It is priced and routed like any other call, and its record is
//! one of its own; the first goes on until then. Where that number is already talking to whoever transfers
//! (attended, RFC 3891), the call is one over the same trunk that says which dialog it replaces.
//!
//! The far side may move to another phone of its own, too, which then calls in place of the first. That
//! changes the dialog and where media goes, but neither what is paid nor for how long: same record.

use core::time::Duration;

use offhook_billing::cdr::{Direction, Ender};
use offhook_bridge::Order;
use offhook_sip::agent::{Body, Command as Sip, Ended, Event as SipEvent, Handle};
use offhook_sip::header::{Name, Replaces};
use offhook_sip::text::Text;
use offhook_sip::uri::Uri;
use offhook_types::phone::{Cause, Event};
use offhook_types::{CdrId, Dialed, Number};

use super::ending::Ending;
use super::outgoing::{Attempt, Plan, Try, invite};
use super::words::{Authorized, Dial, Refused, Takeover};
use super::{Leg, Line, Now, OpenRefused, Output};

/// A transfer from the REFER to its answer or failure.
#[derive(Debug)]
pub(super) struct Transfer {
    /// Who asked: told how it goes.
    asked_by: Handle,
    to: Dialed,
    /// What the new call takes the place of at the far side.
    replaces: Option<Replaces>,
    pub(super) attempt: Option<Attempt>,
}

impl Leg {
    /// The far side asks us to call somebody else.
    pub(super) fn referred(&mut self, to: &Uri, replaces: Option<Replaces>) {
        let Some(attempt) = &self.attempt else { return };
        let asked_by = attempt.handle;
        let number = to.subscriber().and_then(|text| text.parse::<Number>().ok());
        let allowed = attempt.trunk.settings.transfers
            && self.direction == Direction::Out
            && self.transfer.is_none()
            && self.transfers < self.limits.redirections;
        let (Some(number), Some(user), true) = (number, self.user, allowed) else {
            return self.sip(asked_by, Sip::ReferStatus { status: 603 });
        };
        self.transfers += 1;
        let to = Dialed::Number(number);
        self.transfer = Some(Transfer { asked_by, to: to.clone(), replaces, attempt: None });
        self.sip(asked_by, Sip::ReferStatus { status: 100 });
        let dial =
            Dial { user, to, quote: None, pinned: None, redirected_from: None, anonymous: false };
        self.say(Output::Authorize(dial));
    }

    /// Routing has answered.
    pub(super) fn transfer_authorized(
        &mut self,
        now: Now,
        result: Result<Box<Authorized>, Refused>,
    ) {
        let (Some(opened), Some(transfer)) = (self.opened_bridge(), &mut self.transfer) else {
            return;
        };
        let Ok(authorized) = result else { return self.transfer_failed(403) };
        let mut plan = Plan::from(*authorized);
        if transfer.replaces.is_some() {
            // No other carrier knows the dialog that is replaced.
            let same = self.attempt.as_ref().map(|attempt| attempt.trunk.id());
            plan.ways.retain(|way| Some(way.trunk.id()) == same);
        }
        let Some(mut way) = plan.ways.pop_front() else { return self.transfer_failed(404) };
        way.why = format!("transfer; {}", way.why);
        let try_ = Try {
            ids: (CdrId::random(&mut self.rng), Handle(self.rng.next_u64() >> 1)),
            line: Line::new(&mut self.rng, &way.trunk, opened.carrier, &way.secret.0),
            of: (self.phone, self.user),
            to: transfer.to.clone(),
            // After every try that the first number may have had.
            nth: u16::from(self.transfers).saturating_add(self.limits.attempts),
        };
        let (attempt, opening) = plan.over(now, way, try_);
        transfer.attempt = Some(attempt);
        self.say(Output::Open(Box::new(opening)));
    }

    /// The books have answered.
    pub(super) fn transfer_opened(&mut self, now: Now, result: Result<(), OpenRefused>) {
        let ring = self.limits.ring;
        let phone = self.phone;
        let Some(Transfer { replaces, attempt: Some(attempt), .. }) = &mut self.transfer else {
            return;
        };
        if result.is_err() {
            self.transfer_failed(503);
            return;
        }
        attempt.open = true;
        let mut command = invite(now, phone, attempt, ring);
        if let (Sip::Invite(invite), Some(replaces)) = (&mut command, replaces) {
            invite.headers.push((Name::Replaces, Text::from(&*replaces)));
        }
        let handle = attempt.handle;
        self.sip(handle, command);
    }

    /// The agent says something of the other call.
    pub(super) fn transfer_said(&mut self, now: Now, event: SipEvent) {
        match event {
            SipEvent::Provisional { status, .. } => self.transfer_progressed(now, status),
            SipEvent::Answered { body, .. } => self.transfer_answered(now, body),
            SipEvent::Ended(ended) => {
                self.close_transfer(now, &ended);
                self.transfer_failed(ended.status.max(300));
            }
            _ => {}
        }
    }

    fn transfer_progressed(&mut self, now: Now, status: u16) {
        let Some(transfer) = &mut self.transfer else { return };
        if let Some(attempt) = &mut transfer.attempt {
            attempt.got_through(now.time);
        }
        let asked_by = transfer.asked_by;
        if (101..200).contains(&status) {
            self.sip(asked_by, Sip::ReferStatus { status });
        }
    }

    fn transfer_answered(&mut self, now: Now, body: Option<Body>) {
        let Some(Transfer { asked_by, attempt: Some(mut attempt), .. }) = self.transfer.take()
        else {
            return;
        };
        let carrier = body.and_then(|body| attempt.line.take_answer(&body.bytes).ok());
        let Some(carrier) = carrier else {
            self.sip(attempt.handle, Sip::HangUp { reason: None });
            self.close(&mut attempt, &Ending::unfit(now), Duration::ZERO);
            return self.sip(asked_by, Sip::ReferStatus { status: 488 });
        };
        attempt.known.times.answered = Some(now.wall);
        self.sip(asked_by, Sip::ReferStatus { status: 200 });
        // The first call is over: its record is closed with the time until now.
        self.sip(asked_by, Sip::HangUp { reason: None });
        self.close_attempt(&Ending::of_person(now, Ender::Callee, Cause::HungUp));
        self.attempt = Some(attempt);
        self.order(Order::SetCarrier(Box::new(carrier)));
        self.begin_talking(now);
    }

    /// A phone of the carrier calls in place of the one that is talked to (RFC 3891 §3).
    pub(super) fn taken_over(&mut self, handle: Handle, takeover: Takeover) {
        let opened = self.opened_bridge().filter(|_| self.is_talking());
        let (Some(opened), Some(attempt)) = (opened, &mut self.attempt) else {
            return self.sip(handle, refusal(481));
        };
        if self.transfer.is_some() {
            return self.sip(handle, refusal(491));
        }
        let Takeover { offer, secret } = takeover;
        let mut line = Line::new(&mut self.rng, &attempt.trunk, opened.carrier, &secret.0);
        let (body, carrier) = match offer {
            // Their answer comes with the ACK.
            None => (line.offer(), None),
            Some(offer) => match line.take_offer(&offer.bytes) {
                Ok((body, carrier)) => (body, Some(carrier)),
                Err(_) => return self.sip(handle, refusal(488)),
            },
        };
        attempt.line = line;
        let first = core::mem::replace(&mut attempt.handle, handle);
        let hold = self.held.by_us.then(|| Body::sdp(attempt.line.hold(true)));
        tracing::info!(phone = %self.phone, "the far side has moved to another phone");
        self.sip(handle, Sip::Answer { body: Some(Body::sdp(body)) });
        self.sip(first, Sip::HangUp { reason: None });
        if let Some(carrier) = carrier {
            self.order(Order::SetCarrier(Box::new(carrier)));
        }
        if let Some(body) = hold {
            self.sip(handle, Sip::Reoffer { body });
        }
        if core::mem::take(&mut self.held.by_them) {
            self.tell(Event::Held { phone: self.phone, held: false });
        }
    }

    /// Tell who asked, and go on as before.
    fn transfer_failed(&mut self, status: u16) {
        if let Some(transfer) = self.transfer.take() {
            self.sip(transfer.asked_by, Sip::ReferStatus { status });
        }
    }

    fn close_transfer(&mut self, now: Now, ended: &Ended) {
        let attempt = self.transfer.as_mut().and_then(|transfer| transfer.attempt.take());
        if let Some(mut attempt) = attempt {
            self.close(&mut attempt, &Ending::of_refusal(now, ended), Duration::ZERO);
        }
    }

    /// The leg is over, and so is what should have taken its place. A record that is still being opened
    /// is closed when the books have answered.
    pub(super) fn end_transfer(&mut self, now: Now) {
        let Some(Transfer { attempt: Some(mut attempt), .. }) = self.transfer.take() else {
            return;
        };
        if attempt.open {
            self.sip(attempt.handle, Sip::HangUp { reason: None });
            self.close(&mut attempt, &Ending::ours(now, Cause::Cancelled), Duration::ZERO);
        } else {
            self.orphans.push(attempt);
        }
    }

    /// The books have answered about an attempt that nobody waits for any more.
    pub(super) fn orphan_opened(&mut self, now: Now, cdr: CdrId, opened: bool) {
        let Some(place) = self.orphans.iter().position(|attempt| attempt.cdr == cdr) else {
            return;
        };
        let mut attempt = self.orphans.swap_remove(place);
        if opened {
            attempt.open = true;
            self.close(&mut attempt, &Ending::ours(now, Cause::Cancelled), Duration::ZERO);
        }
    }
}

fn refusal(status: u16) -> Sip {
    Sip::Reject { status, reason: None, retry_after: None, contacts: Vec::new() }
}
