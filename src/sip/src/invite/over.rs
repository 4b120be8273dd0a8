//! How calls end: at our command, at theirs, or because nothing is heard (RFC 3261 §15).

use super::{Call, Clock, Phase, reason_of};
use crate::agent::{Agent, By, Ended, Errand, Event, Failure, Handle, Misdeed, Timer, TxId};
use crate::header::Name;
use crate::message::{Method, Request, Response};
use crate::text::Text;

impl Ended {
    /// Before an answer, with this status and nothing more to say.
    pub(crate) const fn new(by: By, status: u16) -> Self {
        Self { by, answered: false, status, reason: None, retry_after: None, contacts: Vec::new() }
    }
}

impl Agent {
    /// Ends a call whatever its state. `reasons` are values of `Reason`.
    pub(super) fn hang_up(&mut self, handle: Handle, by: By, reasons: Vec<Text>) {
        let Some(call) = self.calls.get_mut(&handle) else { return };
        match call.phase {
            Phase::Calling => {
                call.phase = Phase::Cancelling(by);
                let exchange = call.placed.as_ref().and_then(|placed| placed.exchange);
                self.stop_clock(handle, Clock::Ring);
                if !exchange.is_some_and(|id| self.cancel(id, reasons)) {
                    self.end(handle, Ended::new(by, 487));
                }
            }
            Phase::Ringing => {
                let Some(tx) = call.server else { return };
                let mut response = self.reply(tx, 480);
                for reason in &reasons {
                    response.headers.push(Name::Reason, reason);
                }
                self.respond(tx, response);
                self.end(handle, Ended::new(by, 480));
            }
            // RFC 3261 §15: the callee waits for the ACK with its BYE.
            Phase::Answering => {
                call.hang_up.get_or_insert((by, reasons));
            }
            Phase::Offered => {
                // The ACK goes first; it says nothing to the offer.
                call.hang_up = Some((by, reasons));
                self.complete(handle, None);
            }
            Phase::Up => self.bye(handle, Ended::new(by, 200), reasons),
            Phase::Cancelling(_) | Phase::Ending => {}
        }
    }

    /// Sends the BYE of an answered call. It is over when that is answered, or cannot be.
    pub(super) fn bye(&mut self, handle: Handle, ended: Ended, reasons: Vec<Text>) {
        let Some(call) = self.calls.get_mut(&handle) else { return };
        let (by, reasons) = call.hang_up.take().unwrap_or((ended.by, reasons));
        call.phase = Phase::Ending;
        call.ended = Some(Ended { by, answered: true, ..ended });
        let theirs = call.theirs.take();
        let Some(dialog) = &mut call.dialog else { return self.bye_done(handle) };
        let mut request = dialog.request(Method::Bye);
        for reason in &reasons {
            request.headers.push(Name::Reason, reason);
        }
        if let Some(tx) = theirs {
            self.respond_plain(tx, 487);
        }
        self.stop_clocks(handle);
        self.ask(handle, Errand::Bye, request);
    }

    /// The BYE was answered, or never will be: over is over.
    pub(super) fn bye_done(&mut self, handle: Handle) {
        let ended = self.calls.get(&handle).and_then(|call| call.ended.clone());
        if let Some(ended) = ended {
            self.end(handle, ended);
        }
    }

    /// A BYE came. Whatever is under way ends with it (RFC 3261 §15.1.2).
    pub(super) fn bye_came(&mut self, handle: Handle, tx: TxId, request: &Request) {
        let Some(call) = self.calls.get(&handle) else { return };
        let reason = reason_of(&request.headers);
        match call.phase {
            // Only a caller may end an early dialog with BYE.
            Phase::Calling | Phase::Cancelling(_) => return self.respond_plain(tx, 481),
            Phase::Offered => {
                self.respond_plain(tx, 200);
                if let Some(call) = self.calls.get_mut(&handle) {
                    call.hang_up = Some((By::Them, Vec::new()));
                }
                self.complete(handle, None);
            }
            _ => self.respond_plain(tx, 200),
        }
        let Some(call) = self.calls.get(&handle) else { return };
        let ended = match (call.phase, &call.ended, call.server) {
            (Phase::Ringing, _, Some(invite)) => {
                self.respond_plain(invite, 487);
                Ended { reason, ..Ended::new(By::Them, 487) }
            }
            // Both hung up: ours was first, as far as we know.
            (Phase::Ending, Some(ended), _) => ended.clone(),
            _ => Ended { reason, answered: true, ..Ended::new(By::Them, 200) },
        };
        self.end(handle, ended);
    }

