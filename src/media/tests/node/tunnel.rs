//! Legs whose transport another part of the process ends: plain packets in and out of the worker's tunnel.

use core::time::Duration;

use offhook_media::{Config, Count, Drop, Tunnel};
use offhook_types::media::{
    Command, Connection, Egress, Event, Ingress, Layer, LegEnd, OpenLeg, Want,
};
use offhook_types::{LegId, MediaKind, Mid, PayloadType, Ssrc, TrackId, WorkerId};
use offhook_wire::{rtcp, rtp};

use crate::client::{self, Send, negotiated};
use crate::world::{ROOM, World, config, sound, video};

const NATIVE: TrackId = TrackId(80);
const VOICE: TrackId = TrackId(81);
const PICTURE: TrackId = TrackId(82);
/// What the native client sends.
const SENT: Ssrc = Ssrc(5000);
/// What it receives.
const HEARD: Ssrc = Ssrc(6000);

fn with_tunnels() -> Config {
    Config { workers: 2, tunnels: true, ..config() }
}

fn open(world: &World, leg: LegId) {
    let tell = |command| world.node.send(command).unwrap();
    tell(Command::OpenLeg(OpenLeg { leg, room: ROOM, connection: Connection::Tunnelled }));
    tell(Command::SetNegotiated { leg, negotiated: negotiated() });
    let layers = vec![Layer { ssrc: Some(SENT), ..Layer::default() }];
    let ingress = Ingress { track: NATIVE, kind: MediaKind::Audio, mid: None, layers };
    tell(Command::AddIngress { leg, ingress });
}

/// A sound packet as a native client sends it.
fn packet(sequence: u16) -> Vec<u8> {
    let header = rtp::Header {
        marker: false,
        payload_type: PayloadType(client::OPUS),
        sequence,
        timestamp: u32::from(sequence) * 960,
        ssrc: SENT,
    };
    let mut out = vec![0; 64];
    let len = rtp::write_header(&mut out, &header, std::iter::empty::<(u8, &[u8])>()).unwrap();
    out.truncate(len);
    out.extend_from_slice(b"native");
    out
}

fn send(tunnel: &mut Tunnel, leg: LegId, bytes: &[u8]) {
    assert!(tunnel.to_worker.send(leg, bytes));
    tunnel.to_worker.settle();
}

#[test]
fn a_native_client_and_a_browser_hear_each_other() {
    for worker in [0, 1] {
        let mut world = World::new(with_tunnels());
        let mut tunnels = world.node.take_tunnels();
        assert!(world.node.take_tunnels().is_empty(), "they are given once");
        let tunnel = &mut tunnels[usize::from(worker)];
        assert_eq!(tunnel.worker, WorkerId(worker));
        let browser = world.join(0);
        let leg = world.node.place_on(WorkerId(worker)).unwrap().leg;
        open(&world, leg);
        world.until("up", |world| {
            world.seen.contains(&Event::LegUp { leg, profile: None, dtls: None })
        });
        world.publish(browser, sound(VOICE.0, "0"));
        let (source, mid) = (world.legs[browser], Mid::new(b"1").unwrap());
        let kind = MediaKind::Audio;
        let egress = Egress { track: VOICE, source, kind, mid, ssrc: HEARD, rtx: None };
        world.node.send(Command::AddEgress { leg, egress, want: Want::BEST }).unwrap();
        let egress = Egress { track: NATIVE, source: leg, ssrc: Ssrc(100), ..egress };
        let to_browser = Command::AddEgress { leg: source, egress, want: Want::BEST };
        world.node.send(to_browser).unwrap();
        let (mut sequence, mut heard) = (0u16, Vec::new());
        world.until("both hear", |world| {
            sequence += 1;
            send(tunnel, leg, &packet(sequence));
            let (sequence, timestamp) = (u64::from(sequence), u32::from(sequence) * 960);
            let browser = &mut world.clients[browser];
            browser.send(&Send { sequence, timestamp, mid: Some("0"), ..Send::default() });
            while let Some((of, bytes)) = tunnel.from_worker.receive() {
                assert_eq!(of, leg);
                heard.extend(
                    rtp::Packet::parse(bytes)
                        .ok()
                        .map(|packet| (packet.header().ssrc, packet.payload.to_vec())),
                );
            }
            let sounds = heard.iter().filter(|(ssrc, _)| *ssrc == HEARD).count();
            browser.media.len() >= 5 && sounds >= 5
        });
        let sounds: Vec<_> = heard.iter().filter(|(ssrc, _)| *ssrc == HEARD).collect();
        assert!(sounds.iter().all(|(_, payload)| payload == b"sound"), "plain, as it was sent");
        let media = &world.clients[browser].media;
        assert!(media.iter().all(|packet| packet.payload == b"native"));
        world.node.send(Command::CloseLeg { leg }).unwrap();
        world.until("told of the end", |world| !world.end_of(leg).is_empty());
        assert_eq!(world.end_of(leg), [LegEnd::Closed]);
    }
}

