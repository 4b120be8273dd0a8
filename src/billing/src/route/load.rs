//! How busy trunks and accounts are.

use core::time::Duration;
use std::collections::HashMap;

use offhook_types::{AccountId, Time, TrunkId};

use super::trunk::Caps;
use crate::refusal::Refusal;

/// Which cap is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// Every channel is taken.
    Channels,
    /// Calls begin as fast as they may.
    TooFast,
}

/// A call that begins.
#[derive(Debug, Clone, Copy)]
pub struct Begun {
    /// Who pays.
    pub account: AccountId,
    /// What the plan allows.
    pub caps: Caps,
    /// An emergency call is never refused.
    pub emergency: bool,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Load {
    trunks: HashMap<TrunkId, Usage>,
    accounts: HashMap<AccountId, Usage>,
    /// How many accounts there may be before idle ones are forgotten.
    sweep_at: usize,
}

#[derive(Debug, Clone, Default)]
struct Usage {
    channels: u32,
    /// A token bucket that holds one second of calls, kept as the time at which it is full again.
    full_at: Time,
}

impl Usage {
    fn room(&self, now: Time, caps: Caps) -> Result<(), Full> {
        if caps.channels.is_some_and(|most| self.channels >= most) {
            return Err(Full::Channels);
        }
        match caps.per_second {
            Some(rate) if self.after(now, rate).is_none_or(|full| full > now + SECOND) => {
                Err(Full::TooFast)
            }
            _ => Ok(()),
        }
    }

    fn take(&mut self, now: Time, caps: Caps) {
        self.channels = self.channels.saturating_add(1);
        if let Some(full_at) = caps.per_second.and_then(|rate| self.after(now, rate)) {
            self.full_at = full_at.min(now + SECOND);
        }
    }

    /// When the bucket is full again if one more is taken now; `None` where none may ever.
    fn after(&self, now: Time, per_second: u32) -> Option<Time> {
        Some(self.full_at.max(now) + SECOND.checked_div(per_second)?)
    }
}

impl Load {
    pub(super) fn room(&self, now: Time, trunk: TrunkId, caps: Caps) -> Result<(), Full> {
        self.trunks.get(&trunk).unwrap_or(&Usage::default()).room(now, caps)
    }

    pub(super) fn claim(&mut self, now: Time, trunk: TrunkId, caps: Caps) -> Result<(), Full> {
        self.room(now, trunk, caps)?;
        self.trunks.entry(trunk).or_default().take(now, caps);
        Ok(())
    }

    pub(super) fn release(&mut self, trunk: TrunkId) {
        if let Some(usage) = self.trunks.get_mut(&trunk) {
            usage.channels = usage.channels.saturating_sub(1);
        }
    }

    pub(super) fn channels(&self, trunk: TrunkId) -> u32 {
        self.trunks.get(&trunk).map_or(0, |usage| usage.channels)
    }

    pub(super) fn account_full(
        &self,
        now: Time,
        account: AccountId,
        caps: Caps,
    ) -> Option<Refusal> {
        match self.accounts.get(&account).unwrap_or(&Usage::default()).room(now, caps) {
            Ok(()) => None,
            Err(Full::Channels) => Some(Refusal::AccountFull),
            Err(Full::TooFast) => Some(Refusal::AccountTooFast),
        }
    }

    pub(super) fn begin(&mut self, now: Time, call: &Begun) -> Result<(), Refusal> {
        let caps = if call.emergency { Caps::NONE } else { call.caps };
        if let Some(refusal) = self.account_full(now, call.account, caps) {
            return Err(refusal);
        }
        if self.accounts.len() >= self.sweep_at {
            self.accounts.retain(|_, usage| usage.channels > 0 || usage.full_at > now);
            self.sweep_at = (self.accounts.len() * 2).max(FEW);
        }
        self.accounts.entry(call.account).or_default().take(now, caps);
        Ok(())
    }

    pub(super) fn end(&mut self, now: Time, account: AccountId) {
        let Some(usage) = self.accounts.get_mut(&account) else { return };
        usage.channels = usage.channels.saturating_sub(1);
        if usage.channels == 0 && usage.full_at <= now {
            self.accounts.remove(&account);
        }
    }
}

const SECOND: Duration = Duration::from_secs(1);
const FEW: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const TRUNK: TrunkId = TrunkId(1);

    fn caps(per_second: u32, channels: u32) -> Caps {
        Caps { per_second: Some(per_second), channels: Some(channels) }
    }

    fn check(load: &mut Load, at_ms: u64, caps: Caps, expect: Result<(), Full>) {
        assert_eq!(load.claim(Time::from_millis(at_ms), TRUNK, caps), expect, "at {at_ms} ms");
    }

    #[test]
    fn a_channel_is_free_again_when_it_is_given_back() {
        let mut load = Load::default();
        let two = Caps { channels: Some(2), ..Caps::NONE };
        check(&mut load, 0, two, Ok(()));
        check(&mut load, 0, two, Ok(()));
        check(&mut load, 0, two, Err(Full::Channels));
        load.release(TRUNK);
        check(&mut load, 0, two, Ok(()));
        assert_eq!(load.channels(TRUNK), 2);
    }

    #[test]
    fn so_many_calls_begin_in_a_second_and_no_more() {
        let mut load = Load::default();
        for _ in 0..4 {
            check(&mut load, 0, caps(4, 99), Ok(()));
        }
        check(&mut load, 0, caps(4, 99), Err(Full::TooFast));
        check(&mut load, 249, caps(4, 99), Err(Full::TooFast));
        check(&mut load, 250, caps(4, 99), Ok(()));
        check(&mut load, 251, caps(4, 99), Err(Full::TooFast));
    }

    #[test]
    fn a_cap_of_none_lets_nothing_through() {
        check(&mut Load::default(), 0, caps(0, 9), Err(Full::TooFast));
        check(&mut Load::default(), 0, caps(9, 0), Err(Full::Channels));
    }

    #[test]
    fn accounts_have_caps_that_emergencies_ignore() {
        let mut load = Load::default();
        let call = |emergency| Begun { account: AccountId(1), caps: caps(9, 1), emergency };
        assert_eq!(load.begin(Time::ZERO, &call(false)), Ok(()));
        assert_eq!(load.begin(Time::ZERO, &call(false)), Err(Refusal::AccountFull));
        assert_eq!(load.begin(Time::ZERO, &call(true)), Ok(()));
        load.end(Time::from_millis(1), AccountId(1));
        load.end(Time::from_millis(2000), AccountId(1));
        assert!(load.accounts.is_empty());
    }

    #[test]
    fn idle_accounts_are_forgotten() {
        let mut load = Load::default();
        for serial in 0..100_000 {
            let now = Time::from_millis(serial * 10);
            let call = Begun { account: AccountId(serial), caps: caps(1, 1), emergency: false };
            load.begin(now, &call).unwrap();
            load.end(now, AccountId(serial));
        }
        assert!(load.accounts.len() <= FEW);
    }
}
