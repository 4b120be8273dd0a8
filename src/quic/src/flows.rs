//! Which flow carries which streams, in each direction of one connection.

use std::collections::HashMap;

use bytes::{BufMut, Bytes, BytesMut};
use offhook_types::{LegId, Ssrc};
use offhook_wire::demux::Kind;
use offhook_wire::roq::{self, FlowId, Varint};

use crate::counters::Drop;
use crate::{FLOW_RTCP, FLOW_TRACKS};

/// What one connection's flows mean.
#[derive(Debug, Default)]
pub(crate) struct Flows {
    leg: Option<LegId>,
    /// Announced by the client: the streams of each of its flows.
    incoming: HashMap<FlowId, Vec<Ssrc>>,
    /// Assigned by us: the flow of each stream that the client receives.
    outgoing: HashMap<Ssrc, FlowId>,
}

impl Flows {
    /// Packets belong to this leg from now on.
    pub(crate) fn carry(&mut self, leg: LegId) {
        self.leg = Some(leg);
    }

    pub(crate) fn leg(&self) -> Option<LegId> {
        self.leg
    }

    /// The client sends these streams in this flow. False when the flow is taken or not for tracks.
    pub(crate) fn expect(&mut self, flow: u64, streams: Vec<Ssrc>) -> bool {
        let Some(flow) = FlowId::new(flow).filter(|flow| flow.get() >= FLOW_TRACKS) else {
            return false;
        };
        let free = !self.incoming.contains_key(&flow);
        if free {
            self.incoming.insert(flow, streams);
        }
        free
    }

    /// The client no longer sends this flow.
    pub(crate) fn forget(&mut self, flow: u64) {
        self.incoming.retain(|known, _| known.get() != flow);
    }

    /// The client receives these streams in this flow.
    pub(crate) fn assign(&mut self, flow: u64, streams: &[Ssrc]) {
        let Some(flow) = FlowId::new(flow) else { return };
        self.outgoing.extend(streams.iter().map(|&ssrc| (ssrc, flow)));
    }

    /// The client no longer receives this flow.
    pub(crate) fn release(&mut self, flow: u64) {
        self.outgoing.retain(|_, known| known.get() != flow);
    }

    /// A datagram of the client: the leg that it is for, and the packet.
    pub(crate) fn take<'a>(&self, datagram: &'a [u8]) -> Result<(LegId, &'a [u8]), Drop> {
        let (flow, packet) = roq::datagram(datagram).map_err(|_| Drop::Malformed)?;
        self.take_from(flow, packet)
    }

    /// A packet of the client in this flow.
    pub(crate) fn take_from<'a>(
        &self,
        flow: FlowId,
        packet: &'a [u8],
    ) -> Result<(LegId, &'a [u8]), Drop> {
        let leg = self.leg.ok_or(Drop::NotJoined)?;
        let kind = Kind::of(packet);
        if flow.get() == FLOW_RTCP {
            return if kind == Some(Kind::Rtcp) {
                Ok((leg, packet))
            } else {
                Err(Drop::ForeignStream)
            };
        }
        let streams = self.incoming.get(&flow).ok_or(Drop::UnknownFlow)?;
        let known = ssrc(packet).is_some_and(|ssrc| streams.contains(&ssrc));
        if kind == Some(Kind::Rtp) && known { Ok((leg, packet)) } else { Err(Drop::ForeignStream) }
    }

    /// A packet for the client, with its flow in front. `room` is written to and split off.
    pub(crate) fn wrap(&self, packet: &[u8], room: &mut BytesMut) -> Result<Bytes, Drop> {
        let flow = self.flow_of(packet).ok_or(Drop::NoFlow)?;
        let prefix = Varint::from(flow);
        room.reserve(packet.len() + prefix.as_bytes().len());
        room.put_slice(prefix.as_bytes());
        room.put_slice(packet);
        Ok(room.split().freeze())
    }

    fn flow_of(&self, packet: &[u8]) -> Option<FlowId> {
        match Kind::of(packet)? {
            Kind::Rtcp => FlowId::new(FLOW_RTCP),
            Kind::Rtp => self.outgoing.get(&ssrc(packet)?).copied(),
            _ => None,
        }
    }
}

