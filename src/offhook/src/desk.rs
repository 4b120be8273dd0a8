//! The operators' desk over the running gateway: what they change, it reads.

use std::sync::Arc;

use offhook_gateway::gateway::Gateway;
use offhook_gateway::operate::{Changed, Desk, Listener};
use offhook_store::Store;
use offhook_types::Rng;
use tokio::sync::{mpsc, oneshot};

use crate::config::Phone;
use crate::settings;

/// A desk whose changes reach the gateway.
pub fn open(phone: &Phone, store: Arc<dyn Store>, gateway: &Gateway, rng: Rng) -> Desk {
    let books = gateway.books().clone();
    let terms = settings::phone::newcomer(phone);
    let desk = Desk::new(store, books, terms, (listener(gateway.clone()), rng));
    let gateway = gateway.clone();
    desk.watching(Arc::new(move || {
        let gateway = gateway.clone();
        Box::pin(async move { gateway.live().await })
    }))
}

/// One task reads, so that an older state never comes after a newer one; changes that come while it reads
/// are read together. It ends with the desk.
fn listener(gateway: Gateway) -> Listener {
    let (changes, mut changed) = mpsc::channel::<oneshot::Sender<()>>(WAITING);
    let reader = gateway.clone();
    tokio::spawn(async move {
        let mut waiting = Vec::new();
        while changed.recv_many(&mut waiting, WAITING).await > 0 {
            if let Err(error) = reader.reload().await {
                tracing::warn!(%error, "the gateway goes on with what was set up before");
            }
            for done in waiting.drain(..) {
                let _ = done.send(());
            }
        }
    });
    Arc::new(move |changed| {
        let (changes, gateway) = (changes.clone(), gateway.clone());
        Box::pin(async move {
            match changed {
                Changed::Tariff => {
                    let (done, read) = oneshot::channel();
                    if changes.send(done).await.is_ok() {
                        let _ = read.await;
                    }
                }
                Changed::Lifted(account) => gateway.lift(account),
                // It is read for every call.
                Changed::Account(_) => {}
            }
        })
    })
}

/// Changes that may wait for one reading.
const WAITING: usize = 64;
