//! Whose packets are read: the table of peers, and the addresses that their hosts resolved to.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::collections::BTreeMap;

use offhook_types::Time;

use super::{Peer, PeerId};

/// Whose packets are read.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    table: Vec<Peer>,
    /// Addresses that something of a peer's was sent to, and when last.
    learned: BTreeMap<IpAddr, (PeerId, Time)>,
}

/// More addresses than the trunks of one agent have.
const MOST_LEARNED: usize = 4096;

impl Sources {
    /// Replaces the table.
    pub(crate) fn set(&mut self, table: Vec<Peer>) {
        self.table = table;
    }

    /// Something of `peer`'s is sent to `ip`.
    pub(crate) fn learn(&mut self, now: Time, ip: IpAddr, peer: PeerId) {
        if self.learned.len() >= MOST_LEARNED && !self.learned.contains_key(&ip) {
            let oldest = self.learned.iter().min_by_key(|(_, (_, at))| *at).map(|(ip, _)| *ip);
            oldest.map(|ip| self.learned.remove(&ip));
        }
        self.learned.insert(ip.to_canonical(), (peer, now));
    }

    /// Whose `source` is. The table goes before what was learned; its longest prefix wins.
    pub(crate) fn peer(&self, now: Time, source: SocketAddr, kept: Duration) -> Option<PeerId> {
        let listed = self.table.iter().filter(|peer| peer.has(source));
        let listed = listed.max_by_key(|peer| (peer.prefix, peer.port.is_some()));
        listed.map(|peer| peer.id).or_else(|| {
            let (peer, at) = self.learned.get(&source.ip().to_canonical())?;
            (now.since(*at) < kept).then_some(*peer)
        })
    }
}
