//! What the carrier plays, and how it judges what it hears. Sampled at 8 kHz.

use core::f64::consts::TAU;
use std::collections::VecDeque;

use serde::Serialize;

/// Samples in 20 ms.
pub const FRAME: usize = 160;
const RATE: f64 = 8000.0;

/// What a call plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Play {
    /// 440 Hz.
    Tone,
    /// What was heard half a second ago.
    Echo,
    /// 697 Hz and 941 Hz by turns.
    Announcement,
    /// As many beeps of 1000 Hz as each digit says.
    Beeps,
    /// Comfort noise (RFC 3389) where that was agreed, otherwise no RTP; RTCP every second.
    Silence,
    /// Neither RTP nor RTCP.
    Nothing,
}

/// Makes the samples of one call.
#[derive(Debug)]
pub struct Voice {
    /// What is played.
    pub play: Play,
    /// Samples played so far; the phase of every tone.
    at: u64,
    /// Heard, and to be played.
    echo: VecDeque<i16>,
    /// Frames of beeps and gaps to come: true is sound.
    beeps: VecDeque<bool>,
}

impl Voice {
    /// Plays nothing yet.
    pub fn new() -> Self {
        let echo = VecDeque::from(vec![0; ECHO_DELAY]);
        Self { play: Play::Nothing, at: 0, echo, beeps: VecDeque::new() }
    }

    /// Heard from the far side.
    pub fn hear(&mut self, samples: &[i16]) {
        if self.play == Play::Echo {
            self.echo.extend(samples);
            // Clocks drift: what has piled up beyond the delay is left out.
            let more = self.echo.len().saturating_sub(2 * ECHO_DELAY);
            self.echo.drain(..more);
        }
    }

    /// A digit with this event code was heard: zero beeps ten times, `*` eleven, `#` twelve.
    pub fn beep(&mut self, event: u8) {
        let beeps = match event {
            0 => 10,
            10 | 11 => event + 1,
            digit => digit,
        };
        if self.play == Play::Beeps && self.beeps.len() < MOST_BEEP_FRAMES {
            for _ in 0..beeps {
                self.beeps.extend([true; BEEP_FRAMES]);
                self.beeps.extend([false; BEEP_FRAMES]);
            }
        }
    }

    /// The next 20 ms; `None` where none are sent.
    pub fn frame(&mut self) -> Option<[i16; FRAME]> {
        let tone = match self.play {
            Play::Tone => Some(440.0),
            Play::Announcement if (self.at / TURN).is_multiple_of(2) => Some(697.0),
            Play::Announcement => Some(941.0),
            Play::Beeps => self.beeps.pop_front().filter(|&sounds| sounds).map(|_| 1000.0),
            Play::Echo => None,
            Play::Silence | Play::Nothing => return None,
        };
        let mut frame = [0; FRAME];
        if self.play == Play::Echo {
            for sample in &mut frame {
                *sample = self.echo.pop_front().unwrap_or(0);
            }
        }
        if let Some(tone) = tone {
            for (sample, at) in frame.iter_mut().zip(self.at..) {
                *sample = (AMPLITUDE * (TAU * tone * at as f64 / RATE).sin()) as i16;
            }
        }
        self.at += FRAME as u64;
        Some(frame)
    }
}

/// What was heard in a stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Heard {
    /// Power against a square wave of full scale, in dB (a sine of full scale has -3); `None` where no
    /// packet came.
    pub db: Option<f64>,
    /// The strongest of the known frequencies, where it makes most of the power.
    pub hz: Option<u32>,
}

/// Judges what is heard: power, and which of a few known frequencies is in it (Goertzel), by frames of
/// 20 ms, so that a lost packet between them does no harm. A frame tells tones apart that are 50 Hz
/// from each other.
#[derive(Debug, Default)]
pub struct Ear {
    pending: Vec<i16>,
    frames: u32,
    power: f64,
    bands: [f64; KNOWN.len()],
}

impl Ear {
    /// Listen.
    pub fn hear(&mut self, samples: &[i16]) {
        self.pending.extend(samples);
        let whole = self.pending.len() / FRAME * FRAME;
        let pending = core::mem::take(&mut self.pending);
        let (frames, rest) = pending.split_at(whole);
        for frame in frames.chunks_exact(FRAME) {
            self.judge(frame);
        }
        self.pending = rest.to_vec();
    }

