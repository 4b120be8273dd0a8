//! The receiver's side of transport-wide congestion control
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01): records when each packet of a leg arrived
//! and reports it to the sender, whose estimator does the rest.
//!
//! Arrivals are kept for a while after they were reported. A packet that was overtaken is reported
//! together with what overtook it, so that a report never takes back what an earlier one said.

use core::time::Duration;

use offhook_types::rtp::Ssrc;
use offhook_types::time::Time;
use offhook_wire::rtcp::{FeedbackHead, Writer};
use offhook_wire::rtp::SequenceUnwrapper;

/// Arrivals of one leg that wait to be reported.
pub struct Recorder {
    sender: Ssrc,
    media: Ssrc,
    unwrapper: SequenceUnwrapper,
    /// Arrival in ticks of the sequence number with this index modulo [`HISTORY`]; [`MISSING`] if
    /// it did not arrive. Empty before the first arrival: who only receives needs none.
    ticks: Box<[u64]>,
    highest: u64,
    /// The first number of the next report.
    next: u64,
    /// Arrivals not yet reported.
    waiting: usize,
    due: Time,
    feedback_count: u8,
}

impl Recorder {
    /// `sender` is the SSRC that our feedback is sent from.
    pub fn new(sender: Ssrc) -> Self {
        Self {
            sender,
            media: Ssrc(0),
            unwrapper: SequenceUnwrapper::new(),
            ticks: Box::default(),
            highest: 0,
            next: 0,
            waiting: 0,
            due: Time::MAX,
            feedback_count: 0,
        }
    }

    /// A packet arrived with this transport-wide sequence number on a stream of `media`.
    #[inline]
    pub fn received(&mut self, now: Time, sequence: u16, media: Ssrc) {
        let is_first = self.unwrapper.highest().is_none();
        let sequence = self.unwrapper.unwrap(sequence);
        if is_first {
            self.ticks = vec![MISSING; HISTORY].into_boxed_slice();
            (self.highest, self.next) = (sequence, sequence);
        } else if sequence > self.highest {
            self.advance(sequence);
        } else if self.highest - sequence >= HISTORY as u64 {
            return;
        }
        let Some(place) = self.ticks.get_mut(place(sequence)) else { return };
        if *place != MISSING {
            return;
        }
        *place = now.as_micros() / TICK_MICROS;
        self.media = media;
        self.next = self.next.min(sequence);
        if self.waiting == 0 {
            self.due = now + INTERVAL;
        }
        self.waiting += 1;
    }

    /// Writes one feedback packet to `out` when it is time and returns its length. Call until
    /// `None`.
    pub fn poll(&mut self, now: Time, out: &mut [u8]) -> Option<usize> {
        if self.next_timeout().is_none_or(|due| due > now) {
            return None;
        }
        let (first, ticks) = self.first_arrival()?;
        // Losses before the first arrival are reported too, as far as they fit.
        let base = self.next.max(first.saturating_sub(MAX_PACKETS as u64 / 2));
        let reference = ticks / TICKS_PER_REFERENCE;
        let mut deltas = [None; MAX_PACKETS];
        let mut previous = reference * TICKS_PER_REFERENCE;
        let mut count = 0;
        for (sequence, place) in (base..=self.highest).zip(&mut deltas) {
            if let Some(ticks) = self.arrival(sequence) {
                // A pause of more than 8 s between two packets needs a reference of its own.
                let Ok(delta) = i16::try_from(ticks.wrapping_sub(previous) as i64) else { break };
                *place = Some(delta);
                previous = ticks;
            }
            count += 1;
        }
        let head = FeedbackHead {
            sender: self.sender,
            media: self.media,
            base: base as u16,
            reference: ((reference << 8) as i32) >> 8,
            feedback_count: self.feedback_count,
        };
        let mut writer = Writer::new(out);
        writer.transport_cc(&head, deltas.get(..count)?)?;
        self.feedback_count = self.feedback_count.wrapping_add(1);
        self.next = base + count as u64;
        let is_done = self.next > self.highest;
        (self.waiting, self.due) = if is_done { (0, Time::MAX) } else { (1, now) };
        Some(writer.len())
    }

    /// When to poll next; `None` while nothing waits.
    #[inline]
    pub fn next_timeout(&self) -> Option<Time> {
        match self.waiting {
            0 => None,
            1..BATCH => Some(self.due),
            _ => Some(Time::ZERO),
        }
    }

    /// Forgets what is too old for a new highest number.
    fn advance(&mut self, sequence: u64) {
        if sequence - self.highest >= HISTORY as u64 {
            self.ticks.fill(MISSING);
        } else {
            for skipped in self.highest + 1..=sequence {
                if let Some(place) = self.ticks.get_mut(place(skipped)) {
                    *place = MISSING;
                }
            }
        }
        self.highest = sequence;
        self.next = self.next.max((sequence + 1).saturating_sub(HISTORY as u64));
    }

    fn first_arrival(&self) -> Option<(u64, u64)> {
        (self.next..=self.highest).find_map(|at| Some((at, self.arrival(at)?)))
    }

    fn arrival(&self, sequence: u64) -> Option<u64> {
        self.ticks.get(place(sequence)).copied().filter(|&ticks| ticks != MISSING)
    }
}

fn place(sequence: u64) -> usize {
    (sequence % HISTORY as u64) as usize
}

/// About half a second at 20 Mbit/s.
const HISTORY: usize = 1024;
const MISSING: u64 = u64::MAX;
/// Deltas count in 250 us, references in 64 ms.
const TICK_MICROS: u64 = 250;
const TICKS_PER_REFERENCE: u64 = 256;
/// As often as libwebrtc reports at medium rates; its estimator expects 50 to 250 ms.
const INTERVAL: Duration = Duration::from_millis(100);
/// Arrivals that are reported without waiting.
const BATCH: usize = 100;
/// Packets in one report: at most 2 bytes each and some chunks, so a report stays below 600 bytes.
const MAX_PACKETS: usize = 256;

#[cfg(test)]
mod tests;
