//! One call of the carrier: goes through the steps of its script, describes its sound, and says what
//! happens. It holds no socket but that of its sound.

use offhook_sip::agent::{Body, By, Command, Ended, Event};
use offhook_sip::header::ReasonValue;
use offhook_sip::text::Text;
use offhook_sip::uri::{HostPort, SipUri};
use offhook_types::phone::Digit;
use offhook_wire::phone_sdp::{Agreed, PhoneCodec};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

use super::description::Description;
use super::digits;
use super::media::{Order, Route, Sound, Told};
use super::news::{DigitBy, News, Traffic};
use super::script::{Step, beside};
use super::sound::Play;

/// One call.
#[derive(Debug)]
pub struct Line {
    /// As it is told to others.
    pub id: u64,
    /// `Call-ID` of a call that came in.
    pub call_id: Text,
    /// Whom the far side called, or the carrier.
    number: String,
    /// Where the carrier is reached.
    at: HostPort,
    steps: &'static [Step],
    /// When the next step may be taken.
    due: Instant,
    phase: Phase,
    /// Provisional responses with a body are sent reliably, so that the answer need not repeat it.
    reliable: bool,
    sound: Sound,
    description: Description,
    codec: PhoneCodec,
    held: bool,
    digits: String,
    ended: Option<Ended>,
    news: UnboundedSender<News>,
}

/// How far a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Not answered.
    Early,
    /// The carrier answered, and its answer is not acknowledged.
    Answering,
    /// Both have agreed.
    Up,
}

/// What a call wants done.
#[derive(Debug)]
pub enum Want {
    /// By the agent.
    Command(Command),
    /// By the tap: do not hear BYEs.
    Deafen,
    /// By the tap: ask for an offer.
    AskOffer,
    /// By the tap: answer the offer that was asked for.
    AnswerOffer(Body),
}

/// What a call begins with.
#[derive(Debug)]
pub struct Start {
    /// As it is told to others.
    pub id: u64,
    /// `Call-ID` of a call that comes in.
    pub call_id: Text,
    /// Whom it is to.
    pub number: String,
    /// Where the carrier is reached.
    pub at: HostPort,
    /// What is done with it.
    pub steps: &'static [Step],
    /// Provisional responses with a body will be reliable.
    pub reliable: bool,
    /// Its sound.
    pub sound: Sound,
}

impl Line {
    /// A call that begins.
    pub fn new(start: Start, news: UnboundedSender<News>) -> Self {
        let Start { id, call_id, number, at, steps, reliable, sound } = start;
        let description = Description::new(id, sound.address);
        Self {
            id,
            call_id,
            number,
            at,
            steps,
            due: Instant::now(),
            phase: Phase::Early,
            reliable,
            sound,
            description,
            codec: PhoneCodec::Pcmu,
            held: false,
            digits: String::new(),
            ended: None,
            news,
        }
    }

    /// Takes the offer of a call that comes in. A refusal where nothing can be agreed on.
    pub fn offered(&mut self, body: Option<&Body>) -> Option<Command> {
        let taken = self.description.offered(body?);
        (!taken).then(|| {
            self.steps = &[];
            reject(488, None)
        })
    }

    /// The offer of a call that the carrier places.
    pub fn offer(&mut self) -> Body {
        self.steps = &[];
        self.sound.order(Order::Play(Play::Tone));
        self.describe().unwrap_or_else(|| Body::sdp(Vec::new()))
    }

    /// When [`Line::step`] is due; `None` where it waits for something else than time.
    pub fn next_timeout(&self) -> Option<Instant> {
        let waits = self.steps.is_empty() || self.phase == Phase::Answering || self.ended.is_some();
        (!waits).then_some(self.due)
    }

    /// Takes the next step that is due.
    pub fn step(&mut self, now: Instant) -> Option<Want> {
        while self.next_timeout().is_some_and(|due| due <= now) {
            let (step, rest) = self.steps.split_first()?;
            self.steps = rest;
            let want = self.take(*step, now);
            if want.is_some() {
                return want;
            }
        }
        None
    }

