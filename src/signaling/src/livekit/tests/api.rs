//! The server API.

use axum::body::Body;
use axum::http::Request as Http;

use super::*;

fn admin() -> Claims {
    let video = VideoGrant {
        room: "cellar".into(),
        room_admin: true,
        room_create: true,
        room_list: true,
        ..VideoGrant::default()
    };
    Claims { video, ..Claims::default() }
}

async fn json(world: &World, claims: &Claims, method: &str, body: &str) -> (u16, String) {
    let token = world.sign(claims);
    let request = Http::post(format!("/twirp/livekit.RoomService/{method}"))
        .header("Authorization", format!("Bearer {token}"))
        .header("Content-Type", "application/json")
        .body(Body::from(body.to_owned()));
    let (status, body) = world.http(request.unwrap()).await;
    (status, String::from_utf8(body).unwrap())
}

#[tokio::test]
async fn rooms_are_made_listed_and_ended() {
    let world = World::new().await;
    let call = |method, body| json(&world, CLAIMS.get_or_init(admin), method, body);
    static CLAIMS: std::sync::OnceLock<Claims> = std::sync::OnceLock::new();
    let made = call("CreateRoom", r#"{"name":"cellar","empty_timeout":60,"metadata":"m"}"#).await;
    assert_eq!(made.0, 200);
    let room: proto::Room = serde_json::from_str(&made.1).unwrap();
    assert_eq!(
        (room.name.as_str(), room.empty_timeout, room.metadata.as_str()),
        ("cellar", 60, "m")
    );
    let listed = call("ListRooms", "{}").await.1;
    let listed: proto::ListRoomsResponse = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed.rooms.len(), 1);
    let changed = call("UpdateRoomMetadata", r#"{"room":"cellar","metadata":"n"}"#).await;
    assert!(changed.1.contains(r#""n""#), "{}", changed.1);
    assert_eq!(call("DeleteRoom", r#"{"room":"cellar"}"#).await, (200, "{}".into()));
    let (status, body) = call("DeleteRoom", r#"{"room":"cellar"}"#).await;
    assert_eq!(status, 404);
    assert!(body.contains(r#""code":"not_found""#), "{body}");
    assert!(body.contains("requested room does not exist"));
}

#[tokio::test]
async fn participants_are_managed() {
    let world = World::new().await;
    let (mut ann, _) = world.join("ann").await;
    let (mut bob, _) = world.join("bob").await;
    let track = ann.publish_audio("mic-1").await;
    let claims = admin();
    let call = |method, body: String| {
        let (world, claims) = (&world, &claims);
        async move { json(world, claims, method, &body).await }
    };
    let listed = call("ListParticipants", r#"{"room":"cellar"}"#.into()).await.1;
    let listed: proto::ListParticipantsResponse = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed.participants.len(), 2);

    let who = r#"{"room":"cellar","identity":"ann"}"#;
    let got: proto::ParticipantInfo =
        serde_json::from_str(&call("GetParticipant", who.into()).await.1).unwrap();
    assert_eq!(got.tracks[0].sid, track.sid);

    let mute =
        format!(r#"{{"room":"cellar","identity":"ann","track_sid":"{}","muted":true}}"#, track.sid);
    assert_eq!(call("MutePublishedTrack", mute).await.0, 200);
    let muted = ann.until(|message| match message {
        Response::Mute(mute) => Some(mute),
        _ => None,
    });
    assert_eq!(muted.await, proto::MuteTrackRequest { sid: track.sid, muted: true });

    let update = r#"{"room":"cellar","identity":"bob","name":"Robert",
        "permission":{"can_subscribe":true}}"#;
    assert_eq!(call("UpdateParticipant", update.into()).await.0, 200);
    ann.sees(|info| info.name == "Robert" && !info.permission.as_ref().unwrap().can_publish).await;

    let who = r#"{"room":"cellar","identity":"bob"}"#;
    assert_eq!(call("RemoveParticipant", who.into()).await.0, 200);
    let reason = bob.leave().await.reason();
    assert_eq!(reason, proto::DisconnectReason::ParticipantRemoved);
    assert_eq!(call("RemoveParticipant", who.into()).await.0, 404);
}

#[tokio::test]
async fn protobuf_bodies_work_too() {
    let world = World::new().await;
    let body = proto::CreateRoomRequest { name: "attic".into(), ..Default::default() };
    let request = Http::post("/twirp/livekit.RoomService/CreateRoom")
        .header("Authorization", format!("Bearer {}", world.sign(&admin())))
        .header("Content-Type", "application/protobuf")
        .body(Body::from(body.encode_to_vec()));
    let (status, body) = world.http(request.unwrap()).await;
    assert_eq!(status, 200);
    assert_eq!(proto::Room::decode(body.as_slice()).unwrap().name, "attic");
}

#[tokio::test]
async fn grants_decide_method_by_method() {
    let world = World::new().await;
    let (_ann, _) = world.join("ann").await;
    let joiner = Claims::join("cellar", "eve");
    let mut elsewhere = admin();
    elsewhere.video.room = "attic".into();
    elsewhere.video.room_create = false;
    elsewhere.video.room_list = false;
    let who = r#"{"room":"cellar","identity":"ann"}"#;
    for method in [
        "CreateRoom",
        "ListRooms",
        "DeleteRoom",
        "ListParticipants",
        "GetParticipant",
        "RemoveParticipant",
        "MutePublishedTrack",
        "UpdateParticipant",
        "UpdateSubscriptions",
        "SendData",
        "UpdateRoomMetadata",
    ] {
        let body = match method {
            "CreateRoom" | "ListRooms" => "{}",
            "DeleteRoom" | "ListParticipants" | "SendData" | "UpdateRoomMetadata" => {
                r#"{"room":"cellar"}"#
            }
            _ => who,
        };
        for claims in [&joiner, &elsewhere] {
            let (status, text) = json(&world, claims, method, body).await;
            assert_eq!(status, 403, "{method}");
            assert!(text.contains("permission_denied"), "{method}: {text}");
        }
    }
}

#[tokio::test]
async fn errors_have_twirps_shape() {
    let world = World::new().await;
    let (status, body) = json(&world, &admin(), "CreateRoom", "{").await;
    assert_eq!(status, 400);
    assert!(body.contains(r#""code":"malformed""#), "{body}");
    let (status, body) = json(&world, &admin(), "BrewCoffee", "{}").await;
    assert!((status, body.contains("bad_route")) == (404, true));
    let request = Http::post("/twirp/livekit.RoomService/ListRooms").body(Body::empty());
    let (status, body) = world.http(request.unwrap()).await;
    assert!(status == 401 && String::from_utf8(body).unwrap().contains("unauthenticated"));
}
