//! An ICE-lite agent (RFC 8445 §2.5) for one leg, one component: it answers connectivity checks,
//! remembers which addresses passed one, which the controlling peer nominated, and when the last
//! check came (consent, RFC 7675, seen from the lite side). It never answers what does not carry
//! our password's integrity, so it cannot be used to amplify.
//!
//! In one thing it does more than a lite agent must. A check shows who sent it, not that whoever
//! has its source address wants our packets: a participant who forges source addresses could have
//! its streams sent to a stranger. So once packets flow somewhere, a nomination of another address
//! only makes us ask that address, with a check of our own, and they move when the answer comes. Every
//! ICE agent answers checks (RFC 8445 §7.3). Until then they stay where they are, so a move costs
//! a round trip and no gap.

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
        /// Not a Binding request, nor an answer to one of ours.
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
    /// The answer to a check of our own: nothing is to be sent.
    Answered {
        /// What it changed.
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
    /// The sender's address was nominated and has yet to show that it wants what we send: send it
    /// what [`IceLite::probe`] writes.
    pub unproven: bool,
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
    /// What the peer nominated last.
    nominated: Option<SocketAddr>,
    /// Value of the nomination that made the selection, where the peer numbers them.
    nomination: u32,
    last_check: Option<Time>,
    probe: Option<Probe>,
}

/// A check of our own that waits for its answer.
struct Probe {
    to: SocketAddr,
    transaction: stun::TransactionId,
    /// The peer's password of the time.
    key: IntegrityKey,
    sent: Time,
}

/// What a check's USERNAME and MESSAGE-INTEGRITY are compared with.
#[derive(Clone)]
struct Credentials {
    local_ufrag: String,
    key: IntegrityKey,
    remote: Option<Peer>,
}

/// The peer's half.
#[derive(Clone)]
struct Peer {
    ufrag: String,
    key: IntegrityKey,
}

/// An address that passed a check.
struct Address {
    at: SocketAddr,
    last_check: Time,
    /// It answered a check of ours.
    proven: bool,
}

/// Between two checks of our own: a peer that nominates again and again must not make us send more
/// than it does.
const PROBE_PACE: Duration = Duration::from_millis(20);

impl IceLite {
    /// Waits for checks under our credentials. Until `remote` is known, any peer that knows our
    /// password passes.
    pub fn new(local: IceCredentials, remote: Option<IceCredentials>) -> Self {
        Self {
            current: Credentials::new(&local, remote),
            previous: None,
            addresses: Vec::new(),
            selected: None,
            nominated: None,
            nomination: 0,
            last_check: None,
            probe: None,
        }
    }

    /// The peer's half became known or changed, with our new half on an ICE restart. The earlier
    /// halves stay valid until the first check with the new ones. Addresses and selection stay
    /// until a new nomination.
    pub fn set_remote(&mut self, remote: IceCredentials, local: Option<IceCredentials>) {
        let is_first = self.current.remote.is_none();
        let is_known =
            self.current.remote.as_ref().is_some_and(|known| known.ufrag == remote.ufrag);
        let next = match local {
            Some(local) => Credentials::new(&local, Some(remote)),
            None if is_known => return,
            None => Credentials { remote: Some(Peer::new(&remote)), ..self.current.clone() },
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
        let Ok(message) = Message::parse(packet) else { return Outcome::Drop(Drop::Malformed) };
        if message.verify_fingerprint() == Some(false) {
            return Outcome::Drop(Drop::Malformed);
        }
        if (message.class, message.method) == (Class::Success, stun::BINDING) {
            return match self.answered(now, from, &message) {
                Ok(change) => Outcome::Answered { change },
                Err(reason) => Outcome::Drop(reason),
            };
        }
        match self.check(now, from, &message, reply) {
            Ok((len, change)) => Outcome::Reply { len, change },
            Err(reason) => Outcome::Drop(reason),
        }
    }

    /// Write a check of our own to the address that was nominated and is not proven.
    /// `transaction` must be a secret of this moment, since knowing it is the proof. `None` when there is
    /// nothing to ask or it was asked just now.
    pub fn probe(&mut self, now: Time, transaction: [u8; 12], out: &mut [u8]) -> Option<usize> {
        let moves = |to: &SocketAddr| self.selected != Some(*to) && !self.is_proven(*to);
        let to = self.nominated.filter(moves)?;
        let waiting = self.probe.as_ref().filter(|probe| probe.to == to);
        if waiting.is_some_and(|probe| now.since(probe.sent) < PROBE_PACE) {
            return None;
        }
        let peer = self.current.remote.as_ref()?;
        let (ours, theirs) = (self.current.local_ufrag.as_str(), peer.ufrag.as_str());
        let transaction = stun::TransactionId(transaction);
        let len = Builder::new(out, Class::Request, stun::BINDING, transaction)
            .attribute_of(attribute::USERNAME, [theirs.as_bytes(), b":", ours.as_bytes()])
            .attribute(attribute::PRIORITY, &PRIORITY.to_be_bytes())
            .attribute(attribute::ICE_CONTROLLED, &[0; 8])
            .integrity(&peer.key)
            .fingerprint()
            .finish()?;
        self.probe = Some(Probe { to, transaction, key: peer.key.clone(), sent: now });
        Some(len)
    }

    /// An answer counts when it has our transaction and the peer's password and comes from where
    /// we asked.
    fn answered(
        &mut self,
        now: Time,
        from: SocketAddr,
        answer: &Message<'_>,
    ) -> Result<Change, Drop> {
        let probe = self.probe.as_ref().ok_or(Drop::NotARequest)?;
        if (probe.to, probe.transaction) != (from, answer.transaction) {
            return Err(Drop::NotARequest);
        }
        if !answer.verify_integrity(&probe.key) {
            return Err(Drop::Unauthenticated);
        }
        self.probe = None;
        let known = self.addresses.iter_mut().find(|known| known.at == from);
        let known = known.ok_or(Drop::NotARequest)?;
        known.proven = true;
        known.last_check = known.last_check.max(now);
        Ok(Change { selected: self.select(), ..Change::default() })
    }

    /// Follow the latest nomination if we may. True when we do now.
    fn select(&mut self) -> bool {
        let Some(nominated) = self.nominated else { return false };
        let may = self.selected.is_none() || self.is_proven(nominated);
        let changes = may && self.selected != Some(nominated);
        if changes {
            self.selected = Some(nominated);
        }
        changes
    }

    fn is_proven(&self, address: SocketAddr) -> bool {
        self.addresses.iter().any(|known| known.at == address && known.proven)
    }

    /// Shape, then who it is for, then whether it is authentic; only then is anything answered or
    /// remembered.
    fn check(
        &mut self,
        now: Time,
        from: SocketAddr,
        request: &Message<'_>,
        reply: &mut [u8],
    ) -> Result<(usize, Change), Drop> {
        if (request.class, request.method) != (Class::Request, stun::BINDING) {
            return Err(Drop::NotARequest);
        }
        let is_current = self.authenticate(request)?;
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
        Ok((len, self.passed(now, from, request)))
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
            self.addresses.push(Address { at: from, last_check: now, proven: false });
            change.validated = true;
        }
        // The latest nomination wins. A peer that numbers its nominations may see them overtake
        // each other.
        if request.use_candidate() {
            let number = nomination(request);
            if number.is_none_or(|number| number >= self.nomination) {
                self.nomination = number.unwrap_or(self.nomination);
                self.nominated = Some(from);
                change.selected = self.select();
                change.unproven = self.selected != Some(from);
            }
        }
        change
    }

