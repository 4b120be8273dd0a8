//! The machine that counts.

use std::collections::{BTreeSet, HashMap, VecDeque};

use offhook_types::{AccountId, WallTime};

use super::window::{Day, Hour, Minute};
use super::{Action, Attempt, Blocked, Findings, HOUR, Measure, Record, Rule, Rules, Scope, Spent};
use crate::deck::{Prefix, Tier};
use crate::refusal::Refusal;

/// Counts what accounts do and applies the [`Rules`]. Its memory is bounded: so many accounts, and of each
/// so many recent calls and blocks. What is forgotten with an idle account are its counts; suspensions are
/// kept where the account is kept.
#[derive(Debug)]
pub struct Guard {
    rules: Rules,
    accounts: HashMap<AccountId, Watched>,
    /// Who was seen when, the longest ago first.
    idle: BTreeSet<(WallTime, AccountId)>,
}

/// What is known about an account.
#[derive(Debug, Default)]
struct Watched {
    seen: WallTime,
    suspended: bool,
    tallies: [Option<Box<Tally>>; Tier::ALL.len()],
    /// The latest calls, the oldest first.
    recent: VecDeque<(WallTime, Prefix)>,
    blocked: VecDeque<Blocked>,
    /// Which warnings are not to be repeated before when.
    warned: Vec<(usize, WallTime)>,
}

/// The counts of one tier.
#[derive(Debug, Default)]
struct Tally {
    calls: Minute,
    spent_hour: Hour,
    spent_day: Day,
    concurrent: i64,
}

impl Guard {
    /// A guard that has seen nothing.
    pub fn new(rules: Rules) -> Self {
        Self { rules, accounts: HashMap::new(), idle: BTreeSet::new() }
    }

    /// Apply other rules from now on. Counts stay.
    pub fn set_rules(&mut self, rules: Rules) {
        self.rules = rules;
        // Warnings are noted by the place of their rule.
        self.accounts.values_mut().for_each(|watched| watched.warned.clear());
    }

    /// Somebody wants to call. If nothing speaks against it the call counts as begun, and
    /// [`Guard::ended`] must follow.
    pub fn attempt(&mut self, at: WallTime, attempt: &Attempt) -> Findings {
        let (rules, watched) = self.watch(at, attempt.account);
        if let Some(refusal) = watched.standing(at, attempt) {
            return Findings { refusal: Some(refusal), records: Vec::new() };
        }
        let wanted =
            Wanted { at, account: attempt.account, opened: attempt.opened, tier: attempt.tier };
        let findings = watched.apply(rules, &wanted, |watched, rule| {
            let seen = watched.measure(at, attempt, rule)?;
            let scope = match rule.measure {
                Measure::SameNumber => Some(Scope::Prefix(attempt.to)),
                Measure::SamePrefix => Some(Scope::Prefix(attempt.to.shortened(LAST_DIGITS))),
                Measure::SpendPerHour | Measure::SpendPerDay | Measure::CallsPerMinute => {
                    Some(Scope::Tier(attempt.tier))
                }
                // The call itself is wrong, or will be right when another ends.
                Measure::Concurrent | Measure::PricePerMinute | Measure::Hours(_) => None,
            };
            Some((seen, scope))
        });
        if findings.refusal.is_none() {
            watched.begin(at, attempt);
        }
        findings
    }

    /// A call is about to set money aside, or gave some back. What is refused is not counted: the call must
    /// not go on, and must not set it aside.
    pub fn spend(&mut self, at: WallTime, spent: &Spent) -> Findings {
        let (rules, watched) = self.watch(at, spent.account);
        let amount = spent.amount.0;
        let mut findings = Findings::default();
        if amount > 0 {
            let wanted =
                Wanted { at, account: spent.account, opened: spent.opened, tier: spent.tier };
            findings = watched.apply(rules, &wanted, |watched, rule| {
                let sum = watched.spent(at, rule)?.saturating_add(amount);
                Some((sum, Some(Scope::Tier(spent.tier))))
            });
        }
        if findings.refusal.is_none() {
            let tally = watched.tally(spent.tier);
            tally.spent_hour.add(at, amount);
            tally.spent_day.add(at, amount);
        }
        findings
    }

