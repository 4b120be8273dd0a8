//! One phone leg from its first word to its last: a machine. It says what to ask of routing, the books,
//! the SIP agent and the bridge, hears their answers, and tells call control how the call goes.
//!
//! What must never go wrong is decided here:
//! - Nothing is sent before a record is durable and its money set aside.
//! - Every record that was opened is closed once, with the evidence of how the call ended.
//! - Call control hears [`phone::Event::Ended`] once, and last.
//! - Nobody talks on money that is not set aside: each slice has a timer that ends the call.
//!
//! Files: [`outgoing`] attempts to reach a number, [`incoming`] calls from a trunk, [`talk`] what
//! happens once it is answered, [`transfer`] another number in its place, [`meter`] money while
//! talking, [`line`] session descriptions, [`ending`] the end and its evidence, [`words`] what goes in
//! and out.

mod ending;
mod incoming;
mod line;
mod meter;
mod outgoing;
mod talk;
#[cfg(test)]
mod tests;
mod transfer;
mod words;

use std::collections::VecDeque;
use std::time::Duration;

use offhook_billing::cdr::{Direction, Times, Voice};
use offhook_billing::number::Country;
use offhook_bridge::{self as bridge, Opened, Order};
use offhook_sip::agent::{Command as Sip, Event as SipEvent, Handle};
use offhook_types::phone::{self, Cause, Event};
use offhook_types::{CallId, Dialed, PhoneId, Rng, Time, UserId};
use offhook_wire::phone_sdp::Suite;

pub use line::{Line, Unfit};
pub use words::{
    Arrival, Authorized, Dial, Input, Limits, Now, OpenRefused, Output, Refused, Secret, Takeover,
    Way, Where,
};

use ending::Ending;
use incoming::Arriving;
use meter::Meter;
use outgoing::{Attempt, Dialing};
use transfer::Transfer;

/// A phone leg.
#[derive(Debug)]
pub struct Leg {
    phone: PhoneId,
    direction: Direction,
    limits: Limits,
    rng: Rng,
    call: Option<CallId>,
    user: Option<UserId>,
    stage: Stage,
    /// The attempt that is under way or that is talked over.
    attempt: Option<Attempt>,
    /// The far side transfers the call: what may take its place.
    transfer: Option<Transfer>,
    transfers: u8,
    /// Attempts given up while their records were being opened.
    orphans: Vec<Attempt>,
    bridge: Bridge,
    meter: Option<Meter>,
    told: Told,
    held: Held,
    /// When the stage is over at the latest.
    due: Option<Time>,
    out: VecDeque<Output>,
}

#[derive(Debug)]
enum Stage {
    /// A number is being reached.
    Dialing(Box<Dialing>),
    /// Somebody calls.
    Arriving(Box<Arriving>),
    /// It was answered.
    Talking,
    /// It is over; the last figures are awaited.
    Ending(Ending),
    /// Nothing more will come.
    Gone,
}

/// The bridge of the leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bridge {
    Opening,
    Open(Opened),
    /// It was refused, or closed.
    None,
}

/// What call control was told.
#[derive(Debug, Clone, Copy, Default)]
struct Told {
    ringing: bool,
    early: bool,
}

/// Who has put the call on hold.
#[derive(Debug, Clone, Copy, Default)]
struct Held {
    by_us: bool,
    by_them: bool,
}

impl Leg {
    /// The leg of a call to a number.
    pub fn dial(now: Now, limits: Limits, rng: Rng, dial: &phone::Dial) -> Self {
        let dialing = Dialing::new(dial);
        let mut leg = Self::new(dial.phone, Direction::Out, limits, rng);
        leg.call = Some(dial.call);
        leg.user = Some(dial.user);
        leg.say(Output::Authorize(dialing.question(dial.user)));
        leg.say(Output::OpenBridge);
        leg.stage = Stage::Dialing(Box::new(dialing));
        leg.due = Some(now.time + leg.limits.prepare);
        leg
    }

