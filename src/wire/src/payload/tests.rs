use offhook_types::{Codec, H264};
use proptest::prelude::*;

use super::*;
use crate::Malformed;

const AVC: Codec = Codec::H264(H264 { packetization_mode: 1, profile: 0x42e0 });
const CODECS: [Codec; 6] = [
    Codec::Opus,
    Codec::Red,
    Codec::Vp8,
    AVC,
    Codec::Vp9 { profile: 0 },
    Codec::Av1 { profile: 0 },
];

fn id(value: u16, long: bool, at: u8) -> Option<PictureId> {
    Some(PictureId { value, long, at })
}

fn check(codec: Codec, payload: &[u8], expected: Parsed<Description>) {
    assert_eq!(Description::of(codec, payload), expected, "{payload:02x?}");
}

#[test]
fn vp8_descriptors_of_rfc_7741() {
    // §4.2 without extension, then §4.6.1 key frame with picture id, §4.6.2 its second packet
    // (non-first partition).
    let d = vp8::Descriptor { len: 1, starts_frame: true, key_frame: true, ..Default::default() };
    check(Codec::Vp8, &[0x10, 0x00], Ok(Description::Vp8(d)));
    let d = vp8::Descriptor { len: 1, starts_frame: true, ..Default::default() };
    check(Codec::Vp8, &[0x10, 0x01], Ok(Description::Vp8(d)));
    let d = vp8::Descriptor {
        len: 3,
        starts_frame: true,
        key_frame: true,
        picture_id: id(17, false, 2),
        ..Default::default()
    };
    check(Codec::Vp8, &[0x90, 0x80, 17, 0x10], Ok(Description::Vp8(d)));
    // The first packet of a later partition starts no frame.
    let d = vp8::Descriptor { len: 1, ..Default::default() };
    check(Codec::Vp8, &[0x11, 0x00], Ok(Description::Vp8(d)));
}

#[test]
fn vp8_descriptor_with_everything() {
    // §4.6.5: long picture id 4711, TL0PICIDX 45, temporal layer 2, sync, key index 13.
    let payload = [0xb0, 0xf0, 0x92, 0x67, 45, 0xad, 0x01, 0x02];
    let d = vp8::Descriptor {
        len: 6,
        starts_frame: true,
        key_frame: false,
        discardable: true,
        picture_id: id(4711, true, 2),
        tl0_picture_index: Some(45),
        tl0_at: 4,
        temporal: 2,
        layer_sync: true,
        key_index: Some(13),
        layer_at: 5,
    };
    check(Codec::Vp8, &payload, Ok(Description::Vp8(d)));
    for len in 1..6 {
        check(Codec::Vp8, &payload[..len], Err(Malformed::Truncated));
    }
}

#[test]
fn vp9_descriptors_of_rfc_9628() {
    // Key picture in non-flexible mode: I, L, B, E, V with two spatial layers and one picture in
    // the group.
    let payload = [0xae, 0x81, 0x02, 0x00, 33, 0x38, 1, 64, 0, 48, 0, 128, 0, 96, 1, 0x04, 1, 0xaa];
    let d = vp9::Descriptor {
        len: 17,
        picture_id: id(258, true, 1),
        starts_frame: true,
        ends_frame: true,
        tl0_picture_index: Some(33),
        tl0_at: 4,
        key_frame: true,
        spatial_layers: Some(2),
        ..Default::default()
    };
    check(Codec::Vp9 { profile: 0 }, &payload, Ok(Description::Vp9(d)));
    for len in 1..17 {
        check(Codec::Vp9 { profile: 0 }, &payload[..len], Err(Malformed::Truncated));
    }
    // Flexible mode: I, P, L, F, B with two reference differences; layer byte T=2 U S=1 D.
    let d = vp9::Descriptor {
        len: 5,
        picture_id: id(5, false, 1),
        starts_frame: true,
        inter_predicted: true,
        inter_layer: true,
        temporal: 2,
        spatial: 1,
        switching_up: true,
        flexible: true,
        ..Default::default()
    };
    check(Codec::Vp9 { profile: 0 }, &[0xf8, 5, 0x53, 0x03, 0x02, 9], Ok(Description::Vp9(d)));
}

