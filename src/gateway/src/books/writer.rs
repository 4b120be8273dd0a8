//! The task: gathers what was asked, writes it at once, answers.

use std::sync::Arc;
use std::time::Duration;

use offhook_billing::cdr::{Cdr, Ender, Evidence, Interim, Opening, Proof};
use offhook_billing::ledger::Settled;
use offhook_store::{Batch, Money};
use offhook_types::phone::Cause;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::state::State;
use super::{Ask, Closing, Config, Error, Request, View};

/// A hundred times the first wait: five seconds where nothing else is set.
const LONGEST_WAIT: u32 = 100;

pub(super) struct Writer {
    store: Arc<dyn Money>,
    config: Config,
    /// Memory; `None` while it may differ from the disk.
    state: Option<State>,
    view: Arc<View>,
    /// Ends of calls that wait for the store.
    waiting: Vec<Closing>,
    wait: Duration,
    retry_at: Option<Instant>,
}

/// Who gets which answer once a batch is on the disk.
#[derive(Default)]
struct Answers {
    requests: Vec<(Request, Result<(), Error>)>,
    closings: Vec<(Closing, Result<Cdr, Error>)>,
}

impl Writer {
    pub fn new(store: Arc<dyn Money>, config: Config, state: State, view: Arc<View>) -> Self {
        let wait = config.backoff;
        let state = Some(state);
        Self { store, config, state, view, waiting: Vec::new(), wait, retry_at: None }
    }

    pub async fn run(
        mut self,
        mut asked: mpsc::Receiver<Request>,
        mut ended: mpsc::UnboundedReceiver<Closing>,
    ) {
        let most = self.config.batch.max(1);
        let (mut requests, mut closings) = (Vec::new(), Vec::new());
        let (mut asking, mut ending) = (true, true);
        while asking || ending || !self.waiting.is_empty() {
            let retry_at = self.retry_at.unwrap_or_else(Instant::now);
            tokio::select! {
                biased;
                many = ended.recv_many(&mut closings, most), if ending => ending = many > 0,
                many = asked.recv_many(&mut requests, most), if asking => asking = many > 0,
                () = tokio::time::sleep_until(retry_at), if self.overdue() => {}
            }
            // The other queue's share of the same batch.
            while let Ok(closing) = ended.try_recv() {
                closings.push(closing);
            }
            while requests.len() < most {
                let Ok(request) = asked.try_recv() else { break };
                requests.push(request);
            }
            self.waiting.append(&mut closings);
            self.turn(std::mem::take(&mut requests)).await;
        }
    }

    /// Whether something has to be done though nobody asks.
    fn overdue(&self) -> bool {
        self.retry_at.is_some() || !self.waiting.is_empty()
    }

    /// One batch, or a refusal of it.
    async fn turn(&mut self, requests: Vec<Request>) {
        if self.retry_at.is_some_and(|at| Instant::now() < at) || !self.ready().await {
            refuse(requests);
            return self.count();
        }
        if requests.is_empty() && self.waiting.is_empty() {
            return;
        }
        let Some(mut answers) = self.gather(requests).await else { return self.count() };
        let batch = self.state.as_mut().map(State::take_batch).unwrap_or_default();
        let done = match batch.is_empty() {
            true => Ok(()),
            false => self.store.commit_billing(&batch).await,
        };
        match done {
            Ok(()) => self.committed(&batch, answers),
            Err(error) => {
                let (requests, cause) = (answers.requests.len(), cause(&error));
                tracing::error!(%error, cause, requests, "books not written");
                self.failed(&mut answers);
            }
        }
        self.count();
    }

    /// Make memory what the disk is; false while that cannot be done.
    async fn ready(&mut self) -> bool {
        if self.state.is_some() {
            return true;
        }
        match State::load(&*self.store, &self.config).await {
            Ok(state) => {
                tracing::info!("books read again");
                self.view.show(state.ledger.standings());
                self.state = Some(state);
                self.retry_at = None;
                true
            }
            Err(error) => {
                tracing::error!(%error, cause = cause(&error), "books cannot be read");
                self.back_off();
                false
            }
        }
    }

