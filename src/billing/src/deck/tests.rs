use proptest::prelude::*;

use super::*;
use offhook_types::Micros;

fn row(prefix: &str, price: i64, from: u64, until: Option<u64>) -> Row {
    Row {
        prefix: prefix.parse().unwrap(),
        destination: format!("to {prefix}").into(),
        rate: Rate::by_the_second(Micros(price)),
        from: WallTime(from),
        until: until.map(WallTime),
        tier: Tier::Standard,
    }
}

fn label() -> Label {
    Label { name: "test".into(), version: 1, currency: Currency::USD }
}

fn deck(rows: &[Row]) -> Deck {
    Deck::new(label(), rows.to_vec()).unwrap()
}

fn check(deck: &Deck, number: &str, at: u64, expect: Option<(&str, i64)>) {
    let found = deck.find(&number.parse().unwrap(), WallTime(at));
    let found = found.map(|found| (found.prefix.to_string(), found.rate.per_minute.0));
    assert_eq!(found, expect.map(|(prefix, price)| (prefix.to_owned(), price)), "{number} at {at}");
}

#[test]
fn the_longest_prefix_decides() {
    let deck = deck(&[row("1", 1, 0, None), row("49", 2, 0, None), row("4915", 3, 0, None)]);
    check(&deck, "+4930901820", 0, Some(("49", 2)));
    check(&deck, "+4915112345678", 0, Some(("4915", 3)));
    check(&deck, "+4916012345678", 0, Some(("49", 2)));
    check(&deck, "+12025550123", 0, Some(("1", 1)));
    check(&deck, "+442079460958", 0, None);
    check(&deck, "+993123456", 0, None);
}

#[test]
fn prices_change_at_their_dates() {
    let deck = deck(&[
        row("49", 1, 10, Some(20)),
        row("49", 2, 20, None),
        row("4930", 3, 15, Some(25)),
        row("4", 9, 0, Some(5)),
    ]);
    for (at, expect) in [
        (4, Some(("4", 9))),
        (5, None),
        (10, Some(("49", 1))),
        (15, Some(("4930", 3))),
        (24, Some(("4930", 3))),
        (25, Some(("49", 2))),
    ] {
        check(&deck, "+4930901820", at, expect);
    }
}

#[test]
fn rows_that_contradict_each_other_make_no_deck() {
    let refuse = |rows: &[Row]| Deck::new(label(), rows.to_vec()).unwrap_err();
    let prefix = "49".parse().unwrap();
    let twice = [row("49", 1, 0, None), row("49", 2, 20, None)];
    assert_eq!(refuse(&twice), BadDeck::Overlap(prefix));
    assert_eq!(refuse(&[row("49", 1, 20, Some(20))]), BadDeck::Never(prefix));
    assert_eq!(refuse(&[row("49", -1, 0, None)]), BadDeck::Rate(prefix, BadRate::Negative));
}

#[test]
fn an_empty_deck_knows_nothing() {
    check(&deck(&[]), "+4930901820", 0, None);
    assert!(deck(&[]).is_empty());
}

#[test]
fn equal_contents_hash_equally_in_any_order() {
    let (a, b) = (row("49", 1, 0, Some(20)), row("49", 2, 20, None));
    let hash = deck(&[a.clone(), b.clone()]).hash();
    assert_eq!(deck(&[b.clone(), a.clone()]).hash(), hash);
    assert_ne!(deck(&[a.clone(), Row { tier: Tier::High, ..b.clone() }]).hash(), hash);
    assert_ne!(deck(&[a, Row { destination: "elsewhere".into(), ..b }]).hash(), hash);
}

#[test]
fn prefixes_survive_printing_and_hide_subscribers() {
    for text in ["1", "49", "999999999999999", "100000000000000"] {
        let prefix: Prefix = text.parse().unwrap();
        assert_eq!((prefix.to_string().as_str(), prefix.len() as usize), (text, text.len()));
    }
    for text in ["", "0", "+49", "1234567890123456", "49a", "4 9"] {
        assert!(text.parse::<Prefix>().is_err(), "{text}");
    }
    let whole: Prefix = "4915112345678".parse().unwrap();
    assert_eq!(format!("{whole:?}"), "[redacted number]");
}

/// The longest row that holds, found by looking at every one.
fn naive<'a>(rows: &'a [Row], number: &Number, at: WallTime) -> Option<&'a Row> {
    rows.iter()
        .filter(|row| number.as_str()[1..].starts_with(&row.prefix.to_string()))
        .filter(|row| row.from <= at && row.until.is_none_or(|until| at < until))
        .max_by_key(|row| row.prefix.len())
}

prop_compose! {
    /// Few digits, so that prefixes nest and numbers match.
    fn any_rows()(
        prefixes in prop::collection::btree_map("[12][0129]{0,6}", (0..9u64, 1..9u64, 0..9u64), 0..400)
    ) -> Vec<Row> {
        prefixes
            .into_iter()
            .flat_map(|(prefix, (from, lasts, pause))| {
                let (until, again) = (from + lasts, from + lasts + pause);
                [row(&prefix, 1, from, Some(until)), row(&prefix, 2, again, None)]
            })
            .collect()
    }
}

proptest! {
    #[test]
    fn the_index_finds_what_looking_at_every_row_finds(
        rows in any_rows(),
        numbers in prop::collection::vec("[+][12][0129]{6,8}", 1..40),
        at in 0..30u64,
    ) {
        let (deck, at) = (deck(&rows), WallTime(at));
        for number in numbers {
            let number: Number = number.parse().unwrap();
            let found = deck.find(&number, at);
            let expect = naive(&rows, &number, at);
            prop_assert_eq!(found.map(|found| found.prefix), expect.map(|row| row.prefix));
            prop_assert_eq!(found.map(|found| found.rate), expect.map(|row| &row.rate));
        }
    }

    #[test]
    fn a_deck_gives_back_its_rows(rows in any_rows()) {
        let mut sorted = rows.clone();
        sorted.sort_by_key(|row| (row.prefix, row.from));
        prop_assert_eq!(deck(&rows).rows().collect::<Vec<_>>(), sorted);
    }
}
