//! Packets that leave later than they came: what the pacer of a leg holds back, padding for its probes, and what its
//! feedback leads to.

use std::sync::Arc;

use offhook_rtc::congestion::{ClusterId, Departure};
use offhook_rtc::pacer::{self, Class, Release};
use offhook_sfu::{Carried, Kept, Outgoing, Router, RtxStream};
use offhook_types::media::{Extension, Extensions};
use offhook_types::{MediaKind, Mid, PayloadType, Ssrc, Time};
use offhook_wire::rtp;

use super::egress::{Exit, Sending};
use super::guide::Guide;
use super::leg::Out;
use super::{Core, TICK};
use crate::slots::Slot;
use crate::{Count, Drop};

/// A packet that waits for its leg's pacer.
pub(super) struct Held {
    slot: Arc<Slot>,
    /// The publisher's extension ids.
    ids: Extensions,
    kept: Kept,
    repair: Option<Repair>,
}

/// How a packet that the receiver misses is sent again.
#[derive(Debug, Clone, Copy)]
pub(super) enum Repair {
    /// As it was.
    Same,
    /// On the retransmission stream of a media stream (RFC 4588).
    Rtx(RtxStream, Ssrc),
}

impl Exit {
    pub(super) fn guide_mut(&mut self, leg: u32) -> Option<&mut Guide> {
        self.outs.get_mut(leg as usize)?.guide.as_deref_mut()
    }

    /// Let a packet of a leg wait.
    #[cold]
    pub(super) fn hold(
        &mut self,
        leg: u32,
        packet: &Outgoing<'_>,
        (slot, ids): (&Arc<Slot>, Extensions),
        repair: Option<Repair>,
    ) -> Result<(), Drop> {
        let guide = self.outs.get_mut(leg as usize).and_then(|out| out.guide.as_deref_mut());
        let guide = guide.ok_or(Drop::NoPath)?;
        let class = if repair.is_some() { Class::Repair } else { Class::Media };
        let held = Held { slot: slot.clone(), ids, kept: packet.keep(), repair };
        let size = (class, packet.payload.len());
        let kept = guide.pacer.hold(self.now, &mut self.held, size, held);
        if kept.is_err() && class == Class::Media {
            guide.tear(packet.ssrc);
        }
        self.wake_pacer(leg);
        kept.map_err(|reason| match reason {
            pacer::Drop::Full => Drop::PacerFull,
            pacer::Drop::Late => Drop::PacerLate,
        })?;
        self.figures.counts.add(Count::Held);
        Ok(())
    }

    /// A leg's pacer has something to do.
    pub(super) fn wake_pacer(&mut self, leg: u32) {
        let guide = self.outs.get_mut(leg as usize).and_then(|out| out.guide.as_deref_mut());
        let Some(guide) = guide else { return };
        if !core::mem::replace(&mut guide.paced, true) {
            self.paced.push(leg);
        }
        let due = if guide.torn.is_empty() { guide.pacer.next_timeout() } else { self.now };
        self.next_release = self.next_release.min(due);
    }

    /// Send a packet that the receiver misses.
    pub(super) fn send_again(
        &mut self,
        leg: u32,
        router: &mut Router,
        mut outgoing: Outgoing<'_>,
        (repair, cluster): (Repair, ClusterId),
    ) -> Result<(), Drop> {
        let mut sending = Sending::Same;
        if let Repair::Rtx(rtx, media) = repair {
            let own = router.next_rtx_sequence(leg, media).ok_or(Drop::ResendGone)?;
            sending = Sending::Rtx((outgoing.sequence as u16).to_be_bytes());
            outgoing.ssrc = rtx.ssrc;
            outgoing.payload_type = rtx.payload_type;
            outgoing.sequence = own;
        }
        self.write(leg, &outgoing, (sending, cluster))?;
        self.figures.counts.add(Count::Resent);
        Ok(())
    }

    /// Forget a leg with all that waits for it.
    pub(super) fn clear(&mut self, leg: u32) {
        let Some(out) = self.outs.get_mut(leg as usize) else { return };
        if let Some(guide) = &mut out.guide {
            guide.pacer.clear(&mut self.held);
        }
        *out = Out::default();
    }

