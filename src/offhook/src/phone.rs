//! The phone network as this process has it: the gateway behind signaling's door, the books, and the tasks
//! that keep records in order.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use offhook_billing::refusal::Refusal;
use offhook_gateway::books::{Books, Recovered};
use offhook_gateway::exchange::NoPayer;
use offhook_gateway::gateway::{Gateway, QuoteRefused};
use offhook_gateway::operate::Desk;
use offhook_gateway::webhook::Sender;
use offhook_gateway::{reconciliation, retention};
use offhook_signaling::calls;
use offhook_signaling::phone::{PhoneNetwork, Question, QuoteRefusal, Unavailable};
use offhook_store::{Outbox, Sqlite, Store};
use offhook_types::phone::{Balance, Cause, Charge, Command, Event, Quote};
use offhook_types::{CallId, Rng, UserId, WallTime};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::config::Phone as Settings;
use crate::metrics::phone::Sources;
use crate::{desk, settings};

/// What runs for phone calls.
pub struct Phone {
    gateway: Gateway,
    sources: Sources,
    desk: Desk,
    tasks: Vec<JoinHandle<()>>,
}

/// What the gateway says, until somebody listens.
pub struct News(mpsc::UnboundedReceiver<New>);

enum New {
    Event(Event),
    Balance(UserId, Balance),
}

impl Phone {
    /// Start everything; calls that an earlier run left open are closed first. What the gateway says waits
    /// in [`News`] for call control.
    pub async fn start(
        settings: &Settings,
        database: &Arc<Sqlite>,
        seeds: [u64; 2],
    ) -> anyhow::Result<(Self, News)> {
        let store: Arc<dyn Store> = database.clone();
        let books = Books::start(database.clone(), settings::phone::books(settings), now());
        let (books, recovered, _) = books.await.context("[store] ledger")?;
        if recovered != Recovered::default() {
            tracing::info!(?recovered, "phone calls left open by an earlier run were closed");
        }
        let (news, heard) = mpsc::unbounded_channel();
        let (events, balances) = (news.clone(), news);
        let gateway = Gateway::start(
            settings::phone::gateway(settings),
            (store.clone(), books),
            Arc::new(move |event| drop(events.send(New::Event(event)))),
            Arc::new(move |user, balance| drop(balances.send(New::Balance(user, balance)))),
        );
        let gateway = gateway.await.context("[phone]")?;
        for (transport, address) in gateway.sip().bound() {
            tracing::info!(transport = transport.name(), %address, "SIP is spoken");
        }
        let [hook_seed, desk_seed] = seeds.map(Rng::from_seed);
        let outbox: Arc<dyn Outbox> = database.clone();
        let webhook = settings::phone::webhook(settings)
            .map(|hook| Sender::start(hook, outbox, hook_seed))
            .transpose()
            .context("[phone.webhook]")?
            .map(Arc::new);
        let check = Duration::from_secs(settings.money.check_s);
        let (proofs, proving) = reconciliation::start(check, database.clone());
        let keeping = retention::start(settings::phone::retention(settings), database.clone());
        let desk = desk::open(settings, store, &gateway, desk_seed);
        let sources = Sources { gateway: gateway.clone(), proofs, webhook };
        Ok((Self { gateway, sources, desk, tasks: vec![proving, keeping] }, News(heard)))
    }

    /// The gateway as signaling wants it.
    pub fn network(&self) -> Arc<dyn PhoneNetwork> {
        Arc::new(Line(self.gateway.clone()))
    }

    /// Where operators work.
    pub fn desk(&self) -> Desk {
        self.desk.clone()
    }

    /// What counts.
    pub fn sources(&self) -> Sources {
        self.sources.clone()
    }

    /// End every phone leg, and return when their records are written.
    pub async fn stop(&self) {
        self.gateway.stop().await;
        if let Some(webhook) = &self.sources.webhook {
            webhook.stop();
        }
        self.tasks.iter().for_each(JoinHandle::abort);
        let written = async {
            while self.gateway.books().figures().counts.open > 0 {
                tokio::time::sleep(BETWEEN_LOOKS).await;
            }
        };
        // A store that does not write must not hold us up for ever.
        if tokio::time::timeout(LAST_WORDS, written).await.is_err() {
            tracing::warn!("not every record was closed: the rest is at the next start");
        }
    }
}

/// For the books to write what is left.
const LAST_WORDS: Duration = Duration::from_secs(3);
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

impl News {
    /// Tell call control from now on, in order.
    pub fn tell(mut self, calls: calls::Handle) {
        tokio::spawn(async move {
            while let Some(new) = self.0.recv().await {
                match new {
                    New::Event(event) => calls.phone_event(event).await,
                    New::Balance(user, balance) => calls.balance_changed(user, balance).await,
                }
            }
        });
    }
}

/// The gateway behind signaling's door.
struct Line(Gateway);

#[async_trait]
impl PhoneNetwork for Line {
    async fn quote(&self, question: Question) -> Result<Quote, QuoteRefusal> {
        self.0.quote(question.user, &question.typed.0).await.map_err(refusal)
    }

    async fn balance(&self, user: UserId) -> Result<Option<Balance>, Unavailable> {
        match self.0.balance(user).await {
            Ok(balance) => Ok(Some(balance)),
            Err(NoPayer::Nobody) => Ok(None),
            Err(NoPayer::Unavailable) => Err(Unavailable),
        }
    }

    async fn charge(&self, user: UserId, call: CallId) -> Result<Option<Charge>, Unavailable> {
        self.0.charge(user, call).await.map_err(|_| Unavailable)
    }

    fn send(&self, command: Command) {
        self.0.send(command);
    }
}

/// Why there is no price, for the person who asked.
fn refusal(refused: QuoteRefused) -> QuoteRefusal {
    let refusal = match refused {
        QuoteRefused::NotANumber => return QuoteRefusal::InvalidNumber,
        QuoteRefused::Payer(NoPayer::Nobody) => {
            return QuoteRefusal::NotPermitted { why: "this account may not call".into() };
        }
        QuoteRefused::Payer(NoPayer::Unavailable) => return QuoteRefusal::Unavailable,
        QuoteRefused::Refused(refusal) => refusal,
    };
    match refusal.cause() {
        Cause::InvalidNumber => QuoteRefusal::InvalidNumber,
        Cause::NoCredit => QuoteRefusal::NoCredit,
        Cause::NoRoute => QuoteRefusal::NoRoute,
        Cause::Suspended => {
            QuoteRefusal::NotPermitted { why: "this account is suspended: write to support".into() }
        }
        Cause::NotPermitted => QuoteRefusal::NotPermitted {
            why: format!(
                "{}: write to support and name the code {}",
                limit(refusal),
                refusal.code()
            ),
        },
        _ => QuoteRefusal::Unavailable,
    }
}

/// What stands in the way, as something that can be lifted.
fn limit(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Tier => "calls to destinations like this one are off",
        Refusal::DestinationBlocked => {
            "calls there are blocked for a while to protect your balance"
        }
        _ => "a limit that protects your balance is reached",
    }
}

fn now() -> WallTime {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    WallTime(u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX))
}
