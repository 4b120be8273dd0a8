//! Transfers (RFC 3515, RFC 3891, RFC 6665): the far side, or we, are asked to call somebody else, and
//! how that goes is reported.

use core::time::Duration;

use super::{Call, Clock, Phase};
use crate::agent::{Agent, Errand, Event, Failure, Handle, TxId};
use crate::header::{Name, NameAddr, Replaces, Value};
use crate::message::{Method, Request, Response, reason_phrase};
use crate::text::Text;
use crate::uri::{Escaped, Uri};

/// What a call knows of transfers.
#[derive(Debug, Default)]
pub(crate) struct Transfer {
    /// News of our REFER is awaited.
    asked: bool,
    /// Their REFER, before it is accepted.
    waiting: Option<TxId>,
    /// Their REFER was accepted, and its number; how it goes is reported until it has gone.
    reporting: Option<u32>,
    /// REFERs of theirs that were taken: from the second on, reports carry its number (RFC 3515 §2.4.6).
    taken: u32,
}

/// How long a transfer may go without news.
const NEWS: Duration = Duration::from_secs(180);

impl Call {
    /// A REFER of theirs that was not responded to.
    pub(super) fn refer_waiting(&self) -> &Option<TxId> {
        &self.transfer.waiting
    }
}

impl Agent {
    /// Asks the far side to call somebody else.
    pub(super) fn refer(&mut self, handle: Handle, to: Uri, replaces: Option<Handle>) {
        let replaces = match replaces {
            None => None,
            Some(other) => {
                let dialog = self.calls.get(&other).and_then(|call| call.dialog.as_ref());
                let Some(dialog) = dialog else { return self.refer_over(handle, 481) };
                // Seen from the side that is to be called: its own tag is `to`.
                Some(Replaces {
                    call_id: dialog.call_id.clone(),
                    to_tag: dialog.remote_tag(),
                    from_tag: dialog.local_tag(),
                    early_only: false,
                })
            }
        };
        let Some(call) = self.call_mut(handle, Phase::Up) else { return };
        let Some(dialog) = &mut call.dialog else { return };
        let mut request = dialog.request(Method::Refer);
        let local = dialog.local.uri.clone();
        call.transfer.asked = true;
        let mut to = to;
        if let (Some(replaces), Uri::Sip(uri)) = (replaces, &mut to) {
            let value = Text::from(&replaces).decoded().into_owned();
            uri.headers.push((Escaped::header("Replaces"), Escaped::header(&value)));
        }
        request.headers.push(Name::ReferTo, &NameAddr::new(to));
        request.headers.push(Name::ReferredBy, &NameAddr::new(local));
        self.ask(handle, Errand::Refer, request);
    }

    pub(super) fn refer_done(&mut self, handle: Handle, outcome: Result<Response, Failure>) {
        if self.lost_dialog(handle, &outcome) {
            return;
        }
        let status = outcome.map_or_else(|failure| failure.status(), |response| response.status);
        let asked = self.calls.get(&handle).is_some_and(|call| call.transfer.asked);
        match status {
            // The report that it is done may have overtaken this.
            200..=299 if asked => {
                self.clock(handle, Clock::Subscription, NEWS);
                self.event(handle, Event::ReferProgress { status: 202, done: false });
            }
            200..=299 => {}
            status => self.refer_over(handle, status),
        }
    }

    fn refer_over(&mut self, handle: Handle, status: u16) {
        self.stop_clock(handle, Clock::Subscription);
        if let Some(call) = self.calls.get_mut(&handle) {
            call.transfer.asked = false;
            self.event(handle, Event::ReferProgress { status, done: true });
        }
    }

    pub(super) fn subscription_timeout(&mut self, handle: Handle) {
        self.refer_over(handle, 408);
    }

