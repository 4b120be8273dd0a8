use super::*;

const PACKET: usize = 1250;

/// Send one packet of 10,000 bits each millisecond; every arrival as (millisecond, number).
fn check(schedule: Schedule, packets: u64, seed: u64) -> (Vec<(u64, u64)>, Link<u64>) {
    let mut link = Link::new(Time::ZERO, schedule, Rng::from_seed(seed));
    let mut arrivals = Vec::new();
    let mut take = |link: &mut Link<u64>, now| {
        arrivals.extend(std::iter::from_fn(|| link.poll(now)).map(|n| (now.as_millis(), n)));
    };
    for number in 0..packets {
        let now = Time::from_millis(number);
        link.send(now, PACKET, number);
        take(&mut link, now);
    }
    while let Some(at) = link.next_timeout() {
        take(&mut link, at);
    }
    (arrivals, link)
}

fn constant(conditions: Conditions, packets: u64) -> (Vec<(u64, u64)>, Link<u64>) {
    check(Schedule::constant(conditions), packets, 1)
}

#[test]
fn a_perfect_link_delivers_at_once_and_in_order() {
    let (arrivals, link) = constant(Conditions::default(), 5);
    assert_eq!(arrivals, [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4)]);
    assert_eq!(link.fates().get(Fate::Delivered), 5);
}

#[test]
fn delay_moves_everything_and_jitter_keeps_the_order() {
    let delay = Duration::from_millis(20);
    let (arrivals, _) = constant(Conditions { delay, ..Conditions::default() }, 3);
    assert_eq!(arrivals, [(20, 0), (21, 1), (22, 2)]);
    let jitter = Duration::from_millis(30);
    let (arrivals, _) = constant(Conditions { delay, jitter, ..Conditions::default() }, 500);
    assert!(arrivals.windows(2).all(|pair| pair[0].1 < pair[1].1));
    let lags: Vec<u64> = arrivals.iter().map(|(at, sent)| at - sent).collect();
    assert!(lags.iter().all(|lag| (20..=50).contains(lag)) && lags.iter().any(|lag| *lag > 40));
}

#[test]
fn the_bottleneck_spaces_packets_and_its_queue_overflows() {
    // A packet a millisecond is 10 Mbit/s; half of that passes, and ten packets fit into 20 ms.
    let narrow = Conditions {
        rate_bps: Some(5_000_000),
        queue: Duration::from_millis(20),
        ..Conditions::default()
    };
    let (arrivals, link) = constant(narrow, 100);
    assert_eq!(&arrivals[..3], &[(2, 0), (4, 1), (6, 2)]);
    assert!(arrivals.windows(2).all(|pair| pair[1].0 - pair[0].0 == 2));
    assert!(arrivals.iter().all(|(at, sent)| at - sent <= 20), "nothing waits longer");
    let [delivered, overflowed] = [Fate::Delivered, Fate::Overflowed].map(|f| link.fates().get(f));
    assert_eq!((delivered + overflowed, delivered), (100, 59));
}

#[test]
fn a_packet_larger_than_the_queue_still_passes_an_idle_link() {
    let tight = Conditions {
        rate_bps: Some(100_000),
        queue: Duration::from_millis(1),
        ..Conditions::default()
    };
    assert_eq!(constant(tight, 1).0, [(100, 0)]);
}

#[test]
fn the_rate_may_fall_and_rise_while_packets_wait() {
    let at = |after_ms, rate_bps| Step {
        after: Duration::from_millis(after_ms),
        conditions: Conditions { rate_bps, ..Conditions::default() },
    };
    let schedule =
        Schedule::new(vec![at(20, None), at(0, Some(10_000_000)), at(10, Some(1_000_000))]);
    let (arrivals, _) = check(schedule, 30, 1);
    // A packet each millisecond, then one in ten; the open link empties what waited.
    assert_eq!(&arrivals[8..10], &[(9, 8), (10, 9)]);
    assert!(arrivals[10..=20].iter().all(|(at, _)| *at == 20), "{arrivals:?}");
    assert!(arrivals[21..].iter().all(|(at, sent)| at == sent), "{arrivals:?}");
    assert_eq!(arrivals.len(), 30);
}

#[test]
fn losses_come_in_the_shares_and_bursts_that_were_asked_for() {
    let (_, link) =
        constant(Conditions { loss: Share::percent(5), ..Conditions::default() }, 20_000);
    assert!((900..1100).contains(&link.fates().get(Fate::Lost)));

    let bursts = Some(Bursts { every: 95, length: 5 });
    let (arrivals, link) = constant(Conditions { bursts, ..Conditions::default() }, 20_000);
    let lost = link.fates().get(Fate::LostInBurst);
    assert!((800..1200).contains(&lost), "{lost}");
    let gaps = arrivals.windows(2).filter(|pair| pair[1].1 - pair[0].1 > 1).count() as u64;
    assert!((150..250).contains(&gaps), "about 200 bursts of five: {gaps}");
}

#[test]
fn late_packets_are_overtaken_and_doubled_ones_come_twice() {
    let conditions = Conditions {
        late: Share::percent(10),
        late_by: Duration::from_millis(5),
        double: Share::percent(10),
        ..Conditions::default()
    };
    let (arrivals, link) = constant(conditions, 1000);
    let overtaken = arrivals.windows(2).filter(|pair| pair[1].1 < pair[0].1).count();
    assert!(overtaken > 50, "{overtaken}");
    assert_eq!(arrivals.len() as u64, 1000 + link.fates().get(Fate::Doubled));
}

#[test]
fn a_seed_replays_and_another_does_not() {
    let conditions = || {
        Schedule::constant(Conditions {
            rate_bps: Some(9_000_000),
            loss: Share::percent(3),
            jitter: Duration::from_millis(9),
            late: Share::percent(2),
            late_by: Duration::from_millis(30),
            ..Conditions::default()
        })
    };
    assert_eq!(check(conditions(), 2000, 7).0, check(conditions(), 2000, 7).0);
    assert_ne!(check(conditions(), 2000, 7).0, check(conditions(), 2000, 8).0);
}

#[test]
fn conditions_may_be_changed_from_outside() {
    let mut link = Link::new(Time::ZERO, Schedule::default(), Rng::from_seed(1));
    link.send(Time::ZERO, PACKET, 1);
    assert_eq!(link.poll(Time::ZERO), Some(1));
    link.change(Time::ZERO, Conditions { loss: Share::ALL, ..Conditions::default() });
    link.send(Time::ZERO, PACKET, 2);
    assert_eq!(link.poll(Time::MAX), None);
    assert_eq!(link.fates().get(Fate::Lost), 1);
}
