//! A message's way in: whose it is, whether it is one, and what it belongs to.

use super::respond::merge_key;
use super::{Agent, Body, Drop, Flow, Handle, Misdeed, PeerId, Way};
use crate::header::{Headers, Name};
use crate::message::{self, Message, Method, Request, Response};
use crate::parse::{self, Rejected, Screen};
use crate::text::Text;

/// Methods that we take.
const METHODS: [Method; 10] = [
    Method::Invite,
    Method::Ack,
    Method::Cancel,
    Method::Bye,
    Method::Options,
    Method::Prack,
    Method::Update,
    Method::Info,
    Method::Refer,
    Method::Notify,
];

impl Agent {
    /// The order is the defence: the source first, which costs a look-up; then the text; then what is
    /// known already; then, of some, a password. Only what passes all of it is remembered.
    pub(super) fn receive(&mut self, flow: Flow, bytes: &[u8]) {
        let kept = self.config.timers.remembered;
        let Some(peer) = self.sources.peer(self.now, flow.remote, kept) else {
            return self.stats.drops.add(Drop::UnknownSource);
        };
        if bytes.len() > self.config.limits.message {
            return self.stats.drops.add(Drop::TooLong);
        }
        let parsed = match flow.transport.is_sure() {
            true => parse::framed(bytes),
            false => parse::datagram(bytes),
        };
        match parsed {
            Ok(message) => {
                self.stats.received += 1;
                let handle = self.handle_of(&message);
                self.trace(handle, Way::In, (flow.transport, flow.remote), bytes);
                match message {
                    Message::Request(request) => self.request((flow, peer), request),
                    Message::Response(response) => {
                        if !self.response(flow, response) {
                            self.stats.drops.add(Drop::StrayResponse);
                        }
                    }
                }
            }
            Err(Rejected::Refused(refusal)) => {
                self.trace(None, Way::In, (flow.transport, flow.remote), bytes);
                self.stats.misdeeds.add(Misdeed::BadRequest);
                let tag = self.word();
                let mut request = Request::new(Method::Options, crate::uri::Uri::Other("".into()));
                request.headers = refusal.request.clone();
                note_source(&mut request.headers, flow);
                let mut response = refusal.response(tag.as_str());
                if let Ok(via) = request.headers.top_via() {
                    response.headers.set_top_via(&via);
                }
                self.send_stateless(flow, &request, &response);
            }
            Err(Rejected::Dropped(drop)) => self.stats.drops.add(match drop {
                parse::Drop::KeepAlive => Drop::Blank,
                parse::Drop::TooLarge => Drop::TooLong,
                parse::Drop::Unanswerable => Drop::Unanswerable,
                _ => Drop::Malformed,
            }),
        }
    }

    /// What is said about ourselves: in OPTIONS and in what opens a dialog.
    pub(crate) fn introduce(&self, headers: &mut Headers) {
        headers.set(Name::Allow, self.screen().allow());
        headers.set(Name::Supported, "100rel, timer, replaces");
    }

    fn screen(&self) -> Screen {
        Screen {
            methods: METHODS.to_vec(),
            extensions: vec!["100rel", "timer", "replaces"],
            bodies: vec![
                ("application", "sdp"),
                ("application", "dtmf-relay"),
                ("application", "dtmf"),
                ("message", "sipfrag"),
            ],
            max_body: self.config.limits.message,
        }
    }

    fn handle_of(&self, message: &Message) -> Option<Handle> {
        match message {
            Message::Response(response) => self.handle_of_response(response),
            Message::Request(request) => match self.server_of(request) {
                Some(tx) => self.handle_of_server(tx),
                None => self.dialogs.get(&dialog_key(&request.headers)?).copied(),
            },
        }
    }

