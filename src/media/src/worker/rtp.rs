//! Media from a publisher: unprotected into a slot, recognised, registered for feedback, and put where it is
//! forwarded from (`forward.rs`).

use std::sync::Arc;

use offhook_rtc::nack::Arrival;
use offhook_rtc::reports::Reception;
use offhook_rtc::{rtx, srtp};
use offhook_types::media::{CodecParams, Event, Extension, Ingress};
use offhook_types::{Mid, Rid, Ssrc, Time, TrackId};
use offhook_wire::rtp::{Header, Packet};

use super::leg::{Leg, Role, Stream};
use super::{Core, Source};
use crate::slots::{SLOT_BYTES, Slot};
use crate::{Count, Drop};

/// What a packet turned out to be.
struct Accepted {
    track: TrackId,
    /// The first of its layer.
    first: bool,
    /// Its layer comes under another SSRC than before.
    restarted: bool,
    /// When the leg's feedback is due.
    due: Time,
}

/// The fields of a parsed packet that outlive its borrow.
struct Facts {
    header: Header,
    header_len: usize,
    payload_len: usize,
    mid: Option<Mid>,
    rid: Option<Rid>,
    repaired_rid: Option<Rid>,
    transport_sequence: Option<u16>,
}

impl Core {
    /// A media packet from a leg.
    pub(super) fn handle_rtp(&mut self, now: Time, index: u32, packet: &[u8]) -> Result<(), Drop> {
        if self.arena.is_full() {
            self.make_room(now);
        }
        let leg = self.legs.get_mut(index as usize).and_then(Option::as_deref_mut);
        let leg = leg.ok_or(Drop::UnknownAddress)?;
        let unprotect = leg.unprotect.as_mut().ok_or(Drop::NoKeys)?;
        if packet.len() > SLOT_BYTES {
            return Err(Drop::TooLong);
        }
        let mut slot = self.arena.take().ok_or(Drop::NoSlot)?;
        let accepted = match Arc::get_mut(&mut slot) {
            Some(inside) => match unprotect.unprotect_rtp(packet, &mut inside.bytes) {
                Ok(opened) => {
                    self.exit.figures.counts.add(Count::RtpReceived);
                    leg.contact.authenticated(now);
                    (inside.len, inside.sequence, inside.arrived) =
                        (opened.len, opened.sequence, now);
                    accept(now, leg, inside)
                }
                Err(reason) => Err(unprotect_reason(reason)),
            },
            None => Err(Drop::NoSlot),
        };
        match accepted {
            Ok(accepted) => {
                self.schedule(index, accepted.due);
                if accepted.first || accepted.restarted {
                    self.layer_begins(now, index, &accepted, &slot);
                }
                self.forward_later(now, accepted.track, slot);
                Ok(())
            }
            Err(reason) => {
                self.arena.give(slot);
                Err(reason)
            }
        }
    }

    /// The first packet of a layer, or the first after its publisher began anew.
    #[cold]
    fn layer_begins(&mut self, now: Time, index: u32, accepted: &Accepted, slot: &Slot) {
        let (id, layer) = (accepted.track, slot.layer);
        let Some(leg) = self.leg(index).map(|leg| leg.id) else { return };
        if accepted.restarted {
            // What came before is numbered as before.
            self.forward(now);
            self.restart_layer(now, id, layer);
        }
        if accepted.first && !accepted.restarted {
            self.event(Event::TrackLive { leg, track: id, codec: slot.codec, layer });
        }
    }

    /// A layer's numbering begins anew: nothing of before can be asked for.
    pub(super) fn restart_layer(&mut self, now: Time, id: TrackId, layer: u8) {
        let Some(track) = self.tracks.get_mut(&id) else { return };
        if let Some(history) = track.histories.get_mut(usize::from(layer)) {
            history.clear(&mut self.arena);
        }
        if let Some(room) = self.rooms.get_mut(track.room as usize).and_then(Option::as_mut) {
            room.router.restart_layer(now, id, layer);
        }
        if matches!(track.source, Source::Local(_)) {
            self.tell_workers(id, |track| super::peers::Note::Restarted { track, layer });
        }
    }
}

