//! Connectivity checks of a controlling agent (RFC 8445 §7.2) that talks to a server with few candidates: every
//! one of them is checked and nominated at once, and the first that answers is used. Afterwards the check is
//! repeated to keep the peer's consent (RFC 7675) and to measure the round trip.

use std::net::SocketAddr;
use std::time::Duration;

use offhook_types::media::IceCredentials;
use offhook_types::{Rng, Time};
use offhook_wire::stun::{self, Builder, Class, IntegrityKey, Message, TransactionId, attribute};

use super::outbox::Outbox;

/// Between the first two attempts at one candidate; doubled each time (RFC 8445 §14.3 has 500 ms for the open
/// internet).
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LONGEST_RETRY: Duration = Duration::from_millis(1600);
/// RFC 7675 §5.1 has 5 s; half of it finds a dead path sooner.
const KEEP_ALIVE: Duration = Duration::from_millis(2500);
/// RFC 7675 §5.1.
const CONSENT: Duration = Duration::from_secs(30);
/// Of a host candidate (RFC 8445 §5.1.2).
const PRIORITY: u32 = (110 << 24) | (65535 << 8) | 255;
const LONGEST: usize = 400;

/// The agent.
pub struct Ice {
    local: IceCredentials,
    own_key: IntegrityKey,
    remote: Option<Half>,
    pairs: Vec<Pair>,
    selected: Option<SocketAddr>,
    answered: Time,
    rtt: Duration,
    tie_breaker: u64,
    rng: Rng,
}

/// What is needed to check the peer.
struct Half {
    username: String,
    key: IntegrityKey,
}

struct Pair {
    remote: SocketAddr,
    transaction: TransactionId,
    sent: Time,
    due: Time,
    tries: u32,
}

impl Ice {
    /// An agent that knows no peer yet.
    pub fn new(local: IceCredentials, mut rng: Rng) -> Self {
        let own_key = IntegrityKey::new(local.pwd.as_bytes());
        let tie_breaker = rng.next_u64();
        Self {
            local,
            own_key,
            remote: None,
            pairs: Vec::new(),
            selected: None,
            answered: Time::ZERO,
            rtt: Duration::ZERO,
            tie_breaker,
            rng,
        }
    }

    /// Begin to check the peer's candidates.
    pub fn connect(&mut self, now: Time, remote: &IceCredentials, candidates: &[SocketAddr]) {
        let username = format!("{}:{}", remote.ufrag, self.local.ufrag);
        let key = IntegrityKey::new(remote.pwd.as_bytes());
        self.remote = Some(Half { username, key });
        for &remote in candidates {
            if self.pairs.iter().all(|pair| pair.remote != remote) {
                let transaction = transaction(&mut self.rng);
                self.pairs.push(Pair { remote, transaction, sent: now, due: now, tries: 0 });
            }
        }
    }

    /// Takes a STUN message. True when a path was found by it.
    pub fn handle(&mut self, now: Time, from: SocketAddr, packet: &[u8], out: &mut Outbox) -> bool {
        let Ok(message) = Message::parse(packet) else { return false };
        match message.class {
            Class::Request if message.verify_integrity(&self.own_key) => {
                self.answer(from, message.transaction, out);
                false
            }
            Class::Success => self.answered(now, &message),
            _ => false,
        }
    }

    fn answer(&self, from: SocketAddr, transaction: TransactionId, out: &mut Outbox) {
        out.write(from, LONGEST, |out| {
            Builder::new(out, Class::Success, stun::BINDING, transaction)
                .xor_mapped_address(from)
                .integrity(&self.own_key)
                .fingerprint()
                .finish()
        });
    }

    fn answered(&mut self, now: Time, message: &Message<'_>) -> bool {
        let Some(half) = &self.remote else { return false };
        let asked = |pair: &&mut Pair| pair.transaction == message.transaction;
        let Some(pair) = self.pairs.iter_mut().find(asked) else { return false };
        if !message.verify_integrity(&half.key) {
            return false;
        }
        let remote = pair.remote;
        pair.transaction = transaction(&mut self.rng);
        pair.due = now + KEEP_ALIVE;
        pair.tries = 0;
        self.rtt = now.since(pair.sent);
        self.answered = now;
        let first = self.selected.is_none();
        if first {
            self.selected = Some(remote);
            self.pairs.retain(|pair| pair.remote == remote);
        }
        first
    }

    /// Send what is due.
    pub fn poll(&mut self, now: Time, out: &mut Outbox) {
        let Some(half) = &self.remote else { return };
        for pair in self.pairs.iter_mut().filter(|pair| pair.due <= now) {
            let wait = FIRST_RETRY.saturating_mul(1 << pair.tries.min(8)).min(LONGEST_RETRY);
            (pair.sent, pair.due, pair.tries) = (now, now + wait, pair.tries + 1);
            out.write(pair.remote, LONGEST, |out| {
                Builder::new(out, Class::Request, stun::BINDING, pair.transaction)
                    .attribute(attribute::USERNAME, half.username.as_bytes())
                    .attribute(attribute::PRIORITY, &PRIORITY.to_be_bytes())
                    .attribute(attribute::ICE_CONTROLLING, &self.tie_breaker.to_be_bytes())
                    .attribute(attribute::USE_CANDIDATE, &[])
                    .integrity(&half.key)
                    .fingerprint()
                    .finish()
            });
        }
    }

    /// When to poll next.
    pub fn next_timeout(&self) -> Time {
        self.pairs.iter().map(|pair| pair.due).min().unwrap_or(Time::MAX)
    }

    /// The peer's address that answered first.
    pub fn selected(&self) -> Option<SocketAddr> {
        self.selected
    }

    /// The peer has been silent for too long.
    pub fn is_lost(&self, now: Time) -> bool {
        self.selected.is_some() && now.since(self.answered) > CONSENT
    }

    /// The last round trip of a check.
    pub fn rtt(&self) -> Duration {
        self.rtt
    }
}

fn transaction(rng: &mut Rng) -> TransactionId {
    let mut id = [0; 12];
    id[..8].copy_from_slice(&rng.next_u64().to_be_bytes());
    id[8..].copy_from_slice(&rng.next_u32().to_be_bytes());
    TransactionId(id)
}
