//! Carrying out what legs want done.

use offhook_billing::authorize::{self, Allowance, Progress};
use offhook_billing::cdr::{Evidence, Interim, Opening, Pinned};
use offhook_billing::deck::Tier;
use offhook_billing::fraud::Spent;
use offhook_billing::number::Country;
use offhook_billing::rate::Rate;
use offhook_billing::route::Observed;
use offhook_bridge::Order;
use offhook_sip::agent::{Command as Sip, Handle};
use offhook_types::phone::{Balance, Digit};
use offhook_types::{AccountId, CdrId, Micros, Number, PhoneId, TrunkId};

use super::{Exchange, Mail, refused};
use crate::books::{Books, Error};
use crate::leg::{Input, OpenRefused, Output};

/// Times that more money is asked for when somebody else was faster.
const TRIES: usize = 4;

impl Exchange {
    pub(super) fn carry_out(&mut self, phone: PhoneId, output: Output) {
        match output {
            Output::Authorize(dial) => self.who_pays(phone, dial),
            Output::OpenBridge => self.open_bridge(phone),
            Output::Bridge(order) => self.near.bridges.order(phone, order),
            Output::Open(opening) => self.open(phone, *opening),
            Output::Update { cdr, interim } => self.update(cdr, *interim),
            Output::Extend { cdr, account, rate, progress } => {
                self.extend(phone, (cdr, account), &rate, progress);
            }
            Output::Close { cdr, trunk, evidence, observed } => {
                self.close(phone, (cdr, trunk), *evidence, observed);
            }
            Output::Sip { handle, command } => self.command(phone, handle, *command),
            Output::Tell(event) => {
                self.tally.told(&event);
                (self.near.tell)(event);
            }
            Output::CheckPin { called, pressed } => self.check_pin(phone, called, &pressed),
        }
    }

    fn open_bridge(&self, phone: PhoneId) {
        let (bridges, options) = (self.near.bridges.clone(), self.options.bridge);
        self.ask(async move {
            let opened = bridges.open(phone, options).await;
            Some(Mail::Answer { phone, input: Box::new(Input::BridgeOpened(opened)) })
        });
    }

    fn command(&mut self, phone: PhoneId, handle: Handle, command: Sip) {
        if matches!(command, Sip::Invite(_)) {
            self.dialogs.insert(handle, phone);
            self.ladder.begin(handle, phone);
        }
        self.near.sip.command(handle, command);
    }

    /// Take a channel and have the record opened.
    fn open(&mut self, phone: PhoneId, opening: Opening) {
        let now = self.now();
        let (cdr, trunk) = (opening.id, opening.trunk);
        let Some((_, kept)) = self.legs.get(&phone) else { return };
        let emergency = kept.payer.as_ref().is_some_and(|paying| paying.emergency);
        if self.router.claim(now.time, trunk, emergency).is_err() {
            return self.answer(phone, Input::Opened { cdr, result: Err(OpenRefused::TrunkFull) });
        }
        let tier = self.tier(phone);
        if opening.reserve > Micros::ZERO && !self.spend(phone, tier, opening.reserve) {
            self.router.release(trunk);
            let result = Err(OpenRefused::NotPermitted);
            return self.answer(phone, Input::Opened { cdr, result });
        }
        if let Some((leg, kept)) = self.legs.get_mut(&phone) {
            kept.channels.insert(cdr, trunk);
            if let Some(paying) = &mut kept.payer {
                paying.spent.insert(cdr, (tier, opening.reserve, opening.sell.clone()));
            }
            self.tally.attempted(trunk, opening.direction);
            let (books, call) = (self.near.books.clone(), leg.call());
            self.ask(async move {
                let result = books.open(opening, call).await.map_err(refused);
                Some(Mail::Answer { phone, input: Box::new(Input::Opened { cdr, result }) })
            });
        }
    }

    /// Answer a leg that asked just now: after it has had its say.
    fn answer(&self, phone: PhoneId, input: Input) {
        if let Some(mailbox) = self.mailbox.upgrade() {
            let _ = mailbox.send(Mail::Answer { phone, input: Box::new(input) });
        }
    }

