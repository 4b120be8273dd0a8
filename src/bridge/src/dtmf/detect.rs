//! Keys in the sound, found with Goertzel's filter at the eight frequencies. What tells a key from a
//! voice: just one frequency of each group, about as loud as each other, that hold almost all of the
//! energy, for longer than a syllable's steady part has such a shape.

use offhook_types::phone::Digit;

use super::{HIGH, KEYPAD, LOW};

#[derive(Debug)]
pub(crate) struct Detector {
    filters: [Goertzel; 8],
    block: usize,
    seen: usize,
    energy: f32,
    /// The key of the last blocks, and for how many.
    last: Option<(char, u8)>,
    /// The key that was reported and is still held, and blocks without it.
    held: Option<(char, u8)>,
}

#[derive(Debug, Clone, Copy)]
struct Goertzel {
    coefficient: f32,
    state: [f32; 2],
}

impl Detector {
    /// For 8 or 16 kHz.
    pub(crate) fn new(rate: u32) -> Self {
        let filter = |hertz: u16| {
            let turn = core::f32::consts::TAU * f32::from(hertz) / rate as f32;
            Goertzel { coefficient: 2.0 * turn.cos(), state: [0.0; 2] }
        };
        let [a, b, c, d] = LOW;
        let [e, f, g, h] = HIGH;
        Self {
            filters: [a, b, c, d, e, f, g, h].map(filter),
            block: rate as usize * BLOCK_8K / 8000,
            seen: 0,
            energy: 0.0,
            last: None,
            held: None,
        }
    }

    /// Listens to samples and calls `pressed` with each key, once it is certain.
    pub(crate) fn hear(&mut self, samples: &[i16], mut pressed: impl FnMut(Digit)) {
        for &sample in samples {
            let sample = f32::from(sample);
            self.energy += sample * sample;
            for filter in &mut self.filters {
                let [first, second] = filter.state;
                filter.state = [sample + filter.coefficient * first - second, first];
            }
            self.seen += 1;
            if self.seen == self.block {
                let key = self.decide();
                if let Some(digit) = self.follow(key) {
                    pressed(digit);
                }
            }
        }
    }

    /// The key of the block that is full, and a new block.
    fn decide(&mut self) -> Option<char> {
        let mut powers = [0.0f32; 8];
        for (power, filter) in powers.iter_mut().zip(&mut self.filters) {
            let [first, second] = filter.state;
            *power = first * first + second * second - filter.coefficient * first * second;
            filter.state = [0.0; 2];
        }
        let energy = core::mem::take(&mut self.energy);
        let block = core::mem::take(&mut self.seen) as f32;
        let (low, high) = powers.split_at(4);
        let (row, low_power) = clear_winner(low)?;
        let (column, high_power) = clear_winner(high)?;
        // The power of a sine of amplitude A is (A n / 2)^2, its energy A^2 n / 2.
        let share = (low_power + high_power) * 2.0 / (block * energy.max(1.0));
        let loud = energy / block > QUIETEST;
        let balanced = high_power < low_power * TWIST && low_power < high_power * REVERSE_TWIST;
        (loud && balanced && share > SHARE).then(|| KEYPAD[row][column])
    }

    fn follow(&mut self, key: Option<char>) -> Option<Digit> {
        self.last = match (key, self.last) {
            (Some(key), Some((last, blocks))) if key == last => {
                Some((key, blocks.saturating_add(1)))
            }
            (Some(key), _) => Some((key, 1)),
            (None, _) => None,
        };
        if let Some((held, gone)) = &mut self.held {
            *gone = if key == Some(*held) { 0 } else { *gone + 1 };
            if *gone >= RELEASED_BLOCKS {
                self.held = None;
            }
        }
        let (key, _) = self.last.filter(|&(_, blocks)| blocks >= CERTAIN_BLOCKS)?;
        if self.held.is_some_and(|(held, _)| held == key) {
            return None;
        }
        self.held = Some((key, 0));
        Digit::from_face(key)
    }
}

