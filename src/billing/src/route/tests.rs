use core::time::Duration;

use super::*;
use crate::deck::{Label, Row};
use crate::number::Service;
use offhook_types::{Currency, Micros};

const NOW: Time = Time::from_millis(1_000_000);

fn deck(name: &str, rows: &[(&str, i64, Tier)]) -> Arc<Deck> {
    let rows = rows.iter().map(|(prefix, per_minute, tier)| Row {
        prefix: prefix.parse().unwrap(),
        destination: "Germany".into(),
        rate: Rate::by_the_second(Micros(*per_minute)),
        from: WallTime(0),
        until: None,
        tier: *tier,
    });
    let label = Label { name: name.into(), version: 3, currency: Currency::USD };
    Arc::new(Deck::new(label, rows.collect()).unwrap())
}

fn trunk(serial: u64) -> Trunk {
    Trunk {
        id: TrunkId(serial),
        name: format!("carrier-{serial}").into(),
        priority: 0,
        weight: 1,
        deck: "buy".into(),
        caps: Caps::NONE,
        format: ">00".parse().unwrap(),
        caller: CallerPolicy::Verified,
        tier: Tier::Premium,
        emergency: false,
        enabled: true,
    }
}

fn plan() -> Plan {
    Plan {
        name: "retail".into(),
        sell: deck("sell", &[("49", 20_000, Tier::Standard), ("4990", 900_000, Tier::Premium)]),
        tier: Tier::Standard,
        margin: Micros(1_000),
        reference: Duration::from_secs(180),
        caps: Caps::NONE,
    }
}

fn caller() -> Caller {
    let number: Number = "+4930901820".parse().unwrap();
    Caller {
        account: AccountId(7),
        home: Country::of(&number),
        tier: None,
        verified: vec![number.clone()],
        number: Some(number),
    }
}

/// A router over trunks with what each asks for a minute to Germany; `None` for no deck.
fn router(trunks: Vec<(Trunk, Option<i64>)>) -> Router {
    let mut router = Router::new(Thresholds::default());
    let buy = |price: i64| deck("buy", &[("49", price, Tier::Standard)]);
    router.set_trunks(trunks.into_iter().map(|(trunk, price)| (trunk, price.map(buy))).collect());
    router
}

struct Question {
    to: &'static str,
    caller: Caller,
    plan: Plan,
    pinned: Option<Rate>,
    anonymous: bool,
    seed: u64,
}

impl Default for Question {
    fn default() -> Self {
        let (caller, plan) = (caller(), plan());
        Self { to: "+4989123456", caller, plan, pinned: None, anonymous: false, seed: 1 }
    }
}

impl Question {
    fn ask(&self, router: &Router) -> Route {
        self.ask_at(NOW, router)
    }

    fn ask_at(&self, now: Time, router: &Router) -> Route {
        let asked = Asked {
            at: WallTime(5),
            to: &self.to.parse().unwrap(),
            by: &self.caller,
            plan: &self.plan,
            pinned: self.pinned,
            anonymous: self.anonymous,
        };
        router.decide(now, &asked, &mut Rng::from_seed(self.seed))
    }
}

/// Which trunks are tried in this order, why the others are not, and why the call is refused.
fn check(route: &Route, tried: &[u64], dropped: &[(u64, Drop)], refusal: Option<Refusal>) {
    let order: Vec<u64> = route.tried().map(|candidate| candidate.trunk.id.0).collect();
    let left: Vec<(u64, Drop)> = route
        .trunks
        .iter()
        .filter_map(|candidate| match candidate.verdict {
            Verdict::Dropped(why) => Some((candidate.trunk.id.0, why)),
            _ => None,
        })
        .collect();
    assert_eq!((order.as_slice(), left.as_slice()), (tried, dropped), "{route}");
    assert_eq!(route.refusal, refusal, "{route}");
}

#[test]
fn the_cheapest_trunk_that_makes_a_profit_is_first() {
    let router =
        router(vec![(trunk(1), Some(15_000)), (trunk(2), Some(12_000)), (trunk(3), Some(19_001))]);
    let route = Question::default().ask(&router);
    check(&route, &[2, 1], &[(3, Drop::NoProfit)], None);
    let profits: Vec<_> = route.trunks.iter().map(|trunk| trunk.profit).collect();
    assert_eq!(profits, [Some(Micros(8_000)), Some(Micros(5_000)), Some(Micros(999))]);
    assert_eq!(route.trunks[0].cost, Some(Micros(36_000)));
}

