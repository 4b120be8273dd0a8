//! What is known about a track's layers, whoever receives them.

use core::time::Duration;

use offhook_types::counters::Counters;
use offhook_types::media::Extension;
use offhook_types::{MediaKind, Time, TrackId};
use offhook_wire::dd;
use offhook_wire::payload::Description;

use crate::audience::Audience;
use crate::ceiling::{Ceiling, Sends};
use crate::index::Map;
use crate::meter::Meter;
use crate::munge::Pictures;
use crate::packet::{Inbound, Outgoing};
use crate::router::{Config, Drop, TrackSpec};
use crate::speaker::Voice;
use crate::stage::{Heard, Stage};
use crate::subscription::Subscription;
pub(crate) use targets::{Frame, Targets};

mod ladder;
mod targets;

/// Most layers of one track.
pub(crate) const MAX_LAYERS: usize = 4;
/// How far back packets are remembered, in packets. At 5 Mbit/s that is about two seconds.
const WINDOW: u64 = 1024;
/// How often layers are looked at for having stopped.
const CHECK: Duration = Duration::from_millis(250);

/// A published, or awaited, track.
#[derive(Debug)]
pub(crate) struct Track {
    pub id: TrackId,
    /// `None` while nobody publishes it.
    pub spec: Option<TrackSpec>,
    pub muted: bool,
    pub layers: [Layer; MAX_LAYERS],
    /// Bit mask of layers that send.
    pub live: u8,
    check_at: Time,
    /// The last packet of any layer.
    heard: Time,
    pub voice: Voice,
    pub audience: Audience,
    /// Its publisher can be asked to stay under a rate.
    pub heeds: bool,
    pub ceiling: Ceiling,
    /// Those that get something come first.
    pub subscriptions: Vec<Subscription>,
    /// How many they are.
    active: usize,
    /// Where a leg's subscription is.
    places: Map<u32, usize>,
}

impl Track {
    pub(crate) fn new(id: TrackId) -> Self {
        Self {
            id,
            spec: None,
            muted: false,
            layers: Default::default(),
            live: 0,
            check_at: Time::ZERO,
            heard: Time::ZERO,
            voice: Voice::default(),
            audience: Audience::default(),
            heeds: false,
            ceiling: Ceiling::default(),
            subscriptions: Vec::new(),
            active: 0,
            places: Map::default(),
        }
    }

    /// The source is another one from now on.
    pub(crate) fn restart(&mut self) {
        self.layers = Default::default();
        self.live = 0;
        (self.heeds, self.ceiling) = (false, Ceiling::default());
        for subscription in &mut self.subscriptions {
            subscription.restart();
        }
    }

    /// One layer's source starts its numbers over.
    pub(crate) fn restart_layer(&mut self, index: u8) {
        let Some(layer) = self.layers.get_mut(usize::from(index)) else { return };
        *layer = Layer { heard: layer.heard, ..Layer::default() };
        for subscription in &mut self.subscriptions {
            subscription.restart_layer(index);
        }
        self.refresh_waiting();
    }

    pub(crate) fn subscription(&self, leg: u32) -> Option<&Subscription> {
        self.subscriptions.get(*self.places.get(&leg)?)
    }

    pub(crate) fn subscription_mut(&mut self, leg: u32) -> Option<&mut Subscription> {
        self.subscriptions.get_mut(*self.places.get(&leg)?)
    }

    /// Start a subscription that the track does not have yet.
    pub(crate) fn insert(&mut self, mut subscription: Subscription) {
        subscription.set_layers(self.spec.map_or(1, |spec| spec.layers));
        self.places.insert(subscription.leg, self.subscriptions.len());
        self.subscriptions.push(subscription);
    }

    /// End a subscription.
    pub(crate) fn remove(&mut self, leg: u32) -> Option<Subscription> {
        let mut place = *self.places.get(&leg)?;
        if place < self.active {
            self.active -= 1;
            self.swap(place, self.active);
            place = self.active;
        }
        self.swap(place, self.subscriptions.len().saturating_sub(1));
        self.places.remove(&leg);
        let ended = self.subscriptions.pop();
        self.refresh_waiting();
        ended
    }

