use offhook_types::rng::Rng;
use offhook_wire::rtcp::{Packet, packets};

use super::*;

const MEDIA: Ssrc = Ssrc(77);

type Reported = (u16, Option<i64>);

/// One report: number and time in ticks of each packet.
fn report(recorder: &mut Recorder, now: Time) -> Option<(u8, Vec<Reported>)> {
    let mut out = [0; 1200];
    let len = recorder.poll(now, &mut out)?;
    let Some(Ok(Packet::TransportCc(feedback))) = packets(&out[..len]).next() else {
        panic!("not a report");
    };
    assert_eq!((feedback.sender, feedback.media), (Ssrc(1), MEDIA));
    let mut time = i64::from(feedback.reference) * 256;
    let arrivals = feedback.arrivals().map(|(sequence, delta)| {
        let arrived = delta.map(|delta| {
            time += i64::from(delta);
            time
        });
        (sequence, arrived)
    });
    Some((feedback.feedback_count, arrivals.collect()))
}

fn at(millis: u64) -> Time {
    Time::from_millis(millis)
}

fn recorder(arrivals: &[(u64, u16)]) -> Recorder {
    let mut recorder = Recorder::new(Ssrc(1));
    for &(millis, sequence) in arrivals {
        recorder.received(at(millis), sequence, MEDIA);
    }
    recorder
}

#[test]
fn losses_reordering_and_the_wrap_are_reported_with_times() {
    let mut recorder = recorder(&[(1000, 65_534), (1010, 1), (1011, 65_535), (1020, 3), (1020, 3)]);
    assert_eq!(recorder.next_timeout(), Some(at(1100)));
    assert_eq!(report(&mut recorder, at(1099)), None);
    let expected = vec![
        (65_534, Some(4000)),
        (65_535, Some(4044)),
        (0, None),
        (1, Some(4040)),
        (2, None),
        (3, Some(4080)),
    ];
    assert_eq!(report(&mut recorder, at(1100)), Some((0, expected)));
    assert_eq!((report(&mut recorder, at(1300)), recorder.next_timeout()), (None, None));
}

#[test]
fn reports_follow_each_other_without_a_hole() {
    let mut recorder = recorder(&[(0, 10)]);
    assert_eq!(report(&mut recorder, at(100)), Some((0, vec![(10, Some(0))])));
    recorder.received(at(120), 12, MEDIA);
    let expected = vec![(11, None), (12, Some(480))];
    assert_eq!(report(&mut recorder, at(220)), Some((1, expected)));
}

#[test]
fn an_overtaken_packet_is_reported_with_what_overtook_it() {
    let mut recorder = recorder(&[(0, 10), (1, 12), (2, 13)]);
    report(&mut recorder, at(100)).unwrap();
    recorder.received(at(104), 11, MEDIA);
    let expected = vec![(11, Some(416)), (12, Some(4)), (13, Some(8))];
    assert_eq!(report(&mut recorder, at(204)), Some((1, expected)));
}

#[test]
fn a_packet_that_comes_twice_is_reported_as_it_came_first() {
    let mut recorder = recorder(&[(0, 10), (3, 10)]);
    assert_eq!(report(&mut recorder, at(100)).unwrap().1, [(10, Some(0))]);
    recorder.received(at(104), 10, MEDIA);
    assert_eq!(recorder.next_timeout(), None);
}

#[test]
fn a_hundred_arrivals_do_not_wait() {
    let mut recorder = Recorder::new(Ssrc(1));
    for sequence in 0..99 {
        recorder.received(at(1), sequence, MEDIA);
    }
    assert_eq!(report(&mut recorder, at(1)), None);
    recorder.received(at(1), 99, MEDIA);
    assert_eq!(report(&mut recorder, at(1)).unwrap().1.len(), 100);
}

#[test]
fn a_long_pause_and_a_long_gap_take_several_reports() {
    let mut recorder = recorder(&[(0, 0), (20_000, 1), (20_001, 900)]);
    let now = at(20_100);
    assert_eq!(report(&mut recorder, now).unwrap().1, [(0, Some(0))]);
    let second = report(&mut recorder, now).unwrap().1;
    assert_eq!((second.len(), second[0]), (256, (1, Some(80_000))));
    let third = report(&mut recorder, now).unwrap().1;
    assert_eq!(third.last(), Some(&(900, Some(80_004))));
    assert_eq!(report(&mut recorder, now), None);
}

#[test]
fn a_jump_beyond_the_history_starts_anew() {
    let mut recorder = recorder(&[(0, 0), (1, 20_000), (2, 20_001), (3, 5)]);
    let arrivals = report(&mut recorder, at(200)).unwrap().1;
    assert_eq!(arrivals.iter().filter(|(_, time)| time.is_some()).count(), 2);
    assert_eq!(arrivals.last(), Some(&(20_001, Some(8))));
    assert_eq!(report(&mut recorder, at(200)), None);
}

#[test]
fn a_clock_of_many_days_fits() {
    let day = 86_400_000;
    for days in [6, 7, 100] {
        let mut recorder = recorder(&[(days * day, 1), (days * day + 1, 2)]);
        let arrivals = report(&mut recorder, at(days * day + 200)).unwrap().1;
        let [(1, Some(first)), (2, Some(second))] = arrivals[..] else { panic!("{arrivals:?}") };
        assert_eq!(second - first, 4);
    }
}

/// Reports put together say of every packet what happened to it.
#[test]
fn random_arrivals_are_reported_completely() {
    for seed in 0..30 {
        let mut rng = Rng::from_seed(seed);
        let mut recorder = Recorder::new(Ssrc(1));
        let mut arrived = vec![None; 70_000];
        let mut told = vec![None; 70_000];
        let mut now = Time::from_millis(5);
        for sequence in 0..5000u16 {
            now = now + Duration::from_micros(u64::from(rng.below(2000)));
            let swap = sequence.wrapping_sub(if rng.chance(5) { rng.below(20) as u16 } else { 0 });
            if swap <= sequence && !rng.chance(10) && arrived[usize::from(swap)].is_none() {
                recorder.received(now, swap, MEDIA);
                arrived[usize::from(swap)] = Some(now.as_micros() as i64 / 250);
            }
            while let Some((_, report)) = report(&mut recorder, now) {
                for (sequence, time) in report {
                    let before = &mut told[usize::from(sequence)];
                    assert!(before.is_none() || *before == time, "taken back");
                    *before = time;
                }
            }
        }
        while report(&mut recorder, now + INTERVAL).is_some() {}
        assert_eq!(arrived[..4800], told[..4800], "seed {seed}");
    }
}
