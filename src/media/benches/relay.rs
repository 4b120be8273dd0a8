//! CPU time per forwarded packet of the real worker, beside the floor: a minimal relay loop (loadtest/src/floor) that
//! forwards the same packets to as many receivers in the same run, by turns. Publishers send bursts of eight packets of
//! 1200 bytes outside the clock, then one relay or the other is timed by its thread's CPU time (user and system) until
//! all is sent. The worker's legs are relay legs, so that no handshake is needed and receivers can be anywhere.
//!
//! With root the receivers are behind a device that drops what it is given (ifb, with segmentation offload), in a
//! namespace of our own; else they are sockets on the loopback, whose delivery is charged to both alike.
//! `RUNS` (5), `TRIALS` a run (15), `ONLY` a part of a row's name. Other frames and shapes: `PACKETS` (8) of `BYTES`
//! (1200), `SHAPES` (1x50,20x50).
#![allow(unsafe_code, clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "../../../loadtest/src/floor.rs"]
#[allow(dead_code)]
mod floor;
#[path = "relay/stepped.rs"]
#[allow(dead_code)]
mod stepped;

use std::net::SocketAddrV4;

use floor::stage::{Cost, Sink, bind, measure};
use floor::{BURST, Frame, PACKET, Publisher, Relay, Stage};
use offhook_types::media::SrtpProfile;
use stepped::Stepped;

/// How the packets of a row are protected toward the receivers.
const PROFILES: [(SrtpProfile, &str); 3] = [
    (SrtpProfile::AeadAes128Gcm, "AES-128-GCM"),
    (SrtpProfile::AeadAes256Gcm, "AES-256-GCM"),
    (SrtpProfile::Aes128CmSha1_80, "AES-CM SHA1"),
];
/// Packets that a trial forwards at least: some milliseconds.
const TRIAL: usize = 8000;

fn main() {
    let mut stage = Stage::enter();
    match stage.sink {
        Sink::Device(kind) => {
            println!("receivers behind a device that drops ({kind}), sender side")
        }
        Sink::Loopback => println!("no root, no namespace: receivers are sockets on the loopback"),
    }
    println!("| what | floor ns | worker ns | best | ratio (median of runs) | range |");
    println!("|---|---|---|---|---|---|");
    let only = std::env::var("ONLY").unwrap_or_default();
    for shape in shapes() {
        for (profile, named) in PROFILES {
            let name = format!("{} x {}, {named}", shape.0, shape.1);
            if name.contains(&only) {
                row(&mut stage, &name, shape, profile);
            }
        }
    }
    if "two workers".contains(&only) {
        two_workers(&mut stage);
    }
}

/// How much more two workers forward than one: what one spends on a room, over what the busier of two spends on it. A
/// worker of two decrypts or is handed each packet, and forwards it to half of the receivers.
fn two_workers(stage: &mut Stage) {
    // A worker takes 128 legs of a room before the other does: a publisher and 127 receivers, and 127 receivers.
    let (shape, rounds) = ((1, 254), 10);
    let mut one = Stepped::on(stage, (1, Frame::VIDEO), shape, SrtpProfile::AeadAes128Gcm);
    let mut two = Stepped::on(stage, (2, Frame::VIDEO), shape, SrtpProfile::AeadAes128Gcm);
    let mut gains = Vec::new();
    for trial in 0..number("RUNS", 5) * number("TRIALS", 15) + 5 {
        let alone = undisturbed(&one.split_trial(stage, rounds)[0]);
        let shared = two.split_trial(stage, rounds);
        let busiest = shared.iter().map(|costs| undisturbed(costs)).fold(0.0, f64::max);
        if trial >= 5 {
            gains.push(alone / busiest);
        }
    }
    println!(
        "two workers, 1 x 254, AES-128-GCM: forward **{:.2}** times what one does",
        median(gains)
    );
}

