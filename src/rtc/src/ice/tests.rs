use super::*;

fn credentials(ufrag: &str, pwd: &str) -> IceCredentials {
    IceCredentials { ufrag: ufrag.into(), pwd: pwd.into() }
}

fn ours() -> IceCredentials {
    credentials("ours", "our password of 22 chars")
}

fn agent() -> IceLite {
    IceLite::new(ours(), Some(credentials("them", THEIR_PWD)))
}

fn address(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 1000))
}

fn at(millis: u64) -> Time {
    Time::from_millis(millis)
}

/// A check as a controlling peer sends it, with `extra` attributes.
fn request(username: &str, pwd: &str, extra: &[(u16, &[u8])]) -> Vec<u8> {
    let mut out = [0; 512];
    let transaction = stun::TransactionId([9; 12]);
    let mut builder = Builder::new(&mut out, Class::Request, stun::BINDING, transaction)
        .attribute(attribute::USERNAME, username.as_bytes())
        .attribute(attribute::PRIORITY, &[0x6e, 0, 0, 1]);
    if extra.iter().all(|(kind, _)| *kind != attribute::ICE_CONTROLLED) {
        builder = builder.attribute(attribute::ICE_CONTROLLING, &[1; 8]);
    }
    for (kind, value) in extra {
        builder = builder.attribute(*kind, value);
    }
    let len = builder.integrity(&IntegrityKey::new(pwd.as_bytes())).fingerprint().finish().unwrap();
    out[..len].to_vec()
}

fn good(extra: &[(u16, &[u8])]) -> Vec<u8> {
    request("ours:them", &ours().pwd, extra)
}

fn nominating() -> Vec<u8> {
    good(&[(attribute::USE_CANDIDATE, &[])])
}

/// The reply and what changed.
fn answered(ice: &mut IceLite, now: Time, from: SocketAddr, packet: &[u8]) -> (Vec<u8>, Change) {
    let mut reply = [0; 128];
    match ice.handle(now, from, packet, &mut reply) {
        Outcome::Reply { len, change } => (reply[..len].to_vec(), change),
        other => panic!("{other:?}"),
    }
}

const THEIR_PWD: &str = "their password of 22 c";

/// Our check to the nominated address.
fn asked(ice: &mut IceLite, now: Time, transaction: u8) -> Vec<u8> {
    let mut check = [0; 256];
    let len = ice.probe(now, [transaction; 12], &mut check).unwrap();
    check[..len].to_vec()
}

/// An answer to a check with this transaction.
fn answer(transaction: u8, pwd: &str) -> Vec<u8> {
    let mut out = [0; 128];
    let transaction = stun::TransactionId([transaction; 12]);
    let builder = Builder::new(&mut out, Class::Success, stun::BINDING, transaction);
    let key = IntegrityKey::new(pwd.as_bytes());
    let len =
        builder.xor_mapped_address(address(0)).integrity(&key).fingerprint().finish().unwrap();
    out[..len].to_vec()
}

/// Where it is sent after the address that was nominated has answered our check.
fn proven(ice: &mut IceLite, now: Time, from: SocketAddr) -> Option<SocketAddr> {
    asked(ice, now, 77);
    let outcome = ice.handle(now, from, &answer(77, THEIR_PWD), &mut []);
    let change = Change { selected: true, ..Change::default() };
    assert_eq!(outcome, Outcome::Answered { change });
    ice.selected()
}

