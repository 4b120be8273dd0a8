//! RTCP of one side (RFC 3550 §6): what we say about what we send and receive, and what the other
//! side says about it.

use core::time::Duration;

use offhook_rtc::reports::Reception;
use offhook_types::{Rng, Ssrc, Time};
use offhook_wire::rtcp::{self, Packet, ReportBlock, SenderInfo, Writer};
use offhook_wire::rtp::{Header, SequenceUnwrapper};

pub(super) struct Reports {
    /// Our stream.
    ssrc: Ssrc,
    cname: String,
    /// Seconds that our NTP clock is ahead of the process's: it tells nobody the time of day or how
    /// long we run, and nobody needs either.
    epoch: u32,
    rng: Rng,
    due: Option<Time>,
    sent: u64,
    octets: u64,
    /// Timestamp of the last packet sent, when, and ticks per second.
    last_sent: Option<(u32, Time, u32)>,
    sent_since_report: bool,
    receiving: Vec<Incoming>,
    /// Packets of streams that are gone: expected and received.
    gone: (u64, u64),
    round_trip_us: u32,
    /// What the other side reports of our stream.
    sent_lost: u64,
    sent_jitter_us: Option<u32>,
    loss_percent: u8,
}

struct Incoming {
    ssrc: Ssrc,
    sequences: SequenceUnwrapper,
    reception: Reception,
    last: Time,
}

impl Reports {
    pub(super) fn new(ssrc: Ssrc, mut rng: Rng) -> Self {
        Self {
            ssrc,
            // RFC 7022 §4.2: random, for this session only.
            cname: format!("{:016x}", rng.next_u64()),
            epoch: rng.next_u32() >> 1,
            rng,
            due: None,
            sent: 0,
            octets: 0,
            last_sent: None,
            sent_since_report: false,
            receiving: Vec::new(),
            gone: (0, 0),
            round_trip_us: 0,
            sent_lost: 0,
            sent_jitter_us: None,
            loss_percent: 0,
        }
    }

    /// Our stream goes on under another name.
    pub(super) fn rename(&mut self, ssrc: Ssrc) {
        if self.ssrc != ssrc {
            self.ssrc = ssrc;
            self.last_sent = None;
        }
    }

    pub(super) fn sent(&mut self, now: Time, timestamp: u32, clock: u32, octets: usize) {
        self.sent += 1;
        self.octets += octets as u64;
        self.last_sent = Some((timestamp, now, clock));
        self.sent_since_report = true;
        self.due.get_or_insert(now + FIRST);
    }

    pub(super) fn received(&mut self, now: Time, header: &Header, clock: u32) {
        self.due.get_or_insert(now + FIRST);
        let place = self.receiving.iter().position(|incoming| incoming.ssrc == header.ssrc);
        let restarted = place.and_then(|place| self.receiving.get(place)).is_some_and(|incoming| {
            let highest = incoming.sequences.highest().unwrap_or(0);
            incoming.sequences.peek(header.sequence).abs_diff(highest) > MAX_STEP
        });
        if place.is_none() || restarted {
            match place {
                Some(place) => self.retire(place),
                None if self.receiving.len() >= MAX_BLOCKS => {
                    let oldest =
                        (0..self.receiving.len()).min_by_key(|&at| self.receiving[at].last);
                    oldest.into_iter().for_each(|at| self.retire(at));
                }
                None => {}
            }
            self.receiving.push(Incoming {
                ssrc: header.ssrc,
                sequences: SequenceUnwrapper::new(),
                reception: Reception::new(header.ssrc, clock),
                last: now,
            });
        }
        let found = self.receiving.iter_mut().find(|incoming| incoming.ssrc == header.ssrc);
        if let Some(incoming) = found {
            incoming.last = now;
            let sequence = incoming.sequences.unwrap(header.sequence);
            incoming.reception.received(now, sequence, header.timestamp);
        }
    }

    fn retire(&mut self, place: usize) {
        let (expected, received) = self.receiving.swap_remove(place).reception.totals();
        self.gone.0 += expected;
        self.gone.1 += received;
    }

