//! Phone calls and money.

use std::time::Duration;

use offhook_billing::cdr::{
    Cdr, Direction, Ender, Evidence, Interim, Opening, Pinned, Policy, Proof, Recorded, Times,
    Voice, VoiceCodec,
};
use offhook_billing::deck::{ContentHash, Label, Row, Tier};
use offhook_billing::ledger::{Book, Cover, House, Ledger, Op, Purpose, Transfer, TransferId};
use offhook_billing::rate::Rate;
use offhook_call::{Caller, Party, Via};
use offhook_types::phone::Cause as PhoneCause;
use offhook_types::{
    AccountId, CallId, CdrId, Currency, Dialed, Micros, PhoneId, TrunkId, UserId, WallTime,
};

use super::{number, record, sign_up};
use crate::{
    Account, AccountStatus, Batch, CdrQuery, Error, LeadsTo, NewAccount, NewDecision, NewDeck,
    NewMessage, OwnedNumber, PinHash, Reached, Step, Store, StoredPlan, StoredRule, StoredTrunk,
};

const USD: Currency = Currency::USD;

pub(super) async fn check(store: &dyn Store) {
    let account = accounts(store).await;
    money(store, account.id).await;
    wrong_batches(store, account.id).await;
    charges_in_history(store, &account).await;
    retention(store).await;
    decks(store).await;
    setup(store, &account).await;
    records(store, account.id).await;
}

fn new_account(id: u64) -> NewAccount {
    let (plan, country) = ("retail".into(), "US".into());
    NewAccount { id: AccountId(id), plan, country, currency: USD }
}

async fn accounts(store: &dyn Store) -> Account {
    let ada = sign_up(store, 500).await;
    let account = store.account_of(WallTime(7), ada.id, &new_account(500)).await.unwrap();
    assert_eq!((account.id, account.user), (AccountId(500), Some(ada.id)));
    assert_eq!((account.status, account.opened_at), (AccountStatus::Active, WallTime(7)));
    let again = store.account_of(WallTime(8), ada.id, &new_account(501)).await.unwrap();
    assert_eq!(again, account, "it is opened once");
    let nobody = store.account_of(WallTime(8), UserId(0), &new_account(502)).await;
    assert!(matches!(nobody, Err(Error::Missing)));

    let changed = Account {
        status: AccountStatus::Suspended,
        tier: Some(Tier::High),
        note: "asked for it".into(),
        ..account.clone()
    };
    assert!(store.update_account(&changed).await.unwrap());
    assert_eq!(store.account(account.id).await.unwrap(), Some(changed));
    assert!(store.update_account(&account).await.unwrap());
    assert_eq!(store.accounts(None, 10).await.unwrap(), std::slice::from_ref(&account));

    assert_eq!(store.caller_ids(account.id).await.unwrap(), [number(500)]);
    store.add_caller_id(WallTime(9), account.id, &number(510)).await.unwrap();
    assert_eq!(store.caller_ids(account.id).await.unwrap(), [number(500), number(510)]);
    assert!(store.remove_caller_id(account.id, &number(510)).await.unwrap());
    assert!(!store.remove_caller_id(account.id, &number(510)).await.unwrap());
    account
}

fn cdr(serial: u64, account: AccountId, at: u64) -> Cdr {
    let pin = |per_minute| Pinned {
        deck: Label { name: "retail".into(), version: 3, currency: USD },
        rate: Rate { max_cost: Some(Micros(9)), ..Rate::by_the_second(Micros(per_minute)) },
    };
    let dialed: Dialed = "+4915112345678".parse().unwrap();
    Cdr::open(Opening {
        id: CdrId(serial),
        phone: PhoneId(serial + 1000),
        account,
        user: None,
        direction: Direction::Out,
        from: Some(Recorded::from(&Dialed::from(number(500)))),
        to: Recorded::from(&dialed),
        destination: "Germany, mobile".into(),
        trunk: TrunkId(5),
        attempt: 1,
        route: "the only one".into(),
        sell: Pinned { rate: Rate::by_the_second(Micros(60)), ..pin(0) },
        buy: pin(30),
        reserve: Micros(100),
        at: WallTime(at),
    })
    .unwrap()
}

