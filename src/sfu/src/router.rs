//! One room on one worker.

use core::time::Duration;

use offhook_types::counters::Counters;
use offhook_types::media::{Egress, Negotiated, Speaker, Want};
use offhook_types::{MediaKind, PayloadType, Rng, Ssrc, Time, TrackId};

use crate::packet::{Inbound, Outgoing};

/// Limits and intervals of a router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Least time between two key frame requests for one layer.
    pub key_frame_interval: Duration,
    /// When to ask again for a key frame that subscribers still wait for.
    pub key_frame_retry: Duration,
    /// A layer without packets for this long, while its track has others, is taken to have stopped.
    pub layer_timeout: Duration,
    /// Least time between two resends of one packet to one receiver, however short the round trip.
    pub resend_interval: Duration,
    /// Least time between two reports of who speaks.
    pub speaker_interval: Duration,
    /// Most tracks, published or waited for.
    pub max_tracks: usize,
    /// Most subscriptions in all.
    pub max_subscriptions: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            key_frame_interval: Duration::from_millis(500),
            key_frame_retry: Duration::from_secs(1),
            layer_timeout: Duration::from_millis(1500),
            resend_interval: Duration::from_millis(20),
            speaker_interval: Duration::from_millis(300),
            max_tracks: 4096,
            max_subscriptions: 65_536,
        }
    }
}

/// What a track is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrackSpec {
    /// Audio or video.
    pub kind: MediaKind,
    /// How many layers may arrive, at most [`Router::MAX_LAYERS`].
    pub layers: u8,
    /// Where it is published.
    pub origin: Origin,
}

/// Where a track is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// By a leg of this worker: its speaker is reported here.
    Local,
    /// By a leg of another worker, which reports its speaker.
    Remote,
}

/// A limit of [`Config`] is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

offhook_types::counted! {
    /// Why a packet went to nobody, or not to a subscriber who would have had it. Choosing layers is no drop.
    pub enum Drop {
        /// No such track.
        UnknownTrack = "unknown_track",
        /// The track has no such layer.
        UnknownLayer = "unknown_layer",
        /// Seen before.
        Duplicate = "duplicate",
        /// So old that nobody remembers whether it was seen.
        TooLate = "too_late",
        /// Its track is muted.
        Muted = "muted",
        /// From before the receiver's stream was switched.
        BeforeSwitch = "before_switch",
        /// The receiver has no payload type for the codec.
        NoPayloadType = "no_payload_type",
        /// A redundant payload that cannot be taken apart for a receiver without RED.
        BadRedundancy = "bad_redundancy",
        /// A resend was asked for that was never sent or is forgotten.
        ResendUnknown = "resend_unknown",
        /// A resend was asked for again within one round trip.
        ResendTooSoon = "resend_too_soon",
    }
}

/// Why a packet is not sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It was never sent, or so long ago that it is forgotten.
    Unknown,
    /// It was sent again less than a round trip ago.
    TooSoon,
}

/// Where to find the source of a packet that a receiver misses, and how to make the same packet from it again.
#[derive(Debug, Clone, Copy)]
pub struct Resend {
    /// Whose packet.
    pub track: TrackId,
    /// Which layer.
    pub layer: u8,
    /// Its unwrapped sequence number as published.
    pub sequence: u64,
    /// The receiver's retransmission stream, when agreed; else the packet is sent again as it was.
    pub rtx: Option<RtxStream>,
}

impl Resend {
    /// The packet exactly as it was sent, made from its source. `None` when the source is not that packet's.
    pub fn render<'a>(&'a self, _source: &'a Inbound<'a>) -> Option<Outgoing<'a>> {
        None
    }
}

/// A receiver's retransmission stream (RFC 4588).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RtxStream {
    /// Its SSRC.
    pub ssrc: Ssrc,
    /// Its payload type for the codec of the lost packet.
    pub payload_type: PayloadType,
}

/// What a sender report to a subscriber says.
///
/// The clock is the publisher's, so that sound and picture of one publisher stay together at the receiver. A round trip
/// is found by remembering when which `ntp` was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Now on the publisher's wall clock, 32.32 fixed point.
    pub ntp: u64,
    /// Now on the receiver's RTP timeline.
    pub rtp_time: u32,
    /// Packets sent, resends apart.
    pub packets: u32,
    /// Payload bytes sent, resends apart.
    pub octets: u32,
}

/// One room on one worker. See the crate's documentation.
///
/// `leg` is always a receiver, named by a number that the caller chose. A track that a leg subscribes to may be published later;
/// until then nothing is forwarded.
#[derive(Debug)]
pub struct Router {
    counters: Counters<Drop>,
}

