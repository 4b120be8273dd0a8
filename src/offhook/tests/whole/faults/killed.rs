//! kill -9 wherever a phone call can be, and start again on the same store: nothing is lost, nothing is charged
//! twice, nothing stays set aside.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use offhook_types::Rng;
use serde_json::Value;

use super::{CONFIG, CREDIT, SECOND, adjust, booked, charged, number, stage};
use crate::caller::Caller;
use crate::far_end::Carrier;
use crate::server::Server;

/// What the process is killed after.
#[derive(Debug, Clone, Copy)]
enum Point {
    /// Three calls were placed: their money is being set aside.
    Placed,
    /// The carrier saw an INVITE.
    Invited,
    /// It rings.
    Ringing,
    /// Somebody answered.
    Answered,
    /// More money was set aside while talking.
    Extended,
    /// The money is about to end.
    Warned,
    /// The money has ended.
    CutOff,
    /// Somebody hung up.
    HungUp,
    /// The carrier saw the BYE; the record is being closed and its reservation captured.
    Bye,
    /// The caller was told of the end.
    Ended,
}

const POINTS: [Point; 10] = [
    Point::Placed,
    Point::Invited,
    Point::Ringing,
    Point::Answered,
    Point::Extended,
    Point::Warned,
    Point::CutOff,
    Point::HungUp,
    Point::Bye,
    Point::Ended,
];

#[test]
fn a_killed_server_loses_no_record_and_charges_nothing_twice_first_seed() {
    story(1);
}

#[test]
fn a_killed_server_loses_no_record_and_charges_nothing_twice_second_seed() {
    story(2);
}

#[test]
fn a_killed_server_loses_no_record_and_charges_nothing_twice_third_seed() {
    story(3);
}

/// Somebody who talks, somebody whose call only rings, somebody whose money soon ends.
const PEOPLE: [&str; 3] = ["+13035550101", "+13035550102", "+13035550103"];
/// What the demo carrier does with their calls.
const DOES: [&str; 3] = ["01", "04", "01"];
/// What the third one has before each call.
const POOR: i64 = 3 * SECOND;

/// One server, killed at every point in an order and after delays of its own.
fn story(seed: u64) {
    let mut rng = Rng::from_seed(seed);
    let (mut server, carrier) = stage();
    let tokens = PEOPLE.map(|person| Caller::sign_up(&server, person).token);
    let mut bounds = HashMap::new();
    // What was given or taken by hand, by person.
    let mut adjusted = [0; 3];
    let mut points = POINTS;
    for last in (1..points.len()).rev() {
        points.swap(last, rng.next_u64() as usize % (last + 1));
    }
    for (round, point) in points.into_iter().enumerate() {
        let key = format!("round-{round}");
        let missing = POOR - booked(&server, PEOPLE[2]);
        let moved = |server: &Server| adjust(server, PEOPLE[2], missing, &key);
        if missing != 0 {
            moved(&server);
            adjusted[2] += missing;
        }
        let began = Instant::now();
        let numbers = [0, 1, 2].map(|who| number(3 * round + who, DOES[who]));
        let mut callers = tokens.clone().map(|token| Caller::connect(&server, token));
        let calls = [0, 1, 2].map(|who| callers[who].call(&numbers[who]));
        reach(point, &mut callers, &calls, (&carrier, &numbers));
        std::thread::sleep(Duration::from_micros(rng.next_u64() % LONGEST_DELAY_US));
        server = server.kill_and_restart(CONFIG);
        bounds.extend(numbers.map(|to| (to, began.elapsed())));
        if missing != 0 {
            moved(&server);
        }
        assert_books_are_equal(&server, point);
    }
    assert_all_is_there(&server, &carrier, &bounds);
    for (who, person) in PEOPLE.iter().enumerate() {
        let account = server.admin("GET", &format!("/v1/accounts/{person}"), &Value::Null);
        let records = server.records();
        let theirs: Vec<_> =
            records.into_iter().filter(|record| record["account_id"] == account["id"]).collect();
        let expect = CREDIT + adjusted[who] - charged(&theirs);
        assert_eq!(account["booked_micros"], expect, "{theirs:#?}");
        assert!(expect >= 0, "{account}");
    }
    // Whoever was talked to when the server was killed has paid for what was shown to be talked.
    let left = server.records().iter().filter(|r| r["proof"] == "last_media").count();
    assert!(left > 0 && charged(&server.records()) > 0, "{:#?}", server.records());
    server.assert_at_rest();
}

/// So late after the event at most, to hit what it sets off.
const LONGEST_DELAY_US: u64 = 40_000;

fn reach(
    point: Point,
    [talker, ringer, poor]: &mut [Caller; 3],
    calls: &[String; 3],
    (carrier, numbers): (&Carrier, &[String; 3]),
) {
    match point {
        Point::Placed => {}
        Point::Invited => drop(carrier.invited(&numbers[0])),
        Point::Ringing => drop(ringer.wait("ringing")),
        Point::Answered => drop(talker.wait("accepted")),
        Point::Extended => {
            talker.wait("accepted");
            while micros(&talker.wait("balance"), "reservedMicros") < 4 * SECOND {}
        }
        Point::Warned => drop(poor.wait("warning")),
        Point::CutOff => assert_eq!(poor.wait("ended")["cause"], "CALL_CAUSE_CREDIT_ENDED"),
        Point::HungUp | Point::Bye | Point::Ended => {
            talker.wait("accepted");
            talker.hang_up(&calls[0]);
            ringer.cancel(&calls[1]);
            match point {
                Point::Bye => drop(carrier.wait_for(carrier.invited(&numbers[0]), "bye")),
                Point::Ended => drop(talker.wait("ended")),
                _ => {}
            }
        }
    }
}

fn micros(balance: &Value, field: &str) -> i64 {
    balance[field].as_str().and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn assert_books_are_equal(server: &Server, point: Point) {
    let check = server.tool(&["ledger", "check", "--json"]);
    let said: Value = serde_json::from_slice(&check.stdout).unwrap_or_default();
    assert!(check.status.success() && said["equal"] == true, "{point:?}: {check:?}");
    assert_eq!((&said["open"], &said["reservations"]), (&0.into(), &0.into()), "{point:?}: {said}");
}

/// Whatever the carrier saw has one record, and no record is for longer than its call can have been.
fn assert_all_is_there(server: &Server, carrier: &Carrier, bounds: &HashMap<String, Duration>) {
    let records = server.records();
    for invite in carrier.all("invite") {
        let many = records.iter().filter(|record| record["to_number"] == invite["to"]).count();
        assert_eq!(many, 1, "{invite}");
    }
    for record in &records {
        let bound = bounds[record["to_number"].as_str().expect("a number")];
        let talked = record["talked_ms"].as_u64().expect("a time");
        assert!(u128::from(talked) <= bound.as_millis(), "{record} within {bound:?}");
        let billed = record["sell_amount_micros"].as_i64().expect("closed") / SECOND;
        assert_eq!(u64::try_from(billed), Ok(talked.div_ceil(1000)), "{record}");
    }
}
