//! Who gets in, and what they learn.

use super::*;

#[tokio::test]
async fn a_newcomer_learns_all_that_clients_need() {
    let world = World::new().await;
    let (mut ann, first) = world.join("ann").await;
    let (_bob, joined) = world.join("bob").await;
    let room = joined.room.unwrap();
    assert!(room.sid.starts_with("RM_") && room.name == "cellar" && room.creation_time > 0);
    let you = joined.participant.unwrap();
    assert!(you.sid.starts_with("PA_") && you.identity == "bob");
    assert!(you.permission.unwrap().can_publish);
    assert_eq!(joined.other_participants.len(), 1);
    assert_eq!(joined.other_participants[0].sid, first.participant.unwrap().sid);
    assert!((joined.ping_timeout, joined.ping_interval) == (15, 5));
    assert!(!joined.subscriber_primary && joined.ice_servers.is_empty());
    assert!(!joined.server_info.unwrap().version.is_empty());
    let mimes: Vec<_> = joined.enabled_publish_codecs.iter().map(|c| c.mime.as_str()).collect();
    for mime in ["audio/opus", "video/VP8", "video/H264", "video/VP9", "video/AV1"] {
        assert!(mimes.contains(&mime), "{mime}");
    }
    let seen = ann.sees(|info| info.identity == "bob").await;
    assert_eq!(seen.sid, you.sid);
}

