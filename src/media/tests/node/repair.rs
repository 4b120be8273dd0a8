use core::time::Duration;

use offhook_media::{Config, Count, Drop};
use offhook_types::{MediaKind, Ssrc, TrackId};
use offhook_wire::rtcp;

use crate::client::{Send, VP8, VP8_RTX, vp8};
use crate::world::{World, config, sound, video};

const TRACK: TrackId = TrackId(66);

fn frame(world: &mut World, camera: usize, number: u16, key: bool) {
    let payload = vp8(key, number, 700);
    world.clients[camera].send(&Send {
        payload_type: VP8,
        sequence: u64::from(number),
        timestamp: u32::from(number) * 3000,
        ssrc: 10,
        payload: &payload,
        mid: Some("1"),
        transport: Some(number),
        ..Send::default()
    });
}

/// A camera and a viewer who has seen at least ten frames. The viewer is on the worker given.
fn watching(world: &mut World, worker: u16) -> (usize, usize, u16) {
    let (camera, viewer) = (world.join(0), world.join(worker));
    world.publish(camera, video(TRACK.0, "1"));
    world.subscribe(viewer, (TRACK, MediaKind::Video), camera, 500);
    let mut number = 100;
    world.until("ten frames", |world| {
        number += 1;
        frame(world, camera, number, number % 5 == 1);
        world.clients[viewer].media.len() >= 10
    });
    (camera, viewer, number)
}

fn controls<'a>(world: &'a World, client: usize) -> impl Iterator<Item = rtcp::Packet<'a>> + 'a {
    world.clients[client].control.iter().flat_map(|bytes| rtcp::packets(bytes).flatten())
}

fn a_lost_packet_is_sent_again(worker: u16) {
    let mut world = World::new(Config { workers: 2, ..config() });
    let (_, viewer, _) = watching(&mut world, worker);
    let original = world.clients[viewer].media[6].clone();
    world.clients[viewer].media.clear();
    let sequence = original.header.sequence;
    world.clients[viewer].send_control(|writer| {
        writer.receiver_report(Ssrc(1), &[]).unwrap();
        writer.nack(Ssrc(1), Ssrc(500), [sequence]).unwrap();
    });
    world.until("resent", |world| {
        world.clients[viewer].media.iter().any(|media| media.header.payload_type.0 == VP8_RTX)
    });
    let media = &world.clients[viewer].media;
    let again = media.iter().find(|media| media.header.payload_type.0 == VP8_RTX).unwrap();
    assert_eq!(again.header.ssrc, Ssrc(501));
    assert_eq!(again.payload[..2], sequence.to_be_bytes());
    assert_eq!(again.payload[2..], original.payload);
    assert_eq!(again.header.timestamp, original.header.timestamp);
}

#[test]
fn a_receiver_here_gets_a_lost_packet_again() {
    a_lost_packet_is_sent_again(0);
}

#[test]
fn a_receiver_on_another_worker_gets_a_lost_packet_again() {
    a_lost_packet_is_sent_again(1);
}

#[test]
fn a_lost_packet_is_asked_of_the_publisher_and_its_retransmission_forwarded() {
    let mut world = World::new(config());
    let (camera, viewer, number) = watching(&mut world, 0);
    let (lost, next) = (number + 1, number + 2);
    frame(&mut world, camera, next, false);
    world.until("asked again", |world| {
        controls(world, camera).any(|packet| match packet {
            rtcp::Packet::Nack(nack) => {
                nack.media == Ssrc(10) && nack.sequences().any(|sequence| sequence == lost)
            }
            _ => false,
        })
    });
    let mut payload = lost.to_be_bytes().to_vec();
    payload.extend(vp8(false, lost, 700));
    world.clients[camera].send(&Send {
        payload_type: VP8_RTX,
        sequence: 1,
        timestamp: u32::from(lost) * 3000,
        ssrc: 11,
        payload: &payload,
        mid: Some("1"),
        ..Send::default()
    });
    world.until("forwarded", |world| {
        let mut numbers: Vec<u16> =
            world.clients[viewer].media.iter().map(|media| media.header.sequence).collect();
        numbers.sort_unstable();
        numbers.len() >= 12 && numbers.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1))
    });
}

