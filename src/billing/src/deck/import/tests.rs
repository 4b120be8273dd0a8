use proptest::prelude::*;

use super::*;

fn defaults() -> Defaults {
    Defaults {
        currency: Currency::USD,
        from: WallTime(7),
        tier: Tier::Elevated,
        rate: Rate { first_increment_s: 60, grace_s: 2, ..Rate::by_the_second(Micros::ZERO) },
    }
}

fn rows(text: &str) -> Vec<Row> {
    import(text, &defaults()).unwrap()
}

/// Every bad row: line, column and what is wrong.
fn check(text: &str, expect: &[(u32, &str, Reason)]) {
    let bad = import(text, &defaults()).unwrap_err();
    let bad: Vec<_> = bad.iter().map(|row| (row.line, row.column.as_str(), row.reason)).collect();
    assert_eq!(bad, expect, "{text}");
}

#[test]
fn columns_come_in_any_order_and_most_may_be_left_out() {
    let [row] = rows("Per Minute,prefix\r\n0.0125,49\r\n").try_into().unwrap();
    let rate = Rate { per_minute: Micros(12_500), ..defaults().rate };
    assert_eq!((row.prefix.to_string().as_str(), row.rate), ("49", rate));
    assert_eq!((row.from, row.until, row.tier), (WallTime(7), None, Tier::Elevated));
}

#[test]
fn every_column_is_read() {
    let text = "prefix;destination;per_minute;connection_fee;currency;first_increment_s;\
        next_increment_s;minimum_s;grace_s;max_cost;rounding;effective_from;effective_until;tier\n\
        4915;\"Germany; mobile\";0.02;0.01;USD;30;6;12;3;5;half_even;2026-03-01;\
        2026-04-01T06:00Z;high\n";
    let [row] = rows(text).try_into().unwrap();
    let rate = Rate {
        per_minute: Micros(20_000),
        connection_fee: Micros(10_000),
        first_increment_s: 30,
        next_increment_s: 6,
        minimum_s: 12,
        grace_s: 3,
        max_cost: Some(Micros(5_000_000)),
        rounding: Rounding::HalfEven,
    };
    assert_eq!((row.rate, row.tier), (rate, Tier::High));
    assert_eq!(&*row.destination, "Germany; mobile");
    assert_eq!(row.from, WallTime(1_772_323_200_000));
    assert_eq!(row.until, Some(WallTime(1_775_023_200_000)));
}

#[test]
fn every_bad_row_is_named_and_nothing_is_taken() {
    let text = "prefix,per_minute,currency,effective_from,effective_until,tier,rounding,grace_s,\
        first_increment_s\n\
        49,0.01,,,,,,,\n\
        +49,0.01,,,,,,,\n\
        33,1e3,,,,,,,\n\
        34,-1,,,,,,,\n\
        35,,,,,,,,\n\
        36,1,usd,,,,,,\n\
        37,1,ABC,,,,,,\n\
        38,1,EUR,,,,,,\n\
        39,1,,01.02.2026,,,,,\n\
        40,1,,2026-02-01,2026-01-01,,,,\n\
        41,1,,,,odd,,,\n\
        42,1,,,,,near,,\n\
        43,1,,,,,,-1,\n\
        44,1,,,,,,,0\n\
        45,1\n\
        ,1,,,,,,,\n\
        46,\"1,,,,,,,\n";
    check(
        text,
        &[
            (3, "prefix", Reason::Prefix),
            (4, "per_minute", Reason::Amount),
            (5, "per_minute", Reason::Amount),
            (6, "per_minute", Reason::Missing),
            (7, "currency", Reason::Currency),
            (8, "currency", Reason::Currency),
            (9, "currency", Reason::OtherCurrency),
            (10, "effective_from", Reason::Date),
            (11, "effective_until", Reason::Never),
            (12, "tier", Reason::Tier),
            (13, "rounding", Reason::Rounding),
            (14, "grace_s", Reason::Seconds),
            (15, "first_increment_s", Reason::Increment),
            (16, "", Reason::Shape),
            (17, "prefix", Reason::Missing),
            (18, "", Reason::Shape),
        ],
    );
}

#[test]
fn rows_that_hold_at_once_are_named_with_the_line_of_the_other() {
    let header = "prefix,per_minute,effective_from,effective_until\n";
    let list = |rows: &str| format!("{header}{rows}");
    check(&list("49,1,,\n33,1,,\n49,2,2026-01-01,\n"), &[(4, "prefix", Reason::Overlap(2))]);
    check(
        &list("49,1,2026-01-01,2026-12-31\n49,2,2026-02-01,2026-03-01\n49,3,2026-05-01,\n"),
        &[(3, "prefix", Reason::Overlap(2)), (4, "prefix", Reason::Overlap(2))],
    );
    let apart = list("49,1,2026-01-01,2026-02-01\n49,2,2026-02-01,\n49,3,,2026-01-01\n");
    assert_eq!(rows(&apart).len(), 3);
}

#[test]
fn a_header_that_cannot_be_read_is_reported_alone() {
    check("", &[(1, "", Reason::Empty)]);
    check("prefix,per_minute\n\n", &[(1, "", Reason::Empty)]);
    check(
        "prefix,price\nx,y\n",
        &[(1, "price", Reason::ColumnUnknown), (1, "per_minute", Reason::ColumnMissing)],
    );
    check("prefix,per_minute,prefix\n", &[(1, "prefix", Reason::ColumnTwice)]);
}

#[test]
fn complaints_can_be_read() {
    let bad = import("prefix,per_minute\n49,x\n", &defaults()).unwrap_err();
    assert!(bad[0].to_string().starts_with("line 2, per_minute: not an amount"));
}

proptest! {
    #[test]
    fn any_text_is_taken_or_refused_with_a_reason(text in "([a-z_,;\"\n 0-9.-]|prefix,per_minute\n){0,80}") {
        match import(&text, &defaults()) {
            Ok(rows) => prop_assert!(!rows.is_empty()),
            Err(bad) => prop_assert!(!bad.is_empty()),
        }
    }
}