    /// Put a leg's subscription where it belongs, after what it gets has changed: packets pass by
    /// the paused ones without a look at them.
    fn sort_in(&mut self, leg: u32) {
        let Some(&place) = self.places.get(&leg) else { return };
        let paused = self.subscriptions.get(place).is_some_and(Subscription::is_paused);
        if paused && place < self.active {
            self.active -= 1;
            self.swap(place, self.active);
        } else if !paused && place >= self.active {
            self.swap(place, self.active);
            self.active += 1;
        }
    }

    fn swap(&mut self, a: usize, b: usize) {
        if a.max(b) >= self.subscriptions.len() {
            return;
        }
        self.subscriptions.swap(a, b);
        for place in [a, b] {
            if let Some(subscription) = self.subscriptions.get(place) {
                self.places.insert(subscription.leg, place);
            }
        }
    }

    /// Offer packets to every subscription: what arrived together goes out receiver by receiver, so
    /// that what is known of a receiver is fetched once and its packets stand side by side.
    #[inline]
    pub(crate) fn route<'p, F>(
        &mut self,
        now: Time,
        packets: impl Iterator<Item = Inbound<'p>>,
        (config, counters, stage): (&Config, &mut Counters<Drop>, &mut Stage),
        send: &mut F,
    ) -> Passed
    where
        F: FnMut(u32, &Outgoing<'_>),
    {
        let mut passed = Passed::default();
        let mut batch = Batch::default();
        for packet in packets {
            let spec = match self.admit(&packet) {
                Ok(spec) => spec,
                Err(reason) => {
                    counters.add(reason);
                    continue;
                }
            };
            if spec.kind == MediaKind::Audio
                && !packet.payload.is_empty()
                && self.hear(now, &packet, (&mut *stage, &mut passed)) == Heard::No
            {
                continue;
            }
            let changed = self.note_alive(now, packet.layer, config.layer_timeout);
            let described = Described::of(&packet);
            // What is offered is judged by the layers as they were when it came.
            if changed || described.brings_structure() || batch.is_full() {
                self.pass_on(now, &mut batch, counters, send);
            }
            if changed {
                self.retarget();
                (passed.asks, passed.changed) = (true, true);
            }
            let Some(layer) = self.layers.get_mut(usize::from(packet.layer)) else { continue };
            let (index, facts) = (packet.layer, layer.inspect(now, &packet, described));
            batch.push(packet, facts);
            if facts.key {
                self.pass_on(now, &mut batch, counters, send);
                self.note_key_frame(index);
                passed.asks = true;
            }
        }
        self.pass_on(now, &mut batch, counters, send);
        passed
    }

    /// Whether a packet may pass at all.
    #[inline]
    fn admit(&mut self, packet: &Inbound<'_>) -> Result<TrackSpec, Drop> {
        let spec = self.spec.ok_or(Drop::UnknownTrack)?;
        if packet.layer >= spec.layers {
            return Err(Drop::UnknownLayer);
        }
        let layer = self.layers.get_mut(usize::from(packet.layer)).ok_or(Drop::UnknownLayer)?;
        layer.seen.insert(packet.sequence)?;
        if self.muted { Err(Drop::Muted) } else { Ok(spec) }
    }

    #[inline]
    fn pass_on<F>(
        &mut self,
        now: Time,
        batch: &mut Batch<'_>,
        counters: &mut Counters<Drop>,
        send: &mut F,
    ) where
        F: FnMut(u32, &Outgoing<'_>),
    {
        for subscription in self.subscriptions.iter_mut().take(self.active) {
            for (packet, facts) in batch.items() {
                let offered = subscription.offer(now, (packet, facts), &self.layers, send);
                if let Err(reason) = offered {
                    counters.add(reason);
                }
            }
        }
        batch.clear();
    }

    /// Who sent an audio packet is heard, or not.
    fn hear(
        &mut self,
        now: Time,
        packet: &Inbound<'_>,
        (stage, passed): (&mut Stage, &mut Passed),
    ) -> Heard {
        let level = packet.carried.value(Extension::AudioLevel).and_then(<[u8]>::first);
        passed.heard |= level.is_some();
        let sound = match level {
            Some(&level) => self.voice.hear(now, level),
            None => self.voice.presume(now),
        };
        let heard = stage.hear(now, self.id, sound);
        if let Heard::InsteadOf(other) = heard {
            passed.displaced = Some(other);
        }
        heard
    }

    /// Bits a second that come of it, in all layers.
    pub(crate) fn rate(&self) -> u64 {
        let all = self.layers.iter().filter_map(|layer| layer.meter.rate((u8::MAX, u8::MAX)));
        all.sum()
    }

    /// What its layers bring.
    pub(crate) fn sends(&self) -> Sends {
        let mut sends = Sends { live: self.live, ..Sends::default() };
        for (latest, layer) in sends.latest.iter_mut().zip(&self.layers) {
            *latest = layer.meter.latest();
        }
        sends
    }

    /// Nothing goes out for now; numbers stay closed when it does again.
    pub(crate) fn stop(&mut self) {
        self.subscriptions.iter_mut().for_each(Subscription::stop);
    }

    /// A key frame is here: whoever waited for it got it.
    fn note_key_frame(&mut self, layer: u8) {
        if let Some(layer) = self.layers.get_mut(usize::from(layer)) {
            layer.key.requested = false;
        }
        self.refresh_waiting();
    }

    /// A request for a key frame goes out.
    pub(crate) fn key_frame_asked(&mut self, now: Time, layer: u8) {
        if let Some(layer) = self.layers.get_mut(usize::from(layer)) {
            layer.key.requested = false;
            layer.key.sent = Some(now);
        }
    }

    /// Note that a layer sent; true when the set of live layers changed.
    #[inline]
    fn note_alive(&mut self, now: Time, layer: u8, timeout: Duration) -> bool {
        let before = self.live;
        self.live |= 1 << layer;
        if now.since(self.heard) > CHECK {
            // The whole track was silent: that says nothing about one layer.
            self.layers.iter_mut().for_each(|layer| layer.heard = now);
        }
        self.heard = now;
        if let Some(layer) = self.layers.get_mut(usize::from(layer)) {
            layer.heard = now;
        }
        if now >= self.check_at {
            self.check_at = now + CHECK;
            for (index, layer) in self.layers.iter().enumerate() {
                if now.since(layer.heard) > timeout {
                    self.live &= !(1 << index);
                }
            }
        }
        self.live != before
    }

    /// Choose every subscription's layer anew and note who waits for a key frame.
    pub(crate) fn retarget(&mut self) {
        for subscription in &mut self.subscriptions {
            subscription.retarget(self.live);
        }
        self.refresh_waiting();
    }

    /// Choose one subscription's layer anew, after what it may have has changed.
    pub(crate) fn retarget_one(&mut self, leg: u32) {
        let live = self.live;
        if let Some(subscription) = self.subscription_mut(leg) {
            subscription.retarget(live);
        }
        self.sort_in(leg);
        self.refresh_waiting();
    }

    /// Note who waits for a key frame, and ask for what nobody waited for before.
    pub(crate) fn refresh_waiting(&mut self) {
        let mut waiting = 0u8;
        if !self.muted && self.spec.is_some() {
            for subscription in &self.subscriptions {
                if let Some(layer) = subscription.waits_for(&self.layers) {
                    waiting |= 1 << layer;
                }
            }
        }
        for (index, layer) in self.layers.iter_mut().enumerate() {
            let waits = waiting & (1 << index) != 0;
            layer.key.requested |= waits && !layer.key.waiting;
            layer.key.waiting = waits;
        }
    }

    /// Ask for the key frame that one leg waits for, if it does.
    pub(crate) fn ask_for(&mut self, leg: u32) {
        let place = self.places.get(&leg).and_then(|&place| self.subscriptions.get(place));
        let layer = place.and_then(|subscription| subscription.waits_for(&self.layers));
        if let Some(layer) = layer {
            self.ask(layer);
        }
    }

    /// Ask for a key frame of one layer.
    pub(crate) fn ask(&mut self, layer: u8) {
        if let Some(layer) = self.layers.get_mut(usize::from(layer)) {
            layer.key.requested = true;
        }
    }

    /// The earliest time at which a key frame request is due, and for which layer.
    pub(crate) fn key_frame_due(&self, config: &Config) -> Option<(Time, u8)> {
        let due = self
            .layers
            .iter()
            .zip(0u8..)
            .filter_map(|(layer, index)| layer.key.due(config).map(|at| (at, index)));
        due.min()
    }
}

/// What routing a packet led to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Passed {
    /// Key frame requests may have changed.
    pub asks: bool,
    /// Layers began or ceased.
    pub changed: bool,
    /// A voice was heard.
    pub heard: bool,
    /// Another track that is no longer heard.
    pub displaced: Option<TrackId>,
}

