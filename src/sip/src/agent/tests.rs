use core::time::Duration;

use offhook_types::{Rng, Time};

use super::*;
use crate::auth::Credentials;
use crate::header::{Name, NameAddr};
use crate::message::{Message, Method, Request, Response};
use crate::uri::{HostPort, Uri};

/// An agent, and its only peer: what is sent, and what is said.
struct Scene {
    agent: Agent,
    now: Time,
    events: Vec<Event>,
    sent: Vec<Send>,
    asked: Vec<(QueryId, Question)>,
}

const CALL: Handle = Handle(1);

impl Scene {
    fn new(transports: &[Transport]) -> Self {
        let local: SocketAddr = "192.0.2.1:5060".parse().unwrap();
        let advertised = HostPort::from(local);
        let door = |t: &Transport| Door { transport: *t, local, advertised: advertised.clone() };
        let doors = transports.iter().map(door).collect();
        let config = Config { doors, ..Config::default() };
        let agent = Agent::new(config, Time::ZERO, Rng::from_seed(1));
        let (events, sent, asked) = (Vec::new(), Vec::new(), Vec::new());
        let mut scene = Self { agent, now: Time::ZERO, events, sent, asked };
        let net = "192.0.2.2".parse().unwrap();
        scene.input(Input::Peers(vec![Peer { id: PeerId(1), net, prefix: 32, port: None }]));
        scene
    }

    fn input(&mut self, input: Input) {
        self.agent.handle(self.now, input);
        self.drain();
    }

    fn command(&mut self, command: Command) {
        self.input(Input::Command { handle: CALL, command });
    }

    fn hear(&mut self, bytes: Vec<u8>) {
        let (local, remote) =
            ("192.0.2.1:5060".parse().unwrap(), "192.0.2.2:5060".parse().unwrap());
        self.input(Input::Received {
            flow: Flow { transport: Transport::Udp, local, remote },
            bytes,
        });
    }

    fn wait(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(at) = self.agent.next_timeout().filter(|at| *at <= end) {
            self.now = at;
            self.agent.handle_timeout(at);
            self.drain();
        }
        self.now = end;
    }

    fn drain(&mut self) {
        while let Some(output) = self.agent.poll() {
            match output {
                Output::Send(send) => self.sent.push(send),
                Output::Event { event, .. } => self.events.push(event),
                Output::Resolve { query, question } => self.asked.push((query, question)),
                Output::Trace(_) => {}
            }
        }
        self.agent.audit().unwrap();
    }

    /// The last request that was sent.
    fn request(&self) -> Request {
        match crate::parse::datagram(&self.sent.last().unwrap().bytes) {
            Ok(Message::Request(request)) => request,
            other => panic!("{other:?}"),
        }
    }

    /// Methods and statuses of what was sent since the last time.
    fn took(&mut self) -> Vec<String> {
        let first = |send: Send| String::from_utf8(send.bytes).unwrap();
        let line = |text: String| match text.strip_prefix("SIP/2.0 ") {
            Some(rest) => rest.chars().take(3).collect(),
            None => text.split(' ').next().unwrap_or_default().to_owned(),
        };
        self.sent.drain(..).map(first).map(line).collect()
    }

    /// Responds to a request of ours as the fork with this tag.
    fn respond(&mut self, to: &Request, status: u16, tag: &str, more: &[(Name, &str)]) {
        let mut response: Response = to.response(status);
        response.headers.set_to_tag(tag);
        response.headers.push(Name::Contact, "<sip:bob@192.0.2.2>");
        for (name, value) in more {
            response.headers.push(name.clone(), *value);
        }
        self.hear(response.to_bytes());
    }

    fn ended(&self) -> Option<&Ended> {
        self.events.iter().find_map(|event| match event {
            Event::Ended(ended) => Some(ended),
            _ => None,
        })
    }
}

fn uri(text: &str) -> Uri {
    Uri::parse(text.as_bytes()).unwrap()
}

fn trunk() -> Trunk {
    let credentials = vec![Credentials { realm: None, user: "u".into(), password: "p".into() }];
    Trunk { peer: PeerId(1), proxy: None, credentials }
}

