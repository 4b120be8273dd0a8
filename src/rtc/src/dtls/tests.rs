use std::collections::VecDeque;

use offhook_types::rng::Rng;

use super::*;
use crate::srtp::{Protect, Unprotect};

fn certificate() -> Arc<Certificate> {
    Arc::new(Certificate::generate().unwrap())
}

/// One side, what it said last, and what it received.
struct Side {
    dtls: Dtls,
    wakes: Time,
    connected: Vec<Connected>,
    data: Vec<Vec<u8>>,
    refused: Option<Refusal>,
    closed: bool,
}

impl Side {
    fn new(role: DtlsRole, own: &Arc<Certificate>, peer: Fingerprint) -> Self {
        let setup = Setup { certificate: Arc::clone(own), role, peer, base: Instant::now() };
        Self {
            dtls: Dtls::new(Time::ZERO, setup),
            wakes: Time::ZERO,
            connected: Vec::new(),
            data: Vec::new(),
            refused: None,
            closed: false,
        }
    }

    fn pair() -> (Self, Self) {
        let (a, b) = (certificate(), certificate());
        let client = Self::new(DtlsRole::Client, &a, b.fingerprint());
        (client, Self::new(DtlsRole::Server, &b, a.fingerprint()))
    }

    /// Everything it wants to send.
    fn drain(&mut self) -> Vec<Vec<u8>> {
        let mut buf = Vec::new();
        let mut packets = Vec::new();
        loop {
            match self.dtls.poll(&mut buf) {
                Output::Packet(packet) => packets.push(packet.to_vec()),
                Output::Data(data) => self.data.push(data.to_vec()),
                Output::Connected(connected) => self.connected.push(connected),
                Output::Refused(refusal) => assert!(self.refused.replace(refusal).is_none()),
                Output::Closed => assert!(!core::mem::replace(&mut self.closed, true)),
                Output::Timeout(time) => {
                    self.wakes = time;
                    return packets;
                }
            }
        }
    }
}

/// A link that loses and doubles, with 10 ms each way, until `done` or 60 virtual seconds.
struct Link {
    rng: Rng,
    loss: u32,
    now: Time,
    flying: VecDeque<(Time, usize, Vec<u8>)>,
}

impl Link {
    fn new(seed: u64, loss: u32) -> Self {
        Self { rng: Rng::from_seed(seed), loss, now: Time::ZERO, flying: VecDeque::new() }
    }

    fn run(&mut self, sides: [&mut Side; 2], done: impl Fn(&[&mut Side; 2]) -> bool) -> bool {
        let mut sides = sides;
        let end = self.now + Duration::from_secs(60);
        while self.now < end {
            for (index, side) in sides.iter_mut().enumerate() {
                for packet in side.drain() {
                    self.send(1 - index, packet);
                }
            }
            if done(&sides) {
                return true;
            }
            let next = self.flying.front().map_or(Time::MAX, |&(at, ..)| at);
            let next = sides.iter().fold(next, |next, side| next.min(side.wakes)).max(self.now);
            self.now = next;
            while let Some((_, to, packet)) = self.flying.pop_front_if(|flight| flight.0 <= next) {
                sides[to].dtls.handle_packet(next, &packet);
                for answer in sides[to].drain() {
                    self.send(1 - to, answer);
                }
            }
            for side in &mut sides {
                if side.wakes <= next {
                    side.dtls.handle_timeout(next);
                }
            }
        }
        false
    }

    fn send(&mut self, to: usize, packet: Vec<u8>) {
        let at = self.now + Duration::from_millis(10);
        let copies =
            1 - usize::from(self.rng.chance(self.loss)) + usize::from(self.rng.chance(self.loss));
        for _ in 0..copies {
            self.flying.push_back((at, to, packet.clone()));
        }
    }
}

fn up(sides: &[&mut Side; 2]) -> bool {
    sides.iter().all(|side| !side.connected.is_empty())
}

/// Keys of one side open what the other side protects, both ways.
fn assert_keys_match(a: &SrtpKeys, b: &SrtpKeys) {
    assert_eq!(a.profile, b.profile);
    for (sender, receiver) in [(a, b), (b, a)] {
        let mut protect = Protect::new(a.profile, &sender.local).unwrap();
        let mut unprotect = Unprotect::new(a.profile, &receiver.remote, 1).unwrap();
        let mut packet = vec![0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9];
        packet.resize(100, 0);
        let len = protect.protect_rtp(1, 12, b"hello", &mut packet).unwrap();
        let mut out = [0; 100];
        let opened = unprotect.unprotect_rtp(&packet[..len], &mut out).unwrap();
        assert_eq!(out[12..opened.len], b"hello"[..]);
    }
}

