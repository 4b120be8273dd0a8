//! An ICE-lite agent (RFC 8445 §2.5) for one leg, one component: it answers connectivity checks, remembers which addresses
//! passed one, which the controlling peer nominated, and when the last check came (consent, RFC 7675, seen from the lite
//! side). It never sends anything unasked and never answers what does not carry our password's integrity, so it cannot be
//! used to amplify.

use core::net::SocketAddr;
use core::time::Duration;

use offhook_types::counted;
use offhook_types::media::IceCredentials;
use offhook_types::time::Time;

counted! {
    /// Why a STUN packet was not answered.
    pub enum Drop {
        /// Does not parse.
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
    local: IceCredentials,
}

impl IceLite {
    /// Waits for checks under our credentials. Until `remote` is known, any peer that knows our password passes.
    pub fn new(local: IceCredentials, remote: Option<IceCredentials>) -> Self {
        let _ = remote;
        Self { local }
    }

    /// The peer's half became known or changed, with our new half on an ICE restart. The earlier halves stay
    /// valid until the first check with the new ones.
    pub fn set_remote(&mut self, remote: IceCredentials, local: Option<IceCredentials>) {
        let _ = (remote, local, &self.local);
    }

    /// Takes a STUN packet from `from` and writes the answer to `reply` (128 bytes are enough).
    pub fn handle(
        &mut self,
        now: Time,
        from: SocketAddr,
        packet: &[u8],
        reply: &mut [u8],
    ) -> Outcome {
        let _ = (now, from, packet, reply);
        Outcome::Drop(Drop::Malformed)
    }

    /// Where to send.
    pub fn selected(&self) -> Option<SocketAddr> {
        None
    }

    /// Whether an address passed a check and is still kept.
    pub fn is_validated(&self, address: SocketAddr) -> bool {
        let _ = address;
        false
    }

    /// Every kept address.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        core::iter::empty()
    }

    /// When the last valid check came.
    pub fn last_check(&self) -> Option<Time> {
        None
    }

    /// When the peer's consent runs out unless another check comes; `None` before the first.
    pub fn consent_ends(&self) -> Option<Time> {
        None
    }
}

/// The user fragment of ours that a STUN packet is addressed to (the part of USERNAME before the colon), to find the
/// leg of a packet from an unknown address. Nothing is verified yet.
pub fn addressee(packet: &[u8]) -> Option<&str> {
    let _ = packet;
    None
}
