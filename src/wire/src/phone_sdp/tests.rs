//! Descriptions as phones and carriers write them, and what is agreed.

use offhook_types::phone::MasterKey;
use proptest::prelude::*;

use super::*;

fn parsed(text: &str) -> Session {
    let session = Session::parse(text.as_bytes()).unwrap();
    let printed = session.to_string();
    assert_eq!(Session::parse(printed.as_bytes()).as_ref(), Ok(&session), "{printed}");
    session
}

fn described(media: &str) -> Session {
    parsed(&format!(
        "v=0\r\no=- 7 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n{media}"
    ))
}

fn local(port: u16) -> Local {
    let address = SocketAddr::new([198, 51, 100, 1].into(), port);
    let keys = vec![
        Crypto::new(1, Suite::AeadAes128Gcm, &[1; 28]).unwrap(),
        Crypto::new(2, Suite::AesCm128HmacSha1_80, &[2; 30]).unwrap(),
    ];
    Local { id: 5, version: 1, address, direction: Direction::SendRecv, keys }
}

fn prefs() -> Prefs {
    Prefs {
        codecs: vec![PhoneCodec::Pcma, PhoneCodec::Pcmu, PhoneCodec::G722],
        events: true,
        comfort_noise: true,
        ptime_ms: 20,
        protection: Protection::IfOffered,
        rtcp_mux: false,
    }
}

const CARRIER: &str = "m=audio 49172 RTP/AVP 18 0 8 101 13\r\na=rtpmap:18 G729/8000\r\n\
    a=fmtp:18 annexb=no\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-11,16\r\na=ptime:30\r\n\
    m=video 5000 RTP/AVP 31\r\nm=image 5002 udptl t38\r\n";

#[test]
fn a_carriers_offer_is_answered_with_one_codec() {
    let (session, agreed) = answer(&local(4000), &prefs(), &described(CARRIER)).unwrap();
    assert_eq!(agreed.codec, PhoneCodec::Pcmu);
    assert_eq!((agreed.payload_type, agreed.section), (0, 0));
    assert_eq!(agreed.remote_rtp, Some("192.0.2.7:49172".parse().unwrap()));
    assert_eq!(agreed.remote_rtcp, Some("192.0.2.7:49173".parse().unwrap()));
    let events = Events { send: 101, receive: 101, clock: 8000, understood: 0x0fff };
    assert_eq!(agreed.events, Some(events));
    assert_eq!((agreed.comfort_noise, agreed.ptime_ms), (Some(13), 30));
    assert_eq!((agreed.direction, &agreed.keys), (Direction::SendRecv, &None));
    let text = session.to_string();
    let expect = "v=0\r\no=- 5 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n\
        m=audio 4000 RTP/AVP 0 13 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:13 CN/8000\r\n\
        a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:30\r\na=sendrecv\r\n\
        m=video 0 RTP/AVP 31\r\na=inactive\r\nm=image 0 udptl t38\r\na=inactive\r\n";
    assert_eq!(text, expect);
}

#[test]
fn what_is_offered_and_answered_fits() {
    for (protection, suite) in
        [(Protection::Never, None), (Protection::Required, Some(Suite::AeadAes128Gcm))]
    {
        let mut prefs = prefs();
        prefs.protection = protection;
        prefs.codecs.insert(0, PhoneCodec::Opus);
        prefs.rtcp_mux = true;
        let offered = parsed(&offer(&local(4000), &prefs).to_string());
        let mut theirs = local(6000);
        theirs.keys.iter_mut().for_each(|crypto| crypto.key.key.fill(9));
        let (answered, far) = answer(&theirs, &prefs, &offered).unwrap();
        let near = accept(&offered, &parsed(&answered.to_string())).unwrap();
        assert_eq!((near.codec, far.codec), (PhoneCodec::Opus, PhoneCodec::Opus));
        assert_eq!(near.events.map(|events| events.clock), Some(48_000));
        assert_eq!(near.remote_rtcp, near.remote_rtp, "one port");
        assert_eq!(near.keys.as_ref().map(|keys| keys.suite), suite);
        if let (Some(near), Some(far)) = (near.keys, far.keys) {
            assert_eq!((&near.local, &near.remote), (&far.remote, &far.local));
            assert_ne!(near.local, near.remote);
        }
    }
}

