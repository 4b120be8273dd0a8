//! Starting, stopping, and what the command line says when something is wrong.

use std::process::Command;

use crate::server::{Server, http};

#[test]
fn health_and_metrics_answer_and_every_metric_is_documented() {
    let server = Server::start("");
    for port in [server.http, server.admin] {
        assert_eq!(http(port, "GET", "/healthz", &[], "").map(|a| a.status), Some(200));
        assert_eq!(http(port, "GET", "/readyz", &[], "").map(|a| a.status), Some(200));
    }
    let metrics = http(server.admin, "GET", "/metrics", &[], "").expect("metrics").body;
    let names: Vec<&str> =
        metrics.lines().filter_map(|l| l.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    assert!(names.len() > 3, "{metrics}");
    let documented = include_str!("../../../../docs/METRICS.md");
    let missing: Vec<_> =
        names.iter().filter(|n| !documented.contains(&format!("`{n}`"))).collect();
    assert!(missing.is_empty(), "docs/METRICS.md does not tell of {missing:?}");
    // The public port has no metrics.
    assert_ne!(http(server.http, "GET", "/metrics", &[], "").map(|a| a.body), Some(metrics));
}

#[test]
fn sigterm_ends_it_politely_and_in_time() {
    let mut server = Server::start("");
    assert!(server.terminate(), "{}", server.log());
}

#[test]
fn a_killed_server_starts_again_on_its_data() {
    let server = Server::start("").kill_and_restart("");
    assert_eq!(http(server.admin, "GET", "/readyz", &[], "").map(|a| a.status), Some(200));
}

#[test]
fn a_wrong_configuration_names_the_key_and_the_line() {
    let folder = std::env::temp_dir().join(format!("offhook-config-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("wrong.toml");
    for (text, says) in [
        ("[http]\n\nlistn = \"127.0.0.1:0\"\n", "line 3: unknown field `listn`"),
        ("[media]\nudp_port = \"many\"\n", "line 2"),
        ("[api_keys]\nkey = \"short\"\n", "at least 32 characters"),
        ("[http\n", "line 1"),
    ] {
        std::fs::write(&file, text).expect("the file");
        let output = Command::new(crate::server::binary())
            .args(["serve", "--config"])
            .arg(&file)
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(says), "{said:?} does not say {says:?}");
        assert!(said.contains("wrong.toml"), "{said}");
    }
    let _ = std::fs::remove_dir_all(folder);
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("its number").port();
    let folder = std::env::temp_dir().join(format!("offhook-taken-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("offhook.toml");
    let text = format!(
        "[http]\nlisten = \"127.0.0.1:{port}\"\n[media]\nudp_port = 0\ntcp_ports = [0]\n[store]\npath = \"{}\"\n",
        folder.join("a.db").display()
    );
    std::fs::write(&file, text).expect("the file");
    let output = Command::new(crate::server::binary())
        .args(["serve", "--config"])
        .arg(&file)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains(&port.to_string()), "{said}");
    let _ = std::fs::remove_dir_all(folder);
}

#[test]
fn the_token_tool_refuses_an_unknown_key() {
    let server = Server::start("");
    let output =
        server.tool(&["token", "create", "--room", "r", "--identity", "i", "--key", "nobody"]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("api_keys"));
    assert_eq!(server.token("r", "i").split('.').count(), 3);
}
