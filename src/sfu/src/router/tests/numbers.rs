//! Which numbers packets get.

use super::Step::*;
use super::*;

fn video(layers: u8, steps: Vec<Step>) {
    check(layers, MediaKind::Video, steps);
}

#[test]
fn a_lost_packet_leaves_a_gap_and_a_late_one_fills_it() {
    video(
        1,
        vec![
            Want(super::Want::BEST),
            Packet(frame(0, 10, 1, true), "+0 @3000 p1 l1 k3 m"),
            Packet(frame(0, 13, 4, false), "+3 @12000 p4 l4 k3 m"),
            Packet(frame(0, 11, 2, false), "+1 @6000 p2 l2 k3 m"),
            Packet(frame(0, 11, 2, false), ""),
            Packet(frame(0, 12, 3, false), "+2 @9000 p3 l3 k3 m"),
            Packet(frame(0, 14, 5, false), "+4 @15000 p5 l5 k3 m"),
        ],
    );
}

#[test]
fn padding_closes_up_in_order_and_fills_its_number_when_late() {
    video(
        1,
        vec![
            Want(super::Want::BEST),
            Packet(frame(0, 10, 1, true), "+0 @3000 p1 l1 k3 m"),
            Packet(Source::padding((0, 11, 3000)), ""),
            Packet(Source::padding((0, 12, 3000)), ""),
            Packet(frame(0, 13, 2, false), "+1 @6000 p2 l2 k3 m"),
            Packet(frame(0, 15, 3, false), "+3 @9000 p3 l3 k3 m"),
            Packet(Source::padding((0, 14, 6000)), "+2 @6000 empty"),
            // Between two left out, one is missing: it keeps a number, whatever it turns out to be.
            Packet(Source::padding((0, 16, 9000)), ""),
            Packet(Source::padding((0, 18, 9000)), ""),
            Packet(frame(0, 19, 5, false), "+5 @15000 p5 l5 k3 m"),
            Packet(frame(0, 17, 4, false), "+4 @12000 p4 l4 k3 m"),
        ],
    );
}

#[test]
fn a_late_frame_of_a_layer_left_out_goes_out_empty() {
    video(
        1,
        vec![
            Want(want(0, 0)),
            Packet(temporal_frame(10, 0, (0, 0), false), "+0 @0 p0 l0 k3 m"),
            Packet(temporal_frame(12, 2, (0, 1), false), "+2 @6000 p2 l1 k3 m"),
            Packet(temporal_frame(11, 1, (2, 0), true), "+1 @3000 empty"),
        ],
    );
}

#[test]
fn late_packet_after_switch_is_dropped() {
    video(
        2,
        vec![
            Clock(0, 100, 0),
            Clock(1, 100, 0),
            Want(want(1, 9)),
            Packet(frame(0, 10, 1, true), "+0 @3000 p1 l1 k3 m"),
            Packet(frame(0, 12, 3, false), "+2 @9000 p3 l3 k3 m"),
            Packet(frame(1, 80, 4, true), "+3 @12000 p4 l4 k4 m"),
            Packet(frame(0, 11, 2, false), ""),
            // It can still be asked for.
            Nack(1, Ok((0, 11))),
            Packet(frame(1, 79, 3, false), ""),
            Packet(frame(1, 81, 5, false), "+4 @15000 p5 l5 k4 m"),
        ],
    );
}

#[test]
fn time_goes_on_by_the_publishers_clocks() {
    // Layer one's RTP clock is 1,000,000 ahead and its report half a second younger.
    video(
        2,
        vec![
            Clock(0, 100, 0),
            Want(want(1, 9)),
            Packet(frame(0, 10, 30, true), "+0 @90000 p30 l30 k3 m"),
            Clock(1, 102, 1_180_000),
            Packet(
                Source { timestamp: 1_093_000, ..frame(1, 80, 31, true) },
                "+1 @93000 p31 l31 k4 m",
            ),
            Packet(
                Source { timestamp: 1_096_000, ..frame(1, 81, 32, false) },
                "+2 @96000 p32 l32 k4 m",
            ),
        ],
    );
}

#[test]
fn time_goes_on_by_arrival_without_clocks_or_with_absurd_ones() {
    for clock in [None, Some(Clock(1, 90_000, 0))] {
        let mut steps = vec![Clock(0, 100, 0), Want(want(1, 9))];
        steps.extend(clock);
        steps.extend([
            Packet(frame(0, 10, 30, true), "+0 @90000 p30 l30 k3 m"),
            Wait(100),
            Packet(Source { timestamp: 7, ..frame(1, 80, 31, true) }, "+1 @99000 p31 l31 k4 m"),
            Packet(
                Source { timestamp: 3007, ..frame(1, 81, 32, false) },
                "+2 @102000 p32 l32 k4 m",
            ),
        ]);
        video(2, steps);
    }
}

