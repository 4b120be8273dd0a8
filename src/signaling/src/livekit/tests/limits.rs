//! Clients that are broken, greedy or slow.

use super::*;

#[tokio::test]
async fn unknown_requests_are_answered_and_not_fatal() {
    let world = World::new().await;
    let (mut ann, _) = world.join("ann").await;
    // A request of field 500 that no version of the protocol knows.
    ann.raw(Message::Binary(vec![0xa2, 0x1f, 0x01, 0x00].into())).await;
    let unsupported = proto::request_response::Reason::UnsupportedType;
    assert_eq!(ann.response().await.reason(), unsupported);
    let publish = proto::PublishDataTrackRequest { pub_handle: 5, ..Default::default() };
    ann.send(Request::PublishDataTrackRequest(publish)).await;
    let response = ann.response().await;
    assert_eq!(response.reason(), unsupported);
    let Some(proto::request_response::Request::PublishDataTrack(echo)) = response.request else {
        panic!()
    };
    assert_eq!(echo.pub_handle, 5);
    let blob = proto::GetDataBlobRequest { request_id: 7, ..Default::default() };
    ann.send(Request::GetDataBlobRequest(blob)).await;
    assert_eq!(ann.response().await.request_id, 7);
}

#[tokio::test]
async fn a_few_malformed_messages_are_forgiven_and_many_are_not() {
    let world = World::new().await;
    let (mut ann, _) = world.join("ann").await;
    let malformed = || Message::Binary(vec![0xff; 9].into());
    ann.raw(malformed()).await;
    ann.send(Request::Ping(1)).await;
    assert!(matches!(ann.next().await, Response::Pong(_)));
    for _ in 0..20 {
        let _ = ann.socket.send(malformed()).await;
    }
    ann.leave().await;
    assert!(world.counted(Misdeed::Malformed) >= 8);
    match ann.read().await {
        Err(Some(frame)) => assert_eq!(u16::from(frame.code), 1003),
        // The rest of the flood may have reset the connection before the frame was read.
        Err(None) => (),
        Ok(message) => panic!("{message:?}"),
    }
}

#[tokio::test]
async fn malformed_descriptions_are_answered() {
    let world = World::new().await;
    let (mut ann, _) = world.join("ann").await;
    for sdp in ["", "v=0", "\u{0}", "v=0\r\nm=audio"] {
        let offer = proto::SessionDescription { sdp: sdp.into(), ..offer(1, &[]) };
        ann.send(Request::Offer(offer)).await;
        let reason = ann.response().await.reason();
        assert_eq!(reason, proto::request_response::Reason::InvalidRequest, "{sdp}");
    }
    ann.offer(2, &["data"]).await;
}

#[tokio::test]
async fn a_flood_of_messages_ends_the_session() {
    let config = Config { messages_per_s: 1, message_burst: 20, ..Config::default() };
    let world = World::with(config).await;
    let (mut ann, _) = world.join("ann").await;
    for _ in 0..100 {
        let request = proto::SignalRequest { message: Some(Request::Ping(1)) };
        let bytes = request.encode_to_vec().into();
        if ann.socket.send(Message::Binary(bytes)).await.is_err() {
            break;
        }
    }
    assert_eq!(ann.leave().await.action(), proto::leave_request::Action::Disconnect);
}

#[tokio::test]
async fn an_oversized_message_ends_the_connection() {
    let world = World::with(Config { max_message_bytes: 10_000, ..Config::default() }).await;
    let (mut ann, _) = world.join("ann").await;
    let _ = ann.socket.send(Message::Binary(vec![0; 20_000].into())).await;
    while ann.read().await.is_ok() {}
}

#[tokio::test]
async fn sessions_are_limited() {
    let world = World::with(Config { max_sessions: 1, ..Config::default() }).await;
    let (_ann, _) = world.join("ann").await;
    let token = world.token("bob");
    let mut bob = world.connect(&v1(&token, &proto::JoinRequest::default())).await.unwrap();
    assert_eq!(bob.leave().await.reason(), proto::DisconnectReason::JoinFailure);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_disconnected() {
    let world = World::with(Config { outgoing: 4, ..Config::default() }).await;
    let (mut ann, _) = world.join("ann").await;
    let (_bob, _) = world.join("bob").await;
    // Bob never reads. Each change tells him two kilobytes, which fill the socket's buffers and
    // then his channel.
    let gone = async {
        for round in 0u64.. {
            let change = offhook_call::room::Describe {
                metadata: Some(format!("{round}{}", "x".repeat(60_000))),
                ..Default::default()
            };
            let (room, identity) = ("cellar".to_string(), "ann".to_string());
            let admin = offhook_call::room::Admin::Describe { room, identity, change };
            world.rooms.admin(admin).await.unwrap();
            let seen = ann.sees(|info| info.identity == "ann" || info.identity == "bob").await;
            if seen.identity == "bob" && seen.state == 3 {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone).await.expect("bob is still there");
}

#[tokio::test]
async fn a_session_ends_with_everything_it_had() {
    let world = World::new().await;
    let (mut ann, _) = world.join("ann").await;
    ann.publish_audio("mic-1").await;
    assert_eq!((world.door.sessions(), world.events.attached()), (1, 1));
    ann.send(Request::Leave(proto::LeaveRequest::default())).await;
    while ann.read().await.is_ok() {}
    world.node.take(|command| matches!(command, Command::CloseLeg { .. }).then_some(())).await;
    assert_eq!((world.door.sessions(), world.events.attached()), (0, 0));
}