    /// Reads a compound of the other side.
    pub(super) fn handle(&mut self, now: Time, compound: &[u8]) {
        for packet in rtcp::packets(compound).flatten() {
            match packet {
                Packet::SenderReport(report) => {
                    let found = self.receiving.iter_mut().find(|i| i.ssrc == report.sender);
                    if let Some(incoming) = found {
                        incoming.reception.sender_report(now, report.info.ntp);
                    }
                    report.blocks.iter().for_each(|block| self.learn(now, &block));
                }
                Packet::ReceiverReport { blocks, .. } => {
                    blocks.iter().for_each(|block| self.learn(now, &block));
                }
                _ => {}
            }
        }
    }

    fn learn(&mut self, now: Time, block: &ReportBlock) {
        if block.source != self.ssrc {
            return;
        }
        self.sent_lost = u64::try_from(block.total_lost).unwrap_or(0);
        if let Some((.., clock)) = self.last_sent {
            let micros = u64::from(block.jitter) * 1_000_000 / u64::from(clock.max(1));
            self.sent_jitter_us = Some(u32::try_from(micros).unwrap_or(u32::MAX));
        }
        let percent = u32::from(block.fraction_lost) * 100 / 256;
        // Up at once, down slowly: losses come in groups.
        let faded = self.loss_percent - self.loss_percent.div_ceil(4);
        self.loss_percent = faded.max(u8::try_from(percent).unwrap_or(100));
        if block.last_report != 0 {
            let middle = (self.ntp(now) >> 16) as u32;
            let took = middle.wrapping_sub(block.last_report).wrapping_sub(block.delay);
            let micros = (u64::from(took) * 1_000_000) >> 16;
            // A clock that runs backward or a forged report is not a round trip of minutes.
            if micros < MAX_ROUND_TRIP_US {
                self.round_trip_us = micros as u32;
            }
        }
    }

    /// When to send the next compound.
    pub(super) fn is_due(&self, now: Time) -> bool {
        self.due.is_some_and(|due| due <= now)
    }

    /// Writes a compound; its length. Each is due half to one and a half intervals after the one
    /// before (RFC 3550 §6.3.1).
    pub(super) fn write(&mut self, now: Time, bye: bool, out: &mut [u8]) -> Option<usize> {
        let spread = u64::from(self.rng.below(1000));
        self.due = Some(now + Duration::from_millis(INTERVAL_MS * (500 + spread) / 1000));
        let mut blocks = [EMPTY; MAX_BLOCKS];
        let mut count = 0;
        let recent = self.receiving.iter_mut().filter(|i| now.since(i.last) < FORGET);
        for (slot, block) in blocks.iter_mut().zip(recent.filter_map(|i| i.reception.block(now))) {
            *slot = ReportBlock {
                source: block.ssrc,
                fraction_lost: block.fraction_lost,
                total_lost: block.cumulative_lost,
                highest_sequence: block.highest_sequence,
                jitter: block.jitter,
                last_report: block.last_sender_report,
                delay: block.delay,
            };
            count += 1;
        }
        let blocks = blocks.get(..count).unwrap_or_default();
        let mut writer = Writer::new(out);
        match self.last_sent.filter(|_| core::mem::take(&mut self.sent_since_report)) {
            Some((timestamp, at, clock)) => {
                let ticks = now.since(at).as_micros() * u128::from(clock) / 1_000_000;
                let info = SenderInfo {
                    ntp: self.ntp(now),
                    rtp_time: timestamp.wrapping_add(ticks as u32),
                    packets: self.sent as u32,
                    octets: self.octets as u32,
                };
                writer.sender_report(self.ssrc, &info, blocks)?;
            }
            None => writer.receiver_report(self.ssrc, blocks)?,
        }
        writer.cname(self.ssrc, &self.cname)?;
        if bye {
            writer.bye(self.ssrc)?;
        }
        Some(writer.len())
    }

