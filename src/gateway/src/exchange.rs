//! The task that owns every phone leg. It hands each what concerns it and carries out what each wants:
//! asks routing and the books, commands the SIP agent and the bridges, tells call control. It waits for
//! nobody: what takes time is asked by tasks of their own that report back through the mailbox.
//!
//! Files: [`admit`] who may call and at what price, [`carry`] what legs want done, [`arrive`] calls from
//! trunks, [`watch`] the state of trunks, [`ladder`] the messages of each leg for operators.

mod admit;
mod arrive;
mod carry;
mod ladder;
mod pins;
mod quotes;
mod tally;
mod watch;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use offhook_billing::authorize::Slicing;
use offhook_billing::deck::Tier;
use offhook_billing::fraud::Guard;
use offhook_billing::route::{Router, Thresholds};
use offhook_bridge as bridge;
use offhook_sip::agent::Handle;
use offhook_store::Store;
use offhook_types::phone::{Balance, Command, Event, Quote};
use offhook_types::{AccountId, CdrId, Currency, Micros, PhoneId, Rng, Time, TrunkId};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use crate::books::{self, Books};
use crate::leg::{Input, Leg, Limits, Now};
use crate::operate::Live;
use crate::tariff::Tariff;
use crate::transport::{self, Said};
pub use admit::{NoPayer, Payer};
use ladder::Ladder;
use pins::Pins;
use quotes::Quotes;
use tally::Tally;
pub use tally::{Counts, POST_DIAL_MS, TrunkCounts};
use watch::Watch;

/// How the task is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// Limits and timers of legs.
    pub limits: Limits,
    /// How calls are paid for.
    pub slicing: Slicing,
    /// How long a price that was shown is kept.
    pub quote_valid: Duration,
    /// Legs at a time, both ways.
    pub legs: usize,
    /// How bridges are opened.
    pub bridge: bridge::Options,
    /// What a new account starts with.
    pub newcomer: Newcomer,
    /// When a trunk counts as doing badly.
    pub thresholds: Thresholds,
    /// Messages kept of each leg.
    pub ladder_steps: u32,
}

/// What a new account starts with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newcomer {
    /// Its plan.
    pub plan: String,
    /// What it counts in.
    pub currency: Currency,
    /// What it is given.
    pub credit: Micros,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            slicing: Slicing::default(),
            quote_valid: Duration::from_secs(300),
            legs: 10_000,
            bridge: bridge::Options::default(),
            newcomer: Newcomer {
                plan: "default".into(),
                currency: Currency::USD,
                credit: Micros::ZERO,
            },
            thresholds: Thresholds::default(),
            ladder_steps: 200,
        }
    }
}

/// What the task works with.
#[derive(Clone)]
pub struct Neighbours {
    /// Accounts, trunks, decks, numbers.
    pub store: Arc<dyn Store>,
    /// Money and records.
    pub books: Books,
    /// The SIP agent.
    pub sip: transport::Handle,
    /// Media.
    pub bridges: bridge::Handle,
    /// Call control. Called on the task: it must not block.
    pub tell: Arc<dyn Fn(Event) + Send + Sync>,
}

/// What the task is sent.
pub(crate) enum Mail {
    Command(Command),
    /// Something that a leg asked for has been answered.
    Answer {
        phone: PhoneId,
        input: Box<Input>,
    },
    /// Whose money a leg spends.
    Payer {
        phone: PhoneId,
        dial: Box<crate::leg::Dial>,
        payer: Result<Box<Payer>, NoPayer>,
    },
    /// What would a call cost?
    Quote {
        payer: Box<Payer>,
        to: offhook_types::Dialed,
        reply: oneshot::Sender<Quoted>,
    },
    /// A PIN was compared.
    Pinned {
        phone: PhoneId,
        called: offhook_types::Number,
        right: bool,
    },
    /// Money came to an account, or left it.
    Moved(AccountId, Balance),
    /// What operators set up, anew.
    Tariff(Box<Tariff>, oneshot::Sender<()>),
    /// Somebody has looked at a suspended account.
    Lift(AccountId),
    Count(oneshot::Sender<Counts>),
    /// How are the trunks?
    Look(oneshot::Sender<Live>),
    /// Answered when every leg has ended.
    Stop(oneshot::Sender<()>),
}

/// An answer to [`Mail::Quote`].
pub(crate) type Quoted = Result<Quote, offhook_billing::refusal::Refusal>;

/// What the task keeps of a leg beside the machine.
#[derive(Debug, Default)]
struct Kept {
    /// Who pays, once that is known.
    payer: Option<Paying>,
    /// Trunks whose channels are taken, by record.
    channels: HashMap<CdrId, TrunkId>,
    /// When its timer is set for.
    due: Option<Time>,
}

