//! The state of trunks: whether they answer, whether we are registered, how well they work. The agent does
//! the asking; this keeps what it says, and what is learned from calls, over restarts.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use offhook_billing::fraud::{Action, Blocked, Measure, Record};
use offhook_billing::route::Observed;
use offhook_sip::agent::{Command as Sip, Event as SipEvent, Handle, Peer, Ping, Register};
use offhook_store::{NewDecision, Reached};
use offhook_types::{TrunkId, WallTime};

use super::Exchange;
use crate::tariff::Tariff;
use crate::trunk::{Trunk, peer};

/// What is watched of every trunk.
#[derive(Debug, Default)]
pub(super) struct Watch {
    trunks: HashMap<TrunkId, Watched>,
    handles: HashMap<Handle, TrunkId>,
    /// What was learned from calls and is not stored yet.
    learned: HashMap<(TrunkId, String, u64), Reached>,
}

#[derive(Debug)]
struct Watched {
    trunk: Arc<Trunk>,
    ping: Option<Handle>,
    register: Option<Handle>,
    up: bool,
    /// `None` where the trunk does not register.
    registered: Option<bool>,
}

/// So many misses in a row take a trunk down, so many answers bring it back.
const DOWN_AFTER: u8 = 2;
const UP_AFTER: u8 = 1;
const HOUR_MS: u64 = 3_600_000;
/// Figures older than this say little about a trunk now.
const RECALLED: Duration = Duration::from_secs(12 * 3600);
/// So many attempts of an hour are enough to know it by.
const REPLAYED: u64 = 64;

/// The newest decisions that may still hold.
const DECISIONS: u32 = 1000;

/// A decision that blocked a destination, as limits on fraud know it.
fn blocked(decision: &NewDecision, block: Duration) -> Option<Record> {
    let scope =
        decision.target.parse().ok().filter(|_| decision.action == Action::Block.as_str())?;
    Some(Record {
        at: decision.at,
        account: decision.account,
        rule: decision.rule.as_str().into(),
        measure: Measure::Concurrent,
        seen: 0,
        limit: 0,
        action: Action::Block,
        blocked: Some(Blocked { scope, until: decision.at.plus(block) }),
        appeal: "".into(),
    })
}

/// The attempts of an hour, or as many in the same proportions.
fn observations(reached: &Reached) -> impl Iterator<Item = Observed> + use<> {
    let shown = reached.attempts.min(REPLAYED);
    let share = |part: u64| part * shown / reached.attempts.max(1);
    let (answered, one_way, delays) =
        (share(reached.answered), share(reached.one_way), share(reached.delays));
    let delay = Duration::from_millis(reached.delay_ms / reached.delays.max(1));
    (0..shown).map(move |nth| Observed {
        answered: nth < answered,
        post_dial_delay: (nth < delays).then_some(delay),
        one_way: nth < one_way,
    })
}

impl Watch {
    /// Note what became of an attempt.
    pub(super) fn observed(
        &mut self,
        now: WallTime,
        trunk: TrunkId,
        country: Option<String>,
        observed: &Observed,
    ) {
        let (country, hour) = (country.unwrap_or_default(), now.0 - now.0 % HOUR_MS);
        let key = (trunk, country.clone(), hour);
        let reached = self.learned.entry(key).or_insert_with(|| Reached {
            trunk,
            country,
            hour: WallTime(hour),
            attempts: 0,
            answered: 0,
            one_way: 0,
            delays: 0,
            delay_ms: 0,
        });
        reached.attempts += 1;
        reached.answered += u64::from(observed.answered);
        reached.one_way += u64::from(observed.one_way);
        if let Some(delay) = observed.post_dial_delay {
            reached.delays += 1;
            reached.delay_ms += u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        }
    }

    /// What was learned since this was asked last.
    pub(super) fn take_learned(&mut self) -> Vec<Reached> {
        self.learned.drain().map(|(_, reached)| reached).collect()
    }

    /// Name, whether it answers, and whether it is registered.
    pub(super) fn states(&self) -> impl Iterator<Item = (&Arc<Trunk>, bool, Option<bool>)> {
        self.trunks.values().map(|watched| (&watched.trunk, watched.up, watched.registered))
    }
}

