//! Connections that break and come back.

use offhook_types::media::LegEnd;

use super::*;

fn back(sid: &str) -> proto::JoinRequest {
    proto::JoinRequest {
        reconnect: true,
        participant_sid: sid.into(),
        ..proto::JoinRequest::default()
    }
}

async fn resume(world: &World, identity: &str, sid: &str) -> Client {
    world.connect(&v1(&world.token(identity), &back(sid))).await.unwrap()
}

#[tokio::test]
async fn nobody_notices_a_resume_and_nothing_is_missed() {
    let world = World::new().await;
    let (mut ann, joined) = world.join("ann").await;
    let sid = joined.participant.unwrap().sid;
    let (mut bob, _) = world.join("bob").await;
    let track = ann.publish_audio("mic-1").await;
    let leg = world.node.take(opened).await;
    drop(ann);
    let (mut cat, seen) = world.join("cat").await;
    assert!(seen.other_participants.iter().any(|info| info.sid == sid && info.tracks.len() == 1));
    bob.send(Request::Leave(proto::LeaveRequest::default())).await;
    cat.sees(|info| info.identity == "bob" && info.state == 3).await;
    let mut ann = resume(&world, "ann", &sid).await;
    let Response::Reconnect(response) = ann.next().await else { panic!() };
    assert!(!response.server_info.unwrap().version.is_empty());
    // What happened meanwhile is told, in whichever order.
    let mut wanted = vec![("ann", 1), ("bob", 3), ("cat", 1)];
    while !wanted.is_empty() {
        let Response::Update(update) = ann.next().await else { continue };
        let told = |who: &(&str, i32)| {
            update.participants.iter().any(|info| (info.identity.as_str(), info.state) == *who)
        };
        wanted.retain(|who| !told(who));
    }
    let published = proto::TrackPublishedResponse { cid: "mic-1".into(), track: Some(track) };
    let sync = proto::SyncState { publish_tracks: vec![published], ..Default::default() };
    ann.send(Request::SyncState(sync)).await;
    // The client restarts ICE over the leg that it has.
    let sections = ["data", "audio sendonly mic-1", "audio recvonly", "video recvonly"];
    let mut restart = offer(9, &sections);
    restart.sdp = restart.sdp.replace("a=ice-ufrag:abcd", "a=ice-ufrag:efgh");
    ann.send(Request::Offer(restart)).await;
    let fresh = |command: &Command| match command {
        Command::SetRemote { leg, local, .. } => local.clone().map(|_| *leg),
        _ => None,
    };
    assert_eq!(world.node.take(fresh).await, leg);
    cat.send(Request::Ping(1)).await;
    let gone = |message: Response| match message {
        Response::Update(update) => {
            let gone = |info: &proto::ParticipantInfo| info.identity == "ann" && info.state == 3;
            assert!(!update.participants.iter().any(gone), "ann never left");
            None
        }
        Response::Pong(_) => Some(()),
        _ => None,
    };
    cat.until(gone).await;
}

#[tokio::test]
async fn whoever_cannot_resume_is_told_to_start_over() {
    let world = World::new().await;
    let (mut ann, joined) = world.join("ann").await;
    let sid = joined.participant.unwrap().sid;
    for (identity, sid) in [("ann", "PA_00000000000"), ("eve", sid.as_str()), ("ann", "x")] {
        let mut client = resume(&world, identity, sid).await;
        let leave = client.leave().await;
        assert_eq!(leave.action(), proto::leave_request::Action::Reconnect, "{identity} {sid}");
        assert_eq!(leave.reason(), proto::DisconnectReason::StateMismatch);
    }
    ann.send(Request::Ping(1)).await;
    assert!(matches!(ann.next().await, Response::Pong(_)), "ann's own session is untouched");
}

#[tokio::test]
async fn a_client_that_does_not_come_back_is_gone() {
    let resume_grace = Duration::from_millis(50);
    let world = World::with(Config { resume_grace, ..Config::default() }).await;
    let (mut ann, _) = world.join("ann").await;
    let (mut bob, _) = world.join("bob").await;
    bob.offer(1, &["data"]).await;
    let leg = world.node.take(opened).await;
    drop(bob);
    let gone = ann.sees(|info| info.state() == proto::participant_info::State::Disconnected).await;
    assert_eq!(gone.identity, "bob");
    let closed = |command: &Command| match command {
        Command::CloseLeg { leg } => Some(*leg),
        _ => None,
    };
    assert_eq!(world.node.take(closed).await, leg);
}

#[tokio::test]
async fn a_client_that_believes_in_lost_tracks_starts_over() {
    let world = World::new().await;
    let (mut ann, _) = world.join("ann").await;
    let track = proto::TrackInfo { sid: "TR_00000000000".into(), ..Default::default() };
    let published = proto::TrackPublishedResponse { cid: "mic".into(), track: Some(track) };
    let sync = proto::SyncState { publish_tracks: vec![published], ..Default::default() };
    ann.send(Request::SyncState(sync)).await;
    let leave = ann.leave().await;
    assert_eq!(leave.action(), proto::leave_request::Action::Reconnect);
    assert_eq!(leave.reason(), proto::DisconnectReason::StateMismatch);
}

#[tokio::test]
async fn a_lost_media_path_sends_the_client_back() {
    let world = World::new().await;
    let (mut ann, _) = world.join("ann").await;
    ann.offer(1, &["data"]).await;
    let leg = world.node.take(opened).await;
    world.event(Event::LegDown { leg, end: LegEnd::ConsentLost });
    let leave = ann.leave().await;
    assert_eq!(leave.action(), proto::leave_request::Action::Reconnect);
    assert!(ann.read().await.is_err());
}

#[tokio::test]
async fn scenarios_are_simulated() {
    use proto::leave_request::Action;
    use proto::simulate_scenario::Scenario;
    let world = World::new().await;
    let simulate =
        |scenario| Request::Simulate(proto::SimulateScenario { scenario: Some(scenario) });
    let (mut ann, joined) = world.join("ann").await;
    ann.send(simulate(Scenario::SpeakerUpdate(1))).await;
    for active in [true, false] {
        let speaker = ann.until(|message| match message {
            Response::SpeakersChanged(changed) => changed.speakers.first().cloned(),
            _ => None,
        });
        assert_eq!(speaker.await.active, active);
    }
    ann.send(simulate(Scenario::Migration(true))).await;
    assert_eq!(ann.leave().await.action(), Action::Resume);
    ann.send(simulate(Scenario::LeaveRequestFullReconnect(true))).await;
    assert_eq!(ann.leave().await.action(), Action::Reconnect);
    ann.send(simulate(Scenario::SwitchCandidateProtocol(1))).await;
    let reason = ann.response().await.reason();
    assert_eq!(reason, proto::request_response::Reason::UnsupportedType);
    ann.send(simulate(Scenario::DisconnectSignalOnResume(true))).await;
    while ann.read().await.is_ok() {}
    let sid = joined.participant.unwrap().sid;
    let mut ann = resume(&world, "ann", &sid).await;
    assert!(matches!(ann.next().await, Response::Reconnect(_)));
    while ann.read().await.is_ok() {}
    let mut ann = resume(&world, "ann", &sid).await;
    assert!(matches!(ann.next().await, Response::Reconnect(_)));
    ann.send(simulate(Scenario::NodeFailure(true))).await;
    while ann.read().await.is_ok() {}
    let mut ann = resume(&world, "ann", &sid).await;
    assert_eq!(ann.leave().await.action(), Action::Reconnect);
}
