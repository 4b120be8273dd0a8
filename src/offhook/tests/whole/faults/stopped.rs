//! A server that is asked to stop ends its calls: the carrier hears it, and every record is closed.

use super::{CONFIG, CREDIT, booked, charged, number, stage, talk};

#[test]
fn calls_in_progress_are_hung_up_and_their_records_closed() {
    let (mut server, carrier) = stage();
    let people = ["+13035550101", "+13035550102", "+13035550103"];
    let does = ["01", "02", "17"];
    let talking: Vec<_> = people
        .iter()
        .zip(does)
        .enumerate()
        .map(|(serial, (person, does))| talk(&server, &carrier, person, &number(serial, does)))
        .collect();
    // One more that only rings.
    let mut waiting = crate::caller::Caller::sign_up(&server, "+13035550104");
    waiting.call(&number(9, "04"));
    waiting.wait("ringing");
    assert!(server.terminate(), "{}", server.log());
    for (_, _, id) in &talking {
        carrier.wait_for(*id, "bye");
    }
    let cancelled = carrier.wait_for(carrier.invited(&number(9, "04")), "ended");
    assert_eq!(cancelled["answered"], false, "{cancelled}");
    let check = server.tool(&["ledger", "check", "--json"]);
    let said: serde_json::Value = serde_json::from_slice(&check.stdout).expect("JSON");
    assert_eq!((&said["closed"], &said["open"]), (&4.into(), &0.into()), "{said}");
    // The records say so, and not a restart that put them in order.
    let server = server.kill_and_restart(CONFIG);
    let records = server.closed_records(4);
    let proofs: Vec<_> = records.iter().map(|record| record["proof"].as_str()).collect();
    assert!(proofs.iter().all(|p| matches!(p, Some("hang_up" | "cancel"))), "{records:#?}");
    let spent: i64 = people.iter().map(|person| CREDIT - booked(&server, person)).sum();
    assert_eq!(spent, charged(&records), "{records:#?}");
    server.assert_at_rest();
}
