//! How a one-time code reaches its number.

use offhook_types::Number;
use serde::Serialize;

use super::Failure;
use crate::webhook::Webhook;

/// How a one-time code reaches its number.
#[derive(Debug, Clone)]
pub enum Delivery {
    /// Not at all: nobody can sign in.
    None,
    /// Into the log, for development. This is the one place where a code, and the last two digits
    /// of a number, are logged.
    Log,
    /// To an SMS provider: `{"number": …, "code": …, "expires_in": seconds}`.
    Webhook(Webhook),
}

#[derive(Serialize)]
struct Body<'a> {
    number: &'a str,
    code: &'a str,
    expires_in: u64,
}

impl Delivery {
    /// Hand the code over. Refused when it cannot be.
    pub(crate) async fn deliver(
        &self,
        number: &Number,
        code: &str,
        expires_in: u64,
    ) -> Result<(), Failure> {
        match self {
            Self::None => Err(Failure::unavailable()),
            Self::Log => {
                let digits = number.as_str();
                let last_two = digits.get(digits.len().saturating_sub(2)..).unwrap_or_default();
                tracing::info!(number = %format_args!("…{last_two}"), code,
                    "DEVELOPMENT ONLY: one-time code (code_delivery = \"log\")");
                Ok(())
            }
            Self::Webhook(webhook) => {
                let body = Body { number: number.as_str(), code, expires_in };
                webhook.post(&body).await.map_err(|error| {
                    tracing::warn!(%error, "one-time code not delivered");
                    Failure::unavailable()
                })
            }
        }
    }
}
