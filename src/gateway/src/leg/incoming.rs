//! A call from a trunk, until it is answered: a user's devices ring, or a room is behind a PIN.

use std::net::SocketAddr;
use std::sync::Arc;

use offhook_billing::cdr::{Direction, Ender, Opening, Recorded};
use offhook_bridge::{Order, Side, Sound, Tone};
use offhook_sip::agent::{Body, Command as Sip, Event as SipEvent, Handle};
use offhook_types::phone::{Cause, Digit, Event, Incoming, Reached};
use offhook_types::{CallId, CdrId, Dialed, Number};

use super::ending::Ending;
use super::outgoing::Attempt;
use super::words::{Arrival, Where};
use super::{Bridge, Leg, Line, Now, OpenRefused, Output, Stage};

/// A call that was not answered by a person yet.
#[derive(Debug)]
pub(super) struct Arriving {
    incoming: Incoming,
    leads_to: Where,
    /// The carrier's offer; `None` asks for ours.
    offer: Option<Body>,
    state: State,
    /// Of the PIN that is awaited; while one is compared, of the next.
    pressed: Vec<Digit>,
    tries: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The record and the bridge are awaited.
    Preparing,
    /// Call control was told, and decides.
    Waiting,
    /// Answered by us; a PIN is awaited.
    Pin,
    /// Answered by us; the PIN is being compared.
    Checking,
    /// Too many wrong PINs: the tone that says so plays.
    TurnedAway,
}

/// A PIN has at most so many digits.
const LONGEST_PIN: usize = 12;
/// Keys that are kept while a PIN is compared: two more tries of the longest.
const AHEAD: usize = 2 * (LONGEST_PIN + 1);

impl Arriving {
    /// Whether the carrier was told 200 already.
    pub(super) const fn is_answered(&self) -> bool {
        matches!(self.state, State::Pin | State::Checking | State::TurnedAway)
    }
}

impl Leg {
    pub(super) fn begin_arriving(&mut self, now: Now, arrival: Arrival) {
        let Arrival { phone, handle, incoming, trunk, called, from, name, account, .. } = arrival;
        let cdr = CdrId::random(&mut self.rng);
        self.user = match &arrival.leads_to.reached {
            Reached::User(user) => Some(*user),
            Reached::Room(_) => None,
        };
        let opening = Opening {
            id: cdr,
            phone,
            account,
            user: self.user,
            direction: Direction::In,
            from: from.clone().map(|from| Recorded::from(&Dialed::Number(from))),
            to: Recorded::from(&Dialed::Number(called.clone())),
            destination: String::new(),
            trunk: trunk.id(),
            attempt: 1,
            route: "incoming".into(),
            sell: arrival.sell,
            buy: arrival.buy,
            reserve: offhook_types::Micros::ZERO,
            at: now.wall,
        };
        // The bridge's address is not known yet; the line learns it before it answers.
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let line = Line::new(&mut self.rng, &trunk, nowhere, &arrival.secret.0);
        let mut attempt = Attempt::new((cdr, handle), trunk, line, account);
        attempt.known.times.invited = Some(now.wall);
        self.attempt = Some(attempt);
        let reached = arrival.leads_to.reached.clone();
        self.stage = Stage::Arriving(Box::new(Arriving {
            incoming: Incoming { phone, to: reached, called, from, name },
            leads_to: arrival.leads_to,
            offer: incoming.body,
            state: State::Preparing,
            pressed: Vec::new(),
            tries: 0,
        }));
        self.due = Some(now.time + self.limits.prepare);
        self.say(Output::OpenBridge);
        self.say(Output::Open(Box::new(opening)));
    }

    /// The books have answered.
    pub(super) fn arrival_opened(&mut self, now: Now, result: Result<(), OpenRefused>) {
        match result {
            Ok(()) => self.arrived(now),
            Err(refused) => {
                let cause = match refused {
                    OpenRefused::TrunkFull => Cause::Congestion,
                    _ => Cause::Server,
                };
                self.end(now, Ending::ours(now, cause));
                self.attempt = None;
                self.close_if_ready(true);
            }
        }
    }

