//! What a receiver tells decides what it is sent, and under which numbers.

use offhook_media::{Config, Count, Drop};
use offhook_rtc::congestion::Limits;
use offhook_types::media::{Command, Event, LegQuality};
use offhook_types::{MediaKind, Ssrc, TrackId};
use offhook_wire::rtcp::{self, FeedbackHead};

use crate::client::{Media, OPUS, Send, VP8, VP8_RTX, negotiated, vp8};
use crate::world::{World, config, sound, video};

const VIDEO: TrackId = TrackId(66);
const SOUND: TrackId = TrackId(67);

/// A camera with a voice, and a viewer.
struct Show {
    world: World,
    camera: usize,
    viewer: usize,
    number: u16,
}

impl Show {
    fn new(config: Config, rtx: bool) -> Self {
        let mut world = World::new(config);
        let (camera, viewer) = (world.join(0), world.join(0));
        let mut agreed = negotiated();
        if !rtx {
            agreed.codecs.iter_mut().for_each(|codec| codec.rtx = None);
        }
        let leg = world.legs[viewer];
        world.node.send(Command::SetNegotiated { leg, negotiated: agreed }).unwrap();
        world.publish(camera, video(VIDEO.0, "1"));
        world.publish(camera, sound(SOUND.0, "0"));
        world.subscribe(viewer, (VIDEO, MediaKind::Video), camera, 500);
        world.subscribe(viewer, (SOUND, MediaKind::Audio), camera, 600);
        Self { world, camera, viewer, number: 100 }
    }

    /// One picture of two packets, and some sound.
    fn frame(&mut self) {
        self.number += 2;
        let number = u64::from(self.number);
        let payload = vp8(self.number % 10 == 2, self.number, 1000);
        let camera = &mut self.world.clients[self.camera];
        for sequence in [number, number + 1] {
            camera.send(&Send {
                payload_type: VP8,
                sequence,
                timestamp: self.number.into(),
                ssrc: 10,
                payload: &payload,
                mid: Some("1"),
                ..Send::default()
            });
        }
        camera.send(&Send {
            payload_type: OPUS,
            sequence: number,
            ssrc: 20,
            mid: Some("0"),
            ..Send::default()
        });
    }

    fn until(&mut self, what: &str, mut done: impl FnMut(&World, usize) -> bool) {
        let limit = std::time::Instant::now() + std::time::Duration::from_secs(20);
        loop {
            self.frame();
            let mut turns = 0;
            self.world.until("a turn", |_| {
                turns += 1;
                turns > 2
            });
            if done(&self.world, self.viewer) {
                return;
            }
            assert!(std::time::Instant::now() < limit, "never: {what}\n{:?}", self.world.counted());
        }
    }

    fn seen(&self) -> impl Iterator<Item = &Media> {
        self.world.clients[self.viewer].media.iter()
    }

    fn quality(&self) -> Option<LegQuality> {
        quality(&self.world, self.viewer)
    }
}

fn quality(world: &World, viewer: usize) -> Option<LegQuality> {
    let leg = world.legs[viewer];
    world.seen.iter().rev().find_map(|event| match event {
        Event::Quality { leg: l, quality } if *l == leg => Some(*quality),
        _ => None,
    })
}

fn quick() -> Config {
    let mut config = config();
    config.timeouts.quality = std::time::Duration::from_millis(200);
    config
}

#[test]
fn every_packet_to_a_receiver_that_agreed_carries_the_next_number() {
    // No more is wanted than may be sent, so that no probe takes a number.
    let limits = Limits { start: 50_000_000, min: 50_000_000, max: 50_000_000 };
    let mut show = Show::new(Config { congestion: limits, ..quick() }, true);
    show.until("a hundred packets", |world, viewer| world.clients[viewer].media.len() > 100);
    let mut numbers: Vec<u16> = show.seen().map(|media| media.transport.unwrap()).collect();
    numbers.sort_unstable();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
    assert!(show.seen().any(|media| media.header.payload_type.0 == OPUS));
}

#[test]
fn feedback_raises_the_estimate() {
    let limits = Limits { start: 100_000, min: 50_000, max: 20_000_000 };
    let mut show = Show::new(Config { congestion: limits, ..quick() }, true);
    show.world.clients[show.viewer].answers = true;
    let estimate = |world: &World, viewer: usize| {
        quality(world, viewer).and_then(|quality| quality.estimate_bps)
    };
    show.until("an estimate", |world, viewer| {
        estimate(world, viewer).is_some_and(|bits| bits > 150_000)
    });
    assert!(show.seen().all(|media| media.header.payload_type.0 != VP8_RTX));
    assert!(show.world.count(Count::FeedbackReceived) > 0);
    assert!(show.quality().is_some_and(|quality| quality.wanted_bps > 100_000));
}

