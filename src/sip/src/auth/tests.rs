//! Sums from the RFCs, and both sides talking to each other.

use core::time::Duration;

use offhook_types::{Rng, Time};

use super::client::secret;
use super::digest::Sum;
use super::*;
use crate::header::{CSeq, Name};
use crate::message::{Method, Request, Response};
use crate::text::Text;
use crate::uri::Uri;

#[test]
fn sums_are_those_of_the_rfcs() {
    let check = |user: &str, realm: &str, password: &str, sum: Sum<'_>, expect: &str| {
        let secret = secret(sum.algorithm, user, &Text::from(realm), password);
        assert_eq!(sum.response(&secret), expect, "{:?}", sum.algorithm);
    };
    // RFC 7616 §3.9.1
    let cnonce = b"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
    let sum = |algorithm| Sum {
        algorithm,
        nonce: b"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        qop: Some((Qop::Auth, 1, &cnonce[..])),
        method: b"GET",
        uri: b"/dir/index.html",
        body: b"",
    };
    let (user, realm, password) = ("Mufasa", "http-auth@example.org", "Circle of Life");
    let md5 = "8ca523f5e9506fed4657c9700eebdbec";
    let sha = "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1";
    check(user, realm, password, sum(Algorithm::Md5), md5);
    check(user, realm, password, sum(Algorithm::Sha256), sha);
    // RFC 2617 §3.5
    let rfc2617 = Sum {
        algorithm: Algorithm::Md5,
        nonce: b"dcd98b7102dd2f0e8b11d0f600bfb0c093",
        qop: Some((Qop::Auth, 1, b"0a4f113b")),
        method: b"GET",
        uri: b"/dir/index.html",
        body: b"",
    };
    let (realm, password) = ("testrealm@host.com", "Circle Of Life");
    check(user, realm, password, rfc2617, "6629fae49393a05397450978507c4ef1");
}

