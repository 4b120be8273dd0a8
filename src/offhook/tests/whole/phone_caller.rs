//! The smallest phone call there is: to a carrier that is not there.

use serde_json::json;

use crate::caller::Caller;
use crate::phone::AREA;
use crate::server::Server;

#[test]
fn a_call_over_a_trunk_that_is_down_ends_and_costs_nothing() {
    let server = Server::phone("");
    // A port that was free a moment ago refuses datagrams.
    let port = std::net::UdpSocket::bind("127.0.0.1:0").and_then(|s| s.local_addr());
    server.trunk(
        "nobody",
        port.expect("a port").port(),
        &json!({"caller_id": "always +12025550199"}),
    );
    let mut caller = Caller::sign_up(&server, "+12025550101");
    let call = caller.call(&format!("{AREA}0001"));
    let ended = caller.wait("ended");
    assert_eq!(ended["callId"], call, "{ended}");
    let records = server.closed_records(1);
    assert_eq!(records[0]["sell_amount_micros"], 0, "{records:?}");
    server.assert_at_rest();
}