/// Who pays for a leg, as far as limits count it.
#[derive(Debug, Clone)]
struct Paying {
    account: AccountId,
    opened: offhook_types::WallTime,
    emergency: bool,
    /// The tiers of the destinations that limits count as being called.
    tiers: Vec<Tier>,
    /// What limits count as spent, by record: given back in part when it is closed.
    spent: HashMap<CdrId, (Tier, Micros, offhook_billing::cdr::Pinned)>,
}

struct Exchange {
    options: Options,
    near: Neighbours,
    mailbox: mpsc::WeakUnboundedSender<Mail>,
    origin: Instant,
    rng: Rng,
    tariff: Tariff,
    router: Router,
    guard: Guard,
    quotes: Quotes,
    legs: HashMap<PhoneId, (Leg, Kept)>,
    dialogs: HashMap<Handle, PhoneId>,
    /// The legs that an account pays for.
    paid_by: HashMap<AccountId, Vec<PhoneId>>,
    timers: BTreeSet<(Time, PhoneId)>,
    watch: Watch,
    pins: Pins,
    ladder: Ladder,
    tally: Tally,
    stopping: Option<oneshot::Sender<()>>,
}

/// What was learned about trunks is stored so often.
const LEARN: Duration = Duration::from_secs(60);
/// Taken of each queue between two looks at the timers.
const BATCH: usize = 64;

/// Start the task on the current tokio runtime. It ends when every sender of its mailbox is gone.
pub(crate) fn start(
    options: Options,
    near: Neighbours,
    (tariff, seed): (Tariff, u64),
    said: mpsc::Receiver<Said>,
    notices: mpsc::UnboundedReceiver<bridge::Notice>,
) -> mpsc::UnboundedSender<Mail> {
    let (sender, mailbox) = mpsc::unbounded_channel();
    let exchange = Exchange {
        origin: Instant::now(),
        rng: Rng::from_seed(seed),
        router: Router::new(options.thresholds),
        guard: Guard::new(tariff.rules.clone()),
        quotes: Quotes::default(),
        legs: HashMap::new(),
        dialogs: HashMap::new(),
        paid_by: HashMap::new(),
        timers: BTreeSet::new(),
        watch: Watch::default(),
        pins: Pins::default(),
        ladder: Ladder::start(near.store.clone(), options.ladder_steps),
        tally: Tally::default(),
        stopping: None,
        tariff: Tariff::default(),
        mailbox: sender.downgrade(),
        options,
        near,
    };
    tokio::spawn(exchange.run(tariff, mailbox, said, notices));
    sender
}

