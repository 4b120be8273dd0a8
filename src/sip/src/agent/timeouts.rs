//! What is due when.

use std::collections::{BTreeMap, BTreeSet};

use offhook_types::Time;

/// At most one instant per key, in order.
#[derive(Debug)]
pub struct Timeouts<K> {
    order: BTreeSet<(Time, K)>,
    of: BTreeMap<K, Time>,
}

impl<K: Ord + Copy> Timeouts<K> {
    /// None.
    pub const fn new() -> Self {
        Self { order: BTreeSet::new(), of: BTreeMap::new() }
    }

    /// `key` is due at `at`, and no longer when it was before. `Time::MAX` is never.
    pub fn set(&mut self, key: K, at: Time) {
        self.clear(key);
        if at < Time::MAX {
            self.of.insert(key, at);
            self.order.insert((at, key));
        }
    }

    /// `key` is not due.
    pub fn clear(&mut self, key: K) {
        if let Some(at) = self.of.remove(&key) {
            self.order.remove(&(at, key));
        }
    }

    /// Takes the next key that is due.
    pub fn pop(&mut self, now: Time) -> Option<K> {
        let &(at, key) = self.order.first().filter(|(at, _)| *at <= now)?;
        self.order.remove(&(at, key));
        self.of.remove(&key);
        Some(key)
    }

    /// When the next is due.
    pub fn next(&self) -> Option<Time> {
        self.order.first().map(|(at, _)| *at)
    }

    /// When `key` is due.
    pub fn of(&self, key: K) -> Option<Time> {
        self.of.get(&key).copied()
    }
}
