//! One receiver: source, pacer and controller here, the link, and the peer that gives feedback.

use core::time::Duration;

use offhook_link::{Conditions, Fate, Link, Schedule};
use offhook_rtc::congestion::{ClusterId, Controller, Departure, Limits, Probe};
use offhook_rtc::pacer::{Class, Pacer, Pool, Release};
use offhook_rtc::twcc::Recorder;
use offhook_types::{Rng, Ssrc, Time};
use offhook_wire::rtcp::{self, Packet};

use super::source::{Made, Source};

/// A leg, its receiver, and what is between them.
pub struct Path {
    /// What was sent when, by the machines under test.
    pub leg: Controller,
    pacer: Pacer,
    pool: Pool<Made>,
    /// The way to the receiver, which others may use too.
    pub forth: Link<Carried>,
    back: Link<Vec<u8>>,
    source: Source,
    peer: Recorder,
    made: Vec<Made>,
    /// Bytes of media that arrived, padding apart.
    pub received: u64,
    /// Bytes of padding that left.
    pub padding: u64,
    /// Longest wait in the pacer's queue, in packets.
    pub waited: usize,
    /// Packets that waited too long.
    pub late: u64,
    /// Bits that others owe to the link.
    owed: u64,
}

/// What crosses the link.
#[derive(Debug, Clone, Copy)]
pub enum Carried {
    /// A packet under a number, of so many bytes of media.
    Ours(u16, usize),
    /// Somebody else's.
    Others,
}

/// Where the estimates of the simulation start, as in the binary.
pub const LIMITS: Limits = Limits { start: 600_000, min: 50_000, max: 20_000_000 };

/// The peer's clock is ahead by this.
const AHEAD: Duration = Duration::from_secs(4000);
/// UDP, IP and the like, which a link carries too.
const OVERHEAD: usize = 28;

impl Path {
    /// A receiver behind a link; what goes back takes as long and loses as much.
    pub fn new(link: &Conditions, layers: &'static [u64], rng: &mut Rng) -> Self {
        let mut draw = || Rng::from_seed(rng.next_u64());
        let back = Conditions { rate_bps: None, ..link.clone() };
        let (forth, back) = (Schedule::constant(link.clone()), Schedule::constant(back));
        Self {
            leg: Controller::new(Time::ZERO, &LIMITS),
            pacer: Pacer::new(),
            pool: Pool::new(4096),
            forth: Link::new(Time::ZERO, forth, draw()),
            back: Link::new(Time::ZERO, back, draw()),
            source: Source::new(layers, draw()),
            peer: Recorder::new(Ssrc(1)),
            made: Vec::new(),
            received: 0,
            padding: 0,
            waited: 0,
            late: 0,
            owed: 0,
        }
    }

    /// What the source would send if it might.
    pub fn wanted(&self) -> u64 {
        self.source.wanted()
    }

    /// What a packet would wait before the link's bottleneck.
    pub fn queue_delay(&self) -> Duration {
        let bits = self.forth.queued_bytes() as f64 * 8.0;
        self.rate().map_or(Duration::ZERO, |rate| Duration::from_secs_f64(bits / rate as f64))
    }

    /// Bits a second of the bottleneck; `None` for no bottleneck.
    pub fn rate(&self) -> Option<u64> {
        self.forth.conditions().rate_bps
    }

    /// Packets that the link's full queue dropped.
    pub fn dropped(&self) -> u64 {
        self.forth.fates().get(Fate::Overflowed)
    }

    /// Others send so many bits a second for a millisecond.
    pub fn cross(&mut self, now: Time, rate: u64) {
        self.owed += rate / 1000;
        while self.owed >= 9600 {
            self.owed -= 9600;
            self.forth.send(now, 1200, Carried::Others);
        }
    }

    /// Everything that happens at a time.
    pub fn step(&mut self, now: Time) {
        self.arrive(now);
        self.leg.set_wanted(self.source.wanted(), true);
        if self.leg.next_timeout() <= now {
            self.leg.handle_timeout(now);
        }
        let estimate = self.leg.estimate();
        self.pacer.set_rate(Some(self.leg.pace()));
        self.source.allow(now, estimate);
        if !self.pacer.is_probing()
            && let Some(probe) = self.leg.poll_probe(now)
        {
            self.begin(probe);
        }
        let mut made = core::mem::take(&mut self.made);
        self.source.poll(now, &mut made);
        for packet in made.drain(..) {
            if packet.is_voice {
                self.pacer.pass(now, packet.bytes);
                self.send(now, packet.bytes, (packet.bytes, 0));
            } else if self.pacer.passes(now, packet.bytes) {
                self.send(now, packet.bytes, (packet.bytes, 0));
            } else {
                let class = (Class::Media, packet.bytes);
                let kept = self.pacer.hold(now, &mut self.pool, class, packet);
                self.late += u64::from(kept.is_err());
            }
        }
        self.made = made;
        self.waited = self.waited.max(self.pacer.waiting());
        if self.pacer.next_timeout() <= now {
            self.release(now);
        }
    }

    fn begin(&mut self, probe: Probe) {
        self.pacer.begin(probe);
    }

    fn release(&mut self, now: Time) {
        while let Some(release) = self.pacer.poll(now, &mut self.pool) {
            match release {
                Release::Packet(packet, cluster) => {
                    self.send(now, packet.bytes, (packet.bytes, cluster));
                }
                Release::Padding(room, cluster) => {
                    let bytes = if room > 1000 { 1200 } else { 275 };
                    self.padding += bytes as u64;
                    self.pacer.padded(bytes);
                    self.send(now, bytes, (0, cluster));
                }
                Release::Late(_) => self.late += 1,
            }
        }
    }

    fn send(&mut self, now: Time, bytes: usize, (media, cluster): (usize, ClusterId)) {
        let number = self.leg.next_number();
        let size = bytes as u16;
        self.leg.sent(now, &Departure { stream: Ssrc(1), sequence: number, size, cluster });
        self.forth.send(now, bytes + OVERHEAD, Carried::Ours(number, media));
    }

    fn arrive(&mut self, now: Time) {
        while let Some(packet) = self.forth.poll(now) {
            if let Carried::Ours(number, media) = packet {
                self.received += media as u64;
                self.peer.received(now + AHEAD, number, Ssrc(1));
            }
        }
        let mut out = [0; 1500];
        while let Some(len) = self.peer.poll(now + AHEAD, &mut out) {
            self.back.send(now, len, out.get(..len).unwrap_or_default().to_vec());
        }
        while let Some(bytes) = self.back.poll(now) {
            for packet in rtcp::packets(&bytes).flatten() {
                if let Packet::TransportCc(feedback) = packet {
                    self.leg.handle_feedback(now, &feedback, |_, _| {});
                }
            }
        }
    }
}
