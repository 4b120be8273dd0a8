//! How much of a track its receivers lose, so that its publisher can make it robust: an encoder that hears of loss adds
//! what makes good for it, as in-band error correction of Opus does (RFC 6716 §2.1.7).

/// The loss that a tenth of a track's receivers exceed, followed report by report in constant memory: with one receiver
/// it is that one's, and in a large room a few bad links do not cost all others.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Audience {
    /// In 1/16 of the 1/256 that reports count in.
    loss: u16,
}

impl Audience {
    /// One of so many receivers lost this part of late, in 1/256.
    pub(crate) fn hear(&mut self, fraction: u8, receivers: usize) {
        let told = u16::from(fraction) * SCALE;
        let all = u16::try_from(receivers).unwrap_or(u16::MAX).max(1);
        if told > self.loss {
            // Nine times as far up as down: so it settles where nine reports are below to one above.
            let step = ((told - self.loss) / all).max(9 * STEP);
            self.loss = (self.loss + step).min(told);
        } else {
            let step = ((self.loss - told) / (8 * all.min(u16::MAX / 8))).max(STEP);
            self.loss = self.loss.saturating_sub(step).max(told);
        }
    }

    /// In 1/256.
    pub(crate) fn loss(&self) -> u8 {
        u8::try_from(self.loss / SCALE).unwrap_or(u8::MAX)
    }
}

const SCALE: u16 = 16;
/// A report moves the loss by at least 0.05 %.
const STEP: u16 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told after so many rounds in which each receiver reports once.
    fn check(rounds: usize, losses: &[u8], expect: core::ops::RangeInclusive<u8>) {
        let mut audience = Audience::default();
        for _ in 0..rounds {
            losses.iter().for_each(|&loss| audience.hear(loss, losses.len()));
        }
        assert!(expect.contains(&audience.loss()), "{rounds} of {losses:?}: {}", audience.loss());
    }

    #[test]
    fn a_lone_receivers_loss_is_told_at_once_and_a_large_rooms_worst_tenth_decides() {
        check(0, &[1], 0..=0);
        check(1, &[26], 26..=26);
        check(200, &[0, 26], 10..=26);
        let mut room = [0; 100];
        room[..5].fill(128);
        check(200, &room, 0..=12);
        room[..30].fill(26);
        check(200, &room, 15..=32);
    }

    #[test]
    fn what_is_over_is_forgotten_slowly() {
        let mut audience = Audience::default();
        audience.hear(255, 1);
        let mut reports = 0;
        while audience.loss() > 2 {
            audience.hear(0, 1);
            reports += 1;
        }
        assert!((10..60).contains(&reports), "{reports}");
    }
}
