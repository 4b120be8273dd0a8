//! One receiver of one track: which layer it gets, under which numbers.

use core::time::Duration;
use std::sync::Arc;

use offhook_types::media::{CodecParams, Egress, Extension, Extensions, Want};
use offhook_types::{Codec, LegId, MediaKind, Mid, Ssrc, Time, TrackId};
use offhook_wire::dd::Indication;
use offhook_wire::payload::{Description, red};

use crate::allocate::{Held, Reach};
use crate::ceiling::Leeway;
use crate::mapping::{self, Mapping};
use crate::munge::{AUDIO_SEGMENTS, Cap, Form, Pictures, Shift, Timeline, VIDEO_SEGMENTS, patch};
use crate::packet::{Carried, Inbound, Outgoing, Patch};
use crate::router::{Drop, Refusal, Report, Resend, RtxStream};
use crate::track::{Clock, Facts, Layer, Lift, MAX_LAYERS, Targets};

/// Packets whose last resend is remembered.
const RESENDS: usize = 64;
/// A clock mapping that differs this much from what arrival times say is not believed.
const DISBELIEF: Duration = Duration::from_secs(5);

/// What a leg agreed on, shared by its subscriptions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Agreed {
    pub codecs: Arc<[CodecParams]>,
    pub ids: Extensions,
}

/// The names that every packet of a subscription carries.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Names {
    pub ssrc: Ssrc,
    pub rtx: Option<Ssrc>,
    pub mid: Mid,
    pub ids: Extensions,
}

/// Where a receiver's numbers stand, kept when a subscription ends so that the next one under its
/// SSRC goes on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tail {
    pub next_sequence: u64,
    pub next_rtx: u64,
    last: Option<Last>,
    unseen: u16,
    packets: u32,
    octets: u32,
}

impl Tail {
    /// A stream that starts.
    pub(crate) fn new(first: u64, first_rtx: u64) -> Self {
        Self {
            next_sequence: first,
            next_rtx: first_rtx,
            last: None,
            unseen: 0,
            packets: 0,
            octets: 0,
        }
    }
}

/// The newest packet that went out.
#[derive(Debug, Clone, Copy)]
struct Last {
    timestamp: u32,
    at: Time,
    pictures: Pictures,
    /// The layer it came from, while that layer's source is the same.
    layer: Option<u8>,
}

/// What a subscription may take of its leg's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    /// The leg has a budget.
    pub limited: bool,
    pub held: Held,
}

/// What is to go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Aim {
    paused: bool,
    layer: u8,
    temporal: u8,
}

