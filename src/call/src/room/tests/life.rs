//! Coming and going.

use super::*;

#[test]
fn everyone_hears_who_comes_and_goes() {
    let mut scene = Scene::new();
    assert!(scene.join("ann").others.is_empty());
    let joined = scene.join("bob");
    assert_eq!(joined.others.len(), 1);
    assert_eq!(joined.you.identity, "bob");
    assert_eq!(scene.heard("ann"), ["bob"]);
    assert!(scene.heard("bob").is_empty());
    scene.act("bob", Act::Leave(Left::ClientLeft)).unwrap();
    assert_eq!(scene.heard("ann"), ["bob gone ClientLeft"]);
    assert_eq!(scene.events, ["opened cellar", "joined ann", "joined bob", "left bob ClientLeft"]);
}

#[test]
fn the_same_identity_replaces_the_older_client() {
    let mut scene = Scene::new();
    scene.join("ann");
    let first = scene.join("bob").you.id;
    scene.publish("bob", "cam");
    scene.forget();
    let older = scene.sessions["bob"];
    let second = scene.join("bob").you.id;
    assert_ne!(first, second);
    let told = scene.heard.remove(&older).unwrap();
    assert_eq!(told[0], "closed DuplicateIdentity");
    let gone = ["-cam", "bob gone DuplicateIdentity", "bob"];
    assert_eq!(scene.heard("ann"), gone);
}

#[test]
fn whip_and_whep_of_one_identity_are_one_participant() {
    let mut scene = Scene::new();
    scene.join("ann");
    scene.publish("ann", "mic-ann");
    let whip = scene.join_with("bob/whip", |join| {
        (join.door, join.receive) = (Door::Whip, Receive::None);
    });
    let whep = scene.join_with("bob/whep", |join| join.door = Door::Whep);
    let (whip, whep) = (whip.unwrap(), whep.unwrap());
    assert_eq!(whip.you.id, whep.you.id);
    assert!(whip.subscribed.is_empty());
    assert_eq!(whep.subscribed.len(), 1);
    scene.forget();
    scene.publish("bob/whip", "cam");
    assert_eq!(scene.heard("ann"), ["bob cam", "+cam of bob best"]);
    assert!(scene.heard("bob/whep").is_empty(), "own tracks are not played back");
    scene.act("bob/whip", Act::Leave(Left::ClientLeft)).unwrap();
    assert_eq!(scene.heard("ann"), ["-cam", "bob"]);
    scene.act("bob/whep", Act::Leave(Left::ClientLeft)).unwrap();
    assert_eq!(scene.heard("ann"), ["bob gone ClientLeft"]);
}

#[test]
fn a_client_does_not_replace_whip_of_its_identity() {
    let mut scene = Scene::new();
    let whip = scene.join_with("bob/whip", |join| join.door = Door::Whip).unwrap();
    assert_eq!(scene.join("bob").you.id, whip.you.id);
    assert!(scene.heard("bob/whip").is_empty());
}

#[test]
fn an_empty_room_ends_after_its_timeout() {
    let mut scene = Scene::new();
    let wish = CreateRoom { name: "attic".into(), empty_timeout_s: 2, ..CreateRoom::default() };
    scene.handle(Input::Admin(Admin::Create(wish))).unwrap();
    scene.wait(1_999);
    assert_eq!(scene.events, ["opened attic"]);
    scene.wait(2);
    assert_eq!(scene.events, ["opened attic", "closed attic"]);
    assert_eq!(scene.machine.next_timeout(), Time::MAX);
}

#[test]
fn a_room_outlives_its_last_participant_for_a_while() {
    let mut scene = Scene::new();
    let first = scene.join("ann").room.id;
    scene.act("ann", Act::Leave(Left::ClientLeft)).unwrap();
    scene.wait(19_000);
    assert_eq!(scene.join("ann").room.id, first);
    scene.wait(3_600_000);
    scene.act("ann", Act::Leave(Left::ClientLeft)).unwrap();
    scene.wait(21_000);
    assert_eq!(scene.events.last().unwrap(), "closed cellar");
    assert_ne!(scene.join("ann").room.id, first);
}

#[test]
fn deleting_a_room_puts_everyone_out() {
    let mut scene = Scene::new();
    scene.join("ann");
    scene.join("bob");
    scene.forget();
    let room = "cellar".to_string();
    let delete = Admin::Delete { room, why: Left::RoomDeleted };
    scene.handle(Input::Admin(delete.clone())).unwrap();
    assert!(scene.heard("ann").contains(&"closed RoomDeleted".to_string()));
    assert!(scene.heard("bob").contains(&"closed RoomDeleted".to_string()));
    assert_eq!(scene.handle(Input::Admin(delete)), Err(Refusal::NoRoom));
    assert_eq!(scene.act("ann", Act::LegUp), Err(Refusal::NoSession));
}