    fn update(&self, cdr: CdrId, interim: Interim) {
        let books = self.near.books.clone();
        self.ask(async move {
            // What is lost here is only how far the call was if the process does not live to see its
            // end; the next one comes soon.
            let _ = books.progress(cdr, interim, None).await;
            None
        });
    }

    fn extend(
        &mut self,
        phone: PhoneId,
        (cdr, account): (CdrId, AccountId),
        rate: &Rate,
        progress: Progress,
    ) {
        let Some(balance) = self.near.books.balance(account) else {
            let result = Err(OpenRefused::Unavailable);
            return self.answer(phone, Input::Extended(result));
        };
        let slicing = self.options.slicing;
        let Ok(allowance) = authorize::extend(rate, funds(&balance), &progress, &slicing) else {
            return self.answer(phone, Input::Extended(Err(OpenRefused::NoCredit)));
        };
        if allowance.amount == Micros::ZERO {
            return self.answer(phone, Input::Extended(Ok(allowance)));
        }
        let tier = self.tier(phone);
        if !self.spend(phone, tier, allowance.amount) {
            return self.answer(phone, Input::Extended(Err(OpenRefused::NotPermitted)));
        }
        if let Some(paying) = self.legs.get_mut(&phone).and_then(|(_, kept)| kept.payer.as_mut())
            && let Some((_, spent, _)) = paying.spent.get_mut(&cdr)
        {
            *spent = spent.saturating_add(allowance.amount);
        }
        let (books, rate) = (self.near.books.clone(), *rate);
        self.ask(async move {
            let more = More { cdr, account, rate, progress, slicing };
            let result = more.reserve(&books, allowance).await;
            Some(Mail::Answer { phone, input: Box::new(Input::Extended(result)) })
        });
    }

    /// Whether limits on fraud let an account spend this.
    fn spend(&mut self, phone: PhoneId, tier: Tier, amount: Micros) -> bool {
        let paying = self.legs.get(&phone).and_then(|(_, kept)| kept.payer.as_ref());
        let Some(paying) = paying.filter(|paying| !paying.emergency) else { return true };
        let spent = Spent { account: paying.account, opened: paying.opened, tier, amount };
        let findings = self.guard.spend(self.now().wall, &spent);
        self.note(Some(phone), findings).is_none()
    }

    fn tier(&self, phone: PhoneId) -> Tier {
        let paying = self.legs.get(&phone).and_then(|(_, kept)| kept.payer.as_ref());
        paying.and_then(|paying| paying.tiers.last().copied()).unwrap_or(Tier::Standard)
    }

    fn close(
        &mut self,
        phone: PhoneId,
        (cdr, trunk): (CdrId, TrunkId),
        evidence: Evidence,
        observed: Option<Observed>,
    ) {
        let now = self.now();
        self.tally.closed(trunk, &evidence, observed.as_ref());
        if let Some(observed) = observed {
            let country = self.legs.get(&phone).and_then(|(leg, _)| leg.dialed_country());
            self.router.observe(now.time, trunk, country, observed);
            self.watch.observed(now.wall, trunk, country.map(country_text), &observed);
        }
        let Some((_, kept)) = self.legs.get_mut(&phone) else { return };
        if kept.channels.remove(&cdr).is_some() {
            self.router.release(trunk);
        }
        let given_back = kept.payer.as_mut().and_then(|paying| {
            let (tier, spent, price) = paying.spent.remove(&cdr)?;
            let cost = cost(&price, &evidence);
            let amount = cost.saturating_sub(spent);
            Some(Spent { account: paying.account, opened: paying.opened, tier, amount })
        });
        if let Some(spent) = given_back {
            let findings = self.guard.spend(now.wall, &spent);
            self.note(Some(phone), findings);
        }
        // It is written in the end, whoever waits for it.
        drop(self.near.books.closing(cdr, evidence));
    }

