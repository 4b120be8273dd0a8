//! What leaves for a receiver: header, payload and protection written once, straight into the receiver's transmit run.

use std::sync::Arc;

use offhook_rtc::srtp::{Payload, Protected};
use offhook_sfu::{Inbound, Outgoing};
use offhook_types::{Ssrc, Time};
use offhook_wire::rtp;

use super::leg::Out;
use super::{Core, Track};
use crate::slots::Slot;
use crate::socket::UdpSocket;
use crate::transmit::Transmit;
use crate::{Count, Drop, Snapshot};

/// The way out: everything that sending needs, apart from the legs and rooms that decide what is sent.
pub(super) struct Exit {
    pub(super) socket: Arc<UdpSocket>,
    pub(super) transmit: Transmit,
    /// By leg.
    pub(super) outs: Vec<Out>,
    pub(super) figures: Snapshot,
}

impl Exit {
    /// Send one packet to one leg.
    #[inline]
    pub(super) fn forward(&mut self, leg: u32, packet: &Outgoing<'_>) {
        if let Err(reason) = self.write(leg, packet, None) {
            self.figures.drops.add(reason);
        }
    }

    /// With `original`, the payload is preceded by the original sequence number (RFC 4588 §4).
    #[inline]
    fn write(
        &mut self,
        leg: u32,
        packet: &Outgoing<'_>,
        original: Option<[u8; 2]>,
    ) -> Result<(), Drop> {
        let out = self.outs.get_mut(leg as usize).ok_or(Drop::NoPath)?;
        let (Some(protect), Some(way)) = (&mut out.protect, &out.way) else {
            return Err(Drop::NoPath);
        };
        let bytes = self.transmit.space(&self.socket, (leg, way)).ok_or(Drop::NoPath)?;
        // No transport-wide number is written as long as nothing estimates the way to the receiver. It also keeps a
        // packet that is sent again under its own number equal to the first, without which GCM would not be secure.
        let header = packet.write_header(bytes, None).ok_or(Drop::HeaderTooLong)?;
        let payload = if original.is_none() && packet.patch.is_empty() {
            Payload::Apart(packet.payload)
        } else {
            let mut end = header;
            if let Some(original) = original {
                let place = bytes.get_mut(end..end + 2).ok_or(Drop::HeaderTooLong)?;
                place.copy_from_slice(&original);
                end += 2;
            }
            let rest = bytes.get_mut(end..).ok_or(Drop::HeaderTooLong)?;
            Payload::InPlace(end + packet.write_payload(rest).ok_or(Drop::HeaderTooLong)?)
        };
        let protected = protect.protect_rtp_unsigned(packet.sequence, header, payload, bytes);
        let Protected { len, unsigned } = protected.ok_or(Drop::ProtectFailed)?;
        if let Some(unsigned) = unsigned {
            self.transmit.sign_later(unsigned);
        }
        self.transmit.commit(&self.socket, (leg, way), len);
        out.bytes += len as u64;
        self.figures.counts.add(Count::PacketsForwarded);
        self.figures.counts.add_many(Count::BytesForwarded, len as u64);
        Ok(())
    }

    pub(super) fn drop_one(&mut self, reason: Drop) {
        self.figures.drops.add(reason);
    }

    /// Let everything go that waits in the runs.
    pub(super) fn flush(&mut self) {
        self.transmit.flush(&self.socket);
    }

    /// Send a compound RTCP packet that `build` writes and measures.
    pub(super) fn control(
        &mut self,
        leg: u32,
        build: impl FnOnce(&mut [u8]) -> Option<usize>,
    ) -> bool {
        let Some(out) = self.outs.get_mut(leg as usize) else { return false };
        let (Some(protect), Some(way)) = (&mut out.protect, &out.way) else { return false };
        let Some(bytes) = self.transmit.space(&self.socket, (leg, way)) else { return false };
        let room = bytes.len().min(RTCP_BYTES);
        let Some(len) = bytes.get_mut(..room).and_then(build) else { return false };
        let Some(len) = protect.protect_rtcp(len, bytes) else { return false };
        self.transmit.commit(&self.socket, (leg, way), len);
        out.bytes += len as u64;
        true
    }
}

/// Longest compound RTCP packet before protection.
const RTCP_BYTES: usize = 1200;

impl Core {
    /// A receiver misses a packet: send it again, if it is still there.
    pub(super) fn resend(
        &mut self,
        now: Time,
        index: u32,
        ssrc: Ssrc,
        sequence: u16,
    ) -> Result<(), Drop> {
        let leg = self.legs.get_mut(index as usize).and_then(Option::as_deref_mut);
        let leg = leg.ok_or(Drop::CommandStale)?;
        // Before anything is looked up: whoever asks for what is gone may not ask more often.
        if !leg.meters.resends.take(now, 1) {
            return Err(Drop::ResendRate);
        }
        let room = self.rooms.get_mut(leg.room as usize).and_then(Option::as_mut);
        let router = &mut room.ok_or(Drop::CommandStale)?.router;
        let round_trip = leg.round_trip.unwrap_or_default();
        let Ok(resend) = router.resend(now, (index, ssrc), sequence, round_trip) else {
            return Err(Drop::ResendGone);
        };
        let track = self.tracks.get(&resend.track).ok_or(Drop::ResendGone)?;
        let history = track.histories.get(usize::from(resend.layer)).ok_or(Drop::ResendGone)?;
        let slot = history.find(resend.sequence).ok_or(Drop::ResendGone)?;
        let packet = rtp::Packet::parse(slot.packet()).map_err(|_| Drop::ResendGone)?;
        let source = inbound(slot, &packet, track).ok_or(Drop::ResendGone)?;
        let mut outgoing = resend.render(&source).ok_or(Drop::ResendGone)?;
        let mut original = None;
        if let Some(rtx) = resend.rtx {
            let own = router.next_rtx_sequence(index, ssrc).ok_or(Drop::ResendGone)?;
            original = Some((outgoing.sequence as u16).to_be_bytes());
            outgoing.ssrc = rtx.ssrc;
            outgoing.payload_type = rtx.payload_type;
            outgoing.sequence = own;
        }
        self.exit.write(index, &outgoing, original)?;
        self.exit.figures.counts.add(Count::Resent);
        Ok(())
    }
}

/// What a router needs to know of a stored packet. `None` when its payload is not what its codec says.
#[inline]
pub(super) fn inbound<'a>(
    slot: &Slot,
    packet: &rtp::Packet<'a>,
    track: &Track,
) -> Option<Inbound<'a>> {
    Inbound::new((slot.layer, slot.codec, slot.sequence), packet, &track.ids).ok()
}
