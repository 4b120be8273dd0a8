//! The cases of RFC 4475 and RFC 5118, each with a message of our own in `torture/` and what is to
//! become of it in `torture/cases.tsv`. A server is sent the same files.

use std::path::PathBuf;

use offhook_sip::header::{Contacts, Name, Transport};
use offhook_sip::message::{Message, Method, Request};
use offhook_sip::parse::{self, Rejected, Screen};
use offhook_sip::uri::Uri;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/torture")
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(format!("{name}.sip"))).unwrap()
}

/// What the gateway does, as far as these cases ask.
fn screen() -> Screen {
    use Method::{Ack, Bye, Cancel, Info, Invite, Notify, Options, Prack, Refer, Update};
    Screen {
        methods: vec![Invite, Ack, Bye, Cancel, Options, Prack, Update, Info, Refer, Notify],
        extensions: vec!["100rel", "timer", "replaces"],
        bodies: vec![("application", "sdp")],
        max_body: 16_384,
    }
}

/// In the words of the table.
fn outcome(bytes: &[u8]) -> String {
    let refusal = match parse::datagram(bytes) {
        Ok(Message::Response(_)) => return "accept".to_owned(),
        Ok(Message::Request(request)) => match screen().check(&request) {
            Ok(()) => return "accept".to_owned(),
            Err(refusal) => refusal,
        },
        Err(Rejected::Refused(refusal)) => refusal,
        Err(Rejected::Dropped(_)) => return "drop".to_owned(),
    };
    let response = refusal.response("tag");
    let printed = response.to_bytes();
    assert!(printed.starts_with(format!("SIP/2.0 {} ", response.status).as_bytes()));
    response.status.to_string()
}

fn request(name: &str) -> Request {
    match parse::datagram(&bytes(name)) {
        Ok(Message::Request(request)) => request,
        other => panic!("{name}: {other:?}"),
    }
}

fn cases() -> Vec<(String, String)> {
    let table = std::fs::read_to_string(folder().join("cases.tsv")).unwrap();
    let lines = table.lines().filter(|line| !line.starts_with('#'));
    let cases = lines.map(|line| {
        let columns = line.split('\t').collect::<Vec<_>>();
        assert_eq!(columns.len(), 4, "{line}");
        (columns[0].to_owned(), columns[2].to_owned())
    });
    cases.collect()
}

#[test]
fn every_case_ends_as_the_table_says() {
    for (name, expect) in cases() {
        assert_eq!(outcome(&bytes(&name)), expect, "{name}");
    }
}

#[test]
fn every_file_is_a_case_and_every_case_a_file() {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "sip") {
            files.push(path.file_stem().unwrap().to_string_lossy().into_owned());
        }
    }
    let mut named = cases().into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    files.sort();
    named.sort();
    assert_eq!(files, named);
}

#[test]
fn what_is_accepted_is_printed_and_read_again_as_the_same() {
    for (name, _) in cases() {
        if let Ok(message) = parse::datagram(&bytes(&name)) {
            assert_eq!(parse::datagram(&message.to_bytes()), Ok(message), "{name}");
        }
    }
}

#[test]
fn cuts_of_every_case_are_survived() {
    for (name, _) in cases() {
        let whole = bytes(&name);
        // About 200 cuts each, at odd places.
        for end in (0..whole.len()).step_by(1 + whole.len() / 200) {
            let _ = outcome(&whole[..end]);
        }
    }
}

#[test]
fn spaces_folds_and_compact_forms_mean_what_they_mean() {
    let request = request("wsinv");
    let headers = &request.headers;
    assert_eq!(request.method, Method::Invite);
    assert_eq!(headers.max_forwards(), Some(21));
    assert_eq!(headers.to().unwrap().tag().unwrap().decoded(), "77123a");
    assert_eq!(headers.from().unwrap().name.unwrap().decoded(), "R. \\\" Quote");
    assert_eq!(headers.cseq().unwrap().number, 11);
    assert_eq!(headers.get(&Name::Subject).unwrap().decoded(), "");
    let vias = headers.vias().unwrap();
    let transports = vias.iter().map(|via| via.transport.clone());
    assert!(transports.eq([Transport::Udp, Transport::Tcp, Transport::Udp]));
    assert_eq!(vias[2].branch().unwrap().decoded(), "z9hG4bKws3");
    let Contacts::List(contacts) = headers.contacts().unwrap() else { panic!("a list") };
    assert_eq!(contacts[0].preference(), 250);
    assert_eq!(contacts[0].name.as_ref().unwrap().decoded(), "Quoted \"\"");
    assert!(headers.routes().unwrap()[0].uri.as_sip().unwrap().is_loose());
    let novel = Name::parse(b"novelheader").unwrap();
    assert_eq!(headers.get(&novel).unwrap().decoded(), "something new goes on here");
    assert!(offhook_wire::phone_sdp::Session::parse(&request.body).is_ok());
}

#[test]
fn odd_bytes_are_kept() {
    let request = request("intmeth");
    assert_eq!(request.method.name(), b"!odd-Method9876543210_*+`.%more'~");
    let name = request.headers.to().unwrap().name.unwrap();
    assert_eq!(name.as_bytes(), b"BEL:\x07 NUL:\x00 DEL:\x7f");
    let request = self::request("mpart01");
    assert!(request.body.contains(&0) && request.body.ends_with(b"--b7--\r\n"));
    let Message::Response(response) = parse::datagram(&bytes("unreason")).unwrap() else {
        panic!("a response")
    };
    assert!(response.reason.decoded().ends_with("\u{44c}"));
}

#[test]
fn what_follows_the_body_in_a_datagram_is_no_message() {
    let request = request("dblreq");
    assert_eq!((request.method, request.body.len()), (Method::Options, 0));
}

#[test]
fn addresses_of_version_6_are_read_everywhere() {
    let port = |name| request(name).uri.as_sip().unwrap().at.port;
    assert_eq!((port("port-ambiguous"), port("port-unambiguous")), (None, Some(5070)));
    for name in ["via-received-param-with-delim", "via-received-param-no-delim"] {
        let received = request(name).headers.top_via().unwrap().received();
        assert_eq!(received, Some("2001:db8::9:255".parse().unwrap()), "{name}");
    }
    let Uri::Sip(uri) = request("ipv6-bug-abnf-3-colons").uri else { panic!("a SIP URI") };
    assert_eq!(uri.at.host.ip(), Some("2001:db8::192.0.2.1".parse().unwrap()));
    for name in ["ipv6-in-sdp", "mult-ip-in-sdp", "ipv4-mapped-ipv6"] {
        let session = offhook_wire::phone_sdp::Session::parse(&request(name).body).unwrap();
        assert!(session.media[0].address.is_some(), "{name}");
    }
}

#[test]
fn refusals_say_what_is_missing() {
    let refusal = screen().check(&request("bext01")).unwrap_err();
    let unsupported = refusal.response("t").headers.tokens(Name::Unsupported);
    assert_eq!(unsupported.len(), 4);
    let refusal = screen().check(&request("invut")).unwrap_err();
    assert_eq!(*refusal.response("t").headers.get(&Name::Accept).unwrap(), "application/sdp");
    let refusal = screen().check(&request("regaut01")).unwrap_err();
    assert!(refusal.response("t").headers.allowed().unwrap().contains(&Method::Invite));
}
