//! A store that does not do its part for a while: its disk is full, another program has its lock, it may only be read,
//! it is slow. Calls in progress are billed from evidence, new ones are refused, and the same process serves calls
//! again afterwards.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::{CONFIG, CREDIT, booked, charged, number, stage, talk};
use crate::caller::Caller;
use crate::server::{Server, http, peer, python};

const TROUBLE: &str = "the store cannot answer now";
const TALKER: &str = "+13035550101";
const OTHER: &str = "+13035550102";

#[test]
fn a_full_disk_refuses_calls_until_there_is_room() {
    story(Full::begin);
}

#[test]
fn a_lock_that_another_program_keeps_refuses_calls_until_it_is_given_back() {
    story(|server| Lock::take(server, &[]));
}

#[test]
fn a_store_that_may_only_be_read_refuses_calls_until_it_may_be_written() {
    story(ReadOnly::begin);
}

#[test]
fn a_slow_store_delays_calls_and_refuses_none() {
    let (server, carrier) = stage();
    let mut people = [Caller::sign_up(&server, TALKER), Caller::sign_up(&server, OTHER)];
    // Most commits wait for a third of a second.
    let slow = Lock::take(&server, &["350", "100"]);
    for round in 0..2 {
        let to = [0, 1].map(|who| number(2 * round + who, "02"));
        let calls = [0, 1].map(|who| people[who].call(&to[who]));
        for (who, person) in people.iter_mut().enumerate() {
            person.wait("accepted");
            carrier.wait_for(carrier.invited(&to[who]), "heard");
            person.hang_up(&calls[who]);
            assert_eq!(person.wait("ended")["cause"], "CALL_CAUSE_HUNG_UP");
        }
    }
    let records = server.closed_records(4);
    drop(slow);
    assert_eq!(2 * CREDIT - booked(&server, TALKER) - booked(&server, OTHER), charged(&records));
    assert!(records.iter().all(|record| record["proof"] == "hang_up"), "{records:#?}");
    server.assert_at_rest();
}

#[test]
fn a_call_that_ended_while_the_disk_was_full_is_closed_by_the_next_start() {
    let (mut server, carrier) = stage();
    server.expect(TROUBLE);
    let (mut talker, _, id) = talk(&server, &carrier, TALKER, &number(1, "01"));
    carrier.wait_for(id, "heard");
    let full = Full::begin(&server);
    talker.wait("ended");
    let server = server.kill_and_restart(CONFIG);
    drop(full);
    let records = server.closed_records(1);
    assert_eq!(records.len(), 1, "{records:?}");
    assert_eq!(records[0]["proof"], "last_media", "{records:?}");
    assert_eq!(CREDIT - booked(&server, TALKER), charged(&records));
    server.assert_at_rest();
}

/// Somebody talks and somebody calls while the store has a trouble, which ends when it is dropped.
fn story<T>(begin: impl FnOnce(&Server) -> T) {
    let (mut server, carrier) = stage();
    server.expect(TROUBLE);
    let to = number(1, "01");
    let mut other = Caller::sign_up(&server, OTHER);
    other.ask("balance", json!({}));
    let (mut talker, call, id) = talk(&server, &carrier, TALKER, &to);
    carrier.wait_for(id, "heard");
    let trouble = begin(&server);
    assert_refused(&mut other);
    // No more money can be set aside: the call ends when what was set aside does.
    let ended = talker.wait("ended");
    assert_eq!(ended["cause"], "CALL_CAUSE_SERVER", "{ended}");
    carrier.wait_for(id, "bye");
    drop(trouble);
    let records = server.closed_records(1);
    let record = records.iter().find(|record| record["to_number"] == to).expect("its record");
    assert!(record["sell_amount_micros"].as_i64() > Some(0), "{record}");
    assert_eq!(CREDIT - booked(&server, TALKER), charged(&records));
    assert_in_history_once(&server, &mut talker, &call);
    server.assert_at_rest();
    // And calls can be made again.
    let call = other.call(&number(2, "17"));
    other.wait("accepted");
    other.hang_up(&call);
    other.wait("ended");
    assert_in_history_once(&server, &mut other, &call);
    server.assert_at_rest();
}