fn evidence(call: Option<CallId>) -> Evidence {
    let times =
        Times { answered: Some(WallTime(4)), last_in: Some(WallTime(9)), ..Times::default() };
    let voice = Voice { carrier: Some(VoiceCodec::Pcma), ..Voice::default() };
    Evidence {
        proof: Proof::Bye,
        by: Ender::Callee,
        cause: PhoneCause::HungUp,
        sip: Some(200),
        q850: Some(16),
        at: WallTime(5000),
        talked: Duration::from_millis(4500),
        last: Interim { call, times, voice },
    }
}

fn top_up(account: AccountId, serial: u128, amount: i64) -> Transfer {
    Transfer {
        id: TransferId(serial),
        from: Book::House(House::Funding, USD),
        to: Book::Customer(account),
        amount: Micros(amount),
        purpose: Purpose::TopUp,
        cdr: None,
        at: WallTime(1),
    }
}

async fn money(store: &dyn Store, account: AccountId) {
    let mut ledger = Ledger::restore(store.ledger_image(10).await.unwrap(), 10).unwrap();
    let transfer = top_up(account, 1, 1000);
    let open = Op::Open { account, currency: USD, credit_limit: Micros(7) };
    let cover = Cover::Available;
    ledger.apply_all(&[open, Op::Transfer { transfer, cover }]).unwrap();
    let mut open = cdr(1, account, 100);
    ledger.apply(open.reserve().unwrap()).unwrap();
    write(store, &mut ledger, vec![open.clone()]).await.unwrap();
    assert_eq!(store.cdr(CdrId(1)).await.unwrap().as_ref(), Some(&open));
    assert_eq!(store.open_cdrs().await.unwrap(), [open.clone()]);
    assert_eq!(store.ledger_image(10).await.unwrap(), ledger.image());
    store.reconcile().await.unwrap().unwrap();

    ledger.apply(open.extend(Micros(200)).unwrap()).unwrap();
    write(store, &mut ledger, vec![open.clone()]).await.unwrap();
    assert_eq!(store.ledger_image(10).await.unwrap(), ledger.image());
    let closed = open.close(&evidence(Some(CallId(5000)))).unwrap();
    ledger.apply_all(&closed.ops).unwrap();
    write(store, &mut ledger, vec![closed.cdr.clone()]).await.unwrap();
    assert_eq!(store.cdrs_of_call(CallId(5000)).await.unwrap(), std::slice::from_ref(&closed.cdr));
    let legs = store.cdrs_of_phone(PhoneId(1001), WallTime(99)).await.unwrap();
    assert_eq!(legs, std::slice::from_ref(&closed.cdr));
    assert_eq!(store.open_cdrs().await.unwrap(), []);
    assert_eq!(store.ledger_image(10).await.unwrap(), ledger.image());
    let summary = store.reconcile().await.unwrap().unwrap();
    assert_eq!((summary.closed, summary.transfers, summary.reservations), (1, 3, 0));
    assert_eq!(store.transfer(TransferId(1)).await.unwrap(), Some(transfer));
    assert_eq!(store.transfer(TransferId(404)).await.unwrap(), None);
    let own = store.transfers_of(account, None, 10).await.unwrap();
    assert_eq!(own.iter().map(|t| t.purpose).collect::<Vec<_>>(), [Purpose::Call, Purpose::TopUp]);
    assert_eq!(store.transfers_of(account, Some(own[0].id), 10).await.unwrap(), [transfer]);
    let standing = store.standing(Book::Customer(account)).await.unwrap().unwrap();
    assert_eq!((standing.booked, standing.credit_limit), (Micros(995), Micros(7)));
}

