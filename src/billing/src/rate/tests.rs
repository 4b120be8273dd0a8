use proptest::prelude::*;

use super::*;

fn rate(increments: (u32, u32), per_minute: i64) -> Rate {
    let (first_increment_s, next_increment_s) = increments;
    Rate { first_increment_s, next_increment_s, ..Rate::by_the_second(Micros(per_minute)) }
}

fn check(rate: &Rate, talked_ms: u64, expect: (u64, i64)) {
    let charge = charge(rate, Duration::from_millis(talked_ms)).unwrap();
    assert_eq!((charge.billed_s, charge.amount.0), expect, "{talked_ms} ms at {rate:?}");
}

#[test]
fn time_is_rounded_up_to_increments() {
    for (increments, talked_ms, billed_s) in [
        ((1, 1), 1, 1),
        ((1, 1), 61_000, 61),
        ((1, 1), 61_001, 62),
        ((6, 6), 1_000, 6),
        ((6, 6), 12_001, 18),
        ((60, 60), 60_000, 60),
        ((60, 60), 60_001, 120),
        ((30, 6), 5_000, 30),
        ((30, 6), 30_000, 30),
        ((30, 6), 31_000, 36),
        ((60, 1), 61_500, 62),
    ] {
        check(&rate(increments, 60), talked_ms, (billed_s, i64::try_from(billed_s).unwrap()));
    }
}

#[test]
fn an_unanswered_call_costs_nothing() {
    check(&Rate { connection_fee: Micros(5), ..rate((60, 60), 60) }, 0, (0, 0));
}

#[test]
fn a_fee_is_added_once() {
    check(&Rate { connection_fee: Micros(5), ..rate((1, 1), 60) }, 2_000, (2, 7));
}

#[test]
fn short_calls_are_charged_as_the_minimum_in_increments() {
    check(&Rate { minimum_s: 20, ..rate((6, 6), 60) }, 1_000, (24, 24));
    check(&Rate { minimum_s: 20, ..rate((6, 6), 60) }, 25_000, (30, 30));
}

#[test]
fn grace_is_free_and_beyond_it_all_is_charged() {
    let graced = Rate { grace_s: 3, connection_fee: Micros(5), ..rate((1, 1), 60) };
    check(&graced, 3_000, (0, 0));
    check(&graced, 3_001, (4, 9));
}

#[test]
fn no_call_costs_more_than_the_maximum() {
    let capped = Rate { max_cost: Some(Micros(100)), ..rate((1, 1), 60) };
    check(&capped, 99_000, (99, 99));
    check(&capped, 3_600_000, (3_600, 100));
    assert_eq!(affordable(&capped, Micros(100)), Ok(None));
}

#[test]
fn fractions_go_where_the_rounding_says() {
    // 90 a minute is 1.5 a second; 30 is half, 31 just above it, 29 below.
    for (per_minute, talked_s, up, half_even, down) in
        [(90, 1, 2, 2, 1), (30, 1, 1, 0, 0), (31, 1, 1, 1, 0), (29, 1, 1, 0, 0), (150, 1, 3, 2, 2)]
    {
        let expect = [(Rounding::Up, up), (Rounding::HalfEven, half_even), (Rounding::Down, down)];
        for (rounding, amount) in expect {
            let rate = Rate { rounding, ..rate((1, 1), per_minute) };
            check(&rate, talked_s * 1000, (talked_s, amount));
        }
    }
}

#[test]
fn what_does_not_fit_is_an_error_and_never_an_amount() {
    let dear = rate((1, 1), i64::MAX);
    assert_eq!(charge(&dear, Duration::from_secs(61)), Err(BadRate::Overflow));
    assert_eq!(charge(&dear, Duration::MAX), Err(BadRate::Overflow));
    assert_eq!(charge(&rate((1, 1), 1), Duration::MAX), Err(BadRate::Overflow));
    assert_eq!(charge(&rate((0, 1), 1), Duration::from_secs(1)), Err(BadRate::Increment));
    assert_eq!(charge(&rate((1, 1), -1), Duration::from_secs(1)), Err(BadRate::Negative));
    assert_eq!(affordable(&rate((1, 0), 1), Micros(1)), Err(BadRate::Increment));
}

/// Random rates seldom meet an exact half; small prices by the second meet every one.
#[test]
fn affordable_is_exact_at_every_half() {
    for rounding in [Rounding::Up, Rounding::HalfEven, Rounding::Down] {
        for (per_minute, funds) in
            (1..130).flat_map(|price| (0..40).map(move |funds| (price, funds)))
        {
            let rate = Rate { rounding, ..rate((1, 1), per_minute) };
            let longest = affordable(&rate, Micros(funds)).unwrap().unwrap();
            let of = |talked| charge(&rate, talked).unwrap().amount.0;
            let (within, beyond) = (of(longest), of(longest + Duration::from_secs(1)));
            assert!(within <= funds && funds < beyond, "{funds} at {rate:?}");
        }
    }
}