/// One layer of a track.
#[derive(Debug, Default)]
pub(crate) struct Layer {
    seen: Seen,
    heard: Time,
    pub meter: Meter,
    pub clock: Option<Clock>,
    pub key: KeyFrames,
    structure: Option<Box<dd::Structure>>,
    /// Going down to fewer spatial layers takes a key frame.
    pub unnested: bool,
    /// Decode targets that its publisher keeps up, one bit each.
    active: u32,
    /// What the frame of this number is to them, where that differs from its template.
    custom: Option<(u16, dd::Indications)>,
    /// Highest spatial layer inside the stream since the last key frame.
    pub spatial_top: u8,
    /// Parameter sets come in the stream: an IDR picture without them is no place to start (H.264).
    parameters: bool,
    /// RTP time of the newest packet.
    newest: Option<u32>,
    /// RTP time of the last key frame's first packet.
    key_time: Option<u32>,
}

/// One instant of a publisher's clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    pub ntp: u64,
    pub rtp_time: u32,
    pub at: Time,
}

/// Requests for key frames of one layer.
#[derive(Debug, Default)]
pub(crate) struct KeyFrames {
    pub requested: bool,
    pub waiting: bool,
    pub sent: Option<Time>,
}

impl KeyFrames {
    fn due(&self, config: &Config) -> Option<Time> {
        let after = match (self.requested, self.waiting) {
            (true, _) => config.key_frame_interval,
            (false, true) => config.key_frame_retry,
            (false, false) => return None,
        };
        Some(self.sent.map_or(Time::ZERO, |sent| sent + after))
    }
}

