//! The room's side: the voices that the phone hears, mixed, and the phone's voice as one Opus stream.

use offhook_types::counters::Counters;
use offhook_types::phone::Relay;
use offhook_types::{Rng, Ssrc, Time};
use offhook_wire::demux;
use offhook_wire::rtp::Packet;

use super::codec::{Decoder, OpusEncoder};
use super::count::Count;
use super::jitter::{Clock, Kind};
use super::machine::Port;
use super::mix::Mixer;
use super::noise;
use super::outbox::{MTU, Outbox};
use super::playout::{Heard, Playout, Tally};
use super::protection::Protection;
use super::reports::Reports;
use super::stream::{Outgoing, Stream};
use super::words::{Event, Side};

pub(super) struct RoomSide {
    relay: Option<(Relay, Protection)>,
    pub(super) reports: Reports,
    rng: Rng,
    plain: Vec<u8>,
    dtx: bool,
    /// Which streams are heard, and the players of those that came.
    heard: Vec<Ssrc>,
    voices: Vec<Voice>,
    /// Figures of voices that are gone.
    past: Tally,
    mixer: Mixer,
    pub(super) last_sound: Option<Time>,
    stream: Stream,
    encoder: Option<(u32, OpusEncoder)>,
    pending: Vec<i16>,
    payload: Vec<u8>,
}

struct Voice {
    ssrc: Ssrc,
    playout: Playout,
    frame: Vec<i16>,
    /// Of this frame; zero for nothing.
    energy: u64,
}

impl RoomSide {
    pub(super) fn new(mut rng: Rng, dtx: bool) -> Self {
        let stream = Stream::new(Ssrc(0), &mut rng);
        let reports = Reports::new(stream.ssrc(), Rng::from_seed(rng.next_u64()));
        Self {
            relay: None,
            reports,
            rng,
            plain: vec![0; MTU + 200],
            dtx,
            heard: Vec::new(),
            voices: Vec::new(),
            past: Tally::default(),
            mixer: Mixer::default(),
            last_sound: None,
            stream,
            encoder: None,
            pending: Vec::new(),
            payload: vec![0; MTU],
        }
    }

    /// The relay leg stands. False when its keys are not keys.
    pub(super) fn connect(&mut self, relay: Relay) -> bool {
        let same = self.relay.as_ref().is_some_and(|(before, _)| {
            (before.profile, &before.to_room, &before.from_room, before.ssrc)
                == (relay.profile, &relay.to_room, &relay.from_room, relay.ssrc)
        });
        // Keys in use go on with their counters, also when the address changed.
        let protection = match self.relay.take().filter(|_| same) {
            Some((_, protection)) => Some(protection),
            None => {
                self.stream = Stream::new(relay.ssrc, &mut self.rng);
                self.reports.rename(relay.ssrc);
                Protection::new(relay.profile, &relay.to_room, &relay.from_room)
            }
        };
        self.relay = protection.map(|protection| (relay, protection));
        self.relay.is_some()
    }

    pub(super) fn hear(&mut self, mut streams: Vec<Ssrc>) {
        streams.truncate(MAX_VOICES);
        let gone = self.voices.iter().filter(|voice| !streams.contains(&voice.ssrc));
        self.past = gone.fold(self.past, |past, voice| past.plus(&voice.playout.millis()));
        self.voices.retain(|voice| streams.contains(&voice.ssrc));
        self.heard = streams;
    }

    /// Somebody should be heard.
    pub(super) fn expects(&self) -> bool {
        self.relay.is_some() && !self.heard.is_empty()
    }

