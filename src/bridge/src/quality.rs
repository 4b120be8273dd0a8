//! How good a direction sounded, by the E-model (ITU-T G.107) reduced to what is measured here: delay,
//! loss, codec.

use super::words::PhoneCodec;

/// What goes into the estimate.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heard {
    pub(super) codec: PhoneCodec,
    /// From mouth to ear, in milliseconds, as far as it is known.
    pub(super) delay_ms: u32,
    /// What was not there to be played: lost and late, in parts of 10,000.
    pub(super) missing: u32,
}

/// A mean opinion score in hundredths, 100 to 450.
pub(super) fn mos(heard: Heard) -> u16 {
    let loss = heard.missing.min(10_000) as f32 / 100.0;
    // Robustness with concealment (G.113 Appendix I); Opus brings redundancy.
    let robustness = match heard.codec {
        PhoneCodec::Pcmu | PhoneCodec::Pcma => 25.1,
        PhoneCodec::G722 => 20.0,
        PhoneCodec::Opus => 30.0,
    };
    let equipment = 95.0 * loss / (loss + robustness);
    let delay = heard.delay_ms.min(2000) as f32;
    let delayed = 0.024 * delay + 0.11 * (delay - 177.3).max(0.0);
    let r = (BEST - delayed - equipment).clamp(0.0, 100.0);
    let mos = 1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6;
    (mos.clamp(1.0, 4.5) * 100.0 + 0.5) as u16
}

/// The rating of a perfect narrow-band connection.
const BEST: f32 = 93.2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_fall_with_loss_and_delay() {
        for (codec, delay_ms, missing, expected) in [
            (PhoneCodec::Pcmu, 0, 0, 441),
            (PhoneCodec::Pcmu, 100, 0, 436),
            (PhoneCodec::Pcmu, 50, 100, 432),
            (PhoneCodec::Pcmu, 50, 500, 382),
            (PhoneCodec::Opus, 50, 500, 396),
            (PhoneCodec::Pcma, 600, 0, 171),
            (PhoneCodec::Pcmu, 0, 10_000, 112),
        ] {
            let score = mos(Heard { codec, delay_ms, missing });
            let near = score.abs_diff(expected) <= 15;
            assert!(near, "{codec:?} {delay_ms} ms {missing}: {score}");
        }
    }
}
