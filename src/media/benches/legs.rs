//! What legs cost apart from packets: the memory that one holds, and what a thousand joins at once do to those who talk
//! already.
//!
//! Memory: participants with sound and picture each, connected by a real handshake, idle; every allocation made inside
//! the node is counted. Storm: a node with its own threads; a voice passes through it while all join at once.
//! `LEGS` (100) for memory, `JOINS` (1000) for the storm.
#![allow(unsafe_code, clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "../tests/node/client.rs"]
mod client;
#[path = "legs/counting.rs"]
mod counting;
#[path = "legs/storm.rs"]
mod storm;
#[path = "../tests/node/wire.rs"]
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use client::{Client, credentials, negotiated};
use counting::inside;
use offhook_media::{Config, Limits, SteppedNode};
use offhook_types::media::{
    Command, Connection, Egress, Event, Ingress, Layer, OpenLeg, Placement, Want,
};
use offhook_types::{MediaKind, Mid, Rid, RoomId, Ssrc, TrackId};

fn main() {
    memory(number("LEGS", 100));
    storm::run(number("JOINS", 1000));
}

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

fn config(legs: usize) -> Config {
    Config {
        base_port: 0,
        pin: false,
        advertise: vec![[127, 0, 0, 1].into()],
        limits: Limits { legs_per_worker: legs, handshakes: legs, ..Limits::default() },
        ..Config::default()
    }
}

/// The commands that open a leg for a client, which must then check and shake hands.
fn opening(serial: u64, placement: &Placement, room: RoomId) -> (Client, [Command; 2]) {
    let server = SocketAddr::new([127, 0, 0, 1].into(), placement.candidates[0].address.port());
    let local = credentials(&format!("server{serial}"));
    let mut client = Client::new(serial, server, local.clone());
    client.never_wait();
    let (leg, remote) = (placement.leg, Some(client.remote()));
    let connection = Connection::Ice { local, remote, opens_channels: false };
    let open = Command::OpenLeg(OpenLeg { leg, room, connection });
    (client, [open, Command::SetNegotiated { leg, negotiated: negotiated() }])
}

/// Pairs of participants who see and hear each other, as far as anything was sent.
fn memory(legs: usize) {
    let up = Arc::new(AtomicUsize::new(0));
    let counter = up.clone();
    let on_event = move |event: Event| {
        if matches!(event, Event::LegUp { .. }) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    };
    let before = counting::held();
    let mut node = inside(|| SteppedNode::new(config(legs), Arc::new(on_event)).unwrap());
    println!("a node of one worker for {legs} legs: {} KiB", (counting::held() - before) / 1024);
    let mut clients: Vec<Client> = Vec::new();
    let mut placements: Vec<Placement> = Vec::new();
    let (before, mut connected) = (counting::held(), 0);
    for serial in 0..legs {
        let room = RoomId(serial as u64 / 2 + 1);
        let placement = inside(|| node.place(room).unwrap());
        let (mut client, commands) = opening(serial as u64, &placement, room);
        commands.into_iter().for_each(|command| inside(|| node.send(command).unwrap()));
        client.check();
        while client.stun_answers.is_empty() {
            while inside(|| node.turn()) {}
            client.step();
        }
        client.shake_hands(node.fingerprint());
        while !client.is_up() || up.load(Ordering::Relaxed) <= serial {
            while inside(|| node.turn()) {}
            client.step();
        }
        clients.push(client);
        placements.push(placement);
        while inside(|| node.turn()) {}
        connected = counting::held() - before;
    }
    for (serial, placement) in placements.iter().enumerate() {
        for command in [
            ingress(serial, placement, MediaKind::Audio),
            ingress(serial, placement, MediaKind::Video),
        ] {
            inside(|| node.send(command).unwrap());
        }
        while inside(|| node.turn()) {}
    }
    let published = counting::held() - before;
    for (serial, placement) in placements.iter().enumerate() {
        let source = (serial ^ 1).min(legs - 1);
        for kind in [MediaKind::Audio, MediaKind::Video] {
            let command = egress(source, (placement, &placements[source]), kind);
            inside(|| node.send(command).unwrap());
        }
        while inside(|| node.turn()) {}
    }
    let all = counting::held() - before;
    let each = |bytes: isize| bytes as f64 / 1024.0 / legs as f64;
    println!("| an idle participant with sound and picture, KiB | of it |");
    println!("|---|---|");
    println!("| connected (ICE, DTLS, SRTP, SCTP) | {:.1} |", each(connected));
    println!(
        "| publishing: one sound, one picture of three layers | {:.1} |",
        each(published - connected)
    );
    println!("| receiving the same of one other | {:.1} |", each(all - published));
    println!("| **all** | **{:.1}** |", each(all));
}

/// Sound, or a picture of three layers.
fn ingress(serial: usize, placement: &Placement, kind: MediaKind) -> Command {
    let rids: &[Option<&str>] = match kind {
        MediaKind::Audio => &[None],
        MediaKind::Video => &[Some("q"), Some("h"), Some("f")],
    };
    let layer = |rid: &Option<&str>| Layer {
        rid: rid.map(|rid| Rid::new(rid.as_bytes()).unwrap()),
        ..Layer::default()
    };
    let (track, mid) = (track(serial, kind), Mid::new(b"1"));
    let ingress = Ingress { track, kind, mid, layers: rids.iter().map(layer).collect() };
    Command::AddIngress { leg: placement.leg, ingress }
}

fn egress(source: usize, (to, from): (&Placement, &Placement), kind: MediaKind) -> Command {
    let video = kind == MediaKind::Video;
    let egress = Egress {
        track: track(source, kind),
        source: from.leg,
        kind,
        mid: Mid::new(if video { b"3" } else { b"2" }).unwrap(),
        ssrc: Ssrc(500 + u32::from(video) * 2),
        rtx: video.then_some(Ssrc(503)),
    };
    Command::AddEgress { leg: to.leg, egress, want: Want::BEST }
}

fn track(serial: usize, kind: MediaKind) -> TrackId {
    TrackId(serial as u64 * 2 + u64::from(kind == MediaKind::Video))
}
