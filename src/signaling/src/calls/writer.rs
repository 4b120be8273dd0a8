//! Writes call records in order, away from the task that makes them.

use std::sync::Arc;
use std::time::Duration;

use offhook_call::{Cause, Ending, Input, Record, RecordStep};
use offhook_store::{Error, Store};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::shard::Mail;

/// The task's end of the queue. Each call has at most three writes, and the number of opening ones
/// that wait is limited, so the queue is bounded by the calls that exist.
pub(super) struct Writer {
    queue: mpsc::UnboundedSender<Write>,
    openings: Arc<Semaphore>,
}

enum Write {
    Open { record: Record, _waiting: OwnedSemaphorePermit },
    Update { record: Record },
    Flush { done: oneshot::Sender<()> },
}

/// Waits between attempts to close a record. One that still fails is closed at the next start.
const RETRIES: [Duration; 3] =
    [Duration::from_millis(50), Duration::from_millis(250), Duration::from_secs(1)];

impl Writer {
    pub fn start(store: Arc<dyn Store>, mailbox: mpsc::WeakSender<Mail>, unwritten: usize) -> Self {
        let (queue, writes) = mpsc::unbounded_channel();
        tokio::spawn(run(store, mailbox, writes));
        Self { queue, openings: Arc::new(Semaphore::new(unwritten.max(1))) }
    }

    /// False when too many opening records wait, and for whatever comes after the writer is gone.
    pub fn write(&self, record: Record, step: RecordStep) -> bool {
        let write = match step {
            RecordStep::Open => match self.openings.clone().try_acquire_owned() {
                Ok(waiting) => Write::Open { record, _waiting: waiting },
                Err(_) => return false,
            },
            RecordStep::Accept | RecordStep::Close => Write::Update { record },
        };
        self.queue.send(write).is_ok()
    }

    /// Answer when everything before was written.
    pub fn flush(&self, done: oneshot::Sender<()>) {
        let _ = self.queue.send(Write::Flush { done });
    }
}

async fn run(
    store: Arc<dyn Store>,
    mailbox: mpsc::WeakSender<Mail>,
    mut writes: mpsc::UnboundedReceiver<Write>,
) {
    while let Some(write) = writes.recv().await {
        match write {
            Write::Open { record, _waiting } => {
                let call = record.call;
                let durable = open(&*store, record).await;
                if let Some(mailbox) = mailbox.upgrade() {
                    let input = Input::Recorded { call, durable };
                    let _ = mailbox.send(Mail::Post { input }).await;
                }
            }
            Write::Update { record } => match (record.ending, record.accepted_at) {
                (Some(ending), _) => close(&*store, &record, ending).await,
                (None, Some(at)) => {
                    let call = record.call;
                    if let Err(error) = store.accept_call(call, at).await {
                        tracing::warn!(%call, %error, "accept not recorded, its end will say it");
                    }
                }
                (None, None) => {}
            },
            Write::Flush { done } => {
                let _ = done.send(());
            }
        }
    }
}

async fn open(store: &dyn Store, record: Record) -> bool {
    let call = record.call;
    let Err(error) = store.open_call(&record).await else { return true };
    tracing::error!(%call, %error, "call not recorded, so it is not made");
    if matches!(error, Error::Unavailable(_)) {
        forget(store, &record).await;
    }
    false
}

/// The store does not know whether it opened the record. If it did, nobody would close it.
async fn forget(store: &dyn Store, record: &Record) {
    let ending = Ending { cause: Cause::Server, at: record.placed_at };
    let _ = store.close_call(record.call, None, ending).await;
}

async fn close(store: &dyn Store, record: &Record, ending: Ending) {
    let mut waits = RETRIES.into_iter();
    while let Err(error) = store.close_call(record.call, record.accepted_at, ending).await {
        let Some(wait) = waits.next() else {
            tracing::error!(call = %record.call, %error, "call record left open");
            return;
        };
        tokio::time::sleep(wait).await;
    }
}
