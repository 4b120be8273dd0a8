//! Forms of addresses and when they are the same.

use super::*;

fn parsed(text: &str) -> Uri {
    Uri::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Reads as it should be written.
fn check(text: &str, printed: &str) {
    let uri = parsed(text);
    assert_eq!(uri.to_text(), printed);
    assert_eq!(parsed(printed), uri, "{text}");
}

#[test]
fn uris_are_read_and_written_in_normal_form() {
    check("sip:example.com", "sip:example.com");
    check("SIPS:Alice@EXAMPLE.com:5061", "sips:Alice@example.com:5061");
    check("sip:%75se%72@h;%6cr", "sip:user@h;lr");
    check("sip:a%3ab%40c:pw@h", "sip:a%3Ab%40c:pw@h");
    check("sip:null-%00-null@h", "sip:null-%00-null@h");
    check("sip:J\u{f6}rg@h", "sip:J%C3%B6rg@h");
    check("sip:*31#1234@h", "sip:*31%231234@h");
    check("sip:u;par=x%40y@h;p?Subject=a%20b&X=", "sip:u;par=x%40y@h;p?Subject=a%20b&X=");
    check("sip:u@[2001:DB8::1]:5070;lr", "sip:u@[2001:db8::1]:5070;lr");
    check("sip:[::ffff:192.0.2.1]", "sip:[::ffff:192.0.2.1]");
    check("sip:[2001:db8:::192.0.2.1]", "sip:[2001:db8::c000:201]");
    check("sip:crazy?,/;;*:&it=1@h", "sip:crazy?,/;;*:&it=1@h");
    check("tel:+1-201-555-0123;ext=1", "tel:+1-201-555-0123;ext=1");
    check("tel:7042;phone-context=example.com", "tel:7042;phone-context=example.com");
    check("soap.beep://192.0.2.103:3002", "soap.beep://192.0.2.103:3002");
}

#[test]
fn what_is_no_uri_is_refused() {
    let long = format!("sip:{}@h", "a".repeat(MAX_URI));
    let many = format!("sip:h{}", ";a".repeat(MAX_PARAMS + 1));
    for text in [long, many] {
        assert_eq!(Uri::parse(text.as_bytes()), Err(UriError::TooLong));
    }
    let bad = [
        "",
        "sip",
        "sip:",
        "sip:@h",
        "sip:a@",
        "sip:a@h:",
        "sip:a@h:65536",
        "sip:a@h:-1",
        "sip:a b@h",
        "sip:a@h;x=%4",
        "sip:a@h;x=%zz",
        "sip:2001:db8::10",
        "sip:[2001:db8:::1]",
        "sip:[::1",
        "sip:a@h?x",
        "sip:<a>@h",
        "sip:a\r\n@h",
        "tel:",
        "tel:+",
        "tel:alice",
        "tel:1+2",
        "1x:y",
        "sip:a@b@c",
    ];
    for text in bad {
        assert_eq!(Uri::parse(text.as_bytes()), Err(UriError::Malformed), "{text}");
    }
}

#[test]
fn the_same_resource_is_that_of_rfc_3261_19_1_4() {
    let check = |a: &str, b: &str, same: bool| {
        assert_eq!(parsed(a).same(&parsed(b)), same, "{a} {b}");
        assert_eq!(parsed(b).same(&parsed(a)), same, "{b} {a}");
    };
    check("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtlanTa.CoM;Transport=tcp", true);
    check("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5", true);
    check("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5", true);
    let headers = "?subject=project%20x&priority=urgent";
    let other = "?priority=urgent&subject=project%20x";
    check(
        &format!("sip:b@c;transport=tcp{headers}"),
        &format!("sip:b@c;transport=tcp{other}"),
        true,
    );
    check("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP", false);
    check("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060", false);
    check("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp", false);
    check("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp", false);
    check("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting", false);
    check("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off", false);
    check("sip:a@h", "sips:a@h", false);
    check("sip:a%40b@h", "sip:a%40B@h", false);
    check("tel:+1-201-555-0123", "tel:+12015550123", true);
    check("tel:+12015550123", "tel:12015550123", false);
    check("tel:1;ext=2", "tel:1", false);
}

#[test]
fn a_user_cannot_leave_its_place() {
    let at = HostPort { host: Host::parse(b"h").unwrap(), port: None };
    let uri = SipUri::new(Some("a@b>\r\nX: y#"), at);
    assert_eq!(Uri::from(uri).to_text(), "sip:a%40b%3E%0D%0AX%3A%20y%23@h");
    assert_eq!(Uri::from(TelUri::new("+1 (2)\r\n3x")).to_text(), "tel:+1(2)3");
}

#[test]
fn the_subscriber_is_what_was_dialed() {
    let check =
        |text: &str, user: Option<&str>| assert_eq!(parsed(text).subscriber().as_deref(), user);
    check("sip:+49%2030;npdi@h;user=phone", Some("+49 30"));
    check("tel:+49-30-1;x=y", Some("+49301"));
    check("sip:h", None);
    check("http://x", None);
    assert!(!format!("{:?}", parsed("sip:+4930@h")).contains("4930"));
}
