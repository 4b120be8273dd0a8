//! Tunnels: the way of packets whose transport is not a worker's own socket. Another part of the process ends that
//! transport (QUIC), so it has encrypted and authenticated them; here they pass in plain between it and the
//! worker, over one bounded ring each way. One tunnel serves all such legs of a worker.
//!
//! The other part may be asynchronous: it waits with [`FromWorker::poll_ready`], which needs no runtime.

use core::sync::atomic::{AtomicBool, Ordering, fence};
use core::task::{Context, Poll};
use std::sync::{Arc, Mutex, PoisonError};
use std::task;

use offhook_types::{LegId, WorkerId};
use rtrb::{Consumer, Producer, RingBuffer};

use crate::rings::Waker;
use crate::transmit::PACKET_BYTES;

/// The end of a worker's tunnel that the other transport holds.
pub struct Tunnel {
    /// Whose it is.
    pub worker: WorkerId,
    /// For what arrived.
    pub to_worker: ToWorker,
    /// What is to be sent.
    pub from_worker: FromWorker,
}

/// Packets for a worker.
pub struct ToWorker {
    ring: Producer<u8>,
    worker: Arc<Waker>,
    written: bool,
}

/// Packets from a worker.
pub struct FromWorker {
    ring: Consumer<u8>,
    alarm: Arc<Alarm>,
    packet: Box<[u8; PACKET_BYTES]>,
}

/// The worker's end of [`FromWorker`].
pub(crate) struct Departures {
    ring: Producer<u8>,
    alarm: Arc<Alarm>,
    written: bool,
    scratch: Box<[u8; PACKET_BYTES]>,
}

/// The worker's end of [`ToWorker`].
pub(crate) struct Arrivals {
    ring: Consumer<u8>,
    packet: Box<[u8; PACKET_BYTES]>,
}

/// Both ends of a new tunnel; `waker` is the worker's.
pub(crate) fn pair(worker: WorkerId, waker: Arc<Waker>) -> (Tunnel, (Arrivals, Departures)) {
    let (into, arriving) = RingBuffer::new(RING_BYTES);
    let (departing, out) = RingBuffer::new(RING_BYTES);
    let alarm = Arc::new(Alarm::default());
    let tunnel = Tunnel {
        worker,
        to_worker: ToWorker { ring: into, worker: waker, written: false },
        from_worker: FromWorker { ring: out, alarm: alarm.clone(), packet: room() },
    };
    let arrivals = Arrivals { ring: arriving, packet: room() };
    let departures = Departures { ring: departing, alarm, written: false, scratch: room() };
    (tunnel, (arrivals, departures))
}

impl ToWorker {
    /// Hand over a packet that arrived for a leg; false when the ring is full.
    pub fn send(&mut self, leg: LegId, packet: &[u8]) -> bool {
        let taken = write(&mut self.ring, leg, packet);
        self.written |= taken;
        taken
    }

    /// Wake the worker if something is new for it. Call after a batch.
    pub fn settle(&mut self) {
        if core::mem::take(&mut self.written) {
            self.worker.wake();
        }
    }
}

impl FromWorker {
    /// The next packet that waits, and the leg that it is for.
    pub fn receive(&mut self) -> Option<(LegId, &[u8])> {
        read(&mut self.ring, &mut self.packet[..])
    }

    /// Ready when a packet waits; otherwise the task is woken when one does.
    pub fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if !self.ring.is_empty() {
            return Poll::Ready(());
        }
        self.alarm.arm(context.waker());
        // What was written before the alarm was armed did not ring it.
        if self.ring.is_empty() { Poll::Pending } else { Poll::Ready(()) }
    }
}

impl Departures {
    /// Where the next packet may be written; then [`Departures::send`] it.
    #[inline]
    pub(crate) fn space(&mut self) -> &mut [u8] {
        &mut self.scratch[..]
    }

    /// Send the first `len` bytes of the space; false when the ring is full.
    #[inline]
    pub(crate) fn send(&mut self, leg: LegId, len: usize) -> bool {
        let packet = self.scratch.get(..len).unwrap_or_default();
        let taken = write(&mut self.ring, leg, packet);
        self.written |= taken;
        taken
    }

    /// Wake the other side if something is new for it. Call once a turn.
    pub(crate) fn settle(&mut self) {
        if core::mem::take(&mut self.written) {
            self.alarm.ring();
        }
    }
}

impl Arrivals {
    pub(crate) fn receive(&mut self) -> Option<(LegId, &[u8])> {
        read(&mut self.ring, &mut self.packet[..])
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }
}

/// Wakes a task that waits for a ring. It is rung only while armed, so a task that keeps up costs no wake-up.
#[derive(Default)]
struct Alarm {
    armed: AtomicBool,
    task: Mutex<Option<task::Waker>>,
}

