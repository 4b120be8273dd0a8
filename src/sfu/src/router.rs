//! One room on one worker.

mod allocation;
mod ceilings;

use core::cmp::Reverse;
use core::time::Duration;
use std::collections::VecDeque;

use offhook_types::counters::Counters;
use offhook_types::media::{Egress, Negotiated, Speaker, Want};
use offhook_types::{MediaKind, PayloadType, Rng, Ssrc, Time, TrackId};

use crate::allocate::Claim;
use crate::index::Map;
use crate::packet::{Inbound, Outgoing};
use crate::stage::Stage;
use crate::subscription::{Agreed, Made, Subscription, Tail};
use crate::track::{Clock, MAX_LAYERS, Track};
pub use allocation::Pause;
use allocation::{Key, Limit, Speaking};

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
    /// Most audio tracks that are heard at a time; zero is all.
    pub voices: usize,
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
            layer_timeout: Duration::from_millis(600),
            resend_interval: Duration::from_millis(20),
            speaker_interval: Duration::from_millis(300),
            voices: 5,
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
    /// Why a packet went to nobody, or not to a subscriber who would have had it. Choosing layers
    /// is no drop.
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

/// Where to find the source of a packet that a receiver misses, and how to make the same packet
/// from it again.
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
    pub(crate) made: Made,
}

impl Resend {
    /// The packet exactly as it was sent, made from its source. `None` when the source is not that
    /// packet's.
    pub fn render<'a>(&'a self, source: &'a Inbound<'a>) -> Option<Outgoing<'a>> {
        (source.sequence == self.sequence).then(|| self.made.render(source)).flatten()
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
/// The clock is the publisher's, so that sound and picture of one publisher stay together at the
/// receiver. A round trip is found by remembering when which `ntp` was sent.
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
/// `leg` is always a receiver, named by a number that the caller chose. A track that a leg
/// subscribes to may be published later; until then nothing is forwarded.
#[derive(Debug)]
pub struct Router {
    config: Config,
    rng: Rng,
    tracks: Vec<Track>,
    places: Map<TrackId, usize>,
    legs: Map<u32, Leg>,
    subscriptions: usize,
    /// No leg's budget is looked at before.
    reviews_at: Time,
    due: Vec<u32>,
    claims: Vec<Claim<Key>>,
    speaking_legs: Speaking,
    pauses: VecDeque<Pause>,
    /// Tracks whose publishers are to hear of another ceiling.
    capped: VecDeque<TrackId>,
    /// No ceiling is looked at before.
    ceilings_at: Time,
    /// No key frame request is due before.
    key_frames_at: Time,
    stage: Stage,
    speakers_at: Time,
    /// Somebody was heard since the last look.
    heard: bool,
    speaking: Vec<(u16, Speaker)>,
    speakers: Vec<Speaker>,
    counters: Counters<Drop>,
}

/// What is known about a receiver.
#[derive(Debug, Default)]
struct Leg {
    agreed: Option<Agreed>,
    /// What may be sent to it; `None` is no limit.
    limit: Option<Limit>,
    streams: Vec<(Ssrc, TrackId)>,
    /// Streams that ended: their numbers must not be used again under the same key.
    retired: Vec<(Ssrc, Tail)>,
}

/// Most ended streams remembered per leg. Control planes draw SSRCs at random, so the list matters
/// only to those who reuse them, and they reuse recent ones.
const MAX_RETIRED: usize = 1024;

impl Router {
    /// Most layers of one track.
    pub const MAX_LAYERS: u8 = MAX_LAYERS as u8;

    /// An empty room. `rng` draws first sequence numbers.
    pub fn new(config: Config, rng: Rng) -> Self {
        Self {
            stage: Stage::new(config.voices),
            config,
            rng,
            tracks: Vec::new(),
            places: Map::default(),
            legs: Map::default(),
            subscriptions: 0,
            reviews_at: Time::MAX,
            due: Vec::new(),
            claims: Vec::new(),
            speaking_legs: Vec::new(),
            pauses: VecDeque::new(),
            capped: VecDeque::with_capacity(8),
            ceilings_at: Time::ZERO,
            key_frames_at: Time::MAX,
            speakers_at: Time::ZERO,
            heard: false,
            speaking: Vec::new(),
            speakers: Vec::new(),
            counters: Counters::default(),
        }
    }

