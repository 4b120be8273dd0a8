//! Accepting, glare, meeting in the room, and the ends of accepted calls.

use super::*;

#[test]
fn both_sides_are_sent_to_the_room_and_hear_the_same_end() {
    check_with(
        Config::default(),
        &[A1, B1, B2],
        TALK,
        &[(
            63_000,
            HangUp(A1, 0),
            "ok, A1 ended hung_up 61000, B1 ended hung_up 61000, no room, close hung_up 61000",
        )],
    );
}

#[test]
fn the_callee_may_hang_up_too() {
    check_with(
        Config::default(),
        &[A1, B1, B2],
        TALK,
        &[(
            2_500,
            HangUp(B1, 0),
            "ok, A1 ended hung_up 500, B1 ended hung_up 500, no room, close hung_up 500",
        )],
    );
}

#[test]
fn only_the_first_accept_wins() {
    check(
        &[A1, B1, B2],
        &[
            (0, Place(A1, B), "placed 0, open"),
            (0, Written(0), "ok, B1 incoming 45000, B2 incoming 45000"),
            (10, Accept(B2, 0), "ok, accept, room A+B, B1 ended answered_elsewhere 0"),
            (11, Accept(B1, 0), "wrong_state"),
            (11, Accept(B2, 0), "ok"),
            (12, Decline(B1, 0), "wrong_state"),
            (12, Decline(B2, 0), "wrong_state"),
            (13, Cancel(A1, 0), "wrong_state"),
            (14, HangUp(B1, 0), "wrong_state"),
            (15, Ack(B1, 0), "wrong_state, B1 ended answered_elsewhere 0"),
            (16, Ack(B2, 0), "ok"),
        ],
    );
}

#[test]
fn a_late_accept_finds_the_call_gone() {
    check(
        &[A1, B1],
        &[
            (0, Place(A1, B), "placed 0, open"),
            (0, Written(0), "ok, B1 incoming 45000, push B2"),
            (
                10,
                Cancel(A1, 0),
                "ok, A1 ended cancelled 0, B1 ended cancelled 0, unpush B2, \
            close cancelled 0",
            ),
            (11, Accept(B1, 0), "wrong_state"),
            (12, Ack(B2, 0), "wrong_state, B2 ended cancelled 0"),
            (13, Cancel(A1, 0), "wrong_state"),
            (200_000, Accept(B1, 0), "no_such_call"),
        ],
    );
}

#[test]
fn other_peoples_calls_do_not_exist() {
    check(
        &[A1, A2, B1, C1],
        &[
            (0, Place(A1, B), "placed 0, open"),
            (0, Accept(B1, 0), "no_such_call"),
            (0, Decline(B1, 0), "no_such_call"),
            (0, Ack(B1, 0), "no_such_call"),
            (0, Written(0), "ok, B1 incoming 45000, push B2"),
            (1, Accept(C1, 0), "no_such_call"),
            (1, Ack(C1, 0), "no_such_call"),
            (1, Cancel(C1, 0), "no_such_call"),
            (1, HangUp(A2, 0), "no_such_call"),
            (1, Cancel(B1, 0), "wrong_state"),
            (1, HangUp(B1, 0), "wrong_state"),
            (1, Accept(A1, 0), "wrong_state"),
            (2, In(C, 0), "ok"),
            (2, Out(C, 0), "ok"),
        ],
    );
}

#[test]
fn crossing_calls_become_one_that_both_accepted() {
    check(
        &[A1, B1, B2],
        &[
            (0, Place(A1, B), "placed 0, open"),
            (0, Written(0), "ok, B1 incoming 45000, B2 incoming 45000"),
            (5, Place(B1, A), "placed 0, accept, room A+B, B2 ended answered_elsewhere 0"),
            (6, Ready(0), "ok, A1 accepted as A, B1 accepted as B"),
            (7, Place(B1, A), "in_call"),
            (7, Place(A1, B), "in_call"),
        ],
    );
}

