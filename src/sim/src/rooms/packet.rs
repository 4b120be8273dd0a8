//! What crosses the links of a room, and what its ends have agreed about it: the payload types and header
//! extensions that Chromium names.

use core::time::Duration;
use std::rc::Rc;

use offhook_link::Link;
use offhook_scenario::H264_MODE_1;
use offhook_types::media::{CodecParams, Extension, Extensions, Negotiated};
use offhook_types::{Codec, MediaKind, PayloadType, Ssrc, Time};
use offhook_wire::rtcp::Writer;

/// One datagram.
#[derive(Debug, Clone)]
pub(super) enum Datagram {
    /// RTP.
    Media(Rc<[u8]>),
    /// RTCP.
    Control(Rc<[u8]>),
}

/// What is due at once again waits for so long, as a worker's next turn would.
pub(super) const GRAIN: Duration = Duration::from_millis(1);
/// UDP, IP and the like, which a link carries too.
const OVERHEAD: usize = 28;
/// What protection adds to a packet (RFC 7714 §13.2).
pub(super) const TAG: usize = 16;
/// The stream of a media stream's retransmissions differs from it in this bit.
const RTX: u32 = 1 << 31;

impl Datagram {
    /// Put it on a link.
    pub(super) fn send(self, now: Time, link: &mut Link<Self>) {
        let (Self::Media(bytes) | Self::Control(bytes)) = &self;
        link.send(now, bytes.len() + TAG + OVERHEAD, self);
    }
}

/// Write a control packet and put it on a link.
pub(super) fn control(
    now: Time,
    link: &mut Link<Datagram>,
    write: impl FnOnce(&mut Writer<'_>) -> Option<()>,
) {
    let mut out = [0; 1200];
    let mut writer = Writer::new(&mut out);
    if write(&mut writer).is_some() {
        let len = writer.len();
        Datagram::Control(out[..len].into()).send(now, link);
    }
}

/// The stream that repeats packets of another one, or the other way round.
pub(super) const fn repeats(ssrc: Ssrc) -> Ssrc {
    Ssrc(ssrc.0 ^ RTX)
}

/// Whether a stream is one of retransmissions.
pub(super) const fn is_repeated(ssrc: Ssrc) -> bool {
    ssrc.0 & RTX != 0
}

const OPUS: PayloadType = PayloadType(111);
const VP8: PayloadType = PayloadType(96);
const H264: PayloadType = PayloadType(102);

/// How packets of a codec are marked.
pub(super) fn payload_type(codec: Codec) -> PayloadType {
    match codec {
        Codec::Vp8 => VP8,
        Codec::H264(_) => H264,
        _ => OPUS,
    }
}

/// What packets with a mark are encoded with, retransmissions aside.
pub(super) fn codec(payload_type: PayloadType) -> Codec {
    match payload_type {
        VP8 => Codec::Vp8,
        H264 => H264_MODE_1,
        _ => Codec::Opus,
    }
}

/// The ids of header extensions, the same both ways.
pub(super) fn extensions() -> Extensions {
    let mut ids = Extensions::default();
    let named = [(1, Extension::AudioLevel), (3, Extension::TransportCc), (4, Extension::Mid)];
    named.into_iter().for_each(|(id, extension)| ids.set(extension, id));
    ids
}

/// What a participant has agreed on; `feedback` is about transport-wide numbers.
pub(super) fn negotiated(feedback: bool) -> Negotiated {
    let params = |codec: Codec| {
        let (number, video) = (payload_type(codec), codec.kind() == MediaKind::Video);
        CodecParams {
            payload_type: number,
            codec,
            rtx: video.then_some(PayloadType(number.0 + 1)),
            nack: video,
            pli: video,
            transport_cc: feedback,
            remb: video,
        }
    };
    let codecs = [Codec::Opus, Codec::Vp8, H264_MODE_1].map(params).to_vec();
    Negotiated { codecs, extensions: extensions() }
}
