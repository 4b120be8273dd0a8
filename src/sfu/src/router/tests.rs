//! Stories are lists of [`Step`]s that go through one door, [`check`]. Packets are real bytes,
//! written and parsed.

mod allocation;
mod audio;
mod ceilings;
mod key_frames;
mod layers;
mod limits;
mod numbers;
mod property;
mod resends;
mod selection;
mod speakers;

use offhook_types::media::{CodecParams, Extension, Extensions};
use offhook_types::{Codec, LegId, Mid, WorkerId};
use offhook_wire::rtp;

use super::*;

pub(super) const TRACK: TrackId = TrackId(7);
pub(super) const LEG: u32 = 1;
pub(super) const SSRC: Ssrc = Ssrc(0x1111);
pub(super) const RTX: Ssrc = Ssrc(0x2222);

/// A publisher's packet.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub codec: Codec,
    pub layer: u8,
    pub sequence: u64,
    pub timestamp: u32,
    pub marker: bool,
    pub payload: Vec<u8>,
    pub extensions: Vec<(Extension, Vec<u8>)>,
}

/// Picture id, TL0PICIDX, temporal layer, key index of a VP8 frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Vp8 {
    pub picture: u16,
    pub tl0: u8,
    pub temporal: u8,
    pub sync: bool,
    pub key_index: u8,
    pub key: bool,
    pub start: bool,
}

impl Source {
    pub fn new(codec: Codec, (layer, sequence, timestamp): (u8, u64, u32), payload: &[u8]) -> Self {
        let (marker, extensions) = (true, Vec::new());
        Self { codec, layer, sequence, timestamp, marker, payload: payload.to_vec(), extensions }
    }

    pub fn vp8(place: (u8, u64, u32), frame: Vp8) -> Self {
        let [high, low] = (0x8000 | frame.picture).to_be_bytes();
        let layers = frame.temporal << 6 | u8::from(frame.sync) << 5 | frame.key_index;
        let first = if frame.start { 0x90 } else { 0x80 };
        let payload = [first, 0xf0, high, low, frame.tl0, layers, u8::from(!frame.key), 0xaa];
        Self::new(Codec::Vp8, place, &payload)
    }

    /// Spatial layer, temporal layer and flags of a VP9 packet that is a whole layer frame.
    pub fn vp9(place: (u8, u64, u32), (spatial, temporal): (u8, u8), key: bool) -> Self {
        let first = 0xac | if key { 0 } else { 0x40 };
        let layers = temporal << 5 | 0x10 | spatial << 1 | u8::from(spatial > 0);
        let codec = Codec::Vp9 { profile: 0 };
        let mut source = Self::new(codec, place, &[first, 0x80, 5, layers, 9, 0xaa]);
        source.marker = false;
        source
    }

    pub fn opus(sequence: u64, timestamp: u32) -> Self {
        let mut source = Self::new(Codec::Opus, (0, sequence, timestamp), &[0xfc, 1, 2]);
        source.marker = false;
        source
    }

    /// A packet that is only padding.
    pub fn padding(place: (u8, u64, u32)) -> Self {
        Self { marker: false, ..Self::new(Codec::Vp8, place, &[]) }
    }

    pub fn marked(mut self, marker: bool) -> Self {
        self.marker = marker;
        self
    }

    pub fn with(mut self, extension: Extension, value: &[u8]) -> Self {
        self.extensions.push((extension, value.to_vec()));
        self
    }

    /// The packet as bytes, with the publisher's extension ids.
    pub fn bytes(&self) -> Vec<u8> {
        let header = rtp::Header {
            marker: self.marker,
            payload_type: PayloadType(96),
            sequence: self.sequence as u16,
            timestamp: self.timestamp,
            ssrc: Ssrc(1),
        };
        let mut out = vec![0; 1500];
        let ids = ids(20);
        let values = self.extensions.iter().map(|(e, value)| (ids.id(*e).unwrap(), &value[..]));
        let len = rtp::write_header(&mut out, &header, values).unwrap();
        out.truncate(len);
        out.extend(&self.payload);
        out
    }

