//! Limits, refusals, drain and stop.

use super::*;

#[test]
fn one_call_at_a_time() {
    check_with(
        Config::default(),
        ALL,
        TALK,
        &[
            (4_000, Place(A1, C), "in_call"),
            (4_000, Place(A2, C), "in_call"),
            (4_000, Place(B2, X), "in_call"),
        ],
    );
    check(
        ALL,
        &[
            (0, Place(A1, B), "placed 0, open"),
            (0, Place(B1, C), "in_call"),
            (0, Place(A1, B), "in_call"),
        ],
    );
}

#[test]
fn nobody_calls_themselves() {
    check(ALL, &[(0, Place(A1, A), "bad_number"), (0, PlaceBlocked(A1, A), "bad_number")]);
}

#[test]
fn places_are_paced_per_caller_whatever_becomes_of_them() {
    let config = Config { places_per_minute: 6, place_burst: 2, ..Config::default() };
    check_with(
        config,
        ALL,
        &[],
        &[
            (0, Place(A1, X), "placed 0, open"),
            (0, Cancel(A1, 0), "ok, A1 ended cancelled 0, close cancelled 0"),
            (0, Place(A2, B), "placed 1, open"),
            (0, Cancel(A2, 1), "ok, A2 ended cancelled 0, close cancelled 0"),
            (500, Place(A1, B), "slow 10"),
            (500, Place(C1, B), "placed 2, open"),
            (10_000, Place(A1, X), "@5500: C1 ended server 0, close server 0 | placed 3, open"),
        ],
    );
}

#[test]
fn a_full_machine_refuses() {
    let config = Config { max_calls: 1, ..Config::default() };
    check_with(
        config,
        ALL,
        &[],
        &[
            (0, Place(A1, B), "placed 0, open"),
            (0, Place(C1, X), "unavailable"),
            (1, Cancel(A1, 0), "ok, A1 ended cancelled 0, close cancelled 0"),
            (1, Place(C1, X), "placed 1, open"),
        ],
    );
}

#[test]
fn a_draining_machine_lets_calls_run() {
    check_with(
        Config::default(),
        ALL,
        &TALK[..3],
        &[
            (1_500, Drain, "ok"),
            (1_600, Place(C1, X), "unavailable"),
            (2_000, Place(B1, A), "placed 0, accept, room A+B, B2 ended answered_elsewhere 0"),
            (2_100, Ready(0), "ok, A1 accepted as A, B1 accepted as B"),
        ],
    );
}

#[test]
fn a_stopping_machine_ends_every_call() {
    check_with(
        Config::default(),
        ALL,
        TALK,
        &[
            (4_000, Place(C1, X), "placed 1, open"),
            (
                5_000,
                HangUp(A1, 0),
                "ok, A1 ended hung_up 3000, B1 ended hung_up 3000, no room, \
            close hung_up 3000",
            ),
            (6_000, Stop, "ok, C1 ended server 0, close server 0"),
            (6_000, Place(C1, X), "unavailable"),
        ],
    );
}

#[test]
fn the_memory_of_ended_calls_is_bounded() {
    let config = Config { max_calls: 2, ..Config::default() };
    check_with(
        config,
        ALL,
        &[],
        &[
            (0, Place(A1, X), "placed 0, open"),
            (0, Cancel(A1, 0), "ok, A1 ended cancelled 0, close cancelled 0"),
            (0, Place(B1, X), "placed 1, open"),
            (0, Cancel(B1, 1), "ok, B1 ended cancelled 0, close cancelled 0"),
            (0, Cancel(A1, 0), "wrong_state"),
            (0, Place(C1, X), "placed 2, open"),
            (0, Cancel(C1, 2), "ok, C1 ended cancelled 0, close cancelled 0"),
            (0, Cancel(A1, 0), "no_such_call"),
            (0, Cancel(C1, 2), "wrong_state"),
        ],
    );
}

#[test]
fn what_happened_is_counted() {
    let mut bench = Bench {
        machine: Calls::new(Config::default(), Rng::from_seed(1)),
        calls: Vec::new(),
        phones: Vec::new(),
    };
    for &(at, step, _) in TALK {
        bench.step(at, step);
    }
    bench.step(4_000, HangUp(A1, 0));
    bench.step(4_000, HangUp(A1, 0));
    let stats = bench.machine.stats();
    assert_eq!((stats.placed, stats.accepted), (1, 1));
    assert_eq!(stats.ended.get(crate::Cause::HungUp), 1);
    assert_eq!(stats.refused.get(crate::cause::RefusalKind::WrongState), 1);
    assert_eq!(bench.machine.live(), 0);
}
