//! QUIC: the endpoints beside the media workers, and the door that their sessions go to. Neither knows of the other.

use std::sync::Arc;

use anyhow::Context;
use async_trait::async_trait;
use bytes::Bytes;
use offhook_quic::{ALPN, Code, Endpoints, Session, Snapshot};
use offhook_signaling::quic::{self as door, Access, Close, Wire};
use offhook_types::{LegId, Ssrc, WorkerId};

use crate::config::Config;
use crate::node::Local;
use crate::settings;

/// The running endpoints and their door.
#[derive(Clone)]
pub struct Quic {
    endpoints: Arc<Endpoints>,
    door: door::Quic,
}

impl Quic {
    /// Start an endpoint for each of the node's workers.
    pub fn start(config: &Config, node: &Local, door: door::Quic) -> anyhow::Result<Self> {
        let served = door.clone();
        let on_session = Arc::new(move |session| served.serve(Box::new(Line(session))));
        let tunnels = node.node.take_tunnels();
        let endpoints = Endpoints::start(settings::quic(config), tunnels, on_session);
        let endpoints = Arc::new(endpoints.context("[quic]")?);
        if config.quic.certificate.is_empty() {
            tracing::info!(sha256 = %hex(&endpoints.fingerprint()), "QUIC shows a certificate of its own");
        }
        Ok(Self { endpoints, door })
    }

    /// The requests that tell clients where to connect.
    pub fn routes(&self) -> axum::Router {
        let access = Access {
            ports: self.endpoints.ports().to_vec(),
            alpn: std::str::from_utf8(ALPN).unwrap_or_default(),
            fingerprint: self.endpoints.fingerprint(),
        };
        door::routes(self.door.clone(), access)
    }

    /// What was counted.
    pub fn snapshot(&self) -> Snapshot {
        self.endpoints.snapshot()
    }

    /// Sessions now.
    pub fn sessions(&self) -> usize {
        self.door.sessions()
    }

    /// Close what is still open.
    pub async fn stop(&self) {
        let endpoints = self.endpoints.clone();
        let _ = tokio::task::spawn_blocking(move || endpoints.stop()).await;
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A connection as the door takes it.
struct Line(Session);

#[async_trait]
impl Wire for Line {
    fn worker(&self) -> WorkerId {
        self.0.worker()
    }

    async fn receive(&mut self) -> Option<Bytes> {
        self.0.receive().await
    }

    fn send(&self, message: Bytes) -> bool {
        self.0.send(message)
    }

    fn carry(&self, leg: LegId) {
        self.0.carry(leg);
    }

    fn expect(&self, flow: u64, streams: Vec<Ssrc>) -> bool {
        self.0.expect(flow, streams)
    }

    fn forget(&self, flow: u64) {
        self.0.forget(flow);
    }

    fn assign(&self, flow: u64, streams: &[Ssrc]) {
        self.0.assign(flow, streams);
    }

    fn release(&self, flow: u64) {
        self.0.release(flow);
    }

    fn close(self: Box<Self>, why: Close) {
        self.0.close(Code(why.code()), why.reason());
    }
}