    /// A report on our REFER.
    pub(super) fn notify_came(&mut self, handle: Handle, tx: TxId, request: &Request) {
        let event = request.headers.get(&Name::Event).map(|event| event.decoded().into_owned());
        let event = event.unwrap_or_default();
        let package = event.split(';').next().unwrap_or_default().trim();
        if !package.eq_ignore_ascii_case("refer") {
            return self.respond_plain(tx, 489);
        }
        if !self.calls.get(&handle).is_some_and(|call| call.transfer.asked) {
            return self.respond_plain(tx, 481);
        }
        self.respond_plain(tx, 200);
        let state = request.headers.get(&Name::SubscriptionState);
        let state = state.map(|state| state.decoded().to_ascii_lowercase()).unwrap_or_default();
        let status = fragment_status(&request.body).unwrap_or(100);
        if state.trim_start().starts_with("terminated") {
            self.refer_over(handle, status);
        } else {
            self.clock(handle, Clock::Subscription, NEWS);
            self.event(handle, Event::ReferProgress { status, done: false });
        }
    }

    /// They ask us to call somebody else.
    pub(super) fn refer_came(&mut self, handle: Handle, tx: TxId, request: &Request) {
        let Ok(to) = request.headers.refer_to() else { return self.respond_plain(tx, 400) };
        let by = request.headers.referred_by().ok().flatten();
        let Some(call) = self.calls.get_mut(&handle) else { return };
        let busy = call.transfer.waiting.is_some() || call.transfer.reporting.is_some();
        if call.phase != Phase::Up || busy {
            return self.respond_plain(tx, 491);
        }
        call.transfer.waiting = Some(tx);
        let mut to = to.uri;
        let mut replaces = None;
        if let Uri::Sip(uri) = &mut to {
            let header = uri.headers.iter().find(|(name, _)| name.is("replaces"));
            replaces = header.and_then(|(_, value)| Replaces::parse(&value.bytes()));
            uri.headers.clear();
        }
        self.event(handle, Event::Referred { to, replaces, by });
    }

    /// Nobody decided about their REFER.
    pub(super) fn refer_undecided(&mut self, handle: Handle, tx: TxId) {
        if let Some(call) = self.calls.get_mut(&handle) {
            call.transfer.waiting.take_if(|waiting| *waiting == tx);
        }
    }

    /// How the call that they asked for goes.
    pub(super) fn refer_status(&mut self, handle: Handle, status: u16) {
        let Some(call) = self.calls.get_mut(&handle) else { return };
        if let Some(tx) = call.transfer.waiting.take() {
            if status >= 300 {
                return self.respond_plain(tx, status);
            }
            let response = self.in_dialog(handle, tx, 202);
            self.respond(tx, response);
            let number = self.request_of(tx).and_then(|r| r.headers.cseq().ok());
            if let Some(call) = self.calls.get_mut(&handle) {
                call.transfer.taken += 1;
                call.transfer.reporting = number.map(|cseq| cseq.number);
            }
        }
        self.report(handle, status.max(100));
    }

    fn report(&mut self, handle: Handle, status: u16) {
        let Some(call) = self.call_mut(handle, Phase::Up) else { return };
        let Some(number) = call.transfer.reporting else { return };
        let done = status >= 200;
        if done {
            call.transfer.reporting = None;
        }
        let event = match call.transfer.taken {
            0 | 1 => "refer".to_owned(),
            _ => format!("refer;id={number}"),
        };
        let Some(dialog) = &mut call.dialog else { return };
        let mut request = dialog.request(Method::Notify);
        request.headers.push(Name::Event, event);
        let state = if done { "terminated;reason=noresource" } else { "active;expires=180" };
        request.headers.push(Name::SubscriptionState, state);
        request.headers.push(Name::ContentType, "message/sipfrag;version=2.0");
        let phrase = reason_phrase(status);
        request.body = format!("SIP/2.0 {status} {phrase}\r\n").into_bytes();
        self.ask(handle, Errand::Notify, request);
    }
}

/// The status in the start line of a `message/sipfrag` (RFC 3420).
fn fragment_status(body: &[u8]) -> Option<u16> {
    let mut words = body.split(|byte| b" \r\n".contains(byte));
    words.next().filter(|version| version.eq_ignore_ascii_case(b"SIP/2.0"))?;
    let status = core::str::from_utf8(words.next()?).ok()?.parse().ok()?;
    (100..700).contains(&status).then_some(status)
}
