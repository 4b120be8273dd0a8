//! What is left of a worker's work when three times as much is asked of it as it can do, and how soon all of it is
//! back afterwards. Rooms of one camera and some viewers share one worker with one call of sound. The rate of the
//! cameras is raised until the worker forwards no more: that is its capacity. Then: half of it, three times it, half
//! of it again.
//!
//! `ROOMS` (8), `VIEWERS` (12) of each, `SECONDS` (10) of overload. Run it on a machine that does nothing else; it
//! takes two cores, one for the node and one for everybody else.
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
use offhook_media::{Config, Count, Drop, Limits, Node, Timeouts, congestion};
use offhook_types::media::{Command, Connection, Egress, Event, Ingress, Layer, OpenLeg, Want};
use offhook_types::{LegId, MediaKind, Mid, RoomId, Ssrc, TrackId};

/// Packets of one frame: 1200 bytes each, 30 frames a second are 2.3 Mbit/s at one frame a turn.
const BURST: u64 = 8;
const PAYLOAD: usize = 1160;

/// Bits a second that any link of the bench carries.
const OPEN: u64 = 10_000_000_000;

fn main() {
    let (rooms, viewers) = (number("ROOMS", 8), number("VIEWERS", 12));
    let overload = Duration::from_secs(number("SECONDS", 10) as u64);
    let mut stage = Stage::new(rooms, viewers);
    let mut capacity = 0.0f64;
    let mut rate = 200.0;
    loop {
        let seen = stage.offer(rate, Duration::from_secs(2));
        println!("{rate:8.0} frames/s offered: {seen}");
        capacity = capacity.max(seen.forwarded);
        if seen.forwarded < 0.8 * seen.wanted || rate > 100_000.0 {
            break;
        }
        rate *= 1.4;
    }
    // Frames a second that make it full.
    let full = capacity / (BURST as f64 * viewers as f64);
    println!("capacity: {capacity:.0} packets/s forwarded, {full:.0} frames/s");
    let calm = stage.offer(full / 2.0, Duration::from_secs(3));
    println!("half of it:       {calm}");
    let storm = stage.offer(full * 3.0, overload);
    println!("three times:      {storm}");
    println!("goodput at three times the capacity: {:.0} %", 100.0 * storm.forwarded / capacity);
    let begun = Instant::now();
    let mut after = stage.offer(full / 2.0, Duration::from_millis(200));
    while after.forwarded < 0.98 * after.wanted && begun.elapsed() < Duration::from_secs(30) {
        after = stage.offer(full / 2.0, Duration::from_millis(200));
    }
    println!("half of it again: {after}");
    println!("all of it is back after {:.1} s", begun.elapsed().as_secs_f64());
}

/// What a while brought, per second.
struct Seen {
    wanted: f64,
    forwarded: f64,
    /// Packets of the call's sound that arrived, of those sent.
    sound: (usize, u64),
    overflowed: u64,
}

impl core::fmt::Display for Seen {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { wanted, forwarded, sound: (heard, said), overflowed } = self;
        let share = 100.0 * forwarded / wanted;
        write!(
            f,
            "{forwarded:.0} of {wanted:.0} packets/s forwarded ({share:.0} %), sound {heard} of {said}, \
             {overflowed} lost in the receive buffer"
        )
    }
}

struct Stage {
    node: Node,
    /// With the frames that each has sent.
    cameras: Vec<(Client, u64)>,
    viewers: usize,
    /// They read nothing: what is sent to them is thrown away by the kernel.
    _viewers: Vec<Client>,
    speaker: Client,
    listener: Client,
    sequence: u64,
}