#[test]
fn profit_is_what_is_left_after_each_sides_own_increments() {
    let mut plan = plan();
    plan.reference = Duration::from_secs(61);
    let router = router(vec![(trunk(1), Some(10_000))]);
    // Both by the second: half of the price is left.
    check(&Question { plan: plan.clone(), ..Question::default() }.ask(&router), &[1], &[], None);
    let minutes =
        Rate { first_increment_s: 60, next_increment_s: 60, ..Rate::by_the_second(Micros(10_500)) };
    let buy = Row {
        prefix: "49".parse().unwrap(),
        destination: "".into(),
        rate: minutes,
        from: WallTime(0),
        until: None,
        tier: Tier::Standard,
    };
    let label = Label { name: "buy".into(), version: 1, currency: Currency::USD };
    let mut by_minutes = Router::new(Thresholds::default());
    by_minutes.set_trunks(vec![(trunk(1), Some(Arc::new(Deck::new(label, vec![buy]).unwrap())))]);
    // The carrier takes two minutes for what the account pays 61 seconds of.
    let route = Question { plan, ..Question::default() }.ask(&by_minutes);
    check(&route, &[], &[(1, Drop::NoProfit)], Some(Refusal::NoProfit));
    assert!(route.trunks[0].profit.unwrap() < Micros::ZERO);
}

#[test]
fn a_quoted_price_is_kept_and_decides_the_profit() {
    let router = router(vec![(trunk(1), Some(12_000))]);
    let pinned = Rate::by_the_second(Micros(12_500));
    let route = Question { pinned: Some(pinned), ..Question::default() }.ask(&router);
    check(&route, &[], &[(1, Drop::NoProfit)], Some(Refusal::NoProfit));
    assert_eq!(route.rate(), Some(pinned));
    assert!(route.quoted);
}

#[test]
fn priority_goes_before_cost_and_a_poor_trunk_after_all() {
    let mut router = router(vec![
        (Trunk { priority: 9, ..trunk(1) }, Some(1_000)),
        (trunk(2), Some(15_000)),
        (trunk(3), Some(12_000)),
    ]);
    check(&Question::default().ask(&router), &[3, 2, 1], &[], None);
    for _ in 0..40 {
        let failed = Observed { answered: false, post_dial_delay: None, one_way: false };
        router.observe(NOW, TrunkId(3), "DE".parse().ok(), failed);
    }
    check(&Question::default().ask(&router), &[2, 1, 3], &[], None);
    let later = NOW + Duration::from_secs(1200);
    check(&Question::default().ask_at(later, &router), &[3, 2, 1], &[], None);
    // Replacing the trunks forgets nothing about those that stay.
    let stay = deck("buy", &[("49", 12_000, Tier::Standard)]);
    router.set_trunks(vec![(trunk(3), Some(stay))]);
    assert_eq!(Question::default().ask(&router).trunks[0].verdict, Verdict::TriedLast);
}

#[test]
fn equals_share_calls_by_weight() {
    let router = router(vec![
        (Trunk { weight: 3, ..trunk(1) }, Some(10_000)),
        (trunk(2), Some(10_000)),
        (trunk(3), Some(11_000)),
    ]);
    let mut first = [0u32; 4];
    for seed in 0..4000 {
        let route = Question { seed, ..Question::default() }.ask(&router);
        let order: Vec<_> = route.tried().map(|candidate| candidate.trunk.id.0).collect();
        assert_eq!(order[2], 3);
        first[usize::try_from(order[0]).unwrap()] += 1;
    }
    assert!((2900..3100).contains(&first[1]), "{first:?}");
    assert_eq!(first[1] + first[2], 4000);
}

#[test]
fn what_cannot_be_used_says_why() {
    let mut router = router(vec![
        (Trunk { enabled: false, ..trunk(1) }, Some(1_000)),
        (trunk(2), Some(1_000)),
        (trunk(3), None),
        (Trunk { caps: Caps { channels: Some(1), ..Caps::NONE }, ..trunk(4) }, Some(1_000)),
    ]);
    router.set_up(TrunkId(2), false);
    router.claim(NOW, TrunkId(4), false).unwrap();
    assert_eq!(router.claim(NOW, TrunkId(4), false), Err(Full::Channels));
    let why =
        [(1, Drop::Off), (2, Drop::Down), (3, Drop::NoPrice), (4, Drop::Full(Full::Channels))];
    check(&Question::default().ask(&router), &[], &why, Some(Refusal::TrunksFull));
    router.release(TrunkId(4));
    router.set_up(TrunkId(2), true);
    let route = Question::default().ask(&router);
    assert_eq!((route.tried().count(), route.refusal), (2, None));
}