    /// The leg of a call from a trunk.
    pub fn arrive(now: Now, limits: Limits, rng: Rng, arrival: Arrival) -> Self {
        let mut leg = Self::new(arrival.phone, Direction::In, limits, rng);
        leg.begin_arriving(now, arrival);
        leg
    }

    fn new(phone: PhoneId, direction: Direction, limits: Limits, rng: Rng) -> Self {
        Self {
            phone,
            direction,
            limits,
            rng,
            call: None,
            user: None,
            stage: Stage::Gone,
            attempt: None,
            transfer: None,
            transfers: 0,
            orphans: Vec::new(),
            bridge: Bridge::Opening,
            meter: None,
            told: Told::default(),
            held: Held::default(),
            due: None,
            out: VecDeque::new(),
        }
    }

    /// Take an input, after the timers that are due.
    pub fn handle(&mut self, now: Now, input: Input) {
        self.handle_timeout(now);
        match input {
            Input::Command(command) => self.take_command(now, command),
            Input::Authorized(result) => self.authorized(now, result),
            Input::BridgeOpened(result) => self.bridge_opened(now, result),
            Input::Opened { cdr, result } => self.opened(now, cdr, result),
            Input::Extended(result) => self.extended(now, result),
            Input::Funds => self.ask_again(now),
            Input::Sip { handle, event } => self.take_sip(now, handle, event),
            Input::TakenOver { handle, takeover } => self.taken_over(handle, takeover),
            Input::Bridge(event) => self.take_bridge(now, event),
            Input::Pin { right } => self.pin_checked(now, right),
            Input::Stop => self.end(now, Ending::ours(now, Cause::Server)),
        }
    }

    /// Let the timers fire that are due.
    pub fn handle_timeout(&mut self, now: Now) {
        if self.due.is_some_and(|due| due <= now.time) {
            self.due = None;
            self.stage_over(now);
        }
        self.meter_due(now);
    }

    /// The next thing to be done, until there is none.
    pub fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    pub fn next_timeout(&self) -> Option<Time> {
        let meter = self.meter.as_ref().map(Meter::due);
        [self.due, meter.filter(|_| self.is_talking())].into_iter().flatten().min()
    }

    /// Nothing more will come.
    pub fn is_gone(&self) -> bool {
        matches!(self.stage, Stage::Gone)
    }

    /// Which.
    pub fn phone(&self) -> PhoneId {
        self.phone
    }

    /// The call that it belongs to, once that is known.
    pub fn call(&self) -> Option<CallId> {
        self.call
    }

    /// Where it goes; `None` for a call that came in.
    pub fn dialed_country(&self) -> Option<Country> {
        self.dialed().and_then(Dialed::number).and_then(Country::of)
    }

    fn is_talking(&self) -> bool {
        matches!(self.stage, Stage::Talking)
    }

    fn say(&mut self, output: Output) {
        self.out.push_back(output);
    }

    fn tell(&mut self, event: Event) {
        self.say(Output::Tell(event));
    }

    fn sip(&mut self, handle: Handle, command: Sip) {
        self.say(Output::Sip { handle, command: Box::new(command) });
    }

    fn order(&mut self, order: Order) {
        if matches!(self.bridge, Bridge::Open(_)) {
            self.say(Output::Bridge(order));
        }
    }

    fn take_command(&mut self, now: Now, command: phone::Command) {
        match command {
            // The leg exists already.
            phone::Command::Dial(_) => {}
            phone::Command::Ringing { call, .. } => self.ring(now, call),
            phone::Command::Answer { .. } => self.answer(now),
            phone::Command::Connect { relay, .. } => self.order(Order::Connect(Box::new(relay))),
            phone::Command::Hear { streams, .. } => self.order(Order::Hear(streams)),
            phone::Command::Press { digits, .. } => self.press(&digits),
            phone::Command::Hold { held, .. } => self.hold(held),
            phone::Command::HangUp { cause, .. } => self.hang_up(now, cause),
        }
    }