#[test]
fn reports_go_both_ways_in_plain() {
    let mut world = World::new(with_tunnels());
    let mut tunnels = world.node.take_tunnels();
    let tunnel = &mut tunnels[0];
    let leg = world.node.place_on(WorkerId(0)).unwrap().leg;
    open(&world, leg);
    let mut report = [0; 64];
    let mut writer = rtcp::Writer::new(&mut report);
    writer.receiver_report(SENT, &[]).unwrap();
    let len = writer.len();
    let mut sequence = 0;
    let mut told = false;
    world.until("a receiver report comes, and ours is read", |world| {
        sequence += 1;
        send(tunnel, leg, &packet(sequence));
        send(tunnel, leg, &report[..len]);
        while let Some((_, bytes)) = tunnel.from_worker.receive() {
            told |= rtcp::packets(bytes).any(|packet| match packet {
                Ok(rtcp::Packet::ReceiverReport { blocks, .. }) => {
                    blocks.iter().any(|block| block.source == SENT)
                }
                _ => false,
            });
        }
        told && world.count(Count::RtcpReceived) > 0
    });
}

/// What a native receiver says of its link limits its leg, as it does any other's.
#[test]
fn a_native_receivers_estimate_is_what_its_leg_may_be_sent() {
    let mut config = with_tunnels();
    config.timeouts.quality = Duration::from_millis(50);
    let mut world = World::new(config);
    let mut tunnels = world.node.take_tunnels();
    let tunnel = &mut tunnels[0];
    let camera = world.join(0);
    let leg = world.node.place_on(WorkerId(0)).unwrap().leg;
    open(&world, leg);
    // It reads no transport-wide numbers, so that its own word is what counts.
    let mut agreed = negotiated();
    agreed.codecs.iter_mut().for_each(|codec| codec.transport_cc = false);
    world.node.send(Command::SetNegotiated { leg, negotiated: agreed }).unwrap();
    world.publish(camera, video(PICTURE.0, "1"));
    let egress = Egress {
        track: PICTURE,
        source: world.legs[camera],
        kind: MediaKind::Video,
        mid: Mid::new(b"1").unwrap(),
        ssrc: HEARD,
        rtx: None,
    };
    world.node.send(Command::AddEgress { leg, egress, want: Want::BEST }).unwrap();
    for bits in [300_000, 900_000] {
        let mut report = [0; 64];
        let mut writer = rtcp::Writer::new(&mut report);
        writer.receiver_report(SENT, &[]).unwrap();
        writer.remb(SENT, bits, &[HEARD]).unwrap();
        let len = writer.len();
        world.until("the estimate is the receiver's", |world| {
            send(tunnel, leg, &report[..len]);
            while tunnel.from_worker.receive().is_some() {}
            let told = world.seen.iter().rev().find_map(|event| match event {
                Event::Quality { leg: of, quality } if *of == leg => Some(quality.estimate_bps),
                _ => None,
            });
            told == Some(Some(bits))
        });
    }
}

#[test]
fn what_must_not_come_through_a_tunnel_is_counted() {
    let mut world = World::new(with_tunnels());
    let mut tunnels = world.node.take_tunnels();
    let tunnel = &mut tunnels[0];
    let browser = world.join(0);
    let leg = world.node.place_on(WorkerId(0)).unwrap().leg;
    open(&world, leg);
    world.until("up", |world| world.count(Count::LegsTunnelled) == 1);
    let other = world.legs[browser];
    send(tunnel, other, &packet(1));
    send(tunnel, LegId(3), &packet(1));
    world.until("legs that are not in the tunnel", |world| world.dropped(Drop::TunnelStray) == 2);
    send(tunnel, leg, &packet(7));
    send(tunnel, leg, &packet(7));
    world.until("the same number twice", |world| world.dropped(Drop::RtpReplayed) == 1);
    send(tunnel, leg, &[]);
    send(tunnel, leg, &[22, 0xfe, 0xfd, 0]);
    world.until("neither RTP nor RTCP", |world| world.dropped(Drop::Unrecognized) == 2);
    send(tunnel, leg, &[0x80, client::OPUS, 0, 1]);
    world.until("cut short", |world| world.dropped(Drop::RtpMalformed) == 1);
    let mut foreign = packet(8);
    foreign[11] ^= 1;
    send(tunnel, leg, &foreign);
    world.until("no such stream", |world| world.dropped(Drop::RtpUnknownStream) == 1);
}

#[test]
fn without_tunnels_there_is_no_such_leg() {
    let mut world = World::new(config());
    assert!(world.node.take_tunnels().is_empty());
    let leg = world.node.place_on(WorkerId(0)).unwrap().leg;
    assert_eq!(world.node.place_on(WorkerId(9)), None, "no such worker");
    let open = OpenLeg { leg, room: ROOM, connection: Connection::Tunnelled };
    world.node.send(Command::OpenLeg(open)).unwrap();
    world.until("refused", |world| world.end_of(leg) == [LegEnd::Refused]);
}
