//! Changing a session: offers after the first, by re-INVITE and UPDATE, from either side, and what
//! happens when both offer at once (RFC 3261 §14, RFC 3311).

use core::time::Duration;

use super::{Call, Clock, Phase, set_body};
use crate::agent::{
    Agent, Body, Errand, Event, Failure, Handle, Misdeed, TxId, body_of, response_body,
};
use crate::header::Name;
use crate::message::{Method, Request, Response};

/// An offer or refresh of ours that is under way, or waits after glare.
#[derive(Debug)]
pub(crate) struct Ours {
    /// What is offered; `None` for a refresh that offers nothing.
    body: Option<Body>,
    method: Method,
    errand: Errand,
    tries: u8,
}

/// Two sides that draw their waits at random part within a few tries.
const MOST_TRIES: u8 = 6;

impl Agent {
    /// An offer of ours. It waits for its turn where another is under way.
    pub(super) fn reoffer(&mut self, handle: Handle, body: Body) {
        let Some(call) = self.calls.get_mut(&handle) else { return };
        let method = match call.phase {
            Phase::Up => Method::Invite,
            Phase::Calling | Phase::Ringing if call.may_update() => Method::Update,
            // The ACK, or an answer, comes first.
            Phase::Answering | Phase::Offered => {
                call.next_offer = Some(body);
                return;
            }
            _ => return self.event(handle, Event::ReofferFailed { status: 405 }),
        };
        if call.ours.is_some() || call.theirs.is_some() || !call.unacked.is_empty() {
            call.next_offer = Some(body);
            return;
        }
        call.ours = Some(Ours { body: Some(body), method, errand: Errand::Reoffer, tries: 0 });
        self.offer_again(handle);
    }

    /// A refresh of the session (RFC 4028 §7.1); with an offer where UPDATE is not taken.
    pub(super) fn offer_refresh(&mut self, handle: Handle) -> bool {
        let Some(call) = self.call_mut(handle, Phase::Up) else { return false };
        if call.ours.is_some() || call.theirs.is_some() || !call.unacked.is_empty() {
            return false;
        }
        let updates = call.dialog.as_ref().is_some_and(|dialog| dialog.updates);
        let body = call.body.clone().filter(|_| !updates);
        let method = if updates { Method::Update } else { Method::Invite };
        call.ours = Some(Ours { body, method, errand: Errand::Refresh, tries: 0 });
        self.offer_again(handle);
        true
    }

    /// Sends what is offered, for the first time or after glare.
    pub(super) fn offer_again(&mut self, handle: Handle) {
        let Some(call) = self.calls.get_mut(&handle) else { return };
        let Some(ours) = &mut call.ours else { return };
        ours.tries += 1;
        let (method, body, errand) = (ours.method.clone(), ours.body.clone(), ours.errand);
        let early = call.forks.iter_mut().find(|fork| fork.described);
        let dialog = call.dialog.as_mut().or(early.map(|fork| &mut fork.dialog));
        let Some(dialog) = dialog else { return };
        let mut request = dialog.request(method);
        if let Some(body) = &body {
            let Request { headers, body: place, .. } = &mut request;
            set_body(headers, place, body);
        }
        self.introduce(&mut request.headers);
        self.keep_timer(handle, &mut request);
        self.ask(handle, errand, request);
    }

    /// What waited for its turn.
    pub(super) fn offer_next(&mut self, handle: Handle) {
        let next = self.calls.get_mut(&handle).and_then(|call| call.next_offer.take());
        if let Some(body) = next {
            self.reoffer(handle, body);
        }
    }

    /// The outcome of an offer or refresh of ours.
    pub(super) fn reoffer_done(
        &mut self,
        handle: Handle,
        errand: Errand,
        outcome: Result<Response, Failure>,
    ) {
        if self.lost_dialog(handle, &outcome) {
            return;
        }
        let Some(call) = self.calls.get_mut(&handle) else { return };
        let Some(ours) = &mut call.ours else { return };
        let status = outcome.as_ref().map_or_else(|failure| failure.status(), |r| r.status);
        if let Ok(response) = &outcome
            && response.is_success()
        {
            return self.reoffer_agreed(handle, response);
        }
        if status == 491 && ours.tries < MOST_TRIES {
            // RFC 3261 §14.1: the owner of the Call-ID waits longer, in steps of 10 ms.
            let theirs = call.dialog.as_ref().is_some_and(|dialog| dialog.theirs);
            let (from, steps) = if theirs { (0, 200) } else { (2_100, 190) };
            let wait = Duration::from_millis(from + 10 * u64::from(self.rng.below(steps + 1)));
            return self.clock(handle, Clock::Glare, wait);
        }
        if let (422, Ok(response)) = (status, &outcome)
            && ours.tries < MOST_TRIES
            && self.widen_interval(handle, response)
        {
            return self.offer_again(handle);
        }
        if let Some(call) = self.calls.get_mut(&handle) {
            call.ours = None;
        }
        match errand {
            Errand::Reoffer => self.event(handle, Event::ReofferFailed { status }),
            _ => self.refresh_failed(handle),
        }
        self.offer_next(handle);
    }

