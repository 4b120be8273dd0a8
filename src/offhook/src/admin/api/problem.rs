//! What goes wrong, as problem details (RFC 9457).

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use offhook_gateway::operate::Error;
use serde::Serialize;
use utoipa::ToSchema;

/// Why a request was not carried out. Nothing of it was.
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    /// The HTTP status.
    status: u16,
    /// What kind of problem it is.
    title: String,
    /// What is wrong, and what would be right.
    detail: String,
    /// Which fields or rows, where some are meant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Wrong>,
}

/// One field or row.
#[derive(Debug, Serialize, ToSchema)]
pub struct Wrong {
    /// The field or column.
    field: String,
    /// The line of an imported list.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    /// What is wrong, and what would be right.
    why: String,
}

impl Problem {
    /// A problem without fields.
    pub fn new(status: StatusCode, detail: impl ToString) -> Self {
        let title = status.canonical_reason().unwrap_or("error").to_owned();
        Self { status: status.as_u16(), title, detail: detail.to_string(), errors: Vec::new() }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let (status, errors) = match &error {
            Error::Field { field, why } => {
                let wrong = Wrong { field: field.clone(), line: None, why: why.clone() };
                (StatusCode::UNPROCESSABLE_ENTITY, vec![wrong])
            }
            Error::Rows(rows) => {
                let rows = rows.iter().map(|row| Wrong {
                    field: row.column.clone(),
                    line: Some(row.line),
                    why: row.reason.to_string(),
                });
                (StatusCode::UNPROCESSABLE_ENTITY, rows.collect())
            }
            Error::Missing { .. } => (StatusCode::NOT_FOUND, Vec::new()),
            Error::Conflict(_) => (StatusCode::CONFLICT, Vec::new()),
            Error::Store(error) => {
                let cause = std::error::Error::source(error).map(tracing::field::display);
                tracing::warn!(%error, cause, "an operator's request failed at the store");
                (StatusCode::SERVICE_UNAVAILABLE, Vec::new())
            }
            Error::Unreadable(_) | Error::Books => (StatusCode::SERVICE_UNAVAILABLE, Vec::new()),
        };
        Self { errors, ..Self::new(status, &error) }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_REQUEST);
        let mut answer = (status, Json(self)).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        answer.headers_mut().insert(header::CONTENT_TYPE, kind);
        answer
    }
}