/// Packets of one track that are offered together, in the order in which they came.
#[derive(Default)]
struct Batch<'p> {
    items: [Option<(Inbound<'p>, Facts<'p>)>; BATCH],
    len: usize,
}

/// A frame of 1080p at 4 Mbit/s is about so many packets.
const BATCH: usize = 16;

impl<'p> Batch<'p> {
    fn is_full(&self) -> bool {
        self.len == BATCH
    }

    fn push(&mut self, packet: Inbound<'p>, facts: Facts<'p>) {
        if let Some(place) = self.items.get_mut(self.len) {
            *place = Some((packet, facts));
            self.len += 1;
        }
    }

    fn items(&self) -> impl Iterator<Item = &(Inbound<'p>, Facts<'p>)> {
        self.items.iter().take(self.len).flatten()
    }

    fn clear(&mut self) {
        self.len = 0;
    }
}

/// The dependency descriptor of a packet, if it has one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Described<'p>(Option<dd::Descriptor<'p>>);

impl<'p> Described<'p> {
    #[inline]
    fn of(packet: &Inbound<'p>) -> Self {
        let value = packet.carried.value(Extension::DependencyDescriptor);
        Self(value.and_then(|value| dd::Descriptor::parse(value).ok()))
    }

    /// Later packets mean something else.
    fn brings_structure(&self) -> bool {
        self.0.is_some_and(|descriptor| descriptor.has_structure)
    }
}

/// What selecting and numbering need to know about a packet, found once for all subscribers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'p> {
    /// Somebody may start here.
    pub key: bool,
    /// No packet with a higher number came before it.
    pub newest: bool,
    pub temporal: u8,
    pub spatial: u8,
    pub pictures: Pictures,
    pub lift: Lift,
    /// What the dependency descriptor says, when there is one.
    pub frame: Option<Frame<'p>>,
}

/// When a higher temporal layer may be added.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lift {
    /// Nothing is known before the next key frame.
    No,
    /// To this frame's own layer (VP8 layer sync).
    ToOwn,
    /// To any, after a picture of a layer that is received already (VP9 switching up point).
    ToAny,
    /// As the dependency descriptor says.
    Described,
}

