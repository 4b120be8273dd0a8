//! Accounts: found by id or by their user's number, changed, lifted from suspension.

use offhook_billing::number::Country;
use offhook_store::{Account, AccountStatus, NewAccount, NewDecision, User};
use offhook_types::counters::Counted;
use offhook_types::{AccountId, Number};
use serde::{Deserialize, Serialize};

use super::{Changed, Desk, Error, page};
use crate::books::Start;
use crate::iso8601;

/// An account, and what it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AccountView {
    /// Which.
    pub id: String,
    /// Whose.
    pub user: Option<String>,
    /// `active`, `suspended` or `closed`.
    pub status: String,
    /// What it pays by.
    pub plan: String,
    /// Where it dials from, as two letters; empty when unknown.
    pub country: String,
    /// The riskiest destinations that it may call, where that differs from its plan's.
    pub tier: Option<String>,
    /// What operators wrote about it.
    pub note: String,
    /// Since when.
    pub opened_at: String,
    /// What it counts in.
    pub currency: String,
    /// What is booked, in micro-units; below zero on credit.
    pub booked_micros: i64,
    /// What is set aside for calls in progress, in micro-units.
    pub reserved_micros: i64,
    /// How far below zero it may go, in micro-units.
    pub credit_limit_micros: i64,
    /// The numbers that it may show as the caller's.
    pub caller_ids: Vec<String>,
}

/// What is to be different about an account; what is left out stays.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct AccountChange {
    /// Another plan.
    pub plan: Option<String>,
    /// `active` lifts a suspension, `suspended`, `closed`.
    pub status: Option<String>,
    /// Another tier than its plan's; empty for its plan's.
    pub tier: Option<String>,
    /// How far below zero it may go, in main units such as `25.00`; zero is prepaid.
    pub credit_limit: Option<String>,
    /// Where it dials from, as two letters.
    pub country: Option<String>,
    /// What operators want to know about it.
    pub note: Option<String>,
}