/// The SSRC of an RTP packet (RFC 3550 §5.1).
fn ssrc(packet: &[u8]) -> Option<Ssrc> {
    packet.get(8..12)?.try_into().ok().map(u32::from_be_bytes).map(Ssrc)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEG: LegId = LegId(9);
    const RTCP: [u8; 8] = [0x80, 201, 0, 1, 0, 0, 0, 7];

    fn rtp(ssrc: u8) -> [u8; 13] {
        [0x80, 96, 0, 1, 0, 0, 0, 1, 0, 0, 0, ssrc, 1]
    }

    fn datagram(flow: u8, packet: &[u8]) -> Vec<u8> {
        [&[flow], packet].concat()
    }

    /// Flow 2 carries streams 7 and 8.
    fn flows() -> Flows {
        let mut flows = Flows::default();
        flows.carry(LEG);
        assert!(flows.expect(2, vec![Ssrc(7), Ssrc(8)]));
        flows
    }

    fn check(datagram: &[u8], expect: Result<(), Drop>) {
        let flows = flows();
        let got = flows.take(datagram).map(|(leg, packet)| {
            assert_eq!(leg, LEG);
            assert!(datagram.ends_with(packet) && packet.len() + 1 == datagram.len());
        });
        assert_eq!(got, expect, "{datagram:?}");
    }

    #[test]
    fn only_what_was_announced_is_taken() {
        check(&datagram(2, &rtp(7)), Ok(()));
        check(&datagram(2, &rtp(8)), Ok(()));
        check(&datagram(1, &RTCP), Ok(()));
        check(&datagram(2, &rtp(9)), Err(Drop::ForeignStream));
        check(&datagram(2, &RTCP), Err(Drop::ForeignStream));
        check(&datagram(1, &rtp(7)), Err(Drop::ForeignStream));
        check(&datagram(3, &rtp(7)), Err(Drop::UnknownFlow));
        check(&datagram(0, &rtp(7)), Err(Drop::UnknownFlow));
        check(&[2], Err(Drop::Malformed));
        check(&[0xc0, 0], Err(Drop::Malformed));
        check(&datagram(2, &[0x80, 96, 0]), Err(Drop::ForeignStream));
        let early = Flows::default();
        assert_eq!(early.take(&datagram(1, &RTCP)), Err(Drop::NotJoined));
    }

    #[test]
    fn a_flow_serves_one_track_at_a_time_and_never_the_session() {
        let mut flows = flows();
        for taken in [0, 1, 2, 1 << 62] {
            assert!(!flows.expect(taken, vec![Ssrc(1)]), "{taken}");
        }
        flows.forget(2);
        assert_eq!(flows.take(&datagram(2, &rtp(7))), Err(Drop::UnknownFlow));
        assert!(flows.expect(2, vec![Ssrc(1)]));
    }

    #[test]
    fn what_leaves_is_in_the_flow_that_was_assigned() {
        let (mut flows, mut room) = (flows(), BytesMut::new());
        flows.assign(70, &[Ssrc(1), Ssrc(2)]);
        let wrapped = |flows: &Flows, packet: &[u8], room: &mut BytesMut| {
            flows.wrap(packet, room).map(|bytes| bytes.to_vec())
        };
        let expect = [&[0x40, 70], &rtp(2)[..]].concat();
        assert_eq!(wrapped(&flows, &rtp(2), &mut room), Ok(expect));
        assert_eq!(wrapped(&flows, &RTCP, &mut room), Ok(datagram(1, &RTCP)));
        assert_eq!(wrapped(&flows, &rtp(7), &mut room), Err(Drop::NoFlow));
        flows.release(70);
        assert_eq!(wrapped(&flows, &rtp(2), &mut room), Err(Drop::NoFlow));
        assert_eq!(wrapped(&flows, &[], &mut room), Err(Drop::NoFlow));
    }
}
