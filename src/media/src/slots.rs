//! The memory that packets live in. A worker allocates its slots once. A packet is decrypted straight into a slot that
//! only its worker holds; from then on the slot is read only and shared by count: with the history it can be sent again
//! from, and with other workers that have receivers. The worker that allocated a slot always keeps one
//! count, so the last
//! holder elsewhere never frees memory.

use std::collections::VecDeque;
use std::sync::Arc;

use offhook_types::{Codec, Time, WorkerId};

/// Longest packet kept: an Ethernet frame's worth. Longer ones are dropped.
pub(crate) const SLOT_BYTES: usize = 1504;

/// One decrypted packet.
pub(crate) struct Slot {
    home: WorkerId,
    /// When it arrived.
    pub(crate) arrived: Time,
    /// Its sequence number unwrapped.
    pub(crate) sequence: u64,
    /// Which of its track's layers it belongs to.
    pub(crate) layer: u8,
    /// What it is encoded with.
    pub(crate) codec: Codec,
    /// Length of the packet in `bytes`.
    pub(crate) len: usize,
    /// Header and payload as the publisher sent them; a retransmission is stored as its original.
    pub(crate) bytes: [u8; SLOT_BYTES],
}

impl Slot {
    pub(crate) fn packet(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Whether these bytes are its own.
    pub(crate) fn holds(&self, part: &[u8]) -> bool {
        self.bytes.as_ptr_range().contains(&part.as_ptr())
    }
}

/// A worker's slots that nobody uses, and those whose other holders it waits for.
pub(crate) struct Arena {
    home: WorkerId,
    slots: usize,
    free: Vec<Arc<Slot>>,
    shared: VecDeque<Arc<Slot>>,
}

/// Shared slots looked at for each one wanted. They come back roughly in order, so the first is usually free.
const LOOK: usize = 4;

impl Arena {
    pub(crate) fn new(home: WorkerId, slots: usize) -> Self {
        let slot = || Slot {
            home,
            arrived: Time::ZERO,
            sequence: 0,
            layer: 0,
            codec: Codec::Opus,
            len: 0,
            bytes: [0; SLOT_BYTES],
        };
        Self {
            home,
            slots,
            free: (0..slots).map(|_| Arc::new(slot())).collect(),
            shared: VecDeque::with_capacity(slots),
        }
    }

    /// A slot that nobody else holds.
    pub(crate) fn take(&mut self) -> Option<Arc<Slot>> {
        self.reclaim(LOOK);
        self.free.pop()
    }

    /// A slot is not needed here any more. Another worker's slot is let go.
    pub(crate) fn give(&mut self, mut slot: Arc<Slot>) {
        if slot.home != self.home {
            return;
        }
        if Arc::get_mut(&mut slot).is_some() {
            self.free.push(slot);
        } else {
            self.shared.push_back(slot);
        }
    }

    pub(crate) fn free(&self) -> usize {
        self.free.len()
    }

    /// All slots, free or not.
    pub(crate) fn slots(&self) -> usize {
        self.slots
    }

    /// No slot is free at this moment.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.free.is_empty()
    }

    /// Take back what other workers have let go of, among the first `look` that they held.
    pub(crate) fn reclaim(&mut self, look: usize) {
        for _ in 0..look {
            let Some(mut slot) = self.shared.pop_front() else { return };
            if Arc::get_mut(&mut slot).is_none() {
                self.shared.push_back(slot);
                continue;
            }
            self.free.push(slot);
        }
    }
}

/// The latest packets of one layer of a track, by sequence number.
pub(crate) struct History {
    places: Box<[Option<Arc<Slot>>]>,
    /// Everything kept is at or after this.
    oldest: u64,
    /// The highest number kept, plus one.
    end: u64,
    /// How many are kept.
    kept: usize,
}

impl History {
    /// Room for `packets` packets, rounded up to a power of two.
    pub(crate) fn new(packets: usize) -> Self {
        let places = (0..packets.max(1).next_power_of_two()).map(|_| None).collect();
        Self { places, oldest: 0, end: 0, kept: 0 }
    }

    fn place(&mut self, sequence: u64) -> Option<&mut Option<Arc<Slot>>> {
        let mask = (self.places.len() as u64).wrapping_sub(1);
        self.places.get_mut((sequence & mask) as usize)
    }

    /// Keep a packet; whatever had its place goes back. A packet older than all places is not kept.
    pub(crate) fn keep(&mut self, slot: Arc<Slot>, arena: &mut Arena) {
        let (sequence, room) = (slot.sequence, self.places.len() as u64);
        if self.end == 0 {
            self.oldest = sequence;
        } else if sequence.saturating_add(room) < self.end {
            return arena.give(slot);
        }
        self.end = self.end.max(sequence.saturating_add(1));
        // A packet may come before the first one that was kept.
        self.oldest = self.oldest.min(sequence);
        match self.place(sequence).map(|place| place.replace(slot)) {
            Some(Some(old)) => arena.give(old),
            _ => self.kept += 1,
        }
    }