async fn write(store: &dyn Store, ledger: &mut Ledger, cdrs: Vec<Cdr>) -> Result<(), Error> {
    let changes = ledger.take_changes();
    store.commit_billing(&Batch { changes, cdrs, ..Batch::default() }).await
}

/// Nothing of a batch is written when a part of it cannot be.
async fn wrong_batches(store: &dyn Store, account: AccountId) {
    let image = store.ledger_image(10).await.unwrap();
    let mut ledger = Ledger::restore(image.clone(), 1).unwrap();
    let again = Op::Transfer { transfer: top_up(account, 1, 1000), cover: Cover::Available };
    ledger.apply(again).unwrap();
    let taken = write(store, &mut ledger, vec![cdr(2, account, 200)]).await;
    assert!(matches!(taken, Err(Error::Conflict)));
    let other = Op::Transfer { transfer: top_up(account, 2, 1), cover: Cover::Available };
    ledger.apply(other).unwrap();
    let closed = write(store, &mut ledger, vec![cdr(1, account, 100)]).await;
    assert!(matches!(closed, Err(Error::Conflict)), "a closed record stays closed");
    assert_eq!(store.ledger_image(10).await.unwrap(), image);
    assert_eq!(store.cdr(CdrId(2)).await.unwrap(), None);
}

/// What a call cost is in the history of whoever paid, and a phone may be the other side.
async fn charges_in_history(store: &dyn Store, account: &Account) {
    let ada = store.user(account.user.unwrap()).await.unwrap().unwrap();
    let code: Dialed = "112".parse().unwrap();
    let out = offhook_call::Record {
        number: code.clone(),
        via: Via::Phone,
        ..record(5000, &ada, None, 1000)
    };
    let party = Party { number: None, name: "Nobody".into() };
    let caller = Caller::Phone(party);
    let into =
        offhook_call::Record { caller, via: Via::Phone, ..record(5001, &ada, Some(&ada), 2000) };
    for call in [&out, &into] {
        store.open_call(call).await.unwrap();
        assert_eq!(store.call(call.call).await.unwrap().as_ref(), Some(call));
        let ending =
            offhook_call::Ending { cause: offhook_call::Cause::HungUp, at: WallTime(3000) };
        store.close_call(call.call, None, ending).await.unwrap();
    }
    let history = store.history(ada.id, None, 10).await.unwrap().entries;
    let [incoming, outgoing] = &history[..] else { panic!("{history:?}") };
    assert_eq!((incoming.peer_number.as_ref(), incoming.peer_name.as_str()), (None, "Nobody"));
    assert_eq!((incoming.via, incoming.charge), (Via::Phone, None));
    assert_eq!(outgoing.peer_number, Some(code));
    assert_eq!((outgoing.via, outgoing.charge), (Via::Phone, Some((Micros(5), USD))));
}

async fn retention(store: &dyn Store) {
    let policy = Policy {
        numbers_whole: Duration::from_secs(10),
        hidden_digits: 4,
        kept: Duration::from_secs(100),
    };
    let pass =
        async |s: u64| store.retain_cdrs(WallTime(5000 + s * 1000), &policy, 10).await.unwrap();
    assert_eq!(pass(9).await, crate::Retained::default());
    assert_eq!(pass(10).await, crate::Retained { cut: 1, erased: 0 });
    assert_eq!(pass(10).await, crate::Retained::default());
    let cut = store.cdr(CdrId(1)).await.unwrap().unwrap();
    assert_eq!(cut.opening.to.as_str(), "+491511234XXXX");
    assert_eq!(pass(100).await, crate::Retained { cut: 0, erased: 1 });
    assert_eq!(pass(100).await, crate::Retained::default());
    let gone = store.cdr(CdrId(1)).await.unwrap().unwrap();
    assert_eq!((gone.opening.to.as_str(), gone.call), ("", None));
    store.reconcile().await.unwrap().unwrap();
    let query = CdrQuery::default();
    assert_eq!(store.cdrs(&query, 10).await.unwrap(), std::slice::from_ref(&gone));
    let after = Some((gone.opening.at, gone.opening.id));
    for newest_first in [false, true] {
        let query = CdrQuery { after, newest_first, ..query };
        assert_eq!(store.cdrs(&query, 10).await.unwrap(), []);
    }
    let late = CdrQuery { from: Some(WallTime(101)), ..query };
    assert_eq!(store.cdrs(&late, 10).await.unwrap(), []);
}

