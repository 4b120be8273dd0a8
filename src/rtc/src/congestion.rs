//! How much may be sent to one receiver. A [`Controller`] numbers what leaves on a leg and reads the
//! receiver's transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01); for a
//! receiver without it, [`Reported`] reads REMB and receiver reports.
//!
//! The estimate rises while nothing speaks against it, falls when a queue grows on the way
//! ([`delay`]) or more is lost than the link loses anyway ([`loss`]), and is not raised past what was
//! really sent: where that is less than the estimate allows, probes ([`probe`]) find out whether
//! there is more to have, or less. Sending less does not lower it.
//!
//! Nothing that a peer reports does more than move its own estimate within its limits. Nothing
//! allocates after construction.

mod delay;
mod line;
mod loss;
mod probe;
mod rate;
mod reported;
mod sent;
mod window;

use core::time::Duration;

use offhook_types::{Ssrc, Time};
use offhook_wire::rtcp::TransportCc;

use delay::{Trend, Usage};
use loss::{Loss, Tally, Verdict};
pub use probe::Id as ClusterId;
use probe::{Prober, View};
use rate::{Rate, Signals};
pub use reported::Reported;
use sent::{Flight, Sent};
use window::Window;

/// Where an estimate starts and what it stays between, in bits a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Before anything is known.
    pub start: u64,
    /// It never falls below.
    pub min: u64,
    /// It never rises above.
    pub max: u64,
}

/// A packet that left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Departure {
    /// Its stream; zero when nobody will ask for it again.
    pub stream: Ssrc,
    /// Its RTP sequence number; on a retransmission stream that of the packet that it repeats.
    pub sequence: u16,
    /// Bytes on the wire without those of UDP and IP.
    pub size: u16,
    /// The probe that it belongs to, zero for none.
    pub cluster: ClusterId,
}

/// A cluster to send: packets that wait, then retransmissions or padding, until both are reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// What its packets are marked with.
    pub cluster: ClusterId,
    /// How fast.
    pub bits_per_second: u64,
    /// How many bytes at least.
    pub bytes: usize,
    /// How many packets at least.
    pub packets: u32,
}

/// What feedback was worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Told {
    /// Packets that it settled.
    pub known: u32,
    /// Numbers that were never sent, are forgotten, or were told before.
    pub unknown: u32,
}

/// The congestion control of a leg whose receiver gives transport-wide feedback.
pub struct Controller {
    sent: Sent,
    trend: Trend,
    loss: Loss,
    rate: Rate,
    prober: Prober,
    /// What arrived, by the peer's clock; what left, by ours.
    delivered: Window,
    departed: Window,
    /// Bytes that left since [`Controller::departed`] was told.
    leaving: u64,
    peer: PeerClock,
    way: Way,
    max: f64,
    wanted: f64,
    can_pad: bool,
    round_trip: Option<Duration>,
    /// The peer's feedback so far.
    hearing: Hearing,
    /// When it is judged next whether the peer is silent, while something waits to be told of.
    silence: Option<Time>,
    /// Packets that had left when that was judged last.
    judged: u64,
}

/// What is known of the peer's feedback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hearing {
    /// It is too early to tell.
    Awaited,
    /// It comes.
    Heard,
    /// Whatever it agreed to, the peer gives none.
    Deaf,
}

impl Controller {
    /// For a leg that starts now.
    pub fn new(now: Time, limits: &Limits) -> Self {
        Self {
            sent: Sent::new(),
            trend: Trend::new(),
            loss: Loss::new(),
            rate: Rate::new(limits),
            prober: Prober::new(now),
            delivered: Window::new(),
            departed: Window::new(),
            leaving: 0,
            peer: PeerClock::default(),
            way: Way::new(),
            max: limits.max as f64,
            wanted: 0.0,
            can_pad: false,
            round_trip: None,
            hearing: Hearing::Awaited,
            silence: None,
            judged: 0,
        }
    }

    /// What may be sent, in bits a second.
    pub fn estimate(&self) -> u64 {
        self.rate.bits() as u64
    }

    /// How fast packets may leave, in bits a second. While the way was never seen full, packets need
    /// not be spread as thin as what may be sent on average; later a queue on the way would only
    /// take longer than the pacer's.
    pub fn pace(&self) -> u64 {
        let factor = if self.prober.is_open() { OPEN_PACE } else { PACE };
        (self.rate.bits() * factor) as u64
    }

    /// The way there and back with what the peer waits before it tells; `None` before feedback.
    pub fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// Packets lost of late, in 1/1000.
    pub fn lost_permille(&self) -> u16 {
        (self.loss.ratio() * 1000.0) as u16
    }

    /// The receiver was sent enough to answer and never did: its estimate means nothing.
    pub fn is_deaf(&self) -> bool {
        self.hearing == Hearing::Deaf
    }

    /// What the leg would send if it might, and whether probes can be filled up with retransmissions
    /// or padding: a leg without video has neither.
    pub fn set_wanted(&mut self, bits_per_second: u64, can_pad: bool) {
        let wanted = bits_per_second as f64;
        if wanted > self.wanted {
            self.prober.wake();
        }
        (self.wanted, self.can_pad) = (wanted, can_pad);
    }

