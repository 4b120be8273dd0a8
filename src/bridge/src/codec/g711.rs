//! ITU-T G.711: eight bits per sample in 16 segments. Decoding is a table, encoding finds the segment
//! by counting leading zeros.

/// One sample of µ-law.
#[inline]
pub(crate) fn from_ulaw(code: u8) -> i16 {
    ULAW[usize::from(code)]
}

/// One sample of A-law.
#[inline]
pub(crate) fn from_alaw(code: u8) -> i16 {
    ALAW[usize::from(code)]
}

/// The µ-law code of a sample.
#[inline]
pub(crate) fn to_ulaw(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = sample.unsigned_abs().min(ULAW_CLIP) + ULAW_BIAS;
    // The bias puts every magnitude at 2^7 or above, so the segment is 0 to 7.
    let segment = 8 - magnitude.leading_zeros();
    let step = (magnitude >> (segment + 3)) & 0x0f;
    !(sign | (segment as u8) << 4 | step as u8)
}

/// The A-law code of a sample.
#[inline]
pub(crate) fn to_alaw(sample: i16) -> u8 {
    let sign = if sample < 0 { 0 } else { 0x80 };
    let magnitude = if sample < 0 { !sample as u16 } else { sample as u16 };
    // The two lowest segments have the same step.
    let segment = 8u32.saturating_sub(magnitude.leading_zeros());
    let step = (magnitude >> (segment.max(1) + 3)) & 0x0f;
    (sign | (segment as u8) << 4 | step as u8) ^ 0x55
}

const ULAW_BIAS: u16 = 0x84;
const ULAW_CLIP: u16 = 32_635;

const ULAW: [i16; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        let plain = !(code as u8);
        let magnitude = (((plain as i16 & 0x0f) << 3) + 0x84) << ((plain >> 4) & 7);
        let magnitude = magnitude - 0x84;
        table[code] = if plain & 0x80 == 0 { magnitude } else { -magnitude };
        code += 1;
    }
    table
};

const ALAW: [i16; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        let plain = code as u8 ^ 0x55;
        let step = ((plain as i16 & 0x0f) << 4) + 8;
        let segment = (plain >> 4) & 7;
        let magnitude = if segment == 0 { step } else { (step + 0x100) << (segment - 1) };
        table[code] = if plain & 0x80 == 0 { -magnitude } else { magnitude };
        code += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    /// Ends of segments, from tables 1 and 2 of G.711, scaled to 16 bits.
    #[test]
    fn codes_stand_for_the_values_of_the_recommendation() {
        for (code, value) in [
            (0x00, -32_124),
            (0x0f, -16_764),
            (0x10, -15_996),
            (0x1f, -8316),
            (0x6f, -132),
            (0x7e, -8),
            (0x7f, 0),
            (0x80, 32_124),
            (0x8f, 16_764),
            (0xaf, 4092),
            (0xb0, 3900),
            (0xfe, 8),
            (0xff, 0),
        ] {
            assert_eq!(from_ulaw(code), value, "µ {code:#x}");
        }
        for (code, value) in [
            (0x2a, -32_256),
            (0x25, -16_896),
            (0x3a, -16_128),
            (0x55, -8),
            (0xd5, 8),
            (0xd4, 24),
            (0xc5, 264),
            (0xaa, 32_256),
            (0xa5, 16_896),
        ] {
            assert_eq!(from_alaw(code), value, "A {code:#x}");
        }
    }

    #[test]
    fn every_code_survives_and_every_sample_gets_the_nearest_value() {
        for code in 0..=255 {
            assert_eq!(to_alaw(from_alaw(code)), code);
            // Minus zero becomes zero.
            let expected = if code == 0x7f { 0xff } else { code };
            assert_eq!(to_ulaw(from_ulaw(code)), expected);
        }
        for sample in i16::MIN..=i16::MAX {
            let magnitude = i32::from(sample).abs();
            for value in [from_ulaw(to_ulaw(sample)), from_alaw(to_alaw(sample))] {
                let error = (i32::from(value) - i32::from(sample)).abs();
                // Half a step: 1/32 of the magnitude, or the smallest step; the last one clips.
                let allowed = (magnitude / 32).max(8) + 8;
                assert!(error <= allowed || magnitude > 32_100, "{sample} became {value}");
            }
        }
    }
}
