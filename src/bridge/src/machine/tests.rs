use offhook_rtc::srtp::{self, Protect, Unprotect};
use offhook_types::media::SrtpProfile;
use offhook_types::phone::{Digit, MasterKey, Relay};
use offhook_types::{PayloadType, Rng, Ssrc};
use offhook_wire::demux::Kind;
use offhook_wire::rtcp::{self, Packet as Rtcp, Writer};
use offhook_wire::rtp::{Header, Packet, write_header};
use proptest::prelude::*;

use super::*;
use crate::codec::{Decoder, Encoder};
use crate::noise::level;
use crate::words::{Carrier, Events, Format, Latch, RtcpPath, Sdes};

const PCMU: PayloadType = PayloadType(0);
const EVENTS: PayloadType = PayloadType(101);
const NOISE: PayloadType = PayloadType(13);
const OPUS: PayloadType = PayloadType(111);
const VOICE: Ssrc = Ssrc(77);

fn at(last: u8, port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], port))
}

fn carrier() -> Carrier {
    Carrier {
        remote: at(1, 4000),
        rtcp: RtcpPath::Separate(at(1, 4001)),
        sends: true,
        receives: true,
        formats: vec![Format { codec: PhoneCodec::Pcmu, send: PCMU, receive: PCMU }],
        telephone_event: Some(Events { send: EVENTS, receive: EVENTS, clock: 8000 }),
        comfort_noise: None,
        ptime_ms: 20,
        srtp: None,
        latch: Latch::Strict,
        inband_digits: false,
    }
}

fn key(profile: SrtpProfile, byte: u8) -> MasterKey {
    let (key, salt) = match profile {
        SrtpProfile::AeadAes256Gcm => (32, 12),
        SrtpProfile::AeadAes128Gcm => (16, 12),
        _ => (16, 14),
    };
    MasterKey { key: vec![byte; key], salt: vec![byte; salt] }
}

fn srtp_key(profile: SrtpProfile, byte: u8) -> srtp::MasterKey {
    let key = key(profile, byte);
    srtp::MasterKey::new(profile, &key.key, &key.salt).unwrap()
}

fn relay() -> Relay {
    let profile = SrtpProfile::AeadAes128Gcm;
    Relay {
        address: at(9, 7000),
        profile,
        to_room: key(profile, 1),
        from_room: key(profile, 2),
        ssrc: Ssrc(5),
        opus: OPUS,
        audio_level: 1,
    }
}

fn rtp(payload_type: PayloadType, number: u32, payload: &[u8]) -> Vec<u8> {
    let header = Header {
        marker: false,
        payload_type,
        sequence: number as u16,
        timestamp: number * 160,
        ssrc: Ssrc(3),
    };
    let mut out = vec![0; 12 + payload.len()];
    write_header(&mut out, &header, core::iter::empty()).unwrap();
    out[12..].copy_from_slice(payload);
    out
}

/// A bridge and all that it said.
struct Stage {
    bridge: Bridge,
    now: Time,
    sent: Vec<(Port, SocketAddr, Vec<u8>)>,
    events: Vec<Event>,
    number: u32,
}

impl Stage {
    fn new(orders: impl IntoIterator<Item = Order>) -> Self {
        let now = Time::from_millis(1000);
        let recordings = Arc::new(Announcements::default());
        let bridge = Bridge::new(now, Options::default(), recordings, Rng::from_seed(1));
        let mut stage = Self { bridge, now, sent: Vec::new(), events: Vec::new(), number: 0 };
        orders.into_iter().for_each(|order| stage.order(order));
        stage
    }

    /// Carrier and room stand.
    fn whole() -> Self {
        Self::new([
            Order::SetCarrier(Box::new(carrier())),
            Order::Connect(Box::new(relay())),
            Order::Hear(vec![VOICE]),
        ])
    }

    fn order(&mut self, order: Order) {
        self.bridge.handle(self.now, order);
        self.collect();
    }

    fn collect(&mut self) {
        let (sent, events) = (&mut self.sent, &mut self.events);
        self.bridge.poll(|output| match output {
            Output::Send { port, to, bytes } => sent.push((port, to, bytes.to_vec())),
            Output::Event(event) => events.push(event),
        });
    }

