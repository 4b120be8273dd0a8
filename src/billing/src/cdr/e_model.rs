//! An estimate of how speech sounded, from what the network did to it: the E-model of ITU-T G.107 in
//! whole numbers, thousandths inside.
//!
//! Everything that a gateway cannot measure (noise, echo, loudness) has its default value, so an
//! undisturbed call is rated R = 93.2, and only delay and the equipment with its losses take away.

use core::time::Duration;

use super::{Stream, VoiceCodec};

/// The mean opinion score of a stream in hundredths, 100 to 450; `one_way` is the delay from mouth
/// to ear. Zero when nothing arrived.
pub fn mos(codec: VoiceCodec, stream: &Stream, one_way: Duration) -> u16 {
    if stream.packets == 0 {
        return 0;
    }
    let delay = delay_impairment(one_way);
    let equipment = equipment_impairment(codec, i64::from(stream.loss_permille()));
    opinion(DEFAULT_R - delay - equipment)
}

/// R without impairments (G.107 §7.7, all defaults), in thousandths.
const DEFAULT_R: i64 = 93_200;

/// Id of G.107 in the usual two straight lines: talking gets noticeably harder beyond 177.3 ms.
fn delay_impairment(one_way: Duration) -> i64 {
    // In tenths of a millisecond, at most ten seconds: more is no conversation.
    let tenths = i64::try_from(one_way.as_micros() / 100).unwrap_or(i64::MAX).min(100_000);
    let beyond = (tenths - 1773).max(0);
    tenths * 24 / 10 + beyond * 11
}

/// Ie,eff of G.107 §7.4 for losses that come at random (BurstR = 1).
fn equipment_impairment(codec: VoiceCodec, loss_permille: i64) -> i64 {
    let (base, robustness) = match codec {
        // G.113 appendix I, with packet loss concealment.
        VoiceCodec::Pcmu | VoiceCodec::Pcma => (0, 25_100),
        // No wider than a telephone on this scale; concealment after ITU-T G.722 appendix IV.
        VoiceCodec::G722 => (0, 17_000),
        // As concealed by libopus with in-band FEC, on the narrow-band scale.
        VoiceCodec::Opus => (0, 30_000),
    };
    // Percent in thousandths.
    let loss = loss_permille.clamp(0, 1000) * 100;
    base + (95_000 - base) * loss / (loss + robustness)
}

/// R to MOS (G.107 annex B), hundredths.
fn opinion(r: i64) -> u16 {
    let r = r.clamp(0, 100_000);
    // MOS = 1 + 0.035 R + 7e-6 R (R - 60) (100 - R). R is in thousandths, so the product is in 1e-9
    // and at most 4e14; one division at the end keeps the curve from bending backwards.
    let curve = r * (r - 60_000) * (100_000 - r);
    let hundredths = 100 + (35 * r * 1_000_000_000 + 7 * curve) / 10_000_000_000_000;
    u16::try_from(hundredths.clamp(100, 450)).unwrap_or(100)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(codec: VoiceCodec, lost: u64, delay_ms: u64, expect: core::ops::RangeInclusive<u16>) {
        let stream = Stream { packets: 1000 - lost, lost, ..Stream::default() };
        let mos = mos(codec, &stream, Duration::from_millis(delay_ms));
        assert!(expect.contains(&mos), "{codec:?} {lost} {delay_ms}: {mos}");
    }

    /// The formula of G.107 in real numbers gives 4.41, 4.33, 4.13, 3.41 and 3.71 for these.
    #[test]
    fn scores_are_those_of_the_e_model() {
        check(VoiceCodec::Pcma, 0, 0, 439..=442);
        check(VoiceCodec::Pcma, 10, 0, 430..=436);
        check(VoiceCodec::Pcma, 30, 0, 408..=420);
        check(VoiceCodec::Pcma, 100, 0, 335..=352);
        check(VoiceCodec::Pcmu, 0, 300, 370..=372);
    }

    #[test]
    fn worse_is_never_better() {
        let score = |lost, delay_ms| {
            let stream = Stream { packets: 1000 - lost, lost, ..Stream::default() };
            mos(VoiceCodec::Opus, &stream, Duration::from_millis(delay_ms))
        };
        for step in 0..999 {
            assert!(score(step + 1, 0) <= score(step, 0), "loss {step}");
            assert!(score(0, step + 1) <= score(0, step), "delay {step}");
        }
        assert!((100..=450).contains(&score(999, 10_000)));
        assert_eq!(score(1000, 0), 0, "silence has no score");
    }
}
