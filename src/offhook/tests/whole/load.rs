//! The load tool plays a scenario of two rooms against the real server, over WHIP and WHEP in one and through the
//! LiveKit door in the other, and its report says what came. The same tool says no when the scenario asks for too much.

use std::process::{Command, Output};

use serde_json::Value;

use crate::server::{KEY, SECRET, Server, binary};

const SCENARIO: &str = r#"
name = "tiny"
about = "Two rooms, two doors."
seed = 7
settle_s = 1
measure_s = 2

[track.camera]
codec = "vp8"
kbps = 300
key_every_s = 1

[track.microphone]
codec = "opus"

[link.far]
both = [{ delay_ms = 10, loss = 0.02 }]

[[group]]
name = "speaker"
room = "standard"
count = 1
publish = ["camera", "microphone"]

[[group]]
name = "listener"
room = "standard"
count = 2
watch = ["audio", "video"]

[[group]]
name = "stream"
room = "standard"
count = 1
wire = "tcp"
watch = ["audio", "video"]

[[group]]
name = "app"
room = "app"
count = 2
door = "livekit"
publish = ["camera", "microphone"]
watch = ["audio", "video"]
messages = { every_ms = 50, reliable = true }

[[group]]
name = "far"
room = "app"
count = 1
door = "livekit"
watch = ["audio", "video"]
messages = { reliable = true }
link = "far"

[expect]
min_joined = 1
"#;

/// Play a scenario against the server.
pub fn play(server: &Server, scenario: &str) -> Output {
    let file = server.store().with_file_name("tiny.toml");
    std::fs::write(&file, scenario).expect("the scenario");
    let program = binary().with_file_name("offhook-loadtest");
    assert!(program.exists(), "build it first: cargo build --bin offhook-loadtest");
    Command::new(program)
        .arg("run")
        .arg(&file)
        .args(["--url", &format!("http://127.0.0.1:{}", server.http)])
        .args(["--key", KEY, "--secret", SECRET, "--json", "-"])
        .arg("--html")
        .arg(file.with_extension("html"))
        .output()
        .expect("the load tool runs")
}

#[test]
fn a_scenario_is_played_through_both_doors_and_reported() {
    let server = Server::start("");
    let output = play(&server, SCENARIO);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stdout));
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    let totals = &report["totals"];
    assert_eq!(totals["joins"], 7, "{said}");
    assert_eq!(totals["failures"], Value::Array(Vec::new()));
    let people = report["participants"].as_array().expect("participants");
    let person = |identity: &str| {
        let found = people.iter().find(|person| person["identity"] == identity);
        found.unwrap_or_else(|| panic!("no {identity} in {people:?}"))
    };
    let receivers = ["listener-0-0", "listener-0-1", "stream-0-0", "app-0-0", "app-0-1", "far-0-0"];
    for identity in receivers {
        let person = person(identity);
        for figure in ["received", "shown", "streams"] {
            assert!(person[figure].as_u64() > Some(0), "{identity} {figure}: {person}");
        }
        assert!(person["first_ms"].is_number() && person["delay_ms"].is_array(), "{person}");
    }
    assert_eq!(person("stream-0-0")["path"], "whip tcp");
    assert_eq!(person("far-0-0")["path"], "livekit udp far");
    assert_eq!(person("far-0-0")["streams"], 2, "both cameras of the room");
    // There and back over the link, and the server's answer between.
    assert!(person("far-0-0")["rtt_ms"].as_f64() >= Some(20.0));
    assert!(totals["messages"]["heard"].as_u64() > Some(0), "{totals}");
    assert!(totals["frames_shown"].as_u64() <= totals["frames_complete"].as_u64());
    let page = std::fs::read_to_string(server.store().with_file_name("tiny.html")).expect("a page");
    assert!(page.contains("<svg") && page.ends_with("</html>"));
}

#[test]
fn a_bound_that_is_broken_or_a_file_that_is_wrong_is_told_by_the_exit_code() {
    let server = Server::start("");
    let bound = SCENARIO.replace("min_joined = 1", "min_fps = 1000");
    let output = play(&server, &bound);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    assert_eq!(report["verdicts"][0]["bound"], "min_fps");
    assert_eq!(report["verdicts"][0]["holds"], false);

    let output = play(&server, &SCENARIO.replace("seed = 7", "seeds = 7"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("tiny.toml:4: unknown field `seeds`"), "{said}");
}
