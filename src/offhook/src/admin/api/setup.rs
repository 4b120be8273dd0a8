//! Trunks, price lists, plans, fraud rules and our own numbers.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use offhook_billing::deck::Tier;
use offhook_gateway::iso8601;
use offhook_gateway::operate::{
    DeckView, Desk, Error, Import, NumberView, PlanView, PutNumber, PutPlan, PutRule, PutTrunk,
    RuleView, TrunkView,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::ask::{Asked, Body};
use super::problem::Problem;

/// What most requests answer with.
pub(super) type Answer<T> = Result<Json<T>, Problem>;

/// Every trunk, without passwords.
#[utoipa::path(get, path = "/v1/trunks", tag = "trunks", responses(
    (status = 200, body = Vec<TrunkView>), (status = "default", body = Problem)))]
pub async fn trunks(State(desk): State<Desk>) -> Answer<Vec<TrunkView>> {
    Ok(Json(desk.trunks().await?))
}

/// Add a trunk, or change the one of this name.
#[utoipa::path(put, path = "/v1/trunks/{name}", tag = "trunks", request_body = PutTrunk,
    params(("name" = String, Path)), responses(
    (status = 200, body = TrunkView), (status = "default", body = Problem)))]
pub async fn put_trunk(
    State(desk): State<Desk>,
    Path(name): Path<String>,
    Body(put): Body<PutTrunk>,
) -> Answer<TrunkView> {
    Ok(Json(desk.put_trunk(&name, put).await?))
}

/// Remove a trunk; its records stay.
#[utoipa::path(delete, path = "/v1/trunks/{name}", tag = "trunks",
    params(("name" = String, Path)), responses(
    (status = 204), (status = "default", body = Problem)))]
pub async fn remove_trunk(
    State(desk): State<Desk>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    desk.remove_trunk(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Every version of every price list.
#[utoipa::path(get, path = "/v1/decks", tag = "decks", responses(
    (status = 200, body = Vec<DeckView>), (status = "default", body = Problem)))]
pub async fn decks(State(desk): State<Desk>) -> Answer<Vec<DeckView>> {
    Ok(Json(desk.decks().await?))
}

/// How many versions stay.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Keep {
    /// The newest so many of each list.
    keep: u32,
}

/// How many versions went.
#[derive(Serialize, ToSchema)]
pub struct Pruned {
    /// So many.
    removed: u64,
}

/// Forget all but the newest versions of each price list.
#[utoipa::path(delete, path = "/v1/decks", tag = "decks", params(Keep), responses(
    (status = 200, body = Pruned), (status = "default", body = Problem)))]
pub async fn prune_decks(State(desk): State<Desk>, Asked(asked): Asked<Keep>) -> Answer<Pruned> {
    Ok(Json(Pruned { removed: desk.prune_decks(asked.keep).await? }))
}

/// How rows are read that do not say.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Reading {
    /// What prices are in (ISO 4217).
    currency: String,
    /// When rows without a date begin to hold (ISO 8601); always when left out.
    from: Option<String>,
    /// How risky destinations are: `standard`, `elevated`, `high` or `premium`.
    tier: Option<String>,
    /// The first time is rounded up to so many seconds; one when left out.
    first_increment_s: Option<u32>,
    /// Further time is rounded up to so many seconds; one when left out.
    next_increment_s: Option<u32>,
}

/// Import a price list as the newest version of its name: every row or none.
#[utoipa::path(post, path = "/v1/decks/{name}", tag = "decks",
    params(("name" = String, Path), Reading),
    request_body(content = String, content_type = "text/csv",
        description = "With a header; `prefix` and `per_minute` must be there."),
    responses((status = 200, body = DeckView), (status = "default", body = Problem)))]
pub async fn import_deck(
    State(desk): State<Desk>,
    Path(name): Path<String>,
    Asked(reading): Asked<Reading>,
    csv: Bytes,
) -> Answer<DeckView> {
    let wrong = |field, why: &dyn ToString| Problem::from(Error::field(field, why.to_string()));
    let currency = reading.currency.parse().map_err(|error| wrong("currency", &error))?;
    let mut list = Import::new(csv, currency);
    if let Some(text) = &reading.from {
        let why = "a date, or a date and time, such as 2026-03-01T06:00Z";
        list.from = Some(iso8601::read(text).ok_or_else(|| wrong("from", &why))?);
    }
    if let Some(tier) = &reading.tier {
        list.tier = tier.parse::<Tier>().map_err(|error| wrong("tier", &error))?;
    }
    list.first_increment_s = reading.first_increment_s.unwrap_or(list.first_increment_s);
    list.next_increment_s = reading.next_increment_s.unwrap_or(list.next_increment_s);
    Ok(Json(desk.import_deck(&name, list).await?))
}

