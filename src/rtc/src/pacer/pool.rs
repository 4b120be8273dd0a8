//! Memory for what waits, shared by many queues: places that are linked to lists.

use offhook_types::Time;

/// Places for packets that wait, allocated once.
pub struct Pool<T> {
    places: Box<[Place<T>]>,
    /// The first place that nobody uses.
    free: u32,
}

struct Place<T> {
    next: u32,
    since: Time,
    bytes: usize,
    packet: Option<T>,
}

/// A queue in a [`Pool`].
pub(super) struct List {
    first: u32,
    last: u32,
    len: usize,
    bytes: usize,
}

/// No place.
const NONE: u32 = u32::MAX;

impl List {
    pub(super) const EMPTY: Self = Self { first: NONE, last: NONE, len: 0, bytes: 0 };

    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }
}

impl<T> Pool<T> {
    /// With room for so many packets.
    pub fn new(packets: usize) -> Self {
        let packets = packets.min(NONE as usize) as u32;
        let next = |place| if place + 1 < packets { place + 1 } else { NONE };
        let place = |index| Place { next: next(index), since: Time::ZERO, bytes: 0, packet: None };
        let free = if packets == 0 { NONE } else { 0 };
        Self { places: (0..packets).map(place).collect(), free }
    }

    /// False when there is no room.
    pub(super) fn push(
        &mut self,
        list: &mut List,
        (since, bytes): (Time, usize),
        packet: T,
    ) -> bool {
        let index = self.free;
        let Some(place) = self.place(index) else { return false };
        let free = place.next;
        *place = Place { next: NONE, since, bytes, packet: Some(packet) };
        self.free = free;
        match self.place(list.last) {
            Some(last) => last.next = index,
            None => list.first = index,
        }
        list.last = index;
        list.len += 1;
        list.bytes += bytes;
        true
    }

    /// Since when the first has waited.
    pub(super) fn since(&self, list: &List) -> Option<Time> {
        self.places.get(list.first as usize).map(|place| place.since)
    }

    pub(super) fn pop(&mut self, list: &mut List) -> Option<(usize, T)> {
        let (index, free) = (list.first, self.free);
        let place = self.place(index)?;
        let next = core::mem::replace(&mut place.next, free);
        let (bytes, packet) = (place.bytes, place.packet.take());
        self.free = index;
        list.first = next;
        list.len = list.len.saturating_sub(1);
        list.bytes = list.bytes.saturating_sub(bytes);
        if next == NONE {
            list.last = NONE;
        }
        packet.map(|packet| (bytes, packet))
    }

    fn place(&mut self, index: u32) -> Option<&mut Place<T>> {
        self.places.get_mut(index as usize)
    }
}
