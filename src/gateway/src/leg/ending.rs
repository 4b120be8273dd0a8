//! The end of a leg: who ended it, what shows it, and the record that is closed with that.

use std::time::Duration;

use offhook_billing::cdr::{Ender, Evidence, Interim, Proof, Stream, Voice, VoiceCodec};
use offhook_bridge::{Order, PhoneCodec, Report};
use offhook_sip::agent::{By, Command as Sip, Ended, Event as SipEvent};
use offhook_sip::cause::{reasons, spoken};
use offhook_sip::header::ReasonValue;
use offhook_types::phone::{Cause, Event};
use offhook_types::{Time, WallTime};

use super::outgoing::{Attempt, cause_of, q850};
use super::{Bridge, LAST_FIGURES, Leg, Now, Output, Stage};

/// How a leg, or one attempt, ended.
#[derive(Debug, Clone)]
pub(super) struct Ending {
    pub(super) cause: Cause,
    by: Ender,
    proof: Proof,
    sip: Option<u16>,
    q850: Option<u8>,
    at: Time,
    wall: WallTime,
    /// Time at the end in which nothing was heard, which is not charged.
    silent: Duration,
    /// The dialog is still to be ended.
    hang_up: bool,
}

impl Ending {
    /// We end it: a limit, a fault, or nothing was ever sent.
    pub(super) fn ours(now: Now, cause: Cause) -> Self {
        Self {
            cause,
            by: Ender::House,
            proof: Proof::HangUp,
            sip: None,
            q850: Some(spoken(cause).1),
            at: now.time,
            wall: now.wall,
            silent: Duration::ZERO,
            hang_up: true,
        }
    }

    /// The person on our side ends it.
    pub(super) fn of_person(now: Now, by: Ender, cause: Cause) -> Self {
        let proof = if cause == Cause::Cancelled { Proof::Cancel } else { Proof::HangUp };
        Self { by, proof, ..Self::ours(now, cause) }
    }

    /// The answer was none that we can hear.
    pub(super) fn unfit(now: Now) -> Self {
        Self { by: Ender::Network, sip: Some(488), ..Self::ours(now, Cause::NoRoute) }
    }

    /// No sound came from the far side for so long.
    pub(super) fn media_lost(now: Now, silent: Duration) -> Self {
        let ours = Self::ours(now, Cause::MediaLost);
        Self { by: Ender::Network, proof: Proof::MediaLost, silent, ..ours }
    }

    /// A final response turned our call away.
    pub(super) fn of_refusal(now: Now, ended: &Ended) -> Self {
        let by = match ended.by {
            By::Us => Ender::Caller,
            By::Them if matches!(ended.status, 486 | 600 | 603) => Ender::Callee,
            _ => Ender::Network,
        };
        let proof = match ended.by {
            By::Us => Proof::Cancel,
            By::Timer | By::Network => Proof::Silence,
            By::Them | By::Protocol => Proof::Response,
        };
        Self {
            by,
            proof,
            sip: Some(ended.status),
            q850: ended.reason.as_ref().and_then(q850),
            hang_up: false,
            ..Self::ours(now, cause_of(ended))
        }
    }

    /// The agent says that an answered call, or one that came in, is over.
    pub(super) fn of_dialog(now: Now, ended: &Ended, far: Ender) -> Self {
        let (by, proof, cause) = match (ended.by, ended.answered) {
            (By::Them, true) => (far, Proof::Bye, Cause::HungUp),
            (By::Them, false) => (far, Proof::Cancel, Cause::Cancelled),
            (By::Us, _) => (Ender::House, Proof::HangUp, Cause::HungUp),
            // Session timers, or an answer that was never acknowledged.
            (By::Timer, _) => (Ender::Network, Proof::Silence, Cause::MediaLost),
            (By::Network | By::Protocol, _) => (Ender::Network, Proof::Silence, Cause::Server),
        };
        let q850 = ended.reason.as_ref().and_then(q850);
        let sip = Some(ended.status);
        Self { by, proof, sip, q850, hang_up: false, ..Self::ours(now, cause) }
    }
}

impl Leg {
    /// The leg is over. Whatever was begun is ended, and its records are closed.
    pub(super) fn end(&mut self, now: Now, ending: Ending) {
        if matches!(self.stage, Stage::Ending(_) | Stage::Gone) {
            return;
        }
        self.end_transfer(now);
        let handle = self.attempt.as_ref().map(|attempt| attempt.handle);
        let invited =
            self.attempt.as_ref().is_some_and(|attempt| attempt.known.times.invited.is_some());
        if let Some(handle) = handle.filter(|_| ending.hang_up && invited) {
            let command = self.farewell(ending.cause);
            self.sip(handle, command);
        }
        self.tell(Event::Ended { phone: self.phone, cause: ending.cause });
        self.order(Order::Close);
        tracing::info!(phone = %self.phone, cause = ?ending.cause, by = ?ending.by, "phone leg ended");
        self.due = Some(now.time + LAST_FIGURES);
        self.stage = Stage::Ending(ending);
        self.close_if_ready(false);
    }

