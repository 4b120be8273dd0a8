//! What every native client speaks: payload types and header extensions are ours to say, so nothing is negotiated.

use offhook_proto::quic as proto;
use offhook_types::media::{CodecParams, Extension, Extensions, Negotiated};
use offhook_types::{Codec, MediaKind, PayloadType};

use crate::negotiation::{AUDIO, VIDEO};

/// Header extensions; numbers below 15 keep them in the one-byte form (RFC 8285 §4.2). A flow says which track a
/// packet is of, so that MID and RID are not needed.
const EXTENSIONS: [(u8, Extension); 6] = [
    (2, Extension::AudioLevel),
    (3, Extension::VideoOrientation),
    (4, Extension::PlayoutDelay),
    (5, Extension::AbsCaptureTime),
    (6, Extension::DependencyDescriptor),
    (7, Extension::TransportCc),
];

/// For the media node.
pub(super) fn negotiated() -> Negotiated {
    let mut extensions = Extensions::default();
    for (id, extension) in EXTENSIONS {
        extensions.set(extension, id);
    }
    let video = VIDEO.iter().map(|&(number, codec, _)| CodecParams {
        payload_type: PayloadType(number),
        codec,
        rtx: Some(PayloadType(number + 1)),
        nack: true,
        pli: true,
        transport_cc: true,
        remb: false,
    });
    let opus = CodecParams {
        payload_type: PayloadType(AUDIO),
        codec: Codec::Opus,
        rtx: None,
        nack: false,
        pli: false,
        transport_cc: true,
        remb: false,
    };
    Negotiated { codecs: video.chain([opus]).collect(), extensions }
}

/// The same for the client.
pub(super) fn formats() -> Vec<proto::Format> {
    let format = |number: u8, codec: Codec, parameters: &str| proto::Format {
        payload_type: number.into(),
        mime: mime(codec),
        clock_rate: codec.clock_rate(),
        parameters: parameters.to_owned(),
        rtx_payload_type: if codec.kind() == MediaKind::Video { u32::from(number) + 1 } else { 0 },
    };
    let video = VIDEO.iter().map(|&(number, codec, parameters)| format(number, codec, parameters));
    video.chain([format(AUDIO, Codec::Opus, "")]).collect()
}

/// The extensions for the client.
pub(super) fn extensions() -> Vec<proto::Extension> {
    let told = |&(id, extension): &(u8, Extension)| proto::Extension {
        id: id.into(),
        uri: extension.uri().to_owned(),
    };
    EXTENSIONS.iter().map(told).collect()
}

/// `video/VP8` and the like.
pub(super) fn mime(codec: Codec) -> String {
    let kind = match codec.kind() {
        MediaKind::Audio => "audio",
        MediaKind::Video => "video",
    };
    format!("{kind}/{}", codec.name())
}

/// Whether a client may say that a track of this kind is encoded so.
pub(super) fn knows(kind: MediaKind, named: &str) -> bool {
    let mut all = VIDEO.iter().map(|&(_, codec, _)| codec).chain([Codec::Opus]);
    all.any(|codec| codec.kind() == kind && mime(codec).eq_ignore_ascii_case(named))
}
