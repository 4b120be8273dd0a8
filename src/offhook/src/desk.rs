//! The operators' desk over the running gateway: what they change, it reads.

use std::sync::Arc;

use offhook_gateway::gateway::Gateway;
use offhook_gateway::operate::{Changed, Desk, Listener};
use offhook_store::Store;
use offhook_types::Rng;
use tokio::sync::mpsc;

use crate::config::Phone;
use crate::settings;

/// A desk whose changes reach the gateway.
pub fn open(phone: &Phone, store: Arc<dyn Store>, gateway: &Gateway, rng: Rng) -> Desk {
    let books = gateway.books().clone();
    Desk::new(store, books, settings::phone::newcomer(phone), (listener(gateway.clone()), rng))
}

/// One task reads, so that an older state never comes after a newer one; changes that come while it reads
/// are read together. It ends with the desk.
fn listener(gateway: Gateway) -> Listener {
    let (changes, mut changed) = mpsc::channel(1);
    let reader = gateway.clone();
    tokio::spawn(async move {
        while changed.recv().await.is_some() {
            if let Err(error) = reader.reload().await {
                tracing::warn!(%error, "the gateway goes on with what was set up before");
            }
        }
    });
    Arc::new(move |changed| match changed {
        // Full means that it will be read anyway.
        Changed::Tariff => drop(changes.try_send(())),
        Changed::Lifted(account) => gateway.lift(account),
        // It is read for every call.
        Changed::Account(_) => {}
    })
}
