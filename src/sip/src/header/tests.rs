//! Values of headers, read and written.

use core::time::Duration;

use super::*;
use crate::message::Method;

fn headers(lines: &[(&str, &str)]) -> Headers {
    let mut headers = Headers::default();
    for (name, value) in lines {
        headers.push(Name::parse(name.as_bytes()).unwrap(), *value);
    }
    headers
}

/// Reads, and is written as it should be.
fn check<T: Value + PartialEq + fmt::Debug>(text: &str, written: &str) -> T {
    let value = T::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text}"));
    let printed = Text::from(&value);
    assert_eq!(printed.decoded(), written);
    assert_eq!(T::parse(printed.as_bytes()).as_ref(), Some(&value));
    value
}

fn refused<T: Value>(texts: &[&str]) {
    for text in texts {
        assert!(T::parse(text.as_bytes()).is_none(), "{text}");
    }
}

#[test]
fn addresses_with_and_without_brackets() {
    let plain: NameAddr = check("sip:a@b;tag=1", "<sip:a@b>;tag=1");
    assert_eq!(plain.tag().unwrap().decoded(), "1");
    let named: NameAddr =
        check("\"A, B\" < sip:a@b>".replace("< ", "<").as_str(), "\"A, B\" <sip:a@b>");
    assert_eq!(named.name.unwrap().decoded(), "A, B");
    check::<NameAddr>("A  B<sip:a@b;lr>;x=\"y z\"", "\"A  B\" <sip:a@b;lr>;x=\"y z\"");
    check::<NameAddr>("<tel:+1-2>", "<tel:+1-2>");
    refused::<NameAddr>(&["", "a", "<sip:a@b", "\"a <sip:a@b>", "a, b <sip:a@b>", "sip:a@b?x=y"]);
    refused::<NameAddr>(&["<sip:a@b> x", "<sip:a@b>;", "<sip:a@b>;=x", "< sip:a@b >"]);
    let contact = NameAddr::parse(b"<sip:a>;q=0.5;expires=60").unwrap();
    assert_eq!((contact.preference(), contact.expires()), (500, Some(60)));
    let odd = NameAddr::parse(b"<sip:a>;q=7;expires=99999999999").unwrap();
    assert_eq!((odd.preference(), odd.expires()), (1000, Some(3600)));
}

#[test]
fn vias_know_where_a_response_goes() {
    let mut via: Via = check(
        "SIP / 2.0 / udp h.example : 5070 ;branch = z ;rport",
        "SIP/2.0/UDP h.example:5070;branch=z;rport",
    );
    via.note_source("192.0.2.9:99".parse().unwrap());
    assert_eq!((via.received(), via.rport()), (Some([192, 0, 2, 9].into()), Some(99)));
    assert!(Text::from(&via).decoded().ends_with(";rport=99;received=192.0.2.9"));
    let mut same = Via::parse(b"SIP/2.0/UDP 192.0.2.9").unwrap();
    same.note_source("192.0.2.9:99".parse().unwrap());
    assert_eq!(same.received(), None);
    refused::<Via>(&[
        "",
        "SIP/2.0/UDP",
        "SIP/2.0 h",
        "SIP/2.0/UDP h:x",
        "SIP/2.0/UDP h;;a",
        "/2.0/UDP h",
    ]);
    assert!(Via::parse_sender(b"SIP/2.0/UDP 192.0.2.1;;,;,,").is_some());
    let mut list = headers(&[("v", "SIP/2.0/UDP a, SIP/2.0/TCP b"), ("Via", "SIP/2.0/TLS c")]);
    list.set_top_via(&via);
    let transports = list.vias().unwrap().into_iter().map(|via| via.transport);
    assert!(transports.eq([Transport::Udp, Transport::Tcp, Transport::Tls]));
    assert_eq!(list.top_via().unwrap(), via);
}