impl Layer {
    /// Find out about a packet.
    pub(crate) fn inspect<'p>(
        &mut self,
        now: Time,
        packet: &Inbound<'p>,
        Described(descriptor): Described<'p>,
    ) -> Facts<'p> {
        let description = &packet.description;
        let mut key = description.starts_key_frame();
        if let Description::H264(d) = description {
            self.parameters |= d.parameters;
            key &= d.parameters || !self.parameters;
            key &= self.key_time != Some(packet.timestamp);
        }
        // A key frame that later frames have overtaken is no place to start: they would be missing.
        let age = self.newest.map_or(0, |newest| newest.wrapping_sub(packet.timestamp) as i32);
        key &= age <= 0;
        if age <= 0 && !packet.payload.is_empty() {
            self.newest = Some(packet.timestamp);
        }
        if key {
            self.key_time = Some(packet.timestamp);
            self.spatial_top = 0;
        }
        self.spatial_top = self.spatial_top.max(description.spatial());
        if let Description::Vp9(d) = description
            && let Some(layers) = d.spatial_layers
        {
            self.spatial_top = self.spatial_top.max(layers.saturating_sub(1));
        }
        if let Some(descriptor) = descriptor.as_ref().filter(|_| age <= 0) {
            self.learn(descriptor);
        }
        let number = descriptor.map(|descriptor| descriptor.frame_number);
        let frame = descriptor.and_then(|descriptor| self.frame(description, descriptor));
        let (spatial, temporal) = match frame {
            Some(frame) => (frame.layers.spatial, frame.layers.temporal),
            None => (description.spatial(), description.temporal()),
        };
        self.meter.count(now, (spatial, temporal), packet.payload.len());
        let lift = match description {
            Description::Vp8(d) if d.layer_sync => Lift::ToOwn,
            Description::Vp9(d) if d.switching_up => Lift::ToAny,
            Description::H264(_) | Description::Av1(_) if frame.is_some() => Lift::Described,
            _ => Lift::No,
        };
        let pictures = Pictures::of(description, number);
        let newest = self.seen.highest == Some(packet.sequence);
        Facts { key, newest, temporal, spatial, pictures, lift, frame }
    }

    /// What is described is understood with the structure that came last.
    fn frame<'p>(
        &self,
        description: &Description,
        descriptor: dd::Descriptor<'p>,
    ) -> Option<Frame<'p>> {
        let optional = match description {
            Description::Vp9(_) => true,
            Description::H264(_) | Description::Av1(_) => false,
            _ => return None,
        };
        let structure = self.structure.as_deref()?;
        let layers = structure.layers(&descriptor)?;
        let own = self.custom.filter(|&(frame, _)| frame == descriptor.frame_number);
        let all = match own {
            Some((_, all)) => all,
            None => structure.indications(&descriptor)?,
        };
        let (active, unnested) = (self.active, self.unnested);
        Some(Frame { descriptor, layers, all, active, unnested, optional })
    }

    /// Remember what a descriptor says about later frames.
    fn learn(&mut self, descriptor: &dd::Descriptor<'_>) {
        if descriptor.has_structure {
            self.structure = dd::Structure::parse(descriptor).ok().map(Box::new);
            self.unnested = self.structure.as_ref().is_some_and(|s| !s.is_nested());
        }
        let Some(structure) = &self.structure else { return };
        if let Some(active) = structure.active(descriptor) {
            self.active = active;
            self.spatial_top = structure.spatial_top(active);
        }
        if descriptor.custom {
            let all = structure.indications(descriptor);
            self.custom = all.map(|all| (descriptor.frame_number, all));
        }
    }
}

/// The last [`WINDOW`] sequence numbers of a layer.
#[derive(Debug, Default)]
struct Seen {
    highest: Option<u64>,
    bits: [u64; (WINDOW / 64) as usize],
}

impl Seen {
    #[inline]
    fn insert(&mut self, sequence: u64) -> Result<(), Drop> {
        let highest = self.highest.unwrap_or(sequence);
        if sequence > highest {
            if sequence - highest >= WINDOW {
                self.bits = Default::default();
            } else {
                (highest + 1..sequence).for_each(|skipped| self.clear(skipped));
                self.clear(sequence);
            }
        } else if highest - sequence >= WINDOW {
            return Err(Drop::TooLate);
        }
        self.highest = Some(highest.max(sequence));
        let (word, bit) = place(sequence);
        let Some(word) = self.bits.get_mut(word) else { return Ok(()) };
        if *word & bit != 0 {
            return Err(Drop::Duplicate);
        }
        *word |= bit;
        Ok(())
    }

    fn clear(&mut self, sequence: u64) {
        let (word, bit) = place(sequence);
        if let Some(word) = self.bits.get_mut(word) {
            *word &= !bit;
        }
    }
}

const fn place(sequence: u64) -> (usize, u64) {
    let slot = sequence % WINDOW;
    ((slot / 64) as usize, 1 << (slot % 64))
}
