use offhook_types::rng::Rng;

use super::*;

const RTT: Duration = Duration::from_millis(50);

fn at(millis: u64) -> Time {
    Time::from_millis(millis)
}

fn asked(nack: &mut Nack, millis: u64) -> Vec<u16> {
    let mut out = [0; 300];
    let request = nack.poll(at(millis), RTT, &mut out);
    assert!(!request.gave_up);
    out[..request.count].to_vec()
}

fn after(sequences: &[u64]) -> Nack {
    let mut nack = Nack::new();
    for &sequence in sequences {
        nack.received(at(0), sequence);
    }
    nack
}

#[test]
fn a_gap_is_asked_for_after_two_later_packets() {
    let mut nack = after(&[10, 12]);
    assert_eq!((asked(&mut nack, 0), nack.next_timeout()), (vec![], Some(at(10))));
    nack.received(at(1), 13);
    assert_eq!(nack.next_timeout(), Some(at(1)));
    assert_eq!(asked(&mut nack, 1), [11]);
}

#[test]
fn a_gap_is_asked_for_after_ten_milliseconds() {
    let mut nack = after(&[10, 12]);
    assert_eq!(asked(&mut nack, 9), []);
    assert_eq!(asked(&mut nack, 10), [11]);
}

#[test]
fn the_newest_of_a_long_gap_waits_the_older_do_not() {
    let mut nack = after(&[10, 15]);
    assert_eq!(asked(&mut nack, 0), [11, 12, 13]);
    assert_eq!(asked(&mut nack, 10), [14]);
}

#[test]
fn tries_are_a_round_trip_apart_and_more_each_time_but_never_less_than_20_ms() {
    let mut nack = after(&[1, 3, 4]);
    assert_eq!(asked(&mut nack, 0), [2]);
    assert_eq!(asked(&mut nack, 49), []);
    assert_eq!(asked(&mut nack, 50), [2]);
    let mut out = [0; 4];
    // A round trip of 50 ms and a quarter later, and then the least pause and two quarters.
    assert_eq!(nack.next_timeout(), Some(Time::from_micros(112_500)));
    assert_eq!(nack.poll(at(113), Duration::ZERO, &mut out).count, 1);
    assert_eq!(nack.next_timeout(), Some(at(143)));
}

#[test]
fn what_arrives_is_told_apart_and_not_asked_for_again() {
    let mut nack = after(&[1, 5]);
    assert_eq!(nack.received(at(1), 3), Arrival::Repaired);
    assert_eq!(nack.received(at(1), 3), Arrival::Stale);
    assert_eq!(nack.received(at(1), 5), Arrival::Stale);
    assert_eq!(nack.received(at(1), 0), Arrival::Stale);
    assert_eq!(nack.received(at(1), 6), Arrival::New);
    assert_eq!(asked(&mut nack, 1), [2, 4]);
}

#[test]
fn it_gives_up_after_ten_tries_or_a_second() {
    for (rtt, tries, last) in [(20, 10, 425), (300, 3, 1125)] {
        let mut nack = after(&[1, 3, 4]);
        let mut out = [0; 4];
        let mut count = 0;
        while let Some(due) = nack.next_timeout() {
            let request = nack.poll(due, Duration::from_millis(rtt), &mut out);
            count += request.count;
            assert_eq!(request.gave_up, due == at(last), "{due:?}");
        }
        assert_eq!(count, tries);
        assert_eq!(nack.received(at(9999), 2), Arrival::Stale);
    }
}

#[test]
fn an_outage_is_given_up_at_once_and_said_once() {
    let mut nack = after(&[1, 3, 10_000]);
    assert_eq!(nack.next_timeout(), Some(Time::ZERO));
    let mut out = [0; 300];
    assert_eq!(nack.poll(at(0), RTT, &mut out), Request { count: 0, gave_up: true });
    assert_eq!(nack.poll(at(0), RTT, &mut out), Request::default());
    assert_eq!(nack.next_timeout(), None);
    nack.received(at(0), 10_002);
    assert_eq!(asked(&mut nack, 10), [10_001u64 as u16]);
}

#[test]
fn a_full_list_makes_room_for_the_newest_gap() {
    let mut nack = after(&[1, 202]);
    nack.received(at(0), 303);
    let mut out = [0; 300];
    let request = nack.poll(at(20), RTT, &mut out);
    assert_eq!((request.count, request.gave_up, out[0]), (100, true, 203));
}

#[test]
fn what_finds_no_place_is_asked_for_next_time() {
    let mut nack = after(&[1, 8]);
    let mut out = [0; 4];
    assert_eq!(nack.poll(at(10), RTT, &mut out).count, 4);
    assert_eq!(nack.next_timeout(), Some(at(0)));
    assert_eq!(nack.poll(at(10), RTT, &mut out).count, 2);
    assert_eq!(out[..2], [6, 7]);
}

/// Whatever the network does, what is asked for is missing, and everything missing is asked for.
#[test]
fn random_loss_and_reordering_end_in_a_complete_stream() {
    for seed in 0..50 {
        let mut rng = Rng::from_seed(seed);
        let mut nack = Nack::new();
        let mut have = std::collections::HashSet::from([0]);
        nack.received(at(0), 0);
        let mut late = Vec::new();
        for sequence in 1..2000u64 {
            let now = at(sequence);
            late.push((now + Duration::from_millis(u64::from(rng.below(8))), sequence));
            let arrived: Vec<_> = late.extract_if(.., |(due, _)| *due <= now).collect();
            for (_, sequence) in arrived {
                if sequence < 1900 && rng.chance(10) {
                    continue;
                }
                let arrival = nack.received(now, sequence);
                assert_eq!(have.insert(sequence), arrival != Arrival::Stale);
            }
            let mut out = [0; 64];
            let request = nack.poll(now, RTT, &mut out);
            assert!(!request.gave_up, "seed {seed}");
            for &asked in &out[..request.count] {
                assert!(!have.contains(&asked.into()), "{asked} is there");
                late.push((now + RTT, asked.into()));
            }
        }
        assert!((0..1500).all(|sequence| have.contains(&sequence)), "seed {seed}");
    }
}
