//! Comfort noise (RFC 3389) both ways, and how loud sound is.

use offhook_types::Rng;

/// Makes noise as a description says: white noise of a level through an all-pole lattice.
#[derive(Debug)]
pub(super) struct Noise {
    rng: Rng,
    /// Amplitude of the white noise, so that the output has the level.
    amplitude: f32,
    reflections: [f32; ORDER],
    state: [f32; ORDER],
}

impl Noise {
    /// Silence until described.
    pub(super) fn new(rng: Rng) -> Self {
        Self { rng, amplitude: 0.0, reflections: [0.0; ORDER], state: [0.0; ORDER] }
    }

    /// Reads a payload: the level below overload in decibels, then reflection coefficients
    /// (RFC 3389 §3). More of them than make a difference are left out.
    pub(super) fn describe(&mut self, payload: &[u8]) {
        let Some((&level, spectrum)) = payload.split_first() else { return };
        self.reflections = [0.0; ORDER];
        let mut gain = 1.0f32;
        for (reflection, &index) in self.reflections.iter_mut().zip(spectrum) {
            *reflection = (258.0 * (f32::from(index) - 127.0) / 32_768.0).clamp(-0.98, 0.98);
            gain *= 1.0 - *reflection * *reflection;
        }
        self.set_level(level & 0x7f, gain.sqrt());
    }

    /// White noise of a level in decibels below overload.
    pub(super) fn be_white(&mut self, level: u8) {
        self.reflections = [0.0; ORDER];
        self.set_level(level, 1.0);
    }

    fn set_level(&mut self, level: u8, gain: f32) {
        let effective = 32_767.0 * 10f32.powf(-f32::from(level) / 20.0);
        // Even noise between -a and a has an effective value of a / sqrt(3).
        self.amplitude = effective * 3f32.sqrt() * gain;
    }

    /// Appends noise.
    pub(super) fn fill(&mut self, samples: usize, out: &mut Vec<i16>) {
        if self.amplitude < 1.0 {
            out.resize(out.len() + samples, 0);
            return;
        }
        for _ in 0..samples {
            let even = (self.rng.next_u32() >> 8) as f32 / 8_388_608.0 - 1.0;
            let mut forward = even * self.amplitude;
            for stage in (0..ORDER).rev() {
                forward -= self.reflections[stage] * self.state[stage];
                if stage + 1 < ORDER {
                    self.state[stage + 1] = self.state[stage] + self.reflections[stage] * forward;
                }
            }
            self.state[0] = forward;
            out.push(forward.clamp(-32_767.0, 32_767.0) as i16);
        }
    }
}

/// How loud samples are in decibels below overload, 0 to 127 (RFC 6464 §3, RFC 3389 §3.1): the
/// loudest square wave is 0.
pub(super) fn level(samples: &[i16]) -> u8 {
    let energy: u64 = samples.iter().map(|&s| u64::from(s.unsigned_abs()).pow(2)).sum();
    let Some(mean) = energy.checked_div(samples.len() as u64).filter(|&mean| mean > 0) else {
        return SILENCE;
    };
    let below = 10.0 * (32_767.0f32 * 32_767.0 / mean as f32).log10();
    (below.clamp(0.0, 127.0) + 0.5) as u8
}

/// The level of digital silence.
pub(super) const SILENCE: u8 = 127;
/// Reflection coefficients that are used.
const ORDER: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_in_decibels_below_overload() {
        for (sample, expected) in [(32_767, 0), (3277, 20), (328, 40), (33, 60), (1, 90), (0, 127)]
        {
            assert_eq!(level(&[sample, -sample]), expected, "{sample}");
        }
        assert_eq!(level(&[]), SILENCE);
        assert_eq!(level(&[i16::MIN; 4]), 0);
    }

    #[test]
    fn noise_is_as_loud_as_described_whatever_its_colour() {
        for (payload, expected) in
            [(&[50][..], 50), (&[60, 127, 127], 60), (&[45, 200, 90, 140], 45), (&[127], 90)]
        {
            let mut noise = Noise::new(Rng::from_seed(1));
            noise.describe(payload);
            let mut out = Vec::new();
            noise.fill(16_000, &mut out);
            let made = i32::from(level(&out));
            assert!(made >= 90 || (made - expected).abs() <= 2, "{payload:?}: {made}");
        }
    }

    #[test]
    fn a_hostile_spectrum_stays_bounded() {
        let mut noise = Noise::new(Rng::from_seed(1));
        let mut payload = vec![0; 40];
        payload.iter_mut().enumerate().for_each(|(i, b)| *b = if i % 2 == 0 { 0 } else { 255 });
        noise.describe(&payload);
        let mut out = Vec::new();
        noise.fill(8000, &mut out);
        assert_eq!(out.len(), 8000);
        noise.describe(&[]);
    }
}