#[test]
fn vp9_upper_layer_of_a_key_picture_starts_nothing() {
    let payload = [0xa8, 5, 0x03, 0, 9];
    let Ok(Description::Vp9(d)) = Description::of(Codec::Vp9 { profile: 0 }, &payload) else {
        panic!()
    };
    assert!(!d.key_frame && !d.inter_predicted && d.inter_layer);
}

#[test]
fn h264_units_inside_packets_are_found() {
    let of = |parameters, idr| Ok(Description::H264(h264::Description { parameters, idr }));
    check(AVC, &[0x67, 0x42], of(true, false));
    check(AVC, &[0x65, 0x88], of(false, true));
    check(AVC, &[0x41, 0x9a], of(false, false));
    check(AVC, &[0x78, 0, 2, 0x67, 0x42, 0, 1, 0x68, 0, 2, 0x65, 1], of(true, true));
    check(AVC, &[0x7c, 0x85, 1], of(false, true));
    check(AVC, &[0x7c, 0x05, 1], of(false, false));
    check(AVC, &[0x7c, 0x45, 1], of(false, false));
    check(AVC, &[0x78, 0, 9, 0x67], Err(Malformed::Truncated));
    check(AVC, &[0x78, 0, 0, 0x67], Err(Malformed::Length));
    check(AVC, &[0x7c], Err(Malformed::Truncated));
    check(AVC, &[0x1e], Err(Malformed::Value));
}

#[test]
fn av1_aggregation_headers() {
    let of = |continues, continued, key_frame| {
        Ok(Description::Av1(av1::Description { continues, continued, key_frame }))
    };
    check(Codec::Av1 { profile: 0 }, &[0x18, 1], of(false, false, true));
    check(Codec::Av1 { profile: 0 }, &[0x90, 1], of(true, false, false));
    check(Codec::Av1 { profile: 0 }, &[0x50, 1], of(false, true, false));
    check(Codec::Av1 { profile: 0 }, &[0x98, 1], of(true, false, false));
}

#[test]
fn payloads_without_bytes_describe_nothing() {
    for codec in CODECS {
        check(codec, &[], Ok(Description::Empty));
    }
}

#[test]
fn red_gives_its_newest_block() {
    // Two redundant blocks of 3 and 1 bytes, then the primary one (RFC 2198 §4).
    let payload = [0x80 | 111, 0, 4, 3, 0x80 | 111, 0, 0, 1, 111, 1, 2, 3, 4, 9, 8];
    assert_eq!(red::primary(&payload), Ok((111, &[9u8, 8][..])));
    assert_eq!(red::primary(&[111, 5]), Ok((111, &[5u8][..])));
    assert_eq!(red::primary(&payload[..12]), Err(Malformed::Length));
    assert_eq!(red::primary(&payload[..7]), Err(Malformed::Truncated));
}

proptest! {
    #[test]
    fn no_bytes_make_a_description_fail(payload: Vec<u8>) {
        for codec in CODECS {
            let _ = Description::of(codec, &payload);
        }
        let _ = red::primary(&payload);
    }

    #[test]
    fn a_rewritten_picture_id_is_read_back(
        value in 0u16..0x8000, long: bool, next in 0u16..0x8000,
    ) {
        let mut payload = vec![0x90, 0xe0];
        let (value, next) = if long { (value, next) } else { (value & 0x7f, next & 0x7f) };
        match long {
            true => payload.extend((0x8000 | value).to_be_bytes()),
            false => payload.push(value as u8),
        }
        payload.extend([3, 0x40, 1]);
        let before = vp8::Descriptor::parse(&payload).unwrap();
        before.picture_id.unwrap().rewrite(&mut payload, next).unwrap();
        let after = vp8::Descriptor::parse(&payload).unwrap();
        prop_assert_eq!(after.picture_id.map(|id| (id.value, id.long)), Some((next, long)));
        prop_assert_eq!(after.tl0_picture_index, Some(3));
    }
}