fn dropped(ice: &mut IceLite, packet: &[u8]) -> Drop {
    match ice.handle(at(0), address(1), packet, &mut [0; 128]) {
        Outcome::Drop(reason) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_valid_check_is_answered_with_the_address_it_came_from() {
    let mut ice = agent();
    let (reply, change) = answered(&mut ice, at(5), address(7), &good(&[]));
    assert_eq!(change, Change { validated: true, ..Change::default() });
    let reply = Message::parse(&reply).unwrap();
    assert_eq!((reply.class, reply.transaction.0), (Class::Success, [9; 12]));
    assert_eq!(reply.xor_mapped_address(), Some(address(7)));
    assert!(reply.verify_integrity(&IntegrityKey::new(ours().pwd.as_bytes())));
    assert_eq!(reply.verify_fingerprint(), Some(true));
    assert!(ice.is_validated(address(7)) && !ice.is_validated(address(8)));
    assert_eq!((ice.selected(), ice.consent_ends()), (None, Some(at(30_005))));
    let (_, again) = answered(&mut ice, at(900), address(7), &good(&[]));
    assert_eq!((again, ice.last_check()), (Change::default(), Some(at(900))));
}

#[test]
fn an_ipv4_mapped_peer_reads_its_ipv4_address() {
    let IpAddr::V4(ip) = address(7).ip() else { unreachable!() };
    let mapped = SocketAddr::new(ip.to_ipv6_mapped().into(), 1000);
    let (reply, _) = answered(&mut agent(), at(0), mapped, &good(&[]));
    assert_eq!(Message::parse(&reply).unwrap().xor_mapped_address(), Some(address(7)));
}

#[test]
fn what_is_not_an_authentic_binding_request_is_never_answered() {
    let mut ice = agent();
    let pwd = ours().pwd;
    assert_eq!(dropped(&mut ice, b"not stun"), Drop::Malformed);
    assert_eq!(dropped(&mut ice, &request("ours:them", "guess", &[])), Drop::Unauthenticated);
    for user in ["ours", "ours:", ":them", "them:ours", "ours:thex", "ours:them:", ""] {
        assert_eq!(dropped(&mut ice, &request(user, &pwd, &[])), Drop::WrongUser, "{user}");
    }
    let mut bare = [0; 64];
    let id = stun::TransactionId([1; 12]);
    let builder = Builder::new(&mut bare, Class::Request, stun::BINDING, id);
    let len = builder.attribute(attribute::USERNAME, b"ours:them").finish().unwrap();
    assert_eq!(dropped(&mut ice, &bare[..len]), Drop::Unauthenticated);
    for (class, method) in
        [(Class::Success, 1), (Class::Error, 1), (Class::Indication, 1), (Class::Request, 3)]
    {
        let len = Builder::new(&mut bare, class, method, id).finish().unwrap();
        assert_eq!(dropped(&mut ice, &bare[..len]), Drop::NotARequest);
    }
    let whole = good(&[]);
    // The type of FINGERPRINT itself is not protected: without it a message is as good (RFC 8489
    // §14.7).
    for place in
        (0..whole.len()).filter(|place| !(whole.len() - 8..whole.len() - 4).contains(place))
    {
        let mut damaged = whole.clone();
        damaged[place] ^= 1;
        dropped(&mut ice, &damaged);
    }
    assert_eq!((ice.last_check(), ice.addresses().count()), (None, 0));
}

#[test]
fn the_latest_nomination_moves_the_leg() {
    let mut ice = agent();
    let nominated = |change: Change| change.selected;
    assert!(nominated(answered(&mut ice, at(0), address(1), &nominating()).1));
    assert!(!nominated(answered(&mut ice, at(1), address(1), &nominating()).1));
    assert!(!nominated(answered(&mut ice, at(2), address(2), &good(&[])).1));
    assert_eq!(ice.selected(), Some(address(1)));
    let change = answered(&mut ice, at(3), address(2), &nominating()).1;
    assert_eq!(change, Change { unproven: true, ..Change::default() });
    assert_eq!(ice.selected(), Some(address(1)), "nothing moves before the answer");
    assert_eq!(proven(&mut ice, at(4), address(2)), Some(address(2)));
    // Going back is another move; going on where it was proven is not.
    assert!(answered(&mut ice, at(5), address(1), &nominating()).1.unproven);
    assert_eq!(proven(&mut ice, at(30), address(1)), Some(address(1)));
    let change = answered(&mut ice, at(31), address(2), &nominating()).1;
    assert_eq!(change, Change { selected: true, ..Change::default() });
}

#[test]
fn our_own_check_is_what_a_controlling_agent_answers() {
    let mut ice = agent();
    answered(&mut ice, at(0), address(1), &nominating());
    assert_eq!(ice.probe(at(1), [1; 12], &mut [0; 256]), None, "there is nothing to ask");
    answered(&mut ice, at(2), address(2), &nominating());
    let check = asked(&mut ice, at(2), 5);
    let check = Message::parse(&check).unwrap();
    assert_eq!((check.class, check.method), (Class::Request, stun::BINDING));
    assert_eq!(check.username(), Some(&b"them:ours"[..]));
    assert!(check.verify_integrity(&IntegrityKey::new(THEIR_PWD.as_bytes())));
    assert!(check.ice_controlled().is_some() && check.priority().is_some());
    assert_eq!(check.verify_fingerprint(), Some(true));
    assert!(!check.use_candidate() && addressee(&nominating()).is_some());
    assert_eq!(ice.probe(at(21), [1; 12], &mut [0; 256]), None, "asked just now");
    assert!(ice.probe(at(22), [1; 12], &mut [0; 256]).is_some());
}

#[test]
fn only_the_answer_to_our_check_moves_the_leg() {
    let mut ice = agent();
    answered(&mut ice, at(0), address(1), &nominating());
    answered(&mut ice, at(1), address(2), &nominating());
    asked(&mut ice, at(1), 5);
    for (from, transaction, pwd, reason) in [
        (2, 6, THEIR_PWD, Drop::NotARequest),
        (3, 5, THEIR_PWD, Drop::NotARequest),
        (1, 5, THEIR_PWD, Drop::NotARequest),
        (2, 5, "guessed", Drop::Unauthenticated),
    ] {
        let packet = answer(transaction, pwd);
        assert!(is_answer(&packet) && addressee(&packet).is_none());
        let outcome = ice.handle(at(2), address(from), &packet, &mut []);
        assert_eq!(outcome, Outcome::Drop(reason), "{from} {transaction} {pwd}");
        assert_eq!(ice.selected(), Some(address(1)));
    }
    let outcome = ice.handle(at(3), address(2), &answer(5, THEIR_PWD), &mut []);
    assert!(matches!(outcome, Outcome::Answered { .. }));
    assert_eq!(ice.selected(), Some(address(2)));
    let again = ice.handle(at(4), address(2), &answer(5, THEIR_PWD), &mut []);
    assert_eq!(again, Outcome::Drop(Drop::NotARequest), "an answer counts once");
}

#[test]
fn consent_comes_from_where_we_send() {
    let mut ice = agent();
    answered(&mut ice, at(0), address(1), &nominating());
    answered(&mut ice, at(20_000), address(2), &good(&[]));
    assert_eq!((ice.consented(), ice.last_check()), (Some(at(0)), Some(at(20_000))));
    assert_eq!(ice.consent_ends(), Some(at(30_000)));
    answered(&mut ice, at(25_000), address(2), &nominating());
    assert_eq!(ice.consent_ends(), Some(at(30_000)), "nothing moves before the answer");
    proven(&mut ice, at(26_000), address(2));
    assert_eq!(ice.consent_ends(), Some(at(56_000)));
}

#[test]
fn an_overtaken_numbered_nomination_is_ignored() {
    let mut ice = agent();
    let numbered = |number: u32| {
        let number = number.to_be_bytes();
        good(&[(attribute::USE_CANDIDATE, &[]), (attribute::NOMINATION, &number)])
    };
    answered(&mut ice, at(0), address(1), &numbered(2));
    answered(&mut ice, at(1), address(2), &numbered(1));
    assert_eq!(ice.selected(), Some(address(1)));
    answered(&mut ice, at(2), address(2), &numbered(3));
    assert_eq!(proven(&mut ice, at(2), address(2)), Some(address(2)));
}

#[test]
fn a_controlled_peer_is_told_to_switch() {
    let mut ice = agent();
    let check = good(&[(attribute::ICE_CONTROLLED, &[1; 8]), (attribute::USE_CANDIDATE, &[])]);
    let (reply, change) = answered(&mut ice, at(0), address(1), &check);
    assert_eq!(Message::parse(&reply).unwrap().error_code(), Some(487));
    assert_eq!((change, ice.selected(), ice.last_check()), (Change::default(), None, None));
}

#[test]
fn an_unknown_required_attribute_is_named() {
    let mut ice = agent();
    let (reply, change) = answered(&mut ice, at(0), address(1), &good(&[(0x7f00, b"?")]));
    let reply = Message::parse(&reply).unwrap();
    assert_eq!(reply.error_code(), Some(420));
    assert_eq!(reply.attribute(attribute::UNKNOWN_ATTRIBUTES), Some(&[0x7f, 0][..]));
    assert_eq!(change, Change::default());
}

#[test]
fn addresses_are_bounded_and_the_selected_one_stays() {
    let mut ice = agent();
    answered(&mut ice, at(0), address(0), &nominating());
    for n in 1..MAX_ADDRESSES as u8 {
        let change = answered(&mut ice, at(n.into()), address(n), &good(&[])).1;
        assert_eq!(change.evicted, None);
    }
    answered(&mut ice, at(100), address(1), &good(&[]));
    let change = answered(&mut ice, at(101), address(100), &good(&[])).1;
    assert_eq!((change.validated, change.evicted), (true, Some(address(2))));
    assert_eq!(ice.addresses().count(), MAX_ADDRESSES);
    assert!(ice.is_validated(address(0)) && !ice.is_validated(address(2)));
}

#[test]
fn checks_before_the_peer_is_known_need_only_our_password() {
    let mut ice = IceLite::new(ours(), None);
    answered(&mut ice, at(0), address(1), &request("ours:anyone", &ours().pwd, &[]));
    ice.set_remote(credentials("them", "x"), None);
    let stranger = request("ours:anyone", &ours().pwd, &[]);
    assert_eq!(dropped(&mut ice, &stranger), Drop::WrongUser);
    answered(&mut ice, at(1), address(1), &good(&[]));
}

#[test]
fn a_restart_keeps_the_old_credentials_until_the_first_new_check() {
    let mut ice = agent();
    answered(&mut ice, at(0), address(1), &nominating());
    let (new_us, new_them) =
        (credentials("ours2", "a new password of 22 c"), credentials("them2", THEIR_PWD));
    ice.set_remote(new_them.clone(), Some(new_us.clone()));
    // The same description again changes nothing.
    ice.set_remote(new_them, None);
    let (reply, _) = answered(&mut ice, at(1), address(1), &good(&[]));
    let reply = Message::parse(&reply).unwrap();
    assert!(reply.verify_integrity(&IntegrityKey::new(ours().pwd.as_bytes())));
    let crossed = request("ours2:them", &new_us.pwd, &[]);
    assert_eq!(dropped(&mut ice, &crossed), Drop::WrongUser);

    let new = request("ours2:them2", &new_us.pwd, &[(attribute::USE_CANDIDATE, &[])]);
    let (reply, change) = answered(&mut ice, at(2), address(2), &new);
    assert!(
        Message::parse(&reply).unwrap().verify_integrity(&IntegrityKey::new(new_us.pwd.as_bytes()))
    );
    assert!(change.validated && change.unproven);
    assert_eq!(proven(&mut ice, at(2), address(2)), Some(address(2)));
    assert_eq!(dropped(&mut ice, &good(&[])), Drop::WrongUser);
    assert!(ice.is_validated(address(1)), "packets still on the way are not lost");
}

#[test]
fn a_packet_names_the_leg_it_wants() {
    assert_eq!(addressee(&good(&[])), Some("ours"));
    assert_eq!(addressee(&request("nocolon", "x", &[])), None);
    assert_eq!(addressee(b"\0\x01"), None);
}

#[test]
fn a_reply_that_does_not_fit_is_not_sent_and_remembers_nothing() {
    let mut ice = agent();
    let outcome = ice.handle(at(0), address(1), &good(&[]), &mut [0; 40]);
    assert_eq!((outcome, ice.last_check()), (Outcome::Drop(Drop::NoSpace), None));
}
