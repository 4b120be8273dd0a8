//! The books in memory: the ledger, the open records, and what has to be written of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{PoisonError, RwLock, RwLockWriteGuard};

use offhook_billing::cdr::{Cdr, Evidence};
use offhook_billing::ledger::{Book, House, Ledger, Op, Settled, Standing, TransferId};
use offhook_store::{Batch, Money, NewDecision, NewMessage};
use offhook_types::phone::Balance;
use offhook_types::{CdrId, Micros};
use tokio::sync::broadcast;

use super::{Ask, Config, Counts, Error, Figures, NEWS, StartError, View, read};

pub(super) struct State {
    pub ledger: Ledger,
    /// Records without an end.
    pub open: BTreeMap<CdrId, Cdr>,
    /// Records changed since the last write.
    touched: BTreeSet<CdrId>,
    /// Records closed since the last write.
    closed: BTreeMap<CdrId, Cdr>,
    decisions: Vec<NewDecision>,
    message: Option<fn(&Cdr) -> NewMessage>,
    decided: Option<fn(&NewDecision) -> NewMessage>,
}

impl State {
    pub async fn load(store: &dyn Money, config: &Config) -> Result<Self, StartError> {
        let image = store.ledger_image(config.remembered).await?;
        let open = store.open_cdrs().await?;
        Ok(Self {
            ledger: Ledger::restore(image, config.remembered as usize)?,
            open: open.into_iter().map(|cdr| (cdr.opening.id, cdr)).collect(),
            touched: BTreeSet::new(),
            closed: BTreeMap::new(),
            decisions: Vec::new(),
            message: config.message,
            decided: config.decided,
        })
    }

    /// Do what is asked, in memory. Money and record change together or not at all.
    pub fn apply(&mut self, ask: &Ask) -> Result<(), Error> {
        match ask {
            Ask::Open { opening, call } => {
                let id = opening.id;
                if self.open.contains_key(&id) || self.closed.contains_key(&id) {
                    return Err(Error::Exists);
                }
                let mut cdr = Cdr::open((**opening).clone())?;
                cdr.call = *call;
                if let Some(op) = cdr.reserve() {
                    self.ledger.apply(op)?;
                }
                self.open.insert(id, cdr);
                self.touched.insert(id);
            }
            Ask::Progress { cdr: id, interim, reserve } => {
                let cdr = self.open.get_mut(id).ok_or(Error::NotOpen)?;
                cdr.update(interim);
                self.touched.insert(*id);
                let mut more = cdr.clone();
                if let Some(op) = reserve.and_then(|total| more.extend(total)) {
                    self.ledger.apply(op)?;
                    *cdr = more;
                }
            }
            Ask::Ops(ops) => {
                self.ledger.apply_all(ops)?;
            }
            Ask::Decision(decision) => self.decisions.push((**decision).clone()),
        }
        Ok(())
    }

    /// Close a record, in memory.
    pub fn close(&mut self, id: CdrId, evidence: &Evidence) -> Result<Cdr, Error> {
        let cdr = self.open.get(&id).ok_or(Error::NotOpen)?;
        let closed = cdr.clone().close(evidence).map_err(|_| Error::NotOpen)?;
        self.ledger.apply_all(&closed.ops)?;
        self.open.remove(&id);
        self.touched.remove(&id);
        self.closed.insert(id, closed.cdr.clone());
        Ok(closed.cdr)
    }

    /// Everything that has to be written since the last time.
    pub fn take_batch(&mut self) -> Batch {
        let closed = std::mem::take(&mut self.closed);
        let mut messages: Vec<NewMessage> =
            self.message.map_or_else(Vec::new, |tell| closed.values().map(tell).collect());
        messages.extend(self.decided.iter().flat_map(|tell| self.decisions.iter().map(tell)));
        let touched = std::mem::take(&mut self.touched);
        let changed = touched.iter().filter_map(|id| self.open.get(id).cloned());
        Batch {
            changes: self.ledger.take_changes(),
            cdrs: changed.chain(closed.into_values()).collect(),
            decisions: std::mem::take(&mut self.decisions),
            messages,
        }
    }

    /// A transfer id that memory does not know, and that may have been used long ago.
    pub fn unknown(&self, ask: &Ask) -> Option<TransferId> {
        let Ask::Ops(ops) = ask else { return None };
        ops.iter().find_map(|op| match op {
            Op::Transfer { transfer, .. } if self.ledger.settled(transfer.id).is_none() => {
                Some(transfer.id)
            }
            _ => None,
        })
    }

    pub fn recall(&mut self, settled: Settled) {
        self.ledger.remember(settled);
    }
}

impl View {
    pub fn new(state: &State) -> Self {
        let view = Self {
            balances: RwLock::default(),
            houses: RwLock::default(),
            counts: RwLock::default(),
            moved: broadcast::channel(NEWS).0,
        };
        view.show(state.ledger.standings());
        view.count(|counts| counts.open = state.open.len() as u64);
        view
    }

    /// Show books as they are on the disk now, and tell whoever listens.
    pub fn show<'a>(&self, standings: impl Iterator<Item = (&'a Book, &'a Standing)>) {
        let (mut balances, mut houses) = (write(&self.balances), write(&self.houses));
        for (book, standing) in standings {
            match *book {
                Book::House(house, currency) => {
                    houses.insert((house, currency), standing.booked);
                }
                Book::Customer(account) => {
                    let balance = show(standing);
                    if balances.insert(account, balance) != Some(balance) {
                        let _ = self.moved.send((account, balance));
                    }
                }
                Book::Carrier(..) => {}
            }
        }
    }

    /// Bring the counts up to date.
    pub fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut write(&self.counts));
    }

    pub fn figures(&self) -> Figures {
        let mut figures = Figures { counts: *read(&self.counts), ..Figures::default() };
        for balance in read(&self.balances).values() {
            let sum = figures.reserved.entry(balance.currency).or_default();
            *sum = sum.saturating_add(balance.reserved);
        }
        for ((house, currency), booked) in read(&self.houses).iter() {
            match house {
                House::Revenue => figures.captured.insert(*currency, *booked),
                House::CarrierCost => {
                    figures.cost.insert(*currency, Micros::ZERO.saturating_sub(*booked))
                }
                _ => None,
            };
        }
        figures
    }
}

const fn show(standing: &Standing) -> Balance {
    Balance {
        booked: standing.booked,
        reserved: standing.reserved,
        credit_limit: standing.credit_limit,
        currency: standing.currency,
    }
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