    fn take(&mut self, step: Step, now: Instant) -> Option<Want> {
        let command = match step {
            Step::Wait(span) => {
                self.due = now + span;
                return None;
            }
            Step::Deafen => return Some(Want::Deafen),
            Step::AskOffer => return Some(Want::AskOffer),
            Step::Ring => Command::Progress { status: 180, body: None },
            Step::Early(play) => {
                self.sound.order(Order::Play(play));
                // An offer may only go out before the answer where it is sure to arrive.
                let body = (self.description.is_asked() || self.reliable).then(|| self.describe());
                Command::Progress { status: 183, body: body.flatten() }
            }
            Step::Answer(play) => {
                self.sound.order(Order::Play(play));
                self.phase = Phase::Answering;
                Command::Answer { body: self.final_body() }
            }
            Step::Reject(status, cause) => reject(status, cause),
            Step::Redirect(last) => {
                let contacts = vec![self.other(last).into()];
                Command::Reject { status: 302, reason: None, retry_after: None, contacts }
            }
            Step::Transfer(last) => Command::Refer { to: self.other(last).into(), replaces: None },
            Step::Hold(held) => Command::Reoffer { body: self.description.hold(held)? },
            Step::HangUp => Command::HangUp { reason: None },
        };
        Some(Want::Command(command))
    }

    /// Something happened to the call; what it wants done about it.
    pub fn handle(&mut self, event: Event) -> Option<Want> {
        match event {
            Event::Provisional { status, body, .. } => {
                self.described(body.as_ref());
                self.tell(News::Progress { id: self.id, status });
            }
            Event::Answered { body, .. } => {
                self.described(body.as_ref());
                self.answered();
            }
            Event::Confirmed { body } => {
                self.described(body.as_ref());
                if self.phase == Phase::Answering {
                    self.due = Instant::now();
                    self.answered();
                }
            }
            Event::Reoffer { body } => {
                let result = self.reply(body.as_ref()).ok_or(488);
                return Some(Want::Command(Command::Reply { result }));
            }
            Event::ReofferAnswered { body } => {
                self.described(body.as_ref());
                self.tell(News::Reoffered { id: self.id, status: 200 });
            }
            Event::ReofferFailed { status } => self.tell(News::Reoffered { id: self.id, status }),
            Event::Info { body } => {
                if let Some(digit) = digits::in_info(&body.bytes) {
                    self.digit(digit, DigitBy::Info);
                }
            }
            Event::Referred { .. } => {
                return Some(Want::Command(Command::ReferStatus { status: 603 }));
            }
            Event::ReferProgress { status, done } => {
                self.tell(News::Transfer { id: self.id, status, done });
            }
            Event::Ended(ended) => {
                if ended.by == By::Them && ended.answered {
                    self.tell(News::Bye { id: self.id });
                }
                self.ended = Some(ended);
                self.sound.order(Order::Stop);
            }
            _ => {}
        }
        None
    }

    /// The sound of the call said something. True where that was the last.
    pub fn hear(&mut self, told: Told) -> bool {
        match told {
            Told::Heard(heard, traffic) => {
                self.tell(News::Heard { id: self.id, heard, traffic });
            }
            Told::Digit(digit) => self.digit(digit, DigitBy::Rtp),
            Told::Stopped(traffic) => {
                self.over(traffic);
                return true;
            }
        }
        false
    }

    /// A BYE came and is not answered. After the peer has given up (timer F, 32 s), so does the carrier.
    pub fn unheard_bye(&mut self) {
        self.tell(News::Bye { id: self.id });
        self.steps = &[Step::HangUp];
        self.due = Instant::now() + DEAF_FOR;
    }

