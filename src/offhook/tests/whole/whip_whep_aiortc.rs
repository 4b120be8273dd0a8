//! aiortc publishes over WHIP and plays over WHEP; a player that comes before the publisher is filled when it appears.

use std::process::{Child, Command, Stdio};

use crate::server::Server;

fn run(server: &Server, door: &str, identity: &str, seconds: &str) -> Child {
    Command::new(crate::server::python())
        .arg(crate::server::peer("aiortc_peer.py"))
        .arg(door)
        .arg(format!("http://127.0.0.1:{}/{door}/studio", server.http))
        .args([&server.token("studio", identity), "--seconds", seconds])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python starts")
}

fn finish(who: &str, child: Child) {
    let output = child.wait_with_output().expect("python ends");
    assert!(
        output.status.success(),
        "{who}: {}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn what_is_published_over_whip_is_played_over_whep() {
    let server = Server::start("");
    // The early player joins an empty room: its sections are answered and filled later.
    let early = run(&server, "whep", "early", "30");
    let publisher = run(&server, "whip", "publisher", "14");
    let late = run(&server, "whep", "late", "30");
    finish("early player", early);
    finish("late player", late);
    finish("publisher", publisher);
}
