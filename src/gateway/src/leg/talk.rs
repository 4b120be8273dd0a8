//! An answered call: keys, hold, new offers from the far side, transfers, loss of media.

use core::time::Duration;

use offhook_billing::cdr::{Direction, Ender};
use offhook_bridge::{Order, Play, Side, Sound};
use offhook_sip::agent::{Body, Command as Sip, Event as SipEvent};
use offhook_types::Time;
use offhook_types::phone::{Cause, Digit, Event};

use super::ending::Ending;
use super::meter::Meter;
use super::{Leg, Now, Stage};
use crate::trunk::Dtmf;

impl Leg {
    /// It was answered: money runs from here.
    pub(super) fn begin_talking(&mut self, now: Now) {
        let Some(attempt) = &self.attempt else { return };
        self.meter = Some(match &attempt.allowance {
            Some(allowance) => Meter::new(now.time, attempt.account, allowance, attempt.emergency),
            None => Meter::free(now.time, attempt.account),
        });
        self.due = None;
        self.stage = Stage::Talking;
        tracing::info!(phone = %self.phone, "phone leg answered");
        if self.direction == Direction::Out {
            self.tell(Event::Answered { phone: self.phone, at: now.wall });
        }
        self.update_record();
    }

    /// The agent says something of the call.
    pub(super) fn talking_said(&mut self, now: Now, event: SipEvent) {
        match event {
            SipEvent::Ended(ended) => {
                let far = match self.direction {
                    Direction::Out => Ender::Callee,
                    Direction::In => Ender::Caller,
                };
                self.end(now, Ending::of_dialog(now, &ended, far));
            }
            SipEvent::Reoffer { body } => self.reoffered(body),
            SipEvent::ReofferAnswered { body: Some(body) } => self.take_answer(&body),
            // The far side cannot change now; what it hears is ours to change all the same.
            SipEvent::ReofferFailed { .. } => {}
            SipEvent::Confirmed { body } => self.confirmed(now, body),
            SipEvent::Info { body } => self.info(now, &body),
            SipEvent::Referred { to, replaces, .. } => self.referred(&to, replaces),
            _ => {}
        }
    }

    /// The far side has our answer, or answers our offer.
    pub(super) fn confirmed(&mut self, now: Now, body: Option<Body>) {
        let agreed = self.attempt.as_ref().is_some_and(|attempt| attempt.line.is_agreed());
        match body {
            Some(body) => {
                self.take_answer(&body);
            }
            None if agreed => {}
            None => self.end(now, Ending::unfit(now)),
        }
    }

    fn take_answer(&mut self, body: &Body) {
        let carrier = self.attempt.as_mut().and_then(|at| at.line.take_answer(&body.bytes).ok());
        if let Some(carrier) = carrier {
            self.order(Order::SetCarrier(Box::new(carrier)));
        }
    }

    /// The far side offers anew, or asks for an offer.
    pub(super) fn reoffered(&mut self, body: Option<Body>) {
        let Some(attempt) = &mut self.attempt else { return };
        let handle = attempt.handle;
        let Some(offer) = body else {
            let result = Ok(Body::sdp(attempt.line.offer()));
            return self.sip(handle, Sip::Reply { result });
        };
        match attempt.line.take_offer(&offer.bytes) {
            Ok((body, carrier)) => {
                let held = attempt.line.is_held();
                self.order(Order::SetCarrier(Box::new(carrier)));
                self.sip(handle, Sip::Reply { result: Ok(Body::sdp(body)) });
                if held != self.held.by_them && self.is_talking() {
                    self.held.by_them = held;
                    self.tell(Event::Held { phone: self.phone, held });
                }
            }
            Err(_) => self.sip(handle, Sip::Reply { result: Err(488) }),
        }
    }

    /// Hold the phone, or take it back.
    pub(super) fn hold(&mut self, held: bool) {
        if !self.is_talking() || self.held.by_us == held {
            return;
        }
        self.held.by_us = held;
        self.order(Order::Hold(held));
        let Some(attempt) = &mut self.attempt else { return };
        let body = Body::sdp(attempt.line.hold(held));
        let handle = attempt.handle;
        self.sip(handle, Sip::Reoffer { body });
    }