async fn decks(store: &dyn Store) {
    let row = |serial: u32| Row {
        prefix: format!("1{serial:06}").parse().unwrap(),
        destination: "Somewhere".into(),
        rate: Rate::by_the_second(Micros(i64::from(serial))),
        from: WallTime(1),
        until: serial.is_multiple_of(2).then_some(WallTime(9)),
        tier: Tier::Elevated,
    };
    let rows: Vec<_> = (0..5000).map(row).collect();
    let deck =
        |hash, rows| NewDeck { name: "retail", currency: USD, hash: ContentHash([hash; 32]), rows };
    assert_eq!(store.deck("retail", None).await.unwrap(), None);
    let first = store.import_deck(WallTime(5), &deck(1, &rows)).await.unwrap();
    assert_eq!((first.label.version, first.size), (1, 5000));
    let same = store.import_deck(WallTime(6), &deck(1, &rows)).await.unwrap();
    assert_eq!(same, first);
    let second = store.import_deck(WallTime(7), &deck(2, &rows[..3])).await.unwrap();
    assert_eq!(second.label.version, 2);
    let (label, newest) = store.deck("retail", None).await.unwrap().unwrap();
    assert_eq!((label, &newest[..]), (second.label.clone(), &rows[..3]));
    assert_eq!(store.deck("retail", Some(1)).await.unwrap(), Some((first.label.clone(), rows)));
    assert_eq!(store.decks().await.unwrap(), [second.clone(), first]);
    assert_eq!(store.prune_decks(1).await.unwrap(), 1);
    assert_eq!(store.decks().await.unwrap(), [second]);
}

async fn setup(store: &dyn Store, account: &Account) {
    let trunk = |id, name: &str| StoredTrunk {
        id: TrunkId(id),
        name: name.into(),
        deck: Some("cost".into()),
        enabled: true,
        settings: "{}".into(),
    };
    store.put_trunk(&trunk(1, "b")).await.unwrap();
    store.put_trunk(&trunk(2, "a")).await.unwrap();
    assert!(matches!(store.put_trunk(&trunk(3, "a")).await, Err(Error::Conflict)));
    store.put_trunk(&trunk(1, "c")).await.unwrap();
    assert_eq!(store.trunks().await.unwrap(), [trunk(2, "a"), trunk(1, "c")]);
    assert!(store.remove_trunk(TrunkId(1)).await.unwrap());
    assert!(!store.remove_trunk(TrunkId(1)).await.unwrap());

    let plan =
        |name: &str| StoredPlan { name: name.into(), deck: "d".into(), settings: "{}".into() };
    store.put_plan(&plan("retail")).await.unwrap();
    store.put_plan(&plan("other")).await.unwrap();
    assert!(matches!(store.remove_plan("retail").await, Err(Error::Conflict)));
    assert!(store.remove_plan("other").await.unwrap());
    assert_eq!(store.plans().await.unwrap(), [plan("retail")]);

    let rule = StoredRule { name: "spend".into(), enabled: true, settings: "{}".into() };
    store.put_fraud_rule(&rule).await.unwrap();
    assert_eq!(store.fraud_rules().await.unwrap(), [rule]);
    assert!(store.remove_fraud_rule("spend").await.unwrap());

    let owned = |leads_to| OwnedNumber { number: number(600), account: account.id, leads_to };
    let pin = Some(PinHash { salt: [1; 16], hash: [2; 32] });
    for leads_to in [
        LeadsTo::User(account.user.unwrap()),
        LeadsTo::Room { name: "hall".into(), pin },
        LeadsTo::Room { name: "hall".into(), pin: None },
    ] {
        store.put_owned_number(&owned(leads_to.clone())).await.unwrap();
        let found = store.owned_number(&number(600)).await.unwrap();
        assert_eq!(found, Some(owned(leads_to)));
    }
    let stranger = store.put_owned_number(&owned(LeadsTo::User(UserId(0)))).await;
    assert!(matches!(stranger, Err(Error::Missing)));
    assert_eq!(store.owned_numbers().await.unwrap().len(), 1);
    assert!(store.remove_owned_number(&number(600)).await.unwrap());
    assert_eq!(store.owned_number(&number(600)).await.unwrap(), None);
}