    /// Takes a datagram; true when it was authentic. `rate` is what voices are decoded to.
    pub(super) fn handle(
        &mut self,
        now: Time,
        (bytes, rate): (&[u8], u32),
        outbox: &mut Outbox,
        counters: &mut Counters<Count>,
    ) -> bool {
        let result = match demux::Kind::of(bytes) {
            Some(demux::Kind::Rtp) => self.handle_rtp(now, (bytes, rate), outbox, counters),
            Some(demux::Kind::Rtcp) => self.handle_rtcp(now, bytes),
            _ => Err(Count::Malformed),
        };
        if let Err(drop) = result {
            counters.add(drop);
        }
        matches!(result, Ok(()) | Err(Count::Unheard))
    }

    fn handle_rtp(
        &mut self,
        now: Time,
        (bytes, rate): (&[u8], u32),
        outbox: &mut Outbox,
        counters: &mut Counters<Count>,
    ) -> Result<(), Count> {
        let (relay, protection) = self.relay.as_mut().ok_or(Count::NotReady)?;
        let opened = protection.unprotect.unprotect_rtp(bytes, &mut self.plain)?;
        let plain = self.plain.get(..opened.len).unwrap_or_default();
        let packet = Packet::parse(plain).map_err(|_| Count::Malformed)?;
        let header = *packet.header();
        if header.payload_type != relay.opus {
            return Err(Count::PayloadType);
        }
        if !self.heard.contains(&header.ssrc) {
            return Err(Count::Unheard);
        }
        self.reports.received(now, &header, OPUS_CLOCK);
        // A packet of padding only keeps the path open.
        if packet.payload.is_empty() {
            return Ok(());
        }
        let place = match self.voices.iter().position(|voice| voice.ssrc == header.ssrc) {
            Some(place) => place,
            None => {
                let rng = Rng::from_seed(self.rng.next_u64());
                self.voices.push(Voice::new(header.ssrc, rate, rng).ok_or(Count::TooManyStreams)?);
                self.voices.len() - 1
            }
        };
        let Some(voice) = self.voices.get_mut(place) else { return Ok(()) };
        if voice.playout.put(now, (header, Kind::Sound, packet.payload), counters) {
            counters.add(Count::FromRoom);
            if self.last_sound.replace(now).is_none() {
                outbox.event(Event::FirstMedia { from: Side::Room });
            }
        }
        Ok(())
    }

    fn handle_rtcp(&mut self, now: Time, bytes: &[u8]) -> Result<(), Count> {
        let (_, protection) = self.relay.as_mut().ok_or(Count::NotReady)?;
        let len = protection.unprotect.unprotect_rtcp(bytes, &mut self.plain)?;
        self.reports.handle(now, self.plain.get(..len).unwrap_or_default());
        if let Some((_, encoder)) = &mut self.encoder {
            encoder.set_loss(self.reports.loss_percent());
        }
        Ok(())
    }

    /// What the phone hears next: the loudest voices.
    pub(super) fn mix(&mut self, now: Time, out: &mut [i16], rate: u32) {
        if self.voices.iter().any(|voice| voice.playout.rate() != rate) {
            // The trunk's rate changed: voices start anew with their next packets.
            let streams = core::mem::take(&mut self.heard);
            self.hear(Vec::new());
            self.hear(streams);
        }
        self.mixer.begin(out.len());
        for voice in &mut self.voices {
            voice.frame.resize(out.len(), 0);
            let sounds = voice.playout.pull(now, &mut voice.frame) != Heard::Nothing;
            let square = |sample: &i16| u64::from(sample.unsigned_abs()).pow(2);
            voice.energy = if sounds { voice.frame.iter().map(square).sum() } else { 0 };
        }
        if self.voices.len() > MAX_MIXED {
            self.voices.sort_unstable_by_key(|voice| core::cmp::Reverse(voice.energy));
        }
        for voice in self.voices.iter().take(MAX_MIXED).filter(|voice| voice.energy > 0) {
            self.mixer.add(&voice.frame);
        }
        self.mixer.finish(out);
    }