impl Stage {
    fn new(rooms: usize, viewers: usize) -> Self {
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
            limits: Limits {
                packets_per_second: u32::MAX,
                bits_per_second: u64::from(u32::MAX) * 8,
                ..Limits::default()
            },
            timeouts: Timeouts { consent: hour, setup: hour, ..Timeouts::default() },
            // Viewers who give no feedback would be taken for narrow links.
            congestion: congestion::Limits { start: OPEN, min: OPEN, max: OPEN },
            ..Config::default()
        };
        let node = Node::start(config, Arc::new(on_event)).unwrap();
        let mut joined = 0;
        let mut join = |room: u64| {
            joined += 1;
            enter(&node, (RoomId(room), joined), &up)
        };
        let (mut cameras, mut all) = (Vec::new(), Vec::new());
        for room in 0..rooms as u64 {
            let (camera, source) = join(room);
            publish(&node, source, (TrackId(room), MediaKind::Video));
            for _ in 0..viewers {
                let (viewer, leg) = join(room);
                subscribe(&node, leg, (TrackId(room), MediaKind::Video), source);
                all.push(viewer);
            }
            cameras.push((camera, 0));
        }
        let sound = (TrackId(9999), MediaKind::Audio);
        let ((speaker, source), (listener, leg)) = (join(9999), join(9999));
        publish(&node, source, sound);
        subscribe(&node, leg, sound, source);
        Self { node, cameras, viewers, _viewers: all, speaker, listener, sequence: 1000 }
    }

    /// So many frames a second, over all rooms, for a while.
    fn offer(&mut self, frames: f64, span: Duration) -> Seen {
        let count = |node: &Node, what| node.snapshot().counts.get(what) as f64;
        let overflow = |node: &Node| node.snapshot().drops.get(Drop::ReceiveBufferFull);
        // Counters are published four times a second.
        std::thread::sleep(Duration::from_millis(300));
        let (before, lost) = (count(&self.node, Count::PacketsForwarded), overflow(&self.node));
        self.listener.media.clear();
        let begun = Instant::now();
        let (mut sent, mut said) = (0u64, 0u64);
        while begun.elapsed() < span {
            let due = begun.elapsed().as_secs_f64();
            while (sent as f64) < due * frames {
                self.frame(sent);
                sent += 1;
                if begun.elapsed() > span {
                    break;
                }
            }
            while (said as f64) < due * 50.0 {
                said += 1;
                self.sequence += 1;
                let sequence = self.sequence;
                let packet = Send { sequence, mid: Some("0"), ..Send::default() };
                self.speaker.send(&packet);
            }
            self.listener.never_wait();
            self.listener.step();
        }
        let took = begun.elapsed().as_secs_f64();
        std::thread::sleep(Duration::from_millis(300));
        self.listener.step();
        let forwarded = count(&self.node, Count::PacketsForwarded) - before - said as f64;
        Seen {
            wanted: (sent * BURST * self.viewers as u64) as f64 / took,
            forwarded: forwarded / took,
            sound: (self.listener.media.len(), said),
            overflowed: overflow(&self.node) - lost,
        }
    }

    fn frame(&mut self, nth: u64) {
        let turn = nth as usize % self.cameras.len();
        let (camera, frames) = &mut self.cameras[turn];
        let payload = vp8(frames.is_multiple_of(100), (*frames & 0x7fff) as u16, PAYLOAD);
        *frames += 1;
        for packet in 0..BURST {
            camera.send(&Send {
                payload_type: VP8,
                sequence: 1000 + *frames * BURST + packet,
                timestamp: *frames as u32 * 3000,
                ssrc: 10,
                payload: &payload,
                mid: Some("1"),
                ..Send::default()
            });
        }
    }
}

fn enter(node: &Node, (room, serial): (RoomId, u64), up: &AtomicUsize) -> (Client, LegId) {
    let placement = node.place(room).unwrap();
    let server = SocketAddr::new([127, 0, 0, 1].into(), placement.candidates[0].address.port());
    let local = credentials(&format!("server{serial}"));
    let mut client = Client::new(serial, server, local.clone());
    let (leg, remote) = (placement.leg, Some(client.remote()));
    let connection = Connection::Ice { local, remote, opens_channels: false };
    node.send(Command::OpenLeg(OpenLeg { leg, room, connection })).unwrap();
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

fn publish(node: &Node, leg: LegId, (track, kind): (TrackId, MediaKind)) {
    let mid = Mid::new(if kind == MediaKind::Video { b"1" } else { b"0" });
    let ingress = Ingress { track, kind, mid, layers: vec![Layer::default()] };
    node.send(Command::AddIngress { leg, ingress }).unwrap();
}

fn subscribe(node: &Node, leg: LegId, (track, kind): (TrackId, MediaKind), source: LegId) {
    let mid = Mid::new(b"7").unwrap();
    let egress = Egress { track, source, kind, mid, ssrc: Ssrc(500), rtx: None };
    node.send(Command::AddEgress { leg, egress, want: Want::BEST }).unwrap();
}

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}
