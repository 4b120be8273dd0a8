//! Calls that we place: provisional responses of several forks, the first answer, its ACK, and an end
//! to every other (RFC 3261 §13.2, §16.7).

use core::time::Duration;

use super::{Call, Clock, Fork, Phase, reason_of, set_body};
use crate::agent::{
    Agent, Body, By, Ended, Errand, Event, ExchangeId, Failure, Handle, Invite, Misdeed, Owner,
    Plan, Refresh, Reliable, TxId, response_body,
};
use crate::auth;
use crate::dialog::Dialog;
use crate::header::{CSeq, Contacts, Name, NameAddr, RAck, SessionExpires};
use crate::message::{Method, Request, Response};
use crate::text::Text;

/// What an outgoing call was placed with.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(super) exchange: Option<ExchangeId>,
    request: Request,
    patience: Duration,
    reliable: Reliable,
    refresh: Option<Refresh>,
    /// How often a session interval was found too small.
    raised: u8,
    /// The transaction and tag of the answer, for its ACK.
    answer: Option<(TxId, Text)>,
}

/// Enough for a chain of proxies that each want a longer interval.
const MOST_RAISED: u8 = 3;

impl Agent {
    /// RFC 3261 §13.2.1.
    pub(super) fn place(&mut self, handle: Handle, invite: Invite) {
        if self.calls.contains_key(&handle) {
            return;
        }
        if self.calls.len() >= self.config.limits.calls {
            let ended = Ended::new(By::Protocol, 503);
            return self.event(handle, Event::Ended(ended));
        }
        let (call_id, tag) = (Text::from(self.word()), Text::from(self.word()));
        let key = (call_id, tag);
        let mut call =
            Call::new(invite.trunk.peer, invite.contact_user.as_str().into(), key, Phase::Calling);
        call.auth = auth::Client::new(invite.trunk.credentials.clone());
        call.offer_in_invite = invite.body.is_some();
        call.body.clone_from(&invite.body);
        let request = self.first_request(&invite, &call);
        call.placed = Some(Placed {
            exchange: None,
            request,
            patience: invite.first_response,
            reliable: invite.reliable,
            refresh: invite.refresh,
            raised: 0,
            answer: None,
        });
        self.dialogs.insert(call.key.clone(), handle);
        self.calls.insert(handle, call);
        self.clock(handle, Clock::Ring, invite.ring_limit);
        self.launch_invite(handle);
    }

    fn first_request(&self, invite: &Invite, call: &Call) -> Request {
        let mut request = Request::new(Method::Invite, invite.target.clone());
        let (call_id, tag) = &call.key;
        let headers = &mut request.headers;
        self.preload(headers, &invite.trunk);
        headers.push(Name::MaxForwards, 70_u32);
        headers.push(Name::From, &invite.from.clone().with_tag(tag));
        headers.push(Name::To, &invite.to);
        headers.push(Name::CallId, call_id);
        headers.push(Name::CSeq, &CSeq { number: 1, method: Method::Invite });
        self.introduce(headers);
        headers.push(Name::UserAgent, self.config.product.as_str());
        match invite.reliable {
            Reliable::Off => headers.set(Name::Supported, "timer, replaces"),
            Reliable::Supported => {}
            Reliable::Required => headers.push(Name::Require, "100rel"),
        }
        let identity = &invite.identity;
        for asserted in &identity.asserted {
            headers.push(Name::PAssertedIdentity, asserted);
        }
        if let Some(privacy) = &identity.privacy {
            headers.push(Name::Privacy, privacy);
        }
        for diversion in &identity.diversion {
            headers.push(Name::Diversion, diversion);
        }
        for (name, value) in invite.headers.iter().filter(|(name, _)| !is_ours(name)) {
            headers.push(name.clone(), value);
        }
        if let Some(refresh) = invite.refresh {
            ask_for_timer(&mut request, refresh);
        }
        if let Some(body) = &invite.body {
            let Request { headers, body: place, .. } = &mut request;
            set_body(headers, place, body);
        }
        request
    }

