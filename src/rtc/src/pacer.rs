//! When packets of one leg leave. As long as a leg stays below its rate they pass at once, and so does
//! sound always; what is too much waits, and leaves in runs, several packets at a time, so that a
//! run is still one message to the kernel. What was lost goes before what is new.
//!
//! A burst may be as large as fills the narrowest link's queue for [`BURST`]: frames of a leg that
//! has room pass untouched. What waits is kept in a [`Pool`] that all legs of a worker share, since
//! few legs make anything wait at any time.

mod pool;

use core::time::Duration;

use offhook_types::Time;

use crate::congestion::{ClusterId, Probe};
use pool::List;
pub use pool::Pool;

/// What a packet is, in order of precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// A packet that the receiver misses.
    Repair,
    /// A new packet.
    Media,
}

offhook_types::counted! {
    /// Why a packet that waited, or was to wait, will not leave.
    pub enum Drop {
        /// The leg's queue or the worker's pool is full.
        Full = "pacer_full",
        /// It waited so long that nobody waits for it.
        Late = "pacer_late",
    }
}

/// What may leave now.
#[derive(Debug, PartialEq, Eq)]
pub enum Release<T> {
    /// A packet that waited, marked with the probe it is part of or zero.
    Packet(T, ClusterId),
    /// A packet that waited too long.
    Late(T),
    /// A retransmission or padding of at most so many bytes, for a probe; then call
    /// [`Pacer::padded`].
    Padding(usize, ClusterId),
}

/// The pacer of one leg.
pub struct Pacer {
    /// Nanoseconds for a byte at the leg's rate; zero for no limit.
    per_byte: u64,
    /// When everything that left would have left at that rate, in nanoseconds.
    free_at: u64,
    repairs: List,
    media: List,
    probe: Option<Running>,
}

/// A probe that is being sent.
struct Running {
    probe: Probe,
    began: Option<Time>,
    bytes: usize,
    packets: u32,
}

impl Pacer {
    /// Without a limit.
    pub const fn new() -> Self {
        Self { per_byte: 0, free_at: 0, repairs: List::EMPTY, media: List::EMPTY, probe: None }
    }

    /// The leg's rate from now on; `None` for no limit.
    pub fn set_rate(&mut self, bits_per_second: Option<u64>) {
        self.per_byte = match bits_per_second {
            Some(rate) => 8_000_000_000 / rate.max(1),
            None => 0,
        };
    }

    /// Whether a packet of so many bytes may pass at once. If so it is on its way.
    #[inline]
    pub fn passes(&mut self, now: Time, bytes: usize) -> bool {
        let now = nanos(now);
        if self.free_at > now + BURST_NANOS || self.waiting() > 0 || self.probe.is_some() {
            return false;
        }
        self.charge(now, bytes);
        true
    }

    /// Sound never waits, but what it takes is taken from the rest.
    #[inline]
    pub fn pass(&mut self, now: Time, bytes: usize) {
        self.charge(nanos(now), bytes);
    }

    /// Let a packet wait.
    pub fn hold<T>(
        &mut self,
        now: Time,
        pool: &mut Pool<T>,
        (class, bytes): (Class, usize),
        packet: T,
    ) -> Result<(), Drop> {
        if self.repairs.len() + self.media.len() >= MOST_WAITING {
            return Err(Drop::Full);
        }
        let list = match class {
            Class::Repair => &mut self.repairs,
            Class::Media => &mut self.media,
        };
        if pool.push(list, (now, bytes), packet) { Ok(()) } else { Err(Drop::Full) }
    }

    /// Send a probe from now on. One that is still being sent is given up.
    pub fn begin(&mut self, probe: Probe) {
        self.probe = Some(Running { probe, began: None, bytes: 0, packets: 0 });
    }

    /// A probe is being sent.
    pub const fn is_probing(&self) -> bool {
        self.probe.is_some()
    }

    /// What may leave now. Call until `None`.
    pub fn poll<T>(&mut self, now: Time, pool: &mut Pool<T>) -> Option<Release<T>> {
        let list = if self.repairs.is_empty() { &mut self.media } else { &mut self.repairs };
        if pool.since(list).is_some_and(|since| now.since(since) > LONGEST_WAIT) {
            return pool.pop(list).map(|(_, packet)| Release::Late(packet));
        }
        if let Some(running) = &mut self.probe {
            let room = running.room(now)?;
            let cluster = running.probe.cluster;
            let Some((bytes, packet)) = pool.pop(list) else {
                return Some(Release::Padding(room, cluster));
            };
            self.charge(nanos(now), bytes);
            self.count(bytes);
            return Some(Release::Packet(packet, cluster));
        }
        if self.free_at > nanos(now) + BURST_NANOS {
            return None;
        }
        let (bytes, packet) = pool.pop(list)?;
        self.charge(nanos(now), bytes);
        Some(Release::Packet(packet, 0))
    }

