use std::time::Duration;

use offhook_media::{Config, Count, Drop, Limits, Timeouts};
use offhook_types::LegId;
use offhook_types::WorkerId;
use offhook_types::media::{Command, Connection, Event, Fingerprint, LegEnd, OpenLeg, SrtpProfile};
use offhook_wire::stun::Class;

use crate::client::credentials;
use crate::world::{ROOM, World, config};

#[test]
fn a_leg_comes_up_over_both_families_with_gcm() {
    for ip in ["127.0.0.1", "::1"] {
        let mut world = World::new(Config { advertise: vec![ip.parse().unwrap()], ..config() });
        let placement = world.node.place(ROOM).unwrap();
        let index = world.open(placement, ip);
        world.connect(index);
        let profile = world.seen.iter().find_map(|event| match event {
            Event::LegUp { profile, .. } => *profile,
            _ => None,
        });
        assert_ne!(profile, Some(SrtpProfile::Aes128CmSha1_80), "{ip}");
        world.until("counted", |world| world.snapshot().legs == 1);
        let leg = world.legs[0];
        world.node.send(Command::CloseLeg { leg }).unwrap();
        world.until("told of the end", |world| !world.end_of(leg).is_empty());
        world.until("goodbye", |world| world.clients[0].closed);
        assert_eq!(world.end_of(leg), [LegEnd::Closed]);
        world.until("forgotten", |world| world.snapshot().legs == 0);
        assert_eq!(world.snapshot().rooms, 0);
    }
}

#[test]
fn the_peer_may_close() {
    let mut world = World::new(config());
    let index = world.join(0);
    world.clients[index].say_goodbye();
    let leg = world.legs[index];
    world.until("told of the end", |world| !world.end_of(leg).is_empty());
    assert_eq!(world.end_of(leg), [LegEnd::PeerClosed]);
}

#[test]
fn a_wrong_certificate_is_refused() {
    let mut world = World::new(config());
    let placement = world.node.place(ROOM).unwrap();
    let index = world.open(placement, "127.0.0.1");
    let leg = world.legs[index];
    let mut remote = world.clients[index].remote();
    remote.fingerprint = Fingerprint([9; 32]);
    world.node.send(Command::SetRemote { leg, remote, local: None }).unwrap();
    world.reach(index);
    let fingerprint = world.node.fingerprint();
    world.clients[index].shake_hands(fingerprint);
    world.until("told of the end", |world| !world.end_of(leg).is_empty());
    assert_eq!(world.end_of(leg), [LegEnd::HandshakeRefused]);
    assert!(!world.seen.iter().any(|event| matches!(event, Event::LegUp { .. })));
}

#[test]
fn silence_ends_a_leg_by_the_clock() {
    let timeouts = Timeouts {
        setup: Duration::from_millis(300),
        consent: Duration::from_millis(600),
        ..Timeouts::default()
    };
    let mut world = World::new(Config { timeouts: timeouts.clone(), ..config() });
    let placement = world.node.place(ROOM).unwrap();
    let index = world.open(placement, "127.0.0.1");
    let leg = world.legs[index];
    world.until("setup is over", |world| !world.end_of(leg).is_empty());
    assert_eq!(world.end_of(leg), [LegEnd::SetupTimeout]);
    let timeouts = Timeouts { setup: Duration::from_secs(15), ..timeouts };
    let mut world = World::new(Config { timeouts, ..config() });
    let index = world.join(0);
    let leg = world.legs[index];
    world.until("consent is over", |world| !world.end_of(leg).is_empty());
    assert_eq!(world.end_of(leg), [LegEnd::ConsentLost]);
}

#[test]
fn an_ice_restart_keeps_the_keys() {
    let mut world = World::new(config());
    let index = world.join(0);
    let leg = world.legs[index];
    let local = credentials("renewed");
    let mut remote = world.clients[index].remote();
    remote.ice = credentials("peerrenewed");
    let command = Command::SetRemote { leg, remote: remote.clone(), local: Some(local.clone()) };
    world.node.send(command).unwrap();
    world.clients[index].credentials = remote.ice;
    world.clients[index].server_credentials = local;
    world.clients[index].stun_answers.clear();
    world.until("answered under the new half", |world| {
        world.clients[index].check();
        world.clients[index].stun_answers.contains(&Class::Success)
    });
    assert!(world.end_of(leg).is_empty());
}

#[test]
fn more_legs_than_allowed_are_refused_and_have_an_end() {
    let limits = Limits { legs_per_worker: 1, ..config().limits };
    let mut world = World::new(Config { limits, ..config() });
    let placement = world.node.place(ROOM).unwrap();
    world.open(placement.clone(), "127.0.0.1");
    assert!(world.node.place(ROOM).is_none());
    let leg = LegId::new(WorkerId(0), 999);
    let refused = offhook_types::media::Placement { leg, ..placement };
    world.open(refused, "127.0.0.1");
    world.until("refused", |world| !world.end_of(leg).is_empty());
    assert_eq!(world.end_of(leg), [LegEnd::Refused]);
}

#[test]
fn a_name_that_is_taken_is_refused_and_takes_no_place() {
    let limits = Limits { legs_per_worker: 2, ..config().limits };
    let mut world = World::new(Config { limits, ..config() });
    world.join(0);
    let local = world.clients[0].server_credentials.clone();
    for serial in 0..3 {
        let leg = LegId::new(WorkerId(0), 900 + serial);
        let local = local.clone();
        let connection = Connection::Ice { local, remote: None, opens_channels: false };
        world.node.send(Command::OpenLeg(OpenLeg { leg, room: ROOM, connection })).unwrap();
        world.until("refused", |world| !world.end_of(leg).is_empty());
        assert_eq!(world.end_of(leg), [LegEnd::Refused]);
    }
    world.join(0);
}

#[test]
fn stop_drains_every_leg() {
    let mut world = World::new(Config { workers: 2, ..config() });
    let (a, b) = (world.join(0), world.join(1));
    world.node.stop();
    assert!(world.node.place(ROOM).is_none());
    let (a, b) = (world.legs[a], world.legs[b]);
    world.until("both ends", |world| !world.end_of(a).is_empty() && !world.end_of(b).is_empty());
    assert_eq!([world.end_of(a), world.end_of(b)], [[LegEnd::Drained], [LegEnd::Drained]]);
}

#[test]
fn handshakes_are_limited_together() {
    let limits = Limits { handshakes: 0, ..config().limits };
    let mut world = World::new(Config { limits, ..config() });
    let placement = world.node.place(ROOM).unwrap();
    let index = world.open(placement, "127.0.0.1");
    world.reach(index);
    let fingerprint = world.node.fingerprint();
    world.clients[index].shake_hands(fingerprint);
    world.until("counted", |world| world.dropped(Drop::HandshakeLimit) > 0);
    assert_eq!(world.count(Count::HandshakesStarted), 0);
}
