//! Whose packets count as the carrier's, and where ours go. Packets from elsewhere are dropped and
//! never change where we send (RTP bleed): the port may move only as the trunk allows, once, to where
//! a consistent stream comes from; or to where authentic packets come from, under SRTP.

use core::net::{IpAddr, SocketAddr};

use offhook_types::Ssrc;
use offhook_wire::rtp::Header;

use super::count::Count;
use super::words::Latch;

#[derive(Debug)]
pub(super) struct Source {
    mode: Latch,
    signaled: SocketAddr,
    /// Where packets come from, once known; ours go there.
    bound: Option<SocketAddr>,
    candidate: Option<Candidate>,
    /// The stream of the bound address.
    ssrc: Option<Ssrc>,
}

#[derive(Debug, Clone, Copy)]
struct Candidate {
    from: SocketAddr,
    ssrc: Ssrc,
    sequence: u16,
    count: u8,
}

impl Source {
    pub(super) fn new(mode: Latch, signaled: SocketAddr) -> Self {
        Self { mode, signaled, bound: None, candidate: None, ssrc: None }
    }

    /// A new description. What was bound stays when it says the same.
    pub(super) fn signal(&mut self, mode: Latch, signaled: SocketAddr) {
        if (mode, signaled) != (self.mode, self.signaled) {
            *self = Self::new(mode, signaled);
        }
    }

    /// Where our packets go; nowhere for an address that cannot be one.
    pub(super) fn target(&self) -> Option<SocketAddr> {
        let target = self.bound.unwrap_or(self.signaled);
        (!target.ip().is_unspecified() && target.port() != 0).then_some(target)
    }

    /// Whether a packet may be looked at more closely, before anything costly.
    pub(super) fn is_possible(&self, from: SocketAddr, authenticates: bool) -> bool {
        authenticates || self.is_ours(from)
    }

    fn is_ours(&self, from: SocketAddr) -> bool {
        let from = canonical(from);
        match (self.bound, self.mode) {
            (Some(bound), _) => from == canonical(bound),
            (None, Latch::Strict) => from == canonical(self.signaled),
            (None, Latch::SignaledIp) => from.ip() == canonical(self.signaled).ip(),
        }
    }

    /// Takes an RTP packet of an agreed payload type that is authentic if it can be.
    pub(super) fn accept(
        &mut self,
        from: SocketAddr,
        header: &Header,
        authentic: bool,
    ) -> Result<(), Count> {
        if authentic {
            self.bind(from, header.ssrc);
            return Ok(());
        }
        if !self.is_ours(from) {
            return Err(Count::ForeignSource);
        }
        if self.bound.is_some() || canonical(from) == canonical(self.signaled) {
            self.bind(from, header.ssrc);
            return Ok(());
        }
        let before = self.candidate.filter(|candidate| {
            let step = header.sequence.wrapping_sub(candidate.sequence);
            (candidate.from, candidate.ssrc) == (from, header.ssrc)
                && (1..=MAX_STEP).contains(&step)
        });
        let count = before.map_or(1, |candidate| candidate.count + 1);
        if count >= CONSISTENT {
            self.bind(from, header.ssrc);
            return Ok(());
        }
        let (ssrc, sequence) = (header.ssrc, header.sequence);
        self.candidate = Some(Candidate { from, ssrc, sequence, count });
        Err(Count::Unlatched)
    }

    /// Whether an RTCP packet of `sender` is the carrier's.
    pub(super) fn accepts_rtcp(
        &self,
        from: SocketAddr,
        signaled: SocketAddr,
        sender: Ssrc,
    ) -> bool {
        let (from, signaled) = (canonical(from), canonical(signaled));
        if from == signaled {
            return true;
        }
        // Behind NAT the port of RTCP moves as well: it is known by the bound stream's name.
        self.mode == Latch::SignaledIp && from.ip() == signaled.ip() && self.ssrc == Some(sender)
    }

    fn bind(&mut self, from: SocketAddr, ssrc: Ssrc) {
        self.bound = Some(from);
        self.ssrc = Some(ssrc);
        self.candidate = None;
    }
}

