//! Packets on the wire, the first to arrive at the top of a heap.

use core::cmp::Ordering;

use offhook_types::Time;

pub(crate) struct Flight<T> {
    pub arrives: Time,
    /// Tells packets apart that arrive at one time: the first sent comes first.
    pub serial: u64,
    pub packet: T,
}

impl<T> Ord for Flight<T> {
    /// The earlier one is the greater one.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.arrives, other.serial).cmp(&(self.arrives, self.serial))
    }
}

impl<T> PartialOrd for Flight<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Flight<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Flight<T> {}