#[test]
fn both_sides_get_matching_gcm_keys_and_carry_data() {
    let (mut client, mut server) = Side::pair();
    let mut link = Link::new(1, 0);
    assert!(link.run([&mut client, &mut server], up));
    let (a, b) = (&client.connected[0], &server.connected[0]);
    assert_eq!((a.version, b.version), (DtlsVersion::V13, DtlsVersion::V13));
    assert_eq!(a.keys.profile, SrtpProfile::AeadAes256Gcm);
    assert_keys_match(&a.keys, &b.keys);

    assert!(client.dtls.send(link.now, b"from the client"));
    assert!(server.dtls.send(link.now, b"from the server"));
    let heard = |sides: &[&mut Side; 2]| sides.iter().all(|side| !side.data.is_empty());
    assert!(link.run([&mut client, &mut server], heard));
    assert_eq!(
        (&client.data[0][..], &server.data[0][..]),
        (&b"from the server"[..], &b"from the client"[..])
    );

    client.dtls.close(link.now);
    assert!(link.run([&mut client, &mut server], |sides| sides[1].closed));
    assert!(client.refused.is_none() && server.refused.is_none());
}

#[test]
fn a_handshake_survives_loss_and_duplication() {
    for seed in 0..40 {
        let (mut client, mut server) = if seed % 2 == 0 { Side::pair() } else { pair_12() };
        let mut link = Link::new(seed, 15);
        let up = link.run([&mut client, &mut server], up);
        assert!(up, "seed {seed}: {:?} {:?}", client.refused, server.refused);
        assert_keys_match(&client.connected[0].keys, &server.connected[0].keys);
        assert_eq!((client.connected.len(), server.connected.len()), (1, 1));
    }
}

#[test]
fn another_certificate_than_the_announced_one_is_refused() {
    let (a, b) = (certificate(), certificate());
    let mut client = Side::new(DtlsRole::Client, &a, b.fingerprint());
    let mut server = Side::new(DtlsRole::Server, &b, Fingerprint([7; 32]));
    let refused = |sides: &[&mut Side; 2]| sides[1].refused.is_some();
    assert!(Link::new(1, 0).run([&mut client, &mut server], refused));
    assert_eq!(server.refused, Some(Refusal::WrongCertificate));
    assert!(server.connected.is_empty());
    assert!(!server.dtls.send(Time::ZERO, b"x"));
    server.dtls.handle_packet(Time::ZERO, b"x");
    assert_eq!(server.dtls.drops().get(Drop::Over), 1);
}

/// A client of one version, straight from the library.
fn bare_client(only12: bool) -> (dimpl::Dtls, Fingerprint) {
    let own = certificate();
    let (config, own_certificate) = (Arc::clone(&own.config), own.certificate.clone());
    let new = if only12 { dimpl::Dtls::new_12 } else { dimpl::Dtls::new_13 };
    let mut engine = new(config, own_certificate, Instant::now());
    engine.set_active(true);
    (engine, own.fingerprint())
}

fn pair_of(only12: bool) -> (Side, Side) {
    let (engine, fingerprint) = bare_client(only12);
    let own = certificate();
    let server = Side::new(DtlsRole::Server, &own, fingerprint);
    let mut client = Side::new(DtlsRole::Client, &own, own.fingerprint());
    client.dtls.state = State::Running(Box::new(engine));
    client.dtls.handle_timeout(Time::ZERO);
    (client, server)
}

fn pair_12() -> (Side, Side) {
    pair_of(true)
}

fn check_version(only12: bool, expect: DtlsVersion) {
    let (mut client, mut server) = pair_of(only12);
    assert!(Link::new(1, 0).run([&mut client, &mut server], up));
    assert_eq!(server.connected[0].version, expect);
    assert_eq!(server.connected[0].keys.profile, SrtpProfile::AeadAes256Gcm);
}

#[test]
fn a_client_of_either_version_is_served() {
    check_version(true, DtlsVersion::V12);
    check_version(false, DtlsVersion::V13);
}

/// Rewrites the client's list of SRTP profiles to AES-CM first, as Chromium sends it.
fn reorder_profiles(packet: &[u8]) -> Vec<u8> {
    let mut packet = packet.to_vec();
    let ours = [0, 6, 0, 8, 0, 7, 0, 1];
    if let Some(at) = packet.windows(8).position(|window| window == ours) {
        packet[at..at + 8].copy_from_slice(&[0, 6, 0, 1, 0, 8, 0, 7]);
    }
    packet
}