    /// Time passes.
    fn run(&mut self, millis: u64) {
        for _ in 0..millis / 20 {
            self.now = self.now + Duration::from_millis(20);
            self.bridge.handle_timeout(self.now);
            self.collect();
        }
    }

    /// Time passes while the phone talks: a square wave, as loud as `code` is.
    fn phone_talks(&mut self, from: SocketAddr, millis: u64, code: u8) {
        for _ in 0..millis / 20 {
            let payload: Vec<u8> = (0..160).map(|i| code | (i / 20 % 2) << 7).collect();
            self.bridge.handle_carrier(self.now, from, &rtp(PCMU, self.number, &payload));
            self.number += 1;
            self.run(20);
        }
    }

    /// RTP that left by a port, as payload type, marker, timestamp and payload.
    fn rtp(&self, port: Port) -> Vec<(PayloadType, bool, u32, Vec<u8>)> {
        let sent = self
            .sent
            .iter()
            .filter(|(by, _, bytes)| *by == port && Kind::of(bytes) == Some(Kind::Rtp));
        let parsed = sent.map(|(_, _, bytes)| {
            let packet = Packet::parse(bytes).unwrap();
            let header = packet.header();
            (header.payload_type, header.marker, header.timestamp, packet.payload.to_vec())
        });
        parsed.collect()
    }

    /// What the room hears, at 8 kHz.
    fn room_hears(&self) -> Vec<i16> {
        let profile = relay().profile;
        let mut unprotect = Unprotect::new(profile, &srtp_key(profile, 1), 4).unwrap();
        let mut decoder = Decoder::opus(8000).unwrap();
        let mut heard = Vec::new();
        for (port, to, bytes) in &self.sent {
            if *port == Port::Relay && Kind::of(bytes) == Some(Kind::Rtp) {
                let mut plain = [0; 1500];
                let opened = unprotect.unprotect_rtp(bytes, &mut plain).unwrap();
                let packet = Packet::parse(&plain[..opened.len]).unwrap();
                assert_eq!((*to, packet.header().ssrc), (relay().address, relay().ssrc));
                assert!(packet.extension(1).is_some());
                decoder.decode(packet.payload, &mut heard).unwrap();
            }
        }
        heard
    }

    fn count(&self, what: Count) -> u64 {
        self.bridge.counters().get(what)
    }
}

#[test]
fn the_phone_is_heard_in_the_room() {
    let mut stage = Stage::whole();
    stage.phone_talks(at(1, 4000), 1000, 0x10);
    let heard = stage.room_hears();
    assert!(heard.len() >= 8000 * 9 / 10);
    assert!(level(&heard[4000..]) < 12);
    assert!(stage.events.contains(&Event::FirstMedia { from: Side::Carrier }));
}

#[test]
fn injected_packets_are_neither_heard_nor_answered() {
    let mut stage = Stage::whole();
    stage.phone_talks(at(2, 4000), 200, 0x10);
    stage.phone_talks(at(1, 4002), 200, 0x10);
    let report = {
        let mut out = [0; 100];
        let mut writer = Writer::new(&mut out);
        writer.receiver_report(Ssrc(3), &[]).unwrap();
        let len = writer.len();
        out[..len].to_vec()
    };
    stage.bridge.handle_carrier_rtcp(stage.now, at(2, 4001), &report);
    assert_eq!(stage.count(Count::ForeignSource), 21);
    assert!(stage.room_hears().is_empty() && stage.events.is_empty());
    assert!(stage.sent.iter().all(|(_, to, _)| to.ip() == at(1, 0).ip()));
}

#[test]
fn nothing_is_sent_before_it_is_known_where() {
    let mut stage = Stage::new([]);
    stage.run(1000);
    assert!(stage.sent.is_empty());
    let unknown = Carrier { remote: SocketAddr::from(([0, 0, 0, 0], 4000)), ..carrier() };
    stage.order(Order::SetCarrier(Box::new(unknown)));
    stage.run(1000);
    assert!(stage.sent.is_empty());
    stage.order(Order::SetCarrier(Box::new(Carrier { sends: false, ..carrier() })));
    stage.run(1000);
    assert!(stage.rtp(Port::CarrierRtp).is_empty(), "the phone is on hold");
    stage.order(Order::SetCarrier(Box::new(carrier())));
    stage.run(1000);
    assert_eq!(stage.rtp(Port::CarrierRtp).len(), 50, "silence is sent");
}

