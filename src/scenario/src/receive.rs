//! What a caller receives: one [`Incoming`] is one stream of the server's, with everything that a browser would do
//! about it except decoding: it asks for what is missing, for key frames, and reports.

use std::time::Duration;

use offhook_rtc::nack::{Arrival, Nack};
use offhook_rtc::reports::Reception;
use offhook_types::{Codec, MediaKind, Ssrc, Time};
use offhook_wire::rtp::{Packet, SequenceUnwrapper};

use super::frames::Frames;
use super::histogram::Histogram;
use super::stamp::Stamp;

/// Between two requests for a key frame.
const KEY_PAUSE: Duration = Duration::from_millis(500);
/// Without a picture for so long while packets come, a key frame is asked for.
const STUCK: Duration = Duration::from_millis(500);
/// Missing packets in one request.
const REQUESTED: usize = 64;

/// One stream.
pub struct Incoming {
    /// Its number.
    pub ssrc: Ssrc,
    /// What it is encoded with.
    pub codec: Codec,
    unwrapper: SequenceUnwrapper,
    nack: Nack,
    reception: Reception,
    /// Pictures, of a video stream.
    pub frames: Frames,
    /// Sums since the beginning.
    pub sums: Sums,
    last_packet: Time,
    key_asked: Time,
}

/// Counts of one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sums {
    /// Packets between the first and the newest number.
    pub expected: u64,
    /// Different packets that came, repaired ones included.
    pub packets: u64,
    /// Their payload.
    pub bytes: u64,
    /// Packets that came by retransmission.
    pub repaired: u64,
    /// Packets that came more than once, or too late to matter.
    pub stale: u64,
    /// Key frames asked for.
    pub key_requests: u64,
    /// Packets asked for again.
    pub nacks: u64,
}

/// What is to be asked of the server now.
pub struct Wanted {
    /// These packets again.
    pub missing: Vec<u16>,
    /// A key frame.
    pub key: bool,
}

impl Incoming {
    /// A stream of which nothing came yet.
    pub fn new(now: Time, ssrc: Ssrc, codec: Codec) -> Self {
        Self {
            ssrc,
            codec,
            unwrapper: SequenceUnwrapper::new(),
            nack: Nack::new(),
            reception: Reception::new(ssrc, codec.clock_rate()),
            frames: Frames::default(),
            sums: Sums::default(),
            last_packet: now,
            // The server asks the publisher by itself when somebody joins; we add to it only when nothing comes of
            // that.
            key_asked: now,
        }
    }

    /// A packet of the stream came, as such.
    pub fn packet(&mut self, now: Time, packet: &Packet<'_>, delays: &mut Histogram) {
        let header = packet.header();
        let sequence = self.unwrapper.unwrap(header.sequence);
        self.reception.received(now, sequence, header.timestamp);
        match self.nack.received(now, sequence) {
            Arrival::Stale => self.sums.stale += 1,
            Arrival::New | Arrival::Repaired => self.take(now, packet.payload, delays),
        }
        self.sums.expected = self.reception.totals().0;
    }

    /// A packet of the stream came by retransmission.
    pub fn repair(&mut self, now: Time, sequence: u16, payload: &[u8], delays: &mut Histogram) {
        let sequence = self.unwrapper.unwrap(sequence);
        if self.nack.received(now, sequence) == Arrival::Repaired {
            self.sums.repaired += 1;
            self.take(now, payload, delays);
        } else {
            self.sums.stale += 1;
        }
    }

    fn take(&mut self, now: Time, payload: &[u8], delays: &mut Histogram) {
        self.last_packet = now;
        self.sums.packets += 1;
        self.sums.bytes += payload.len() as u64;
        // Of somebody else's packets only what their headers say can be known.
        let Some(stamp) = Stamp::find(payload) else { return };
        delays.add(now.as_micros().saturating_sub(stamp.sent_us));
        // Of sound, only the first is a picture's equal: what somebody waits for.
        if self.codec.kind() == MediaKind::Video || self.frames.first().is_none() {
            self.frames.packet(now, &stamp);
        }
    }

    /// The sender reported.
    pub fn sender_report(&mut self, now: Time, ntp: u64) {
        self.reception.sender_report(now, ntp);
    }

    /// The report about it.
    pub fn block(&mut self, now: Time) -> Option<offhook_rtc::reports::Block> {
        self.reception.block(now)
    }

    /// What to ask for now.
    pub fn poll(&mut self, now: Time, rtt: Duration) -> Option<Wanted> {
        if self.codec.kind() == MediaKind::Audio {
            return None;
        }
        let mut missing = [0; REQUESTED];
        let request = self.nack.poll(now, rtt, &mut missing);
        let rested = now.since(self.key_asked) >= KEY_PAUSE;
        let key = rested && (request.gave_up || self.is_stuck(now));
        if key {
            self.key_asked = now;
            self.sums.key_requests += 1;
        }
        self.sums.nacks += request.count as u64;
        let missing = missing[..request.count].to_vec();
        (key || !missing.is_empty()).then_some(Wanted { missing, key })
    }

    /// When to poll next.
    pub fn next_timeout(&self) -> Time {
        if self.codec.kind() == MediaKind::Audio {
            return Time::MAX;
        }
        self.nack.next_timeout().unwrap_or(Time::MAX)
    }

    /// Packets come and pictures do not.
    fn is_stuck(&self, now: Time) -> bool {
        let shown = self.frames.last().unwrap_or(Time::ZERO);
        let stamped = self.frames.seen().started > 0;
        stamped && now.since(shown) > STUCK && now.since(self.last_packet) < STUCK
    }
}