/// Every plan.
#[utoipa::path(get, path = "/v1/plans", tag = "plans", responses(
    (status = 200, body = Vec<PlanView>), (status = "default", body = Problem)))]
pub async fn plans(State(desk): State<Desk>) -> Answer<Vec<PlanView>> {
    Ok(Json(desk.plans().await?))
}

/// Add a plan, or change the one of this name.
#[utoipa::path(put, path = "/v1/plans/{name}", tag = "plans", request_body = PutPlan,
    params(("name" = String, Path)), responses(
    (status = 200, body = PlanView), (status = "default", body = Problem)))]
pub async fn put_plan(
    State(desk): State<Desk>,
    Path(name): Path<String>,
    Body(put): Body<PutPlan>,
) -> Answer<PlanView> {
    Ok(Json(desk.put_plan(&name, put).await?))
}

/// Remove a plan that no account has.
#[utoipa::path(delete, path = "/v1/plans/{name}", tag = "plans",
    params(("name" = String, Path)), responses(
    (status = 204), (status = "default", body = Problem)))]
pub async fn remove_plan(
    State(desk): State<Desk>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    desk.remove_plan(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Every fraud rule of this installation; with none the built-in ones hold.
#[utoipa::path(get, path = "/v1/fraud/rules", tag = "fraud", responses(
    (status = 200, body = Vec<RuleView>), (status = "default", body = Problem)))]
pub async fn rules(State(desk): State<Desk>) -> Answer<Vec<RuleView>> {
    Ok(Json(desk.rules().await?))
}

/// Add a fraud rule, or change the one of this name.
#[utoipa::path(put, path = "/v1/fraud/rules/{name}", tag = "fraud", request_body = PutRule,
    params(("name" = String, Path)), responses(
    (status = 200, body = RuleView), (status = "default", body = Problem)))]
pub async fn put_rule(
    State(desk): State<Desk>,
    Path(name): Path<String>,
    Body(put): Body<PutRule>,
) -> Answer<RuleView> {
    Ok(Json(desk.put_rule(&name, put).await?))
}

/// Remove a fraud rule; its decisions stay.
#[utoipa::path(delete, path = "/v1/fraud/rules/{name}", tag = "fraud",
    params(("name" = String, Path)), responses(
    (status = 204), (status = "default", body = Problem)))]
pub async fn remove_rule(
    State(desk): State<Desk>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    desk.remove_rule(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Every number of ours, without PINs.
#[utoipa::path(get, path = "/v1/numbers", tag = "numbers", responses(
    (status = 200, body = Vec<NumberView>), (status = "default", body = Problem)))]
pub async fn numbers(State(desk): State<Desk>) -> Answer<Vec<NumberView>> {
    Ok(Json(desk.numbers().await?))
}

/// Add a number, or change where it leads: to a user or into a room.
#[utoipa::path(put, path = "/v1/numbers/{number}", tag = "numbers", request_body = PutNumber,
    params(("number" = String, Path, description = "E.164")), responses(
    (status = 200, body = NumberView), (status = "default", body = Problem)))]
pub async fn put_number(
    State(desk): State<Desk>,
    Path(number): Path<String>,
    Body(put): Body<PutNumber>,
) -> Answer<NumberView> {
    Ok(Json(desk.put_number(&number, put).await?))
}

/// Give a number up.
#[utoipa::path(delete, path = "/v1/numbers/{number}", tag = "numbers",
    params(("number" = String, Path, description = "E.164")), responses(
    (status = 204), (status = "default", body = Problem)))]
pub async fn remove_number(
    State(desk): State<Desk>,
    Path(number): Path<String>,
) -> Result<StatusCode, Problem> {
    desk.remove_number(&number).await?;
    Ok(StatusCode::NO_CONTENT)
}
