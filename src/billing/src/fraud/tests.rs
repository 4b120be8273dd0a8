use core::time::Duration;

use proptest::prelude::*;

use super::*;

const ACCOUNT: AccountId = AccountId(1);
/// Noon of a day.
const NOON: u64 = 1_772_366_400_000;

fn rule(measure: Measure, limit: i64, action: Action) -> Rule {
    let name = measure.as_str().into();
    Rule { name, measure, tier: Tier::Standard, limit, newcomer_limit: None, action }
}

fn guard(rules: Vec<Rule>) -> Guard {
    Guard::new(Rules { rules, accounts: 4, ..Rules::default() })
}

fn attempt(to: &str) -> Attempt {
    Attempt {
        account: ACCOUNT,
        opened: WallTime(0),
        to: to.parse().unwrap(),
        tier: Tier::Standard,
        per_minute: Micros(10),
    }
}

fn spent(amount: i64) -> Spent {
    let amount = Micros(amount);
    Spent { account: ACCOUNT, opened: WallTime(0), tier: Tier::Standard, amount }
}

fn at(s: u64) -> WallTime {
    WallTime(NOON + s * 1000)
}

/// Attempts at these seconds, each with what it is refused for and how many records it leaves.
fn check(guard: &mut Guard, steps: &[(u64, &str, Option<Refusal>, usize)]) {
    for (s, to, refusal, records) in steps {
        let findings = guard.attempt(at(*s), &attempt(to));
        assert_eq!(
            (findings.refusal, findings.records.len()),
            (*refusal, *records),
            "{to} at {s} s"
        );
    }
}

const FIRST: Option<Refusal> = Some(Refusal::FraudLimit);
const STILL: Option<Refusal> = Some(Refusal::DestinationBlocked);

#[test]
fn too_many_calls_in_a_minute_block_the_tier_for_an_hour() {
    let mut guard = guard(vec![rule(Measure::CallsPerMinute, 2, Action::Block)]);
    check(
        &mut guard,
        &[
            (0, "4930901820", None, 0),
            (1, "4930901821", None, 0),
            (2, "4930901822", FIRST, 1),
            (80, "4930901822", STILL, 0),
            (3601, "4930901822", STILL, 0),
            (3602, "4930901822", None, 0),
        ],
    );
    let risky = Attempt { tier: Tier::High, ..attempt("4930901820") };
    let mut guard = self::guard(vec![rule(Measure::CallsPerMinute, 0, Action::Block)]);
    assert_eq!(guard.attempt(at(0), &attempt("4930901820")).refusal, FIRST);
    assert_eq!(guard.attempt(at(0), &risky).refusal, FIRST, "another tier is not blocked yet");
}

#[test]
fn calls_at_one_time_are_limited_until_one_ends() {
    let mut guard = guard(vec![rule(Measure::Concurrent, 1, Action::Block)]);
    check(&mut guard, &[(0, "4930901820", None, 0), (1, "4930901821", FIRST, 1)]);
    guard.ended(ACCOUNT, Tier::Standard);
    check(&mut guard, &[(2, "4930901821", None, 0), (3, "4930901820", FIRST, 1)]);
}

#[test]
fn repeated_calls_to_a_number_block_that_number_only() {
    let mut guard = guard(vec![rule(Measure::SameNumber, 2, Action::Block)]);
    check(
        &mut guard,
        &[
            (0, "4930901820", None, 0),
            (600, "4930901820", None, 0),
            (700, "4930901820", FIRST, 1),
            (701, "4930901821", None, 0),
            // The block is over, and so is the hour that the first call counts in.
            (4300, "4930901820", None, 0),
        ],
    );
}

#[test]
fn calls_through_a_range_block_the_range() {
    let mut guard = guard(vec![rule(Measure::SamePrefix, 2, Action::Block)]);
    check(
        &mut guard,
        &[
            (0, "4930901001", None, 0),
            (1, "4930901002", None, 0),
            (2, "4930901003", FIRST, 1),
            (3, "4930901004", STILL, 0),
            (4, "4930902001", None, 0),
        ],
    );
    let findings = guard.attempt(at(5), &attempt("4930902002"));
    assert_eq!(findings, Findings::default());
}

