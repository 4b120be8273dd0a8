//! A transport over a QUIC connection, which its owner drives: packets pass in plain, each behind the number of
//! its flow (docs/protocol/quic.md).

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use offhook_types::{Ssrc, Time};
use offhook_wire::demux::Kind;
use offhook_wire::roq::{self, FlowId, Varint};
use offhook_wire::rtp;
use quinn::Connection;

use super::{LONGEST, Opened, State, Transport, Write};
use crate::caller::agreed::Agreed;
use crate::caller::outbox::Outbox;

/// The flow of RTCP, both ways.
const RTCP: u64 = 1;

/// Flows of streams, in one direction.
pub type Flows = HashMap<Ssrc, FlowId>;

/// The machine.
pub struct Quic {
    /// For its round trip only.
    connection: Connection,
    peer: SocketAddr,
    sends: Flows,
    /// As far as the server has told.
    receives: Flows,
    agreed: bool,
    rejected: u64,
    out: Outbox,
}

impl Quic {
    /// Over this connection, with the flows of what we publish.
    pub fn new(connection: Connection, sends: Flows) -> Self {
        Self {
            peer: connection.remote_address(),
            connection,
            sends,
            receives: Flows::new(),
            agreed: false,
            rejected: 0,
            out: Outbox::default(),
        }
    }

    /// Whether a packet may come in this flow. One may come before the message that tells its flow.
    fn fits(&self, flow: FlowId, packet: &[u8]) -> bool {
        let Ok(packet) = rtp::Packet::parse(packet) else { return false };
        self.receives.get(&packet.header().ssrc).is_none_or(|told| *told == flow)
    }

    fn write(&mut self, flow: FlowId, room: usize, write: Write<'_>) -> Option<usize> {
        let flow = Varint::from(flow);
        let flow = flow.as_bytes();
        self.out.write(self.peer, flow.len() + room, |out| {
            let (front, rest) = out.split_at_mut(flow.len());
            front.copy_from_slice(flow);
            Some(flow.len() + write(rest)?)
        })
    }
}

impl Transport for Quic {
    fn agree(&mut self, _now: Time, agreed: &Agreed) {
        self.receives.clone_from(&agreed.flows);
        self.agreed = true;
    }

    /// Whoever owns the connection knows when it is over.
    fn state(&self) -> State {
        if self.agreed { State::Up } else { State::Connecting }
    }

    fn rtt(&self) -> Duration {
        self.connection.rtt()
    }

    fn handle(&mut self, _now: Time, _from: SocketAddr, packet: &[u8], plain: &mut [u8]) -> Opened {
        let opened = roq::datagram(packet).ok().and_then(|(flow, packet)| {
            let opened = match Kind::of(packet)? {
                Kind::Rtcp if flow.get() == RTCP => Opened::Rtcp(packet.len()),
                Kind::Rtp if self.fits(flow, packet) => Opened::Rtp(packet.len()),
                _ => return None,
            };
            plain.get_mut(..packet.len())?.copy_from_slice(packet);
            Some(opened)
        });
        self.rejected += u64::from(opened.is_none());
        opened.unwrap_or(Opened::Nothing)
    }

    fn send_rtp(
        &mut self,
        (stream, _): (Ssrc, u64),
        payload: &[u8],
        write: Write<'_>,
    ) -> Option<usize> {
        let flow = *self.sends.get(&stream)?;
        self.write(flow, LONGEST.max(payload.len() + 200), &mut |out| {
            let header = write(out)?;
            out.get_mut(header..header + payload.len())?.copy_from_slice(payload);
            Some(header + payload.len())
        })
    }

    fn send_rtcp(&mut self, write: Write<'_>) -> Option<usize> {
        self.write(FlowId::new(RTCP)?, LONGEST, write)
    }

    fn out(&mut self) -> &mut Outbox {
        &mut self.out
    }

    fn take_rejected(&mut self) -> u64 {
        std::mem::take(&mut self.rejected)
    }
}
