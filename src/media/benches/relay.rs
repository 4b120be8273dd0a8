//! CPU time per forwarded packet of one worker, driven turn by turn over loopback: publishers send bursts of
//! eight video
//! packets outside the clock, then the worker's turns are timed by its thread's CPU time (user and system).
//!
//! Receivers' sockets merge (UDP_GRO) unless `PLAIN=1`, so that delivery, which loopback charges to the
//! sender, weighs less.
//! `PUBLISHERS` (1), `RECEIVERS` (50) of each, `SECONDS` (5), `BURST` (8).
#![allow(unsafe_code, clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "../tests/node/client.rs"]
mod client;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use client::{Client, Send, VP8, credentials, negotiated, vp8};
use offhook_media::{Config, Count, Limits, SteppedNode, Timeouts};
use offhook_rtc::srtp::Protect;
use offhook_types::media::{
    Command, Connection, Egress, Event, Ingress, Layer, OpenLeg, SrtpProfile, Want,
};
use offhook_types::{LegId, MediaKind, Mid, RoomId, Ssrc, TrackId, WorkerId};

const ROOM: RoomId = RoomId(1);
/// 1200 bytes on the wire with header, extension and tag.
const PAYLOAD: usize = 1200 - 12 - 8 - 16;

fn main() {
    let (publishers, receivers) = (number("PUBLISHERS", 1), number("RECEIVERS", 50));
    let burst = number("BURST", 8) as u64;
    let mut stage = Stage::new(publishers * (receivers + 1));
    let cameras: Vec<usize> = (0..publishers).map(|_| stage.join()).collect();
    for &camera in &cameras {
        stage.publish(camera);
    }
    let viewers: Vec<usize> = (0..publishers * receivers).map(|_| stage.join()).collect();
    for (nth, &viewer) in viewers.iter().enumerate() {
        stage.subscribe(viewer, cameras[nth % publishers]);
    }
    for &viewer in &viewers {
        stage.clients[viewer].enlarge(std::env::var_os("PLAIN").is_none());
    }
    let mut costs = Vec::new();
    let end = Instant::now() + Duration::from_secs(number("SECONDS", 5) as u64);
    let mut round = 0;
    while Instant::now() < end || round < 20 {
        let before = stage.forwarded();
        for &camera in &cameras {
            stage.burst(camera, round, burst);
        }
        let start = thread_cpu();
        while stage.node.turn_worker(WorkerId(0)) {}
        stage.node.turn_worker(WorkerId(0));
        let spent = thread_cpu() - start;
        let forwarded = stage.forwarded() - before;
        if round > 5 {
            costs.push(spent as f64 / forwarded.max(1) as f64);
        }
        viewers.iter().for_each(|&viewer| stage.clients[viewer].discard());
        round += 1;
    }
    costs.sort_by(f64::total_cmp);
    let at = |part: f64| costs[(costs.len() as f64 * part) as usize];
    let snapshot = stage.node.snapshot();
    let each =
        |what| snapshot.counts.get(what) as f64 / snapshot.counts.get(Count::SendCalls) as f64;
    println!(
        "{publishers} x {receivers}, bursts of {burst}: median {:.0} ns, best tenth {:.0} ns a \
         forwarded packet ({} rounds)",
        at(0.5),
        at(0.1),
        costs.len()
    );
    println!(
        "packets a send call {:.1}, messages a send call {:.1}; cipher alone: {}",
        each(Count::PacketsForwarded),
        each(Count::MessagesSent),
        stage.cipher(&viewers)
    );
    for (what, many) in snapshot.drops.iter().filter(|(_, many)| *many > 0) {
        println!("dropped: {what:?} {many}");
    }
}

struct Stage {
    node: SteppedNode,
    clients: Vec<Client>,
    legs: Vec<LegId>,
    up: Arc<AtomicUsize>,
}

