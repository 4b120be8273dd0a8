//! Asking publishers for key frames.

use super::Step::*;
use super::*;

#[test]
fn requests_merge_and_the_first_one_is_immediate() {
    check(
        1,
        MediaKind::Video,
        vec![
            Want(super::Want::BEST),
            Packet(frame(0, 10, 1, true), "+0 @3000 p1 l1 k3 m"),
            Asks(&[]),
            Pli,
            Pli,
            Asks(&[0]),
            Pli,
            Asks(&[]),
            Wait(499),
            Asks(&[]),
            Wait(1),
            Asks(&[0]),
            Wait(5000),
            Asks(&[]),
        ],
    );
}

#[test]
fn a_key_frame_on_its_way_answers_all_requests() {
    check(
        1,
        MediaKind::Video,
        vec![
            Want(super::Want::BEST),
            Packet(frame(0, 10, 1, true), "+0 @3000 p1 l1 k3 m"),
            Pli,
            Asks(&[0]),
            Wait(100),
            Pli,
            Packet(frame(0, 11, 2, true), "+1 @6000 p2 l2 k3 m"),
            Wait(5000),
            Asks(&[]),
        ],
    );
}

#[test]
fn a_torn_picture_is_followed_by_a_key_frame_only() {
    check(
        1,
        MediaKind::Video,
        vec![
            Want(super::Want::BEST),
            Packet(frame(0, 10, 1, true), "+0 @3000 p1 l1 k3 m"),
            Packet(frame(0, 11, 2, false), "+1 @6000 p2 l2 k3 m"),
            Asks(&[]),
            Tear,
            Asks(&[0]),
            Packet(frame(0, 12, 3, false), ""),
            Tear,
            Asks(&[]),
            Packet(frame(0, 13, 4, true), "+2 @12000 p3 l3 k4 m"),
            Packet(frame(0, 14, 5, false), "+3 @15000 p4 l4 k4 m"),
            Wait(5000),
            Asks(&[]),
        ],
    );
}

#[test]
fn who_waits_asks_again() {
    check(
        1,
        MediaKind::Video,
        vec![
            Want(super::Want::BEST),
            Asks(&[]),
            Packet(frame(0, 10, 1, false), ""),
            Asks(&[0]),
            Wait(999),
            Asks(&[]),
            Wait(1),
            Asks(&[0]),
            Packet(frame(0, 11, 2, true), "+0 @6000 p2 l2 k3 m"),
            Wait(5000),
            Asks(&[]),
        ],
    );
}

#[test]
fn a_request_follows_the_layer_that_is_shown() {
    check(
        2,
        MediaKind::Video,
        vec![
            Want(want(0, 9)),
            Packet(frame(0, 10, 1, true), "+0 @3000 p1 l1 k3 m"),
            Packet(frame(1, 10, 1, true), ""),
            Want(want(1, 9)),
            Asks(&[1]),
            Pli,
            Asks(&[0]),
        ],
    );
}

#[test]
fn the_next_timeout_is_when_a_request_is_due() {
    let mut stage = Stage::new(1, MediaKind::Video);
    stage.asked();
    assert_eq!(stage.router.next_timeout(), Time::MAX);
    stage.router.request_layer_key_frame(stage.now, TRACK, 0);
    assert!(stage.router.next_timeout() <= stage.now);
    assert_eq!(stage.asked(), [0]);
    assert_eq!(stage.router.next_timeout(), Time::MAX);
    stage.router.request_layer_key_frame(stage.now, TRACK, 0);
    assert_eq!(stage.asked(), []);
    assert_eq!(stage.router.next_timeout(), stage.now + Duration::from_millis(500));
    // Layers and tracks that are not there are not asked.
    stage.router.request_layer_key_frame(stage.now, TRACK, 3);
    stage.router.request_layer_key_frame(stage.now, TrackId(1), 0);
    stage.now = stage.now + Duration::from_millis(500);
    assert_eq!(stage.asked(), [0]);
    assert_eq!(stage.asked(), []);
}

#[test]
fn parameter_sets_in_the_stream_are_where_to_start() {
    let avc = Codec::H264(offhook_types::H264 { packetization_mode: 1, profile: 0x42e0 });
    let mut stage = Stage::new(1, MediaKind::Video);
    stage.router.set_negotiated(stage.now, LEG, &negotiated(&[(126, avc)]));
    let egress = egress(TRACK, MediaKind::Video, SSRC);
    stage.router.subscribe(stage.now, LEG, &egress, PAUSED).unwrap();
    let unit = |sequence, time, header| Source::new(avc, (0, sequence, time), &[header, 1]);
    stage.packet(&unit(1, 0, 0x67));
    stage.packet(&unit(2, 0, 0x65));
    stage.router.set_want(stage.now, LEG, TRACK, super::Want::BEST);
    // An IDR picture whose parameter sets were missed is of no use.
    assert_eq!(stage.packet(&unit(3, 3000, 0x65)), "");
    assert_eq!(stage.packet(&unit(4, 6000, 0x67)), "+0 @6000 m");
    assert_eq!(stage.packet(&unit(5, 6000, 0x65)), "+1 @6000 m");
}

#[test]
fn without_parameter_sets_an_idr_picture_is_where_to_start() {
    let avc = Codec::H264(offhook_types::H264 { packetization_mode: 1, profile: 0x42e0 });
    let mut stage = Stage::new(1, MediaKind::Video);
    stage.router.set_negotiated(stage.now, LEG, &negotiated(&[(126, avc)]));
    let egress = egress(TRACK, MediaKind::Video, SSRC);
    stage.router.subscribe(stage.now, LEG, &egress, super::Want::BEST).unwrap();
    let unit = |sequence, header| Source::new(avc, (0, sequence, 3000), &[header, 1]);
    assert_eq!(stage.packet(&unit(1, 0x41)), "");
    assert_eq!(stage.packet(&unit(2, 0x65)), "+0 @3000 m");
}