impl Exchange {
    async fn run(
        mut self,
        tariff: Tariff,
        mut mailbox: mpsc::UnboundedReceiver<Mail>,
        mut said: mpsc::Receiver<Said>,
        mut notices: mpsc::UnboundedReceiver<bridge::Notice>,
    ) {
        self.set_tariff(tariff);
        self.recall().await;
        let mut learn = tokio::time::interval(LEARN);
        let (mut mails, mut words, mut news) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            let due = self.timers.first().map(|&(due, _)| self.origin + due.since(Time::ZERO));
            let timer = sleep_until(due.unwrap_or(self.origin));
            tokio::select! {
                taken = mailbox.recv_many(&mut mails, BATCH) => {
                    if taken == 0 {
                        return;
                    }
                }
                _ = said.recv_many(&mut words, BATCH) => {}
                _ = notices.recv_many(&mut news, BATCH) => {}
                () = timer, if due.is_some() => {}
                _ = learn.tick() => self.learn(),
            }
            for mail in mails.drain(..) {
                self.take(mail);
            }
            for word in words.drain(..) {
                self.take_said(word);
            }
            for notice in news.drain(..) {
                self.give(notice.phone, Input::Bridge(notice.event));
            }
            self.take_timers();
            self.stopped();
        }
    }

    fn now(&self) -> Now {
        let micros = self.origin.elapsed().as_micros();
        let time = Time::from_micros(u64::try_from(micros).unwrap_or(u64::MAX));
        Now { time, wall: crate::wall_now() }
    }

    fn take(&mut self, mail: Mail) {
        match mail {
            Mail::Command(Command::Dial(dial)) => self.dial(&dial),
            Mail::Command(command) => {
                let phone = named(&command);
                self.give(phone, Input::Command(command));
            }
            Mail::Answer { phone, input } => self.give(phone, *input),
            Mail::Payer { phone, dial, payer } => self.paid_by(phone, &dial, payer),
            Mail::Quote { payer, to, reply } => {
                let _ = reply.send(self.quote(&payer, &to));
            }
            Mail::Pinned { phone, called, right } => self.pinned(phone, &called, right),
            Mail::Moved(account, balance) => self.moved(account, &balance),
            Mail::Tariff(tariff, done) => {
                self.set_tariff(*tariff);
                let _ = done.send(());
            }
            Mail::Lift(account) => self.guard.lift(account),
            Mail::Count(reply) => {
                let _ = reply.send(self.counts());
            }
            Mail::Look(reply) => {
                let _ = reply.send(Live { router: self.router.clone(), now: self.now().time });
            }
            Mail::Stop(reply) => self.stop(reply),
        }
    }

    fn dial(&mut self, dial: &offhook_types::phone::Dial) {
        let refuse = self.legs.len() >= self.options.legs || self.stopping.is_some();
        if refuse || self.legs.contains_key(&dial.phone) {
            let cause = offhook_types::phone::Cause::Congestion;
            return (self.near.tell)(Event::Ended { phone: dial.phone, cause });
        }
        let rng = Rng::from_seed(self.rng.next_u64());
        let leg = Leg::dial(self.now(), self.options.limits, rng, dial);
        self.begin(leg);
    }

    /// Take a leg in and do what it wants first.
    fn begin(&mut self, leg: Leg) {
        let phone = leg.phone();
        self.legs.insert(phone, (leg, Kept::default()));
        self.settle(phone);
    }

    /// Tell a leg something, and do what it wants then.
    fn give(&mut self, phone: PhoneId, input: Input) {
        let now = self.now();
        let Some((leg, _)) = self.legs.get_mut(&phone) else { return self.unheard(phone, input) };
        leg.handle(now, input);
        self.settle(phone);
    }

    fn settle(&mut self, phone: PhoneId) {
        while let Some(output) = self.legs.get_mut(&phone).and_then(|(leg, _)| leg.poll()) {
            self.carry_out(phone, output);
        }
        let Some((leg, kept)) = self.legs.get_mut(&phone) else { return };
        let due = leg.next_timeout().filter(|due| *due != Time::MAX);
        if due != kept.due {
            if let Some(earlier) = kept.due {
                self.timers.remove(&(earlier, phone));
            }
            kept.due = due;
            self.timers.extend(due.map(|due| (due, phone)));
        }
        if leg.is_gone() {
            self.forget(phone);
        }
    }

    fn take_timers(&mut self) {
        let now = self.now();
        while let Some(&(due, phone)) = self.timers.first().filter(|&&(due, _)| due <= now.time) {
            self.timers.remove(&(due, phone));
            if let Some((leg, kept)) = self.legs.get_mut(&phone) {
                kept.due = None;
                leg.handle_timeout(now);
            }
            self.settle(phone);
        }
    }

    fn take_said(&mut self, said: Said) {
        let now = self.now();
        match said {
            Said::Trace(trace) => self.ladder.passed(now, &trace),
            Said::Event(handle, event) => match self.dialogs.get(&handle) {
                Some(&phone) => {
                    let over = matches!(event, offhook_sip::agent::Event::Ended(_));
                    self.give(phone, Input::Sip { handle, event });
                    if over {
                        self.dialogs.remove(&handle);
                        self.ladder.over(handle);
                    }
                }
                None => self.heard_elsewhere(handle, event),
            },
        }
    }

    /// Money moved: whoever was about to be cut off may ask again.
    fn moved(&mut self, account: AccountId, balance: &Balance) {
        if balance.booked.saturating_add(balance.credit_limit) <= balance.reserved {
            return;
        }
        for phone in self.paid_by.get(&account).cloned().unwrap_or_default() {
            self.give(phone, Input::Funds);
        }
    }

    /// End every leg; new ones are refused from now on, and carriers are told not to send any.
    fn stop(&mut self, reply: oneshot::Sender<()>) {
        self.stopping = Some(reply);
        self.unwatch_all();
        for phone in self.legs.keys().copied().collect::<Vec<_>>() {
            self.give(phone, Input::Stop);
        }
    }

    fn stopped(&mut self) {
        if self.legs.is_empty()
            && let Some(reply) = self.stopping.take()
        {
            let _ = reply.send(());
        }
    }

    /// A task of its own that reports back.
    fn ask(&self, question: impl Future<Output = Option<Mail>> + Send + 'static) {
        let mailbox = self.mailbox.clone();
        tokio::spawn(async move {
            if let (Some(mail), Some(mailbox)) = (question.await, mailbox.upgrade()) {
                let _ = mailbox.send(mail);
            }
        });
    }
}

/// Which leg a command is about.
fn named(command: &Command) -> PhoneId {
    match command {
        Command::Dial(dial) => dial.phone,
        Command::Ringing { phone, .. }
        | Command::Answer { phone }
        | Command::Connect { phone, .. }
        | Command::Hear { phone, .. }
        | Command::Press { phone, .. }
        | Command::Hold { phone, .. }
        | Command::HangUp { phone, .. } => *phone,
    }
}

/// Why the books refused, for a leg.
fn refused(error: books::Error) -> crate::leg::OpenRefused {
    use crate::leg::OpenRefused::{NoCredit, Unavailable};
    match error {
        books::Error::Refused(offhook_billing::ledger::Refusal::Insufficient { .. }) => NoCredit,
        _ => Unavailable,
    }
}
