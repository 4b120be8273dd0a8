//! Provisional responses that are confirmed (RFC 3262), on the side of the callee.

use offhook_types::Time;

use super::{Clock, Phase};
use crate::agent::{Agent, Body, By, Ended, Event, Handle, Misdeed, TxId, body_of};
use crate::header::Name;
use crate::message::{Request, Response};
use crate::transaction::Repeat;

/// A reliable provisional response that was not confirmed yet. There is one at a time.
#[derive(Debug)]
pub(crate) struct Outstanding {
    number: u32,
    repeat: Repeat,
    until: Time,
    /// Its body is an offer.
    is_offer: bool,
}

impl Agent {
    /// Numbers a provisional response and repeats it until it is confirmed (RFC 3262 §3).
    pub(super) fn make_reliable(
        &mut self,
        handle: Handle,
        response: &mut Response,
        body: Option<Body>,
    ) {
        let timers = self.config.timers;
        let Some(call) = self.calls.get_mut(&handle) else { return };
        call.rseq += 1;
        response.headers.push(Name::Require, "100rel");
        response.headers.push(Name::RSeq, call.rseq);
        let repeat = Repeat::new(self.now, timers.t1, timers.patience());
        let is_offer = body.is_some() && !call.offer_in_invite && !call.described;
        call.described |= body.is_some();
        call.body = body.or(call.body.take());
        let until = self.now + timers.patience();
        call.reliable = Some(Outstanding { number: call.rseq, repeat, until, is_offer });
        self.clock(handle, Clock::Reliable, timers.t1);
    }

    pub(super) fn reliable_timeout(&mut self, handle: Handle) {
        let now = self.now;
        let Some(call) = self.call_mut(handle, Phase::Ringing) else { return };
        let (Some(tx), Some(outstanding)) = (call.server, &mut call.reliable) else { return };
        if now >= outstanding.until {
            self.stats.misdeeds.add(Misdeed::NoPrack);
            self.respond_plain(tx, 504);
            return self.end(handle, Ended::new(By::Timer, 504));
        }
        outstanding.repeat.again(now);
        let next = outstanding.repeat.at.min(outstanding.until);
        self.repeat_response(tx);
        self.clock(handle, Clock::Reliable, next.since(now));
    }

    /// A PRACK came.
    pub(super) fn prack_came(&mut self, handle: Handle, tx: TxId, request: &Request) {
        let Some(call) = self.calls.get_mut(&handle) else { return };
        let invite = call.server.and_then(|tx| self.request_of(tx));
        let invite = invite.and_then(|invite| invite.headers.cseq().ok());
        let Some(call) = self.calls.get_mut(&handle) else { return };
        let confirmed = match (request.headers.rack(), &call.reliable) {
            (Ok(rack), Some(outstanding)) => {
                rack.response == outstanding.number && Some(rack.request) == invite
            }
            _ => false,
        };
        let Some(outstanding) = call.reliable.take_if(|_| confirmed) else {
            self.stats.misdeeds.add(Misdeed::NoDialog);
            return self.respond_plain(tx, 481);
        };
        self.stop_clock(handle, Clock::Reliable);
        let body = body_of(&request.headers, &request.body);
        if outstanding.is_offer || body.is_none() {
            self.respond_plain(tx, 200);
            self.event(handle, Event::Confirmed { body });
        } else {
            self.event(handle, Event::Confirmed { body: None });
            self.offered(handle, tx, body);
        }
        self.say_next(handle);
    }

    /// What waited for the PRACK.
    pub(super) fn say_next(&mut self, handle: Handle) {
        while let Some(call) = self.call_mut(handle, Phase::Ringing) {
            if call.reliable.is_some() {
                return;
            }
            let Some(command) = call.queue.pop_front() else { return };
            self.callee_says(handle, command);
        }
    }
}
