//! How well packets come (RFC 3550 §6.4.1): how many, how many not, how evenly.

use offhook_types::Ssrc;
use offhook_wire::rtcp::ReportBlock;
use offhook_wire::rtp::{Header, SequenceUnwrapper};
use tokio::time::Instant;

/// What came in one call. Its source may change; what was counted before is kept.
#[derive(Debug, Default)]
pub struct Reception {
    stream: Option<Stream>,
    /// Of earlier sources.
    packets: u64,
    lost: u64,
}

#[derive(Debug)]
struct Stream {
    ssrc: Ssrc,
    numbers: SequenceUnwrapper,
    first: u64,
    packets: u64,
    /// At the last report.
    reported: (u64, u64),
    jitter: f64,
    /// Arrival less timestamp of the last packet, in units of 8 kHz.
    transit: Option<f64>,
    started: Instant,
}

impl Reception {
    /// A packet came.
    pub fn hear(&mut self, header: &Header) {
        let same = self.stream.as_ref().is_some_and(|stream| stream.ssrc == header.ssrc);
        if !same {
            (self.packets, self.lost) = self.totals();
            self.stream = Some(Stream::new(header));
        }
        if let Some(stream) = &mut self.stream {
            stream.hear(header);
        }
    }

    /// Packets that came, and packets that did not.
    pub fn totals(&self) -> (u64, u64) {
        let Some(stream) = &self.stream else { return (self.packets, self.lost) };
        let missing = stream.expected().saturating_sub(stream.packets);
        (self.packets + stream.packets, self.lost + missing)
    }

    /// A report on the stream that comes.
    pub fn block(&mut self) -> Option<ReportBlock> {
        let stream = self.stream.as_mut()?;
        let now = (stream.expected(), stream.packets);
        let (expected, packets) = (now.0 - stream.reported.0, now.1 - stream.reported.1);
        stream.reported = now;
        let fraction = (expected.saturating_sub(packets) * 256).checked_div(expected).unwrap_or(0);
        Some(ReportBlock {
            source: stream.ssrc,
            fraction_lost: u8::try_from(fraction).unwrap_or(u8::MAX),
            total_lost: (now.0.cast_signed() - now.1.cast_signed()) as i32,
            highest_sequence: stream.numbers.highest().unwrap_or(0) as u32,
            jitter: stream.jitter as u32,
            last_report: 0,
            delay: 0,
        })
    }
}

impl Stream {
    fn new(header: &Header) -> Self {
        let mut numbers = SequenceUnwrapper::new();
        let first = numbers.unwrap(header.sequence);
        let (packets, reported) = (0, (0, 0));
        let (jitter, transit, started) = (0.0, None, Instant::now());
        Self { ssrc: header.ssrc, numbers, first, packets, reported, jitter, transit, started }
    }

    fn hear(&mut self, header: &Header) {
        let number = self.numbers.unwrap(header.sequence);
        self.first = self.first.min(number);
        self.packets += 1;
        let arrival = self.started.elapsed().as_secs_f64() * 8000.0;
        let transit = arrival - f64::from(header.timestamp);
        if let Some(last) = self.transit.replace(transit) {
            // Timestamps wrap, and jump where a source begins anew.
            let step = (transit - last).abs();
            self.jitter += if step < 8000.0 { (step - self.jitter) / 16.0 } else { 0.0 };
        }
    }

    fn expected(&self) -> u64 {
        self.numbers.highest().map_or(0, |highest| highest + 1 - self.first)
    }
}

#[cfg(test)]
mod tests {
    use offhook_types::PayloadType;

    use super::*;

    #[test]
    fn what_does_not_come_is_lost_whatever_the_source() {
        let mut reception = Reception::default();
        let mut hear = |ssrc, sequences: &[u16]| {
            for &sequence in sequences {
                let (marker, payload_type) = (false, PayloadType(0));
                let timestamp = u32::from(sequence) * 160;
                let ssrc = Ssrc(ssrc);
                reception.hear(&Header { marker, payload_type, sequence, timestamp, ssrc });
            }
        };
        hear(1, &[65_534, 65_535, 1, 0, 3]);
        hear(2, &[700, 702, 703]);
        assert_eq!(reception.totals(), (8, 2));
        let block = reception.block().unwrap();
        assert_eq!((block.source, block.fraction_lost, block.total_lost), (Ssrc(2), 64, 1));
        assert_eq!(reception.block().unwrap().fraction_lost, 0);
    }
}
