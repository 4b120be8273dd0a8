//! Calls with a phone on one side.

use offhook_types::phone::Cause as Phone;

use super::*;

/// A phone is dialled, rings and is answered at 2 s, with the caller in the room since 1 s.
const OUT: &[(u64, Step, &str)] = &[
    (0, Dial(A1), "placed 0, open"),
    (0, Written(0), "ok, room A, dial"),
    (100, Ready(0), "ok"),
    (200, Bridge(0), "ok, seat, A1 progress as A"),
    (500, PhoneRings(0), "ok, A1 ringing"),
    (1_000, In(A, 0), "ok"),
    (2_000, Answered(0), "ok, accept, A1 accepted as A"),
];

/// A phone calls B, who takes the call on B1 at 2 s and is in the room at 3 s.
const IN: &[(u64, Step, &str)] = &[
    (0, PhoneIn(B), "ok, find B, open"),
    (0, Written(0), "ok, B1 incoming 45000, B2 incoming 45000"),
    (1, Found(0, &[B1, B2]), "ok"),
    (2, Bridge(0), "ok"),
    (500, Ack(B1, 0), "ok, phone ringing"),
    (600, Ack(B2, 0), "ok"),
    (2_000, Accept(B1, 0), "ok, accept, room B, B2 ended answered_elsewhere 0, answer"),
    (2_100, Ready(0), "ok, seat, B1 accepted as B"),
    (3_000, In(B, 0), "ok"),
];

#[track_caller]
fn out(steps: &[(u64, Step, &str)]) {
    check_with(Config::default(), &[A1, B1], OUT, steps);
}

#[track_caller]
fn dialled(steps: &[(u64, Step, &str)]) {
    check_with(Config::default(), &[A1, B1], &OUT[..5], steps);
}

#[track_caller]
fn taken(steps: &[(u64, Step, &str)]) {
    check_with(Config::default(), &[A1, B1, B2], IN, steps);
}

#[test]
fn either_side_ends_an_answered_call() {
    let rest = "unseat, no room, close hung_up 8000";
    let end = format!("ok, A1 ended hung_up 8000, hang up hung_up, {rest}");
    out(&[(10_000, HangUp(A1, 0), &end), (10_200, Ended(0, Phone::HungUp), "ok")]);
    let end = format!("ok, A1 ended hung_up 8000, {rest}");
    out(&[(10_000, Ended(0, Phone::HungUp), &end), (10_001, Ended(0, Phone::HungUp), "ok")]);
    let end = format!("ok, B1 ended hung_up 8000, {rest}");
    taken(&[(10_000, Ended(0, Phone::HungUp), &end)]);
    let end = format!("ok, B1 ended hung_up 8000, hang up hung_up, {rest}");
    taken(&[(10_000, HangUp(B1, 0), &end), (10_200, Ended(0, Phone::HungUp), "ok")]);
}

#[test]
fn a_cancel_wins_over_the_answer_that_crosses_it() {
    dialled(&[
        (
            900,
            Cancel(A1, 0),
            "ok, A1 ended cancelled 0, hang up cancelled, unseat, no room, close cancelled 0",
        ),
        (901, Answered(0), "ok"),
        (902, Unseated(0), "ok"),
        (990, Ended(0, Phone::Cancelled), "ok"),
        (991, Dial(A1), "placed 1, open"),
    ]);
}

#[test]
fn an_answer_wins_over_the_cancel_that_crosses_it() {
    out(&[(2_001, Cancel(A1, 0), "wrong_state")]);
}

#[test]
fn a_call_that_is_taken_back_before_it_is_recorded_is_never_dialled() {
    check(
        &[A1],
        &[
            (0, Dial(A1), "placed 0, open"),
            (1, Cancel(A1, 0), "ok, A1 ended cancelled 0, close cancelled 0"),
            (2, Written(0), "ok"),
        ],
    );
    check(&[A1], &[(0, Dial(A1), "placed 0, open"), (1, NotWritten(0), "ok, A1 ended server 0")]);
}