#[tokio::test]
async fn tokens_decide_before_anything_is_opened() {
    let world = World::new().await;
    let other = Keys::new([("devkey".into(), "another secret, just as long".into())]);
    let forged = other.mint(&Claims::join("cellar", "eve"), Duration::from_secs(60)).unwrap();
    let old = world.keys.mint(&Claims::join("cellar", "eve"), Duration::ZERO).unwrap();
    let useless = Claims { sub: "eve".into(), ..Claims::default() };
    let useless = world.sign(&useless);
    for (token, status, text) in [
        ("", 401, "missing"),
        ("nonsense", 401, "invalid authorization token"),
        (&forged, 401, "invalid authorization token"),
        (&old, 401, "expired"),
        (&useless, 403, "permissions denied"),
    ] {
        for path in ["/rtc", "/rtc/v1"] {
            let query = format!("{path}?access_token={token}");
            assert_eq!(world.connect(&query).await.err(), Some(status), "{query}");
            let (got, body) = world.get(&query.replacen('?', "/validate?", 1)).await;
            assert_eq!(got, status, "{query}");
            assert!(body.contains(text), "{body}");
        }
    }
    assert_eq!(world.counted(Misdeed::BadToken), 10);
    let good = world.token("ann");
    let (status, body) = world.get(&format!("/rtc/v1/validate?access_token={good}")).await;
    assert_eq!((status, body.as_str()), (200, "success"));
    let wrong = format!("/rtc/v1/validate?access_token={good}&join_request=!!");
    assert_eq!(world.get(&wrong).await.0, 400);
    assert!(world.rooms.list(Vec::new()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_token_may_come_in_the_header() {
    let world = World::new().await;
    let request = axum::http::Request::get("/rtc/validate")
        .header("Authorization", format!("Bearer {}", world.token("ann")))
        .body(axum::body::Body::empty());
    assert_eq!(world.http(request.unwrap()).await.0, 200);
}

#[tokio::test]
async fn the_same_identity_sends_the_older_client_away() {
    let world = World::new().await;
    let (mut older, _) = world.join("ann").await;
    let (_newer, _) = world.join("ann").await;
    let leave = older.leave().await;
    assert_eq!(leave.reason(), proto::DisconnectReason::DuplicateIdentity);
    assert_eq!(leave.action(), proto::leave_request::Action::Disconnect);
    assert!(older.read().await.is_err());
}

#[tokio::test]
async fn leaving_is_told_with_its_reason() {
    let world = World::new().await;
    let (mut ann, _) = world.join("ann").await;
    let (mut bob, _) = world.join("bob").await;
    bob.send(Request::Leave(proto::LeaveRequest::default())).await;
    let gone = ann.sees(|info| info.state() == proto::participant_info::State::Disconnected).await;
    assert_eq!(gone.identity, "bob");
    assert_eq!(gone.disconnect_reason(), proto::DisconnectReason::ClientInitiated);
    assert!(bob.read().await.is_err());
}

#[tokio::test]
async fn pings_are_answered_in_both_forms() {
    let world = World::new().await;
    let (mut ann, _) = world.join("ann").await;
    ann.send(Request::Ping(1)).await;
    ann.send(Request::PingReq(proto::Ping { timestamp: 42, rtt: 0 })).await;
    assert!(matches!(ann.next().await, Response::Pong(_)));
    let Response::PongResp(pong) = ann.next().await else { panic!() };
    assert_eq!(pong.last_ping_timestamp, 42);
}

#[tokio::test]
async fn a_client_that_speaks_json_is_answered_in_json() {
    let world = World::new().await;
    let (mut ann, _) = world.join("ann").await;
    ann.raw(Message::Text(r#"{"pingReq":{"timestamp":"42"}}"#.into())).await;
    loop {
        let read = tokio::time::timeout(DEADLINE, ann.socket.next()).await.unwrap().unwrap();
        if let Message::Text(text) = read.unwrap() {
            let message: proto::SignalResponse = serde_json::from_str(text.as_str()).unwrap();
            let Some(Response::PongResp(pong)) = message.message else { continue };
            assert_eq!(pong.last_ping_timestamp, 42);
            return;
        }
    }
}

#[tokio::test]
async fn clients_get_fresh_tokens() {
    let refresh = Duration::from_millis(20);
    let world = World::with(Config { token_refresh: refresh, ..Config::default() }).await;
    let (mut ann, _) = world.join("ann").await;
    let token = ann.until(|message| match message {
        Response::RefreshToken(token) => Some(token),
        _ => None,
    });
    let claims = world.keys.verify(&token.await).unwrap();
    assert_eq!(claims.grant(Some("cellar")).unwrap().identity, "ann");
}

#[tokio::test]
async fn descriptions_change_where_the_token_allows_it() {
    let world = World::new().await;
    let (mut ann, _) = world.join("ann").await;
    let video = VideoGrant {
        room: "cellar".into(),
        room_join: true,
        can_update_own_metadata: Some(true),
        ..VideoGrant::default()
    };
    let claims = Claims { sub: "bob".into(), video, ..Claims::default() };
    let said = proto::JoinRequest { metadata: "hello".into(), ..proto::JoinRequest::default() };
    let (mut bob, joined) = world.join_as(&world.sign(&claims), said).await;
    assert_eq!(joined.participant.unwrap().metadata, "hello");
    let update = |request_id| {
        let name = "Robert".to_string();
        let update = proto::UpdateParticipantMetadata { name, request_id, ..Default::default() };
        Request::UpdateMetadata(update)
    };
    bob.send(update(3)).await;
    let response = bob.response().await;
    assert_eq!((response.request_id, response.reason), (3, 0));
    ann.sees(|info| info.identity == "bob" && info.name == "Robert").await;
    ann.send(update(4)).await;
    let response = ann.response().await;
    let denied = proto::request_response::Reason::NotAllowed;
    assert_eq!((response.request_id, response.reason()), (4, denied));
}

#[tokio::test]
async fn a_rooms_end_ends_its_sessions() {
    let world = World::new().await;
    let (mut ann, _) = world.join("ann").await;
    world.rooms.delete("cellar", offhook_call::room::Left::RoomDeleted).await.unwrap();
    assert_eq!(ann.leave().await.reason(), proto::DisconnectReason::RoomDeleted);
    let (mut bob, _) = world.join("bob").await;
    world.rooms.stop().await;
    let leave = bob.leave().await;
    assert_eq!(leave.reason(), proto::DisconnectReason::ServerShutdown);
    assert!(bob.read().await.is_err());
}
