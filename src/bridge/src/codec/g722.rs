//! ITU-T G.722 in its 64 kbit/s mode: the band from 0 to 4 kHz in six bits per sample pair and the one
//! from 4 to 8 kHz in two, both by adaptive differential coding. Block names are the
//! recommendation's.

/// Samples to codes.
#[derive(Debug, Clone)]
pub(crate) struct Compressor {
    split: Filter,
    bands: Bands,
}

/// Codes to samples.
#[derive(Debug, Clone)]
pub(crate) struct Expander {
    join: Filter,
    bands: Bands,
    /// Splits what was played instead of lost packets, see [`Expander::follow`].
    split: Filter,
}

impl Compressor {
    pub(crate) fn new() -> Self {
        Self { split: Filter::default(), bands: Bands::new() }
    }

    /// One code for each two samples; a last odd one is left out.
    pub(crate) fn encode(&mut self, samples: &[i16], out: &mut [u8]) -> Option<usize> {
        let len = samples.len() / 2;
        let out = out.get_mut(..len)?;
        for (code, pair) in out.iter_mut().zip(samples.chunks_exact(2)) {
            let (low, high) = self.split.split(pair[0], pair[1]);
            *code = self.bands.encode(low, high);
        }
        Some(len)
    }
}

impl Expander {
    pub(crate) fn new() -> Self {
        Self { join: Filter::default(), bands: Bands::new(), split: Filter::default() }
    }

    pub(crate) fn decode(&mut self, codes: &[u8], out: &mut Vec<i16>) {
        out.reserve(2 * codes.len());
        for &code in codes {
            let (low, high) = self.bands.decode(code);
            out.extend(self.join.join(low, high));
        }
    }

    /// Runs the predictors over what was played for a lost packet, as if it had been received. The
    /// sender's predictors went through something similar, so that the next packet is not decoded
    /// with a step size from before the gap.
    pub(crate) fn follow(&mut self, samples: &[i16]) {
        for pair in samples.chunks_exact(2) {
            let (low, high) = self.split.split(pair[0], pair[1]);
            self.bands.encode(low, high);
            self.join.join(low, high);
        }
    }
}

/// The quadrature mirror filter: 24 taps over the last 24 samples, or sums and differences.
#[derive(Debug, Clone, Default)]
struct Filter {
    taps: [i32; 24],
}

impl Filter {
    fn push(&mut self, first: i32, second: i32) {
        self.taps.copy_within(2.., 0);
        self.taps[22] = first;
        self.taps[23] = second;
    }

    /// The two phases of the filter.
    fn phases(&self) -> (i32, i32) {
        let (mut a, mut b) = (0, 0);
        for (pair, i) in self.taps.chunks_exact(2).zip(0..) {
            a += pair[0] * QMF[i];
            b += pair[1] * QMF[11 - i];
        }
        (a, b)
    }

    /// Two samples to the lower and the higher band.
    fn split(&mut self, first: i16, second: i16) -> (i32, i32) {
        self.push(first.into(), second.into());
        let (odd, even) = self.phases();
        ((even + odd) >> 14, (even - odd) >> 14)
    }

    /// And back.
    fn join(&mut self, low: i32, high: i32) -> [i16; 2] {
        self.push(low + high, low - high);
        let (odd, even) = self.phases();
        [saturate(even >> 11) as i16, saturate(odd >> 11) as i16]
    }
}

/// Both bands' predictors.
#[derive(Debug, Clone)]
struct Bands {
    low: Band,
    high: Band,
}

impl Bands {
    fn new() -> Self {
        Self {
            low: Band { step: 32, ..Band::default() },
            high: Band { step: 8, ..Band::default() },
        }
    }

    fn encode(&mut self, low: i32, high: i32) -> u8 {
        // QUANTL: which of 30 intervals of the step the difference falls into.
        let difference = saturate(low - self.low.estimate);
        let magnitude = if difference < 0 { !difference } else { difference };
        let step = self.low.step;
        // The levels ascend: as many as the magnitude reaches.
        let interval = 1 + LEVELS.partition_point(|&level| magnitude >= (level * step) >> 12);
        let code_low = if difference < 0 { low_negative(interval) } else { low_positive(interval) };
        // QUANTH.
        let difference = saturate(high - self.high.estimate);
        let magnitude = if difference < 0 { !difference } else { difference };
        let outer = magnitude >= (564 * self.high.step) >> 12;
        let code_high = match (difference < 0, outer) {
            (true, false) => 1,
            (true, true) => 0,
            (false, false) => 3,
            (false, true) => 2,
        };
        self.adapt(code_low, code_high);
        code_high << 6 | code_low
    }

