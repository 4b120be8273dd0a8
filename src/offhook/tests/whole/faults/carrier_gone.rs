//! A carrier that does not do its part: it answers no BYE, its BYE gets lost, it sends nothing.

use super::{CREDIT, SECOND, booked, leave, number, stage, talk};

const ADA: &str = "+13035550101";

#[test]
fn a_carrier_that_answers_no_bye_leaves_nothing_open() {
    let (server, carrier) = stage();
    let (mut caller, call, id) = talk(&server, &carrier, ADA, &number(1, "12"));
    carrier.wait_for(id, "heard");
    caller.hang_up(&call);
    caller.wait("ended");
    // The BYE is repeated for half a minute; the record does not wait for that.
    let records = server.closed_records(1);
    assert_eq!(
        (&records[0]["proof"], &records[0]["ended_by"]),
        (&"hang_up".into(), &"caller".into())
    );
    assert!(records[0]["sell_amount_micros"].as_i64() > Some(0), "{records:?}");
    assert_eq!(CREDIT - booked(&server, ADA), records[0]["sell_amount_micros"]);
}

#[test]
fn a_call_whose_carrier_vanished_is_billed_until_the_last_sound() {
    let (server, mut carrier) = stage();
    let (mut caller, _, id) = talk(&server, &carrier, ADA, &number(1, "01"));
    carrier.wait_for(id, "heard");
    // Nobody will say BYE.
    carrier.vanish();
    let ended = caller.wait("ended");
    assert_eq!(ended["cause"], "CALL_CAUSE_CONNECTION_LOST", "{ended}");
    let record = server.closed_records(1).remove(0);
    assert_eq!((&record["proof"], &record["ended_by"]), (&"media_lost".into(), &"network".into()));
    // The silence before the end was noticed, two seconds, is not in it.
    let seconds = |field: &str| record[field].as_i64().expect("a number");
    assert!(seconds("talked_ms") > 0, "{record}");
    let (answered, last) = (instant(&record["answered_at"]), instant(&record["last_in_at"]));
    let shown = last - answered;
    assert!((seconds("talked_ms") - shown).abs() <= ROUNDING_MS, "{shown} ms: {record}");
    assert_eq!(CREDIT - booked(&server, ADA), seconds("sell_amount_micros"));
    server.assert_at_rest();
}

#[test]
fn a_carrier_that_answers_and_sends_nothing_is_hung_up_and_costs_nothing() {
    let (server, carrier) = stage();
    let (mut caller, _, id) = talk(&server, &carrier, ADA, &number(1, "15"));
    caller.wait("ended");
    carrier.wait_for(id, "bye");
    let record = server.closed_records(1).remove(0);
    assert_eq!(record["proof"], "media_lost", "{record}");
    assert_eq!(record["sell_amount_micros"], 0, "nothing was heard: {record}");
    assert_eq!(booked(&server, ADA), CREDIT);
    server.assert_at_rest();
}

#[test]
fn a_bye_of_the_carrier_that_crosses_the_cut_off_is_charged_once() {
    let (server, mut carrier) = stage();
    let mut caller = crate::caller::Caller::sign_up(&server, ADA);
    caller.ask("balance", serde_json::json!({}));
    leave(&server, ADA, 3 * SECOND, "poor");
    let to = number(1, "01");
    caller.call(&to);
    caller.wait("accepted");
    caller.wait("warning");
    let id = carrier.invited(&to);
    // The warning comes a second before the end, so both ends are near each other.
    std::thread::sleep(std::time::Duration::from_millis(995));
    carrier.tell(&format!("hangup {id}"));
    caller.wait("ended");
    carrier.wait_for(id, "ended");
    let record = server.closed_records(1).remove(0);
    assert_eq!(record["sell_amount_micros"], 3 * SECOND, "{record}");
    assert_eq!(booked(&server, ADA), 0);
    server.assert_at_rest();
}

/// Between the clock of the records and the one that calls are measured with.
const ROUNDING_MS: i64 = 50;

/// Milliseconds within a day of `2026-01-01T10:00:00.000Z`.
fn instant(text: &serde_json::Value) -> i64 {
    let time = text.as_str().and_then(|text| text.split_once('T')).expect("a time").1;
    let mut parts = time.trim_end_matches('Z').split(':').map(|part| part.parse::<f64>());
    let mut next = || parts.next().and_then(Result::ok).expect("a part of a time");
    ((next() * 3600.0 + next() * 60.0 + next()) * 1000.0).round() as i64
}
