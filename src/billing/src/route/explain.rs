//! A routing decision as data, with its reasons. Its text form is for operators and shows the number.

use core::fmt;
use std::sync::Arc;

use offhook_types::{Currency, Dialed, Micros, Number, WallTime};

use super::load::Full;
use super::quality::Figures;
use super::trunk::{Shown, Trunk};
use crate::deck::{ContentHash, Deck, Prefix, Tier};
use crate::number::{Country, Service};
use crate::rate::Rate;
use crate::refusal::Refusal;

/// How a number is reached and what it costs, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Whom.
    pub to: Dialed,
    /// Where that is.
    pub country: Option<Country>,
    /// Who answers, if this is an emergency number. The call is free then.
    pub emergency: Option<Service>,
    /// The plan that the price comes from.
    pub plan: Arc<str>,
    /// Whether the price was quoted before and is kept.
    pub quoted: bool,
    /// What the account pays; `None` for emergency numbers and where the plan has no price.
    pub sell: Option<Priced>,
    /// Every trunk: those that are tried, in this order, then those that are not.
    pub trunks: Vec<Candidate>,
    /// Why the call is not made. Trunks are listed all the same.
    pub refusal: Option<Refusal>,
}

impl Route {
    /// The trunks to try, in order.
    pub fn tried(&self) -> impl Iterator<Item = &Candidate> {
        self.trunks.iter().filter(|trunk| trunk.verdict.tried())
    }

    /// What the call costs the account.
    pub fn rate(&self) -> Option<Rate> {
        if self.emergency.is_some() {
            Some(Rate::FREE)
        } else {
            self.sell.as_ref().map(|sell| sell.rate)
        }
    }

    /// How risky the destination is.
    pub fn tier(&self) -> Tier {
        self.sell.as_ref().map_or(Tier::Standard, |sell| sell.tier)
    }
}

/// A price and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Priced {
    /// The deck.
    pub deck: Arc<str>,
    /// Its version.
    pub version: u32,
    /// What is in that version.
    pub hash: ContentHash,
    /// What its prices are in.
    pub currency: Currency,
    /// The prefix that decided.
    pub prefix: Prefix,
    /// Where that is, in words.
    pub destination: Arc<str>,
    /// The price.
    pub rate: Rate,
    /// How risky the destination is.
    pub tier: Tier,
}

impl Priced {
    /// What a deck says about a number.
    pub fn find(deck: &Deck, number: &Number, at: WallTime) -> Option<Self> {
        let (found, label) = (deck.find(number, at)?, deck.label());
        Some(Self {
            deck: label.name.clone(),
            version: label.version,
            hash: deck.hash(),
            currency: label.currency,
            prefix: found.prefix,
            destination: found.destination.clone(),
            rate: *found.rate,
            tier: found.tier,
        })
    }
}

/// One trunk for one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Which.
    pub trunk: Arc<Trunk>,
    /// What the carrier takes.
    pub buy: Option<Priced>,
    /// What a call of the plan's reference length costs.
    pub cost: Option<Micros>,
    /// What is left of each minute of such a call; below zero for a loss.
    pub profit: Option<Micros>,
    /// How well the trunk reaches this country.
    pub figures: Figures,
    /// The number that the other side would see.
    pub shown: Shown,
    /// Whether it is tried.
    pub verdict: Verdict,
}

impl Candidate {
    /// What trunks are sorted by. Trunks without a known cost, which only emergency calls use, are equal.
    pub(super) fn rank(&self) -> (bool, u16, Option<Micros>) {
        (self.verdict == Verdict::TriedLast, self.trunk.priority, self.cost)
    }
}

/// Whether a trunk is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// In its turn.
    Tried,
    /// After all others: it does badly there.
    TriedLast,
    /// Not at all.
    Dropped(Drop),
}

impl Verdict {
    /// Whether it is.
    pub const fn tried(self) -> bool {
        !matches!(self, Self::Dropped(_))
    }
}

/// Why a trunk is not tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drop {
    /// It is switched off.
    Off,
    /// It does not answer.
    Down,
    /// Its deck has no price for the number, or it has no deck.
    NoPrice,
    /// Its deck is in another currency than the plan's.
    Currency,
    /// Prices that fit no number.
    BadRate,
    /// Too little would be left.
    NoProfit,
    /// It may not be used for a destination as risky.
    Tier,
    /// It has as many calls as it may.
    Full(Full),
    /// It takes no emergency calls.
    NoEmergency,
}

impl Drop {
    /// The code, as records and metrics have it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Down => "down",
            Self::NoPrice => "no_price",
            Self::Currency => "currency",
            Self::BadRate => "bad_rate",
            Self::NoProfit => "no_profit",
            Self::Tier => "tier",
            Self::Full(Full::Channels) => "channels_full",
            Self::Full(Full::TooFast) => "too_fast",
            Self::NoEmergency => "no_emergency",
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to.as_str())?;
        if let Some(country) = self.country {
            write!(f, " ({country})")?;
        }
        if let Some(service) = self.emergency {
            let who = match service {
                Service::Any => "police, ambulance and fire brigade",
                Service::Police => "police",
                Service::Ambulance => "ambulance",
                Service::Fire => "fire brigade",
            };
            write!(f, "\n  emergency: {who}; free, never refused for credit, price or fraud")?;
        }
        match &self.sell {
            Some(sell) => {
                write!(f, "\n  price: {sell}, plan {}, tier {}", self.plan, sell.tier)?;
                f.write_str(if self.quoted { ", as quoted before" } else { "" })?;
            }
            None if self.emergency.is_none() => write!(f, "\n  price: none in plan {}", self.plan)?,
            None => {}
        }
        for (nth, candidate) in (1..).zip(&self.trunks) {
            match candidate.verdict {
                Verdict::Tried => write!(f, "\n  {nth}. {candidate}")?,
                Verdict::TriedLast => {
                    write!(f, "\n  {nth}. {candidate}, last: it does badly there")?
                }
                Verdict::Dropped(why) => write!(f, "\n  -  {candidate}, dropped: {}", why.code())?,
            }
            if candidate.verdict.tried() {
                write!(f, "\n     sends {}", candidate.trunk.format.write(&self.to))?;
                match &candidate.shown {
                    Shown::Number(number) => write!(f, ", shows {}", number.as_str())?,
                    Shown::Anonymous => f.write_str(", shows no number")?,
                }
            }
        }
        match self.refusal {
            Some(refusal) => write!(f, "\n  refused: {}", refusal.code()),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Priced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = &self.rate;
        write!(f, "{} {} a minute", rate.per_minute, self.currency)?;
        if rate.connection_fee > Micros::ZERO {
            write!(f, " and {} an answer", rate.connection_fee)?;
        }
        write!(f, " in steps of {}/{} s", rate.first_increment_s, rate.next_increment_s)?;
        write!(f, " ({} v{}, prefix {}", self.deck, self.version, self.prefix)?;
        if !self.destination.is_empty() {
            write!(f, ", {}", self.destination)?;
        }
        f.write_str(")")
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.trunk.name)?;
        if let Some(buy) = &self.buy {
            write!(f, ": {buy}")?;
        }
        if let Some(profit) = self.profit {
            write!(f, ", leaves {profit} a minute")?;
        }
        if self.figures.attempts > 0 {
            let figures = &self.figures;
            write!(
                f,
                ", answers {} of 1000 after {} ms, {} of 1000 one-way",
                figures.answer_ratio, figures.post_dial_delay_ms, figures.one_way_ratio
            )?;
        }
        Ok(())
    }
}