#[test]
fn dear_calls_and_calls_at_night_are_refused_alone() {
    let day: Hours = "07:00-22:30+02:00".parse().unwrap();
    let rules = vec![
        rule(Measure::PricePerMinute, 10, Action::Block),
        rule(Measure::Hours(day), 0, Action::Block),
    ];
    let mut guard = guard(rules);
    let dear = Attempt { per_minute: Micros(11), ..attempt("4930901820") };
    let findings = guard.attempt(at(0), &dear);
    assert_eq!((findings.refusal, findings.records[0].blocked), (FIRST, None));
    assert_eq!((findings.records[0].seen, findings.records[0].limit), (11, 10));
    // 20:29 UTC is 22:29 there.
    let evening = 8 * 3600 + 29 * 60;
    check(&mut guard, &[(0, "4930901820", None, 0), (evening, "4930901820", None, 0)]);
    check(&mut guard, &[(evening + 60, "4930901820", FIRST, 1), (86_400, "4930901820", None, 0)]);
}

#[test]
fn hours_may_go_over_midnight_and_survive_printing() {
    for (text, minute, expect) in [
        ("22:00-06:00+00:00", 23 * 60, true),
        ("22:00-06:00+00:00", 5 * 60 + 59, true),
        ("22:00-06:00+00:00", 6 * 60, false),
        ("07:00-22:30-05:30", 12 * 60, false),
        ("07:00-22:30-05:30", 12 * 60 + 30, true),
    ] {
        let hours: Hours = text.parse().unwrap();
        assert_eq!(hours.hold(WallTime(minute * 60_000)), expect, "{text} at {minute}");
        assert_eq!(hours.to_string(), text);
    }
    for text in ["", "7:00-22:00", "07:00", "07:00-24:00", "07:00-22:00Z", "07:00-22:00+2:00"] {
        assert!(text.parse::<Hours>().is_err(), "{text}");
    }
}

#[test]
fn spending_suspends_until_somebody_lifts_it() {
    let mut guard = guard(vec![rule(Measure::SpendPerDay, 100, Action::Suspend)]);
    assert_eq!(guard.spend(at(0), &spent(60)), Findings::default());
    let findings = guard.spend(at(3600), &spent(41));
    assert_eq!(findings.refusal, Some(Refusal::Suspended));
    let record = &findings.records[0];
    assert_eq!((record.seen, record.limit, record.action), (101, 100, Action::Suspend));
    assert!(!record.appeal.is_empty());
    check(&mut guard, &[(90_000, "4930901820", Some(Refusal::Suspended), 0)]);
    guard.lift(ACCOUNT);
    check(&mut guard, &[(90_001, "4930901820", None, 0)]);
    // A restart forgets counts, not decisions.
    let mut fresh = self::guard(vec![]);
    fresh.restore(at(90_000), record);
    check(&mut fresh, &[(90_001, "4930901820", Some(Refusal::Suspended), 0)]);
}

#[test]
fn what_was_refused_or_given_back_is_not_spent() {
    let mut guard = guard(vec![rule(Measure::SpendPerHour, 100, Action::Block)]);
    assert_eq!(guard.spend(at(0), &spent(90)).refusal, None);
    assert_eq!(guard.spend(at(1), &spent(-50)).refusal, None);
    assert_eq!(guard.spend(at(2), &spent(60)).refusal, None);
    assert_eq!(guard.spend(at(3), &spent(1)).refusal, FIRST);
    check(&mut guard, &[(4, "4930901820", STILL, 0)]);
    // An hour and a bucket later all is forgotten.
    assert_eq!(guard.spend(at(3_901), &spent(100)).refusal, None);
}

#[test]
fn new_accounts_have_tighter_limits() {
    let tight = Rule { newcomer_limit: Some(1), ..rule(Measure::CallsPerMinute, 5, Action::Block) };
    let mut guard = guard(vec![tight]);
    let new = Attempt { opened: at(0), account: AccountId(2), ..attempt("4930901820") };
    assert_eq!(guard.attempt(at(1), &new).refusal, None);
    assert_eq!(guard.attempt(at(2), &new).refusal, FIRST);
    check(&mut guard, &[(1, "4930901820", None, 0), (2, "4930901820", None, 0)]);
    let week = 7 * 86_400;
    for _ in 0..5 {
        assert_eq!(guard.attempt(at(week), &new).refusal, None);
    }
}

