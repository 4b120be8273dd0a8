//! A carrier that has to log in for each call: SIPp with digest, right, wrong, again and not at all.

use std::net::UdpSocket;

use offhook_sip::auth::{Client, Credentials};
use offhook_sip::header::Name;
use offhook_sip::message::{Message, Request, Response};
use offhook_sip::parse;
use offhook_types::Rng;
use serde_json::json;

use crate::caller::Caller;
use crate::phone::AREA;
use crate::server::{DEADLINE, Server};
use crate::sipp::{Login, Sipp, free_port};

/// A server with a number that leads into a room, over a trunk that has to log in. SIPp has no SHA-256 and reads the
/// first challenge alone.
fn server(digest: &str) -> (Server, Login) {
    let server = Server::phone("");
    Caller::sign_up(&server, "+12025550101");
    let room = json!({"account": "+12025550101", "room": "team"});
    server.admin("PUT", &format!("/v1/numbers/{AREA}0200"), &room);
    let login = Login { port: free_port(), name: "them", password: "swordfish" };
    let wanted = json!({"challenge_username": login.name, "challenge_password": login.password,
        "challenge_digest": digest});
    server.trunk("carrier", login.port, &wanted);
    (server, login)
}

fn logins(server: &Server, result: &str) -> f64 {
    server.metric(&format!("offhook_gateway_sip_logins_total{{result=\"{result}\"}}"))
}

/// Nothing came of it, and every ACK was known.
fn assert_refused(server: &Server) {
    assert!(server.records().is_empty());
    assert_eq!(server.metric("offhook_gateway_attempts_total{direction=\"in\"}"), 0.0);
    let stray = "offhook_gateway_sip_drops_total{reason=\"stray_ack\"}";
    assert_eq!(server.metric(stray), 0.0);
    server.assert_at_rest();
}

#[test]
fn the_right_password_lets_a_call_in() {
    let (server, login) = server("md5");
    Sipp::log_in(&server, "in-login", &format!("{AREA}0200"), login).finish();
    let record = server.closed_records(1).remove(0);
    assert_eq!((&record["direction"], &record["cause"]), (&json!("in"), &json!("hung_up")));
    assert_eq!((logins(&server, "challenged"), logins(&server, "let_in")), (1.0, 1.0));
    server.assert_at_rest();
}

#[test]
fn a_wrong_password_leaves_nothing() {
    let (server, login) = server("md5");
    for wrong in [Login { password: "guess", ..login }, Login { name: "you", ..login }] {
        Sipp::log_in(&server, "in-login-wrong", &format!("{AREA}0200"), wrong).finish();
    }
    assert_eq!((logins(&server, "challenged"), logins(&server, "wrong")), (2.0, 2.0));
    assert_refused(&server);
}

#[test]
fn a_challenge_that_is_not_answered_leaves_nothing() {
    let (server, login) = server("md5");
    Sipp::log_in(&server, "in-login-silent", &format!("{AREA}0200"), login).finish();
    assert_eq!(logins(&server, "challenged"), 1.0);
    assert_refused(&server);
}

#[test]
fn an_answer_that_was_used_is_not_taken_again() {
    let (server, login) = server("any");
    let caller = Phone::open(&server, login.port);
    let challenge = caller.ask(&caller.call("a", None));
    assert_eq!(challenge.status, 401);
    let (realm, user, password) = (None, login.name.into(), login.password.into());
    let mut client = Client::new(vec![Credentials { realm, user, password }]);
    client.challenged(&challenge, &mut Rng::from_seed(1)).expect("a challenge");
    // A number that nobody has, so that nothing has to be hung up.
    let mut request = caller.call("b", None);
    client.authorize(&mut request);
    assert_eq!(caller.ask(&request).status, 404);
    let used = request.headers.get(&Name::Authorization).map(|value| value.decoded().into_owned());
    let refused = caller.ask(&caller.call("c", used.as_deref()));
    assert_eq!(refused.status, 401);
    assert_eq!((logins(&server, "let_in"), logins(&server, "replayed")), (1.0, 1.0));
    assert_refused(&server);
}

/// A phone that sends what it is told.
struct Phone {
    socket: UdpSocket,
    server: u16,
}

impl Phone {
    fn open(server: &Server, port: u16) -> Self {
        let socket = UdpSocket::bind(("127.0.0.1", port)).expect("its port");
        socket.set_read_timeout(Some(DEADLINE)).expect("a deadline");
        Self { socket, server: server.sip_port("udp") }
    }

    /// An INVITE of a call of its own.
    fn call(&self, id: &str, credentials: Option<&str>) -> Request {
        let own = self.socket.local_addr().expect("its address");
        let text = format!(
            "INVITE sip:{AREA}0999@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{id}\r\n\
             From: <sip:a@a>;tag=1\r\nTo: <sip:b@b>\r\nCall-ID: {id}\r\nCSeq: 1 INVITE\r\n\
             Contact: <sip:a@{own}>\r\n\r\n"
        );
        let Ok(Message::Request(mut request)) = parse::datagram(text.as_bytes()) else {
            panic!("{text}")
        };
        if let Some(credentials) = credentials {
            request.headers.push(Name::Authorization, credentials);
        }
        request
    }

    /// The final response to a request, acknowledged.
    fn ask(&self, request: &Request) -> Response {
        let send = |request: &Request| {
            self.socket.send_to(&request.to_bytes(), ("127.0.0.1", self.server)).expect("sent")
        };
        send(request);
        let mut buffer = [0; 4096];
        loop {
            let length = self.socket.recv(&mut buffer).expect("a response");
            let Ok(Message::Response(response)) = parse::datagram(&buffer[..length]) else {
                panic!("no response")
            };
            let call = (response.headers.call_id(), request.headers.call_id());
            if response.status >= 200 && call.0 == call.1 {
                let mut ack = request.clone();
                ack.method = offhook_sip::message::Method::Ack;
                ack.headers.set(Name::CSeq, "1 ACK");
                let to = response.headers.get(&Name::To).expect("a To");
                ack.headers.set(Name::To, to);
                send(&ack);
                return response;
            }
        }
    }
}
