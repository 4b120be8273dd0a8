//! What a microphone gives: a packet every 20 ms while somebody talks, and with discontinuous transmission one
//! of two bytes every 400 ms while nobody does.

use std::time::Duration;

use offhook_types::{Rng, Time};

use crate::stamp::{self, Stamp};

/// One packet's time.
pub const PACKET: Duration = Duration::from_millis(20);
/// Opus under discontinuous transmission says every 400 ms that it is there (RFC 7587 §3.1.3).
const COMFORT: u32 = 20;
/// CELT, full band, 20 ms, mono (RFC 6716 §3.1).
const TOC: u8 = 0xf8;
/// Silence on RFC 6464's scale.
const SILENT: u8 = 127;

/// When somebody talks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Talk {
    /// All the time.
    Always,
    /// Not at all.
    Never,
    /// In turns of these lengths on average.
    Turns {
        /// Talking.
        on: Duration,
        /// Not.
        off: Duration,
    },
}

/// One packet's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sound {
    /// Level in -dBov (RFC 6464): 0 is the loudest.
    pub level: u8,
    /// Somebody talks.
    pub voice: bool,
    /// The first after silence.
    pub onset: bool,
}

/// One microphone.
#[derive(Debug, Clone)]
pub struct Voice {
    talk: Talk,
    dtx: bool,
    bytes: usize,
    talking: bool,
    /// Packets until the turn ends.
    left: u32,
    silent_for: u32,
    frames: u32,
    source: u32,
    rng: Rng,
}

impl Voice {
    /// Talks as told, in packets of so many bytes.
    pub fn new(talk: Talk, dtx: bool, bytes: usize, mut rng: Rng) -> Self {
        // Not everybody begins a turn when they join.
        let talking = match talk {
            Talk::Always => true,
            Talk::Never => false,
            Talk::Turns { on, off } => {
                let all = (on + off).as_millis() as u32;
                rng.below(all.max(1)) < on.as_millis() as u32
            }
        };
        let (left, silent_for, frames, source) = (0, 0, 0, rng.next_u32());
        Self { talk, dtx, bytes, talking, left, silent_for, frames, source, rng }
    }

    /// What the next 20 ms sound like; nothing is sent for `None`.
    pub fn poll(&mut self) -> Option<Sound> {
        self.turn();
        if self.talking {
            let onset = self.silent_for > 0;
            self.silent_for = 0;
            let level = 20 + self.rng.below(20) as u8;
            return Some(Sound { level, voice: true, onset });
        }
        let due = !self.dtx || self.silent_for.is_multiple_of(COMFORT);
        self.silent_for += 1;
        due.then_some(Sound { level: SILENT, voice: false, onset: false })
    }

    /// Write the payload of a packet.
    pub fn write(&mut self, now: Time, sound: &Sound, out: &mut Vec<u8>) {
        out.clear();
        out.push(TOC);
        if !sound.voice && self.dtx {
            out.push(0);
            return;
        }
        self.frames += 1;
        let (frame, source, sent_us) = (self.frames, self.source, now.as_micros());
        let stamp = Stamp { sent_us, source, frame, needs: frame, count: 1, ..Stamp::default() };
        out.extend(stamp.to_bytes());
        out.resize(self.bytes.max(1 + stamp::LEN), 0x55);
    }

    fn turn(&mut self) {
        let Talk::Turns { on, off } = self.talk else { return };
        if self.left == 0 {
            self.talking = !self.talking;
            let mean = if self.talking { on } else { off };
            // Evenly from nothing to twice the mean: turns of speech are short more often, which changes nothing here.
            let packets = (mean.as_millis() / PACKET.as_millis()) as u32;
            self.left = 1 + self.rng.below(packets.saturating_mul(2).max(1));
        }
        self.left -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of 5000 packets (100 s) were voice, comfort noise, and nothing.
    fn check(talk: Talk, dtx: bool) -> [usize; 3] {
        let mut voice = Voice::new(talk, dtx, 80, Rng::from_seed(1));
        let mut seen = [0; 3];
        for _ in 0..5000 {
            let sound = voice.poll();
            seen[sound.map_or(2, |sound| usize::from(!sound.voice))] += 1;
            if let Some(sound) = sound {
                let mut out = Vec::new();
                voice.write(Time::ZERO, &sound, &mut out);
                assert_eq!(out.len(), if sound.voice || !dtx { 80 } else { 2 });
                assert_eq!(sound.level == SILENT, !sound.voice);
            }
        }
        seen
    }

    #[test]
    fn silence_costs_a_packet_every_400_ms_and_none_without_dtx() {
        assert_eq!(check(Talk::Always, true), [5000, 0, 0]);
        assert_eq!(check(Talk::Never, true), [0, 250, 4750]);
        assert_eq!(check(Talk::Never, false), [0, 5000, 0]);
    }

    #[test]
    fn turns_take_their_share() {
        let (on, off) = (Duration::from_secs(1), Duration::from_secs(3));
        let [voice, ..] = check(Talk::Turns { on, off }, true);
        assert!((700..1900).contains(&voice), "{voice}");
    }
}