    fn launch_invite(&mut self, handle: Handle) {
        let Some(call) = self.calls.get(&handle) else { return };
        let Some(placed) = &call.placed else { return };
        let plan = Plan {
            owner: Owner::Call(handle, Errand::Invite),
            request: placed.request.clone(),
            peer: call.peer,
            contact: Some(call.contact.clone()),
            patience: placed.patience,
            ack_of: None,
        };
        let id = self.start(plan);
        if let Some(placed) = self.placed_mut(handle) {
            placed.exchange = Some(id);
        }
    }

    fn placed_mut(&mut self, handle: Handle) -> Option<&mut Placed> {
        self.calls.get_mut(&handle)?.placed.as_mut()
    }

    /// A provisional response.
    pub(crate) fn invite_progress(&mut self, handle: Handle, response: Response) {
        let limit = self.config.limits.forks;
        let Some(call) = self.calls.get_mut(&handle) else { return };
        let wanted = call.phase == Phase::Calling;
        let (status, body) = (response.status, response_body(&response));
        let tag = response.headers.to().ok().and_then(|to| to.tag().cloned());
        let Some(placed) = &call.placed else { return };
        let sent = placed.exchange.and_then(|id| self.exchange(id)).map(|e| e.request.clone());
        let Some(call) = self.calls.get_mut(&handle) else { return };
        let fork = match (&tag, sent) {
            (Some(tag), Some(sent)) if status > 100 => call.fork(tag, limit, &sent, &response),
            _ => None,
        };
        let number = response.headers.rseq().filter(|_| response.headers.requires("100rel"));
        let mut reliable = false;
        if let (Some(fork), Some(number)) = (fork, number)
            && call.placed.as_ref().is_some_and(|placed| placed.reliable != Reliable::Off)
        {
            if !call.confirm(fork, number, body.is_some()) {
                return;
            }
            reliable = true;
            self.prack_unless_offered(handle, fork, number);
        }
        if wanted {
            let fork = u16::try_from(fork.unwrap_or(0)).unwrap_or(u16::MAX);
            self.event(handle, Event::Provisional { status, body, reliable, fork });
        }
    }

    /// Sends the PRACK of a reliable response, unless that holds an offer to be answered first.
    fn prack_unless_offered(&mut self, handle: Handle, fork: usize, number: u32) {
        let offered = self.calls.get(&handle).and_then(|call| call.forks.get(fork));
        if offered.is_some_and(|fork| fork.offered.is_some()) {
            self.clock(handle, Clock::Decide, self.config.timers.decision);
        } else {
            self.prack(handle, fork, number, None);
        }
    }

    /// RFC 3262 §4.
    fn prack(&mut self, handle: Handle, fork: usize, response: u32, body: Option<Body>) {
        let Some(call) = self.calls.get_mut(&handle) else { return };
        let sent = call.placed.as_ref().and_then(|placed| placed.exchange);
        let cseq =
            sent.and_then(|id| self.exchange(id)).and_then(|e| e.request.headers.cseq().ok());
        let Some(cseq) = cseq else { return };
        let Some(call) = self.calls.get_mut(&handle) else { return };
        let Some(fork) = call.forks.get_mut(fork) else { return };
        let mut request = fork.dialog.request(Method::Prack);
        request.headers.push(Name::RAck, &RAck { response, request: cseq });
        if let Some(body) = &body {
            let Request { headers, body: place, .. } = &mut request;
            set_body(headers, place, body);
            fork.described = true;
            call.body = Some(body.clone());
        }
        self.ask(handle, Errand::Prack, request);
    }