    /// Go on once the record is durable and the bridge stands.
    pub(super) fn arrived(&mut self, now: Now) {
        let open = self.attempt.as_ref().is_some_and(|attempt| attempt.open);
        let Bridge::Open(opened) = self.bridge else { return };
        let Stage::Arriving(arriving) = &mut self.stage else { return };
        if !open || arriving.state != State::Preparing {
            return;
        }
        if let Some(attempt) = &mut self.attempt {
            attempt.line.set_local(opened.carrier);
        }
        match (&arriving.leads_to.reached, arriving.leads_to.pin) {
            (Reached::User(_), _) => {
                arriving.state = State::Waiting;
                let incoming = arriving.incoming.clone();
                self.due = Some(now.time + self.limits.ring);
                self.introduce(incoming);
            }
            (Reached::Room(_), pin) => self.enter(now, pin),
        }
    }

    /// Answer for a room, and ask for its PIN where it has one.
    fn enter(&mut self, now: Now, pin: bool) {
        if !self.answer_carrier(now) {
            return;
        }
        if !pin {
            return self.let_in(now);
        }
        if let Stage::Arriving(arriving) = &mut self.stage {
            arriving.state = State::Pin;
        }
        self.due = Some(now.time + self.limits.pin_wait);
        self.prompt("enter-pin", Tone::CallWaiting);
    }

    fn prompt(&mut self, name: &str, otherwise: Tone) {
        let sound = Sound::Announcement { name: name.into(), otherwise };
        self.play(Side::Carrier, sound, 1);
    }

    /// Devices ring.
    pub(super) fn ring(&mut self, now: Now, call: CallId) {
        let waiting =
            matches!(&self.stage, Stage::Arriving(arriving) if arriving.state == State::Waiting);
        self.call = self.call.or(Some(call));
        let Some(attempt) = self.attempt.as_mut().filter(|_| waiting) else { return };
        attempt.known.times.ringing.get_or_insert(now.wall);
        let handle = attempt.handle;
        self.sip(handle, Sip::Progress { status: 180, body: None });
        self.update_record();
    }

    /// Somebody takes the call.
    pub(super) fn answer(&mut self, now: Now) {
        let waiting =
            matches!(&self.stage, Stage::Arriving(arriving) if arriving.state == State::Waiting);
        if waiting && self.answer_carrier(now) {
            self.begin_talking(now);
            self.tell(Event::Answered { phone: self.phone, at: now.wall });
        }
    }

    /// 200 with our description. False where the carrier speaks nothing that we do: the leg is over.
    fn answer_carrier(&mut self, now: Now) -> bool {
        let Stage::Arriving(arriving) = &mut self.stage else { return false };
        let offer = arriving.offer.take();
        let Some(attempt) = &mut self.attempt else { return false };
        let handle = attempt.handle;
        let body = match offer {
            // Their answer comes with the ACK.
            None => attempt.line.offer(),
            Some(offer) => match attempt.line.take_offer(&offer.bytes) {
                Ok((body, carrier)) => {
                    self.order(Order::SetCarrier(Box::new(carrier)));
                    body
                }
                Err(_) => {
                    self.end(now, Ending::unfit(now));
                    return false;
                }
            },
        };
        if let Some(attempt) = &mut self.attempt {
            attempt.known.times.answered = Some(now.wall);
        }
        self.sip(handle, Sip::Answer { body: Some(Body::sdp(body)) });
        true
    }

    fn let_in(&mut self, now: Now) {
        let Stage::Arriving(arriving) = &self.stage else { return };
        let incoming = arriving.incoming.clone();
        self.begin_talking(now);
        self.introduce(incoming);
    }

    /// Call control knows nothing of a leg before it hears of the call: the bridge, which stands by
    /// then, comes after it.
    fn introduce(&mut self, incoming: Incoming) {
        self.tell(Event::Incoming(incoming));
        if let Bridge::Open(opened) = self.bridge {
            self.tell(Event::Bridge { phone: self.phone, address: opened.relay });
        }
    }

