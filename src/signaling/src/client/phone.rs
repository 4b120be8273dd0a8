//! What devices ask about the phone network and its money.

use offhook_proto::client::{Balance, Charge, HistoryResponse, Quote, QuoteRequest};
use offhook_store::User;
use offhook_types::phone::{self, Digit};
use offhook_types::{CallId, UserId};

use super::requests::{Requests, no_such_call};
use crate::account::Failure;
use crate::calls::show_balance;
use crate::phone::{Question, QuoteRefusal, Typed};

/// Keys pressed at once.
const MAX_KEYS: usize = 32;
/// Longest text that is taken for a number.
const MAX_TYPED: usize = 64;

impl Requests {
    pub(super) async fn quote(&self, user: &User, asked: QuoteRequest) -> Result<Quote, Failure> {
        self.quotes.check(&user.id)?;
        if asked.number.len() > MAX_TYPED {
            return Err(QuoteRefusal::InvalidNumber.into());
        }
        let typed = Typed(asked.number);
        let question = Question { user: user.id, home: user.number.clone(), typed };
        Ok(show_quote(self.calls.quote(question).await?))
    }

    pub(super) async fn balance(&self, user: UserId) -> Result<Balance, Failure> {
        let balance = self.calls.balance(user).await?;
        balance.map(show_balance).ok_or_else(|| QuoteRefusal::NoRoute.into())
    }

    pub(super) async fn charge(&self, user: UserId, call: CallId) -> Result<Charge, Failure> {
        let charge = self.calls.charge(user, call).await?;
        charge.map(show_charge).ok_or_else(no_such_call)
    }

    /// The history with what each call cost. Without an answer it is shown without.
    pub(super) async fn priced(
        &self,
        user: UserId,
        mut history: HistoryResponse,
    ) -> HistoryResponse {
        let phone = i32::from(offhook_proto::client::CallVia::Phone);
        let paid = history.calls.iter().filter(|entry| entry.via == phone && entry.accepted_at > 0);
        let calls: Vec<CallId> = paid.filter_map(|entry| entry.call_id.parse().ok()).collect();
        if calls.is_empty() {
            return history;
        }
        let charges = self.calls.charges(user, calls).await.unwrap_or_default();
        for charge in charges {
            let id = charge.call.to_string();
            if let Some(entry) = history.calls.iter_mut().find(|entry| entry.call_id == id) {
                entry.charge_micros = charge.amount.0;
                entry.currency = charge.currency.to_string();
            }
        }
        history
    }
}

/// The keys of a telephone.
pub(super) fn read_keys(keys: &str) -> Result<Vec<Digit>, Failure> {
    let bad = || Failure::bad_request("keys are 1 to 32 of 0 to 9, *, #, A to D");
    if keys.is_empty() || keys.len() > MAX_KEYS {
        return Err(bad());
    }
    keys.chars().map(|key| Digit::from_face(key).ok_or_else(bad)).collect()
}

fn show_quote(quote: phone::Quote) -> Quote {
    Quote {
        quote_id: quote.id.to_string(),
        number: quote.to.as_str().to_owned(),
        destination: quote.destination,
        per_minute_micros: quote.per_minute.0,
        connection_fee_micros: quote.connection_fee.0,
        currency: quote.currency.to_string(),
        first_increment_s: quote.first_increment_s,
        next_increment_s: quote.next_increment_s,
        valid_for_ms: u32::try_from(quote.valid_for.as_millis()).unwrap_or(u32::MAX),
        // A balance that lasts for less than a second does not last for ever.
        longest_s: quote
            .longest
            .map_or(0, |longest| u32::try_from(longest.as_secs()).unwrap_or(u32::MAX).max(1)),
        emergency: quote.emergency,
    }
}

fn show_charge(charge: phone::Charge) -> Charge {
    Charge {
        call_id: charge.call.to_string(),
        destination: charge.destination,
        per_minute_micros: charge.per_minute.0,
        connection_fee_micros: charge.connection_fee.0,
        talked_ms: charge.talked_ms,
        billed_s: charge.billed_s,
        amount_micros: charge.amount.0,
        currency: charge.currency.to_string(),
        mos: charge.mos.into(),
        closed: charge.closed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_sixteen_keys_are_pressed() {
        for (keys, many) in [
            ("0123456789*#ABCD", Some(16)),
            ("abcd", Some(4)),
            ("", None),
            ("12e", None),
            ("1 2", None),
            ("+", None),
            ("٣", None),
            (&"1".repeat(32), Some(32)),
            (&"1".repeat(33), None),
        ] {
            assert_eq!(read_keys(keys).ok().map(|keys| keys.len()), many, "{keys}");
        }
    }

    #[test]
    fn a_balance_that_lasts_no_second_is_not_endless() {
        let mut quote = phone::Quote {
            id: offhook_types::QuoteId(1),
            to: "+4930901820".parse().unwrap(),
            destination: "Germany".into(),
            per_minute: offhook_types::Micros(12_500),
            connection_fee: offhook_types::Micros(0),
            currency: offhook_types::Currency::USD,
            first_increment_s: 60,
            next_increment_s: 6,
            valid_for: std::time::Duration::from_secs(300),
            longest: Some(std::time::Duration::from_millis(300)),
            emergency: false,
        };
        assert_eq!(show_quote(quote.clone()).longest_s, 1);
        quote.longest = None;
        assert_eq!(show_quote(quote).longest_s, 0);
    }
}