    fn reoffer_agreed(&mut self, handle: Handle, response: &Response) {
        let Some(call) = self.calls.get_mut(&handle) else { return };
        let Some(ours) = call.ours.take() else { return };
        let early = call.forks.iter_mut().map(|fork| &mut fork.dialog);
        if let Some(dialog) = call.dialog.iter_mut().chain(early).next()
            && ours.method == Method::Update
        {
            dialog.refresh(&response.headers);
        }
        let offered = ours.body.is_some();
        call.body = ours.body.or(call.body.take());
        let expires = response.headers.session_expires().ok().flatten();
        if self.calls.get(&handle).is_some_and(|call| call.phase == Phase::Up) {
            self.session_agreed(handle, expires, true);
        }
        if offered {
            self.event(handle, Event::ReofferAnswered { body: response_body(response) });
        }
        self.offer_next(handle);
    }

    /// A re-INVITE or UPDATE of theirs.
    pub(super) fn reoffer_came(&mut self, handle: Handle, tx: TxId, request: &Request) {
        let body = body_of(&request.headers, &request.body);
        let update = request.method == Method::Update;
        let refresh = update && body.is_none();
        let Some(call) = self.calls.get_mut(&handle) else { return };
        if !update && call.phase != Phase::Up {
            // Their ACK or our answer is still on its way: the same as two offers at once.
            return self.glare(tx);
        }
        if !refresh && (call.theirs.is_some() || update && call.undescribed()) {
            return self.later(tx);
        }
        // A refresh that offers nothing has nothing to collide with.
        if !refresh && call.ours.as_ref().is_some_and(|ours| ours.body.is_some()) {
            return self.glare(tx);
        }
        if !update && call.ours.is_some() {
            return self.glare(tx);
        }
        if let Some(response) = self.interval_too_small(tx, request) {
            return self.respond(tx, response);
        }
        let tag = request.headers.from().ok().and_then(|from| from.tag().cloned());
        if let Some(call) = self.calls.get_mut(&handle)
            && let Some(dialog) = call.dialog_with(&tag.unwrap_or_default())
        {
            dialog.refresh(&request.headers);
        }
        if refresh {
            let mut response = self.in_dialog(handle, tx, 200);
            self.answer_timer(handle, request, &mut response);
            return self.respond(tx, response);
        }
        self.offered(handle, tx, body);
    }

    /// They offer, and wait for [`Command::Reply`](crate::agent::Command::Reply).
    pub(super) fn offered(&mut self, handle: Handle, tx: TxId, body: Option<Body>) {
        if let Some(call) = self.calls.get_mut(&handle) {
            call.theirs = Some(tx);
        }
        self.event(handle, Event::Reoffer { body });
    }

    /// The reply to their offer.
    pub(super) fn reply_offer(&mut self, handle: Handle, result: Result<Body, u16>) {
        let taken = self.calls.get_mut(&handle).and_then(|call| call.theirs.take());
        let Some(tx) = taken.filter(|tx| self.is_undecided(*tx)) else { return };
        let Some(request) = self.request_of(tx).cloned() else { return };
        let body = match result {
            Ok(body) => body,
            Err(status) => {
                let status = if (300..700).contains(&status) { status } else { 488 };
                self.respond_plain(tx, status);
                return self.offer_next(handle);
            }
        };
        let mut response = self.in_dialog(handle, tx, 200);
        if request.method != Method::Prack {
            self.answer_timer(handle, &request, &mut response);
        }
        let Response { headers, body: place, .. } = &mut response;
        set_body(headers, place, &body);
        if let Some(call) = self.calls.get_mut(&handle) {
            call.body = Some(body);
            if request.method == Method::Invite {
                let number = request.headers.cseq().map_or(0, |cseq| cseq.number);
                call.unacked.push((tx, number));
            }
        }
        self.respond(tx, response);
        self.offer_next(handle);
    }

    pub(super) fn keep_body(&mut self, handle: Handle, body: Body) {
        if let Some(call) = self.calls.get_mut(&handle) {
            call.body = Some(body);
        }
    }

    fn glare(&mut self, tx: TxId) {
        self.stats.misdeeds.add(Misdeed::Glare);
        self.respond_plain(tx, 491);
    }

    /// RFC 3261 §14.2: one offer of theirs at a time.
    fn later(&mut self, tx: TxId) {
        let mut response = self.reply(tx, 500);
        response.headers.push(Name::RetryAfter, self.rng.below(11));
        self.respond(tx, response);
    }
}

impl Call {
    /// Whether an offer may be made before the answer: one was answered reliably, and they take UPDATE.
    fn may_update(&self) -> bool {
        match self.phase {
            Phase::Calling => self.forks.iter().any(|fork| fork.described && fork.dialog.updates),
            _ => {
                let updates = self.dialog.as_ref().is_some_and(|dialog| dialog.updates);
                updates && self.described && self.reliable.is_none()
            }
        }
    }

    /// The first offer was not answered yet.
    fn undescribed(&self) -> bool {
        match self.phase {
            Phase::Calling | Phase::Cancelling(_) => !self.forks.iter().any(|f| f.described),
            Phase::Ringing => !self.described,
            _ => self.phase == Phase::Offered,
        }
    }
}
