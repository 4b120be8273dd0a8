//! Datagrams that wait to be sent, in one buffer that is used again and again.

use std::net::SocketAddr;

/// Filled by a machine, emptied by whoever owns the socket.
#[derive(Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    /// Where each datagram goes, and where it ends in the buffer.
    packets: Vec<(SocketAddr, usize)>,
}

impl Outbox {
    /// Add a copy of a datagram.
    pub fn push(&mut self, to: SocketAddr, packet: &[u8]) {
        self.bytes.extend_from_slice(packet);
        self.packets.push((to, self.bytes.len()));
    }

    /// Add a datagram of at most `room` bytes that `write` makes; it answers how long it became, or nothing.
    pub fn write(
        &mut self,
        to: SocketAddr,
        room: usize,
        write: impl FnOnce(&mut [u8]) -> Option<usize>,
    ) -> Option<usize> {
        let start = self.bytes.len();
        self.bytes.resize(start + room, 0);
        let len = write(&mut self.bytes[start..]);
        self.bytes.truncate(start + len.unwrap_or(0));
        if len.is_some() {
            self.packets.push((to, self.bytes.len()));
        }
        len
    }

    /// Every datagram in its order.
    pub fn iter(&self) -> impl Iterator<Item = (SocketAddr, &[u8])> {
        let starts = std::iter::once(0).chain(self.packets.iter().map(|(_, end)| *end));
        self.packets.iter().zip(starts).map(|(&(to, end), start)| (to, &self.bytes[start..end]))
    }

    /// All was sent.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.packets.clear();
    }
}
