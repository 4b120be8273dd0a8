//! Sounds made here: call progress tones per country ([`plan`]), keys as tones, and the operator's
//! recordings.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::words::{Play, Sound};
use plan::Beat;

mod plan;
mod wav;

/// The operator's recordings by name, at both rates.
#[derive(Debug, Default)]
pub struct Announcements {
    by_name: HashMap<String, wav::Recording>,
}

impl Announcements {
    /// Reads every `.wav` of a folder: mono, 16-bit samples, 8 or 16 kHz, at most two minutes each.
    /// One that is something else is left out with a warning.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let mut by_name = HashMap::new();
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let (Some(name), true) = (
                path.file_stem().and_then(|stem| stem.to_str()),
                path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("wav")),
            ) else {
                continue;
            };
            // Longer files are not read into memory to find that out.
            if std::fs::metadata(&path)?.len() > wav::MAX_FILE {
                tracing::warn!(name, "announcement is too long");
                continue;
            }
            match wav::Recording::parse(&std::fs::read(&path)?) {
                Ok(recording) => {
                    by_name.insert(name.to_owned(), recording);
                }
                Err(reason) => tracing::warn!(name, reason, "announcement cannot be used"),
            }
        }
        Ok(Self { by_name })
    }
}

/// Plays a sound to one side, sample by sample.
#[derive(Debug)]
pub(super) struct Player {
    source: Source,
    /// Rounds left; `None` without end.
    rounds: Option<u8>,
}

#[derive(Debug)]
enum Source {
    Beats { beats: Vec<Beat>, at: usize, sample: u32 },
    Recording { samples: [Arc<[i16]>; 2], at: usize },
}

impl Player {
    pub(super) fn new(play: &Play, announcements: &Announcements) -> Self {
        let rounds = (play.times > 0).then_some(play.times);
        let beats = |tone| Source::Beats {
            beats: plan::beats(play.country, tone).to_vec(),
            at: 0,
            sample: 0,
        };
        let source = match &play.sound {
            Sound::Tone(tone) => beats(*tone),
            Sound::Announcement { name, otherwise } => match announcements.by_name.get(name) {
                Some(recording) => Source::Recording { samples: recording.samples.clone(), at: 0 },
                None => beats(*otherwise),
            },
        };
        Self { source, rounds }
    }

    /// The two tones of a key and the silence after it.
    pub(super) fn key(face: char) -> Self {
        let (low, high) = super::dtmf::frequencies(face).unwrap_or((0, 0));
        let press = Beat { hertz: [low, high, 0], millis: super::dtmf::PRESS_MS };
        let release = Beat { hertz: [0; 3], millis: super::dtmf::RELEASE_MS };
        let source = Source::Beats { beats: vec![press, release], at: 0, sample: 0 };
        Self { source, rounds: Some(1) }
    }

    /// Adds the sound to `out`; false when it has ended.
    pub(super) fn add_to(&mut self, out: &mut [i16], rate: u32) -> bool {
        for sample in out {
            if self.rounds == Some(0) {
                return false;
            }
            let (value, round_over) = self.source.next(rate);
            *sample = sample.saturating_add(value);
            if round_over {
                self.rounds = self.rounds.map(|rounds| rounds.saturating_sub(1));
            }
        }
        self.rounds != Some(0)
    }
}

impl Source {
    /// The next sample, and whether it was the last of a round.
    fn next(&mut self, rate: u32) -> (i16, bool) {
        match self {
            Self::Beats { beats, at, sample } => {
                let Some(beat) = beats.get(*at) else { return (0, true) };
                let value = beat.sample(*sample, rate);
                *sample += 1;
                if *sample < rate * u32::from(beat.millis) / 1000 {
                    return (value, false);
                }
                *sample = 0;
                *at = (*at + 1) % beats.len();
                (value, *at == 0)
            }
            Self::Recording { samples, at } => {
                let [narrow, wide] = samples;
                let samples = if rate <= 8000 { narrow } else { wide };
                let value = samples.get(*at).copied().unwrap_or(0);
                *at += 1;
                let over = *at >= samples.len();
                if over {
                    *at = 0;
                }
                (value, over)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::dtmf::Detector;
    use super::super::noise::level;
    use super::super::words::{Side, Tone};
    use super::*;

    fn play(sound: Sound, country: &[u8; 2], times: u8) -> Play {
        Play { to: Side::Room, sound, country: *country, times }
    }

    /// Which 10 ms of the first `seconds` sound, as the lengths of runs, on first.
    fn rhythm(country: &[u8; 2], tone: Tone, seconds: usize) -> Vec<usize> {
        let mut player =
            Player::new(&play(Sound::Tone(tone), country, 0), &Announcements::default());
        let mut runs = vec![0];
        let mut sounds = true;
        for _ in 0..seconds * 100 {
            let mut frame = [0; 80];
            assert!(player.add_to(&mut frame, 8000));
            if (level(&frame) < 60) != sounds {
                sounds = !sounds;
                runs.push(0);
            }
            *runs.last_mut().unwrap() += 10;
        }
        runs
    }

    #[test]
    fn tones_have_the_rhythm_of_their_country() {
        for (country, tone, expected) in [
            (b"US", Tone::Ringback, &[2000, 4000, 2000][..]),
            (b"DE", Tone::Ringback, &[1000, 4000, 1000, 4000]),
            (b"GB", Tone::Ringback, &[400, 200, 400, 2000, 400, 200]),
            (b"US", Tone::Busy, &[500, 500, 500]),
            (b"ZZ", Tone::Busy, &[500, 500, 500]),
        ] {
            let runs = rhythm(country, tone, 10);
            assert_eq!(runs[..expected.len()], *expected, "{country:?} {tone:?}");
        }
    }

    #[test]
    fn a_sound_ends_after_its_rounds_and_is_added_to_what_is_there() {
        let sound = Sound::Tone(Tone::Busy);
        let mut player = Player::new(&play(sound, b"US", 2), &Announcements::default());
        let mut out = vec![100; 8000];
        assert!(player.add_to(&mut out, 8000));
        assert!(!player.add_to(&mut out, 8000), "two seconds of two rounds are over");
        assert!(out.iter().any(|&sample| sample > 2000));
        assert!(out[4001..7999].iter().all(|&sample| sample == 100));
    }

    #[test]
    fn a_missing_announcement_is_replaced_by_its_tone() {
        let sound = Sound::Announcement { name: "sorry".into(), otherwise: Tone::Refused };
        let mut player = Player::new(&play(sound, b"US", 1), &Announcements::default());
        let mut out = vec![0; 800];
        assert!(player.add_to(&mut out, 8000));
        assert!(level(&out) < 30);
    }

    #[test]
    fn keys_played_are_keys_heard() {
        for rate in [8000, 16_000] {
            let mut detector = Detector::new(rate);
            let mut heard = String::new();
            for face in "0123456789*#ABCD".chars() {
                let mut player = Player::key(face);
                let mut out = vec![0; rate as usize / 50];
                while player.add_to(&mut out, rate) {
                    detector.hear(&out, |digit| heard.push(digit.face()));
                    out.fill(0);
                }
                detector.hear(&out, |digit| heard.push(digit.face()));
            }
            assert_eq!(heard, "0123456789*#ABCD");
        }
    }
}
