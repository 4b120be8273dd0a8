//! Devices that come late, go, and come back.

use super::*;

#[test]
fn a_device_that_connects_meanwhile_rings_too() {
    check(
        &[A1, B1],
        &[
            (0, Place(A1, B), "placed 0, open"),
            (0, Written(0), "ok, B1 incoming 45000, push B2"),
            (1_000, Ack(B1, 0), "ok, A1 ringing"),
            (5_000, On(B2, 1), "attached [0 Incoming Ringing false 40000 someone]"),
            (5_001, On(A2, 1), "attached"),
            (
                6_000,
                Cancel(A1, 0),
                "ok, A1 ended cancelled 0, B1 ended cancelled 0, \
            B2 ended cancelled 0, unpush B2, close cancelled 0",
            ),
        ],
    );
}

#[test]
fn a_session_that_was_away_is_told_on_resume_and_only_once() {
    check(
        &[A1, B1, B2],
        &[
            (0, Off(B2, 1), "ok"),
            (0, Place(A1, B), "placed 0, open"),
            (0, Written(0), "ok, B1 incoming 45000, push B2"),
            (5_000, On(B2, 1), "attached, B2 incoming 40000"),
            (5_000, On(B2, 1), "attached"),
            (6_000, Off(B1, 1), "ok"),
            (7_000, On(B1, 1), "attached"),
        ],
    );
}

#[test]
fn ringing_goes_on_while_devices_lose_their_sessions() {
    check(
        &[A1, B1],
        &[
            (0, Place(A1, B), "placed 0, open"),
            (0, Written(0), "ok, B1 incoming 45000, push B2"),
            (1, Ack(B1, 0), "ok, A1 ringing"),
            (10, Off(B1, 1), "ok"),
            (20, Shut(B1, 1), "ok"),
            (44_000, On(B1, 2), "attached [0 Incoming Ringing false 1000 someone]"),
            (44_001, Accept(B1, 0), "ok, accept, room A+B, unpush B2"),
        ],
    );
}

#[test]
fn a_caller_who_is_lost_takes_the_call_back() {
    let end = "A1 ended cancelled 0, B1 ended cancelled 0, B2 ended cancelled 0, close cancelled 0";
    for away in [Off(A1, 1), Shut(A1, 1)] {
        check(
            &[A1, B1, B2],
            &[
                (0, Place(A1, B), "placed 0, open"),
                (0, Written(0), "ok, B1 incoming 45000, B2 incoming 45000"),
                (1, Ack(B1, 0), "ok, A1 ringing"),
                (2_000, away, "ok"),
                (5_000, Off(A1, 1), "ok"),
                (20_000, Wait, &format!("@17000: {end}")),
            ],
        );
    }
    check(
        &[A1, B1, B2],
        &[
            (0, Place(A1, B), "placed 0, open"),
            (0, Written(0), "ok, B1 incoming 45000, B2 incoming 45000"),
            (1, Ack(B1, 0), "ok, A1 ringing"),
            (2_000, Off(A1, 1), "ok"),
            (16_000, On(A1, 2), "attached [0 Outgoing Ringing false 0 ]"),
            (16_001, Off(A1, 1), "ok"),
            (16_001, Shut(A1, 1), "ok"),
            (40_000, Wait, ""),
        ],
    );
}

#[test]
fn a_reload_in_the_middle_of_a_call_finds_it_again() {
    check_with(
        Config::default(),
        &[A1, B1, B2],
        TALK,
        &[
            (10_000, Off(A1, 1), "ok"),
            (10_100, Out(A, 0), "ok"),
            (12_000, On(A1, 2), "attached [0 Outgoing Accepted true 0 ]"),
            (13_000, In(A, 0), "ok"),
            (14_000, On(B1, 2), "attached [0 Incoming Accepted true 0 someone]"),
            (14_000, On(B2, 2), "attached"),
            (300_000, Wait, ""),
        ],
    );
}

#[test]
fn a_session_lost_earlier_shortens_the_grace_but_never_below_the_time_to_join() {
    let end = |talked| {
        format!(
            "A1 ended connection_lost {talked}, B1 ended connection_lost {talked}, no room, \
            close connection_lost {talked}"
        )
    };
    check_with(
        Config::default(),
        &[A1, B1, B2],
        TALK,
        &[
            (10_000, Off(B1, 1), "ok"),
            (40_000, Out(B, 0), "ok"),
            (99_000, Wait, &format!("@70000: {}", end(68_000))),
        ],
    );
    check_with(
        Config::default(),
        &[A1, B1, B2],
        TALK,
        &[
            (10_000, Off(B1, 1), "ok"),
            (10_500, Shut(B1, 1), "ok"),
            (200_000, Out(B, 0), "ok"),
            (299_000, Wait, &format!("@220000: {}", end(218_000))),
        ],
    );
}

#[test]
fn whoever_is_heard_is_not_lost() {
    check_with(
        Config::default(),
        &[A1, B1, B2],
        TALK,
        &[(10_000, Off(B1, 1), "ok"), (10_000, Shut(A1, 1), "ok"), (3_000_000, Wait, "")],
    );
}

#[test]
fn signing_out_leaves_the_call() {
    check_with(
        Config::default(),
        &[A1, B1, B2],
        TALK,
        &[
            (4_000, SignOut(B2), "ok"),
            (
                5_000,
                SignOut(B1),
                "ok, A1 ended hung_up 3000, B1 ended hung_up 3000, no room, \
            close hung_up 3000",
            ),
        ],
    );
    check(
        &[A1, B1, B2],
        &[
            (0, Place(A1, B), "placed 0, open"),
            (0, Written(0), "ok, B1 incoming 45000, B2 incoming 45000"),
            (1, SignOut(B1), "ok"),
            (2, SignOut(A1), "ok, A1 ended cancelled 0, B2 ended cancelled 0, close cancelled 0"),
        ],
    );
}

#[test]
fn the_callee_is_not_named_to_the_caller_before_or_after() {
    check(
        &[A1, B1],
        &[
            (0, Place(A1, B), "placed 0, open"),
            (1, On(A1, 2), "attached [0 Outgoing Placed false 0 ]"),
        ],
    );
}
