//! SIPp as a carrier, a scenario at a time: what it sees is in its scenario, what is written down is checked here.

use serde_json::{Value, json};

use crate::caller::Caller;
use crate::phone::AREA;
use crate::server::Server;
use crate::sipp::Sipp;

/// What the person with the app does.
#[derive(Clone, Copy, PartialEq)]
enum App {
    /// Hangs up once it is answered.
    HangsUp,
    /// Hangs up once a second phone has answered too, and was turned away.
    HangsUpOnTwo,
    /// Waits for the end.
    Waits,
    /// Takes the call back once it rings.
    TakesBack,
}

/// A call over one trunk to a scenario; its records.
fn call(scenario: &'static str, calls: u32, settings: &Value, app: App) -> Vec<Value> {
    let server = Server::phone("");
    let sipp = Sipp::carrier(&server, scenario, calls);
    server.trunk("carrier", sipp.port, settings);
    let mut caller = Caller::sign_up(&server, "+12025550101");
    talk(&server, &mut caller, app);
    sipp.finish();
    let records = server.closed_records(1);
    server.assert_at_rest();
    records
}

fn talk(server: &Server, caller: &mut Caller, app: App) {
    let id = caller.call(&format!("{AREA}0001"));
    match app {
        App::HangsUp => {
            caller.wait("accepted");
            caller.hang_up(&id);
        }
        App::HangsUpOnTwo => {
            caller.wait("accepted");
            let second = "offhook_gateway_sip_misdeeds_total{kind=\"second_answer\"}";
            server.until("second answer", || (server.metric(second) > 0.0).then_some(()));
            caller.hang_up(&id);
        }
        App::TakesBack => {
            caller.wait("ringing");
            caller.cancel(&id);
        }
        App::Waits => {}
    }
    caller.wait("ended");
}

/// One attempt that ended like this: SIP status, who ended it, what shows it.
fn check(record: &Value, expect: (u64, &str, &str)) {
    let got = (&record["sip_status"], &record["ended_by"], &record["proof"]);
    assert_eq!(got, (&json!(expect.0), &json!(expect.1), &json!(expect.2)), "{record}");
    let answered = record["answered_at"].is_string();
    assert_eq!(answered, expect.0 == 200, "{record}");
    let paid = record["sell_amount_micros"].as_i64();
    let billed = record["sell_billed_s"].as_u64().unwrap_or(0);
    assert_eq!(paid.unwrap_or(0) > 0, billed > 0, "{record}");
}

fn one(scenario: &'static str, settings: &Value, app: App, expect: (u64, &str, &str)) -> Value {
    let mut records = call(scenario, 1, settings, app);
    assert_eq!(records.len(), 1, "{records:?}");
    check(&records[0], expect);
    records.remove(0)
}

const HUNG_UP: (u64, &str, &str) = (200, "caller", "hang_up");
const BY_CARRIER: (u64, &str, &str) = (200, "callee", "bye");

#[test]
fn requests_of_a_call_follow_the_route_that_its_answer_recorded() {
    one("routes", &json!({}), App::HangsUp, HUNG_UP);
}

#[test]
fn early_media_is_agreed_before_the_answer() {
    let record = one("early", &json!({}), App::HangsUp, HUNG_UP);
    assert_eq!(record["carrier_codec"], "pcma", "{record}");
}

#[test]
fn an_answer_that_crosses_a_cancel_is_acknowledged_and_hung_up() {
    let records = call("crossing", 1, &json!({}), App::TakesBack);
    assert_eq!(records.len(), 1, "{records:?}");
    assert_eq!(records[0]["sell_amount_micros"], 0, "{records:?}");
}

#[test]
fn a_number_that_has_moved_is_called_where_it_is() {
    let records = call("moved", 2, &json!({"redirects": true}), App::HangsUp);
    assert_eq!(records.len(), 2, "{records:?}");
    check(&records[0], (302, "network", "response"));
    check(&records[1], HUNG_UP);
    assert_eq!(records[1]["to_number"], format!("{AREA}0013"));
}

#[test]
fn a_trunk_that_may_not_redirect_does_not() {
    let server = Server::phone("");
    let sipp = Sipp::carrier(&server, "moved", 1);
    server.trunk("carrier", sipp.port, &json!({}));
    talk(&server, &mut Caller::sign_up(&server, "+12025550101"), App::Waits);
    sipp.finish();
    let records = server.closed_records(1);
    assert_eq!(records.len(), 1, "{records:?}");
    assert_eq!(records[0]["sip_status"], 302);
    server.assert_at_rest();
}

#[test]
fn challenges_of_two_realms_are_answered_and_nonces_counted() {
    let account = json!({"username": "me", "password": "secret"});
    one("challenges", &account, App::HangsUp, HUNG_UP);
}

#[test]
fn an_interval_that_is_too_small_is_widened() {
    one("interval", &json!({"session_timer_s": 90}), App::HangsUp, HUNG_UP);
}

#[test]
fn a_session_is_refreshed_as_often_as_agreed() {
    let record = one("refresh", &json!({}), App::Waits, BY_CARRIER);
    assert!(record["talked_ms"].as_u64().is_some_and(|ms| ms >= 3500), "{record}");
}

