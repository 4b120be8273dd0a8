//! Status by status.

use super::*;

/// One request, told in the difference to one that works.
struct Try<'a> {
    path: &'a str,
    token: Option<String>,
    content_type: &'a str,
    body: &'a str,
}

#[tokio::test]
async fn each_way_to_be_wrong_has_its_status() {
    let stage = Stage::new();
    let token = || Some(stage.token("ann"));
    let good = || Try { path: "/whip/lobby", token: token(), content_type: SDP, body: PUBLISH };
    let without = |what: &str| {
        let mut claims = Claims::join("lobby", "ann");
        match what {
            "publish" => claims.video.can_publish = Some(false),
            "subscribe" => claims.video.can_subscribe = Some(false),
            _ => claims.video.room_join = false,
        }
        Some(stage.mint(claims))
    };
    let big = "a".repeat(65 * 1024);
    let no_ice = PUBLISH.replace("a=ice-ufrag", "a=x").replace("a=ice-pwd", "a=y");
    let no_mux = PUBLISH.replace("a=rtcp-mux", "a=x");
    let tries = [
        (Try { content_type: "text/plain", ..good() }, 415),
        (Try { content_type: "", ..good() }, 415),
        (Try { content_type: "Application/SDP; charset=utf-8", ..good() }, 201),
        (Try { token: None, ..good() }, 401),
        (Try { token: Some("nonsense".into()), ..good() }, 401),
        (Try { path: "/whip/elsewhere", ..good() }, 403),
        (Try { token: without("publish"), ..good() }, 403),
        (Try { token: without("join"), ..good() }, 403),
        (Try { token: without("subscribe"), path: "/whep/lobby", body: PLAY, ..good() }, 403),
        (Try { token: without("publish"), path: "/whep/lobby", body: PLAY, ..good() }, 201),
        (Try { body: "", ..good() }, 400),
        (Try { body: "v=0\r\nhello", ..good() }, 400),
        (Try { body: &big, ..good() }, 413),
        (Try { body: &no_ice, ..good() }, 422),
        (Try { body: &no_mux, ..good() }, 406),
        (Try { body: PLAY, ..good() }, 406),
        (Try { path: "/whep/lobby", ..good() }, 406),
    ];
    for (index, (it, status)) in tries.into_iter().enumerate() {
        let bearer: Vec<(&str, &str)> =
            it.token.iter().map(|token| ("authorization", token.as_str())).collect();
        let request = request(Method::POST, it.path, &bearer, (it.content_type, it.body));
        let answer = stage.send(request).await;
        assert_eq!(answer.status.as_u16(), status, "case {index}: {}", answer.body);
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert_eq!(answer.header("www-authenticate").is_empty(), status != 401);
    }
}

#[tokio::test]
async fn other_methods_are_not_allowed_and_preflight_is_answered() {
    let stage = Stage::new();
    let path = stage.publish("ann").await.location().to_owned();
    for (path, allowed) in
        [("/whip/lobby", "POST"), ("/whep/lobby", "POST"), (path.as_str(), "PATCH")]
    {
        for method in [Method::GET, Method::HEAD, Method::PUT] {
            let answer = stage.send(request(method, path, &[], ("", ""))).await;
            assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
            assert!(answer.header("allow").contains(allowed), "{}", answer.header("allow"));
        }
        let answer = stage.send(request(Method::OPTIONS, path, &[], ("", ""))).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT);
        assert!(answer.header("access-control-allow-methods").contains(allowed));
        assert!(answer.header("access-control-allow-headers").contains("Authorization"));
        let exposed = answer.header("access-control-expose-headers");
        assert!(["Location", "ETag", "Link"].iter().all(|name| exposed.contains(name)));
    }
}

#[tokio::test]
async fn a_full_server_says_when_to_come_back_and_leaves_nothing_behind() {
    let full = |answer: Answer| {
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.header("retry-after"), "5");
    };
    let stage = Stage::with(Config { max_sessions: 1, ..Config::default() });
    stage.node.places.store(0, Ordering::SeqCst);
    full(stage.post("/whip/lobby", "ann", PUBLISH).await);
    stage.node.places.store(9, Ordering::SeqCst);
    stage.node.takes.store(2, Ordering::SeqCst);
    full(stage.post("/whip/lobby", "ann", PUBLISH).await);
    stage.node.takes.store(u64::MAX, Ordering::SeqCst);
    assert_eq!((stage.events.attached(), stage.whip.sessions()), (0, 0));

    let answer = stage.publish("ann").await;
    full(stage.post("/whip/lobby", "bob", PUBLISH).await);
    assert_eq!(stage.delete(answer.location(), "ann").await, StatusCode::OK);
    stage.until_sessions(0).await;
    let people = stage.people().await;
    assert!(people.iter().all(|person| person.tracks.is_empty()), "{people:?}");
}