    /// A track is published. A known track starts over (new layers, new source); its subscriptions
    /// stay.
    pub fn add_track(&mut self, now: Time, track: TrackId, spec: TrackSpec) -> Result<(), Full> {
        let track = self.track_or_new(track)?;
        track.spec = Some(TrackSpec { layers: spec.layers.min(Self::MAX_LAYERS), ..spec });
        track.restart();
        for subscription in &mut track.subscriptions {
            subscription.set_layers(spec.layers);
        }
        track.retarget();
        self.look_at_key_frames(now);
        Ok(())
    }

    /// A track is no longer published. Its subscriptions stay, waiting for another publisher.
    pub fn remove_track(&mut self, track: TrackId) {
        if let Some(found) = self.track_mut(track) {
            found.spec = None;
            found.muted = false;
            found.voice = Default::default();
            found.restart();
            found.retarget();
            self.heard = true;
            self.stage.leave(track);
            self.drop_unused(track);
        }
    }

    /// The publisher restarted one layer's numbering (a new SSRC).
    pub fn restart_layer(&mut self, now: Time, track: TrackId, layer: u8) {
        if let Some(track) = self.track_mut(track) {
            track.restart_layer(layer);
            self.look_at_key_frames(now);
        }
    }

    /// Stop or resume forwarding a track.
    pub fn set_muted(&mut self, now: Time, id: TrackId, muted: bool) {
        let Some(track) = self.track_mut(id) else { return };
        if track.muted != muted {
            track.muted = muted;
            track.stop();
            track.refresh_waiting();
            self.lift_ceiling(now, id);
            self.stage.leave(id);
            self.heard = true;
            self.look_at_key_frames(now);
        }
    }

    /// What a leg agreed on. Subscriptions of a leg without it get nothing.
    pub fn set_negotiated(&mut self, now: Time, leg: u32, negotiated: &Negotiated) {
        let agreed =
            Agreed { codecs: negotiated.codecs.as_slice().into(), ids: negotiated.extensions };
        let known = self.legs.entry(leg).or_default();
        for (_, id) in &known.streams {
            let track = self.places.get(id).and_then(|&place| self.tracks.get_mut(place));
            let Some(track) = track else { continue };
            if let Some(subscription) = track.subscription_mut(leg) {
                subscription.set_agreed(&agreed);
            }
            track.refresh_waiting();
        }
        known.agreed = Some(agreed);
        self.look_at_key_frames(now);
    }

    /// Forward a track to a leg. Sent again it replaces what was said before, numbering goes on. An
    /// SSRC that the leg has for another track moves here.
    pub fn subscribe(
        &mut self,
        now: Time,
        leg: u32,
        egress: &Egress,
        want: Want,
    ) -> Result<(), Full> {
        self.make_way(leg, egress);
        if let Some(known) = self.track_mut(egress.track).and_then(|t| t.subscription_mut(leg)) {
            known.replace(egress, want);
            self.after_want(now, leg, egress.track);
            return Ok(());
        }
        if self.subscriptions >= self.config.max_subscriptions {
            return Err(Full);
        }
        self.track_or_new(egress.track)?;
        let (first, first_rtx) = (self.first_number(), self.first_number());
        let known = self.legs.entry(leg).or_default();
        let retired = known.retired.iter().position(|&(ssrc, _)| ssrc == egress.ssrc);
        let tail = match retired {
            Some(place) => known.retired.swap_remove(place).1,
            None => Tail::new(first, first_rtx),
        };
        let agreed = known.agreed.clone().unwrap_or_default();
        known.streams.push((egress.ssrc, egress.track));
        self.subscriptions += 1;
        let limited = known.limit.is_some();
        let new = Subscription::new(leg, egress, (want, limited), (&agreed, tail));
        if let Some(track) = self.track_mut(egress.track) {
            track.insert(new);
        }
        self.after_want(now, leg, egress.track);
        Ok(())
    }