    /// A call that was begun is over.
    pub fn ended(&mut self, account: AccountId, tier: Tier) {
        if let Some(watched) = self.accounts.get_mut(&account) {
            let tally = watched.tally(tier);
            tally.concurrent = (tally.concurrent - 1).max(0);
        }
    }

    /// Take a decision up again that was stored before the process ended.
    pub fn restore(&mut self, at: WallTime, record: &Record) {
        let (_, watched) = self.watch(at, record.account);
        watched.suspended |= record.action == Action::Suspend;
        if let Some(blocked) = record.blocked.filter(|blocked| blocked.until > at) {
            watched.block(at, blocked);
        }
    }

    /// Somebody has looked at it: the account is neither suspended nor blocked any more, and its counts
    /// start again. Calls in progress are still known.
    pub fn lift(&mut self, account: AccountId) {
        if let Some(watched) = self.accounts.get_mut(&account) {
            watched.lift();
        }
    }

    /// How many accounts are counted.
    pub fn len(&self) -> usize {
        self.accounts.len()
    }

    /// Whether nobody has called yet.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// What is known of an account, from now on the one that was seen last.
    fn watch(&mut self, at: WallTime, account: AccountId) -> (&Rules, &mut Watched) {
        if !self.accounts.contains_key(&account)
            && self.accounts.len() >= self.rules.accounts.max(1)
        {
            let quiet = |(_, account): &&_| self.accounts.get(account).is_none_or(Watched::quiet);
            let oldest = self.idle.iter().find(quiet).or(self.idle.first()).copied();
            if let Some(oldest) = oldest {
                self.idle.remove(&oldest);
                self.accounts.remove(&oldest.1);
            }
        }
        let watched = self.accounts.entry(account).or_default();
        self.idle.remove(&(watched.seen, account));
        watched.seen = at;
        self.idle.insert((at, account));
        (&self.rules, watched)
    }
}

/// Whom rules are applied to.
struct Wanted {
    at: WallTime,
    account: AccountId,
    opened: WallTime,
    tier: Tier,
}

impl Watched {
    /// What was decided before.
    fn standing(&self, at: WallTime, attempt: &Attempt) -> Option<Refusal> {
        if self.suspended {
            return Some(Refusal::Suspended);
        }
        let holds = |blocked: &Blocked| blocked.until > at && blocked.scope.holds(attempt);
        self.blocked.iter().any(holds).then_some(Refusal::DestinationBlocked)
    }

    /// Apply every rule that counts this tier to what `measure` finds: how much, and what a block is on.
    fn apply(
        &mut self,
        rules: &Rules,
        wanted: &Wanted,
        measure: impl Fn(&Self, &Rule) -> Option<(i64, Option<Scope>)>,
    ) -> Findings {
        let newcomer = wanted.at < wanted.opened.plus(rules.newcomer);
        let mut findings = Findings::default();
        let counted = rules.rules.iter().enumerate().filter(|(_, rule)| rule.tier <= wanted.tier);
        for (place, rule) in counted {
            let tight = rule.newcomer_limit.filter(|_| newcomer).unwrap_or(rule.limit);
            let limit =
                if let Measure::Hours(_) = rule.measure { -1 } else { tight.min(rule.limit) };
            let Some((seen, scope)) = measure(self, rule).filter(|(seen, _)| *seen > limit) else {
                continue;
            };
            let until = wanted.at.plus(rules.block);
            let blocked = scope.filter(|_| rule.action == Action::Block);
            let blocked = blocked.map(|scope| Blocked { scope, until });
            match rule.action {
                Action::Warn if !self.warn(wanted.at, place, until) => continue,
                Action::Warn => {}
                Action::Block => findings.refusal = findings.refusal.or(Some(Refusal::FraudLimit)),
                Action::Suspend => findings.refusal = Some(Refusal::Suspended),
            }
            self.suspended |= rule.action == Action::Suspend;
            if let Some(blocked) = blocked {
                self.block(wanted.at, blocked);
            }
            findings.records.push(Record {
                at: wanted.at,
                account: wanted.account,
                rule: rule.name.clone(),
                measure: rule.measure,
                seen,
                limit,
                action: rule.action,
                blocked,
                appeal: rules.appeal.clone(),
            });
        }
        findings.records.sort_by_key(|record| record.action);
        findings
    }

