//! How many instructions the hot paths take, counted by callgrind, beside the numbers that were committed: a rise of
//! more than 5 % fails. Unlike time, instructions do not depend on who else uses the machine.
//!
//! The program runs itself under valgrind, each path once with some repetitions and once with twice as many; the
//! difference leaves out the start. `BLESS=1` writes the numbers down instead of comparing them. They hold for one
//! compiler and one kind of machine, which stand in their first line; on another one they are only shown.
#![allow(unsafe_code, clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "../../../loadtest/src/floor.rs"]
#[allow(dead_code)]
mod floor;
#[path = "relay/stepped.rs"]
#[allow(dead_code)]
mod stepped;

use std::process::{Command, ExitCode};

use floor::{BURST, HEADER, PACKET, Stage, TAG};
use offhook_rtc::srtp::{MasterKey, Payload, Protect, Signer};
use offhook_types::media::SrtpProfile;
use offhook_wire::demux::Kind;
use offhook_wire::rtp;
use stepped::Stepped;

/// What is counted, and how many repetitions are enough for a steady number.
const PATHS: [(&str, usize); 5] = [
    ("forward", 20 * 50 * BURST),
    ("protect-gcm", 2000),
    ("protect-cm", 500),
    ("protect-cm-together", 800),
    ("demux", 20_000),
];
/// A rise by this part fails.
const TOLERATED: f64 = 0.05;
const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions.tsv");

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, work, path, count] = arguments.as_slice()
        && work == "work"
    {
        run(path, count.parse().unwrap());
        return ExitCode::SUCCESS;
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        eprintln!("valgrind is not installed: `make setup` does it");
        return ExitCode::FAILURE;
    }
    let counts = PATHS.map(|(path, times)| (path, count(path, times)));
    if std::env::var_os("BLESS").is_some() {
        let lines: String = counts.map(|(path, count)| format!("{path}\t{count:.0}\n")).concat();
        std::fs::write(BASELINE, format!("{}\n{lines}", machine())).unwrap();
    }
    compare(&counts)
}

/// Hold the counts against those written down.
fn compare(counts: &[(&str, f64)]) -> ExitCode {
    let baseline = std::fs::read_to_string(BASELINE).unwrap_or_default();
    let mut lines = baseline.lines();
    let comparable = lines.next() == Some(machine().as_str());
    if !comparable {
        println!("counted elsewhere, so nothing is compared: {}", machine());
    }
    let known: Vec<(&str, f64)> = lines
        .filter_map(|line| line.split_once('\t'))
        .filter_map(|(path, count)| Some((path, count.parse().ok()?)))
        .collect();
    let mut risen = false;
    for (path, count) in counts {
        let before = known.iter().find(|(known, _)| known == path).map(|(_, count)| *count);
        let change = before.map_or(0.0, |before| count / before - 1.0);
        println!("{path}: {count:.0} instructions ({:+.1} %)", change * 100.0);
        risen |= comparable && change > TOLERATED;
    }
    if risen {
        eprintln!("more instructions than {BASELINE} says; BLESS=1 accepts them");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// What the counts depend on.
fn machine() -> String {
    let version = Command::new("rustc").arg("--version").output();
    let version = String::from_utf8(version.unwrap().stdout).unwrap();
    let wide = if wide() { "avx2" } else { "no avx2" };
    format!("# {}, {} {wide}", version.trim(), std::env::consts::ARCH)
}

#[cfg(target_arch = "x86_64")]
fn wide() -> bool {
    std::is_x86_feature_detected!("avx2")
}

#[cfg(not(target_arch = "x86_64"))]
fn wide() -> bool {
    false
}

/// Instructions of one repetition.
fn count(path: &str, times: usize) -> f64 {
    let [once, twice] = [times, 2 * times].map(|times| collected(path, times));
    (twice - once) as f64 / times as f64
}

/// Instructions of a whole run, from the last line that callgrind prints.
fn collected(path: &str, times: usize) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe().unwrap())
        .args(["work", path, &times.to_string()])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let line = said.lines().find_map(|line| line.split_once("Collected :"));
    line.unwrap_or_else(|| panic!("{said}")).1.trim().parse().unwrap()
}

fn run(path: &str, times: usize) {
    match path {
        "forward" => forward(times),
        "protect-gcm" => protect(SrtpProfile::AeadAes128Gcm, times),
        "protect-cm" => protect(SrtpProfile::Aes128CmSha1_80, times),
        "protect-cm-together" => together(times),
        "demux" => demux(times),
        other => panic!("no such path: {other}"),
    }
}

/// Frames of one publisher to 50 receivers, from the socket to the socket, one frame's time apart.
fn forward(packets: usize) {
    let mut stage = Stage::loopback();
    let mut worker = Stepped::new(&mut stage, (1, 50), SrtpProfile::AeadAes128Gcm);
    worker.frames(packets / (50 * BURST));
}

const PLAIN: usize = PACKET - HEADER - TAG;

fn context(profile: SrtpProfile) -> Protect {
    let salt: &[u8] = if profile == SrtpProfile::AeadAes128Gcm { &[7; 12] } else { &[7; 14] };
    Protect::new(profile, &MasterKey::new(profile, &[1; 16], salt).unwrap()).unwrap()
}

fn protect(profile: SrtpProfile, times: usize) {
    let (mut protect, payload, mut out) = (context(profile), [3; PLAIN], [0; PACKET]);
    for sequence in 0..times as u64 {
        out[..2].copy_from_slice(&[0x80, 96]);
        protect.protect_rtp(sequence, HEADER, &payload, &mut out).unwrap();
    }
}

fn together(times: usize) {
    let mut protect = context(SrtpProfile::Aes128CmSha1_80);
    let (payload, mut out, mut signer) = ([3; PLAIN], vec![0; 16 * PACKET], Signer::default());
    for sequence in 0..times {
        let start = sequence % 16 * PACKET;
        let place = &mut out[start..];
        place[..2].copy_from_slice(&[0x80, 96]);
        let payload = Payload::Apart(&payload);
        let done = protect.protect_rtp_unsigned(sequence as u64, HEADER, payload, place);
        if signer.add(start, done.unwrap().unsigned.unwrap()) {
            signer.sign(&mut out);
        }
    }
}

/// What kind a datagram is, its header, and one extension of it.
fn demux(times: usize) {
    let mut packet = vec![0; PACKET];
    packet[..4].copy_from_slice(&[0x90, 96, 0, 1]);
    packet[12..HEADER].copy_from_slice(&[0xbe, 0xde, 0, 1, 0x40, b'1', 0, 0]);
    let mut found = 0;
    for _ in 0..times {
        let packet = std::hint::black_box(packet.as_slice());
        let rtp = Kind::of(packet) == Some(Kind::Rtp);
        let parsed = rtp.then(|| rtp::Packet::parse(packet).unwrap());
        found += usize::from(parsed.is_some_and(|packet| packet.extension(4).is_some()));
    }
    assert_eq!(found, times);
}