/// A call is refused, or ends at once, and says that it is the server's fault.
fn assert_refused(caller: &mut Caller) {
    let place = json!({"number": number(5, "01"), "media": "CALL_MEDIA_AUDIO",
        "via": "CALL_VIA_PHONE"});
    let reply = caller.ask("place", place);
    if reply["placed"].is_object() {
        let ended = caller.wait("ended");
        assert_eq!(ended["cause"], "CALL_CAUSE_SERVER", "{ended}");
    } else {
        assert_eq!(reply["error"]["code"], "ERROR_CODE_UNAVAILABLE", "{reply}");
    }
}

/// The call itself, beside what it cost, is closed too: only then is it history.
fn assert_in_history_once(server: &Server, caller: &mut Caller, call: &str) {
    let entries = server.until("history of the call", || {
        std::thread::sleep(BETWEEN_QUESTIONS);
        let reply = caller.ask("history", json!({}));
        let calls = reply["history"]["calls"].as_array().cloned().unwrap_or_default();
        let same: Vec<Value> = calls.into_iter().filter(|entry| entry["callId"] == call).collect();
        (!same.is_empty()).then_some(same)
    });
    assert_eq!(entries.len(), 1, "{entries:?}");
    assert!(entries[0]["acceptedAt"].is_string(), "it was answered: {entries:?}");
}

/// A device that asks more often than twenty times a second for long is shut out.
const BETWEEN_QUESTIONS: Duration = Duration::from_millis(100);

/// Files of the server may not grow, which its kernel holds it to (RLIMIT_FSIZE): every write fails as on a full disk.
struct Full(u32);

impl Full {
    fn begin(server: &Server) -> Self {
        limit(server.pid(), "0");
        Self(server.pid())
    }
}

impl Drop for Full {
    fn drop(&mut self) {
        limit(self.0, "unlimited");
    }
}

fn limit(pid: u32, bytes: &str) {
    let soft = format!("--fsize={bytes}:");
    let mut prlimit = Command::new("prlimit");
    // The process may have ended.
    let _ = prlimit.args(["--pid", &pid.to_string(), &soft]).stderr(Stdio::null()).status();
}

/// Another program that has the lock.
struct Lock(Child);

impl Lock {
    /// For good, or by turns: milliseconds with and without it.
    fn take(server: &Server, turns: &[&str]) -> Self {
        let mut child = Command::new(python())
            .arg(peer("store_lock.py"))
            .arg(server.store())
            .args(turns)
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python starts");
        let mut said = String::new();
        let output = child.stdout.take().expect("its output");
        let _ = BufReader::new(output).read_line(&mut said);
        assert_eq!(said, "held\n");
        Self(child)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The files may be read and not written. A process that has them open goes on writing whatever their permissions say,
/// so it is made to open them again: by a write that fails.
struct ReadOnly(Vec<PathBuf>);

impl ReadOnly {
    fn begin(server: &Server) -> Self {
        let path = server.store().display().to_string();
        // Not the index beside them, which is mapped: the kernel would kill whoever writes to it.
        let files = ["", "-wal"].map(|end| PathBuf::from(format!("{path}{end}")));
        let full = Full::begin(server);
        let only = Self(files.to_vec());
        only.protect(true);
        for _ in 0..2 {
            let plan = json!({"deck": "sell"}).to_string();
            let kind = [("content-type", "application/json")];
            let answer = http(server.admin, "PUT", "/v1/plans/other", &kind, &plan);
            assert!(answer.as_ref().is_some_and(|a| a.status >= 500), "{answer:?}");
        }
        drop(full);
        only
    }

    /// Root may write whatever the permissions say, and is stopped by an attribute of the files.
    fn protect(&self, on: bool) {
        let done = |command: &str, how: &str| {
            let status = Command::new(command).arg(how).args(&self.0).status();
            status.is_ok_and(|status| status.success())
        };
        let (mode, attribute) = if on { ("0400", "+i") } else { ("0600", "-i") };
        let root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n");
        assert!(if root { done("chattr", attribute) } else { done("chmod", mode) });
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        self.protect(false);
    }
}
