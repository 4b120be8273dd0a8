//! What waits to be written to a stream: whole packets with their frames, in a ring of bytes that is allocated once. A
//! stream whose peer does not take what we have to say loses video first, since a late picture is worth nothing and
//! its sender will be told to send less; sound, checks and reports still find room.

use core::time::Duration;
use std::collections::VecDeque;
use std::io::IoSlice;

use offhook_types::Time;

/// A second of 1.5 Mbit/s: what exceeds it would arrive too late to be used.
pub(super) const BYTES: usize = 192 * 1024;
/// Room for answers to a peer that has proved nothing.
pub(super) const FIRST_BYTES: usize = 8 * 1024;
/// Bytes kept for what is not video.
const RESERVED: usize = 32 * 1024;
/// Video is refused while the packet in front waits longer than this, so that what is written is never older.
const STALE: Duration = Duration::from_millis(250);
/// Bytes for which there is room for one packet more: audio with its frame.
const LEAST: usize = 96;

/// What a packet is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Worth {
    /// Goes first when there is no room.
    Video,
    /// Sound, control, checks, handshakes.
    Rest,
}

/// The packet found no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

/// Packets on their way into a stream.
pub(super) struct Queue {
    bytes: Box<[u8]>,
    start: usize,
    used: usize,
    /// Bytes left of each packet, and since when it waits.
    packets: VecDeque<(usize, Time)>,
    most: usize,
}

impl Queue {
    pub(super) fn new(bytes: usize) -> Self {
        let most = (bytes / LEAST).max(LEAST);
        let packets = VecDeque::with_capacity(most);
        Self { bytes: vec![0; bytes].into_boxed_slice(), start: 0, used: 0, packets, most }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Become larger, once, when the peer has proved itself.
    pub(super) fn grow(&mut self, bytes: usize) {
        if bytes <= self.bytes.len() {
            return;
        }
        let mut larger = Self::new(bytes);
        for part in self.parts() {
            larger.copy_in(&part);
        }
        larger.packets.extend(&self.packets);
        *self = larger;
    }

    /// Put a packet with its frame in line: header, packet, padding to four bytes where wanted.
    pub(super) fn push(
        &mut self,
        now: Time,
        (header, packet, padded): (&[u8], &[u8], bool),
        worth: Worth,
    ) -> Result<(), Full> {
        let padding = if padded { packet.len().next_multiple_of(4) - packet.len() } else { 0 };
        let len = header.len() + packet.len() + padding;
        let room = self.bytes.len() - self.used;
        let kept = if worth == Worth::Video { RESERVED.min(self.bytes.len() / 4) } else { 0 };
        if len + kept > room || self.packets.len() >= self.most {
            return Err(Full);
        }
        if worth == Worth::Video && self.waits(now) > STALE {
            return Err(Full);
        }
        self.copy_in(header);
        self.copy_in(packet);
        self.copy_in([0; 3].get(..padding).unwrap_or_default());
        self.packets.push_back((len, now));
        Ok(())
    }

    /// How long the packet in front has been waiting.
    pub(super) fn waits(&self, now: Time) -> Duration {
        self.packets.front().map_or(Duration::ZERO, |(_, since)| now.since(*since))
    }

    /// What waits, in order.
    pub(super) fn parts(&self) -> [IoSlice<'_>; 2] {
        let until_end = self.used.min(self.bytes.len() - self.start);
        let first = self.bytes.get(self.start..self.start + until_end).unwrap_or_default();
        let second = self.bytes.get(..self.used - until_end).unwrap_or_default();
        [IoSlice::new(first), IoSlice::new(second)]
    }

    /// So many bytes from the front were written.
    pub(super) fn written(&mut self, len: usize) {
        let len = len.min(self.used);
        self.used -= len;
        self.start = (self.start + len) % self.bytes.len().max(1);
        let mut left = len;
        while let Some((size, _)) = self.packets.front_mut() {
            if *size > left {
                *size -= left;
                return;
            }
            left -= *size;
            self.packets.pop_front();
        }
    }

    /// There is room for it.
    fn copy_in(&mut self, bytes: &[u8]) {
        let capacity = self.bytes.len().max(1);
        let at = (self.start + self.used) % capacity;
        let (first, second) = bytes.split_at(bytes.len().min(capacity - at));
        if let Some(place) = self.bytes.get_mut(at..at + first.len()) {
            place.copy_from_slice(first);
        }
        if let Some(place) = self.bytes.get_mut(..second.len()) {
            place.copy_from_slice(second);
        }
        self.used += bytes.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    fn content(queue: &Queue) -> Vec<u8> {
        queue.parts().iter().flat_map(|part| part.to_vec()).collect()
    }

    #[test]
    fn packets_leave_in_order_and_across_the_end_of_the_ring() {
        let mut queue = Queue::new(16);
        for round in 0..40u8 {
            let packet = [round, round, round, round];
            queue.push(at(0), (&[0, 4], &packet, false), Worth::Rest).unwrap();
            queue.push(at(0), (&[9], &[round], true), Worth::Rest).unwrap();
            let expected = [&[0, 4][..], &packet, &[9, round, 0, 0, 0]].concat();
            assert_eq!(content(&queue), expected);
            queue.written(7);
            assert_eq!(content(&queue), expected[7..]);
            queue.written(4);
            assert!(queue.is_empty() && queue.packets.is_empty());
        }
    }

    #[test]
    fn video_finds_no_room_where_sound_still_does() {
        let mut queue = Queue::new(BYTES);
        let packet = [7; 1200];
        while queue.push(at(0), (&[], &packet, false), Worth::Video).is_ok() {}
        assert!(queue.used <= BYTES - RESERVED);
        assert_eq!(queue.push(at(0), (&[], &packet, false), Worth::Rest), Ok(()));
        while queue.push(at(0), (&[], &packet, false), Worth::Rest).is_ok() {}
        assert!(BYTES - queue.used < packet.len());
    }

    #[test]
    fn video_is_refused_behind_what_waits_for_long() {
        let mut queue = Queue::new(BYTES);
        queue.push(at(0), (&[], &[1; 10], false), Worth::Rest).unwrap();
        assert_eq!(queue.push(at(250), (&[], &[2], false), Worth::Video), Ok(()));
        assert_eq!(queue.push(at(251), (&[], &[3], false), Worth::Video), Err(Full));
        assert_eq!(queue.push(at(251), (&[], &[4], false), Worth::Rest), Ok(()));
        queue.written(9);
        assert_eq!(queue.push(at(251), (&[], &[5], false), Worth::Video), Err(Full));
        queue.written(1);
        assert_eq!(queue.push(at(251), (&[], &[6], false), Worth::Video), Ok(()));
    }

    #[test]
    fn a_queue_that_grows_keeps_what_waits() {
        let mut queue = Queue::new(8);
        queue.push(at(0), (&[], &[1, 2, 3, 4, 5], false), Worth::Rest).unwrap();
        queue.written(3);
        queue.push(at(0), (&[], &[6, 7, 8, 9], false), Worth::Rest).unwrap();
        queue.grow(64);
        assert_eq!(content(&queue), [4, 5, 6, 7, 8, 9]);
        queue.written(2);
        assert_eq!(queue.packets.len(), 1);
    }
}
