//! A trunk that registers with Kamailio, calls through it and is called over its registration.

use serde_json::{Value, json};

use crate::caller::Caller;
use crate::kamailio::Kamailio;
use crate::phone::AREA;
use crate::server::Server;
use crate::sipp::{Sipp, free_port};

const REGISTERED: &str = "offhook_gateway_trunk_registered{trunk=\"carrier\"}";

fn account(password: &str) -> Value {
    json!({"username": "trunk", "password": password, "register_s": 4})
}

#[test]
fn calls_go_through_a_proxy_and_come_over_a_registration() {
    let server = Server::phone("");
    let (port, mut callee) = (free_port(), Caller::sign_up(&server, "+12025550101"));
    server.admin("PUT", &format!("/v1/numbers/{AREA}0100"), &json!({"user": "+12025550101"}));
    let far = Sipp::carrier(&server, "answer", 1);
    let far_port = far.port;
    let proxy = Kamailio::start(&server, port, far_port);
    server.trunk("carrier", port, &account("secret"));
    proxy.wait_for_registration(&server);
    server.until("registration", || (server.metric(REGISTERED) == 1.0).then_some(()));

    let call = callee.call(&format!("{AREA}0001"));
    callee.wait("accepted");
    callee.hang_up(&call);
    callee.wait("ended");
    far.finish();
    let out = server.closed_records(1).remove(0);
    let ended = (&out["sip_status"], &out["ended_by"], &out["proof"]);
    assert_eq!(ended, (&json!(200), &json!("caller"), &json!("hang_up")), "{out}");

    answered_over_the_registration(&server, &mut callee, (port, far_port));
    assert_eq!(server.closed_records(2).len(), 2);

    // The proxy goes down and comes back with nothing in its memory.
    proxy.stop();
    let proxy = Kamailio::start(&server, port, far_port);
    proxy.wait_for_registration(&server);
    answered_over_the_registration(&server, &mut callee, (port, far_port));
    assert_eq!(server.closed_records(3).len(), 3);
    server.assert_at_rest();
}

fn answered_over_the_registration(server: &Server, callee: &mut Caller, (proxy, far): (u16, u16)) {
    let number = format!("{AREA}0100");
    let sipp = Sipp::call_through("in-answered", &number, far, proxy);
    let incoming = callee.wait("incoming");
    callee.ask("ringAck", json!({"callId": incoming["callId"]}));
    callee.ask("accept", json!({"callId": incoming["callId"], "media": "CALL_MEDIA_AUDIO"}));
    sipp.finish();
    callee.wait("ended");
    let records = server.closed_records(2);
    let newest = records.last().expect("a record");
    let ended = (&newest["direction"], &newest["ended_by"], &newest["proof"]);
    assert_eq!(ended, (&json!("in"), &json!("caller"), &json!("bye")), "{newest}");
}

#[test]
fn a_wrong_password_is_shown() {
    let mut server = Server::phone("");
    server.expect("not registered");
    let port = free_port();
    let _proxy = Kamailio::start(&server, port, free_port());
    server.trunk("carrier", port, &account("guess"));
    let shown = |line: &str| line.contains("not registered") && line.contains("status=401");
    server.until("refusal", || server.log().lines().any(shown).then_some(()));
    assert_eq!(server.metric(REGISTERED), 0.0);
    // A call over it is refused by the same digest, and costs nothing.
    let mut caller = Caller::sign_up(&server, "+12025550101");
    caller.call(&format!("{AREA}0001"));
    caller.wait("ended");
    let record = server.closed_records(1).remove(0);
    assert_eq!((&record["sip_status"], &record["sell_amount_micros"]), (&json!(407), &json!(0)));
    server.assert_at_rest();
}
