//! What a caller sends: one [`Outgoing`] is one published track with its simulcast layers, on its own clock,
//! answering what the server asks for (key frames, retransmissions, fewer layers).

use std::collections::VecDeque;
use std::sync::Arc;

use offhook_scenario::Track;
use offhook_scenario::source::Feed;
use offhook_types::media::Extension;
use offhook_types::{MediaKind, Mid, Rid, Rng, Ssrc, Time};
use offhook_wire::rtcp::SenderInfo;
use offhook_wire::rtp::{self, Header};

use super::agreed::Agreed;
use super::transport::Transport;

/// Packets that can be sent again: half a second of 6 Mbit/s.
const HISTORY: usize = 320;
/// Packets that name their section and layer by text, until the server has surely learned the numbers.
const NAMED: u64 = 200;
/// Of the SSRC of a layer, what its retransmissions have (RFC 4588 §4).
const RTX: u32 = 1 << 31;

/// A published track.
pub struct Outgoing {
    /// What it gives.
    pub feed: Feed,
    /// The section that carries it.
    pub mid: Mid,
    /// Its layers, the smallest first.
    pub layers: Vec<Layer>,
}

/// One stream of a track.
pub struct Layer {
    /// Its number.
    pub ssrc: Ssrc,
    /// Its name, in simulcast.
    pub rid: Option<Rid>,
    sequence: u64,
    rtx_sequence: u64,
    history: VecDeque<Sent>,
    spare: Vec<Vec<u8>>,
    info: SenderInfo,
    /// Frames sent.
    pub frames: u64,
}

struct Sent {
    sequence: u16,
    timestamp: u32,
    marker: bool,
    payload: Vec<u8>,
}

/// Counts of what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Volume {
    /// Media packets.
    pub packets: u64,
    /// Their payload.
    pub bytes: u64,
    /// Packets sent again.
    pub repairs: u64,
    /// Key frames.
    pub keys: u64,
    /// Frames of the largest layer.
    pub frames: u64,
}

/// What it takes to send.
pub struct Way<'a> {
    /// Payload types and header extensions.
    pub agreed: &'a Agreed,
    /// Sends.
    pub transport: &'a mut dyn Transport,
    /// Shared by all tracks of the transport.
    pub sending: &'a mut Sending,
}

/// What a packet is written with.
struct Envelope<'a> {
    track: &'a Track,
    mid: Mid,
    level: Option<u8>,
}

impl Outgoing {
    /// A track in a section, with numbers of its own from `rng`.
    pub fn new(track: Arc<Track>, mid: Mid, mut rng: Rng) -> Self {
        let layers = track.layers.iter().map(|layer| Layer {
            ssrc: Ssrc(1 + rng.below(RTX - 1)),
            rid: layer.rid,
            sequence: u64::from(rng.below(1 << 15)),
            rtx_sequence: u64::from(rng.below(1 << 15)),
            history: VecDeque::new(),
            spare: Vec::new(),
            info: SenderInfo::default(),
            frames: 0,
        });
        let layers = layers.collect();
        Self { feed: Feed::new(track, &mut rng), mid, layers }
    }

    /// A layer's retransmissions.
    pub fn rtx(layer: &Layer) -> Ssrc {
        Ssrc(layer.ssrc.0 | RTX)
    }

    /// Send the frame that is due.
    pub fn poll(&mut self, now: Time, way: &mut Way<'_>) {
        let Self { feed, mid, layers } = self;
        let (track, top) = (feed.track.clone(), layers.len());
        feed.poll(now, &mut |piece| {
            let Some(layer) = layers.get_mut(piece.layer) else { return };
            if piece.index == 0 {
                layer.frames += 1;
                let volume = way.sending.volume(track.media());
                volume.keys += u64::from(piece.key);
                volume.frames += u64::from(piece.layer + 1 == top);
            }
            way.sending.scratch.clear();
            way.sending.scratch.extend_from_slice(piece.payload);
            let envelope = Envelope { track: &track, mid: *mid, level: piece.level };
            layer.send(&envelope, (piece.timestamp, piece.marker), way);
        });
    }

    /// Packets that the server misses of one stream.
    pub fn repair(&mut self, media: Ssrc, missing: impl Iterator<Item = u16>, way: &mut Way<'_>) {
        let envelope = Envelope { track: &self.feed.track, mid: self.mid, level: None };
        if let Some(layer) = self.layers.iter_mut().find(|layer| layer.ssrc == media) {
            missing.for_each(|sequence| layer.repair(&envelope, sequence, way));
        }
    }

    /// Every stream that has sent something, with its report.
    pub fn reports(&self) -> impl Iterator<Item = (Ssrc, SenderInfo)> + '_ {
        let sent = self.layers.iter().filter(|layer| layer.info.packets > 0);
        sent.map(|layer| (layer.ssrc, layer.info))
    }

    /// Whether one of the streams has this number.
    pub fn has(&self, ssrc: Ssrc) -> bool {
        self.layers.iter().any(|layer| layer.ssrc == ssrc)
    }
}

