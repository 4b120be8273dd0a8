//! Publishers that are asked to stay under what their receivers can be given.

use super::allocation::{CAMERA, Meeting, camera};
use super::*;

/// A meeting whose cameras listen.
fn meeting(count: usize) -> Meeting {
    let mut meeting = Meeting::new(count);
    (0..count).for_each(|index| meeting.router.set_heeds(meeting.now, camera(index), true));
    meeting
}

impl Meeting {
    /// What a camera is asked to stay under, in kbit/s.
    fn ceiling(&self, index: usize) -> Option<u64> {
        self.router.ceiling(camera(index)).map(|bits| bits / 1000)
    }

    /// What the first camera comes to over the next second, which is to be within these kbit/s.
    fn check(&mut self, expect: core::ops::RangeInclusive<u64>) {
        let rates = self.rates();
        assert!(expect.contains(&rates[0]), "{rates:?} is not within {expect:?}");
    }
}

#[test]
fn the_only_receiver_gets_what_its_way_carries() {
    for (kilobits, expect) in [(60, 0..=0), (95, 70..=110), (300, 250..=300), (900, 780..=900)] {
        let mut meeting = meeting(1);
        meeting.budget(kilobits);
        meeting.run(9000);
        meeting.check(expect);
        // What it would be sent if it might is what its estimate has to find out about.
        let wanted = meeting.router.wanted(LEG) / 1000;
        assert!((CAMERA[2] - 100..2 * CAMERA[2]).contains(&wanted), "{kilobits}: {wanted}");
    }
}

#[test]
fn one_that_does_not_listen_is_not_asked_and_costs_what_it_sends() {
    let mut meeting = Meeting::new(1);
    meeting.budget(900);
    meeting.run(9000);
    assert_eq!(meeting.ceiling(0), None);
    meeting.check(380..=420);
    // It is asked, and does not listen.
    meeting.router.set_heeds(meeting.now, camera(0), true);
    meeting.deaf = true;
    meeting.run(9000);
    assert!(meeting.ceiling(0).is_some());
    meeting.check(380..=420);
}

#[test]
fn a_ceiling_is_lifted_with_what_led_to_it() {
    let lift: [fn(&mut Meeting); 5] = [
        |meeting| meeting.budget(5000),
        |meeting| meeting.router.set_budget(meeting.now, LEG, None),
        |meeting| meeting.router.set_heeds(meeting.now, camera(0), false),
        |meeting| meeting.router.set_muted(meeting.now, camera(0), true),
        |meeting| meeting.want(0, PAUSED),
    ];
    for (nth, lift) in lift.into_iter().enumerate() {
        let mut meeting = meeting(1);
        meeting.budget(900);
        meeting.run(6000);
        assert!(meeting.ceiling(0).is_some());
        lift(&mut meeting);
        meeting.run(1000);
        assert_eq!(meeting.ceiling(0), None, "by the way of {nth}");
        assert_eq!(meeting.cameras[0].kilobits, CAMERA, "and the camera heard of it");
    }
}

#[test]
fn cameras_of_a_narrow_meeting_share_its_way_evenly_whoever_speaks() {
    let mut meeting = meeting(4);
    meeting.budget(1600);
    meeting.run(9000);
    for _ in 0..3 {
        let rates = meeting.rates();
        assert!(rates.iter().all(|rate| (300..=420).contains(rate)), "{rates:?}");
    }
    assert!(meeting.pauses.is_empty());
}

#[test]
fn who_wants_a_part_of_a_stream_says_nothing_about_the_whole() {
    for (want, is_asked) in [(Want::BEST, true), (want(0, 0), false)] {
        let mut stage = Stage::new(1, MediaKind::Video);
        let egress = egress(TRACK, MediaKind::Video, SSRC);
        stage.router.subscribe(stage.now, LEG, &egress, want).unwrap();
        stage.router.set_rates(TRACK, [1_000_000].into_iter());
        stage.router.set_heeds(stage.now, TRACK, true);
        stage.router.set_budget(stage.now, LEG, Some(600_000));
        // 30 pictures a second of 2000 bytes, every other one in the upper temporal layer.
        for index in 0..90u16 {
            let layers = (index as u8 % 2, (index / 2) as u8);
            let mut source = temporal_frame(u64::from(index), index, layers, index % 2 == 1);
            source.payload.resize(2000, 0);
            let bytes = source.bytes();
            stage.router.route(stage.now, TRACK, &source.inbound(&bytes), &mut |_, _| {});
            stage.now = stage.now + Duration::from_micros(33_333);
            stage.router.review(stage.now);
        }
        assert_eq!(stage.router.ceiling(TRACK).is_some(), is_asked, "{want:?}");
    }
}
