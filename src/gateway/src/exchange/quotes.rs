//! Prices that were shown. They are kept for as long as was promised, in memory: after a restart a call is
//! priced anew, and a person sees the new price first, since a quote that is not known is not used.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use offhook_billing::cdr::Pinned;
use offhook_types::{AccountId, Dialed, QuoteId, Rng, Time};

/// A price that was shown.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    account: AccountId,
    until: Time,
    /// For a call to.
    pub(super) to: Dialed,
    /// What was shown.
    pub(super) price: Pinned,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Quotes {
    shown: HashMap<QuoteId, Shown>,
    by_age: BTreeSet<(Time, QuoteId)>,
}

/// Beyond this the oldest are forgotten. A quote is some 200 bytes, so all are 20 MB.
const MOST: usize = 100_000;

impl Quotes {
    pub(super) fn keep(
        &mut self,
        (now, valid_for): (Time, Duration),
        (account, to, price): (AccountId, Dialed, Pinned),
        rng: &mut Rng,
    ) -> QuoteId {
        self.prune(now);
        let (id, until) = (QuoteId::random(rng), now + valid_for);
        self.by_age.insert((until, id));
        self.shown.insert(id, Shown { account, until, to, price });
        id
    }

    /// The price, if it was shown to this account and is still kept.
    pub(super) fn kept(&self, now: Time, id: QuoteId, account: AccountId) -> Option<Shown> {
        let shown = self.shown.get(&id)?;
        (shown.account == account && now < shown.until).then(|| shown.clone())
    }

    fn prune(&mut self, now: Time) {
        while let Some(&(until, id)) = self.by_age.first() {
            if until > now && self.shown.len() < MOST {
                return;
            }
            self.by_age.pop_first();
            self.shown.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use offhook_types::Currency;

    use super::*;

    #[test]
    fn a_quote_is_kept_for_its_account_and_its_time() {
        let mut quotes = Quotes::default();
        let (mut rng, start) = (Rng::from_seed(1), Time::from_millis(1000));
        let to: Dialed = "+4930901820".parse().unwrap();
        let price = Pinned::free(Currency::USD);
        let valid = Duration::from_secs(60);
        let id = quotes.keep((start, valid), (AccountId(1), to.clone(), price), &mut rng);
        let later = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(quotes.kept(later(59), id, AccountId(1)).map(|shown| shown.to), Some(to));
        assert!(quotes.kept(later(60), id, AccountId(1)).is_none(), "its time is over");
        assert!(quotes.kept(later(1), id, AccountId(2)).is_none(), "it was shown to another");
        assert!(quotes.kept(later(1), QuoteId(7), AccountId(1)).is_none(), "it never was");
    }
}
