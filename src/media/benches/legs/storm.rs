//! A thousand joins at once, beside a conversation.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use offhook_media::Node;
use offhook_types::media::{Command, Event, Ingress, Layer};
use offhook_types::{MediaKind, Mid, RoomId, Ssrc, TrackId};

use crate::client::{Client, Send};
use crate::{config, egress, opening};

/// Between two packets of the voice.
const PACE: Duration = Duration::from_millis(10);
/// Listened to before and after.
const CALM: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(120);

/// Join, and say how fast, and what became of the voice meanwhile.
pub fn run(joins: usize) {
    let up = Arc::new(AtomicUsize::new(0));
    let counter = up.clone();
    let on_event = move |event: Event| {
        if matches!(event, Event::LegUp { .. }) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    };
    let node = Node::start(config(joins + 2), Arc::new(on_event)).unwrap();
    let room = RoomId(1);
    let mut ends: Vec<Client> = Vec::new();
    let placements = [node.place(room).unwrap(), node.place(room).unwrap()];
    for (serial, placement) in placements.iter().enumerate() {
        let (client, commands) = opening(serial as u64, placement, room);
        commands.into_iter().for_each(|command| node.send(command).unwrap());
        ends.push(connect(client, &node));
    }
    let layers = vec![Layer { ssrc: Some(Ssrc(1)), ..Layer::default() }];
    let (track, mid) = (TrackId(0), Mid::new(b"1"));
    let ingress = Ingress { track, kind: MediaKind::Audio, mid, layers };
    node.send(Command::AddIngress { leg: placements[0].leg, ingress }).unwrap();
    let hears = egress(0, (&placements[1], &placements[0]), MediaKind::Audio);
    node.send(hears).unwrap();
    let (listener, speaker) = (ends.pop().unwrap(), ends.pop().unwrap());

    let stormy = AtomicBool::new(false);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let voice = scope.spawn(|| converse(speaker, listener, &stormy, &over));
        thread::sleep(CALM);
        stormy.store(true, Ordering::Release);
        let start = Instant::now();
        storm(&node, joins);
        let took = start.elapsed();
        stormy.store(false, Ordering::Release);
        thread::sleep(CALM);
        over.store(true, Ordering::Release);
        let [calm, rough] = voice.join().unwrap();
        let rate = joins as f64 / took.as_secs_f64();
        println!("{joins} joins at once: {:.1} s, {rate:.0} a second", took.as_secs_f64());
        println!("| voice delay, ms | p50 | p99 | most | packets |");
        println!("|---|---|---|---|---|");
        print("before and after", calm);
        print("meanwhile", rough);
    });
    node.stop();
}

/// All open, then all check, then all shake hands, as fast as one thread can that leaves its core to whoever wants it:
/// really these clients are other machines, and what they compute is not taken from the server.
fn storm(node: &Node, joins: usize) {
    // SAFETY: no memory is passed; on Linux the zero stands for the calling thread alone (setpriority(2), notes).
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 19) };
    let mut clients: Vec<Client> = (0..joins)
        .map(|nth| {
            let room = RoomId(10 + nth as u64 / 10);
            let placement = node.place(room).unwrap();
            let (client, commands) = opening(100 + nth as u64, &placement, room);
            commands.into_iter().for_each(|command| node.send(command).unwrap());
            client
        })
        .collect();
    let limit = Instant::now() + PATIENCE;
    let mut begun = vec![false; joins];
    clients.iter_mut().for_each(Client::check);
    while clients.iter().any(|client| !client.is_up()) {
        assert!(Instant::now() < limit, "not all joined");
        for (client, begun) in clients.iter_mut().zip(&mut begun) {
            client.step();
            if !*begun && !client.stun_answers.is_empty() {
                *begun = true;
                client.shake_hands(node.fingerprint());
            }
        }
    }
}

fn connect(mut client: Client, node: &Node) -> Client {
    let limit = Instant::now() + PATIENCE;
    client.check();
    let mut begun = false;
    while !client.is_up() {
        assert!(Instant::now() < limit, "never up");
        client.step();
        if !begun && !client.stun_answers.is_empty() {
            begun = true;
            client.shake_hands(node.fingerprint());
        }
        thread::sleep(Duration::from_millis(1));
    }
    client
}

/// Speak and listen until it is over; the delays in calm and in storm, in nanoseconds.
fn converse(
    mut speaker: Client,
    mut listener: Client,
    stormy: &AtomicBool,
    over: &AtomicBool,
) -> [Vec<u64>; 2] {
    let (mut calm, mut rough) = (Vec::new(), Vec::new());
    let (start, mut sequence) = (Instant::now(), 0u64);
    let mut sent: VecDeque<(u32, Instant)> = VecDeque::new();
    while !over.load(Ordering::Acquire) {
        let timestamp = sequence as u32 * 480;
        speaker.send(&Send { sequence, timestamp, mid: Some("1"), ..Send::default() });
        sent.push_back((timestamp, Instant::now()));
        sequence += 1;
        let next = start + PACE * sequence as u32;
        while Instant::now() < next {
            listener.step();
            let now = Instant::now();
            while let Some(media) = listener.media.pop_front() {
                let of = |&(timestamp, _): &(u32, Instant)| timestamp == media.header.timestamp;
                let Some(place) = sent.iter().position(of) else { continue };
                let delay = now.duration_since(sent[place].1).as_nanos() as u64;
                let delays = if stormy.load(Ordering::Acquire) { &mut rough } else { &mut calm };
                delays.push(delay);
                sent.drain(..=place);
            }
            thread::sleep(Duration::from_micros(100));
        }
        speaker.step();
    }
    [calm, rough]
}

fn print(name: &str, mut delays: Vec<u64>) {
    delays.sort_unstable();
    let at = |part: f64| {
        let place = (delays.len().saturating_sub(1) as f64 * part) as usize;
        delays.get(place).copied().unwrap_or(0) as f64 / 1e6
    };
    println!("| {name} | {:.2} | {:.2} | {:.2} | {} |", at(0.5), at(0.99), at(1.0), delays.len());
}
