//! Who may call, how, and at what price.

use std::sync::Arc;
use std::time::Duration;

use offhook_billing::authorize::{Customer, Decision, Status, authorize};
use offhook_billing::cdr::Pinned;
use offhook_billing::deck::{Label, Prefix};
use offhook_billing::fraud::{Attempt, Findings, Record};
use offhook_billing::number::Country;
use offhook_billing::rate::Rate;
use offhook_billing::refusal::Refusal;
use offhook_billing::route::{Asked, Begun, Caller, Plan, Priced, Route};
use offhook_store::{Account, AccountStatus, NewAccount, NewDecision, Store};
use offhook_types::phone::{Balance, Cause, Quote};
use offhook_types::{AccountId, Dialed, Number, PhoneId, UserId};

use super::{Exchange, Mail, Newcomer, Paying};
use crate::books::{Books, Start};
use crate::leg::{Authorized, Dial, Input, Now, Refused, Secret, Way};

/// Who pays, and what they are known by.
#[derive(Debug, Clone)]
pub struct Payer {
    /// The account.
    pub account: Account,
    /// The number of its person.
    pub number: Option<Number>,
    /// The numbers that it may show.
    pub verified: Vec<Number>,
    /// What it has.
    pub balance: Balance,
}

/// Nobody can be asked to pay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoPayer {
    /// There is no such user.
    #[error("no such user")]
    Nobody,
    /// The store or the books do not answer.
    #[error("the store cannot answer now")]
    Unavailable,
}

impl Payer {
    /// Find out who pays for a user's calls. Their account is opened when it is asked for first.
    ///
    /// # Errors
    /// Nobody does, or nobody can say.
    pub async fn of(
        store: &dyn Store,
        books: &Books,
        newcomer: &Newcomer,
        user: UserId,
    ) -> Result<Self, NoPayer> {
        let unavailable = |_| NoPayer::Unavailable;
        let now = crate::wall_now();
        let person = store.user(user).await.map_err(unavailable)?.ok_or(NoPayer::Nobody)?;
        let new = NewAccount {
            id: AccountId(crate::random()?),
            plan: newcomer.plan.clone(),
            country: Country::of(&person.number).map_or(String::new(), |at| at.to_string()),
            currency: newcomer.currency,
        };
        let account = store.account_of(now, user, &new).await.map_err(unavailable)?;
        let start = Start {
            currency: account.currency,
            credit_limit: offhook_types::Micros::ZERO,
            credit: newcomer.credit,
        };
        books.open_account(now, account.id, start).await.map_err(|_| NoPayer::Unavailable)?;
        let verified = store.caller_ids(account.id).await.map_err(unavailable)?;
        let balance = books.balance(account.id).ok_or(NoPayer::Unavailable)?;
        Ok(Self { account, number: Some(person.number), verified, balance })
    }

    /// As routing knows them.
    pub fn caller(&self) -> Caller {
        let country = self.account.country.parse().ok();
        Caller {
            account: self.account.id,
            home: country.or_else(|| self.number.as_ref().and_then(Country::of)),
            tier: self.account.tier,
            number: self.number.clone(),
            verified: self.verified.clone(),
        }
    }

    fn customer(&self) -> Customer {
        Customer {
            status: match self.account.status {
                AccountStatus::Active => Status::Active,
                AccountStatus::Suspended => Status::Suspended,
                AccountStatus::Closed => Status::Closed,
            },
            balance: self.balance,
            opened: self.account.opened_at,
        }
    }
}

impl Exchange {
    /// A leg wants to be authorized: find out who pays first.
    pub(super) fn who_pays(&self, phone: PhoneId, dial: Dial) {
        let (store, books) = (self.near.store.clone(), self.near.books.clone());
        let newcomer = self.options.newcomer.clone();
        self.ask(async move {
            let payer = Payer::of(&*store, &books, &newcomer, dial.user).await.map(Box::new);
            Some(Mail::Payer { phone, dial: Box::new(dial), payer })
        });
    }

    /// Now it is known who pays.
    pub(super) fn paid_by(
        &mut self,
        phone: PhoneId,
        dial: &Dial,
        payer: Result<Box<Payer>, NoPayer>,
    ) {
        let result = match payer {
            Ok(payer) => self.authorize(phone, dial, &payer),
            Err(NoPayer::Nobody) => Err(Cause::NotPermitted),
            Err(NoPayer::Unavailable) => Err(Cause::Server),
        };
        let result = result.map(Box::new).map_err(|cause| Refused { cause });
        self.give(phone, Input::Authorized(result));
    }