    /// Apply everything in memory. `None` when the store had to be asked and failed.
    async fn gather(&mut self, requests: Vec<Request>) -> Option<Answers> {
        let mut answers = Answers::default();
        for closing in std::mem::take(&mut self.waiting) {
            let outcome = self.close(&closing).await;
            answers.closings.push((closing, outcome));
        }
        for request in requests {
            if matches!(request.ask, Ask::Open { .. }) && request.answer.is_closed() {
                continue;
            }
            let outcome = self.apply(&request.ask).await;
            let failed = outcome == Err(Error::Unavailable);
            answers.requests.push((request, outcome));
            if failed {
                self.failed(&mut answers);
                return None;
            }
        }
        Some(answers)
    }

    async fn close(&mut self, closing: &Closing) -> Result<Cdr, Error> {
        let state = self.state.as_mut().ok_or(Error::Unavailable)?;
        let outcome = state.close(closing.cdr, &closing.evidence);
        if closing.tried && outcome == Err(Error::NotOpen) {
            // The batch that was thought to have failed had closed it.
            let known = self.store.cdr(closing.cdr).await.ok().flatten();
            return known.filter(|cdr| cdr.end.is_some()).ok_or(Error::NotOpen);
        }
        outcome
    }

    async fn apply(&mut self, ask: &Ask) -> Result<(), Error> {
        let state = self.state.as_mut().ok_or(Error::Unavailable)?;
        if let Some(id) = state.unknown(ask) {
            match self.store.transfer(id).await {
                Ok(Some(transfer)) => state.recall(Settled::Booked(transfer)),
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(%error, cause = cause(&error), "books cannot be read");
                    return Err(Error::Unavailable);
                }
            }
        }
        state.apply(ask)
    }

    fn committed(&mut self, batch: &Batch, answers: Answers) {
        self.wait = self.config.backoff;
        self.retry_at = None;
        self.view.show(batch.changes.standings.iter());
        self.view.count(|counts| {
            counts.commits += u64::from(!batch.is_empty());
            counts.requests += (answers.requests.len() + answers.closings.len()) as u64;
        });
        for (Request { ask, answer }, outcome) in answers.requests {
            let done = outcome.is_ok();
            let gone = answer.send(outcome).is_err();
            if let (Ask::Open { opening, .. }, true, true) = (&ask, done, gone) {
                // Whoever asked went away; nobody else will close it.
                self.waiting.push(take_back(opening));
            }
        }
        for (closing, outcome) in answers.closings {
            if let Some(answer) = closing.answer {
                let _ = answer.send(outcome);
            }
        }
    }

    /// The disk may have the batch or not. Memory is thrown away; requests are refused, and those
    /// that would have opened a record are taken back should it be there; ends of calls wait.
    fn failed(&mut self, answers: &mut Answers) {
        self.state = None;
        self.back_off();
        for (request, _) in answers.requests.drain(..) {
            if let Ask::Open { opening, .. } = &request.ask {
                self.waiting.push(take_back(opening));
            }
            let _ = request.answer.send(Err(Error::Unavailable));
        }
        let ends = answers.closings.drain(..).map(|(end, _)| Closing { tried: true, ..end });
        self.waiting.extend(ends);
        self.view.count(|counts| counts.failures += 1);
    }

    fn back_off(&mut self) {
        self.retry_at = Some(Instant::now() + self.wait);
        self.wait = (self.wait * 2).min(self.config.backoff * LONGEST_WAIT);
    }

    fn count(&self) {
        self.view.count(|counts| {
            counts.waiting = self.waiting.len() as u64;
            if let Some(state) = &self.state {
                counts.open = state.open.len() as u64;
            }
        });
    }
}

/// What is behind an error, for the log.
fn cause(error: &dyn std::error::Error) -> Option<impl tracing::Value> {
    error.source().map(tracing::field::display)
}

fn refuse(requests: Vec<Request>) {
    for request in requests {
        let _ = request.answer.send(Err(Error::Unavailable));
    }
}

/// The end of a record that nobody holds.
fn take_back(opening: &Opening) -> Closing {
    let evidence = Evidence {
        proof: Proof::NotSent,
        by: Ender::House,
        cause: Cause::Server,
        sip: None,
        q850: None,
        at: opening.at,
        talked: Duration::ZERO,
        last: Interim::default(),
    };
    Closing { cdr: opening.id, evidence, answer: None, tried: true }
}
