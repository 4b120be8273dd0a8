//! Accounts and their money.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use offhook_gateway::operate::{AccountChange, AccountView, Booked, Desk, Move, TransferView};
use serde::Deserialize;
use utoipa::IntoParams;

use super::ask::{Asked, Body};
use super::problem::Problem;
use super::setup::Answer;

/// A page of accounts.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Accounts {
    /// After the account of this id.
    after: Option<String>,
    /// At most so many; 100 when left out.
    limit: Option<u32>,
}

/// Accounts and what they have, in the order of their ids.
#[utoipa::path(get, path = "/v1/accounts", tag = "accounts", params(Accounts), responses(
    (status = 200, body = Vec<AccountView>), (status = "default", body = Problem)))]
pub async fn accounts(
    State(desk): State<Desk>,
    Asked(asked): Asked<Accounts>,
) -> Answer<Vec<AccountView>> {
    Ok(Json(desk.accounts(asked.after.as_deref(), asked.limit).await?))
}

/// One account, by its id or its user's id or number.
#[utoipa::path(get, path = "/v1/accounts/{account}", tag = "accounts",
    params(("account" = String, Path)), responses(
    (status = 200, body = AccountView), (status = "default", body = Problem)))]
pub async fn account(State(desk): State<Desk>, Path(account): Path<String>) -> Answer<AccountView> {
    Ok(Json(desk.account(&account).await?))
}

/// Change an account; what is left out stays.
#[utoipa::path(patch, path = "/v1/accounts/{account}", tag = "accounts",
    request_body = AccountChange, params(("account" = String, Path)), responses(
    (status = 200, body = AccountView), (status = "default", body = Problem)))]
pub async fn change_account(
    State(desk): State<Desk>,
    Path(account): Path<String>,
    Body(change): Body<AccountChange>,
) -> Answer<AccountView> {
    Ok(Json(desk.change_account(&account, change).await?))
}

/// Note that an account has proven a number to be its own.
#[utoipa::path(put, path = "/v1/accounts/{account}/caller-ids/{number}", tag = "accounts",
    params(("account" = String, Path), ("number" = String, Path, description = "E.164")),
    responses((status = 200, body = AccountView), (status = "default", body = Problem)))]
pub async fn add_caller_id(
    State(desk): State<Desk>,
    Path((account, number)): Path<(String, String)>,
) -> Answer<AccountView> {
    Ok(Json(desk.add_caller_id(&account, &number).await?))
}

/// Take a caller ID back.
#[utoipa::path(delete, path = "/v1/accounts/{account}/caller-ids/{number}", tag = "accounts",
    params(("account" = String, Path), ("number" = String, Path, description = "E.164")),
    responses((status = 200, body = AccountView), (status = "default", body = Problem)))]
pub async fn remove_caller_id(
    State(desk): State<Desk>,
    Path((account, number)): Path<(String, String)>,
) -> Answer<AccountView> {
    Ok(Json(desk.remove_caller_id(&account, &number).await?))
}

/// A page of a statement.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Lines {
    /// Before the transfer of this id.
    before: Option<String>,
    /// At most so many; 100 when left out.
    limit: Option<u32>,
}

/// What went into an account and out of it, newest first.
#[utoipa::path(get, path = "/v1/accounts/{account}/transfers", tag = "accounts",
    params(("account" = String, Path), Lines), responses(
    (status = 200, body = Vec<TransferView>), (status = "default", body = Problem)))]
pub async fn statement(
    State(desk): State<Desk>,
    Path(account): Path<String>,
    Asked(asked): Asked<Lines>,
) -> Answer<Vec<TransferView>> {
    Ok(Json(desk.statement(&account, asked.before.as_deref(), asked.limit).await?))
}

/// Top up, refund or adjust. The same `Idempotency-Key` moves money once.
#[utoipa::path(post, path = "/v1/accounts/{account}/transfers", tag = "accounts",
    request_body = Move, params(("account" = String, Path),
    ("Idempotency-Key" = String, Header, description = "1 to 200 characters of your own choice")),
    responses((status = 200, body = Booked), (status = "default", body = Problem)))]
pub async fn move_money(
    State(desk): State<Desk>,
    Path(account): Path<String>,
    headers: HeaderMap,
    Body(wish): Body<Move>,
) -> Answer<Booked> {
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok());
    Ok(Json(desk.move_money(&account, key.unwrap_or_default(), &wish).await?))
}
