//! How would this number be routed and priced, and why? The same decision that a call would get, without
//! a call. Which trunks answer, how busy they are and how well they do is known to a running server alone:
//! it answers with that ([`Live`]); from the store alone, trunks count as up and idle, and the answer says
//! so.

use offhook_billing::authorize::{self, Customer, Decision, Slicing, Status};
use offhook_billing::ledger::Book;
use offhook_billing::number::Country;
use offhook_billing::refusal::Refusal;
use offhook_billing::route::{
    Asked, Caller, Candidate, Priced, Route, Router, Thresholds, Verdict,
};
use offhook_store::{Account, AccountStatus, Store};
use offhook_types::phone::Balance;
use offhook_types::{AccountId, Dialed, Number, Rng, Time, WallTime};
use offhook_wire::number;
use serde_json::{Value, json};

use super::Error;
use crate::tariff::Tariff;

/// What is asked.
#[derive(Debug, Clone, Default)]
pub struct Question {
    /// The number, as a person types it.
    pub typed: String,
    /// Who would call, if somebody in particular: an account's id, or their number or id.
    pub by: Option<String>,
    /// The plan, where nobody in particular calls.
    pub plan: String,
    /// Where that nobody calls from, as two letters.
    pub country: Option<String>,
    /// Do not show the caller's number.
    pub anonymous: bool,
}

/// The answer.
#[derive(Debug, Clone)]
pub struct Explained {
    /// The decision about trunks and price.
    pub route: Route,
    /// Why no call would be made, if none would: by route, price, balance or status.
    pub refusal: Option<Refusal>,
    /// For people.
    pub text: String,
    /// For programs.
    pub json: Value,
}

/// What a running server knows of its trunks.
#[derive(Debug, Clone)]
pub struct Live {
    /// A copy of what it decides with.
    pub router: Router,
    /// By its clock.
    pub now: Time,
}

/// Decide as for a call now.
///
/// # Errors
/// Which field of the question is wrong, or that there is nothing to decide with.
pub async fn explain(
    store: &dyn Store,
    tariff: &Tariff,
    live: Option<&Live>,
    (now, question): (WallTime, &Question),
) -> Result<Explained, Error> {
    let caller = Asking::find(store, question).await?;
    let plan = tariff.plans.get(&caller.plan).ok_or_else(|| no_plan(tariff, &caller.plan))?;
    let to = caller.read(&question.typed)?;
    let idle = || {
        let mut router = Router::new(Thresholds::default());
        router.set_trunks(tariff.ways());
        Live { router, now: Time::ZERO }
    };
    let known = live.cloned().unwrap_or_else(idle);
    let anonymous = question.anonymous;
    let asked = Asked { at: now, to: &to, by: &caller.caller, plan, pinned: None, anonymous };
    // The draw among equals is the only randomness, and the same question gets the same answer.
    let route = known.router.decide(known.now, &asked, &mut Rng::from_seed(0));
    let refusal = match &caller.customer {
        Some(customer) => match authorize::authorize(customer, &route, None, &Slicing::default()) {
            Decision::Refuse(refusal) => Some(refusal),
            Decision::Allow(_) => None,
        },
        None => route.refusal,
    };
    let mut text = route.to_string();
    if let Some(refusal) = refusal.filter(|_| route.refusal.is_none()) {
        text.push_str(&format!("\n  refused: {}", refusal.code()));
    }
    for fault in &tariff.faults {
        text.push_str(&format!("\n  left out: {fault}"));
    }
    if live.is_none() {
        text.push_str(NOT_LIVE);
    }
    let mut json = object(&route, refusal, &tariff.faults);
    json["live"] = live.is_some().into();
    Ok(Explained { route, refusal, text, json })
}

/// Of an answer from the store alone.
const NOT_LIVE: &str = "\n  trunks count as up and idle: how they are now, only the running server knows \
                        (POST /v1/routes/explain)";

/// Who asks.
struct Asking {
    plan: String,
    caller: Caller,
    /// The number whose country's way of dialling counts.
    home: Option<Number>,
    customer: Option<Customer>,
}

impl Asking {
    async fn find(store: &dyn Store, question: &Question) -> Result<Self, Error> {
        let Some(name) = &question.by else { return Self::nobody(question) };
        let (account, home) = if let Ok(id) = name.parse::<AccountId>() {
            let account =
                store.account(id).await?.ok_or_else(|| Error::missing("account", name))?;
            let home = match account.user {
                Some(user) => store.user(user).await?.map(|user| user.number),
                None => None,
            };
            (Some(account), home)
        } else {
            find_user(store, name).await?
        };
        let Some(account) = account else {
            // A user who never called has no account yet and will get one with the default plan.
            let country = home.as_ref().and_then(Country::of).map(|home| home.to_string());
            let question =
                Question { country: country.or(question.country.clone()), ..question.clone() };
            return Ok(Self { home, ..Self::nobody(&question)? });
        };
        let standing = store.standing(Book::Customer(account.id)).await?;
        let verified = store.caller_ids(account.id).await?;
        Ok(Self::of(account, home, (standing, verified)))
    }

    fn nobody(question: &Question) -> Result<Self, Error> {
        let home = question.country.as_deref().map(str::parse).transpose();
        let home = home.map_err(|error| Error::field("country", error))?;
        let (account, tier, number) = (AccountId(0), None, None);
        let caller = Caller { account, home, tier, number, verified: Vec::new() };
        Ok(Self { plan: question.plan.clone(), caller, home: None, customer: None })
    }

