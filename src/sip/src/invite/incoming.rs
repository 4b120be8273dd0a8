//! Calls that come in (RFC 3261 §13.3).

use core::time::Duration;

use super::{Call, Phase, set_body};
use crate::agent::{
    Agent, Body, By, Command, Ended, Event, Flow, Handle, Identity, Incoming, Misdeed, PeerId,
    TxId, body_of,
};
use crate::dialog::Dialog;
use crate::header::{Headers, Name, NameAddr, ReasonValue};
use crate::message::{Request, Response};
use crate::text::Text;
use crate::uri::Uri;

/// What a refusal says besides its status.
pub(super) struct Rejection {
    pub reason: Option<ReasonValue>,
    pub retry_after: Option<Duration>,
    pub contacts: Vec<Uri>,
}

/// What a call that comes in may take the place of.
enum Replaced {
    Nothing,
    Call(Handle),
    /// Refused with this status (RFC 3891 §3).
    Refused(u16),
}

impl Agent {
    /// An INVITE outside of a dialog.
    pub(crate) fn invite_came(&mut self, tx: TxId, request: Request) {
        let Some((flow, peer)) = self.source_of(tx) else { return };
        if self.calls.len() >= self.config.limits.calls {
            let mut response = self.reply(tx, 503);
            response.headers.push(Name::RetryAfter, 10_u32);
            return self.respond(tx, response);
        }
        if let Some(response) = self.interval_too_small(tx, &request) {
            return self.respond(tx, response);
        }
        let replaces = match self.replaced(&request, peer) {
            Replaced::Nothing => None,
            Replaced::Call(handle) => Some(handle),
            Replaced::Refused(status) => return self.respond_plain(tx, status),
        };
        let tag = self.tag_of(tx);
        let dialog = Dialog::incoming(&request, tag.clone());
        let (Some(dialog), Ok(from), Ok(to)) =
            (dialog, request.headers.from(), request.headers.to())
        else {
            self.stats.misdeeds.add(Misdeed::BadRequest);
            return self.respond_plain(tx, 400);
        };
        let handle = self.next_incoming();
        let key = (dialog.call_id.clone(), tag);
        let user = request.uri.subscriber().unwrap_or_default();
        let mut call = Call::new(peer, user.into(), key.clone(), Phase::Ringing);
        let call_id = dialog.call_id.clone();
        call.dialog = Some(dialog);
        call.server = Some(tx);
        let body = body_of(&request.headers, &request.body);
        call.offer_in_invite = body.is_some();
        let headers = &request.headers;
        let reliable = headers.requires("100rel") || headers.supports("100rel");
        call.rseq = 1 + self.rng.below(1 << 30);
        self.calls.insert(handle, call);
        self.dialogs.insert(key, handle);
        self.belongs(tx, handle);
        self.respond_plain(tx, 100);
        let target = request.uri.clone();
        let identity = identity(&request.headers);
        let incoming =
            Incoming { peer, flow, target, from, to, identity, call_id, replaces, body, reliable };
        self.event(handle, Event::Incoming(Box::new(incoming)));
    }

    fn replaced(&self, request: &Request, peer: PeerId) -> Replaced {
        let Ok(Some(replaces)) = request.headers.replaces() else { return Replaced::Nothing };
        let key = (replaces.call_id, replaces.to_tag);
        let Some(handle) = self.dialogs.get(&key) else { return Replaced::Refused(481) };
        // What one carrier carries is no other's to take, even if it knew the tags.
        let call = self.calls.get(handle).filter(|call| call.peer == peer);
        let Some(call) = call else { return Replaced::Refused(481) };
        let known = call.dialog.as_ref().is_some_and(|d| d.remote_tag() == replaces.from_tag);
        match call.phase {
            Phase::Up | Phase::Answering if known && replaces.early_only => Replaced::Refused(486),
            Phase::Up | Phase::Answering if known => Replaced::Call(*handle),
            Phase::Ending if known => Replaced::Refused(603),
            _ => Replaced::Refused(481),
        }
    }

