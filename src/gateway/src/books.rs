//! The one writer of money and call detail records. Many calls ask, one task applies what they ask to
//! the ledger in memory, writes everything that came together in one transaction, and answers when it
//! is on the disk.
//!
//! Guaranteed: what was answered with `Ok` survives a crash; a record is closed and its reservation
//! settled together, once; money never moves without a record of it. After a crash
//! [`Books::start`] closes what was left open from what was stored last.
//!
//! When the store fails, whatever was asked meanwhile is refused and the ledger is read again, so
//! that memory and disk agree. Only ends of calls are kept, in memory, and tried until they are
//! written: there are at most as many as open records.

mod recovery;
mod state;
mod writer;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use offhook_billing::cdr::{Cdr, Evidence, Interim, Opening};
use offhook_billing::ledger::{
    Book, Cover, Fault, House, Op, Purpose, Refusal, Transfer, TransferId,
};
use offhook_billing::rate::BadRate;
use offhook_store::{Money, NewDecision, NewMessage};
use offhook_types::phone::Balance;
use offhook_types::{AccountId, CallId, CdrId, Currency, Micros, WallTime};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::task::JoinHandle;

pub use recovery::Recovered;

/// How the books are kept.
#[derive(Clone)]
pub struct Config {
    /// Requests that may wait; whoever comes then waits to ask.
    pub mailbox: usize,
    /// Requests written in one transaction.
    pub batch: usize,
    /// Settled transfers known again without asking the store.
    pub remembered: u32,
    /// The first wait after a failure of the store; it doubles up to a hundred times this.
    pub backoff: Duration,
    /// What a webhook is told of a closed record.
    pub message: Option<fn(&Cdr) -> NewMessage>,
    /// What a webhook is told of a decision of a fraud limit.
    pub decided: Option<fn(&NewDecision) -> NewMessage>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            mailbox: 8192,
            batch: 4096,
            remembered: 65_536,
            backoff: Duration::from_millis(50),
            message: None,
            decided: None,
        }
    }
}

/// Why something was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The store cannot write now. It is as if nothing had been asked.
    #[error("the books cannot be written now")]
    Unavailable,
    /// The ledger does not allow it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A rate that cannot price a call.
    #[error(transparent)]
    Rate(#[from] BadRate),
    /// There is no open record of this id.
    #[error("no such open record")]
    NotOpen,
    /// The id of a new record is taken.
    #[error("the record exists already")]
    Exists,
}

/// Why the books could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] offhook_store::Error),
    /// What is stored contradicts itself. Nobody may write on top of that.
    #[error("the stored ledger is wrong")]
    Fault(#[from] Fault),
}

/// What the books have done since they were opened, for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Transactions written.
    pub commits: u64,
    /// Requests that were in them.
    pub requests: u64,
    /// Transactions that failed.
    pub failures: u64,
    /// Ends of calls that wait to be written again.
    pub waiting: u64,
    /// Records open.
    pub open: u64,
}

/// What the books have done and hold, for metrics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// What they have done.
    pub counts: Counts,
    /// Money set aside, by currency.
    pub reserved: HashMap<Currency, Micros>,
    /// What calls brought in, ever, by currency.
    pub captured: HashMap<Currency, Micros>,
    /// What calls cost, likewise.
    pub cost: HashMap<Currency, Micros>,
}

/// An account's balance after money moved.
pub type Moved = (AccountId, Balance);

/// The handle to the books; cheap to clone. The task ends when the last one is gone and everything
/// asked has been written.
#[derive(Clone)]
pub struct Books {
    requests: mpsc::Sender<Request>,
    /// Ends of calls never wait for room: each open record has one.
    closings: mpsc::UnboundedSender<Closing>,
    view: Arc<View>,
}

/// What others see without asking the task: always what is on the disk.
struct View {
    balances: RwLock<HashMap<AccountId, Balance>>,
    houses: RwLock<HashMap<(House, Currency), Micros>>,
    counts: RwLock<Counts>,
    moved: broadcast::Sender<Moved>,
}

struct Request {
    ask: Ask,
    answer: oneshot::Sender<Result<(), Error>>,
}

enum Ask {
    Open { opening: Box<Opening>, call: Option<CallId> },
    Progress { cdr: CdrId, interim: Interim, reserve: Option<Micros> },
    Ops(Vec<Op>),
    Decision(Box<NewDecision>),
}

struct Closing {
    cdr: CdrId,
    evidence: Evidence,
    answer: Option<oneshot::Sender<Result<Cdr, Error>>>,
    /// It was in a batch that failed, which may be on the disk all the same.
    tried: bool,
}

/// Receivers that fall so far behind read the balance again.
const NEWS: usize = 1024;

