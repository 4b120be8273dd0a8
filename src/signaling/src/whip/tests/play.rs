//! What a WHEP client gets.

use offhook_types::{Mid, TrackId};

use super::*;

/// An offer of receiving sections, audio and video in turn.
fn pairs(many: usize) -> String {
    let mut offer = Description::parse(PLAY).unwrap();
    let pair = offer.sections.clone();
    offer.sections = std::iter::repeat_n(pair, many).flatten().collect();
    offer.bundle.clear();
    for (index, section) in offer.sections.iter_mut().enumerate() {
        section.mid = Mid::new(index.to_string().as_bytes());
        offer.bundle.extend(section.mid);
    }
    offer.to_string()
}

/// Who is heard and seen in which section.
async fn playing(stage: &Stage, leg: LegId, many: usize) -> Vec<(String, String)> {
    let told = stage.until(|told| egress(told, leg).len() == many).await;
    let people = stage.people().await;
    let owner = |track: TrackId| {
        let has = |person: &&Arc<ParticipantView>| person.tracks.iter().any(|t| t.id == track);
        people.iter().find(has).map(|person| person.identity.clone()).unwrap_or_default()
    };
    let mut all: Vec<_> = egress(&told, leg)
        .into_iter()
        .map(|egress| (egress.mid.to_string(), owner(egress.track)))
        .collect();
    all.sort();
    all
}

fn expect(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|&(mid, who)| (mid.to_owned(), who.to_owned())).collect()
}

#[tokio::test]
async fn sections_are_filled_in_the_order_of_publication_but_not_with_ones_own() {
    let stage = Stage::new();
    for identity in ["ann", "me", "bob"] {
        stage.publish(identity).await;
    }
    let answer = stage.post("/whep/lobby", "me", &pairs(2)).await;
    let description = answer.description();
    assert!(description.sections.iter().all(|section| section.direction.sends()));
    let all = [("0", "ann"), ("1", "ann"), ("2", "bob"), ("3", "bob")];
    assert_eq!(playing(&stage, LegId(4), 4).await, expect(&all));
    for egress in egress(&stage.told(), LegId(4)) {
        let section = description.section(egress.mid).unwrap();
        assert_eq!(section.sources[0].ssrc, egress.ssrc, "as the client was told");
        assert_eq!(section.msids[0].track, Some(egress.track.to_string()));
    }
    let people = stage.people().await;
    assert_eq!(people.len(), 3, "one participant, whatever the number of sessions");
}

#[tokio::test]
async fn tracks_come_and_go_without_another_offer() {
    let stage = Stage::new();
    let answer = stage.post("/whep/lobby", "me", &pairs(1)).await;
    let told = |index: usize| answer.description().sections[index].sources[0].ssrc;
    assert!(egress(&stage.told(), LegId(1)).is_empty());
    let ann = stage.publish("ann").await;
    assert_eq!(playing(&stage, LegId(1), 2).await, expect(&[("0", "ann"), ("1", "ann")]));
    stage.publish("bob").await;
    assert_eq!(stage.delete(ann.location(), "ann").await, StatusCode::OK);
    let bobs = |told: &Vec<Command>| {
        let all = egress(told, LegId(1));
        all.len() == 2 && all.iter().all(|egress| egress.source == LegId(3))
    };
    let mut all = egress(&stage.until(bobs).await, LegId(1));
    all.sort_by_key(|egress| egress.mid);
    let found: Vec<_> = all.iter().map(|egress| egress.ssrc).collect();
    assert_eq!(found, [told(0), told(1)], "under the numbers announced at first");
}

#[tokio::test]
async fn playback_is_narrowed_by_participant_and_track() {
    let stage = Stage::new();
    stage.publish("ann").await;
    stage.publish("bob").await;
    let people = stage.people().await;
    let bob = people.iter().find(|person| person.identity == "bob").unwrap();
    let video = &bob.tracks[1];
    let by_id = format!("/whep/lobby?track={}", video.id);
    for (leg, path, expected) in [
        (3, "/whep/lobby?participant=bob", &[("0", "bob"), ("1", "bob")][..]),
        (4, by_id.as_str(), &[("1", "bob")]),
        (5, "/whep/lobby?participant=nobody", &[]),
        (6, "/whep/lobby?track=no-such-name", &[]),
    ] {
        stage.post(path, "me", &pairs(2)).await.location();
        let found = playing(&stage, LegId(leg), expected.len()).await;
        assert_eq!(found, expect(expected), "{path}");
    }
}

#[tokio::test]
async fn a_track_is_found_by_its_name_also_when_it_comes_later() {
    let stage = Stage::new();
    stage.post("/whep/lobby?track=slides", "me", &pairs(1)).await.location();
    let grant = Claims::join("lobby", "ann").grant(Some("lobby")).unwrap();
    let join = grant.into_join(RoomDoor::Livekit, Receive::None);
    let (seat, _, _notices) = stage.rooms.join(join).await.unwrap();
    for name in ["camera", "slides"] {
        let mut request = offhook_call::room::TrackRequest::new(name, MediaKind::Video);
        request.name = name.into();
        let track = seat.add_track(request).await.unwrap().id;
        let published = offhook_call::room::Published {
            track,
            leg: LegId(99),
            mid: None,
            layers: vec![(None, None)],
            mime: "video/VP8".into(),
        };
        seat.publish(published).await.unwrap();
        if name == "slides" {
            let told = stage.until(|told| !egress(told, LegId(1)).is_empty()).await;
            let all = egress(&told, LegId(1));
            assert_eq!((all.len(), all[0].track), (1, track));
        }
    }
}

#[tokio::test]
async fn a_mute_by_an_administrator_reaches_the_node() {
    let stage = Stage::new();
    stage.publish("ann").await;
    let track = stage.people().await[0].tracks[0].id;
    let mute = Admin::Mute { room: "lobby".into(), identity: "ann".into(), track, muted: true };
    stage.rooms.admin(mute).await.unwrap();
    let muted = Command::SetMuted { leg: LegId(1), track, muted: true };
    stage.until(|told| told.contains(&muted)).await;
}
