//! What the ways to a leg cost, and what a change of way does. One camera and some viewers in a room on one worker; the
//! viewers come over UDP, TCP or TLS in turn. CPU time is read by thread (user and system, from /proc), so that the
//! viewers, which live in the same process, do not count. Then one viewer moves to another socket, again and again: how
//! long from its first check there until media arrives there, and how many packets were lost on the way.
//!
//! `VIEWERS` (20), `SECONDS` (5) for each way, `MOVES` (50).
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "../tests/node/client.rs"]
mod client;
#[path = "../tests/node/wire.rs"]
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use client::{Client, Send, VP8, credentials, negotiated, vp8};
use offhook_media::{Config, Count, Node, StreamTls, Timeouts, congestion};
use offhook_types::media::{
    Command, Connection, Egress, Event, Ingress, Layer, OpenLeg, Protocol, Want,
};
use offhook_types::{LegId, MediaKind, Mid, RoomId, Ssrc, TrackId};
use wire::Wire;

const ROOM: RoomId = RoomId(1);
const TRACK: TrackId = TrackId(1);
/// Packets of a frame of 1200 bytes each, 30 times a second: 2.3 Mbit/s.
const BURST: u64 = 8;

/// Bits a second that any link of the bench carries.
const OPEN: u64 = 10_000_000_000;

fn main() {
    let (viewers, span) = (number("VIEWERS", 20), Duration::from_secs(number("SECONDS", 5)));
    println!("| way | worker us a packet | stream thread us a packet |");
    println!("|---|---|---|");
    for way in ["UDP", "TCP", "TLS"] {
        let mut stage = Stage::new(way, viewers);
        let before = (busy("media-0"), busy("media-streams"), stage.forwarded());
        stage.show(span);
        let after = (busy("media-0"), busy("media-streams"), stage.forwarded());
        let packets = (after.2 - before.2).max(1) as f64;
        let each = |from: f64, to: f64| (to - from) * 1e6 / packets;
        println!("| {way} | {:.2} | {:.2} |", each(before.0, after.0), each(before.1, after.1));
    }
    Stage::new("UDP", 1).moves(number("MOVES", 50));
}

struct Stage {
    node: Node,
    camera: Client,
    viewers: Vec<Client>,
    frames: u64,
    origin: Instant,
}

