//! One direction of a network path as a machine: loss, bursts of loss, delay, jitter, overtaking, doubling and
//! a bottleneck with a queue, all drawn from a seed and changing over time by a schedule.
//!
//! It has no clock and no socket: `loadtest` moves real datagrams through it, `sim` virtual ones. A
//! packet meets, in this order, the bottleneck's queue (full: dropped), the bottleneck (its bits at the rate), and
//! the wire (lost, or there after the delay). Start at [`Link`].
//!
//! Guaranteed: the same seed, schedule and sends give the same arrivals; without jitter and late packets nothing
//! is overtaken. Not guaranteed: how a packet is shared among several that compete, since every link has one
//! queue, first come, first served.

#![deny(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod conditions;
mod flight;

use core::time::Duration;
use std::collections::{BinaryHeap, VecDeque};

use offhook_types::counters::Counters;
use offhook_types::{Rng, Time, counted};

pub use conditions::{Bursts, Conditions, Schedule, Share, Step};
use flight::Flight;

counted! {
    /// What became of packets.
    pub enum Fate {
        /// Handed to the link.
        Offered = "offered",
        /// Came out of it, doubles included.
        Delivered = "delivered",
        /// The queue before the bottleneck was full.
        Overflowed = "overflowed",
        /// Lost on the wire by itself.
        Lost = "lost",
        /// Lost on the wire with its neighbours.
        LostInBurst = "lost_in_burst",
        /// Came twice.
        Doubled = "doubled",
        /// Was held back so that others overtook it.
        Late = "late",
    }
}

/// One direction of a path. `T` is whatever a packet is to its owner.
pub struct Link<T> {
    rng: Rng,
    schedule: Schedule,
    began: Time,
    /// Steps of the schedule that have begun.
    begun: usize,
    conditions: Conditions,
    in_burst: bool,
    /// Packets before the bottleneck, the first of which is being sent.
    queue: VecDeque<(usize, T)>,
    queued_bytes: usize,
    /// When the first of the queue has been sent.
    sent_at: Time,
    /// Nothing in order arrives before this.
    last_arrival: Time,
    in_flight: BinaryHeap<Flight<T>>,
    serial: u64,
    fates: Counters<Fate>,
}

impl<T: Clone> Link<T> {
    /// An idle link whose schedule begins now.
    pub fn new(now: Time, schedule: Schedule, rng: Rng) -> Self {
        let conditions = schedule.at(Duration::ZERO);
        let begun = schedule.begun(Duration::ZERO);
        Self {
            rng,
            schedule,
            began: now,
            begun,
            conditions,
            in_burst: false,
            queue: VecDeque::new(),
            queued_bytes: 0,
            sent_at: now,
            last_arrival: now,
            in_flight: BinaryHeap::new(),
            serial: 0,
            fates: Counters::default(),
        }
    }

    /// Other conditions from now on, until the schedule's next step.
    pub fn change(&mut self, now: Time, conditions: Conditions) {
        self.advance(now);
        self.conditions = conditions;
    }

    /// The conditions at the last call.
    pub fn conditions(&self) -> &Conditions {
        &self.conditions
    }

    /// Takes a packet that is `bytes` long on the wire.
    pub fn send(&mut self, now: Time, bytes: usize, packet: T) {
        self.advance(now);
        self.fates.add(Fate::Offered);
        let Some(rate) = self.conditions.rate_bps else {
            if self.queue.is_empty() {
                self.launch(now, packet);
            } else {
                // The bottleneck went away while others waited for it.
                self.enqueue(now, bytes, packet);
            }
            return;
        };
        let waiting = transmission(self.queued_bytes.saturating_add(bytes), rate);
        if !self.queue.is_empty() && waiting > self.conditions.queue {
            self.fates.add(Fate::Overflowed);
            return;
        }
        self.enqueue(now, bytes, packet);
    }

    /// The next packet that has arrived by now. Call until `None`.
    pub fn poll(&mut self, now: Time) -> Option<T> {
        self.advance(now);
        if self.in_flight.peek()?.arrives > now {
            return None;
        }
        self.fates.add(Fate::Delivered);
        self.in_flight.pop().map(|flight| flight.packet)
    }

