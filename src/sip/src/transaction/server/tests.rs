use core::time::Duration;

use offhook_types::Time;

use super::{Server, Tick};
use crate::agent::Timers;

enum Step {
    /// At this many milliseconds the clock is looked at.
    At(u64, Tick),
    Respond(u64, u16),
    /// Whether it is the first ACK.
    Ack(u64, bool),
    /// Whether the last response is sent again.
    Repeat(bool),
}
use Step::{Ack, At, Repeat, Respond};

#[track_caller]
fn check(invite: bool, sure: bool, steps: &[Step]) {
    let timers = (Timers::default(), Duration::from_secs(60));
    let mut server = Server::new(Time::ZERO, invite, sure, timers);
    for step in steps {
        match *step {
            At(ms, tick) => {
                let now = Time::from_millis(ms);
                assert_eq!(server.next_timeout(), now, "due at {ms} ms");
                assert_eq!(server.handle_timeout(now), tick, "at {ms} ms");
            }
            Respond(ms, status) => server.respond(Time::from_millis(ms), status),
            Ack(ms, first) => assert_eq!(server.handle_ack(Time::from_millis(ms)), first),
            Repeat(again) => assert_eq!(server.handle_repeat(), again),
        }
    }
}

#[test]
fn a_failure_is_repeated_by_timer_g_until_its_ack_and_absorbed_by_timer_i() {
    check(
        true,
        false,
        &[
            Respond(0, 486),
            At(500, Tick::Repeat),
            At(1_500, Tick::Repeat),
            Repeat(true),
            Ack(2_000, true),
            Ack(2_100, false),
            Repeat(false),
            At(7_000, Tick::Over),
        ],
    );
    check(true, true, &[Respond(0, 486), At(32_000, Tick::Over)]);
}

#[test]
fn a_2xx_is_repeated_over_any_transport_until_its_ack() {
    let steps = [
        Respond(0, 180),
        Respond(0, 200),
        Repeat(false),
        At(500, Tick::Repeat),
        At(1_500, Tick::Repeat),
        Ack(2_000, true),
        At(32_000, Tick::Over),
    ];
    check(true, true, &steps);
    check(true, false, &steps);
}

#[test]
fn a_2xx_without_ack_is_told_after_timer_l() {
    let repeats = [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];
    let mut steps = vec![Respond(0, 200)];
    steps.extend(repeats.map(|ms| At(ms, Tick::Repeat)));
    steps.push(At(32_000, Tick::NeverAcknowledged));
    check(true, false, &steps);
}

#[test]
fn another_response_is_kept_until_timer_j() {
    check(false, false, &[Respond(0, 200), Repeat(true), At(32_000, Tick::Over)]);
    check(false, true, &[Respond(0, 200), At(0, Tick::Over)]);
}

#[test]
fn nobody_thinks_for_ever() {
    check(false, false, &[At(60_000, Tick::Undecided), At(60_500, Tick::Undecided)]);
}