    fn authorize(
        &mut self,
        phone: PhoneId,
        dial: &Dial,
        payer: &Payer,
    ) -> Result<Authorized, Cause> {
        if !self.legs.contains_key(&phone) {
            return Err(Cause::Cancelled);
        }
        let now = self.now();
        let quoted = dial.quote.and_then(|id| self.quotes.kept(now.time, id, payer.account.id));
        let quoted = quoted.filter(|quote| quote.to == dial.to);
        let pinned = dial.pinned.or(quoted.as_ref().map(|quote| quote.price.rate));
        let plan = self.plan(payer)?;
        let route = self.route(now, payer, &plan, (dial, pinned));
        let decision = authorize(&payer.customer(), &route, None, &self.options.slicing);
        let allowance = match decision {
            Decision::Allow(allowance) => allowance,
            Decision::Refuse(refusal) => {
                tracing::info!(%phone, reason = refusal.code(), "call not authorized");
                return Err(refusal.cause());
            }
        };
        self.admit(now, phone, payer, (&plan, &route)).map_err(Refusal::cause)?;
        let currency = payer.account.currency;
        let price = match (quoted, &route.sell) {
            _ if route.emergency.is_some() => Pinned::free(currency),
            (Some(quote), _) => quote.price,
            (None, Some(sell)) => Pinned { rate: allowance.rate, ..pinned_of(sell) },
            (None, None) => Pinned::free(currency),
        };
        let ways = self.ways(&route)?;
        Ok(Authorized {
            account: payer.account.id,
            emergency: route.emergency.is_some(),
            sell: price,
            destination: route
                .sell
                .as_ref()
                .map_or(String::new(), |sell| sell.destination.to_string()),
            ways,
            allowance,
        })
    }

    /// Let the call count: against caps and against limits on fraud.
    fn admit(
        &mut self,
        now: Now,
        phone: PhoneId,
        payer: &Payer,
        (plan, route): (&Plan, &Route),
    ) -> Result<(), Refusal> {
        let (account, opened) = (payer.account.id, payer.account.opened_at);
        let emergency = route.emergency.is_some();
        let counted = self.legs.get(&phone).is_some_and(|(_, kept)| kept.payer.is_some());
        if !counted {
            self.router.begin(now.time, &Begun { account, caps: plan.caps, emergency })?;
            if let Some((_, kept)) = self.legs.get_mut(&phone) {
                let (tiers, spent) = Default::default();
                kept.payer = Some(Paying { account, opened, emergency, tiers, spent });
                self.paid_by.entry(account).or_default().push(phone);
            }
        }
        let (Some(number), false) = (route.to.number(), emergency) else { return Ok(()) };
        let (to, tier) = (Prefix::of(number), route.tier());
        let per_minute = route.rate().unwrap_or(Rate::FREE).per_minute;
        let attempt = Attempt { account, opened, to, tier, per_minute };
        let findings = self.guard.attempt(now.wall, &attempt);
        let refusal = self.note(Some(phone), findings);
        if let Some(refusal) = refusal {
            return Err(refusal);
        }
        if let Some(paying) = self.legs.get_mut(&phone).and_then(|(_, kept)| kept.payer.as_mut()) {
            paying.tiers.push(tier);
        }
        Ok(())
    }

    /// Store what limits on fraud decided, and act on it.
    pub(super) fn note(&mut self, phone: Option<PhoneId>, findings: Findings) -> Option<Refusal> {
        for record in findings.records {
            self.tally.decided(record.action);
            tracing::warn!(
                account = %record.account, rule = %record.rule, action = record.action.as_str(),
                "a limit against fraud was reached: look at the account's decisions"
            );
            let (books, store) = (self.near.books.clone(), self.near.store.clone());
            let decision = decision(phone, &record);
            let suspend = record.action == offhook_billing::fraud::Action::Suspend;
            self.ask(async move {
                if books.decided(decision).await.is_err() {
                    tracing::error!("a decision of a limit against fraud could not be stored");
                }
                if suspend {
                    suspend_account(&*store, &record).await;
                }
                None
            });
        }
        findings.refusal
    }

    fn plan(&self, payer: &Payer) -> Result<Plan, Cause> {
        let plan = self.tariff.plans.get(&payer.account.plan);
        if plan.is_none() {
            tracing::warn!(plan = %payer.account.plan, "a plan that accounts have is not set up");
        }
        plan.cloned().ok_or(Cause::NoRoute)
    }