impl Aim {
    fn of(want: &Want, Share { limited, held }: Share) -> Self {
        let most = Reach { layer: u8::MAX, temporal: u8::MAX };
        // Of a new one the rates are not known yet: it starts with the least.
        let reach = if limited { held.reach.unwrap_or(Reach { layer: 0, ..most }) } else { most };
        Self {
            paused: want.paused || (limited && held.is_paused()),
            layer: want.layer.min(reach.layer),
            temporal: want.temporal.min(reach.temporal),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Subscription {
    pub leg: u32,
    pub source: LegId,
    kind: MediaKind,
    names: Names,
    want: Want,
    share: Share,
    /// What its leg could be given of the track.
    pub leeway: Leeway,
    /// What it is to get: what is wanted, as far as it fits.
    aim: Aim,
    codecs: Arc<[CodecParams]>,
    mapped: Option<(Codec, Option<Mapping>)>,
    timeline: Timeline,
    /// The layer that goes out.
    current: Option<u8>,
    /// The layer that should.
    target: Option<u8>,
    /// The track is one stream: wanted layers are the spatial ones inside.
    single: bool,
    /// Which layers a packet belongs to is said in its dependency descriptor.
    described: bool,
    /// RTP time of the picture from which on other layers go out.
    news: Option<u32>,
    /// RTP time of the picture that passes by.
    picture_time: Option<u32>,
    /// The last picture left out.
    skipped_picture: Option<u16>,
    last: Option<Last>,
    /// Numbers kept since then for packets that were not seen.
    unseen: u16,
    packets: u32,
    octets: u32,
    next_rtx: u64,
    resends: Box<[(u64, Time)]>,
    /// Earlier packets went out under other names. Sent again as they are now, they would be other
    /// bytes under the same SRTP index, which breaks GCM (RFC 7714 §8.1).
    plain_from: u64,
}

impl Subscription {
    pub(crate) fn new(
        leg: u32,
        egress: &Egress,
        (want, limited): (Want, bool),
        (agreed, tail): (&Agreed, Tail),
    ) -> Self {
        let share = Share { limited, held: Held::NEW };
        let (segments, resends) = match egress.kind {
            MediaKind::Audio => (AUDIO_SEGMENTS, RESENDS / 4),
            MediaKind::Video => (VIDEO_SEGMENTS, RESENDS),
        };
        let last = tail.last.map(|last| Last { layer: None, ..last });
        Self {
            leg,
            source: egress.source,
            kind: egress.kind,
            names: Names { ssrc: egress.ssrc, rtx: egress.rtx, mid: egress.mid, ids: agreed.ids },
            want,
            share,
            leeway: Leeway::ALL,
            aim: Aim::of(&want, share),
            codecs: Arc::clone(&agreed.codecs),
            mapped: None,
            timeline: Timeline::new(segments, tail.next_sequence),
            current: None,
            target: None,
            single: true,
            described: false,
            news: None,
            picture_time: None,
            skipped_picture: None,
            last,
            unseen: tail.unseen,
            packets: tail.packets,
            octets: tail.octets,
            next_rtx: tail.next_rtx,
            resends: vec![(u64::MAX, Time::ZERO); resends].into_boxed_slice(),
            plain_from: tail.next_sequence,
        }
    }

    /// Where its numbers stand.
    pub(crate) fn tail(&self) -> Tail {
        Tail {
            next_sequence: self.timeline.next_out(),
            next_rtx: self.next_rtx,
            last: self.last,
            unseen: self.unseen,
            packets: self.packets,
            octets: self.octets,
        }
    }

    pub(crate) fn ssrc(&self) -> Ssrc {
        self.names.ssrc
    }

    /// The same stream is described anew; another source starts over behind the same numbers.
    pub(crate) fn replace(&mut self, egress: &Egress, want: Want) {
        self.plain_from = self.timeline.next_out();
        self.names.mid = egress.mid;
        self.names.rtx = egress.rtx;
        self.set_want(want);
        if self.source != egress.source {
            self.source = egress.source;
            self.restart();
        }
    }

    pub(crate) fn set_agreed(&mut self, agreed: &Agreed) {
        if self.names.ids != agreed.ids || self.codecs != agreed.codecs {
            self.plain_from = self.timeline.next_out();
        }
        self.codecs = Arc::clone(&agreed.codecs);
        self.names.ids = agreed.ids;
        self.mapped = None;
    }

    /// Something else is wanted, which need not wait for its share.
    pub(crate) fn set_want(&mut self, want: Want) {
        if self.want != want {
            let reach = self.share.held.reach.filter(|_| !self.want.paused);
            self.want = want;
            self.set_share(Share { held: Held { reach, fresh: true }, ..self.share });
        }
    }

    /// What it may have from now on; true when that changes what goes out.
    pub(crate) fn set_share(&mut self, share: Share) -> bool {
        let before = self.aim;
        self.share = share;
        self.aim = Aim::of(&self.want, share);
        if self.aim.paused {
            self.stop();
        }
        self.aim != before
    }

    /// Nothing goes out, by its own wish or for want of room.
    pub(crate) fn is_paused(&self) -> bool {
        self.aim.paused
    }

    pub(crate) fn want(&self) -> &Want {
        &self.want
    }

    pub(crate) fn share(&self) -> Share {
        self.share
    }

    pub(crate) fn kind(&self) -> MediaKind {
        self.kind
    }

    /// Wait for a place to start again.
    pub(crate) fn stop(&mut self) {
        self.current = None;
    }

    /// What went out cannot be shown any more: wait for a key frame, and send nothing from before it again. A receiver
    /// that goes on asking would fill its way with what is of no use, and keep the key frame waiting.
    pub(crate) fn give_up(&mut self) {
        self.stop();
        self.timeline.forget();
    }

    /// Another source takes over: nothing of the old one can be sent again.
    pub(crate) fn restart(&mut self) {
        self.stop();
        self.timeline.forget();
        if let Some(last) = &mut self.last {
            last.layer = None;
        }
    }

    /// One layer's numbers start over.
    pub(crate) fn restart_layer(&mut self, layer: u8) {
        let last = self.last.and_then(|last| last.layer);
        if self.current == Some(layer) || last == Some(layer) {
            self.restart();
        } else {
            self.timeline.forget_layer(layer);
        }
    }

    /// Several layers arrive apart, or one stream.
    pub(crate) fn set_layers(&mut self, layers: u8) {
        self.single = layers <= 1;
    }

    /// Choose among the layers that send: the best one wanted, else the least above it.
    pub(crate) fn retarget(&mut self, live: u8) {
        let wanted = if self.single { 0 } else { self.aim.layer.min(MAX_LAYERS as u8 - 1) };
        let lives = |layer: &u8| live & (1 << layer) != 0;
        let below = (0..=wanted).rev().find(lives);
        self.target = below.or_else(|| (0..MAX_LAYERS as u8).find(lives));
    }

    /// The layer of which it needs a key frame.
    pub(crate) fn waits_for(&self, layers: &[Layer; MAX_LAYERS]) -> Option<u8> {
        let undecodable = matches!(self.mapped, Some((_, None)));
        if self.kind == MediaKind::Audio || self.aim.paused || undecodable {
            return None;
        }
        let target = self.target?;
        let layer = layers.get(usize::from(target));
        let top = layer.map_or(0, |layer| layer.spatial_top);
        let present = self.timeline.form().cap.spatial.min(top);
        let wanted = self.wanted_cap().spatial.min(top);
        let stuck = present > wanted && layer.is_some_and(|layer| self.sticks(layer.unnested));
        (self.current != self.target || present < wanted || stuck).then_some(target)
    }

    /// Fewer spatial layers are had from a key frame on only, as their frames were not received so
    /// far. Who counts layers has received all of them.
    fn sticks(&self, unnested: bool) -> bool {
        let vp9 = matches!(self.mapped, Some((Codec::Vp9 { .. }, _)));
        unnested && (!vp9 || self.names.reads_descriptors())
    }

    /// The layer that a lost picture belongs to.
    pub(crate) fn shown_layer(&self) -> Option<u8> {
        self.current.or(self.target)
    }

    fn wanted_cap(&self) -> Cap {
        let spatial = if self.single { self.aim.layer } else { u8::MAX };
        // While a smaller stream's key frame is awaited the larger one goes on, as thin as it gets.
        let falls = self.share.limited
            && self.target.zip(self.current).is_some_and(|(target, current)| target < current);
        let temporal = if falls { 0 } else { self.aim.temporal };
        Cap { temporal, spatial }
    }

    #[inline]
    fn mapping(&mut self, codec: Codec) -> Option<Mapping> {
        match self.mapped {
            Some((mapped, mapping)) if mapped == codec => mapping,
            _ => {
                let mapping = mapping::map(&self.codecs, codec);
                self.mapped = Some((codec, mapping));
                mapping
            }
        }
    }

    /// Decide about one packet and hand it to `send` if it goes out.
    #[inline]
    pub(crate) fn offer<F>(
        &mut self,
        now: Time,
        (packet, facts): (&Inbound<'_>, &Facts<'_>),
        layers: &[Layer; MAX_LAYERS],
        send: &mut F,
    ) -> Result<(), Drop>
    where
        F: FnMut(u32, &Outgoing<'_>),
    {
        let mapping = self.mapping(packet.codec).ok_or(Drop::NoPayloadType)?;
        let targets = Targets::of(facts.frame.as_ref(), packet, layers);
        if self.current == Some(packet.layer) {
            if !self.timeline.in_order(packet.sequence) {
                return self.offer_late((packet, mapping), (facts, targets), send);
            }
            self.pass_boundary(packet, (facts, targets));
        } else if self.may_start(packet, facts) {
            self.start(now, packet, facts, layers);
        } else {
            return Ok(());
        }
        let form = *self.timeline.form();
        if packet.payload.is_empty() || !self.names.takes((facts, targets), form.cap) {
            self.leave_out(packet, facts, form);
            return Ok(());
        }
        let Some(mut outgoing) = shape(&self.names, (mapping, &form), packet, 0) else {
            self.timeline.skip(packet.sequence);
            return Err(Drop::BadRedundancy);
        };
        if let Some(targets) = targets {
            self.described = true;
            outgoing.marker |= targets.ends_picture(form.cap);
            outgoing.activation = targets.activation(form.cap, self.news == Some(packet.timestamp));
        }
        outgoing.sequence = self.timeline.advance(packet.sequence);
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(outgoing.payload.len() as u32);
        let older = self.last.map_or_else(Pictures::default, |last| last.pictures);
        self.last = Some(Last {
            timestamp: outgoing.timestamp,
            at: now,
            pictures: facts.pictures.shifted(&form.shift).or(older),
            layer: Some(packet.layer),
        });
        self.unseen = 0;
        send(self.leg, &outgoing);
        Ok(())
    }

    /// A packet that was overtaken goes out under the number kept for it; one that would be left
    /// out goes out empty, so that its number does not look lost.
    fn offer_late<F>(
        &mut self,
        (packet, mapping): (&Inbound<'_>, Mapping),
        (facts, targets): (&Facts<'_>, Option<Targets<'_>>),
        send: &mut F,
    ) -> Result<(), Drop>
    where
        F: FnMut(u32, &Outgoing<'_>),
    {
        let (sequence, form) = self.timeline.late(packet.sequence).ok_or(Drop::BeforeSwitch)?;
        let shaped = shape(&self.names, (mapping, &form), packet, sequence);
        let mut outgoing = shaped.ok_or(Drop::BadRedundancy)?;
        if !self.names.takes((facts, targets), form.cap) {
            outgoing.empty();
        }
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(outgoing.payload.len() as u32);
        if let Some(last) = &mut self.last
            && outgoing.timestamp.wrapping_sub(last.timestamp) as i32 > 0
        {
            last.timestamp = outgoing.timestamp;
        }
        send(self.leg, &outgoing);
        Ok(())
    }

    /// Between two pictures of the layer that goes out, the layers inside it may change.
    #[inline]
    fn pass_boundary(
        &mut self,
        packet: &Inbound<'_>,
        (facts, targets): (&Facts<'_>, Option<Targets<'_>>),
    ) {
        if self.picture_time == Some(packet.timestamp) {
            return;
        }
        self.picture_time = Some(packet.timestamp);
        let (wanted, form) = (self.wanted_cap(), *self.timeline.form());
        if form.cap == wanted {
            return;
        }
        let mut cap = form.cap;
        if !targets.is_some_and(|targets| self.sticks(targets.frame.unnested)) {
            cap.spatial = cap.spatial.min(wanted.spatial);
        }
        cap.temporal = cap.temporal.min(wanted.temporal);
        self.timeline.reform(Form { cap, ..form });
        let lower = cap;
        if facts.key {
            cap = wanted;
        } else if cap != wanted {
            cap = lifted(cap, wanted, (facts, targets));
        }
        self.news = (cap != form.cap).then_some(packet.timestamp).or(self.news);
        if cap != lower {
            // Packets not seen yet may belong to a picture that was left out: they stay under the
            // lower layers.
            let unseen = self.timeline.settle(packet.sequence);
            self.note_unseen(unseen);
            self.timeline.reform(Form { cap, ..form });
        }
    }

    fn note_unseen(&mut self, unseen: u64) {
        self.unseen = self.unseen.saturating_add(u16::try_from(unseen).unwrap_or(u16::MAX));
    }

    fn may_start(&self, packet: &Inbound<'_>, facts: &Facts<'_>) -> bool {
        let layer = packet.layer;
        let wanted = Some(layer) == self.target
            || (self.current.is_none() && (self.single || layer <= self.aim.layer));
        match self.kind {
            // A packet that others have overtaken is no place to start: they would look lost.
            MediaKind::Audio => wanted && facts.newest && !packet.payload.is_empty(),
            MediaKind::Video => wanted && facts.key,
        }
    }

    /// Go over to the layer of a packet, numbers continuing.
    fn start(
        &mut self,
        now: Time,
        packet: &Inbound<'_>,
        facts: &Facts<'_>,
        layers: &[Layer; MAX_LAYERS],
    ) {
        let timestamp = self.timestamp_shift(now, packet, layers);
        let shift = match &self.last {
            Some(last) => facts.pictures.following(&last.pictures, self.unseen, timestamp),
            None => Shift { timestamp, ..Shift::default() },
        };
        self.current = Some(packet.layer);
        let form = Form { layer: packet.layer, shift, cap: self.wanted_cap() };
        self.timeline.switch(packet.sequence, form);
        self.picture_time = Some(packet.timestamp);
        self.news = Some(packet.timestamp);
        self.skipped_picture = None;
        self.unseen = 0;
    }

    /// What to add to a layer's RTP time so that the receiver's goes on.
    fn timestamp_shift(
        &self,
        now: Time,
        packet: &Inbound<'_>,
        layers: &[Layer; MAX_LAYERS],
    ) -> u32 {
        let Some(last) = self.last else { return 0 };
        let present = self.timeline.form().shift.timestamp;
        let ahead = |timestamp: u32| timestamp.wrapping_sub(last.timestamp) as i32;
        if last.layer == Some(packet.layer) && ahead(packet.timestamp.wrapping_add(present)) > 0 {
            return present;
        }
        let rate = packet.codec.clock_rate();
        let elapsed = ticks(now.since(last.at), rate);
        let by_arrival = last.timestamp.wrapping_add(elapsed as u32);
        let clock = |layer: u8| layers.get(usize::from(layer)).and_then(|layer| layer.clock);
        let by_clock =
            last.layer.and_then(clock).zip(clock(packet.layer)).map(|(old, new)| {
                present.wrapping_add(translate(packet.timestamp, &new, &old, rate))
            });
        let believed = by_clock.filter(|&timestamp| {
            let off = i64::from(timestamp.wrapping_sub(by_arrival) as i32);
            off.unsigned_abs() <= ticks(DISBELIEF, rate)
        });
        let mut timestamp = believed.unwrap_or(by_arrival);
        if ahead(timestamp) <= 0 {
            timestamp = last.timestamp.wrapping_add(1);
        }
        timestamp.wrapping_sub(packet.timestamp)
    }

    /// Close the numbers over a packet. A VP8 picture left out closes picture numbers too; VP9
    /// refers to pictures by number, so its gaps stay.
    fn leave_out(&mut self, packet: &Inbound<'_>, facts: &Facts<'_>, form: Form) {
        let unseen = self.timeline.skip(packet.sequence);
        self.note_unseen(unseen);
        let Description::Vp8(_) = packet.description else { return };
        if facts.pictures.picture.is_some() && facts.pictures.picture != self.skipped_picture {
            self.skipped_picture = facts.pictures.picture;
            let picture = form.shift.picture.wrapping_sub(1) & 0x7fff;
            self.timeline.reform(Form { shift: Shift { picture, ..form.shift }, ..form });
        }
    }

    /// Find a packet that the receiver misses.
    pub(crate) fn resend(
        &mut self,
        now: Time,
        track: TrackId,
        sequence: u16,
        pause: Duration,
    ) -> Result<Resend, Refusal> {
        let found = self.timeline.find(sequence).ok_or(Refusal::Unknown)?;
        let Some((codec, Some(mapping))) = self.mapped else { return Err(Refusal::Unknown) };
        let rtx = self.names.rtx.zip(mapping.rtx);
        // What goes by its descriptor cannot be made again bit by bit without the structure of then.
        if rtx.is_none() && (self.described || found.sequence < self.plain_from) {
            return Err(Refusal::Unknown);
        }
        let slot = (found.sequence % self.resends.len().max(1) as u64) as usize;
        let slot = self.resends.get_mut(slot).ok_or(Refusal::Unknown)?;
        if slot.0 == found.sequence && now.since(slot.1) < pause {
            return Err(Refusal::TooSoon);
        }
        *slot = (found.sequence, now);
        Ok(Resend {
            track,
            layer: found.form.layer,
            sequence: found.source,
            rtx: rtx.map(|(ssrc, payload_type)| RtxStream { ssrc, payload_type }),
            made: Made { names: self.names, codec, mapping, form: found.form, out: found.sequence },
        })
    }

    pub(crate) fn next_rtx_sequence(&mut self) -> u64 {
        let next = self.next_rtx;
        self.next_rtx += 1;
        next
    }

    pub(crate) fn report(&self, now: Time, layers: &[Layer; MAX_LAYERS]) -> Option<Report> {
        let layer = self.last?.layer.filter(|&layer| layer == self.timeline.form().layer)?;
        let clock = layers.get(usize::from(layer))?.clock?;
        let (codec, _) = self.mapped?;
        let elapsed = now.since(clock.at);
        let rtp_time = clock
            .rtp_time
            .wrapping_add(ticks(elapsed, codec.clock_rate()) as u32)
            .wrapping_add(self.timeline.form().shift.timestamp);
        let fraction = (elapsed.as_micros() << 32) / 1_000_000;
        Some(Report {
            ntp: clock.ntp.wrapping_add(fraction as u64),
            rtp_time,
            packets: self.packets,
            octets: self.octets,
        })
    }
}

/// How a packet was made, to make it again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Made {
    names: Names,
    codec: Codec,
    mapping: Mapping,
    form: Form,
    out: u64,
}

impl Made {
    pub(crate) fn render<'a>(&'a self, source: &'a Inbound<'a>) -> Option<Outgoing<'a>> {
        if source.codec != self.codec || source.layer != self.form.layer {
            return None;
        }
        let mut outgoing = shape(&self.names, (self.mapping, &self.form), source, self.out)?;
        let description = &source.description;
        let cap = self.form.cap;
        if description.temporal() > cap.temporal || description.spatial() > cap.spatial {
            outgoing.empty();
        }
        Some(outgoing)
    }
}

impl Outgoing<'_> {
    /// Keep the number, send nothing in it.
    fn empty(&mut self) {
        self.payload = &[];
        self.patch = Patch::NONE;
        self.marker = false;
        self.carried = &Carried::NONE;
    }
}

/// A source packet as it goes out under a number. `None` when a redundant payload cannot be taken
/// apart.
#[inline]
fn shape<'a>(
    names: &'a Names,
    (mapping, form): (Mapping, &Form),
    packet: &'a Inbound<'a>,
    sequence: u64,
) -> Option<Outgoing<'a>> {
    let mut payload = packet.payload;
    if mapping.strip_redundancy && !payload.is_empty() {
        payload = red::primary(payload).ok()?.1;
    }
    // The last packet of the highest spatial layer that goes out ends the picture for this
    // receiver.
    let ends_picture = match &packet.description {
        Description::Vp9(d) => d.ends_frame && d.spatial == form.cap.spatial,
        _ => false,
    };
    Some(Outgoing {
        ssrc: names.ssrc,
        sequence,
        timestamp: packet.timestamp.wrapping_add(form.shift.timestamp),
        payload_type: mapping.payload_type,
        marker: packet.marker || ends_picture,
        payload,
        patch: patch(payload, &packet.description, &form.shift),
        carried: &packet.carried,
        ids: &names.ids,
        mid: names.mid,
        frame_shift: form.shift.frame,
        activation: None,
    })
}