#[test]
fn decks_in_different_currencies_are_not_compared() {
    let mut router = Router::new(Thresholds::default());
    let label = Label { name: "buy".into(), version: 1, currency: "EUR".parse().unwrap() };
    let rows = deck("x", &[("49", 1, Tier::Standard)]).rows().collect();
    router.set_trunks(vec![(trunk(1), Some(Arc::new(Deck::new(label, rows).unwrap())))]);
    let route = Question::default().ask(&router);
    check(&route, &[], &[(1, Drop::Currency)], Some(Refusal::NoTrunk));
}

#[test]
fn risky_destinations_are_refused_unless_allowed() {
    let mut cheap = trunk(1);
    cheap.tier = Tier::Standard;
    let router = router(vec![(cheap, Some(1_000)), (trunk(2), Some(1_000))]);
    let mut question = Question { to: "+4990012345", ..Question::default() };
    assert_eq!(question.ask(&router).refusal, Some(Refusal::Tier));
    question.caller.tier = Some(Tier::Premium);
    check(&question.ask(&router), &[2], &[(1, Drop::Tier)], None);
    // An account may also be allowed less than its plan.
    question.plan.tier = Tier::Premium;
    question.caller.tier = Some(Tier::High);
    assert_eq!(question.ask(&router).refusal, Some(Refusal::Tier));
}

#[test]
fn numbers_without_a_price_and_short_codes_are_refused() {
    let router = router(vec![(trunk(1), Some(1_000))]);
    let refusal = |to| Question { to, ..Question::default() }.ask(&router).refusal;
    assert_eq!(refusal("+442079460958"), Some(Refusal::NoPrice));
    assert_eq!(refusal("411"), Some(Refusal::ShortCode));
}

#[test]
fn accounts_have_caps() {
    let mut router = router(vec![(trunk(1), Some(1_000))]);
    let mut question = Question::default();
    question.plan.caps.channels = Some(1);
    let call = Begun { account: AccountId(7), caps: question.plan.caps, emergency: false };
    router.begin(NOW, &call).unwrap();
    assert_eq!(question.ask(&router).refusal, Some(Refusal::AccountFull));
    router.end(NOW, AccountId(7));
    assert_eq!(question.ask(&router).refusal, None);
}

#[test]
fn an_emergency_call_always_has_a_way() {
    let helps =
        |serial| Trunk { emergency: true, caps: full(), tier: Tier::Standard, ..trunk(serial) };
    let mut router = router(vec![(trunk(1), Some(1_000)), (helps(2), None), (helps(3), Some(1))]);
    router.set_up(TrunkId(2), false);
    let mut question = Question { to: "112", anonymous: true, ..Question::default() };
    question.plan.caps = full();
    let route = question.ask(&router);
    check(&route, &[3, 2], &[(1, Drop::NoEmergency)], None);
    assert_eq!((route.emergency, route.rate()), (Some(Service::Any), Some(Rate::FREE)));
    // Help must know who calls.
    assert_eq!(route.trunks[0].shown, Shown::Number("+4930901820".parse().unwrap()));
    assert_eq!(router.claim(NOW, TrunkId(3), true), Ok(()));
    let call = Begun { account: AccountId(7), caps: full(), emergency: true };
    assert_eq!(router.begin(NOW, &call), Ok(()));
}

#[test]
fn a_redirected_call_keeps_its_price_and_is_judged_again() {
    let router = router(vec![(trunk(1), Some(12_000))]);
    let question = Question::default();
    let redirect = |to: &str, from: &Route| {
        let to: Dialed = to.parse().unwrap();
        let (by, plan) = (&question.caller, &question.plan);
        let asked = Asked { at: WallTime(5), to: &to, by, plan, pinned: None, anonymous: false };
        router.redirected(NOW, &asked, from, &mut Rng::from_seed(1))
    };
    let pinned = Some(Rate::by_the_second(Micros(15_000)));
    let cheap = Question { pinned, ..Question::default() }.ask(&router);
    let again = redirect("+4940123456", &cheap);
    check(&again, &[1], &[], None);
    assert_eq!(again.rate(), pinned);
    // Not to where the account may not call, nor to where nobody pays for it.
    assert_eq!(redirect("+4990012345", &cheap).refusal, Some(Refusal::Tier));
    let free =
        Route { sell: cheap.sell.clone().map(|sell| Priced { rate: Rate::FREE, ..sell }), ..cheap };
    assert_eq!(redirect("+4940123456", &free).refusal, Some(Refusal::NoProfit));
}