    fn route(
        &mut self,
        now: Now,
        payer: &Payer,
        plan: &Plan,
        (dial, pinned): (&Dial, Option<Rate>),
    ) -> Route {
        let caller = payer.caller();
        let asked = Asked {
            at: now.wall,
            to: &dial.to,
            by: &caller,
            plan,
            pinned,
            anonymous: dial.anonymous,
        };
        let Some(before) = &dial.redirected_from else {
            return self.router.decide(now.time, &asked, &mut self.rng);
        };
        // What held for the number that was dialled, a price or an emergency, holds for where it leads.
        let first = Asked { to: before, ..asked };
        let first = self.router.decide(now.time, &first, &mut self.rng);
        self.router.redirected(now.time, &asked, &first, &mut self.rng)
    }

    /// The trunks of a route, in its order.
    fn ways(&self, route: &Route) -> Result<Vec<Way>, Cause> {
        let currency = self.options.newcomer.currency;
        let mut ways = Vec::new();
        for (nth, candidate) in (1..).zip(route.tried()) {
            let Some(trunk) = self.tariff.trunks.get(&candidate.trunk.id) else { continue };
            let buy = candidate.buy.as_ref().map_or(Pinned::free(currency), pinned_of);
            let why = match candidate.profit {
                Some(profit) => format!("{nth}. by cost, leaves {profit} a minute"),
                None => format!("{nth}."),
            };
            let secret = Secret(crate::random_bytes().map_err(|_| Cause::Server)?);
            let shown = candidate.shown.clone();
            ways.push(Way { trunk: trunk.clone(), buy, shown, why, secret });
        }
        Ok(ways)
    }

    /// What a call would cost. Nothing is counted.
    pub(super) fn quote(&mut self, payer: &Payer, to: &Dialed) -> Result<Quote, Refusal> {
        let now = self.now();
        let plan = self.plan(payer).map_err(|_| Refusal::NoPrice)?;
        let dial = Dial {
            user: UserId(0),
            to: to.clone(),
            quote: None,
            pinned: None,
            redirected_from: None,
            anonymous: false,
        };
        let route = self.route(now, payer, &plan, (&dial, None));
        let decision = authorize(&payer.customer(), &route, None, &self.options.slicing);
        if let Decision::Refuse(refusal) = decision {
            return Err(refusal);
        }
        let emergency = route.emergency.is_some();
        let price = match &route.sell {
            Some(sell) if !emergency => pinned_of(sell),
            _ => Pinned::free(payer.account.currency),
        };
        let longest = offhook_billing::rate::affordable(&price.rate, payer.customer().funds());
        let longest = longest.ok().flatten().filter(|_| !emergency);
        let valid_for = self.options.quote_valid;
        let id = self.quotes.keep(
            (now.time, valid_for),
            (payer.account.id, to.clone(), price.clone()),
            &mut self.rng,
        );
        Ok(Quote {
            id,
            to: to.clone(),
            destination: destination(&route),
            per_minute: price.rate.per_minute,
            connection_fee: price.rate.connection_fee,
            currency: price.currency(),
            first_increment_s: price.rate.first_increment_s,
            next_increment_s: price.rate.next_increment_s,
            valid_for,
            longest: longest.map(|span: Duration| span.min(self.options.slicing.longest)),
            emergency,
        })
    }
}

fn destination(route: &Route) -> String {
    match (&route.sell, route.emergency) {
        (_, Some(_)) => "Emergency services".into(),
        (Some(sell), None) => sell.destination.to_string(),
        (None, None) => String::new(),
    }
}

/// The price of a deck, as a record keeps it.
pub(super) fn pinned_of(priced: &Priced) -> Pinned {
    let Priced { deck, version, currency, rate, .. } = priced;
    let deck = Label { name: Arc::clone(deck), version: *version, currency: *currency };
    Pinned { deck, rate: *rate }
}

fn decision(phone: Option<PhoneId>, record: &Record) -> NewDecision {
    NewDecision {
        account: record.account,
        phone,
        rule: record.rule.to_string(),
        action: record.action.as_str().into(),
        reason: format!("{} {} of {}", record.measure.as_str(), record.seen, record.limit),
        target: record.blocked.map_or(String::new(), |blocked| blocked.scope.to_string()),
        at: record.at,
    }
}

async fn suspend_account(store: &dyn Store, record: &Record) {
    let found = store.account(record.account).await.ok().flatten();
    let Some(mut account) = found.filter(|at| at.status == AccountStatus::Active) else { return };
    account.status = AccountStatus::Suspended;
    account.note = format!("suspended by the limit {}. {}", record.rule, record.appeal);
    if store.update_account(&account).await.is_err() {
        tracing::error!(account = %account.id, "an account could not be suspended in the store");
    }
}