    /// A 2xx to an INVITE, the first of its dialog or of its transaction.
    pub(crate) fn invited(&mut self, id: ExchangeId, tx: TxId, owner: Owner, response: Response) {
        match owner {
            Owner::Call(handle, Errand::Invite) => {
                let call = self.calls.get(&handle);
                let tag = response.headers.to().ok().and_then(|to| to.tag().cloned());
                match call.map(|call| (call.phase, &call.dialog)) {
                    Some((Phase::Calling | Phase::Cancelling(_), _)) => {
                        self.answered(handle, tx, response);
                    }
                    Some((Phase::Offered, Some(dialog))) if dialog.remote.tag() == tag.as_ref() => {
                    }
                    _ => self.stray_answer(id, tx, &response),
                }
            }
            Owner::Call(handle, errand) => {
                let request = self.exchange(id).map(|exchange| exchange.request.clone());
                self.finish(id);
                let Some(request) = request else { return };
                // The route set of a dialog does not change (RFC 3261 §12.2).
                let known = self.calls.get_mut(&handle).and_then(|call| {
                    let known = call.dialog.as_mut()?;
                    known.refresh(&response.headers);
                    Some(known.clone())
                });
                let Some(dialog) = known.or_else(|| Dialog::outgoing(&request, &response)) else {
                    return;
                };
                self.acknowledge((Some(handle), tx), &dialog, &request, None);
                self.errand_done(handle, errand, Ok(response));
            }
            Owner::Register(_) | Owner::Ping(_) | Owner::Nobody(_) => {
                self.stray_answer(id, tx, &response);
            }
        }
    }

    /// The first answer.
    fn answered(&mut self, handle: Handle, tx: TxId, response: Response) {
        let Some(call) = self.calls.get_mut(&handle) else { return };
        let sent = call.placed.as_ref().and_then(|placed| placed.exchange);
        let Some(sent) = sent.and_then(|id| self.exchange(id)).map(|e| e.request.clone()) else {
            return;
        };
        let Some(mut dialog) = Dialog::outgoing(&sent, &response) else { return };
        let Some(call) = self.calls.get_mut(&handle) else { return };
        let tag = dialog.remote_tag();
        let fork = call.forks.iter().position(|fork| fork.tag == tag);
        let early = fork.and_then(|fork| call.forks.get(fork));
        let described = early.is_some_and(|fork| fork.described);
        dialog.local_seq = early.map_or(0, |fork| fork.dialog.local_seq).max(dialog.local_seq);
        let number = fork.unwrap_or(call.forks.len());
        let phase = call.phase;
        call.dialog = Some(dialog.clone());
        call.forks.clear();
        call.answered = true;
        if let Some(placed) = &mut call.placed {
            placed.answer = Some((tx, tag));
        }
        let (offered, body) = (call.offer_in_invite, response_body(&response));
        self.stop_clock(handle, Clock::Ring);
        self.stop_clock(handle, Clock::Decide);
        if let Phase::Cancelling(by) = phase {
            // The 200 crossed our CANCEL (RFC 3261 §9.1): the call stands, and is ended.
            self.acknowledge((Some(handle), tx), &dialog, &sent, None);
            return self.bye(handle, Ended::new(by, 200), Vec::new());
        }
        if offered || described {
            self.acknowledge((Some(handle), tx), &dialog, &sent, None);
            self.set_phase(handle, Phase::Up);
        } else {
            self.set_phase(handle, Phase::Offered);
            self.clock(handle, Clock::Decide, self.config.timers.decision);
        }
        let nothing = !offered && !described && body.is_none();
        let body = body.filter(|_| !described);
        self.session_agreed(handle, response.headers.session_expires().ok().flatten(), true);
        let fork = u16::try_from(number).unwrap_or(u16::MAX);
        self.event(handle, Event::Answered { body, fork });
        if nothing {
            self.complete(handle, None);
        } else {
            self.offer_next(handle);
        }
    }