    fn decode(&mut self, code: u8) -> (i32, i32) {
        let (code_low, code_high) = (code & 0x3f, code >> 6);
        let fine = (self.low.step * INVERSE_6[usize::from(code_low)]) >> 15;
        let low = (self.low.estimate + fine).clamp(-16_384, 16_383);
        let coarse = (self.high.step * INVERSE_2[usize::from(code_high)]) >> 15;
        let high = (self.high.estimate + coarse).clamp(-16_384, 16_383);
        self.adapt(code_low, code_high);
        (low, high)
    }

    /// What encoder and decoder do alike: both know only the codes. The lower band adapts on four
    /// of its six bits (INVQAL), so that the other two may be stolen for data.
    fn adapt(&mut self, code_low: u8, code_high: u8) {
        let coarse = usize::from(code_low >> 2);
        let difference = (self.low.step * INVERSE_4[coarse]) >> 15;
        self.low.scale(LOG_LOW[coarse], 18_432, 8);
        self.low.predict(difference);
        let code = usize::from(code_high);
        let difference = (self.high.step * INVERSE_2[code]) >> 15;
        self.high.scale(LOG_HIGH[code], 22_528, 10);
        self.high.predict(difference);
    }
}

/// One band: its step and its predictor with two poles and six zeros.
#[derive(Debug, Clone, Default)]
struct Band {
    /// The estimate of the next sample, and its part from the zeros.
    estimate: i32,
    from_zeros: i32,
    /// The step in the logarithmic domain, and itself.
    log_step: i32,
    step: i32,
    /// Poles: coefficients and the last two reconstructed samples.
    poles: [i32; 2],
    reconstructed: [i32; 2],
    /// Signs of the last two partial reconstructions, true below zero.
    partial: [bool; 2],
    /// Zeros: coefficients and the last six differences.
    zeros: [i32; 6],
    differences: [i32; 6],
}

impl Band {
    /// LOGSCL or LOGSCH, then SCALEL or SCALEH.
    fn scale(&mut self, weight: i32, limit: i32, shift: i32) {
        self.log_step = (((self.log_step * 127) >> 7) + weight).clamp(0, limit);
        let mantissa = EXPONENTIAL[((self.log_step >> 6) & 31) as usize];
        let shift = shift - (self.log_step >> 11);
        let step = if shift < 0 { mantissa << -shift } else { mantissa >> shift };
        self.step = step << 2;
    }

    fn predict(&mut self, difference: i32) {
        // RECONS and PARREC.
        let reconstructed = saturate(self.estimate + difference);
        let partial = saturate(self.from_zeros + difference) < 0;
        // UPPOL2.
        let [pole_1, pole_2] = self.poles;
        let [same_1, same_2] = self.partial.map(|before| before == partial);
        let lean = saturate(pole_1 << 2);
        let lean = if same_1 { -lean } else { lean }.min(32_767);
        let pull = if same_2 { 128 } else { -128 };
        let next_2 = (pull + (lean >> 7) + ((pole_2 * 32_512) >> 15)).clamp(-12_288, 12_288);
        // UPPOL1.
        let pull = if same_1 { 192 } else { -192 };
        let limit = saturate(15_360 - next_2);
        let next_1 = saturate(pull + ((pole_1 * 32_640) >> 15)).clamp(-limit, limit);
        // UPZERO.
        let pull = if difference == 0 { 0 } else { 128 };
        for (zero, before) in self.zeros.iter_mut().zip(self.differences) {
            let same = (before < 0) == (difference < 0);
            *zero = saturate(if same { pull } else { -pull } + ((*zero * 32_640) >> 15));
        }
        // DELAYA.
        self.differences.copy_within(..5, 1);
        self.differences[0] = difference;
        self.reconstructed = [reconstructed, self.reconstructed[0]];
        self.partial = [partial, self.partial[0]];
        self.poles = [next_1, next_2];
        // FILTEP and FILTEZ.
        let weigh = |weight: i32, value: i32| (weight * saturate(2 * value)) >> 15;
        let pairs = self.poles.iter().zip(self.reconstructed);
        let from_poles = saturate(pairs.map(|(&pole, value)| weigh(pole, value)).sum());
        let pairs = self.zeros.iter().zip(self.differences);
        self.from_zeros = saturate(pairs.map(|(&zero, value)| weigh(zero, value)).sum());
        self.estimate = saturate(from_poles + self.from_zeros);
    }
}

