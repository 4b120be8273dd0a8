//! baresip with its `srtp` module over TLS, as a carrier and as a caller: media that nobody on the way can hear.

use serde_json::{Value, json};

use crate::authority::Authority;
use crate::baresip::Baresip;
use crate::caller::Caller;
use crate::phone::AREA;
use crate::phone_baresip::{FLOWS, packets, until_heard_for};
use crate::server::Server;
use crate::sipp::free_port;

/// Packets of 20 ms in which baresip reports with RTCP, which it does about every five seconds.
const REPORTED: u64 = 400;

/// A trunk to a port, over TLS and with encrypted media alone.
fn trunk(server: &Server, port: u16) {
    let proxy = format!("sip:127.0.0.1:{port};transport=tls");
    let settings = json!({"proxy": proxy, "srtp": "required", "codecs": ["pcmu"]});
    server.trunk("secret", port, &settings);
}

#[test]
fn a_carrier_with_encrypted_media_is_heard_and_hears() {
    let authority = Authority::new();
    let server = Server::phone(&authority.server());
    let number = format!("{AREA}0001");
    let baresip = Baresip::secret_carrier(&server, &number, (&authority, "srtp-mand"));
    trunk(&server, baresip.tls_port());
    let mut caller = Caller::sign_up(&server, "+12025550101");
    let call = caller.call(&number);
    caller.wait("accepted");
    until_heard_for(&server, 1, REPORTED);
    caller.hang_up(&call);
    caller.wait("ended");
    let record = server.closed_records(1).remove(0);
    assert!(packets(&record, "from") >= REPORTED, "{record}");
    let sent = packets(&record, "to");
    let heard = server.until("what baresip counted", || baresip.heard());
    // It counts from its first look on, seconds apart, so not everything; what it could not decrypt, never.
    assert!(sent >= FLOWS && heard >= sent / 2, "{heard} of {sent}: {record}");
    server.assert_at_rest();
}

#[test]
fn a_caller_with_encrypted_media_and_one_without_hear_each_other() {
    let authority = Authority::new();
    let server = Server::phone(&authority.server());
    Caller::sign_up(&server, "+12025550101");
    let number = format!("{AREA}0200");
    let room = json!({"account": "+12025550101", "room": "team"});
    server.admin("PUT", &format!("/v1/numbers/{number}"), &room);
    // Both are at one address: one trunk is known by that with a port, the other has what comes from any.
    let port = free_port();
    let source = format!("127.0.0.1:{port}");
    server.trunk("clear", port, &json!({"proxy": "sip:127.0.0.2", "sources": [source]}));
    trunk(&server, free_port());
    let secret = Baresip::secret_call(&server, &number, (&authority, "srtp-mand"));
    let clear = Baresip::call(&server, &number, "PCMU", port);
    until_heard_for(&server, 2, REPORTED);
    clear.quit();
    secret.quit();
    let records = server.closed_records(2);
    for record in &records {
        assert!(packets(record, "from") >= FLOWS, "{record}");
        assert!(packets(record, "to") >= FLOWS, "{record}");
        // Their reports came as well, and nothing was missing.
        assert!(record["to_carrier_mos_hundredths"].as_u64() > Some(350), "{record}");
    }
    server.assert_at_rest();
}

#[test]
fn a_carrier_that_would_be_heard_by_others_is_not_talked_to() {
    let authority = Authority::new();
    let server = Server::phone(&authority.server());
    let number = format!("{AREA}0001");
    let baresip = Baresip::secret_carrier(&server, &number, (&authority, ""));
    trunk(&server, baresip.tls_port());
    let mut caller = Caller::sign_up(&server, "+12025550101");
    caller.call(&number);
    caller.wait("ended");
    let record = server.closed_records(1).remove(0);
    let paid = &record["sell_amount_micros"];
    assert_eq!((paid, packets(&record, "from")), (&Value::from(0), 0), "{record}");
    server.assert_at_rest();
}