#[test]
fn rules_for_risky_tiers_do_not_count_others() {
    let risky = Rule { tier: Tier::High, ..rule(Measure::Concurrent, 1, Action::Block) };
    let mut guard = guard(vec![risky]);
    let premium = Attempt { tier: Tier::Premium, ..attempt("4990012345") };
    check(&mut guard, &[(0, "4930901820", None, 0), (0, "4930901821", None, 0)]);
    assert_eq!(guard.attempt(at(0), &premium).refusal, None);
    assert_eq!(guard.attempt(at(0), &premium).refusal, FIRST);
}

#[test]
fn a_warning_is_given_once_and_the_call_is_made() {
    let mut guard = guard(vec![rule(Measure::CallsPerMinute, 0, Action::Warn)]);
    check(&mut guard, &[(0, "4930901820", None, 1), (1, "4930901820", None, 0)]);
    check(&mut guard, &[(3601, "4930901820", None, 1)]);
}

#[test]
fn the_gravest_action_decides_and_comes_last() {
    let mut guard = guard(vec![
        rule(Measure::PricePerMinute, 0, Action::Suspend),
        rule(Measure::PricePerMinute, 0, Action::Warn),
        rule(Measure::PricePerMinute, 0, Action::Block),
    ]);
    let findings = guard.attempt(at(0), &attempt("4930901820"));
    assert_eq!(findings.refusal, Some(Refusal::Suspended));
    let actions: Vec<_> = findings.records.iter().map(|record| record.action).collect();
    assert_eq!(actions, [Action::Warn, Action::Block, Action::Suspend]);
}

#[test]
fn memory_is_bounded_and_the_idle_are_forgotten_first() {
    let mut guard = guard(vec![rule(Measure::Concurrent, 1, Action::Block)]);
    let of = |serial| Attempt { account: AccountId(serial), ..attempt("4930901820") };
    guard.attempt(at(0), &of(1));
    for serial in 2..100 {
        guard.attempt(at(serial), &of(serial));
        guard.ended(AccountId(serial), Tier::Standard);
        assert!(guard.len() <= 4);
    }
    // The first one still talks, so its call is still known.
    assert_eq!(guard.attempt(at(200), &of(1)).refusal, FIRST);
}

#[test]
fn ordinary_use_passes_the_usual_rules() {
    let mut guard = Guard::new(Rules::default());
    for day in 0..30 {
        for call in 0..8 {
            let when = at(day * 86_400 + call * 1800);
            let to = format!("4930901{:03}", call % 3);
            assert_eq!(guard.attempt(when, &attempt(&to)), Findings::default());
            assert_eq!(guard.spend(when, &spent(400_000)), Findings::default());
            guard.ended(ACCOUNT, Tier::Standard);
        }
    }
}

#[test]
fn measures_are_known_by_name() {
    for rule in Rules::default().rules {
        assert_eq!(Measure::from_name(rule.measure.as_str()), Some(rule.measure));
    }
    assert_eq!(Measure::from_name("hours"), None);
}

proptest! {
    /// Against a list of every call: what passes is never more than the limit in any minute, and a call
    /// that leaves room for a bucket more is never refused.
    #[test]
    fn no_minute_has_more_calls_than_allowed(
        steps in prop::collection::vec(0..20u64, 1..120),
        limit in 1..8i64,
    ) {
        let mut rules = Rules { accounts: 4, block: Duration::ZERO, ..Rules::default() };
        rules.rules = vec![rule(Measure::CallsPerMinute, limit, Action::Block)];
        let (mut guard, mut now, mut made) = (Guard::new(rules), 0, Vec::new());
        for step in steps {
            now += step;
            let within = |window: u64| {
                made.iter().filter(|then| **then + window > now).count() as i64
            };
            let (exact, coarse) = (within(60), within(70));
            match guard.attempt(at(now), &attempt("4930901820")).refusal {
                None => {
                    prop_assert!(exact < limit);
                    made.push(now);
                }
                Some(_) => prop_assert!(coarse >= limit),
            }
        }
    }
}
