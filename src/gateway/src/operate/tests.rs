//! The desk over a real store and real books.

use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use offhook_billing::refusal::Refusal;
use offhook_store::{NewUser, User};
use offhook_types::{Currency, Micros, UserId, WallTime};
use serde_json::{Map, Value, json};

use super::*;
use crate::export::tests::Kept;

const ADA: &str = "+12025550123";
const SELL: &str = "prefix,per_minute,destination\n49,0.05,Germany\n1,0.02,North America\n";
const BUY: &str = "prefix,per_minute\n49,0.01\n1,0.01\n";

struct Desked {
    desk: Desk,
    changes: Arc<AtomicU32>,
    _kept: Kept,
}

impl Desked {
    async fn new() -> Self {
        let kept = Kept::new().await;
        let (books, ..) =
            Books::start(kept.store.clone(), Default::default(), WallTime(1000)).await.unwrap();
        let changes = Arc::new(AtomicU32::new(0));
        let counted = changes.clone();
        let listener: Listener = Arc::new(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            Box::pin(std::future::ready(()))
        });
        let (plan, currency) = ("retail".to_owned(), Currency::USD);
        let terms = Newcomer { plan, currency, credit: Micros(1_000_000) };
        let desk = Desk::new(kept.store.clone(), books, terms, (listener, Rng::from_seed(1)));
        Self { desk, changes, _kept: kept }
    }

    /// With decks, a plan, a trunk and a user.
    async fn set_up() -> Self {
        let desked = Self::new().await;
        let desk = &desked.desk;
        for (name, csv) in [("retail", SELL), ("carrier-a", BUY)] {
            desk.import_deck(name, list(csv)).await.unwrap();
        }
        desk.put_plan("retail", put_plan(json!({}))).await.unwrap();
        let settings = json!({"proxy": "sip:192.0.2.1", "username": "me", "password": "hunter2"});
        desk.put_trunk("carrier-a", put_trunk(settings)).await.unwrap();
        desked.user(1, ADA).await;
        desked
    }

    async fn user(&self, serial: u64, number: &str) -> User {
        let new = NewUser {
            id: UserId(serial),
            number: number.parse().unwrap(),
            display_name: String::new(),
        };
        self.desk.store.sign_up(WallTime(1000), &new).await.unwrap()
    }

    fn changes(&self) -> u32 {
        self.changes.load(Ordering::Relaxed)
    }
}

fn list(csv: &'static str) -> Import {
    Import::new(Bytes::from_static(csv.as_bytes()), Currency::USD)
}

fn object(json: Value) -> Map<String, Value> {
    json.as_object().unwrap().clone()
}

fn put_trunk(settings: Value) -> PutTrunk {
    PutTrunk { deck: Some("carrier-a".into()), enabled: true, settings: object(settings) }
}

fn put_plan(settings: Value) -> PutPlan {
    PutPlan { deck: "retail".into(), settings: object(settings) }
}

/// The field that an error names.
fn field<T>(result: Result<T, Error>) -> String {
    match result {
        Err(Error::Field { field, .. }) => field,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("nothing is wrong"),
    }
}

#[tokio::test]
async fn a_trunk_never_shows_its_password_and_keeps_it() {
    let desked = Desked::set_up().await;
    let desk = &desked.desk;
    let before = desked.changes();
    let changed = json!({"proxy": "sip:192.0.2.2", "username": "me"});
    let shown = desk.put_trunk("carrier-a", put_trunk(changed)).await.unwrap();
    assert_eq!(desked.changes(), before + 1);
    assert!(shown.password);
    let all = serde_json::to_string(&desk.trunks().await.unwrap()).unwrap();
    assert!(all.contains("192.0.2.2") && !all.contains("hunter2"), "{all}");
    let stored = desk.store.trunks().await.unwrap();
    assert_eq!(stored.len(), 1);
    assert!(stored[0].settings.contains("hunter2"));
    // Nor the one that the carrier shows to us; it goes with its name.
    let (at, them, theirs_is) = ("sip:192.0.2.2", "them", "swordfish");
    let both = json!({"proxy": at, "challenge_username": them, "challenge_password": theirs_is});
    let kept = json!({"proxy": at, "challenge_username": them});
    for settings in [both, kept] {
        let shown = desk.put_trunk("carrier-a", put_trunk(settings)).await.unwrap();
        assert!(shown.challenge_password && !shown.settings.to_string().contains(theirs_is));
    }
    assert!(desk.store.trunks().await.unwrap()[0].settings.contains(theirs_is));
    let shown = desk.put_trunk("carrier-a", put_trunk(json!({"proxy": at}))).await.unwrap();
    assert!(!shown.challenge_password && !shown.password);
    desk.remove_trunk("carrier-a").await.unwrap();
    assert!(matches!(desk.remove_trunk("carrier-a").await, Err(Error::Missing { .. })));
}

