//! Money when something breaks: the process, the carrier, the disk. Calls go over the real gateway to the demo
//! carrier; a second costs a cent, and money is set aside for two seconds at a time.

mod carrier_gone;
mod killed;
mod shared_balance;
mod stopped;
mod store;

use serde_json::{Value, json};

use crate::caller::Caller;
use crate::far_end::Carrier;
use crate::phone::AREA;
use crate::server::{Server, http};

/// What a second costs.
const SECOND: i64 = 10_000;
/// What a new account has.
const CREDIT: i64 = 20_000_000;

const CONFIG: &str = "\
[phone]
enabled = true
[phone.sip]
udp = [\"127.0.0.1:0\"]
tcp = []
tls = []
[phone.media]
bind = \"127.0.0.1\"
silence_s = 2
[phone.money]
initial_credit = \"20.00\"
slice_s = 2
least_s = 1
warning_s = 1
lead_s = 0
[shutdown]
grace_s = 0
";

/// A server whose trunk leads to a carrier.
fn stage() -> (Server, Carrier) {
    let (server, carrier) = (Server::phone(CONFIG), Carrier::start());
    for (deck, price) in [("sell", "0.60"), ("buy", "0.30")] {
        let rows = format!("prefix,destination,per_minute\n{},Test,{price}\n", &AREA[1..]);
        let path = format!("/v1/decks/{deck}?currency=USD");
        let answer = http(server.admin, "POST", &path, &[("content-type", "text/csv")], &rows);
        assert!(answer.as_ref().is_some_and(|a| a.status == 200), "{answer:?}");
    }
    server.trunk("demo", carrier.port, &json!({"caller_id": "always +12025550199"}));
    (server, carrier)
}

/// A number of the demo carrier: what it does is in the last two digits.
fn number(serial: usize, does: &str) -> String {
    format!("{AREA}{serial:02}{does}")
}

/// Make an account's money end after so many micro-units.
fn leave(server: &Server, person: &str, micros: i64, key: &str) {
    let account = server.admin("GET", &format!("/v1/accounts/{person}"), &Value::Null);
    let booked = account["booked_micros"].as_i64().expect("a balance");
    let change = micros - booked;
    if change != 0 {
        adjust(server, person, change, key);
    }
}

/// Change what an account has. The same key does so once.
fn adjust(server: &Server, person: &str, micros: i64, key: &str) {
    let sign = if micros < 0 { "-" } else { "" };
    let (whole, part) = (micros.abs() / 1_000_000, micros.abs() % 1_000_000);
    let amount = format!("{sign}{whole}.{part:06}");
    let wish = json!({"kind": "adjustment", "amount": amount, "reason": "test"}).to_string();
    let headers = [("content-type", "application/json"), ("idempotency-key", key)];
    let path = format!("/v1/accounts/{person}/transfers");
    let answer = http(server.admin, "POST", &path, &headers, &wish);
    assert!(answer.as_ref().is_some_and(|a| a.status == 200), "{answer:?}");
}

/// What an account has.
fn booked(server: &Server, person: &str) -> i64 {
    let account = server.admin("GET", &format!("/v1/accounts/{person}"), &Value::Null);
    account["booked_micros"].as_i64().expect("a balance")
}

/// Sign up, call, and wait until both sides talk; the caller, the call, and the carrier's id of it.
fn talk(server: &Server, carrier: &Carrier, person: &str, to: &str) -> (Caller, String, u64) {
    let mut caller = Caller::sign_up(server, person);
    let call = caller.call(to);
    caller.wait("accepted");
    let id = carrier.invited(to);
    (caller, call, id)
}

/// What all closed records together came to.
fn charged(records: &[Value]) -> i64 {
    records.iter().map(|record| record["sell_amount_micros"].as_i64().expect("closed")).sum()
}