    /// Forgets the address that was silent for longest. The one we send to, or are about to, is
    /// never that.
    fn evict(&mut self) -> Option<SocketAddr> {
        let kept = [self.selected, self.nominated];
        let candidates = self.addresses.iter().enumerate();
        let (place, _) = candidates
            .filter(|(_, known)| !kept.contains(&Some(known.at)))
            .min_by_key(|(_, known)| known.last_check)?;
        Some(self.addresses.swap_remove(place).at)
    }

    /// Where to send: the pair that the peer nominated last, once it is proven.
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

    /// When the last valid check came, from anywhere.
    pub fn last_check(&self) -> Option<Time> {
        self.last_check
    }

    /// When an address was last heard in a check or an answer, if it is one of ours.
    pub fn heard_from(&self, address: SocketAddr) -> Option<Time> {
        self.addresses.iter().find(|known| known.at == address).map(|known| known.last_check)
    }

    /// When the peer last consented to what we send: consent is to one address (RFC 7675 §5.1), so a
    /// check from another does not renew it.
    pub fn consented(&self) -> Option<Time> {
        match self.selected {
            Some(selected) => self.heard_from(selected),
            None => self.last_check,
        }
    }

    /// When the peer's consent runs out unless another check comes; `None` before the first.
    pub fn consent_ends(&self) -> Option<Time> {
        self.consented().map(|last| last + CONSENT)
    }
}

impl Credentials {
    fn new(local: &IceCredentials, remote: Option<IceCredentials>) -> Self {
        Self {
            local_ufrag: local.ufrag.clone(),
            key: IntegrityKey::new(local.pwd.as_bytes()),
            remote: remote.as_ref().map(Peer::new),
        }
    }

    /// RFC 8445 §7.2.2: the receiver's fragment, a colon, the sender's.
    fn is_user(&self, username: &[u8]) -> bool {
        let Some((ours, theirs)) = split(username) else { return false };
        ours == self.local_ufrag.as_bytes()
            && self.remote.as_ref().is_none_or(|peer| theirs == peer.ufrag.as_bytes())
    }
}

impl Peer {
    fn new(half: &IceCredentials) -> Self {
        Self { ufrag: half.ufrag.clone(), key: IntegrityKey::new(half.pwd.as_bytes()) }
    }
}

/// Of a peer-reflexive candidate over UDP (RFC 8445 §5.1.2.1); nobody compares it.
const PRIORITY: u32 = (110 << 24) | (0xffff << 8) | 255;

/// The user fragment of ours that a STUN packet is addressed to (the part of USERNAME before the
/// colon), to find the leg of a packet from an unknown address. Nothing is verified yet.
pub fn addressee(packet: &[u8]) -> Option<&str> {
    let username = Message::parse(packet).ok()?.username()?;
    core::str::from_utf8(split(username)?.0).ok()
}

/// Whether a packet looks like the answer to a check. Nothing is verified yet.
pub fn is_answer(packet: &[u8]) -> bool {
    // Class and method in the first two bytes (RFC 8489 §5): a success response to Binding.
    packet.starts_with(&[1, 1])
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
