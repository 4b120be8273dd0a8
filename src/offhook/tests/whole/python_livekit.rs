//! Two participants through the Python LiveKit SDK hear and see each other.

use std::process::{Command, Stdio};

use crate::server::Server;

#[test]
fn two_python_participants_hear_and_see_each_other() {
    let server = Server::start("");
    let url = format!("ws://127.0.0.1:{}", server.http);
    let join = |identity: &str| {
        Command::new(crate::server::python())
            .arg(crate::server::peer("livekit_peer.py"))
            .args([&url, &server.token("python", identity)])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("python starts")
    };
    let (alice, bob) = (join("alice"), join("bob"));
    for (peer, other) in [(alice, "bob"), (bob, "alice")] {
        let output = peer.wait_with_output().expect("python ends");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
        assert!(
            said.contains(&format!("\"audio\": [\"{other}\"], \"video\": [\"{other}\"]")),
            "{said}"
        );
    }
}