fn unprotect_reason(reason: srtp::Drop) -> Drop {
    match reason {
        srtp::Drop::Malformed | srtp::Drop::Unencrypted => Drop::RtpMalformed,
        srtp::Drop::Unauthenticated => Drop::RtpForged,
        srtp::Drop::Replayed | srtp::Drop::TooOld => Drop::RtpReplayed,
        srtp::Drop::TooManySources => Drop::RtpUnknownStream,
        srtp::Drop::NoSpace => Drop::TooLong,
    }
}

/// Recognise a decrypted packet and register it for feedback. A retransmission becomes its original.
fn accept(now: Time, leg: &mut Leg, slot: &mut Slot) -> Result<Accepted, Drop> {
    let facts = facts(leg, slot)?;
    let ssrc = facts.header.ssrc;
    if let Some(sequence) = facts.transport_sequence {
        leg.recorder.received(now, sequence, ssrc);
    }
    let due = leg.recorder.next_timeout().unwrap_or(Time::MAX);
    let (codec, role) = leg.codec(facts.header.payload_type).ok_or(Drop::RtpUnknownPayloadType)?;
    let (at, restarted) = match leg.stream(ssrc) {
        Some(at) => (at, false),
        None => identify(leg, &facts, role).ok_or(Drop::RtpUnknownStream)?,
    };
    let mut accepted = match role {
        Role::Media => accept_media(now, leg, slot, (at, codec), &facts),
        Role::Rtx => accept_rtx(now, leg, slot, (at, codec), &facts),
    }?;
    (accepted.restarted, accepted.due) = (restarted, accepted.due.min(due));
    Ok(accepted)
}

fn facts(leg: &Leg, slot: &Slot) -> Result<Facts, Drop> {
    let packet = Packet::parse(slot.packet()).map_err(|_| Drop::RtpMalformed)?;
    let ids = &leg.negotiated.extensions;
    let find = |extension| packet.extension(ids.id(extension)?);
    let known = leg.stream(packet.header().ssrc).is_some();
    let number = |bytes: &[u8]| bytes.try_into().ok().map(u16::from_be_bytes);
    let mut facts = Facts {
        header: *packet.header(),
        header_len: packet.head.header_len,
        payload_len: packet.payload.len(),
        mid: None,
        rid: None,
        repaired_rid: None,
        transport_sequence: find(Extension::TransportCc).and_then(number),
    };
    if !known {
        facts.mid = find(Extension::Mid).and_then(Mid::new);
        facts.rid = find(Extension::Rid).and_then(Rid::new);
        facts.repaired_rid = find(Extension::RepairedRid).and_then(Rid::new);
    }
    Ok(facts)
}

fn accept_media(
    now: Time,
    leg: &mut Leg,
    slot: &mut Slot,
    (at, codec): (usize, CodecParams),
    facts: &Facts,
) -> Result<Accepted, Drop> {
    let stream = leg.streams.get_mut(at).ok_or(Drop::RtpUnknownStream)?;
    if stream.role != Role::Media {
        return Err(Drop::RtpUnknownPayloadType);
    }
    let (sequence, rate) = (slot.sequence, codec.codec.clock_rate());
    let first = stream.highest.is_none();
    stream.highest = Some(stream.highest.map_or(sequence, |highest| highest.max(sequence)));
    stream.repaired = codec.nack;
    let mut due = Time::MAX;
    if codec.nack {
        stream.nack.received(now, sequence);
        due = stream.nack.next_timeout().unwrap_or(Time::MAX);
    }
    stream.reception.get_or_insert_with(|| Reception::new(facts.header.ssrc, rate)).received(
        now,
        sequence,
        facts.header.timestamp,
    );
    (slot.layer, slot.codec) = (stream.layer, codec.codec);
    Ok(Accepted { track: stream.track, first, restarted: false, due })
}

