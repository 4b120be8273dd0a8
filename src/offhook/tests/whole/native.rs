//! Native clients over QUIC meet each other and browsers' protocols in one room, behind good and bad links and under
//! changing addresses; what they must not do costs them, not others.

use serde_json::Value;

use crate::load::play;
use crate::server::{Server, http};

/// All cameras together are less than the least that a receiver is taken to be able to receive, so that none is paused
/// however busy the machine is.
const SCENARIO: &str = r#"
name = "native"
about = "Two native clients, a browser and an app; one native client roams, one is far."
settle_s = 1
measure_s = 2

[track.camera]
codec = "vp8"
kbps = 4
fps = 5
key_every_s = 1

[track.simulcast]
codec = "h264"
layers = [{ kbps = 4, width = 320, height = 180 }, { kbps = 8, width = 640, height = 360 }]
fps = 5
key_every_s = 1

[track.microphone]
codec = "opus"
talk = "never"

[link.far]
both = [{ delay_ms = 10, loss = 0.02 }]

[[group]]
name = "native"
count = 2
door = "quic"
publish = ["camera", "microphone"]
watch = ["audio", "video"]

[[group]]
name = "roaming"
count = 1
door = "quic"
publish = ["simulcast"]
watch = ["audio", "video"]
roam_s = 0.5

[[group]]
name = "far"
count = 1
door = "quic"
watch = ["video"]
link = "far"

[[group]]
name = "browser"
count = 1
publish = ["camera"]
watch = ["audio", "video"]

[[group]]
name = "app"
count = 1
door = "livekit"
watch = ["audio", "video"]

[expect]
min_joined = 1
"#;

fn metric(server: &Server, line: &str) -> u64 {
    let metrics = http(server.admin, "GET", "/metrics", &[], "").expect("metrics").body;
    let value = metrics.lines().find_map(|l| l.strip_prefix(line));
    value.and_then(|v| v.trim().parse::<f64>().ok()).unwrap_or(0.0) as u64
}

fn event(server: &Server, kind: &str) -> u64 {
    metric(server, &format!("offhook_quic_events_total{{kind=\"{kind}\"}}"))
}

#[test]
fn native_clients_browsers_and_apps_see_each_other_wherever_they_move() {
    let server = Server::start("");
    let output = play(&server, SCENARIO);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stdout));
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    assert_eq!(report["totals"]["failures"], Value::Array(Vec::new()));
    // Everybody sees every camera but the own one.
    for (identity, path, cameras) in [
        ("native-0-0", "quic udp", 3),
        ("native-0-1", "quic udp", 3),
        ("roaming-0-0", "quic udp", 3),
        ("far-0-0", "quic udp far", 4),
        ("browser-0-0", "whip udp", 3),
        ("app-0-0", "livekit udp", 4),
    ] {
        let people = report["participants"].as_array().expect("participants");
        let person = people.iter().find(|person| person["identity"] == identity);
        let person = person.unwrap_or_else(|| panic!("no {identity} in {people:?}"));
        assert_eq!((&person["path"], &person["streams"]), (&path.into(), &cameras.into()));
        assert!(person["shown"].as_u64() > Some(0) && person["first_ms"].is_number(), "{person}");
        assert!(person["delay_ms"].is_array(), "{person}");
    }
    assert_eq!(event(&server, "connections"), 4, "nobody connected again");
    assert!(event(&server, "migrations") >= 1);
    assert!(event(&server, "packets_sent") > 0);
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
