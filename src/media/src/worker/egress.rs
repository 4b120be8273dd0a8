//! What leaves for a receiver: header, payload and protection written once, straight into the receiver's transmit run.

use core::time::Duration;
use std::sync::Arc;

use offhook_rtc::congestion::ClusterId;
use offhook_rtc::pacer::{Class, Pool};
use offhook_rtc::srtp::{Payload, Protected};
use offhook_sfu::{Inbound, Outgoing};
use offhook_types::media::{Egress, Extensions};
use offhook_types::{MediaKind, Ssrc, Time};
use offhook_wire::rtp;

use super::guide;
use super::leg::Out;
use super::pacing::{Held, Repair};
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
    /// When this turn began.
    pub(super) now: Time,
    /// What pacers hold back.
    pub(super) held: Pool<Held>,
    /// Legs whose pacers have something to do, and when the first of them has.
    pub(super) paced: Vec<u32>,
    pub(super) next_release: Time,
}

/// What a packet on its way out is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sending {
    /// It leaves for the first time.
    New,
    /// It leaves again as it was.
    Same,
    /// It leaves again on the retransmission stream: the original sequence number precedes its payload (RFC 4588 §4).
    Rtx([u8; 2]),
}

/// Whether a packet that is missing may have been sent again before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// If so, it is sent once more when that is long enough ago.
    Again,
    /// If so, it is not sent.
    Never,
}

impl Exit {
    /// Send one packet to one leg, now or when its pacer lets it. `ids` are those of the extensions of the slot that it
    /// was made of, which `find` finds by its payload.
    #[inline]
    pub(super) fn forward<'s>(
        &mut self,
        leg: u32,
        packet: &Outgoing<'_>,
        ids: Extensions,
        find: impl FnOnce(&[u8]) -> Option<&'s Arc<Slot>>,
    ) {
        let now = self.now;
        let waits = self.guide_mut(leg).is_some_and(|guide| !guide.passes(now, packet));
        // A packet that only fills its number is of no slot and of no weight.
        let source = if waits { find(packet.payload) } else { None };
        let done = match source {
            Some(slot) => self.hold(leg, packet, (slot, ids), None),
            None => self.write(leg, packet, (Sending::New, 0)),
        };
        if let Err(reason) = done {
            self.figures.drops.add(reason);
        }
    }

    /// Write a packet into its leg's run, as part of a probe or of none.
    #[inline]
    pub(super) fn write(
        &mut self,
        leg: u32,
        packet: &Outgoing<'_>,
        (sending, cluster): (Sending, ClusterId),
    ) -> Result<(), Drop> {
        let out = self.outs.get_mut(leg as usize).ok_or(Drop::NoPath)?;
        let (Some(protect), Some(way)) = (&mut out.protect, &out.way) else {
            return Err(Drop::NoPath);
        };
        let bytes = self.transmit.space(&self.socket, (leg, way)).ok_or(Drop::NoPath)?;
        let number = match (&out.guide, sending) {
            (Some(guide), Sending::Same) => guide.number_of(packet)?,
            (Some(guide), _) => guide.next_number(packet.payload_type),
            (None, _) => None,
        };
        let header = packet.write_header(bytes, number).ok_or(Drop::HeaderTooLong)?;
        let is_rtx = matches!(sending, Sending::Rtx(_));
        let payload = if !is_rtx && packet.patch.is_empty() {
            Payload::Apart(packet.payload)
        } else {
            let mut end = header;
            if let Sending::Rtx(original) = sending {
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
        if let Some(guide) = &mut out.guide
            && sending != Sending::Same
            && number.is_some()
        {
            let original = match sending {
                Sending::Rtx(original) => Some(original),
                Sending::New | Sending::Same => None,
            };
            guide.departed(self.now, &guide::departure(packet, original, (len, cluster)));
        }
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
    /// Feedback says that a packet did not come. Mostly the receiver has asked for it already; if its request or what
    /// was sent for it got lost, this is sooner than its next.
    pub(super) fn replace(&mut self, now: Time, index: u32, stream: Ssrc, sequence: u16) {
        let Some(leg) = self.leg(index) else { return };
        let mut pictures = leg.egress.iter().filter_map(|receiving| {
            let Egress { kind, ssrc, rtx, .. } = receiving.egress;
            (kind == MediaKind::Video).then_some((ssrc, rtx?))
        });
        let found = pictures.find(|&(ssrc, rtx)| stream == ssrc || stream == rtx);
        let Some((ssrc, rtx)) = found else { return };
        let asked = if stream == rtx { Asked::Again } else { Asked::Never };
        // What is gone is of no interest here: nobody has asked for it.
        let _gone = self.resend(now, (index, ssrc), sequence, asked);
    }

    /// A receiver misses a packet: send it again, if it is still there.
    pub(super) fn resend(
        &mut self,
        now: Time,
        (index, ssrc): (u32, Ssrc),
        sequence: u16,
        asked: Asked,
    ) -> Result<(), Drop> {
        let leg = self.legs.get_mut(index as usize).and_then(Option::as_deref_mut);
        let leg = leg.ok_or(Drop::CommandStale)?;
        // Before anything is looked up: whoever asks for what is gone may not ask more often.
        if !leg.meters.resends.take(now, 1) {
            return Err(Drop::ResendRate);
        }
        let room = self.rooms.get_mut(leg.room as usize).and_then(Option::as_mut);
        let router = &mut room.ok_or(Drop::CommandStale)?.router;
        // What waits in the pacer has not been sent, however long ago it was asked for.
        let waits = self.exit.guide_mut(index).map(|guide| guide.pacer.wait(now, Class::Repair));
        let pause = match asked {
            Asked::Again => leg.round_trip.unwrap_or_default() + waits.unwrap_or_default(),
            Asked::Never => Duration::MAX,
        };
        let Ok(resend) = router.resend(now, (index, ssrc), sequence, pause) else {
            // The router has counted why.
            return Ok(());
        };
        let track = self.tracks.get(&resend.track).ok_or(Drop::ResendGone)?;
        let history = track.histories.get(usize::from(resend.layer)).ok_or(Drop::ResendGone)?;
        let slot = history.find(resend.sequence).ok_or(Drop::ResendGone)?;
        let packet = rtp::Packet::parse(slot.packet()).map_err(|_| Drop::ResendGone)?;
        let source = inbound(slot, &packet, track).ok_or(Drop::ResendGone)?;
        let outgoing = resend.render(&source).ok_or(Drop::ResendGone)?;
        let repair = resend.rtx.map_or(Repair::Same, |rtx| Repair::Rtx(rtx, ssrc));
        if self.exit.guide_mut(index).is_some_and(|guide| !guide.passes(now, &outgoing)) {
            return self.exit.hold(index, &outgoing, (slot, track.ids), Some(repair));
        }
        self.exit.send_again(index, router, outgoing, (repair, 0))
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
