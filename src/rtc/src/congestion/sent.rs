//! What left on a leg under transport-wide numbers, until feedback tells what became of it.

use offhook_types::{Ssrc, Time};

use super::{Departure, probe};

/// The latest packets of a leg by transport-wide number.
pub(super) struct Sent {
    /// By number, round and round; none before the first packet, since many legs are idle.
    records: Box<[Record]>,
    /// The number that the next packet gets; its low 16 bits go on the wire.
    next: u64,
    /// Up to here feedback has told, or will not tell any more.
    told: u64,
}

/// One packet, in 16 bytes: a leg keeps a thousand of them.
#[derive(Debug, Clone, Copy)]
struct Record {
    /// Low 32 bits of the microseconds: what waits for feedback is younger than an hour.
    at: u32,
    stream: Ssrc,
    sequence: u16,
    size: u16,
    cluster: u8,
    fate: Fate,
}

impl Record {
    /// There is no such packet.
    const EMPTY: Self =
        Self { at: 0, stream: Ssrc(0), sequence: 0, size: 0, cluster: 0, fate: Fate::None };

    fn flight(&self, was_lost: bool) -> Flight {
        let Self { at, stream, sequence, size, cluster, .. } = *self;
        Flight { at, size, cluster, was_lost, stream, sequence }
    }
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// There is no such packet.
    None,
    /// Nobody told yet.
    Flying,
    /// Said to be missing. It may still turn up: reordered packets do.
    Lost,
    /// It arrived, or its feedback was lost and nothing will be made of it any more.
    Settled,
}

/// A packet that feedback speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flight {
    /// Microseconds, with the low 32 bits of the time of its departure.
    pub(super) at: u32,
    pub(super) size: u16,
    /// The probe it belongs to, zero for none.
    pub(super) cluster: probe::Id,
    /// It was said to be lost before.
    pub(super) was_lost: bool,
    /// What it was.
    pub(super) stream: Ssrc,
    pub(super) sequence: u16,
}

impl Sent {
    pub(super) fn new() -> Self {
        Self { records: Box::default(), next: 0, told: 0 }
    }

    /// The number of the next packet.
    #[inline]
    pub(super) const fn next(&self) -> u16 {
        self.next as u16
    }

    /// How many packets have left.
    pub(super) const fn count(&self) -> u64 {
        self.next
    }

    /// The next packet left.
    #[inline]
    pub(super) fn push(&mut self, now: Time, packet: &Departure) {
        if self.records.is_empty() {
            self.records = vec![Record::EMPTY; HISTORY].into_boxed_slice();
        }
        if let Some(record) = self.record_mut(self.next) {
            *record = Record {
                at: now.as_micros() as u32,
                stream: packet.stream,
                sequence: packet.sequence,
                size: packet.size,
                cluster: packet.cluster,
                fate: Fate::Flying,
            };
        }
        self.next += 1;
    }

    /// Under which number a packet of a stream left, if that is still known.
    pub(super) fn number_of(&self, stream: Ssrc, sequence: u16) -> Option<u16> {
        let oldest = self.next.saturating_sub(HISTORY as u64);
        let found = (oldest..self.next).rev().find(|&number| {
            self.record(number)
                .is_some_and(|record| record.stream == stream && record.sequence == sequence)
        });
        found.map(|number| number as u16)
    }

    /// A packet arrived. `None` when no such packet is awaited.
    pub(super) fn arrived(&mut self, number: u16) -> Option<Flight> {
        let record = self.awaited(number)?;
        let before = core::mem::replace(&mut record.fate, Fate::Settled);
        Some(record.flight(before == Fate::Lost))
    }

    /// A packet is missing. `None` when no such packet is awaited, or it was missing before.
    pub(super) fn lost(&mut self, number: u16) -> Option<Flight> {
        let record = self.awaited(number).filter(|record| record.fate == Fate::Flying)?;
        record.fate = Fate::Lost;
        Some(record.flight(false))
    }

