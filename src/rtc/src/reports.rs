//! Sender and receiver reports of one leg (RFC 3550 §6.4): [`Reception`] per incoming stream, [`Emission`] per outgoing
//! one.

use core::time::Duration;

use offhook_types::rtp::Ssrc;
use offhook_types::time::{Time, WallTime};

/// A report block (RFC 3550 §6.4.1) in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// The stream it is about.
    pub ssrc: Ssrc,
    /// Lost since the previous block, in 1/256.
    pub fraction_lost: u8,
    /// Lost since the beginning, 24 bits signed.
    pub cumulative_lost: i32,
    /// Extended highest sequence number received.
    pub highest_sequence: u32,
    /// Interarrival jitter in timestamp units.
    pub jitter: u32,
    /// Middle 32 bits of the NTP time of the last sender report; zero if none.
    pub last_sender_report: u32,
    /// Time since that report, in 1/65536 s.
    pub delay: u32,
}

/// What arrived of one incoming stream.
pub struct Reception {
    ssrc: Ssrc,
}

impl Reception {
    /// Nothing yet of this stream, whose timestamps run at `clock_rate` hertz.
    pub fn new(ssrc: Ssrc, clock_rate: u32) -> Self {
        let _ = clock_rate;
        Self { ssrc }
    }

    /// A packet arrived. `sequence` is unwrapped.
    pub fn received(&mut self, now: Time, sequence: u64, timestamp: u32) {
        let _ = (now, sequence, timestamp);
    }

    /// The stream's sender reported, with this 64-bit NTP time.
    pub fn sender_report(&mut self, now: Time, ntp: u64) {
        let _ = (now, ntp);
    }

    /// The block to send now. Starts the next interval.
    pub fn block(&mut self, now: Time) -> Option<Block> {
        let _ = (now, self.ssrc);
        None
    }

    /// Jitter as a duration.
    pub fn jitter(&self) -> Duration {
        Duration::ZERO
    }

    /// Packets expected and packets received since the beginning; duplicates count as received.
    pub fn totals(&self) -> (u64, u64) {
        (0, 0)
    }
}

/// The sender's half of a report (RFC 3550 §6.4.1) in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderInfo {
    /// 64-bit NTP time.
    pub ntp: u64,
    /// The RTP timestamp of the same moment.
    pub timestamp: u32,
    /// Packets sent.
    pub packets: u32,
    /// Payload bytes sent.
    pub octets: u32,
}

/// What was sent of one outgoing stream, and what the peer says about it.
pub struct Emission {
    clock_rate: u32,
}

impl Emission {
    /// Nothing sent yet of a stream whose timestamps run at `clock_rate` hertz.
    pub fn new(clock_rate: u32) -> Self {
        Self { clock_rate }
    }

    /// A packet was sent.
    pub fn sent(&mut self, now: Time, timestamp: u32, payload_len: usize) {
        let _ = (now, timestamp, payload_len);
    }

    /// The sender's information at `now`, which the calendar calls `wall`; `None` before the first packet.
    pub fn sender_info(&mut self, now: Time, wall: WallTime) -> Option<SenderInfo> {
        let _ = (now, wall, self.clock_rate);
        None
    }

    /// The peer reported on this stream. `last_sender_report` and `delay` are the block's.
    pub fn reported(&mut self, now: Time, fraction_lost: u8, last_sender_report: u32, delay: u32) {
        let _ = (now, fraction_lost, last_sender_report, delay);
    }

    /// Smoothed round trip.
    pub fn round_trip(&self) -> Option<Duration> {
        None
    }

    /// What the peer last reported lost, in 1/256.
    pub fn fraction_lost(&self) -> u8 {
        0
    }
}

/// The calendar as a 64-bit NTP time (RFC 5905 §6): seconds since 1900 and their fraction.
pub fn ntp(wall: WallTime) -> u64 {
    let _ = wall;
    0
}