#[test]
fn a_carrier_may_hold_and_resume() {
    let record = one("hold", &json!({}), App::Waits, BY_CARRIER);
    assert_eq!(record["q850_cause"], 16, "{record}");
}

#[test]
fn an_offer_is_made_when_the_carrier_asks_for_one() {
    one("offerless", &json!({}), App::Waits, BY_CARRIER);
}

#[test]
fn reliable_progress_is_acknowledged_and_an_early_dialog_updated() {
    one("reliable", &json!({}), App::HangsUp, HUNG_UP);
}

#[test]
fn a_carrier_that_answers_no_bye_closes_nothing_twice() {
    let record = one("deaf", &json!({}), App::HangsUp, HUNG_UP);
    assert!(record["talked_ms"].as_u64().is_some_and(|ms| ms < 3000), "{record}");
}

#[test]
fn the_second_phone_that_answers_is_hung_up() {
    one("forked", &json!({}), App::HangsUpOnTwo, HUNG_UP);
}

#[test]
fn busy_is_told_and_noted_in_both_languages() {
    let record = one("busy", &json!({}), App::Waits, (486, "callee", "response"));
    assert_eq!((&record["q850_cause"], &record["cause"]), (&json!(17), &json!("busy")), "{record}");
}

#[test]
fn a_call_that_is_taken_back_is_cancelled() {
    let records = call("taken-back", 1, &json!({}), App::TakesBack);
    assert_eq!(records.len(), 1, "{records:?}");
    let record = &records[0];
    assert_eq!(
        (&record["ended_by"], &record["proof"]),
        (&json!("caller"), &json!("cancel")),
        "{record}"
    );
}

#[test]
fn a_trunk_that_is_out_of_service_is_followed_by_the_next() {
    let server = Server::phone("");
    let (down, up) =
        (Sipp::carrier(&server, "unavailable", 1), Sipp::carrier(&server, "answer", 1));
    server.trunk("down", down.port, &json!({"priority": 1}));
    server.trunk("up", up.port, &json!({"priority": 2}));
    talk(&server, &mut Caller::sign_up(&server, "+12025550101"), App::HangsUp);
    down.finish();
    up.finish();
    let records = server.closed_records(2);
    assert_eq!(records.len(), 2, "{records:?}");
    check(&records[0], (503, "network", "response"));
    check(&records[1], HUNG_UP);
    assert_eq!((&records[0]["attempt"], &records[1]["attempt"]), (&json!(1), &json!(2)));
    server.assert_at_rest();
}

#[test]
fn offers_that_meet_are_made_again() {
    let server = Server::phone("");
    let sipp = Sipp::carrier(&server, "glare", 1);
    server.trunk("carrier", sipp.port, &json!({}));
    let mut caller = Caller::sign_up(&server, "+12025550101");
    let id = caller.call(&format!("{AREA}0001"));
    caller.wait("accepted");
    caller.hold(&id, true);
    caller.wait("ended");
    sipp.finish();
    check(&server.closed_records(1)[0], BY_CARRIER);
    server.assert_at_rest();
}

#[test]
fn keys_are_sent_as_the_trunk_wants_them() {
    let server = Server::phone("");
    let sipp = Sipp::carrier(&server, "keys", 1);
    server.trunk("carrier", sipp.port, &json!({"dtmf": "info"}));
    let mut caller = Caller::sign_up(&server, "+12025550101");
    let id = caller.call(&format!("{AREA}0001"));
    caller.wait("accepted");
    caller.press(&id, "5#");
    caller.wait("ended");
    sipp.finish();
    check(&server.closed_records(1)[0], BY_CARRIER);
    server.assert_at_rest();
}

#[test]
fn an_attended_transfer_says_whom_it_replaces() {
    let server = Server::phone("");
    let sipp = Sipp::carrier(&server, "attended", 2);
    server.trunk("carrier", sipp.port, &json!({"transfers": true}));
    let mut caller = Caller::sign_up(&server, "+12025550101");
    let id = caller.call(&format!("{AREA}0001"));
    caller.wait("accepted");
    let over = |record: &Value| record["status"] == "closed";
    server.until("transfer", || server.records().iter().any(over).then_some(()));
    caller.hang_up(&id);
    caller.wait("ended");
    sipp.finish();
    let records = server.closed_records(2);
    let numbers: Vec<&Value> = records.iter().map(|record| &record["to_number"]).collect();
    assert_eq!(numbers, [&json!(format!("{AREA}0001")), &json!(format!("{AREA}0002"))]);
    server.assert_at_rest();
}

#[test]
fn a_phone_that_calls_in_place_of_another_is_talked_to_on_the_same_record() {
    let server = Server::phone("");
    let sipp = Sipp::carrier(&server, "replacing", 1);
    server.trunk("carrier", sipp.port, &json!({}));
    let mut caller = Caller::sign_up(&server, "+12025550101");
    let id = caller.call(&format!("{AREA}0001"));
    caller.wait("accepted");
    let moved = |log: &str| log.contains("moved to another phone");
    server.until("the second phone", || moved(&server.log()).then_some(()));
    caller.hang_up(&id);
    caller.wait("ended");
    sipp.finish();
    let records = server.closed_records(1);
    assert_eq!(records.len(), 1, "{records:?}");
    check(&records[0], HUNG_UP);
    server.assert_at_rest();
}
