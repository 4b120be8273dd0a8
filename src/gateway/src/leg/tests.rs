//! The leg against a scripted world: steps are what it is told, and after each what it wants done, one
//! word for each wish.

mod incoming;
mod money;
mod outgoing;
mod transfer;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use offhook_billing::authorize::{Allowance, Next};
use offhook_billing::cdr::{Evidence, Opening, Pinned};
use offhook_billing::rate::Rate;
use offhook_billing::route::Shown;
use offhook_bridge::{Opened, Order};
use offhook_sip::agent::{Body, By, Command as Sip, Ended, Event as SipEvent, Handle};
use offhook_store::StoredTrunk;
use offhook_types::counters::Counted;
use offhook_types::phone::{self, Cause, Command, Event};
use offhook_types::{
    AccountId, CallId, CdrId, Currency, Micros, PhoneId, Rng, Time, TrunkId, UserId, WallTime,
};

use super::*;
use crate::trunk::Trunk;

const PHONE: PhoneId = PhoneId(9);

/// A leg, its clock, and what it asked for last.
struct World {
    leg: Leg,
    at: Duration,
    handle: Option<Handle>,
    opening: Option<Opening>,
    evidence: Vec<Evidence>,
}

impl World {
    fn dial() -> Self {
        let dial = phone::Dial {
            phone: PHONE,
            call: CallId(1),
            user: UserId(1),
            to: "+4930901820".parse().unwrap(),
            quote: None,
            anonymous: false,
        };
        let (rng, limits) = (Rng::from_seed(1), Limits::default());
        Self::new(Leg::dial(at(Duration::ZERO), limits, rng, &dial))
    }

    fn new(leg: Leg) -> Self {
        Self { leg, at: Duration::ZERO, handle: None, opening: None, evidence: Vec::new() }
    }

    /// Tell it something and expect these wishes.
    #[track_caller]
    fn check(&mut self, input: Input, expect: &str) {
        self.leg.handle(at(self.at), input);
        self.expect(expect);
    }

    /// Let time pass, timers included.
    #[track_caller]
    fn after(&mut self, seconds: f64, expect: &str) {
        let until = self.at + Duration::from_secs_f64(seconds);
        while let Some(due) = self.leg.next_timeout().map(|due| due.since(Time::ZERO)) {
            if due > until {
                break;
            }
            self.at = due.max(self.at);
            self.leg.handle_timeout(at(self.at));
        }
        self.at = until;
        self.expect(expect);
    }

    #[track_caller]
    fn expect(&mut self, expect: &str) {
        let mut said = Vec::new();
        while let Some(output) = self.leg.poll() {
            said.push(self.word(output));
        }
        assert_eq!(said.join(", "), expect, "at {:?}", self.at);
    }

    fn word(&mut self, output: Output) -> String {
        match output {
            Output::Authorize(dial) => format!("authorize {}", dial.to.as_str()),
            Output::OpenBridge => "open bridge".into(),
            Output::Bridge(order) => order_word(&order),
            Output::Open(opening) => {
                let word = format!("open {} {}", opening.attempt, opening.reserve);
                self.opening = Some(*opening);
                word
            }
            Output::Update { .. } => "update".into(),
            Output::Extend { .. } => "extend".into(),
            Output::Close { evidence, .. } => {
                let word = format!(
                    "close {} {} {:.1}s",
                    evidence.proof.label(),
                    evidence.cause.label(),
                    evidence.talked.as_secs_f64()
                );
                self.evidence.push(*evidence);
                word
            }
            Output::Sip { handle, command } => {
                self.handle = Some(handle);
                sip_word(&command)
            }
            Output::Tell(event) => tell_word(&event),
            Output::CheckPin { pressed, .. } => format!("pin of {}", pressed.len()),
        }
    }

    fn cdr(&self) -> CdrId {
        self.opening.as_ref().map_or(CdrId(0), |opening| opening.id)
    }

    fn sip(&self, event: SipEvent) -> Input {
        Input::Sip { handle: self.handle.unwrap_or(Handle(0)), event }
    }

    fn durable(&self) -> Input {
        Input::Opened { cdr: self.cdr(), result: Ok(()) }
    }

    /// From the beginning to the INVITE.
    #[track_caller]
    fn invited(trunks: usize) -> Self {
        let mut world = Self::dial();
        world.expect("authorize +4930901820, open bridge");
        world.check(bridge(), "tell bridge");
        world.check(authorized(trunks), "open 1 0.010000");
        world.check(world.durable(), "invite");
        world
    }

    /// From the beginning to talking.
    #[track_caller]
    fn talking() -> Self {
        let mut world = Self::invited(1);
        let answer = SipEvent::Answered { body: Some(sdp("sendrecv")), fork: 0 };
        world.check(world.sip(answer), "carrier, stop, tell answered, update");
        world
    }
}

