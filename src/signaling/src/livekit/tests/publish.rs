//! Publishing and receiving over one peer connection.

use offhook_types::media::{Ingress, Want};
use offhook_types::{Codec, TrackId};

use super::*;

fn ingress(command: &Command) -> Option<(LegId, Ingress)> {
    match command {
        Command::AddIngress { leg, ingress } => Some((*leg, ingress.clone())),
        _ => None,
    }
}

#[tokio::test]
async fn audio_published_by_one_is_received_by_the_other() {
    let world = World::new().await;
    let (mut ann, _) = world.join("ann").await;
    let (mut bob, _) = world.join("bob").await;
    let leg = ann.offer(1, &["data"]).await;
    assert!(leg.sdp.contains("a=ice-lite") && leg.sdp.contains("a=candidate"));
    let ann_leg = world.node.take(opened).await;
    bob.offer(1, &["data", "audio recvonly", "video recvonly"]).await;
    let bob_leg = world.node.take(opened).await;

    let track = ann.add_track(microphone("mic-1")).await;
    assert!(track.sid.starts_with("TR_"));
    assert_eq!(track.source(), proto::TrackSource::Microphone);
    ann.offer(2, &["data", "audio sendonly mic-1"]).await;
    let (leg, ingress) = world.node.take(ingress).await;
    assert_eq!((leg, ingress.track.to_string()), (ann_leg, track.sid.clone()));

    let seen = bob.sees(|info| !info.tracks.is_empty()).await;
    assert_eq!(
        (seen.tracks[0].sid.as_str(), seen.tracks[0].mime_type.as_str()),
        (track.sid.as_str(), "audio/opus")
    );
    // There is a section already, so nothing is asked for but another offer.
    let asked = bob.until(|message| match message {
        Response::MediaSectionsRequirement(asked) => Some((asked.num_audios, asked.num_videos)),
        _ => None,
    });
    assert_eq!(asked.await, (0, 0));
    let answer = bob.offer(2, &["data", "audio recvonly", "video recvonly"]).await;
    assert_eq!(answer.mid_to_track_id.get("1"), Some(&track.sid));
    let stream = format!("a=msid:{}|", seen.sid);
    assert!(answer.sdp.contains(&stream), "{}", answer.sdp);
    let placed = world.node.take(|command| match command {
        Command::AddEgress { leg, egress, want } => Some((*leg, *egress, *want)),
        _ => None,
    });
    let (leg, egress, want) = placed.await;
    assert_eq!((leg, egress.source, want), (bob_leg, ann_leg, Want::BEST));
    ann.until(|message| match message {
        Response::TrackSubscribed(subscribed) => (subscribed.track_sid == track.sid).then_some(()),
        _ => None,
    })
    .await;
}

#[tokio::test]
async fn an_offer_in_the_join_request_is_answered_after_joining() {
    let world = World::new().await;
    let (mut ann, _) = world.join("ann").await;
    let track = ann.publish_audio("mic-1").await;
    let request = proto::JoinRequest {
        publisher_offer: Some(offer(1, &["data", "audio recvonly", "audio recvonly"])),
        ..proto::JoinRequest::default()
    };
    let (mut bob, joined) = world.join_as(&world.token("bob"), request).await;
    assert_eq!(joined.other_participants[0].tracks.len(), 1);
    let Response::Answer(answer) = bob.next().await else { panic!() };
    assert!(answer.mid_to_track_id.values().any(|sid| *sid == track.sid));
}

#[tokio::test]
async fn sections_are_asked_for_when_there_are_none() {
    let world = World::new().await;
    let (mut bob, _) = world.join("bob").await;
    bob.offer(1, &["data", "audio recvonly"]).await;
    let (mut ann, _) = world.join("ann").await;
    ann.add_track(camera("cam-1")).await;
    ann.offer(1, &["data", "video sendonly cam-1 simulcast"]).await;
    let asked = bob.until(|message| match message {
        Response::MediaSectionsRequirement(asked) => Some((asked.num_audios, asked.num_videos)),
        _ => None,
    });
    assert_eq!(asked.await, (0, 1));
    let answer = bob.offer(2, &["data", "audio recvonly", "video recvonly"]).await;
    assert!(answer.mid_to_track_id.contains_key("2"));
}

