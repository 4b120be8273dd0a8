//! From placing to the answer that does not come.

use super::*;

#[test]
fn the_caller_hears_ringing_once_and_only_after_an_acknowledgement() {
    check(
        &[A1, B1, B2],
        &[
            (0, Place(A1, B), "placed 0, open"),
            (3, Written(0), "ok, B1 incoming 45000, B2 incoming 45000"),
            (3, Written(0), "ok"),
            (400, Ack(B2, 0), "ok, A1 ringing"),
            (401, Ack(B1, 0), "ok"),
            (402, Ack(B2, 0), "ok"),
        ],
    );
}

#[test]
fn nobody_is_rung_before_the_record_is_durable() {
    check(
        &[A1, B1, B2],
        &[
            (0, Place(A1, B), "placed 0, open"),
            (2, NotWritten(0), "ok, A1 ended server 0"),
            (3, Written(0), "ok"),
            (10, Place(A1, B), "placed 1, open"),
            (6_000, Wait, "@5010: A1 ended server 0, close server 0"),
            (6_001, Written(1), "ok"),
        ],
    );
}

#[test]
fn without_an_acknowledgement_the_callee_is_unavailable() {
    let end = "@10000: A1 ended unavailable 0, B1 ended unavailable 0, B2 ended unavailable 0, \
        close unavailable 0";
    check(
        &[A1, B1, B2],
        &[
            (0, Place(A1, B), "placed 0, open"),
            (0, Written(0), "ok, B1 incoming 45000, B2 incoming 45000"),
            (11_000, Wait, end),
        ],
    );
}

#[test]
fn unknown_blocked_and_out_of_reach_sound_alike() {
    let end = "@10000: A1 ended unavailable 0, close unavailable 0";
    for blocked in [Place(A1, X), PlaceBlocked(A1, B)] {
        check(
            &[A1, B1],
            &[(0, blocked, "placed 0, open"), (0, Written(0), "ok"), (11_000, Wait, end)],
        );
    }
    check(
        &[A1],
        &[
            (0, Place(A1, B), "placed 0, open"),
            (0, Written(0), "ok, push B1, push B2"),
            (
                11_000,
                Wait,
                "@10000: A1 ended unavailable 0, unpush B1, unpush B2, \
            close unavailable 0",
            ),
        ],
    );
}

#[test]
fn a_blocked_caller_does_not_hear_that_the_callee_is_busy() {
    check(
        &[A1, B1, C1],
        &[
            (0, Place(B1, C), "placed 0, open"),
            (1, PlaceBlocked(A1, B), "placed 1, open"),
            (2, Written(1), "ok"),
        ],
    );
}

#[test]
fn nobody_answers() {
    let end = "@45000: A1 ended no_answer 0, B1 ended no_answer 0, B2 ended no_answer 0, \
        close no_answer 0";
    check(
        &[A1, B1, B2],
        &[
            (0, Place(A1, B), "placed 0, open"),
            (0, Written(0), "ok, B1 incoming 45000, B2 incoming 45000"),
            (9_999, Ack(B1, 0), "ok, A1 ringing"),
            (50_000, Accept(B1, 0), &format!("{end} | wrong_state")),
        ],
    );
}

#[test]
fn a_decline_speaks_for_the_user() {
    check(
        &[A1, B1, B2],
        &[
            (0, Place(A1, B), "placed 0, open"),
            (0, Written(0), "ok, B1 incoming 45000, B2 incoming 45000"),
            (100, Ack(B1, 0), "ok, A1 ringing"),
            (
                200,
                Decline(B2, 0),
                "ok, A1 ended declined 0, B1 ended declined_elsewhere 0, \
            B2 ended declined 0, close declined 0",
            ),
            (201, Decline(B2, 0), "wrong_state"),
            (202, Ack(B1, 0), "wrong_state, B1 ended declined_elsewhere 0"),
            (203, Ack(B2, 0), "wrong_state, B2 ended declined 0"),
        ],
    );
}

#[test]
fn the_caller_takes_it_back() {
    for step in [Cancel(A1, 0), HangUp(A1, 0)] {
        check(
            &[A1, B1, B2],
            &[
                (0, Place(A1, B), "placed 0, open"),
                (0, Written(0), "ok, B1 incoming 45000, B2 incoming 45000"),
                (
                    100,
                    step,
                    "ok, A1 ended cancelled 0, B1 ended cancelled 0, \
                B2 ended cancelled 0, close cancelled 0",
                ),
            ],
        );
    }
    check(
        &[A1, B1, B2],
        &[
            (0, Place(A1, B), "placed 0, open"),
            (1, Cancel(A1, 0), "ok, A1 ended cancelled 0, close cancelled 0"),
            (2, Written(0), "ok"),
        ],
    );
}

#[test]
fn busy_is_all_that_a_second_caller_hears() {
    let busy = "open, C1 ended busy 0, close busy 0";
    check_with(
        Config::default(),
        ALL,
        TALK,
        &[
            (4_000, Place(C1, B), &format!("placed 1, {busy}")),
            (4_001, Written(1), "ok"),
            (5_000, Place(C1, A), &format!("placed 2, {busy}")),
        ],
    );
    check(
        ALL,
        &[
            (0, Place(A1, B), "placed 0, open"),
            (0, Place(C1, B), &format!("placed 1, {busy}")),
            (1, Place(C1, A), &format!("placed 2, {busy}")),
            (1, Written(0), "ok, B1 incoming 45000, B2 incoming 45000"),
        ],
    );
}

#[test]
fn users_are_free_again_after_the_end() {
    check_with(
        Config::default(),
        ALL,
        TALK,
        &[
            (
                4_000,
                HangUp(A1, 0),
                "ok, A1 ended hung_up 2000, B1 ended hung_up 2000, no room, \
            close hung_up 2000",
            ),
            (4_001, Place(B2, A), "placed 1, open"),
            (4_001, Written(1), "ok, A1 incoming 45000, A2 incoming 45000"),
        ],
    );
}

#[test]
fn a_push_is_cancelled_everywhere_but_where_the_call_was_taken() {
    check(
        &[A1],
        &[
            (0, Place(A1, B), "placed 0, open"),
            (0, Written(0), "ok, push B1, push B2"),
            (900, On(B2, 1), "attached [0 Incoming Placed false 44100 someone]"),
            (901, Ack(B2, 0), "ok, A1 ringing"),
            (902, Accept(B2, 0), "ok, accept, room A+B, unpush B1"),
        ],
    );
}
