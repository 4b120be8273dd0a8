//! Peers that have to show a password before a call of theirs is one (RFC 3261 §22.2).
//!
//! Nothing is kept for a challenge: its nonce proves that it is ours, and so does the tag of the 401, by
//! which the ACK is known (RFC 3261 §8.2.7). Only an INVITE with a right answer opens a transaction.

use core::time::Duration;
use std::collections::BTreeMap;

use offhook_types::Time;

use super::{Agent, Flow, Gate, Login, PeerId};
use crate::auth::{Challenger, Denied};
use crate::header::Name;
use crate::message::Request;

/// Who has to log in, and how that went.
#[derive(Debug)]
pub(super) struct Logins {
    challenger: Challenger,
    gates: BTreeMap<PeerId, Gate>,
    /// Of those who have to, who got it wrong.
    wrong: BTreeMap<PeerId, Wrong>,
}

/// Wrong answers of one peer since the first of them.
#[derive(Debug, Clone, Copy)]
struct Wrong {
    since: Time,
    many: u32,
}

/// A nonce is good for that long: more than a call takes to ask and answer, less than a trace is worth.
const LIFETIME: Duration = Duration::from_secs(120);
/// So many guesses at a password in [`WINDOW`]: a person who mistypes gets on, and a password of 40 bits
/// (10^12 guesses at ten a minute) holds for two hundred thousand years.
const GUESSES: u32 = 10;
const WINDOW: Duration = Duration::from_secs(60);

impl Logins {
    /// With a key that nobody else has.
    pub fn new(realm: &str, key: [u8; 32]) -> Self {
        let challenger = Challenger::new(realm, key, LIFETIME);
        Self { challenger, gates: BTreeMap::new(), wrong: BTreeMap::new() }
    }

    /// Replaces the table of who has to log in as whom.
    pub fn set(&mut self, gates: Vec<(PeerId, Gate)>) {
        self.gates = gates.into_iter().collect();
        self.wrong.retain(|peer, _| self.gates.contains_key(peer));
    }

    /// `None` where this peer need not.
    fn judge(&mut self, now: Time, peer: PeerId, request: &Request) -> Option<Login> {
        let Gate { credentials, algorithms } = self.gates.get(&peer)?;
        let wrong = self.wrong.get(&peer).filter(|wrong| now.since(wrong.since) < WINDOW);
        let wrong = wrong.copied().unwrap_or(Wrong { since: now, many: 0 });
        // Not even a right answer counts now, or guessing would go on.
        let answers = request.headers.get(&Name::Authorization).is_some();
        if answers && wrong.many >= GUESSES {
            return Some(Login::TooMany);
        }
        let password =
            |user: &str| (user == credentials.user).then(|| credentials.password.clone());
        Some(match self.challenger.verify(now, request, algorithms, password) {
            Ok(_) => Login::LetIn,
            Err(Denied::NoCredentials) => Login::Challenged,
            Err(Denied::Stale) => Login::Stale,
            Err(Denied::Replayed) => Login::Replayed,
            Err(Denied::Malformed) => Login::Malformed,
            Err(Denied::Wrong) => {
                self.wrong.insert(peer, Wrong { many: wrong.many + 1, ..wrong });
                Login::Wrong
            }
        })
    }

    /// Whether this is the ACK of a refusal of ours.
    pub fn has_refused(&self, ack: &Request) -> bool {
        let tag = ack.headers.to().ok().and_then(|to| to.tag().cloned());
        tag.is_some_and(|tag| tag == self.challenger.tag(ack).as_str())
    }
}

impl Agent {
    /// Whether an INVITE may become a call. If not it was answered, and nothing is remembered of it.
    pub(super) fn is_let_in(&mut self, (flow, peer): (Flow, PeerId), request: &Request) -> bool {
        let Some(login) = self.logins.judge(self.now, peer, request) else { return true };
        self.stats.logins.add(login);
        let Logins { challenger, gates, .. } = &self.logins;
        let offered = gates.get(&peer).map_or(&[][..], |gate| &gate.algorithms);
        let mut refuse = |why| challenger.refuse(self.now, request, (why, offered), &mut self.rng);
        let mut response = match login {
            Login::LetIn => return true,
            Login::Challenged => refuse(Denied::NoCredentials),
            Login::Stale => refuse(Denied::Stale),
            Login::Replayed => refuse(Denied::Replayed),
            Login::Wrong => refuse(Denied::Wrong),
            Login::Malformed => refuse(Denied::Malformed),
            Login::TooMany => request.response(403),
        };
        response.headers.set_to_tag(self.logins.challenger.tag(request).as_str());
        response.headers.push(Name::Server, self.config.product.as_str());
        self.send_stateless(flow, request, &response);
        false
    }
}
