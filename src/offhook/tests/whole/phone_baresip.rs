//! baresip as a carrier and as phones in a room: sound both ways, as the records count it.

use serde_json::{Value, json};

use crate::baresip::Baresip;
use crate::caller::Caller;
use crate::phone::AREA;
use crate::server::Server;
use crate::sipp::free_port;

/// Packets of 20 ms that show that sound flows.
pub const FLOWS: u64 = 50;

pub fn packets(record: &Value, way: &str) -> u64 {
    record[format!("{way}_carrier_packets")].as_u64().unwrap_or(0)
}

/// Wait until so many calls stand, and then until packets came on all of them: they come at one rate.
pub fn until_heard(server: &Server, calls: usize) {
    until_heard_for(server, calls, FLOWS * 2);
}

/// The same for so many packets of each.
pub fn until_heard_for(server: &Server, calls: usize, many: u64) {
    let packets = "offhook_gateway_bridge_events_total{kind=\"from_carrier\"}";
    let legs = calls as f64;
    server.until("every call", || (server.metric("offhook_gateway_legs") == legs).then_some(()));
    let wanted = server.metric(packets) + legs * many as f64;
    server.until("sound", || (server.metric(packets) >= wanted).then_some(()));
}

fn called(codec: &str) -> Value {
    let server = Server::phone("");
    let baresip = Baresip::carrier(&server, &format!("{AREA}0001"), codec);
    let codecs = json!({"codecs": ["g722", "pcma", "pcmu"]});
    server.trunk("carrier", baresip.port, &codecs);
    let mut caller = Caller::sign_up(&server, "+12025550101");
    let call = caller.call(&format!("{AREA}0001"));
    caller.wait("accepted");
    until_heard(&server, 1);
    caller.hang_up(&call);
    caller.wait("ended");
    let record = server.closed_records(1).remove(0);
    assert!(packets(&record, "from") >= FLOWS, "{record}");
    server.assert_at_rest();
    record
}

#[test]
fn a_carrier_that_speaks_one_codec_is_understood() {
    for (codec, name) in [("PCMU", "pcmu"), ("PCMA", "pcma"), ("G722/16000/1", "g722")] {
        let record = called(codec);
        assert_eq!(record["carrier_codec"], name, "{record}");
    }
}

#[test]
fn two_phones_of_different_codecs_hear_each_other_in_a_room() {
    let server = Server::phone("");
    Caller::sign_up(&server, "+12025550101");
    let number = format!("{AREA}0200");
    let room = json!({"account": "+12025550101", "room": "team"});
    server.admin("PUT", &format!("/v1/numbers/{number}"), &room);
    let ports = [free_port(), free_port()];
    server.trunk("carrier", ports[0], &json!({"codecs": ["g722", "pcmu"]}));
    let phones = [("PCMU", ports[0]), ("G722/16000/1", ports[1])];
    let phones = phones.map(|(codec, port)| Baresip::call(&server, &number, codec, port));
    until_heard(&server, 2);
    phones.into_iter().for_each(Baresip::quit);
    let records = server.closed_records(2);
    assert_eq!(records.len(), 2, "{records:?}");
    let mut codecs: Vec<&Value> = records.iter().map(|record| &record["carrier_codec"]).collect();
    codecs.sort_by_key(|codec| codec.to_string());
    assert_eq!(codecs, [&json!("g722"), &json!("pcmu")]);
    for record in &records {
        assert!(packets(record, "from") >= FLOWS, "{record}");
        assert!(packets(record, "to") >= FLOWS, "{record}");
        assert_eq!((&record["proof"], &record["ended_by"]), (&json!("bye"), &json!("caller")));
    }
    server.assert_at_rest();
}
