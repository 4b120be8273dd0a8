//! Which packets go out.

use super::Step::*;
use super::*;

fn video(layers: u8, steps: Vec<Step>) {
    check(layers, MediaKind::Video, steps);
}

#[test]
fn video_starts_at_a_key_frame() {
    video(
        1,
        vec![
            Want(super::Want::BEST),
            Packet(frame(0, 10, 1, false), ""),
            Asks(&[0]),
            Packet(frame(0, 11, 2, true), "+0 @6000 p2 l2 k3 m"),
            Packet(frame(0, 12, 3, false), "+1 @9000 p3 l3 k3 m"),
        ],
    );
}

#[test]
fn an_overtaken_key_frame_is_no_place_to_start() {
    video(
        1,
        vec![
            Want(super::Want::BEST),
            Packet(frame(0, 11, 2, false), ""),
            Packet(frame(0, 10, 1, true), ""),
            Asks(&[0]),
            Packet(frame(0, 12, 3, true), "+0 @9000 p3 l3 k3 m"),
        ],
    );
}

#[test]
fn audio_starts_at_once() {
    check(
        1,
        MediaKind::Audio,
        vec![
            Want(super::Want::BEST),
            Packet(Source::opus(5, 960), "+0 @960"),
            Packet(Source::opus(6, 1920), "+1 @1920"),
        ],
    );
}

#[test]
fn the_first_live_layer_serves_until_the_wanted_one_comes() {
    video(
        3,
        vec![
            Want(want(2, 9)),
            Packet(frame(0, 10, 1, true), "+0 @3000 p1 l1 k3 m"),
            Packet(frame(2, 900, 1, true), "+1 @3001 p2 l2 k4 m"),
            Packet(frame(0, 11, 2, false), ""),
            Packet(frame(2, 901, 2, false), "+2 @6001 p3 l3 k4 m"),
        ]
        .into_iter()
        .map(with_clocks)
        .collect(),
    );
}

/// Layers of these stories share one RTP clock; nothing to do unless a story says otherwise.
fn with_clocks(step: Step) -> Step {
    step
}

#[test]
fn a_switch_waits_for_the_target_key_frame() {
    video(
        2,
        vec![
            Clock(0, 100, 0),
            Clock(1, 100, 0),
            Want(want(0, 9)),
            Packet(frame(0, 10, 1, true), "+0 @3000 p1 l1 k3 m"),
            Packet(frame(1, 50, 1, true), ""),
            Want(want(1, 9)),
            Asks(&[1]),
            Packet(frame(1, 51, 2, false), ""),
            Packet(frame(0, 11, 2, false), "+1 @6000 p2 l2 k3 m"),
            Packet(frame(1, 52, 3, true), "+2 @9000 p3 l3 k4 m"),
            Packet(frame(0, 12, 3, false), ""),
            Want(want(0, 9)),
            Packet(frame(1, 53, 4, false), "+3 @12000 p4 l4 k4 m"),
            Packet(frame(0, 13, 5, true), "+4 @15000 p5 l5 k5 m"),
            Packet(frame(1, 54, 5, false), ""),
        ],
    );
}

#[test]
fn a_layer_that_stopped_is_left_for_the_best_live_one() {
    let mut steps = vec![
        Want(want(1, 9)),
        Packet(frame(1, 50, 1, true), "+0 @3000 p1 l1 k3 m"),
        Packet(frame(0, 10, 1, true), ""),
        Asks(&[]),
    ];
    for index in 0..40u16 {
        steps.push(Wait(50));
        steps.push(Packet(frame(0, 11 + u64::from(index), 2 + index, false), ""));
    }
    steps.push(Asks(&[0]));
    // Two seconds after 3000 by arrival.
    steps.push(Packet(frame(0, 51, 42, true), "+1 @183000 p2 l2 k4 m"));
    video(2, steps);
}

#[test]
fn an_idle_screen_share_is_not_a_stopped_layer() {
    video(
        1,
        vec![
            Want(super::Want::BEST),
            Packet(frame(0, 10, 1, true), "+0 @3000 p1 l1 k3 m"),
            Wait(60_000),
            Packet(frame(0, 11, 2, false), "+1 @6000 p2 l2 k3 m"),
            Asks(&[]),
        ],
    );
}