impl Stage {
    fn new(legs: usize) -> Self {
        let up = Arc::new(AtomicUsize::new(0));
        let counter = up.clone();
        let on_event = move |event: Event| {
            if matches!(event, Event::LegUp { .. }) {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        };
        let hour = Duration::from_secs(3600);
        let unlimited = u32::MAX;
        let config = Config {
            base_port: 0,
            advertise: vec![[127, 0, 0, 1].into()],
            limits: Limits {
                legs_per_worker: legs,
                packets_per_second: unlimited,
                bits_per_second: u64::from(unlimited),
                ..Limits::default()
            },
            timeouts: Timeouts { consent: hour, setup: hour, ..Timeouts::default() },
            receive_buffer: 64 << 20,
            send_buffer: 64 << 20,
            ..Config::default()
        };
        let node = SteppedNode::new(config, Arc::new(on_event)).unwrap();
        Self { node, clients: Vec::new(), legs: Vec::new(), up }
    }

    fn join(&mut self) -> usize {
        let serial = self.clients.len() as u64;
        let placement = self.node.place(ROOM).unwrap();
        let server = SocketAddr::new([127, 0, 0, 1].into(), placement.candidates[0].address.port());
        let local = credentials(&format!("server{serial}"));
        let mut client = Client::new(serial, server, local.clone());
        client.never_wait();
        let (leg, remote) = (placement.leg, Some(client.remote()));
        let connection = Connection::Ice { local, remote, opens_channels: false };
        let open = OpenLeg { leg, room: ROOM, connection };
        self.node.send(Command::OpenLeg(open)).unwrap();
        self.node.send(Command::SetNegotiated { leg, negotiated: negotiated() }).unwrap();
        client.check();
        while client.stun_answers.is_empty() {
            while self.node.turn() {}
            client.step();
        }
        client.shake_hands(self.node.fingerprint());
        self.legs.push(leg);
        while !client.is_up() || self.up.load(Ordering::Relaxed) < self.legs.len() {
            while self.node.turn() {}
            client.step();
        }
        self.clients.push(client);
        self.clients.len() - 1
    }

    fn publish(&mut self, camera: usize) {
        let ingress = Ingress {
            track: TrackId(camera as u64),
            kind: MediaKind::Video,
            mid: Mid::new(b"1"),
            layers: vec![Layer::default()],
        };
        self.node.send(Command::AddIngress { leg: self.legs[camera], ingress }).unwrap();
    }

    fn subscribe(&mut self, viewer: usize, camera: usize) {
        let egress = Egress {
            track: TrackId(camera as u64),
            source: self.legs[camera],
            kind: MediaKind::Video,
            mid: Mid::new(b"1").unwrap(),
            ssrc: Ssrc(500),
            rtx: Some(Ssrc(501)),
        };
        let (leg, want) = (self.legs[viewer], Want::BEST);
        self.node.send(Command::AddEgress { leg, egress, want }).unwrap();
        while self.node.turn() {}
    }

    fn burst(&mut self, camera: usize, round: u64, packets: u64) {
        let payload = vp8(round.is_multiple_of(50), round as u16 & 0x7fff, PAYLOAD);
        for i in 0..packets {
            self.clients[camera].send(&Send {
                payload_type: VP8,
                sequence: 1000 + round * packets + i,
                timestamp: round as u32 * 3000,
                ssrc: 10 + camera as u32,
                payload: &payload,
                mid: Some("1"),
                transport: Some((round * packets + i) as u16),
                ..Send::default()
            });
        }
    }

    fn forwarded(&mut self) -> u64 {
        self.node.snapshot().counts.get(Count::PacketsForwarded)
    }

    /// What protecting alone costs with the receivers' keys in turn.
    fn cipher(&self, viewers: &[usize]) -> String {
        let mut profile = SrtpProfile::Aes128CmSha1_80;
        let mut contexts: Vec<Protect> = viewers
            .iter()
            .filter_map(|&viewer| {
                let keys = self.clients[viewer].keys()?;
                profile = keys.profile;
                Protect::new(keys.profile, &keys.remote)
            })
            .collect();
        let (payload, mut out) = (vec![7; PAYLOAD], vec![0; 1600]);
        out[0] = 0x80;
        let mut best = f64::MAX;
        for trial in 0..20 {
            let start = thread_cpu();
            for i in 0..8u64 {
                for context in &mut contexts {
                    let sequence = trial * 8 + i;
                    out[2..4].copy_from_slice(&(sequence as u16).to_be_bytes());
                    context.protect_rtp(sequence, 20, &payload, &mut out).unwrap();
                }
            }
            let packets = 8.0 * contexts.len() as f64;
            best = best.min((thread_cpu() - start) as f64 / packets);
        }
        format!("{best:.0} ns ({profile:?})")
    }
}

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// User and system time of this thread in nanoseconds.
fn thread_cpu() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` outlives the call.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

impl Client {
    /// A large receive buffer, and merged delivery if wanted.
    fn enlarge(&self, merged: bool) {
        let set = |level, name, value: i32| {
            let (fd, value) = (self.descriptor(), &raw const value);
            // SAFETY: `value` points to an integer that outlives the call.
            unsafe { libc::setsockopt(fd, level, name, value.cast(), 4) };
        };
        set(libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, 8 << 20);
        if merged {
            set(libc::SOL_UDP, libc::UDP_GRO, 1);
        }
    }
}
