//! The operators' listener: Prometheus, health and, in [`api`], the operators' API. It is bound to loopback by default;
//! Prometheus and health have no authentication.

pub mod api;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use offhook_store::Store;
use offhook_types::WallTime;
use prometheus::{Encoder, TextEncoder};

use crate::metrics::Metrics;

/// Whether calls can be placed.
#[derive(Clone)]
pub struct Readiness {
    accepting: Arc<AtomicBool>,
    store: Arc<dyn Store>,
}

impl Readiness {
    /// Ready as long as the store answers and no drain began.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { accepting: Arc::new(AtomicBool::new(true)), store }
    }

    /// Not ready any more: the server is going down.
    pub fn drain(&self) {
        self.accepting.store(false, Ordering::Relaxed);
    }

    async fn is_ready(&self) -> bool {
        // A write that changes nothing: no call is placed without a record, so a database that only reads is
        // not enough.
        self.accepting.load(Ordering::Relaxed) && self.store.prune_codes(WallTime(0)).await.is_ok()
    }
}

/// `/healthz` (the process answers) and `/readyz` (calls can be placed).
pub fn health(readiness: Readiness) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(readiness)
}

/// `/metrics` in the Prometheus text format.
pub fn metrics(metrics: Metrics) -> Router {
    Router::new().route("/metrics", get(scrape)).with_state(metrics)
}

async fn ready(State(readiness): State<Readiness>) -> Response {
    if readiness.is_ready().await {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response()
    }
}

async fn scrape(State(metrics): State<Metrics>) -> Response {
    let encoder = TextEncoder::new();
    let mut text = Vec::new();
    match encoder.encode(&metrics.gather().await, &mut text) {
        Ok(()) => {
            ([(header::CONTENT_TYPE, encoder.format_type().to_owned())], text).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "metrics cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
