//! No allocation per packet: an allocator that counts, and a node whose turns are driven here.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::{Duration, Instant};

use offhook_media::Count;
use offhook_rtc::congestion::Limits;
use offhook_types::WorkerId;

use crate::stepped::{Stage, counted, seat};
use crate::world::config;

/// Counts what the current thread allocates while it asks for it.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<Option<u64>> = const { Cell::new(None) };
}

fn count() {
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get().map(|n| n + 1)));
}

// SAFETY: every call is passed on to the system's allocator with the arguments it came with.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        unsafe { System.realloc(place, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// What `act` allocates.
fn allocations(act: impl FnOnce()) -> u64 {
    ALLOCATIONS.set(Some(0));
    act();
    ALLOCATIONS.take().unwrap()
}

const RECEIVERS: u64 = 24;
const PACKETS: u64 = 1_000_000;

/// A stage on which so much may be sent to a receiver.
fn stage(bits_per_second: u64) -> Stage {
    let (start, min, max) = (bits_per_second, bits_per_second, bits_per_second);
    Stage::new(offhook_media::Config { congestion: Limits { start, min, max }, ..config() })
}

/// What so many rounds allocate.
fn play(stage: &mut Stage, rounds: core::ops::Range<u64>) -> u64 {
    let mut allocated = 0;
    for round in rounds {
        stage.burst(round);
        allocated += allocations(|| {
            while stage.node.turn_worker(WorkerId(0)) {}
            while stage.node.turn_worker(WorkerId(1)) {}
        });
        if round.is_multiple_of(8) {
            stage.clients[1].step();
            stage.clients[1].media.clear();
        }
    }
    allocated
}

#[test]
fn a_million_packets_are_forwarded_without_an_allocation() {
    let mut stage = self::stage(10_000_000_000);
    seat(&mut stage, RECEIVERS);
    // The first packets of a stream may allocate: what is remembered of it is allocated once. So may the end of
    // waiting for those who give no feedback.
    let mut round = 0;
    while counted(&mut stage, Count::PacketsForwarded) < 10_000
        || stage.node.snapshot().estimated > 1
    {
        round += 1;
        stage.burst(round);
        stage.turn();
    }
    assert!(stage.clients[1].media.iter().any(|packet| packet.payload == b"phone"));
    assert!(stage.bridge.as_ref().is_some_and(|bridge| !bridge.media.is_empty()));
    let before = counted(&mut stage, Count::PacketsForwarded);
    let rounds = PACKETS / (8 * RECEIVERS) + 1;
    let allocated = play(&mut stage, round + 1..round + 1 + rounds);
    let sent = counted(&mut stage, Count::PacketsForwarded) - before;
    assert!(sent >= PACKETS, "{sent} of {PACKETS}: {:?}", stage.node.snapshot().drops);
    assert!(counted(&mut stage, Count::FeedbackReceived) > 100);
    assert!(stage.native.is_some_and(|(_, got)| got > rounds), "the tunnel carried its share");
    assert_eq!(allocated, 0, "allocations over {sent} packets");
}

#[test]
fn packets_wait_for_their_pacer_without_an_allocation() {
    // A frame of 62 kbit every 30 ms is within the rate, but not within what may leave at once.
    let mut stage = self::stage(4_000_000);
    seat(&mut stage, 1);
    let limit = Instant::now() + Duration::from_secs(30);
    let (mut round, mut next, mut allocated, mut warm) = (0, Instant::now(), 0, false);
    while counted(&mut stage, Count::Held) < 300 {
        assert!(Instant::now() < limit, "{:?}", stage.node.snapshot().counts);
        if Instant::now() >= next {
            (round, next) = (round + 1, next + Duration::from_millis(30));
            stage.burst(round);
        }
        if round.is_multiple_of(8) {
            stage.clients[1].step();
        }
        warm |= counted(&mut stage, Count::Held) > 50;
        let new = allocations(|| {
            while stage.node.turn_worker(WorkerId(0)) {}
            while stage.node.turn_worker(WorkerId(1)) {}
        });
        allocated += if warm { new } else { 0 };
    }
    assert_eq!(allocated, 0);
}
