//! Who speaks, from the levels that publishers write into their packets (RFC 6464).
//!
//! Levels are smoothed with integers: up by a quarter of the difference per packet, down by a 64th.
//! At 20 ms per packet speech shows within 100 ms, and a pause between words does not hide it: from
//! 25 dB below overload to silence the smoothed level passes the lower threshold after 0.5 to 0.8
//! s.

use core::time::Duration;

use offhook_types::Time;

use crate::stage::Sound;

/// Loudness is kept in sixteenths of a decibel above silence, 127 dB below overload.
const SCALE: u16 = 16;
/// Louder than -45 dBov is speech.
const ON: u16 = (127 - 45) * SCALE;
/// Quieter than -55 dBov no longer is.
const OFF: u16 = (127 - 55) * SCALE;
/// Without packets for this long somebody is silent (discontinuous transmission sends one packet
/// each 400 ms at most).
const SILENCE: Duration = Duration::from_millis(500);
/// How much louder somebody must be to overtake who was reported before: 3 dB.
const LEAD: u16 = 3 * SCALE;

/// Words closer together than this are one speech.
const PAUSE: Duration = Duration::from_millis(300);
/// What a publisher that tells no levels is taken for: speech of usual loudness.
const PRESUMED: u16 = (127 - 30) * SCALE;

/// One track's smoothed loudness.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Voice {
    loudness: u16,
    heard: Time,
    speaks: bool,
    /// The last packet with speech, and the first of those that belong together with it.
    loud: Time,
    since: Time,
}

impl Voice {
    /// A packet's level: the low seven bits are -dBov.
    #[inline]
    pub(crate) fn hear(&mut self, now: Time, level: u8) -> Sound {
        let loudness = u16::from(127 - (level & 0x7f)) * SCALE;
        self.heard = now;
        if loudness > self.loudness {
            self.loudness += (loudness - self.loudness).div_ceil(4);
        } else {
            self.loudness -= (self.loudness - loudness).div_ceil(64);
        }
        let speech = (loudness > ON).then(|| self.speech_since(now));
        Sound { loudness: self.loudness, speech }
    }

    /// A packet that does not tell its level: nobody can say that it is silence.
    #[inline]
    pub(crate) fn presume(&mut self, now: Time) -> Sound {
        Sound { loudness: PRESUMED, speech: Some(self.speech_since(now)) }
    }

    fn speech_since(&mut self, now: Time) -> Time {
        if now.since(self.loud) > PAUSE {
            self.since = now;
        }
        self.loud = now;
        self.since
    }

    /// Decide whether this one speaks now.
    pub(crate) fn judge(&mut self, now: Time) -> bool {
        if now.since(self.heard) > SILENCE {
            self.loudness = 0;
        }
        let threshold = if self.speaks { OFF } else { ON };
        self.speaks = self.loudness > threshold;
        self.speaks
    }

    /// The last decision.
    pub(crate) fn speaks(&self) -> bool {
        self.speaks
    }

    /// Smoothed level in -dBov.
    pub(crate) fn level(&self) -> u8 {
        127u8.saturating_sub((self.loudness / SCALE) as u8)
    }

    /// What speakers are sorted by, loudest first; whoever was reported before is harder to
    /// overtake.
    pub(crate) fn rank(&self, reported: bool) -> u16 {
        self.loudness.saturating_add(if reported { LEAD } else { 0 })
    }

    /// Something was heard not long ago, so that silence is news.
    pub(crate) fn is_recent(&self) -> bool {
        self.loudness > 0
    }
}