    /// When to poll next; `None` while the link is empty.
    pub fn next_timeout(&self) -> Option<Time> {
        let arrival = self.in_flight.peek().map(|flight| flight.arrives);
        let sent = (!self.queue.is_empty()).then_some(self.sent_at);
        arrival.into_iter().chain(sent).min()
    }

    /// Bytes before the bottleneck.
    pub fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// How many packets met which fate.
    pub fn fates(&self) -> &Counters<Fate> {
        &self.fates
    }

    /// Lets everything happen that happens by now, in its order.
    fn advance(&mut self, now: Time) {
        loop {
            let step = self.schedule.step(self.begun).map(|step| self.began + step.after);
            let sent = (!self.queue.is_empty()).then_some(self.sent_at);
            match (step, sent) {
                (Some(step), sent) if step <= now && sent.is_none_or(|sent| step <= sent) => {
                    self.conditions = self.schedule.at(step.since(self.began));
                    self.begun += 1;
                }
                (_, Some(sent)) if sent <= now => self.pass_bottleneck(sent),
                _ => return,
            }
        }
    }

    fn enqueue(&mut self, now: Time, bytes: usize, packet: T) {
        if self.queue.is_empty() {
            self.sent_at = now + self.transmission(bytes);
        }
        self.queued_bytes += bytes;
        self.queue.push_back((bytes, packet));
    }

    /// The first of the queue is on the wire, the next one is being sent.
    fn pass_bottleneck(&mut self, at: Time) {
        let Some((bytes, packet)) = self.queue.pop_front() else { return };
        self.queued_bytes -= bytes;
        if let Some(&(next, _)) = self.queue.front() {
            self.sent_at = at + self.transmission(next);
        }
        self.launch(at, packet);
    }

    fn transmission(&self, bytes: usize) -> Duration {
        self.conditions.rate_bps.map_or(Duration::ZERO, |rate| transmission(bytes, rate))
    }

    /// On the wire: lost, or in flight once or twice.
    fn launch(&mut self, at: Time, packet: T) {
        if let Some(fate) = self.loss() {
            self.fates.add(fate);
            return;
        }
        if self.draws(self.conditions.double) {
            self.fates.add(Fate::Doubled);
            self.fly(at, packet.clone());
        }
        self.fly(at, packet);
    }

    fn loss(&mut self) -> Option<Fate> {
        if let Some(bursts) = self.conditions.bursts {
            let odds = if self.in_burst { bursts.length } else { bursts.every };
            if self.rng.below(odds.max(1)) == 0 {
                self.in_burst = !self.in_burst;
            }
            if self.in_burst {
                return Some(Fate::LostInBurst);
            }
        } else {
            self.in_burst = false;
        }
        self.draws(self.conditions.loss).then_some(Fate::Lost)
    }

    fn fly(&mut self, at: Time, packet: T) {
        let jitter = u32::try_from(self.conditions.jitter.as_micros()).unwrap_or(u32::MAX);
        let jitter = Duration::from_micros(self.rng.below(jitter).into());
        let arrives = at + self.conditions.delay + jitter;
        let arrives = if self.draws(self.conditions.late) {
            self.fates.add(Fate::Late);
            arrives + self.conditions.late_by
        } else {
            self.last_arrival = self.last_arrival.max(arrives);
            self.last_arrival
        };
        self.serial += 1;
        self.in_flight.push(Flight { arrives, serial: self.serial, packet });
    }

    fn draws(&mut self, share: Share) -> bool {
        // Nothing is drawn for what cannot happen, so that adding one impairment to a scenario leaves the others
        // where they were.
        share != Share::NONE && self.rng.below(Share::ALL.per_million()) < share.per_million()
    }
}

/// How long `bytes` take at `rate` bits per second.
fn transmission(bytes: usize, rate: u64) -> Duration {
    let bits = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(8);
    Duration::from_micros(bits.saturating_mul(1_000_000) / rate.max(1))
}

#[cfg(test)]
mod tests;