    /// Press keys.
    pub(super) fn press(&mut self, digits: &[Digit]) {
        let Some(trunk) = self.trunk() else { return };
        if trunk.settings.dtmf != Dtmf::Info {
            return self.order(Order::Press(digits.to_vec()));
        }
        let Some(handle) = self.dialog().filter(|_| self.is_talking()) else { return };
        for digit in digits {
            let text = format!("Signal={}\r\nDuration={INFO_MS}\r\n", digit.face());
            let body = Body { kind: "application/dtmf-relay".into(), bytes: text.into_bytes() };
            self.sip(handle, Sip::Info { body });
        }
    }

    /// A key came as SIP INFO.
    pub(super) fn info(&mut self, now: Now, body: &Body) {
        if let Some(digit) = read_info(body) {
            self.digit(now, digit);
        }
    }

    /// A key was pressed on the phone. Only a PIN is listened to.
    pub(super) fn digit(&mut self, now: Now, digit: Digit) {
        self.pin_digit(now, digit);
    }

    /// No sound for too long.
    pub(super) fn media_lost(&mut self, now: Now, from: Side) {
        if !self.is_talking() {
            return;
        }
        match from {
            Side::Carrier => {
                let last = self.attempt.as_ref().and_then(|at| at.known.times.last_in);
                // A far side that was never heard has been silent since the answer.
                let silent = last.map_or(Duration::MAX, |last| {
                    Duration::from_millis(now.wall.0.saturating_sub(last.0))
                });
                self.end(now, Ending::media_lost(now, silent));
            }
            // Our own relay: call control ends the call when its person is gone, so this is a fault.
            Side::Room => self.end(now, Ending::ours(now, Cause::Server)),
        }
    }

    /// Call control ends the leg.
    pub(super) fn hang_up(&mut self, now: Now, cause: Cause) {
        let ours = match self.direction {
            Direction::Out => Ender::Caller,
            Direction::In => Ender::Callee,
        };
        let by = match cause {
            Cause::HungUp | Cause::Cancelled | Cause::Declined | Cause::Busy => ours,
            _ => Ender::House,
        };
        self.end(now, Ending::of_person(now, by, cause));
    }

    pub(super) fn play(&mut self, to: Side, sound: Sound, times: u8) {
        let country = self.country();
        self.order(Order::Play(Play { to, sound, country, times }));
    }
}

/// A key pressed for this long, as `application/dtmf-relay` says it.
const INFO_MS: u32 = 160;

/// `application/dtmf-relay` has `Signal=5`; `application/dtmf` is the key alone.
fn read_info(body: &Body) -> Option<Digit> {
    let text = core::str::from_utf8(&body.bytes).ok()?;
    let kind = body.kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let face = match kind.as_str() {
        "application/dtmf-relay" => text.lines().find_map(|line| {
            let (name, value) = line.split_once('=')?;
            name.trim().eq_ignore_ascii_case("signal").then(|| value.trim())
        })?,
        "application/dtmf" => text.trim(),
        _ => return None,
    };
    match face {
        "10" => Digit::from_face('*'),
        "11" => Digit::from_face('#'),
        _ => face.chars().next().filter(|_| face.len() == 1).and_then(Digit::from_face),
    }
}

impl Meter {
    /// A call that costs its account nothing.
    fn free(now: Time, account: offhook_types::AccountId) -> Self {
        let allowance = offhook_billing::authorize::Allowance {
            rate: offhook_billing::rate::Rate::FREE,
            amount: offhook_types::Micros::ZERO,
            total: offhook_types::Micros::ZERO,
            next: offhook_billing::authorize::Next::Extend {
                at: core::time::Duration::MAX,
                covers: core::time::Duration::MAX,
            },
        };
        Self::new(now, account, &allowance, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_in_info_are_read() {
        let check = |kind: &str, text: &str, expect: Option<char>| {
            let body = Body { kind: kind.into(), bytes: text.into() };
            assert_eq!(read_info(&body).map(Digit::face), expect, "{kind} {text}");
        };
        check("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n", Some('5'));
        check("application/dtmf-relay", "signal = #\r\n", Some('#'));
        check("application/dtmf-relay", "Signal=10\n", Some('*'));
        check("Application/DTMF; x=y", "9", Some('9'));
        check("application/dtmf", "55", None);
        check("application/dtmf-relay", "Duration=160", None);
        check("text/plain", "5", None);
        check("application/dtmf", "\u{e9}", None);
    }
}