impl Exchange {
    /// Go by other settings from now on. Calls in progress keep theirs.
    pub(super) fn set_tariff(&mut self, tariff: Tariff) {
        for fault in &tariff.faults {
            tracing::warn!(fault, "a part of what was set up cannot be used: correct it");
        }
        self.router.set_trunks(tariff.ways());
        self.guard.set_rules(tariff.rules.clone());
        self.tariff = tariff;
        let enabled = self.tariff.trunks.values().filter(|trunk| trunk.way.enabled);
        let logins = enabled.filter_map(|trunk| Some((peer(trunk.id()), trunk.gate()?)));
        self.near.sip.peers(self.peers(), logins.collect());
        let known: Vec<TrunkId> = self.watch.trunks.keys().copied().collect();
        for id in known {
            let same = self.trunk(id).is_some_and(|trunk| {
                let watched = self.watch.trunks.get(&id);
                watched.is_some_and(|at| at.trunk.settings == trunk.settings) && trunk.way.enabled
            });
            if !same {
                self.unwatch(id);
            }
        }
        let trunks: Vec<Arc<Trunk>> = self.tariff.trunks.values().cloned().collect();
        for trunk in trunks.into_iter().filter(|trunk| trunk.way.enabled) {
            self.watch(trunk);
        }
    }

    /// Whose packets are read: the networks that operators named, and proxies that are addresses. Proxies
    /// that are names are known to the agent once it has resolved them.
    fn peers(&self) -> Vec<Peer> {
        let enabled = self.tariff.trunks.values().filter(|trunk| trunk.way.enabled);
        let of = |trunk: &Arc<Trunk>| {
            let proxy = trunk.proxy.at.host.ip().map(|net| Peer {
                id: peer(trunk.id()),
                net,
                prefix: if net.is_ipv4() { 32 } else { 128 },
                port: None,
            });
            // Exact ports come first: several trunks may share an address.
            let mut sources = trunk.sources.clone();
            sources.sort_by_key(|source| (source.port.is_none(), u8::MAX - source.prefix));
            sources.into_iter().chain(proxy).collect::<Vec<_>>()
        };
        let mut peers: Vec<Peer> = enabled.flat_map(of).collect();
        // Trunks that nothing else tells apart are told apart the same way after every start.
        peers.sort_by_key(|peer| (peer.port.is_none(), u8::MAX - peer.prefix, peer.id));
        peers
    }

    /// What earlier lives of the server learned about trunks, and decisions that still hold.
    pub(super) async fn recall(&mut self) {
        let now = self.now();
        let since = WallTime(now.wall.0.saturating_sub(RECALLED.as_millis() as u64));
        let stored = self.near.store.quality(since).await.unwrap_or_default();
        for reached in stored {
            let country = reached.country.parse().ok();
            for observed in observations(&reached) {
                self.router.observe(now.time, reached.trunk, country, observed);
            }
        }
        // Suspensions are with the accounts; what is blocked for a while is known from the decision.
        let decisions = self.near.store.decisions(None, None, DECISIONS).await.unwrap_or_default();
        for decision in decisions.iter().map(|decision| &decision.decision) {
            if let Some(record) = blocked(decision, self.tariff.rules.block) {
                self.guard.restore(now.wall, &record);
            }
        }
    }

    /// Store what was learned.
    pub(super) fn learn(&mut self) {
        let learned = self.watch.take_learned();
        if learned.is_empty() {
            return;
        }
        let store = self.near.store.clone();
        self.ask(async move {
            if let Err(error) = store.add_quality(&learned).await {
                tracing::debug!(%error, "what was learned about trunks was not kept");
            }
            None
        });
    }

