//! Addresses: finding the leg that a datagram belongs to, and the addresses that candidates announce.

use core::hash::{BuildHasher, Hasher};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::collections::HashMap;
use std::hash::RandomState;
use std::net::UdpSocket;

/// Values by the address of a peer, or by one of our random ids. The keys that get in are our own or passed a
/// connectivity check, so a mix of one multiplication per word under a random seed is enough.
pub(crate) type FastMap<K, V> = HashMap<K, V, Mix>;

/// Makes seeded hashers.
#[derive(Clone)]
pub(crate) struct Mix {
    seed: u64,
}

impl Default for Mix {
    fn default() -> Self {
        Self { seed: RandomState::new().hash_one(0u8) }
    }
}

impl BuildHasher for Mix {
    type Hasher = Mixer;

    fn build_hasher(&self) -> Mixer {
        Mixer { state: self.seed }
    }
}

/// Folds words into 64 bits by 128-bit multiplication with an odd constant (2^64 divided by the golden ratio).
pub(crate) struct Mixer {
    state: u64,
}

impl Mixer {
    #[inline]
    fn mix(&mut self, word: u64) {
        let product = u128::from(self.state ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.state = (product as u64) ^ ((product >> 64) as u64);
    }
}

impl Hasher for Mixer {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let word = chunk.iter().fold(0u64, |word, &byte| (word << 8) | u64::from(byte));
            self.mix(word ^ ((chunk.len() as u64) << 56));
        }
    }

    #[inline]
    fn write_u8(&mut self, value: u8) {
        self.mix(u64::from(value));
    }

    #[inline]
    fn write_u16(&mut self, value: u16) {
        self.mix(u64::from(value));
    }

    #[inline]
    fn write_u32(&mut self, value: u32) {
        self.mix(u64::from(value));
    }

    #[inline]
    fn write_u64(&mut self, value: u64) {
        self.mix(value);
    }

    #[inline]
    fn write_usize(&mut self, value: usize) {
        self.mix(value as u64);
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.state
    }
}

/// An address as the socket shows it on what comes from there: IPv4 is never mapped, and IPv6 has no flow.
pub(crate) fn as_received(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V6(v6) => match v6.ip().to_ipv4_mapped() {
            Some(v4) => SocketAddr::new(v4.into(), v6.port()),
            None => SocketAddrV6::new(*v6.ip(), v6.port(), 0, v6.scope_id()).into(),
        },
        SocketAddr::V4(_) => address,
    }
}

/// Where this host reaches a socket bound to an address. The unspecified IPv6 address takes IPv4 too.
pub(crate) fn inside(bound: SocketAddr) -> SocketAddr {
    let ip = bound.ip();
    SocketAddr::new(if ip.is_unspecified() { Ipv4Addr::LOCALHOST.into() } else { ip }, bound.port())
}

/// A loopback address of a family with the port of another address.
pub(crate) fn of_family(address: SocketAddr, v4: bool) -> SocketAddr {
    let ip = if v4 { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
    if address.is_ipv4() == v4 { address } else { SocketAddr::new(ip, address.port()) }
}

/// The addresses for candidates where the configuration names none. `v6` says whether the workers take IPv6.
pub(crate) fn advertised(bound: IpAddr, v6: bool) -> Vec<IpAddr> {
    if !bound.is_unspecified() {
        return vec![bound];
    }
    // Connecting a UDP socket sends nothing; it only asks the routing table for a source (the targets are
    // for documentation).
    let v4_target = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 9));
    let v6_target = SocketAddr::from((Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), 9));
    let mut found = Vec::new();
    let mut probe = |from: IpAddr, target: SocketAddr| {
        let source = UdpSocket::bind((from, 0)).and_then(|socket| {
            socket.connect(target)?;
            socket.local_addr()
        });
        found.extend(source.map(|source| source.ip()).ok().filter(|ip| !ip.is_unspecified()));
    };
    probe(Ipv4Addr::UNSPECIFIED.into(), v4_target);
    if v6 {
        probe(Ipv6Addr::UNSPECIFIED.into(), v6_target);
    }
    if found.is_empty() {
        found.push(Ipv4Addr::LOCALHOST.into());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_spread_and_are_found() {
        let mut map = FastMap::default();
        for i in 0..5000u32 {
            let v4 = SocketAddr::from((Ipv4Addr::from(0x0a00_0000 + i % 7), 1000 + i as u16));
            let v6 = SocketAddr::from((Ipv6Addr::from(u128::from(i)), 5000));
            map.insert(v4, i);
            map.insert(v6, i);
        }
        let v6 = SocketAddr::from((Ipv6Addr::from(77u128), 5000));
        assert_eq!(map.get(&v6), Some(&77));
        let mix = Mix::default();
        let low: std::collections::HashSet<u64> =
            (0..1000u16).map(|port| mix.hash_one((Ipv4Addr::LOCALHOST, port)) & 0xfff).collect();
        assert!(low.len() > 700, "{} of about 887", low.len());
    }

    #[test]
    fn what_is_bound_everywhere_is_reached_by_loopback() {
        for (bound, reached) in [
            ("[::]:9", "127.0.0.1:9"),
            ("0.0.0.0:9", "127.0.0.1:9"),
            ("10.1.2.3:9", "10.1.2.3:9"),
            ("[2001:db8::1]:9", "[2001:db8::1]:9"),
        ] {
            assert_eq!(inside(bound.parse().unwrap()), reached.parse().unwrap());
        }
    }

    #[test]
    fn a_given_address_is_found_as_the_socket_shows_it() {
        for (given, shown) in [
            ("[::ffff:10.1.2.3]:9", "10.1.2.3:9"),
            ("10.1.2.3:9", "10.1.2.3:9"),
            ("[2001:db8::1]:9", "[2001:db8::1]:9"),
        ] {
            assert_eq!(as_received(given.parse().unwrap()), shown.parse().unwrap());
        }
    }

    #[test]
    fn there_is_always_an_address() {
        assert!(!advertised(Ipv6Addr::UNSPECIFIED.into(), true).is_empty());
        let bound = IpAddr::from([127, 0, 0, 9]);
        assert_eq!(advertised(bound, false), [bound]);
    }
}
