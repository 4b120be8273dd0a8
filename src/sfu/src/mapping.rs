//! Which of a receiver's payload types stands for a publisher's codec.

use offhook_types::media::CodecParams;
use offhook_types::{Codec, H264, PayloadType};

/// How a codec goes out to one receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mapping {
    pub payload_type: PayloadType,
    pub rtx: Option<PayloadType>,
    /// The receiver has no RED: only the newest block of a redundant payload goes out, as Opus.
    pub strip_redundancy: bool,
}

/// The first of a receiver's payload types that can carry a codec.
pub(crate) fn map(codecs: &[CodecParams], codec: Codec) -> Option<Mapping> {
    let find = |wanted: Codec| codecs.iter().find(|params| compatible(params.codec, wanted));
    let (params, strip_redundancy) = match (find(codec), codec) {
        (Some(params), _) => (params, false),
        (None, Codec::Red) => (find(Codec::Opus)?, true),
        (None, _) => return None,
    };
    Some(Mapping { payload_type: params.payload_type, rtx: params.rtx, strip_redundancy })
}

fn compatible(a: Codec, b: Codec) -> bool {
    match (a, b) {
        (Codec::H264(a), Codec::H264(b)) => {
            a.packetization_mode == b.packetization_mode && family(a) == family(b)
        }
        _ => a == b,
    }
}

/// The profile, with baseline and constrained baseline as one: what calls send of baseline is its
/// constrained part, and stacks label it either way. Constrained baseline has two more spellings
/// (RFC 6184 §8.1, table 5).
fn family(codec: H264) -> u8 {
    let [profile, constraints] = codec.profile.to_be_bytes();
    match profile {
        0x4d if constraints & 0x80 != 0 => 0x42,
        0x58 if constraints & 0xc0 == 0xc0 => 0x42,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(payload_type: u8, codec: Codec) -> CodecParams {
        let rtx = Some(PayloadType(payload_type + 1));
        let payload_type = PayloadType(payload_type);
        CodecParams {
            payload_type,
            codec,
            rtx,
            nack: true,
            pli: true,
            transport_cc: true,
            remb: false,
        }
    }

    const fn h264(packetization_mode: u8, profile: u16) -> Codec {
        Codec::H264(H264 { packetization_mode, profile })
    }

    #[test]
    fn only_what_the_receiver_decodes_is_mapped() {
        let receiver = [
            params(96, Codec::Vp8),
            params(98, Codec::Vp9 { profile: 0 }),
            params(102, h264(1, 0x42e0)),
            params(104, h264(0, 0x42e0)),
            params(106, h264(1, 0x640c)),
            params(111, Codec::Opus),
        ];
        for (codec, expected) in [
            (Codec::Vp8, Some((96, false))),
            (Codec::Vp9 { profile: 0 }, Some((98, false))),
            (Codec::Vp9 { profile: 2 }, None),
            (h264(1, 0x4200), Some((102, false))),
            (h264(0, 0x42e0), Some((104, false))),
            (h264(1, 0x4d80), Some((102, false))),
            (h264(1, 0x4d00), None),
            (h264(1, 0x6400), Some((106, false))),
            (Codec::Opus, Some((111, false))),
            (Codec::Red, Some((111, true))),
            (Codec::Av1 { profile: 0 }, None),
        ] {
            let found = map(&receiver, codec).map(|m| (m.payload_type.0, m.strip_redundancy));
            assert_eq!(found, expected, "{codec:?}");
        }
    }
}
