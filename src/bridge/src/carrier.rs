//! The carrier's side: whose packets are taken, what they say, and what we send.

use core::net::SocketAddr;

use offhook_types::counters::Counters;
use offhook_types::phone::Digit;
use offhook_types::{PayloadType, Rng, Ssrc, Time};
use offhook_wire::demux;
use offhook_wire::rtp::{Header, Packet};

use super::codec::{Decoder, Encoder};
use super::count::Count;
use super::dtmf::{self, Detector, Step};
use super::jitter::{Clock, Kind};
use super::latch::Source;
use super::machine::Port;
use super::noise;
use super::outbox::{MTU, Outbox};
use super::playout::{Heard, Playout, Tally};
use super::protection::Protection;
use super::reports::Reports;
use super::stream::{Outgoing, Stream};
use super::tone::Player;
use super::words::{Carrier, Event, PhoneCodec, RtcpPath, Side};

pub(super) struct CarrierSide {
    agreed: Option<Agreed>,
    pub(super) reports: Reports,
    rng: Rng,
    plain: Vec<u8>,
    hearing: Option<Hearing>,
    /// Figures of streams before the present one.
    past: Tally,
    events: dtmf::Incoming,
    pub(super) last_sound: Option<Time>,
    stream: Stream,
    encoder: Option<(PhoneCodec, Encoder)>,
    /// Samples that do not fill a packet yet.
    pending: Vec<i16>,
    payload: Vec<u8>,
    keys: dtmf::Outgoing,
    key: Option<Player>,
    /// Packet times of silence in a row.
    quiet: u32,
}

/// What was agreed and what follows from it.
struct Agreed {
    carrier: Carrier,
    source: Source,
    protection: Option<Protection>,
    /// Where RTCP comes from, behind NAT.
    rtcp_bound: Option<SocketAddr>,
}

/// The codec that comes, and its player.
struct Hearing {
    codec: PhoneCodec,
    playout: Playout,
    detector: Option<Detector>,
}

impl CarrierSide {
    pub(super) fn new(mut rng: Rng) -> Self {
        let stream = Stream::new(Ssrc(rng.next_u32()), &mut rng);
        let reports = Reports::new(stream.ssrc(), Rng::from_seed(rng.next_u64()));
        Self {
            agreed: None,
            reports,
            rng,
            plain: vec![0; MTU + 200],
            hearing: None,
            past: Tally::default(),
            events: dtmf::Incoming::default(),
            last_sound: None,
            stream,
            encoder: None,
            pending: Vec::new(),
            payload: vec![0; MTU],
            keys: dtmf::Outgoing::default(),
            key: None,
            quiet: 0,
        }
    }

    /// Takes what was agreed. False when its keys are not keys: nothing then comes or goes.
    pub(super) fn set(&mut self, mut carrier: Carrier) -> bool {
        carrier.ptime_ms = carrier.ptime_ms.clamp(10, 60) / 10 * 10;
        let before = self.agreed.take();
        let (source, rtcp_bound, known) = match before {
            Some(before) => {
                let mut source = before.source;
                source.signal(carrier.latch, carrier.remote);
                let rtcp = before.rtcp_bound.filter(|_| before.carrier.rtcp == carrier.rtcp);
                (source, rtcp, Some((before.carrier, before.protection)))
            }
            None => (Source::new(carrier.latch, carrier.remote), None, None),
        };
        let clock = |carrier: &Carrier| carrier.formats.first().map(|format| format.codec.clock());
        let (same_keys, same_clock) = known.as_ref().map_or((false, true), |(known, _)| {
            (known.srtp == carrier.srtp, clock(known) == clock(&carrier))
        });
        let protection = match (&carrier.srtp, known) {
            (None, _) => None,
            // A key in use goes on with its counters: no number may be used twice under it.
            (Some(_), Some((_, Some(protection)))) if same_keys => Some(protection),
            (Some(sdes), _) => match Protection::new(sdes.profile, &sdes.local, &sdes.remote) {
                Some(protection) => Some(protection),
                None => return false,
            },
        };
        if !same_clock || (carrier.srtp.is_some() && !same_keys) {
            self.stream = Stream::new(Ssrc(self.rng.next_u32()), &mut self.rng);
            self.reports.rename(self.stream.ssrc());
        }
        let codec = carrier.formats.first().map(|format| format.codec);
        if codec != self.encoder.as_ref().map(|(codec, _)| *codec) {
            self.encoder = codec.and_then(|codec| Some((codec, Encoder::new(codec)?)));
            self.pending.clear();
        }
        self.agreed = Some(Agreed { carrier, source, protection, rtcp_bound });
        true
    }