fn at(span: Duration) -> Now {
    let millis = u64::try_from(span.as_millis()).unwrap();
    Now { time: Time::ZERO + span, wall: WallTime(1_700_000_000_000 + millis) }
}

fn bridge() -> Input {
    let address = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
    Input::BridgeOpened(Ok(Opened { relay: address(4000), carrier: address(4002) }))
}

fn trunk(name: &str, extra: &str) -> Arc<Trunk> {
    let settings = format!(r#"{{"proxy": "sip:192.0.2.1", "transfers": true{extra}}}"#);
    let id = TrunkId(u64::from(name.as_bytes().last().copied().unwrap_or(0)));
    let (deck, enabled) = (None, true);
    let stored = StoredTrunk { id, name: name.into(), deck, enabled, settings };
    Arc::new(Trunk::read(&stored).unwrap())
}

fn authorized(trunks: usize) -> Input {
    let way = |nth: usize| Way {
        trunk: trunk(&format!("trunk-{nth}"), ""),
        buy: Pinned::free(Currency::USD),
        shown: Shown::Number("+12025550101".parse().unwrap()),
        why: format!("{nth}."),
        secret: Secret([0; 48]),
    };
    let rate = Rate::by_the_second(Micros(10_000));
    Input::Authorized(Ok(Box::new(Authorized {
        account: AccountId(1),
        emergency: false,
        sell: Pinned { rate, ..Pinned::free(Currency::USD) },
        destination: "Germany".into(),
        ways: (1..=trunks).map(way).collect(),
        allowance: allowance(10_000, Next::Extend { at: secs(40), covers: secs(60) }),
    })))
}

fn allowance(total: i64, next: Next) -> Allowance {
    let rate = Rate::by_the_second(Micros(10_000));
    Allowance { rate, amount: Micros(total), total: Micros(total), next }
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn sdp(direction: &str) -> Body {
    Body::sdp(
        format!(
            "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
             m=audio 20000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\na={direction}\r\n"
        )
        .into_bytes(),
    )
}

fn ended(by: By, answered: bool, status: u16) -> SipEvent {
    let (reason, retry_after, contacts) = (None, None, Vec::new());
    SipEvent::Ended(Ended { by, answered, status, reason, retry_after, contacts })
}

fn progress(status: u16, body: Option<Body>) -> SipEvent {
    SipEvent::Provisional { status, body, reliable: false, fork: 0 }
}

fn command(command: Command) -> Input {
    Input::Command(command)
}

fn hang_up(cause: Cause) -> Input {
    command(Command::HangUp { phone: PHONE, cause })
}

fn order_word(order: &Order) -> String {
    match order {
        Order::SetCarrier(_) => "carrier".into(),
        Order::Connect(_) => "connect".into(),
        Order::Hear(_) => "hear".into(),
        Order::Press(digits) => format!("press {}", digits.len()),
        Order::Hold(held) => format!("hold {held}"),
        Order::Play(_) => "play".into(),
        Order::StopPlay(_) => "stop".into(),
        Order::Close => "close bridge".into(),
    }
}

fn sip_word(command: &Sip) -> String {
    match command {
        Sip::Invite(invite) if !invite.headers.is_empty() => "invite replaces".into(),
        Sip::Invite(_) => "invite".into(),
        Sip::Progress { status, .. } => format!("progress {status}"),
        Sip::Answer { .. } => "answer".into(),
        Sip::Reject { status, .. } => format!("reject {status}"),
        Sip::HangUp { .. } => "hang up".into(),
        Sip::Reoffer { .. } => "reoffer".into(),
        Sip::Reply { result } => match result {
            Ok(_) => "reply".into(),
            Err(status) => format!("refuse {status}"),
        },
        Sip::Info { .. } => "info".into(),
        Sip::ReferStatus { status } => format!("refer {status}"),
        other => format!("{other:?}"),
    }
}

fn tell_word(event: &Event) -> String {
    match event {
        Event::Bridge { .. } => "tell bridge".into(),
        Event::Incoming(_) => "tell incoming".into(),
        Event::Ringing { .. } => "tell ringing".into(),
        Event::EarlyMedia { .. } => "tell early".into(),
        Event::Answered { .. } => "tell answered".into(),
        Event::Held { held, .. } => format!("tell held {held}"),
        Event::Warning { left, .. } => format!("tell warning {}s", left.as_secs()),
        Event::Ended { cause, .. } => format!("tell ended {}", cause.label()),
    }
}

fn closed() -> Input {
    Input::Bridge(offhook_bridge::Event::Closed(Box::default()))
}
