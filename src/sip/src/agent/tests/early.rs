//! Early dialogs: reliable responses (RFC 3262) and new offers before the answer (RFC 3311).

use super::*;

const INCOMING: Handle = Handle::INCOMING;

/// With a body that stands for a description.
fn described(mut response: Response) -> Response {
    response.headers.push(Name::ContentType, "application/sdp");
    response.body = b"answer".to_vec();
    response
}

fn bodies(scene: &Scene) -> Vec<&str> {
    let shown = |event: &Event| match event {
        Event::Provisional { body, .. } => Some(("provisional", body.is_some())),
        Event::Reoffer { body } => Some(("offer", body.is_some())),
        Event::ReofferAnswered { body } => Some(("answer", body.is_some())),
        Event::ReofferFailed { .. } => Some(("refused", true)),
        Event::Confirmed { body } => Some(("confirmed", body.is_some())),
        Event::Answered { body, .. } => Some(("answered", body.is_some())),
        _ => None,
    };
    let shown = scene.events.iter().filter_map(shown);
    shown.map(|(name, body)| if body { name } else { "nothing" }).collect()
}

/// A call of ours that has early media, confirmed with PRACK.
fn ringing() -> (Scene, Request) {
    let mut scene = Scene::new(&[Transport::Udp]);
    scene.command(invite(10));
    let asked = scene.request();
    let mut progress: Response = described(asked.response(183));
    progress.headers.set_to_tag("a");
    for (name, value) in [
        (Name::Contact, "<sip:bob@192.0.2.2>"),
        (Name::Require, "100rel"),
        (Name::RSeq, "1"),
        (Name::Allow, "INVITE, ACK, BYE, CANCEL, PRACK, UPDATE"),
    ] {
        progress.headers.push(name, value);
    }
    scene.hear(progress.to_bytes());
    let prack = scene.request();
    assert_eq!(prack.method, Method::Prack);
    scene.respond(&prack, 200, "a", &[]);
    scene.took();
    (scene, asked)
}

fn reoffer() -> Command {
    Command::Reoffer { body: Body::sdp(b"offer".to_vec()) }
}

#[test]
fn an_offer_of_ours_before_the_answer_is_an_update() {
    let (mut scene, invited) = ringing();
    scene.command(reoffer());
    let update = scene.request();
    assert_eq!(scene.took(), ["UPDATE"]);
    assert_eq!(update.body, b"offer");
    assert!(update.headers.cseq().unwrap().number > invited.headers.cseq().unwrap().number + 1);
    let mut response = described(update.response(200));
    response.headers.set_to_tag("a");
    scene.hear(response.to_bytes());
    scene.respond(&invited, 200, "a", &[]);
    assert_eq!(bodies(&scene), ["provisional", "answer", "nothing"]);
    assert_eq!(scene.took(), ["ACK"]);
}

#[test]
fn an_update_of_ours_that_is_refused_changes_nothing() {
    for status in [488, 504] {
        let (mut scene, invited) = ringing();
        scene.command(reoffer());
        let update = scene.request();
        scene.respond(&update, status, "a", &[]);
        assert_eq!(bodies(&scene), ["provisional", "refused"]);
        scene.respond(&invited, 200, "a", &[]);
        assert_eq!(scene.events.iter().filter(|e| matches!(e, Event::Answered { .. })).count(), 1);
    }
}

#[test]
fn an_update_of_ours_that_crosses_theirs_is_sent_again() {
    let (mut scene, _) = ringing();
    scene.command(reoffer());
    let update = scene.request();
    scene.respond(&update, 491, "a", &[]);
    scene.wait(Duration::from_secs(5));
    let again = scene.request();
    assert_eq!((&again.method, &again.body), (&Method::Update, &update.body));
    assert!(again.headers.cseq().unwrap().number > update.headers.cseq().unwrap().number);
}

/// A call to us that has a reliable 183 with our answer, and the PRACK of it.
fn progressed() -> (Scene, Request) {
    let mut scene = Scene::new(&[Transport::Udp]);
    let text = "INVITE sip:x@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKi\r\n\
        From: <sip:a@a>;tag=1\r\nTo: <sip:b@b>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\
        Contact: <sip:a@192.0.2.2>\r\nSupported: 100rel\r\nContent-Type: application/sdp\r\n\
        Content-Length: 5\r\n\r\noffer";
    scene.hear(text.as_bytes().to_vec());
    let body = Some(Body::sdp(b"answer".to_vec()));
    scene.input(Input::Command {
        handle: INCOMING,
        command: Command::Progress { status: 183, body },
    });
    let sent = scene.sent.last().unwrap();
    let Ok(Message::Response(progress)) = crate::parse::datagram(&sent.bytes) else {
        panic!("a response")
    };
    scene.took();
    let number = progress.headers.get(&Name::RSeq).unwrap().decoded().into_owned();
    let mut prack = Request::new(Method::Prack, uri("sip:x@192.0.2.1"));
    for (name, value) in [
        (Name::Via, "SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKp"),
        (Name::From, "<sip:a@a>;tag=1"),
        (Name::CallId, "c"),
        (Name::CSeq, "2 PRACK"),
        (Name::RAck, &format!("{number} 1 INVITE")),
    ] {
        prack.headers.push(name, value);
    }
    prack.headers.push(Name::To, progress.headers.get(&Name::To).unwrap());
    (scene, prack)
}

#[test]
fn a_new_offer_in_a_prack_is_answered_in_its_response() {
    let (mut scene, mut prack) = progressed();
    prack.headers.push(Name::ContentType, "application/sdp");
    prack.body = b"again".to_vec();
    scene.hear(prack.to_bytes());
    assert_eq!(bodies(&scene), ["nothing", "offer"]);
    assert_eq!(scene.took(), [""; 0], "the response waits for the answer");
    let result = Ok(Body::sdp(b"settled".to_vec()));
    scene.input(Input::Command { handle: INCOMING, command: Command::Reply { result } });
    let sent = String::from_utf8(scene.sent.pop().unwrap().bytes).unwrap();
    assert!(sent.starts_with("SIP/2.0 200") && sent.contains("CSeq: 2 PRACK"), "{sent}");
    assert!(sent.ends_with("settled"), "{sent}");
    let answer = Command::Answer { body: None };
    scene.input(Input::Command { handle: INCOMING, command: answer });
    assert_eq!(scene.took(), ["200"]);
}

#[test]
fn a_new_offer_in_a_prack_that_does_not_fit_is_refused_and_the_call_goes_on() {
    let (mut scene, mut prack) = progressed();
    prack.headers.push(Name::ContentType, "application/sdp");
    prack.body = b"again".to_vec();
    scene.hear(prack.to_bytes());
    let refusal = Command::Reply { result: Err(488) };
    scene.input(Input::Command { handle: INCOMING, command: refusal });
    assert_eq!(scene.took(), ["488"]);
    let answer = Command::Answer { body: None };
    scene.input(Input::Command { handle: INCOMING, command: answer });
    assert_eq!(scene.took(), ["200"]);
}