    pub fn inbound<'a>(&self, bytes: &'a [u8]) -> Inbound<'a> {
        let packet = rtp::Packet::parse(bytes).unwrap();
        Inbound::new((self.layer, self.codec, self.sequence), &packet, &ids(20)).unwrap()
    }
}

/// Extension ids counted from `first`.
pub(super) fn ids(first: u8) -> Extensions {
    let mut ids = Extensions::default();
    for (extension, id) in Extension::ALL.into_iter().zip(first..) {
        ids.set(extension, id);
    }
    ids
}

pub(super) fn negotiated(codecs: &[(u8, Codec)]) -> Negotiated {
    let codecs = codecs.iter().map(|&(payload_type, codec)| CodecParams {
        payload_type: PayloadType(payload_type),
        codec,
        rtx: Some(PayloadType(payload_type + 1)),
        nack: true,
        pli: true,
        transport_cc: true,
        remb: false,
    });
    Negotiated { codecs: codecs.collect(), extensions: ids(1) }
}

pub(super) fn egress(track: TrackId, kind: MediaKind, ssrc: Ssrc) -> Egress {
    let source = LegId::new(WorkerId(0), 9);
    let mid = Mid::new(b"4").unwrap();
    Egress { track, source, kind, mid, ssrc, rtx: Some(RTX) }
}