#[tokio::test]
async fn what_is_wrong_is_named_and_nothing_is_stored() {
    let desked = Desked::set_up().await;
    let desk = &desked.desk;
    let before = desked.changes();
    let trunk = |settings| put_trunk(settings);
    let bad = desk.put_trunk("b", trunk(json!({"proxy": "192.0.2.1"}))).await;
    assert_eq!(field(bad), "settings.proxy");
    let bad = desk.put_trunk("b c", trunk(json!({"proxy": "sip:192.0.2.1"}))).await;
    assert_eq!(field(bad), "name");
    let nowhere = PutTrunk { deck: Some("x".into()), ..trunk(json!({"proxy": "sip:h"})) };
    assert_eq!(field(desk.put_trunk("b", nowhere).await), "deck");
    let bad = desk.put_plan("p", put_plan(json!({"margin": "much"}))).await;
    assert_eq!(field(bad), "settings.margin");
    let rule = json!({"measure": "luck", "action": "block"});
    let rule = PutRule { enabled: true, settings: object(rule) };
    assert_eq!(field(desk.put_rule("r", rule).await), "settings.measure");
    assert_eq!(desk.trunks().await.unwrap().len(), 1);
    assert_eq!(desk.plans().await.unwrap().len(), 1);
    assert!(desk.rules().await.unwrap().is_empty());
    assert_eq!(desked.changes(), before);
}

#[tokio::test]
async fn a_list_with_bad_rows_names_each_and_imports_nothing() {
    let desked = Desked::set_up().await;
    let bad = "prefix,per_minute\n49,0.01\nx,0.01\n44,a lot\n";
    let Err(Error::Rows(rows)) = desked.desk.import_deck("retail", list(bad)).await else {
        panic!("it was imported");
    };
    let named: Vec<_> = rows.iter().map(|row| (row.line, row.column.as_str())).collect();
    assert_eq!(named, [(3, "prefix"), (4, "per_minute")]);
    let versions = desked.desk.decks().await.unwrap();
    assert_eq!(versions.iter().filter(|deck| deck.name == "retail").count(), 1);
}

#[tokio::test]
async fn importing_a_list_again_makes_no_new_version() {
    let desked = Desked::set_up().await;
    let desk = &desked.desk;
    assert_eq!(desk.import_deck("retail", list(SELL)).await.unwrap().version, 1);
    let more = "prefix,per_minute\n49,0.06\n";
    assert_eq!(desk.import_deck("retail", list(more)).await.unwrap().version, 2);
    assert_eq!(field(desk.prune_decks(0).await), "keep");
    assert_eq!(desk.prune_decks(1).await.unwrap(), 1);
}

#[tokio::test]
async fn a_plan_in_use_stays() {
    let desked = Desked::set_up().await;
    desked.desk.account(ADA).await.unwrap();
    assert!(matches!(desked.desk.remove_plan("retail").await, Err(Error::Conflict(_))));
}

#[tokio::test]
async fn a_number_leads_to_a_user_or_a_room_with_a_pin() {
    let desked = Desked::set_up().await;
    let desk = &desked.desk;
    let nothing = || PutNumber { account: None, user: None, room: None, pin: None };
    assert_eq!(field(desk.put_number("+4930901820", nothing()).await), "user");
    let ada = PutNumber { user: Some(ADA.into()), ..nothing() };
    let shown = desk.put_number("+4930901820", ada).await.unwrap();
    assert_eq!(shown.account, desk.account(ADA).await.unwrap().id);
    let room = |pin: Option<&str>| PutNumber {
        account: Some(ADA.into()),
        room: Some("team".into()),
        pin: pin.map(str::to_owned),
        ..nothing()
    };
    assert_eq!(field(desk.put_number("+4930901821", room(Some("12"))).await), "pin");
    assert!(desk.put_number("+4930901821", room(Some("4711"))).await.unwrap().pin);
    assert!(desk.put_number("+4930901821", room(None)).await.unwrap().pin, "it stays");
    assert!(!desk.put_number("+4930901821", room(Some(""))).await.unwrap().pin);
    assert_eq!(field(desk.put_number("030", room(None)).await), "number");
    desk.remove_number("+4930901821").await.unwrap();
    assert_eq!(desk.numbers().await.unwrap().len(), 1);
}

fn wish(kind: Kind, amount: &str) -> Move {
    Move { kind, amount: amount.into(), reason: "because".into(), cdr: None }
}