#[test]
fn a_client_that_prefers_counter_mode_still_gets_gcm() {
    let (mut client, mut server) = Side::pair();
    let first = client.drain();
    let reordered: Vec<_> = first.iter().map(|packet| reorder_profiles(packet)).collect();
    assert_ne!(first, reordered);
    for packet in &reordered {
        server.dtls.handle_packet(Time::ZERO, packet);
    }
    // The transcript was changed, so the handshake cannot end; what the server chose can be read
    // from its flight: use_srtp with one profile, AEAD-AES-256-GCM, in the clear, as only 1.2 says
    // it.
    let flight = server.drain().concat();
    assert!(flight.windows(9).any(|window| window == [0, 14, 0, 5, 0, 2, 0, 8, 0]));
}

#[test]
fn garbage_and_forged_alerts_do_not_end_a_handshake() {
    let (mut client, mut server) = Side::pair();
    let now = Time::ZERO;
    let alert = [21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40];
    for side in [&mut client, &mut server] {
        let _ = side.drain();
        for junk in [&b""[..], b"\x16", &[0x16; 100], &[0xff; 1200], &alert] {
            side.dtls.handle_packet(now, junk);
            let _ = side.drain();
        }
        assert!(side.refused.is_none());
        assert_eq!(side.dtls.drops().get(Drop::Unexpected), 5);
    }
    // In the middle of a 1.2 handshake an alert kills the server's engine; the next ClientHello
    // finds a new one.
    let (mut client, mut server) = pair_12();
    for packet in client.drain() {
        server.dtls.handle_packet(now, &packet);
    }
    assert!(!server.drain().is_empty());
    server.dtls.handle_packet(now, &alert);
    assert_eq!(server.dtls.drops().get(Drop::Restarted), 1);
    assert!(Link::new(3, 0).run([&mut client, &mut server], up));
}

#[test]
fn a_peer_that_breaks_every_handshake_is_refused_in_the_end() {
    let alert = [21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40];
    let own = certificate();
    let mut server = Side::new(DtlsRole::Server, &own, own.fingerprint());
    for _ in 0..=MAX_RESTARTS {
        let (mut client, _) = pair_12();
        assert!(server.refused.is_none());
        for packet in client.drain() {
            server.dtls.handle_packet(Time::ZERO, &packet);
        }
        let _ = server.drain();
        server.dtls.handle_packet(Time::ZERO, &alert);
        let _ = server.drain();
    }
    assert_eq!(server.refused, Some(Refusal::Failed));
}

#[test]
fn an_established_connection_outlives_junk() {
    let (mut client, mut server) = Side::pair();
    let mut link = Link::new(5, 0);
    let mut hello = Vec::new();
    for packet in client.drain() {
        hello.clone_from(&packet);
        link.send(1, packet);
    }
    assert!(link.run([&mut client, &mut server], up));
    let mut rng = Rng::from_seed(9);
    let alert = [21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40];
    let mut new_hello = hello.clone();
    new_hello[18] = 9;
    for junk in [&hello[..], &new_hello, &alert] {
        server.dtls.handle_packet(link.now, junk);
        let _ = server.drain();
    }
    for _ in 0..500 {
        let mut junk = hello.clone();
        for _ in 0..4 {
            let place = rng.below(junk.len() as u32) as usize;
            junk[place] = rng.next_u32() as u8;
        }
        junk[0] = 20 + rng.below(44) as u8;
        server.dtls.handle_packet(link.now, &junk);
        let _ = server.drain();
    }
    assert_eq!(server.dtls.drops().get(Drop::Broken), 0);
    assert!(!server.closed && server.refused.is_none());
    assert!(client.dtls.send(link.now, b"still here"));
    assert!(link.run([&mut client, &mut server], |sides| !sides[1].data.is_empty()));
}

#[test]
fn more_data_than_the_engine_can_hold_is_lost_and_harms_nothing() {
    let (mut client, mut server) = Side::pair();
    let mut link = Link::new(5, 0);
    assert!(link.run([&mut client, &mut server], up));
    let now = link.now;
    let taken = (0..2000).filter(|_| client.dtls.send(now, &[7; 1100])).count();
    assert_eq!(taken, MAX_UNPOLLED);
    let heard = |sides: &[&mut Side; 2]| sides[1].data.len() == MAX_UNPOLLED;
    assert!(link.run([&mut client, &mut server], heard));
    assert!(client.dtls.send(link.now, b"and on"));
    assert_eq!(client.dtls.drops().get(Drop::Broken), 0);
}

#[test]
fn it_can_be_moved_to_a_handshake_thread() {
    fn assert_send<T: Send>() {}
    assert_send::<Dtls>();
}
