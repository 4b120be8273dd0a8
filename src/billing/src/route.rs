//! Which way a call goes. A [`Router`] knows the trunks, how busy they are and how well they work; asked
//! about a number it answers with a [`Route`]: the price, every trunk with the reason why it is tried or
//! not, and the order. The same answer is the decision, the dry run and the record.
//!
//! It places no call. Whoever does counts it with [`Router::begin`] and [`Router::end`], takes a
//! channel with [`Router::claim`] before each attempt, gives it back with [`Router::release`], and tells
//! what became of it with [`Router::observe`].
//!
//! A target that a response or a REFER names is judged like any other number: [`Router::redirected`] where
//! the price that the caller agreed to is kept, [`Router::decide`] where a new call begins.

use std::sync::Arc;

use offhook_types::{AccountId, Dialed, Number, Rng, Time, TrunkId, WallTime};

use crate::deck::{Deck, Tier};
use crate::number::{Country, Service, service};
use crate::rate::{Rate, charge};
use crate::refusal::Refusal;

mod explain;
mod load;
mod plan;
mod quality;
#[cfg(test)]
mod tests;
mod trunk;

pub use explain::{Candidate, Drop, Priced, Route, Verdict};
pub use load::{Begun, Full};
pub use plan::Plan;
pub use quality::{Figures, Observed, Thresholds};
pub use trunk::{CallerPolicy, Caps, Shown, Trunk};

use load::Load;
use quality::Quality;

/// What the router is asked.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// When: prices hold for a time.
    pub at: WallTime,
    /// Whom to call.
    pub to: &'a Dialed,
    /// Who calls.
    pub by: &'a Caller,
    /// What the account pays by.
    pub plan: &'a Plan,
    /// The price that the caller was quoted, which is then the price of the call.
    pub pinned: Option<Rate>,
    /// Do not show the caller's number.
    pub anonymous: bool,
}

/// Who calls, as far as a route depends on it.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who pays.
    pub account: AccountId,
    /// Where: decides what is an emergency number.
    pub home: Option<Country>,
    /// The riskiest destinations that the account may call, where it differs from its plan's.
    pub tier: Option<Tier>,
    /// The number to be seen by the other side. It is shown only if it is one of the next.
    pub number: Option<Number>,
    /// The numbers that the account has proven to be its own.
    pub verified: Vec<Number>,
}

impl Caller {
    fn shown(&self) -> Option<&Number> {
        self.number.as_ref().filter(|number| self.verified.contains(number))
    }
}

/// The trunks and what is known about them. A copy shares the decks.
#[derive(Debug, Clone)]
pub struct Router {
    ways: Vec<Way>,
    thresholds: Thresholds,
    load: Load,
    quality: Quality,
}

#[derive(Debug, Clone)]
struct Way {
    trunk: Arc<Trunk>,
    buy: Option<Arc<Deck>>,
    up: bool,
}

impl Router {
    /// A router without trunks.
    pub fn new(thresholds: Thresholds) -> Self {
        Self { ways: Vec::new(), thresholds, load: Load::default(), quality: Quality::default() }
    }

    /// Replace the trunks, each with the deck of what it costs. What is known about those that stay is
    /// kept; new ones are taken to be up.
    pub fn set_trunks(&mut self, trunks: Vec<(Trunk, Option<Arc<Deck>>)>) {
        let down: Vec<TrunkId> =
            self.ways.iter().filter(|way| !way.up).map(|way| way.trunk.id).collect();
        self.ways = trunks
            .into_iter()
            .map(|(trunk, buy)| Way { up: !down.contains(&trunk.id), trunk: trunk.into(), buy })
            .collect();
        let ids: Vec<TrunkId> = self.ways.iter().map(|way| way.trunk.id).collect();
        self.quality.keep(&ids);
    }

    /// Note whether a trunk answers.
    pub fn set_up(&mut self, trunk: TrunkId, up: bool) {
        for way in self.ways.iter_mut().filter(|way| way.trunk.id == trunk) {
            way.up = up;
        }
    }

    /// The trunks, and whether each is up.
    pub fn trunks(&self) -> impl Iterator<Item = (&Trunk, bool)> {
        self.ways.iter().map(|way| (&*way.trunk, way.up))
    }

    /// Decide how a number is reached and what it costs. Nothing is taken or counted.
    pub fn decide(&self, now: Time, asked: &Asked<'_>, rng: &mut Rng) -> Route {
        self.judge(now, asked, service(asked.to, asked.by.home), rng)
    }