impl Books {
    /// Open the books: read what is stored, close what a crash left open, give back what nobody
    /// holds, and start the task. Once per store.
    pub async fn start(
        store: Arc<dyn Money>,
        config: Config,
        now: WallTime,
    ) -> Result<(Self, Recovered, JoinHandle<()>), StartError> {
        let mut state = state::State::load(&*store, &config).await?;
        let recovered = recovery::run(&*store, &mut state, now).await?;
        let view = Arc::new(View::new(&state));
        let (requests, asked) = mpsc::channel(config.mailbox.max(1));
        let (closings, ended) = mpsc::unbounded_channel();
        let writer = writer::Writer::new(store, config, state, view.clone());
        let task = tokio::spawn(writer.run(asked, ended));
        Ok((Self { requests, closings, view }, recovered, task))
    }

    /// Open a record and set aside what it says, before anything is sent. `Ok` when both are on the
    /// disk.
    pub async fn open(&self, opening: Opening, call: Option<CallId>) -> Result<(), Error> {
        self.ask(Ask::Open { opening: Box::new(opening), call }).await
    }

    /// Note how a call goes on, and set aside `reserve` in all when that is more than before. When
    /// that is refused, the rest of it is noted all the same.
    pub async fn progress(
        &self,
        cdr: CdrId,
        interim: Interim,
        reserve: Option<Micros>,
    ) -> Result<(), Error> {
        self.ask(Ask::Progress { cdr, interim, reserve }).await
    }

    /// Close a record. It will be written even when nobody waits for the answer and even when the
    /// store fails meanwhile, as long as the process lives. [`Error::NotOpen`] when it was closed
    /// before.
    pub async fn close(&self, cdr: CdrId, evidence: Evidence) -> Result<Cdr, Error> {
        self.closing(cdr, evidence).await.unwrap_or(Err(Error::Unavailable))
    }

    /// [`close`](Self::close) without waiting.
    pub fn closing(&self, cdr: CdrId, evidence: Evidence) -> oneshot::Receiver<Result<Cdr, Error>> {
        let (answer, answered) = oneshot::channel();
        let _ = self.closings.send(Closing { cdr, evidence, answer: Some(answer), tried: false });
        answered
    }

    /// Make sure that an account has its book. `credit` is booked from the funding book the first
    /// time. Repeating it is free.
    pub async fn open_account(
        &self,
        now: WallTime,
        account: AccountId,
        start: Start,
    ) -> Result<(), Error> {
        if self.balance(account).is_some() {
            return Ok(());
        }
        let Start { currency, credit_limit, credit } = start;
        let mut ops = vec![Op::Open { account, currency, credit_limit }];
        if credit > Micros::ZERO {
            ops.push(Op::Transfer {
                transfer: start.transfer(now, account),
                cover: Cover::Available,
            });
        }
        match self.ask(Ask::Ops(ops)).await {
            // Somebody else was faster, perhaps with other terms: theirs stand.
            Err(Error::Refused(Refusal::Exists)) => Ok(()),
            done => done,
        }
    }

    /// Book a top-up, refund or adjustment. `Ok` also when it was booked before under this id.
    pub async fn transfer(&self, transfer: Transfer, cover: Cover) -> Result<(), Error> {
        self.ask(Ask::Ops(vec![Op::Transfer { transfer, cover }])).await
    }

    /// Change how far below zero an account may go.
    pub async fn limit(&self, account: AccountId, credit_limit: Micros) -> Result<(), Error> {
        self.ask(Ask::Ops(vec![Op::Limit { account, credit_limit }])).await
    }

    /// Record what a fraud limit decided.
    pub async fn decided(&self, decision: NewDecision) -> Result<(), Error> {
        self.ask(Ask::Decision(Box::new(decision))).await
    }

    /// What an account has; `None` before it has a book.
    pub fn balance(&self, account: AccountId) -> Option<Balance> {
        read(&self.view.balances).get(&account).copied()
    }

    /// Every change of a balance from now on, once it is on the disk.
    pub fn moved(&self) -> broadcast::Receiver<Moved> {
        self.view.moved.subscribe()
    }

    /// What the books have done and hold. It looks at every account: for a scrape, not for a call.
    pub fn figures(&self) -> Figures {
        self.view.figures()
    }

    async fn ask(&self, ask: Ask) -> Result<(), Error> {
        let (answer, answered) = oneshot::channel();
        let sent = self.requests.send(Request { ask, answer }).await;
        sent.map_err(|_| Error::Unavailable)?;
        answered.await.unwrap_or(Err(Error::Unavailable))
    }
}

/// What an account's book starts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// What it counts in.
    pub currency: Currency,
    /// How far below zero it may go.
    pub credit_limit: Micros,
    /// What it is given.
    pub credit: Micros,
}

impl Start {
    fn transfer(&self, at: WallTime, account: AccountId) -> Transfer {
        Transfer {
            // An account starts once. The parts of a record count from one, so no record has this id.
            id: TransferId(u128::from(account.0) << 64),
            from: Book::House(House::Funding, self.currency),
            to: Book::Customer(account),
            amount: self.credit,
            purpose: Purpose::TopUp,
            cdr: None,
            at,
        }
    }
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}
