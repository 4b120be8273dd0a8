use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;

use super::*;

/// Answers with the given statuses in turn, then with 200, and keeps what it was sent.
#[derive(Clone, Default)]
struct Receiver {
    statuses: Arc<Mutex<Vec<u16>>>,
    got: Arc<Mutex<Vec<(String, Vec<u8>)>>>,
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let signature = headers[SIGNATURE].to_str().unwrap().to_owned();
    receiver.got.lock().unwrap().push((signature, body.to_vec()));
    let status = receiver.statuses.lock().unwrap().pop();
    StatusCode::from_u16(status.unwrap_or(200)).unwrap()
}

async fn check(statuses: &[u16], expect: Result<(), Undelivered>, attempts: usize) {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let receiver = Receiver::default();
    receiver.statuses.lock().unwrap().extend(statuses.iter().rev());
    let app = Router::new().route("/hook", post(receive)).with_state(receiver.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    let hook = Webhook::new(&url, "a secret of sixteen").unwrap();
    assert_eq!(hook.post(&serde_json::json!({"a": 1})).await, expect);
    server.abort();
    let got = receiver.got.lock().unwrap();
    assert_eq!(got.len(), attempts);
    for (signature, body) in got.iter() {
        assert_eq!(body, br#"{"a":1}"#);
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"a secret of sixteen");
        assert_eq!(*signature, hex(hmac::sign(&key, body).as_ref()));
    }
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
    let hook = Webhook::new(&url, "a secret of sixteen").unwrap();
    assert_eq!(hook.post(&1).await, Err(Undelivered::NoAnswer));
}

#[test]
fn what_cannot_be_a_webhook_is_refused() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    assert!(matches!(Webhook::new("example.org", "0123456789abcdef"), Err(BadWebhook::Url)));
    assert!(matches!(Webhook::new("file:///etc", "0123456789abcdef"), Err(BadWebhook::Url)));
    assert!(matches!(Webhook::new("https://example.org", "short"), Err(BadWebhook::Secret)));
}
