//! Older clients: two peer connections, and we offer one of them.

use super::*;

async fn dual(world: &World, identity: &str, more: &str) -> Client {
    let token = world.token(identity);
    let path = format!("/rtc?access_token={token}&auto_subscribe=1&sdk=js&protocol=15{more}");
    world.connect(&path).await.unwrap()
}

async fn offered(client: &mut Client) -> proto::SessionDescription {
    client
        .until(|message| match message {
            Response::Offer(offer) => Some(offer),
            _ => None,
        })
        .await
}

/// An answer to our offer: all sections taken, media received.
fn answer(offer: &proto::SessionDescription) -> proto::SessionDescription {
    let sections: Vec<_> = offer
        .sdp
        .split("m=")
        .skip(1)
        .map(|section| match section {
            section if section.starts_with("application") => "data".to_string(),
            section if section.starts_with("audio") => "audio recvonly".to_string(),
            _ => "video recvonly".to_string(),
        })
        .collect();
    let sections: Vec<_> = sections.iter().map(String::as_str).collect();
    let mut answer = super::offer(offer.id, &sections);
    answer.r#type = "answer".into();
    answer.sdp = answer.sdp.replace("actpass", "active");
    answer
}

#[tokio::test]
async fn the_receiving_connection_is_offered_at_once() {
    let world = World::new().await;
    let mut ann = dual(&world, "ann", "").await;
    let Response::Join(joined) = ann.next().await else { panic!() };
    assert!(joined.subscriber_primary);
    let offer = offered(&mut ann).await;
    assert!(offer.sdp.contains("m=application") && offer.r#type == "offer");
    let channels = |command: &Command| match command {
        Command::OpenLeg(open) => match open.connection {
            Connection::Ice { opens_channels, .. } => Some(opens_channels),
            _ => None,
        },
        _ => None,
    };
    assert!(world.node.take(channels).await, "whoever offers opens the channels");
    ann.send(Request::Answer(answer(&offer))).await;
    let remote = |command: &Command| matches!(command, Command::SetRemote { .. }).then_some(());
    world.node.take(remote).await;
    ann.offer(1, &["data"]).await;
    assert!(!world.node.take(channels).await);
}

#[tokio::test]
async fn tracks_are_offered_as_they_come() {
    let world = World::new().await;
    let mut bob = dual(&world, "bob", "").await;
    let first = offered(&mut bob).await;
    let (mut ann, _) = world.join("ann").await;
    let track = ann.publish_audio("mic-1").await;
    // While the first offer waits, there is no second.
    bob.sees(|info| !info.tracks.is_empty()).await;
    bob.send(Request::Answer(answer(&first))).await;
    let second = offered(&mut bob).await;
    assert!(second.id > first.id);
    assert!(second.mid_to_track_id.values().any(|sid| *sid == track.sid));
    bob.send(Request::Answer(answer(&second))).await;
    let egress = |command: &Command| matches!(command, Command::AddEgress { .. }).then_some(());
    world.node.take(egress).await;
}

#[tokio::test]
async fn a_track_on_a_reused_section_is_named_by_its_stream() {
    let world = World::new().await;
    let mut bob = dual(&world, "bob", "").await;
    let mut last = offered(&mut bob).await;
    bob.send(Request::Answer(answer(&last))).await;
    for (who, reused) in [("ann", false), ("cat", true)] {
        let (mut publisher, _) = world.join(who).await;
        let track = publisher.publish_audio("mic").await;
        last = offered(&mut bob).await;
        let mid = last.mid_to_track_id.iter().find(|(_, sid)| **sid == track.sid).unwrap().0;
        assert_eq!(mid, "1");
        // A browser keeps the label that the section had first.
        assert_eq!(last.sdp.contains(&format!("|{} ", track.sid)), reused, "{}", last.sdp);
        bob.send(Request::Answer(answer(&last))).await;
        publisher.send(Request::Leave(proto::LeaveRequest::default())).await;
        last = offered(&mut bob).await;
        assert!(last.mid_to_track_id.is_empty());
        bob.send(Request::Answer(answer(&last))).await;
    }
}

#[tokio::test]
async fn a_resume_restarts_the_receiving_connection() {
    let world = World::new().await;
    let mut ann = dual(&world, "ann", "").await;
    let Response::Join(joined) = ann.next().await else { panic!() };
    let first = offered(&mut ann).await;
    ann.send(Request::Answer(answer(&first))).await;
    let remote = |command: &Command| matches!(command, Command::SetRemote { .. }).then_some(());
    world.node.take(remote).await;
    drop(ann);
    let sid = joined.participant.unwrap().sid;
    let mut ann = dual(&world, "ann", &format!("&reconnect=1&sid={sid}")).await;
    assert!(matches!(ann.next().await, Response::Reconnect(_)));
    let second = offered(&mut ann).await;
    let ufrag = |sdp: &str| sdp.split("a=ice-ufrag:").nth(1).unwrap()[..8].to_string();
    assert_ne!(ufrag(&first.sdp), ufrag(&second.sdp));
    let fresh = |command: &Command| match command {
        Command::SetRemote { local, .. } => local.clone(),
        _ => None,
    };
    world.node.take(fresh).await;
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_is_not_fatal() {
    let world = World::new().await;
    let mut ann = dual(&world, "ann", "").await;
    let offer = offered(&mut ann).await;
    let sdp = "nonsense".to_string();
    ann.send(Request::Answer(proto::SessionDescription { sdp, ..answer(&offer) })).await;
    ann.send(Request::Ping(1)).await;
    ann.until(|message| matches!(message, Response::Pong(_)).then_some(())).await;
}
