//! The jitter buffer: packets in, in any order and at any time; out in order, with what is missing
//! between them. Sans-IO, integer time.
//!
//! Everything is laid onto one timeline of its own, in samples, on which the first packet arrived
//! at the time that it is for. A new source, a restart or a jump of the sender's timestamps is moved
//! to where it is expected on this timeline, so the player behind it only ever goes forward.

use std::collections::VecDeque;

use offhook_types::{Ssrc, Time};
use offhook_wire::rtp::{Header, SequenceUnwrapper, TimestampUnwrapper};

use delay::Delay;

mod delay;

/// What a packet holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Sound.
    Sound,
    /// A description of noise (RFC 3389).
    Noise,
    /// An event took the place of sound (RFC 4733).
    Event,
}

/// A packet that waits.
#[derive(Debug)]
pub(super) struct Slot {
    /// Where its first sample is on the timeline.
    pub(super) at: i64,
    /// Its place in the order of sending.
    pub(super) sequence: u64,
    /// How many samples it holds.
    pub(super) span: i64,
    pub(super) kind: Kind,
    pub(super) payload: Vec<u8>,
}

/// What a packet is, to be put in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival<'a> {
    pub(super) header: Header,
    pub(super) kind: Kind,
    /// Samples.
    pub(super) span: usize,
    pub(super) payload: &'a [u8],
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Put {
    Kept,
    Late,
    Duplicate,
    Overflow,
    /// The first packets of a source that may be a mistake.
    Probing,
}

/// Units of a stream: samples per second, and timestamps per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Clock {
    pub(super) rate: u32,
    pub(super) timestamps: u32,
}

impl Clock {
    /// Samples from the origin of time.
    fn samples(self, now: Time) -> i64 {
        let samples = u128::from(now.as_micros()) * u128::from(self.rate) / 1_000_000;
        i64::try_from(samples).unwrap_or(i64::MAX)
    }

    pub(super) fn millis(self, millis: i64) -> i64 {
        millis * i64::from(self.rate) / 1000
    }
}

#[derive(Debug)]
pub(super) struct Jitter {
    clock: Clock,
    source: Option<Source>,
    /// A source that sent once while another one was sending.
    candidate: Option<(Ssrc, u16)>,
    delay: Delay,
    /// In order of the timeline.
    waiting: VecDeque<Slot>,
    spare: Vec<Vec<u8>>,
    /// Everything before was played or given up.
    played: i64,
}

/// The sender as it is laid onto the timeline.
#[derive(Debug)]
struct Source {
    ssrc: Ssrc,
    sequences: SequenceUnwrapper,
    timestamps: TimestampUnwrapper,
    /// Timeline minus timestamps, in samples.
    offset: i64,
    /// Added to the sequence so that a new source goes on where the old one ended.
    renumber: u64,
    last: Time,
}