    /// The agent says something of a call that is not taken yet.
    pub(super) fn arriving_said(&mut self, now: Now, event: SipEvent) {
        match event {
            SipEvent::Ended(ended) => {
                self.end(now, Ending::of_dialog(now, &ended, Ender::Caller));
            }
            SipEvent::Confirmed { body } => self.confirmed(now, body),
            SipEvent::Reoffer { body } => self.reoffered(body),
            SipEvent::Info { body } => self.info(now, &body),
            _ => {}
        }
    }

    /// A key of the PIN.
    pub(super) fn pin_digit(&mut self, now: Now, digit: Digit) {
        let wait = self.limits.pin_wait;
        let Stage::Arriving(arriving) = &mut self.stage else { return };
        match arriving.state {
            State::Pin => {}
            State::Checking if arriving.pressed.len() < AHEAD => {
                return arriving.pressed.push(digit);
            }
            _ => return,
        }
        self.due = Some(now.time + wait);
        if digit.face() != '#' {
            arriving.pressed.push(digit);
            if arriving.pressed.len() <= LONGEST_PIN {
                return;
            }
        }
        arriving.state = State::Checking;
        let pressed = core::mem::take(&mut arriving.pressed);
        let called: Number = arriving.incoming.called.clone();
        self.say(Output::CheckPin { called, pressed });
    }

    /// The PIN was compared.
    pub(super) fn pin_checked(&mut self, now: Now, right: bool) {
        let tries = self.limits.pin_tries;
        let Stage::Arriving(arriving) = &mut self.stage else { return };
        if arriving.state != State::Checking {
            return;
        }
        if right {
            return self.let_in(now);
        }
        arriving.tries = arriving.tries.saturating_add(1);
        if arriving.tries < tries {
            arriving.state = State::Pin;
            let ahead = core::mem::take(&mut arriving.pressed);
            self.due = Some(now.time + self.limits.pin_wait);
            self.prompt("wrong-pin", Tone::Refused);
            for digit in ahead {
                self.pin_digit(now, digit);
            }
        } else {
            self.turn_away(now);
        }
    }

    fn turn_away(&mut self, now: Now) {
        if let Stage::Arriving(arriving) = &mut self.stage {
            arriving.state = State::TurnedAway;
        }
        // The announcement's end comes first, unless it never does.
        self.due = Some(now.time + self.limits.pin_wait);
        self.prompt("goodbye", Tone::Refused);
    }

    /// An announcement was played to its end.
    pub(super) fn played(&mut self, now: Now, to: Side) {
        let away = matches!(&self.stage, Stage::Arriving(at) if at.state == State::TurnedAway);
        if away && to == Side::Carrier {
            self.end(now, Ending::ours(now, Cause::NotPermitted));
        }
    }

    /// What was waited for did not come.
    pub(super) fn arriving_over(&mut self, now: Now) {
        let Stage::Arriving(arriving) = &self.stage else { return };
        match arriving.state {
            State::Preparing | State::Checking => self.end(now, Ending::ours(now, Cause::Server)),
            State::Waiting => self.end(now, Ending::ours(now, Cause::NoAnswer)),
            // What was pressed without `#` counts as a PIN.
            State::Pin if !arriving.pressed.is_empty() => {
                if let Some(hash) = Digit::from_face('#') {
                    self.pin_digit(now, hash);
                }
            }
            State::Pin => self.turn_away(now),
            State::TurnedAway => self.end(now, Ending::ours(now, Cause::NotPermitted)),
        }
    }

    /// Which trunk the leg goes over now.
    pub(super) fn trunk(&self) -> Option<&Arc<crate::trunk::Trunk>> {
        self.attempt.as_ref().map(|attempt| &attempt.trunk)
    }

    /// Which dialog the leg has now.
    pub(super) fn dialog(&self) -> Option<Handle> {
        self.attempt.as_ref().map(|attempt| attempt.handle)
    }
}
