//! The carrier as whole-binary tests start it: a process that tells where it listens, and ends when told to.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

#[test]
fn it_tells_where_it_listens_and_quits_when_told() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_offhook-loadtest"))
        .args(["carrier", "--listen", "127.0.0.1:0"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let told: serde_json::Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(told["event"], "listening");
    assert!(told["address"].as_str().unwrap().starts_with("127.0.0.1:"));
    child.stdin.take().unwrap().write_all(b"quit\n").unwrap();
    assert!(child.wait().unwrap().success());
}
