use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::*;

pub(crate) const SECRET: &str = "a secret of sixteen";

/// Somebody's server: answers with the given statuses in turn, then with 200, and hands on what it
/// was sent. It checks every signature.
pub(crate) struct Receiver {
    pub(crate) url: String,
    pub(crate) got: mpsc::UnboundedReceiver<Value>,
    server: AbortHandle,
}

type Shared = (Arc<Mutex<Vec<u16>>>, mpsc::UnboundedSender<Value>);

impl Receiver {
    pub(crate) async fn start(statuses: &[u16]) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let (sender, got) = mpsc::unbounded_channel();
        let statuses = Arc::new(Mutex::new(statuses.iter().rev().copied().collect()));
        let app = Router::new().route("/hook", post(receive)).with_state((statuses, sender));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, got, server: server.abort_handle() }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn receive(
    State((statuses, got)): State<Shared>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    assert_eq!(headers[SIGNATURE], hex(hmac::sign(&key, &body).as_ref()));
    got.send(serde_json::from_slice(&body).unwrap()).unwrap();
    let status = statuses.lock().unwrap().pop();
    StatusCode::from_u16(status.unwrap_or(200)).unwrap()
}

async fn check(statuses: &[u16], expect: Result<(), Undelivered>, attempts: usize) {
    let mut receiver = Receiver::start(statuses).await;
    let hook = Webhook::new(&receiver.url, SECRET).unwrap();
    assert_eq!(hook.post(&json!({"a": 1})).await, expect);
    for _ in 0..attempts {
        assert_eq!(receiver.got.try_recv(), Ok(json!({"a": 1})));
    }
    assert!(receiver.got.try_recv().is_err());
}

#[tokio::test]
async fn messages_are_signed_and_retried_while_it_may_help() {
    check(&[], Ok(()), 1).await;
    check(&[503, 429], Ok(()), 3).await;
    check(&[400], Err(Undelivered::Refused(StatusCode::BAD_REQUEST)), 1).await;
    check(&[302], Err(Undelivered::Refused(StatusCode::FOUND)), 1).await;
}

#[tokio::test]
async fn a_dead_receiver_is_given_up() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let hook = Webhook::new(&url, SECRET).unwrap();
    assert_eq!(hook.post(&1).await, Err(Undelivered::NoAnswer));
}

#[test]
fn what_cannot_be_a_webhook_is_refused() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    assert!(matches!(Webhook::new("example.org", "0123456789abcdef"), Err(BadWebhook::Url)));
    assert!(matches!(Webhook::new("file:///etc", "0123456789abcdef"), Err(BadWebhook::Url)));
    assert!(matches!(Webhook::new("https://example.org", "short"), Err(BadWebhook::Secret)));
}
