//! The gateway as the rest of the program sees it: started once, told [`Command`]s, asked for prices and
//! balances.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use offhook_billing::cdr::Cdr;
use offhook_billing::refusal::Refusal;
use offhook_bridge::{self as bridge, Bridges};
use offhook_sip::agent;
use offhook_store::Store;
use offhook_types::phone::{Balance, Charge, Command, Event, Quote};
use offhook_types::{AccountId, CallId, UserId, WallTime};
use offhook_wire::number::read_dialed;
use tokio::sync::{mpsc, oneshot};

use crate::books::Books;
use crate::exchange::{self, Counts, Mail, Neighbours, NoPayer, Options, Payer};
use crate::iso8601;
use crate::operate::Live;
use crate::tariff::{Tariff, Unreadable};
use crate::transport;

/// How a gateway is set up.
pub struct Config {
    /// Where SIP is spoken.
    pub sip: transport::Options,
    /// Timers and limits of SIP.
    pub agent: agent::Config,
    /// Where phone media comes and goes.
    pub bridges: bridge::Config,
    /// The rest.
    pub options: Options,
}

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// SIP cannot be spoken.
    #[error(transparent)]
    Sip(#[from] transport::StartError),
    /// Media threads, or the folder of announcements.
    #[error("phone media cannot be started")]
    Media(#[from] std::io::Error),
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] Unreadable),
    /// No randomness.
    #[error("the system's random generator does not answer")]
    Random,
}

/// Why there is no price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QuoteRefused {
    /// It is no number.
    #[error("this is not a number that can be called")]
    NotANumber,
    /// The call would not be made.
    #[error("the call would be refused")]
    Refused(Refusal),
    /// Nobody can be asked to pay, or the store does not answer.
    #[error(transparent)]
    Payer(#[from] NoPayer),
}

/// A running gateway. Cheap to clone.
#[derive(Clone)]
pub struct Gateway {
    mailbox: mpsc::UnboundedSender<Mail>,
    store: Arc<dyn Store>,
    books: Books,
    sip: transport::Handle,
    bridges: bridge::Handle,
    running: Arc<std::sync::Mutex<Option<Bridges>>>,
    /// As it was read last. Decks that did not change are taken from here: they are large.
    tariff: Arc<tokio::sync::Mutex<Tariff>>,
    options: Options,
}

impl Gateway {
    /// Open the sockets, start the tasks and threads. What call control has to hear goes to `tell`, which
    /// must not block; balances that change go to `balance`.
    ///
    /// # Errors
    /// Why not; nothing runs then.
    pub async fn start(
        config: Config,
        (store, books): (Arc<dyn Store>, Books),
        tell: Arc<dyn Fn(Event) + Send + Sync>,
        balance: Arc<dyn Fn(UserId, Balance) + Send + Sync>,
    ) -> Result<Self, StartError> {
        let Config { sip, agent, bridges, options } = config;
        let tariff = Tariff::load(&*store, &Tariff::default()).await?;
        let seeds =
            [crate::random(), crate::random()].map(|seed| seed.map_err(|_| StartError::Random));
        let [agent_seed, seed] = seeds;
        let (said, heard) = mpsc::channel(SAID);
        let key = crate::random_bytes().map_err(|_| StartError::Random)?;
        let agent = offhook_sip::agent::Config { key, ..agent };
        let sip = transport::start(&sip, agent, agent_seed?, said).await?;
        let (bridges, notices) = Bridges::start(bridges)?;
        let near = Neighbours {
            store: store.clone(),
            books: books.clone(),
            sip: sip.clone(),
            bridges: bridges.handle(),
            tell,
        };
        let known = Arc::new(tokio::sync::Mutex::new(tariff.clone()));
        let mailbox = exchange::start(options.clone(), near, (tariff, seed?), heard, notices);
        tokio::spawn(tell_balances(store.clone(), books.clone(), mailbox.downgrade(), balance));
        let handle = bridges.handle();
        let running = Arc::new(std::sync::Mutex::new(Some(bridges)));
        Ok(Self { mailbox, store, books, sip, bridges: handle, running, tariff: known, options })
    }

    /// Tell a leg something. Returns at once; what is told arrives, in order.
    pub fn send(&self, command: Command) {
        let _ = self.mailbox.send(Mail::Command(command));
    }

    /// What a call to what somebody typed would cost them.
    ///
    /// # Errors
    /// Why it would not be made.
    pub async fn quote(&self, user: UserId, typed: &str) -> Result<Quote, QuoteRefused> {
        let payer = self.payer(user).await?;
        let home = payer.number.as_ref().ok_or(QuoteRefused::NotANumber)?;
        let to = read_dialed(typed, home).ok_or(QuoteRefused::NotANumber)?;
        let (reply, answer) = oneshot::channel();
        let sent = self.mailbox.send(Mail::Quote { payer: Box::new(payer), to, reply });
        sent.map_err(|_| NoPayer::Unavailable)?;
        let quoted = answer.await.map_err(|_| NoPayer::Unavailable)?;
        quoted.map_err(QuoteRefused::Refused)
    }

    /// What a user's account has.
    ///
    /// # Errors
    /// There is no such user, or the store does not answer.
    pub async fn balance(&self, user: UserId) -> Result<Balance, NoPayer> {
        Ok(self.payer(user).await?.balance)
    }