    /// A CANCEL ended one of their INVITEs.
    pub(crate) fn taken_back(&mut self, handle: Handle, invite: TxId, cancel: &Request) {
        let Some(call) = self.calls.get_mut(&handle) else { return };
        if call.server == Some(invite) && call.phase == Phase::Ringing {
            let reason = reason_of(&cancel.headers);
            self.end(handle, Ended { reason, ..Ended::new(By::Them, 487) });
        } else if call.theirs == Some(invite) {
            call.theirs = None;
            self.offer_next(handle);
        }
    }

    /// The caller of the agent did not respond in time; a response was sent for it.
    pub(crate) fn undecided(&mut self, handle: Handle, tx: TxId) {
        let Some(call) = self.calls.get_mut(&handle) else { return };
        if call.server == Some(tx) && call.phase == Phase::Ringing {
            self.end(handle, Ended::new(By::Timer, 480));
        } else if call.theirs == Some(tx) {
            call.theirs = None;
            self.offer_next(handle);
        } else {
            self.refer_undecided(handle, tx);
        }
    }

    /// Our answer was never acknowledged: the call is ended (RFC 3261 §13.3.1.4).
    pub(crate) fn never_acknowledged(&mut self, handle: Handle, tx: TxId) {
        self.stats.misdeeds.add(Misdeed::NoAck);
        let Some(call) = self.calls.get_mut(&handle) else { return };
        call.unacked.retain(|(known, _)| *known != tx);
        if call.phase != Phase::Ending {
            self.bye(handle, Ended::new(By::Timer, 408), Vec::new());
        }
    }

    /// Whether a response says that the dialog is no more (RFC 3261 §12.2.1.2). Then it is ended here too.
    pub(super) fn lost_dialog(
        &mut self,
        handle: Handle,
        outcome: &Result<Response, Failure>,
    ) -> bool {
        let (by, status) = match outcome {
            Ok(response) if matches!(response.status, 408 | 481) => (By::Them, response.status),
            Ok(_) => return false,
            Err(Failure::Timeout) => (By::Timer, 408),
            Err(Failure::Network) => (By::Network, 503),
        };
        let up = self.calls.get(&handle).is_some_and(|call| call.phase == Phase::Up);
        if up {
            self.bye(handle, Ended::new(by, status), Vec::new());
        }
        up
    }

    /// The call is gone: nothing waits for it, nothing comes after this.
    pub(super) fn end(&mut self, handle: Handle, ended: Ended) {
        self.stop_clocks(handle);
        let Some(call) = self.calls.remove(&handle) else { return };
        self.dialogs.remove(&call.key);
        self.disown(handle);
        for tx in call.server.iter().chain(&call.theirs).chain(call.refer_waiting()) {
            self.respond_plain(*tx, 487);
        }
        for (tx, _) in &call.unacked {
            // A 2xx that is of no use any more is not repeated.
            self.acknowledged(*tx);
        }
        self.event(handle, Event::Ended(ended));
    }

    fn stop_clocks(&mut self, handle: Handle) {
        for clock in Clock::ALL {
            self.timers.clear(Timer::Call(handle, clock));
        }
    }

    pub(super) fn set_phase(&mut self, handle: Handle, phase: Phase) {
        if let Some(call) = self.calls.get_mut(&handle) {
            call.phase = phase;
        }
    }

    pub(super) fn call_mut(&mut self, handle: Handle, phase: Phase) -> Option<&mut Call> {
        self.calls.get_mut(&handle).filter(|call| call.phase == phase)
    }
}
