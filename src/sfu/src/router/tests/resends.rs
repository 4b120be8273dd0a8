//! What can be sent again.

use super::Step::*;
use super::*;

#[test]
fn resends_are_limited_to_one_per_round_trip() {
    check(
        1,
        MediaKind::Video,
        vec![
            Want(super::Want::BEST),
            Packet(frame(0, 10, 1, true), "+0 @3000 p1 l1 k3 m"),
            Packet(frame(0, 11, 2, false), "+1 @6000 p2 l2 k3 m"),
            Nack(1, Ok((0, 11))),
            Nack(0, Ok((0, 10))),
            Wait(19),
            Nack(1, Err(Refusal::TooSoon)),
            Wait(1),
            Nack(1, Ok((0, 11))),
            Nack(2, Err(Refusal::Unknown)),
        ],
    );
}

#[test]
fn nothing_of_a_picture_that_was_given_up_is_sent_again() {
    check(
        1,
        MediaKind::Video,
        vec![
            Want(super::Want::BEST),
            Packet(frame(0, 10, 1, true), "+0 @3000 p1 l1 k3 m"),
            Packet(frame(0, 11, 2, false), "+1 @6000 p2 l2 k3 m"),
            Nack(1, Ok((0, 11))),
            Lose,
            Wait(30),
            Nack(1, Err(Refusal::Unknown)),
            Packet(frame(0, 12, 3, false), ""),
            // From the next key frame on it is.
            Packet(frame(0, 13, 4, true), "+2 @12000 p3 l3 k4 m"),
            Nack(2, Ok((0, 13))),
            Nack(0, Err(Refusal::Unknown)),
        ],
    );
}

#[test]
fn numbers_close_over_what_was_left_out_for_resends_too() {
    let mut steps =
        vec![Want(want(0, 0)), Packet(temporal_frame(100, 0, (0, 0), false), "+0 @0 p0 l0 k3 m")];
    for index in 0..6u64 {
        let upper = temporal_frame(101 + 2 * index, 1 + 2 * index as u16, (1, 0), false);
        steps.push(Packet(upper, ""));
        steps.push(Nack(index, Ok((0, 100 + 2 * index))));
        let expected = [
            "+1 @6000 p1 l0 k3 m",
            "+2 @12000 p2 l0 k3 m",
            "+3 @18000 p3 l0 k3 m",
            "+4 @24000 p4 l0 k3 m",
            "+5 @30000 p5 l0 k3 m",
            "+6 @36000 p6 l0 k3 m",
        ][index as usize];
        let lower = temporal_frame(102 + 2 * index, 2 + 2 * index as u16, (0, 0), false);
        steps.push(Packet(lower, expected));
    }
    check(1, MediaKind::Video, steps);
}

#[test]
fn a_resend_is_the_same_packet() {
    let mut stage = Stage::new(2, MediaKind::Video);
    let egress = egress(TRACK, MediaKind::Video, SSRC);
    stage.router.subscribe(stage.now, LEG, &egress, want(1, 9)).unwrap();
    let sources = [frame(0, 10, 30, true), frame(1, 80, 7, true), frame(1, 81, 8, false)];
    for source in &sources {
        let bytes = source.bytes();
        let mut sent = None;
        stage.router.route(stage.now, TRACK, &source.inbound(&bytes), &mut |_, outgoing| {
            sent = Some((outgoing.sequence, text(outgoing, 0)));
        });
        let (sequence, sent) = sent.unwrap();
        let leg = (LEG, SSRC);
        let found = stage.router.resend(stage.now, leg, sequence as u16, Duration::ZERO).unwrap();
        assert_eq!((found.layer, found.sequence), (source.layer, source.sequence));
        let rtx = RtxStream { ssrc: RTX, payload_type: PayloadType(121) };
        assert_eq!(found.rtx, Some(rtx));
        let again = source.inbound(&bytes);
        assert_eq!(text(&found.render(&again).unwrap(), 0), sent);
        // Another packet is refused.
        let other = Inbound { sequence: source.sequence + 1, ..again };
        assert!(found.render(&other).is_none());
    }
}

#[test]
fn without_rtx_nothing_is_sent_again_under_other_names() {
    let mut stage = Stage::new(1, MediaKind::Audio);
    let plain = Egress { rtx: None, ..egress(TRACK, MediaKind::Audio, SSRC) };
    stage.router.subscribe(stage.now, LEG, &plain, super::Want::BEST).unwrap();
    let send = |stage: &mut Stage, sequence| {
        let source = Source::opus(sequence, 960 * sequence as u32);
        let bytes = source.bytes();
        let mut sent = None;
        let inbound = source.inbound(&bytes);
        stage.router.route(stage.now, TRACK, &inbound, &mut |_, out| sent = Some(out.sequence));
        sent.unwrap() as u16
    };
    let leg = (LEG, SSRC);
    let before = send(&mut stage, 10);
    assert!(stage.router.resend(stage.now, leg, before, Duration::ZERO).is_ok());
    // The same agreement again changes nothing; other extension ids do.
    let mut agreed = negotiated(&[(111, Codec::Opus)]);
    stage.router.set_negotiated(stage.now, LEG, &agreed);
    let between = send(&mut stage, 11);
    agreed.extensions = ids(5);
    stage.router.set_negotiated(stage.now, LEG, &agreed);
    let after = send(&mut stage, 12);
    stage.now = stage.now + Duration::from_secs(1);
    for old in [before, between] {
        let again = stage.router.resend(stage.now, leg, old, Duration::ZERO);
        assert_eq!(again.err(), Some(Refusal::Unknown));
    }
    assert!(stage.router.resend(stage.now, leg, after, Duration::ZERO).is_ok());
}
