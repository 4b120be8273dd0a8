//! How threads of the node talk: bounded rings with one producer and one consumer each, and a bell for a consumer that
//! sleeps. The bell is rung only if the consumer says that it sleeps, so a busy worker costs no system call.

use core::sync::atomic::{AtomicBool, Ordering, fence};
use core::time::Duration;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use rtrb::{Consumer, Producer, RingBuffer};

use crate::socket::{Bell, UdpSocket};

/// Wakes one thread.
pub(crate) struct Waker {
    asleep: AtomicBool,
    bell: Bell,
}

impl Waker {
    pub(crate) fn new() -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self { asleep: AtomicBool::new(false), bell: Bell::new()? }))
    }

    /// Call after pushing. Either the sleeper saw the push before it slept, or this sees that it sleeps: the two fences
    /// order "push, then look at `asleep`" against "set `asleep`, then look at the ring".
    pub(crate) fn wake(&self) {
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed) && self.asleep.swap(false, Ordering::Relaxed) {
            self.bell.ring();
        }
    }

    /// Sleep until woken, until a datagram arrives, or until time is up; not at all unless `idle` finds every ring
    /// empty.
    pub(crate) fn sleep(
        &self,
        socket: Option<&UdpSocket>,
        timeout: Duration,
        idle: impl FnOnce() -> bool,
    ) {
        self.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if idle() {
            match socket {
                Some(socket) => socket.wait(&self.bell, timeout),
                None => self.bell.wait(timeout),
            }
        }
        self.asleep.store(false, Ordering::Relaxed);
    }
}

/// The sending end of a ring.
pub(crate) struct Outbox<T> {
    ring: Producer<T>,
    /// What must not be lost and found the ring full. It holds at most what commands in progress produce.
    waiting: VecDeque<T>,
    reader: Arc<Waker>,
    pushed: bool,
}

impl<T> Outbox<T> {
    /// A ring with its two ends.
    pub(crate) fn new(capacity: usize, reader: Arc<Waker>) -> (Self, Consumer<T>) {
        let (ring, consumer) = RingBuffer::new(capacity);
        (Self { ring, waiting: VecDeque::new(), reader, pushed: false }, consumer)
    }

    /// Send what may be lost; false when the ring is full.
    pub(crate) fn offer(&mut self, item: T) -> bool {
        let taken = self.waiting.is_empty() && self.ring.push(item).is_ok();
        self.pushed |= taken;
        taken
    }

    /// Send what must arrive.
    pub(crate) fn post(&mut self, item: T) {
        self.waiting.push_back(item);
        self.settle();
    }

    /// Move on what waited, and wake the reader if there is something new for it. Call once a turn.
    pub(crate) fn settle(&mut self) {
        while let Some(item) = self.waiting.pop_front() {
            match self.ring.push(item) {
                Ok(()) => self.pushed = true,
                Err(rtrb::PushError::Full(item)) => {
                    self.waiting.push_front(item);
                    break;
                }
            }
        }
        if core::mem::take(&mut self.pushed) {
            self.reader.wake();
        }
    }

    /// How many more items the ring takes now.
    pub(crate) fn room(&self) -> usize {
        self.ring.slots()
    }

    /// Something waits for the reader to make room.
    pub(crate) fn is_backed_up(&self) -> bool {
        !self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_arrive_waits_and_keeps_its_order() {
        let waker = Waker::new().unwrap();
        let (mut outbox, mut consumer) = Outbox::new(2, waker);
        for i in 0..5 {
            outbox.post(i);
        }
        assert!(!outbox.offer(9) && outbox.is_backed_up());
        let mut got = Vec::new();
        while got.len() < 5 {
            got.extend(consumer.pop());
            outbox.settle();
        }
        assert_eq!(got, [0, 1, 2, 3, 4]);
        assert!(outbox.offer(5) && !outbox.is_backed_up());
    }

    #[test]
    fn a_sleeper_misses_nothing() {
        let waker = Waker::new().unwrap();
        let (mut outbox, mut consumer) = Outbox::new(4, waker.clone());
        let reader = std::thread::spawn(move || {
            let mut sum = 0u64;
            let mut count = 0;
            while count < 20_000 {
                waker.sleep(None, Duration::from_secs(60), || consumer.is_empty());
                while let Ok(item) = consumer.pop() {
                    sum += item;
                    count += 1;
                }
            }
            sum
        });
        for i in 0..20_000u64 {
            while !outbox.offer(i) {
                std::thread::yield_now();
            }
            outbox.settle();
        }
        assert_eq!(reader.join().unwrap(), 20_000 * 19_999 / 2);
    }
}
