use super::Dialog;
use crate::message::{Message, Method, Request, Response};
use crate::parse;

fn invite() -> Request {
    let text = "INVITE sip:bob@b.example SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\n\
        From: <sip:alice@a.example>;tag=1\r\nTo: <sip:bob@b.example>\r\nCall-ID: c\r\n\
        CSeq: 7 INVITE\r\nContact: <sip:alice@192.0.2.1>\r\n\r\n";
    match parse::datagram(text.as_bytes()) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

fn answer(routes: &str) -> Response {
    let text = format!(
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\n{routes}\
        From: <sip:alice@a.example>;tag=1\r\nTo: <sip:bob@b.example>;tag=2\r\nCall-ID: c\r\n\
        CSeq: 7 INVITE\r\nContact: <sip:bob@192.0.2.2>\r\nAllow: INVITE, UPDATE\r\n\r\n"
    );
    match parse::datagram(text.as_bytes()) {
        Ok(Message::Response(response)) => response,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn check(record_route: &str, line: &str, routes: &[&str]) {
    let mut dialog = Dialog::outgoing(&invite(), &answer(record_route)).unwrap();
    let bytes = dialog.request(Method::Bye).to_bytes();
    let text = String::from_utf8(bytes).unwrap();
    assert_eq!(text.lines().next().unwrap(), line);
    let found = text.lines().filter_map(|line| line.strip_prefix("Route: "));
    assert_eq!(found.collect::<Vec<_>>(), routes);
}

#[test]
fn requests_take_the_recorded_route_backwards() {
    check("", "BYE sip:bob@192.0.2.2 SIP/2.0", &[]);
    check(
        "Record-Route: <sip:p2;lr>\r\nRecord-Route: <sip:p1;lr>\r\n",
        "BYE sip:bob@192.0.2.2 SIP/2.0",
        &["<sip:p1;lr>", "<sip:p2;lr>"],
    );
}

#[test]
fn a_strict_router_gets_what_it_wants() {
    check(
        "Record-Route: <sip:p2;lr>, <sip:p1>\r\n",
        "BYE sip:p1 SIP/2.0",
        &["<sip:p2;lr>", "<sip:bob@192.0.2.2>"],
    );
}

#[test]
fn numbers_of_requests_go_up_and_an_ack_has_that_of_its_invite() {
    let mut dialog = Dialog::outgoing(&invite(), &answer("")).unwrap();
    let number = |request: Request| request.headers.cseq().unwrap().number;
    assert_eq!(number(dialog.request(Method::Bye)), 8);
    assert_eq!(number(dialog.numbered(Method::Ack, 7)), 7);
    assert!(dialog.updates);
    assert_eq!([3, 4, 4, 2].map(|number| dialog.accept(number)), [true, true, false, false]);
}