    /// The transport-wide number of the next packet. It is used up by [`Controller::sent`].
    #[inline]
    pub fn next_number(&self) -> u16 {
        self.sent.next()
    }

    /// The number under which a packet left, while it is known. A packet that is sent again as it
    /// was must be the same in every byte, so it needs this number again and gets no new one.
    pub fn number_of(&self, stream: Ssrc, sequence: u16) -> Option<u16> {
        self.sent.number_of(stream, sequence)
    }

    /// A packet left under [`Controller::next_number`].
    #[inline]
    pub fn sent(&mut self, now: Time, packet: &Departure) {
        self.sent.push(now, packet);
        self.leaving += u64::from(packet.size);
        if packet.cluster != 0 {
            self.prober.sent(packet.cluster, millis(now), packet.size);
        }
    }

    /// Feedback of the receiver. `lose` is told what it misses, as [`Departure`] named it, once each.
    pub fn handle_feedback(
        &mut self,
        now: Time,
        feedback: &TransportCc<'_>,
        mut lose: impl FnMut(Ssrc, u16),
    ) -> Told {
        let (mut arrival, jumped) = self.peer.micros(now, feedback.reference);
        if jumped {
            self.trend.restart();
            self.delivered.restart();
            self.way = Way::new();
        }
        let mut told = Told::default();
        let (mut tally, mut latest, mut missing) = (Tally::default(), None, false);
        let untold = self.sent.covered(feedback.base, feedback.count);
        for (number, delta) in feedback.arrivals() {
            let Some(delta) = delta else {
                let missed = self.sent.lost(number);
                let is_news = missed.is_some();
                if let Some(flight) = missed {
                    lose(flight.stream, flight.sequence);
                }
                tally.lost += u32::from(is_news);
                tally.bursts += u32::from(is_news && !missing);
                told.unknown += u32::from(!is_news);
                missing = true;
                continue;
            };
            missing = false;
            arrival += i64::from(delta) * 250;
            let Some(flight) = self.sent.arrived(number) else {
                told.unknown += 1;
                continue;
            };
            tally.arrived += 1;
            tally.late += u32::from(flight.was_lost);
            latest = Some(self.take(now, &flight, arrival as f64 / 1000.0));
        }
        told.known = tally.arrived + tally.lost;
        if told.known == 0 {
            return told;
        }
        self.delivered.add(arrival as f64 / 1000.0, untold);
        if let Some(age) = latest {
            self.note_round_trip(age);
        }
        self.loss.told(millis(now), &tally);
        self.hearing = Hearing::Heard;
        self.listen(now);
        self.update(now);
        told
    }

    /// When [`Controller::handle_timeout`] wants to be called, as far as is known before the next
    /// packet leaves.
    pub fn next_timeout(&self) -> Time {
        let unheard = if self.sent.waits() { Time::ZERO } else { Time::MAX };
        let silence = self.silence.unwrap_or(unheard);
        let probe = if self.can_pad { self.prober.due() } else { Time::MAX };
        silence.min(probe)
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Time) {
        match self.silence {
            None if self.sent.waits() => self.listen(now),
            Some(due) if now >= due => self.judge_silence(now),
            _ => {}
        }
        self.plan(now);
    }

    /// From now on it counts how long the peer says nothing.
    fn listen(&mut self, now: Time) {
        let patience = if self.hearing == Hearing::Heard { SILENCE } else { PATIENCE };
        self.silence = self.sent.waits().then_some((now + patience).on_beat());
        self.judged = self.sent.count();
    }

    fn judge_silence(&mut self, now: Time) {
        // Who is sent nothing has nothing to say.
        let spoken_to = self.sent.count() - self.judged >= FEW_PACKETS;
        match self.hearing {
            Hearing::Awaited if spoken_to => self.hearing = Hearing::Deaf,
            Hearing::Heard if spoken_to => {
                // Either the way is dead or so full that nothing comes back.
                let from = self.rate.bits();
                self.rate.set(from * SILENCE_DECREASE);
                self.loss.abandon();
                self.prober.lowered(now, from);
            }
            _ => {}
        }
        self.listen(now);
    }

    /// The next cluster to send. Call until `None`.
    pub fn poll_probe(&mut self, now: Time) -> Option<Probe> {
        self.prober.poll(now)
    }

    /// One packet arrived. How long ago it left.
    fn take(&mut self, now: Time, flight: &Flight, arrival: f64) -> Duration {
        let age = (now.as_micros() as u32).wrapping_sub(flight.at);
        let age = Duration::from_micros(u64::from(age));
        let sent = millis(now - age);
        self.delivered.add(arrival, u64::from(flight.size));
        self.way.note(sent, arrival);
        if flight.cluster == 0 {
            self.trend.arrived(sent, arrival);
        } else {
            // A probe makes a short queue on purpose, which is no trend.
            self.prober.arrived(flight.cluster, (sent, arrival), flight.size);
        }
        age
    }