/// The strongest of four that is far above the others.
fn clear_winner(powers: &[f32]) -> Option<(usize, f32)> {
    let (best, &power) = powers.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1))?;
    let others = powers.iter().enumerate().filter(|&(nth, _)| nth != best);
    others.into_iter().all(|(_, &other)| other * APART < power).then_some((best, power))
}

/// 12.75 ms: two neighbouring frequencies are then just apart.
const BLOCK_8K: usize = 102;
/// Q.24: what is shorter than about 24 ms is no key, 40 ms always is one; three blocks fit into any
/// 51 ms and two into any 38 ms.
const CERTAIN_BLOCKS: u8 = 2;
const RELEASED_BLOCKS: u8 = 2;
/// A mean square of about -42 dB of full scale.
const QUIETEST: f32 = 240.0 * 240.0;
/// The other frequencies of a group are at least 6 dB below.
const APART: f32 = 4.0;
/// Of the energy of a block, this much is in the two frequencies.
const SHARE: f32 = 0.80;
/// The high frequency may be 4 dB louder, and the low one 8 dB, since lines weaken the high one.
const TWIST: f32 = 2.51;
const REVERSE_TWIST: f32 = 6.31;

#[cfg(test)]
mod tests {
    use super::*;

    struct Sound {
        rate: u32,
        samples: Vec<i16>,
    }

    impl Sound {
        fn new(rate: u32) -> Self {
            Self { rate, samples: vec![0; 37] }
        }

        fn tones(mut self, pair: [(f32, f32); 2], millis: u32) -> Self {
            let count = self.rate * millis / 1000;
            self.samples.extend((0..count).map(|i| {
                let wave = |(hertz, amplitude): (f32, f32)| {
                    let turn = core::f32::consts::TAU * hertz / self.rate as f32;
                    amplitude * (turn * i as f32).sin()
                };
                (wave(pair[0]) + wave(pair[1])) as i16
            }));
            self
        }

        fn silence(self, millis: u32) -> Self {
            self.tones([(0.0, 0.0); 2], millis)
        }

        fn keys(&self) -> String {
            let mut keys = String::new();
            let mut detector = Detector::new(self.rate);
            // Pulls are of any length.
            for part in self.samples.chunks(161) {
                detector.hear(part, |digit| keys.push(digit.face()));
            }
            keys
        }
    }

    #[test]
    fn every_key_is_heard_once_per_press() {
        for rate in [8000, 16_000] {
            let mut sound = Sound::new(rate);
            for face in "0123456789*#ABCD0".chars() {
                let (low, high) = super::super::frequencies(face).unwrap();
                let pair = [(f32::from(low), 4000.0), (f32::from(high), 4000.0)];
                sound = sound.tones(pair, 60).silence(60);
            }
            assert_eq!(sound.keys(), "0123456789*#ABCD0", "at {rate}");
        }
    }

    #[test]
    fn what_is_too_short_or_lopsided_or_not_alone_is_no_key() {
        let pair = |low, high| [(770.0, low), (1336.0, high)];
        let sound = || Sound::new(8000);
        assert_eq!(sound().tones(pair(4000.0, 4000.0), 500).keys(), "5", "held");
        assert_eq!(sound().tones(pair(4000.0, 4000.0), 20).silence(50).keys(), "", "short");
        assert_eq!(sound().tones(pair(4000.0, 2000.0), 60).keys(), "5", "the line's twist");
        assert_eq!(sound().tones(pair(1000.0, 4000.0), 60).keys(), "", "reverse twist");
        assert_eq!(sound().tones(pair(100.0, 100.0), 60).keys(), "", "quiet");
        assert_eq!(sound().tones([(770.0, 4000.0), (1100.0, 4000.0)], 60).keys(), "", "one wrong");
        let mut rung = sound().tones(pair(4000.0, 4000.0), 100);
        for (nth, sample) in rung.samples.iter_mut().enumerate() {
            *sample += (4000.0 * (nth as f32 * 0.35).sin()) as i16;
        }
        assert_eq!(rung.keys(), "", "a third tone");
    }
}