#[test]
fn key_frame_requests_reach_the_publisher_and_are_merged() {
    for worker in [0, 1] {
        let mut world = World::new(Config { workers: 2, ..config() });
        let (camera, viewer, mut number) = watching(&mut world, worker);
        let mut wished = 0;
        world.until("asked", |world| {
            wished += 1;
            world.clients[viewer].send_control(|writer| {
                writer.receiver_report(Ssrc(1), &[]).unwrap();
                writer.pli(Ssrc(1), Ssrc(500)).unwrap();
            });
            number += 1;
            frame(world, camera, number, false);
            wished >= 50
                && controls(world, camera).any(|packet| match packet {
                    rtcp::Packet::Pli { media, .. } => media == Ssrc(10),
                    _ => false,
                })
        });
        world.until("all are counted", |world| world.count(Count::KeyFramesWanted) >= wished);
        let asked = world.count(Count::KeyFramesRequested);
        assert!(asked * 5 < wished, "{asked} requests for {wished} wishes");
    }
}

#[test]
fn publishers_get_reports_and_feedback_and_receivers_the_publishers_clock() {
    let mut world = World::new(Config { workers: 2, ..config() });
    let (camera, viewer, mut number) = watching(&mut world, 1);
    world.clients[camera].send_control(|writer| {
        let info = rtcp::SenderInfo {
            ntp: 0xe000_0000_0000_0000,
            rtp_time: u32::from(number) * 3000,
            packets: 20,
            octets: 9000,
        };
        writer.sender_report(Ssrc(10), &info, &[]).unwrap();
        writer.cname(Ssrc(10), "camera").unwrap();
    });
    world.until("reports", |world| {
        number += 1;
        frame(world, camera, number, number % 5 == 1);
        let block = controls(world, camera).any(|packet| match packet {
            rtcp::Packet::ReceiverReport { blocks, .. } => {
                blocks.iter().any(|b| b.source == Ssrc(10) && b.highest_sequence > 0)
            }
            _ => false,
        });
        let feedback =
            controls(world, camera).any(|packet| matches!(packet, rtcp::Packet::TransportCc(_)));
        let report = controls(world, viewer).any(|packet| match packet {
            rtcp::Packet::SenderReport(report) => {
                report.sender == Ssrc(500) && report.info.ntp >> 32 >= 0xe000_0000
            }
            _ => false,
        });
        block && feedback && report
    });
}

#[test]
fn a_publisher_of_sound_hears_what_its_listeners_lose() {
    for worker in [0, 1] {
        let mut world = World::new(Config { workers: 2, ..config() });
        let (speaker, listener) = (world.join(0), world.join(worker));
        world.publish(speaker, sound(TRACK.0, "0"));
        world.subscribe(listener, (TRACK, MediaKind::Audio), speaker, 100);
        let (mut sequence, mut told) = (0, 0);
        world.until("told", |world| {
            sequence += 1;
            world.clients[speaker].send(&Send { sequence, mid: Some("0"), ..Send::default() });
            let block = rtcp::ReportBlock {
                source: Ssrc(100),
                fraction_lost: 64,
                total_lost: 7,
                highest_sequence: 0,
                jitter: 0,
                last_report: 0,
                delay: 0,
            };
            world.clients[listener].send_control(|writer| {
                writer.receiver_report(Ssrc(1), &[block]).unwrap();
            });
            let blocks = controls(world, speaker).filter_map(|packet| match packet {
                rtcp::Packet::ReceiverReport { blocks, .. } => blocks.iter().next(),
                _ => None,
            });
            // The totals are those of the way from the speaker, where nothing is lost.
            told = blocks
                .inspect(|block| assert_eq!(block.total_lost, 0))
                .map(|b| b.fraction_lost)
                .max()
                .unwrap_or(0);
            told > 0
        });
        assert_eq!(told, 64);
    }
}

#[test]
fn a_full_arena_forgets_the_oldest_video_and_drops_nothing() {
    let mut config = config();
    config.limits.slots = 64;
    config.timeouts.history = Duration::from_secs(60);
    let mut world = World::new(config);
    let (camera, viewer, mut number) = watching(&mut world, 0);
    world.until("packets are forgotten", |world| {
        number += 1;
        frame(world, camera, number, false);
        world.count(Count::PacketsForgotten) > 0
    });
    assert_eq!(world.dropped(Drop::NoSlot), 0);
    let sequence = world.clients[viewer].media.back().unwrap().header.sequence;
    world.clients[viewer].send_control(|writer| {
        writer.receiver_report(Ssrc(1), &[]).unwrap();
        writer.nack(Ssrc(1), Ssrc(500), [sequence]).unwrap();
    });
    world.until("the latest is sent again", |world| {
        world.clients[viewer].media.iter().any(|media| media.header.payload_type.0 == VP8_RTX)
    });
}
