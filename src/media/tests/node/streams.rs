//! Legs over TCP and TLS, and streams that lead nowhere.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use offhook_media::{Config, Count, Drop, Limits, StreamTls};
use offhook_rtc::congestion;
use offhook_types::media::{Candidate, Command, LegEnd, Protocol};
use offhook_types::{MediaKind, TrackId};
use offhook_wire::stream::frame_header;
use offhook_wire::stun::{self, Builder, Class, TransactionId};

use crate::client::{Client, Send, VP8, vp8};
use crate::wire::Wire;
use crate::world::{World, config, sound, video};

const TRACK: TrackId = TrackId(44);

fn streaming() -> Config {
    Config { stream_ports: vec![0], ..config() }
}

/// Where the node accepts streams.
fn door(world: &World) -> SocketAddr {
    let candidates = world.place_on(0).candidates;
    let is_tcp = |candidate: &&Candidate| candidate.protocol == Protocol::Tcp;
    candidates.iter().find(is_tcp).unwrap().address
}

/// A connected client over a wire of its own.
fn join(world: &mut World, wire: Wire) -> usize {
    join_on(0, world, wire)
}

fn join_on(worker: u16, world: &mut World, wire: Wire) -> usize {
    let placement = world.place_on(worker);
    let index = world.open(placement, "127.0.0.1");
    let _udp = world.clients[index].move_to(wire);
    world.connect(index);
    index
}

/// Sound goes from one to the other.
fn heard(world: &mut World, speaker: usize, listener: usize, mut sequence: u64) {
    world.clients[listener].media.clear();
    world.until("heard", |world| {
        sequence += 1;
        world.clients[speaker].send(&Send { sequence, mid: Some("0"), ..Send::default() });
        world.clients[listener].media.len() >= 5
    });
}

/// A certificate for localhost in a folder that goes with it.
struct Certificate {
    folder: PathBuf,
    files: StreamTls,
    client: Arc<rustls::ClientConfig>,
}

impl Certificate {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("offhook-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let put = |file: &str, text: String| {
            let path = folder.join(file);
            std::fs::write(&path, text).unwrap();
            path
        };
        let files = StreamTls {
            certificate: put("cert.pem", made.cert.pem()),
            key: put("key.pem", made.signing_key.serialize_pem()),
        };
        let mut roots = rustls::RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let client = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { folder, files, client: Arc::new(client) }
    }
}