impl Desk {
    /// Up to `limit` accounts after one.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn accounts(
        &self,
        after: Option<&str>,
        limit: Option<u32>,
    ) -> Result<Vec<AccountView>, Error> {
        let after = after.map(|id| id.parse().map_err(|error| Error::field("after", error)));
        let accounts = self.store.accounts(after.transpose()?, page(limit)).await?;
        let mut views = Vec::with_capacity(accounts.len());
        for account in accounts {
            views.push(self.show_account(account).await?);
        }
        Ok(views)
    }

    /// One account, by its id or the number of its user, whose account is opened if there is none.
    ///
    /// # Errors
    /// There is no such account or user.
    pub async fn account(&self, name: &str) -> Result<AccountView, Error> {
        let account = self.find_account(name).await?;
        self.show_account(account).await
    }

    /// Change an account.
    ///
    /// # Errors
    /// Which field is wrong; nothing is changed then.
    pub async fn change_account(
        &self,
        name: &str,
        change: AccountChange,
    ) -> Result<AccountView, Error> {
        let mut account = self.find_account(name).await?;
        let was = account.status;
        let limit = self.apply(&mut account, &change).await?;
        if let Some(limit) = limit {
            self.books.limit(account.id, limit).await?;
        }
        if !self.store.update_account(&account).await? {
            return Err(Error::missing("account", name));
        }
        if was != account.status {
            self.note_status(&account).await?;
        }
        let lifted = was == AccountStatus::Suspended && account.status == AccountStatus::Active;
        self.tell(if lifted { Changed::Lifted(account.id) } else { Changed::Account(account.id) })
            .await;
        self.show_account(account).await
    }

    /// Note that an account has proven a number to be its own.
    ///
    /// # Errors
    /// Which field is wrong.
    pub async fn add_caller_id(&self, name: &str, number: &str) -> Result<AccountView, Error> {
        let account = self.find_account(name).await?;
        let number = caller_id(number)?;
        self.store.add_caller_id(iso8601::now(), account.id, &number).await?;
        self.tell(Changed::Account(account.id)).await;
        self.show_account(account).await
    }

    /// Take a number back.
    ///
    /// # Errors
    /// The account does not have it.
    pub async fn remove_caller_id(&self, name: &str, number: &str) -> Result<AccountView, Error> {
        let account = self.find_account(name).await?;
        if !self.store.remove_caller_id(account.id, &caller_id(number)?).await? {
            return Err(Error::missing("caller ID", number));
        }
        self.tell(Changed::Account(account.id)).await;
        self.show_account(account).await
    }

    /// What is to be stored, and the credit limit if that changes.
    async fn apply(
        &self,
        account: &mut Account,
        change: &AccountChange,
    ) -> Result<Option<offhook_types::Micros>, Error> {
        if let Some(plan) = &change.plan {
            if !self.store.plans().await?.iter().any(|known| known.name == *plan) {
                return Err(Error::field("plan", format!("there is no plan {plan}: add it first")));
            }
            account.plan.clone_from(plan);
        }
        if let Some(status) = &change.status {
            let known = AccountStatus::ALL.iter().find(|known| known.label() == status);
            let why = "active, suspended or closed";
            account.status = *known.ok_or_else(|| Error::field("status", why))?;
        }
        if let Some(tier) = &change.tier {
            let read = || tier.parse().map_err(|error| Error::field("tier", error));
            account.tier = if tier.is_empty() { None } else { Some(read()?) };
        }
        if let Some(country) = &change.country {
            if !country.is_empty() {
                country.parse::<Country>().map_err(|error| Error::field("country", error))?;
            }
            account.country.clone_from(country);
        }
        if let Some(note) = &change.note {
            if note.len() > LONGEST_NOTE {
                return Err(Error::field("note", "at most 2000 bytes"));
            }
            account.note.clone_from(note);
        }
        let limit = change.credit_limit.as_deref().map(|text| match text.parse() {
            Ok(limit) if limit >= offhook_types::Micros::ZERO => Ok(limit),
            Ok(_) => Err(Error::field("credit_limit", "zero or more")),
            Err(error) => Err(Error::field("credit_limit", error)),
        });
        limit.transpose()
    }

    /// What operators decide about a status stands beside what fraud limits decided.
    async fn note_status(&self, account: &Account) -> Result<(), Error> {
        let decision = NewDecision {
            account: account.id,
            phone: None,
            rule: OPERATOR.into(),
            action: account.status.label().into(),
            reason: account.note.clone(),
            target: String::new(),
            at: iso8601::now(),
        };
        Ok(self.books.decided(decision).await?)
    }

    pub(super) async fn find_account(&self, name: &str) -> Result<Account, Error> {
        if let Ok(id) = name.parse::<AccountId>() {
            let known = self.store.account(id).await?;
            return known.ok_or_else(|| Error::missing("account", name));
        }
        let user = self.user(name, "account").await?;
        self.account_of_user(&user).await
    }

    /// A user by id or number.
    pub(super) async fn user(&self, name: &str, field: &str) -> Result<User, Error> {
        let known = if let Ok(id) = name.parse() {
            self.store.user(id).await?
        } else if let Ok(number) = name.parse() {
            self.store.user_by_number(&number).await?
        } else {
            return Err(Error::field(field, "an id, or a number such as +4930901820"));
        };
        known.ok_or_else(|| Error::missing("user", name))
    }

    /// A user's account with its book, both opened if there are none.
    pub(super) async fn account_of_user(&self, user: &User) -> Result<Account, Error> {
        let country = Country::of(&user.number).map_or_else(String::new, |home| home.to_string());
        let terms = &self.terms;
        let (plan, currency) = (terms.plan.clone(), terms.currency);
        let new = NewAccount { id: AccountId(self.draw()), plan, country, currency };
        let now = iso8601::now();
        let account = self.store.account_of(now, user.id, &new).await?;
        self.open_book(&account).await?;
        Ok(account)
    }

    /// An account's book, opened if there is none.
    pub(super) async fn open_book(&self, account: &Account) -> Result<(), Error> {
        let (credit_limit, credit) = (offhook_types::Micros::ZERO, self.terms.credit);
        let start = Start { currency: account.currency, credit_limit, credit };
        Ok(self.books.open_account(iso8601::now(), account.id, start).await?)
    }

    async fn show_account(&self, account: Account) -> Result<AccountView, Error> {
        let balance = self.books.balance(account.id);
        let caller_ids = self.store.caller_ids(account.id).await?;
        Ok(AccountView {
            id: account.id.to_string(),
            user: account.user.map(|user| user.to_string()),
            status: account.status.label().into(),
            plan: account.plan,
            country: account.country,
            tier: account.tier.map(|tier| tier.to_string()),
            note: account.note,
            opened_at: iso8601::show(account.opened_at),
            currency: account.currency.to_string(),
            booked_micros: balance.map_or(0, |balance| balance.booked.0),
            reserved_micros: balance.map_or(0, |balance| balance.reserved.0),
            credit_limit_micros: balance.map_or(0, |balance| balance.credit_limit.0),
            caller_ids: caller_ids.iter().map(|number| number.as_str().to_owned()).collect(),
        })
    }
}

/// The rule under which operators' own decisions are recorded.
pub(super) const OPERATOR: &str = "operator";
const LONGEST_NOTE: usize = 2000;

fn caller_id(number: &str) -> Result<Number, Error> {
    number.parse().map_err(|_| Error::field("number", "write it in E.164, such as +4930901820"))
}
