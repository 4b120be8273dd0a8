use core::f32::consts::TAU;

use offhook_types::{PayloadType, Rng, Ssrc};
use proptest::prelude::*;

use super::*;
use crate::codec::g711;
use crate::words::PhoneCodec;

/// A sender of a tone in µ-law, a network and a player, in turns of 20 ms.
struct Call {
    playout: Playout,
    counters: Counters<Count>,
    heard: Vec<i16>,
    /// Packets under way: arrival in milliseconds, number.
    network: Vec<(u64, u16)>,
}

impl Call {
    fn new() -> Self {
        let clock = Clock { rate: 8000, timestamps: 8000 };
        let decoder = Decoder::new(PhoneCodec::Pcmu).unwrap();
        Self {
            playout: Playout::new(clock, decoder, Rng::from_seed(1)),
            counters: Counters::default(),
            heard: Vec::new(),
            network: Vec::new(),
        }
    }

    /// Runs `packets` packets of 20 ms; `delay` says how many milliseconds each takes, `None` loses
    /// it. `skew` is how fast the sender's clock is, in millionths.
    fn run(&mut self, packets: u16, skew: i64, delay: impl Fn(u16) -> Option<u64>) {
        for number in 0..packets {
            let leaves = (i64::from(number) * 20 * (1_000_000 - skew) / 1_000_000) as u64;
            self.network.extend(delay(number).map(|delay| (1000 + leaves + delay, number)));
        }
        self.network.sort_unstable();
        let mut next = 0;
        for now in (1000..1000 + u64::from(packets) * 20).step_by(20) {
            while let Some(&(at, number)) = self.network.get(next).filter(|(at, _)| *at <= now) {
                next += 1;
                let payload: Vec<u8> =
                    (0..160).map(|i| g711::to_ulaw(tone(usize::from(number) * 160 + i))).collect();
                let header = Header {
                    marker: number == 0,
                    payload_type: PayloadType(0),
                    sequence: number,
                    timestamp: u32::from(number) * 160,
                    ssrc: Ssrc(1),
                };
                let packet = (header, Kind::Sound, payload.as_slice());
                self.playout.put(Time::from_millis(at), packet, &mut self.counters);
            }
            let mut frame = [0; 160];
            let place = self.playout.place();
            self.playout.pull(Time::from_millis(now), &mut frame);
            assert!(self.playout.place() >= place, "time went back");
            self.heard.extend(frame);
        }
    }

    /// The share of 5 ms pieces whose loudness is that of the tone, in percent, from the first one
    /// on.
    fn sound(&self) -> usize {
        let begin = self.heard.iter().position(|&s| s.abs() > 1000).unwrap_or(0);
        let pieces: Vec<_> = self.heard[begin..].chunks_exact(40).collect();
        let loud = pieces.iter().filter(|piece| (10..14).contains(&noise_level(piece)));
        loud.count() * 100 / pieces.len().max(1)
    }

    fn concealed_ms(&self) -> u64 {
        self.playout.millis().concealed
    }
}

fn noise_level(samples: &[i16]) -> u8 {
    crate::noise::level(samples)
}

/// 200 Hz, one period in 5 ms.
fn tone(at: usize) -> i16 {
    (12_000.0 * (TAU * 200.0 * at as f32 / 8000.0).sin()) as i16
}

#[test]
fn a_steady_stream_is_played_as_it_was() {
    let mut call = Call::new();
    call.run(500, 0, |_| Some(30));
    assert_eq!((call.sound(), call.concealed_ms()), (100, 0));
    let begin = call.heard.iter().position(|&s| s != 0).unwrap();
    assert!(begin < 8 * 100, "a delay of {} samples", begin);
}

#[test]
fn jitter_costs_delay_and_not_sound() {
    let mut call = Call::new();
    call.run(1000, 0, |n| Some(30 + u64::from(n * 7 % 5) * 10));
    assert!(call.sound() >= 98, "{} %", call.sound());
    assert!(call.concealed_ms() < 200, "{} ms", call.concealed_ms());
}

#[test]
fn losses_are_concealed() {
    let mut call = Call::new();
    call.run(1000, 0, |n| (n % 20 != 7).then_some(30));
    assert_eq!(call.concealed_ms(), 50 * 20);
    assert!(call.sound() >= 95, "{} %", call.sound());
}

#[test]
fn a_stop_of_the_network_is_caught_up_with() {
    let mut call = Call::new();
    // At four seconds everything waits for 200 ms and comes at once.
    call.run(600, 0, |n| {
        Some(if (200..210).contains(&n) { 30 + (210 - u64::from(n)) * 20 } else { 30 })
    });
    let behind = call.playout.jitter.due(Time::from_millis(13_000)) - call.playout.place();
    assert!(behind < 8 * 60, "still {behind} samples behind");
    assert!(call.sound() >= 97, "{} %", call.sound());
}

#[test]
fn clocks_that_drift_are_followed() {
    for skew in [-300, 300] {
        let mut call = Call::new();
        call.run(9000, skew, |_| Some(30));
        assert!(call.sound() >= 99, "{skew}: {} %", call.sound());
        assert!(call.concealed_ms() <= 60, "{skew}: {} ms", call.concealed_ms());
        // Three minutes drift by 54 ms.
        let tally = call.playout.millis();
        let stretched = if skew > 0 { tally.shortened } else { tally.lengthened };
        assert!((25..=90).contains(&stretched), "{skew}: {tally:?}");
    }
}

#[test]
fn an_ended_stream_fades_into_silence_and_can_begin_again() {
    let mut call = Call::new();
    call.run(800, 0, |n| (!(100..700).contains(&n)).then_some(30));
    assert!(call.heard[8 * 2400..8 * 13_900].iter().all(|&s| s == 0));
    assert!(noise_level(&call.heard[8 * 14_200..8 * 15_900]) < 14);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever the network does: no panic, time goes forward (checked at each pull), and what is
    /// played is never far behind what came.
    #[test]
    fn delay_is_bounded(delays in proptest::collection::vec(
        proptest::option::weighted(0.9, 0u64..600), 100..300), skew in -2000i64..2000)
    {
        let mut call = Call::new();
        call.run(delays.len() as u16, skew, |n| delays[usize::from(n)]);
        let now = Time::from_millis(1000 + delays.len() as u64 * 20);
        let behind = call.playout.jitter.due(now) - call.playout.place();
        prop_assert!(behind <= 8 * (JUMP_MS + 40), "{behind} samples behind");
    }
}
