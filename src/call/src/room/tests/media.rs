//! Publishing, receiving, qualities, messages, voices.

use super::*;

#[test]
fn a_track_is_seen_once_it_is_negotiated() {
    let mut scene = Scene::new();
    scene.join("ann");
    scene.join("bob");
    scene.forget();
    let track = scene.add("ann", "cam", TrackRequest::new("cam", MediaKind::Video)).unwrap();
    assert!(scene.heard("bob").is_empty());
    scene.act("ann", Act::Publish(published(track, 1))).unwrap();
    // The participant's new track is told before the media is offered.
    assert_eq!(scene.heard("bob"), ["ann cam", "+cam of ann best"]);
    assert_eq!(scene.heard("ann"), ["ann cam", "cam received"]);
    scene.act("ann", Act::Publish(published(track, 1))).unwrap();
    assert!(scene.heard("bob").is_empty(), "saying it again changes nothing");
    scene.act("ann", Act::Unpublish(track)).unwrap();
    assert_eq!(scene.heard("bob"), ["-cam", "ann"]);
}

#[test]
fn a_newcomer_receives_tracks_in_the_order_of_publication() {
    let mut scene = Scene::new();
    scene.join("zoe");
    scene.join("ann");
    let order = [("zoe", "cam1"), ("ann", "cam2"), ("zoe", "mic3"), ("ann", "mic4")];
    let published: Vec<_> = order.map(|(who, name)| scene.publish(who, name)).to_vec();
    let joined = scene.join("bob");
    assert_eq!(joined.subscribed.iter().map(|s| s.track).collect::<Vec<_>>(), published);
}

#[test]
fn a_track_that_moves_to_another_leg_is_offered_anew() {
    let mut scene = Scene::new();
    scene.join("ann");
    scene.join("bob");
    let track = scene.publish("ann", "cam");
    scene.forget();
    let moved = Published { leg: LegId(99), ..published(track, 3) };
    scene.act("ann", Act::Publish(moved)).unwrap();
    assert_eq!(scene.heard("bob"), ["ann cam", "+cam of ann best"]);
}

#[test]
fn only_the_own_tracks_can_be_changed() {
    let mut scene = Scene::new();
    scene.join("ann");
    scene.join("bob");
    let track = scene.publish("ann", "cam");
    for act in [
        Act::Unpublish(track),
        Act::Mute { track, muted: true },
        Act::Resize { track, width: 1, height: 1 },
        Act::Publish(published(track, 1)),
    ] {
        assert_eq!(scene.act("bob", act), Err(Refusal::NoTrack));
    }
}

#[test]
fn explicit_wishes_beat_the_policy() {
    let mut scene = Scene::new();
    scene.join("ann");
    scene.join("bob");
    scene.join_with("cat", |join| join.receive = Receive::None).unwrap();
    scene.publish("ann", "cam");
    scene.forget();
    scene.subscribe("bob", "cam", false);
    scene.subscribe("cat", "cam", true);
    assert_eq!(scene.heard("bob"), ["-cam"]);
    assert_eq!(scene.heard("cat"), ["+cam of ann best"]);
    scene.subscribe("cat", "cam", true);
    assert!(scene.heard("cat").is_empty());
    scene.tracks.insert("nothing".into(), TrackId(1));
    scene.subscribe("cat", "nothing", true);
    assert_eq!(scene.heard("cat"), ["no nothing"]);
}

#[test]
fn a_player_may_ask_for_one_publisher_or_track() {
    let mut scene = Scene::new();
    scene.join("ann");
    scene.join("bob");
    scene.publish("ann", "cam-ann");
    let track = scene.publish("bob", "cam-bob");
    scene.publish("bob", "mic-bob");
    let mut player = |who: &str, participant: Option<&str>, track: Option<TrackId>| {
        let participant = participant.map(Into::into);
        let joined = scene.join_with(who, |join| {
            join.door = Door::Whep;
            let track = track.map(TrackChoice::Id);
            join.receive = Receive::Only { participant, track };
        });
        joined.unwrap().subscribed.len()
    };
    assert_eq!(player("p1", Some("bob"), None), 2);
    assert_eq!(player("p2", None, Some(track)), 1);
    assert_eq!(player("p3", Some("ann"), Some(track)), 0);
}