    /// The answer to an offer that came in a response.
    pub(super) fn complete(&mut self, handle: Handle, body: Option<Body>) {
        let Some(call) = self.calls.get_mut(&handle) else { return };
        if call.phase == Phase::Offered {
            let (Some(dialog), Some(placed)) = (call.dialog.clone(), &call.placed) else { return };
            let Some((tx, _)) = placed.answer else { return };
            let request = placed.exchange.and_then(|id| self.exchange(id)).map(|e| &e.request);
            let Some(request) = request.cloned() else { return };
            self.stop_clock(handle, Clock::Decide);
            self.acknowledge((Some(handle), tx), &dialog, &request, body.as_ref());
            self.set_phase(handle, Phase::Up);
            return match body {
                Some(body) => {
                    self.keep_body(handle, body);
                    self.offer_next(handle);
                }
                None => self.bye(handle, Ended::new(By::Us, 488), Vec::new()),
            };
        }
        let early = call.forks.iter_mut().enumerate();
        let mut early = early.filter_map(|(at, fork)| Some((at, fork.offered.take()?)));
        let Some((fork, number)) = early.next() else { return };
        self.stop_clock(handle, Clock::Decide);
        let refused = body.is_none();
        self.prack(handle, fork, number, body);
        if refused {
            self.hang_up(handle, By::Us, Vec::new());
        }
    }

    /// The ACK of a 2xx: of the dialog, with the number of its INVITE and the same credentials
    /// (RFC 3261 §13.2.2.4).
    fn acknowledge(
        &mut self,
        (handle, tx): (Option<Handle>, TxId),
        dialog: &Dialog,
        invite: &Request,
        body: Option<&Body>,
    ) {
        let number = invite.headers.cseq().map_or(1, |cseq| cseq.number);
        let mut request = dialog.numbered(Method::Ack, number);
        for name in [Name::Authorization, Name::ProxyAuthorization] {
            for value in invite.headers.all(&name) {
                request.headers.push(name.clone(), value);
            }
        }
        if let Some(body) = body {
            let Request { headers, body: place, .. } = &mut request;
            set_body(headers, place, body);
        }
        let plan = Plan {
            owner: handle.map_or(Owner::Nobody(None), |h| Owner::Call(h, Errand::Ack)),
            request,
            peer: self.peer_of_client(tx),
            contact: None,
            patience: self.config.timers.patience(),
            ack_of: Some((tx, dialog.remote_tag())),
        };
        self.start(plan);
    }

    /// An answer of another fork, or of a call that is over: it is acknowledged and ended at once
    /// (RFC 3261 §13.2.2.4).
    fn stray_answer(&mut self, id: ExchangeId, tx: TxId, response: &Response) {
        self.stats.misdeeds.add(Misdeed::SecondAnswer);
        let Some(exchange) = self.exchange(id) else { return };
        let (sent, owner) = (exchange.request.clone(), exchange.owner);
        let Some(mut dialog) = Dialog::outgoing(&sent, response) else { return };
        let handle = owner.handle();
        self.acknowledge((None, tx), &dialog, &sent, None);
        // A fork that was given requests of its own, such as PRACK, has counted on.
        dialog.local_seq = dialog.local_seq.saturating_add(STRAY_STEP);
        let plan = Plan {
            owner: Owner::Nobody(handle),
            request: dialog.request(Method::Bye),
            peer: self.peer_of_client(tx),
            contact: None,
            patience: self.config.timers.patience(),
            ack_of: None,
        };
        let bye = self.start(plan);
        self.lend_password(id, bye);
    }

    /// Our INVITE came to nothing.
    pub(super) fn invite_failed(&mut self, handle: Handle, outcome: Result<Response, Failure>) {
        let Some(call) = self.calls.get(&handle) else { return };
        let cancelled = match call.phase {
            Phase::Calling => None,
            Phase::Cancelling(by) => Some(by),
            _ => return,
        };
        let response = match outcome {
            Ok(response) => response,
            Err(failure) => {
                let network = failure == Failure::Network;
                let by = cancelled.unwrap_or(if network { By::Network } else { By::Timer });
                return self.end(handle, Ended::new(by, failure.status()));
            }
        };
        if cancelled.is_none() && response.status == 422 && self.raise_interval(handle, &response) {
            return;
        }
        let contacts = match response.headers.contacts() {
            Ok(Contacts::List(list)) if (300..400).contains(&response.status) => list,
            _ => Vec::new(),
        };
        let ended = Ended {
            reason: reason_of(&response.headers),
            retry_after: response.headers.retry_after().map(|after| after.wait),
            contacts: contacts.into_iter().map(|contact| contact.uri).collect(),
            ..Ended::new(cancelled.unwrap_or(By::Them), response.status)
        };
        self.end(handle, ended);
    }