    /// Sends samples to the room.
    pub(super) fn send(
        &mut self,
        now: Time,
        (samples, rate): (&[i16], u32),
        outbox: &mut Outbox,
        counters: &mut Counters<Count>,
    ) {
        if self.encoder.as_ref().is_none_or(|(before, _)| *before != rate) {
            self.pending.clear();
            let encoder = OpusEncoder::new(rate, self.dtx);
            self.encoder = encoder.map(|mut encoder| {
                encoder.set_loss(self.reports.loss_percent());
                (rate, encoder)
            });
        }
        let mut pending = core::mem::take(&mut self.pending);
        pending.extend_from_slice(samples);
        let frame = (rate / 50) as usize;
        let mut rest = pending.as_slice();
        while let Some((samples, after)) = rest.split_at_checked(frame) {
            rest = after;
            self.send_frame(now, samples, outbox, counters);
            self.stream.advance(OPUS_CLOCK / 50);
        }
        let sent = pending.len() - rest.len();
        pending.drain(..sent);
        self.pending = pending;
    }

    /// Nothing is sent for a while of this many milliseconds.
    pub(super) fn rest(&mut self, millis: u32) {
        self.pending.clear();
        self.stream.advance(OPUS_CLOCK / 1000 * millis);
        self.stream.pause();
    }

    fn send_frame(
        &mut self,
        now: Time,
        samples: &[i16],
        outbox: &mut Outbox,
        counters: &mut Counters<Count>,
    ) {
        let (Some((relay, protection)), Some((_, encoder))) = (&mut self.relay, &mut self.encoder)
        else {
            return;
        };
        let Some(len) = encoder.encode(samples, &mut self.payload) else { return };
        // One or two bytes say: nothing worth sending (RFC 7587 §3.1.3).
        if len <= 2 {
            self.stream.pause();
            return;
        }
        let level = noise::level(samples);
        // RFC 6464 §3: the highest bit says that somebody speaks.
        let level = if level < SPEECH { 0x80 | level } else { level };
        let packet = Outgoing {
            payload_type: relay.opus,
            payload: self.payload.get(..len).unwrap_or_default(),
            timestamp: None,
            marker: false,
            extension: (relay.audio_level > 0).then_some((relay.audio_level, level)),
        };
        let stream = &mut self.stream;
        let protect = Some(&mut protection.protect);
        let sent =
            outbox.packet(Port::Relay, relay.address, |out| stream.write(&packet, protect, out));
        if sent.is_some() {
            counters.add(Count::ToRoom);
            self.reports.sent(now, self.stream.timestamp(), OPUS_CLOCK, len);
        }
    }

    /// Sends RTCP.
    pub(super) fn report(&mut self, now: Time, bye: bool, outbox: &mut Outbox) {
        let Some((relay, protection)) = &mut self.relay else { return };
        let reports = &mut self.reports;
        outbox.packet(Port::Relay, relay.address, |out| {
            let len = reports.write(now, bye, out)?;
            protection.protect.protect_rtcp(len, out)
        });
    }

    pub(super) fn tally(&self) -> Tally {
        self.voices.iter().fold(self.past, |sum, voice| sum.plus(&voice.playout.millis()))
    }

    pub(super) fn target_ms(&self) -> u32 {
        self.voices.iter().map(|voice| voice.playout.target_ms()).max().unwrap_or(0)
    }
}

impl Voice {
    fn new(ssrc: Ssrc, rate: u32, rng: Rng) -> Option<Self> {
        let clock = Clock { rate, timestamps: OPUS_CLOCK };
        let playout = Playout::new(clock, Decoder::opus(rate)?, rng);
        Some(Self { ssrc, playout, frame: Vec::new(), energy: 0 })
    }
}

const OPUS_CLOCK: u32 = 48_000;
/// Voices that are decoded: about 4 % of a core's call each. A room has few who speak at once.
const MAX_VOICES: usize = 16;
/// Voices that are heard: the loudest.
const MAX_MIXED: usize = 4;
/// Decibels below overload above which it counts as speech.
const SPEECH: u8 = 50;
