use offhook_media::{Config, Count};
use offhook_types::media::{Command, Event, Want};
use offhook_types::{Codec, MediaKind, Ssrc, TrackId};

use crate::client::{OPUS, Send, VP8, vp8};
use crate::world::{World, config, simulcast, sound, video};

const TRACK: TrackId = TrackId(55);

/// Send sound, numbered onwards, until every subscriber has some packets of it.
fn talk(world: &mut World, speaker: usize, listeners: &[usize], from: u64) {
    let (mut sequence, wanted) = (from, 5);
    world.until("everyone hears", |world| {
        sequence += 1;
        let timestamp = (sequence as u32) * 960;
        world.clients[speaker].send(&Send {
            sequence,
            timestamp,
            mid: Some("0"),
            ..Send::default()
        });
        listeners.iter().all(|&listener| world.clients[listener].media.len() >= wanted)
    });
}

#[test]
fn sound_reaches_every_subscriber_here_and_on_another_worker() {
    let mut world = World::new(Config { workers: 2, ..config() });
    let speaker = world.join(0);
    let listeners = [world.join(0), world.join(1), world.join(1)];
    assert_ne!(world.legs[listeners[0]].worker(), world.legs[listeners[1]].worker());
    world.publish(speaker, sound(TRACK.0, "0"));
    for (&listener, ssrc) in listeners.iter().zip([100, 200, 300]) {
        world.subscribe(listener, (TRACK, MediaKind::Audio), speaker, ssrc);
    }
    talk(&mut world, speaker, &listeners, 1000);
    for (&listener, ssrc) in listeners.iter().zip([100, 200, 300]) {
        let media: Vec<_> = world.clients[listener].media.iter().collect();
        for pair in media.windows(2) {
            let step = pair[1].header.sequence.wrapping_sub(pair[0].header.sequence);
            let time = pair[1].header.timestamp.wrapping_sub(pair[0].header.timestamp);
            assert_eq!(u32::from(step) * 960, time, "numbers go with time");
        }
        for packet in media {
            assert_eq!(packet.header.ssrc, Ssrc(ssrc));
            assert_eq!(packet.header.payload_type.0, OPUS);
            assert_eq!(packet.payload, b"sound");
            assert_eq!(packet.mid.as_deref(), Some(&b"7"[..]));
            assert_eq!(packet.from, world.clients[listener].server);
        }
    }
    let live =
        Event::TrackLive { leg: world.legs[speaker], track: TRACK, codec: Codec::Opus, layer: 0 };
    assert_eq!(world.seen.iter().filter(|event| **event == live).count(), 1);
    world.until("handoffs are counted", |world| world.count(Count::Handoffs) > 0);
}

#[test]
fn a_track_gone_or_muted_is_silent_and_comes_back() {
    let mut world = World::new(Config { workers: 2, ..config() });
    let speaker = world.join(0);
    let listeners = [world.join(0), world.join(1)];
    world.publish(speaker, sound(TRACK.0, "0"));
    for listener in listeners {
        world.subscribe(listener, (TRACK, MediaKind::Audio), speaker, 100);
    }
    talk(&mut world, speaker, &listeners, 1000);
    let leg = world.legs[speaker];
    world.node.send(Command::SetMuted { leg, track: TRACK, muted: true }).unwrap();
    let muted = |world: &World| world.snapshot().routing.get(offhook_sfu::Drop::Muted);
    let mut sequence = 5000;
    world.until("muted", |world| {
        sequence += 1;
        world.clients[speaker].send(&Send { sequence, ..Send::default() });
        muted(world) > 3
    });
    world.until("drained", |world| {
        let empty = listeners.iter().all(|&l| world.clients[l].media.is_empty());
        listeners.iter().for_each(|&l| world.clients[l].media.clear());
        empty
    });
    world.node.send(Command::SetMuted { leg, track: TRACK, muted: false }).unwrap();
    talk(&mut world, speaker, &listeners, 9000);
    world.node.send(Command::CloseLeg { leg }).unwrap();
    world.until("gone everywhere", |world| world.snapshot().tracks == 0);
    world.until("slots come back", |world| world.snapshot().free_slots == 2 * 2048);
}

