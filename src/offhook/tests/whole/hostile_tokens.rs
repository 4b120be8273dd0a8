//! A token opens the room it names, for what it allows, while it is valid, when one of our keys signed it
//! with HS256. Nothing else does.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use offhook_signaling::token::{Claims, Keys};

use crate::server::{KEY, SECRET, Server, http};

fn signed(secret: &str, claims: &Claims, life: u64) -> String {
    let keys = Keys::new([(KEY.to_owned(), secret.to_owned())]);
    keys.mint(claims, Duration::from_secs(life)).expect("a token")
}

/// The same claims under another header, with the signature kept.
fn with_header(token: &str, header: &str) -> String {
    let (_, rest) = token.split_once('.').expect("three parts");
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header))
}

fn status(server: &Server, token: &str) -> (u16, u16) {
    let validate = format!("/rtc/v1/validate?access_token={token}");
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/sdp")];
    let status = |answer: Option<crate::server::Answer>| answer.map_or(0, |a| a.status);
    (
        status(http(server.http, "GET", &validate, &[], "")),
        status(http(server.http, "POST", "/whip/mine", &headers, "v=0\r\n")),
    )
}

#[test]
fn only_a_good_token_for_this_room_opens_it() {
    let server = Server::start("");
    let mine = Claims::join("mine", "me");
    let good = signed(SECRET, &mine, 60);
    let mut no_grant = mine.clone();
    no_grant.video.room_join = false;
    let mut deaf = mine.clone();
    deaf.video.can_publish = Some(false);

    // The description of the WHIP request is no description, so 4xx other than 401 and 403 means that the
    // token was good.
    let (validate, whip) = status(&server, &good);
    assert_eq!(validate, 200);
    assert!(![401, 403].contains(&whip), "{whip}");
    for (what, token) in [
        ("nothing", String::new()),
        ("garbage", "a.b.c".to_owned()),
        ("another secret", signed("another-secret-that-nobody-configured", &mine, 60)),
        ("no algorithm", with_header(&good, r#"{"alg":"none","typ":"JWT"}"#)),
        ("another algorithm", with_header(&good, r#"{"alg":"HS512","typ":"JWT"}"#)),
        ("a cut signature", good[..good.len() - 2].to_owned()),
        ("expired", signed(SECRET, &mine, 0)),
    ] {
        assert_eq!(status(&server, &token), (401, 401), "{what}");
    }
    assert_eq!(status(&server, &signed(SECRET, &no_grant, 60)), (403, 403), "no grant");
    assert_eq!(
        status(&server, &signed(SECRET, &Claims::join("other", "me"), 60)).1,
        403,
        "other room"
    );
    assert_eq!(status(&server, &signed(SECRET, &deaf, 60)).1, 403, "may not publish");
    // The server API needs more than a seat in the room.
    let bearer = format!("Bearer {good}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    for method in [
        "CreateRoom",
        "ListRooms",
        "DeleteRoom",
        "ListParticipants",
        "RemoveParticipant",
        "SendData",
    ] {
        let path = format!("/twirp/livekit.RoomService/{method}");
        let answer = http(server.http, "POST", &path, &headers, r#"{"room":"mine","name":"mine"}"#);
        assert!(
            answer.as_ref().is_some_and(|a| [401, 403].contains(&a.status)),
            "{method}: {answer:?}"
        );
    }
}