    /// What a rule measures, this call included.
    fn measure(&self, at: WallTime, attempt: &Attempt, rule: &Rule) -> Option<i64> {
        let recent = |prefix: Prefix| {
            let calls = self.recent.iter().filter(|(when, _)| when.plus(HOUR) > at);
            let same = calls.filter(|(_, to)| prefix.starts(*to)).count();
            i64::try_from(same).unwrap_or(i64::MAX).saturating_add(1)
        };
        match rule.measure {
            Measure::SpendPerHour | Measure::SpendPerDay => self.spent(at, rule),
            Measure::Concurrent => Some(self.sum(rule.tier, |tally| tally.concurrent) + 1),
            Measure::CallsPerMinute => Some(self.sum(rule.tier, |tally| tally.calls.sum(at)) + 1),
            Measure::SameNumber => Some(recent(attempt.to)),
            Measure::SamePrefix => Some(recent(attempt.to.shortened(LAST_DIGITS))),
            Measure::PricePerMinute => Some(attempt.per_minute.0),
            Measure::Hours(hours) => (!hours.hold(at)).then(|| i64::from(hours.minute(at))),
        }
    }

    fn spent(&self, at: WallTime, rule: &Rule) -> Option<i64> {
        match rule.measure {
            Measure::SpendPerHour => Some(self.sum(rule.tier, |tally| tally.spent_hour.sum(at))),
            Measure::SpendPerDay => Some(self.sum(rule.tier, |tally| tally.spent_day.sum(at))),
            _ => None,
        }
    }

    /// The sum over a tier and those above.
    fn sum(&self, from: Tier, count: impl Fn(&Tally) -> i64) -> i64 {
        let tallies = self.tallies.iter().zip(Tier::ALL).filter(|(_, tier)| *tier >= from);
        tallies.filter_map(|(tally, _)| tally.as_deref()).map(count).fold(0, i64::saturating_add)
    }

    fn tally(&mut self, tier: Tier) -> &mut Tally {
        let [standard, elevated, high, premium] = &mut self.tallies;
        let tally = match tier {
            Tier::Standard => standard,
            Tier::Elevated => elevated,
            Tier::High => high,
            Tier::Premium => premium,
        };
        tally.get_or_insert_default()
    }

    fn begin(&mut self, at: WallTime, attempt: &Attempt) {
        let tally = self.tally(attempt.tier);
        tally.calls.add(at, 1);
        tally.concurrent += 1;
        while self.recent.len() >= RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((at, attempt.to));
    }

    fn block(&mut self, at: WallTime, blocked: Blocked) {
        self.blocked.retain(|other| other.until > at && other.scope != blocked.scope);
        while self.blocked.len() >= BLOCKS {
            self.blocked.pop_front();
        }
        self.blocked.push_back(blocked);
    }

    /// Whether a warning is due, which it is then not again for a while.
    fn warn(&mut self, at: WallTime, place: usize, until: WallTime) -> bool {
        self.warned.retain(|(_, until)| *until > at);
        let due = !self.warned.iter().any(|(other, _)| *other == place);
        if due {
            self.warned.push((place, until));
        }
        due
    }

    fn quiet(&self) -> bool {
        self.sum(Tier::Standard, |tally| tally.concurrent) == 0
    }

    fn lift(&mut self) {
        for tally in self.tallies.iter_mut().flatten() {
            **tally = Tally { concurrent: tally.concurrent, ..Tally::default() };
        }
        let (seen, tallies) = (self.seen, core::mem::take(&mut self.tallies));
        *self = Self { seen, tallies, ..Self::default() };
    }
}

/// Of how many calls the number is remembered. Limits on repetition above it are never reached.
const RECENT: usize = 128;
/// How many blocks an account has at most; then the oldest ends early.
const BLOCKS: usize = 32;
/// Ranges that fraud dials through differ in their last three digits.
const LAST_DIGITS: u32 = 3;