#[test]
fn what_the_network_says_is_what_the_caller_is_told() {
    for (said, told) in [
        (Phone::Busy, "busy"),
        (Phone::Declined, "declined"),
        (Phone::HungUp, "declined"),
        (Phone::NoAnswer, "no_answer"),
        (Phone::Unavailable, "unavailable"),
        (Phone::InvalidNumber, "invalid_number"),
        (Phone::NotPermitted, "not_permitted"),
        (Phone::Suspended, "not_permitted"),
        (Phone::NoCredit, "no_credit"),
        (Phone::NoRoute, "carrier"),
        (Phone::Congestion, "carrier"),
        (Phone::MediaLost, "connection_lost"),
        (Phone::Server, "server"),
    ] {
        let end = format!("ok, A1 ended {told} 0, unseat, no room, close {told} 0");
        dialled(&[(900, Ended(0, said), &end)]);
    }
}

#[test]
fn keys_are_pressed_once_there_is_somebody_to_hear_them() {
    dialled(&[
        (600, Press(A1, 0), "wrong_state"),
        (700, Early(0), "ok"),
        (701, Press(A1, 0), "ok, press 1"),
        (702, Press(B1, 0), "no_such_call"),
        (703, Hold(A1, 0, true), "wrong_state"),
    ]);
    taken(&[(4_000, Press(B1, 0), "ok, press 1"), (4_001, Press(B2, 0), "wrong_state")]);
    check_with(Config::default(), &[A1, B1, B2], TALK, &[(4_000, Press(A1, 0), "wrong_state")]);
}

#[test]
fn hold_goes_both_ways_and_once() {
    out(&[
        (3_000, Hold(A1, 0, true), "ok, hold true, A1 held true false"),
        (3_001, Hold(A1, 0, true), "ok"),
        (3_002, Held(0, true), "ok, A1 held true true"),
        (3_003, Held(0, true), "ok"),
        (3_004, Hold(A1, 0, false), "ok, hold false, A1 held false false"),
        (3_005, Held(0, false), "ok, A1 held false true"),
    ]);
    check_with(
        Config::default(),
        &[A1, B1, B2],
        TALK,
        &[(4_000, Hold(A1, 0, true), "wrong_state")],
    );
}

#[test]
fn the_end_of_the_money_is_announced() {
    out(&[
        (5_000, Warned(0), "ok, A1 warned 30 credit_ended"),
        (
            35_000,
            Ended(0, Phone::CreditEnded),
            "ok, A1 ended credit_ended 33000, unseat, no room, close credit_ended 33000",
        ),
    ]);
}

#[test]
fn a_gateway_that_says_nothing_is_given_up() {
    let end = "A1 ended server 0, hang up server, no room, close server 0";
    check_with(
        Config::default(),
        &[A1],
        &OUT[..3],
        &[(11_000, Wait, &format!("@10000: {end}")), (90_000, Wait, "")],
    );
    let end =
        "@120000: A1 ended no_answer 0, hang up no_answer, unseat, no room, close no_answer 0";
    dialled(&[(121_000, Wait, end), (200_000, Ended(0, Phone::NoAnswer), "ok")]);
    let end = "@120000: A1 ended unavailable 0, hang up unavailable, unseat, no room, close unavailable 0";
    check_with(Config::default(), &[A1], &OUT[..4], &[(121_000, Wait, end)]);
}

#[test]
fn a_caller_who_is_lost_hangs_up() {
    let end = "@15600: A1 ended cancelled 0, hang up cancelled, unseat, no room, close cancelled 0";
    dialled(&[(600, Off(A1, 1), "ok"), (16_000, Wait, end)]);
    let end = "@63000: A1 ended connection_lost 61000, hang up hung_up, unseat, no room, \
        close connection_lost 61000";
    out(&[(3_000, Out(A, 0), "ok"), (70_000, Wait, end)]);
}