    /// Progress or an answer of ours, which waits until a reliable response before it was confirmed.
    pub(super) fn callee_says(&mut self, handle: Handle, command: Command) {
        let Some(call) = self.call_mut(handle, Phase::Ringing) else { return };
        if call.reliable.is_some() {
            call.queue.push_back(command);
            return;
        }
        match command {
            Command::Progress { status, body } if (101..200).contains(&status) => {
                self.progress(handle, status, body);
            }
            Command::Answer { body } => self.answer(handle, body),
            _ => {}
        }
    }

    fn progress(&mut self, handle: Handle, status: u16, body: Option<Body>) {
        let Some(tx) = self.calls.get(&handle).and_then(|call| call.server) else { return };
        let Some(request) = self.request_of(tx) else { return };
        let headers = &request.headers;
        let must = headers.requires("100rel");
        let reliable = must || body.is_some() && headers.supports("100rel");
        let mut response = self.in_dialog(handle, tx, status);
        if let Some(body) = &body {
            let Response { headers, body: place, .. } = &mut response;
            set_body(headers, place, body);
        }
        if reliable {
            self.make_reliable(handle, &mut response, body);
        }
        self.respond(tx, response);
    }

    fn answer(&mut self, handle: Handle, body: Option<Body>) {
        let Some(tx) = self.calls.get(&handle).and_then(|call| call.server) else { return };
        let mut response = self.in_dialog(handle, tx, 200);
        let Some(request) = self.request_of(tx).cloned() else { return };
        let number = request.headers.cseq().map_or(0, |cseq| cseq.number);
        self.answer_timer(handle, &request, &mut response);
        if let Some(body) = &body {
            let Response { headers, body: place, .. } = &mut response;
            set_body(headers, place, body);
        }
        if let Some(call) = self.calls.get_mut(&handle) {
            call.phase = Phase::Answering;
            call.answered = true;
            call.described = true;
            call.unacked.push((tx, number));
            call.body = body.or(call.body.take());
        }
        self.respond(tx, response);
    }

    pub(super) fn reject(&mut self, handle: Handle, status: u16, extra: Rejection) {
        let Some(call) = self.call_mut(handle, Phase::Ringing) else { return };
        let Some(tx) = call.server else { return };
        let status = if (300..700).contains(&status) { status } else { 480 };
        let mut response = self.reply(tx, status);
        if let Some(reason) = &extra.reason {
            response.headers.push(Name::Reason, reason);
        }
        if let Some(after) = extra.retry_after {
            let seconds = u32::try_from(after.as_secs()).unwrap_or(u32::MAX);
            response.headers.push(Name::RetryAfter, seconds);
        }
        for contact in &extra.contacts {
            response.headers.push(Name::Contact, &NameAddr::new(contact.clone()));
        }
        self.respond(tx, response);
        let Rejection { reason, retry_after, contacts } = extra;
        let ended = Ended { reason, retry_after, contacts, ..Ended::new(By::Us, status) };
        self.end(handle, ended);
    }

    /// A response that makes a dialog or refreshes its target: Record-Route and Contact (RFC 3261 §12.1.1).
    pub(super) fn in_dialog(&self, handle: Handle, tx: TxId, status: u16) -> Response {
        let mut response = self.reply(tx, status);
        let routes = self.request_of(tx).map(|request| {
            let routes = request.headers.all(&Name::RecordRoute);
            routes.cloned().collect::<Vec<_>>()
        });
        for route in routes.unwrap_or_default() {
            response.headers.push(Name::RecordRoute, route);
        }
        if let Some((flow, _)) = self.source_of(tx)
            && let Some(call) = self.calls.get(&handle)
        {
            self.push_contact(&mut response.headers, flow, &call.contact);
        }
        self.introduce(&mut response.headers);
        response
    }

    fn push_contact(&self, headers: &mut Headers, flow: Flow, user: &Text) {
        let doors = || self.config.doors.iter().filter(|door| door.transport == flow.transport);
        let same = |a: core::net::SocketAddr| a.is_ipv4() == flow.local.is_ipv4();
        let door = doors().find(|door| door.local == flow.local);
        if let Some(door) = door.or_else(|| doors().find(|door| same(door.local))) {
            headers.push(Name::Contact, &door.contact(user));
        }
    }
}

fn identity(headers: &Headers) -> Identity {
    Identity {
        asserted: headers.asserted_identities(),
        privacy: headers.get(&Name::Privacy).cloned(),
        diversion: headers.diversions(),
    }
}