    /// It may send sound now.
    pub(super) fn receives(&self) -> bool {
        self.agreed.as_ref().is_some_and(|agreed| agreed.carrier.receives)
    }

    /// Milliseconds between turns: 20, unless packets of another length are wanted.
    pub(super) fn turn_ms(&self) -> u32 {
        let odd = self.agreed.as_ref().is_some_and(|agreed| agreed.carrier.ptime_ms % 20 != 0);
        if odd { 10 } else { 20 }
    }

    /// Samples per second that we send.
    pub(super) fn send_rate(&self) -> u32 {
        self.sent_codec().map_or(NARROW, PhoneCodec::rate)
    }

    /// Samples per second that come.
    pub(super) fn receive_rate(&self) -> u32 {
        self.hearing.as_ref().map_or(self.send_rate(), |hearing| hearing.codec.rate())
    }

    pub(super) fn sent_codec(&self) -> Option<PhoneCodec> {
        self.encoder.as_ref().map(|(codec, _)| *codec)
    }

    pub(super) fn received_codec(&self) -> Option<PhoneCodec> {
        self.hearing.as_ref().map(|hearing| hearing.codec)
    }

    pub(super) fn press(&mut self, digits: &[Digit]) {
        self.keys.press(digits);
    }

    /// Takes a datagram of the RTP port; true when it was the carrier's.
    pub(super) fn handle_rtp(
        &mut self,
        now: Time,
        (from, bytes): (SocketAddr, &[u8]),
        outbox: &mut Outbox,
        counters: &mut Counters<Count>,
    ) -> bool {
        match demux::Kind::of(bytes) {
            Some(demux::Kind::Rtp) => {}
            Some(demux::Kind::Rtcp) => return self.handle_rtcp(now, (from, bytes), counters),
            _ => {
                counters.add(Count::Malformed);
                return false;
            }
        }
        // Taken out for as long as a packet is looked at.
        let mut plain = core::mem::take(&mut self.plain);
        let result = self
            .open(from, bytes, &mut plain)
            .and_then(|(packet, kind)| self.take(now, &packet, kind, outbox, counters));
        self.plain = plain;
        match result {
            Ok(()) => counters.add(Count::FromCarrier),
            Err(drop) => counters.add(drop),
        }
        matches!(result, Ok(()) | Err(Count::OnHold))
    }