#[test]
fn a_track_that_nobody_there_looks_at_does_not_cross_to_another_worker() {
    let mut world = World::new(Config { workers: 2, ..config() });
    let speaker = world.join(0);
    let (near, far) = (world.join(0), world.join(1));
    world.publish(speaker, sound(TRACK.0, "0"));
    for listener in [near, far] {
        world.subscribe(listener, (TRACK, MediaKind::Audio), speaker, 100);
    }
    talk(&mut world, speaker, &[near, far], 1000);
    let leg = world.legs[far];
    let hidden = Want { paused: true, ..Want::BEST };
    world.node.send(Command::SetWant { leg, track: TRACK, want: hidden }).unwrap();
    let (mut sequence, mut crossed, mut since) = (2000, 0, 0);
    world.until("no more handoffs", |world| {
        sequence += 1;
        world.clients[speaker].send(&Send { sequence, ..Send::default() });
        let (now, heard) = (world.count(Count::Handoffs), world.count(Count::RtpReceived));
        if now != crossed {
            (crossed, since) = (now, heard);
        }
        heard > since + 50
    });
    let last = world.clients[far].media.back().map(|packet| packet.header.sequence).unwrap();
    world.clients[far].media.clear();
    world.node.send(Command::SetWant { leg, track: TRACK, want: Want::BEST }).unwrap();
    talk(&mut world, speaker, &[far], 9000);
    let first = world.clients[far].media.front().map(|packet| packet.header.sequence);
    assert_eq!(first, Some(last.wrapping_add(1)), "numbers are closed");
}

#[test]
fn egress_before_ingress_and_before_keys_works() {
    let mut world = World::new(Config { workers: 2, ..config() });
    let speaker = world.join(0);
    let placement = world.place_on(1);
    let listener = world.open(placement, "127.0.0.1");
    world.subscribe(listener, (TRACK, MediaKind::Audio), speaker, 9);
    world.connect(listener);
    world.publish(speaker, sound(TRACK.0, "0"));
    talk(&mut world, speaker, &[listener], 1000);
}

#[test]
fn subscribers_choose_their_layer() {
    let mut world = World::new(config());
    let (camera, large, small) = (world.join(0), world.join(0), world.join(0));
    world.publish(camera, simulcast(TRACK.0, "1"));
    world.subscribe(large, (TRACK, MediaKind::Video), camera, 100);
    world.subscribe(small, (TRACK, MediaKind::Video), camera, 200);
    let want = Want { layer: 0, ..Want::BEST };
    let leg = world.legs[small];
    world.node.send(Command::SetWant { leg, track: TRACK, want }).unwrap();
    let lengths = [200, 500, 1000];
    let mut frame = 0u16;
    world.until("each has its size", |world| {
        frame += 1;
        for (layer, rid) in ["q", "h", "f"].into_iter().enumerate() {
            let payload = vp8(frame % 10 == 1, frame, lengths[layer]);
            world.clients[camera].send(&Send {
                payload_type: VP8,
                sequence: u64::from(frame),
                timestamp: u32::from(frame) * 3000,
                ssrc: 10 + layer as u32,
                payload: &payload,
                mid: Some("1"),
                rid: Some(rid),
                ..Send::default()
            });
        }
        let last = |client: usize| world.clients[client].media.back().map(|m| m.payload.len());
        last(large) == Some(1000) && last(small) == Some(200) && frame > 30
    });
    let sizes: Vec<usize> = world.clients[small].media.iter().map(|m| m.payload.len()).collect();
    assert!(sizes.iter().all(|&size| size == 200), "{sizes:?}");
    let live = world.seen.iter().filter(|event| matches!(event, Event::TrackLive { .. }));
    assert_eq!(live.count(), 3);
}

#[test]
fn an_ssrc_in_the_description_needs_no_names() {
    let mut world = World::new(config());
    let (speaker, listener) = (world.join(0), world.join(0));
    let mut ingress = video(TRACK.0, "0");
    ingress.layers[0].ssrc = Some(Ssrc(77));
    world.publish(speaker, ingress);
    world.subscribe(listener, (TRACK, MediaKind::Video), speaker, 100);
    let mut sequence = 0u16;
    world.until("seen", |world| {
        sequence += 1;
        let payload = vp8(true, sequence, 300);
        world.clients[speaker].send(&Send {
            payload_type: VP8,
            sequence: u64::from(sequence),
            timestamp: u32::from(sequence) * 3000,
            ssrc: 77,
            payload: &payload,
            ..Send::default()
        });
        !world.clients[listener].media.is_empty()
    });
}