#[test]
fn no_agreement_has_a_reason() {
    let check = |media: &str, protection, why| {
        let prefs = Prefs { protection, ..prefs() };
        let refused = answer(&local(4000), &prefs, &described(media)).err();
        assert_eq!(refused, Some(why), "{media}");
    };
    let any = Protection::IfOffered;
    check("", any, Refused::NoAudio);
    check("m=audio 0 RTP/AVP 0\r\n", any, Refused::NoAudio);
    check("m=video 9 RTP/AVP 0\r\n", any, Refused::NoAudio);
    check("m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n", any, Refused::NoAudio);
    check("m=audio 9 RTP/AVP 18\r\n", any, Refused::NoCodec);
    check("m=audio 9 RTP/AVP 0\r\na=rtpmap:0 PCMU/16000\r\n", any, Refused::NoCodec);
    check("m=audio 9 RTP/AVP 0\r\n", Protection::Required, Refused::NoProtection);
    check("m=audio 9 RTP/SAVP 0\r\n", any, Refused::NoProtection);
    let key = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB";
    let secure = |rest: &str| format!("m=audio 9 RTP/SAVP 0\r\na=crypto:{rest}\r\n");
    let inline = |suite: &str, key: &str| secure(&format!("1 {suite} inline:{key}"));
    let cm = "AES_CM_128_HMAC_SHA1_80";
    check(&inline(cm, key), Protection::Never, Refused::NoProtection);
    check(&inline("AES_CM_128_HMAC_SHA1_32", key), any, Refused::NoProtection);
    check(&inline(cm, "AQEB"), any, Refused::NoProtection);
    check(&inline(cm, "!"), any, Refused::NoProtection);
    check(&inline(cm, &format!("{key}|2^31|1:1")), any, Refused::NoProtection);
    check(&inline(cm, &format!("{key} UNENCRYPTED_SRTP")), any, Refused::NoProtection);
    let fine = described(&inline(cm, &format!("{key}|2^31 WSH=64")));
    let (session, agreed) = answer(&local(4000), &prefs(), &fine).unwrap();
    let remote = MasterKey { key: vec![1; 16], salt: vec![1; 14] };
    assert_eq!(agreed.keys.unwrap().remote, remote);
    assert_eq!(session.media[0].crypto[0].tag, 1, "the tag of the offer");
    assert!(!format!("{session:?}").contains("[2, 2"));
}

#[test]
fn answers_that_do_not_fit_are_refused() {
    let ours = offer(&local(4000), &Prefs { protection: Protection::Required, ..prefs() });
    let check = |media: &str, why| {
        assert_eq!(accept(&ours, &described(media)).err(), Some(why), "{media}");
    };
    check("", Refused::Mismatch);
    check("m=audio 0 RTP/SAVP 8\r\n", Refused::NoAudio);
    check("m=audio 9 RTP/AVP 8\r\n", Refused::Mismatch);
    check("m=audio 9 RTP/SAVP 8\r\n", Refused::NoProtection);
    check("m=audio 9 RTP/SAVP 18\r\n", Refused::NoCodec);
    let unknown = "m=audio 9 RTP/SAVP 8\r\na=crypto:7 AEAD_AES_128_GCM inline:\
        AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQ==\r\n";
    check(unknown, Refused::NoProtection);
}

#[test]
fn hold_is_understood_in_every_dialect() {
    let check = |media: &str, ours: Direction, sends: bool| {
        let (session, agreed) = answer(&local(4000), &prefs(), &described(media)).unwrap();
        assert_eq!((agreed.direction, agreed.remote_rtp.is_some()), (ours, sends), "{media}");
        assert_eq!(session.media[0].direction, ours);
    };
    check("m=audio 9 RTP/AVP 0\r\na=sendonly\r\n", Direction::RecvOnly, true);
    check("m=audio 9 RTP/AVP 0\r\na=recvonly\r\n", Direction::SendOnly, true);
    check("m=audio 9 RTP/AVP 0\r\na=inactive\r\n", Direction::Inactive, true);
    check("m=audio 9 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\n", Direction::RecvOnly, false);
    check("m=audio 9 RTP/AVP 0\r\nc=IN IP6 ::\r\na=recvonly\r\n", Direction::Inactive, false);
    let first = offer(&local(4000), &prefs());
    let held = first.again(Direction::SendOnly);
    assert_eq!((held.version, held.media[0].direction), (2, Direction::SendOnly));
    assert_eq!(held.again(Direction::SendRecv), Session { version: 3, ..first });
}

