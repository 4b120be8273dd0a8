//! Relay legs: what a phone's bridge is given, what it may do, and what nobody else may do in its name.

use std::time::Duration;

use offhook_media::{Config, Count, Drop, Timeouts};
use offhook_types::media::{
    Command, Connection, DataKind, Egress, Event, Keyed, LegEnd, MasterKey, OpenLeg, SrtpProfile,
    Want,
};
use offhook_types::{Codec, LegId, MediaKind, Mid, Ssrc, TrackId};
use offhook_wire::rtcp;

use crate::bridge::{self, Bridge};
use crate::client::{self, Send};
use crate::world::{ROOM, World, config, sound};

/// What the bridge sends, and what the person in the app sends.
const PHONE: TrackId = TrackId(70);
const VOICE: TrackId = TrackId(71);
/// Under which the bridge hears the person.
const HEARD: Ssrc = Ssrc(6000);

/// Open a relay leg as the phone's door does, on a worker.
fn open(world: &mut World, worker: u16, secret: u8) -> (LegId, Bridge) {
    let placement = world.place_on(worker);
    let bridge = Bridge::new(placement.inside, secret);
    open_as(world, placement.leg, bridge.connection());
    world.until("the relay leg is up", |world| is_up(world, placement.leg));
    (placement.leg, bridge)
}

fn open_as(world: &World, leg: LegId, connection: Connection) {
    let tell = |command| world.node.send(command).unwrap();
    tell(Command::OpenLeg(OpenLeg { leg, room: ROOM, connection }));
    tell(Command::SetNegotiated { leg, negotiated: bridge::negotiated() });
    tell(Command::AddIngress { leg, ingress: bridge::ingress(PHONE) });
}

fn is_up(world: &World, leg: LegId) -> bool {
    world.seen.contains(&Event::LegUp {
        leg,
        profile: Some(SrtpProfile::AeadAes128Gcm),
        dtls: None,
    })
}

/// Let a leg receive a track under an SSRC.
fn subscribe(world: &World, leg: LegId, (track, source): (TrackId, LegId), ssrc: Ssrc) {
    let mid = Mid::new(b"7").unwrap();
    let egress = Egress { track, source, kind: MediaKind::Audio, mid, ssrc, rtx: None };
    world.node.send(Command::AddEgress { leg, egress, want: Want::BEST }).unwrap();
}

/// A phone and a person in the app who hear each other.
struct Talk {
    world: World,
    leg: LegId,
    bridge: Bridge,
    person: usize,
    sequence: u64,
}

impl Talk {
    /// The person is on worker 0, the phone on this one.
    fn new(config: Config, worker: u16) -> Self {
        let mut world = World::new(config);
        let person = world.join(0);
        let (leg, bridge) = open(&mut world, worker, 1);
        world.publish(person, sound(VOICE.0, "0"));
        subscribe(&world, leg, (VOICE, world.legs[person]), HEARD);
        subscribe(&world, world.legs[person], (PHONE, leg), Ssrc(100));
        Self { world, leg, bridge, person, sequence: 1000 }
    }

    /// Both speak until both have heard something new.
    fn both_hear(&mut self) {
        let Self { world, bridge, person, sequence, .. } = self;
        world.clients[*person].media.clear();
        bridge.media.clear();
        world.until("both hear", |world| {
            *sequence += 1;
            let client = &mut world.clients[*person];
            let (sequence, timestamp) = (*sequence, *sequence as u32 * 960);
            client.send(&Send { sequence, timestamp, mid: Some("0"), ..Send::default() });
            bridge.speak();
            bridge.step();
            client.media.len() >= 5 && bridge.media.len() >= 5
        });
    }
}

#[test]
fn a_phone_and_a_person_hear_each_other() {
    for worker in [0, 1] {
        let mut talk = Talk::new(Config { workers: 2, ..config() }, worker);
        talk.both_hear();
        assert_eq!(talk.leg.worker().0, worker);
        for packet in &talk.world.clients[talk.person].media {
            assert_eq!((packet.header.ssrc, packet.payload.as_slice()), (Ssrc(100), &b"phone"[..]));
            assert_eq!(packet.header.payload_type.0, client::OPUS);
            assert_eq!(
                packet.level,
                Some(0x80 | bridge::LOUD),
                "the level passes, under the person's id"
            );
        }
        for (header, payload) in &talk.bridge.media {
            assert_eq!((header.ssrc, payload.as_slice()), (HEARD, &b"sound"[..]));
            assert_eq!(header.payload_type.0, bridge::OPUS);
        }
    }
}