async fn records(store: &dyn Store, account: AccountId) {
    let decision = NewDecision {
        account,
        phone: Some(PhoneId(1)),
        rule: "spend".into(),
        action: "suspend".into(),
        reason: "spend_per_hour".into(),
        target: String::new(),
        at: WallTime(50),
    };
    let message = NewMessage { key: "k".into(), body: "b".into(), at: WallTime(60) };
    let batch = Batch {
        decisions: vec![decision.clone()],
        messages: vec![message.clone()],
        ..Batch::default()
    };
    store.commit_billing(&batch).await.unwrap();
    let again = Batch { messages: vec![message.clone()], ..Batch::default() };
    store.commit_billing(&again).await.unwrap();
    assert_eq!(store.waiting_messages().await.unwrap(), 1, "a key is told once");
    let found = store.decisions(Some(account), None, 10).await.unwrap();
    assert_eq!(found[0].decision, decision);
    assert!(store.appeal(found[0].seq, "a mistake").await.unwrap());
    assert_eq!(store.decisions(None, None, 1).await.unwrap()[0].appeal, "a mistake");
    assert_eq!(store.decisions(None, Some(found[0].seq), 1).await.unwrap(), []);
    assert_eq!(store.prune_decisions(WallTime(51)).await.unwrap(), 1);

    assert_eq!(store.due_messages(WallTime(59), 10).await.unwrap(), []);
    let due = store.due_messages(WallTime(60), 10).await.unwrap();
    assert_eq!((&due[0].message, due[0].attempts), (&message, 0));
    store.retry_message(due[0].seq, WallTime(90)).await.unwrap();
    assert_eq!(store.due_messages(WallTime(89), 10).await.unwrap(), []);
    assert_eq!(store.due_messages(WallTime(90), 10).await.unwrap()[0].attempts, 1);
    store.remove_message(due[0].seq).await.unwrap();
    assert_eq!(store.waiting_messages().await.unwrap(), 0);
    figures(store).await;
}

async fn figures(store: &dyn Store) {
    let step = |at, line: &str| Step {
        phone: PhoneId(9),
        at: WallTime(at),
        sent: at % 2 == 0,
        peer: "192.0.2.1".into(),
        line: line.into(),
    };
    let steps = [step(1, "INVITE"), step(2, "100"), step(3, "180"), step(4, "200")];
    store.add_steps(&steps, 3).await.unwrap();
    assert_eq!(store.steps(PhoneId(9)).await.unwrap(), steps[..3]);
    assert_eq!(store.prune_steps(WallTime(3)).await.unwrap(), 2);

    let reached = |many| Reached {
        trunk: TrunkId(1),
        country: "DE".into(),
        hour: WallTime(3_600_000),
        attempts: many,
        answered: many,
        one_way: many,
        delays: many,
        delay_ms: many,
    };
    store.add_quality(&[reached(1)]).await.unwrap();
    store.add_quality(&[reached(2)]).await.unwrap();
    assert_eq!(store.quality(WallTime(3_600_000)).await.unwrap(), [reached(3)]);
    assert_eq!(store.quality(WallTime(3_600_001)).await.unwrap(), []);
    assert_eq!(store.prune_quality(WallTime(3_600_001)).await.unwrap(), 1);
}
