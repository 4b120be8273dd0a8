//! What is written down: call detail records, SIP ladders, decisions and what is said about them.

use offhook_store::{CdrQuery, Decision};
use offhook_types::{CdrId, PhoneId, WallTime};
use serde::Serialize;
use serde_json::Value;

use super::{Desk, Error, ladder, page};
use crate::export::{Selection, object};
use crate::iso8601;

/// A decision of a fraud limit, or of an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DecisionView {
    /// Which.
    pub seq: u64,
    /// When.
    pub at: String,
    /// About whom.
    pub account: String,
    /// About which phone leg.
    pub phone: Option<String>,
    /// Which rule; `operator` for a person.
    pub rule: String,
    /// What was done.
    pub action: String,
    /// Why.
    pub reason: String,
    /// What it was done to.
    pub target: String,
    /// What is said about it.
    pub appeal: String,
}

/// Some records, newest first.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CdrPage {
    /// Each with the fields of docs/CDR.md.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<Object>))]
    pub cdrs: Vec<Value>,
    /// Ask for what comes after this; nothing when this is the end.
    pub next: Option<String>,
}

impl Desk {
    /// Records, newest first; after the last of an earlier page.
    ///
    /// # Errors
    /// Which field is wrong.
    pub async fn cdrs(
        &self,
        selection: &Selection,
        after: Option<&str>,
        limit: Option<u32>,
    ) -> Result<CdrPage, Error> {
        let after = after.map(|text| read_place(text).ok_or_else(|| bad_place("after")));
        let Selection { account, from, until, open } = *selection;
        let after = after.transpose()?;
        let query = CdrQuery { account, from, until, after, newest_first: true };
        let limit = page(limit);
        let found = self.store.cdrs(&query, limit).await?;
        let last = found.last().filter(|_| found.len() == limit as usize);
        let next = last.map(|cdr| format!("{}-{}", cdr.opening.at.0, cdr.opening.id));
        let shown = found.iter().filter(|cdr| open || cdr.end.is_some());
        Ok(CdrPage { cdrs: shown.map(object).collect(), next })
    }

    /// One record.
    ///
    /// # Errors
    /// There is none of this id.
    pub async fn cdr(&self, id: &str) -> Result<Value, Error> {
        let cdr: CdrId = id.parse().map_err(|error| Error::field("cdr", error))?;
        let found = self.store.cdr(cdr).await?;
        Ok(object(&found.ok_or_else(|| Error::missing("record", id))?))
    }

    /// The SIP messages of a phone leg, drawn; of a record's leg when a record is named. Phone numbers
    /// are hidden unless they are asked for.
    ///
    /// # Errors
    /// There is none of this id, or its messages are past their time.
    pub async fn ladder(&self, id: &str, numbers: ladder::Numbers) -> Result<String, Error> {
        let phone = match id.parse::<CdrId>() {
            Ok(cdr) => {
                let found = self.store.cdr(cdr).await?;
                found.ok_or_else(|| Error::missing("record", id))?.opening.phone
            }
            Err(_) => id.parse::<PhoneId>().map_err(|error| Error::field("phone", error))?,
        };
        let steps = self.store.steps(phone).await?;
        if steps.is_empty() {
            return Err(Error::missing("ladder of", id));
        }
        Ok(ladder::draw(&steps, numbers))
    }

    /// The newest decisions, newest first, of one account or of all.
    ///
    /// # Errors
    /// There is no such account.
    pub async fn decisions(
        &self,
        account: Option<&str>,
        before: Option<u64>,
        limit: Option<u32>,
    ) -> Result<Vec<DecisionView>, Error> {
        let account = match account {
            Some(name) => Some(self.find_account(name).await?.id),
            None => None,
        };
        let decisions = self.store.decisions(account, before, page(limit)).await?;
        Ok(decisions.into_iter().map(show).collect())
    }

    /// Note what is said about a decision.
    ///
    /// # Errors
    /// There is none of this number.
    pub async fn appeal(&self, seq: u64, note: &str) -> Result<(), Error> {
        if note.len() > LONGEST_NOTE {
            return Err(Error::field("note", "at most 2000 bytes"));
        }
        if self.store.appeal(seq, note).await? {
            return Ok(());
        }
        Err(Error::missing("decision", seq))
    }
}

/// `1772346600000-CD_…`: the place of a record in the order of all.
fn read_place(text: &str) -> Option<(WallTime, CdrId)> {
    let (at, id) = text.split_once('-')?;
    Some((WallTime(at.parse().ok()?), id.parse().ok()?))
}

fn bad_place(field: &str) -> Error {
    Error::field(field, "give what `next` of the page before said")
}

fn show(Decision { seq, decision, appeal }: Decision) -> DecisionView {
    DecisionView {
        seq,
        at: iso8601::show(decision.at),
        account: decision.account.to_string(),
        phone: decision.phone.map(|phone| phone.to_string()),
        rule: decision.rule,
        action: decision.action,
        reason: decision.reason,
        target: decision.target,
        appeal,
    }
}

const LONGEST_NOTE: usize = 2000;
