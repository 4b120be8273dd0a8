//! Messages about calls and money to an operator's HTTP server. They are written to the store's outbox
//! together with what they tell of, so none is lost when either side goes down; a task here delivers
//! them, oldest first.
//!
//! Each is JSON by POST. `Idempotency-Key` is the same at every attempt of one message, since an answer
//! can be lost after the receiver acted. `X-Offhook-Signature` is the HMAC-SHA256 of the body with the
//! shared secret, in hex, as for every other webhook of Offhook.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::hmac;
use offhook_billing::cdr::Cdr;
use offhook_store::{Message, NewDecision, NewMessage, Outbox};
use offhook_types::counters::Counters;
use offhook_types::{Rng, WallTime, counted};
use reqwest::{Url, redirect};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::export::object;
use crate::iso8601;

#[cfg(test)]
mod tests;

/// Where messages go, and for how long they are tried.
#[derive(Clone)]
pub struct Config {
    /// An absolute http or https URL.
    pub url: String,
    /// What the signature is made with; at least 16 characters.
    pub secret: String,
    /// A message that did not get through for so long is given up.
    pub give_up: Duration,
    /// The wait after the first failure; it doubles up to [`Config::longest_wait`].
    pub first_wait: Duration,
    /// The longest wait between two attempts of one message.
    pub longest_wait: Duration,
    /// How often the outbox is looked into.
    pub pause: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: String::new(),
            secret: String::new(),
            give_up: Duration::from_secs(3 * 24 * 3600),
            first_wait: Duration::from_secs(5),
            longest_wait: Duration::from_secs(3600),
            pause: Duration::from_millis(500),
        }
    }
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

counted! {
    /// What became of attempts and messages.
    pub enum Told {
        /// The receiver took it.
        Delivered = "delivered",
        /// No connection, or no answer in time; it is tried again.
        NoAnswer = "no_answer",
        /// An answer other than 2xx; it is tried again.
        Refused = "refused",
        /// It was tried for as long as is set, and is gone.
        GivenUp = "given_up",
        /// The store did not say what waits, or did not note what became of it.
        StoreFailed = "store_failed",
    }
}

/// The task that delivers. It ends with [`Sender::stop`], or when this is dropped.
#[derive(Debug)]
pub struct Sender {
    counts: Arc<Mutex<Counters<Told>>>,
    task: JoinHandle<()>,
}

impl Sender {
    /// Start delivering what waits in the outbox.
    ///
    /// # Errors
    /// What is wrong with the settings.
    pub fn start(config: Config, outbox: Arc<dyn Outbox>, rng: Rng) -> Result<Self, BadWebhook> {
        let url = Url::parse(&config.url).map_err(|_| BadWebhook::Url)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(BadWebhook::Url);
        }
        if config.secret.len() < 16 {
            return Err(BadWebhook::Secret);
        }
        let client = reqwest::Client::builder()
            .timeout(TIMEOUT)
            // A redirect would send a signed body somewhere that nobody configured.
            .redirect(redirect::Policy::none())
            .build()
            .map_err(BadWebhook::Client)?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, config.secret.as_bytes());
        let counts: Arc<Mutex<Counters<Told>>> = Arc::default();
        let shared = counts.clone();
        let courier = Courier { config, client, url, key, outbox, rng, counts: shared };
        Ok(Self { counts, task: tokio::spawn(courier.run()) })
    }

    /// What became of messages so far.
    pub fn counts(&self) -> Counters<Told> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// End. What waits stays in the store; a message under way may be told again.
    pub fn stop(&self) {
        self.task.abort();
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.stop();
    }
}

/// That a record was closed. `object` of the record is in `cdr`; docs/CDR.md explains it.
pub fn closed(cdr: &Cdr) -> NewMessage {
    let at = cdr.end.map_or(cdr.opening.at, |end| end.at);
    let key = format!("cdr.closed/{}", cdr.opening.id);
    message(key, "cdr.closed", at, json!({ "cdr": object(cdr) }))
}

/// That a fraud limit decided something.
pub fn decided(decision: &NewDecision) -> NewMessage {
    let NewDecision { account, phone, rule, action, reason, target: _, at } = decision;
    let phone = phone.map(|phone| phone.to_string());
    let about = phone.clone().unwrap_or_default();
    let key = format!("fraud.decided/{account}/{rule}/{}/{about}", at.0);
    let body = json!({
        "account_id": account.to_string(), "phone_id": phone,
        "rule": rule, "action": action, "reason": reason,
    });
    message(key, "fraud.decided", *at, body)
}

fn message(key: String, event: &str, at: WallTime, mut body: Value) -> NewMessage {
    body["event"] = event.into();
    body["at"] = iso8601::show(at).into();
    NewMessage { key, body: body.to_string(), at }
}

/// One attempt, from connecting to the end of the answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Messages looked at together.
const BATCH: u32 = 100;
const SIGNATURE: &str = "x-offhook-signature";

struct Courier {
    config: Config,
    client: reqwest::Client,
    url: Url,
    key: hmac::Key,
    outbox: Arc<dyn Outbox>,
    rng: Rng,
    counts: Arc<Mutex<Counters<Told>>>,
}

impl Courier {
    async fn run(mut self) {
        loop {
            let due = match self.outbox.due_messages(iso8601::now(), BATCH).await {
                Ok(due) => due,
                Err(error) => {
                    tracing::warn!(%error, "what webhooks have to tell cannot be read");
                    self.count(Told::StoreFailed);
                    Vec::new()
                }
            };
            let whole = due.len() == BATCH as usize;
            for message in due {
                self.tell(message).await;
            }
            if !whole {
                sleep(self.config.pause).await;
            }
        }
    }

    async fn tell(&mut self, message: Message) {
        let told = self.attempt(&message.message).await;
        self.count(told);
        let now = iso8601::now();
        let over = now >= message.message.at.plus(self.config.give_up);
        let noted = if told == Told::Delivered || over {
            if told != Told::Delivered {
                tracing::warn!(key = %message.message.key, "webhook message given up");
                self.count(Told::GivenUp);
            }
            self.outbox.remove_message(message.seq).await
        } else {
            let due = now.plus(self.wait(message.attempts));
            self.outbox.retry_message(message.seq, due).await
        };
        if let Err(error) = noted {
            tracing::warn!(%error, "what became of a webhook message cannot be noted");
            self.count(Told::StoreFailed);
            // It is due still; the store gets a moment before it comes again.
            sleep(self.config.first_wait).await;
        }
    }

    async fn attempt(&self, message: &NewMessage) -> Told {
        let body = message.body.clone().into_bytes();
        let signature = hmac::sign(&self.key, &body);
        let signature: String =
            signature.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let request = self.client.post(self.url.clone()).body(body);
        let request = request.header("content-type", "application/json");
        let request = request.header("idempotency-key", &message.key);
        match request.header(SIGNATURE, signature).send().await {
            Ok(answer) if answer.status().is_success() => Told::Delivered,
            Ok(_) => Told::Refused,
            Err(_) => Told::NoAnswer,
        }
    }

    /// Doubles with each failure; a random quarter is taken off, so that messages which failed together
    /// do not come back together.
    fn wait(&mut self, attempts: u32) -> Duration {
        let doubled = self.config.first_wait.saturating_mul(1 << attempts.min(20));
        let most = doubled.min(self.config.longest_wait);
        most - most.mul_f64(f64::from(self.rng.below(250)) / 1000.0)
    }

    fn count(&self, told: Told) {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).add(told);
    }
}
