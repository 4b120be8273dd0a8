use core::time::Duration;

use offhook_types::Time;

use super::{Client, Heard, Tick};
use crate::agent::Timers;

enum Step {
    /// At this many milliseconds the clock is looked at.
    At(u64, Tick),
    Hear(u64, u16, Heard),
}
use Step::{At, Hear};

#[track_caller]
fn check(invite: bool, sure: bool, steps: &[Step]) {
    let timers = (Timers::default(), Duration::from_secs(60));
    let mut client = Client::new(Time::ZERO, invite, sure, timers);
    for step in steps {
        match *step {
            At(ms, tick) => {
                let now = Time::from_millis(ms);
                assert_eq!(client.next_timeout(), now, "due at {ms} ms");
                assert_eq!(client.handle_timeout(now), tick, "at {ms} ms");
            }
            Hear(ms, status, heard) => {
                let now = Time::from_millis(ms);
                assert_eq!(client.handle_response(now, status), heard, "{status} at {ms} ms");
            }
        }
    }
}

#[test]
fn an_invite_is_repeated_by_timer_a_until_timer_b() {
    let repeats = [500, 1_500, 3_500, 7_500, 15_500, 31_500].map(|ms| At(ms, Tick::Repeat));
    let mut steps = Vec::from(repeats);
    steps.push(At(32_000, Tick::TimedOut));
    check(true, false, &steps);
    check(true, true, &[At(32_000, Tick::TimedOut)]);
}

#[test]
fn another_request_is_repeated_by_timer_e_until_timer_f() {
    let repeats = [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];
    let mut steps = Vec::from(repeats.map(|ms| At(ms, Tick::Repeat)));
    steps.push(At(32_000, Tick::TimedOut));
    check(false, false, &steps);
    let slow = [Hear(100, 100, Heard::Pass), At(4_100, Tick::Repeat), At(8_100, Tick::Repeat)];
    check(false, false, &slow);
}

#[test]
fn a_failure_is_acknowledged_each_time_and_passed_once_until_timer_d() {
    check(
        true,
        false,
        &[
            Hear(100, 180, Heard::Pass),
            Hear(200, 486, Heard::AckAndPass),
            Hear(700, 486, Heard::Ack),
            Hear(800, 200, Heard::Absorb),
            At(32_200, Tick::Over),
        ],
    );
    check(true, true, &[Hear(200, 486, Heard::AckAndPass), At(200, Tick::Over)]);
}

#[test]
fn every_2xx_is_passed_until_timer_m() {
    check(
        true,
        false,
        &[
            Hear(100, 200, Heard::Pass),
            Hear(600, 200, Heard::Pass),
            Hear(700, 180, Heard::Absorb),
            At(32_100, Tick::Over),
        ],
    );
}

#[test]
fn a_final_response_is_passed_once_until_timer_k() {
    check(
        false,
        false,
        &[Hear(100, 200, Heard::Pass), Hear(600, 200, Heard::Absorb), At(5_100, Tick::Over)],
    );
}
