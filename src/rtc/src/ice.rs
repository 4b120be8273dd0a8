//! An ICE-lite agent (RFC 8445 §2.5) for one leg, one component: it answers connectivity checks,
//! remembers which addresses passed one, which the controlling peer nominated, and when the last
//! check came (consent, RFC 7675, seen from the lite side). It never sends anything unasked and
//! never answers what does not carry our password's integrity, so it cannot be used to amplify.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use offhook_types::counted;
use offhook_types::media::IceCredentials;
use offhook_types::time::Time;
use offhook_wire::stun::{self, Builder, Class, IntegrityKey, Message, attribute};

counted! {
    /// Why a STUN packet was not answered.
    pub enum Drop {
        /// Does not parse, or its FINGERPRINT is wrong.
        Malformed = "malformed",
        /// Not a Binding request.
        NotARequest = "not_a_request",
        /// No USERNAME, or not `ours:theirs`.
        WrongUser = "wrong_user",
        /// No MESSAGE-INTEGRITY, or not under our password.
        Unauthenticated = "unauthenticated",
        /// The caller's buffer cannot hold the answer.
        NoSpace = "no_space",
    }
}

/// What became of a STUN packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Send `reply[..len]` back to where the packet came from.
    Reply {
        /// Length of the answer.
        len: usize,
        /// What the check changed.
        change: Change,
    },
    /// No answer.
    Drop(Drop),
}

/// What a check changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Change {
    /// The sender's address is validated from now on: its packets belong to this leg.
    pub validated: bool,
    /// The sender's address is selected from now on: send to it.
    pub selected: bool,
    /// This address is no longer one of the leg's.
    pub evicted: Option<SocketAddr>,
}

/// Most addresses that one leg keeps: a peer has a handful of candidates behind a few NATs.
pub const MAX_ADDRESSES: usize = 8;

/// A leg without a valid check for this long is dead (RFC 7675 §5.1).
pub const CONSENT: Duration = Duration::from_secs(30);

/// The lite agent of one leg.
pub struct IceLite {
    current: Credentials,
    /// From before an ICE restart, until the first check under the current ones.
    previous: Option<Credentials>,
    addresses: Vec<Address>,
    selected: Option<SocketAddr>,
    /// Value of the nomination that made the selection, where the peer numbers them.
    nomination: u32,
    last_check: Option<Time>,
}

/// What a check's USERNAME and MESSAGE-INTEGRITY are compared with.
#[derive(Clone)]
struct Credentials {
    local_ufrag: String,
    key: IntegrityKey,
    remote_ufrag: Option<String>,
}

/// An address that passed a check.
struct Address {
    at: SocketAddr,
    last_check: Time,
}

impl IceLite {
    /// Waits for checks under our credentials. Until `remote` is known, any peer that knows our
    /// password passes.
    pub fn new(local: IceCredentials, remote: Option<IceCredentials>) -> Self {
        Self {
            current: Credentials::new(&local, remote),
            previous: None,
            addresses: Vec::new(),
            selected: None,
            nomination: 0,
            last_check: None,
        }
    }

    /// The peer's half became known or changed, with our new half on an ICE restart. The earlier
    /// halves stay valid until the first check with the new ones. Addresses and selection stay
    /// until a new nomination.
    pub fn set_remote(&mut self, remote: IceCredentials, local: Option<IceCredentials>) {
        let is_first = self.current.remote_ufrag.is_none();
        let is_known = self.current.remote_ufrag.as_ref() == Some(&remote.ufrag);
        let next = match local {
            Some(local) => Credentials::new(&local, Some(remote)),
            None if is_known => return,
            None => Credentials { remote_ufrag: Some(remote.ufrag), ..self.current.clone() },
        };
        if is_first && next.local_ufrag == self.current.local_ufrag {
            self.current = next;
        } else {
            self.previous = Some(core::mem::replace(&mut self.current, next));
        }
    }

    /// Takes a STUN packet from `from` and writes the answer to `reply` (128 bytes are enough).
    pub fn handle(
        &mut self,
        now: Time,
        from: SocketAddr,
        packet: &[u8],
        reply: &mut [u8],
    ) -> Outcome {
        match self.check(now, from, packet, reply) {
            Ok((len, change)) => Outcome::Reply { len, change },
            Err(reason) => Outcome::Drop(reason),
        }
    }