#[test]
fn a_session_direction_counts_for_sections_without_one() {
    let text = "v=0\no=a 1 1 IN IP4 h.example\nc=IN IP4 192.0.2.1/127\na=sendonly\n\
        m=audio 8000/2 RTP/AVP 0\nm=audio 8002 RTP/AVP 0\na=sendrecv\n";
    let session = parsed(text);
    let directions = session.media.iter().map(|media| media.direction);
    assert!(directions.eq([Direction::SendOnly, Direction::SendRecv]));
    assert_eq!(session.media[0].port, 8000);
}

#[test]
fn addresses_of_both_families_and_rtcp_are_read() {
    let session = described(
        "m=audio 9 RTP/AVP 0\r\nc=IN IP6 2001:db8::1\r\na=rtcp:77 IN IP6 2001:db8::2\r\n",
    );
    let (_, agreed) = answer(&local(4000), &prefs(), &session).unwrap();
    assert_eq!(agreed.remote_rtp, Some("[2001:db8::1]:9".parse().unwrap()));
    assert_eq!(agreed.remote_rtcp, Some("[2001:db8::2]:77".parse().unwrap()));
}

#[test]
fn a_packet_is_as_long_as_both_can() {
    let check = |lines: &str, ptime| {
        let media = format!("m=audio 9 RTP/AVP 0\r\n{lines}");
        let (_, agreed) = answer(&local(4000), &prefs(), &described(&media)).unwrap();
        assert_eq!(agreed.ptime_ms, ptime, "{lines}");
    };
    check("", 20);
    check("a=ptime:60\r\n", 60);
    check("a=ptime:60\r\na=maxptime:40\r\n", 40);
    check("a=ptime:25\r\n", 20);
    check("a=ptime:500\r\na=maxptime:1\r\n", 10);
    check("a=ptime:x\r\n", 20);
}

#[test]
fn what_is_no_description_is_refused() {
    let check = |text: &[u8], error| assert_eq!(Session::parse(text), Err(error));
    let begin = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\n";
    let with = |rest: &str| format!("{begin}{rest}").into_bytes();
    check(b"", PhoneSdpError::Line);
    check(b"v=1\r\n", PhoneSdpError::Grammar);
    check(b"v=0\r\ns=-\r\n", PhoneSdpError::Grammar);
    check(&with("x\r\n"), PhoneSdpError::Line);
    check(&with("s=a\0b\r\n"), PhoneSdpError::Line);
    check(&with("m=audio x RTP/AVP 0\r\n"), PhoneSdpError::Line);
    check(&with("m=audio 70000 RTP/AVP 0\r\n"), PhoneSdpError::Line);
    check(&with("m=audio 9 RTP/AVP 128\r\n"), PhoneSdpError::Line);
    check(&with("c=ATM NSAP 1\r\n"), PhoneSdpError::Line);
    check(&with(&format!("s={}\r\n", "a".repeat(MAX_LINE))), PhoneSdpError::TooLong);
    check(&with(&"m=audio 9 RTP/AVP 0\r\n".repeat(MAX_SECTIONS + 1)), PhoneSdpError::TooLong);
    let many = "x ".repeat(MAX_LIST + 1);
    check(&with(&format!("m=image 9 udptl {many}\r\n")), PhoneSdpError::TooLong);
    check(&vec![b'a'; MAX_TEXT + 1], PhoneSdpError::TooLong);
    assert!(Session::parse(&[begin.as_bytes(), b"s=J\xf6rg\r\n"].concat()).is_ok());
}

proptest! {
    #[test]
    fn what_is_read_is_printed_and_read_again(lines in prop::collection::vec("[mca]=[ -~]{0,40}", 0..8)) {
        let text = format!("v=0\no=- 1 1 IN IP4 192.0.2.1\n{}", lines.join("\n"));
        if let Ok(session) = Session::parse(text.as_bytes()) {
            let printed = session.to_string();
            prop_assert_eq!(Session::parse(printed.as_bytes()), Ok(session), "{}", printed);
        }
    }
}