    /// What a leg wants of a track from now on.
    pub fn set_want(&mut self, now: Time, leg: u32, track: TrackId, want: Want) {
        let Some(found) = self.track_mut(track) else { return };
        if let Some(subscription) = found.subscription_mut(leg) {
            subscription.set_want(want);
            self.after_want(now, leg, track);
        }
    }

    /// Stop forwarding a track to a leg. Its numbers are remembered while the leg lives, so that no
    /// number is used twice.
    pub fn unsubscribe(&mut self, leg: u32, track: TrackId) {
        let Some(ended) = self.track_mut(track).and_then(|track| track.remove(leg)) else { return };
        self.subscriptions = self.subscriptions.saturating_sub(1);
        if let Some(known) = self.legs.get_mut(&leg) {
            known.streams.retain(|&(_, id)| id != track);
            if known.retired.len() >= MAX_RETIRED {
                known.retired.remove(0);
            }
            known.retired.push((ended.ssrc(), ended.tail()));
        }
        self.drop_unused(track);
    }

    /// Forget a leg with all its subscriptions.
    pub fn remove_leg(&mut self, leg: u32) {
        let Some(known) = self.legs.remove(&leg) else { return };
        for (_, track) in known.streams {
            self.unsubscribe(leg, track);
        }
    }