    /// What a call cost a user so far; `None` when it is not theirs to pay.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn charge(
        &self,
        user: UserId,
        call: CallId,
    ) -> Result<Option<Charge>, offhook_store::Error> {
        let records = self.store.cdrs_of_call(call).await?;
        let theirs = records.into_iter().filter(|cdr| cdr.opening.user == Some(user));
        // The last attempt is the one that was answered, if any was.
        Ok(theirs.last().map(|cdr| charge(iso8601::now(), call, &cdr)))
    }

    /// Who pays for a user's calls.
    ///
    /// # Errors
    /// There is no such user, or the store does not answer.
    pub async fn payer(&self, user: UserId) -> Result<Payer, NoPayer> {
        Payer::of(&*self.store, &self.books, &self.options.newcomer, user).await
    }

    /// Read anew what operators set up, and return when it holds.
    ///
    /// # Errors
    /// The store does not answer; what was set up before still holds.
    pub async fn reload(&self) -> Result<(), Unreadable> {
        // One at a time, so that an older state never comes after a newer one.
        let mut known = self.tariff.lock().await;
        let tariff = Tariff::load(&*self.store, &known).await?;
        known.clone_from(&tariff);
        let (done, holds) = oneshot::channel();
        if self.mailbox.send(Mail::Tariff(Box::new(tariff), done)).is_ok() {
            let _ = holds.await;
        }
        Ok(())
    }

    /// Somebody has looked at an account that limits had suspended or blocked.
    pub fn lift(&self, account: AccountId) {
        let _ = self.mailbox.send(Mail::Lift(account));
    }

    /// Figures of the exchange; nothing when it is gone.
    pub async fn counts(&self) -> Option<Counts> {
        let (reply, answer) = oneshot::channel();
        self.mailbox.send(Mail::Count(reply)).ok()?;
        answer.await.ok()
    }

    /// What it knows of its trunks now; nothing when the exchange is gone.
    pub async fn live(&self) -> Option<Live> {
        let (reply, answer) = oneshot::channel();
        self.mailbox.send(Mail::Look(reply)).ok()?;
        answer.await.ok()
    }

    /// The SIP transports.
    pub fn sip(&self) -> &transport::Handle {
        &self.sip
    }

    /// The bridges.
    pub fn bridges(&self) -> &bridge::Handle {
        &self.bridges
    }

    /// The books.
    pub fn books(&self) -> &Books {
        &self.books
    }

    /// End every leg, and return when their records are closed and their bridges gone.
    pub async fn stop(&self) {
        let (reply, answer) = oneshot::channel();
        if self.mailbox.send(Mail::Stop(reply)).is_ok() {
            let _ = answer.await;
        }
        let bridges = self.running.lock().ok().and_then(|mut running| running.take());
        if let Some(bridges) = bridges {
            let _ = tokio::task::spawn_blocking(move || bridges.stop()).await;
        }
    }
}

/// Accounts whose users are remembered: two megabytes of them.
const OWNERS: usize = 100_000;
/// What the agent says may wait; the agent then waits, and its sockets drop.
const SAID: usize = 4096;

/// What a record says to whoever pays.
pub(crate) fn charge(now: WallTime, call: CallId, cdr: &Cdr) -> Charge {
    let price = &cdr.opening.sell;
    let end = cdr.end.as_ref();
    // A record is written now and then; whoever looks at a call in progress wants to know of now.
    let since = cdr.times.answered.filter(|_| end.is_none());
    let talked = since
        .map_or(cdr.talked(), |answered| Duration::from_millis(now.0.saturating_sub(answered.0)));
    let so_far = price.charge(talked).unwrap_or_default();
    let sell = end.map_or(so_far, |end| end.sell);
    Charge {
        call,
        destination: cdr.opening.destination.clone(),
        per_minute: price.rate.per_minute,
        connection_fee: price.rate.connection_fee,
        talked_ms: u64::try_from(talked.as_millis()).unwrap_or(u64::MAX),
        billed_s: sell.billed_s,
        amount: sell.amount,
        currency: price.currency(),
        mos: cdr.voice.from_carrier.mos,
        closed: end.is_some(),
    }
}

async fn tell_balances(
    store: Arc<dyn Store>,
    books: Books,
    mailbox: mpsc::WeakUnboundedSender<Mail>,
    tell: Arc<dyn Fn(UserId, Balance) + Send + Sync>,
) {
    let mut moved = books.moved();
    drop(books);
    // Money moves several times a call; whose an account is does not change.
    let mut owners: HashMap<AccountId, Option<UserId>> = HashMap::new();
    loop {
        let (account, balance) = match moved.recv().await {
            Ok(news) => news,
            // What was missed is shown when somebody asks, or with the next change.
            Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => continue,
            Err(tokio::sync::broadcast::error::RecvError::Closed) => return,
        };
        let Some(exchange) = mailbox.upgrade() else { return };
        let _ = exchange.send(Mail::Moved(account, balance));
        let owner = match owners.get(&account) {
            Some(owner) => *owner,
            None => {
                let Ok(found) = store.account(account).await else { continue };
                let owner = found.and_then(|account| account.user);
                if owners.len() >= OWNERS {
                    owners.clear();
                }
                owners.insert(account, owner);
                owner
            }
        };
        if let Some(user) = owner {
            tell(user, balance);
        }
    }
}