    /// 32.32 fixed point seconds.
    fn ntp(&self, now: Time) -> u64 {
        let micros = now.as_micros();
        let seconds = (micros / 1_000_000).wrapping_add(self.epoch.into());
        (seconds << 32) | (((micros % 1_000_000) << 32) / 1_000_000)
    }

    /// Packets expected and received of all streams.
    pub(super) fn totals(&self) -> (u64, u64) {
        self.receiving.iter().fold(self.gone, |(expected, received), incoming| {
            let (more, came) = incoming.reception.totals();
            (expected + more, received + came)
        })
    }

    /// Of the stream that sent last.
    pub(super) fn jitter(&self) -> Duration {
        let newest = self.receiving.iter().max_by_key(|incoming| incoming.last);
        newest.map_or(Duration::ZERO, |incoming| incoming.reception.jitter())
    }

    pub(super) fn round_trip_us(&self) -> u32 {
        self.round_trip_us
    }

    pub(super) fn sent_and_lost(&self) -> (u64, u64) {
        (self.sent, self.sent_lost)
    }

    /// Jitter of our stream by the other side's reports; `None` where it makes none.
    pub(super) fn sent_jitter_us(&self) -> Option<u32> {
        self.sent_jitter_us
    }

    /// What the other side loses of our stream lately.
    pub(super) fn loss_percent(&self) -> u8 {
        self.loss_percent
    }
}

const EMPTY: ReportBlock = ReportBlock {
    source: Ssrc(0),
    fraction_lost: 0,
    total_lost: 0,
    highest_sequence: 0,
    jitter: 0,
    last_report: 0,
    delay: 0,
};
/// Streams that are reported on: more than one bridge mixes.
const MAX_BLOCKS: usize = 16;
const MAX_STEP: u64 = 3000;
const FIRST: Duration = Duration::from_millis(500);
const INTERVAL_MS: u64 = 4000;
const FORGET: Duration = Duration::from_secs(20);
const MAX_ROUND_TRIP_US: u64 = 30_000_000;

#[cfg(test)]
mod tests {
    use offhook_types::PayloadType;

    use super::*;

    fn header(ssrc: u32, sequence: u16) -> Header {
        let payload_type = PayloadType(0);
        let timestamp = u32::from(sequence) * 160;
        Header { marker: false, payload_type, sequence, timestamp, ssrc: Ssrc(ssrc) }
    }

    #[test]
    fn two_sides_tell_each_other_loss_and_round_trip() {
        let (mut a, mut b) =
            (Reports::new(Ssrc(1), Rng::from_seed(1)), Reports::new(Ssrc(2), Rng::from_seed(2)));
        for sequence in 0..100u16 {
            let now = Time::from_millis(u64::from(sequence) * 20);
            a.sent(now, u32::from(sequence) * 160, 8000, 160);
            if sequence % 10 != 5 {
                b.received(now, &header(1, sequence), 8000);
            }
        }
        let mut out = [0; 500];
        let now = Time::from_millis(2000);
        assert!(a.is_due(now) && b.is_due(now));
        let len = a.write(now, false, &mut out).unwrap();
        assert!(!a.is_due(now));
        b.handle(now + Duration::from_millis(30), &out[..len]);
        let len = b.write(now + Duration::from_millis(50), false, &mut out).unwrap();
        a.handle(now + Duration::from_millis(80), &out[..len]);
        assert!(a.round_trip_us().abs_diff(60_000) < 100, "{}", a.round_trip_us());
        assert_eq!(a.sent_and_lost(), (100, 10));
        assert_eq!((a.sent_jitter_us(), b.sent_jitter_us()), (Some(0), None));
        assert_eq!(a.loss_percent(), 9);
        assert_eq!(b.totals(), (100, 90));
    }

    #[test]
    fn a_restart_is_not_a_loss_of_thousands() {
        let mut reports = Reports::new(Ssrc(1), Rng::from_seed(1));
        for sequence in [1, 2, 3, 30_000, 30_001] {
            reports.received(Time::ZERO, &header(7, sequence), 8000);
        }
        assert_eq!(reports.totals(), (5, 5));
    }
}