    /// What was heard since the last time.
    pub fn take(&mut self) -> Heard {
        let heard = match self.frames {
            0 => Heard { db: None, hz: None },
            frames => {
                let power = self.power / f64::from(frames);
                let db = (10.0 * power.max(QUIETEST).log10() * 10.0).round() / 10.0;
                let strongest = self.bands.iter().zip(KNOWN).max_by(|a, b| a.0.total_cmp(b.0));
                let tone = strongest.filter(|(band, _)| **band > self.power * SHARE);
                Heard { db: Some(db), hz: tone.filter(|_| db > FAINT).map(|(_, hz)| hz) }
            }
        };
        (self.frames, self.power, self.bands) = (0, 0.0, [0.0; KNOWN.len()]);
        heard
    }

    fn judge(&mut self, frame: &[i16]) {
        let count = frame.len() as f64;
        let scaled = || frame.iter().map(|&sample| f64::from(sample) / 32_768.0);
        self.frames += 1;
        self.power += scaled().map(|sample| sample * sample).sum::<f64>() / count;
        for (band, hz) in self.bands.iter_mut().zip(KNOWN) {
            let turn = 2.0 * (TAU * f64::from(hz) / RATE).cos();
            let step = |(last, before): (f64, f64), x: f64| (x + turn * last - before, last);
            let (last, before) = scaled().fold((0.0, 0.0), step);
            let square = last * last + before * before - turn * last * before;
            // A sine of amplitude a has (a n / 2)^2 here and a power of a^2 / 2.
            *band += 2.0 * square / (count * count);
        }
    }
}

/// The tones of this carrier and those of keys.
const KNOWN: [u32; 10] = [440, 600, 697, 770, 852, 941, 1000, 1209, 1336, 1477];
/// A tone has at least this share of the power.
const SHARE: f64 = 0.4;
/// Below this nothing is called a tone, in dB.
const FAINT: f64 = -60.0;
/// One step of sixteen bits, squared, rounded down to -96 dB.
const QUIETEST: f64 = 2.5e-10;
/// -13 dB for a sine: as loud as a telephone voice.
const AMPLITUDE: f64 = 10_000.0;
/// Half a second in samples: how long each tone of the announcement is.
const TURN: u64 = 4000;
/// Half a second.
const ECHO_DELAY: usize = 4000;
/// 100 ms.
const BEEP_FRAMES: usize = 5;
/// Two minutes, more than anyone listens to.
const MOST_BEEP_FRAMES: usize = 6000;

#[cfg(test)]
mod tests {
    use super::*;

    fn hear(play: Play, frames: usize) -> Heard {
        let (mut voice, mut ear) = (Voice::new(), Ear::default());
        voice.play = play;
        for _ in 0..frames {
            ear.hear(&voice.frame().unwrap());
        }
        ear.take()
    }

    #[test]
    fn a_tone_is_known_by_its_frequency_and_power() {
        let heard = hear(Play::Tone, 50);
        assert_eq!(heard.hz, Some(440));
        assert!((heard.db.unwrap() + 13.3).abs() < 0.2, "{heard:?}");
    }

    #[test]
    fn the_announcement_has_one_tone_after_the_other() {
        let (mut voice, mut ear) = (Voice::new(), Ear::default());
        voice.play = Play::Announcement;
        for hz in [697, 941, 697] {
            (0..25).for_each(|_| ear.hear(&voice.frame().unwrap()));
            assert_eq!(ear.take().hz, Some(hz));
        }
    }

    #[test]
    fn silence_has_no_tone_and_nothing_has_no_power() {
        let (mut voice, mut ear) = (Voice::new(), Ear::default());
        assert_eq!(ear.take(), Heard { db: None, hz: None });
        voice.play = Play::Echo;
        ear.hear(&voice.frame().unwrap());
        assert_eq!(ear.take(), Heard { db: Some(-96.0), hz: None });
    }

    #[test]
    fn an_echo_comes_after_half_a_second() {
        let mut voice = Voice::new();
        voice.play = Play::Echo;
        voice.hear(&[1000; FRAME]);
        let loud = (0..).find(|_| voice.frame().unwrap().contains(&1000));
        assert_eq!(loud, Some(25));
    }

    #[test]
    fn a_digit_is_as_many_beeps() {
        for (event, beeps) in [(3, 3), (0, 10), (11, 12)] {
            let mut voice = Voice::new();
            voice.play = Play::Beeps;
            voice.beep(event);
            let sounds = (0..400).map(|_| voice.frame().unwrap().iter().any(|s| *s != 0));
            let sounds: Vec<_> = sounds.collect();
            let starts = sounds.windows(2).filter(|pair| !pair[0] && pair[1]).count();
            assert_eq!(starts + usize::from(sounds[0]), beeps);
        }
    }
}
