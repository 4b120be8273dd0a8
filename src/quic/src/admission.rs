//! Who may begin a connection: decided from numbers alone, before anything is kept for the peer.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use crate::config::Limits;
use crate::counters::Drop;

/// What becomes of a first packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Shake hands.
    Welcome,
    /// Prove the address first (RFC 9000 §8.1.2).
    Prove,
    /// No.
    Refuse(Drop),
}

/// The connections of one endpoint, as far as admission cares.
#[derive(Debug)]
pub(crate) struct Admission {
    limits: Limits,
    connections: usize,
    pending: usize,
    by_address: HashMap<IpAddr, usize>,
}

impl Admission {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, connections: 0, pending: 0, by_address: HashMap::new() }
    }

    /// A first packet came. `proven` says that whoever sent it reads what is sent to its address: until then an address
    /// may be somebody else's, and must not use up that one's share.
    pub(crate) fn judge(&self, address: IpAddr, proven: bool) -> Verdict {
        let here = self.by_address.get(&network(address)).copied().unwrap_or(0);
        if self.connections >= self.limits.connections || self.pending >= self.limits.pending {
            return Verdict::Refuse(Drop::ConnectionLimit);
        }
        match (here >= self.limits.connections_per_address, proven) {
            (true, true) => Verdict::Refuse(Drop::AddressLimit),
            (true, false) => Verdict::Prove,
            (false, false) if self.pending >= self.limits.unproven => Verdict::Prove,
            (false, _) => Verdict::Welcome,
        }
    }

    /// A connection was let in.
    pub(crate) fn began(&mut self, address: IpAddr) {
        self.connections += 1;
        self.pending += 1;
        *self.by_address.entry(network(address)).or_default() += 1;
    }

    /// Its client is in a room.
    pub(crate) fn joined(&mut self) {
        self.pending = self.pending.saturating_sub(1);
    }

    /// It is gone; `joined` says whether it ever was in a room.
    pub(crate) fn ended(&mut self, address: IpAddr, joined: bool) {
        self.connections = self.connections.saturating_sub(1);
        if !joined {
            self.joined();
        }
        if let Some(here) = self.by_address.get_mut(&network(address)) {
            *here = here.saturating_sub(1);
            if *here == 0 {
                self.by_address.remove(&network(address));
            }
        }
    }

    /// Connections, and of these those in a room.
    pub(crate) fn level(&self) -> (usize, usize) {
        (self.connections, self.connections.saturating_sub(self.pending))
    }
}

/// What one subscriber of a network can choose from: an IPv4 address, an IPv6 /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "192.0.2.1";
    const B: &str = "192.0.2.2";

    fn admission() -> Admission {
        Admission::new(Limits {
            connections: 6,
            connections_per_address: 2,
            pending: 4,
            unproven: 2,
            ..Limits::default()
        })
    }

    fn check(admission: &Admission, address: &str, proven: bool, expect: Verdict) {
        assert_eq!(admission.judge(address.parse().unwrap(), proven), expect, "{address} {proven}");
    }

    #[test]
    fn pressure_asks_for_proof_and_then_refuses() {
        let mut admission = admission();
        for last in 1..=4u8 {
            let address = IpAddr::from([10, 0, 0, last]);
            let expect = if last <= 2 { Verdict::Welcome } else { Verdict::Prove };
            assert_eq!(admission.judge(address, false), expect);
            admission.began(address);
        }
        check(&admission, A, true, Verdict::Refuse(Drop::ConnectionLimit));
        admission.joined();
        check(&admission, A, true, Verdict::Welcome);
        admission.ended([10, 0, 0, 1].into(), true);
        admission.ended([10, 0, 0, 2].into(), false);
        check(&admission, A, true, Verdict::Welcome);
        assert_eq!(admission.level(), (2, 0));
    }

    #[test]
    fn a_share_is_used_up_by_proven_addresses_only() {
        let mut admission = admission();
        for _ in 0..2 {
            admission.began(A.parse().unwrap());
            admission.joined();
        }
        check(&admission, A, false, Verdict::Prove);
        check(&admission, A, true, Verdict::Refuse(Drop::AddressLimit));
        check(&admission, B, false, Verdict::Welcome);
        check(&admission, "::ffff:192.0.2.1", true, Verdict::Refuse(Drop::AddressLimit));
        admission.ended(A.parse().unwrap(), true);
        check(&admission, A, true, Verdict::Welcome);
    }

    #[test]
    fn an_ipv6_subscriber_has_one_share() {
        let mut admission = admission();
        for last in 1..=2u16 {
            admission.began(IpAddr::from([0x2001, 0xdb8, 0, 1, last, 0, 0, last]));
            admission.joined();
        }
        check(&admission, "2001:db8:0:1::9", true, Verdict::Refuse(Drop::AddressLimit));
        check(&admission, "2001:db8:0:2::9", true, Verdict::Welcome);
    }
}