    fn bridge_opened(&mut self, now: Now, result: Result<Opened, bridge::Refused>) {
        match result {
            Err(_) => {
                self.bridge = Bridge::None;
                self.end(now, Ending::ours(now, Cause::Congestion));
            }
            Ok(opened) => {
                self.bridge = Bridge::Open(opened);
                if matches!(self.stage, Stage::Ending(_) | Stage::Gone) {
                    return self.order(Order::Close);
                }
                match &self.stage {
                    Stage::Dialing(_) => {
                        self.tell(Event::Bridge { phone: self.phone, address: opened.relay });
                        self.try_next(now);
                    }
                    Stage::Arriving(_) => self.arrived(now),
                    _ => {}
                }
            }
        }
    }

    fn opened(&mut self, now: Now, cdr: offhook_types::CdrId, result: Result<(), OpenRefused>) {
        let ours = |attempt: &Attempt| attempt.cdr == cdr;
        if self.transfer.as_ref().and_then(|at| at.attempt.as_ref()).is_some_and(ours) {
            return self.transfer_opened(now, result);
        }
        if !self.attempt.as_ref().is_some_and(ours) {
            return self.orphan_opened(now, cdr, result.is_ok());
        }
        if let (Ok(()), Some(attempt)) = (&result, &mut self.attempt) {
            attempt.open = true;
        }
        match &self.stage {
            Stage::Dialing(_) => self.attempt_opened(now, result),
            Stage::Arriving(_) => self.arrival_opened(now, result),
            // It ended meanwhile: a record that was opened is closed.
            Stage::Ending(_) if result.is_ok() => self.close_if_ready(false),
            _ => self.attempt = None,
        }
    }

    fn take_sip(&mut self, now: Now, handle: Handle, event: SipEvent) {
        let is = |attempt: &Attempt| attempt.handle == handle;
        if self.transfer.as_ref().and_then(|at| at.attempt.as_ref()).is_some_and(is) {
            return self.transfer_said(now, event);
        }
        if !self.attempt.as_ref().is_some_and(is) {
            return;
        }
        match self.stage {
            Stage::Dialing(_) => self.dialing_said(now, event),
            Stage::Arriving(_) => self.arriving_said(now, event),
            Stage::Talking => self.talking_said(now, event),
            Stage::Ending(_) => self.ending_said(&event),
            Stage::Gone => {}
        }
    }

    fn take_bridge(&mut self, now: Now, event: bridge::Event) {
        match event {
            bridge::Event::FirstMedia { from } => {
                if let Some(attempt) = &mut self.attempt {
                    attempt.first_media(now.wall, from);
                }
            }
            bridge::Event::Evidence(report) => self.take_evidence(now, &report),
            bridge::Event::MediaLost { from } => self.media_lost(now, from),
            bridge::Event::Digit { digit } => self.digit(now, digit),
            bridge::Event::Played { to } => self.played(now, to),
            bridge::Event::Closed(report) => {
                self.bridge = Bridge::None;
                self.take_evidence(now, &report);
                self.close_if_ready(false);
            }
        }
    }

    /// The stage took as long as it may.
    fn stage_over(&mut self, now: Now) {
        match &self.stage {
            Stage::Dialing(_) => self.end(now, Ending::ours(now, Cause::Server)),
            Stage::Arriving(_) => self.arriving_over(now),
            Stage::Ending(_) => self.close_if_ready(true),
            Stage::Talking | Stage::Gone => {}
        }
    }

    fn opened_bridge(&self) -> Option<Opened> {
        match self.bridge {
            Bridge::Open(opened) => Some(opened),
            Bridge::Opening | Bridge::None => None,
        }
    }
}

/// What is known of a call so far, for its record.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    times: Times,
    voice: Voice,
}

/// How long after an end the bridge may take to give its last figures.
const LAST_FIGURES: Duration = Duration::from_millis(500);
/// Encryption of carrier media that we offer: the better one, and what every carrier with SRTP has.
const OFFERED: [Suite; 2] = [Suite::AeadAes128Gcm, Suite::AesCm128HmacSha1_80];
