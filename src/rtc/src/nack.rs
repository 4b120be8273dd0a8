//! Finds what is missing of one incoming stream and when to ask for it again (RFC 4585 §6.2.1).
//!
//! A gap is asked for when two later packets have come or 10 ms have passed, so that mere
//! reordering costs nothing; then once per round trip, and a quarter of one less often after each
//! try, so that a way that is full is not filled with requests. What did not come after ten tries
//! or a second is given up, and video then needs a key frame.

use core::time::Duration;

use offhook_types::time::Time;

/// What [`Nack::poll`] wants sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Request {
    /// How many sequence numbers were written, ascending.
    pub count: usize,
    /// Something was given up since the last poll: ask for a key frame if this is video.
    pub gave_up: bool,
}

/// What a packet was, as far as repair is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// Newer than all before.
    New,
    /// Was missing and is there now.
    Repaired,
    /// Seen before, or given up.
    Stale,
}

/// The missing packets of one incoming stream.
pub struct Nack {
    highest: Option<u64>,
    /// Ascending, at most [`MAX_MISSING`]; allocated at the first gap, since most streams of most
    /// legs have none.
    missing: Vec<Missing>,
    gave_up: bool,
}

struct Missing {
    sequence: u64,
    since: Time,
    /// When to ask next.
    due: Time,
    tries: u8,
}

impl Default for Nack {
    fn default() -> Self {
        Self::new()
    }
}

impl Nack {
    /// Nothing received yet.
    pub fn new() -> Self {
        Self { highest: None, missing: Vec::new(), gave_up: false }
    }

    /// A packet arrived, by itself or as a retransmission. `sequence` is unwrapped.
    #[inline]
    pub fn received(&mut self, now: Time, sequence: u64) -> Arrival {
        let Some(highest) = self.highest else {
            self.highest = Some(sequence);
            return Arrival::New;
        };
        let Some(ahead) = sequence.checked_sub(highest).filter(|&ahead| ahead > 0) else {
            return self.received_late(sequence);
        };
        self.highest = Some(sequence);
        if ahead > 1 {
            self.open_gap(now, highest, sequence);
        }
        if !self.missing.is_empty() {
            self.hurry(now, sequence);
        }
        Arrival::New
    }

    /// Writes the sequence numbers to ask for now to `out`. `rtt` spaces the tries.
    pub fn poll(&mut self, now: Time, rtt: Duration, out: &mut [u16]) -> Request {
        let mut gave_up = core::mem::take(&mut self.gave_up);
        let mut places = out.iter_mut();
        let mut count = 0;
        self.missing.retain_mut(|missing| {
            if missing.due > now {
                return true;
            }
            if missing.tries >= MAX_TRIES || now.since(missing.since) >= MAX_AGE {
                gave_up = true;
                return false;
            }
            // What finds no place stays due.
            if let Some(place) = places.next() {
                *place = missing.sequence as u16;
                count += 1;
                missing.tries += 1;
                missing.due = now + rtt.max(MIN_PAUSE) * (3 + u32::from(missing.tries)) / 4;
            }
            true
        });
        Request { count, gave_up }
    }

    /// When to poll next; `None` while nothing is missing.
    pub fn next_timeout(&self) -> Option<Time> {
        if self.gave_up {
            return Some(Time::ZERO);
        }
        self.missing.iter().map(|missing| missing.due).min()
    }

    fn received_late(&mut self, sequence: u64) -> Arrival {
        match self.missing.binary_search_by_key(&sequence, |missing| missing.sequence) {
            Ok(place) => {
                self.missing.remove(place);
                Arrival::Repaired
            }
            Err(_) => Arrival::Stale,
        }
    }

    /// Everything between two numbers is missing. More than fits is an outage, which no
    /// retransmission mends.
    #[cold]
    fn open_gap(&mut self, now: Time, highest: u64, sequence: u64) {
        let lost = (sequence - highest - 1) as usize;
        if lost > MAX_MISSING - self.missing.len() {
            self.missing.clear();
            self.gave_up = true;
        }
        if lost > MAX_MISSING {
            return;
        }
        self.missing.reserve_exact(MAX_MISSING - self.missing.len());
        let due = now + REORDER_TIME;
        let gap = highest + 1..sequence;
        self.missing.extend(gap.map(|sequence| Missing { sequence, since: now, due, tries: 0 }));
    }

    /// Gaps that enough later packets have confirmed need not wait. Only the newest can be
    /// unconfirmed.
    fn hurry(&mut self, now: Time, highest: u64) {
        for missing in self.missing.iter_mut().rev() {
            if highest - missing.sequence < REORDER_PACKETS {
                continue;
            }
            if missing.tries > 0 || missing.due <= now {
                break;
            }
            missing.due = now;
        }
    }
}

/// 256 packets of 1200 bytes are 100 ms at 25 Mbit/s: more loss in one go is an outage.
const MAX_MISSING: usize = 256;
const REORDER_PACKETS: u64 = 2;
const REORDER_TIME: Duration = Duration::from_millis(10);
const MIN_PAUSE: Duration = Duration::from_millis(20);
const MAX_TRIES: u8 = 10;
const MAX_AGE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
