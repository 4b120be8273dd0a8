//! The side that has a password.

use core::fmt;

use offhook_types::Rng;

use super::digest::Sum;
use super::{Algorithm, Challenge, Qop};
use crate::header::Name;
use crate::message::{Request, Response};
use crate::scan;
use crate::text::Text;

/// A name and its password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Where they are used; anywhere when it is not said.
    pub realm: Option<String>,
    /// The name.
    pub user: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted credentials]")
    }
}

/// Why a challenge is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// There is none that we could answer: another scheme, algorithm or protection.
    #[error("no challenge that we can answer")]
    Unsupported,
    /// There are no credentials for the realm.
    #[error("no credentials for this realm")]
    NoCredentials,
    /// These credentials were sent and turned down.
    #[error("credentials turned down")]
    TurnedDown,
}

/// Answers the challenges of one peer, over all the requests to it. Keeps a nonce until it is stale and
/// counts how often it was used, so that later requests need no challenge.
#[derive(Debug, Clone)]
pub struct Client {
    credentials: Vec<Credentials>,
    spaces: Vec<Space>,
}

/// One protection space: a realm of a server or of a proxy on the way.
#[derive(Debug, Clone)]
struct Space {
    proxy: bool,
    challenge: Challenge,
    credentials: Credentials,
    cnonce: String,
    /// How often the nonce was used.
    count: u32,
    /// How many challenges came since something was accepted.
    tries: u8,
}

impl Client {
    /// With these credentials and no challenge yet.
    pub fn new(credentials: Vec<Credentials>) -> Self {
        Self { credentials, spaces: Vec::new() }
    }

    /// Take the challenges of a 401 or 407. `Ok` means that the request is worth sending again, with
    /// [`Client::authorize`].
    ///
    /// A realm that turned the same credentials down is not answered again, unless it says that only
    /// the nonce was stale, and that not more than [`MAX_STALE`] times in a row.
    pub fn challenged(&mut self, response: &Response, rng: &mut Rng) -> Result<(), NoAnswer> {
        let mut offers: Vec<(bool, Challenge)> = Vec::new();
        for (name, value) in response.headers.iter() {
            let proxy = match name {
                Name::WwwAuthenticate => false,
                Name::ProxyAuthenticate => true,
                _ => continue,
            };
            let Some(offer) = Challenge::parse(value) else { continue };
            let more = offers.len() < MAX_REALMS;
            match offers.iter_mut().find(|(p, o)| *p == proxy && o.realm == offer.realm) {
                Some((_, best)) if offer.algorithm > best.algorithm => *best = offer,
                None if more => offers.push((proxy, offer)),
                Some(_) | None => {}
            }
        }
        let mut outcome = Err(NoAnswer::Unsupported);
        for (proxy, offer) in offers {
            match self.take(proxy, offer, rng) {
                Ok(()) => outcome = outcome.or(Ok(())),
                Err(NoAnswer::TurnedDown) => return Err(NoAnswer::TurnedDown),
                Err(other) => outcome = outcome.or(Err(other)),
            }
        }
        outcome
    }

    /// Something other than a challenge came back: the credentials were good, and a later challenge is
    /// a new one.
    pub fn accepted(&mut self) {
        for space in &mut self.spaces {
            space.tries = 0;
        }
    }

    /// Put an answer for every realm that has challenged us into a request, instead of those in it. The
    /// request must be as it will be sent.
    pub fn authorize(&mut self, request: &mut Request) {
        request.headers.remove(&Name::Authorization);
        request.headers.remove(&Name::ProxyAuthorization);
        for space in &mut self.spaces {
            space.count = space.count.saturating_add(1);
            let value = space.answer(request);
            let name = if space.proxy { Name::ProxyAuthorization } else { Name::Authorization };
            request.headers.push(name, Text::new(value));
        }
    }

    fn take(&mut self, proxy: bool, offer: Challenge, rng: &mut Rng) -> Result<(), NoAnswer> {
        let fits = |known: &&Credentials| {
            known.realm.as_ref().is_none_or(|realm| offer.realm == realm.as_str())
        };
        let credentials = self.credentials.iter().find(fits).ok_or(NoAnswer::NoCredentials)?;
        let same = |space: &Space| space.proxy == proxy && space.challenge.realm == offer.realm;
        let known = self.spaces.iter().position(same);
        let before = known.and_then(|at| self.spaces.get(at));
        let tries = before.map_or(0, |space| space.tries);
        // A nonce that is given again has been counted before.
        let counted = before.filter(|space| space.challenge.nonce == offer.nonce);
        let count = counted.map_or(0, |space| space.count);
        let again = offer.stale && tries <= MAX_STALE;
        if tries > 0 && !again {
            return Err(NoAnswer::TurnedDown);
        }
        let space = Space {
            proxy,
            challenge: offer,
            credentials: credentials.clone(),
            cnonce: format!("{:016x}{:016x}", rng.next_u64(), rng.next_u64()),
            count,
            tries: tries.saturating_add(1),
        };
        let more = self.spaces.len() < MAX_REALMS;
        match known.and_then(|at| self.spaces.get_mut(at)) {
            Some(old) => *old = space,
            None if more => self.spaces.push(space),
            None => return Err(NoAnswer::Unsupported),
        }
        Ok(())
    }
}

impl Space {
    fn answer(&self, request: &Request) -> Vec<u8> {
        let Challenge { realm, nonce, opaque, algorithm, qop, userhash, .. } = &self.challenge;
        let Credentials { user, password, .. } = &self.credentials;
        let mut uri = Vec::new();
        request.uri.write(&mut uri);
        let sum = Sum {
            algorithm: *algorithm,
            nonce: nonce.as_bytes(),
            qop: qop.map(|qop| (qop, self.count, self.cnonce.as_bytes())),
            method: request.method.name(),
            uri: &uri,
            body: &request.body,
        };
        let secret = secret(*algorithm, user, realm, password);
        let name = match userhash {
            true => algorithm.hash(&[user.as_bytes(), realm.as_bytes()]),
            false => user.clone(),
        };
        let mut out = b"Digest ".to_vec();
        push(&mut out, "username", name.as_bytes());
        push(&mut out, "realm", realm.as_bytes());
        push(&mut out, "nonce", nonce.as_bytes());
        push(&mut out, "uri", &uri);
        push(&mut out, "response", sum.response(&secret).as_bytes());
        if let Some(opaque) = opaque {
            push(&mut out, "opaque", opaque.as_bytes());
        }
        if let Some(qop) = qop {
            push(&mut out, "cnonce", self.cnonce.as_bytes());
            out.extend(format!("qop={}, nc={:08x}, ", Qop::name(*qop), self.count).into_bytes());
        }
        if *userhash {
            out.extend(b"userhash=true, ");
        }
        out.extend(format!("algorithm={}", algorithm.name()).into_bytes());
        out
    }
}

/// The hash of `user:realm:password`.
pub(super) fn secret(algorithm: Algorithm, user: &str, realm: &Text, password: &str) -> String {
    algorithm.hash(&[user.as_bytes(), realm.as_bytes(), password.as_bytes()])
}

fn push(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend(name.as_bytes());
    out.push(b'=');
    scan::push_quoted(out, value);
    out.extend(b", ");
}

/// How often in a row a nonce may turn stale. A server that says so for ever has another complaint.
pub const MAX_STALE: u8 = 3;
/// Most realms on the way to one peer.
const MAX_REALMS: usize = 8;
