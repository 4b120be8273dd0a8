//! The side that wants a password.

use core::fmt;
use core::time::Duration;
use std::collections::BTreeMap;

use offhook_types::{Rng, Time};

use super::challenge::AuthParams;
use super::client::secret;
use super::digest::{Sum, hex, mac, same};
use super::{Algorithm, Qop};
use crate::header::Name;
use crate::message::{Request, Response};
use crate::scan;
use crate::text::Text;
use crate::uri::Uri;

/// Challenges requests and judges what comes back.
///
/// A nonce is the time it was made, a random number and a MAC of both under our key, so nothing is kept
/// for those that never come back. For those that do, a window of 64 counts is kept, so that each
/// count is taken once. When more nonces are in use than are kept, the oldest turn stale.
pub struct Challenger {
    realm: Text,
    key: [u8; 32],
    lifetime: Duration,
    windows: BTreeMap<Stamp, Window>,
    /// Nonces up to this one are stale.
    floor: Stamp,
}

/// When a nonce was made, and its random number.
type Stamp = (Time, u64);

/// Counts of one nonce that were used.
#[derive(Debug, Clone, Copy, Default)]
struct Window {
    highest: u32,
    /// Bit 0 is the highest, bit 1 the one before.
    used: u64,
}

/// Why a request is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// It has no digest credentials for our realm: challenge it.
    NoCredentials,
    /// They are right and their nonce is too old: challenge it with `stale`.
    Stale,
    /// An unknown user or a wrong password: challenge it again.
    Wrong,
    /// They are right and their count was used before: challenge it with `stale`, since it may be a
    /// client that does not count.
    Replayed,
    /// They contradict themselves or the request (RFC 7616 §3.4.6): 400.
    Malformed,
}

impl Challenger {
    /// With a key that nobody else has.
    pub fn new(realm: &str, key: [u8; 32], lifetime: Duration) -> Self {
        Self {
            realm: Text::from(realm),
            key,
            lifetime,
            windows: BTreeMap::new(),
            floor: (Time::ZERO, 0),
        }
    }

    /// A 401 to this request that offers these algorithms in their order; 400 where that is the answer.
    pub fn refuse(
        &self,
        now: Time,
        request: &Request,
        (why, offered): (Denied, &[Algorithm]),
        rng: &mut Rng,
    ) -> Response {
        if why == Denied::Malformed {
            return request.response(400);
        }
        let mut response = request.response(401);
        let nonce = self.nonce((now, rng.next_u64()));
        let right = matches!(why, Denied::Stale | Denied::Replayed);
        let stale = if right { ", stale=true" } else { "" };
        for algorithm in offered {
            let mut value = b"Digest realm=".to_vec();
            scan::push_quoted(&mut value, self.realm.as_bytes());
            let rest = format!(
                ", nonce=\"{nonce}\", qop=\"auth,auth-int\", algorithm={}{stale}",
                algorithm.name()
            );
            value.extend(rest.into_bytes());
            response.headers.push(Name::WwwAuthenticate, Text::new(value));
        }
        response
    }

    /// A tag for the refusal of a request, the same each time it comes and beyond guessing: by it an ACK
    /// is known, although nothing was kept (RFC 3261 §8.2.7).
    pub fn tag(&self, request: &Request) -> String {
        let headers = &request.headers;
        let from = headers.from().ok().and_then(|from| from.tag().cloned()).unwrap_or_default();
        let call = headers.call_id().unwrap_or_default();
        let number = headers.cseq().map_or(0, |cseq| cseq.number).to_string();
        let text =
            [b"tag".as_slice(), call.as_bytes(), from.as_bytes(), number.as_bytes()].join(&b' ');
        hex(mac(&self.key, &text).get(..8).unwrap_or_default())
    }