#[tokio::test]
async fn a_room_name_is_escaped_in_the_location() {
    let stage = Stage::new();
    let token = stage.mint(Claims::join("caf\u{e9} 1/2", "ann"));
    let path = "/whip/caf%C3%A9%201%2F2";
    let bearer = [("authorization", token.as_str())];
    let answer = stage.send(request(Method::POST, path, &bearer, (SDP, PUBLISH))).await;
    assert!(answer.location().starts_with("/whip/caf%C3%A9%201%2F2/"), "{}", answer.location());
    let request = request(Method::DELETE, answer.location(), &bearer, ("", ""));
    assert_eq!(stage.send(request).await.status, StatusCode::OK);
}

/// PATCH with this If-Match.
async fn patch(stage: &Stage, path: &str, matched: Option<&str>, body: &str) -> Answer {
    let token = stage.token("ann");
    let mut headers = vec![("authorization", token.as_str())];
    headers.extend(matched.map(|tag| ("if-match", tag)));
    stage.send(request(Method::PATCH, path, &headers, (FRAGMENT, body))).await
}

#[tokio::test]
async fn candidates_are_read_and_restarts_answered() {
    let stage = Stage::new();
    let opened = stage.publish("ann").await;
    let (path, etag) = (opened.location(), opened.header("etag"));
    let offered = Description::parse(PUBLISH).unwrap().sections[0].ice.clone().unwrap();
    let trickle = format!(
        "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n\
         a=candidate:1 1 udp 2122260223 192.0.2.1 61764 typ host\r\na=end-of-candidates\r\n",
        offered.ufrag, offered.pwd
    );
    let restart = "a=ice-ufrag:new1\r\na=ice-pwd:0123456789012345678901\r\n";
    for (matched, body, status) in [
        (Some(etag), trickle.as_str(), 204),
        (Some("*"), trickle.as_str(), 204),
        (Some("\"other\", \"tag\""), trickle.as_str(), 412),
        (Some("\"other\""), restart, 412),
        (None, trickle.as_str(), 428),
        (Some(etag), "nonsense", 400),
        (Some(etag), "a=candidate:x", 400),
    ] {
        let answer = patch(&stage, path, matched, body).await;
        assert_eq!(answer.status.as_u16(), status, "{matched:?} {body}");
    }
    let before = stage.told().len();
    let answer = patch(&stage, path, Some("*"), restart).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), FRAGMENT);
    assert_ne!(answer.header("etag"), etag);
    let fragment = offhook_wire::sdp::Fragment::parse(&answer.body).unwrap();
    let told = stage.told();
    let [Command::SetRemote { remote, local, .. }] = &told[before..] else { panic!("{told:?}") };
    assert_eq!(remote.ice.ufrag, "new1");
    assert!(fragment.ice.is_some() && fragment.ice == *local);
    assert_eq!(fragment.candidates.len(), 1);
    assert_eq!(patch(&stage, path, Some(etag), &trickle).await.status.as_u16(), 412, "the old tag");
}

#[tokio::test]
async fn a_session_is_its_owners_alone() {
    let stage = Stage::new();
    let opened = stage.publish("ann").await;
    let id = opened.location().rsplit('/').next().unwrap().to_owned();
    let ann = stage.token("ann");
    let bob = stage.token("bob");
    let elsewhere = stage.mint(Claims::join("elsewhere", "ann"));
    let inside = format!("/whip/lobby/{id}");
    for (path, token, status) in [
        (inside.clone(), None, 401),
        (inside.clone(), Some(&bob), 403),
        (inside.clone(), Some(&elsewhere), 403),
        (format!("/whip/elsewhere/{id}"), Some(&elsewhere), 404),
        (format!("/whep/lobby/{id}"), Some(&ann), 404),
        ("/whip/lobby/unknown".to_owned(), Some(&ann), 404),
    ] {
        let bearer: Vec<(&str, &str)> =
            token.iter().map(|token| ("authorization", token.as_str())).collect();
        for method in [Method::DELETE, Method::PATCH] {
            let request = request(method, &path, &bearer, (FRAGMENT, ""));
            assert_eq!(stage.send(request).await.status.as_u16(), status, "{path}");
        }
    }
    assert_eq!(stage.whip.sessions(), 1);
    let request = request(Method::PATCH, &inside, &[("authorization", &ann)], (SDP, ""));
    assert_eq!(stage.send(request).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}