impl Stage {
    fn new(way: &str, viewers: u64) -> Self {
        let folder = std::env::temp_dir().join(format!("offhook-paths-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tls = Arc::new(tls);
        let up = Arc::new(AtomicUsize::new(0));
        let counter = up.clone();
        let on_event = move |event: Event| {
            if matches!(event, Event::LegUp { .. }) {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        };
        let hour = Duration::from_secs(3600);
        let config = Config {
            base_port: 0,
            advertise: vec![[127, 0, 0, 1].into()],
            stream_ports: vec![0],
            stream_tls: Some(StreamTls { certificate, key }),
            timeouts: Timeouts { consent: hour, setup: hour, ..Timeouts::default() },
            // Viewers who give no feedback would be taken for narrow links.
            congestion: congestion::Limits { start: OPEN, min: OPEN, max: OPEN },
            ..Config::default()
        };
        let node = Node::start(config, Arc::new(on_event)).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        let candidates = node.place(ROOM).unwrap().candidates;
        let door = candidates.iter().find(|c| c.protocol == Protocol::Tcp).unwrap().address;
        let (camera, source) = enter(&node, 1, None, &up);
        let mid = Mid::new(b"1");
        let layers = vec![Layer::default()];
        let ingress = Ingress { track: TRACK, kind: MediaKind::Video, mid, layers };
        node.send(Command::AddIngress { leg: source, ingress }).unwrap();
        let viewers = (2..viewers + 2).map(|serial| {
            let wire = match way {
                "TCP" => Some(Wire::tcp(door)),
                "TLS" => Some(Wire::tls(door, tls.clone())),
                _ => None,
            };
            let (viewer, leg) = enter(&node, serial, wire, &up);
            let (kind, mid, ssrc) = (MediaKind::Video, Mid::new(b"7").unwrap(), Ssrc(500));
            let egress = Egress { track: TRACK, source, kind, mid, ssrc, rtx: None };
            node.send(Command::AddEgress { leg, egress, want: Want::BEST }).unwrap();
            viewer
        });
        let viewers = viewers.collect();
        Self { node, camera, viewers, frames: 0, origin: Instant::now() }
    }

    fn forwarded(&self) -> u64 {
        // Counters are published four times a second.
        std::thread::sleep(Duration::from_millis(300));
        self.node.snapshot().counts.get(Count::PacketsForwarded)
    }

    /// Show frames, 30 a second, and let everybody read.
    fn show(&mut self, span: Duration) {
        let begun = Instant::now();
        while begun.elapsed() < span {
            self.frame();
            for viewer in &mut self.viewers {
                viewer.never_wait();
                viewer.step();
                viewer.media.clear();
            }
        }
    }

    /// The next frame when it is time for it.
    fn frame(&mut self) {
        if self.origin.elapsed().as_secs_f64() * 30.0 < self.frames as f64 {
            return std::thread::sleep(Duration::from_micros(500));
        }
        let payload = vp8(self.frames.is_multiple_of(100), (self.frames & 0x7fff) as u16, 1160);
        for packet in 0..BURST {
            self.camera.send(&Send {
                payload_type: VP8,
                sequence: 1000 + self.frames * BURST + packet,
                timestamp: self.frames as u32 * 3000,
                ssrc: 10,
                payload: &payload,
                mid: Some("1"),
                ..Send::default()
            });
        }
        self.frames += 1;
    }

    fn moves(&mut self, moves: u64) {
        self.show(Duration::from_millis(500));
        let mut times = Vec::new();
        let sent = self.frames * BURST;
        let mut heard = 0;
        let mut old: Option<Wire> = None;
        for _ in 0..moves {
            let elsewhere = Wire::udp(SocketAddr::from(([127, 0, 0, 1], 0)));
            let before = self.viewers[0].move_to(elsewhere);
            heard += old.replace(before).map_or(0, left_over);
            let begun = Instant::now();
            self.viewers[0].check();
            while self.viewers[0].media.is_empty() {
                self.frame();
                self.viewers[0].step();
            }
            times.push(begun.elapsed());
            for _ in 0..5 {
                self.frame();
                self.viewers[0].step();
            }
            heard += self.viewers[0].media.drain(..).len();
        }
        let until = Instant::now() + Duration::from_millis(500);
        while Instant::now() < until {
            self.viewers[0].step();
        }
        heard += self.viewers[0].media.len() + old.map_or(0, left_over);
        times.sort();
        let sent = (self.frames * BURST - sent) as usize;
        println!(
            "{moves} moves of a viewer to another socket: media there after {:?} (median), {:?} \
             (longest), of which up to 33 ms wait for the next frame; {} of {sent} packets lost",
            times[times.len() / 2],
            times[times.len() - 1],
            sent - heard
        );
    }
}

/// Media that came to a socket after its owner had left.
fn left_over(mut wire: Wire) -> usize {
    let (mut packet, mut media) = ([0; 2048], 0);
    while wire.receive(&mut packet, false).is_ok() {
        media += usize::from(packet[0] >= 128 && !(192..=223).contains(&packet[1]));
    }
    media
}

fn enter(node: &Node, serial: u64, wire: Option<Wire>, up: &AtomicUsize) -> (Client, LegId) {
    let placement = node.place(ROOM).unwrap();
    let server = SocketAddr::new([127, 0, 0, 1].into(), placement.candidates[0].address.port());
    let local = credentials(&format!("server{serial}"));
    let mut client = Client::new(serial, server, local.clone());
    if let Some(wire) = wire {
        client.move_to(wire);
    }
    let (leg, remote) = (placement.leg, Some(client.remote()));
    let connection = Connection::Ice { local, remote, opens_channels: false };
    node.send(Command::OpenLeg(OpenLeg { leg, room: ROOM, connection })).unwrap();
    node.send(Command::SetNegotiated { leg, negotiated: negotiated() }).unwrap();
    while client.stun_answers.is_empty() {
        client.check();
        client.step();
    }
    client.shake_hands(node.fingerprint());
    while !client.is_up() || (up.load(Ordering::Relaxed) as u64) < serial {
        client.step();
    }
    (client, leg)
}

/// Seconds of CPU that this process's threads of a name have used.
fn busy(name: &str) -> f64 {
    let mut ticks = 0u64;
    for task in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
        let read = |file: &str| std::fs::read_to_string(task.path().join(file)).unwrap_or_default();
        if read("comm").trim() == name {
            let stat = read("stat");
            let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
            ticks += fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        }
    }
    ticks as f64 / 100.0
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}