/// One thing that happens.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// This many milliseconds pass.
    Wait(u64),
    /// The leg subscribes, or changes what it wants.
    Want(Want),
    /// Muted or not.
    Mute(bool),
    /// The publisher's report for a layer: NTP seconds and RTP time.
    Clock(u8, u64, u32),
    /// A packet arrives; the text is what the leg gets, as [`text`] puts it.
    Packet(Source, &'static str),
    /// The leg asks for a key frame.
    Pli,
    /// What was handed out for the leg does not reach it.
    Tear,
    /// Layers of which key frames are asked now.
    Asks(&'static [u8]),
    /// A packet is missing: its number counted from the first one. The answer is layer and source
    /// number, or why not.
    Nack(u64, Result<(u8, u64), Refusal>),
    /// What went out did not get as far as the receiver.
    Lose,
    /// The track's source is another one from now on.
    Republish,
}

pub(super) struct Stage {
    pub router: Router,
    pub now: Time,
    pub kind: MediaKind,
    first: Option<u64>,
}

impl Stage {
    pub fn new(layers: u8, kind: MediaKind) -> Self {
        let mut router = Router::new(Config::default(), Rng::from_seed(1));
        let now = Time::from_millis(1_000_000);
        let spec = TrackSpec { kind, layers, origin: Origin::Local };
        router.add_track(now, TRACK, spec).unwrap();
        let vp9 = Codec::Vp9 { profile: 0 };
        let agreed = negotiated(&[(120, Codec::Vp8), (122, vp9), (124, Codec::Opus)]);
        router.set_negotiated(now, LEG, &agreed);
        Self { router, now, kind, first: None }
    }

    /// What the leg gets for a packet.
    pub fn packet(&mut self, source: &Source) -> String {
        let bytes = source.bytes();
        let inbound = source.inbound(&bytes);
        let mut lines = Vec::new();
        let first = &mut self.first;
        self.router.route(self.now, TRACK, &inbound, &mut |leg, outgoing| {
            assert_eq!(leg, LEG);
            let first = *first.get_or_insert(outgoing.sequence);
            lines.push(text(outgoing, first));
        });
        lines.join("; ")
    }

    pub fn asked(&mut self) -> Vec<u8> {
        let now = self.now;
        std::iter::from_fn(|| self.router.poll_key_frame(now).map(|(_, layer)| layer)).collect()
    }

    fn step(&mut self, index: usize, step: Step) {
        let shown = format!("step {index}: {step:?}");
        match step {
            Step::Wait(millis) => self.now = self.now + Duration::from_millis(millis),
            Step::Want(want) if self.router.streams(LEG).next().is_some() => {
                self.router.set_want(self.now, LEG, TRACK, want);
            }
            Step::Want(want) => {
                let egress = egress(TRACK, self.kind, SSRC);
                self.router.subscribe(self.now, LEG, &egress, want).unwrap();
            }
            Step::Mute(muted) => self.router.set_muted(self.now, TRACK, muted),
            Step::Clock(layer, seconds, rtp_time) => {
                self.router.sender_report(self.now, TRACK, layer, (seconds << 32, rtp_time));
            }
            Step::Packet(source, expected) => assert_eq!(self.packet(&source), expected, "{shown}"),
            Step::Pli => self.router.request_key_frame(self.now, LEG, SSRC),
            Step::Tear => self.router.lose_picture(self.now, LEG, SSRC),
            Step::Asks(expected) => assert_eq!(self.asked(), expected, "{shown}"),
            Step::Nack(number, expected) => {
                let wire = (self.first.unwrap() + number) as u16;
                let found = self.router.resend(self.now, (LEG, SSRC), wire, Duration::ZERO);
                let found = found.map(|resend| (resend.layer, resend.sequence));
                assert_eq!(found, expected, "{shown}");
            }
            Step::Lose => self.router.lose_picture(self.now, LEG, SSRC),
            Step::Republish => {
                let spec = TrackSpec { kind: self.kind, layers: 3, origin: Origin::Local };
                self.router.add_track(self.now, TRACK, spec).unwrap();
            }
        }
    }
}

/// A packet as `+number @time`, then what is special: payload type, picture numbers, marker.
pub(super) fn text(outgoing: &Outgoing<'_>, first: u64) -> String {
    let mut out = [0; 1500];
    let header = outgoing.write_header(&mut out, None).unwrap();
    let len = header + outgoing.write_payload(&mut out[header..]).unwrap();
    let packet = rtp::Packet::parse(&out[..len]).unwrap();
    assert_eq!(packet.extension(1), Some(&b"4"[..]), "the receiver's section is always named");
    assert_eq!(packet.header().sequence, outgoing.sequence as u16);
    let mut text = format!("+{} @{}", outgoing.sequence - first, packet.header().timestamp);
    let numbers = |id: Option<offhook_wire::payload::PictureId>, tl0: Option<u8>| {
        let picture = id.map_or(String::new(), |id| format!(" p{}", id.value));
        picture + &tl0.map_or(String::new(), |tl0| format!(" l{tl0}"))
    };
    match packet.header().payload_type.0 {
        _ if packet.payload.is_empty() => text += " empty",
        120 => {
            let d = offhook_wire::payload::vp8::Descriptor::parse(packet.payload).unwrap();
            text += &numbers(d.picture_id, d.tl0_picture_index);
            text += &d.key_index.map_or(String::new(), |key| format!(" k{key}"));
        }
        122 => {
            let d = offhook_wire::payload::vp9::Descriptor::parse(packet.payload).unwrap();
            text += &numbers(d.picture_id, d.tl0_picture_index);
            text += &format!(" s{} t{}", d.spatial, d.temporal);
        }
        _ => {}
    }
    text + if packet.header().marker { " m" } else { "" }
}

/// Play a story of one publisher and one receiver.
pub(super) fn check(layers: u8, kind: MediaKind, steps: Vec<Step>) {
    let mut stage = Stage::new(layers, kind);
    for (index, step) in steps.into_iter().enumerate() {
        stage.step(index, step);
    }
}

/// A VP8 frame in one packet; picture numbers follow from `picture`.
pub(super) fn frame(layer: u8, sequence: u64, picture: u16, key: bool) -> Source {
    let tl0 = picture as u8;
    let vp8 = Vp8 { picture, tl0, temporal: 0, sync: false, key_index: 3, key, start: true };
    Source::vp8((layer, sequence, u32::from(picture) * 3000), vp8)
}

/// A VP8 frame of a temporal layer, whose base layer frame has the number `tl0`.
pub(super) fn temporal_frame(
    sequence: u64,
    picture: u16,
    (temporal, tl0): (u8, u8),
    sync: bool,
) -> Source {
    let vp8 = Vp8 { picture, tl0, temporal, sync, key_index: 3, key: picture == 0, start: true };
    Source::vp8((0, sequence, u32::from(picture) * 3000), vp8)
}

pub(super) const fn want(layer: u8, temporal: u8) -> Want {
    Want { layer, temporal, ..Want::BEST }
}

pub(super) const PAUSED: Want = Want { paused: true, ..Want::BEST };
