//! The operators' API: `/v1/…` on the admin listener, JSON both ways, errors as problem+json (RFC 9457),
//! described by `/openapi.json`. What it does is [`Desk`]'s; here are only paths, shapes and statuses.
//!
//! Where a token is configured every request to `/v1` has to bring it. Metrics, health and the
//! description stay open.

mod accounts;
mod ask;
mod problem;
mod records;
mod setup;
#[cfg(test)]
mod tests;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use offhook_gateway::operate::Desk;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::config::Secret;
use problem::Problem;

/// The API over a desk. An empty token asks for none.
pub fn routes(desk: Desk, token: &Secret) -> Router {
    let (api, description) = described().split_for_parts();
    let token = token.clone();
    let api = api.layer(from_fn_with_state(token, guard)).with_state(desk);
    api.route("/openapi.json", get(|| async move { Json(description) }))
}

/// A million rows of a price list are some 60 MB.
const DECK_BYTES: usize = 256 * 1024 * 1024;
/// Everything else is small.
const BODY_BYTES: usize = 256 * 1024;

#[derive(OpenApi)]
#[openapi(
    info(title = "Offhook for operators", description = "Phone calls and money."),
    modifiers(&Bearer),
    security(("token" = []))
)]
struct Description;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let components = openapi.components.get_or_insert_with(Default::default);
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

/// Every path with its description: a path cannot be here and not there.
fn described() -> OpenApiRouter<Desk> {
    let decks = OpenApiRouter::new().routes(routes!(setup::import_deck));
    let rest = OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(setup::trunks))
        .routes(routes!(setup::put_trunk, setup::remove_trunk))
        .routes(routes!(setup::decks, setup::prune_decks))
        .routes(routes!(setup::plans))
        .routes(routes!(setup::put_plan, setup::remove_plan))
        .routes(routes!(setup::rules))
        .routes(routes!(setup::put_rule, setup::remove_rule))
        .routes(routes!(setup::numbers))
        .routes(routes!(setup::put_number, setup::remove_number))
        .routes(routes!(accounts::accounts))
        .routes(routes!(accounts::account, accounts::change_account))
        .routes(routes!(accounts::add_caller_id, accounts::remove_caller_id))
        .routes(routes!(accounts::statement, accounts::move_money))
        .routes(routes!(records::cdrs))
        .routes(routes!(records::cdr))
        .routes(routes!(records::ladder))
        .routes(routes!(records::decisions))
        .routes(routes!(records::appeal))
        .routes(routes!(records::explain));
    rest.layer(DefaultBodyLimit::max(BODY_BYTES))
        .merge(decks.layer(DefaultBodyLimit::max(DECK_BYTES)))
}

async fn guard(State(token): State<Secret>, request: Request, next: Next) -> Response {
    if token.0.is_empty() || brings(request.headers(), &token) {
        return next.run(request).await;
    }
    let problem =
        Problem::new(StatusCode::UNAUTHORIZED, "the token of [admin] is missing or wrong");
    let mut answer = problem.into_response();
    answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    answer
}

fn brings(headers: &HeaderMap, token: &Secret) -> bool {
    let brought = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let brought = brought.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    verify_slices_are_equal(brought.as_bytes(), token.0.as_bytes()).is_ok()
}