    fn check_pin(&mut self, phone: PhoneId, called: Number, pressed: &[Digit]) {
        let now = self.now();
        let pin = self.tariff.numbers.get(&called).and_then(|owned| match &owned.leads_to {
            offhook_store::LeadsTo::Room { pin, .. } => pin.clone(),
            offhook_store::LeadsTo::User(_) => None,
        });
        let allowed = self.pins.may_try(now.time, &called);
        let (Some(pin), true) = (pin, allowed) else {
            return self.answer(phone, Input::Pin { right: false });
        };
        let typed: String = pressed.iter().map(|digit| digit.face()).collect();
        let mailbox = self.mailbox.clone();
        // Hashing is slow on purpose: not on this task.
        tokio::task::spawn_blocking(move || {
            let right = crate::pin::fits(&pin, &typed);
            if let Some(mailbox) = mailbox.upgrade() {
                let _ = mailbox.send(Mail::Pinned { phone, called, right });
            }
        });
    }

    /// The PIN was compared.
    pub(super) fn pinned(&mut self, phone: PhoneId, called: &Number, right: bool) {
        if right {
            self.pins.forget(called);
        }
        self.give(phone, Input::Pin { right });
    }

    /// A leg has nothing more to say.
    pub(super) fn forget(&mut self, phone: PhoneId) {
        let Some((_, kept)) = self.legs.remove(&phone) else { return };
        if let Some(due) = kept.due {
            self.timers.remove(&(due, phone));
        }
        for trunk in kept.channels.into_values() {
            self.router.release(trunk);
        }
        if let Some(paying) = kept.payer {
            if let Some(legs) = self.paid_by.get_mut(&paying.account) {
                legs.retain(|leg| *leg != phone);
                if legs.is_empty() {
                    self.paid_by.remove(&paying.account);
                }
            }
            self.router.end(self.now().time, paying.account);
            for tier in paying.tiers {
                self.guard.ended(paying.account, tier);
            }
        }
        // A bridge that opened too late for anybody to use it.
        self.near.bridges.order(phone, Order::Close);
    }

    /// Something for a leg that is gone. What was opened too late, a record or a bridge, is closed all the
    /// same.
    pub(super) fn unheard(&mut self, phone: PhoneId, input: Input) {
        if let Input::BridgeOpened(Ok(_)) = input {
            self.near.bridges.order(phone, Order::Close);
        }
        if let Input::Opened { cdr, result: Ok(()) } = input {
            let now = self.now();
            let evidence = Evidence {
                proof: offhook_billing::cdr::Proof::NotSent,
                by: offhook_billing::cdr::Ender::House,
                cause: offhook_types::phone::Cause::Cancelled,
                sip: None,
                q850: None,
                at: now.wall,
                talked: core::time::Duration::ZERO,
                last: Interim::default(),
            };
            drop(self.near.books.closing(cdr, evidence));
        }
    }
}

/// More money for a call that goes on.
struct More {
    cdr: CdrId,
    account: AccountId,
    rate: Rate,
    progress: Progress,
    slicing: authorize::Slicing,
}

impl More {
    /// Set the allowance aside. Where another call was faster and less is left, take what is left.
    async fn reserve(
        &self,
        books: &Books,
        mut allowance: Allowance,
    ) -> Result<Allowance, OpenRefused> {
        for _ in 0..TRIES {
            let done = books.progress(self.cdr, Interim::default(), Some(allowance.total)).await;
            let Err(error) = done else { return Ok(allowance) };
            let Error::Refused(offhook_billing::ledger::Refusal::Insufficient { available }) =
                error
            else {
                return Err(refused(error));
            };
            let (rate, progress) = (&self.rate, &self.progress);
            let again = authorize::extend(rate, available, progress, &self.slicing);
            allowance = again.map_err(|_| OpenRefused::NoCredit)?;
            if allowance.amount == Micros::ZERO {
                return Ok(allowance);
            }
        }
        tracing::debug!(account = %self.account, "several calls of an account want its last money");
        Err(OpenRefused::NoCredit)
    }
}

fn funds(balance: &Balance) -> Micros {
    balance.booked.saturating_add(balance.credit_limit).saturating_sub(balance.reserved)
}

fn cost(price: &Pinned, evidence: &Evidence) -> Micros {
    if evidence.last.times.answered.is_none() {
        return Micros::ZERO;
    }
    price.charge(evidence.talked).unwrap_or_default().amount
}

fn country_text(country: Country) -> String {
    country.to_string()
}
