//! What comes through the tunnel: packets of legs whose transport another part of the process ends.

use offhook_types::{LegId, Time};
use offhook_wire::demux::Kind;

use super::Core;
use super::contact::Contact;
use crate::{Count, Drop};

/// Packets taken in one turn.
const TURN: usize = 128;

impl Core {
    /// Take what arrived. True when there is more.
    pub(super) fn take_tunnelled(&mut self, now: Time) -> bool {
        // It is put back below; taking it lets the rest be changed while its packet is read.
        let Some(mut arrivals) = self.arrivals.take() else { return false };
        let mut more = false;
        for _ in 0..TURN {
            let Some((leg, packet)) = arrivals.receive() else { break };
            // As for packets of the socket: commands given before it was sent come before it.
            more |= self.take_commands(now);
            if let Err(reason) = self.handle_tunnelled(now, leg, packet) {
                self.exit.drop_one(reason);
            }
        }
        more |= !arrivals.is_empty();
        self.arrivals = Some(arrivals);
        more
    }

    fn handle_tunnelled(&mut self, now: Time, leg: LegId, packet: &[u8]) -> Result<(), Drop> {
        let bytes = packet.len() as u64;
        self.exit.figures.counts.add(Count::DatagramsTunnelled);
        self.exit.figures.counts.add_many(Count::BytesReceived, bytes);
        let index = *self.by_id.get(&leg).ok_or(Drop::TunnelStray)?;
        let leg = self.leg_mut(index).ok_or(Drop::TunnelStray)?;
        if !matches!(leg.contact, Contact::Tunnelled) {
            return Err(Drop::TunnelStray);
        }
        leg.quality.bytes_in += bytes;
        let meters = &mut leg.meters;
        if !meters.packets.take(now, 1) || !meters.bits.take(now, bytes * 8) {
            return Err(Drop::LegRate);
        }
        match Kind::of(packet) {
            Some(Kind::Rtp) => self.handle_rtp(now, index, packet),
            Some(Kind::Rtcp) => self.handle_rtcp(now, index, packet),
            _ => Err(Drop::Unrecognized),
        }
    }
}