    fn of(
        account: Account,
        home: Option<Number>,
        (book, verified): (Option<offhook_billing::ledger::Standing>, Vec<Number>),
    ) -> Self {
        let country = account.country.parse().ok();
        let country = country.or_else(|| home.as_ref().and_then(Country::of));
        let number = home.clone().filter(|home| verified.contains(home));
        let number = number.or_else(|| verified.first().cloned());
        let caller =
            Caller { account: account.id, home: country, tier: account.tier, number, verified };
        let status = match account.status {
            AccountStatus::Active => Status::Active,
            AccountStatus::Suspended => Status::Suspended,
            AccountStatus::Closed => Status::Closed,
        };
        let customer = book.map(|book| Customer {
            status,
            balance: Balance {
                booked: book.booked,
                reserved: book.reserved,
                credit_limit: book.credit_limit,
                currency: book.currency,
            },
            opened: account.opened_at,
        });
        Self { plan: account.plan, caller, home, customer }
    }

    fn read(&self, typed: &str) -> Result<Dialed, Error> {
        let compact: String = typed.chars().filter(|face| !face.is_whitespace()).collect();
        let country = self.caller.home.map_or_else(String::new, |home| home.to_string());
        let read = match &self.home {
            Some(home) => number::read_dialed(typed, home),
            None => {
                compact.parse().ok().or_else(|| number::read(typed, &country).map(Dialed::from))
            }
        };
        let why = "not a number: write +4930901820, or give --country for national ones";
        read.ok_or_else(|| Error::field("number", why))
    }
}

async fn find_user(
    store: &dyn Store,
    name: &str,
) -> Result<(Option<Account>, Option<Number>), Error> {
    let user = if let Ok(id) = name.parse() {
        store.user(id).await?
    } else if let Ok(number) = name.parse() {
        store.user_by_number(&number).await?
    } else {
        return Err(Error::field("account", "an id, or a number such as +4930901820"));
    };
    let user = user.ok_or_else(|| Error::missing("user", name))?;
    // Looked up in pages, since whoever only reads opens no account.
    let mut after = None;
    loop {
        let page = store.accounts(after, super::MOST).await?;
        let Some(last) = page.last() else { return Ok((None, Some(user.number))) };
        after = Some(last.id);
        if let Some(found) = page.into_iter().find(|account| account.user == Some(user.id)) {
            return Ok((Some(found), Some(user.number)));
        }
    }
}

fn no_plan(tariff: &Tariff, name: &str) -> Error {
    let fault = tariff.faults.iter().find(|fault| fault.starts_with(&format!("plan {name}:")));
    let why = fault.cloned().unwrap_or_else(|| format!("there is no plan {name}: add it"));
    Error::field("plan", why)
}

fn object(route: &Route, refusal: Option<Refusal>, faults: &[String]) -> Value {
    json!({
        "number": route.to.as_str(),
        "country": route.country.map(|country| country.to_string()),
        "emergency": route.emergency.is_some(),
        "plan": &*route.plan,
        "price": route.sell.as_ref().map(priced),
        "tier": route.tier().as_str(),
        "trunks": route.trunks.iter().map(|trunk| candidate(route, trunk)).collect::<Vec<_>>(),
        "refusal": refusal.map(Refusal::code),
        "left_out": faults,
    })
}

fn priced(priced: &Priced) -> Value {
    json!({
        "per_minute_micros": priced.rate.per_minute.0,
        "connection_fee_micros": priced.rate.connection_fee.0,
        "currency": priced.currency.to_string(),
        "first_increment_s": priced.rate.first_increment_s,
        "next_increment_s": priced.rate.next_increment_s,
        "deck": &*priced.deck,
        "deck_version": priced.version,
        "prefix": priced.prefix.to_string(),
        "destination": &*priced.destination,
    })
}

fn candidate(route: &Route, candidate: &Candidate) -> Value {
    let verdict = match candidate.verdict {
        Verdict::Tried => "tried",
        Verdict::TriedLast => "tried_last",
        Verdict::Dropped(why) => why.code(),
    };
    json!({
        "trunk": &*candidate.trunk.name,
        "verdict": verdict,
        "tried": candidate.verdict.tried(),
        "cost": candidate.buy.as_ref().map(priced),
        "cost_of_reference_micros": candidate.cost.map(|cost| cost.0),
        "profit_per_minute_micros": candidate.profit.map(|profit| profit.0),
        "sends": candidate.trunk.format.write(&route.to).to_string(),
    })
}

impl super::Desk {
    /// [`explain`] with what is stored, and what the server knows, now.
    ///
    /// # Errors
    /// Which field of the question is wrong.
    pub async fn explain(&self, question: &Question) -> Result<Explained, Error> {
        let tariff = Tariff::load(&*self.store, &Tariff::default()).await?;
        let plan =
            if question.plan.is_empty() { self.terms.plan.clone() } else { question.plan.clone() };
        let question = Question { plan, ..question.clone() };
        let live = match &self.live {
            Some(live) => live().await,
            None => None,
        };
        explain(&*self.store, &tariff, live.as_ref(), (crate::iso8601::now(), &question)).await
    }
}