#[test]
fn every_packet_time_is_kept() {
    for (ptime_ms, expected, len) in [(10, 100, 80), (30, 33, 240), (60, 16, 480), (99, 16, 480)] {
        let mut stage = Stage::new([]);
        stage.order(Order::SetCarrier(Box::new(Carrier { ptime_ms, ..carrier() })));
        stage.run(1000);
        let sent = stage.rtp(Port::CarrierRtp);
        assert!(sent.len().abs_diff(expected) <= 3, "{ptime_ms}: {}", sent.len());
        assert!(sent.iter().all(|(_, _, _, payload)| payload.len() == len));
        let step = sent[2].2.wrapping_sub(sent[1].2) as usize;
        assert_eq!(step, len, "timestamps grow by the packet");
    }
}

#[test]
fn keys_go_both_ways_as_events() {
    let mut stage = Stage::whole();
    stage.order(Order::Press("5#".chars().filter_map(Digit::from_face).collect()));
    stage.run(600);
    let events: Vec<_> =
        stage.rtp(Port::CarrierRtp).into_iter().filter(|(kind, ..)| *kind == EVENTS).collect();
    let firsts: Vec<u8> = events.iter().filter(|(_, marker, ..)| *marker).map(|e| e.3[0]).collect();
    assert_eq!(firsts, [5, 11]);
    assert_eq!(events.iter().filter(|(.., payload)| payload[1] & 0x80 != 0).count(), 6);
    stage.phone_talks(at(1, 4000), 100, 0x10);
    for _ in 0..5 {
        let payload = [7, 0x8a, 3, 0x20];
        stage.bridge.handle_carrier(stage.now, at(1, 4000), &rtp(EVENTS, stage.number, &payload));
    }
    stage.run(20);
    let seven = Event::Digit { digit: Digit::from_face('7').unwrap() };
    assert_eq!(stage.events.iter().filter(|event| **event == seven).count(), 1);
}

#[test]
fn keys_go_as_tones_where_events_are_not_agreed() {
    let agreed = Carrier { telephone_event: None, inband_digits: true, ..carrier() };
    let mut stage = Stage::new([Order::SetCarrier(Box::new(agreed))]);
    stage.order(Order::Press("42".chars().filter_map(Digit::from_face).collect()));
    stage.run(1000);
    // What was sent comes back.
    for (_, _, _, payload) in stage.rtp(Port::CarrierRtp) {
        stage.bridge.handle_carrier(stage.now, at(1, 4000), &rtp(PCMU, stage.number, &payload));
        stage.number += 1;
        stage.run(20);
    }
    stage.run(200);
    let digits = stage.events.iter().filter_map(|event| match event {
        Event::Digit { digit } => Some(digit.face()),
        _ => None,
    });
    assert_eq!(digits.collect::<String>(), "42");
}

#[test]
fn ringback_is_heard_until_the_carrier_sends_sound() {
    let mut stage = Stage::whole();
    let sound = Sound::Tone(Tone::Ringback);
    let play = Play { to: Side::Room, sound, country: *b"DE", times: 0 };
    stage.order(Order::Play(play.clone()));
    stage.run(600);
    assert!(level(&stage.room_hears()[2000..]) < 25);
    stage.sent.clear();
    // The quietest code: the carrier's sound is silence.
    stage.phone_talks(at(1, 4000), 500, 0x7f);
    stage.order(Order::Play(play));
    stage.phone_talks(at(1, 4000), 500, 0x7f);
    assert!(level(&stage.room_hears()[2000..]) > 60);
}

#[test]
fn a_sound_played_a_number_of_times_says_that_it_ended() {
    let mut stage = Stage::whole();
    let sound = Sound::Tone(Tone::Warning);
    stage.order(Order::Play(Play { to: Side::Carrier, sound, country: *b"US", times: 2 }));
    stage.run(1900);
    assert!(!stage.events.contains(&Event::Played { to: Side::Carrier }));
    stage.run(200);
    assert!(stage.events.contains(&Event::Played { to: Side::Carrier }));
    let loud =
        stage.rtp(Port::CarrierRtp).iter().filter(|p| p.3.iter().any(|c| c & 0x7f < 0x40)).count();
    assert!((36..=48).contains(&loud), "four beeps of 200 ms: {loud}");
}