#[test]
fn a_redirected_emergency_call_stays_one() {
    let helps = Trunk { emergency: true, ..trunk(1) };
    let router = router(vec![(helps, Some(50_000))]);
    let question = Question { to: "112", ..Question::default() };
    let from = question.ask(&router);
    let to: Dialed = "+4990012345".parse().unwrap();
    let (by, plan) = (&question.caller, &question.plan);
    let asked = Asked { at: WallTime(5), to: &to, by, plan, pinned: None, anonymous: false };
    let route = router.redirected(NOW, &asked, &from, &mut Rng::from_seed(1));
    check(&route, &[1], &[], None);
    assert_eq!((route.rate(), route.sell), (Some(Rate::FREE), None));
}

fn full() -> Caps {
    Caps { per_second: Some(0), channels: Some(0) }
}

#[test]
fn an_emergency_call_without_a_way_is_refused_by_name() {
    let off = Trunk { emergency: true, enabled: false, ..trunk(2) };
    let router = router(vec![(trunk(1), Some(1_000)), (off, Some(1_000))]);
    let route = Question { to: "110", ..Question::default() }.ask(&router);
    let why = [(1, Drop::NoEmergency), (2, Drop::Off)];
    check(&route, &[], &why, Some(Refusal::NoEmergencyTrunk));
}

#[test]
fn only_proven_numbers_are_shown() {
    let house: Number = "+49301111111".parse().unwrap();
    let mine = Shown::Number("+4930901820".parse().unwrap());
    let theirs = Shown::Number(house.clone());
    for (policy, verified, unverified) in [
        (CallerPolicy::Verified, &mine, &Shown::Anonymous),
        (CallerPolicy::VerifiedOr(house.clone()), &mine, &theirs),
        (CallerPolicy::Always(house), &theirs, &theirs),
    ] {
        assert_eq!(policy.to_string().parse().as_ref(), Ok(&policy));
        let router = router(vec![(Trunk { caller: policy, ..trunk(1) }, Some(1_000))]);
        let mut question = Question::default();
        assert_eq!(&question.ask(&router).trunks[0].shown, verified);
        question.anonymous = true;
        assert_eq!(question.ask(&router).trunks[0].shown, Shown::Anonymous);
        question.anonymous = false;
        question.caller.verified.clear();
        assert_eq!(&question.ask(&router).trunks[0].shown, unverified);
    }
    for text in ["", "anyone", "always", "always 49", "verified or", "verified or +1"] {
        assert!(text.parse::<CallerPolicy>().is_err(), "{text}");
    }
}

#[test]
fn the_text_tells_the_whole_decision() {
    let router = router(vec![(trunk(1), Some(12_000)), (trunk(2), Some(30_000))]);
    let text = Question::default().ask(&router).to_string();
    assert_eq!(
        text,
        "+4989123456 (DE)
  price: 0.020000 USD a minute in steps of 1/1 s (sell v3, prefix 49, Germany), plan retail, tier standard
  1. carrier-1: 0.012000 USD a minute in steps of 1/1 s (buy v3, prefix 49, Germany), leaves 0.008000 a minute
     sends 004989123456, shows +4930901820
  -  carrier-2: 0.030000 USD a minute in steps of 1/1 s (buy v3, prefix 49, Germany), leaves -0.010000 a minute, \
         dropped: no_profit"
    );
    let refused = Question { to: "411", ..Question::default() }.ask(&router).to_string();
    assert!(refused.ends_with("refused: short_code"), "{refused}");
}

#[test]
fn debug_forms_hide_numbers() {
    let router = router(vec![(trunk(1), Some(12_000))]);
    let debug = format!("{:?}", Question::default().ask(&router));
    assert!(!debug.contains("89123456") && !debug.contains("30901820"), "{debug}");
}