    fn watch(&mut self, trunk: Arc<Trunk>) {
        let id = trunk.id();
        if let Some(watched) = self.watch.trunks.get_mut(&id) {
            watched.trunk = trunk;
            return;
        }
        let settings = &trunk.settings;
        let ping = (settings.ping_s > 0).then(|| self.handle(id));
        let register = (settings.register_s > 0).then(|| self.handle(id));
        if let Some(handle) = ping {
            let ping = Ping {
                trunk: trunk.reach(),
                target: trunk.uri(None),
                interval: Duration::from_secs(settings.ping_s.into()),
                down_after: DOWN_AFTER,
                up_after: UP_AFTER,
            };
            self.near.sip.command(handle, Sip::Ping(Box::new(ping)));
        }
        if let Some(handle) = register {
            let register = Register {
                trunk: trunk.reach(),
                registrar: trunk.uri(None),
                identity: trunk.uri(Some(&settings.username)),
                contact_user: settings.username.clone(),
                expires: Duration::from_secs(settings.register_s.into()),
            };
            self.near.sip.command(handle, Sip::Register(Box::new(register)));
        }
        let registered = register.map(|_| false);
        let watched = Watched { trunk, ping, register, up: true, registered };
        self.watch.trunks.insert(id, watched);
    }

    /// Take registrations back and stop asking.
    pub(super) fn unwatch_all(&mut self) {
        for id in self.watch.trunks.keys().copied().collect::<Vec<_>>() {
            self.unwatch(id);
        }
    }

    fn unwatch(&mut self, id: TrunkId) {
        let Some(watched) = self.watch.trunks.remove(&id) else { return };
        if let Some(handle) = watched.ping {
            self.near.sip.command(handle, Sip::StopPing);
        }
        if let Some(handle) = watched.register {
            self.near.sip.command(handle, Sip::Unregister);
        }
        self.router.set_up(id, true);
    }

    fn handle(&mut self, trunk: TrunkId) -> Handle {
        let handle = Handle(self.rng.next_u64() >> 1);
        self.watch.handles.insert(handle, trunk);
        handle
    }

    /// The agent says something about a registration or a keep-alive.
    pub(super) fn watched(&mut self, handle: Handle, event: &SipEvent) {
        let Some(&id) = self.watch.handles.get(&handle) else { return };
        if matches!(event, SipEvent::Ended(_)) {
            self.watch.handles.remove(&handle);
            return;
        }
        let Some(watched) = self.watch.trunks.get_mut(&id) else { return };
        let name = watched.trunk.way.name.clone();
        match event {
            SipEvent::TrunkUp => {
                watched.up = true;
                self.router.set_up(id, true);
                tracing::info!(trunk = %name, "trunk answers");
            }
            SipEvent::TrunkDown => {
                watched.up = false;
                self.router.set_up(id, false);
                tracing::warn!(trunk = %name, "trunk does not answer: calls go elsewhere");
            }
            SipEvent::Registered { .. } if watched.registered == Some(true) => {}
            SipEvent::Registered { .. } => {
                watched.registered = Some(true);
                tracing::info!(trunk = %name, "registered");
            }
            SipEvent::RegistrationFailed { status, .. } => {
                watched.registered = Some(false);
                tracing::warn!(trunk = %name, status, "not registered: calls from it may not come in");
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use offhook_billing::fraud::Scope;
    use offhook_types::AccountId;

    use super::*;

    #[test]
    fn what_was_blocked_is_known_after_a_restart() {
        let decision = |action: &str, target: &str| NewDecision {
            account: AccountId(1),
            phone: None,
            rule: "same_range".into(),
            action: action.into(),
            reason: String::new(),
            target: target.into(),
            at: WallTime(1000),
        };
        let block = Duration::from_secs(60);
        let found = blocked(&decision("block", "prefix 4930"), block).and_then(|r| r.blocked);
        let scope = Scope::Prefix("4930".parse().unwrap());
        assert_eq!(found, Some(Blocked { scope, until: WallTime(61_000) }));
        assert!(blocked(&decision("warn", "prefix 4930"), block).is_none());
        assert!(blocked(&decision("block", ""), block).is_none());
    }

    #[test]
    fn an_hour_is_replayed_in_its_proportions() {
        let reached = Reached {
            trunk: TrunkId(1),
            country: "DE".into(),
            hour: WallTime(0),
            attempts: 1000,
            answered: 500,
            one_way: 0,
            delays: 1000,
            delay_ms: 2_000_000,
        };
        let replayed: Vec<Observed> = observations(&reached).collect();
        assert_eq!(replayed.len(), 64);
        assert_eq!(replayed.iter().filter(|observed| observed.answered).count(), 32);
        let delay = Some(Duration::from_secs(2));
        assert!(replayed.iter().all(|observed| observed.post_dial_delay == delay));
    }
}
