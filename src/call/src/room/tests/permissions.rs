//! Who may do what, and see whom.

use super::*;

#[test]
fn permissions_decide() {
    let mut scene = Scene::new();
    scene.join("ann");
    let nothing = Permission {
        publish: false,
        publish_data: false,
        subscribe: false,
        ..Permission::default()
    };
    scene.join_with("bob", |join| join.permission = nothing).unwrap();
    let track = TrackRequest::new("cam", MediaKind::Video);
    assert_eq!(scene.add("bob", "cam", track), Err(Refusal::NotPermitted));
    let data = Act::Data(message("hi", &[]));
    assert_eq!(scene.act("bob", data), Err(Refusal::NotPermitted));
    let change = Describe { name: Some("Robert".into()), ..Describe::default() };
    assert_eq!(scene.act("bob", Act::Describe(change)), Err(Refusal::NotPermitted));
    scene.publish("ann", "cam");
    scene.subscribe("bob", "cam", true);
    assert_eq!(scene.heard("bob"), ["ann cam", "no cam"]);
}

#[test]
fn only_the_granted_sources_can_be_published() {
    let mut scene = Scene::new();
    let sources = vec![Source::Microphone];
    scene.join_with("ann", |join| join.permission.sources = sources).unwrap();
    let mut add = |source, kind| {
        let request = TrackRequest { source, ..TrackRequest::new("x", kind) };
        scene.add("ann", "x", request).is_ok()
    };
    assert!(add(Source::Microphone, MediaKind::Audio));
    assert!(!add(Source::Camera, MediaKind::Video));
    assert!(!add(Source::Unknown, MediaKind::Video));
}

#[test]
fn the_hidden_are_not_shown_or_heard() {
    let mut scene = Scene::new();
    scene.join("ann");
    scene.join_with("ghost", |join| join.permission.hidden = true).unwrap();
    scene.publish("ann", "cam");
    scene.publish("ghost", "mic");
    assert_eq!(scene.heard("ann"), ["ann cam", "cam received"]);
    assert_eq!(scene.heard("ghost"), ["ann cam", "+cam of ann best", "ghost mic"]);
    assert_eq!(scene.join("bob").others.len(), 1);
    scene.forget();
    scene.subscribe("bob", "mic", true);
    assert_eq!(scene.heard("bob"), ["no mic"]);
    scene.act("ghost", Act::Leave(Left::ClientLeft)).unwrap();
    assert!(scene.heard("ann").is_empty());
}

#[test]
fn a_publisher_says_who_may_receive() {
    let mut scene = Scene::new();
    scene.join("ann");
    let bob = scene.join("bob").you.id;
    scene.join("cat");
    let cam = scene.publish("ann", "cam");
    scene.publish("ann", "mic");
    scene.forget();
    let allowed = vec![
        AllowedTracks { participant: Some(bob), all: true, ..AllowedTracks::default() },
        AllowedTracks { identity: "cat".into(), tracks: vec![cam], ..AllowedTracks::default() },
    ];
    let some = SubscriptionPermission { everyone: false, allowed };
    scene.act("ann", Act::SubscriptionPermission(some)).unwrap();
    assert!(scene.heard("bob").is_empty());
    assert_eq!(scene.heard("cat"), ["-mic", "mic denied"]);
    scene.join("dan");
    assert_eq!(scene.heard("dan"), ["cam denied", "mic denied"]);
    scene.forget();
    let all = SubscriptionPermission { everyone: true, allowed: Vec::new() };
    scene.act("ann", Act::SubscriptionPermission(all)).unwrap();
    assert_eq!(scene.heard("cat"), ["mic allowed", "+mic of ann best"]);
}

#[test]
fn an_administrator_changes_permissions_at_once() {
    let mut scene = Scene::new();
    scene.join("ann");
    scene.join("bob");
    scene.publish("ann", "cam");
    scene.publish("bob", "mic");
    scene.forget();
    let permission = Permission { publish: false, subscribe: false, ..Permission::default() };
    let change = Describe { permission: Some(permission), ..Describe::default() };
    let (room, identity) = ("cellar".into(), "bob".into());
    scene.handle(Input::Admin(Admin::Describe { room, identity, change })).unwrap();
    assert_eq!(scene.heard("bob"), ["mic taken down", "-cam", "bob"]);
    assert_eq!(scene.heard("ann"), ["-mic", "bob"]);
}

#[test]
fn descriptions_change_key_by_key() {
    let mut scene = Scene::new();
    scene
        .join_with("ann", |join| {
            join.permission.update_metadata = true;
            join.attributes.extend([("a".into(), "1".into()), ("b".into(), "2".into())]);
        })
        .unwrap();
    let attributes = [("a".into(), String::new()), ("c".into(), "3".into())];
    let change = Describe {
        name: Some("Ann".into()),
        attributes: attributes.into(),
        permission: Some(Permission { hidden: true, ..Permission::default() }),
        ..Describe::default()
    };
    scene.act("ann", Act::Describe(change)).unwrap();
    let Ok(Reply::Joined(now)) = scene.act("ann", Act::Snapshot) else { panic!() };
    assert_eq!(now.you.name, "Ann");
    let attributes = [("b".into(), "2".into()), ("c".into(), "3".into())];
    assert_eq!(now.you.attributes, BTreeMap::from(attributes));
    assert!(!now.you.permission.hidden, "nobody grants themselves anything");
}

#[test]
fn sessions_of_one_identity_keep_their_own_permission() {
    let mut scene = Scene::new();
    scene
        .join_with("bob/whep", |join| {
            join.door = Door::Whep;
            join.permission.publish = false;
        })
        .unwrap();
    scene.join_with("bob/whip", |join| join.door = Door::Whip).unwrap();
    let request = || TrackRequest::new("cam", MediaKind::Video);
    assert_eq!(scene.add("bob/whep", "cam", request()), Err(Refusal::NotPermitted));
    assert!(scene.add("bob/whip", "cam", request()).is_ok());
}