#[test]
fn time_never_stands_still_over_a_switch() {
    video(
        2,
        vec![
            Clock(0, 100, 0),
            Clock(1, 100, 0),
            Want(want(1, 9)),
            Packet(frame(0, 10, 30, true), "+0 @90000 p30 l30 k3 m"),
            Packet(frame(1, 80, 29, true), "+1 @90001 p31 l31 k4 m"),
            Packet(frame(1, 81, 30, false), "+2 @93001 p32 l32 k4 m"),
        ],
    );
}

#[test]
fn an_outage_leaves_one_number_open() {
    video(
        1,
        vec![
            Want(super::Want::BEST),
            Packet(frame(0, 10, 1, true), "+0 @3000 p1 l1 k3 m"),
            Packet(frame(0, 5000, 2, false), "+2 @6000 p2 l2 k3 m"),
            Nack(1, Err(Refusal::Unknown)),
            Packet(frame(0, 5001, 3, false), "+3 @9000 p3 l3 k3 m"),
        ],
    );
}

#[test]
fn another_publisher_continues_the_numbers() {
    video(
        3,
        vec![
            Want(super::Want::BEST),
            Packet(frame(0, 10, 30, true), "+0 @90000 p30 l30 k3 m"),
            Republish,
            Wait(1000),
            Nack(0, Err(Refusal::Unknown)),
            Packet(frame(0, 3, 1, false), ""),
            Asks(&[0]),
            Packet(frame(0, 4, 2, true), "+1 @180000 p31 l31 k4 m"),
        ],
    );
}

#[test]
fn frame_numbers_of_dependency_descriptors_go_on() {
    let number = |stage: &mut Stage, source: Source, frame_number: u16| {
        let [high, low] = frame_number.to_be_bytes();
        let source = source.with(Extension::DependencyDescriptor, &[0xc0, high, low]);
        let bytes = source.bytes();
        let mut found = None;
        stage.router.route(stage.now, TRACK, &source.inbound(&bytes), &mut |_, outgoing| {
            let mut out = [0; 200];
            let len = outgoing.write_header(&mut out, None).unwrap();
            let packet = rtp::Packet::parse(&out[..len]).unwrap();
            let id = ids(1).id(Extension::DependencyDescriptor).unwrap();
            let value = packet.extension(id).unwrap();
            found = Some(u16::from_be_bytes([value[1], value[2]]));
        });
        found
    };
    let mut stage = Stage::new(2, MediaKind::Video);
    let egress = egress(TRACK, MediaKind::Video, SSRC);
    stage.router.subscribe(stage.now, LEG, &egress, want(1, 9)).unwrap();
    assert_eq!(number(&mut stage, frame(0, 10, 1, true), 65_535), Some(65_535));
    assert_eq!(number(&mut stage, frame(1, 90, 1, true), 700), Some(0));
    assert_eq!(number(&mut stage, frame(1, 91, 2, false), 701), Some(1));
}

#[test]
fn a_stream_that_ends_and_starts_again_uses_no_number_twice() {
    let mut stage = Stage::new(1, MediaKind::Audio);
    let egress = egress(TRACK, MediaKind::Audio, SSRC);
    stage.router.subscribe(stage.now, LEG, &egress, super::Want::BEST).unwrap();
    assert_eq!(stage.packet(&Source::opus(5, 960)), "+0 @960");
    let rtx = stage.router.next_rtx_sequence(LEG, SSRC).unwrap();
    stage.router.unsubscribe(LEG, TRACK);
    assert_eq!(stage.router.next_rtx_sequence(LEG, SSRC), None);
    stage.router.subscribe(stage.now, LEG, &egress, super::Want::BEST).unwrap();
    stage.now = stage.now + Duration::from_millis(20);
    assert_eq!(stage.packet(&Source::opus(6, 1920)), "+1 @1920");
    assert_eq!(stage.router.next_rtx_sequence(LEG, SSRC), Some(rtx + 1));
}

#[test]
fn sender_reports_speak_of_the_receivers_timeline() {
    let mut stage = Stage::new(2, MediaKind::Video);
    let egress = egress(TRACK, MediaKind::Video, SSRC);
    stage.router.subscribe(stage.now, LEG, &egress, want(1, 9)).unwrap();
    assert_eq!(stage.router.report(stage.now, LEG, SSRC), None);
    stage.packet(&frame(0, 10, 30, true));
    assert_eq!(stage.router.report(stage.now, LEG, SSRC), None);
    stage.now = stage.now + Duration::from_millis(100);
    stage.packet(&Source { timestamp: 500_000, ..frame(1, 80, 31, true) });
    // Layer one was moved from 500,000 to 99,000 by arrival: its report moves with it.
    stage.router.sender_report(stage.now, TRACK, 1, (100 << 32, 491_000));
    stage.now = stage.now + Duration::from_millis(500);
    let report = stage.router.report(stage.now, LEG, SSRC).unwrap();
    assert_eq!(
        report,
        Report { ntp: (100 << 32) + (1 << 31), rtp_time: 135_000, packets: 2, octets: 16 }
    );
}
