//! What a transcoded call costs: both directions of Opus and the phone's codec through the whole
//! machine, with jitter buffers and SRTP toward the relay. Virtual time, CPU time measured: calls per
//! core is how many could run in real time.
//!
//! `CALLS` (50) calls for `SECONDS` (20) of talk each.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "bridge/rig.rs"]
mod rig;

use std::time::Duration;

use offhook_bridge::PhoneCodec;
use offhook_types::Rng;
use rig::Rig;

fn main() {
    let (calls, seconds) = (number("CALLS", 50), number("SECONDS", 20));
    for codec in [PhoneCodec::Pcmu, PhoneCodec::G722, PhoneCodec::Opus] {
        let before = resident_kib();
        let mut rigs: Vec<Rig> = (0..calls).map(|_| Rig::new(codec, 0)).collect();
        let mut rng = Rng::from_seed(1);
        let speech = speech(codec.rate(), seconds);
        let frame = rigs[0].frame();
        // The same packets for every call, made before the clock starts.
        let turns: Vec<_> = speech
            .chunks_exact(frame)
            .map(|samples| (!rng.chance(1)).then(|| rigs[0].packets(samples)))
            .collect();
        let start = cpu();
        for packets in &turns {
            let [phone, voice] = match packets {
                Some([phone, voice]) => [Some(phone.as_slice()), Some(voice.as_slice())],
                None => [None, None],
            };
            for rig in &mut rigs {
                rig.listens = false;
                rig.turn(phone, voice);
            }
        }
        let spent = (cpu() - start) / (calls * turns.len()) as u32;
        let per_core = Duration::from_millis(20).as_nanos() / spent.as_nanos().max(1);
        let memory = resident_kib().saturating_sub(before) / calls;
        println!(
            "{codec:?}: {spent:?} per 20 ms of a call, {per_core} calls per core, {memory} KiB per call"
        );
    }
}

/// CPU time of this thread. The kernel brings it up to date once per tick, so short spans are rough.
fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split_whitespace().next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}

/// Something with pitch, syllables and pauses.
fn speech(rate: u32, seconds: usize) -> Vec<i16> {
    let mut rng = Rng::from_seed(2);
    let rate = rate as f32;
    (0..rate as usize * seconds)
        .map(|i| {
            let t = i as f32 / rate;
            let pitch = 120.0 + 30.0 * (t * 2.0).sin();
            let syllable = (t * 4.0 * core::f32::consts::TAU).sin().max(0.0);
            let harmonics = [(1.0, 1.0), (2.0, 0.8), (3.0, 0.5), (5.0, 0.3), (9.0, 0.2)];
            let voiced: f32 = harmonics
                .iter()
                .map(|(n, gain)| gain * (core::f32::consts::TAU * pitch * n * t).sin())
                .sum();
            let breath = rng.below(600) as f32 - 300.0;
            (voiced * syllable * 5000.0 + breath * syllable) as i16
        })
        .collect()
}

fn number(name: &str, otherwise: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}