#[test]
fn single_values_are_read_and_written() {
    check::<CSeq>(" 0007   INVITE", "7 INVITE");
    refused::<CSeq>(&["", "1", "x INVITE", "2147483648 INVITE", "1 IN(", "1 A B", "-1 A"]);
    let rack: RAck = check("5  7 INVITE", "5 7 INVITE");
    assert_eq!((rack.response, rack.request.method), (5, Method::Invite));
    let timer: SessionExpires = check("1800 ; refresher = UAS", "1800;refresher=uas");
    assert_eq!(timer.refresher, Some(Refresher::Uas));
    refused::<SessionExpires>(&["", "x", "90;refresher=me", "4294967296"]);
    let retry = RetryAfter::parse(b"120 (maintenance);duration=5").unwrap();
    assert_eq!(retry.wait, Duration::from_secs(120));
    refused::<RetryAfter>(&["", "soon", "9x", "949302838503028349304023988"]);
    let replaces: Replaces =
        check("a@b;to-tag=1;from-tag=2;early-only", "a@b;to-tag=1;from-tag=2;early-only");
    assert!(replaces.early_only);
    refused::<Replaces>(&["a@b", "a@b;to-tag=1", ";to-tag=1;from-tag=2"]);
    check::<MediaType>("Application / SDP; charset=\"u f\"", "application/sdp;charset=\"u f\"");
    refused::<MediaType>(&["", "sdp", "a/", "a b/c"]);
    check::<Warning>("399 h:5060 \"a \\\"b\\\"\"", "399 h:5060 \"a \\\"b\\\"\"");
    check::<ReasonValue>("Q.850 ;cause=16 ;text=Normal", "Q.850;cause=16;text=\"Normal\"");
}

#[test]
fn headers_are_read_as_a_user_agent_needs_them() {
    let headers = headers(&[
        ("k", "timer, 100rel,,"),
        ("Supported", "replaces"),
        ("Allow", "INVITE, bye"),
        ("Privacy", "header;ID"),
        ("P-Asserted-Identity", "<sip:+1@x>, <tel:+1>"),
        ("Diversion", "<sip:+2@x>;reason=user-busy, broken"),
        ("Expires", "never"),
        ("Max-Forwards", "256"),
        ("Accept", "application/*, text/plain"),
        ("m", "*"),
        ("Min-SE", "90;x=y"),
    ]);
    assert!(headers.supports("TIMER") && headers.supports("replaces") && !headers.supports("x"));
    let allowed = headers.allowed().unwrap();
    assert_eq!(allowed, [Method::Invite, Method::Other(Text::from("bye"))]);
    assert!(headers.wants_privacy("id") && !headers.wants_privacy("session"));
    assert_eq!(headers.asserted_identities().len(), 2);
    assert_eq!(headers.diversions().len(), 1);
    assert_eq!((headers.expires(), headers.max_forwards()), (Some(3600), None));
    assert!(headers.accepted().unwrap()[0].takes("application", "sdp"));
    assert_eq!(headers.contacts(), Ok(Contacts::All));
    assert_eq!(headers.min_se(), Ok(Some(90)));
    let missing = headers.to().unwrap_err();
    assert_eq!((missing.name.clone(), missing.flaw), (Name::To, Flaw::Missing));
    assert_eq!(missing.to_string(), "To header missing");
}

#[test]
fn a_list_has_an_end() {
    let many = vec!["<sip:a>"; MAX_LIST + 1].join(",");
    assert!(headers(&[("Route", &many)]).routes().is_err());
    assert_eq!(headers(&[("Route", " , ")]).routes(), Ok(vec![]));
}

#[test]
fn set_keeps_the_place() {
    let mut headers = headers(&[("Via", "a"), ("To", "b"), ("To", "c"), ("From", "d")]);
    headers.set(Name::To, "e");
    let names = headers.iter().map(|(name, _)| name.clone());
    assert!(names.eq([Name::Via, Name::To, Name::From]));
    assert_eq!(*headers.get(&Name::To).unwrap(), "e");
}