    fn request(&mut self, (flow, peer): (Flow, PeerId), mut request: Request) {
        note_source(&mut request.headers, flow);
        if request.method == Method::Ack {
            return self.ack(&request);
        }
        if let Some(tx) = self.server_of_cancel(&request) {
            return self.repeated(tx);
        }
        let outside = request.headers.to().is_ok_and(|to| to.tag().is_none());
        let calls = outside && request.method == Method::Invite;
        if calls && !self.is_let_in((flow, peer), &request) {
            return;
        }
        let merge = merge_key(&request).filter(|_| outside && request.method != Method::Cancel);
        let merged = merge.as_ref().is_some_and(|merge| self.merges.contains_key(merge));
        let invite = self.server_of(&request).filter(|_| request.method == Method::Cancel);
        let refusal = self.screen().check(&request).err();
        let merge = merge.filter(|_| !merged);
        let Some(tx) = self.open_server((flow, peer), request, merge) else { return };
        let Some(request) = self.request_of(tx).cloned() else { return };
        if request.method == Method::Cancel {
            return self.cancel_came(tx, invite, &request);
        }
        if merged {
            self.stats.misdeeds.add(Misdeed::Merged);
            return self.respond_plain(tx, 482);
        }
        if let Some(refusal) = refusal {
            self.stats.misdeeds.add(Misdeed::BadRequest);
            return self.respond(tx, refusal.response(self.tag_of(tx)));
        }
        match (outside, &request.method) {
            (false, _) => self.within(tx, request),
            (true, Method::Options) => self.options(tx),
            // We pass calls on, so a call that may go no further ends here (RFC 7332 §5).
            (true, Method::Invite) if request.headers.max_forwards() == Some(0) => {
                self.respond_plain(tx, 483);
            }
            (true, Method::Invite) => self.invite_came(tx, request),
            (true, _) => {
                self.stats.misdeeds.add(Misdeed::NoDialog);
                self.respond_plain(tx, 481);
            }
        }
    }

    /// An ACK ends an INVITE's transaction, or it belongs to the dialog that a 2xx made.
    fn ack(&mut self, ack: &Request) {
        let of_failure = self.server_of(ack).filter(|tx| !self.wants_ack(*tx));
        let known = match of_failure {
            Some(tx) => {
                self.acknowledged(tx);
                true
            }
            None => self.ack_came(ack) || self.logins.has_refused(ack),
        };
        if !known {
            self.stats.drops.add(Drop::StrayAck);
        }
    }

    /// RFC 3261 §9.2: the CANCEL is answered on its own; what it cancels is answered with 487.
    fn cancel_came(&mut self, tx: super::TxId, invite: Option<super::TxId>, request: &Request) {
        let Some(invite) = invite else {
            self.stats.misdeeds.add(Misdeed::NoDialog);
            return self.respond_plain(tx, 481);
        };
        let handle = self.handle_of_server(invite);
        if let Some(handle) = handle {
            self.belongs(tx, handle);
        }
        let mut response = self.reply(tx, 200);
        response.headers.set_to_tag(self.tag_of(invite));
        self.respond(tx, response);
        if self.is_undecided(invite) {
            self.respond_plain(invite, 487);
            if let Some(handle) = handle {
                self.taken_back(handle, invite, request);
            }
        }
    }

    /// RFC 3261 §11.2.
    pub(crate) fn options(&mut self, tx: super::TxId) {
        let mut response = self.reply(tx, 200);
        self.introduce(&mut response.headers);
        response.headers.push(Name::Accept, self.screen().accept());
        self.respond(tx, response);
    }
}

/// Call-ID and our tag, as a request to us has them.
pub(crate) fn dialog_key(headers: &Headers) -> Option<(Text, Text)> {
    Some((headers.call_id().ok()?, headers.to().ok()?.tag()?.clone()))
}

/// What a message carries: its description where that is a part of several (RFC 5621 §3), such as beside ISUP.
pub(crate) fn body_of(headers: &Headers, bytes: &[u8]) -> Option<Body> {
    if let Some(description) = message::part(headers, bytes, ("application", "sdp")) {
        return (!description.is_empty()).then(|| Body::sdp(description.to_vec()));
    }
    let kind = headers.get(&Name::ContentType).map(|kind| kind.decoded().into_owned());
    let (kind, bytes) = (kind.unwrap_or_default(), bytes.to_vec());
    (!bytes.is_empty()).then_some(Body { kind, bytes })
}

/// What a response carries.
pub(crate) fn response_body(response: &Response) -> Option<Body> {
    body_of(&response.headers, &response.body)
}

fn note_source(headers: &mut Headers, flow: Flow) {
    if let Ok(mut via) = headers.top_via() {
        via.note_source(flow.remote);
        headers.set_top_via(&via);
    }
}