#[test]
fn a_packet_sent_again_under_its_own_number_is_the_same_in_every_byte() {
    let mut show = Show::new(quick(), false);
    let viewer = show.viewer;
    show.world.clients[viewer].keeps = true;
    show.until("ten packets", |world, viewer| world.clients[viewer].media.len() > 10);
    let sequence = show.seen().find(|media| media.header.payload_type.0 == VP8).unwrap();
    let sequence = sequence.header.sequence;
    show.world.clients[viewer].send_control(|writer| {
        writer.receiver_report(Ssrc(1), &[]).unwrap();
        writer.nack(Ssrc(1), Ssrc(500), [sequence]).unwrap();
    });
    show.until("sent again", |world, _| world.count(Count::Resent) > 0);
    let same =
        |raw: &&Vec<u8>| raw[2..4] == sequence.to_be_bytes() && raw[8..12] == 500u32.to_be_bytes();
    show.until("twice", |world, viewer| world.clients[viewer].raw.iter().filter(same).count() >= 2);
    let packets: Vec<&Vec<u8>> = show.world.clients[viewer].raw.iter().filter(same).collect();
    assert!(packets.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn what_the_estimate_does_not_allow_waits_but_sound_does_not() {
    let limits = Limits { start: 60_000, min: 60_000, max: 60_000 };
    let mut show = Show::new(Config { congestion: limits, ..quick() }, true);
    show.until("something waits", |world, _| world.count(Count::Held) > 0);
    let before = show.seen().filter(|media| media.header.payload_type.0 == OPUS).count();
    show.until("sound goes on", |world, viewer| {
        let sound = |media: &&Media| media.header.payload_type.0 == OPUS;
        world.clients[viewer].media.iter().filter(sound).count() > before + 20
    });
}

#[test]
fn what_feedback_misses_is_sent_again_unasked_until_it_comes() {
    let mut show = Show::new(quick(), true);
    let viewer = show.viewer;
    show.world.clients[viewer].answers = true;
    // One packet is lost, which is not the first, since feedback begins with what came; and the first of its repairs.
    let (mut seen, mut lost, mut repairs) = (0, None, 0);
    show.world.clients[viewer].loses = Box::new(move |media: &Media| {
        let is_repair = media.header.payload_type.0 == VP8_RTX;
        let repeats = media.payload.first_chunk().map(|number| u16::from_be_bytes(*number));
        if is_repair && lost.is_some() && repeats == lost {
            repairs += 1;
            return repairs == 1;
        }
        seen += u32::from(media.header.payload_type.0 == VP8);
        let is_next = lost.is_none() && seen == 10;
        lost = if is_next { Some(media.header.sequence) } else { lost };
        is_next
    });
    show.until("repaired at the second time", |world, viewer| {
        let repair = |media: &Media| media.header.payload_type.0 == VP8_RTX;
        world.clients[viewer].media.iter().any(repair)
    });
    assert_eq!(show.world.count(Count::NacksReceived), 0);
    show.until("both are counted", |world, _| world.count(Count::Resent) >= 2);
}

#[test]
fn what_waited_too_long_is_given_up_for_a_key_frame() {
    let limits = Limits { start: 60_000, min: 60_000, max: 60_000 };
    let mut show = Show::new(Config { congestion: limits, ..quick() }, true);
    show.until("given up", |world, _| world.dropped(Drop::PacerLate) > 0);
    let asked = |world: &World, camera: usize| {
        let packets = world.clients[camera].control.iter();
        let mut all = packets.flat_map(|bytes| rtcp::packets(bytes).flatten());
        all.any(|packet| matches!(packet, rtcp::Packet::Pli { media: Ssrc(10), .. }))
    };
    let camera = show.camera;
    show.world.clients[camera].control.clear();
    show.until("a key frame is asked for", |world, _| asked(world, camera));
    assert_eq!(show.world.count(Count::KeyFramesWanted), 0, "nobody had to ask");
}

#[test]
fn feedback_about_nothing_is_counted_and_changes_nothing() {
    let mut show = Show::new(quick(), true);
    show.until("some packets", |world, viewer| world.clients[viewer].media.len() > 10);
    for reference in [0, 100, -100, 1 << 22] {
        show.world.clients[show.viewer].send_control(|writer| {
            writer.receiver_report(Ssrc(1), &[]).unwrap();
            let head = FeedbackHead {
                sender: Ssrc(1),
                media: Ssrc(500),
                base: 40_000,
                reference,
                feedback_count: 0,
            };
            writer.transport_cc(&head, &[Some(4); 50]).unwrap();
        });
    }
    show.until("counted", |world, _| world.dropped(Drop::FeedbackUnknown) >= 200);
    let before = show.seen().count();
    show.until("still sent", |world, viewer| world.clients[viewer].media.len() > before + 10);
}