#[test]
fn pause_stops_and_resume_waits_for_a_key_frame() {
    video(
        1,
        vec![
            Want(super::Want::BEST),
            Packet(frame(0, 10, 1, true), "+0 @3000 p1 l1 k3 m"),
            Want(PAUSED),
            Packet(frame(0, 11, 2, false), ""),
            Packet(frame(0, 12, 3, true), ""),
            Want(super::Want::BEST),
            Asks(&[0]),
            Packet(frame(0, 13, 4, false), ""),
            Packet(frame(0, 14, 5, true), "+1 @15000 p2 l2 k4 m"),
            Packet(frame(0, 15, 6, false), "+2 @18000 p3 l3 k4 m"),
        ],
    );
}

#[test]
fn paused_audio_resumes_with_the_next_packet() {
    check(
        1,
        MediaKind::Audio,
        vec![
            Want(super::Want::BEST),
            Packet(Source::opus(5, 960), "+0 @960"),
            Want(PAUSED),
            Packet(Source::opus(6, 1920), ""),
            Want(super::Want::BEST),
            Packet(Source::opus(7, 2880), "+1 @2880"),
            Asks(&[]),
        ],
    );
}

#[test]
fn muted_tracks_go_nowhere_and_come_back_with_a_key_frame() {
    video(
        1,
        vec![
            Want(super::Want::BEST),
            Packet(frame(0, 10, 1, true), "+0 @3000 p1 l1 k3 m"),
            Mute(true),
            Packet(frame(0, 11, 2, true), ""),
            Pli,
            Asks(&[]),
            Mute(false),
            Asks(&[0]),
            Packet(frame(0, 12, 3, false), ""),
            Packet(frame(0, 13, 4, true), "+1 @12000 p2 l2 k4 m"),
        ],
    );
}

#[test]
fn higher_temporal_layers_are_left_out_and_come_back_at_sync_frames() {
    video(
        1,
        vec![
            Want(want(0, 0)),
            Packet(temporal_frame(10, 0, (0, 0), false), "+0 @0 p0 l0 k3 m"),
            Packet(temporal_frame(11, 1, (2, 0), true), ""),
            Packet(temporal_frame(12, 2, (1, 0), true), ""),
            Packet(temporal_frame(13, 3, (0, 1), false), "+1 @9000 p1 l1 k3 m"),
            Want(want(0, 2)),
            // Needs layer one, which was not received.
            Packet(temporal_frame(14, 4, (2, 1), true), ""),
            Packet(temporal_frame(15, 5, (1, 1), true), "+2 @15000 p2 l1 k3 m"),
            Packet(temporal_frame(16, 6, (2, 1), false), ""),
            Packet(temporal_frame(17, 7, (0, 2), false), "+3 @21000 p3 l2 k3 m"),
            Packet(temporal_frame(18, 8, (2, 2), true), "+4 @24000 p4 l2 k3 m"),
            Packet(temporal_frame(19, 9, (1, 2), false), "+5 @27000 p5 l2 k3 m"),
            Packet(temporal_frame(20, 10, (2, 2), false), "+6 @30000 p6 l2 k3 m"),
            Want(want(0, 1)),
            Packet(temporal_frame(21, 11, (0, 3), false), "+7 @33000 p7 l3 k3 m"),
            Packet(temporal_frame(22, 12, (2, 3), true), ""),
        ],
    );
}

#[test]
fn a_frame_is_never_cut_in_the_middle() {
    let part = |sequence, start| {
        let (picture, tl0, temporal) = (1, 0, 2);
        let vp8 = Vp8 { picture, tl0, temporal, sync: true, key_index: 3, key: false, start };
        Source::vp8((0, sequence, 3000), vp8).marked(sequence == 12)
    };
    video(
        1,
        vec![
            Want(super::Want::BEST),
            Packet(temporal_frame(10, 0, (0, 0), false), "+0 @0 p0 l0 k3 m"),
            Packet(part(11, true), "+1 @3000 p1 l0 k3"),
            Want(want(0, 0)),
            Packet(part(12, false), "+2 @3000 p1 l0 k3 m"),
            Packet(temporal_frame(13, 2, (1, 0), true), ""),
        ],
    );
}

