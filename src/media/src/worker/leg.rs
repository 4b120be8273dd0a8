//! What a worker knows of one leg: its contact, keys, the streams it sends and the tracks it receives.

use core::time::Duration;
use std::sync::Arc;

use offhook_rtc::nack::Nack;
use offhook_rtc::reports::Reception;
use offhook_rtc::srtp::{Protect, Unprotect};
use offhook_rtc::twcc::Recorder;
use offhook_types::media::{CodecParams, Egress, Ingress, Negotiated, Want};
use offhook_types::{LegId, PayloadType, Ssrc, Time, TrackId, WorkerId};

use super::ceiling::Told;
use super::contact::Contact;
use super::guide::Guide;
use crate::Limits;
use crate::bucket::Bucket;
use crate::transmit::Way;

/// A leg's transport and what it publishes. What sending needs is in [`Out`], so that forwarding touches only that.
pub(super) struct Leg {
    pub(super) id: LegId,
    pub(super) room: u32,
    /// Which association thread keeps its DTLS.
    pub(super) association: usize,
    pub(super) contact: Contact,
    pub(super) opened: Time,
    pub(super) unprotect: Option<Unprotect>,
    pub(super) negotiated: Arc<Negotiated>,
    payload_types: PayloadTypes,
    pub(super) tracks: Vec<Ingress>,
    pub(super) streams: Vec<Stream>,
    pub(super) egress: Vec<Receiving>,
    pub(super) recorder: Recorder,
    /// The SSRC that our feedback comes from.
    pub(super) feedback: Ssrc,
    pub(super) meters: Meters,
    /// Its video is left out for now, because the worker cannot do it all.
    pub(super) shed: bool,
    /// Packets of it that were left out.
    pub(super) left_out: u32,
    pub(super) next_report: Time,
    /// What it was last asked to stay under.
    pub(super) ceiling: Told,
    pub(super) next_quality: Time,
    pub(super) quality: Tally,
    /// Smoothed.
    pub(super) round_trip: Option<Duration>,
}

/// How much a leg may ask of us.
pub(super) struct Meters {
    pub(super) packets: Bucket,
    pub(super) bits: Bucket,
    pub(super) resends: Bucket,
}

/// Retransmissions a second to one receiver: half the packets of a screen share at its fastest.
const RESEND_RATE: u64 = 1000;

/// Figures since the last quality event.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) since: Time,
    pub(super) bytes_in: u64,
    pub(super) bytes_out_before: u64,
    pub(super) expected_before: u64,
    pub(super) received_before: u64,
}

/// What forwarding to a leg needs, and nothing else.
#[derive(Default)]
pub(super) struct Out {
    pub(super) protect: Option<Protect>,
    pub(super) way: Option<Way>,
    pub(super) bytes: u64,
    /// Congestion control and pacing, once the leg receives video.
    pub(super) guide: Option<Box<Guide>>,
}

/// One track that a leg receives.
pub(super) struct Receiving {
    pub(super) egress: Egress,
    pub(super) want: Want,
    /// The other worker that is asked for its packets.
    pub(super) attached: Option<WorkerId>,
    pub(super) next_report: Time,
    /// When our latest sender reports left, with the middle 32 bits of their NTP times, for the round trip.
    pub(super) reports: [(u32, Time); 4],
    /// What the peer last said it lost of it, in 1/256, and when it may say so again to its publisher's good.
    pub(super) fraction_lost: u8,
    pub(super) loss_heard_from: Time,
}

impl Receiving {
    pub(super) fn new(now: Time, egress: Egress, want: Want) -> Self {
        let reports = [(0, Time::ZERO); 4];
        Self {
            egress,
            want,
            attached: None,
            next_report: now,
            reports,
            fraction_lost: 0,
            loss_heard_from: now,
        }
    }

    /// The other worker whose packets it needs now; none while it is paused, so that a track that nobody looks at
    /// does not cross over.
    pub(super) fn needs(&self, own: WorkerId) -> Option<WorkerId> {
        let worker = self.egress.source.worker();
        (worker != own && !self.want.paused).then_some(worker)
    }

    /// A sender report left.
    pub(super) fn reported(&mut self, now: Time, ntp: u64) {
        self.reports.rotate_right(1);
        if let Some(first) = self.reports.first_mut() {
            *first = ((ntp >> 16) as u32, now);
        }
    }

    /// The round trip that a report block tells (RFC 3550 §6.4.1), if it answers a report of ours.
    pub(super) fn round_trip(&self, now: Time, last: u32, delay: u32) -> Option<Duration> {
        let (_, sent) = *self.reports.iter().find(|(ntp, _)| last != 0 && *ntp == last)?;
        let held = Duration::from_micros(u64::from(delay) * 1_000_000 / 65_536);
        Some(now.since(sent).saturating_sub(held))
    }
}