#[tokio::test]
async fn a_client_that_cannot_make_room_is_not_asked_forever() {
    let world = World::new().await;
    let (mut ann, _) = world.join("ann").await;
    ann.add_track(camera("cam-1")).await;
    ann.offer(1, &["data", "video sendonly cam-1 simulcast"]).await;
    let (mut bob, _) = world.join("bob").await;
    let mut asked = 0;
    for id in 1.. {
        bob.send(Request::Offer(offer(id, &["data"]))).await;
        let hopeless = bob.until(|message| match message {
            Response::MediaSectionsRequirement(_) => Some(false),
            Response::SubscriptionResponse(response) => {
                assert_eq!(response.err(), proto::SubscriptionError::SeCodecUnsupported);
                Some(true)
            }
            _ => None,
        });
        match hopeless.await {
            true => break,
            false => asked += 1,
        }
    }
    assert!((1..=3).contains(&asked), "{asked}");
}

#[tokio::test]
async fn simulcast_layers_go_from_small_to_large() {
    let world = World::new().await;
    let (mut ann, _) = world.join("ann").await;
    ann.add_track(camera("cam-1")).await;
    ann.offer(1, &["data", "video sendonly cam-1 simulcast"]).await;
    let (_, ingress) = world.node.take(ingress).await;
    let rids: Vec<_> = ingress.layers.iter().map(|l| l.rid.unwrap().to_string()).collect();
    assert_eq!(rids, ["q", "h", "f"]);
    let rates: Vec<_> = ingress.layers.iter().map(|layer| layer.rate).collect();
    assert_eq!(rates, [150_000, 500_000, 1_700_000], "as they were told of");
    let seen = ann.sees(|info| !info.tracks.is_empty()).await;
    assert!(seen.tracks[0].simulcast && seen.tracks[0].codecs[0].layers.len() == 3);
}

#[tokio::test]
async fn a_section_under_another_name_is_found_by_its_kind() {
    let world = World::new().await;
    let (mut ann, _) = world.join("ann").await;
    let track = ann.add_track(microphone("as the page names it")).await;
    ann.offer(1, &["data", "audio sendonly {as-the-browser-names-it}"]).await;
    let (_, ingress) = world.node.take(ingress).await;
    assert_eq!(ingress.track.to_string(), track.sid);
}

#[tokio::test]
async fn an_offer_may_come_before_the_announcement() {
    let world = World::new().await;
    let (mut ann, _) = world.join("ann").await;
    ann.offer(1, &["data", "audio sendonly mic-1"]).await;
    let track = ann.add_track(microphone("mic-1")).await;
    let (_, ingress) = world.node.take(ingress).await;
    assert_eq!(ingress.track.to_string(), track.sid);
}

#[tokio::test]
async fn a_second_codec_is_agreed_to_and_left_alone() {
    let world = World::new().await;
    let (mut ann, _) = world.join("ann").await;
    let track = ann.add_track(camera("cam-1")).await;
    ann.offer(1, &["data", "video sendonly cam-1 simulcast"]).await;
    world.node.take(ingress).await;
    let codec = proto::SimulcastCodec { cid: "cam-2".into(), ..Default::default() };
    let second = proto::AddTrackRequest {
        sid: track.sid.clone(),
        simulcast_codecs: vec![codec],
        ..camera("cam-2")
    };
    assert_eq!(ann.add_track(second).await.sid, track.sid);
    ann.add_track(camera("cam-3")).await;
    ann.offer(2, &["data", "video sendonly cam-1 simulcast", "video sendonly cam-2"]).await;
    ann.send(Request::Ping(1)).await;
    ann.until(|message| matches!(message, Response::Pong(_)).then_some(())).await;
    let bound = world.node.commands.lock().unwrap().iter().filter_map(ingress).count();
    assert_eq!(bound, 0, "the section of the second codec is nobody's");
}

#[tokio::test]
async fn unpublishing_by_offer_takes_the_track_away() {
    let world = World::new().await;
    let (mut ann, _) = world.join("ann").await;
    let (mut bob, _) = world.join("bob").await;
    let track = ann.publish_audio("mic-1").await;
    bob.sees(|info| !info.tracks.is_empty()).await;
    ann.offer(2, &["data", "audio inactive", "audio recvonly", "video recvonly"]).await;
    bob.sees(|info| info.identity == "ann" && info.tracks.is_empty()).await;
    let id: TrackId = track.sid.parse().unwrap();
    let removed = |command: &Command| match command {
        Command::RemoveIngress { track, .. } => Some(*track),
        _ => None,
    };
    assert_eq!(world.node.take(removed).await, id);
}