impl Alarm {
    fn arm(&self, task: &task::Waker) {
        *self.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task.clone());
        self.armed.store(true, Ordering::Relaxed);
        // Orders "arm, then look at the ring" against "write, then look whether armed".
        fence(Ordering::SeqCst);
    }

    fn ring(&self) {
        fence(Ordering::SeqCst);
        if self.armed.load(Ordering::Relaxed) && self.armed.swap(false, Ordering::Relaxed) {
            let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(task) = task {
                task.wake();
            }
        }
    }
}

/// Bytes of one ring. QUIC is what limits a tunnel: at 3 us a packet of 1200 bytes one core carries 3 Gbit/s at best,
/// of which this is 5 ms.
const RING_BYTES: usize = 2 << 20;
/// Before each packet: its leg and its length.
const HEAD: usize = 10;

fn room() -> Box<[u8; PACKET_BYTES]> {
    Box::new([0; PACKET_BYTES])
}

#[inline]
fn write(ring: &mut Producer<u8>, leg: LegId, packet: &[u8]) -> bool {
    let len = packet.len();
    if len > PACKET_BYTES || ring.slots() < HEAD + len {
        return false;
    }
    let mut head = [0; HEAD];
    let (id, size) = head.split_at_mut(8);
    id.copy_from_slice(&leg.0.to_be_bytes());
    size.copy_from_slice(&(len as u16).to_be_bytes());
    ring.push_entire_slice(&head).is_ok() && ring.push_entire_slice(packet).is_ok()
}

#[inline]
fn read<'a>(ring: &mut Consumer<u8>, packet: &'a mut [u8]) -> Option<(LegId, &'a [u8])> {
    let mut head = [0; HEAD];
    copy(ring.read_chunk(HEAD).ok()?.as_slices(), &mut head);
    let [id @ .., high, low] = head;
    let len = usize::from(u16::from_be_bytes([high, low]));
    // The head is visible before its packet.
    let whole = ring.read_chunk(HEAD + len).ok()?;
    let (first, second) = whole.as_slices();
    let packet = packet.get_mut(..len)?;
    match first.get(HEAD..) {
        Some(first) => copy((first, second), packet),
        None => copy((second.get(HEAD - first.len()..)?, &[]), packet),
    }
    whole.commit_all();
    Some((LegId(u64::from_be_bytes(id)), packet))
}

fn copy((first, second): (&[u8], &[u8]), to: &mut [u8]) {
    let (front, back) = to.split_at_mut(first.len().min(to.len()));
    front.copy_from_slice(first.get(..front.len()).unwrap_or_default());
    let len = back.len().min(second.len());
    if let (Some(back), Some(second)) = (back.get_mut(..len), second.get(..len)) {
        back.copy_from_slice(second);
    }
}

#[cfg(test)]
mod tests {
    use std::task::Wake;

    use super::*;

    struct Flag(AtomicBool);

    impl Wake for Flag {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Release);
        }
    }

    #[test]
    fn packets_of_every_length_come_out_as_they_went_in_wherever_the_ring_wraps() {
        let (mut tunnel, (mut arrivals, _)) = pair(WorkerId(0), Waker::new().unwrap());
        for nth in 0..20_000_usize {
            let packet = vec![nth as u8; nth % (PACKET_BYTES + 1)];
            assert!(tunnel.to_worker.send(LegId(nth as u64), &packet));
            let (leg, got) = arrivals.receive().unwrap();
            assert_eq!((leg, got), (LegId(nth as u64), packet.as_slice()));
            assert!(arrivals.receive().is_none());
        }
    }

    #[test]
    fn a_full_ring_refuses_and_keeps_what_it_has() {
        let (mut tunnel, (_, mut departures)) = pair(WorkerId(0), Waker::new().unwrap());
        let mut sent = 0;
        while departures.send(LegId(sent), 1200) {
            sent += 1;
        }
        assert_eq!(sent, (RING_BYTES / (1200 + HEAD)) as u64);
        for leg in 0..sent {
            assert_eq!(tunnel.from_worker.receive().unwrap().0, LegId(leg));
        }
        assert!(tunnel.from_worker.receive().is_none());
        assert!(!tunnel.to_worker.send(LegId(1), &[0; PACKET_BYTES + 1]), "longer than any packet");
    }

    #[test]
    fn a_task_that_waits_is_woken_once() {
        let (mut tunnel, (_, mut departures)) = pair(WorkerId(0), Waker::new().unwrap());
        let flag = Arc::new(Flag(AtomicBool::new(false)));
        let task = task::Waker::from(flag.clone());
        let mut context = Context::from_waker(&task);
        let rung = || flag.0.swap(false, Ordering::AcqRel);
        assert!(tunnel.from_worker.poll_ready(&mut context).is_pending());
        departures.settle();
        assert!(!rung(), "nothing was sent");
        assert!(departures.send(LegId(1), 10) && !rung());
        departures.settle();
        assert!(rung());
        assert!(departures.send(LegId(1), 10));
        departures.settle();
        assert!(!rung(), "nobody waits");
        assert!(tunnel.from_worker.poll_ready(&mut context).is_ready());
        while tunnel.from_worker.receive().is_some() {}
        assert!(tunnel.from_worker.poll_ready(&mut context).is_pending());
    }
}