    /// A packet that is still kept.
    pub(crate) fn find(&self, sequence: u64) -> Option<&Arc<Slot>> {
        let mask = (self.places.len() as u64).wrapping_sub(1);
        let slot = self.places.get((sequence & mask) as usize)?.as_ref()?;
        (slot.sequence == sequence).then_some(slot)
    }

    /// Give back what arrived before `limit`; how many that were.
    pub(crate) fn expire(&mut self, limit: Time, arena: &mut Arena) -> usize {
        self.forget_while(arena, |slot, _| slot.arrived < limit)
    }

    /// Give back the oldest, so that no more than `share` stay; how many that were.
    pub(crate) fn shrink(&mut self, share: usize, arena: &mut Arena) -> usize {
        self.forget_while(arena, |_, kept| kept > share)
    }

    /// When the oldest packet arrived.
    pub(crate) fn oldest(&self) -> Option<Time> {
        self.places.iter().flatten().map(|slot| slot.arrived).min()
    }

    /// Give back the oldest ones as long as this holds of them and the number kept; how many that were.
    fn forget_while(&mut self, arena: &mut Arena, goes: impl Fn(&Slot, usize) -> bool) -> usize {
        let before = self.kept;
        // After a jump of the sequence numbers only as many steps as there are places can find something.
        let room = self.places.len() as u64;
        self.oldest = self.oldest.max(self.end.saturating_sub(room));
        while self.oldest < self.end {
            let (oldest, kept) = (self.oldest, self.kept);
            if let Some(place) = self.place(oldest)
                && let Some(slot) = place
            {
                // What is left from before a jump goes in any case.
                if slot.sequence >= oldest && !goes(slot, kept) {
                    break;
                }
                if let Some(slot) = place.take() {
                    arena.give(slot);
                    self.kept -= 1;
                }
            }
            self.oldest = oldest.saturating_add(1);
        }
        before - self.kept
    }

    /// Give everything back.
    pub(crate) fn clear(&mut self, arena: &mut Arena) {
        for slot in self.places.iter_mut().filter_map(Option::take) {
            arena.give(slot);
        }
        (self.oldest, self.end, self.kept) = (0, 0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(arena: &mut Arena, sequence: u64) -> Arc<Slot> {
        let mut slot = arena.take().unwrap();
        let inside = Arc::get_mut(&mut slot).unwrap();
        inside.sequence = sequence;
        inside.arrived = Time::from_millis(sequence);
        slot
    }

    #[test]
    fn a_slot_held_elsewhere_is_not_reused_before_it_comes_back() {
        let mut arena = Arena::new(WorkerId(0), 1);
        let slot = arena.take().unwrap();
        assert!(arena.take().is_none());
        let elsewhere = slot.clone();
        arena.give(slot);
        assert!(arena.take().is_none());
        Arena::new(WorkerId(1), 0).give(elsewhere);
        assert!(arena.take().is_some());
    }

    #[test]
    fn history_keeps_the_latest_and_gives_back_the_rest() {
        let mut arena = Arena::new(WorkerId(0), 6);
        let mut history = History::new(4);
        for sequence in [10, 12, 11, 13, 14] {
            let slot = filled(&mut arena, sequence);
            history.keep(slot, &mut arena);
        }
        assert!(history.find(10).is_none());
        assert!([11, 12, 13, 14].iter().all(|&s| history.find(s).is_some()));
        assert_eq!(arena.free(), 2);
        let late = filled(&mut arena, 9);
        history.keep(late, &mut arena);
        assert!(history.find(9).is_none() && history.find(13).is_some());
        history.expire(Time::from_millis(13), &mut arena);
        assert_eq!(arena.free(), 4);
        assert!(history.find(12).is_none() && history.find(13).is_some());
        history.clear(&mut arena);
        assert_eq!(arena.free(), 6);
    }

    #[test]
    fn a_share_is_kept_of_the_latest() {
        let mut arena = Arena::new(WorkerId(0), 8);
        let mut history = History::new(8);
        for sequence in [10, 11, 13, 14, 15, 12] {
            let slot = filled(&mut arena, sequence);
            history.keep(slot, &mut arena);
        }
        assert_eq!(history.oldest(), Some(Time::from_millis(10)));
        assert_eq!(history.shrink(2, &mut arena), 4);
        assert!(history.find(13).is_none() && history.find(14).is_some());
        assert_eq!((history.shrink(2, &mut arena), arena.free()), (0, 6));
        assert_eq!(history.expire(Time::from_millis(15), &mut arena), 1);
        assert_eq!(history.oldest(), Some(Time::from_millis(15)));
    }

    #[test]
    fn a_jump_of_sequence_numbers_loses_no_slot() {
        let mut arena = Arena::new(WorkerId(0), 8);
        let mut history = History::new(4);
        for sequence in [1, 2, 3, 1_000_000] {
            let slot = filled(&mut arena, sequence);
            history.keep(slot, &mut arena);
        }
        history.expire(Time::MAX, &mut arena);
        assert_eq!(arena.free(), 8);
        assert!(history.find(3).is_none());
    }
}