#[tokio::test]
async fn mute_reaches_the_node_and_the_others() {
    let world = World::new().await;
    let (mut ann, _) = world.join("ann").await;
    let (mut bob, _) = world.join("bob").await;
    let sid = ann.publish_audio("mic-1").await.sid;
    ann.send(Request::Mute(proto::MuteTrackRequest { sid: sid.clone(), muted: true })).await;
    bob.sees(|info| info.tracks.iter().any(|track| track.sid == sid && track.muted)).await;
    let muted = |command: &Command| match command {
        Command::SetMuted { track, muted, .. } => Some((track.to_string(), *muted)),
        _ => None,
    };
    assert_eq!(world.node.take(muted).await, (sid, true));
    let foreign = proto::MuteTrackRequest { sid: "TR_00000000000".into(), muted: true };
    ann.send(Request::Mute(foreign)).await;
    let reason = ann.response().await.reason();
    assert_eq!(reason, proto::request_response::Reason::NotFound);
}

#[tokio::test]
async fn settings_and_subscriptions_reach_the_node() {
    let world = World::new().await;
    let (mut ann, _) = world.join("ann").await;
    let sid = ann.add_track(camera("cam-1")).await.sid;
    ann.offer(1, &["data", "video sendonly cam-1 simulcast"]).await;
    let (mut bob, _) = world.join("bob").await;
    bob.offer(1, &["data", "video recvonly"]).await;
    let settings = proto::UpdateTrackSettings {
        track_sids: vec![sid.clone()],
        width: 320,
        height: 180,
        fps: 15,
        priority: 1,
        ..proto::UpdateTrackSettings::default()
    };
    bob.send(Request::TrackSetting(settings)).await;
    let want = |command: &Command| match command {
        Command::SetWant { want, .. } => Some(*want),
        _ => None,
    };
    let want = world.node.take(want).await;
    assert_eq!((want.layer, want.temporal, want.weight.priority), (0, 1, u8::MAX));
    let off = proto::UpdateSubscription { track_sids: vec![sid], ..Default::default() };
    bob.send(Request::Subscription(off)).await;
    let removed = |command: &Command| matches!(command, Command::RemoveEgress { .. }).then_some(());
    world.node.take(removed).await;
}

#[tokio::test]
async fn receivers_learn_what_does_not_fit() {
    let world = World::new().await;
    let (mut ann, _) = world.join("ann").await;
    let sid = ann.add_track(camera("cam-1")).await.sid;
    ann.offer(1, &["data", "video sendonly cam-1 simulcast"]).await;
    let (mut bob, _) = world.join("bob").await;
    bob.offer(1, &["data", "video recvonly"]).await;
    let placed = |command: &Command| match command {
        Command::AddEgress { leg, egress, .. } => Some((*leg, egress.track)),
        _ => None,
    };
    let (leg, track) = world.node.take(placed).await;
    for (paused, state) in [(true, proto::StreamState::Paused), (false, proto::StreamState::Active)]
    {
        world.event(Event::Paused { leg, track, paused });
        let told = bob.until(|message| match message {
            Response::StreamStateUpdate(update) => update.stream_states.first().cloned(),
            _ => None,
        });
        let told = told.await;
        assert_eq!((told.track_sid.as_str(), told.state()), (sid.as_str(), state));
        assert!(told.participant_sid.starts_with("PA_"));
    }
}

#[tokio::test]
async fn publishers_learn_what_nobody_wants() {
    let world = World::new().await;
    let (mut ann, _) = world.join("ann").await;
    ann.add_track(camera("cam-1")).await;
    ann.offer(1, &["data", "video sendonly cam-1 simulcast"]).await;
    let update = ann.until(|message| match message {
        Response::SubscribedQualityUpdate(update) => Some(update),
        _ => None,
    });
    let update = update.await;
    assert!(update.subscribed_qualities.iter().all(|quality| !quality.enabled));
    assert_eq!(update.subscribed_codecs[0].codec, "vp8");
}

#[tokio::test]
async fn the_first_packet_shows_the_real_codec() {
    let world = World::new().await;
    let (mut ann, _) = world.join("ann").await;
    let track = ann.add_track(camera("cam-1")).await.sid.parse().unwrap();
    ann.offer(1, &["data", "video sendonly cam-1 simulcast"]).await;
    let leg = world.node.take(opened).await;
    let codec = Codec::Vp9 { profile: 0 };
    world.event(Event::TrackLive { leg, track, codec, layer: 0 });
    ann.sees(|info| info.tracks.iter().any(|track| track.mime_type == "video/VP9")).await;
}

#[tokio::test]
async fn who_may_not_publish_is_told() {
    let world = World::new().await;
    let mut claims = Claims::join("cellar", "ann");
    claims.video.can_publish = Some(false);
    let (mut ann, _) = world.join_as(&world.sign(&claims), Default::default()).await;
    ann.send(Request::AddTrack(microphone("mic-1"))).await;
    let response = ann.response().await;
    assert_eq!(response.reason(), proto::request_response::Reason::NotAllowed);
    assert!(matches!(response.request, Some(proto::request_response::Request::AddTrack(_))));
}