fn saturate(value: i32) -> i32 {
    value.clamp(-32_768, 32_767)
}

/// Codes of the intervals below zero: 63 and 62 for the innermost, then from 31 down to 4.
fn low_negative(interval: usize) -> u8 {
    match interval as u8 {
        inner @ ..=2 => 64 - inner,
        outer => 34 - outer,
    }
}

/// Codes of the intervals above zero, from 61 down to 32.
fn low_positive(interval: usize) -> u8 {
    62 - interval as u8
}

const QMF: [i32; 12] = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11];

/// Decision levels of the lower band (table Q6); the innermost is zero.
const LEVELS: [i32; 29] = [
    35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023,
    1121, 1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919,
];

/// Weights of the lower band's logarithmic step by its four bits (WL of RL42).
const LOG_LOW: [i32; 16] =
    [-60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60];
/// And of the higher band's by its two (WH of RH2).
const LOG_HIGH: [i32; 4] = [798, -214, 798, -214];

/// Powers of two between 1 and 2 (ILB).
const EXPONENTIAL: [i32; 32] = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834,
    2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];

/// Inverse quantizers (QM2, QM4, QM6).
const INVERSE_2: [i32; 4] = [-7408, -1616, 7408, 1616];
const INVERSE_4: [i32; 16] = [
    0, -20_456, -12_896, -8968, -6288, -4240, -2584, -1200, 20_456, 12_896, 8968, 6288, 4240, 2584,
    1200, 0,
];
const INVERSE_6: [i32; 64] = [
    -136, -136, -136, -136, -24_808, -21_904, -19_008, -16_704, -14_984, -13_512, -12_280, -11_192,
    -10_232, -9360, -8576, -7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168,
    -2776, -2400, -2032, -1688, -1360, -1040, -728, 24_808, 21_904, 19_008, 16_704, 14_984, 13_512,
    12_280, 11_192, 10_232, 9360, 8576, 7856, 7192, 6576, 6000, 5456, 4944, 4464, 4008, 3576, 3168,
    2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hertz: f64, samples: usize) -> Vec<i16> {
        let turn = core::f64::consts::TAU * hertz / 16_000.0;
        (0..samples).map(|i| (8000.0 * (turn * i as f64).sin()) as i16).collect()
    }

    /// Signal to noise in decibels after the filters' delay of 22 samples, the start left out.
    fn quality(before: &[i16], after: &[i16]) -> f64 {
        let pairs = || before.iter().zip(&after[22..]).skip(800);
        let signal: f64 = pairs().map(|(&a, _)| f64::from(a).powi(2)).sum();
        let noise: f64 = pairs().map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum();
        10.0 * (signal / noise).log10()
    }

    #[test]
    fn tones_survive_by_their_band() {
        for (hertz, least) in [(300.0, 35.0), (1000.0, 35.0), (3000.0, 30.0), (6000.0, 12.0)] {
            let before = tone(hertz, 8000);
            let mut codes = vec![0; 4000];
            assert_eq!(Compressor::new().encode(&before, &mut codes), Some(4000));
            let mut after = Vec::new();
            Expander::new().decode(&codes, &mut after);
            let quality = quality(&before, &after);
            assert!(quality > least, "{hertz} Hz: {quality:.1} dB");
        }
    }

    /// The first codes of a 3 kHz tone as the SpanDSP-derived `G722` package of PyPI makes them.
    #[test]
    fn codes_are_those_of_another_implementation() {
        let mut codes = [0; 24];
        Compressor::new().encode(&tone(3000.0, 48), &mut codes).unwrap();
        let expected = [
            183, 12, 32, 134, 38, 157, 32, 132, 46, 161, 9, 45, 189, 17, 170, 148, 63, 175, 81, 49,
            189, 20, 108, 149,
        ];
        assert_eq!(codes, expected);
    }

    #[test]
    fn any_codes_decode_and_a_short_buffer_is_refused() {
        let mut expander = Expander::new();
        let mut out = Vec::new();
        for seed in 0..64u32 {
            let codes: Vec<u8> = (0..160u32).map(|i| ((i * seed * 7919) >> 3) as u8).collect();
            expander.decode(&codes, &mut out);
            expander.follow(&out[out.len() - 320..]);
        }
        assert_eq!(out.len(), 64 * 320);
        assert_eq!(Compressor::new().encode(&[0; 320], &mut [0; 100]), None);
    }
}
