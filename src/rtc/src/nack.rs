//! Finds what is missing of one incoming stream and when to ask for it again (RFC 4585 §6.2.1).

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
    highest: u64,
}

impl Default for Nack {
    fn default() -> Self {
        Self::new()
    }
}

impl Nack {
    /// Nothing received yet.
    pub fn new() -> Self {
        Self { highest: 0 }
    }

    /// A packet arrived, by itself or as a retransmission. `sequence` is unwrapped.
    pub fn received(&mut self, now: Time, sequence: u64) -> Arrival {
        let _ = (now, sequence, self.highest);
        Arrival::New
    }

    /// Writes the sequence numbers to ask for now to `out`. `rtt` spaces the tries.
    pub fn poll(&mut self, now: Time, rtt: Duration, out: &mut [u16]) -> Request {
        let _ = (now, rtt, out);
        Request::default()
    }

    /// When to poll next; `None` while nothing is missing.
    pub fn next_timeout(&self) -> Option<Time> {
        None
    }
}
