//! Datagrams, whole and broken.

use proptest::prelude::*;

use super::*;
use crate::header::{BadHeader, Flaw, Name};

const HEAD: &str = "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa\r\nFrom: <sip:a@b>;tag=1\r\n\
    To: <sip:c@d>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n";

fn invite(extra: &str, body: &str) -> Result<Message, Rejected> {
    datagram(format!("INVITE sip:c@d SIP/2.0\r\n{HEAD}{extra}\r\n{body}").as_bytes())
}

/// What a datagram is told.
fn check(read: Result<Message, Rejected>, fault: Fault) {
    match read {
        Err(Rejected::Refused(refusal)) => assert_eq!(refusal.fault, fault),
        other => panic!("{other:?} instead of {fault:?}"),
    }
}

fn dropped(bytes: &[u8], reason: Drop) {
    assert_eq!(datagram(bytes), Err(Rejected::Dropped(reason)));
}

fn header(name: Name, flaw: Flaw) -> Fault {
    Fault::Header(BadHeader { name, flaw })
}

#[test]
fn a_body_is_as_long_as_it_says() {
    let body = |extra: &str, body: &str| invite(extra, body).unwrap().body().to_vec();
    assert_eq!(body("", "whole"), b"whole");
    assert_eq!(body("Content-Length: 3\r\n", "cut off"), b"cut");
    assert_eq!(body("l :\r\n 3\r\n", "cut"), b"cut");
    check(invite("Content-Length: 4\r\n", "abc"), Fault::BodyLength);
    check(invite("Content-Length: 18446744073709551615\r\n", "abc"), Fault::BodyLength);
    let bad = |flaw| header(Name::ContentLength, flaw);
    for length in ["-1", "+1", "1 2", "0x1", "", "18446744073709551616", "1,1"] {
        check(invite(&format!("Content-Length: {length}\r\n"), "abc"), bad(Flaw::Malformed));
    }
    check(invite("Content-Length: 3\r\nl: 3\r\n", "abc"), bad(Flaw::Repeated));
    let framed = framed(format!("INVITE sip:c@d SIP/2.0\r\n{HEAD}\r\n").as_bytes());
    check(framed, bad(Flaw::Missing));
}

#[test]
fn latin_1_anywhere_is_kept() {
    let text =
        [b"INVITE sip:c@d SIP/2.0\r\n", HEAD.as_bytes(), b"Subject: gr\xfc\xdfe\r\n\r\n"].concat();
    let message = datagram(&text).unwrap();
    assert_eq!(message.headers().get(&Name::Subject).unwrap().as_bytes(), b"gr\xfc\xdfe");
    assert!(message.to_bytes().windows(4).any(|window| window == b"r\xfc\xdfe"));
}

#[test]
fn faults_have_their_status() {
    let first = |line: &str| datagram(format!("{line}\r\n{HEAD}\r\n").as_bytes());
    check(first("INVITE sip:c@d SIP/3.0"), Fault::Version);
    check(first("INVITE sip:c@d HTTP/1.1"), Fault::StartLine);
    check(first("INVITE sip:c@d"), Fault::StartLine);
    check(first("INV(ITE sip:c@d SIP/2.0"), Fault::StartLine);
    check(first("INVITE foo:bar SIP/2.0"), Fault::Scheme);
    check(first("INVITE c@d SIP/2.0"), Fault::Uri);
    check(first(&format!("INVITE sip:{} SIP/2.0", "a".repeat(3000))), Fault::UriTooLong);
    check(first("BYE sip:c@d SIP/2.0"), Fault::MethodMismatch);
    check(invite("no colon\r\n", ""), Fault::Line);
    check(invite("Sub ject: a\r\n", ""), Fault::Line);
    check(invite("Subject: a\0b\r\n", ""), Fault::Line);
    check(invite("Subject: a\nRoute: <sip:x>\r\n", ""), Fault::Line);
    check(invite(&format!("Subject: {}\r\n", "a".repeat(MAX_LINE)), ""), Fault::TooLarge);
    check(invite(&"a: b\r\n".repeat(MAX_HEADERS), ""), Fault::TooLarge);
    check(invite("Contact: nothing\r\n", ""), header(Name::Contact, Flaw::Malformed));
    check(invite("Session-Expires: soon\r\n", ""), header(Name::SessionExpires, Flaw::Malformed));
    check(invite("f: <sip:x@y>;tag=2\r\n", ""), header(Name::From, Flaw::Repeated));
    check(datagram(format!("INVITE sip:c@d SIP/2.0\r\n{HEAD}").as_bytes()), Fault::Unterminated);
    for (fault, status) in [(Fault::Scheme, 416), (Fault::UriTooLong, 414), (Fault::TooLarge, 513)]
    {
        assert_eq!(fault.status(), status);
    }
}

#[test]
fn what_cannot_be_answered_is_dropped() {
    dropped(b"", Drop::KeepAlive);
    dropped(b"\r\n\r\n", Drop::KeepAlive);
    dropped(b"hello\r\n\r\n", Drop::Garbage);
    dropped(b"hello", Drop::Garbage);
    dropped(&[0; 100], Drop::Garbage);
    dropped(b"OPTIONS sip:a SIP/2.0\r\n\r\n", Drop::Unanswerable);
    dropped(&vec![b'a'; MAX_MESSAGE + 1], Drop::TooLarge);
    dropped(format!("ACK sip:c@d SIP/2.0\r\n{HEAD}\r\n").as_bytes(), Drop::BadAck);
    for first in ["SIP/2.0 2000 OK", "SIP/2.0 099 x", "SIP/2.0 abc", "SIP/3.0 200 OK", "SIP/2.0"] {
        dropped(format!("{first}\r\n{HEAD}\r\n").as_bytes(), Drop::BadResponse);
    }
    dropped(b"SIP/2.0 200 OK\r\n\r\n", Drop::BadResponse);
}

#[test]
fn an_answer_with_an_unreadable_detail_is_still_an_answer() {
    let text = format!("SIP/2.0 200 OK\r\n{HEAD}Contact: \"oops\r\nSession-Expires: x\r\n\r\n");
    assert!(datagram(text.as_bytes()).is_ok());
}

#[test]
fn a_refusal_can_be_sent_back() {
    let Err(Rejected::Refused(refusal)) = invite("no colon\r\n", "") else { panic!("refused") };
    let response = refusal.response("t1");
    assert_eq!(response.status, 400);
    assert_eq!(response.headers.to().unwrap().tag().unwrap().decoded(), "t1");
    assert_eq!(datagram(&response.to_bytes()), Ok(Message::Response(response)));
}

proptest! {
    #[test]
    fn any_bytes_end_in_some_way(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = datagram(&bytes);
    }

    #[test]
    fn what_is_read_is_printed_and_read_again(extra in "[A-Za-z-]{1,12} {0,2}: [ -~]{0,60}", body in "\\PC{0,20}") {
        if let Ok(message) = invite(&format!("{extra}\r\n"), &body) {
            prop_assert_eq!(datagram(&message.to_bytes()), Ok(message));
        }
    }
}
