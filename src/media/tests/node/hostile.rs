//! What strangers and participants may do wrong, one at a time; `floods` has what they do all at once.

mod floods;

use offhook_media::{Config, Count, Drop, Limits};
use offhook_types::{MediaKind, TrackId};

use crate::client::{Send, VP8};
use crate::world::{World, config, sound};

const TRACK: TrackId = TrackId(44);

/// A speaker and a listener, connected and talking.
fn talking(config: Config) -> (World, usize, usize) {
    let mut world = World::new(config);
    let (speaker, listener) = (world.join(0), world.join(0));
    world.publish(speaker, sound(TRACK.0, "0"));
    world.subscribe(listener, (TRACK, MediaKind::Audio), speaker, 100);
    (world, speaker, listener)
}

/// Sound still arrives.
fn still_talking(world: &mut World, speaker: usize, listener: usize, mut sequence: u64) {
    world.clients[listener].media.clear();
    world.until("still heard", |world| {
        sequence += 1;
        world.clients[speaker].send(&Send { sequence, mid: Some("0"), ..Send::default() });
        world.clients[listener].media.len() >= 3
    });
}

/// What the speaker's address sends costs a counter of that reason and nothing else.
fn check(reason: Drop, send: impl Fn(&mut World, usize)) {
    let (mut world, speaker, listener) = talking(config());
    still_talking(&mut world, speaker, listener, 1000);
    let before = world.dropped(reason);
    send(&mut world, speaker);
    world.until(&format!("{reason:?} is counted"), |world| world.dropped(reason) > before);
    still_talking(&mut world, speaker, listener, 5000);
}

#[test]
fn garbage_is_counted() {
    check(Drop::Unrecognized, |world, speaker| world.clients[speaker].send_raw(&[255, 1, 2, 3]));
    check(Drop::Unrecognized, |world, speaker| world.clients[speaker].send_raw(&[]));
    check(Drop::RtpMalformed, |world, speaker| world.clients[speaker].send_raw(&[0x80, 111, 1]));
    check(Drop::RtcpMalformed, |world, speaker| world.clients[speaker].send_raw(&[0x80, 200, 1]));
    check(Drop::StunMalformed, |world, speaker| world.clients[speaker].send_raw(&[0, 1, 0, 0, 9]));
    check(Drop::TooLong, |world, speaker| {
        let mut packet = vec![0; 3000];
        packet[..2].copy_from_slice(&[0x80, 111]);
        world.clients[speaker].send_raw(&packet);
    });
}

#[test]
fn forged_and_replayed_packets_are_counted() {
    check(Drop::RtpForged, |world, speaker| {
        let packet = Send { sequence: 3000, mid: Some("0"), ..Send::default() };
        let mut packet = world.clients[speaker].protect(&packet);
        let last = packet.len() - 1;
        packet[last] ^= 1;
        world.clients[speaker].send_raw(&packet);
    });
    check(Drop::RtpReplayed, |world, speaker| {
        let packet = Send { sequence: 3000, mid: Some("0"), ..Send::default() };
        let packet = world.clients[speaker].protect(&packet);
        world.clients[speaker].send_raw(&packet);
        world.clients[speaker].send_raw(&packet);
    });
    check(Drop::RtcpForged, |world, speaker| {
        let mut packet = vec![0x80, 201, 0, 1];
        packet.resize(60, 0x80);
        world.clients[speaker].send_raw(&packet);
    });
}

#[test]
fn authentic_packets_of_nothing_agreed_are_counted() {
    check(Drop::RtpUnknownStream, |world, speaker| {
        let packet = Send { ssrc: 999, mid: Some("nope"), ..Send::default() };
        world.clients[speaker].send(&packet);
    });
    check(Drop::RtpUnknownPayloadType, |world, speaker| {
        let packet = Send { ssrc: 999, payload_type: 50, mid: Some("0"), ..Send::default() };
        world.clients[speaker].send(&packet);
    });
    check(Drop::RtpMalformed, |world, speaker| {
        // A VP8 descriptor that promises more than is there.
        let packet = Send {
            ssrc: 998,
            payload_type: VP8,
            mid: Some("0"),
            payload: &[0x90],
            ..Send::default()
        };
        world.clients[speaker].send(&packet);
    });
}

#[test]
fn strangers_get_nothing() {
    check(Drop::UnknownAddress, |world, speaker| {
        let packet = Send { sequence: 3000, mid: Some("0"), ..Send::default() };
        let packet = world.clients[speaker].protect(&packet);
        world.clients[speaker].send_from_elsewhere(&packet);
    });
    check(Drop::UnknownAddress, |world, speaker| {
        world.clients[speaker].send_from_elsewhere(&[22, 254, 253, 0, 0]);
    });
    check(Drop::StunRefused, |world, speaker| {
        world.clients[speaker].stun_answers.clear();
        world.clients[speaker].check_with(b"not the password at all");
        assert!(world.clients[speaker].stun_answers.is_empty());
    });
    check(Drop::StunUnknownUser, |world, speaker| {
        let known = world.clients[speaker].server_credentials.ufrag.clone();
        world.clients[speaker].server_credentials.ufrag = "nobody".to_owned();
        world.clients[speaker].check();
        world.clients[speaker].server_credentials.ufrag = known;
    });
}

#[test]
fn a_live_legs_address_is_not_taken_by_another_leg() {
    let (mut world, speaker, listener) = talking(config());
    still_talking(&mut world, speaker, listener, 1000);
    // The listener could send this with the speaker's address as a false source.
    let client = &world.clients[listener];
    let (mut server, mut local) = (client.server_credentials.clone(), client.credentials.clone());
    let client = &mut world.clients[speaker];
    core::mem::swap(&mut client.server_credentials, &mut server);
    core::mem::swap(&mut client.credentials, &mut local);
    world.clients[speaker].stun_answers.clear();
    world.clients[speaker].check();
    world.until("counted", |world| world.dropped(Drop::StunRefused) == 1);
    assert!(world.clients[speaker].stun_answers.is_empty());
    (world.clients[speaker].server_credentials, world.clients[speaker].credentials) =
        (server, local);
    still_talking(&mut world, speaker, listener, 5000);
}

#[test]
fn a_flood_is_cut_at_the_legs_rate() {
    let limits = Limits { packets_per_second: 200, ..config().limits };
    let (mut world, speaker, listener) = talking(Config { limits, ..config() });
    still_talking(&mut world, speaker, listener, 1000);
    for sequence in 2000..3000 {
        world.clients[speaker].send(&Send { sequence, ..Send::default() });
    }
    world.until("counted", |world| world.dropped(Drop::LegRate) > 0);
    still_talking(&mut world, speaker, listener, 5000);
    assert!(world.count(Count::PacketsForwarded) < 1000);
}

#[test]
fn commands_about_nothing_are_counted() {
    let (mut world, speaker, listener) = talking(config());
    let leg = offhook_types::LegId(12345);
    world.node.send(offhook_types::media::Command::CloseLeg { leg }).unwrap();
    world.until("counted", |world| world.dropped(Drop::CommandStale) == 1);
    still_talking(&mut world, speaker, listener, 1000);
}