    /// Send padding on a retransmission stream, as much as goes into a packet but not more than asked for. Its bytes.
    fn pad(
        &mut self,
        leg: u32,
        padding: &Padding<'_>,
        (room, cluster): (usize, ClusterId),
    ) -> Option<usize> {
        let out = self.outs.get_mut(leg as usize)?;
        let (Some(protect), Some(way), Some(guide)) =
            (&mut out.protect, &out.way, out.guide.as_deref_mut())
        else {
            return None;
        };
        let bytes = self.transmit.space(&self.socket, (leg, way))?;
        let header = rtp::Header {
            marker: false,
            payload_type: padding.payload_type,
            sequence: padding.sequence as u16,
            timestamp: (self.now.as_micros() * 9 / 100) as u32,
            ssrc: padding.ssrc,
        };
        let number = guide.next_number(padding.payload_type)?.to_be_bytes();
        let extensions = [
            padding.ids.id(Extension::Mid).map(|id| (id, padding.mid.as_str().as_bytes())),
            padding.ids.id(Extension::TransportCc).map(|id| (id, number.as_slice())),
        ];
        let start = rtp::write_header(bytes, &header, extensions.into_iter().flatten())?;
        // The last byte is the padding's length (RFC 3550 §5.1).
        let count = u8::try_from(room.saturating_sub(start)).unwrap_or(u8::MAX).max(LEAST_PADDING);
        let (first, area) = (bytes.first_mut()?, usize::from(count));
        *first |= 0x20;
        let area = bytes.get_mut(start..start + area)?;
        area.fill(0);
        *area.last_mut()? = count;
        let len = start + usize::from(count);
        let len = protect.protect_rtp_in_place(padding.sequence, start, len, bytes)?;
        self.transmit.commit(&self.socket, (leg, way), len);
        out.bytes += len as u64;
        // Nobody misses padding.
        let (stream, sequence) = (Ssrc(0), padding.sequence as u16);
        guide.departed(self.now, &Departure { stream, sequence, size: len as u16, cluster });
        self.figures.counts.add(Count::PaddingSent);
        Some(len)
    }
}

/// Where padding goes.
struct Padding<'a> {
    ssrc: Ssrc,
    payload_type: PayloadType,
    sequence: u64,
    mid: &'a Mid,
    ids: &'a Extensions,
}

impl Core {
    /// What a receiver told, or time, may have changed what it gets.
    pub(super) fn steer(&mut self, now: Time, index: u32) {
        let leg = self.legs.get(index as usize).and_then(Option::as_deref);
        let (Some(leg), Some(guide)) = (leg, self.exit.guide_mut(index)) else { return };
        let Some(room) = self.rooms.get_mut(leg.room as usize).and_then(Option::as_mut) else {
            return;
        };
        let can_pad = leg.egress.iter().any(|receiving| receiving.egress.rtx.is_some());
        guide.set_wanted(room.router.wanted(index), can_pad);
        let news = guide.steer(now);
        let (next, probing, room_index) =
            (guide.next_timeout(), guide.pacer.is_probing(), leg.room);
        if let Some(budget) = news {
            room.router.set_budget(now, index, budget);
            self.mark_asking(room_index);
        }
        if probing {
            self.exit.wake_pacer(index);
        }
        self.schedule(index, next.max(now + TICK));
    }

    /// Let pacers send what is due.
    pub(super) fn release(&mut self, now: Time) {
        if now < self.exit.next_release {
            return;
        }
        let mut paced = core::mem::take(&mut self.exit.paced);
        let mut next = Time::MAX;
        paced.retain(|&index| {
            let due = self.release_leg(now, index);
            next = next.min(due);
            due < Time::MAX
        });
        (self.exit.paced, self.exit.next_release) = (paced, next);
    }

