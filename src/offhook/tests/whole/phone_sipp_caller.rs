//! SIPp as a phone that calls a number of ours.

use serde_json::{Value, json};

use crate::caller::Caller;
use crate::phone::AREA;
use crate::server::Server;
use crate::sipp::{Sipp, free_port};

/// A server with a number that rings a person and one that leads into a room, and the port of its trunk.
fn server() -> (Server, Caller, u16) {
    let server = Server::phone("");
    let port = free_port();
    let person = Caller::sign_up(&server, "+12025550101");
    let user = json!({"user": "+12025550101"});
    server.admin("PUT", &format!("/v1/numbers/{AREA}0100"), &user);
    let room = json!({"account": "+12025550101", "room": "team", "pin": "2580"});
    server.admin("PUT", &format!("/v1/numbers/{AREA}0200"), &room);
    server.trunk("carrier", port, &json!({}));
    (server, person, port)
}

fn closed(server: &Server, cause: &str, ended_by: &str) -> Value {
    let mut records = server.closed_records(1);
    assert_eq!(records.len(), 1, "{records:?}");
    let record = records.remove(0);
    let got = (&record["direction"], &record["cause"], &record["ended_by"]);
    assert_eq!(got, (&json!("in"), &json!(cause), &json!(ended_by)), "{record}");
    assert_eq!(record["sell_amount_micros"], 0, "{record}");
    server.assert_at_rest();
    record
}

#[test]
fn a_pin_that_is_pressed_opens_the_room() {
    let (server, _person, port) = server();
    Sipp::call(&server, "in-pin", &format!("{AREA}0200"), port).finish();
    let record = closed(&server, "hung_up", "caller");
    assert_eq!(record["to_number"], format!("{AREA}0200"));
}

#[test]
fn three_wrong_pins_end_the_call() {
    let (server, _person, port) = server();
    Sipp::call(&server, "in-pin-wrong", &format!("{AREA}0200"), port).finish();
    closed(&server, "not_permitted", "house");
}

#[test]
fn a_person_answers_a_phone() {
    let (server, mut person, port) = server();
    let sipp = Sipp::call(&server, "in-answered", &format!("{AREA}0100"), port);
    let incoming = person.wait("incoming");
    assert_eq!(incoming["from"]["number"], "+12025550190", "{incoming}");
    let call = json!({"callId": incoming["callId"]});
    person.ask("ringAck", call.clone());
    person.ask("accept", json!({"callId": incoming["callId"], "media": "CALL_MEDIA_AUDIO"}));
    sipp.finish();
    person.wait("ended");
    closed(&server, "hung_up", "caller");
}

#[test]
fn a_person_declines_a_phone() {
    let (server, mut person, port) = server();
    let sipp = Sipp::call(&server, "in-declined", &format!("{AREA}0100"), port);
    let incoming = person.wait("incoming");
    person.ask("ringAck", json!({"callId": incoming["callId"]}));
    person.ask("decline", json!({"callId": incoming["callId"]}));
    sipp.finish();
    closed(&server, "declined", "callee");
}

#[test]
fn a_phone_that_gives_up_rings_no_more() {
    let (server, mut person, port) = server();
    let sipp = Sipp::call(&server, "in-cancel", &format!("{AREA}0100"), port);
    let incoming = person.wait("incoming");
    person.ask("ringAck", json!({"callId": incoming["callId"]}));
    let ended = person.wait("ended");
    assert_eq!(ended["cause"], "CALL_CAUSE_CANCELLED", "{ended}");
    sipp.finish();
    closed(&server, "cancelled", "caller");
}

#[test]
fn a_number_that_is_not_ours_is_not_found() {
    let (server, _person, port) = server();
    Sipp::call(&server, "in-nobody", &format!("{AREA}0999"), port).finish();
    assert!(server.records().is_empty());
    server.assert_at_rest();
}