    fn note_round_trip(&mut self, sample: Duration) {
        // What the peer waited is part of each sample, so the shortest is the closest.
        self.round_trip = Some(match self.round_trip {
            Some(known) if known < sample => known + (sample - known) / 32,
            _ => sample,
        });
    }

    fn update(&mut self, now: Time) {
        let at = millis(now);
        let round_trip = self.round_trip.unwrap_or_default().as_secs_f64() * 1000.0;
        let from = self.rate.bits();
        let sent = self.sent_rate(now);
        let delivered = self.delivered.rate();
        let recent = self.delivered.recent();
        let limited = sent.is_none_or(|sent| sent < from * LIMITED);
        let usage = self.trend.usage();
        if self.rate.update(at, &Signals { usage, delivered, recent, sent, limited, round_trip }) {
            self.loss.lowered(self.rate.bits() / from);
            self.prober.lowered(now, from);
        } else if let (Some(sent), Some(delivered)) = (sent, delivered) {
            let estimate = self.rate.bits();
            match self.loss.judge(at, &loss::Rates { estimate, sent, delivered, round_trip }) {
                Verdict::Keep => {}
                Verdict::Cut(bits) => {
                    self.rate.set(bits);
                    self.prober.lowered(now, estimate);
                }
                Verdict::Restore(bits) => self.rate.raise(bits),
            }
        }
        let estimate = self.rate.bits();
        match self.prober.result(now, &self.view()) {
            Some(bits) if bits < estimate => {
                // A cluster shares the way with what is sent anyway, and sees only its own part of it.
                let bits = bits.max(delivered.unwrap_or_default()).min(estimate);
                self.rate.set(bits);
                self.prober.lowered(now, estimate);
            }
            Some(bits) => self.rate.raise(bits),
            None => {}
        }
        self.plan(now);
    }

    fn plan(&mut self, now: Time) {
        if self.can_pad {
            let view = self.view();
            self.prober.plan(now, &view);
        }
    }

    fn view(&self) -> View {
        View {
            estimate: self.rate.bits(),
            wanted: self.wanted,
            max: self.max,
            calm: self.trend.usage() == Usage::Normal,
            round_trip: self.round_trip.unwrap_or_default(),
            way: self.way.least(),
        }
    }

    /// Bits a second that left of late.
    fn sent_rate(&mut self, now: Time) -> Option<f64> {
        self.departed.add(millis(now), core::mem::take(&mut self.leaving));
        self.departed.rate()
    }
}

/// The peer's clock, whose reports count in 64 ms and 24 bits.
#[derive(Debug, Default)]
struct PeerClock {
    last: Option<(i32, Time)>,
    ticks: i64,
}

impl PeerClock {
    /// A reference time in microseconds since some origin, and whether that clock jumped.
    fn micros(&mut self, now: Time, reference: i32) -> (i64, bool) {
        let mut jumped = false;
        match self.last {
            None => self.ticks = i64::from(reference),
            Some((last, at)) => {
                let step = i64::from((reference.wrapping_sub(last) << 8) >> 8);
                let elapsed = i64::try_from(now.since(at).as_millis() / 64).unwrap_or(i64::MAX);
                jumped = step.abs_diff(elapsed) > JUMP_TICKS;
                self.ticks = self.ticks.wrapping_add(step);
            }
        }
        self.last = Some((reference, now));
        (self.ticks.wrapping_mul(64_000), jumped)
    }
}

/// The shortest way of late, from departure on our clock to arrival on the peer's: as long as both
/// clocks run evenly, whatever is longer has waited. In milliseconds.
struct Way {
    current: f64,
    before: f64,
    since: f64,
}

impl Way {
    const fn new() -> Self {
        Self { current: f64::MAX, before: f64::MAX, since: f64::MIN }
    }

    fn note(&mut self, sent: f64, arrival: f64) {
        if sent - self.since > WAY_MS {
            (self.before, self.current, self.since) = (self.current, f64::MAX, sent);
        }
        self.current = self.current.min(arrival - sent);
    }

    const fn least(&self) -> f64 {
        self.current.min(self.before)
    }
}

fn millis(at: Time) -> f64 {
    at.as_micros() as f64 / 1000.0
}

/// Packets leave a little faster than they may on average, or wait ever longer.
const PACE: f64 = 1.1;
const OPEN_PACE: f64 = 2.5;
/// Less than this part of the estimate sent is no use of it.
const LIMITED: f64 = 0.75;
/// So long without feedback, which usually comes every 50 to 100 ms, something is wrong.
const SILENCE: Duration = Duration::from_millis(1000);
/// A peer that has not told anything yet is given longer.
const PATIENCE: Duration = Duration::from_secs(3);
/// Fewer packets than this may be lost without a word.
const FEW_PACKETS: u64 = 5;
/// What is left of the estimate then.
const SILENCE_DECREASE: f64 = 0.7;
/// How long the shortest way is remembered, and once more: clocks drift by less than 1 ms meanwhile.
const WAY_MS: f64 = 5000.0;
/// Clocks that differ by more than 5 s from one report to the next have jumped.
const JUMP_TICKS: u64 = 78;

#[cfg(test)]
mod tests;
