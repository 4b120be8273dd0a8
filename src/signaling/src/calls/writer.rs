//! Writes call records in order, away from the task that makes them. One task owns every write.
//!
//! Guaranteed: a call whose opening was answered as durable is closed once, however long the store
//! fails meanwhile, as long as the process lives; the next start closes what is left then.
//! Not guaranteed: that a record is closed at once, or that an acceptance is noted before the end.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use offhook_call::{Cause, Ending, Input, Record, RecordStep};
use offhook_store::{Error, Store};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

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

impl Writer {
    pub fn start(store: Arc<dyn Store>, mailbox: mpsc::WeakSender<Mail>, unwritten: usize) -> Self {
        let (queue, writes) = mpsc::unbounded_channel();
        let pen = Pen { store, mailbox, unclosed: VecDeque::new(), again: None };
        tokio::spawn(pen.run(writes));
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

    /// Answer when everything before was written, or cannot be.
    pub fn flush(&self, done: oneshot::Sender<()>) {
        let _ = self.queue.send(Write::Flush { done });
    }
}

/// What the task writes with.
struct Pen {
    store: Arc<dyn Store>,
    mailbox: mpsc::WeakSender<Mail>,
    /// Records whose end the store did not take, in order: at most the calls that were open when
    /// it began to fail, and one for each that could not be opened since.
    unclosed: VecDeque<(Record, Ending)>,
    /// When they are tried again, and how long the wait after that is.
    again: Option<(Instant, Duration)>,
}

const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// Attempts to close what is unclosed before a flush gives up, a second and a half in all.
const LAST_ATTEMPTS: u32 = 5;

impl Pen {
    async fn run(mut self, mut writes: mpsc::UnboundedReceiver<Write>) {
        loop {
            let (again, _) = self.again.unwrap_or((Instant::now(), FIRST_WAIT));
            tokio::select! {
                biased;
                () = sleep_until(again), if self.again.is_some() => self.close_unclosed().await,
                write = writes.recv() => match write {
                    Some(write) => self.take(write).await,
                    None => return self.finish().await,
                },
            }
        }
    }

    async fn take(&mut self, write: Write) {
        match write {
            Write::Open { record, _waiting } => {
                let call = record.call;
                let durable = self.open(record).await;
                if let Some(mailbox) = self.mailbox.upgrade() {
                    let input = Input::Recorded { call, durable };
                    let _ = mailbox.send(Mail::Post { input }).await;
                }
            }
            Write::Update { record } => match (record.ending, record.accepted_at) {
                (Some(ending), _) => self.close(record, ending).await,
                (None, Some(at)) => {
                    let call = record.call;
                    if let Err(error) = self.store.accept_call(call, at).await {
                        tracing::warn!(%call, %error, "accept not recorded, its end will say it");
                    }
                }
                (None, None) => {}
            },
            Write::Flush { done } => {
                self.finish().await;
                let _ = done.send(());
            }
        }
    }

    async fn open(&mut self, record: Record) -> bool {
        let call = record.call;
        let Err(error) = self.store.open_call(&record).await else { return true };
        tracing::error!(%call, %error, "call not recorded, so it is not made");
        if matches!(error, Error::Unavailable(_)) {
            // The store may have opened it all the same, and nobody else would close it.
            let ending = Ending { cause: Cause::Server, at: record.placed_at };
            self.close(record, ending).await;
        }
        false
    }

    /// Close a record, after those that wait for it.
    async fn close(&mut self, record: Record, ending: Ending) {
        self.unclosed.push_back((record, ending));
        if self.again.is_none() {
            self.close_unclosed().await;
        }
    }

    /// Close what is to be closed until the store fails; then once more after a while.
    async fn close_unclosed(&mut self) {
        while let Some((record, ending)) = self.unclosed.front() {
            match self.store.close_call(record.call, record.accepted_at, *ending).await {
                Err(error @ Error::Unavailable(_)) => return self.put_off(&error),
                // Nothing that time heals.
                Err(error) => {
                    tracing::error!(call = %record.call, %error, "call record left open");
                }
                Ok(_) => {}
            }
            self.unclosed.pop_front();
        }
        if self.again.take().is_some() {
            tracing::info!("call records are closed again");
        }
    }

    fn put_off(&mut self, error: &Error) {
        let wait = match self.again {
            Some((_, wait)) => wait,
            None => {
                tracing::error!(%error, "call records cannot be closed now");
                FIRST_WAIT
            }
        };
        self.again = Some((Instant::now() + wait, (wait * 2).min(LONGEST_WAIT)));
    }

    /// Close what can be closed before the process ends.
    async fn finish(&mut self) {
        if let Some((_, wait)) = &mut self.again {
            *wait = FIRST_WAIT;
        }
        for _ in 0..LAST_ATTEMPTS {
            self.close_unclosed().await;
            let Some((again, _)) = self.again else { return };
            sleep_until(again).await;
        }
        let calls = self.unclosed.len();
        tracing::error!(calls, "call records left open for the next start");
    }
}
