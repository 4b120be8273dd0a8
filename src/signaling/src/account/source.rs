//! Where a request comes from, for counting: the peer's address, or behind proxies that are trusted
//! the one they name.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::http::HeaderMap;

/// An address as limits count it. One IPv6 customer has a /64 at least, so its lower half is
/// dropped.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Source(IpAddr);

impl Source {
    /// Who sent the request. `X-Forwarded-For` is read from its end, as far as those who wrote it
    /// are trusted: what stands before them anybody can have written.
    pub(crate) fn of(peer: SocketAddr, headers: &HeaderMap, trusted: &[IpAddr]) -> Self {
        let is_trusted = |address: &IpAddr| trusted.iter().any(|t| t.to_canonical() == *address);
        let mut address = peer.ip().to_canonical();
        let lines = headers.get_all("x-forwarded-for").iter();
        let named: Vec<&str> =
            lines.flat_map(|line| line.to_str().unwrap_or_default().split(',')).collect();
        for name in named.iter().rev() {
            if !is_trusted(&address) {
                break;
            }
            let Some(before) = read(name.trim()) else { break };
            address = before;
        }
        Self::counted(address)
    }

    fn counted(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self(address),
            IpAddr::V6(v6) => {
                let network = v6.to_bits() & !u128::from(u64::MAX);
                Self(IpAddr::V6(Ipv6Addr::from_bits(network)))
            }
        }
    }
}

/// An address, perhaps with a port, as proxies write it.
fn read(name: &str) -> Option<IpAddr> {
    let bare = name.parse::<IpAddr>().or_else(|_| name.parse::<SocketAddr>().map(|a| a.ip()));
    bare.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(peer: &str, forwarded: &[&str], expect: &str) {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        let trusted = ["10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()];
        let source = Source::of(peer.parse().unwrap(), &headers, &trusted);
        assert_eq!(source.0.to_string(), expect, "{peer} {forwarded:?}");
    }

    #[test]
    fn strangers_do_not_choose_their_address() {
        check("192.0.2.1:5", &["203.0.113.9"], "192.0.2.1");
        check("10.0.0.1:5", &["203.0.113.9"], "203.0.113.9");
        check("10.0.0.1:5", &["1.1.1.1, 203.0.113.9"], "203.0.113.9");
        check("10.0.0.1:5", &["1.1.1.1, 203.0.113.9", "10.0.0.2"], "203.0.113.9");
        check("10.0.0.1:5", &["1.1.1.1, nonsense"], "10.0.0.1");
        check("10.0.0.1:5", &[], "10.0.0.1");
        check("[::ffff:10.0.0.1]:5", &["203.0.113.9:4711"], "203.0.113.9");
    }

    #[test]
    fn ipv6_is_counted_by_network() {
        check("[2001:db8:1:2:3:4:5:6]:5", &[], "2001:db8:1:2::");
        check("10.0.0.1:5", &["2001:db8:1:2:ffff::1"], "2001:db8:1:2::");
    }
}