    /// Route one packet: `send` is called once for every receiver that gets it.
    #[inline]
    pub fn route<F>(&mut self, now: Time, id: TrackId, packet: &Inbound<'_>, send: &mut F)
    where
        F: FnMut(u32, &Outgoing<'_>),
    {
        self.route_all(now, id, core::iter::once(*packet), send);
    }

    /// Route packets of one track that arrived together: `send` is called once for every packet and
    /// receiver that gets it, with all that one receiver gets in a row, as far as nothing changes
    /// between the packets.
    #[inline]
    pub fn route_all<'p, F>(
        &mut self,
        now: Time,
        id: TrackId,
        packets: impl Iterator<Item = Inbound<'p>>,
        send: &mut F,
    ) where
        F: FnMut(u32, &Outgoing<'_>),
    {
        let place = self.places.get(&id).copied();
        let Some(track) = place.and_then(|place| self.tracks.get_mut(place)) else {
            return packets.for_each(|_| self.counters.add(Drop::UnknownTrack));
        };
        let shared = (&self.config, &mut self.counters, &mut self.stage);
        let passed = track.route(now, packets, shared, send);
        self.heard |= passed.heard;
        if let Some(track) = passed.displaced.and_then(|displaced| self.track_mut(displaced)) {
            track.stop();
        }
        if passed.asks {
            self.look_at_key_frames(now);
        }
        if passed.changed {
            self.review_receivers(now, id);
        }
    }

    /// A receiver misses a packet (NACK). `pause` is how long one that is sent again is on its way: the receiver's
    /// round trip and what it waits before, zero when unknown.
    pub fn resend(
        &mut self,
        now: Time,
        (leg, ssrc): (u32, Ssrc),
        sequence: u16,
        pause: Duration,
    ) -> Result<Resend, Refusal> {
        let pause = pause.max(self.config.resend_interval);
        let result = match self.stream_mut(leg, ssrc) {
            Some((track, subscription)) => subscription.resend(now, track, sequence, pause),
            None => Err(Refusal::Unknown),
        };
        match result {
            Err(Refusal::Unknown) => self.counters.add(Drop::ResendUnknown),
            Err(Refusal::TooSoon) => self.counters.add(Drop::ResendTooSoon),
            Ok(_) => {}
        }
        result
    }

    /// A receiver says what it lost of a stream of late, in 1/256. Whose track that is.
    pub fn hear_loss(&mut self, (leg, ssrc): (u32, Ssrc), fraction: u8) -> Option<TrackId> {
        let (id, _) = self.stream_mut(leg, ssrc)?;
        self.hear_track_loss(id, fraction);
        Some(id)
    }

    /// The same from somewhere else, where other receivers of a track are.
    pub fn hear_track_loss(&mut self, track: TrackId, fraction: u8) {
        if let Some(track) = self.track_mut(track) {
            track.audience.hear(fraction, track.subscriptions.len());
        }
    }

    /// What a tenth of a track's receivers lose of it or more, in 1/256: what its publisher has to reckon with.
    pub fn audience_loss(&self, track: TrackId) -> u8 {
        self.track(track).map_or(0, |track| track.audience.loss())
    }

    /// The next unwrapped sequence number of the retransmission stream that belongs to a media
    /// stream. Take one for each packet really sent on it.
    pub fn next_rtx_sequence(&mut self, leg: u32, ssrc: Ssrc) -> Option<u64> {
        self.stream_mut(leg, ssrc).map(|(_, subscription)| subscription.next_rtx_sequence())
    }

    /// A receiver lost a picture (PLI, FIR).
    pub fn request_key_frame(&mut self, now: Time, leg: u32, ssrc: Ssrc) {
        let Some((track, subscription)) = self.stream_mut(leg, ssrc) else { return };
        if let Some(layer) = subscription.shown_layer() {
            self.request_layer_key_frame(now, track, layer);
        }
    }

    /// Packets of a stream that were handed out for a receiver will not reach it: what follows cannot be shown, so
    /// nothing goes out before a key frame, which is asked for, and nothing from before it is sent again.
    pub fn lose_picture(&mut self, now: Time, leg: u32, ssrc: Ssrc) {
        let Some((id, subscription)) = self.stream_mut(leg, ssrc) else { return };
        subscription.give_up();
        if let Some(track) = self.track_mut(id) {
            track.ask_for(leg);
            self.look_at_key_frames(now);
        }
    }

    /// Another worker's subscribers need a key frame of a layer published here.
    pub fn request_layer_key_frame(&mut self, now: Time, track: TrackId, layer: u8) {
        if let Some(track) = self.track_mut(track)
            && track.spec.is_some_and(|spec| spec.kind == MediaKind::Video && layer < spec.layers)
            && !track.muted
        {
            track.ask(layer);
            self.look_at_key_frames(now);
        }
    }

    /// The next key frame to ask a publisher for, if any is due. Call until `None`.
    pub fn poll_key_frame(&mut self, now: Time) -> Option<(TrackId, u8)> {
        if now < self.key_frames_at {
            return None;
        }
        let mut next = Time::MAX;
        for track in &mut self.tracks {
            let Some((at, layer)) = track.key_frame_due(&self.config) else { continue };
            if at <= now {
                track.key_frame_asked(now, layer);
                return Some((track.id, layer));
            }
            next = next.min(at);
        }
        self.key_frames_at = next;
        None
    }

    /// A publisher's sender report: `ntp` and `rtp_time` are the same instant of one layer.
    pub fn sender_report(
        &mut self,
        now: Time,
        track: TrackId,
        layer: u8,
        (ntp, rtp_time): (u64, u32),
    ) {
        let layer = self.track_mut(track).and_then(|t| t.layers.get_mut(usize::from(layer)));
        if let Some(layer) = layer {
            layer.clock = Some(Clock { ntp, rtp_time, at: now });
        }
    }

    /// What to put into a sender report for a subscriber; `None` before the publisher's own or
    /// while nothing was sent.
    pub fn report(&self, now: Time, leg: u32, ssrc: Ssrc) -> Option<Report> {
        let &(_, id) = self.legs.get(&leg)?.streams.iter().find(|stream| stream.0 == ssrc)?;
        let track = self.tracks.get(*self.places.get(&id)?)?;
        track.subscription(leg)?.report(now, &track.layers)
    }

    /// Every stream sent to a leg: media SSRC and track.
    pub fn streams(&self, leg: u32) -> impl Iterator<Item = (Ssrc, TrackId)> + '_ {
        self.legs.get(&leg).into_iter().flat_map(|leg| leg.streams.iter().copied())
    }

    /// Who speaks, loudest first, when that changed and the last report is old enough.
    pub fn poll_speakers(&mut self, now: Time) -> Option<&[Speaker]> {
        if now < self.speakers_at || !self.heard {
            return None;
        }
        self.speakers_at = now + self.config.speaker_interval;
        self.heard = false;
        self.speaking.clear();
        for track in &mut self.tracks {
            let speaks = track.voice.judge(now) && !track.muted;
            self.heard |= track.voice.is_recent();
            if speaks && track.spec.is_some_and(|spec| spec.origin == Origin::Local) {
                let reported = self.speakers.iter().any(|speaker| speaker.track == track.id);
                let speaker = Speaker { track: track.id, level: track.voice.level() };
                self.speaking.push((track.voice.rank(reported), speaker));
            }
        }
        self.speaking.sort_unstable_by_key(|&(rank, speaker)| (Reverse(rank), speaker.track));
        let same = self.speaking.len() == self.speakers.len()
            && self.speaking.iter().zip(&self.speakers).all(|((_, new), old)| {
                new.track == old.track && new.level.abs_diff(old.level) < LEVEL_STEP
            });
        if same {
            return None;
        }
        self.speakers.clear();
        self.speakers.extend(self.speaking.iter().map(|&(_, speaker)| speaker));
        Some(&self.speakers)
    }

    /// When to poll again without new packets; [`Time::MAX`] for never.
    pub fn next_timeout(&self) -> Time {
        let speakers = if self.heard { self.speakers_at } else { Time::MAX };
        self.key_frames_at.min(speakers).min(self.reviews_at)
    }

    /// What was dropped so far.
    pub fn counters(&self) -> &Counters<Drop> {
        &self.counters
    }

    /// RFC 3711 §3.3.1 suggests to start below 2^15, so that a receiver that misses the first
    /// packets cannot guess the rollover counter wrong.
    fn first_number(&mut self) -> u64 {
        u64::from(self.rng.below(1 << 15))
    }

    fn track(&self, track: TrackId) -> Option<&Track> {
        self.tracks.get(*self.places.get(&track)?)
    }

    fn track_mut(&mut self, track: TrackId) -> Option<&mut Track> {
        self.tracks.get_mut(*self.places.get(&track)?)
    }

    fn track_or_new(&mut self, track: TrackId) -> Result<&mut Track, Full> {
        let place = match self.places.get(&track) {
            Some(&place) => place,
            None if self.tracks.len() >= self.config.max_tracks => return Err(Full),
            None => {
                self.places.insert(track, self.tracks.len());
                self.tracks.push(Track::new(track));
                self.tracks.len() - 1
            }
        };
        self.tracks.get_mut(place).ok_or(Full)
    }

    /// A track that is neither published nor subscribed to is forgotten.
    fn drop_unused(&mut self, track: TrackId) {
        let Some(&place) = self.places.get(&track) else { return };
        let unused = |track: &Track| track.spec.is_none() && track.subscriptions.is_empty();
        if self.tracks.get(place).is_some_and(unused) {
            self.places.remove(&track);
            self.tracks.swap_remove(place);
            if let Some(moved) = self.tracks.get(place) {
                self.places.insert(moved.id, place);
            }
        }
    }

    fn stream_mut(&mut self, leg: u32, ssrc: Ssrc) -> Option<(TrackId, &mut Subscription)> {
        let known = self.legs.get(&leg)?;
        let &(_, track) = known.streams.iter().find(|stream| stream.0 == ssrc)?;
        Some((track, self.track_mut(track)?.subscription_mut(leg)?))
    }

    /// End what stands in the way of a subscription: the leg's stream of the same track under
    /// another SSRC, or of another track under the same one.
    fn make_way(&mut self, leg: u32, egress: &Egress) {
        let Some(known) = self.legs.get(&leg) else { return };
        let conflict =
            |&(ssrc, track): &(Ssrc, TrackId)| (ssrc == egress.ssrc) != (track == egress.track);
        let tracks: Vec<TrackId> =
            known.streams.iter().copied().filter(conflict).map(|(_, track)| track).collect();
        for track in tracks {
            self.unsubscribe(leg, track);
        }
    }

    fn after_want(&mut self, now: Time, leg: u32, track: TrackId) {
        self.review_leg(now, leg);
        if let Some(track) = self.track_mut(track) {
            track.retarget_one(leg);
            track.ask_for(leg);
        }
        self.look_at_key_frames(now);
    }

    /// Some key frame may be due earlier than known.
    fn look_at_key_frames(&mut self, now: Time) {
        self.key_frames_at = self.key_frames_at.min(now);
    }
}

/// A speaker's level is news when it moved by this many decibels.
const LEVEL_STEP: u8 = 4;

#[cfg(test)]
mod tests;
