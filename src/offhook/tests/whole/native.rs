//! Native clients over QUIC meet each other and browsers' protocols in one room; what they must not do costs them,
//! not others.

use std::process::{Command, Output};

use crate::server::{KEY, SECRET};
use crate::server::{Server, binary, http};

/// Run a publisher and a player until the player has enough.
fn pair(server: &Server, room: &str, arguments: &[&str]) -> Output {
    let program = binary().with_file_name("offhook-loadtest");
    assert!(program.exists(), "build it first: cargo build --bin offhook-loadtest");
    Command::new(program)
        .args(["quic", "--url", &format!("http://127.0.0.1:{}", server.http)])
        .args(["--key", KEY, "--secret", SECRET, "--room", room])
        .args(arguments)
        .output()
        .expect("the clients start")
}

fn check(server: &Server, room: &str, arguments: &[&str]) {
    let output = pair(server, room, arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
}

fn metric(server: &Server, line: &str) -> u64 {
    let metrics = http(server.admin, "GET", "/metrics", &[], "").expect("metrics").body;
    let value = metrics.lines().find_map(|l| l.strip_prefix(line));
    value.and_then(|v| v.trim().parse::<f64>().ok()).unwrap_or(0.0) as u64
}

fn event(server: &Server, kind: &str) -> u64 {
    metric(server, &format!("offhook_quic_events_total{{kind=\"{kind}\"}}"))
}

#[test]
fn native_clients_and_browsers_see_each_other() {
    let server = Server::start("");
    check(&server, "both-native", &["--publish", "quic", "--play", "quic"]);
    check(&server, "native-publishes", &["--publish", "quic", "--play", "webrtc"]);
    check(&server, "native-plays", &["--publish", "webrtc", "--play", "quic"]);
    assert_eq!(event(&server, "connections"), 4);
    assert!(event(&server, "packets_sent") >= 600);
}

#[test]
fn a_native_client_goes_on_under_another_address_and_new_keys() {
    let server = Server::start("");
    check(&server, "restless", &["--restless", "--packets", "900"]);
    assert_eq!(event(&server, "migrations"), 2);
    assert_eq!(event(&server, "connections"), 2, "nobody connected again");
}

#[test]
fn the_place_to_connect_is_told_to_those_with_a_token_only() {
    let server = Server::start("");
    let ask = |token: &str| {
        let bearer = format!("Bearer {token}");
        http(server.http, "GET", "/quic/demo", &[("authorization", &bearer)], "")
            .expect("an answer")
    };
    let told = ask(&server.token("demo", "alice"));
    assert_eq!(told.status, 200);
    let told: serde_json::Value = serde_json::from_str(&told.body).expect("JSON");
    assert_eq!(told["alpn"], "roq-14-offhook-1");
    assert_eq!(told["certificate_sha256"].as_str().map(str::len), Some(64));
    assert!(told["port"].as_u64().is_some_and(|port| port > 0));
    assert_eq!(ask("nonsense").status, 401);
    assert!(matches!(ask(&server.token("other", "alice")).status, 401 | 403));
    assert!(server.log().contains("QUIC shows a certificate of its own"));
}
