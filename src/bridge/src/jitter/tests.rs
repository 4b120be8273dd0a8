use offhook_types::PayloadType;
use proptest::prelude::*;

use super::*;

const CLOCK: Clock = Clock { rate: 8000, timestamps: 8000 };

fn arrival(ssrc: u32, sequence: u16, timestamp: u32) -> Arrival<'static> {
    let payload_type = PayloadType(0);
    let header = Header { marker: false, payload_type, sequence, timestamp, ssrc: Ssrc(ssrc) };
    Arrival { header, kind: Kind::Sound, span: 160, payload: &[0; 160] }
}

/// Puts packets of (milliseconds, SSRC, sequence, timestamp) and says where each waiting one is on
/// the timeline, in milliseconds, and what became of each.
fn check(packets: &[(u64, u32, u16, u32)]) -> (Vec<i64>, Vec<Put>) {
    let mut jitter = Jitter::new(CLOCK);
    let put = packets.iter().map(|&(millis, ssrc, sequence, timestamp)| {
        jitter.put(Time::from_millis(millis), &arrival(ssrc, sequence, timestamp))
    });
    let put = put.collect();
    (jitter.waiting.iter().map(|slot| slot.at / 8).collect(), put)
}

#[test]
fn packets_lie_in_order_whatever_order_they_came_in() {
    let (at, put) = check(&[
        (1000, 1, 65_534, 0u32.wrapping_sub(320)),
        (1060, 1, 1, 160),
        (1061, 1, 65_535, 0u32.wrapping_sub(160)),
        (1062, 1, 65_535, 0u32.wrapping_sub(160)),
        (1063, 1, 0, 0),
    ]);
    assert_eq!(at, [1000, 1020, 1040, 1060]);
    assert_eq!(put[3], Put::Duplicate);
}

#[test]
fn jumps_and_restarts_are_moved_to_where_they_are_expected() {
    // The timestamp jumps ahead and later back, the sequence goes on.
    let (at, _) = check(&[(0, 1, 1, 0), (20, 1, 2, 900_000), (40, 1, 3, 900_160), (60, 1, 4, 320)]);
    assert_eq!(at, [0, 20, 40, 60]);
    // Everything starts over.
    let (at, _) = check(&[(0, 1, 1, 0), (20, 1, 30_000, 77), (40, 1, 30_001, 237)]);
    assert_eq!(at, [0, 20, 40]);
    // A pause is no jump.
    let (at, _) = check(&[(0, 1, 1, 0), (5000, 1, 2, 40_000)]);
    assert_eq!(at, [0, 5000]);
}

#[test]
fn another_source_is_followed_when_it_goes_on() {
    let (at, put) = check(&[(0, 1, 1, 0), (20, 2, 9, 777), (21, 1, 2, 160), (40, 2, 10, 937)]);
    assert_eq!(put[1], Put::Probing);
    assert_eq!(at, [0, 20, 40]);
    let (_, put) = check(&[(0, 1, 1, 0), (400, 2, 9, 777)]);
    assert_eq!(put[1], Put::Kept, "after silence");
}

#[test]
fn what_was_played_is_late_and_what_is_too_much_overflows() {
    let mut jitter = Jitter::new(CLOCK);
    jitter.put(Time::ZERO, &arrival(1, 1, 0));
    jitter.put(Time::from_millis(20), &arrival(1, 3, 320));
    jitter.set_played(320);
    assert_eq!(jitter.put(Time::from_millis(60), &arrival(1, 2, 160)), Put::Late);
    let flood =
        (10..200).map(|n| jitter.put(Time::from_millis(80), &arrival(1, n, u32::from(n) * 160)));
    assert_eq!(flood.last(), Some(Put::Overflow));
    assert_eq!(jitter.waiting.len(), CAPACITY);
}

proptest! {
    #[test]
    fn anything_may_come(packets in proptest::collection::vec(
        (0u64..100, 0u32..3, any::<u16>(), any::<u32>(), any::<bool>()), 1..200)
    ) {
        let mut jitter = Jitter::new(CLOCK);
        let mut now = 0;
        for (after, ssrc, sequence, timestamp, pop) in packets {
            now += after;
            jitter.put(Time::from_millis(now), &arrival(ssrc, sequence, timestamp));
            if pop && let Some(slot) = jitter.pop() {
                jitter.set_played(slot.at + slot.span);
                jitter.recycle(slot);
            }
            let order: Vec<i64> = jitter.waiting.iter().map(|slot| slot.at).collect();
            prop_assert!(order.is_sorted());
            // The timeline stays with real time: nothing is far in the future.
            let end = (now as i64 + 2000) * 8 + 160 * CAPACITY as i64;
            prop_assert!(order.iter().all(|&at| at < end));
        }
    }
}