    /// A report covers `count` numbers from `base` on. Whatever before them nobody told of was in a
    /// report that got lost: its bytes, which most likely arrived, are returned.
    pub(super) fn covered(&mut self, base: u16, count: u16) -> u64 {
        let Some(base) = self.unwrap(base) else { return 0 };
        let oldest = self.next.saturating_sub(HISTORY as u64);
        let mut bytes = 0;
        for number in self.told.max(oldest)..base {
            if let Some(record) = self.record_mut(number)
                && record.fate == Fate::Flying
            {
                record.fate = Fate::Settled;
                bytes += u64::from(record.size);
            }
        }
        self.told = self.told.max((base + u64::from(count)).min(self.next));
        bytes
    }

    /// Something left that nobody has told of.
    pub(super) fn waits(&self) -> bool {
        self.told < self.next
    }

    fn record(&self, number: u64) -> Option<&Record> {
        self.records.get((number % HISTORY as u64) as usize)
    }

    fn record_mut(&mut self, number: u64) -> Option<&mut Record> {
        self.records.get_mut((number % HISTORY as u64) as usize)
    }

    fn awaited(&mut self, number: u16) -> Option<&mut Record> {
        let number = self.unwrap(number)?;
        self.record_mut(number).filter(|record| matches!(record.fate, Fate::Flying | Fate::Lost))
    }

    /// The latest packet with these 16 bits, if it was sent and is still kept.
    fn unwrap(&self, number: u16) -> Option<u64> {
        let last = self.next.checked_sub(1)?;
        let age = u64::from((last as u16).wrapping_sub(number));
        if age >= HISTORY as u64 { None } else { last.checked_sub(age) }
    }
}

/// Half a second at 20 Mbit/s, far more at what legs usually get: as long as feedback may take.
const HISTORY: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(packets: u64) -> Sent {
        let mut sent = Sent::new();
        for at in 0..packets {
            let departure = Departure {
                stream: Ssrc(7 + at as u32 % 2),
                sequence: at as u16 / 2,
                size: 100,
                cluster: 0,
            };
            sent.push(Time::from_millis(at), &departure);
        }
        sent
    }

    #[test]
    fn a_packet_is_settled_once_and_only_if_it_was_sent() {
        let mut sent = filled(10);
        assert_eq!(sent.next(), 10);
        assert_eq!(sent.arrived(3).map(|flight| flight.at), Some(3000));
        assert_eq!(sent.arrived(3), None);
        assert_eq!(sent.lost(3), None);
        assert_eq!((sent.arrived(10), sent.arrived(u16::MAX)), (None, None));
        assert!(sent.lost(4).is_some() && sent.lost(4).is_none());
        assert_eq!(sent.arrived(4).map(|flight| flight.was_lost), Some(true));
    }

    #[test]
    fn numbers_wrap_and_old_ones_are_forgotten() {
        let mut sent = filled(70_000);
        let last = 69_999u64 as u16;
        assert!(sent.arrived(last).is_some());
        assert!(sent.arrived(last.wrapping_sub(HISTORY as u16 - 1)).is_some());
        assert!(sent.arrived(last.wrapping_sub(HISTORY as u16)).is_none());
        assert!(sent.arrived(last.wrapping_add(1)).is_none());
    }

    #[test]
    fn a_packet_is_found_again_by_its_stream() {
        let sent = filled(20);
        assert_eq!(sent.number_of(Ssrc(7), 4), Some(8));
        assert_eq!(sent.number_of(Ssrc(8), 4), Some(9));
        assert_eq!(sent.number_of(Ssrc(8), 10), None);
        assert_eq!(filled(20 + HISTORY as u64).number_of(Ssrc(7), 4), None);
    }

    #[test]
    fn what_a_lost_report_covered_is_taken_to_have_arrived() {
        let mut sent = filled(10);
        assert_eq!(sent.covered(0, 2), 0);
        assert!(sent.lost(0).is_some() && sent.arrived(1).is_some());
        assert_eq!(sent.covered(5, 2), 300);
        assert_eq!(sent.arrived(3), None);
        assert!(sent.arrived(5).is_some() && sent.arrived(6).is_some() && sent.waits());
        assert_eq!(sent.covered(7, u16::MAX), 0);
        assert!(!sent.waits());
    }
}
