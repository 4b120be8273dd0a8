use proptest::prelude::*;

use super::*;

const ONE_BYTE: &[u8] = &[
    0x90, 0xe0, 0x12, 0x34, 0, 0, 0, 1, 0xde, 0xad, 0xbe, 0xef, // header with extensions
    0xbe, 0xde, 0, 2, 0x10, b'0', 0, 0x32, 1, 2, 3,
    0, // id 1 "0", padding, id 3 of three bytes, padding
    0xaa, 0xbb,
];

/// What a packet reads as: sequence, extensions, payload.
type Reading<'a> = (u16, &'a [(u8, &'a [u8])], &'a [u8]);

fn check(bytes: &[u8], expected: Parsed<Reading<'_>>) {
    let found = Packet::parse(bytes);
    match (&found, expected) {
        (Ok(packet), Ok((sequence, extensions, payload))) => {
            assert_eq!(packet.header().sequence, sequence);
            assert_eq!(packet.head.extensions.iter().collect::<Vec<_>>(), extensions);
            assert_eq!(packet.payload, payload);
        }
        (Err(found), Err(expected)) => assert_eq!(*found, expected),
        (found, expected) => panic!("{found:?} instead of {expected:?}"),
    }
}

#[test]
fn one_byte_extensions_skip_padding() {
    check(ONE_BYTE, Ok((0x1234, &[(1, b"0"), (3, &[1, 2, 3])], &[0xaa, 0xbb])));
    let packet = Packet::parse(ONE_BYTE).unwrap();
    assert!(packet.header().marker);
    assert_eq!(packet.header().payload_type, PayloadType(96));
    assert_eq!(packet.header().ssrc, Ssrc(0xdead_beef));
    assert_eq!((packet.head.header_len, packet.extension(3)), (24, Some(&[1u8, 2, 3][..])));
}

#[test]
fn two_byte_extensions_may_be_empty_and_long() {
    let mut bytes = vec![0x90, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0x05, 0, 6, 200, 0, 7, 17];
    bytes.extend([9; 17]);
    bytes.extend([0, 0, 0]);
    check(&bytes, Ok((1, &[(200, b""), (7, &[9; 17])], &[])));
}

#[test]
fn one_byte_id_fifteen_ends_the_block() {
    let mut bytes = ONE_BYTE.to_vec();
    bytes[16] = 0xf0;
    check(&bytes, Ok((0x1234, &[], &[0xaa, 0xbb])));
}

#[test]
fn an_extension_past_its_block_ends_it() {
    let mut bytes = ONE_BYTE.to_vec();
    bytes[19] = 0x3f;
    check(&bytes, Ok((0x1234, &[(1, b"0")], &[0xaa, 0xbb])));
}

#[test]
fn other_profiles_carry_nothing_we_know() {
    let mut bytes = ONE_BYTE.to_vec();
    bytes[12] = 0xab;
    check(&bytes, Ok((0x1234, &[], &[0xaa, 0xbb])));
}

#[test]
fn contributors_are_skipped() {
    let bytes = [0x82, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 7];
    check(&bytes, Ok((1, &[], &[7])));
}

#[test]
fn padding_is_cut_and_may_be_all_there_is() {
    let head = [0xa0, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    let with = |tail: &[u8]| [&head[..], tail].concat();
    check(&with(&[5, 0, 2]), Ok((1, &[], &[5])));
    check(&with(&[0, 0, 0, 4]), Ok((1, &[], &[])));
    check(&with(&[0, 0, 5]), Err(Malformed::Length));
    check(&with(&[1, 0]), Err(Malformed::Length));
    check(&with(&[]), Err(Malformed::Length));
}

#[test]
fn every_cut_of_a_header_is_refused() {
    for len in 0..24 {
        check(&ONE_BYTE[..len], Err(Malformed::Truncated));
    }
    let mut version = ONE_BYTE.to_vec();
    version[0] = 0x50;
    check(&version, Err(Malformed::Version));
}

#[test]
fn a_header_that_does_not_fit_is_not_written() {
    let header = *Packet::parse(ONE_BYTE).unwrap().header();
    let extensions = [(1u8, &b"0"[..]), (3, &[1, 2, 3])];
    let mut out = [0; 32];
    let len = write_header(&mut out, &header, extensions.iter().copied()).unwrap();
    assert_eq!(len, 24);
    for short in 0..len {
        assert_eq!(write_header(&mut out[..short], &header, extensions.iter().copied()), None);
    }
    assert_eq!(write_header(&mut out, &header, [(0u8, &b"0"[..])].into_iter()), None);
}

fn extensions() -> impl Strategy<Value = Vec<(u8, Vec<u8>)>> {
    let one = (1u8..15, proptest::collection::vec(any::<u8>(), 1..17));
    let two = (1u8..=255, proptest::collection::vec(any::<u8>(), 0..256));
    prop_oneof![proptest::collection::vec(one, 0..6), proptest::collection::vec(two, 0..6)]
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        marker: bool, payload_type in 0u8..128, sequence: u16, timestamp: u32, ssrc: u32,
        extensions in extensions(), payload: Vec<u8>,
    ) {
        let payload_type = PayloadType(payload_type);
        let header = Header { marker, payload_type, sequence, timestamp, ssrc: Ssrc(ssrc) };
        let mut out = vec![0xff; 4096];
        let values = extensions.iter().map(|(id, value)| (*id, value.as_slice()));
        let len = write_header(&mut out, &header, values.clone()).unwrap();
        out.truncate(len);
        out.extend(&payload);
        let packet = Packet::parse(&out).unwrap();
        prop_assert_eq!(*packet.header(), header);
        prop_assert_eq!(packet.payload, &payload);
        prop_assert!(packet.head.extensions.iter().eq(values));
    }

    #[test]
    fn no_bytes_make_the_reader_fail(bytes: Vec<u8>) {
        if let Ok(packet) = Packet::parse(&bytes) {
            prop_assert!(packet.head.extensions.iter().count() <= bytes.len());
        }
    }

    #[test]
    fn numbers_near_the_highest_unwrap_right(
        start in 0u64..1 << 40, steps in proptest::collection::vec(-3000i64..3000, 1..200),
    ) {
        let (mut sequences, mut times) = (SequenceUnwrapper::new(), TimestampUnwrapper::new());
        let mut at = start + (1 << 20);
        let first = (sequences.unwrap(at as u16), times.unwrap(at as u32));
        let offset = (at.wrapping_sub(first.0), at.wrapping_sub(first.1));
        for step in steps {
            at = at.saturating_add_signed(step).max(start + (1 << 19));
            let expected = at.wrapping_sub(offset.0);
            // A long way back is not near the highest any more.
            if expected + 30_000 > sequences.highest().unwrap() {
                prop_assert_eq!(sequences.unwrap(at as u16), expected);
                prop_assert_eq!(times.unwrap(at as u32), at.wrapping_sub(offset.1));
            }
        }
    }
}

#[test]
fn a_packet_overtaken_by_the_first_one_has_a_number() {
    let mut unwrapper = SequenceUnwrapper::new();
    assert_eq!(unwrapper.unwrap(0), 65_536);
    assert_eq!(unwrapper.unwrap(65_535), 65_535);
    assert_eq!(unwrapper.peek(1), 65_537);
    assert_eq!(unwrapper.highest(), Some(65_536));
}
