//! Sockets: an even and the odd port above it for a carrier, any port for the relay.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use mio::net::UdpSocket;

/// Hands out port pairs of a range, each worker starting elsewhere. The system knows which are
/// taken, also by others; nothing is remembered here but where to look next.
#[derive(Debug)]
pub(super) struct Ports {
    bind: IpAddr,
    /// The first even port and how many pairs there are.
    first: u16,
    pairs: u16,
    next: u16,
}

impl Ports {
    pub(super) fn new(bind: IpAddr, range: &RangeInclusive<u16>, start: u16) -> Self {
        let first = range.start().saturating_add(range.start() % 2).max(2);
        let ports = (u32::from(*range.end()) + 1).saturating_sub(u32::from(first));
        let pairs = u16::try_from(ports / 2).unwrap_or(0);
        Self { bind, first, pairs, next: start.checked_rem(pairs).unwrap_or(0) }
    }

    /// Binds the next free pair: RTP and RTCP. `None` when every pair is taken.
    pub(super) fn pair(&mut self) -> Option<(UdpSocket, UdpSocket)> {
        for _ in 0..self.pairs {
            let port = self.first + 2 * self.next;
            self.next = (self.next + 1) % self.pairs;
            let rtp = UdpSocket::bind(SocketAddr::new(self.bind, port));
            let rtcp = UdpSocket::bind(SocketAddr::new(self.bind, port + 1));
            if let (Ok(rtp), Ok(rtcp)) = (rtp, rtcp) {
                return Some((rtp, rtcp));
            }
        }
        None
    }
}

/// A socket for the relay's side.
pub(super) fn relay(bind: IpAddr) -> io::Result<UdpSocket> {
    UdpSocket::bind(SocketAddr::new(bind, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_even_and_inside_the_range() {
        for (range, first, pairs) in [
            (30_000..=30_003, 30_000, 2),
            (30_001..=30_003, 30_002, 1),
            (30_001..=30_002, 30_002, 0),
            (0..=3, 2, 1),
            (65_534..=65_535, 65_534, 1),
        ] {
            let ports = Ports::new(IpAddr::from([127, 0, 0, 1]), &range, 0);
            assert_eq!((ports.first, ports.pairs), (first, pairs), "{range:?}");
        }
    }

    #[test]
    fn a_taken_port_is_passed_over_and_an_empty_range_gives_nothing() {
        let local = IpAddr::from([127, 0, 0, 1]);
        let taken = UdpSocket::bind(SocketAddr::new(local, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let pair = port & !1;
        assert!(Ports::new(local, &(pair..=pair + 1), 0).pair().is_none());
        assert!(Ports::new(local, &(7..=7), 0).pair().is_none());
    }
}
