//! Mixing: the sum of those who talk, limited softly so that two loud voices do not crackle.

/// Adds up streams of one frame.
#[derive(Debug, Default)]
pub(super) struct Mixer {
    sum: Vec<i32>,
    added: usize,
    /// The gain of the frame before in 1/65536, so that it glides.
    gain: Gain,
}

#[derive(Debug)]
struct Gain(i32);

impl Default for Gain {
    fn default() -> Self {
        Self(UNITY)
    }
}

impl Mixer {
    /// Starts a frame.
    pub(super) fn begin(&mut self, samples: usize) {
        self.sum.clear();
        self.sum.resize(samples, 0);
        self.added = 0;
    }

    /// Adds one stream.
    pub(super) fn add(&mut self, samples: &[i16]) {
        self.added += 1;
        for (sum, &sample) in self.sum.iter_mut().zip(samples) {
            *sum += i32::from(sample);
        }
    }

    /// Writes the mix. One voice alone passes untouched.
    pub(super) fn finish(&mut self, out: &mut [i16]) {
        let peak = self.sum.iter().map(|sum| sum.abs()).max().unwrap_or(0);
        let wanted = if peak > CEILING {
            (i64::from(CEILING) << 16) / i64::from(peak)
        } else {
            UNITY.into()
        };
        let wanted = wanted as i32;
        let Gain(before) = self.gain;
        // Down within a part of a frame, up again over many.
        let after = if wanted < before { wanted } else { (before + RELEASE).min(wanted) };
        self.gain = Gain(after);
        if before == UNITY && after == UNITY {
            out.iter_mut().zip(&self.sum).for_each(|(out, &sum)| *out = clip(sum));
            return;
        }
        let attack = (self.sum.len() / 8).max(1) as i32;
        for (nth, (out, &sum)) in out.iter_mut().zip(&self.sum).enumerate() {
            let nth = (nth as i32).min(attack);
            let gain =
                before + ((i64::from(after - before) * i64::from(nth)) / i64::from(attack)) as i32;
            *out = clip(((i64::from(sum) * i64::from(gain)) >> 16) as i32);
        }
    }
}

fn clip(sum: i32) -> i16 {
    sum.clamp(i16::MIN.into(), i16::MAX.into()) as i16
}

const UNITY: i32 = 1 << 16;
const CEILING: i32 = 32_768;
/// From half to full gain in half a second of 20 ms frames.
const RELEASE: i32 = UNITY / 50;

#[cfg(test)]
mod tests {
    use super::*;

    fn mix(mixer: &mut Mixer, streams: &[&[i16]]) -> Vec<i16> {
        let mut out = vec![0; streams[0].len()];
        mixer.begin(out.len());
        streams.iter().for_each(|stream| mixer.add(stream));
        mixer.finish(&mut out);
        out
    }

    #[test]
    fn quiet_voices_add_up_and_loud_ones_stay_within() {
        let mut mixer = Mixer::default();
        assert_eq!(mix(&mut mixer, &[&[100; 160], &[-30; 160]]), [70; 160]);
        assert_eq!(mix(&mut mixer, &[&[i16::MIN; 160]]), [i16::MIN; 160]);
        let mut mixer = Mixer::default();
        let loud = mix(&mut mixer, &[&[30_000; 160], &[20_000; 160]]);
        assert!(loud[20..].iter().all(|&s| (32_700..=32_767).contains(&s)));
        // The shape is kept once the gain is down, unlike clipping.
        let wave: Vec<i16> = (0..160).map(|i| if i % 2 == 0 { 30_000 } else { 15_000 }).collect();
        let mixed = mix(&mut mixer, &[&wave, &wave]);
        assert!((i32::from(mixed[150]) - 2 * i32::from(mixed[151])).abs() < 8);
    }

    #[test]
    fn the_gain_comes_back() {
        let mut mixer = Mixer::default();
        mix(&mut mixer, &[&[30_000; 160], &[30_000; 160]]);
        for _ in 0..30 {
            mix(&mut mixer, &[&[1000; 160]]);
        }
        assert_eq!(mix(&mut mixer, &[&[1000; 160]]), [1000; 160]);
    }
}