#[test]
fn the_life_of_a_relay_leg_is_told_in_order() {
    let timeouts = Timeouts { quality: Duration::from_millis(300), ..Timeouts::default() };
    let mut talk = Talk::new(Config { timeouts, ..config() }, 0);
    let Talk { world, leg, bridge, .. } = &mut talk;
    let leg = *leg;
    let speaks = |event: &Event| match event {
        Event::Speakers { speakers, .. } => speakers.iter().any(|speaker| speaker.track == PHONE),
        _ => false,
    };
    let told = |event: &Event| match event {
        Event::Quality { leg: of, quality } => *of == leg && quality.uplink_bps > 0,
        _ => false,
    };
    world.until("it speaks, and how well is told", |world| {
        bridge.speak();
        world.seen.iter().any(speaks) && world.seen.iter().any(told)
    });
    world.node.send(Command::CloseLeg { leg }).unwrap();
    world.until("told of the end", |world| !world.end_of(leg).is_empty());
    assert_eq!(world.end_of(leg), [LegEnd::Closed]);
    let live = Event::TrackLive { leg, track: PHONE, codec: Codec::Opus, layer: 0 };
    let position = |wanted: &dyn Fn(&Event) -> bool| world.seen.iter().position(wanted).unwrap();
    let up = position(&|event| matches!(event, Event::LegUp { leg: of, .. } if *of == leg));
    let live = position(&|event| *event == live);
    let down = position(&|event| matches!(event, Event::LegDown { leg: of, .. } if *of == leg));
    assert!(up < live && live < position(&told) && position(&told) < down);
    world.until("counted", |world| world.count(Count::LegsKeyed) == 1);
}

#[test]
fn control_packets_go_both_ways() {
    let mut talk = Talk::new(config(), 0);
    talk.both_hear();
    let Talk { world, bridge, .. } = &mut talk;
    world.until("what the bridge sends is reported on", |_| {
        bridge.speak();
        bridge.step();
        bridge.control.iter().any(|control| {
            rtcp::packets(control).flatten().any(|packet| match packet {
                rtcp::Packet::ReceiverReport { blocks, .. } => {
                    blocks.iter().any(|block| block.source == bridge::SSRC)
                }
                _ => false,
            })
        })
    });
    // Nothing can come of a wish for a key frame of sound.
    let wish = bridge.control_packet(|writer| {
        writer.receiver_report(bridge::SSRC, &[]).unwrap();
        writer.pli(bridge::SSRC, HEARD).unwrap();
    });
    bridge.send_raw(&wish);
    world.until("taken", |world| world.count(Count::KeyFramesWanted) == 1);
    assert_eq!(world.count(Count::KeyFramesRequested), 0);
    talk.both_hear();
}

/// What somebody else does to the relay leg's path costs a counter of that reason and nothing else.
fn check(reason: Drop, attack: impl Fn(&mut Talk)) {
    let mut talk = Talk::new(config(), 0);
    talk.both_hear();
    let before = talk.world.dropped(reason);
    attack(&mut talk);
    talk.world.until(&format!("{reason:?}"), |world| world.dropped(reason) > before);
    talk.both_hear();
    assert!(talk.world.end_of(talk.leg).is_empty());
}

#[test]
fn the_right_address_with_a_wrong_key_is_counted() {
    check(Drop::RtpForged, |talk| {
        let packet = Bridge::stranger(talk.bridge.server).packet();
        talk.bridge.send_raw(&packet);
    });
    check(Drop::RtcpForged, |talk| {
        let mut stranger = Bridge::stranger(talk.bridge.server);
        let packet = stranger.control_packet(|writer| {
            writer.receiver_report(bridge::SSRC, &[]).unwrap();
        });
        talk.bridge.send_raw(&packet);
    });
}

#[test]
fn the_right_key_from_a_wrong_address_moves_nothing() {
    check(Drop::UnknownAddress, |talk| {
        let packet = talk.bridge.packet();
        Bridge::stranger(talk.bridge.server).send_raw(&packet);
    });
    check(Drop::UnknownAddress, |talk| {
        let packet = talk.bridge.control_packet(|writer| {
            writer.receiver_report(bridge::SSRC, &[]).unwrap();
        });
        Bridge::stranger(talk.bridge.server).send_raw(&packet);
    });
    // The address of somebody in the app is theirs: the packet fails under their key.
    check(Drop::RtpForged, |talk| {
        let packet = talk.bridge.packet();
        talk.world.clients[talk.person].send_raw(&packet);
    });
}

#[test]
fn replays_and_garbage_are_counted() {
    check(Drop::RtpReplayed, |talk| {
        let packet = talk.bridge.packet();
        talk.bridge.send_raw(&packet);
        talk.bridge.send_raw(&packet);
    });
    check(Drop::RtcpReplayed, |talk| {
        let packet = talk.bridge.control_packet(|writer| {
            writer.receiver_report(bridge::SSRC, &[]).unwrap();
        });
        talk.bridge.send_raw(&packet);
        talk.bridge.send_raw(&packet);
    });
    check(Drop::Unrecognized, |talk| talk.bridge.send_raw(&[255; 40]));
    check(Drop::Unrecognized, |talk| talk.bridge.send_raw(&[]));
    check(Drop::RtpMalformed, |talk| talk.bridge.send_raw(&[0x80, bridge::OPUS, 1]));
    check(Drop::RtcpMalformed, |talk| talk.bridge.send_raw(&[0x80, 200, 1]));
}

