use proptest::prelude::*;

use super::*;

/// Kilobits a second of a usual camera, its simulcast layers.
const CAMERA: &[u64] = &[100, 400, 1500];

fn ladder(rates: &[u64]) -> Ladder {
    let mut ladder = Ladder::default();
    for (layer, &rate) in (0u8..).zip(rates) {
        let reach = Reach { layer, temporal: 2 };
        ladder.push(Rung { reach, rate: rate * 1000, follows: false });
    }
    ladder
}

fn weight(priority: u8, screen: bool, pixels: u32) -> Weight {
    Weight { priority, screen, pixels }
}

fn held(layer: Option<u8>) -> Held {
    Held { reach: layer.map(|layer| Reach { layer, temporal: 2 }), fresh: false }
}

/// What each of the claims gets, in their order: a layer, or nothing.
fn outcome(
    claims: &[(Weight, bool, &[u64], Held)],
    (budget, rise): (u64, bool),
) -> Vec<Option<u8>> {
    let claim = |(key, &(weight, speaks, rates, held)): (usize, &(Weight, bool, &[u64], Held))| {
        Claim::new(key, (weight, speaks), ladder(rates), held)
    };
    let mut claims: Vec<_> = claims.iter().enumerate().map(claim).collect();
    let terms = Terms { budget: budget * 1000, rise, insist: false };
    let taken = allocate(&mut claims, terms);
    assert!(taken <= budget * 1000);
    claims.sort_by_key(|claim| claim.key);
    claims.iter().map(|claim| claim.given().map(|rung| rung.reach.layer)).collect()
}

/// Cameras that start, by weight.
fn check(weights: &[Weight], budget: u64, expect: &[Option<u8>]) {
    let claims: Vec<_> = weights.iter().map(|&w| (w, false, CAMERA, Held::NEW)).collect();
    assert_eq!(outcome(&claims, (budget, true)), expect, "{weights:?} {budget}");
}

const EQUAL: Weight = Weight::NONE;

#[test]
fn everyone_gets_the_least_before_anyone_gets_more() {
    check(&[EQUAL; 3], 5200, &[Some(2), Some(2), Some(2)]);
    check(&[EQUAL; 3], 3000, &[Some(2), Some(1), Some(1)]);
    check(&[EQUAL; 3], 1400, &[Some(1), Some(1), Some(1)]);
    check(&[EQUAL; 3], 500, &[Some(0), Some(0), Some(0)]);
    check(&[EQUAL; 3], 300, &[Some(0), Some(0), None]);
    check(&[EQUAL; 3], 0, &[None, None, None]);
}

#[test]
fn the_important_ones_come_first() {
    let big = weight(0, false, 1280 * 720);
    let small = weight(0, false, 160 * 90);
    check(&[small, big, small], 2000, &[Some(0), Some(2), Some(0)]);
    let screen = weight(0, true, 0);
    check(&[big, screen], 1900, &[Some(0), Some(2)]);
    check(&[big, screen], 120, &[None, Some(0)]);
    let first = weight(9, false, 0);
    check(&[screen, first], 1900, &[Some(0), Some(2)]);
}

#[test]
fn a_speaker_comes_first_among_equals() {
    let claims = [(EQUAL, false, CAMERA, Held::NEW), (EQUAL, true, CAMERA, Held::NEW)];
    assert_eq!(outcome(&claims, (700, true)), [Some(0), Some(1)]);
}

#[test]
fn a_rise_needs_a_margin_and_what_is_held_does_not() {
    for (layer, budget, expect) in
        [(1, 1500, 1), (1, 1600, 1), (1, 1688, 2), (2, 1500, 2), (2, 1499, 1), (2, 399, 0)]
    {
        let claims = [(EQUAL, false, CAMERA, held(Some(layer)))];
        assert_eq!(outcome(&claims, (budget, true)), [Some(expect)], "{layer} {budget}");
    }
}