#[test]
fn a_slice_covers_as_long_as_its_money_lasts() {
    let rate = rate((30, 6), 60);
    let first = slice(&rate, Micros::ZERO, Duration::from_secs(10)).unwrap();
    assert_eq!((first.amount, first.covers), (Micros(30), Some(Duration::from_secs(30))));
    let second = slice(&rate, first.total, Duration::from_secs(61)).unwrap();
    assert_eq!((second.amount, second.total), (Micros(36), Micros(66)));
    assert_eq!(second.covers, Some(Duration::from_secs(66)));
}

prop_compose! {
    fn any_rate()(
        per_minute in prop_oneof![0..200i64, 0..5_000_000i64],
        connection_fee in prop_oneof![Just(0i64), 0..1_000_000i64],
        first_increment_s in 1..70u32,
        next_increment_s in 1..70u32,
        minimum_s in prop_oneof![Just(0u32), 0..100u32],
        grace_s in prop_oneof![Just(0u32), 0..40u32],
        max_cost in prop::option::of(0..10_000_000i64),
        rounding in prop_oneof![Just(Rounding::Up), Just(Rounding::HalfEven), Just(Rounding::Down)],
    ) -> Rate {
        Rate {
            per_minute: Micros(per_minute),
            connection_fee: Micros(connection_fee),
            first_increment_s,
            next_increment_s,
            minimum_s,
            grace_s,
            max_cost: max_cost.map(Micros),
            rounding,
        }
    }
}

/// What a clerk would do: add increments until the call fits, then price each in exact sixtieths.
fn by_hand(rate: &Rate, talked_ms: u64) -> (u64, i64) {
    if talked_ms == 0 || talked_ms <= u64::from(rate.grace_s) * 1000 {
        return (0, 0);
    }
    let wanted_ms = talked_ms.max(u64::from(rate.minimum_s) * 1000);
    let mut billed = u64::from(rate.first_increment_s);
    while billed * 1000 < wanted_ms {
        billed += u64::from(rate.next_increment_s);
    }
    let sixtieths = rate.per_minute.0 * i64::try_from(billed).unwrap();
    let (whole, rest) = (sixtieths / 60, sixtieths % 60);
    let more = match rate.rounding {
        Rounding::Up => rest > 0,
        Rounding::Down => false,
        Rounding::HalfEven => rest > 30 || (rest == 30 && whole % 2 == 1),
    };
    let amount = rate.connection_fee.0 + whole + i64::from(more);
    (billed, rate.max_cost.map_or(amount, |cap| amount.min(cap.0)))
}

proptest! {
    #[test]
    fn a_charge_is_what_a_clerk_would_write(rate in any_rate(), talked_ms in 0..10_000_000u64) {
        let charge = charge(&rate, Duration::from_millis(talked_ms)).unwrap();
        prop_assert_eq!((charge.billed_s, charge.amount.0), by_hand(&rate, talked_ms));
    }

    #[test]
    fn longer_never_costs_less(rate in any_rate(), a in 0..10_000_000u64, b in 0..10_000_000u64) {
        let of = |ms| charge(&rate, Duration::from_millis(ms)).unwrap().amount;
        prop_assert!(of(a.min(b)) <= of(a.max(b)));
    }

    #[test]
    fn affordable_is_the_exact_inverse(rate in any_rate(), funds in 0..20_000_000i64) {
        let funds = Micros(funds);
        let of = |talked| charge(&rate, talked).unwrap().amount;
        match affordable(&rate, funds).unwrap() {
            Some(longest) => {
                prop_assert!(of(longest) <= funds);
                prop_assert!(of(longest + Duration::from_nanos(1)) > funds);
            }
            None => prop_assert!(of(Duration::from_secs(u64::from(u32::MAX))) <= funds),
        }
    }

    #[test]
    fn slices_add_up_to_the_charge(rate in any_rate(), steps in prop::collection::vec(1..90u64, 1..9)) {
        let (mut reserved, mut until) = (Micros::ZERO, Duration::ZERO);
        for step in steps {
            until += Duration::from_secs(step);
            let next = slice(&rate, reserved, until).unwrap();
            reserved = reserved.checked_add(next.amount).unwrap();
            prop_assert_eq!(reserved, charge(&rate, until).unwrap().amount);
            prop_assert!(next.covers.is_none_or(|covers| covers >= until));
        }
    }
}