/// Measure one row: floor and worker alternate, trial by trial.
fn row(stage: &mut Stage, name: &str, shape: (usize, usize), profile: SrtpProfile) {
    let frame = frame();
    let mut floor = Floor::new(stage, shape, frame);
    let mut worker = Stepped::on(stage, (1, frame), shape, profile);
    let packets = shape.0 * shape.1 * frame.packets;
    let rounds = TRIAL.div_ceil(packets);
    for _ in 0..5 {
        floor.trial(stage, rounds);
        worker.trial(stage, (rounds, packets));
    }
    let (mut floors, mut workers, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..number("RUNS", 5) {
        let mut run = [Vec::new(), Vec::new()];
        for _ in 0..number("TRIALS", 15) {
            run[0].extend(floor.trial(stage, rounds));
            run[1].extend(worker.trial(stage, (rounds, packets)));
        }
        let [low, high] = run.map(|costs| undisturbed(&costs) / packets as f64);
        floors.push(low);
        workers.push(high);
        ratios.push(high / low);
    }
    let least = |of: &[f64]| of.iter().copied().fold(f64::MAX, f64::min);
    let most = ratios.iter().copied().fold(0.0, f64::max);
    let (best, low) = (least(&workers), least(&ratios));
    println!(
        "| {name} | {:.0} | {:.0} | {best:.0} | **{:.2}** | {low:.2} to {most:.2} |",
        median(floors),
        median(workers),
        median(ratios),
    );
    worker.explain();
}

/// The minimal relay with publishers of its own.
struct Floor {
    relay: Relay,
    publishers: Vec<Publisher>,
}

impl Floor {
    fn new(stage: &mut Stage, (publishers, receivers): (usize, usize), frame: Frame) -> Self {
        let socket = bind(64 << 20);
        let server = floor::relay::address(&socket);
        let mut relay = Relay::new(socket);
        let add = |nth: usize| {
            let key = ([nth as u8 + 1; 16], [9; 12]);
            let cipher = floor::Cipher::new(&key.0, key.1);
            let seal = move |at: (u32, u64), payload: &[u8], out: &mut [u8]| {
                cipher.seal((at.0, at.1 & 0xffff), payload, out);
            };
            let publisher = Publisher::new(server, (77, frame), Box::new(seal));
            let receivers: Vec<SocketAddrV4> = stage.receivers(receivers);
            relay.add(publisher.address().port(), (&key.0, key.1), &receivers);
            publisher
        };
        let publishers = (0..publishers).map(add).collect();
        Self { relay, publishers }
    }

    /// What each round costs.
    fn trial(&mut self, stage: &Stage, rounds: usize) -> Vec<Cost> {
        let round = |_| {
            self.publishers.iter_mut().for_each(|publisher| publisher.burst(false));
            let cost = measure(|| while self.relay.turn() {});
            stage.drain();
            cost
        };
        (0..rounds).map(round).collect()
    }
}

/// The median of the rounds in which the core was not taken away; of all, when it always was.
fn undisturbed(costs: &[Cost]) -> f64 {
    let nanos = |cost: &Cost| cost.nanos as f64;
    let quiet: Vec<f64> = costs.iter().filter(|cost| cost.quiet).map(nanos).collect();
    if quiet.is_empty() { median(costs.iter().map(nanos).collect()) } else { median(quiet) }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn frame() -> Frame {
    let (packets, bytes) = (number("PACKETS", BURST), number("BYTES", PACKET));
    Frame { packets: packets.clamp(1, BURST), bytes: bytes.clamp(100, PACKET) }
}

/// Publishers, and receivers of each.
fn shapes() -> Vec<(usize, usize)> {
    let wanted = std::env::var("SHAPES").unwrap_or("1x50,20x50".into());
    let shape = |text: &str| {
        let (publishers, receivers) = text.split_once('x')?;
        Some((publishers.parse().ok()?, receivers.parse().ok()?))
    };
    wanted.split(',').map(|text| shape(text).expect("shapes like 1x50")).collect()
}

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}
