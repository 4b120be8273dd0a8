//! What comes inside of a dialog (RFC 3261 §12.2.2).

use super::Phase;
use crate::agent::{Agent, Body, Ended, Errand, Event, Handle, Misdeed, TxId, body_of, dialog_key};
use crate::message::{Method, Request};
use crate::text::Text;

impl Agent {
    /// A request with a tag in To.
    pub(crate) fn within(&mut self, tx: TxId, request: Request) {
        let key = dialog_key(&request.headers);
        let handle = key.and_then(|key| self.dialogs.get(&key)).copied();
        let Some(handle) = handle else {
            self.stats.misdeeds.add(Misdeed::NoDialog);
            return self.respond_plain(tx, 481);
        };
        self.belongs(tx, handle);
        let number = request.headers.cseq().map_or(0, |cseq| cseq.number);
        let tag = remote_tag(&request);
        let call = self.calls.get_mut(&handle);
        match call.and_then(|call| call.dialog_with(&tag)).map(|dialog| dialog.accept(number)) {
            None => {
                self.stats.misdeeds.add(Misdeed::NoDialog);
                self.respond_plain(tx, 481);
            }
            Some(false) => {
                self.stats.misdeeds.add(Misdeed::OldRequest);
                self.respond_plain(tx, 500);
            }
            Some(true) => self.sort(handle, tx, &request),
        }
    }

    fn sort(&mut self, handle: Handle, tx: TxId, request: &Request) {
        let ending = self.calls.get(&handle).is_some_and(|call| call.phase == Phase::Ending);
        match request.method {
            Method::Bye => self.bye_came(handle, tx, request),
            _ if ending => self.respond_plain(tx, 481),
            Method::Invite | Method::Update => self.reoffer_came(handle, tx, request),
            Method::Prack => self.prack_came(handle, tx, request),
            Method::Info => {
                self.respond_plain(tx, 200);
                if let Some(body) = body_of(&request.headers, &request.body) {
                    self.event(handle, Event::Info { body });
                }
            }
            Method::Refer => self.refer_came(handle, tx, request),
            Method::Notify => self.notify_came(handle, tx, request),
            Method::Options => self.options(tx),
            _ => self.respond_plain(tx, 405),
        }
    }

    /// An ACK of a 2xx. False where there is no such dialog.
    pub(crate) fn ack_came(&mut self, ack: &Request) -> bool {
        let key = dialog_key(&ack.headers);
        let Some(handle) = key.and_then(|key| self.dialogs.get(&key)).copied() else {
            return false;
        };
        let number = ack.headers.cseq().map_or(0, |cseq| cseq.number);
        let Some(call) = self.calls.get_mut(&handle) else { return false };
        let theirs = call.dialog.as_ref().is_some_and(|d| d.remote_tag() == remote_tag(ack));
        let waiting = call.unacked.iter().position(|(_, waiting)| *waiting == number);
        let Some(at) = waiting.filter(|_| theirs) else { return theirs };
        let (tx, _) = call.unacked.remove(at);
        let first = call.phase == Phase::Answering;
        if first {
            call.phase = Phase::Up;
        }
        let hang_up = call.hang_up.take();
        self.acknowledged(tx);
        let body = body_of(&ack.headers, &ack.body);
        self.event(handle, Event::Confirmed { body });
        match hang_up {
            Some((by, reasons)) => self.bye(handle, Ended::new(by, 200), reasons),
            None => self.offer_next(handle),
        }
        true
    }

    /// Digits by INFO.
    pub(super) fn info(&mut self, handle: Handle, body: &Body) {
        let Some(call) = self.call_mut(handle, Phase::Up) else { return };
        let Some(dialog) = &mut call.dialog else { return };
        let mut request = dialog.request(Method::Info);
        let Request { headers, body: place, .. } = &mut request;
        super::set_body(headers, place, body);
        self.ask(handle, Errand::Info, request);
    }
}

fn remote_tag(request: &Request) -> Text {
    request.headers.from().ok().and_then(|from| from.tag().cloned()).unwrap_or_default()
}
