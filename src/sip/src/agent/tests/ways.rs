//! Where requests go: from address to address of a name (RFC 3263), and as a registrar wants it (RFC 3608).

use super::*;
use crate::header::Headers;

impl Scene {
    /// Answers what was asked: `carrier.example` is at a.example, then at b.example.
    fn resolve(&mut self) {
        while let Some((query, question)) = self.asked.pop() {
            let srv = |priority, target: &str| Record::Srv {
                priority,
                weight: 0,
                port: 5060,
                target: target.to_owned(),
            };
            let records = match &question {
                Question::Srv(name) if name.starts_with("_sip._udp.") => {
                    vec![srv(2, "b.example"), srv(1, "a.example")]
                }
                Question::Address(name) if name == "a.example" => vec![address("192.0.2.2")],
                Question::Address(name) if name == "b.example" => vec![address("192.0.2.3")],
                _ => Vec::new(),
            };
            self.input(Input::Resolved { query, records });
        }
    }

    /// Where the last message went.
    fn went(&self) -> String {
        self.sent.last().unwrap().hop.remote.to_string()
    }
}

fn address(text: &str) -> Record {
    Record::Address(text.parse().unwrap())
}

fn call_by_name() -> Scene {
    let mut scene = Scene::new(&[Transport::Udp]);
    let Command::Invite(mut call) = invite(10) else { panic!("an INVITE") };
    call.target = uri("sip:bob@carrier.example");
    call.first_response = Duration::from_secs(4);
    scene.command(Command::Invite(call));
    scene.resolve();
    assert_eq!(scene.went(), "192.0.2.2:5060");
    scene
}

#[test]
fn an_address_that_cannot_is_followed_by_the_next() {
    type Fails = fn(&mut Scene, &Request);
    let refuses: Fails = |scene, asked| scene.respond(asked, 503, "a", &[]);
    let is_silent: Fails = |scene, _| scene.wait(Duration::from_secs(4));
    let is_gone: Fails = |scene, _| {
        let send = scene.sent.last().unwrap().id;
        scene.input(Input::Unsent { send });
    };
    for fails in [refuses, is_silent, is_gone] {
        let mut scene = call_by_name();
        let first = scene.request();
        fails(&mut scene, &first);
        assert_eq!(scene.went(), "192.0.2.3:5060");
        let second = scene.request();
        let branch = |r: &Request| r.headers.top_via().unwrap().branch().cloned();
        assert_ne!(branch(&first), branch(&second));
        assert_eq!(first.headers.call_id().unwrap(), second.headers.call_id().unwrap());
        assert!(scene.ended().is_none());
        scene.respond(&second, 200, "b", &[]);
        assert!(scene.events.iter().any(|event| matches!(event, Event::Answered { .. })));
    }
}

#[test]
fn the_last_address_has_the_last_word() {
    let mut scene = call_by_name();
    for _ in 0..2 {
        let asked = scene.request();
        scene.respond(&asked, 503, "a", &[]);
    }
    assert_eq!(scene.ended().unwrap().status, 503);
}

#[test]
fn a_phone_that_rings_is_not_left_for_another_address() {
    let mut scene = call_by_name();
    let asked = scene.request();
    scene.respond(&asked, 180, "a", &[]);
    scene.respond(&asked, 503, "a", &[]);
    assert_eq!(scene.ended().unwrap().status, 503);
}

fn registered(services: &[&str]) -> Scene {
    let mut scene = Scene::new(&[Transport::Udp]);
    let trunk = Trunk { proxy: Some(uri("sip:192.0.2.2")), ..trunk() };
    let register = Register {
        trunk,
        registrar: uri("sip:carrier.example"),
        identity: uri("sip:us@carrier.example"),
        contact_user: "us".into(),
        expires: Duration::from_secs(600),
    };
    let command = Command::Register(Box::new(register));
    scene.input(Input::Command { handle: Handle(7), command });
    let asked = scene.request();
    assert!(asked.headers.supports("path"));
    let services: Vec<(Name, &str)> = services.iter().map(|s| (Name::ServiceRoute, *s)).collect();
    scene.respond(&asked, 200, "r", &services);
    scene
}

fn routes(headers: &Headers) -> Vec<String> {
    let shown = |route: &crate::text::Text| route.decoded().into_owned();
    headers.all(&Name::Route).map(shown).collect()
}

#[test]
fn requests_over_a_registration_go_as_the_registrar_wants() {
    for (services, expect) in [
        (vec![], vec!["<sip:192.0.2.2;lr>"]),
        (vec!["<sip:orig@s.example;lr>"], vec!["<sip:192.0.2.2;lr>", "<sip:orig@s.example;lr>"]),
        (
            vec!["<sip:192.0.2.2;lr>, <sip:s.example;lr>"],
            vec!["<sip:192.0.2.2;lr>", "<sip:s.example;lr>"],
        ),
    ] {
        let mut scene = registered(&services);
        let Command::Invite(mut call) = invite(10) else { panic!("an INVITE") };
        call.trunk.proxy = Some(uri("sip:192.0.2.2"));
        scene.command(Command::Invite(call));
        assert_eq!(routes(&scene.request().headers), expect);
        let other = Trunk { peer: PeerId(2), proxy: Some(uri("sip:192.0.2.2")), ..trunk() };
        let mut headers = Headers::default();
        scene.agent.preload(&mut headers, &other);
        assert_eq!(routes(&headers), ["<sip:192.0.2.2;lr>"], "another trunk does not");
    }
}

#[test]
fn the_bye_of_a_second_answer_shows_the_password_too() {
    let mut scene = Scene::new(&[Transport::Udp]);
    scene.command(invite(10));
    let first = scene.request();
    scene.respond(&first, 407, "p", &[(Name::ProxyAuthenticate, DIGEST)]);
    let asked = scene.request();
    scene.respond(&asked, 200, "b", &[]);
    scene.respond(&asked, 200, "a", &[]);
    let bye = scene.request();
    assert_eq!(bye.method, Method::Bye);
    let again = DIGEST.replace("\"n\"", "\"m\"");
    scene.respond(&bye, 407, "a", &[(Name::ProxyAuthenticate, &again)]);
    let answered = scene.request();
    assert_eq!(answered.method, Method::Bye);
    assert!(answered.headers.get(&Name::ProxyAuthorization).is_some());
    assert!(answered.headers.cseq().unwrap().number > bye.headers.cseq().unwrap().number);
    // A password that is turned down is not shown for ever.
    scene.took();
    scene.respond(&answered, 407, "a", &[(Name::ProxyAuthenticate, DIGEST)]);
    assert_eq!(scene.took(), [""; 0]);
}