    /// Decide about the number that a 3xx response names instead of the one that `from` led to. It is
    /// judged as if the caller had dialled it, at the price that the caller agreed to: what costs more than
    /// that leaves is not called. An emergency call stays one wherever it is sent.
    pub fn redirected(&self, now: Time, asked: &Asked<'_>, from: &Route, rng: &mut Rng) -> Route {
        let emergency = from.emergency.or_else(|| service(asked.to, asked.by.home));
        self.judge(now, &Asked { pinned: from.rate(), ..*asked }, emergency, rng)
    }

    fn judge(
        &self,
        now: Time,
        asked: &Asked<'_>,
        emergency: Option<Service>,
        rng: &mut Rng,
    ) -> Route {
        let sell = sell(asked).filter(|_| emergency.is_none());
        let refusal = match emergency {
            Some(_) => None,
            None => refusal(asked, sell.as_ref())
                .or_else(|| self.load.account_full(now, asked.by.account, asked.plan.caps)),
        };
        let mut route = Route {
            to: asked.to.clone(),
            country: asked.to.number().map_or(asked.by.home, Country::of),
            emergency,
            plan: asked.plan.name.clone(),
            quoted: asked.pinned.is_some(),
            sell,
            trunks: Vec::new(),
            refusal,
        };
        let weighed = self.ways.iter().map(|way| self.weigh(now, asked, &route, way));
        let (mut kept, dropped): (Vec<_>, Vec<_>) =
            weighed.partition(|candidate| candidate.verdict.tried());
        order(&mut kept, rng);
        kept.extend(dropped);
        route.trunks = kept;
        route.refusal = route.refusal.or_else(|| nowhere(&route));
        route
    }

    /// Count a call that begins against its account. An emergency call is counted and never refused.
    ///
    /// # Errors
    /// Which of the plan's caps is reached; nothing is counted then.
    pub fn begin(&mut self, now: Time, call: &Begun) -> Result<(), Refusal> {
        self.load.begin(now, call)
    }

    /// The call ended. Once for each that began.
    pub fn end(&mut self, now: Time, account: AccountId) {
        self.load.end(now, account);
    }

    /// Take a channel of a trunk before an INVITE leaves. An emergency call is counted and never refused.
    ///
    /// # Errors
    /// Which cap is reached; nothing is taken then, and the next trunk is to be tried.
    pub fn claim(&mut self, now: Time, trunk: TrunkId, emergency: bool) -> Result<(), Full> {
        let caps = self.ways.iter().find(|way| way.trunk.id == trunk).map(|way| way.trunk.caps);
        self.load.claim(now, trunk, if emergency { Caps::NONE } else { caps.unwrap_or_default() })
    }

    /// Give the channel back. Once for each claim.
    pub fn release(&mut self, trunk: TrunkId) {
        self.load.release(trunk);
    }

    /// How many channels of a trunk are taken.
    pub fn channels(&self, trunk: TrunkId) -> u32 {
        self.load.channels(trunk)
    }

    /// Learn from what became of an attempt.
    pub fn observe(&mut self, now: Time, trunk: TrunkId, to: Option<Country>, observed: Observed) {
        self.quality.observe(now, (trunk, to), observed);
    }

    /// How well a trunk reaches a country.
    pub fn figures(&self, now: Time, trunk: TrunkId, to: Option<Country>) -> Figures {
        self.quality.figures(now, (trunk, to))
    }

    /// Look at one trunk: what it costs, what is left, and whether it is tried.
    fn weigh(&self, now: Time, asked: &Asked<'_>, route: &Route, way: &Way) -> Candidate {
        let buy = asked.to.number().zip(way.buy.as_deref());
        let buy = buy.and_then(|(number, deck)| Priced::find(deck, number, asked.at));
        let anonymous = asked.anonymous && route.emergency.is_none();
        let figures = self.quality.figures(now, (way.trunk.id, route.country));
        let mut candidate = Candidate {
            shown: way.trunk.shown(asked.by.shown(), anonymous),
            trunk: way.trunk.clone(),
            buy,
            cost: None,
            profit: None,
            figures,
            verdict: Verdict::Tried,
        };
        let accepted = match route.emergency {
            Some(_) if !way.trunk.enabled => Err(Drop::Off),
            Some(_) if !way.trunk.emergency => Err(Drop::NoEmergency),
            Some(_) => Ok(()),
            None => self.accept(now, asked.plan, route, (way, &mut candidate)),
        };
        // A trunk that seems down still gets an emergency call when the others have failed.
        let poor = self.thresholds.poor(&figures) || !way.up;
        candidate.verdict = match accepted {
            Err(why) => Verdict::Dropped(why),
            Ok(()) if poor => Verdict::TriedLast,
            Ok(()) => Verdict::Tried,
        };
        candidate
    }

