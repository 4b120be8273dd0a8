//! Tags that wait to be made together.

use super::lanes::{self, Key, LANES, Message};

/// What the tag of one packet is made of, apart from the packet itself.
#[derive(Clone, Copy)]
pub struct Unsigned {
    pub(super) key: Key,
    /// Length of the packet before the tag.
    pub(super) len: usize,
    /// The rollover counter, which is signed and not sent (RFC 3711 §4.2).
    pub(super) suffix: [u8; 4],
    pub(super) tag_len: usize,
}

/// Collects packets that lie in one buffer and writes their tags: sixteen cost little more than one.
pub struct Signer {
    waiting: [(usize, Option<Unsigned>); LANES],
    count: usize,
}

impl Default for Signer {
    fn default() -> Self {
        Self { waiting: [(0, None); LANES], count: 0 }
    }
}

impl Signer {
    /// The packet that starts at `start` waits for its tag. Before the next one, and before any of
    /// them moves, call [`Signer::sign`] if this says that no more fit.
    #[must_use]
    pub fn add(&mut self, start: usize, unsigned: Unsigned) -> bool {
        if let Some(place) = self.waiting.get_mut(self.count) {
            *place = (start, Some(unsigned));
            self.count += 1;
        }
        self.count == LANES
    }

    /// Write the tags of all that wait into the buffer in which they lie.
    pub fn sign(&mut self, bytes: &mut [u8]) {
        if self.count == 0 {
            return;
        }
        let waiting = self.waiting.get(..self.count).unwrap_or_default();
        let mut messages = [Message::NONE; LANES];
        for (message, (start, unsigned)) in messages.iter_mut().zip(waiting) {
            let Some(Unsigned { key, len, suffix, .. }) = *unsigned else { continue };
            *message = Message { key, start: *start, len, suffix };
        }
        let tags = lanes::sign(bytes, messages.get(..self.count).unwrap_or_default());
        for (tag, (start, unsigned)) in tags.iter().zip(waiting) {
            let Some(Unsigned { len, tag_len, .. }) = *unsigned else { continue };
            let place = bytes.get_mut(start + len..start + len + tag_len);
            if let (Some(place), Some(tag)) = (place, tag.get(..tag_len)) {
                place.copy_from_slice(tag);
            }
        }
        self.count = 0;
    }
}
