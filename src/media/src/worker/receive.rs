//! What arrives on the socket: which leg, which protocol. Connectivity checks are answered here, DTLS goes to the
//! association thread, media and its control to their own files.

use core::net::SocketAddr;

use offhook_rtc::ice;
use offhook_types::Time;
use offhook_wire::demux::Kind;

use super::Core;
use super::contact::Checked;
use crate::association::{DATAGRAM_BYTES, Datagram, ToAssociation};
use crate::socket::{Message, Path};
use crate::transmit::Way;
use crate::{Count, Drop};

/// A STUN answer of ours is about 80 bytes.
const REPLY_BYTES: usize = 256;

impl Core {
    /// Take one message: datagrams of one peer that arrived together.
    pub(super) fn handle_message(&mut self, now: Time, message: &Message<'_>) {
        let (path, bytes) = (message.path, message.bytes() as u64);
        let count = message.datagrams().count() as u64;
        if count == 0 {
            // An empty datagram is none in a merged message.
            return self.exit.drop_one(Drop::Unrecognized);
        }
        self.exit.figures.counts.add_many(Count::DatagramsReceived, count);
        self.exit.figures.counts.add_many(Count::BytesReceived, bytes);
        let known = self.by_address.get(&path.peer).copied();
        if let Some(leg) = known.and_then(|index| self.leg_mut(index)) {
            leg.quality.bytes_in += bytes;
            let meters = &mut leg.meters;
            if !meters.packets.take(now, count) || !meters.bits.take(now, bytes * 8) {
                return self.exit.figures.drops.add_many(Drop::LegRate, count);
            }
        }
        for datagram in message.datagrams() {
            let done = match (Kind::of(datagram), known) {
                (None, _) => Err(Drop::Unrecognized),
                (Some(Kind::Stun), _) => self.handle_stun(now, path, datagram),
                (_, None) => Err(Drop::UnknownAddress),
                (Some(Kind::Rtp), Some(index)) => self.handle_rtp(now, index, datagram),
                (Some(Kind::Rtcp), Some(index)) => self.handle_rtcp(now, index, datagram),
                (Some(Kind::Dtls), Some(index)) => self.handle_dtls(now, index, datagram),
            };
            if let Err(reason) = done {
                self.exit.drop_one(reason);
            }
        }
    }

    /// A connectivity check. It is answered only under the password of the leg that it names.
    fn handle_stun(&mut self, now: Time, path: Path, packet: &[u8]) -> Result<(), Drop> {
        let ufrag = ice::addressee(packet).ok_or(Drop::StunMalformed)?;
        let index = *self.by_ufrag.get(ufrag).ok_or(Drop::StunUnknownUser)?;
        if self.is_anothers(now, path.peer, index) {
            return Err(Drop::StunRefused);
        }
        let leg = self.leg_mut(index).ok_or(Drop::StunUnknownUser)?;
        let mut reply = [0; REPLY_BYTES];
        let (id, association) = (leg.id, leg.association);
        let Checked { ice, .. } = leg.contact.as_checked().ok_or(Drop::StunUnknownUser)?;
        let (len, change) = match ice.handle(now, path.peer, packet, &mut reply) {
            ice::Outcome::Reply { len, change } => (len, change),
            ice::Outcome::Drop(ice::Drop::Malformed) => return Err(Drop::StunMalformed),
            ice::Outcome::Drop(_) => return Err(Drop::StunRefused),
        };
        let answer = reply.get(..len).unwrap_or_default();
        self.exit.transmit.reply(&self.exit.socket, path, answer);
        if let Some(gone) = change.evicted
            && self.by_address.get(&gone) == Some(&index)
        {
            self.by_address.remove(&gone);
        }
        if change.validated {
            self.by_address.insert(path.peer, index);
        }
        if change.selected {
            if let Some(out) = self.exit.outs.get_mut(index as usize) {
                out.way = Some(Way::Socket(path));
            }
            if let Some(side) = self.associations.get_mut(association) {
                side.notes.post(ToAssociation::Selected { leg: id, path });
            }
        }
        Ok(())
    }

    /// An address that checks of another leg come from, or that was given to a relay leg, belongs to that leg: whoever
    /// can send from a false address must not take it away with a password of its own.
    fn is_anothers(&self, now: Time, address: SocketAddr, index: u32) -> bool {
        let owner = self.by_address.get(&address).copied().filter(|&owner| owner != index);
        let owner = owner.and_then(|owner| self.leg(owner));
        owner.is_some_and(|owner| owner.contact.keeps_address(now))
    }

    /// DTLS is not read here; it takes a millisecond when it is a handshake.
    fn handle_dtls(&mut self, now: Time, index: u32, packet: &[u8]) -> Result<(), Drop> {
        let leg = self.leg_mut(index).ok_or(Drop::UnknownAddress)?;
        let (id, association) = (leg.id, leg.association);
        let Checked { dtls, .. } = leg.contact.as_checked().ok_or(Drop::DtlsRefused)?;
        if !dtls.take(now, 1) {
            return Err(Drop::DtlsRate);
        }
        let mut datagram = Datagram { leg: id, len: 0, bytes: [0; DATAGRAM_BYTES] };
        let place = datagram.bytes.get_mut(..packet.len()).ok_or(Drop::TooLong)?;
        place.copy_from_slice(packet);
        datagram.len = u16::try_from(packet.len()).unwrap_or(0);
        let side = self.associations.get_mut(association).ok_or(Drop::DtlsQueueFull)?;
        if side.datagrams.offer(datagram) { Ok(()) } else { Err(Drop::DtlsQueueFull) }
    }
}
