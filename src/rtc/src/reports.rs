//! What arrived of one incoming stream, for the report blocks that go back to its sender (RFC 3550
//! §6.4, Appendix A).

use core::time::Duration;

use offhook_types::rtp::Ssrc;
use offhook_types::time::Time;

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
    clock_rate: u32,
    /// Lowest and highest sequence number.
    range: Option<(u64, u64)>,
    received: u64,
    /// Expected and received when the last block was made.
    reported: (u64, u64),
    jitter: Jitter,
    /// Middle 32 bits of the NTP time, and when it came.
    sender_report: Option<(u32, Time)>,
}

impl Reception {
    /// Nothing yet of this stream, whose timestamps run at `clock_rate` hertz.
    pub fn new(ssrc: Ssrc, clock_rate: u32) -> Self {
        Self {
            ssrc,
            clock_rate,
            range: None,
            received: 0,
            reported: (0, 0),
            jitter: Jitter::default(),
            sender_report: None,
        }
    }

    /// A packet arrived. `sequence` is unwrapped.
    #[inline]
    pub fn received(&mut self, now: Time, sequence: u64, timestamp: u32) {
        self.received += 1;
        let (lowest, highest) = self.range.unwrap_or((sequence, sequence));
        // A late packet says something of the path that it took, not of the one that all others
        // take.
        if sequence >= highest {
            self.jitter.add(now, timestamp, self.clock_rate);
        }
        self.range = Some((lowest.min(sequence), highest.max(sequence)));
    }

    /// The stream's sender reported, with this 64-bit NTP time.
    pub fn sender_report(&mut self, now: Time, ntp: u64) {
        self.sender_report = Some(((ntp >> 16) as u32, now));
    }

    /// The block to send now. Starts the next interval. `None` before the first packet.
    pub fn block(&mut self, now: Time) -> Option<Block> {
        let (_, highest) = self.range?;
        let (expected, received) = self.totals();
        let expected_now = expected - self.reported.0;
        let received_now = received - self.reported.1;
        self.reported = (expected, received);
        let lost_now = expected_now.saturating_sub(received_now);
        let fraction = (lost_now << 8).checked_div(expected_now).unwrap_or(0);
        let lost = (expected as i64).wrapping_sub(received as i64);
        let (last_sender_report, delay) = match self.sender_report {
            Some((ntp, at)) => (ntp, (now.since(at).as_micros() * 65_536 / 1_000_000) as u32),
            None => (0, 0),
        };
        Some(Block {
            ssrc: self.ssrc,
            fraction_lost: u8::try_from(fraction).unwrap_or(u8::MAX),
            cumulative_lost: lost.clamp(-0x80_0000, 0x7f_ffff) as i32,
            highest_sequence: highest as u32,
            jitter: self.jitter.scaled >> 4,
            last_sender_report,
            delay,
        })
    }

    /// Jitter as a duration.
    pub fn jitter(&self) -> Duration {
        let micros = u64::from(self.jitter.scaled >> 4) * 1_000_000;
        Duration::from_micros(micros.checked_div(self.clock_rate.into()).unwrap_or(0))
    }

    /// Packets expected and packets received since the beginning; duplicates count as received.
    pub fn totals(&self) -> (u64, u64) {
        let expected = self.range.map_or(0, |(lowest, highest)| highest - lowest + 1);
        (expected, self.received)
    }
}

/// Interarrival jitter (RFC 3550 §A.8) in sixteenths of a timestamp unit.
#[derive(Default)]
struct Jitter {
    scaled: u32,
    /// Timestamp and transit time of the packet before.
    last: Option<(u32, u32)>,
}

impl Jitter {
    fn add(&mut self, now: Time, timestamp: u32, clock_rate: u32) {
        // Overflows after six years, and then costs one wrong sample.
        let arrival = now.as_micros().wrapping_mul(clock_rate.into()) / 1_000_000;
        let transit = (arrival as u32).wrapping_sub(timestamp);
        let last = self.last.replace((timestamp, transit));
        // The packets of one picture share a timestamp but leave one after another: only the first
        // of each tells anything about the network.
        let Some((_, transit_before)) = last.filter(|(before, _)| *before != timestamp) else {
            // What the first of them took stays what the next picture is compared with.
            self.last = last.or(self.last);
            return;
        };
        let difference = (transit.wrapping_sub(transit_before) as i32).unsigned_abs();
        // The sender's clock jumped; it would take hundreds of packets to forget.
        if difference > clock_rate.saturating_mul(MAX_STEP_SECS) {
            return;
        }
        let decay = (self.scaled + 8) >> 4;
        self.scaled = self.scaled.saturating_add(difference).saturating_sub(decay);
    }
}

const MAX_STEP_SECS: u32 = 5;

#[cfg(test)]
mod tests;
