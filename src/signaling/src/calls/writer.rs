//! Writes call records in order, away from the task that makes them. One task owns every write, and
//! writes in one transaction what came together.
//!
//! Guaranteed: a call whose opening was answered as durable is closed once, however long the store
//! fails meanwhile, as long as the process lives; the next start closes what is left then.
//! Not guaranteed: that a record is closed at once, or that an acceptance is noted before the end.

use std::sync::Arc;
use std::time::Duration;

use offhook_call::{Cause, Ending, Input, Record, RecordStep};
use offhook_store::{CallStep, Error, Store};
use offhook_types::CallId;
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
    Step { step: CallStep, waiting: Option<OwnedSemaphorePermit> },
    Flush { done: oneshot::Sender<()> },
}

impl Writer {
    pub fn start(store: Arc<dyn Store>, mailbox: mpsc::WeakSender<Mail>, unwritten: usize) -> Self {
        let (queue, writes) = mpsc::unbounded_channel();
        let pen = Pen { store, mailbox, unclosed: Vec::new(), again: None };
        tokio::spawn(pen.run(writes));
        Self { queue, openings: Arc::new(Semaphore::new(unwritten.max(1))) }
    }

    /// False when too many opening records wait, and for whatever comes after the writer is gone.
    pub fn write(&self, record: Record, step: RecordStep) -> bool {
        let (call, accepted_at) = (record.call, record.accepted_at);
        let mut waiting = None;
        let step = match (step, accepted_at, record.ending) {
            (RecordStep::Open, ..) => {
                let Ok(permit) = self.openings.clone().try_acquire_owned() else { return false };
                waiting = Some(permit);
                CallStep::Open(record)
            }
            (RecordStep::Accept, Some(at), _) => CallStep::Accept { call, at },
            (RecordStep::Close, _, Some(ending)) => CallStep::Close { call, accepted_at, ending },
            (RecordStep::Accept | RecordStep::Close, ..) => return true,
        };
        self.queue.send(Write::Step { step, waiting }).is_ok()
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
    /// Ends that the store did not take: of the calls that were open when it began to fail, and of
    /// those that it was to open since, as far as there is room.
    unclosed: Vec<CallStep>,
    /// When they are tried again, and how long the wait after that is.
    again: Option<(Instant, Duration)>,
}

/// Written in one transaction.
const BATCH: usize = 256;
/// Beyond so many, a call that the store may have opened without saying so waits for the next start.
const ROOM: usize = 16_384;
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// Attempts to close what is unclosed before a flush gives up, a second and a half in all.
const LAST_ATTEMPTS: u32 = 5;

impl Pen {
    async fn run(mut self, mut writes: mpsc::UnboundedReceiver<Write>) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let (again, _) = self.again.unwrap_or((Instant::now(), FIRST_WAIT));
            tokio::select! {
                biased;
                () = sleep_until(again), if self.again.is_some() => self.close_unclosed().await,
                many = writes.recv_many(&mut batch, BATCH) => {
                    if many == 0 {
                        return self.finish().await;
                    }
                    self.take(&mut batch).await;
                }
            }
        }
    }

    async fn take(&mut self, batch: &mut Vec<Write>) {
        let (mut steps, mut permits, mut flushes) = (Vec::new(), Vec::new(), Vec::new());
        for write in batch.drain(..) {
            match write {
                Write::Step { step, waiting } => {
                    steps.push(step);
                    permits.extend(waiting);
                }
                Write::Flush { done } => flushes.push(done),
            }
        }
        self.write(steps).await;
        drop(permits);
        if !flushes.is_empty() {
            self.finish().await;
        }
        for done in flushes {
            let _ = done.send(());
        }
    }

    async fn write(&mut self, steps: Vec<CallStep>) {
        if steps.is_empty() {
            return;
        }
        match self.store.write_calls(&steps).await {
            Ok(written) => {
                for (step, outcome) in steps.iter().zip(written) {
                    self.written(step, outcome.err()).await;
                }
            }
            Err(error) => {
                tracing::error!(%error, steps = steps.len(), "call records not written");
                for step in steps {
                    self.keep(step).await;
                }
                if !self.unclosed.is_empty() {
                    self.put_off();
                }
            }
        }
    }

    /// One step is on the disk, or is nothing that the store will ever take.
    async fn written(&self, step: &CallStep, error: Option<Error>) {
        match (step, &error) {
            (CallStep::Open(record), None) => self.opened(record.call, true).await,
            (CallStep::Open(record), Some(error)) => {
                tracing::error!(call = %record.call, %error, "call not recorded, so it is not made");
                self.opened(record.call, false).await;
            }
            (CallStep::Accept { call, .. } | CallStep::Close { call, .. }, Some(error)) => {
                tracing::error!(%call, %error, "call record left as it was");
            }
            (CallStep::Accept { .. } | CallStep::Close { .. }, None) => {}
        }
    }

    async fn opened(&self, call: CallId, durable: bool) {
        if let Some(mailbox) = self.mailbox.upgrade() {
            let input = Input::Recorded { call, durable };
            let _ = mailbox.send(Mail::Post { input }).await;
        }
    }

    /// What is left to do of a step that the store did not take now.
    async fn keep(&mut self, step: CallStep) {
        match step {
            // The store may have opened it all the same, and nobody else would close it.
            CallStep::Open(Record { call, placed_at: at, .. }) => {
                let ending = Ending { cause: Cause::Server, at };
                if self.unclosed.len() < ROOM {
                    self.unclosed.push(CallStep::Close { call, accepted_at: None, ending });
                }
                self.opened(call, false).await;
            }
            // Its end says it too.
            CallStep::Accept { .. } => {}
            CallStep::Close { .. } => self.unclosed.push(step),
        }
    }

    /// Close what is to be closed until the store fails; then once more after a while.
    async fn close_unclosed(&mut self) {
        while !self.unclosed.is_empty() {
            let many = self.unclosed.len().min(BATCH);
            let steps: Vec<_> = self.unclosed.iter().take(many).cloned().collect();
            let Ok(written) = self.store.write_calls(&steps).await else { return self.put_off() };
            for (step, outcome) in steps.iter().zip(written) {
                self.written(step, outcome.err()).await;
            }
            self.unclosed.drain(..many);
        }
        if self.again.take().is_some() {
            tracing::info!("call records are written again");
        }
    }

    fn put_off(&mut self) {
        let wait = self.again.map_or(FIRST_WAIT, |(_, wait)| wait);
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