    /// What was sent as padding. Nothing means that there is nothing to pad with, which ends the
    /// probe.
    pub fn padded(&mut self, bytes: usize) {
        if bytes == 0 {
            self.probe = None;
        }
        self.count(bytes);
    }

    /// When to poll again; [`Time::MAX`] while nothing waits.
    pub fn next_timeout(&self) -> Time {
        if let Some(running) = &self.probe {
            return running.next_run();
        }
        if self.repairs.is_empty() && self.media.is_empty() {
            return Time::MAX;
        }
        // Later than the next packet might leave, so that several leave together.
        let free = self.free_at.saturating_sub(BURST_NANOS) + RUN_NANOS;
        Time::from_micros(free.div_ceil(1000))
    }

    /// Packets that wait.
    pub const fn waiting(&self) -> usize {
        self.repairs.len() + self.media.len()
    }

    /// How long a packet that begins to wait now will wait, at the present rate.
    pub fn wait(&self, now: Time, class: Class) -> Duration {
        let ahead = match class {
            Class::Repair => self.repairs.bytes(),
            Class::Media => self.repairs.bytes() + self.media.bytes(),
        };
        let free_at = self.free_at + self.per_byte * ahead as u64;
        Duration::from_nanos(free_at.saturating_sub(nanos(now) + BURST_NANOS))
    }

    /// Do without what waits longest of what is new.
    pub fn give_up<T>(&mut self, pool: &mut Pool<T>) -> Option<T> {
        pool.pop(&mut self.media).map(|(_, packet)| packet)
    }

    /// Throw away everything that waits, for instance since the leg ends.
    pub fn clear<T>(&mut self, pool: &mut Pool<T>) {
        while pool.pop(&mut self.repairs).is_some() {}
        while pool.pop(&mut self.media).is_some() {}
        self.probe = None;
    }

    #[inline]
    fn charge(&mut self, now: u64, bytes: usize) {
        self.free_at = self.free_at.max(now) + self.per_byte * bytes as u64;
    }

    fn count(&mut self, bytes: usize) {
        let Some(running) = &mut self.probe else { return };
        running.bytes += bytes;
        running.packets += 1;
        let Probe { bytes, packets, .. } = running.probe;
        if running.bytes >= bytes && running.packets >= packets {
            self.probe = None;
        }
    }
}

impl Default for Pacer {
    fn default() -> Self {
        Self::new()
    }
}

impl Running {
    /// How many bytes may leave in this run; `None` before the next.
    fn room(&mut self, now: Time) -> Option<usize> {
        let began = *self.began.get_or_insert(now);
        let runs = now.since(began).as_micros() / RUN.as_micros() + 1;
        let due = u128::from(self.probe.bits_per_second) * runs * RUN.as_micros() / 8_000_000;
        let room = usize::try_from(due).unwrap_or(usize::MAX).saturating_sub(self.bytes);
        (room > 0).then_some(room)
    }

    fn next_run(&self) -> Time {
        let Some(began) = self.began else { return Time::ZERO };
        let per_second = u128::from(self.probe.bits_per_second.max(1));
        let runs = (self.bytes as u128 * 8_000_000 / per_second) / RUN.as_micros();
        began + RUN * u32::try_from(runs).unwrap_or(u32::MAX)
    }
}

#[inline]
const fn nanos(at: Time) -> u64 {
    at.as_micros().saturating_mul(1000)
}