#[test]
fn the_loudest_voices_of_the_room_are_heard_on_the_phone() {
    let mut stage = Stage::whole();
    let profile = relay().profile;
    let mut protect = Protect::new(profile, &srtp_key(profile, 2)).unwrap();
    let mut encoder = Encoder::opus(8000).unwrap();
    for number in 0..50u32 {
        let samples: Vec<i16> =
            (0..160).map(|i| if i / 20 % 2 == 0 { 6000 } else { -6000 }).collect();
        let mut payload = [0; 500];
        let len = encoder.encode(&samples, &mut payload).unwrap();
        for ssrc in [VOICE, Ssrc(78)] {
            let header = Header {
                marker: false,
                payload_type: OPUS,
                sequence: number as u16,
                timestamp: number * 960,
                ssrc,
            };
            let mut out = vec![0; 700];
            let head = write_header(&mut out, &header, core::iter::empty()).unwrap();
            let len = protect.protect_rtp(number.into(), head, &payload[..len], &mut out).unwrap();
            stage.bridge.handle_relay(stage.now, at(9, 7000), &out[..len]);
            // Twice is a replay.
            stage.bridge.handle_relay(stage.now, at(9, 7000), &out[..len]);
        }
        stage.run(20);
    }
    assert_eq!(stage.count(Count::Unheard), 50);
    assert_eq!(stage.count(Count::Replayed), 100);
    assert_eq!(stage.count(Count::FromRoom), 50);
    let mut heard = Vec::new();
    let mut decoder = Decoder::new(PhoneCodec::Pcmu).unwrap();
    for (_, _, _, payload) in stage.rtp(Port::CarrierRtp) {
        decoder.decode(&payload, &mut heard).unwrap();
    }
    assert!(level(&heard[4000..]) < 20);
    let report = stage.bridge.report(stage.now);
    assert_eq!((report.from_room.received, report.from_room.lost), (50, 0));
    assert!(report.from_room.mos > 420 && report.from_carrier.mos == 0);
}

#[test]
fn every_suite_of_a_carrier_works_and_authenticates_its_source() {
    for profile in [
        SrtpProfile::AeadAes256Gcm,
        SrtpProfile::AeadAes128Gcm,
        SrtpProfile::Aes128CmSha1_80,
        SrtpProfile::Aes128CmSha1_32,
    ] {
        let sdes = Sdes { profile, local: key(profile, 3), remote: key(profile, 4) };
        let agreed = Carrier { srtp: Some(sdes), ..carrier() };
        let mut stage = Stage::whole();
        stage.order(Order::SetCarrier(Box::new(agreed.clone())));
        stage.phone_talks(at(1, 4000), 100, 0x10);
        assert_eq!(stage.count(Count::Unauthenticated), 5, "plain RTP is not taken");
        let mut protect = Protect::new(profile, &srtp_key(profile, 4)).unwrap();
        for number in 0..20u32 {
            let mut packet = rtp(PCMU, number, &[0x10; 160]);
            packet.resize(200, 0);
            let len = protect.protect_rtp_in_place(number.into(), 12, 172, &mut packet).unwrap();
            stage.bridge.handle_carrier(stage.now, at(8, 8000), &packet[..len]);
            if number == 10 {
                // The same agreed again: numbers go on, so the keystream is not used twice.
                stage.order(Order::SetCarrier(Box::new(agreed.clone())));
            }
            stage.run(20);
        }
        assert_eq!(stage.count(Count::FromCarrier), 20, "{profile:?}");
        let mut unprotect = Unprotect::new(profile, &srtp_key(profile, 3), 4).unwrap();
        let protected = stage.sent.iter().filter(|(port, _, bytes)| {
            *port == Port::CarrierRtp && Kind::of(bytes) == Some(Kind::Rtp)
        });
        let opened = protected.filter(|(_, to, bytes)| {
            let opened = unprotect.unprotect_rtp(bytes, &mut [0; 1500]);
            // Ours go where authentic packets come from.
            opened.is_ok() && *to == at(8, 8000)
        });
        assert!(opened.count() >= 19, "{profile:?}");
    }
}