impl Jitter {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            source: None,
            candidate: None,
            delay: Delay::default(),
            waiting: VecDeque::new(),
            spare: Vec::new(),
            played: i64::MIN,
        }
    }

    pub(super) fn put(&mut self, now: Time, arrival: &Arrival<'_>) -> Put {
        let ssrc = arrival.header.ssrc;
        let known = self.source.as_ref().is_some_and(|source| source.ssrc == ssrc);
        if !known && !self.admit(now, &arrival.header) {
            return Put::Probing;
        }
        let now_at = self.clock.samples(now);
        let Some((at, sequence)) = self.lay(now, &arrival.header) else { return Put::Late };
        // The timestamp of an event says when it began, not when the packet left.
        if arrival.kind != Kind::Event {
            let transit = self.micros(now_at - at);
            self.delay.observe(now, transit);
        }
        if at + (arrival.span as i64) <= self.played && arrival.kind == Kind::Sound {
            return Put::Late;
        }
        let place = self.waiting.partition_point(|slot| (slot.at, slot.sequence) < (at, sequence));
        if self.waiting.get(place).is_some_and(|slot| slot.sequence == sequence) {
            return Put::Duplicate;
        }
        if self.waiting.len() >= CAPACITY {
            return Put::Overflow;
        }
        let mut payload = self.spare.pop().unwrap_or_default();
        payload.clear();
        payload.extend_from_slice(arrival.payload);
        let span = arrival.span as i64;
        self.waiting.insert(place, Slot { at, sequence, span, kind: arrival.kind, payload });
        Put::Kept
    }

    /// Whether to follow a source other than the one before: at once if that one is silent, with
    /// its second packet otherwise.
    fn admit(&mut self, now: Time, header: &Header) -> bool {
        let silent = self
            .source
            .as_ref()
            .is_none_or(|source| now.since(source.last).as_micros() > PROBE_SILENCE_US);
        let second = self.candidate.is_some_and(|(ssrc, sequence)| {
            ssrc == header.ssrc && (1..=MAX_STEP).contains(&header.sequence.wrapping_sub(sequence))
        });
        if !silent && !second {
            self.candidate = Some((header.ssrc, header.sequence));
            return false;
        }
        self.candidate = None;
        let renumber = self
            .source
            .as_ref()
            .map_or(0, |source| source.sequences.highest().unwrap_or(0) + source.renumber);
        self.source = Some(Source {
            ssrc: header.ssrc,
            sequences: SequenceUnwrapper::new(),
            timestamps: TimestampUnwrapper::new(),
            offset: i64::MIN,
            renumber,
            last: now,
        });
        true
    }

    /// Where a packet is on the timeline and in the order; `None` for an old one whose time makes no
    /// sense.
    fn lay(&mut self, now: Time, header: &Header) -> Option<(i64, u64)> {
        let clock = self.clock;
        let expected = clock.samples(now) - self.samples(self.delay.fastest());
        let end = self.waiting.back().map_or(self.played, |slot| slot.at + slot.span);
        let source = self.source.as_mut()?;
        source.last = now;
        let before = source.sequences.highest();
        let step =
            before.map_or(0, |highest| source.sequences.peek(header.sequence).abs_diff(highest));
        if step > u64::from(MAX_STEP) {
            // The sender started over under its old name.
            source.renumber += before.unwrap_or(0);
            source.sequences = SequenceUnwrapper::new();
            source.timestamps = TimestampUnwrapper::new();
            source.offset = i64::MIN;
        }
        let sequence = source.sequences.unwrap(header.sequence);
        let newest = before.is_none_or(|highest| sequence > highest);
        let timestamp = source.timestamps.unwrap(header.timestamp);
        let scaled =
            u128::from(timestamp) * u128::from(clock.rate) / u128::from(clock.timestamps.max(1));
        let scaled = i64::try_from(scaled).unwrap_or(i64::MAX);
        let mut at = scaled.saturating_add(source.offset);
        let ahead = at.saturating_sub(expected);
        let fresh = source.offset == i64::MIN;
        let jumped = ahead > clock.millis(MAX_AHEAD_MS) || ahead < -clock.millis(MAX_BEHIND_MS);
        if jumped && !fresh && !newest {
            return None;
        }
        if fresh || jumped {
            at = expected.max(end);
            source.offset = at - scaled;
        }
        Some((at, sequence + source.renumber))
    }

    /// The packet that is next on the timeline.
    pub(super) fn head(&self) -> Option<&Slot> {
        self.waiting.front()
    }

    /// Takes it. Give it back with [`Jitter::recycle`].
    pub(super) fn pop(&mut self) -> Option<Slot> {
        self.waiting.pop_front()
    }

    pub(super) fn recycle(&mut self, slot: Slot) {
        if self.spare.len() < CAPACITY {
            self.spare.push(slot.payload);
        }
    }

    /// Everything before `at` was played.
    pub(super) fn set_played(&mut self, at: i64) {
        self.played = self.played.max(at);
    }

    /// What should be played now, on the timeline.
    pub(super) fn due(&self, now: Time) -> i64 {
        self.clock.samples(now) - self.samples(self.delay.fastest() + self.delay.target())
    }

    /// How long after the fastest packets sound is to be played, in milliseconds.
    pub(super) fn target_ms(&self) -> u32 {
        u32::try_from(self.delay.target() / 1000).unwrap_or(0)
    }

    fn samples(&self, micros: i64) -> i64 {
        micros * i64::from(self.clock.rate) / 1_000_000
    }

    fn micros(&self, samples: i64) -> i64 {
        samples.saturating_mul(1_000_000) / i64::from(self.clock.rate.max(1))
    }
}

/// Packets that wait at most: 1.28 s of the usual 20 ms, 640 ms of 10 ms.
const CAPACITY: usize = 64;
/// A sequence number further away than this is a restart (RFC 3550 §A.1 MAX_DROPOUT).
const MAX_STEP: u16 = 3000;
const PROBE_SILENCE_US: u128 = 200_000;
/// A packet this far ahead of its time did not overtake all others: its clock jumped.
const MAX_AHEAD_MS: i64 = 300;
/// And one this late, yet the newest, as well.
const MAX_BEHIND_MS: i64 = 2000;

#[cfg(test)]
mod tests;
