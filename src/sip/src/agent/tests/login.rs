//! Peers that have to show a password for each call that they bring.

use super::*;
use crate::auth::{Algorithm, Client};

/// A scene whose peer has to log in, and the peer's own side of that.
fn scene(password: &str) -> (Scene, Client) {
    let mut scene = Scene::new(&[Transport::Udp]);
    let wanted = |password: &str| {
        let (realm, user) = (None, "them".to_owned());
        Credentials { realm, user, password: password.to_owned() }
    };
    let algorithms = Algorithm::OFFERED.to_vec();
    let gate = Gate { credentials: wanted("secret"), algorithms };
    scene.input(Input::Logins(vec![(PeerId(1), gate)]));
    (scene, Client::new(vec![wanted(password)]))
}

fn call(number: u32) -> Request {
    let text = format!(
        "INVITE sip:x@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKx{number}\r\n\
        From: <sip:a@a>;tag=1\r\nTo: <sip:b@b>\r\nCall-ID: c\r\nCSeq: {number} INVITE\r\n\
        Contact: <sip:a@a>\r\n\r\n"
    );
    match crate::parse::datagram(text.as_bytes()) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

impl Scene {
    /// Sends a request; the response to it that came last.
    fn ask(&mut self, request: &Request) -> Response {
        self.hear(request.to_bytes());
        match crate::parse::datagram(&self.sent.pop().unwrap().bytes) {
            Ok(Message::Response(response)) => response,
            other => panic!("{other:?}"),
        }
    }

    /// Nothing is remembered of what was refused.
    fn assert_forgotten(&self) {
        assert_eq!(self.agent.calls() + self.agent.transactions(), 0);
        assert!(self.events.is_empty(), "{:?}", self.events);
    }

    fn acknowledge(&mut self, of: &Request, response: &Response) {
        let mut ack = of.clone();
        ack.method = Method::Ack;
        ack.headers.set(Name::CSeq, format!("{} ACK", of.headers.cseq().unwrap().number));
        ack.headers.set(Name::To, response.headers.get(&Name::To).unwrap());
        self.hear(ack.to_bytes());
    }

    fn logins(&self, login: Login) -> u64 {
        self.agent.stats().logins.get(login)
    }
}

/// An INVITE that answers the challenge of a response.
fn answer(client: &mut Client, challenge: &Response, number: u32) -> Request {
    client.challenged(challenge, &mut Rng::from_seed(3)).unwrap();
    let mut request = call(number);
    client.authorize(&mut request);
    request
}

#[test]
fn a_call_without_a_password_is_challenged_and_forgotten() {
    let (mut scene, _) = scene("secret");
    for _ in 0..3 {
        let response = scene.ask(&call(1));
        assert_eq!(response.status, 401);
        assert_eq!(response.headers.all(&Name::WwwAuthenticate).count(), 2);
        scene.assert_forgotten();
        scene.acknowledge(&call(1), &response);
    }
    assert_eq!(scene.agent.stats().drops.get(Drop::StrayAck), 0, "ACKs are known by their tag");
    assert_eq!(scene.logins(Login::Challenged), 3);
    let response = scene.ask(&call(2));
    scene.acknowledge(&call(3), &response);
    assert_eq!(scene.agent.stats().drops.get(Drop::StrayAck), 1, "and those of others are not");
}

#[test]
fn the_right_password_lets_a_call_in_once() {
    let (mut scene, mut client) = scene("secret");
    let challenge = scene.ask(&call(1));
    let request = answer(&mut client, &challenge, 2);
    scene.hear(request.to_bytes());
    assert!(matches!(scene.events[..], [Event::Incoming(_)]), "{:?}", scene.events);
    scene.took();
    scene.hear(request.to_bytes());
    assert_eq!(scene.took(), ["100"], "the same again is a retransmission");
    let mut replayed = call(2);
    replayed.headers.set(Name::CallId, "other");
    let credentials = request.headers.get(&Name::Authorization).unwrap();
    replayed.headers.push(Name::Authorization, credentials);
    replayed.headers.set(Name::Via, "SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKreplay");
    let refused = scene.ask(&replayed);
    assert_eq!((refused.status, scene.events.len()), (401, 1));
    let value = refused.headers.get(&Name::WwwAuthenticate).unwrap().decoded();
    assert!(value.contains("stale=true"), "{value}");
    assert_eq!((scene.logins(Login::LetIn), scene.logins(Login::Replayed)), (1, 1));
}

#[test]
fn guessing_is_counted_and_stopped_for_a_while() {
    let (mut scene, _) = scene("secret");
    let guess = |scene: &mut Scene, password: &str, number| {
        let (_, mut client) = super::login::scene(password);
        let challenge = scene.ask(&call(number));
        assert_eq!(challenge.status, 401);
        scene.hear(answer(&mut client, &challenge, number + 1).to_bytes());
        scene.took().remove(0)
    };
    for number in 0..10 {
        assert_eq!(guess(&mut scene, "guess", 1 + 2 * number), "401");
    }
    for password in ["guess", "secret"] {
        assert_eq!(guess(&mut scene, password, 101), "403");
    }
    scene.assert_forgotten();
    assert_eq!((scene.logins(Login::Wrong), scene.logins(Login::TooMany)), (10, 2));
    scene.wait(Duration::from_secs(60));
    assert_eq!(guess(&mut scene, "secret", 201), "100");
}

#[test]
fn an_answer_is_for_one_number() {
    let (mut scene, mut client) = scene("secret");
    let challenge = scene.ask(&call(1));
    let mut request = answer(&mut client, &challenge, 2);
    request.uri = uri("sip:premium@192.0.2.1");
    assert_eq!(scene.ask(&request).status, 400);
    scene.assert_forgotten();
    assert_eq!(scene.logins(Login::Malformed), 1);
}
