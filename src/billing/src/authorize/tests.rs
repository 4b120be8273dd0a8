use proptest::prelude::*;

use super::*;
use crate::number::Service;
use crate::route::Priced;
use offhook_types::Currency;

const SLICING: Slicing = Slicing {
    length: Duration::from_secs(60),
    least: Duration::from_secs(10),
    warning: Duration::from_secs(15),
    lead: Duration::from_secs(5),
    longest: Duration::from_secs(600),
};

fn seconds(s: u64) -> Duration {
    Duration::from_secs(s)
}

fn customer(booked: i64, credit_limit: i64) -> Customer {
    let balance = Balance {
        booked: Micros(booked),
        reserved: Micros::ZERO,
        credit_limit: Micros(credit_limit),
        currency: Currency::USD,
    };
    Customer { status: Status::Active, balance, opened: WallTime(0) }
}

/// A route at sixty micro-units a minute: one a second.
fn route() -> Route {
    let sell = Priced {
        deck: "sell".into(),
        version: 1,
        hash: crate::deck::ContentHash([0; 32]),
        currency: Currency::USD,
        prefix: "49".parse().unwrap(),
        destination: "Germany".into(),
        rate: Rate::by_the_second(Micros(60)),
        tier: Default::default(),
    };
    Route {
        to: "+4930901820".parse().unwrap(),
        country: None,
        emergency: None,
        plan: "retail".into(),
        quoted: false,
        sell: Some(sell),
        trunks: vec![],
        refusal: None,
    }
}

fn check(customer: &Customer, route: &Route, expect: Result<(i64, Next), Refusal>) {
    let decision = match authorize(customer, route, None, &SLICING) {
        Decision::Allow(allowance) => Ok((allowance.amount.0, allowance.next)),
        Decision::Refuse(refusal) => Err(refusal),
    };
    assert_eq!(decision, expect);
}

fn more(at_s: u64, covers_s: u64) -> Next {
    Next::Extend { at: seconds(at_s), covers: seconds(covers_s) }
}

fn cut(warn_s: u64, at_s: u64, cause: Cause) -> Next {
    Next::Cut { warn_at: seconds(warn_s), at: seconds(at_s), cause }
}

#[test]
fn a_call_begins_on_one_slice() {
    check(&customer(1000, 0), &route(), Ok((60, more(40, 60))));
}

#[test]
fn credit_counts_and_what_is_set_aside_does_not() {
    check(&customer(0, 60), &route(), Ok((60, more(40, 60))));
    let mut busy = customer(70, 0);
    busy.balance.reserved = Micros(50);
    check(&busy, &route(), Ok((20, cut(5, 20, Cause::CreditEnded))));
}

#[test]
fn money_for_a_moment_only_is_no_credit() {
    check(&customer(10, 0), &route(), Ok((10, cut(0, 10, Cause::CreditEnded))));
    check(&customer(9, 0), &route(), Err(Refusal::NoCredit));
    check(&customer(0, 0), &route(), Err(Refusal::NoCredit));
    check(&customer(-500, 100), &route(), Err(Refusal::NoCredit));
}

#[test]
fn accounts_that_may_not_call_are_refused() {
    for (status, refusal) in
        [(Status::Suspended, Refusal::Suspended), (Status::Closed, Refusal::Closed)]
    {
        check(&Customer { status, ..customer(1000, 0) }, &route(), Err(refusal));
    }
    let mut euros = customer(1000, 0);
    euros.balance.currency = "EUR".parse().unwrap();
    check(&euros, &route(), Err(Refusal::Currency));
}

#[test]
fn what_routing_and_limits_refuse_stays_refused() {
    let refused = Route { refusal: Some(Refusal::NoProfit), ..route() };
    check(&customer(1000, 0), &refused, Err(Refusal::NoProfit));
    let decision = authorize(&customer(1000, 0), &route(), Some(Refusal::FraudLimit), &SLICING);
    assert_eq!(decision, Decision::Refuse(Refusal::FraudLimit));
}

#[test]
fn emergency_calls_are_free_and_never_refused_for_money() {
    let help = Route { emergency: Some(Service::Any), sell: None, ..route() };
    let poor = Customer { status: Status::Suspended, ..customer(-99, 0) };
    let free = Ok((0, cut(585, 600, Cause::TimeLimit)));
    check(&poor, &help, free);
    let decision = authorize(&poor, &help, Some(Refusal::FraudLimit), &SLICING);
    assert!(matches!(decision, Decision::Allow(_)));
    let nowhere = Route { refusal: Some(Refusal::NoEmergencyTrunk), ..help };
    check(&poor, &nowhere, Err(Refusal::NoEmergencyTrunk));
}

fn check_extend(funds: i64, talked_s: u64, reserved: i64, expect: (i64, Next)) {
    let progress = Progress { talked: seconds(talked_s), reserved: Micros(reserved) };
    let rate = Rate::by_the_second(Micros(60));
    let allowance = extend(&rate, Micros(funds), &progress, &SLICING).unwrap();
    assert_eq!((allowance.amount.0, allowance.next), expect);
    assert_eq!(allowance.total.0, reserved + allowance.amount.0);
}

#[test]
fn a_call_goes_on_slice_by_slice_until_money_or_time_ends() {
    check_extend(1000, 40, 60, (60, more(100, 120)));
    check_extend(60, 100, 120, (60, more(160, 180)));
    check_extend(59, 160, 180, (59, cut(224, 239, Cause::CreditEnded)));
    check_extend(0, 160, 180, (0, cut(165, 180, Cause::CreditEnded)));
    check_extend(-7, 160, 180, (0, cut(165, 180, Cause::CreditEnded)));
    check_extend(1000, 530, 550, (50, cut(585, 600, Cause::TimeLimit)));
}

#[test]
fn a_late_question_buys_time_from_now() {
    check_extend(1000, 90, 60, (90, more(130, 150)));
}

proptest! {
    /// Many calls on one balance, in any order: what is set aside always pays for what was talked.
    #[test]
    fn parallel_calls_never_overspend(
        funds in 0..2_000i64,
        per_minute in 1..400i64,
        increments in (1..70u32, 1..70u32),
        turns in prop::collection::vec(0..8usize, 1..200),
    ) {
        let (first_increment_s, next_increment_s) = increments;
        let rate = Rate { first_increment_s, next_increment_s, ..Rate::by_the_second(Micros(per_minute)) };
        let mut left = Micros(funds);
        let mut calls = [(Progress::default(), None::<Next>); 8];
        for turn in turns {
            let (progress, next) = &mut calls[turn];
            match next {
                Some(Next::Cut { at, .. }) => progress.talked = *at,
                Some(Next::Extend { at, .. }) => progress.talked = *at,
                None => {}
            }
            let allowance = extend(&rate, left, progress, &SLICING).unwrap();
            left = left.checked_sub(allowance.amount).unwrap();
            progress.reserved = allowance.total;
            *next = Some(allowance.next);
            prop_assert!(left >= Micros::ZERO);
            prop_assert!(allowance.next.ends() >= progress.talked);
            prop_assert!(charge(&rate, allowance.next.ends()).unwrap().amount <= progress.reserved);
        }
        let spent: i64 = calls
            .iter()
            .filter_map(|(_, next)| Some(charge(&rate, next.as_ref()?.ends()).unwrap().amount.0))
            .sum();
        prop_assert!(spent <= funds);
    }
}