impl Router {
    /// Most layers of one track.
    pub const MAX_LAYERS: u8 = 4;

    /// An empty room. `rng` draws first sequence numbers.
    pub fn new(_config: Config, _rng: Rng) -> Self {
        Self { counters: Counters::default() }
    }

    /// A track is published. A known track starts over (new layers, new source); its subscriptions stay.
    pub fn add_track(&mut self, _now: Time, _track: TrackId, _spec: TrackSpec) -> Result<(), Full> {
        Ok(())
    }

    /// A track is no longer published. Its subscriptions stay, waiting for another publisher.
    pub fn remove_track(&mut self, _track: TrackId) {}

    /// The publisher restarted one layer's numbering (a new SSRC).
    pub fn restart_layer(&mut self, _now: Time, _track: TrackId, _layer: u8) {}

    /// Stop or resume forwarding a track.
    pub fn set_muted(&mut self, _now: Time, _track: TrackId, _muted: bool) {}

    /// What a leg agreed on. Subscriptions of a leg without it get nothing.
    pub fn set_negotiated(&mut self, _now: Time, _leg: u32, _negotiated: &Negotiated) {}

    /// Forward a track to a leg. Sent again it replaces what was said before, numbering goes on. An SSRC that the leg has
    /// for another track moves here.
    pub fn subscribe(&mut self, _now: Time, _leg: u32, _egress: &Egress, _want: Want) -> Result<(), Full> {
        Ok(())
    }

    /// What a leg wants of a track from now on.
    pub fn set_want(&mut self, _now: Time, _leg: u32, _track: TrackId, _want: Want) {}

    /// Stop forwarding a track to a leg. Its numbers are remembered while the leg lives, so that no number is used twice.
    pub fn unsubscribe(&mut self, _leg: u32, _track: TrackId) {}

    /// Forget a leg with all its subscriptions.
    pub fn remove_leg(&mut self, _leg: u32) {}

    /// Route one packet: `send` is called once for every receiver that gets it.
    #[inline]
    pub fn route<F>(&mut self, _now: Time, _track: TrackId, _packet: &Inbound<'_>, _send: &mut F)
    where
        F: FnMut(u32, &Outgoing<'_>),
    {
    }

    /// A receiver misses a packet (NACK). `round_trip` is its own, zero when unknown.
    pub fn resend(
        &mut self,
        _now: Time,
        (_leg, _ssrc): (u32, Ssrc),
        _sequence: u16,
        _round_trip: Duration,
    ) -> Result<Resend, Refusal> {
        Err(Refusal::Unknown)
    }

    /// The next unwrapped sequence number of the retransmission stream that belongs to a media stream. Take one for each
    /// packet really sent on it.
    pub fn next_rtx_sequence(&mut self, _leg: u32, _ssrc: Ssrc) -> Option<u64> {
        None
    }

    /// A receiver lost a picture (PLI, FIR).
    pub fn request_key_frame(&mut self, _now: Time, _leg: u32, _ssrc: Ssrc) {}

    /// Another worker's subscribers need a key frame of a layer published here.
    pub fn request_layer_key_frame(&mut self, _now: Time, _track: TrackId, _layer: u8) {}

    /// The next key frame to ask a publisher for, if any is due. Call until `None`.
    pub fn poll_key_frame(&mut self, _now: Time) -> Option<(TrackId, u8)> {
        None
    }

    /// A publisher's sender report: `ntp` and `rtp_time` are the same instant of one layer.
    pub fn sender_report(&mut self, _now: Time, _track: TrackId, _layer: u8, _clock: (u64, u32)) {}

    /// What to put into a sender report for a subscriber; `None` before the publisher's own or while nothing was sent.
    pub fn report(&self, _now: Time, _leg: u32, _ssrc: Ssrc) -> Option<Report> {
        None
    }

    /// Every stream sent to a leg: media SSRC and track.
    pub fn streams(&self, _leg: u32) -> impl Iterator<Item = (Ssrc, TrackId)> + '_ {
        core::iter::empty()
    }

    /// Who speaks, loudest first, when that changed and the last report is old enough.
    pub fn poll_speakers(&mut self, _now: Time) -> Option<&[Speaker]> {
        None
    }

    /// When to poll again without new packets; [`Time::MAX`] for never.
    pub fn next_timeout(&self) -> Time {
        Time::MAX
    }

    /// What was dropped so far.
    pub fn counters(&self) -> &Counters<Drop> {
        &self.counters
    }
}