#[test]
fn settings_become_layers() {
    let mut scene = Scene::new();
    scene.join("ann");
    scene.join("bob");
    scene.publish("ann", "cam");
    scene.forget();
    let size = |width, height| TrackSettings { width, height, ..TrackSettings::default() };
    scene.settings("bob", "cam", size(300, 170));
    scene.settings("bob", "cam", size(310, 175));
    scene.settings("bob", "cam", size(640, 360));
    scene.settings("bob", "cam", TrackSettings { disabled: true, ..size(640, 360) });
    scene.settings("bob", "cam", size(1280, 720));
    assert_eq!(scene.heard("bob"), ["cam layer 0", "cam layer 1", "cam paused", "cam best"]);
}

#[test]
fn settings_made_before_receiving_count_from_the_start() {
    let mut scene = Scene::new();
    scene.join("ann");
    scene.join("bob");
    scene.publish("ann", "cam");
    scene.subscribe("bob", "cam", false);
    scene.forget();
    scene.settings("bob", "cam", TrackSettings { quality: Some(0), ..TrackSettings::default() });
    scene.subscribe("bob", "cam", true);
    assert_eq!(scene.heard("bob"), ["+cam of ann layer 0"]);
}

#[test]
fn publishers_are_told_which_qualities_are_wanted() {
    let mut scene = Scene::new();
    scene.join("ann");
    scene.publish("ann", "cam");
    scene.forget();
    scene.wait(6_000);
    assert_eq!(scene.heard("ann"), ["cam 000"], "nobody receives it");
    scene.join("bob");
    assert_eq!(scene.heard("ann"), ["bob", "cam received", "cam 111"]);
    scene.settings("bob", "cam", TrackSettings { quality: Some(0), ..TrackSettings::default() });
    assert!(scene.heard("ann").is_empty(), "less is told later");
    scene.wait(6_000);
    assert_eq!(scene.heard("ann"), ["cam 100"]);
    scene.settings("bob", "cam", TrackSettings { quality: Some(1), ..TrackSettings::default() });
    assert_eq!(scene.heard("ann"), ["cam 110"], "more is told at once");
    scene.join("cat");
    assert_eq!(scene.heard("ann"), ["cat", "cam 111"]);
    scene.act("cat", Act::Leave(Left::ClientLeft)).unwrap();
    scene.wait(6_000);
    assert_eq!(scene.heard("ann"), ["cat gone ClientLeft", "cam 110"]);
    scene.subscribe("bob", "cam", false);
    scene.wait(6_000);
    assert_eq!(scene.heard("ann"), ["cam 000"]);
}

#[test]
fn a_short_change_of_mind_is_not_told() {
    let mut scene = Scene::new();
    scene.join("ann");
    scene.join("bob");
    scene.publish("ann", "cam");
    scene.wait(10_000);
    scene.forget();
    scene.settings("bob", "cam", TrackSettings { disabled: true, ..TrackSettings::default() });
    scene.wait(3_000);
    scene.settings("bob", "cam", TrackSettings::default());
    scene.wait(10_000);
    assert!(scene.heard("ann").is_empty());
}

#[test]
fn mute_reaches_the_relay_and_everyone() {
    let mut scene = Scene::new();
    scene.join("ann");
    scene.join("bob");
    let track = scene.publish("ann", "mic");
    scene.forget();
    scene.act("ann", Act::Mute { track, muted: true }).unwrap();
    assert_eq!(scene.heard("ann"), ["mic muted", "ann mic muted"]);
    assert_eq!(scene.heard("bob"), ["ann mic muted"]);
    let force = |identity: &str, muted| {
        let (room, identity) = ("cellar".into(), identity.into());
        Input::Admin(Admin::Mute { room, identity, track, muted })
    };
    scene.handle(force("ann", false)).unwrap();
    assert_eq!(scene.heard("ann"), ["mic unmuted by force", "ann mic"]);
    assert_eq!(scene.handle(force("bob", true)), Err(Refusal::NoTrack));
}

