//! Control packets of a leg: what it misses as a receiver, what it says of its clock as a publisher.

use core::time::Duration;

use offhook_rtc::srtp;
use offhook_types::{MediaKind, Ssrc, Time};
use offhook_wire::rtcp::{self, Packet, ReportBlock, ReportBlocks};

use super::egress::Asked;
use super::leg::Role;
use super::peers::Note;
use super::{Core, Source};
use crate::{Count, Drop};

/// Packets that one feedback may have sent again. More lost at once is a link that is full, or gone.
const MAX_LOST: usize = 32;
/// Report blocks that fit into a packet (RFC 3550 §6.4.1).
const MAX_BLOCKS: usize = 31;
/// One receiver counts no more often than this for what a publisher is told of loss.
const LOSS_PAUSE: Duration = Duration::from_millis(400);
/// Requests taken from one packet: more is not repair but a flood.
const MAX_NACKS: usize = 256;

impl Core {
    /// A compound control packet from a leg.
    pub(super) fn handle_rtcp(&mut self, now: Time, index: u32, packet: &[u8]) -> Result<(), Drop> {
        let leg = self.legs.get_mut(index as usize).and_then(Option::as_deref_mut);
        let leg = leg.ok_or(Drop::UnknownAddress)?;
        let unprotect = leg.unprotect.as_mut().ok_or(Drop::NoKeys)?;
        let len = match unprotect.unprotect_rtcp(packet, &mut self.scratch) {
            Ok(len) => len,
            Err(srtp::Drop::Malformed) => return Err(Drop::RtcpMalformed),
            Err(srtp::Drop::Unauthenticated) => return Err(Drop::RtcpForged),
            Err(srtp::Drop::Replayed | srtp::Drop::TooOld) => return Err(Drop::RtcpReplayed),
            Err(_) => return Err(Drop::RtcpRefused),
        };
        self.exit.figures.counts.add(Count::RtcpReceived);
        leg.contact.authenticated(now);
        // The buffer is put back below; taking it lets the rest be changed while it is read.
        let scratch = core::mem::take(&mut self.scratch);
        let mut left = MAX_NACKS;
        for packet in rtcp::packets(scratch.get(..len).unwrap_or_default()) {
            match packet {
                Ok(packet) => self.handle_control(now, index, &packet, &mut left),
                Err(_) => self.exit.drop_one(Drop::RtcpMalformed),
            }
        }
        self.scratch = scratch;
        Ok(())
    }

    fn handle_control(&mut self, now: Time, index: u32, packet: &Packet<'_>, left: &mut usize) {
        match packet {
            Packet::SenderReport(report) => {
                let clock = (report.info.ntp, report.info.rtp_time);
                self.handle_sender_report(now, index, report.sender, clock);
                self.handle_blocks(now, index, &report.blocks);
            }
            Packet::ReceiverReport { blocks, .. } => self.handle_blocks(now, index, blocks),
            Packet::Nack(nack) => {
                for sequence in nack.sequences() {
                    let Some(rest) = left.checked_sub(1) else {
                        return self.exit.drop_one(Drop::ResendRate);
                    };
                    *left = rest;
                    self.exit.figures.counts.add(Count::NacksReceived);
                    if let Err(reason) =
                        self.resend(now, (index, nack.media), sequence, Asked::Again)
                    {
                        self.exit.drop_one(reason);
                    }
                }
            }
            Packet::Pli { media, .. } => self.want_key_frame(now, index, *media),
            Packet::Fir(fir) => {
                for (ssrc, _) in fir.entries() {
                    self.want_key_frame(now, index, ssrc);
                }
            }
            Packet::TransportCc(feedback) => {
                self.exit.figures.counts.add(Count::FeedbackReceived);
                let guide = self.exit.guide_mut(index);
                let (mut lost, mut many) = ([(Ssrc(0), 0); MAX_LOST], 0);
                let lose = |stream, sequence| {
                    if let Some(place) = lost.get_mut(many) {
                        *place = (stream, sequence);
                        many += 1;
                    }
                };
                let unknown = guide.map_or(0, |guide| guide.handle_feedback(now, feedback, lose));
                self.exit.figures.drops.add_many(Drop::FeedbackUnknown, u64::from(unknown));
                self.steer(now, index);
                for &(stream, sequence) in lost.iter().take(many) {
                    self.replace(now, index, stream, sequence);
                }
            }
            Packet::Remb(remb) => {
                if let Some(guide) = self.exit.guide_mut(index) {
                    guide.handle_remb(now, remb.bitrate);
                }
                self.steer(now, index);
            }
            // Names and farewells: a leg's life is told by DTLS and consent.
            Packet::Sdes(_) | Packet::Bye(_) | Packet::Unknown { .. } => {}
        }
    }