#[test]
fn spatial_layers_above_the_wanted_one_are_cut_off_with_a_marker() {
    let layer = |sequence, picture: u32, spatial, key| {
        Source::vp9((0, sequence, picture * 3000), (spatial, 0), key)
    };
    video(
        1,
        vec![
            Want(want(1, 9)),
            Packet(layer(10, 1, 0, true), "+0 @3000 p5 l9 s0 t0"),
            Packet(layer(11, 1, 1, true), "+1 @3000 p5 l9 s1 t0 m"),
            Packet(layer(12, 1, 2, true).marked(true), ""),
            Packet(layer(13, 2, 0, false), "+2 @6000 p5 l9 s0 t0"),
            Want(want(2, 9)),
            Asks(&[0]),
            Packet(layer(14, 2, 1, false), "+3 @6000 p5 l9 s1 t0 m"),
            Packet(layer(15, 2, 2, false).marked(true), ""),
            Packet(layer(16, 3, 0, true), "+4 @9000 p5 l9 s0 t0"),
            Packet(layer(17, 3, 1, true), "+5 @9000 p5 l9 s1 t0"),
            Packet(layer(18, 3, 2, true).marked(true), "+6 @9000 p5 l9 s2 t0 m"),
            Want(want(0, 9)),
            Packet(layer(19, 4, 0, false), "+7 @12000 p5 l9 s0 t0 m"),
            Packet(layer(20, 4, 1, false), ""),
            Packet(layer(21, 4, 2, false).marked(true), ""),
        ],
    );
}

#[test]
fn a_receiver_without_the_codec_gets_and_asks_nothing() {
    let av1 = Codec::Av1 { profile: 0 };
    video(
        1,
        vec![
            Want(super::Want::BEST),
            Packet(Source::new(av1, (0, 1, 0), &[0x18, 1]), ""),
            Packet(Source::new(av1, (0, 2, 0), &[0x10, 1]), ""),
            Wait(5000),
            Packet(Source::new(av1, (0, 3, 9000), &[0x10, 1]), ""),
            Asks(&[]),
        ],
    );
}

#[test]
fn a_receiver_without_red_gets_the_newest_opus() {
    let red = [0x80 | 111, 0, 4, 3, 111, 1, 2, 3, 9, 8];
    let mut stage = Stage::new(1, MediaKind::Audio);
    let egress = egress(TRACK, MediaKind::Audio, SSRC);
    stage.router.subscribe(stage.now, LEG, &egress, super::Want::BEST).unwrap();
    let source = Source::new(Codec::Red, (0, 1, 960), &red);
    let bytes = source.bytes();
    let mut got = Vec::new();
    stage.router.route(stage.now, TRACK, &source.inbound(&bytes), &mut |_, outgoing| {
        got.push((outgoing.payload_type, outgoing.payload.to_vec()));
    });
    assert_eq!(got, [(PayloadType(124), vec![9, 8])]);
    // One that cannot be taken apart leaves no gap.
    stage.packet(&Source::new(Codec::Red, (0, 2, 1920), &red[..4]));
    assert_eq!(stage.router.counters().get(Drop::BadRedundancy), 1);
    assert_eq!(stage.packet(&Source::new(Codec::Red, (0, 3, 2880), &red)), "+0 @2880 m");
    let found = stage.router.resend(stage.now, (LEG, SSRC), 0, Duration::ZERO);
    assert_eq!(found.err(), Some(Refusal::Unknown));
}

#[test]
fn extensions_take_the_receivers_ids() {
    let mut stage = Stage::new(1, MediaKind::Video);
    let egress = egress(TRACK, MediaKind::Video, SSRC);
    stage.router.subscribe(stage.now, LEG, &egress, super::Want::BEST).unwrap();
    let source = frame(0, 1, 1, true)
        .with(Extension::Mid, b"their")
        .with(Extension::Rid, b"hi")
        .with(Extension::AbsSendTime, &[1, 2, 3])
        .with(Extension::TransportCc, &[9, 9])
        .with(Extension::VideoOrientation, &[1])
        .with(Extension::PlayoutDelay, &[0, 0, 5])
        .with(Extension::AbsCaptureTime, &[7; 8]);
    let bytes = source.bytes();
    let mut out = [0; 1500];
    let mut len = 0;
    stage.router.route(stage.now, TRACK, &source.inbound(&bytes), &mut |_, outgoing| {
        len = outgoing.write_header(&mut out, Some(0x0102)).unwrap();
    });
    let packet = rtp::Packet::parse(&out[..len]).unwrap();
    let receiver = ids(1);
    let found: Vec<_> = packet
        .head
        .extensions
        .iter()
        .map(|(id, value)| (receiver.by_id(id).unwrap(), value))
        .collect();
    assert_eq!(
        found,
        [
            (Extension::Mid, &b"4"[..]),
            (Extension::TransportCc, &[1, 2]),
            (Extension::VideoOrientation, &[1]),
            (Extension::PlayoutDelay, &[0, 0, 5]),
            (Extension::AbsCaptureTime, &[7; 8]),
        ]
    );
}