    /// Let one leg's pacer send. When it wants to be asked again.
    fn release_leg(&mut self, now: Time, index: u32) -> Time {
        while let Some(guide) =
            self.exit.outs.get_mut(index as usize).and_then(|o| o.guide.as_mut())
        {
            if !guide.torn.is_empty() {
                self.give_up(now, index);
                continue;
            }
            let due = guide.pacer.next_timeout();
            if due > now {
                guide.paced = due < Time::MAX;
                return due;
            }
            let sent = match guide.pacer.poll(now, &mut self.exit.held) {
                Some(Release::Packet(held, cluster)) => self.send_held(index, &held, cluster),
                Some(Release::Late(held)) => {
                    if held.repair.is_none() {
                        guide.tear(held.kept.ssrc());
                    }
                    Err(Drop::PacerLate)
                }
                Some(Release::Padding(room, cluster)) => {
                    let bytes = self.pad(index, (room, cluster)).unwrap_or(0);
                    if let Some(guide) = self.exit.guide_mut(index) {
                        guide.pacer.padded(bytes);
                    }
                    Ok(())
                }
                None => return due.max(now + TICK / 10),
            };
            if let Err(reason) = sent {
                self.exit.drop_one(reason);
            }
        }
        Time::MAX
    }

    /// Do without the pictures of which something is lost, before the receiver asks for it in vain: what follows waits
    /// for a key frame.
    #[cold]
    fn give_up(&mut self, now: Time, index: u32) {
        let Some(guide) = self.exit.outs.get_mut(index as usize).and_then(|o| o.guide.as_mut())
        else {
            return;
        };
        while let Some(held) = guide.pacer.give_up(&mut self.exit.held) {
            guide.tear(held.kept.ssrc());
            self.exit.figures.drops.add(Drop::PacerLate);
        }
        let leg = self.legs.get(index as usize).and_then(Option::as_deref);
        let place = leg.map(|leg| leg.room);
        let room = place.and_then(|room| self.rooms.get_mut(room as usize)?.as_mut());
        if let Some(room) = room {
            guide.torn.iter().for_each(|&stream| room.router.lose_picture(now, index, stream));
        }
        guide.torn.clear();
        place.into_iter().for_each(|room| self.mark_asking(room));
    }

    fn send_held(&mut self, index: u32, held: &Held, cluster: ClusterId) -> Result<(), Drop> {
        let source = rtp::Packet::parse(held.slot.packet()).map_err(|_| Drop::RtpMalformed)?;
        let carried = Carried::pick(&source.head.extensions, &held.ids);
        let outgoing = held.kept.render(source.payload, &carried).ok_or(Drop::RtpMalformed)?;
        match held.repair {
            None => self.exit.write(index, &outgoing, (Sending::New, cluster)),
            Some(repair) => {
                let room = self.leg(index).map(|leg| leg.room).ok_or(Drop::ResendGone)?;
                let room = self.rooms.get_mut(room as usize).and_then(Option::as_mut);
                let router = &mut room.ok_or(Drop::ResendGone)?.router;
                self.exit.send_again(index, router, outgoing, (repair, cluster))
            }
        }
    }

    /// Send one packet of padding.
    fn pad(&mut self, index: u32, (room, cluster): (usize, ClusterId)) -> Option<usize> {
        let leg = self.legs.get(index as usize)?.as_deref()?;
        let receiving = leg.egress.iter().find(|receiving| {
            receiving.egress.kind == MediaKind::Video && receiving.egress.rtx.is_some()
        })?;
        let video = leg.negotiated.codecs.iter().filter(|c| c.codec.kind() == MediaKind::Video);
        let payload_type = video.filter(|codec| codec.transport_cc).find_map(|codec| codec.rtx)?;
        let router = &mut self.rooms.get_mut(leg.room as usize)?.as_mut()?.router;
        let padding = Padding {
            ssrc: receiving.egress.rtx?,
            payload_type,
            sequence: router.next_rtx_sequence(index, receiving.egress.ssrc)?,
            mid: &receiving.egress.mid,
            ids: &leg.negotiated.extensions,
        };
        self.exit.pad(index, &padding, (room, cluster))
    }
}

/// A probe's packets are not made smaller than this for the last bytes of a run.
const LEAST_PADDING: u8 = 64;
