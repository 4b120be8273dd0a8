//! A disk that is full: nothing can be written for a while. Files of the server may not grow past a limit that its
//! kernel holds it to (RLIMIT_FSIZE), so that every write fails as on a full disk.

use super::{CONFIG, CREDIT, booked, charged, number, stage, talk};
use crate::caller::Caller;
use crate::server::Server;

const TROUBLE: &str = "the store cannot answer now";

#[test]
fn new_calls_are_refused_and_those_in_progress_are_closed_once_there_is_room_again() {
    let (mut server, carrier) = stage();
    server.expect(TROUBLE);
    let to = number(1, "01");
    let (mut talker, _, id) = talk(&server, &carrier, "+13035550101", &to);
    let mut other = Caller::sign_up(&server, "+13035550102");
    other.ask("balance", serde_json::json!({}));
    limit(&server, "0");
    assert_refused(&mut other);
    // No more money can be set aside: the call ends when what was set aside does.
    let ended = talker.wait("ended");
    assert_eq!(ended["cause"], "CALL_CAUSE_SERVER", "{ended}");
    carrier.wait_for(id, "bye");
    limit(&server, "unlimited");
    let records = server.closed_records(1);
    let record = records.iter().find(|record| record["to_number"] == to).expect("its record");
    assert!(record["sell_amount_micros"].as_i64() > Some(0), "{record}");
    assert_eq!(CREDIT - booked(&server, "+13035550101"), charged(&records));
    server.assert_at_rest();
    // And calls can be made again.
    let to = number(2, "17");
    other.call(&to);
    other.wait("accepted");
}

#[test]
fn a_call_that_ended_while_the_disk_was_full_is_closed_by_the_next_start() {
    let (mut server, carrier) = stage();
    server.expect(TROUBLE);
    let (mut talker, _, id) = talk(&server, &carrier, "+13035550101", &number(1, "01"));
    carrier.wait_for(id, "heard");
    limit(&server, "0");
    talker.wait("ended");
    let server = server.kill_and_restart(CONFIG);
    let records = server.closed_records(1);
    assert_eq!(records.len(), 1, "{records:?}");
    assert_eq!(records[0]["proof"], "last_media", "{records:?}");
    assert_eq!(CREDIT - booked(&server, "+13035550101"), charged(&records));
    server.assert_at_rest();
}

/// A call is refused, or ends at once, and says that it is the server's fault.
fn assert_refused(caller: &mut Caller) {
    let place = serde_json::json!({"number": number(5, "01"), "media": "CALL_MEDIA_AUDIO",
        "via": "CALL_VIA_PHONE"});
    let reply = caller.ask("place", place);
    if reply["placed"].is_object() {
        let ended = caller.wait("ended");
        assert_eq!(ended["cause"], "CALL_CAUSE_SERVER", "{ended}");
    } else {
        assert_eq!(reply["error"]["code"], "ERROR_CODE_UNAVAILABLE", "{reply}");
    }
}

/// How far files of the server may grow from now on.
fn limit(server: &Server, bytes: &str) {
    let pid = server.pid().to_string();
    let soft = format!("--fsize={bytes}:");
    let done = std::process::Command::new("prlimit").args(["--pid", &pid, &soft]).status();
    assert!(done.is_ok_and(|status| status.success()));
}
