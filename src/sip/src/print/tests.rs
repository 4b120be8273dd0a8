//! What goes over the wire.

use crate::header::{CSeq, Name, NameAddr, Transport, Via};
use crate::message::{Method, Request};
use crate::text::Text;
use crate::uri::{HostPort, Uri};

#[test]
fn a_request_is_printed_in_one_way() {
    let mut request = Request::new(Method::Invite, Uri::parse(b"sip:b@example.com").unwrap());
    let at = HostPort::parse(b"[2001:db8::1]:5070").unwrap();
    request.headers.push(Name::Via, &Via::new(Transport::Tls, at, "z9hG4bK1"));
    let mut from = NameAddr::new(Uri::parse(b"sip:a@example.com").unwrap()).with_tag("t");
    from.name = Some(Text::from("A \"B\"\r\nRoute: <sip:evil>"));
    request.headers.push(Name::From, &from);
    request.headers.push(Name::CSeq, &CSeq { number: 7, method: Method::Invite });
    request.headers.push(Name::MaxForwards, 70);
    request.headers.push(Name::Subject, "a\r\nX: y");
    request.headers.push(Name::ContentLength, 999);
    request.body = b"body".to_vec();
    let expect = "INVITE sip:b@example.com SIP/2.0\r\n\
        Via: SIP/2.0/TLS [2001:db8::1]:5070;branch=z9hG4bK1;rport\r\n\
        From: \"A \\\"B\\\"  Route: <sip:evil>\" <sip:a@example.com>;tag=t\r\n\
        CSeq: 7 INVITE\r\nMax-Forwards: 70\r\nSubject: a  X: y\r\nContent-Length: 4\r\n\r\nbody";
    assert_eq!(String::from_utf8(request.to_bytes()).unwrap(), expect);
}

#[test]
fn no_name_breaks_a_line() {
    let mut request =
        Request::new(Method::Other(Text::from("A B\r\n")), Uri::Other(Text::from("x:y z\r\n>")));
    request.headers.push(Name::Other(Text::from("X: y\r\nZ")), "v");
    let text = String::from_utf8(request.to_bytes()).unwrap();
    assert_eq!(text, "AB x:yz SIP/2.0\r\nXyZ: v\r\nContent-Length: 0\r\n\r\n");
}