    /// The user that this request is from, shown with one of these algorithms. `password` knows the
    /// users.
    pub fn verify(
        &mut self,
        now: Time,
        request: &Request,
        offered: &[Algorithm],
        password: impl FnOnce(&str) -> Option<String>,
    ) -> Result<String, Denied> {
        let answers = request.headers.all(&Name::Authorization).filter_map(AuthParams::digest);
        let ours = |params: &AuthParams| params.get("realm") == Some(&self.realm);
        let answer = answers.into_iter().find(ours).ok_or(Denied::NoCredentials)?;
        let answer = Answer::read(&answer).filter(|answer| offered.contains(&answer.algorithm));
        let answer = answer.ok_or(Denied::Malformed)?;
        let meant = Uri::parse(answer.uri.as_bytes()).map_err(|_| Denied::Malformed)?;
        if !meant.same(&request.uri) {
            return Err(Denied::Malformed);
        }
        let Some(stamp) = self.stamp(&answer.nonce) else { return Err(Denied::Stale) };
        let user = answer.user.decoded().into_owned();
        // An unknown user costs as much time as a wrong password.
        let known = password(&user);
        let sum = Sum {
            algorithm: answer.algorithm,
            nonce: answer.nonce.as_bytes(),
            qop: Some((answer.qop, answer.count, answer.cnonce.as_bytes())),
            method: request.method.name(),
            uri: answer.uri.as_bytes(),
            body: &request.body,
        };
        let key = known.as_deref().unwrap_or_default();
        let right = sum.response(&secret(answer.algorithm, &user, &self.realm, key));
        let given = answer.response.as_bytes().to_ascii_lowercase();
        if !same(right.as_bytes(), &given) || known.is_none() {
            return Err(Denied::Wrong);
        }
        if stamp <= self.floor || now.since(stamp.0) > self.lifetime {
            return Err(Denied::Stale);
        }
        self.use_once(now, stamp, answer.count)?;
        Ok(user)
    }

    fn use_once(&mut self, now: Time, stamp: Stamp, count: u32) -> Result<(), Denied> {
        let window = self.windows.entry(stamp).or_default();
        if !window.take(count) {
            return Err(Denied::Replayed);
        }
        let lifetime = self.lifetime;
        while let Some((&oldest, _)) = self.windows.first_key_value() {
            let gone = now.since(oldest.0) > lifetime;
            if !gone && self.windows.len() <= MAX_NONCES {
                break;
            }
            self.windows.remove(&oldest);
            self.floor = oldest;
        }
        Ok(())
    }

    fn nonce(&self, (made, random): Stamp) -> String {
        let stamp = format!("{:016x}{random:016x}", made.as_micros());
        let mac = mac(&self.key, stamp.as_bytes());
        stamp + &hex(mac.get(..16).unwrap_or_default())
    }

    /// When we made this nonce; `None` if we did not.
    fn stamp(&self, nonce: &Text) -> Option<Stamp> {
        let text = nonce.as_str()?;
        let made = u64::from_str_radix(text.get(..16)?, 16).ok()?;
        let random = u64::from_str_radix(text.get(16..32)?, 16).ok()?;
        let stamp = (Time::from_micros(made), random);
        same(self.nonce(stamp).as_bytes(), text.as_bytes()).then_some(stamp)
    }
}

impl Window {
    /// False when this count was used, or lies too far back to know. Counting begins with one.
    fn take(&mut self, count: u32) -> bool {
        if count > self.highest {
            let moved = count - self.highest;
            self.used = self.used.checked_shl(moved).unwrap_or(0) | 1;
            self.highest = count;
            return true;
        }
        let back = self.highest - count;
        let bit = 1_u64.checked_shl(back).unwrap_or(0);
        let fresh = count > 0 && bit != 0 && self.used & bit == 0;
        self.used |= bit;
        fresh
    }
}

impl fmt::Debug for Challenger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Challenger with {} nonces in use", self.windows.len())
    }
}

struct Answer {
    user: Text,
    nonce: Text,
    uri: Text,
    response: Text,
    algorithm: Algorithm,
    qop: Qop,
    count: u32,
    cnonce: Text,
}

impl Answer {
    /// We always offer a protection, so an answer without one is none of ours.
    fn read(params: &AuthParams) -> Option<Self> {
        let text = |name| params.get(name).cloned();
        let algorithm = match params.get("algorithm") {
            Some(name) => Algorithm::from_name(name.as_bytes())?,
            None => Algorithm::Md5,
        };
        let count = text("nc")?;
        let count = count.as_str().filter(|count| count.len() == 8)?;
        let qop = text("qop")?;
        let qop = [Qop::Auth, Qop::AuthInt].into_iter().find(|known| qop.is(known.name()))?;
        Some(Self {
            user: text("username")?,
            nonce: text("nonce")?,
            uri: text("uri")?,
            response: text("response")?,
            algorithm,
            qop,
            count: u32::from_str_radix(count, 16).ok()?,
            cnonce: text("cnonce")?,
        })
    }
}

/// Most nonces in use whose counts are kept, about 100 bytes each.
const MAX_NONCES: usize = 8192;
