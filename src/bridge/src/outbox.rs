//! What waits to be sent or said, in reused memory.

use core::net::SocketAddr;
use core::ops::Range;
use std::collections::VecDeque;

use super::machine::{Output, Port};
use super::words::Event;

#[derive(Debug, Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    packets: Vec<(Port, SocketAddr, Range<usize>)>,
    events: VecDeque<Event>,
}

impl Outbox {
    /// Lets `write` make a datagram in a buffer of [`MTU`] bytes; it returns the length, or `None`
    /// to send nothing.
    pub(super) fn packet(
        &mut self,
        port: Port,
        to: SocketAddr,
        write: impl FnOnce(&mut [u8]) -> Option<usize>,
    ) -> Option<usize> {
        let start = self.bytes.len();
        self.bytes.resize(start + MTU, 0);
        let len = self.bytes.get_mut(start..).and_then(write).filter(|&len| len <= MTU);
        self.bytes.truncate(start + len.unwrap_or(0));
        let len = len?;
        self.packets.push((port, to, start..start + len));
        Some(len)
    }

    pub(super) fn event(&mut self, event: Event) {
        self.events.push_back(event);
    }

    pub(super) fn drain(&mut self, mut each: impl FnMut(Output<'_>)) {
        for (port, to, range) in self.packets.drain(..) {
            let bytes = self.bytes.get(range).unwrap_or_default();
            each(Output::Send { port, to, bytes });
        }
        self.bytes.clear();
        self.events.drain(..).for_each(|event| each(Output::Event(event)));
    }
}

/// 60 ms of G.711 with header and tag are 512 bytes; 120 ms of Opus at most 1275 and a header.
pub(super) const MTU: usize = 1400;