/// What all tracks of a transport send with.
#[derive(Default)]
pub struct Sending {
    scratch: Vec<u8>,
    transport_sequence: u16,
    /// What was sent: sound, pictures.
    pub volumes: [Volume; 2],
}

impl Sending {
    fn volume(&mut self, kind: MediaKind) -> &mut Volume {
        &mut self.volumes[usize::from(kind == MediaKind::Video)]
    }

    fn next_transport(&mut self) -> [u8; 2] {
        self.transport_sequence = self.transport_sequence.wrapping_add(1);
        self.transport_sequence.to_be_bytes()
    }
}

impl Layer {
    /// Send the payload that waits in the scratch buffer.
    fn send(
        &mut self,
        envelope: &Envelope<'_>,
        (timestamp, marker): (u32, bool),
        way: &mut Way<'_>,
    ) {
        let Some(payload_type) = way.agreed.payload_type(envelope.track.codec) else { return };
        self.sequence += 1;
        let header = Header {
            marker,
            payload_type,
            sequence: self.sequence as u16,
            timestamp,
            ssrc: self.ssrc,
        };
        let transport_sequence = way.sending.next_transport();
        let named = u64::from(self.info.packets) < NAMED;
        let level = envelope.level.map(|level| [level]);
        let payload = &way.sending.scratch;
        let sent = way.transport.send_rtp((self.ssrc, self.sequence), payload, &mut |out| {
            let rid = self.rid.as_ref().filter(|_| named);
            let values = [
                (Extension::Mid, named.then(|| envelope.mid.as_str().as_bytes())),
                (Extension::Rid, rid.map(|rid| rid.as_str().as_bytes())),
                (Extension::AudioLevel, level.as_ref().map(|level| &level[..])),
                (Extension::TransportCc, Some(&transport_sequence[..])),
            ];
            write_header(out, &header, way.agreed, values)
        });
        if sent.is_none() {
            return;
        }
        let bytes = payload.len();
        self.info.packets = self.info.packets.wrapping_add(1);
        self.info.octets = self.info.octets.wrapping_add(bytes as u32);
        self.info.rtp_time = timestamp;
        if envelope.track.media() == MediaKind::Video {
            self.remember(&header, payload);
        }
        let volume = way.sending.volume(envelope.track.media());
        volume.packets += 1;
        volume.bytes += bytes as u64;
    }

    /// Send one packet again, under the numbers of its retransmissions (RFC 4588 §4).
    fn repair(&mut self, envelope: &Envelope<'_>, sequence: u16, way: &mut Way<'_>) {
        let Some(payload_type) = way.agreed.rtx_type(envelope.track.codec) else { return };
        let sent = self.history.iter().rev().find(|sent| sent.sequence == sequence);
        let Some(sent) = sent else { return };
        self.rtx_sequence += 1;
        let header = Header {
            marker: sent.marker,
            payload_type,
            sequence: self.rtx_sequence as u16,
            timestamp: sent.timestamp,
            ssrc: Outgoing::rtx(self),
        };
        let transport_sequence = way.sending.next_transport();
        let payload = &mut way.sending.scratch;
        payload.clear();
        payload.extend_from_slice(&offhook_rtc::rtx::prefix(sequence));
        payload.extend_from_slice(&sent.payload);
        let numbers = (header.ssrc, self.rtx_sequence);
        way.transport.send_rtp(numbers, &way.sending.scratch, &mut |out| {
            let rid = self.rid.as_ref().map(|rid| rid.as_str().as_bytes());
            let values = [
                (Extension::Mid, Some(envelope.mid.as_str().as_bytes())),
                (Extension::RepairedRid, rid),
                (Extension::TransportCc, Some(&transport_sequence[..])),
            ];
            write_header(out, &header, way.agreed, values)
        });
        way.sending.volume(envelope.track.media()).repairs += 1;
    }

    fn remember(&mut self, header: &Header, payload: &[u8]) {
        if self.history.len() >= HISTORY
            && let Some(old) = self.history.pop_front()
        {
            self.spare.push(old.payload);
        }
        let mut kept = self.spare.pop().unwrap_or_default();
        kept.clear();
        kept.extend_from_slice(payload);
        let Header { sequence, timestamp, marker, .. } = *header;
        self.history.push_back(Sent { sequence, timestamp, marker, payload: kept });
    }
}

/// A header with those extensions that were agreed and have something to say.
fn write_header<const N: usize>(
    out: &mut [u8],
    header: &Header,
    agreed: &Agreed,
    values: [(Extension, Option<&[u8]>); N],
) -> Option<usize> {
    let values = values
        .into_iter()
        .filter_map(|(extension, value)| Some((agreed.extensions.id(extension)?, value?)));
    rtp::write_header(out, header, values)
}