#[test]
fn silence_is_told_once_and_hold_is_no_silence() {
    let lost = Event::MediaLost { from: Side::Carrier };
    let mut stage = Stage::whole();
    stage.order(Order::Hear(Vec::new()));
    stage.phone_talks(at(1, 4000), 1000, 0x10);
    stage.run(25_000);
    // RTCP is life.
    let mut report = [0; 100];
    let mut writer = Writer::new(&mut report);
    writer.receiver_report(Ssrc(3), &[]).unwrap();
    let len = writer.len();
    stage.bridge.handle_carrier_rtcp(stage.now, at(1, 4001), &report[..len]);
    stage.run(25_000);
    assert!(!stage.events.contains(&lost));
    stage.run(60_000);
    assert_eq!(stage.events.iter().filter(|event| **event == lost).count(), 1);
    let mut stage = Stage::whole();
    stage.order(Order::Hear(Vec::new()));
    stage.order(Order::SetCarrier(Box::new(Carrier { receives: false, ..carrier() })));
    stage.run(60_000);
    assert!(!stage.events.contains(&lost));
}

#[test]
fn a_held_phone_neither_hears_nor_is_heard() {
    let mut stage = Stage::whole();
    stage.phone_talks(at(1, 4000), 200, 0x10);
    stage.order(Order::Hold(true));
    stage.sent.clear();
    stage.phone_talks(at(1, 4000), 500, 0x10);
    assert!(stage.room_hears().is_empty());
    assert!(stage.rtp(Port::CarrierRtp).iter().all(|p| p.3.iter().all(|code| code & 0x7f == 0x7f)));
    stage.order(Order::Hold(false));
    stage.phone_talks(at(1, 4000), 500, 0x10);
    assert!(level(&stage.room_hears()[2000..]) < 12);
}

#[test]
fn silence_is_described_where_comfort_noise_is_agreed() {
    let agreed = Carrier { comfort_noise: Some(NOISE), ..carrier() };
    let mut stage = Stage::new([Order::SetCarrier(Box::new(agreed))]);
    stage.run(2000);
    let sent = stage.rtp(Port::CarrierRtp);
    let noise = sent.iter().filter(|(kind, ..)| *kind == NOISE).count();
    assert!((8..=10).contains(&noise) && sent.len() < 20, "{noise} of {}", sent.len());
}

#[test]
fn closing_says_goodbye_on_both_sides() {
    let mut stage = Stage::whole();
    stage.phone_talks(at(1, 4000), 1000, 0x10);
    stage.sent.clear();
    stage.order(Order::Close);
    stage.order(Order::Close);
    let ports: Vec<Port> = stage.sent.iter().map(|(port, ..)| *port).collect();
    assert_eq!(ports, [Port::CarrierRtcp, Port::Relay]);
    assert!(rtcp::packets(&stage.sent[0].2).flatten().any(|p| matches!(p, Rtcp::Bye(_))));
    let closed = stage.events.iter().filter_map(|event| match event {
        Event::Closed(report) => Some(report),
        _ => None,
    });
    let reports: Vec<_> = closed.collect();
    assert_eq!(reports.len(), 1);
    assert_eq!(reports[0].from_carrier.received, 50);
    assert!(reports[0].from_carrier.silent_for.unwrap() < Duration::from_millis(100));
    assert_eq!(stage.bridge.next_timeout(), Time::MAX);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_may_come(
        packets in proptest::collection::vec(
            (0u8..4, proptest::collection::vec(any::<u8>(), 0..300), 0u64..50), 0..60)
    ) {
        let agreed = Carrier { comfort_noise: Some(NOISE), inband_digits: true, ..carrier() };
        let mut stage = Stage::whole();
        stage.order(Order::SetCarrier(Box::new(agreed)));
        for (which, mut bytes, after) in packets {
            // Most look like RTP or RTCP, so that they get further.
            if let [first, second, ..] = bytes.as_mut_slice() {
                *first = 0x80 | (*first & 0x1f);
                *second = match which {
                    0 => [0, 13, 101][usize::from(*second) % 3],
                    1 => 200 + *second % 8,
                    _ => *second,
                };
            }
            let now = stage.now;
            match which {
                0 | 3 => stage.bridge.handle_carrier(now, at(1, 4000), &bytes),
                1 => stage.bridge.handle_carrier_rtcp(now, at(1, 4001), &bytes),
                _ => stage.bridge.handle_relay(now, at(9, 7000), &bytes),
            }
            stage.run(after * 20);
        }
    }
}