#[test]
fn a_mac_is_that_of_rfc_4231() {
    let mut key = [0; 32];
    key[..20].fill(0x0b);
    let mac = super::digest::hex(&super::digest::mac(&key, b"Hi There"));
    assert_eq!(mac, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
}

const REALM: &str = "pstn.example.com";

fn register(number: u32) -> Request {
    let uri = Uri::parse(b"sip:pstn.example.com").unwrap();
    let mut request = Request::new(Method::Register, uri);
    request.headers.push(Name::CSeq, &CSeq { number, method: Method::Register });
    request
}

fn client() -> Client {
    let (user, password) = ("trunk-1".to_owned(), "correct horse".to_owned());
    Client::new(vec![Credentials { realm: Some(REALM.to_owned()), user, password }])
}

fn challenger() -> Challenger {
    Challenger::new(REALM, [7; 32], Duration::from_secs(60))
}

fn known(user: &str) -> Option<String> {
    (user == "trunk-1").then(|| "correct horse".to_owned())
}

fn challenge(challenges: &[&str]) -> Response {
    let mut response = register(1).response(401);
    for challenge in challenges {
        response.headers.push(Name::WwwAuthenticate, *challenge);
    }
    response
}

#[test]
fn both_sides_agree_and_the_strongest_algorithm_is_taken() {
    let (mut client, mut challenger, mut rng) = (client(), challenger(), Rng::from_seed(1));
    let now = Time::from_millis(5000);
    let mut request = register(1);
    let why = challenger.verify(now, &request, &Algorithm::OFFERED, known).unwrap_err();
    assert_eq!(why, Denied::NoCredentials);
    let refused = challenger.refuse(now, &request, (why, &Algorithm::OFFERED), &mut rng);
    assert_eq!(refused.headers.all(&Name::WwwAuthenticate).count(), 2);
    client.challenged(&refused, &mut rng).unwrap();
    for _ in 0..3 {
        client.authorize(&mut request);
        assert_eq!(request.headers.all(&Name::Authorization).count(), 1);
        let text = request.headers.get(&Name::Authorization).unwrap();
        assert!(text.decoded().contains("algorithm=SHA-256"));
        assert_eq!(
            challenger.verify(now, &request, &Algorithm::OFFERED, known),
            Ok("trunk-1".to_owned())
        );
        assert_eq!(
            challenger.verify(now, &request, &Algorithm::OFFERED, known),
            Err(Denied::Replayed)
        );
    }
    let text = request.headers.get(&Name::Authorization).unwrap().decoded().into_owned();
    assert!(text.contains("nc=00000003"), "the count goes up with each use");
    let later = now + Duration::from_secs(61);
    client.authorize(&mut request);
    assert_eq!(challenger.verify(later, &request, &Algorithm::OFFERED, known), Err(Denied::Stale));
    let stale = challenger.refuse(later, &request, (Denied::Stale, &Algorithm::OFFERED), &mut rng);
    client.challenged(&stale, &mut rng).unwrap();
    client.authorize(&mut request);
    assert!(challenger.verify(later, &request, &Algorithm::OFFERED, known).is_ok());
}

#[test]
fn what_does_not_fit_is_denied() {
    let (mut client, mut challenger, mut rng) = (client(), challenger(), Rng::from_seed(1));
    let now = Time::from_millis(5000);
    let mut request = register(1);
    let refused =
        challenger.refuse(now, &request, (Denied::NoCredentials, &Algorithm::OFFERED), &mut rng);
    client.challenged(&refused, &mut rng).unwrap();
    client.authorize(&mut request);
    let wrong = |_: &str| Some("guess".to_owned());
    assert_eq!(challenger.verify(now, &request, &Algorithm::OFFERED, wrong), Err(Denied::Wrong));
    assert_eq!(challenger.verify(now, &request, &Algorithm::OFFERED, |_| None), Err(Denied::Wrong));
    let mut moved = request.clone();
    moved.uri = Uri::parse(b"sip:other.example.com").unwrap();
    assert_eq!(challenger.verify(now, &moved, &Algorithm::OFFERED, known), Err(Denied::Malformed));
    let mut other = Challenger::new(REALM, [8; 32], Duration::from_secs(60));
    assert_eq!(
        other.verify(now, &request, &Algorithm::OFFERED, known),
        Err(Denied::Stale),
        "not its nonce"
    );
    assert!(challenger.verify(now, &request, &Algorithm::OFFERED, known).is_ok());
}

#[test]
fn credentials_that_were_turned_down_are_not_sent_again() {
    let mut rng = Rng::from_seed(1);
    let once = r#"Digest realm="pstn.example.com", nonce="a", qop="auth""#;
    let stale = r#"Digest realm="pstn.example.com", nonce="b", qop="auth", stale=TRUE"#;
    let mut client = client();
    assert_eq!(client.challenged(&challenge(&[once]), &mut rng), Ok(()));
    assert_eq!(client.challenged(&challenge(&[once]), &mut rng), Err(NoAnswer::TurnedDown));
    for _ in 0..3 {
        assert_eq!(client.challenged(&challenge(&[stale]), &mut rng), Ok(()));
    }
    assert_eq!(client.challenged(&challenge(&[stale]), &mut rng), Err(NoAnswer::TurnedDown));
    client.accepted();
    assert_eq!(client.challenged(&challenge(&[once]), &mut rng), Ok(()));
}

#[test]
fn a_nonce_that_is_given_again_is_counted_on() {
    let mut rng = Rng::from_seed(1);
    let once = r#"Digest realm="pstn.example.com", nonce="a", qop="auth""#;
    let (mut client, mut request) = (client(), register(1));
    for count in ["nc=00000001", "nc=00000002"] {
        client.challenged(&challenge(&[once]), &mut rng).unwrap();
        client.authorize(&mut request);
        client.accepted();
        let text = request.headers.get(&Name::Authorization).unwrap();
        assert!(text.decoded().contains(count), "{count}");
    }
}

#[test]
fn challenges_that_we_cannot_answer_are_passed_over() {
    let mut rng = Rng::from_seed(1);
    let unknown = [
        r#"Basic realm="pstn.example.com""#,
        r#"Digest realm="pstn.example.com", nonce="a", algorithm=TEST"#,
        r#"Digest realm="pstn.example.com", nonce="a", qop="other""#,
        r#"Digest realm="pstn.example.com"#,
        "",
    ];
    let mut client = client();
    assert_eq!(client.challenged(&challenge(&unknown), &mut rng), Err(NoAnswer::Unsupported));
    let foreign = r#"Digest realm="elsewhere", nonce="a""#;
    assert_eq!(client.challenged(&challenge(&[foreign]), &mut rng), Err(NoAnswer::NoCredentials));
    let mut request = register(1);
    client.authorize(&mut request);
    assert!(request.headers.get(&Name::Authorization).is_none());
}

#[test]
fn every_realm_gets_its_own_answer() {
    let mut rng = Rng::from_seed(1);
    let mut response = challenge(&[r#"Digest realm="a", nonce="1""#]);
    response.headers.push(Name::ProxyAuthenticate, r#"Digest realm="b", nonce="2", qop=auth"#);
    let (user, password) = ("u\"".to_owned(), "p".to_owned());
    let mut client = Client::new(vec![Credentials { realm: None, user, password }]);
    client.challenged(&response, &mut rng).unwrap();
    let mut request = register(2);
    client.authorize(&mut request);
    let first = request.headers.get(&Name::Authorization).unwrap().decoded().into_owned();
    let second = request.headers.get(&Name::ProxyAuthorization).unwrap().decoded().into_owned();
    assert!(first.contains(r#"realm="a""#) && !first.contains("nc="));
    assert!(second.contains(r#"realm="b""#) && second.contains("nc=00000001"));
    assert!(first.contains(r#"username="u\"""#), "a quote in a name stays inside its quotes");
    assert!(!format!("{client:?}").contains("u\""));
}