/// What may leave at once, as time at the paced rate.
const BURST: Duration = Duration::from_millis(10);
const BURST_NANOS: u64 = BURST.as_nanos() as u64;
/// Between two releases, which so make up a run.
const RUN: Duration = Duration::from_millis(5);
const RUN_NANOS: u64 = RUN.as_nanos() as u64;
/// A packet that comes later than this is of no use in a conversation.
const LONGEST_WAIT: Duration = Duration::from_millis(800);
/// Most packets of one leg: a large key frame and what comes meanwhile.
const MOST_WAITING: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    /// Everything released up to `until`, with the time of each.
    fn released(pacer: &mut Pacer, pool: &mut Pool<u32>, until: u64) -> Vec<(u64, u32)> {
        let mut seen = Vec::new();
        while pacer.next_timeout() <= at(until) {
            let now = pacer.next_timeout();
            while let Some(release) = pacer.poll(now, pool) {
                match release {
                    Release::Packet(packet, 0) => seen.push((now.as_millis(), packet)),
                    other => panic!("{other:?}"),
                }
            }
        }
        seen
    }

    fn hold(pacer: &mut Pacer, pool: &mut Pool<u32>, class: Class, packet: u32) {
        pacer.hold(at(0), pool, (class, 1000), packet).unwrap();
    }

    #[test]
    fn below_its_rate_everything_passes() {
        let mut pacer = Pacer::new();
        assert!((0..1000).all(|_| pacer.passes(at(0), 1500)));
        pacer.set_rate(Some(4_000_000));
        // 500 bytes a millisecond: 1000 every 2 ms are just the rate.
        assert!((0..500).all(|n| pacer.passes(at(10 + n * 2), 1000)));
        assert_eq!(pacer.next_timeout(), Time::MAX);
    }

    #[test]
    fn what_is_too_much_leaves_in_runs_repairs_first() {
        let (mut pacer, mut pool) = (Pacer::new(), Pool::new(100));
        pacer.set_rate(Some(3_000_000));
        let passed = (0..100).take_while(|_| pacer.passes(at(0), 1000)).count();
        assert_eq!(passed, 4);
        (0..12).for_each(|n| hold(&mut pacer, &mut pool, Class::Media, n));
        (100..102).for_each(|n| hold(&mut pacer, &mut pool, Class::Repair, n));
        assert!(!pacer.passes(at(500), 10));
        let seen = released(&mut pacer, &mut pool, 1000);
        let order: Vec<u32> = seen.iter().map(|&(_, packet)| packet).collect();
        assert_eq!(order, [&[100, 101][..], &Vec::from_iter(0..12)].concat());
        let mut times: Vec<u64> = seen.iter().map(|&(at, _)| at).collect();
        // 14 packets at 3 Mbit/s take 37 ms; two leave at a time.
        assert!((30..45).contains(times.last().unwrap()), "{times:?}");
        times.dedup();
        assert!((6..=8).contains(&times.len()), "{times:?}");
    }

    #[test]
    fn what_waited_too_long_is_late_and_a_full_queue_refuses() {
        let (mut pacer, mut pool) = (Pacer::new(), Pool::new(3));
        pacer.set_rate(Some(1));
        assert!(pacer.passes(at(0), 1000));
        (0..3).for_each(|n| hold(&mut pacer, &mut pool, Class::Media, n));
        assert_eq!(pacer.hold(at(0), &mut pool, (Class::Media, 1000), 3), Err(Drop::Full));
        assert_eq!(pacer.poll(at(700), &mut pool), None);
        assert_eq!(pacer.poll(at(801), &mut pool), Some(Release::Late(0)));
        pacer.clear(&mut pool);
        assert_eq!((pacer.waiting(), pacer.next_timeout()), (0, Time::MAX));
        (0..3).for_each(|n| hold(&mut pacer, &mut pool, Class::Repair, n));
    }

    #[test]
    fn a_probe_takes_what_waits_then_padding_at_its_own_rate() {
        let (mut pacer, mut pool) = (Pacer::new(), Pool::new(10));
        pacer.set_rate(Some(500_000));
        let probe = Probe { cluster: 7, bits_per_second: 2_000_000, bytes: 3750, packets: 5 };
        pacer.begin(probe);
        assert!(!pacer.passes(at(0), 1000));
        hold(&mut pacer, &mut pool, Class::Media, 1);
        let (mut runs, mut bytes) = (Vec::new(), 0);
        while pacer.is_probing() {
            let now = pacer.next_timeout().max(at(0));
            runs.push(now.as_millis());
            while let Some(release) = pacer.poll(now, &mut pool) {
                match release {
                    Release::Packet(1, 7) => bytes += 1000,
                    Release::Padding(room, 7) => {
                        let size = room.min(400);
                        bytes += size;
                        pacer.padded(size);
                    }
                    other => panic!("{other:?}"),
                }
                if !pacer.is_probing() {
                    break;
                }
            }
        }
        assert_eq!((runs, bytes), (vec![0, 5, 10], 3750));
    }

    #[test]
    fn a_probe_with_nothing_to_send_ends() {
        let (mut pacer, mut pool) = (Pacer::new(), Pool::<u32>::new(1));
        pacer.begin(Probe { cluster: 1, bits_per_second: 1_000_000, bytes: 2000, packets: 5 });
        assert!(matches!(pacer.poll(at(1), &mut pool), Some(Release::Padding(625, 1))));
        pacer.padded(0);
        assert!(!pacer.is_probing() && pacer.passes(at(1), 1000));
    }
}