fn invite(size: usize) -> Command {
    Command::Invite(Box::new(Invite {
        trunk: trunk(),
        target: uri("sip:bob@192.0.2.2"),
        from: NameAddr::new(uri("sip:alice@192.0.2.1")),
        to: NameAddr::new(uri("sip:bob@192.0.2.2")),
        contact_user: "alice".into(),
        identity: Identity::default(),
        headers: Vec::new(),
        body: Some(Body::sdp(vec![b'x'; size])),
        reliable: Reliable::Supported,
        refresh: Some(Refresh::default()),
        first_response: Duration::from_secs(32),
        ring_limit: Duration::from_secs(60),
    }))
}

const DIGEST: &str = "Digest realm=\"r\", nonce=\"n\", qop=\"auth\"";

#[test]
fn a_challenge_is_answered_once_with_a_new_number() {
    let mut scene = Scene::new(&[Transport::Udp]);
    scene.command(invite(10));
    let first = scene.request();
    scene.respond(&first, 407, "a", &[(Name::ProxyAuthenticate, DIGEST)]);
    assert_eq!(scene.took(), ["INVITE", "ACK", "INVITE"].map(str::to_owned));
}

#[test]
fn wrong_credentials_end_the_call() {
    let mut scene = Scene::new(&[Transport::Udp]);
    scene.command(invite(10));
    for _ in 0..2 {
        let asked = scene.request();
        scene.respond(&asked, 407, "a", &[(Name::ProxyAuthenticate, DIGEST)]);
    }
    assert_eq!(scene.took().iter().filter(|line| *line == "INVITE").count(), 2);
    assert_eq!(scene.ended().unwrap().status, 407);
}

#[test]
fn a_cancel_waits_for_a_provisional_response() {
    let mut scene = Scene::new(&[Transport::Udp]);
    scene.command(invite(10));
    let asked = scene.request();
    scene.command(Command::HangUp { reason: None });
    assert_eq!(scene.took(), ["INVITE"]);
    scene.respond(&asked, 180, "a", &[]);
    assert_eq!(scene.took(), ["CANCEL"]);
    scene.respond(&asked, 200, "a", &[]);
    assert_eq!(scene.took(), ["ACK", "BYE"]);
}

#[test]
fn the_first_answer_is_kept_and_others_are_ended() {
    let mut scene = Scene::new(&[Transport::Udp]);
    scene.command(invite(10));
    let asked = scene.request();
    for tag in ["a", "b"] {
        scene.respond(&asked, 180, tag, &[]);
    }
    scene.took();
    scene.respond(&asked, 200, "b", &[]);
    assert_eq!(scene.took(), ["ACK"]);
    scene.respond(&asked, 200, "a", &[]);
    assert_eq!(scene.took(), ["ACK", "BYE"]);
    scene.respond(&asked, 200, "b", &[]);
    assert_eq!(scene.took(), ["ACK"], "a repeated answer is acknowledged again");
    assert!(scene.events.iter().any(|event| matches!(event, Event::Answered { fork: 1, .. })));
}

#[test]
fn a_large_request_goes_over_a_stream_and_else_as_a_datagram() {
    let mut scene = Scene::new(&[Transport::Udp, Transport::Tcp]);
    scene.command(invite(1400));
    let send = scene.sent.pop().unwrap();
    assert_eq!(send.hop.transport, Transport::Tcp);
    scene.input(Input::Unsent { send: send.id });
    assert_eq!(scene.sent.pop().unwrap().hop.transport, Transport::Udp);
}

#[test]
fn an_interval_that_is_too_small_is_raised() {
    let mut scene = Scene::new(&[Transport::Udp]);
    scene.command(invite(10));
    let asked = scene.request();
    scene.respond(&asked, 422, "a", &[(Name::MinSe, "3600")]);
    let again = scene.request();
    assert_eq!(again.headers.session_expires().unwrap().unwrap().seconds, 3600);
    assert!(again.headers.cseq().unwrap().number > asked.headers.cseq().unwrap().number);
}

#[test]
fn a_session_that_is_not_refreshed_ends_with_bye() {
    let mut scene = Scene::new(&[Transport::Udp]);
    scene.command(invite(10));
    let asked = scene.request();
    scene.respond(&asked, 200, "a", &[(Name::SessionExpires, "90;refresher=uas")]);
    scene.took();
    scene.wait(Duration::from_secs(61));
    assert!(scene.took().contains(&"BYE".to_owned()));
    scene.wait(Duration::from_secs(60));
    assert_eq!(scene.ended().unwrap().by, By::Timer);
    assert_eq!(scene.agent.calls() + scene.agent.transactions(), 0);
}

