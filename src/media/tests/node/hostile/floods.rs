//! Floods beside a healthy call. Every round the attacker sends a burst and the speaker one packet of sound, and the
//! next round begins when the sound has arrived: so whatever of the call is lost, or not worked on, fails the test,
//! and how fast the machine is does not matter. How long the sound took is printed, beside rounds without an attack.

use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use offhook_media::{Config, Count, Drop};
use offhook_types::{MediaKind, Ssrc, TrackId};

use crate::client::{Client, Send, VP8, vp8};
use crate::world::{World, config, sound, video};

const TRACK: TrackId = TrackId(44);
/// The attacker's own track, in the same room.
const DECOY: TrackId = TrackId(45);
const ROUNDS: u64 = 60;
/// Datagrams of one burst: as many as the smallest receive buffer of the tests holds.
const BURST: usize = 100;

/// A speaker and a listener, and somebody else in their room who has keys of its own.
struct Scene {
    world: World,
    speaker: usize,
    listener: usize,
    attacker: usize,
    sequence: u64,
}

impl Scene {
    fn new(config: Config) -> Self {
        let mut world = World::new(config);
        let (speaker, listener, attacker) = (world.join(0), world.join(0), world.join(0));
        world.publish(speaker, sound(TRACK.0, "0"));
        world.subscribe(listener, (TRACK, MediaKind::Audio), speaker, 100);
        let mut scene = Self { world, speaker, listener, attacker, sequence: 1000 };
        scene.world.until("talking", |world| {
            scene.sequence += 1;
            say(world, speaker, scene.sequence);
            !world.clients[listener].media.is_empty()
        });
        scene
    }

    /// One packet of sound goes through.
    fn round(&mut self) -> Duration {
        self.sequence += 1;
        let (listener, wanted) = (self.listener, self.sequence as u16);
        let begun = Instant::now();
        say(&mut self.world, self.speaker, self.sequence);
        self.world.until("heard beside the flood", |world| {
            world.clients[listener].media.back().is_some_and(|m| m.payload == wanted.to_be_bytes())
        });
        begun.elapsed()
    }

    /// The attack, round by round; then everything of the call must be there, in order and once.
    fn attack(&mut self, name: &str, mut burst: impl FnMut(&mut World, usize, u64)) {
        // When this one has arrived, all before it have.
        self.round();
        self.world.clients[self.listener].media.clear();
        let calm: Vec<Duration> = (0..ROUNDS).map(|_| self.round()).collect();
        let mut beside = Vec::new();
        for round in 0..ROUNDS {
            burst(&mut self.world, self.attacker, round);
            beside.push(self.round());
        }
        let heard = &self.world.clients[self.listener].media;
        let heard: Vec<_> = heard.iter().map(|media| media.payload.clone()).collect();
        let first = self.sequence + 1 - 2 * ROUNDS;
        let said: Vec<_> = (first..=self.sequence)
            .map(|sequence| (sequence as u16).to_be_bytes().to_vec())
            .collect();
        assert_eq!(heard, said, "{name}");
        println!(
            "{name}: sound took {:?}, beside the flood {:?} (medians)",
            median(calm),
            median(beside)
        );
    }

    fn counted(&mut self, reason: Drop, at_least: u64) {
        self.world.until(&format!("{reason:?}"), |world| world.dropped(reason) >= at_least);
    }
}