#[test]
fn a_removed_participant_may_not_act_any_more() {
    let mut scene = Scene::new();
    scene.join("ann");
    scene.join("bob");
    let remove = Admin::Remove { room: "cellar".into(), identity: "bob".into() };
    scene.handle(Input::Admin(remove)).unwrap();
    assert_eq!(scene.heard("bob"), ["closed Removed"]);
    assert_eq!(scene.act("bob", Act::LegUp), Err(Refusal::NoSession));
    assert_eq!(scene.events.last().unwrap(), "left bob Removed");
}

#[test]
fn limits_hold() {
    let config = Config {
        max_rooms: 1,
        max_participants: 2,
        max_tracks: 1,
        max_name_bytes: 8,
        max_metadata_bytes: 100,
        max_sessions: 2,
        ..Config::default()
    };
    let mut scene = Scene::with(config);
    let mut refusal = |who: &str, change: fn(&mut Join)| scene.join_with(who, change).err();
    assert_eq!(refusal("a-long-name", |_| ()), Some(Refusal::TooLong));
    assert_eq!(refusal("", |_| ()), Some(Refusal::BadName));
    assert_eq!(refusal("an\nn", |_| ()), Some(Refusal::BadName));
    assert_eq!(refusal("ann", |join| join.metadata = "x".repeat(101)), Some(Refusal::TooLong));
    let attributes = |join: &mut Join| drop(join.attributes.insert("k".into(), "v".repeat(40)));
    assert_eq!(refusal("ann", attributes), Some(Refusal::TooLong));
    assert_eq!(refusal("ann", |_| ()), None);
    assert_eq!(refusal("bob", |join| join.room = "attic".into()), Some(Refusal::TooManyRooms));
    assert_eq!(refusal("bob", |_| ()), None);
    assert_eq!(refusal("cat", |_| ()), Some(Refusal::RoomFull));
    assert_eq!(refusal("bob", |join| join.door = Door::Whep), None);
    assert_eq!(refusal("bob", |join| join.door = Door::Whep), Some(Refusal::RoomFull));
    scene.publish("ann", "cam");
    let second = scene.add("ann", "cam2", TrackRequest::new("cam2", MediaKind::Video));
    assert_eq!(second, Err(Refusal::TooManyTracks));
}

#[test]
fn a_rooms_own_limit_holds_too() {
    let mut scene = Scene::new();
    let wish = CreateRoom { name: "cellar".into(), max_participants: 1, ..CreateRoom::default() };
    scene.handle(Input::Admin(Admin::Create(wish))).unwrap();
    scene.join("ann");
    assert_eq!(scene.join_with("bob", |_| ()).err(), Some(Refusal::RoomFull));
}

#[test]
fn the_first_media_path_makes_a_participant_active() {
    let mut scene = Scene::new();
    scene.join("ann");
    scene.join("bob");
    scene.forget();
    scene.act("bob", Act::LegUp).unwrap();
    scene.act("bob", Act::LegUp).unwrap();
    assert_eq!(scene.heard("ann"), ["bob"]);
    assert_eq!(scene.events, ["active bob"]);
}

#[test]
fn rooms_count_who_is_shown() {
    let mut scene = Scene::new();
    scene.join("ann");
    scene.join_with("ghost", |join| join.permission.hidden = true).unwrap();
    scene.publish("ann", "cam");
    let list = |scene: &mut Scene| {
        let list = Input::Admin(Admin::List(Vec::new()));
        let Ok(Reply::Rooms(rooms)) = scene.handle(list) else { panic!() };
        (rooms[0].participants, rooms[0].publishers)
    };
    assert_eq!(list(&mut scene), (1, 1));
    let none = Input::Admin(Admin::List(vec!["attic".into()]));
    assert_eq!(scene.handle(none), Ok(Reply::Rooms(Vec::new())));
}

#[test]
fn room_ids_belong_to_their_shard() {
    let config = Config { shard: 3, shards: 5, ..Config::default() };
    let mut scene = Scene::with(config);
    for room in ["a", "b", "c", "d"] {
        let joined = scene.join_with("ann", |join| join.room = room.into()).unwrap();
        assert_eq!(joined.room.id.0 % 5, 3);
    }
}
