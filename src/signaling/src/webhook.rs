//! Messages to somebody else's HTTP server: JSON by POST, signed, with a time limit and few
//! retries.
//!
//! The header `X-Offhook-Signature` is the HMAC-SHA256 of the body with the shared secret, in hex.
//! A message may arrive more than once: an answer can be lost after the receiver acted.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use reqwest::{StatusCode, Url, redirect};
use serde::Serialize;

/// One attempt, from connecting to the end of the answer.
const TIMEOUT: Duration = Duration::from_secs(4);
/// Waits between attempts; their number bounds the retries.
const BACKOFF: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(1)];

/// The header with the signature.
pub const SIGNATURE: &str = "x-offhook-signature";

/// A receiver of messages.
#[derive(Debug, Clone)]
pub struct Webhook {
    client: reqwest::Client,
    url: Url,
    key: Arc<hmac::Key>,
}

/// Why there can be no such webhook.
#[derive(Debug, thiserror::Error)]
pub enum BadWebhook {
    /// Not an absolute http or https URL.
    #[error("the webhook's URL is not an absolute http or https URL")]
    Url,
    /// The receiver could not tell our messages from anybody's.
    #[error("the webhook's secret is shorter than 16 characters")]
    Secret,
    /// The HTTP client does not start.
    #[error("the HTTP client does not start")]
    Client(#[source] reqwest::Error),
}

/// A message that did not get through, also not when it was tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Undelivered {
    /// No answer in time, or no connection.
    #[error("the webhook's receiver does not answer")]
    NoAnswer,
    /// An answer other than 2xx.
    #[error("the webhook's receiver answered {0}")]
    Refused(StatusCode),
}

impl Webhook {
    /// A receiver at an address that shares a secret with us.
    pub fn new(url: &str, secret: &str) -> Result<Self, BadWebhook> {
        let url = Url::parse(url).map_err(|_| BadWebhook::Url)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(BadWebhook::Url);
        }
        if secret.len() < 16 {
            return Err(BadWebhook::Secret);
        }
        let client = reqwest::Client::builder()
            .timeout(TIMEOUT)
            // A redirect would send the secret-signed body somewhere that nobody configured.
            .redirect(redirect::Policy::none())
            .build()
            .map_err(BadWebhook::Client)?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        Ok(Self { client, url, key: Arc::new(key) })
    }

    /// Deliver one message, within about fifteen seconds.
    pub async fn post(&self, message: &impl Serialize) -> Result<(), Undelivered> {
        let body = serde_json::to_vec(message).map_err(|_| Undelivered::NoAnswer)?;
        let mut waits = BACKOFF.iter();
        loop {
            let failure = match self.attempt(&body).await {
                Ok(()) => return Ok(()),
                Err(failure) => failure,
            };
            match waits.next() {
                Some(wait) if is_passing(failure) => tokio::time::sleep(*wait).await,
                _ => return Err(failure),
            }
        }
    }

    async fn attempt(&self, body: &[u8]) -> Result<(), Undelivered> {
        let answer = self
            .client
            .post(self.url.clone())
            .header("content-type", "application/json")
            .header(SIGNATURE, hex(hmac::sign(&self.key, body).as_ref()))
            .body(body.to_vec())
            .send()
            .await
            .map_err(|_| Undelivered::NoAnswer)?;
        let status = answer.status();
        if status.is_success() { Ok(()) } else { Err(Undelivered::Refused(status)) }
    }
}

/// Whether the same message may get through later.
fn is_passing(failure: Undelivered) -> bool {
    match failure {
        Undelivered::NoAnswer => true,
        Undelivered::Refused(status) => {
            status.is_server_error()
                || status == StatusCode::TOO_MANY_REQUESTS
                || status == StatusCode::REQUEST_TIMEOUT
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
pub(crate) mod tests;