#[test]
fn while_rises_are_forbidden_only_newcomers_start() {
    let claims = [
        (EQUAL, false, CAMERA, held(Some(0))),
        (EQUAL, false, CAMERA, held(None)),
        (EQUAL, false, CAMERA, Held::NEW),
    ];
    assert_eq!(outcome(&claims, (9000, false)), [Some(0), None, Some(2)]);
    assert_eq!(outcome(&claims, (9000, true)), [Some(2), Some(2), Some(2)]);
}

#[test]
fn a_rung_that_costs_no_more_than_a_worse_one_takes_its_place() {
    let ladder = ladder(&[100, 400, 300]);
    assert_eq!(ladder.rung(1).unwrap().reach.layer, 2);
    assert_eq!(ladder.top().unwrap().rate, 300_000);
    assert_eq!(ladder.within(Reach { layer: 1, temporal: 2 }), Some(0));
}

#[test]
fn the_most_important_picture_may_be_insisted_on() {
    for (held, insist, expect) in [
        (Held::NEW, true, Some(0)),
        (held(Some(2)), true, Some(0)),
        (held(Some(2)), false, None),
        (held(None), true, None),
    ] {
        let mut claims = [Claim::new((), (EQUAL, false), ladder(CAMERA), held)];
        allocate(&mut claims, Terms { budget: 50_000, rise: false, insist });
        assert_eq!(claims[0].given().map(|rung| rung.reach.layer), expect, "{held:?} {insist}");
    }
}

#[test]
fn a_track_that_sends_nothing_takes_nothing() {
    assert_eq!(outcome(&[(EQUAL, false, &[], Held::NEW)], (1000, true)), [None]);
}

fn claims() -> impl Strategy<Value = Vec<(Weight, Vec<u64>, Option<u8>)>> {
    let rates = proptest::collection::vec(1u64..3000, 1..5);
    let weight = (0u8..3, any::<bool>(), 0u32..3).prop_map(|(p, s, a)| weight(p, s, a));
    proptest::collection::vec((weight, rates, proptest::option::of(0u8..4)), 1..20)
}

proptest! {
    /// Allocating again from what came out changes nothing: there is no swinging.
    #[test]
    fn a_steady_link_is_shared_steadily(wishes in claims(), budget in 0u64..20_000) {
        let make = |wishes: &[(Weight, Vec<u64>, Option<u8>)]| -> Vec<_> {
            let claim = |(key, (weight, rates, had)): (usize, &(Weight, Vec<u64>, Option<u8>))| {
                Claim::new(key, (*weight, false), ladder(rates), held(*had))
            };
            wishes.iter().enumerate().map(claim).collect()
        };
        let mut wishes = wishes;
        let mut seen = Vec::new();
        for _ in 0..12 {
            let mut claims = make(&wishes);
            let terms = Terms { budget: budget * 1000, rise: true, insist: false };
            let taken = allocate(&mut claims, terms);
            prop_assert!(taken <= budget * 1000);
            for claim in &claims {
                wishes[claim.key].2 = claim.given().map(|rung| rung.reach.layer);
            }
            seen.push(wishes.iter().map(|wish| wish.2).collect::<Vec<_>>());
        }
        prop_assert_eq!(&seen[10], &seen[11]);
    }
}

#[test]
fn what_follows_needs_no_margin_and_stays_through_a_dip() {
    let mut ladder = ladder(&[100, 700]);
    let reach = Reach { layer: 2, temporal: 2 };
    ladder.push(Rung { reach, rate: 800_000, follows: true });
    let given = |layer: Option<u8>, budget: u64| {
        let mut claims = [Claim::new(0, (EQUAL, false), ladder, held(layer))];
        allocate(&mut claims, Terms { budget: budget * 1000, rise: true, insist: false });
        claims[0].given().map(|rung| rung.reach.layer)
    };
    assert_eq!((given(Some(1), 799), given(Some(1), 800)), (Some(1), Some(2)));
    // The rung below it would not fit.
    assert_eq!((given(Some(2), 600), given(Some(2), 599)), (Some(2), Some(0)));
}