/// One SSRC that a leg sends, identified and authenticated.
pub(super) struct Stream {
    pub(super) ssrc: Ssrc,
    pub(super) track: TrackId,
    pub(super) layer: u8,
    pub(super) role: Role,
    /// Highest sequence number so far, unwrapped; `None` before the first packet.
    pub(super) highest: Option<u64>,
    pub(super) nack: Nack,
    /// From the first packet on, when the clock rate is known.
    pub(super) reception: Option<Reception>,
    /// Missing packets are asked for again.
    pub(super) repaired: bool,
}

/// What a stream carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The media itself.
    Media,
    /// Its retransmissions (RFC 4588).
    Rtx,
}

impl Stream {
    pub(super) fn new(ssrc: Ssrc, track: TrackId, layer: u8, role: Role) -> Self {
        Self {
            ssrc,
            track,
            layer,
            role,
            highest: None,
            nack: Nack::new(),
            reception: None,
            repaired: false,
        }
    }

    /// A 16-bit sequence number near the highest, unwrapped.
    pub(super) fn unwrap(&self, sequence: u16) -> Option<u64> {
        let highest = self.highest?;
        let ahead = sequence.wrapping_sub(highest as u16) as i16;
        highest.checked_add_signed(i64::from(ahead))
    }
}

/// Which codec a payload type stands for, found with two loads.
struct PayloadTypes {
    /// Per payload type: index into `codecs` plus one, doubled, plus one for retransmissions; zero if unknown.
    by_number: [u8; 128],
}

impl PayloadTypes {
    fn of(negotiated: &Negotiated) -> Self {
        let mut by_number = [0; 128];
        for (index, codec) in negotiated.codecs.iter().enumerate().take(126) {
            let mark = (index as u8 + 1) << 1;
            let mut put = |number: PayloadType, mark| {
                if let Some(place) = by_number.get_mut(usize::from(number.0)) {
                    *place = mark;
                }
            };
            put(codec.payload_type, mark);
            if let Some(rtx) = codec.rtx {
                put(rtx, mark | 1);
            }
        }
        Self { by_number }
    }
}

impl Leg {
    pub(super) fn new(
        now: Time,
        (id, contact): (LegId, Contact),
        place: Place,
        limits: &Limits,
    ) -> Self {
        let packets = u64::from(limits.packets_per_second);
        Self {
            id,
            room: place.room,
            association: place.association,
            contact,
            opened: now,
            unprotect: None,
            negotiated: Arc::default(),
            payload_types: PayloadTypes::of(&Negotiated::default()),
            tracks: Vec::new(),
            streams: Vec::new(),
            egress: Vec::new(),
            recorder: Recorder::new(place.feedback),
            feedback: place.feedback,
            meters: Meters {
                packets: Bucket::new(now, packets),
                bits: Bucket::new(now, limits.bits_per_second),
                resends: Bucket::new(now, RESEND_RATE),
            },
            shed: false,
            left_out: 0,
            next_report: now,
            ceiling: Told::Nothing,
            next_quality: now,
            quality: Tally { since: now, ..Tally::default() },
            round_trip: None,
        }
    }

    pub(super) fn set_negotiated(&mut self, negotiated: Negotiated) {
        self.payload_types = PayloadTypes::of(&negotiated);
        self.negotiated = Arc::new(negotiated);
    }

    /// What a payload type was agreed to be.
    #[inline]
    pub(super) fn codec(&self, number: PayloadType) -> Option<(CodecParams, Role)> {
        let mark = *self.payload_types.by_number.get(usize::from(number.0))?;
        let index = usize::from(mark >> 1).checked_sub(1)?;
        let role = if mark & 1 == 0 { Role::Media } else { Role::Rtx };
        Some((*self.negotiated.codecs.get(index)?, role))
    }

    /// The index of the stream with this SSRC.
    #[inline]
    pub(super) fn stream(&self, ssrc: Ssrc) -> Option<usize> {
        self.streams.iter().position(|stream| stream.ssrc == ssrc)
    }

    /// The index of the stream that carries a layer of a track.
    pub(super) fn stream_of(&self, track: TrackId, layer: u8, role: Role) -> Option<usize> {
        self.streams.iter().position(|stream| {
            stream.track == track && stream.layer == layer && stream.role == role
        })
    }

    pub(super) fn receiving(&mut self, track: TrackId) -> Option<&mut Receiving> {
        self.egress.iter_mut().find(|receiving| receiving.egress.track == track)
    }

    pub(super) fn is_up(&self) -> bool {
        self.unprotect.is_some()
    }
}

/// Where a new leg was put.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) room: u32,
    pub(super) association: usize,
    pub(super) feedback: Ssrc,
}
