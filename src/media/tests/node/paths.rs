//! Where a live leg is reached: it moves with its peer, at once and without loss, and with nobody else.

use std::net::{SocketAddr, UdpSocket};

use offhook_media::{Config, Count, Drop, Timeouts};
use offhook_types::media::{Command, LegEnd};
use offhook_types::{MediaKind, TrackId};

use crate::client::{Send, credentials};
use crate::wire::Wire;
use crate::world::{World, config, sound};

const TRACK: TrackId = TrackId(44);

fn elsewhere() -> Wire {
    Wire::udp(SocketAddr::from(([127, 0, 0, 1], 0)))
}

/// A speaker and a listener, connected and talking.
fn talking(config: Config) -> (World, usize, usize) {
    let mut world = World::new(config);
    let (speaker, listener) = (world.join(0), world.join(0));
    world.publish(speaker, sound(TRACK.0, "0"));
    world.subscribe(listener, (TRACK, MediaKind::Audio), speaker, 100);
    heard(&mut world, speaker, listener, 1000..1005);
    (world, speaker, listener)
}

/// Every packet of a range is sent and heard.
fn heard(world: &mut World, speaker: usize, listener: usize, range: core::ops::Range<u64>) {
    world.clients[listener].media.clear();
    let wanted = range.end - range.start;
    let mut next = range.start;
    world.until("everything heard", |world| {
        if next < range.end {
            let packet = Send { sequence: next, mid: Some("0"), ..Send::default() };
            world.clients[speaker].send(&packet);
            next += 1;
        }
        world.clients[listener].media.len() as u64 == wanted
    });
}

#[test]
fn a_receiver_that_moves_loses_nothing() {
    let (mut world, speaker, listener) = talking(config());
    let before = world.clients[listener].address();
    // The old socket stays open, as the old network of a phone does for a moment: what still goes there arrives.
    let mut old = world.clients[listener].move_to(elsewhere());
    assert_ne!(world.clients[listener].address(), before);
    world.clients[listener].media.clear();
    world.clients[listener].check();
    let (mut sent, mut at_old) = (0u64, 0u64);
    world.until("moved", |world| {
        let packet = Send { sequence: 2000 + sent, mid: Some("0"), ..Send::default() };
        world.clients[speaker].send(&packet);
        sent += 1;
        world.count(Count::PathsMoved) == 1
    });
    world.until("all of it arrived here or there", |world| {
        let mut packet = [0; 2048];
        while let Ok((_, _)) = old.receive(&mut packet, false) {
            at_old += u64::from(packet[0] == 0x90 && packet[1] & 0x7f == 111);
        }
        at_old + world.clients[listener].media.len() as u64 == sent
    });
    heard(&mut world, speaker, listener, 5000..5050);
}

#[test]
fn a_sender_that_moves_is_heard_at_once() {
    let (mut world, speaker, listener) = talking(config());
    let _old = world.clients[speaker].move_to(elsewhere());
    world.clients[speaker].stun_answers.clear();
    world.reach(speaker);
    // Its packets are taken from the first check on; only what goes to it waits for its answer to ours.
    heard(&mut world, speaker, listener, 2000..2050);
}

#[test]
fn a_nomination_from_a_forged_address_moves_nothing() {
    let (mut world, speaker, listener) = talking(config());
    // The attacker is the listener itself, which knows its own passwords and can write any source address; the stranger
    // gets what is sent there and answers nothing.
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    stranger.set_nonblocking(true).unwrap();
    let check = world.clients[listener].check_packet();
    for _ in 0..50 {
        stranger.send_to(&check, world.clients[listener].server).unwrap();
    }
    world.until("asked", |world| world.count(Count::PathsAsked) > 0);
    heard(&mut world, speaker, listener, 2000..2100);
    assert_eq!(world.count(Count::PathsMoved), 0);
    let (mut packet, mut media, mut checks) = ([0; 2048], 0, 0);
    while let Ok(_len) = stranger.recv(&mut packet) {
        match packet[0] {
            0 => checks += 1,
            1 => {}
            _ => media += 1,
        }
    }
    assert_eq!(media, 0, "media went to a stranger");
    assert!(checks < 50, "asked {checks} times, which is as often as it was asked for");
}

#[test]
fn an_answer_that_was_guessed_moves_nothing() {
    let (mut world, speaker, listener) = talking(config());
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let check = world.clients[listener].check_packet();
    stranger.send_to(&check, world.clients[listener].server).unwrap();
    world.until("asked", |world| world.count(Count::PathsAsked) == 1);
    let guess = world.clients[listener].answer_packet([7; 12]);
    stranger.send_to(&guess, world.clients[listener].server).unwrap();
    world.until("counted", |world| world.dropped(Drop::StunRefused) == 1);
    heard(&mut world, speaker, listener, 2000..2050);
    assert_eq!(world.count(Count::PathsMoved), 0);
}

#[test]
fn a_restart_moves_a_live_leg_without_loss() {
    let (mut world, speaker, listener) = talking(config());
    let leg = world.legs[listener];
    let (local, theirs) = (credentials("renewed"), credentials("peerrenewed"));
    let mut remote = world.clients[listener].remote();
    remote.ice = theirs.clone();
    world.node.send(Command::SetRemote { leg, remote, local: Some(local.clone()) }).unwrap();
    heard(&mut world, speaker, listener, 2000..2050);
    let mut old = world.clients[listener].move_to(elsewhere());
    (world.clients[listener].credentials, world.clients[listener].server_credentials) =
        (theirs, local);
    world.clients[listener].stun_answers.clear();
    world.until("moved", |world| {
        if world.clients[listener].stun_answers.is_empty() {
            world.clients[listener].check();
        }
        world.count(Count::PathsMoved) == 1
    });
    heard(&mut world, speaker, listener, 3000..3050);
    let mut stray = [0; 2048];
    while old.receive(&mut stray, false).is_ok() {
        assert!(stray[0] < 128 || stray[1] >= 192, "media at the old address after the move");
    }
    assert!(world.end_of(leg).is_empty());
}

#[test]
fn consent_is_to_the_address_in_use() {
    let timeouts = Timeouts { consent: std::time::Duration::from_secs(2), ..Timeouts::default() };
    let (mut world, _, listener) = talking(Config { timeouts, ..config() });
    let leg = world.legs[listener];
    // Checks go on from elsewhere, and nobody there answers ours: they are no consent to what goes to the first
    // address.
    let _old = world.clients[listener].move_to(elsewhere());
    world.clients[listener].is_deaf = true;
    world.until("consent is over", |world| {
        world.clients[listener].check();
        !world.end_of(leg).is_empty()
    });
    assert_eq!(world.end_of(leg), [LegEnd::ConsentLost]);
}
