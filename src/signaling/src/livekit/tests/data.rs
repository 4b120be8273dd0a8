//! Data messages through the node and the room.

use offhook_types::media::{DataKind, DtlsVersion, SrtpProfile};
use proto::data_packet::Value;

use super::*;

fn sent(command: &Command) -> Option<(LegId, DataKind, proto::DataPacket)> {
    match command {
        Command::SendData { leg, kind, payload } => {
            Some((*leg, *kind, proto::DataPacket::decode(&**payload).unwrap()))
        }
        _ => None,
    }
}

/// A client whose media path is up.
async fn connected(world: &World, identity: &str) -> (Client, LegId) {
    let (mut client, _) = world.join(identity).await;
    client.offer(1, &["data"]).await;
    let leg = world.node.take(opened).await;
    let (profile, dtls) = (Some(SrtpProfile::AeadAes128Gcm), Some(DtlsVersion::V12));
    world.event(Event::LegUp { leg, profile, dtls });
    client.sees(|info| info.identity == identity && info.state == 2).await;
    (client, leg)
}

fn packet(text: &str, sequence: u32) -> Vec<u8> {
    let user = proto::UserPacket { payload: text.into(), ..proto::UserPacket::default() };
    let value = Some(Value::User(user));
    proto::DataPacket { sequence, value, ..proto::DataPacket::default() }.encode_to_vec()
}

fn text(packet: &proto::DataPacket) -> &[u8] {
    let Some(Value::User(user)) = &packet.value else { panic!() };
    &user.payload
}

#[tokio::test]
async fn messages_reach_the_others_under_the_senders_name() {
    let world = World::new().await;
    let (_ann, ann_leg) = connected(&world, "ann").await;
    let (_bob, bob_leg) = connected(&world, "bob").await;
    for kind in [DataKind::Reliable, DataKind::Lossy] {
        world.event(Event::Data { leg: ann_leg, kind, payload: packet("hi", 0) });
        let (leg, over, packet) = world.node.take(sent).await;
        assert_eq!((leg, over, text(&packet)), (bob_leg, kind, &b"hi"[..]));
        assert_eq!(packet.participant_identity, "ann");
        assert!(packet.participant_sid.starts_with("PA_"));
    }
    assert!(!world.node.commands.lock().unwrap().iter().any(|c| sent(c).is_some()));
}

#[tokio::test]
async fn a_repeated_reliable_message_is_delivered_once() {
    let world = World::new().await;
    let (_ann, leg) = connected(&world, "ann").await;
    let (_bob, _) = connected(&world, "bob").await;
    let kind = DataKind::Reliable;
    for (words, sequence) in [("one", 1), ("two", 2), ("one", 1), ("three", 3)] {
        world.event(Event::Data { leg, kind, payload: packet(words, sequence) });
    }
    for expected in ["one", "two", "three"] {
        let (_, _, packet) = world.node.take(sent).await;
        assert_eq!(text(&packet), expected.as_bytes());
    }
}

#[tokio::test]
async fn who_may_not_send_is_not_heard() {
    let world = World::with(Config { max_data_bytes: 100, ..Config::default() }).await;
    let mut claims = Claims::join("cellar", "eve");
    claims.video.can_publish_data = Some(false);
    let (mut eve, _) = world.join_as(&world.sign(&claims), Default::default()).await;
    eve.offer(1, &["data"]).await;
    let eve_leg = world.node.take(opened).await;
    let (_ann, ann_leg) = connected(&world, "ann").await;
    let (_bob, _) = connected(&world, "bob").await;
    let kind = DataKind::Reliable;
    let large = packet(&"x".repeat(200), 0);
    for (leg, payload) in [
        (eve_leg, packet("forbidden", 0)),
        (ann_leg, large),
        (ann_leg, vec![0xff; 5]),
        (ann_leg, packet("last", 0)),
    ] {
        world.event(Event::Data { leg, kind, payload });
    }
    let (_, _, packet) = world.node.take(sent).await;
    assert_eq!(text(&packet), b"last");
    for misdeed in [Misdeed::LargeData, Misdeed::MalformedData, Misdeed::RefusedData] {
        assert_eq!(world.counted(misdeed), 1, "{misdeed:?}");
    }
}
