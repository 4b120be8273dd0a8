//! Who presented tokens speak for, remembered for a moment so that not every request asks the
//! store.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use offhook_store::{Bearer, TokenHash};
use offhook_types::{DeviceId, UserId, WallTime};

/// Another node's revocation is noticed after this at the latest; our own at once.
const REMEMBERED: Duration = Duration::from_secs(10);
/// About 300 bytes each.
const MOST: usize = 10_000;

/// Bearers by token. Bounded; everything is forgotten when it is full.
#[derive(Debug, Default)]
pub(crate) struct Bearers {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    bearers: HashMap<TokenHash, (Bearer, Instant)>,
    /// Counts forgettings: what was read from the store before one may be outdated after it.
    epoch: u64,
}

impl Bearers {
    /// The bearer, if remembered and still good.
    pub(crate) fn find(&self, now: WallTime, token: &TokenHash) -> Option<Bearer> {
        let known = self.lock();
        let (bearer, since) = known.bearers.get(token)?;
        (since.elapsed() < REMEMBERED && bearer.expires_at > now).then(|| bearer.clone())
    }

    /// To be read before the store is asked, and handed to [`remember`](Self::remember).
    pub(crate) fn epoch(&self) -> u64 {
        self.lock().epoch
    }

    /// Remember what the store said, unless something was forgotten meanwhile.
    pub(crate) fn remember(&self, epoch: u64, token: TokenHash, bearer: &Bearer) {
        let mut known = self.lock();
        if known.epoch != epoch {
            return;
        }
        if known.bearers.len() >= MOST {
            known.bearers.clear();
        }
        known.bearers.insert(token, (bearer.clone(), Instant::now()));
    }

    /// A device's tokens changed or are void.
    pub(crate) fn forget_device(&self, device: DeviceId) {
        self.forget(|bearer| bearer.device.id == device);
    }

    /// A user changed.
    pub(crate) fn forget_user(&self, user: UserId) {
        self.forget(|bearer| bearer.user.id == user);
    }

    fn forget(&self, which: impl Fn(&Bearer) -> bool) {
        let mut known = self.lock();
        known.epoch += 1;
        known.bearers.retain(|_, (bearer, _)| !which(bearer));
    }

    /// A panic elsewhere leaves the map whole: every change to it is one call.
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use offhook_store::{Device, User};

    use super::*;

    fn bearer(device: u64) -> Bearer {
        let user = User {
            id: UserId(1),
            number: "+12025550123".parse().unwrap(),
            display_name: String::new(),
            created_at: WallTime(0),
        };
        let device = Device {
            id: DeviceId(device),
            user: user.id,
            name: String::new(),
            created_at: WallTime(0),
            last_seen_at: WallTime(0),
        };
        Bearer { user, device, expires_at: WallTime(100) }
    }

    #[test]
    fn a_bearer_is_found_until_it_expires_or_is_forgotten() {
        let bearers = Bearers::default();
        let token = TokenHash([1; 32]);
        bearers.remember(bearers.epoch(), token, &bearer(7));
        assert!(bearers.find(WallTime(99), &token).is_some());
        assert!(bearers.find(WallTime(100), &token).is_none());
        bearers.forget_device(DeviceId(7));
        assert!(bearers.find(WallTime(99), &token).is_none());
    }

    #[test]
    fn what_was_read_before_a_revocation_is_not_remembered_after_it() {
        let bearers = Bearers::default();
        let token = TokenHash([1; 32]);
        let epoch = bearers.epoch();
        bearers.forget_device(DeviceId(7));
        bearers.remember(epoch, token, &bearer(7));
        assert!(bearers.find(WallTime(0), &token).is_none());
    }
}