#[test]
fn crossing_calls_meet_even_before_the_record_is_written() {
    check(
        &[A1, B1, B2],
        &[
            (0, Place(A1, B), "placed 0, open"),
            (1, Place(B1, A), "placed 0, accept, room A+B"),
            (2, Written(0), "ok"),
            (3, Ready(0), "ok, A1 accepted as A, B1 accepted as B"),
        ],
    );
    check(
        &[A1, B1, B2],
        &[
            (0, Place(A1, B), "placed 0, open"),
            (1, Place(B1, A), "placed 0, accept, room A+B"),
            (2, NotWritten(0), "ok, A1 ended server 1, B1 ended server 1, no room"),
        ],
    );
}

#[test]
fn a_call_to_somebody_who_blocked_the_caller_does_not_cross() {
    check(
        &[A1, B1],
        &[
            (0, PlaceBlocked(A1, B), "placed 0, open"),
            (0, Written(0), "ok"),
            (1, Place(B1, A), "placed 1, open, B1 ended busy 0, close busy 0"),
        ],
    );
}

#[test]
fn without_a_room_there_is_no_call() {
    let end = "A1 ended server 5000, B1 ended server 5000, no room, close server 5000";
    let steps = &TALK[..4];
    check_with(Config::default(), &[A1, B1, B2], steps, &[(9_000, Wait, &format!("@7000: {end}"))]);
    let end = "ok, A1 ended server 1000, B1 ended server 1000, no room, close server 1000";
    check_with(Config::default(), &[A1, B1, B2], steps, &[(3_000, RoomGone(0), end)]);
    check_with(Config::default(), &[A1, B1, B2], TALK, &[(3_000, RoomGone(0), end)]);
}

#[test]
fn a_side_that_never_joins_is_lost() {
    let end = "A1 ended connection_lost 20100, B1 ended connection_lost 20100, no room, \
        close connection_lost 20100";
    check_with(
        Config::default(),
        &[A1, B1, B2],
        &TALK[..6],
        &[(2_200, Ready(0), "ok"), (30_000, Wait, &format!("@22100: {end}"))],
    );
}

#[test]
fn a_side_that_leaves_the_room_has_a_grace_to_return() {
    let end = "A1 ended connection_lost 88000, B1 ended connection_lost 88000, no room, \
        close connection_lost 88000";
    check_with(
        Config::default(),
        &[A1, B1, B2],
        TALK,
        &[
            (10_000, Out(A, 0), "ok"),
            (20_000, Out(A, 0), "ok"),
            (29_000, In(A, 0), "ok"),
            (30_000, Out(A, 0), "ok"),
            (99_000, Wait, &format!("@90000: {end}")),
        ],
    );
}

#[test]
fn a_call_ends_at_the_longest_allowed() {
    let hours = 12 * 3_600_000;
    let end = format!(
        "@{}: A1 ended time_limit {hours}, B1 ended time_limit {hours}, no room, \
        close time_limit {hours}",
        2_000 + hours
    );
    check_with(Config::default(), &[A1, B1, B2], TALK, &[(hours + 9_000, Wait, &end)]);
}

#[test]
fn what_was_missed_about_the_room_is_made_up_for() {
    let end = "A1 ended connection_lost 68000, B1 ended connection_lost 68000, no room, \
               close connection_lost 68000";
    check_with(
        Config::default(),
        &[A1, B1, B2],
        TALK,
        &[
            (10_000, OnlyIn(A, 0), "ok"),
            (20_000, OnlyIn(A, 0), "ok"),
            (99_000, Wait, &format!("@70000: {end}")),
        ],
    );
    let end = "A1 ended connection_lost 20100, B1 ended connection_lost 20100, no room, \
               close connection_lost 20100";
    check_with(
        Config::default(),
        &[A1, B1, B2],
        &TALK[..5],
        &[(3_000, OnlyIn(A, 0), "ok"), (99_000, Wait, &format!("@22100: {end}"))],
    );
}
