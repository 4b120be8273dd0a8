//! What arrives on the socket: which leg, which protocol. Connectivity checks are answered here, DTLS goes to the
//! association thread, media and its control to their own files.

use core::net::SocketAddr;

use offhook_rtc::ice;
use offhook_types::{MediaKind, PayloadType, Time};
use offhook_wire::demux::Kind;

use super::Core;
use super::contact::Checked;
use crate::association::{DATAGRAM_BYTES, Datagram, ToAssociation};
use crate::socket::{Message, Path};
use crate::transmit::Way;
use crate::{Count, Drop};

/// One in so many packets that are left out is opened: a prime, so that each of several streams has its turn.
const OPENED: u32 = 61;
/// A STUN answer of ours is about 80 bytes.
const REPLY_BYTES: usize = 256;
/// A check of ours: two user fragments of at most 256 bytes, and about 80 more.
const CHECK_BYTES: usize = 640;

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
        let mut shed = false;
        if let Some(leg) = known.and_then(|index| self.leg_mut(index)) {
            leg.quality.bytes_in += bytes;
            shed = leg.shed;
            let meters = &mut leg.meters;
            if !meters.packets.take(now, count) || !meters.bits.take(now, bytes * 8) {
                return self.exit.figures.drops.add_many(Drop::LegRate, count);
            }
        }
        for datagram in message.datagrams() {
            let done = match (Kind::of(datagram), known) {
                (None, _) => Err(Drop::Unrecognized),
                (Some(Kind::Stun), _) => self.handle_stun(now, (path, known), datagram),
                (_, None) => Err(Drop::UnknownAddress),
                (Some(Kind::Rtp), Some(index)) if shed && self.is_video(index, datagram) => {
                    self.leave_out(index, datagram);
                    Err(Drop::Overload)
                }
                (Some(Kind::Rtp), Some(index)) => self.handle_rtp(now, index, datagram),
                (Some(Kind::Rtcp), Some(index)) => self.handle_rtcp(now, index, datagram),
                (Some(Kind::Dtls), Some(index)) => self.handle_dtls(now, index, datagram),
            };
            if let Err(reason) = done {
                self.exit.drop_one(reason);
            }
        }
    }

    /// Whether a packet, not yet authenticated, says that it is video.
    fn is_video(&self, index: u32, packet: &[u8]) -> bool {
        let number = packet.get(1).map(|second| PayloadType(second & 0x7f));
        let codec = self.leg(index).zip(number).and_then(|(leg, number)| leg.codec(number));
        codec.is_some_and(|(codec, _)| codec.codec.kind() == MediaKind::Video)
    }

    /// A worker with too much to do forwards no video of a leg. Some of it is opened all the same: a packet carries 16
    /// bits of its number, and after 2^15 packets that nobody counted none would be authentic any more (RFC 3711
    /// §3.3.1).
    fn leave_out(&mut self, index: u32, packet: &[u8]) {
        let leg = self.legs.get_mut(index as usize).and_then(Option::as_deref_mut);
        let Some(leg) = leg else { return };
        leg.left_out = leg.left_out.wrapping_add(1);
        if leg.left_out.is_multiple_of(OPENED)
            && let Some(unprotect) = &mut leg.unprotect
        {
            let _opened = unprotect.unprotect_rtp(packet, &mut self.scratch);
        }
    }

    /// A connectivity check, answered only under the password of the leg that it names; or the answer to one of ours,
    /// which names nobody and comes from an address that we know.
    fn handle_stun(
        &mut self,
        now: Time,
        (path, known): (Path, Option<u32>),
        packet: &[u8],
    ) -> Result<(), Drop> {
        let index = match ice::addressee(packet) {
            Some(ufrag) => self.by_ufrag.get(ufrag).copied(),
            None if ice::is_answer(packet) => known,
            None => return Err(Drop::StunMalformed),
        };
        let index = index.ok_or(Drop::StunUnknownUser)?;
        if self.is_anothers(now, path.peer, index) {
            return Err(Drop::StunRefused);
        }
        let leg = self.leg_mut(index).ok_or(Drop::StunUnknownUser)?;
        let mut reply = [0; REPLY_BYTES];
        let Checked { ice, .. } = leg.contact.as_checked().ok_or(Drop::StunUnknownUser)?;
        let change = match ice.handle(now, path.peer, packet, &mut reply) {
            ice::Outcome::Reply { len, change } => {
                let answer = reply.get(..len).unwrap_or_default();
                self.exit.transmit.reply(&self.exit.socket, path, answer);
                change
            }
            ice::Outcome::Answered { change } => change,
            ice::Outcome::Drop(ice::Drop::Malformed) => return Err(Drop::StunMalformed),
            ice::Outcome::Drop(_) => return Err(Drop::StunRefused),
        };
        self.follow(now, (index, path), change);
        Ok(())
    }

    /// A check changed where the leg is reached, or is to be.
    fn follow(&mut self, now: Time, (index, path): (u32, Path), change: ice::Change) {
        if let Some(gone) = change.evicted
            && self.by_address.get(&gone) == Some(&index)
        {
            self.by_address.remove(&gone);
        }
        if change.validated {
            self.by_address.insert(path.peer, index);
        }
        if change.unproven {
            self.ask(now, index, path);
        }
        if !change.selected {
            return;
        }
        if let Some(out) = self.exit.outs.get_mut(index as usize)
            && out.way.replace(Way::Socket(path)).is_some()
        {
            self.exit.figures.counts.add(Count::PathsMoved);
        }
        let Some(leg) = self.leg(index) else { return };
        let (leg, association) = (leg.id, leg.association);
        self.tell_association(association, ToAssociation::Selected { leg, path });
    }

    /// Ask an address whether it wants what the leg receives.
    fn ask(&mut self, now: Time, index: u32, path: Path) {
        let Some(leg) = self.leg_mut(index) else { return };
        let Some(Checked { ice, .. }) = leg.contact.as_checked() else { return };
        let mut check = [0; CHECK_BYTES];
        let Some(len) = ice.probe(now, crate::secret::random(), &mut check) else { return };
        let check = check.get(..len).unwrap_or_default();
        self.exit.transmit.reply(&self.exit.socket, path, check);
        self.exit.figures.counts.add(Count::PathsAsked);
    }

    /// An address that checks of another leg come from, or that was given to a relay leg, belongs to that leg: whoever
    /// can send from a false address must not take it away with a password of its own.
    fn is_anothers(&self, now: Time, address: SocketAddr, index: u32) -> bool {
        let owner = self.by_address.get(&address).copied().filter(|&owner| owner != index);
        let owner = owner.and_then(|owner| self.leg(owner));
        owner.is_some_and(|owner| owner.contact.keeps_address(now, address))
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
