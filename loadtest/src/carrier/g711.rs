//! The two laws of G.711, from their definition: eight bits are a sign, a segment and a step in it.

/// A law.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Law {
    /// North America and Japan.
    Mu,
    /// Everywhere else.
    A,
}

impl Law {
    /// The sample that a byte stands for.
    pub fn decode(self, byte: u8) -> i16 {
        let (byte, positive) = match self {
            Self::Mu => (!byte, byte & 0x80 != 0),
            Self::A => (byte ^ 0x55, byte & 0x80 != 0),
        };
        let (segment, step) = (i32::from(byte >> 4 & 7), i32::from(byte & 15));
        let size = match (self, segment) {
            (Self::Mu, _) => ((2 * step + 33) << (segment + 2)) - MU_BIAS,
            (Self::A, 0) => (2 * step + 1) << 3,
            (Self::A, _) => (2 * step + 33) << (segment + 2),
        };
        let signed = if positive { size } else { -size };
        i16::try_from(signed).unwrap_or(i16::MAX)
    }

    /// The byte whose sample is nearest.
    pub fn encode(self, sample: i16) -> u8 {
        let size = i32::from(sample).abs();
        match self {
            Self::Mu => {
                let size = (size + MU_BIAS).min(0x7fff);
                let segment = (size >> 7).ilog2();
                let byte = segment << 4 | (size >> (segment + 3) & 15) as u32;
                let sign = if sample < 0 { 0x80 } else { 0 };
                !(byte as u8 | sign)
            }
            Self::A => {
                let size = size.min(0x7fff);
                let segment = (size >> 7).checked_ilog2().unwrap_or(0);
                let byte = segment << 4 | (size >> (segment.max(1) + 3) & 15) as u32;
                let sign = if sample < 0 { 0 } else { 0x80 };
                (byte as u8 | sign) ^ 0x55
            }
        }
    }
}

/// Added before the logarithm, so that the first segment is like the others.
const MU_BIAS: i32 = 132;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_comes_back() {
        for law in [Law::Mu, Law::A] {
            for byte in 0..=u8::MAX {
                let again = law.encode(law.decode(byte));
                // The mu law has two zeros.
                assert!(again == byte || law.decode(byte) == 0, "{law:?} {byte:#x} {again:#x}");
            }
        }
    }

    #[test]
    fn known_values() {
        for (law, byte, sample) in [
            (Law::Mu, 0xff, 0),
            (Law::Mu, 0x80, 32_124),
            (Law::Mu, 0x00, -32_124),
            (Law::A, 0xd5, 8),
            (Law::A, 0x55, -8),
            (Law::A, 0xaa, 32_256),
            (Law::A, 0x2a, -32_256),
        ] {
            assert_eq!(law.decode(byte), sample, "{law:?} {byte:#x}");
        }
    }

    #[test]
    fn the_nearest_step_is_within_a_thirtieth() {
        for law in [Law::Mu, Law::A] {
            for sample in (i16::MIN + 1..i16::MAX).step_by(7) {
                let off = i32::from(law.decode(law.encode(sample))) - i32::from(sample);
                let size = i32::from(sample).abs();
                assert!(off.abs() <= size / 30 + 17 || size > 32_000, "{law:?} {sample} {off}");
            }
        }
    }
}
