use proptest::prelude::*;

use super::*;

/// A hello with these extensions; `cut` announces a longer message than the record holds.
fn hello(version: u16, extensions: &[(u16, &[u8])], cut: u32) -> Vec<u8> {
    let mut body = version.to_be_bytes().to_vec();
    body.extend([7; 32]);
    body.extend([0, 0, 0, 2, 0xc0, 0x2b, 1, 0]);
    let mut block = Vec::new();
    for (kind, value) in extensions {
        block.extend(kind.to_be_bytes());
        block.extend((value.len() as u16).to_be_bytes());
        block.extend(*value);
    }
    body.extend((block.len() as u16).to_be_bytes());
    body.extend(block);
    let len = (body.len() as u32).to_be_bytes();
    let whole = (body.len() as u32 + cut).to_be_bytes();
    let mut message = vec![CLIENT_HELLO, whole[1], whole[2], whole[3], 0, 0, 0, 0, 0];
    message.extend(&len[1..]);
    message.extend(body);
    let mut record = vec![HANDSHAKE, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0];
    record.extend((message.len() as u16).to_be_bytes());
    record.extend(message);
    record
}

const SRTP: (u16, &[u8]) = (USE_SRTP, &[0, 6, 0, 1, 0, 8, 0, 7, 0]);
const VERSIONS: (u16, &[u8]) = (SUPPORTED_VERSIONS, &[4, 0xfe, 0xfc, 0xfe, 0xfd]);

/// Versions 1.2 and 1.3, then profiles; `None` for a fragment.
fn check(datagram: &[u8], expected: Option<(bool, bool, &[u16])>) {
    match (sniff(datagram).unwrap(), expected) {
        (Hello::Whole(hello), Some((v12, v13, profiles))) => {
            assert_eq!((hello.offers_1_2, hello.offers_1_3), (v12, v13));
            assert_eq!(hello.srtp_profiles().collect::<Vec<_>>(), profiles);
        }
        (Hello::Fragmented, None) => {}
        (found, expected) => panic!("{found:?} instead of {expected:?}"),
    }
}

#[test]
fn offers_are_read_in_order() {
    check(&hello(DTLS_1_2, &[(10, &[0, 0]), SRTP], 0), Some((true, false, &[1, 8, 7])));
    check(&hello(DTLS_1_2, &[VERSIONS, SRTP], 0), Some((true, true, &[1, 8, 7])));
    check(&hello(0xfeff, &[], 0), Some((false, false, &[])));
    let only_1_3 = (SUPPORTED_VERSIONS, &[2u8, 0xfe, 0xfc][..]);
    check(&hello(DTLS_1_2, &[only_1_3], 0), Some((false, true, &[])));
}

#[test]
fn fragments_are_recognised() {
    check(&hello(DTLS_1_2, &[SRTP], 100), None);
}

#[test]
fn other_records_are_not_hellos() {
    let mut alert = hello(DTLS_1_2, &[], 0);
    alert[0] = 21;
    assert_eq!(sniff(&alert), Ok(Hello::Other));
    let mut later_epoch = hello(DTLS_1_2, &[], 0);
    later_epoch[4] = 1;
    assert_eq!(sniff(&later_epoch), Ok(Hello::Other));
}

#[test]
fn every_cut_is_refused() {
    let whole = hello(DTLS_1_2, &[VERSIONS, SRTP], 0);
    for len in 0..whole.len() {
        assert_eq!(sniff(&whole[..len]), Err(Malformed::Truncated), "{len}");
    }
}

#[test]
fn contradicting_lengths_are_refused() {
    let mut record = hello(DTLS_1_2, &[SRTP], 0);
    record[22..25].copy_from_slice(&[0xff, 0xff, 0xff]);
    assert_eq!(sniff(&record), Err(Malformed::Length));
    let odd = (USE_SRTP, &[0u8, 3, 0, 1, 0, 0][..]);
    assert_eq!(sniff(&hello(DTLS_1_2, &[odd], 0)), Err(Malformed::Length));
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_fail(
        tail: Vec<u8>,
        flips in proptest::collection::vec((0usize..200, any::<u8>()), 0..8),
    ) {
        let mut datagram = hello(DTLS_1_2, &[VERSIONS, SRTP, (9, &tail)], 0);
        for (at, bits) in flips {
            if let Some(byte) = datagram.get_mut(at) {
                *byte ^= bits;
            }
        }
        if let Ok(Hello::Whole(hello)) = sniff(&datagram) {
            hello.srtp_profiles().count();
        }
    }
}
