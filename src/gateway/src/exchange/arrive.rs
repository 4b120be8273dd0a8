//! Calls from trunks: which number was called, who owns it, where it leads.

use std::sync::Arc;

use offhook_billing::cdr::Pinned;
use offhook_sip::agent::{Command as Sip, Event as SipEvent, Handle, Incoming, Transport};
use offhook_sip::uri::Uri;
use offhook_store::{LeadsTo, OwnedNumber};
use offhook_types::phone::Reached;
use offhook_types::{Number, PhoneId, Rng};

use super::Exchange;
use crate::leg::{Arrival, Input, Leg, Secret, Takeover, Where};
use crate::trunk::{Srtp, Trunk, trunk_of};

impl Exchange {
    /// The agent says something about what is no leg yet: a call that comes in, or a trunk that is
    /// watched.
    pub(super) fn heard_elsewhere(&mut self, handle: Handle, event: SipEvent) {
        match event {
            SipEvent::Incoming(incoming) => self.arrive(handle, incoming),
            event => self.watched(handle, &event),
        }
    }

    fn arrive(&mut self, handle: Handle, incoming: Box<Incoming>) {
        let Some(trunk) = self.tariff.trunks.get(&trunk_of(incoming.peer)).cloned() else {
            return self.turn_away(handle, 403);
        };
        if self.stopping.is_some() || self.legs.len() >= self.options.legs {
            return self.turn_away(handle, 503);
        }
        // The keys of its media would be readable on the way (RFC 4568 §7.3).
        if trunk.settings.srtp == Srtp::Required && incoming.flow.transport != Transport::Tls {
            return self.turn_away(handle, 403);
        }
        if let Some(old) = incoming.replaces {
            return self.take_over(handle, old, *incoming);
        }
        let called = [&incoming.target, &incoming.to.uri];
        let owned = called.into_iter().find_map(|uri| self.owned(uri)).cloned();
        let Some(owned) = owned else {
            tracing::info!(trunk = %trunk.way.name, "a call to a number that is not ours");
            return self.turn_away(handle, 404);
        };
        let Ok(secret) = crate::random_bytes().map(Secret) else {
            return self.turn_away(handle, 500);
        };
        let phone = PhoneId::random(&mut self.rng);
        self.dialogs.insert(handle, phone);
        self.ladder.begin(handle, phone);
        let price = Pinned::free(self.options.newcomer.currency);
        let arrival = Arrival {
            phone,
            handle,
            from: caller(&incoming),
            name: name(&incoming),
            incoming,
            trunk: trunk.clone(),
            called: owned.number.clone(),
            account: owned.account,
            leads_to: leads_to(&owned),
            sell: price.clone(),
            buy: price,
            secret,
        };
        tracing::info!(%phone, trunk = %trunk.way.name, "a call from a trunk");
        let rng = Rng::from_seed(self.rng.next_u64());
        let leg = Leg::arrive(self.now(), self.options.limits, rng, arrival);
        self.begin(leg);
    }

    /// A phone of the carrier takes the place of another in a call that stands: no leg of its own.
    fn take_over(&mut self, handle: Handle, old: Handle, incoming: Incoming) {
        let Some(&phone) = self.dialogs.get(&old) else { return self.turn_away(handle, 481) };
        let Ok(secret) = crate::random_bytes().map(Secret) else {
            return self.turn_away(handle, 500);
        };
        self.dialogs.insert(handle, phone);
        self.ladder.begin(handle, phone);
        let takeover = Takeover { offer: incoming.body, secret };
        self.give(phone, Input::TakenOver { handle, takeover });
    }

    fn turn_away(&mut self, handle: Handle, status: u16) {
        self.tally.turned_away();
        self.near.sip.command(
            handle,
            Sip::Reject { status, reason: None, retry_after: None, contacts: Vec::new() },
        );
    }

    /// The number of ours that a URI names.
    fn owned(&self, uri: &Uri) -> Option<&OwnedNumber> {
        let user = uri.subscriber()?;
        written(&user).into_iter().find_map(|number| self.tariff.numbers.get(&number))
    }

    /// A trunk by its peer.
    pub(super) fn trunk(&self, id: offhook_types::TrunkId) -> Option<&Arc<Trunk>> {
        self.tariff.trunks.get(&id)
    }
}

/// The numbers that a carrier may mean: with a plus sign, without it, or with the international prefix.
fn written(user: &str) -> Vec<Number> {
    let plain = user.trim_start_matches('+');
    let bare = plain.strip_prefix("00").unwrap_or(plain);
    [bare, plain].into_iter().filter_map(|digits| format!("+{digits}").parse().ok()).collect()
}

/// Who calls, if they may be shown. What the carrier asserts counts more than what the caller says
/// (RFC 3325 §9.1).
fn caller(incoming: &Incoming) -> Option<Number> {
    let identity = &incoming.identity;
    let hides = |privacy: &str| {
        privacy.split(';').any(|word| matches!(word.trim(), "id" | "user" | "header"))
    };
    if identity.privacy.as_ref().is_some_and(|privacy| hides(&privacy.decoded())) {
        return None;
    }
    let asserted = identity.asserted.iter().map(|name| &name.uri);
    let said = asserted.chain([&incoming.from.uri]);
    said.filter_map(|uri| uri.subscriber()).find_map(|user| written(&user).into_iter().next())
}

/// The name that the network shows. It is the caller's own word: short, and one line.
fn name(incoming: &Incoming) -> String {
    if caller(incoming).is_none() {
        return String::new();
    }
    let name = incoming
        .from
        .name
        .as_ref()
        .map_or(String::new(), |name| String::from_utf8_lossy(name.as_bytes()).into_owned());
    name.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect()
}

const LONGEST_NAME: usize = 64;

fn leads_to(owned: &OwnedNumber) -> Where {
    match &owned.leads_to {
        LeadsTo::User(user) => Where { reached: Reached::User(*user), pin: false },
        LeadsTo::Room { name, pin } => {
            Where { reached: Reached::Room(name.clone()), pin: pin.is_some() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_known_however_a_carrier_writes_them() {
        let ours: Number = "+4930901820".parse().unwrap();
        for user in ["+4930901820", "4930901820", "004930901820"] {
            assert!(written(user).contains(&ours), "{user}");
        }
        assert!(written("anonymous").is_empty());
        assert!(written("").is_empty());
    }
}
