//! Accounts: who pays for phone calls, by which plan, and how far they may call. What they have is
//! in the ledger ([`Books`](crate::Books)).

use async_trait::async_trait;
use offhook_billing::deck::Tier;
use offhook_types::{AccountId, Currency, Number, UserId, WallTime, counted};

use crate::Error;

/// Who pays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Which.
    pub id: AccountId,
    /// Whose, unless it belongs to no person, or to one who left.
    pub user: Option<UserId>,
    /// Whether calls may be made.
    pub status: AccountStatus,
    /// The plan that prices its calls.
    pub plan: String,
    /// The country whose short and national numbers it dials, as two letters (ISO 3166-1); empty
    /// when unknown.
    pub country: String,
    /// What it counts in, for good.
    pub currency: Currency,
    /// The riskiest destinations that it may call, where that differs from its plan's.
    pub tier: Option<Tier>,
    /// What operators wrote about it, such as why it was suspended.
    pub note: String,
    /// Since when.
    pub opened_at: WallTime,
}

counted! {
    /// Whether an account may call.
    pub enum AccountStatus {
        /// It may.
        Active = "active",
        /// It may not until somebody has looked into it.
        Suspended = "suspended",
        /// It will not any more.
        Closed = "closed",
    }
}

/// What a new account starts with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAccount {
    /// A fresh id, used only when there is none yet.
    pub id: AccountId,
    /// Its plan.
    pub plan: String,
    /// See [`Account::country`].
    pub country: String,
    /// What it counts in.
    pub currency: Currency,
}

/// Accounts, and the numbers that they may show as the caller's.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// The account of a user. It is opened when somebody first asks for it, so that users of before
    /// there were accounts get one too; their proved number is its first verified caller ID.
    /// [`Error::Missing`] when there is no such user, [`Error::Conflict`] when the id is taken.
    async fn account_of(
        &self,
        now: WallTime,
        user: UserId,
        new: &NewAccount,
    ) -> Result<Account, Error>;

    /// An account by id.
    async fn account(&self, id: AccountId) -> Result<Option<Account>, Error>;

    /// Up to `limit` accounts whose ids come after `after`, in an order of their own.
    async fn accounts(&self, after: Option<AccountId>, limit: u32) -> Result<Vec<Account>, Error>;

    /// Change status, plan, country, tier and note of an account to what is given; false when there
    /// is no such account. The rest of it cannot change.
    async fn update_account(&self, account: &Account) -> Result<bool, Error>;

    /// The numbers that an account may show, in order.
    async fn caller_ids(&self, account: AccountId) -> Result<Vec<Number>, Error>;

    /// Note that an account proved to own a number. [`Error::Missing`] when there is no such account.
    async fn add_caller_id(
        &self,
        now: WallTime,
        account: AccountId,
        number: &Number,
    ) -> Result<(), Error>;

    /// Take a number back; false when it was not there.
    async fn remove_caller_id(&self, account: AccountId, number: &Number) -> Result<bool, Error>;
}