impl Names {
    fn reads_descriptors(&self) -> bool {
        self.ids.id(Extension::DependencyDescriptor).is_some()
    }

    /// Whether a packet belongs to the layers that go out. Decode targets know better than layer numbers:
    /// the best picture may not need all smaller ones. But who does not read descriptors counts layers.
    #[inline]
    fn takes(&self, (facts, targets): (&Facts<'_>, Option<Targets<'_>>), cap: Cap) -> bool {
        let needed = |targets: &Targets<'_>| !targets.frame.optional || self.reads_descriptors();
        let targets = targets.filter(needed);
        match targets.and_then(|targets| targets.indication(cap)) {
            Some(indication) => indication != Indication::NotPresent,
            None => facts.temporal <= cap.temporal && facts.spatial <= cap.spatial,
        }
    }
}

/// The layers that may go out from this picture on, of those wanted.
fn lifted(present: Cap, wanted: Cap, (facts, targets): (&Facts<'_>, Option<Targets<'_>>)) -> Cap {
    let temporal = match facts.lift {
        // A sync frame needs only layer zero, but what follows between needs the layers below: one
        // step at a time.
        Lift::ToOwn if facts.temporal == present.temporal.saturating_add(1) => facts.temporal,
        Lift::ToAny if facts.temporal <= present.temporal => wanted.temporal,
        Lift::Described => {
            let switches = |cap| {
                let indication = targets.and_then(|targets| targets.indication(cap));
                indication == Some(Indication::Switch)
            };
            if wanted.spatial >= present.spatial && switches(wanted) {
                return wanted;
            }
            let thin = Cap { temporal: wanted.temporal, ..present };
            if switches(thin) { wanted.temporal } else { present.temporal }
        }
        Lift::No | Lift::ToOwn | Lift::ToAny => present.temporal,
    };
    Cap { temporal: temporal.clamp(present.temporal, wanted.temporal), ..present }
}

/// Clock ticks in a span.
fn ticks(span: Duration, rate: u32) -> u64 {
    (span.as_micros() * u128::from(rate) / 1_000_000) as u64
}

/// A time of the `new` layer's clock on the `old` layer's.
fn translate(timestamp: u32, new: &Clock, old: &Clock, rate: u32) -> u32 {
    let since_report = timestamp.wrapping_sub(new.rtp_time);
    let between = i128::from(new.ntp.wrapping_sub(old.ntp) as i64);
    let between = (between * i128::from(rate)) >> 32;
    old.rtp_time.wrapping_add(since_report).wrapping_add(between as u32)
}
