//! What the layers of a picture take while nothing bounds them: as their publisher says, and as was seen.

use super::Sends;
use crate::track::MAX_LAYERS;

/// Looks over which what layers take must be about the same before it counts: encoders that begin take seconds.
const SETTLING: usize = 8;

/// In bits a second; zero is unknown.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Takes {
    seen: [u64; MAX_LAYERS],
    /// What each is set to, as its publisher says.
    told: [u64; MAX_LAYERS],
    /// What all took together in the last looks, the oldest first.
    sums: [u64; SETTLING],
}

impl Takes {
    pub(super) fn tell(&mut self, rates: impl Iterator<Item = u64>) {
        self.told.iter_mut().zip(rates).for_each(|(told, rate)| *told = rate);
    }

    /// What is sent while nothing bounds it.
    pub(super) fn see(&mut self, sends: &Sends) {
        let layers = (0u8..).zip(self.seen.iter_mut().zip(sends.latest));
        for (_, (seen, latest)) in layers.filter(|(layer, _)| sends.live & (1 << layer) != 0) {
            *seen = match *seen {
                0 => latest,
                known if latest > known => known + (latest - known) / 4,
                known => known - (known - latest) / 4,
            };
        }
        self.sums.rotate_left(1);
        if let Some(last) = self.sums.last_mut() {
            *last = self.seen.iter().sum();
        }
    }

    /// It was about the same for a while.
    pub(super) fn is_settled(&self) -> bool {
        let [first, .., last] = self.sums;
        first.abs_diff(last) <= last / 10
    }

    /// Whether it is known what a layer comes to: one that has just begun would never show it under a bound.
    pub(super) fn is_sure(&self, layer: u8) -> bool {
        of(&self.told, layer) > 0 || of(&self.seen, layer) > 0 && self.is_settled()
    }

    /// What a layer takes. One that has not come counts as it is set only where the unseen are asked for.
    pub(super) fn of(&self, layer: u8, unseen: bool) -> u64 {
        let (seen, told) = (of(&self.seen, layer), of(&self.told, layer));
        match seen {
            0 if unseen => told,
            0 => 0,
            // Of one that begins what it is set to tells more: the first key frame alone is several times as much.
            _ if told > 0 && !self.is_settled() => told,
            seen => seen,
        }
    }
}

fn of(rates: &[u64; MAX_LAYERS], layer: u8) -> u64 {
    rates.get(usize::from(layer)).copied().unwrap_or(0)
}