/// IPv4 as it looks on a socket of both families.
fn canonical(address: SocketAddr) -> SocketAddr {
    let ip: IpAddr = address.ip().to_canonical();
    SocketAddr::new(ip, address.port())
}

/// Packets in a row that make a stream.
const CONSISTENT: u8 = 3;
const MAX_STEP: u16 = 10;

#[cfg(test)]
mod tests {
    use offhook_types::PayloadType;

    use super::*;

    /// Last byte of the address, port, SSRC, sequence, and what becomes of the packet.
    type Came = (u8, u16, u32, u16, Result<(), Count>);

    /// Packets, then the port that we send to.
    fn check(mode: Latch, packets: &[Came], target: u16) {
        let at = |last: u8, port| SocketAddr::from(([192, 0, 2, last], port));
        let mut source = Source::new(mode, at(1, 5000));
        for &(last, port, ssrc, sequence, expected) in packets {
            let payload_type = PayloadType(0);
            let header =
                Header { marker: false, payload_type, sequence, timestamp: 0, ssrc: Ssrc(ssrc) };
            let became = source.accept(at(last, port), &header, false);
            assert_eq!(became, expected, "{last}:{port} {ssrc} {sequence}");
        }
        assert_eq!(source.target(), Some(at(1, target)));
    }

    const FOREIGN: Result<(), Count> = Err(Count::ForeignSource);
    const NOT_YET: Result<(), Count> = Err(Count::Unlatched);

    #[test]
    fn only_the_signaled_address_is_heard() {
        check(
            Latch::Strict,
            &[(1, 5000, 7, 1, Ok(())), (1, 5002, 7, 2, FOREIGN), (2, 5000, 7, 2, FOREIGN)],
            5000,
        );
        check(Latch::Strict, &[(1, 9, 7, 1, FOREIGN), (1, 9, 7, 2, FOREIGN)], 5000);
    }

    #[test]
    fn the_port_moves_once_to_a_consistent_stream_of_the_signaled_host() {
        check(
            Latch::SignaledIp,
            &[
                (1, 6000, 7, 65_535, NOT_YET),
                (2, 6000, 7, 0, FOREIGN),
                (1, 6000, 7, 0, NOT_YET),
                (1, 6000, 7, 1, Ok(())),
                (1, 7000, 8, 1, FOREIGN),
                (1, 5000, 7, 2, FOREIGN),
                (1, 6000, 9, 100, Ok(())),
            ],
            6000,
        );
        // Scattered packets are no stream.
        check(
            Latch::SignaledIp,
            &[
                (1, 6000, 7, 1, NOT_YET),
                (1, 6000, 8, 2, NOT_YET),
                (1, 6002, 8, 3, NOT_YET),
                (1, 6002, 8, 900, NOT_YET),
                (1, 6002, 8, 901, NOT_YET),
            ],
            5000,
        );
        // The signaled port is right at once.
        check(Latch::SignaledIp, &[(1, 5000, 7, 1, Ok(())), (1, 6000, 7, 2, FOREIGN)], 5000);
    }

    #[test]
    fn authentic_packets_move_us_and_a_new_description_forgets() {
        let at = |port| SocketAddr::from(([192, 0, 2, 1], port));
        let mut source = Source::new(Latch::Strict, at(5000));
        let payload_type = PayloadType(0);
        let header =
            Header { marker: false, payload_type, sequence: 1, timestamp: 0, ssrc: Ssrc(1) };
        assert_eq!(source.accept(at(6000), &header, true), Ok(()));
        assert_eq!(source.target(), Some(at(6000)));
        source.signal(Latch::Strict, at(5000));
        assert_eq!(source.target(), Some(at(6000)), "the same description");
        source.signal(Latch::Strict, at(5004));
        assert_eq!(source.target(), Some(at(5004)));
        source.signal(Latch::Strict, SocketAddr::from(([0, 0, 0, 0], 5004)));
        assert_eq!(source.target(), None);
    }
}