#[tokio::test]
async fn money_is_moved_once_for_a_key() {
    let desked = Desked::set_up().await;
    let desk = &desked.desk;
    let booked = |moved: Booked| (moved.booked_micros, moved.new);
    let top_up = wish(Kind::TopUp, "10.00");
    assert_eq!(booked(desk.move_money(ADA, "a", &top_up).await.unwrap()), (11_000_000, true));
    assert_eq!(booked(desk.move_money(ADA, "a", &top_up).await.unwrap()), (11_000_000, false));
    let other = wish(Kind::TopUp, "20.00");
    assert!(matches!(desk.move_money(ADA, "a", &other).await, Err(Error::Conflict(_))));
    let taken = wish(Kind::Adjustment, "-0.50");
    assert_eq!(booked(desk.move_money(ADA, "b", &taken).await.unwrap()), (10_500_000, true));
    for (key, amount) in [("", "1"), ("c", "0"), ("c", "-1"), ("c", "1e3")] {
        assert!(desk.move_money(ADA, key, &wish(Kind::TopUp, amount)).await.is_err(), "{amount}");
    }
    let statement = desk.statement(ADA, None, None).await.unwrap();
    let lines: Vec<_> =
        statement.iter().map(|line| (line.purpose.as_str(), line.amount_micros)).collect();
    let expect = [("adjustment", -500_000), ("top_up", 10_000_000), ("top_up", 1_000_000)];
    assert_eq!(lines, expect);
    let reasons = desk.decisions(Some(ADA), None, None).await.unwrap();
    assert_eq!(reasons.len(), 2, "one for each that was booked");
    assert!(reasons.iter().all(|decision| decision.reason == "because"));
}

#[tokio::test]
async fn accounts_change_and_suspensions_are_lifted() {
    let desked = Desked::set_up().await;
    let desk = &desked.desk;
    let status = |status: &str| AccountChange { status: Some(status.into()), ..Default::default() };
    assert_eq!(field(desk.change_account(ADA, status("happy")).await), "status");
    assert_eq!(desk.change_account(ADA, status("suspended")).await.unwrap().status, "suspended");
    let explained = desk.explain(&question(Some(ADA), "+4930901820")).await.unwrap();
    assert_eq!(explained.refusal, Some(Refusal::Suspended));
    assert_eq!(desk.change_account(ADA, status("active")).await.unwrap().status, "active");
    let change = AccountChange {
        credit_limit: Some("25".into()),
        tier: Some("high".into()),
        note: Some("knows us".into()),
        ..Default::default()
    };
    let shown = desk.change_account(ADA, change).await.unwrap();
    assert_eq!((shown.credit_limit_micros, shown.tier.as_deref()), (25_000_000, Some("high")));
    assert_eq!(shown.caller_ids, [ADA]);
    let shown = desk.add_caller_id(ADA, "+4930901820").await.unwrap();
    assert_eq!(shown.caller_ids.len(), 2);
    assert!(matches!(desk.account("+4930901820").await, Err(Error::Missing { .. })));
    assert_eq!(desk.accounts(None, None).await.unwrap().len(), 1);
}

fn question(by: Option<&str>, typed: &str) -> Question {
    Question { typed: typed.into(), by: by.map(str::to_owned), ..Question::default() }
}

#[tokio::test]
async fn a_route_is_explained_for_anybody_and_for_somebody() {
    let desked = Desked::set_up().await;
    let desk = &desked.desk;
    let check = async |by, typed: &str, refusal: Option<Refusal>, says: &str| {
        let explained = desk.explain(&question(by, typed)).await.unwrap();
        assert_eq!(explained.refusal, refusal, "{typed}: {}", explained.text);
        assert!(explained.text.contains(says), "{typed}: {}", explained.text);
        assert_eq!(explained.json["refusal"], json!(refusal.map(Refusal::code)));
    };
    check(None, "+49 30 901820", None, "1. carrier-a").await;
    check(None, "+33142345678", Some(Refusal::NoPrice), "refused: no_price").await;
    // As she dials at home.
    check(Some(ADA), "(202) 555-0199", None, "0.020000 USD").await;
    check(Some(ADA), "911", Some(Refusal::NoEmergencyTrunk), "emergency").await;
    assert_eq!(field(desk.explain(&question(None, "030 901820")).await), "number");
    assert!(matches!(
        desk.explain(&question(Some("+10000000"), "911")).await,
        Err(Error::Missing { .. })
    ));
    let nowhere = Question { plan: "gold".into(), ..question(None, "+4930901820") };
    assert_eq!(field(desk.explain(&nowhere).await), "plan");
}

#[tokio::test]
async fn somebody_without_money_is_told_so() {
    let desked = Desked::set_up().await;
    let desk = &desked.desk;
    desk.move_money(ADA, "out", &wish(Kind::Adjustment, "-1.00")).await.unwrap();
    let explained = desk.explain(&question(Some(ADA), "+4930901820")).await.unwrap();
    assert_eq!(explained.refusal, Some(Refusal::NoCredit));
    assert!(explained.text.contains("refused: no_credit"), "{}", explained.text);
}

#[tokio::test]
async fn an_appeal_is_noted() {
    let desked = Desked::set_up().await;
    let desk = &desked.desk;
    desk.move_money(ADA, "a", &wish(Kind::TopUp, "1")).await.unwrap();
    let seq = desk.decisions(None, None, None).await.unwrap()[0].seq;
    desk.appeal(seq, "it was me").await.unwrap();
    assert_eq!(desk.decisions(None, None, None).await.unwrap()[0].appeal, "it was me");
    assert!(matches!(desk.appeal(seq + 1, "x").await, Err(Error::Missing { .. })));
}
