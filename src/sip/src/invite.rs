//! Calls: what an INVITE begins, from either side, until its one `Ended`.
//!
//! [`outgoing`] places calls, [`incoming`] takes them, [`reliable`] confirms provisional responses,
//! [`within`] sorts what comes inside of a dialog, [`reoffer`] changes a session, [`refresh`] keeps it
//! alive, [`transfer`] sends it elsewhere and [`over`] ends it.

mod incoming;
mod outgoing;
mod over;
mod refresh;
mod reliable;
mod reoffer;
mod transfer;
mod within;

pub(crate) use outgoing::route;

use std::collections::VecDeque;

use crate::agent::{
    Agent, Body, By, Command, Ended, Errand, ExchangeId, Failure, Handle, Owner, PeerId, Plan,
    Timer, TxId,
};
use crate::auth;
use crate::dialog::Dialog;
use crate::header::{Headers, Name, ReasonValue};
use crate::message::{Request, Response};
use crate::text::Text;

/// What a call waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Clock {
    /// An answer to our INVITE.
    Ring,
    /// The caller's answer to an offer that came in an answer.
    Decide,
    /// A session timer is due to be refreshed.
    Refresh,
    /// The session was not refreshed.
    Expire,
    /// The PRACK of our provisional response.
    Reliable,
    /// Trying again after glare.
    Glare,
    /// News of our REFER.
    Subscription,
}

impl Clock {
    const ALL: [Self; 7] = [
        Self::Ring,
        Self::Decide,
        Self::Refresh,
        Self::Expire,
        Self::Reliable,
        Self::Glare,
        Self::Subscription,
    ];
}

/// How far a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Our INVITE is under way.
    Calling,
    /// It was taken back, and its final response is awaited.
    Cancelling(By),
    /// Answered with an offer, which the caller of the agent is to answer.
    Offered,
    /// Their INVITE waits for our answer.
    Ringing,
    /// It was answered, and the ACK is awaited.
    Answering,
    /// Both sides have agreed.
    Up,
    /// Our BYE is under way.
    Ending,
}

/// An early dialog of an outgoing call.
#[derive(Debug)]
pub(crate) struct Fork {
    tag: Text,
    dialog: Dialog,
    /// The last reliable response, as numbered by its sender.
    rseq: Option<u32>,
    /// Offer and answer were exchanged reliably.
    described: bool,
    /// The reliable response whose offer waits for an answer.
    offered: Option<u32>,
}

/// A call.
#[derive(Debug)]
pub(crate) struct Call {
    peer: PeerId,
    pub(crate) auth: auth::Client,
    /// The user part of our Contact.
    contact: Text,
    /// In the index of dialogs.
    key: (Text, Text),
    phase: Phase,
    answered: bool,
    /// Early dialogs of our INVITE.
    forks: Vec<Fork>,
    /// The dialog: that of the callee from the first, that of the caller from the answer on.
    dialog: Option<Dialog>,
    placed: Option<outgoing::Placed>,
    /// Their INVITE.
    server: Option<TxId>,
    /// Who offered first: we in our INVITE, or they in theirs.
    offer_in_invite: bool,
    /// A session description went out reliably, or with the answer.
    described: bool,
    /// What we last described ourselves with.
    body: Option<Body>,
    reliable: Option<reliable::Outstanding>,
    rseq: u32,
    queue: VecDeque<Command>,
    /// Answers of ours to INVITEs that were not acknowledged, and their CSeq.
    unacked: Vec<(TxId, u32)>,
    /// To be said in the BYE that follows the ACK.
    hang_up: Option<(By, Vec<Text>)>,
    /// How it ended, while the BYE is under way.
    ended: Option<Ended>,
    ours: Option<reoffer::Ours>,
    theirs: Option<TxId>,
    /// An offer that waits for its turn.
    next_offer: Option<Body>,
    session: refresh::Session,
    transfer: transfer::Transfer,
}

impl Call {
    fn new(peer: PeerId, contact: Text, key: (Text, Text), phase: Phase) -> Self {
        Self {
            peer,
            auth: auth::Client::new(Vec::new()),
            contact,
            key,
            phase,
            answered: false,
            forks: Vec::new(),
            dialog: None,
            placed: None,
            server: None,
            offer_in_invite: false,
            described: false,
            body: None,
            reliable: None,
            rseq: 0,
            queue: VecDeque::new(),
            unacked: Vec::new(),
            hang_up: None,
            ended: None,
            ours: None,
            theirs: None,
            next_offer: None,
            session: refresh::Session::default(),
            transfer: transfer::Transfer::default(),
        }
    }

    /// The dialog with the side that has this tag.
    fn dialog_with(&mut self, tag: &Text) -> Option<&mut Dialog> {
        let forks = self.forks.iter_mut().map(|fork| &mut fork.dialog);
        let mut dialogs = self.dialog.iter_mut().chain(forks);
        dialogs.find(|dialog| dialog.remote_tag() == *tag)
    }
}