impl core::ops::Drop for Certificate {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn legs_over_udp_tcp_and_tls_hear_each_other() {
    let certificate = Certificate::new("tls");
    let stream_tls = Some(certificate.files.clone());
    let mut world = World::new(Config { stream_tls, workers: 2, ..streaming() });
    let door = door(&world);
    let udp = world.join(0);
    let tcp = join_on(1, &mut world, Wire::tcp(door));
    let tls = join(&mut world, Wire::tls(door, certificate.client.clone()));
    for (nth, speaker) in [udp, tcp, tls].into_iter().enumerate() {
        let track = TrackId(TRACK.0 + nth as u64);
        world.publish(speaker, sound(track.0, "0"));
        for listener in [udp, tcp, tls].into_iter().filter(|listener| *listener != speaker) {
            let ssrc = 100 + 10 * nth as u32;
            world.subscribe(listener, (track, MediaKind::Audio), speaker, ssrc);
        }
        for listener in [udp, tcp, tls].into_iter().filter(|listener| *listener != speaker) {
            heard(&mut world, speaker, listener, 1000 * (1 + listener as u64));
        }
    }
    world.until("counted", |world| world.count(Count::StreamsProven) == 2);
    assert_eq!((world.count(Count::StreamsTls), world.snapshot().streams), (1, 2));
    let leg = world.legs[tcp];
    world.node.send(Command::CloseLeg { leg }).unwrap();
    world.until("its stream is closed", |world| world.snapshot().streams == 1);
    assert_eq!(world.end_of(leg), [LegEnd::Closed]);
}

#[test]
fn candidates_name_every_way_and_only_streams_where_udp_is_not_wanted() {
    let world = World::new(streaming());
    let protocols = |world: &World| {
        let all = world.place_on(0).candidates;
        all.iter().map(|candidate| candidate.protocol).collect::<Vec<_>>()
    };
    assert_eq!(protocols(&world), [Protocol::Udp, Protocol::Tcp]);
    let mut world = World::new(Config { stream_only: true, ..streaming() });
    assert_eq!(protocols(&world), [Protocol::Tcp]);
    let door = door(&world);
    join(&mut world, Wire::tcp(door));
}

#[test]
fn a_leg_moves_between_udp_and_a_stream_without_losing_a_packet() {
    let mut world = World::new(streaming());
    let (speaker, listener) = (world.join(0), world.join(0));
    world.publish(speaker, sound(TRACK.0, "0"));
    world.subscribe(listener, (TRACK, MediaKind::Audio), speaker, 100);
    heard(&mut world, speaker, listener, 1000);
    let door = door(&world);
    let _udp = world.clients[listener].move_to(Wire::tcp(door));
    world.clients[listener].check();
    world.until("moved", |world| world.count(Count::PathsMoved) == 1);
    heard(&mut world, speaker, listener, 2000);
    assert!(world.clients[listener].checks_answered > 0);
}

/// What a stranger writes is answered by closing the stream, and counted.
fn check(reason: Drop, bytes: &[u8]) {
    let mut world = World::new(streaming());
    let door = door(&world);
    let mut stream = TcpStream::connect(door).unwrap();
    stream.write_all(bytes).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // A reset counts as closed too.
    assert_eq!(stream.read(&mut [0; 64]).unwrap_or(0), 0, "{reason:?}");
    world.until("counted", |world| world.dropped(reason) == 1 && world.snapshot().streams == 0);
}

fn framed(packet: &[u8]) -> Vec<u8> {
    [&frame_header(packet).unwrap(), packet].concat()
}

fn binding(user: &str) -> Vec<u8> {
    let mut packet = [0; 256];
    let len = Builder::new(&mut packet, Class::Request, stun::BINDING, TransactionId([1; 12]))
        .attribute(stun::attribute::USERNAME, user.as_bytes())
        .finish()
        .unwrap();
    packet[..len].to_vec()
}

#[test]
fn strangers_are_shown_out() {
    check(Drop::StreamMalformed, b"GET / HTTP/1.1\r\n\r\n");
    check(Drop::StreamUnknownUser, &framed(&binding("nobody:else")));
    check(Drop::StreamMalformed, &framed(&binding("")));
    check(Drop::StreamTls, &[22, 3, 1, 0, 5, 1, 0, 0, 1, 3]);
    let mut long = framed(&binding("nobody:else"));
    long[0] = 0xff;
    check(Drop::StreamMalformed, &long);
}

#[test]
fn a_stream_that_proves_nothing_ends_by_the_clock() {
    let mut world = World::new(streaming());
    let placement = world.place_on(0);
    let index = world.open(placement, "127.0.0.1");
    let door = door(&world);
    // One says nothing; one begins a frame and never ends it; one names a leg but does not know its password.
    let silent = TcpStream::connect(door).unwrap();
    let mut slow = TcpStream::connect(door).unwrap();
    slow.write_all(&[0, 100, 0, 1]).unwrap();
    let _udp = world.clients[index].move_to(Wire::tcp(door));
    world.clients[index].check_with(b"not the password at all");
    world.until("refused", |world| world.dropped(Drop::StunRefused) == 1);
    world.until("closed", |world| world.dropped(Drop::StreamTimeout) == 3);
    assert_eq!(world.count(Count::StreamsProven), 0);
    drop((silent, slow));
}

#[test]
fn one_address_has_its_share_of_newcomers_and_a_leg_still_gets_in_after_them() {
    let mut world = World::new(streaming());
    let door = door(&world);
    let crowd: Vec<TcpStream> = (0..60).map(|_| TcpStream::connect(door).unwrap()).collect();
    world.until("limited", |world| world.dropped(Drop::StreamLimit) == 28);
    drop(crowd);
    world.until("left", |world| world.snapshot().streams == 0);
    join(&mut world, Wire::tcp(door));
}

#[test]
fn what_is_open_at_once_is_limited() {
    let limits = Limits { streams_per_address: 2, ..config().limits };
    let mut world = World::new(Config { limits, ..streaming() });
    let door = door(&world);
    join(&mut world, Wire::tcp(door));
    join(&mut world, Wire::tcp(door));
    let third = TcpStream::connect(door).unwrap();
    world.until("refused", |world| world.dropped(Drop::StreamLimit) == 1);
    drop(third);
}

#[test]
fn a_peer_that_does_not_read_loses_video_first_and_costs_nobody_else_a_packet() {
    // The way is known to be wide, so that nothing waits for a pacer: what is lost is lost at the stream.
    let wide = 10_000_000_000;
    let congestion = congestion::Limits { start: wide, min: wide, max: wide };
    let mut world = World::new(Config { congestion, ..streaming() });
    let door = door(&world);
    let camera = world.join(0);
    let healthy = world.join(0);
    let slow = join(&mut world, Wire::tcp(door));
    world.publish(camera, video(TRACK.0, "1"));
    world.subscribe(healthy, (TRACK, MediaKind::Video), camera, 100);
    world.subscribe(slow, (TRACK, MediaKind::Video), camera, 100);
    // The slow one is asked nothing from here on: it is out of the list that is stepped.
    let stuck = world.clients.pop().unwrap();
    let mut sent = 0u64;
    world.until("video is left out", |world| {
        for _ in 0..10 {
            let picture = vp8(sent.is_multiple_of(50), sent as u16 & 0x7fff, 1100);
            world.clients[camera].send(&Send {
                payload_type: VP8,
                sequence: 1000 + sent,
                timestamp: sent as u32 * 3000,
                ssrc: 10,
                payload: &picture,
                mid: Some("1"),
                ..Send::default()
            });
            sent += 1;
        }
        world.dropped(Drop::StreamVideo) > 0
    });
    assert_eq!(world.dropped(Drop::StreamFull), 0, "checks and reports still have room");
    world.until("everything arrived", |world| world.clients[healthy].media.len() as u64 == sent);
    assert_eq!(world.dropped(Drop::SendBufferFull), 0);
    drop(stuck);
}

#[test]
fn a_wrong_certificate_stops_the_start() {
    let missing = Path::new("/nowhere/cert.pem").to_owned();
    let stream_tls = Some(StreamTls { certificate: missing.clone(), key: missing });
    let started =
        offhook_media::Node::start(Config { stream_tls, ..streaming() }, Arc::new(|_| ()));
    assert!(matches!(started, Err(offhook_media::StartError::Tls(_))));
}

#[test]
fn a_second_stream_of_a_leg_is_another_address_of_it() {
    let mut world = World::new(streaming());
    let door = door(&world);
    let index = join(&mut world, Wire::tcp(door));
    let credentials = world.clients[index].server_credentials.clone();
    let mut other = Client::over(Wire::tcp(door), (900, door), credentials);
    other.credentials = world.clients[index].credentials.clone();
    other.is_deaf = true;
    other.check();
    world.until("asked and not answered", |world| {
        other.step();
        world.count(Count::PathsAsked) > 0 && other.checks_answered > 0
    });
    assert_eq!(world.count(Count::PathsMoved), 0);
}