/// Turn a retransmission (RFC 4588 §4) in place into the packet that was lost.
fn accept_rtx(
    now: Time,
    leg: &mut Leg,
    slot: &mut Slot,
    (at, codec): (usize, CodecParams),
    facts: &Facts,
) -> Result<Accepted, Drop> {
    let stream = leg.streams.get(at).ok_or(Drop::RtpUnknownStream)?;
    let (track, layer, role) = (stream.track, stream.layer, stream.role);
    if facts.payload_len == 0 {
        return Err(Drop::Padding);
    }
    let media = leg.stream_of(track, layer, Role::Media).ok_or(Drop::RtxMalformed)?;
    let media = leg.streams.get_mut(media).ok_or(Drop::RtxMalformed)?;
    let end = facts.header_len + facts.payload_len;
    let payload = slot.bytes.get(facts.header_len..end).ok_or(Drop::RtxMalformed)?;
    let (original, rest) = rtx::unwrap(payload).ok_or(Drop::RtxMalformed)?;
    if role != Role::Rtx {
        return Err(Drop::RtxMalformed);
    }
    if rest.is_empty() {
        return Err(Drop::Padding);
    }
    let sequence = media.unwrap(original).ok_or(Drop::RtxMalformed)?;
    if media.nack.received(now, sequence) == Arrival::Stale {
        return Err(Drop::RtpReplayed);
    }
    slot.bytes.copy_within(facts.header_len + 2..end, facts.header_len);
    let [first, second, s0, s1, _, _, _, _, c0, c1, c2, c3, ..] = &mut slot.bytes;
    *first &= !0x20;
    *second = (*second & 0x80) | (codec.payload_type.0 & 0x7f);
    [*s0, *s1] = original.to_be_bytes();
    [*c0, *c1, *c2, *c3] = media.ssrc.0.to_be_bytes();
    (slot.len, slot.sequence) = (end - 2, sequence);
    (slot.layer, slot.codec) = (layer, codec.codec);
    let due = media.nack.next_timeout().unwrap_or(Time::MAX);
    Ok(Accepted { track, first: false, restarted: false, due })
}

/// Find which track a new SSRC belongs to by the names in its header extensions, and remember it. Says also whether it
/// replaces an earlier SSRC of the same layer. It is called for authentic packets only.
#[cold]
fn identify(leg: &mut Leg, facts: &Facts, role: Role) -> Option<(usize, bool)> {
    let mid = facts.mid?;
    let ingress = leg.tracks.iter().find(|ingress| ingress.mid == Some(mid))?;
    let rid = if role == Role::Rtx { facts.repaired_rid } else { facts.rid };
    let layer = layer_of(ingress, rid)?;
    let stream = Stream::new(facts.header.ssrc, ingress.track, layer, role);
    match leg.stream_of(stream.track, layer, role) {
        Some(at) => {
            let place = leg.streams.get_mut(at)?;
            let restarted = role == Role::Media && place.highest.is_some();
            *place = stream;
            Some((at, restarted))
        }
        None => {
            leg.streams.push(stream);
            Some((leg.streams.len() - 1, false))
        }
    }
}

fn layer_of(ingress: &Ingress, rid: Option<Rid>) -> Option<u8> {
    let named = |rid| ingress.layers.iter().position(|layer| layer.rid == Some(rid));
    let at = match rid {
        Some(rid) => named(rid).or_else(|| (ingress.layers.len() == 1).then_some(0))?,
        None if ingress.layers.len() == 1 => 0,
        None => return None,
    };
    u8::try_from(at).ok()
}

/// The streams that a description names by SSRC.
pub(super) fn described(ingress: &Ingress) -> impl Iterator<Item = Stream> + '_ {
    let track = ingress.track;
    ingress.layers.iter().zip(0u8..).flat_map(move |(layer, index)| {
        let stream = |ssrc: Ssrc, role| Stream::new(ssrc, track, index, role);
        let media = layer.ssrc.map(|ssrc| stream(ssrc, Role::Media));
        let rtx = layer.rtx.map(|ssrc| stream(ssrc, Role::Rtx));
        media.into_iter().chain(rtx)
    })
}