#[test]
fn neither_checks_nor_handshakes_are_taken_from_a_relay_legs_address() {
    check(Drop::DtlsRefused, |talk| talk.bridge.send_raw(&[22, 254, 253, 0, 0]));
    check(Drop::StunMalformed, |talk| talk.bridge.send_raw(&[0, 1, 0, 0, 9]));
    // A person whose own check seems to come from there would have the phone's packets taken for theirs.
    check(Drop::StunRefused, |talk| {
        let packet = talk.world.clients[talk.person].check_packet();
        talk.bridge.send_raw(&packet);
    });
}

#[test]
fn there_is_no_half_of_ice_to_change_and_no_channel_to_send_on() {
    check(Drop::CommandStale, |talk| {
        let (leg, remote) = (talk.leg, talk.world.clients[talk.person].remote());
        let local = Some(client::credentials("renewed"));
        talk.world.node.send(Command::SetRemote { leg, remote, local }).unwrap();
    });
    check(Drop::DataNotOpen, |talk| {
        let (leg, kind) = (talk.leg, DataKind::Reliable);
        let payload = b"message".as_slice().into();
        talk.world.node.send(Command::SendData { leg, kind, payload }).unwrap();
    });
}

#[test]
fn an_address_that_is_taken_is_refused() {
    let mut talk = Talk::new(config(), 0);
    talk.both_hear();
    let persons = talk.world.clients[talk.person].address();
    for remote in [talk.bridge.address(), persons] {
        let leg = talk.world.place_on(0).leg;
        let keyed = Keyed { remote, ..Bridge::new(remote, 9).keyed() };
        let connection = Connection::Keyed(keyed);
        talk.world.node.send(Command::OpenLeg(OpenLeg { leg, room: ROOM, connection })).unwrap();
        talk.world.until("refused", |world| !world.end_of(leg).is_empty());
        assert_eq!(talk.world.end_of(leg), [LegEnd::Refused]);
        talk.both_hear();
    }
}

#[test]
fn keys_that_cannot_be_are_refused() {
    let mut world = World::new(config());
    let good = Bridge::new(world.place_on(0).inside, 1).keyed();
    let short = MasterKey { key: vec![1; 15], ..good.receive.clone() };
    let long = MasterKey { salt: vec![1; 14], ..good.send.clone() };
    let same = good.send.clone();
    for keyed in [
        Keyed { receive: short, ..good.clone() },
        Keyed { send: long, ..good.clone() },
        Keyed { receive: same, ..good.clone() },
    ] {
        // More often than there are places for legs: a refusal takes none.
        for _ in 0..config().limits.legs_per_worker {
            let leg = world.place_on(0).leg;
            let connection = Connection::Keyed(keyed.clone());
            world.node.send(Command::OpenLeg(OpenLeg { leg, room: ROOM, connection })).unwrap();
            world.until("refused", |world| !world.end_of(leg).is_empty());
            assert_eq!(world.end_of(leg), [LegEnd::Refused]);
        }
    }
    open(&mut world, 0, 1);
}

#[test]
fn a_closed_legs_address_is_nobodys_until_it_is_opened_again() {
    let mut talk = Talk::new(config(), 0);
    talk.both_hear();
    let Talk { world, leg, mut bridge, person, sequence } = talk;
    world.node.send(Command::CloseLeg { leg }).unwrap();
    let mut world = world;
    world.until("told of the end", |world| !world.end_of(leg).is_empty());
    world.until("counted", |world| {
        bridge.speak();
        world.dropped(Drop::UnknownAddress) > 0
    });
    // What was on its way under the old key is read under the old key.
    bridge.step();
    let late = bridge.packet();
    let bridge = bridge.renew(20);
    let leg = world.place_on(0).leg;
    open_as(&world, leg, bridge.connection());
    world.until("up again", |world| is_up(world, leg));
    bridge.send_raw(&late);
    world.until("counted", |world| world.dropped(Drop::RtpForged) > 0);
    subscribe(&world, leg, (VOICE, world.legs[person]), HEARD);
    subscribe(&world, world.legs[person], (PHONE, leg), Ssrc(100));
    Talk { world, leg, bridge, person, sequence }.both_hear();
}

#[test]
fn only_authentic_packets_keep_a_relay_leg_alive() {
    let timeouts = Timeouts {
        consent: Duration::from_secs(2),
        quality: Duration::from_millis(500),
        ..Timeouts::default()
    };
    let mut world = World::new(Config { timeouts, ..config() });
    let (leg, mut bridge) = open(&mut world, 0, 1);
    let of_leg = |event: &&Event| matches!(event, Event::Quality { leg: of, .. } if *of == leg);
    world.until("reports alone keep it for longer than the limit", |world| {
        bridge.report();
        world.seen.iter().filter(of_leg).count() >= 6
    });
    assert!(world.end_of(leg).is_empty());
    let mut stranger = Bridge::stranger(bridge.server);
    let replay = bridge.packet();
    bridge.send_raw(&replay);
    world.until("consent is over", |world| {
        bridge.send_raw(&stranger.packet());
        bridge.send_raw(&replay);
        !world.end_of(leg).is_empty()
    });
    assert_eq!(world.end_of(leg), [LegEnd::ConsentLost]);
}