    fn handle_sender_report(&mut self, now: Time, index: u32, sender: Ssrc, clock: (u64, u32)) {
        let Some(leg) = self.leg_mut(index) else { return };
        let Some(at) = leg.stream(sender) else { return };
        let Some(stream) = leg.streams.get_mut(at) else { return };
        if let Some(reception) = &mut stream.reception {
            reception.sender_report(now, clock.0);
        }
        if stream.role == Role::Media {
            let (track, layer) = (stream.track, stream.layer);
            self.tell_router_clock(now, track, layer, clock);
            self.tell_workers(track, |track| Note::Clock { track, layer, clock });
        }
    }

    /// What a receiver says of the streams that we send it.
    fn handle_blocks(&mut self, now: Time, index: u32, blocks: &ReportBlocks<'_>) {
        let Some(leg) = self.legs.get_mut(index as usize).and_then(Option::as_deref_mut) else {
            return;
        };
        let (mut heard, mut lossy) = ([(Ssrc(0), 0); MAX_BLOCKS], 0);
        let mut worst = None;
        for block in blocks.iter() {
            let receiving = leg.egress.iter_mut().find(|r| r.egress.ssrc == block.source);
            let Some(receiving) = receiving else { continue };
            receiving.fraction_lost = block.fraction_lost;
            if receiving.egress.kind == MediaKind::Audio && receiving.loss_heard_from <= now {
                receiving.loss_heard_from = now + LOSS_PAUSE;
                if let Some(count) = heard.get_mut(lossy) {
                    *count = (block.source, block.fraction_lost);
                    lossy += 1;
                }
            }
            worst = worst.max(Some(block.fraction_lost));
            let ReportBlock { last_report, delay, .. } = block;
            if let Some(sample) = receiving.round_trip(now, last_report, delay) {
                // RFC 6298 §2.3 smooths in the same way.
                let smooth = |old: Duration| (old * 7 + sample) / 8;
                leg.round_trip = Some(leg.round_trip.map_or(sample, smooth));
            }
        }
        for &(ssrc, fraction) in heard.iter().take(lossy) {
            self.hear_loss(index, ssrc, fraction);
        }
        let out = self.exit.outs.get_mut(index as usize);
        if let (Some(worst), Some(out)) = (worst, out)
            && let Some(guide) = &mut out.guide
        {
            guide.handle_loss(now, worst, out.bytes);
            self.steer(now, index);
        }
    }

    /// A receiver loses sound: its publisher is to know, so that it sends what makes good for that.
    fn hear_loss(&mut self, index: u32, ssrc: Ssrc, fraction: u8) {
        let Some(place) = self.leg(index).map(|leg| leg.room) else { return };
        let Some(room) = self.room_mut(place) else { return };
        let Some(track) = room.router.hear_loss((index, ssrc), fraction) else { return };
        let told = room.router.audience_loss(track);
        if let Some(Source::Remote(worker)) = self.tracks.get(&track).map(|track| track.source) {
            self.tell(worker, Note::Lossy { track, fraction: told });
        }
    }

    fn want_key_frame(&mut self, now: Time, index: u32, ssrc: Ssrc) {
        self.exit.figures.counts.add(Count::KeyFramesWanted);
        let Some(room) = self.leg(index).map(|leg| leg.room) else { return };
        if let Some(inside) = self.room_mut(room) {
            inside.router.request_key_frame(now, index, ssrc);
            self.mark_asking(room);
        }
    }

    /// Ask a room's router for key frame requests before this turn ends.
    pub(super) fn mark_asking(&mut self, room: u32) {
        if !self.asking.contains(&room) {
            self.asking.push(room);
        }
    }
}
