use std::collections::VecDeque;

use offhook_types::Rng;
use offhook_wire::rtcp::{self, FeedbackHead, Packet, Writer};

use super::*;
use crate::twcc::Recorder;

const LIMITS: Limits = Limits { start: 600_000, min: 50_000, max: 20_000_000 };

fn at(millis: u64) -> Time {
    Time::from_millis(millis)
}

/// A leg and its receiver over a link with a queue, feedback by the recorder of this crate.
struct Way {
    leg: Controller,
    recorder: Recorder,
    now: Time,
    /// Bits a second.
    link: u64,
    delay: Duration,
    free: Time,
    flying: VecDeque<(Time, u16)>,
    coming: VecDeque<(Time, Vec<u8>)>,
    /// Bits owed by the source.
    owed: u64,
    wanted: u64,
    /// The peer's clock is ahead by this.
    ahead: Duration,
    /// Feedback is lost in so many of 100 cases.
    deaf: u32,
    rng: Rng,
    /// Clusters to send: identity, bits a second, bytes left, begin.
    cluster: Option<(Probe, usize, Time)>,
}

impl Way {
    fn new(link: u64) -> Self {
        Self {
            leg: Controller::new(Time::ZERO, &LIMITS),
            recorder: Recorder::new(Ssrc(1)),
            now: Time::ZERO,
            link,
            delay: Duration::from_millis(25),
            free: Time::ZERO,
            flying: VecDeque::new(),
            coming: VecDeque::new(),
            owed: 0,
            wanted: 5_000_000,
            ahead: Duration::from_secs(1000),
            deaf: 0,
            rng: Rng::from_seed(5),
            cluster: None,
        }
    }

    fn send(&mut self, size: u16, cluster: ClusterId) {
        let number = self.leg.next_number();
        let departure = Departure { stream: Ssrc(1), sequence: number, size, cluster };
        self.leg.sent(self.now, &departure);
        let takes = Duration::from_micros(u64::from(size) * 8_000_000 / self.link);
        self.free = self.free.max(self.now) + takes;
        if self.free.since(self.now) < Duration::from_millis(400) {
            self.flying.push_back((self.free + self.delay, number));
        }
    }

    fn millisecond(&mut self) {
        self.now = self.now + Duration::from_millis(1);
        self.leg.set_wanted(self.wanted, true);
        self.owed += self.leg.estimate().min(self.wanted) / 1000;
        while self.owed >= 9600 {
            self.owed -= 9600;
            self.send(1200, 0);
        }
        if self.cluster.is_none() {
            self.cluster = self.leg.poll_probe(self.now).map(|probe| (probe, 0, self.now));
        }
        while let Some((probe, sent, began)) = &mut self.cluster {
            let due = probe.bits_per_second as usize / 8000
                * (self.now.since(*began).as_millis() as usize + 1);
            if *sent >= probe.bytes {
                self.cluster = None;
            } else if *sent < due {
                *sent += 300;
                let cluster = probe.cluster;
                self.send(300, cluster);
            } else {
                break;
            }
        }
        while self.flying.front().is_some_and(|(at, _)| *at <= self.now) {
            let (_, number) = self.flying.pop_front().unwrap();
            self.recorder.received(self.now + self.ahead, number, Ssrc(1));
        }
        let mut out = [0; 1500];
        while let Some(len) = self.recorder.poll(self.now + self.ahead, &mut out) {
            if !self.rng.chance(self.deaf) {
                self.coming.push_back((self.now + self.delay, out[..len].to_vec()));
            }
        }
        while self.coming.front().is_some_and(|(at, _)| *at <= self.now) {
            let (_, bytes) = self.coming.pop_front().unwrap();
            feed(&mut self.leg, self.now, &bytes);
        }
        if self.leg.next_timeout() <= self.now {
            self.leg.handle_timeout(self.now);
        }
    }

    /// The least and the greatest estimate until then.
    fn run(&mut self, until: u64) -> (u64, u64) {
        let mut range = (u64::MAX, 0);
        while self.now < at(until) {
            self.millisecond();
            let estimate = self.leg.estimate();
            range = (range.0.min(estimate), range.1.max(estimate));
        }
        range
    }
}

fn feed(leg: &mut Controller, now: Time, bytes: &[u8]) -> Told {
    match rtcp::packets(bytes).next() {
        Some(Ok(Packet::TransportCc(feedback))) => leg.handle_feedback(now, &feedback, |_, _| {}),
        other => panic!("{other:?}"),
    }
}

fn report(base: u16, reference: i32, deltas: &[Option<i16>]) -> Vec<u8> {
    let mut out = vec![0; 8000];
    let head = FeedbackHead { sender: Ssrc(1), media: Ssrc(1), base, reference, feedback_count: 0 };
    let mut writer = Writer::new(&mut out);
    writer.transport_cc(&head, deltas).unwrap();
    let len = writer.len();
    out.truncate(len);
    out
}

#[test]
fn an_open_link_is_found_within_two_seconds() {
    let mut way = Way::new(50_000_000);
    way.run(2_000);
    assert!(way.leg.estimate() > 2_500_000, "{}", way.leg.estimate());
}

