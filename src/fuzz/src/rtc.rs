//! The pieces of a leg's transport, fed by someone who holds none of its keys.

use std::sync::{Arc, LazyLock};
use std::time::Instant;

use offhook_rtc::dtls::{Certificate, Dtls, Output, Setup};
use offhook_rtc::ice::{self, IceLite};
use offhook_rtc::srtp::{MasterKey, Unprotect};
use offhook_types::Time;
use offhook_types::media::{DtlsRole, Fingerprint, IceCredentials, SrtpProfile};
use offhook_wire::stun::{IntegrityKey, Message};

/// RFC 5769 §2.1, so that its sample request is a valid check.
const PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt";

/// A connectivity check. Only what carries the password is answered, and never with much more than it brought.
pub fn check(data: &[u8]) {
    let local = IceCredentials { ufrag: "evtj".into(), pwd: PASSWORD.into() };
    let mut agent = IceLite::new(local, None);
    let _ = ice::addressee(data);
    let from = ([192, 0, 2, 1], 32_853).into();
    let mut reply = [0; 128];
    let ice::Outcome::Reply { len, .. } = agent.handle(Time::ZERO, from, data, &mut reply) else {
        return assert!(agent.last_check().is_none() && agent.addresses().count() == 0);
    };
    let key = IntegrityKey::new(PASSWORD.as_bytes());
    assert!(Message::parse(data).is_ok_and(|request| request.verify_integrity(&key)));
    assert!(Message::parse(&reply[..len]).is_ok_and(|reply| reply.verify_integrity(&key)));
}

/// A protected packet, under every profile. It opens at most once.
pub fn protected(data: &[u8]) {
    let (key, salt) = (
        *b"\xe1\xf9\x7a\x0d\x3e\x01\x8b\xe0\xd6\x4f\xa3\x2c\x06\xde\x41\x39",
        *b"\x0e\xc6\x75\xad\x49\x8a\xfe\xeb\xb6\x96\x0b\x3a\xab\xe6",
    );
    let long = [key, key].concat();
    let profiles: [(SrtpProfile, &[u8], &[u8]); 3] = [
        (SrtpProfile::AeadAes256Gcm, &long, &salt[..12]),
        (SrtpProfile::AeadAes128Gcm, &key, &salt[..12]),
        (SrtpProfile::Aes128CmSha1_80, &key, &salt),
    ];
    let mut out = vec![0; data.len()];
    for (profile, key, salt) in profiles {
        let unprotect = MasterKey::new(profile, key, salt)
            .and_then(|master| Unprotect::new(profile, &master, 2));
        let Some(mut unprotect) = unprotect else { continue };
        if let Ok(opened) = unprotect.unprotect_rtp(data, &mut out) {
            assert!(opened.len < data.len() && opened.sequence < 1 << 48);
        }
        assert!(unprotect.unprotect_rtp(data, &mut out).is_err());
        if let Ok(len) = unprotect.unprotect_rtcp(data, &mut out) {
            assert!(len < data.len());
        }
        assert!(unprotect.unprotect_rtcp(data, &mut out).is_err());
    }
}

/// Datagrams, each behind its length, to a server that waits for a handshake. It never connects.
pub fn handshake(data: &[u8]) {
    static CERTIFICATE: LazyLock<Option<Arc<Certificate>>> =
        LazyLock::new(|| Certificate::generate().ok().map(Arc::new));
    let Some(certificate) = CERTIFICATE.clone() else { return };
    let base = Instant::now();
    let setup = Setup { certificate, role: DtlsRole::Server, peer: Fingerprint([0; 32]), base };
    let mut server = Dtls::new(Time::ZERO, setup);
    let mut buf = Vec::new();
    let mut rest = data;
    while let Some((len, after)) = rest.split_first_chunk() {
        let (datagram, after) = after.split_at(after.len().min(u16::from_be_bytes(*len).into()));
        rest = after;
        server.handle_packet(Time::ZERO, datagram);
        loop {
            match server.poll(&mut buf) {
                Output::Packet(packet) => assert!(packet.len() <= 1200),
                Output::Connected(_) | Output::Data(_) => panic!("connected"),
                Output::Refused(_) | Output::Closed => {}
                Output::Timeout(_) => break,
            }
        }
    }
}