#[test]
fn messages_reach_whom_they_are_for() {
    let mut scene = Scene::new();
    scene.join("ann");
    scene.join("bob");
    let cat = scene.join("cat").you.id;
    scene.join_with("ann/whep", |join| join.door = Door::Whep).unwrap();
    scene.forget();
    scene.act("ann", Act::Data(message("all", &[]))).unwrap();
    scene.act("ann", Act::Data(message("some", &["bob", "ann"]))).unwrap();
    let by_presence = DataMessage { to_participants: vec![cat], ..message("one", &[]) };
    scene.act("ann", Act::Data(by_presence)).unwrap();
    let message = message("server", &[]);
    scene.handle(Input::Admin(Admin::Data { room: "cellar".into(), message })).unwrap();
    assert_eq!(scene.heard("ann"), ["server"], "nothing comes back to the sender");
    assert_eq!(scene.heard("bob"), ["all", "some", "server"]);
    assert_eq!(scene.heard("cat"), ["all", "one", "server"]);
    assert!(scene.heard("ann/whep").is_empty());
}

#[test]
fn speakers_are_told_when_they_change() {
    let mut scene = Scene::new();
    let room = scene.join("ann").room.id;
    scene.join("bob");
    let ann = scene.publish("ann", "mic-ann");
    let bob = scene.publish("bob", "mic-bob");
    scene.forget();
    let mut speak = |list: &[(TrackId, u8)], worker| {
        let speaker = |&(track, level): &(TrackId, u8)| Speaker { track, level };
        let speakers = list.iter().map(speaker).collect();
        let worker = WorkerId(worker);
        scene.handle(Input::Speakers { worker, room, speakers }).unwrap();
        scene.heard("bob")
    };
    assert_eq!(speak(&[(ann, 20)], 0), ["speakers 20"]);
    assert!(speak(&[(ann, 20)], 0).is_empty());
    assert!(speak(&[], 1).is_empty(), "another worker does not silence this one's speakers");
    assert!(speak(&[(TrackId(5), 1)], 0) == ["speakers -"], "unknown tracks are not heard");
    assert_eq!(speak(&[(bob, 30), (ann, 40)], 0).len(), 1);
    scene.act("ann", Act::Mute { track: ann, muted: true }).unwrap();
    assert_eq!(scene.heard("bob")[0], "speakers 30 -", "whoever is muted has stopped");
}

#[test]
fn scores_are_told_when_they_change() {
    let mut scene = Scene::new();
    scene.join("ann");
    scene.join("bob");
    scene.forget();
    let lossy = LegQuality { uplink_loss: 200, ..LegQuality::default() };
    for quality in [LegQuality::default(), LegQuality::default(), lossy] {
        scene.act("ann", Act::Quality(quality)).unwrap();
    }
    assert_eq!(scene.heard("bob"), ["Excellent", "Poor"]);
    scene.join("cat");
    assert_eq!(scene.heard("cat"), ["Poor"], "a newcomer learns it too");
}

#[test]
fn a_snapshot_is_what_joining_now_would_show() {
    let mut scene = Scene::new();
    scene.join("ann");
    scene.join("bob");
    scene.publish("ann", "cam");
    let Ok(Reply::Joined(snapshot)) = scene.act("bob", Act::Snapshot) else { panic!() };
    assert_eq!(snapshot.others.len(), 1);
    assert_eq!(snapshot.others[0].tracks.len(), 1);
    assert_eq!(snapshot.subscribed.len(), 1);
    assert_eq!(snapshot.session, scene.sessions["bob"]);
}