    /// Shape, then who it is for, then whether it is authentic; only then is anything answered or
    /// remembered.
    fn check(
        &mut self,
        now: Time,
        from: SocketAddr,
        packet: &[u8],
        reply: &mut [u8],
    ) -> Result<(usize, Change), Drop> {
        let request = Message::parse(packet).map_err(|_| Drop::Malformed)?;
        if request.verify_fingerprint() == Some(false) {
            return Err(Drop::Malformed);
        }
        if (request.class, request.method) != (Class::Request, stun::BINDING) {
            return Err(Drop::NotARequest);
        }
        let is_current = self.authenticate(&request)?;
        let credentials = match &self.previous {
            Some(previous) if !is_current => previous,
            _ => &self.current,
        };
        let has_unknown = request.unknown_required().next().is_some();
        // A lite agent is always controlled (RFC 8445 §6.1.1), so a controlled peer has to switch
        // (§7.3.1.1).
        let is_conflict = request.ice_controlled().is_some();
        let class = if has_unknown || is_conflict { Class::Error } else { Class::Success };
        let answer = Builder::new(reply, class, stun::BINDING, request.transaction);
        let finish = |builder: Builder<'_>| {
            builder.integrity(&credentials.key).fingerprint().finish().ok_or(Drop::NoSpace)
        };
        if has_unknown {
            let answer = answer.error_code(420, "Unknown Attribute");
            let len = finish(answer.unknown_attributes(request.unknown_required()))?;
            return Ok((len, Change::default()));
        }
        if is_conflict {
            let len = finish(answer.error_code(487, "Role Conflict"))?;
            return Ok((len, Change::default()));
        }
        let len = finish(answer.xor_mapped_address(canonical(from)))?;
        if is_current {
            self.previous = None;
        }
        Ok((len, self.passed(now, from, &request)))
    }

    /// Whether the request is made with our current credentials (true) or those from before a
    /// restart (false).
    fn authenticate(&self, request: &Message<'_>) -> Result<bool, Drop> {
        let username = request.username().ok_or(Drop::WrongUser)?;
        let mut reason = Drop::WrongUser;
        for (credentials, is_current) in
            [(Some(&self.current), true), (self.previous.as_ref(), false)]
        {
            let Some(credentials) = credentials else { continue };
            if credentials.is_user(username) {
                if request.verify_integrity(&credentials.key) {
                    return Ok(is_current);
                }
                reason = Drop::Unauthenticated;
            }
        }
        Err(reason)
    }

    fn passed(&mut self, now: Time, from: SocketAddr, request: &Message<'_>) -> Change {
        let mut change = Change::default();
        self.last_check = Some(now);
        if let Some(known) = self.addresses.iter_mut().find(|known| known.at == from) {
            known.last_check = now;
        } else {
            if self.addresses.len() >= MAX_ADDRESSES {
                change.evicted = self.evict();
            }
            self.addresses.push(Address { at: from, last_check: now });
            change.validated = true;
        }
        // The latest nomination wins. A peer that numbers its nominations may see them overtake
        // each other.
        if request.use_candidate() {
            let number = nomination(request);
            if number.is_none_or(|number| number >= self.nomination) {
                self.nomination = number.unwrap_or(self.nomination);
                change.selected = self.selected != Some(from);
                self.selected = Some(from);
            }
        }
        change
    }

    /// Forgets the address that was silent for longest. The one we send to is never that.
    fn evict(&mut self) -> Option<SocketAddr> {
        let selected = self.selected;
        let candidates = self.addresses.iter().enumerate();
        let (place, _) = candidates
            .filter(|(_, known)| Some(known.at) != selected)
            .min_by_key(|(_, known)| known.last_check)?;
        Some(self.addresses.swap_remove(place).at)
    }

    /// Where to send: the pair that the peer nominated last.
    pub fn selected(&self) -> Option<SocketAddr> {
        self.selected
    }

    /// Whether an address passed a check and is still kept.
    pub fn is_validated(&self, address: SocketAddr) -> bool {
        self.addresses.iter().any(|known| known.at == address)
    }

    /// Every kept address.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.addresses.iter().map(|known| known.at)
    }

    /// When the last valid check came.
    pub fn last_check(&self) -> Option<Time> {
        self.last_check
    }

    /// When the peer's consent runs out unless another check comes; `None` before the first.
    pub fn consent_ends(&self) -> Option<Time> {
        self.last_check.map(|last| last + CONSENT)
    }
}

impl Credentials {
    fn new(local: &IceCredentials, remote: Option<IceCredentials>) -> Self {
        Self {
            local_ufrag: local.ufrag.clone(),
            key: IntegrityKey::new(local.pwd.as_bytes()),
            remote_ufrag: remote.map(|remote| remote.ufrag),
        }
    }

    /// RFC 8445 §7.2.2: the receiver's fragment, a colon, the sender's.
    fn is_user(&self, username: &[u8]) -> bool {
        let Some((ours, theirs)) = split(username) else { return false };
        ours == self.local_ufrag.as_bytes()
            && self.remote_ufrag.as_ref().is_none_or(|expected| theirs == expected.as_bytes())
    }
}

/// The user fragment of ours that a STUN packet is addressed to (the part of USERNAME before the
/// colon), to find the leg of a packet from an unknown address. Nothing is verified yet.
pub fn addressee(packet: &[u8]) -> Option<&str> {
    let username = Message::parse(packet).ok()?.username()?;
    core::str::from_utf8(split(username)?.0).ok()
}

fn split(username: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = username.iter().position(|&byte| byte == b':')?;
    let (ours, theirs) = username.split_at_checked(colon)?;
    Some((ours, theirs.get(1..)?))
}

/// The number of a nomination (draft-thatcher-ice-renomination), where the peer sends one.
fn nomination(request: &Message<'_>) -> Option<u32> {
    request.attribute(attribute::NOMINATION)?.try_into().ok().map(u32::from_be_bytes)
}

/// A dual-stack socket shows an IPv4 peer as an IPv4-mapped IPv6 address, which the peer would not
/// recognise.
fn canonical(address: SocketAddr) -> SocketAddr {
    let ip: IpAddr = address.ip().to_canonical();
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests;