#[test]
fn strangers_are_counted_and_cost_nothing() {
    let mut scene = Scene::new(&[Transport::Udp]);
    let (local, remote) = ("192.0.2.1:5060".parse().unwrap(), "192.0.2.9:5060".parse().unwrap());
    let flow = Flow { transport: Transport::Udp, local, remote };
    scene.input(Input::Received { flow, bytes: b"OPTIONS sip:a SIP/2.0\r\n\r\n".to_vec() });
    assert_eq!(scene.took(), [""; 0]);
    assert_eq!(scene.agent.stats().drops.get(Drop::UnknownSource), 1);
    assert_eq!(scene.agent.transactions(), 0);
}

#[test]
fn what_cannot_be_done_is_refused_with_its_status() {
    for (method, more, status) in [
        ("OPTIONS", "", "200"),
        ("BYE", "", "481"),
        ("MESSAGE", "", "405"),
        ("FLY", "", "501"),
        ("OPTIONS", "Require: wings\r\n", "420"),
        ("INVITE", "Max-Forwards: 0\r\nContact: <sip:a@a>\r\n", "483"),
        ("INVITE", "Contact: <sip:a@a>\r\nSupported: timer\r\nSession-Expires: 30\r\n", "422"),
        ("CANCEL", "", "481"),
    ] {
        let mut scene = Scene::new(&[Transport::Udp]);
        let text = format!(
            "{method} sip:x@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKx\r\n\
            From: <sip:a@a>;tag=1\r\nTo: <sip:b@b>\r\nCall-ID: c\r\nCSeq: 1 {method}\r\n{more}\r\n"
        );
        scene.hear(text.into_bytes());
        assert_eq!(scene.took(), [status], "{method} {more}");
    }
}

#[test]
fn a_request_over_two_paths_is_merged() {
    let mut scene = Scene::new(&[Transport::Udp]);
    for branch in ["1", "2"] {
        let text = format!(
            "INVITE sip:x@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK{branch}\r\n\
            From: <sip:a@a>;tag=1\r\nTo: <sip:b@b>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\
            Contact: <sip:a@192.0.2.2>\r\n\r\n"
        );
        scene.hear(text.into_bytes());
    }
    assert_eq!(scene.took(), ["100", "482"]);
}

#[test]
fn a_registration_is_lengthened_and_refreshed_before_it_expires() {
    let mut scene = Scene::new(&[Transport::Udp]);
    scene.command(Command::Register(Box::new(Register {
        trunk: trunk(),
        registrar: uri("sip:192.0.2.2"),
        identity: uri("sip:us@192.0.2.2"),
        contact_user: "us".into(),
        expires: Duration::from_secs(60),
    })));
    let asked = scene.request();
    scene.respond(&asked, 423, "a", &[(Name::MinExpires, "300")]);
    let again = scene.request();
    assert_eq!(again.headers.expires(), Some(300));
    scene.respond(&again, 200, "a", &[(Name::Expires, "300")]);
    assert!(matches!(scene.events.last(), Some(Event::Registered { .. })));
    scene.took();
    scene.wait(Duration::from_secs(271));
    assert_eq!(scene.took().first().map(String::as_str), Some("REGISTER"));
    assert_eq!(scene.request_method(), None);
}

impl Scene {
    /// The method of the last request, if one is left to be looked at.
    fn request_method(&self) -> Option<Method> {
        (!self.sent.is_empty()).then(|| self.request().method)
    }
}

#[test]
fn a_trunk_goes_down_after_some_failures_and_comes_back() {
    let mut scene = Scene::new(&[Transport::Udp]);
    scene.command(Command::Ping(Box::new(Ping {
        trunk: trunk(),
        target: uri("sip:192.0.2.2"),
        interval: Duration::from_secs(40),
        down_after: 2,
        up_after: 1,
    })));
    let asked = scene.request();
    scene.respond(&asked, 404, "a", &[]);
    assert!(matches!(scene.events.as_slice(), [Event::TrunkUp]));
    scene.wait(Duration::from_secs(100));
    assert_eq!(scene.events.len(), 1, "one failure is not believed");
    scene.wait(Duration::from_secs(60));
    assert!(matches!(scene.events.as_slice(), [Event::TrunkUp, Event::TrunkDown]));
}

mod early;
mod login;
mod ways;