    /// Whether a trunk takes an ordinary call. Cost and profit are noted on the way.
    fn accept(
        &self,
        now: Time,
        plan: &Plan,
        route: &Route,
        (way, candidate): (&Way, &mut Candidate),
    ) -> Result<(), Drop> {
        let trunk = &way.trunk;
        if let Some(buy) = &candidate.buy {
            let cost = charge(&buy.rate, plan.reference).map_err(|_| Drop::BadRate)?.amount;
            candidate.cost = Some(cost);
            if let Some(sell) = route.sell.as_ref().filter(|sell| sell.currency == buy.currency) {
                candidate.profit = Some(plan.profit(&sell.rate, cost)?);
            }
        }
        if !trunk.enabled {
            return Err(Drop::Off);
        }
        if !way.up {
            return Err(Drop::Down);
        }
        if route.sell.as_ref().is_some_and(|sell| sell.tier > trunk.tier) {
            return Err(Drop::Tier);
        }
        if candidate.buy.is_none() {
            return Err(Drop::NoPrice);
        }
        match candidate.profit {
            None if route.sell.is_some() => return Err(Drop::Currency),
            Some(profit) if profit < plan.margin => return Err(Drop::NoProfit),
            _ => {}
        }
        self.load.room(now, trunk.id, trunk.caps).map_err(Drop::Full)
    }
}

/// What the account pays; `None` for emergency numbers and where its plan has no price.
fn sell(asked: &Asked<'_>) -> Option<Priced> {
    let found = Priced::find(&asked.plan.sell, asked.to.number()?, asked.at)?;
    Some(Priced { rate: asked.pinned.unwrap_or(found.rate), ..found })
}

/// Why the call is not made, whatever the trunks.
fn refusal(asked: &Asked<'_>, sell: Option<&Priced>) -> Option<Refusal> {
    if asked.to.number().is_none() {
        return Some(Refusal::ShortCode);
    }
    let Some(sell) = sell else { return Some(Refusal::NoPrice) };
    if sell.rate.checked().is_err() {
        return Some(Refusal::BadRate);
    }
    let allowed = asked.by.tier.unwrap_or(asked.plan.tier);
    (sell.tier > allowed).then_some(Refusal::Tier)
}

/// Why no trunk is tried: the reason that is nearest to a call, as somebody may act on it.
fn nowhere(route: &Route) -> Option<Refusal> {
    if route.tried().next().is_some() {
        return None;
    }
    if route.emergency.is_some() {
        return Some(Refusal::NoEmergencyTrunk);
    }
    let dropped = |wanted: fn(Drop) -> bool| {
        route
            .trunks
            .iter()
            .any(|trunk| matches!(trunk.verdict, Verdict::Dropped(why) if wanted(why)))
    };
    if dropped(|why| matches!(why, Drop::Full(_))) {
        Some(Refusal::TrunksFull)
    } else if dropped(|why| why == Drop::NoProfit) {
        Some(Refusal::NoProfit)
    } else {
        Some(Refusal::NoTrunk)
    }
}

/// Good trunks before poor ones, then by priority, then the cheapest first. Among equals a draw decides
/// in which a trunk of weight two comes first twice as often as one of weight one.
fn order(kept: &mut Vec<Candidate>, rng: &mut Rng) {
    kept.sort_by_key(Candidate::rank);
    let mut ordered = Vec::with_capacity(kept.len());
    while let Some(first) = kept.first() {
        let equals = kept.iter().take_while(|other| other.rank() == first.rank());
        let weights: Vec<u32> = equals.map(|equal| u32::from(equal.trunk.weight).max(1)).collect();
        ordered.push(kept.remove(draw(&weights, rng)));
    }
    *kept = ordered;
}

/// The place of one of the weights, each as likely as it is heavy.
fn draw(weights: &[u32], rng: &mut Rng) -> usize {
    if weights.len() < 2 {
        return 0;
    }
    let total = weights.iter().fold(0u32, |sum, weight| sum.saturating_add(*weight));
    let mut left = rng.below(total);
    let found = weights.iter().position(|weight| match left.checked_sub(*weight) {
        Some(rest) => {
            left = rest;
            false
        }
        None => true,
    });
    found.unwrap_or(0)
}
