//! A PIN that is pressed on a phone, key by key as telephone events (RFC 4733) in its sound.

use serde_json::json;

use crate::caller::Caller;
use crate::far_end::Carrier;
use crate::phone::AREA;
use crate::server::Server;

/// A call to a room with a PIN, answered by the house that asks for it.
fn asked() -> (Server, Carrier, u64) {
    let server = Server::phone("");
    Caller::sign_up(&server, "+12025550101");
    let number = format!("{AREA}0200");
    let room = json!({"account": "+12025550101", "room": "team", "pin": "2580"});
    server.admin("PUT", &format!("/v1/numbers/{number}"), &room);
    let mut carrier = Carrier::calling(&server);
    server.trunk("carrier", carrier.port, &json!({}));
    carrier.tell(&format!("call +12025550190 {number}"));
    let id = carrier.wait("calling", |_| true)["id"].as_u64().expect("an id");
    carrier.wait_for(id, "answered");
    (server, carrier, id)
}

/// Phones that are in a room: each has a leg at the media node.
fn seated(server: &Server) -> bool {
    server.metric("offhook_media_level{kind=\"legs\"}") > 0.0
}

/// Keys are pressed once the house is heard: it asks for them.
fn press(carrier: &mut Carrier, id: u64, keys: &str) {
    let heard =
        |event: &serde_json::Value| event["id"] == id && event["packets"].as_u64() > Some(0);
    carrier.wait("heard", heard);
    carrier.tell(&format!("digits {id} {keys}"));
}

#[test]
fn the_right_keys_open_the_room() {
    let (server, mut carrier, id) = asked();
    assert!(!seated(&server));
    // A wrong one first: the house asks again.
    press(&mut carrier, id, "0852#2580#");
    server.until("a seat in the room", || seated(&server).then_some(()));
    carrier.tell(&format!("hangup {id}"));
    carrier.wait_for(id, "ended");
    let record = server.closed_records(1).remove(0);
    assert_eq!((&record["cause"], &record["ended_by"]), (&json!("hung_up"), &json!("caller")));
    server.assert_at_rest();
}

#[test]
fn three_wrong_ones_end_the_call() {
    let (server, mut carrier, id) = asked();
    press(&mut carrier, id, "1111#2222#3333#");
    let ended = carrier.wait_for(id, "ended");
    assert_eq!(ended["by"], "them", "{ended}");
    let record = server.closed_records(1).remove(0);
    assert_eq!((&record["cause"], &record["ended_by"]), (&json!("not_permitted"), &json!("house")));
    assert!(!seated(&server));
    server.assert_at_rest();
}
