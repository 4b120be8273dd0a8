use super::*;

#[test]
fn slices_are_asked_for_in_time_and_talked_on() {
    let mut world = World::talking();
    world.after(39.9, "");
    world.after(0.2, "extend");
    let more = allowance(20_000, Next::Extend { at: secs(100), covers: secs(120) });
    world.check(Input::Extended(Ok(more)), "");
    world.after(30.0, "");
    world.after(30.0, "extend");
}

#[test]
fn the_last_money_is_warned_of_and_cut_off_at_its_end() {
    let mut world = World::talking();
    world.after(40.5, "extend");
    let cause = Cause::CreditEnded;
    let last = allowance(15_000, Next::Cut { warn_at: secs(75), at: secs(90), cause });
    world.check(Input::Extended(Ok(last)), "");
    world.after(34.0, "");
    world.after(1.0, "tell warning 15s, play");
    world.after(14.0, "");
    world.after(0.6, "hang up, tell ended credit_ended, close bridge");
    world.check(closed(), "close hang_up credit_ended 90.0s");
}

#[test]
fn a_timer_that_fires_late_charges_for_no_more_than_was_set_aside() {
    let mut world = World::talking();
    world.after(40.5, "extend");
    let cause = Cause::CreditEnded;
    let last = allowance(15_000, Next::Cut { warn_at: secs(75), at: secs(90), cause });
    world.check(Input::Extended(Ok(last)), "");
    world.at += secs(52);
    world.leg.handle_timeout(at(world.at));
    world.expect("hang up, tell ended credit_ended, close bridge");
    world.check(closed(), "close hang_up credit_ended 90.0s");
}

#[test]
fn money_that_comes_in_after_the_warning_goes_on() {
    let mut world = World::talking();
    world.after(40.5, "extend");
    let cause = Cause::CreditEnded;
    let last = allowance(15_000, Next::Cut { warn_at: secs(75), at: secs(90), cause });
    world.check(Input::Extended(Ok(last)), "");
    world.after(40.0, "tell warning 15s, play");
    world.check(Input::Funds, "extend");
    world.check(Input::Funds, "");
    let more = allowance(30_000, Next::Extend { at: secs(150), covers: secs(180) });
    world.check(Input::Extended(Ok(more)), "");
    world.after(60.0, "");
}

#[test]
fn books_that_do_not_answer_end_the_call_when_the_money_is_over() {
    let mut world = World::talking();
    world.after(40.5, "extend");
    world.after(19.4, "");
    world.after(0.5, "hang up, tell ended server, close bridge");
    world.check(closed(), "close hang_up server 60.0s");
}

#[test]
fn a_store_that_fails_is_asked_again() {
    let mut world = World::talking();
    world.after(40.5, "extend");
    world.check(Input::Extended(Err(OpenRefused::Unavailable)), "");
    world.after(1.0, "");
    world.after(1.5, "extend");
    let more = allowance(20_000, Next::Extend { at: secs(100), covers: secs(120) });
    world.check(Input::Extended(Ok(more)), "");
    world.after(20.0, "");
}

#[test]
fn a_limit_against_fraud_lets_the_paid_slice_end() {
    let mut world = World::talking();
    world.after(40.5, "extend");
    world.check(Input::Extended(Err(OpenRefused::NotPermitted)), "");
    world.after(0.1, "tell warning 19s, play");
    world.after(19.6, "hang up, tell ended not_permitted, close bridge");
}

#[test]
fn the_longest_call_is_cut_off_too() {
    let mut world = World::talking();
    world.after(40.5, "extend");
    let cause = Cause::TimeLimit;
    let last = allowance(20_000, Next::Cut { warn_at: secs(50), at: secs(65), cause });
    world.check(Input::Extended(Ok(last)), "");
    world.after(10.0, "tell warning 15s, play");
    world.check(Input::Funds, "");
    world.after(14.6, "hang up, tell ended time_limit, close bridge");
}