fn say(world: &mut World, speaker: usize, sequence: u64) {
    let payload = (sequence as u16).to_be_bytes();
    let packet = Send { sequence, mid: Some("0"), payload: &payload, ..Send::default() };
    world.clients[speaker].send(&packet);
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn scene() -> Scene {
    Scene::new(config())
}

const ALL: u64 = ROUNDS * BURST as u64;

#[test]
fn strangers_datagrams() {
    let mut scene = scene();
    let server = scene.world.clients[scene.attacker].server;
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut seed = 7u32;
    scene.attack("strangers", |_, _, _| {
        for nth in 0..BURST {
            let mut packet = [0u8; 60];
            for byte in &mut packet {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *byte = (seed >> 24) as u8;
            }
            // Media, control, hellos and garbage in turn.
            packet[0] = [0x80, 0x81, 22, 255][nth % 4];
            packet[1] = [111, 201, 254, 0][nth % 4];
            stranger.send_to(&packet, server).unwrap();
        }
    });
    scene.counted(Drop::UnknownAddress, ALL / 4 * 3);
    scene.counted(Drop::Unrecognized, ALL / 4);
}

#[test]
fn checks_of_nobody_and_under_wrong_passwords() {
    let mut scene = scene();
    scene.attack("checks", |world, attacker, _| {
        let client = &mut world.clients[attacker];
        for nth in 0..BURST {
            if nth % 2 == 0 {
                client.check_with(b"not the password at all");
            } else {
                let known = core::mem::replace(&mut client.server_credentials.ufrag, "x".into());
                client.check();
                client.server_credentials.ufrag = known;
            }
        }
    });
    scene.counted(Drop::StunRefused, 1);
    let counted = |world: &World| {
        [Drop::StunRefused, Drop::StunUnknownUser, Drop::LegRate].map(|r| world.dropped(r))
    };
    scene.world.until("all", |world| counted(world).iter().sum::<u64>() >= ALL);
}

#[test]
fn valid_checks() {
    let mut scene = scene();
    scene.attack("valid checks", |world, attacker, _| {
        for _ in 0..BURST {
            world.clients[attacker].check();
        }
    });
    assert_eq!(scene.world.count(Count::PathsMoved), 0);
}

#[test]
fn hellos_from_a_checked_address() {
    let mut scene = scene();
    let placement = scene.world.place_on(0);
    let newcomer = scene.world.open(placement, "127.0.0.1");
    scene.world.reach(newcomer);
    scene.attack("hellos", |world, _, round| {
        for nth in 0..BURST {
            // A record that claims to be a handshake, and is none.
            let mut hello = vec![22, 254, 253, 0, 0, 0, 0, 0, 0, 0, nth as u8, 0, 100];
            hello.resize(113, round as u8);
            world.clients[newcomer].send_raw(&hello);
        }
    });
    scene.counted(Drop::DtlsRate, 1);
}

#[test]
fn forged_and_replayed_media() {
    let mut scene = scene();
    let packet = Send { sequence: 9, ssrc: 77, ..Send::default() };
    let good = scene.world.clients[scene.attacker].protect(&packet);
    scene.attack("forged and replayed", |world, attacker, _| {
        let mut forged = good.clone();
        for nth in 0..BURST {
            let last = forged.len() - 1 - nth % 8;
            forged[last] ^= 1;
            let packet = if nth % 2 == 0 { &forged } else { &good };
            world.clients[attacker].send_raw(packet);
        }
    });
    scene.counted(Drop::RtpForged, 1);
    scene.counted(Drop::RtpReplayed, 1);
}

#[test]
fn streams_that_nobody_agreed_on() {
    let mut scene = scene();
    scene.attack("unknown streams", |world, attacker, round| {
        for nth in 0..BURST as u64 {
            let ssrc = 10_000 + (round * BURST as u64 + nth) as u32;
            let packet = Send { sequence: 1, ssrc, mid: Some("none"), ..Send::default() };
            world.clients[attacker].send(&packet);
        }
    });
    scene.counted(Drop::RtpUnknownStream, 1);
}

#[test]
fn jumps_in_numbering() {
    let mut scene = scene();
    scene.world.publish(scene.attacker, video(DECOY.0, "1"));
    let viewer = scene.world.join(0);
    scene.world.subscribe(viewer, (DECOY, MediaKind::Video), scene.attacker, 300);
    let picture = vp8(true, 1, 200);
    let mut sequence = 0u64;
    scene.attack("jumps", |world, attacker, round| {
        for nth in 0..BURST as u64 / 4 {
            sequence += 1 + (round * 7919 + nth * 104_729) % 30_000;
            world.clients[attacker].send(&Send {
                payload_type: VP8,
                sequence,
                timestamp: (sequence as u32).wrapping_mul(2_654_435_761),
                ssrc: 10,
                payload: &picture,
                mid: Some("1"),
                ..Send::default()
            });
        }
        world.clients[viewer].media.clear();
    });
}

/// A viewer that asks and asks, of a camera in the same room.
fn asking(name: &str, ask: impl Fn(&mut Client, u64)) -> Scene {
    let mut scene = scene();
    let (camera, attacker) = (scene.speaker, scene.attacker);
    scene.world.publish(camera, video(DECOY.0, "1"));
    scene.world.subscribe(attacker, (DECOY, MediaKind::Video), camera, 500);
    let mut number = 0u16;
    let mut show = |world: &mut World, key: bool| {
        number += 1;
        world.clients[camera].send(&Send {
            payload_type: VP8,
            sequence: u64::from(number),
            timestamp: u32::from(number) * 3000,
            ssrc: 10,
            payload: &vp8(key, number, 700),
            mid: Some("1"),
            ..Send::default()
        });
    };
    scene.world.until("a picture", |world| {
        show(world, true);
        !world.clients[attacker].media.is_empty()
    });
    scene.attack(name, |world, attacker, round| {
        show(world, false);
        for nth in 0..BURST as u64 / 4 {
            ask(&mut world.clients[attacker], round * BURST as u64 + nth);
        }
        world.clients[attacker].media.clear();
    });
    scene
}

#[test]
fn requests_for_packets() {
    let mut scene = asking("requests for packets", |client, nth| {
        client.send_control(|writer| {
            writer.receiver_report(Ssrc(1), &[]).unwrap();
            let first = nth as u16;
            writer.nack(Ssrc(1), Ssrc(500), (0..200).map(|n| first.wrapping_add(n))).unwrap();
        });
    });
    // A second's worth of packets again, whatever is asked.
    scene.counted(Drop::ResendRate, 1);
    assert!(scene.world.count(Count::Resent) <= 1000 * 30);
}

#[test]
fn requests_for_key_frames() {
    let scene = asking("requests for key frames", |client, _| {
        client.send_control(|writer| {
            writer.receiver_report(Ssrc(1), &[]).unwrap();
            writer.pli(Ssrc(1), Ssrc(500)).unwrap();
        });
    });
    let (wanted, sent) =
        (scene.world.count(Count::KeyFramesWanted), scene.world.count(Count::KeyFramesRequested));
    assert!(sent * 10 < wanted, "{wanted} asked of us, {sent} asked by us");
}

#[test]
fn reports() {
    asking("reports", |client, nth| {
        client.send_control(|writer| {
            writer
                .sender_report(
                    Ssrc(10),
                    &offhook_wire::rtcp::SenderInfo {
                        ntp: nth << 32,
                        rtp_time: nth as u32,
                        packets: 1,
                        octets: 1,
                    },
                    &[],
                )
                .unwrap();
            writer.remb(Ssrc(1), nth, &[Ssrc(500)]).unwrap();
            writer.bye(Ssrc(500)).unwrap();
        });
    });
}

#[test]
fn connections_and_slow_frames() {
    let mut scene = Scene::new(Config { stream_ports: vec![0], ..config() });
    let is_tcp =
        |c: &&offhook_types::media::Candidate| c.protocol == offhook_types::media::Protocol::Tcp;
    let door: SocketAddr = scene.world.place_on(0).candidates.iter().find(is_tcp).unwrap().address;
    let mut held: Vec<TcpStream> = Vec::new();
    scene.attack("connections", |_, _, round| {
        for nth in 0..4u8 {
            let stream = TcpStream::connect(door).unwrap();
            let begun: &[u8] = match nth {
                0 => &[],
                1 => &[0, 200],
                2 => b"GET / HTTP/1.1\r\n",
                _ => &[22, 3, 1],
            };
            // It may be closed already.
            let _ = std::io::Write::write_all(&mut &stream, begun);
            held.push(stream);
        }
        // One byte more for those that are in the middle of a frame.
        for stream in held.iter_mut().rev().take(round as usize) {
            let _ = std::io::Write::write_all(stream, &[0]);
        }
    });
    scene.counted(Drop::StreamLimit, 1);
    scene.counted(Drop::StreamMalformed, 1);
}