    /// An offer came that the carrier has asked for.
    pub fn asked_offer(&mut self, offer: Vec<u8>) -> Option<Want> {
        let body = self.reply(Some(&Body::sdp(offer)))?;
        self.tell(News::Reoffered { id: self.id, status: 200 });
        Some(Want::AnswerOffer(body))
    }

    /// An offer was asked for and refused.
    pub fn refused_offer(&self, status: u16) {
        self.tell(News::Reoffered { id: self.id, status });
    }

    /// Presses keys, as was agreed: in RTP, or in INFO.
    pub fn press(&self, digits: Vec<Digit>) -> Vec<Command> {
        if self.description.has_events() {
            self.sound.order(Order::Press(digits));
            return Vec::new();
        }
        let info = |digit: Digit| Body {
            kind: "application/dtmf-relay".into(),
            bytes: digits::info(digit).into_bytes(),
        };
        digits.into_iter().map(|digit| Command::Info { body: info(digit) }).collect()
    }

    fn answered(&mut self) {
        if self.phase != Phase::Up {
            self.phase = Phase::Up;
            self.tell(News::Answered { id: self.id, codec: self.codec.name() });
        }
    }

    fn digit(&mut self, digit: Digit, by: DigitBy) {
        self.digits.push(digit.face());
        self.sound.order(Order::Beep(digit));
        self.tell(News::Digit { id: self.id, digit, by });
    }

    fn over(&mut self, traffic: Traffic) {
        let Some(ended) = self.ended.take() else { return };
        let by = match ended.by {
            By::Us => "us",
            By::Them => "them",
            By::Timer => "timer",
            By::Network => "network",
            By::Protocol => "protocol",
        };
        let (answered, status) = (ended.answered, ended.status);
        let cause = ended.reason.and_then(|reason| reason.cause);
        let digits = core::mem::take(&mut self.digits);
        self.tell(News::Ended { id: self.id, answered, by, status, cause, digits, traffic });
    }

    /// An answer to their offer where one waits, else an offer of ours.
    fn describe(&mut self) -> Option<Body> {
        let (body, agreed) = self.description.say()?;
        if let Some(agreed) = agreed {
            self.agree(&agreed);
        }
        Some(body)
    }

    /// What a 200 to their INVITE says: the description that went out early, again, unless it is known
    /// to have arrived.
    fn final_body(&mut self) -> Option<Body> {
        match self.description.ours() {
            Some(_) if self.reliable => None,
            Some(said) => Some(said),
            None => self.describe(),
        }
    }

    /// A reply to an offer in a call, or to the wish for one.
    fn reply(&mut self, body: Option<&Body>) -> Option<Body> {
        let fits = body.is_none_or(|body| self.description.offered(body));
        if fits { self.describe() } else { None }
    }

    /// Their answer to our offer, where there is one.
    fn described(&mut self, body: Option<&Body>) {
        if let Some(agreed) = body.and_then(|body| self.description.answered(body)) {
            self.agree(&agreed);
        }
    }

    fn agree(&mut self, agreed: &Agreed) {
        self.codec = agreed.codec;
        self.sound.order(Order::Route(Route::from(agreed)));
        let held = self.description.is_held(agreed);
        if held != self.held {
            self.held = held;
            self.tell(News::Hold { id: self.id, held });
        }
    }

    /// The number with other last digits, at this carrier.
    fn other(&self, last: &str) -> SipUri {
        SipUri::new(Some(&beside(&self.number, last)), self.at.clone())
    }

    fn tell(&self, news: News) {
        let _ = self.news.send(news);
    }
}

fn reject(status: u16, cause: Option<u16>) -> Command {
    let reason =
        cause.map(|cause| ReasonValue { protocol: "Q.850".into(), cause: Some(cause), text: None });
    Command::Reject { status, reason, retry_after: None, contacts: Vec::new() }
}

/// A little more than timer F.
const DEAF_FOR: core::time::Duration = core::time::Duration::from_secs(35);