    /// The record is closed once the bridge has given its last figures, or takes too long.
    pub(super) fn close_if_ready(&mut self, late: bool) {
        let Stage::Ending(ending) = &self.stage else { return };
        let ending = ending.clone();
        match &self.attempt {
            // The books still have to say whether there is a record to close.
            Some(attempt) if !attempt.open => {
                self.due = None;
                return;
            }
            Some(_) if matches!(self.bridge, Bridge::Open(_)) && !late => return,
            _ => {}
        }
        self.close_attempt(&ending);
        // A bridge that is still being opened is closed when it stands.
        if self.bridge != Bridge::Opening || late {
            self.due = None;
            self.stage = Stage::Gone;
        }
    }

    /// Close the record of the attempt.
    pub(super) fn close_attempt(&mut self, ending: &Ending) {
        let talked = self.meter.as_ref().map(|meter| meter.talked(ending.at)).unwrap_or_default();
        if let Some(mut attempt) = self.attempt.take() {
            self.close(&mut attempt, ending, talked);
            self.attempt = Some(attempt);
        }
    }

    /// Close a record, once. It was talked for so long.
    pub(super) fn close(&mut self, attempt: &mut Attempt, ending: &Ending, talked: Duration) {
        if !attempt.open || attempt.closed {
            return;
        }
        attempt.closed = true;
        let sent = attempt.known.times.invited.is_some();
        let silent = ending.silent.min(talked);
        let evidence = Evidence {
            proof: if sent { ending.proof } else { Proof::NotSent },
            by: ending.by,
            cause: ending.cause,
            // Whoever hung up later: the final response was an answer.
            sip: ending.sip.or(attempt.known.times.answered.map(|_| 200)),
            q850: ending.q850,
            at: WallTime(ending.wall.0.saturating_sub(millis(silent))),
            talked: talked.saturating_sub(silent),
            last: Interim {
                call: self.call,
                times: attempt.known.times,
                voice: attempt.known.voice,
            },
        };
        let close = Output::Close {
            cdr: attempt.cdr,
            trunk: attempt.trunk.id(),
            observed: attempt.observed(),
            evidence: Box::new(evidence),
        };
        self.say(close);
    }

    /// The agent's last word on a dialog that we ended.
    pub(super) fn ending_said(&mut self, event: &SipEvent) {
        // A 200 that crossed our CANCEL: the agent acknowledges it and says BYE; nobody talked.
        if let SipEvent::Ended(ended) = event
            && let Stage::Ending(ending) = &mut self.stage
        {
            ending.sip = ending.sip.or(Some(ended.status));
            self.close_if_ready(false);
        }
    }

    /// Figures of the bridge.
    pub(super) fn take_evidence(&mut self, now: Now, report: &Report) {
        let Some(attempt) = &mut self.attempt else { return };
        let last = |silent: Option<Duration>| {
            silent.map(|span| WallTime(now.wall.0.saturating_sub(millis(span))))
        };
        let times = &mut attempt.known.times;
        times.last_in = times.last_in.max(last(report.from_carrier.silent_for));
        times.last_out = times.last_out.max(last(report.from_room.silent_for));
        attempt.known.voice = voice(report);
        if attempt.known.times.answered.is_some() && self.is_talking() {
            self.update_record();
        }
    }

    /// The store is told how the call goes on, so that it is billed right if we do not live to see its
    /// end.
    pub(super) fn update_record(&mut self) {
        let Some(attempt) = self.attempt.as_ref().filter(|at| at.open && !at.closed) else {
            return;
        };
        let interim =
            Interim { call: self.call, times: attempt.known.times, voice: attempt.known.voice };
        let cdr = attempt.cdr;
        self.say(Output::Update { cdr, interim: Box::new(interim) });
    }

    /// How a dialog is ended: hung up, or turned away when it came in and was not answered.
    fn farewell(&self, cause: Cause) -> Sip {
        let reason: Option<ReasonValue> = reasons(cause).into_iter().next();
        match &self.stage {
            Stage::Arriving(arriving) if !arriving.is_answered() => {
                let status = spoken(cause).0;
                Sip::Reject { status, reason, retry_after: None, contacts: Vec::new() }
            }
            _ => Sip::HangUp { reason },
        }
    }
}

fn voice(report: &Report) -> Voice {
    let codec = |codec: PhoneCodec| match codec {
        PhoneCodec::Pcmu => VoiceCodec::Pcmu,
        PhoneCodec::Pcma => VoiceCodec::Pcma,
        PhoneCodec::G722 => VoiceCodec::G722,
        PhoneCodec::Opus => VoiceCodec::Opus,
    };
    let heard = &report.from_carrier;
    Voice {
        carrier: report.received_codec.or(report.sent_codec).map(codec),
        room: Some(VoiceCodec::Opus),
        from_carrier: Stream {
            packets: heard.received,
            lost: heard.lost.saturating_add(heard.late),
            jitter_us: heard.jitter_us,
            mos: heard.mos,
        },
        to_carrier: Stream {
            packets: heard.sent.saturating_sub(heard.sent_lost),
            lost: heard.sent_lost,
            jitter_us: heard.sent_jitter_us.unwrap_or(0),
            mos: heard.sent_mos,
        },
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