#[test]
fn a_caller_who_did_not_join_early_has_the_time_to_join_from_the_answer_on() {
    let end = "@22000: A1 ended connection_lost 20000, hang up hung_up, unseat, no room, \
        close connection_lost 20000";
    check_with(
        Config::default(),
        &[A1],
        &OUT[..5],
        &[(2_000, Answered(0), "ok, accept, A1 accepted as A"), (30_000, Wait, end)],
    );
}

#[test]
fn a_phone_that_loses_its_seat_is_hung_up() {
    let end = "ok, A1 ended connection_lost 1000, hang up hung_up, unseat, no room, \
        close connection_lost 1000";
    out(&[(3_000, Unseated(0), end), (3_001, Unseated(0), "ok")]);
}

#[test]
fn an_answer_before_the_room_stands_is_kept() {
    check(
        &[A1],
        &[
            (0, Dial(A1), "placed 0, open"),
            (0, Written(0), "ok, room A, dial"),
            (1, Bridge(0), "ok"),
            (2, Answered(0), "ok, accept"),
            (3, Ready(0), "ok, seat, A1 accepted as A"),
        ],
    );
}

#[test]
fn nobody_who_is_busy_is_rung_by_a_phone() {
    check_with(
        Config::default(),
        &[A1, B1, B2],
        TALK,
        &[(4_000, PhoneIn(B), "ok, find B, open, hang up busy, close busy 0")],
    );
}

#[test]
fn a_phone_hears_why_nobody_answers() {
    let call = &IN[..5];
    let end = "ok, B1 ended declined 0, B2 ended declined_elsewhere 0, hang up declined, \
        close declined 0";
    check_with(Config::default(), &[B1, B2], call, &[(700, Decline(B1, 0), end)]);
    let end = "@45000: B1 ended no_answer 0, B2 ended no_answer 0, hang up no_answer, \
        close no_answer 0";
    check_with(Config::default(), &[B1, B2], call, &[(46_000, Wait, end)]);
    let end = "@10000: B1 ended unavailable 0, B2 ended unavailable 0, hang up unavailable, \
        close unavailable 0";
    check_with(Config::default(), &[B1, B2], &IN[..3], &[(11_000, Wait, end)]);
    let end = "ok, B1 ended cancelled 0, B2 ended cancelled 0, close cancelled 0";
    check_with(Config::default(), &[B1, B2], call, &[(700, Ended(0, Phone::Cancelled), end)]);
}

#[test]
fn devices_that_sleep_are_woken_for_a_phone() {
    check(
        &[B1],
        &[
            (0, PhoneIn(B), "ok, find B, open"),
            (0, Written(0), "ok, B1 incoming 45000"),
            (1, Found(0, &[B1, B2]), "ok, push B2"),
            (2, Found(0, &[B1, B2]), "ok"),
        ],
    );
}

#[test]
fn a_phone_sits_in_a_room_until_one_of_them_ends_it() {
    let come = [(0, PhoneVisits, "ok"), (100, Bridge(0), "ok, seat in lobby")];
    let check = |steps: &[(u64, Step, &str)]| check_with(Config::default(), &[], &come, steps);
    check(&[(500, Ended(0, Phone::HungUp), "ok, unseat"), (501, Unseated(0), "ok")]);
    check(&[(500, Unseated(0), "ok, hang up hung_up"), (600, Ended(0, Phone::HungUp), "ok")]);
    check(&[(500, Stop, "ok, hang up server, unseat")]);
    let long = 12 * 3_600_000;
    check(&[(long + 1, Wait, &format!("@{long}: hang up time_limit, unseat"))]);
    let late = [(0, PhoneVisits, "ok"), (11_000, Wait, "@10000: hang up server, unseat")];
    check_with(Config::default(), &[], &[], &late);
}

#[test]
fn a_server_that_drains_takes_no_phone() {
    super::check(&[B1], &[(0, Drain, "ok"), (1, PhoneIn(B), "ok, hang up congestion")]);
}
