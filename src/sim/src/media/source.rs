//! What a receiver is sent: a voice, and a camera in layers of which the largest that fits is sent.

use core::time::Duration;

use offhook_types::{Rng, Time};

/// A source of packets.
pub struct Source {
    rng: Rng,
    /// Bits a second of each layer, smallest first.
    layers: &'static [u64],
    current: usize,
    /// A layer that is switched to at its next key frame.
    next: Option<(usize, Time)>,
    voice_at: Time,
    frame_at: Time,
    /// The next frame is a key frame.
    key: bool,
}

/// One packet to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    /// Its bytes.
    pub bytes: usize,
    /// Part of the voice.
    pub is_voice: bool,
}

impl Source {
    /// With these layers, bits a second each.
    pub const fn new(layers: &'static [u64], rng: Rng) -> Self {
        let (current, next, key) = (0, None, true);
        Self { rng, layers, current, next, voice_at: Time::ZERO, frame_at: Time::ZERO, key }
    }

    /// What it would send if it might.
    pub fn wanted(&self) -> u64 {
        self.layers.last().copied().unwrap_or(0) + VOICE
    }

    /// What it sends.
    pub fn present(&self) -> u64 {
        self.layers.get(self.current).copied().unwrap_or(0) + VOICE
    }

    /// Choose the layer for an estimate: down at once, up with some room to spare.
    pub fn allow(&mut self, now: Time, estimate: u64) {
        let room = estimate.saturating_sub(VOICE);
        let fits = |layer: usize, spare: u64| {
            self.layers.get(layer).is_some_and(|&bits| bits * spare / 100 <= room)
        };
        let mut wanted = self.current;
        while wanted > 0 && !fits(wanted, 100) {
            wanted -= 1;
        }
        if wanted == self.current {
            while fits(wanted + 1, 110) {
                wanted += 1;
            }
        }
        match self.next {
            _ if wanted == self.current => self.next = None,
            Some((next, _)) if next == wanted => {}
            _ => self.next = Some((wanted, now + KEY_FRAME_DELAY)),
        }
        if let Some((next, _)) = self.next.take_if(|(_, at)| *at <= now) {
            (self.current, self.key) = (next, true);
        }
    }

    /// What is due now.
    pub fn poll(&mut self, now: Time, out: &mut Vec<Made>) {
        if self.voice_at <= now {
            self.voice_at = self.voice_at + Duration::from_millis(20);
            out.push(Made { bytes: (VOICE / 50 / 8) as usize, is_voice: true });
        }
        if self.frame_at > now {
            return;
        }
        self.frame_at = self.frame_at + Duration::from_micros(33_333);
        let bits = self.layers.get(self.current).copied().unwrap_or(0);
        // Pictures differ, and one that starts anew is several times as large as those that follow.
        let percent = u64::from(75 + self.rng.below(50));
        let many = if core::mem::take(&mut self.key) { 4 } else { 1 };
        let mut left = (bits / 30 / 8 * percent * many / 100) as usize;
        while left > 0 {
            let bytes = left.min(1180);
            left -= bytes;
            out.push(Made { bytes: bytes + 40, is_voice: false });
        }
    }
}

/// Bits a second of the voice.
const VOICE: u64 = 40_000;
/// Until a key frame that was asked for comes.
const KEY_FRAME_DELAY: Duration = Duration::from_millis(150);