impl Agent {
    /// A command about a call. One that makes no sense is ignored: it crossed an event on its way.
    pub(crate) fn call_command(&mut self, handle: Handle, command: Command) {
        match command {
            Command::Invite(invite) => self.place(handle, *invite),
            Command::Progress { .. } | Command::Answer { .. } => self.callee_says(handle, command),
            Command::Reject { status, reason, retry_after, contacts } => {
                let extra = incoming::Rejection { reason, retry_after, contacts };
                self.reject(handle, status, extra);
            }
            Command::HangUp { reason } => self.hang_up(handle, By::Us, texts(reason)),
            Command::Complete { body } => self.complete(handle, body),
            Command::Reoffer { body } => self.reoffer(handle, body),
            Command::Reply { result } => self.reply_offer(handle, result),
            Command::Info { body } => self.info(handle, &body),
            Command::Refer { to, replaces } => self.refer(handle, to, replaces),
            Command::ReferStatus { status } => self.refer_status(handle, status),
            Command::Register(_) | Command::Unregister | Command::Ping(_) | Command::StopPing => {}
        }
    }

    pub(crate) fn call_timeout(&mut self, handle: Handle, clock: Clock) {
        match clock {
            Clock::Ring => self.hang_up(handle, By::Timer, vec![REQUEST_TIMEOUT.into()]),
            Clock::Decide => self.complete(handle, None),
            Clock::Refresh => self.refresh(handle),
            Clock::Expire => self.hang_up(handle, By::Timer, Vec::new()),
            Clock::Reliable => self.reliable_timeout(handle),
            Clock::Glare => self.offer_again(handle),
            Clock::Subscription => self.subscription_timeout(handle),
        }
    }

    /// The final outcome of what a call asked for.
    pub(crate) fn errand_done(
        &mut self,
        handle: Handle,
        errand: Errand,
        outcome: Result<Response, Failure>,
    ) {
        match errand {
            Errand::Invite => self.invite_failed(handle, outcome),
            Errand::Reoffer | Errand::Refresh => self.reoffer_done(handle, errand, outcome),
            Errand::Bye => self.bye_done(handle),
            Errand::Refer => self.refer_done(handle, outcome),
            Errand::Info | Errand::Notify => {
                self.lost_dialog(handle, &outcome);
            }
            Errand::Prack | Errand::Ack => {}
        }
    }

    /// Sends a request of the call's dialog.
    fn ask(&mut self, handle: Handle, errand: Errand, request: Request) -> Option<ExchangeId> {
        let call = self.calls.get(&handle)?;
        let plan = Plan {
            owner: Owner::Call(handle, errand),
            request,
            peer: call.peer,
            contact: Some(call.contact.clone()),
            patience: self.config.timers.patience(),
            ack_of: None,
        };
        Some(self.start(plan))
    }

    fn clock(&mut self, handle: Handle, clock: Clock, after: core::time::Duration) {
        self.timers.set(Timer::Call(handle, clock), self.now + after);
    }

    fn stop_clock(&mut self, handle: Handle, clock: Clock) {
        self.timers.clear(Timer::Call(handle, clock));
    }

    /// The next number of a dialog, for a request that is sent again after a challenge.
    pub(crate) fn next_number(&mut self, owner: Owner, request: &Request) -> Option<u32> {
        let number = request.headers.cseq().ok()?.number.saturating_add(1);
        let Owner::Call(handle, errand) = owner else { return Some(number) };
        let call = self.calls.get_mut(&handle)?;
        if errand == Errand::Invite {
            return Some(number);
        }
        let tag = request.headers.to().ok()?.tag()?.clone();
        let dialog = call.dialog_with(&tag)?;
        dialog.local_seq = dialog.local_seq.max(number.saturating_sub(1)).saturating_add(1);
        Some(dialog.local_seq)
    }

    /// Part of [`Agent::audit`].
    pub(crate) fn audit_calls(&self) -> Result<(), &'static str> {
        let must = |holds: bool, what| if holds { Ok(()) } else { Err(what) };
        for (handle, call) in &self.calls {
            must(self.dialogs.get(&call.key) == Some(handle), "a call that is not in the index")?;
            let waits = match call.phase {
                Phase::Calling | Phase::Cancelling(_) => {
                    let exchange = call.placed.as_ref().and_then(|placed| placed.exchange);
                    exchange.is_some_and(|id| self.exchange(id).is_some())
                }
                Phase::Offered => self.timers.of(Timer::Call(*handle, Clock::Decide)).is_some(),
                Phase::Ringing => call.server.is_some_and(|tx| self.is_undecided(tx)),
                Phase::Answering => call.unacked.iter().any(|(tx, _)| self.wants_ack(*tx)),
                Phase::Up => call.dialog.is_some(),
                Phase::Ending => call.ended.is_some(),
            };
            must(waits, "a call that waits for nothing")?;
        }
        Ok(())
    }
}

/// A reason as a header value.
fn texts(reason: Option<ReasonValue>) -> Vec<Text> {
    reason.iter().map(Text::from).collect()
}

/// The reason to be remembered: that of the phone network before that of SIP.
fn reason_of(headers: &Headers) -> Option<ReasonValue> {
    let reasons = headers.reasons();
    let phone = reasons.iter().position(|reason| reason.protocol.is("Q.850")).unwrap_or(0);
    reasons.into_iter().nth(phone)
}

fn set_body(headers: &mut Headers, place: &mut Vec<u8>, body: &Body) {
    headers.set(Name::ContentType, body.kind.as_str());
    place.clone_from(&body.bytes);
}

/// What the CANCEL of a call that rang too long says (RFC 3326).
const REQUEST_TIMEOUT: &str = "Q.850;cause=102;text=\"Recovery on timer expiry\"";
