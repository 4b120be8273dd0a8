//! Money that operators move: top-ups, refunds, corrections, and the statement of an account.

use aws_lc_rs::digest;
use offhook_billing::ledger::{Book, Cover, House, Purpose, Transfer, TransferId};
use offhook_store::NewDecision;
use offhook_types::counters::Counted;
use offhook_types::{AccountId, CdrId, Micros};
use serde::{Deserialize, Serialize};

use super::accounts::OPERATOR;
use super::{Desk, Error, page};
use crate::iso8601;

/// What an operator moves money for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Credit bought or given.
    TopUp,
    /// Credit given back for a call.
    Refund,
    /// A correction; the only one that may take money away.
    Adjustment,
}

/// Money to be moved.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Move {
    /// What for.
    pub kind: Kind,
    /// How much, in main units: `10.00`. Below zero takes it away, for adjustments only.
    pub amount: String,
    /// Why, for whoever reads the books later.
    pub reason: String,
    /// The record that is refunded.
    #[serde(default)]
    pub cdr: Option<String>,
}

/// Money that was moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Booked {
    /// The transfer.
    pub transfer: String,
    /// What the account has now, in micro-units.
    pub booked_micros: i64,
    /// False when this key had booked it before.
    pub new: bool,
}

/// A line of a statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TransferView {
    /// Which.
    pub id: String,
    /// When it was booked.
    pub at: String,
    /// What for: `call`, `top_up` and so on.
    pub purpose: String,
    /// Into the account, in micro-units; below zero out of it.
    pub amount_micros: i64,
    /// The book on the other side.
    pub other: String,
    /// The record that explains it.
    pub cdr: Option<String>,
}

impl Desk {
    /// Move money. `key` is the caller's: asking again with the same one moves nothing again.
    ///
    /// # Errors
    /// Which field is wrong, or that the key was used for something else.
    pub async fn move_money(&self, name: &str, key: &str, wish: &Move) -> Result<Booked, Error> {
        if key.is_empty() || key.len() > LONGEST_KEY {
            let why = "1 to 200 characters of your own choice, the same when you try again";
            return Err(Error::field("idempotency-key", why));
        }
        if wish.reason.trim().is_empty() || wish.reason.len() > LONGEST_REASON {
            return Err(Error::field("reason", "say why, in at most 500 bytes"));
        }
        let account = self.find_account(name).await?;
        self.open_book(&account).await?;
        let transfer = self.transfer(account.id, account.currency, key, wish).await?;
        let new = self.store.transfer(transfer.id).await?.is_none();
        if new {
            // Before the money: an entry without its reason would be worse than a reason without one.
            self.books.decided(reason(account.id, &transfer, wish)).await?;
        }
        let taken = transfer.from == Book::Customer(account.id);
        let cover = if taken { Cover::Owed } else { Cover::Available };
        self.books.transfer(transfer, cover).await?;
        let booked = self.books.balance(account.id).map_or(0, |balance| balance.booked.0);
        Ok(Booked { transfer: transfer.id.to_string(), booked_micros: booked, new })
    }

    /// The newest transfers of an account, newest first, before one of them.
    ///
    /// # Errors
    /// There is no such account.
    pub async fn statement(
        &self,
        name: &str,
        before: Option<&str>,
        limit: Option<u32>,
    ) -> Result<Vec<TransferView>, Error> {
        let account = self.find_account(name).await?.id;
        let before = before.map(|id| id.parse().map_err(|error| Error::field("before", error)));
        let before = before.transpose()?;
        let transfers = self.store.transfers_of(account, before, page(limit)).await?;
        Ok(transfers.iter().map(|transfer| show(account, transfer)).collect())
    }

    async fn transfer(
        &self,
        account: AccountId,
        currency: offhook_types::Currency,
        key: &str,
        wish: &Move,
    ) -> Result<Transfer, Error> {
        let amount: Micros = wish.amount.parse().map_err(|error| Error::field("amount", error))?;
        let (house, purpose) = match wish.kind {
            Kind::TopUp => (House::Funding, Purpose::TopUp),
            Kind::Refund => (House::Refunds, Purpose::Refund),
            Kind::Adjustment => (House::Adjustments, Purpose::Adjustment),
        };
        if amount == Micros::ZERO || (amount < Micros::ZERO && wish.kind != Kind::Adjustment) {
            return Err(Error::field("amount", "more than zero; only an adjustment takes away"));
        }
        let cdr = wish.cdr.as_deref().map(str::parse::<CdrId>).transpose();
        let cdr = cdr.map_err(|error| Error::field("cdr", error))?;
        if let Some(id) = cdr {
            let known = self.store.cdr(id).await?;
            if known.is_none_or(|cdr| cdr.opening.account != account) {
                return Err(Error::field("cdr", "the account has no such record"));
            }
        }
        let (house, customer) = (Book::House(house, currency), Book::Customer(account));
        let taken = amount < Micros::ZERO;
        let (from, to) = if taken { (customer, house) } else { (house, customer) };
        let amount = amount.0.checked_abs().map(Micros);
        Ok(Transfer {
            id: id_of(account, key),
            from,
            to,
            amount: amount.ok_or_else(|| Error::field("amount", "too much"))?,
            purpose,
            cdr,
            at: iso8601::now(),
        })
    }
}

/// The same key of the same account is the same transfer, on every server and after every restart.
fn id_of(account: AccountId, key: &str) -> TransferId {
    let sum = digest::digest(&digest::SHA256, format!("operator/{account}/{key}").as_bytes());
    let first = sum.as_ref().first_chunk().copied().unwrap_or_default();
    TransferId(u128::from_be_bytes(first))
}

fn reason(account: AccountId, transfer: &Transfer, wish: &Move) -> NewDecision {
    NewDecision {
        account,
        phone: None,
        rule: OPERATOR.into(),
        action: transfer.purpose.label().into(),
        reason: wish.reason.clone(),
        target: transfer.id.to_string(),
        at: transfer.at,
    }
}

fn show(account: AccountId, transfer: &Transfer) -> TransferView {
    let incoming = transfer.to == Book::Customer(account);
    let (other, sign) = if incoming { (transfer.from, 1) } else { (transfer.to, -1) };
    TransferView {
        id: transfer.id.to_string(),
        at: iso8601::show(transfer.at),
        purpose: transfer.purpose.label().into(),
        amount_micros: sign * transfer.amount.0,
        other: other.to_string(),
        cdr: transfer.cdr.map(|cdr| cdr.to_string()),
    }
}

const LONGEST_KEY: usize = 200;
const LONGEST_REASON: usize = 500;