    /// RFC 4028 §7.4: asks again with the interval that somebody on the way wants.
    fn raise_interval(&mut self, handle: Handle, response: &Response) -> bool {
        let Ok(Some(shortest)) = response.headers.min_se() else { return false };
        let Some(placed) = self.placed_mut(handle) else { return false };
        let Some(refresh) = &mut placed.refresh else { return false };
        let shortest = Duration::from_secs(shortest.into());
        if placed.raised >= MOST_RAISED || shortest <= refresh.shortest {
            return false;
        }
        placed.raised += 1;
        refresh.shortest = shortest;
        refresh.interval = refresh.interval.max(shortest);
        let (refresh, raised) = (*refresh, u32::from(placed.raised));
        ask_for_timer(&mut placed.request, refresh);
        // Each challenge took a number too; a hundred a round are never used up.
        let number = 1 + raised * 100;
        placed.request.headers.set(Name::CSeq, &CSeq { number, method: Method::Invite });
        self.launch_invite(handle);
        true
    }
}

impl Call {
    /// The early dialog that a response is of.
    fn fork(
        &mut self,
        tag: &Text,
        limit: usize,
        sent: &Request,
        response: &Response,
    ) -> Option<usize> {
        let known = self.forks.iter().position(|fork| fork.tag == *tag);
        if known.is_some() || self.forks.len() >= limit {
            return known;
        }
        let dialog = Dialog::outgoing(sent, response)?;
        let (rseq, described, offered) = (None, false, None);
        self.forks.push(Fork { tag: tag.clone(), dialog, rseq, described, offered });
        Some(self.forks.len() - 1)
    }

    /// Takes in a reliable response. False where it came before, or out of order (RFC 3262 §4).
    fn confirm(&mut self, fork: usize, number: u32, has_body: bool) -> bool {
        let offer_in_invite = self.offer_in_invite;
        let Some(fork) = self.forks.get_mut(fork) else { return false };
        if fork.rseq.is_some_and(|last| number != last.wrapping_add(1)) {
            return false;
        }
        fork.rseq = Some(number);
        if has_body && !fork.described {
            match offer_in_invite {
                true => fork.described = true,
                false => fork.offered = Some(number),
            }
        }
        true
    }
}

/// Further than any early dialog counts.
const STRAY_STEP: u32 = 1000;

/// A preloaded route to an outbound proxy (RFC 3261 §8.1.2).
pub(crate) fn route(proxy: &crate::uri::Uri) -> NameAddr {
    let mut proxy = proxy.clone();
    if let crate::uri::Uri::Sip(uri) = &mut proxy {
        uri.set_param("lr", None);
    }
    NameAddr::new(proxy)
}

/// Session-Expires and Min-SE of a request (RFC 4028 §7.1).
pub(super) fn ask_for_timer(request: &mut Request, refresh: Refresh) {
    let secs = |span: Duration| u32::try_from(span.as_secs()).unwrap_or(u32::MAX);
    let expires = SessionExpires { seconds: secs(refresh.interval), refresher: None };
    request.headers.set(Name::SessionExpires, &expires);
    request.headers.set(Name::MinSe, secs(refresh.shortest));
}

/// Headers that the agent writes itself.
fn is_ours(name: &Name) -> bool {
    matches!(
        name,
        Name::Via
            | Name::From
            | Name::To
            | Name::CallId
            | Name::CSeq
            | Name::Contact
            | Name::Route
            | Name::MaxForwards
            | Name::ContentLength
            | Name::ContentType
            | Name::Supported
            | Name::Require
            | Name::Allow
            | Name::SessionExpires
            | Name::MinSe
    )
}
