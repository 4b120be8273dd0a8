//! Limits, unknown names and the order of commands.

use super::*;

#[test]
fn commands_about_nothing_are_ignored() {
    let mut router = Router::new(Config::default(), Rng::from_seed(1));
    let now = Time::ZERO;
    router.remove_track(TRACK);
    router.restart_layer(now, TRACK, 9);
    router.set_muted(now, TRACK, true);
    router.set_want(now, LEG, TRACK, Want::BEST);
    router.unsubscribe(LEG, TRACK);
    router.remove_leg(LEG);
    router.sender_report(now, TRACK, 200, (1, 1));
    router.request_key_frame(now, LEG, SSRC);
    let source = Source::opus(1, 1);
    let bytes = source.bytes();
    router.route(now, TRACK, &source.inbound(&bytes), &mut |_, _| panic!("nobody is here"));
    assert_eq!(router.counters().get(Drop::UnknownTrack), 1);
    assert_eq!(router.poll_key_frame(now), None);
}

#[test]
fn layers_that_were_not_announced_are_dropped() {
    let mut stage = Stage::new(2, MediaKind::Video);
    assert_eq!(stage.packet(&frame(2, 1, 1, true)), "");
    assert_eq!(stage.router.counters().get(Drop::UnknownLayer), 1);
}

#[test]
fn a_subscription_may_come_before_its_track() {
    let mut router = Router::new(Config::default(), Rng::from_seed(1));
    let now = Time::from_millis(5);
    let egress = egress(TRACK, MediaKind::Audio, SSRC);
    router.subscribe(now, LEG, &egress, Want::BEST).unwrap();
    router.set_negotiated(now, LEG, &negotiated(&[(111, Codec::Opus)]));
    let spec = TrackSpec { kind: MediaKind::Audio, layers: 1, origin: Origin::Remote };
    router.add_track(now, TRACK, spec).unwrap();
    let source = Source::opus(1, 1);
    let bytes = source.bytes();
    let mut count = 0;
    router.route(now, TRACK, &source.inbound(&bytes), &mut |_, _| count += 1);
    assert_eq!(count, 1);
}

#[test]
fn one_stream_per_track_and_one_track_per_stream() {
    let mut stage = Stage::new(1, MediaKind::Audio);
    let now = stage.now;
    let other = TrackId(8);
    let mut subscribe = |track, ssrc| {
        let egress = egress(track, MediaKind::Audio, ssrc);
        stage.router.subscribe(now, LEG, &egress, Want::BEST).unwrap();
        stage.router.streams(LEG).collect::<Vec<_>>()
    };
    assert_eq!(subscribe(TRACK, SSRC), [(SSRC, TRACK)]);
    assert_eq!(subscribe(TRACK, SSRC), [(SSRC, TRACK)]);
    assert_eq!(subscribe(other, SSRC), [(SSRC, other)]);
    assert_eq!(subscribe(other, Ssrc(9)), [(Ssrc(9), other)]);
    assert_eq!(subscribe(TRACK, SSRC), [(Ssrc(9), other), (SSRC, TRACK)]);
}

#[test]
fn limits_are_kept_and_given_back() {
    let config = Config { max_tracks: 2, max_subscriptions: 2, ..Config::default() };
    let mut router = Router::new(config, Rng::from_seed(1));
    let now = Time::ZERO;
    let subscribe = |router: &mut Router, leg, track| {
        router.subscribe(now, leg, &egress(track, MediaKind::Audio, SSRC), Want::BEST)
    };
    assert_eq!(subscribe(&mut router, 1, TrackId(1)), Ok(()));
    assert_eq!(subscribe(&mut router, 2, TrackId(1)), Ok(()));
    assert_eq!(subscribe(&mut router, 2, TrackId(1)), Ok(()));
    assert_eq!(subscribe(&mut router, 3, TrackId(1)), Err(Full));
    router.remove_leg(2);
    assert_eq!(subscribe(&mut router, 3, TrackId(2)), Ok(()));
    router.remove_leg(1);
    assert_eq!(subscribe(&mut router, 1, TrackId(3)), Ok(()));
    let spec = TrackSpec { kind: MediaKind::Audio, layers: 1, origin: Origin::Local };
    assert_eq!(router.add_track(now, TrackId(4), spec), Err(Full));
    router.unsubscribe(1, TrackId(3));
    assert_eq!(router.add_track(now, TrackId(4), spec), Ok(()));
}

#[test]
fn old_packets_are_forgotten() {
    let mut stage = Stage::new(1, MediaKind::Audio);
    let egress = egress(TRACK, MediaKind::Audio, SSRC);
    stage.router.subscribe(stage.now, LEG, &egress, Want::BEST).unwrap();
    stage.packet(&Source::opus(5000, 1));
    stage.packet(&Source::opus(6100, 1));
    stage.packet(&Source::opus(5000, 1));
    stage.packet(&Source::opus(6100, 1));
    assert_eq!(stage.router.counters().get(Drop::TooLate), 1);
    assert_eq!(stage.router.counters().get(Drop::Duplicate), 1);
}
