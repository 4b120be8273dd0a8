//! Call detail records, SIP ladders, decisions, and how a number would be routed.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use offhook_gateway::export::Selection;
use offhook_gateway::iso8601;
use offhook_gateway::operate::ladder::Numbers;
use offhook_gateway::operate::{CdrPage, DecisionView, Desk, Error, Question};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::ask::{Asked, Body};
use super::problem::Problem;
use super::setup::Answer;

/// Which records.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// Of this account, by its id.
    account: Option<String>,
    /// Opened at this time or later (ISO 8601).
    from: Option<String>,
    /// Opened before this time (ISO 8601).
    until: Option<String>,
    /// Also those of calls in progress.
    #[serde(default)]
    open: bool,
    /// What `next` of the page before said.
    after: Option<String>,
    /// At most so many; 100 when left out.
    limit: Option<u32>,
}

impl Wanted {
    fn selection(&self) -> Result<Selection, Error> {
        let account = self.account.as_deref().map(str::parse).transpose();
        Ok(Selection {
            account: account.map_err(|error| Error::field("account", error))?,
            from: instant("from", self.from.as_deref())?,
            until: instant("until", self.until.as_deref())?,
            open: self.open,
        })
    }
}

fn instant(field: &str, text: Option<&str>) -> Result<Option<offhook_types::WallTime>, Error> {
    let why = "a date, or a date and time, such as 2026-03-01T06:00Z";
    text.map(|text| iso8601::read(text).ok_or_else(|| Error::field(field, why))).transpose()
}

/// Call detail records, newest first; docs/CDR.md explains their fields.
#[utoipa::path(get, path = "/v1/cdrs", tag = "records", params(Wanted), responses(
    (status = 200, body = CdrPage), (status = "default", body = Problem)))]
pub async fn cdrs(State(desk): State<Desk>, Asked(wanted): Asked<Wanted>) -> Answer<CdrPage> {
    let selection = wanted.selection()?;
    Ok(Json(desk.cdrs(&selection, wanted.after.as_deref(), wanted.limit).await?))
}

/// One call detail record.
#[utoipa::path(get, path = "/v1/cdrs/{cdr}", tag = "records",
    params(("cdr" = String, Path)), responses(
    (status = 200, body = Object), (status = "default", body = Problem)))]
pub async fn cdr(State(desk): State<Desk>, Path(cdr): Path<String>) -> Answer<Value> {
    Ok(Json(desk.cdr(&cdr).await?))
}

/// How a ladder is drawn.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Drawing {
    /// Show phone numbers.
    #[serde(default)]
    numbers: bool,
}

/// The SIP messages of a phone leg, drawn as text; of the leg of a record when one is named.
#[utoipa::path(get, path = "/v1/calls/{phone}/ladder", tag = "records",
    params(("phone" = String, Path, description = "PH_… or CD_…"), Drawing), responses(
    (status = 200, body = String, content_type = "text/plain"),
    (status = "default", body = Problem)))]
pub async fn ladder(
    State(desk): State<Desk>,
    Path(phone): Path<String>,
    Asked(drawing): Asked<Drawing>,
) -> Result<String, Problem> {
    let numbers = if drawing.numbers { Numbers::Shown } else { Numbers::Hidden };
    Ok(desk.ladder(&phone, numbers).await?)
}

/// Which decisions.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Decided {
    /// About this account, by its id or its user's id or number.
    account: Option<String>,
    /// Before this one.
    before: Option<u64>,
    /// At most so many; 100 when left out.
    limit: Option<u32>,
}

/// What fraud limits and operators decided, newest first.
#[utoipa::path(get, path = "/v1/fraud/decisions", tag = "fraud", params(Decided), responses(
    (status = 200, body = Vec<DecisionView>), (status = "default", body = Problem)))]
pub async fn decisions(
    State(desk): State<Desk>,
    Asked(asked): Asked<Decided>,
) -> Answer<Vec<DecisionView>> {
    let account = asked.account.as_deref();
    Ok(Json(desk.decisions(account, asked.before, asked.limit).await?))
}

/// What is said about a decision.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Appeal {
    /// By the account's owner or an operator.
    note: String,
}

/// Note what is said about a decision.
#[utoipa::path(put, path = "/v1/fraud/decisions/{seq}/appeal", tag = "fraud",
    request_body = Appeal, params(("seq" = u64, Path)), responses(
    (status = 204), (status = "default", body = Problem)))]
pub async fn appeal(
    State(desk): State<Desk>,
    Path(seq): Path<u64>,
    Body(appeal): Body<Appeal>,
) -> Result<StatusCode, Problem> {
    desk.appeal(seq, &appeal.note).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whom somebody would call.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Explain {
    /// As a person types it.
    number: String,
    /// Who would call: an account's id, or a user's id or number.
    #[serde(default)]
    account: Option<String>,
    /// The plan, where nobody in particular calls.
    #[serde(default)]
    plan: String,
    /// Where that nobody calls from, as two letters.
    #[serde(default)]
    country: Option<String>,
    /// Do not show the caller's number.
    #[serde(default)]
    anonymous: bool,
}

/// How it would be done.
#[derive(Serialize, ToSchema)]
pub struct Explanation {
    /// Why no call would be made, if none would.
    refusal: Option<String>,
    /// For people.
    text: String,
    /// For programs.
    #[schema(value_type = Object)]
    route: Value,
}

/// How a number would be routed and priced, and why.
#[utoipa::path(post, path = "/v1/routes/explain", tag = "routes", request_body = Explain,
    responses((status = 200, body = Explanation), (status = "default", body = Problem)))]
pub async fn explain(State(desk): State<Desk>, Body(asked): Body<Explain>) -> Answer<Explanation> {
    let Explain { number: typed, account: by, plan, country, anonymous } = asked;
    let question = Question { typed, by, plan, country, anonymous };
    let explained = desk.explain(&question).await?;
    let refusal = explained.refusal.map(|refusal| refusal.code().to_owned());
    Ok(Json(Explanation { refusal, text: explained.text, route: explained.json }))
}