    /// Decides whether a packet is the carrier's.
    fn open<'a>(
        &mut self,
        from: SocketAddr,
        bytes: &'a [u8],
        plain: &'a mut [u8],
    ) -> Result<(Packet<'a>, Received), Count> {
        let agreed = self.agreed.as_mut().ok_or(Count::NotReady)?;
        if !agreed.source.is_possible(from, agreed.protection.is_some()) {
            return Err(Count::ForeignSource);
        }
        let authentic = agreed.protection.is_some();
        let bytes = match &mut agreed.protection {
            Some(protection) => {
                let opened = protection.unprotect.unprotect_rtp(bytes, plain)?;
                plain.get(..opened.len).unwrap_or_default()
            }
            None => bytes,
        };
        let packet = Packet::parse(bytes).map_err(|_| Count::Malformed)?;
        let received = Received::of(&agreed.carrier, packet.header()).ok_or(Count::PayloadType)?;
        agreed.source.accept(from, packet.header(), authentic)?;
        Ok((packet, received))
    }

    fn take(
        &mut self,
        now: Time,
        packet: &Packet<'_>,
        received: Received,
        outbox: &mut Outbox,
        counters: &mut Counters<Count>,
    ) -> Result<(), Count> {
        let mut header = *packet.header();
        let codec = match received {
            Received::Sound(codec) => codec,
            _ => self.received_codec().or(self.sent_codec()).unwrap_or(PhoneCodec::Pcmu),
        };
        self.reports.received(now, &header, codec.clock());
        if !self.receives() {
            return Err(Count::OnHold);
        }
        let kind = match received {
            Received::Sound(_) => Kind::Sound,
            Received::Noise => Kind::Noise,
            Received::Event { clock } => {
                let heard = self
                    .events
                    .handle(header.ssrc, header.timestamp, packet.payload)
                    .ok_or(Count::Malformed)?;
                if let Some(digit) = heard.pressed {
                    outbox.event(Event::Digit { digit });
                }
                let ticks = u64::from(heard.duration) * u64::from(codec.clock());
                let ticks = ticks.checked_div(clock.into()).unwrap_or(0);
                header.timestamp = header.timestamp.wrapping_add(ticks as u32);
                Kind::Event
            }
        };
        if matches!(received, Received::Sound(_)) && self.received_codec() != Some(codec) {
            self.listen(codec);
        }
        let Some(hearing) = &mut self.hearing else { return Ok(()) };
        let kept = hearing.playout.put(now, (header, kind, packet.payload), counters);
        if kept && kind == Kind::Sound && self.last_sound.replace(now).is_none() {
            outbox.event(Event::FirstMedia { from: Side::Carrier });
        }
        Ok(())
    }

    /// From now on this codec comes.
    fn listen(&mut self, codec: PhoneCodec) {
        self.past = self.tally();
        let inband = self.agreed.as_ref().is_some_and(|agreed| agreed.carrier.inband_digits);
        let clock = Clock { rate: codec.rate(), timestamps: codec.clock() };
        let rng = Rng::from_seed(self.rng.next_u64());
        self.hearing = Decoder::new(codec).map(|decoder| Hearing {
            codec,
            playout: Playout::new(clock, decoder, rng),
            detector: inband.then(|| Detector::new(codec.rate())),
        });
    }

    /// Takes a datagram with RTCP; true when it was the carrier's.
    pub(super) fn handle_rtcp(
        &mut self,
        now: Time,
        (from, bytes): (SocketAddr, &[u8]),
        counters: &mut Counters<Count>,
    ) -> bool {
        match self.open_rtcp(from, bytes) {
            Ok(len) => {
                let compound = len.map_or(bytes, |len| self.plain.get(..len).unwrap_or_default());
                self.reports.handle(now, compound);
                if let Some((_, encoder)) = &mut self.encoder {
                    encoder.set_loss(self.reports.loss_percent());
                }
                true
            }
            Err(drop) => {
                counters.add(drop);
                false
            }
        }
    }

    /// Decides whether a compound is the carrier's. With keys it is in `self.plain`, of the length
    /// returned.
    fn open_rtcp(&mut self, from: SocketAddr, bytes: &[u8]) -> Result<Option<usize>, Count> {
        if demux::Kind::of(bytes) != Some(demux::Kind::Rtcp) {
            return Err(Count::Malformed);
        }
        let agreed = self.agreed.as_mut().ok_or(Count::NotReady)?;
        if let Some(protection) = &mut agreed.protection {
            return Ok(Some(protection.unprotect.unprotect_rtcp(bytes, &mut self.plain)?));
        }
        let sender = bytes.get(4..8).and_then(|bytes| bytes.try_into().ok());
        let sender = Ssrc(sender.map(u32::from_be_bytes).ok_or(Count::Malformed)?);
        let signaled = match agreed.carrier.rtcp {
            RtcpPath::Mux => agreed.source.target().unwrap_or(agreed.carrier.remote),
            RtcpPath::Separate(address) => agreed.rtcp_bound.unwrap_or(address),
        };
        if !agreed.source.accepts_rtcp(from, signaled, sender) {
            return Err(Count::ForeignSource);
        }
        agreed.rtcp_bound = Some(from);
        Ok(None)
    }

    /// The next samples of the phone.
    pub(super) fn pull(&mut self, now: Time, out: &mut [i16], outbox: &mut Outbox) -> Heard {
        let Some(hearing) = &mut self.hearing else {
            out.fill(0);
            return Heard::Nothing;
        };
        let heard = hearing.playout.pull(now, out);
        if let Some(detector) = &mut hearing.detector {
            detector.hear(out, |digit| outbox.event(Event::Digit { digit }));
        }
        heard
    }

    /// Sends samples to the phone, as many packets as they fill.
    pub(super) fn send(
        &mut self,
        now: Time,
        samples: &mut [i16],
        outbox: &mut Outbox,
        counters: &mut Counters<Count>,
    ) {
        let Some(agreed) = &self.agreed else { return };
        let (codec, rate) = (self.sent_codec().unwrap_or(PhoneCodec::Pcmu), self.send_rate());
        let ptime = u32::from(agreed.carrier.ptime_ms);
        if !agreed.carrier.sends || agreed.source.target().is_none() {
            self.pending.clear();
            self.stream.advance(
                (samples.len() as u64 * u64::from(codec.clock()) / u64::from(rate)) as u32,
            );
            self.stream.pause();
            return;
        }
        if agreed.carrier.telephone_event.is_none() {
            self.sound_keys(samples, rate);
        }
        let mut pending = core::mem::take(&mut self.pending);
        pending.extend_from_slice(samples);
        let packet = (rate * ptime / 1000) as usize;
        let mut rest = pending.as_slice();
        while let Some((samples, after)) = rest.split_at_checked(packet) {
            rest = after;
            self.send_packet(now, samples, outbox, counters);
            self.stream.advance(codec.clock() * ptime / 1000);
        }
        let sent = pending.len() - rest.len();
        pending.drain(..sent);
        self.pending = pending;
    }

    /// Keys as tones take the place of all other sound.
    fn sound_keys(&mut self, samples: &mut [i16], rate: u32) {
        if self.key.is_none() {
            self.key = self.keys.next_digit().map(|digit| Player::key(digit.face()));
        }
        if let Some(key) = &mut self.key {
            samples.fill(0);
            if !key.add_to(samples, rate) {
                self.key = None;
            }
        }
    }

    fn send_packet(
        &mut self,
        now: Time,
        samples: &[i16],
        outbox: &mut Outbox,
        counters: &mut Counters<Count>,
    ) {
        let Some(content) = self.content(samples) else { return };
        let Some(agreed) = &mut self.agreed else { return };
        let Some(to) = agreed.source.target() else { return };
        let packet = Outgoing {
            payload_type: content.payload_type,
            payload: self.payload.get(..content.len).unwrap_or_default(),
            timestamp: content.event.map(|(_, started)| started),
            marker: content.event.is_some_and(|(first, _)| first),
            extension: None,
        };
        let protect = agreed.protection.as_mut().map(|protection| &mut protection.protect);
        let stream = &mut self.stream;
        let sent = outbox.packet(Port::CarrierRtp, to, |out| stream.write(&packet, protect, out));
        if sent.is_some() {
            counters.add(Count::ToCarrier);
            let clock = self.encoder.as_ref().map_or(NARROW, |(codec, _)| codec.clock());
            self.reports.sent(now, self.stream.timestamp(), clock, content.len);
        }
    }

    /// Writes what a packet time holds to `self.payload`: an event, sound, a description of silence,
    /// or nothing.
    fn content(&mut self, samples: &[i16]) -> Option<Content> {
        let carrier = &self.agreed.as_ref()?.carrier;
        if let Some(events) = carrier.telephone_event {
            let per_ms = u16::try_from(events.clock / 1000).unwrap_or(8);
            let ptime = u16::from(carrier.ptime_ms);
            let step = self.keys.step(self.stream.timestamp(), ptime, per_ms);
            if let Step::Packet { marker, timestamp, payload } = step {
                let event = Some((marker, timestamp));
                self.payload.get_mut(..payload.len())?.copy_from_slice(&payload);
                return Some(Content { payload_type: events.send, len: payload.len(), event });
            }
        }
        if let Some(payload_type) = carrier.comfort_noise {
            let level = noise::level(samples);
            self.quiet = if level >= QUIET { self.quiet.saturating_add(1) } else { 0 };
            if let Some(nth) = self.quiet.checked_sub(QUIET_PACKETS) {
                self.stream.pause();
                *self.payload.first_mut()? = level;
                let content = Content { payload_type, len: 1, event: None };
                return (nth % NOISE_EACH == 0).then_some(content);
            }
        }
        let payload_type = carrier.formats.first()?.send;
        let (_, encoder) = self.encoder.as_mut()?;
        let len = encoder.encode(samples, &mut self.payload)?;
        Some(Content { payload_type, len, event: None })
    }

    /// Sends RTCP.
    pub(super) fn report(&mut self, now: Time, bye: bool, outbox: &mut Outbox) {
        let Some(agreed) = &mut self.agreed else { return };
        let (port, to) = match agreed.carrier.rtcp {
            RtcpPath::Mux => (Port::CarrierRtp, agreed.source.target()),
            RtcpPath::Separate(address) => {
                let to = agreed.rtcp_bound.unwrap_or(address);
                let there = !to.ip().is_unspecified() && to.port() != 0;
                (Port::CarrierRtcp, there.then_some(to))
            }
        };
        let Some(to) = to else { return };
        let protect = agreed.protection.as_mut().map(|protection| &mut protection.protect);
        let reports = &mut self.reports;
        outbox.packet(port, to, |out| {
            let len = reports.write(now, bye, out)?;
            match protect {
                Some(protect) => protect.protect_rtcp(len, out),
                None => Some(len),
            }
        });
    }

    pub(super) fn tally(&self) -> Tally {
        let now = self.hearing.as_ref().map_or(Tally::default(), |h| h.playout.millis());
        self.past.plus(&now)
    }

    pub(super) fn target_ms(&self) -> u32 {
        self.hearing.as_ref().map_or(0, |hearing| hearing.playout.target_ms())
    }
}

/// What a packet to be sent holds.
struct Content {
    payload_type: PayloadType,
    len: usize,
    /// For an event: whether it is the first packet of it, and the timestamp of its start.
    event: Option<(bool, u32)>,
}

/// What an agreed payload type says.
#[derive(Debug, Clone, Copy)]
enum Received {
    Sound(PhoneCodec),
    Noise,
    Event { clock: u32 },
}

impl Received {
    fn of(carrier: &Carrier, header: &Header) -> Option<Self> {
        let payload_type = header.payload_type;
        let format = carrier.formats.iter().find(|format| format.receive == payload_type);
        if let Some(format) = format {
            return Some(Self::Sound(format.codec));
        }
        if carrier.comfort_noise == Some(payload_type) {
            return Some(Self::Noise);
        }
        let events = carrier.telephone_event.filter(|events| events.receive == payload_type)?;
        Some(Self::Event { clock: events.clock })
    }
}

const NARROW: u32 = 8000;
/// Decibels below overload from which on sound is silence.
const QUIET: u8 = 70;
/// Packets of silence before noise is described instead, and how often.
const QUIET_PACKETS: u32 = 10;
const NOISE_EACH: u32 = 10;