#[test]
fn a_narrow_link_is_neither_missed_nor_overfilled() {
    for link in [300_000, 1_000_000, 3_000_000] {
        let mut way = Way::new(link);
        way.run(10_000);
        let (least, most) = way.run(30_000);
        assert!(least > link * 6 / 10 && most < link * 12 / 10, "{link}: {least} to {most}");
    }
}

#[test]
fn a_link_that_narrows_and_widens_is_followed() {
    let mut way = Way::new(2_500_000);
    way.wanted = 2_000_000;
    way.run(5_000);
    way.link = 500_000;
    way.run(7_500);
    assert!(way.leg.estimate() < 550_000, "{}", way.leg.estimate());
    way.run(15_000);
    way.link = 2_500_000;
    way.run(17_000);
    assert!(way.leg.estimate() > 1_700_000, "{}", way.leg.estimate());
}

#[test]
fn sending_less_neither_raises_nor_lowers() {
    let mut way = Way::new(2_000_000);
    way.run(5_000);
    let before = way.leg.estimate();
    way.wanted = 200_000;
    let (least, most) = way.run(20_000);
    assert!(least > before * 8 / 10 && most <= before.max(2_000_000), "{before}: {least} {most}");
}

#[test]
fn lost_feedback_costs_little() {
    let mut way = Way::new(2_000_000);
    way.deaf = 30;
    way.run(5_000);
    let (least, most) = way.run(20_000);
    assert!(least > 700_000 && most < 2_500_000, "{least} to {most}");
}

#[test]
fn silence_lowers_the_estimate_to_its_minimum_and_it_comes_back() {
    let mut way = Way::new(2_000_000);
    way.run(5_000);
    way.deaf = 100;
    way.run(20_000);
    assert_eq!(way.leg.estimate(), LIMITS.min);
    way.deaf = 0;
    way.run(28_000);
    assert!(way.leg.estimate() > 1_500_000, "{}", way.leg.estimate());
}

#[test]
fn a_peer_that_never_tells_is_deaf_and_one_that_is_sent_nothing_is_not_silent() {
    let mut way = Way::new(2_000_000);
    way.deaf = 100;
    way.run(5_000);
    assert!(way.leg.is_deaf() && way.leg.estimate() == LIMITS.start);
    way.deaf = 0;
    way.run(8_000);
    assert!(!way.leg.is_deaf());
    let before = way.leg.estimate();
    (way.wanted, way.deaf) = (0, 100);
    way.run(60_000);
    // What was on the way when it fell silent counts once.
    assert!(way.leg.estimate() >= before * 6 / 10, "{before}");
}

#[test]
fn a_peers_clock_that_jumps_changes_nothing() {
    let mut way = Way::new(2_000_000);
    way.run(5_000);
    let before = way.leg.estimate();
    way.ahead = Duration::from_secs(2_000_000);
    let (least, _) = way.run(6_000);
    assert!(least > before * 7 / 10, "{before} to {least}");
    way.run(12_000);
    assert!(way.leg.estimate() > 1_400_000, "{}", way.leg.estimate());
}

#[test]
fn numbers_never_sent_and_told_before_are_unknown() {
    let mut leg = Controller::new(Time::ZERO, &LIMITS);
    let bytes = report(0, 10, &[Some(1); 100]);
    assert_eq!(feed(&mut leg, at(5), &bytes), Told { known: 0, unknown: 100 });
    for sequence in 0..50 {
        leg.sent(at(10), &Departure { stream: Ssrc(1), sequence, size: 100, cluster: 0 });
    }
    assert_eq!(feed(&mut leg, at(60), &bytes), Told { known: 50, unknown: 50 });
    assert_eq!(feed(&mut leg, at(61), &bytes), Told { known: 0, unknown: 100 });
}

#[test]
fn hostile_feedback_moves_the_estimate_only_within_its_limits() {
    for seed in 0..200 {
        let mut rng = Rng::from_seed(seed);
        let mut leg = Controller::new(Time::ZERO, &LIMITS);
        leg.set_wanted(rng.next_u64() >> rng.below(64), rng.chance(50));
        let mut now = at(1);
        for _ in 0..300 {
            now = now + Duration::from_micros(u64::from(rng.below(50_000)));
            for _ in 0..rng.below(20) {
                let cluster = if rng.chance(20) { rng.next_u32() as u8 } else { 0 };
                let (sequence, size) = (leg.next_number(), rng.below(1500) as u16);
                leg.sent(now, &Departure { stream: Ssrc(1), sequence, size, cluster });
            }
            let deltas: Vec<Option<i16>> = (0..=rng.below(60))
                .map(|_| rng.chance(80).then(|| rng.next_u32() as i16 >> rng.below(16)))
                .collect();
            let base = leg.next_number().wrapping_sub(rng.below(80) as u16);
            let reference = (rng.next_u32() as i32) >> (8 + rng.below(20));
            feed(&mut leg, now, &report(base, reference, &deltas));
            leg.handle_timeout(now);
            while let Some(probe) = leg.poll_probe(now) {
                assert!(probe.bits_per_second <= LIMITS.max && probe.bytes < 1 << 20);
            }
            let estimate = leg.estimate();
            assert!((LIMITS.min..=LIMITS.max).contains(&estimate), "seed {seed}: {estimate}");
        }
    }
}
