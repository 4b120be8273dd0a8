use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, LessSafeKey, UnboundKey};
use aws_lc_rs::cipher::{AES_128, EncryptingKey, UnboundCipherKey};

use super::*;

const PROFILES: [SrtpProfile; 4] = [
    SrtpProfile::AeadAes256Gcm,
    SrtpProfile::AeadAes128Gcm,
    SrtpProfile::Aes128CmSha1_80,
    SrtpProfile::Aes128CmSha1_32,
];

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let pair = |p: &[u8]| u8::from_str_radix(core::str::from_utf8(p).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

/// RFC 3711 Appendix B.3.
fn rfc_master() -> MasterKey {
    let key = hex("E1F97A0D3E018BE0D64FA32C06DE4139");
    let salt = hex("0EC675AD498AFEEBB6960B3AABE6");
    MasterKey::new(SrtpProfile::Aes128CmSha1_80, &key, &salt).unwrap()
}

fn master(profile: SrtpProfile) -> MasterKey {
    let key: Vec<u8> = (0..key_len(profile) as u8).collect();
    let salt: Vec<u8> = (100..100 + salt_len(profile) as u8).collect();
    MasterKey::new(profile, &key, &salt).unwrap()
}

fn pair(profile: SrtpProfile) -> (Protect, Unprotect) {
    let key = master(profile);
    (Protect::new(profile, &key).unwrap(), Unprotect::new(profile, &key, 4).unwrap())
}

fn header(ssrc: u32, sequence: u64) -> [u8; 12] {
    let mut header = [0x80, 96, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0];
    header[2..4].copy_from_slice(&(sequence as u16).to_be_bytes());
    header[8..12].copy_from_slice(&ssrc.to_be_bytes());
    header
}

fn sealed(protect: &mut Protect, ssrc: u32, sequence: u64, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0; 12 + payload.len() + 16];
    out[..12].copy_from_slice(&header(ssrc, sequence));
    let len = protect.protect_rtp(sequence, 12, payload, &mut out).unwrap();
    out.truncate(len);
    out
}

/// Unprotects and says which index came out.
fn open(unprotect: &mut Unprotect, packet: &[u8]) -> Result<u64, Drop> {
    let mut out = [0; 2000];
    unprotect.unprotect_rtp(packet, &mut out).map(|opened| opened.sequence)
}

#[test]
fn keystream_is_that_of_rfc_3711_appendix_b_2() {
    let key = hex("2B7E151628AED2A6ABF7158809CF4F3C");
    let key = EncryptingKey::ctr(UnboundCipherKey::new(&AES_128, &key).unwrap()).unwrap();
    let salt = hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD").try_into().unwrap();
    let mut stream = [0; 48];
    cipher::counter(&key, &salt, At { ssrc: 0, sequence: 0 }, &mut stream).unwrap();
    let expected = "E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB
                    41E95B3BB0A2E8DD477901E4FCA894C0";
    assert_eq!(stream[..], hex(expected));
}

#[test]
fn session_keys_are_those_of_rfc_3711_appendix_b_3() {
    let parts =
        derive::raw(SrtpProfile::Aes128CmSha1_80, &rfc_master(), &[(0, 16), (2, 14), (1, 20)]);
    let expected = [
        "C61E7A93744F39EE10734AFE3FF7A087",
        "30CBBC08863D8C85D49DB34A9AE1",
        "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4",
    ];
    assert_eq!(parts.unwrap(), expected.map(hex));
}

/// The reference packets that libsrtp, and with it every browser, checks itself against.
#[test]
fn counter_mode_packets_match_the_reference_implementation() {
    let profile = SrtpProfile::Aes128CmSha1_80;
    let plain = hex("800f1234decafbadcafebabe abababababababababababababababab");
    let cipher =
        hex("800f1234decafbadcafebabe 4e55dc4ce79978d88ca4d215949d2402 b78d6acc99ea179b8dbb");
    let mut out = vec![0; cipher.len()];
    out[..12].copy_from_slice(&plain[..12]);
    let mut protect = Protect::new(profile, &rfc_master()).unwrap();
    assert_eq!(protect.protect_rtp(0x1234, 12, &plain[12..], &mut out), Some(38));
    assert_eq!(out, cipher);
    let mut unprotect = Unprotect::new(profile, &rfc_master(), 1).unwrap();
    let opened = unprotect.unprotect_rtp(&cipher, &mut out).unwrap();
    assert_eq!((&out[..opened.len], opened.sequence), (&plain[..], 0x1234));

    let plain = hex("81c8000bcafebabe abababababababababababababababab");
    let cipher =
        hex("81c8000bcafebabe 7128035be487b9bdbef89041f977a5a8 80000001 993e08cd54d6c1230798");
    let mut out = vec![0; cipher.len()];
    out[..24].copy_from_slice(&plain);
    assert_eq!(protect.protect_rtcp(24, &mut out), Some(38));
    assert_eq!(out, cipher);
    assert_eq!(unprotect.unprotect_rtcp(&cipher, &mut out), Ok(24));
    assert_eq!(out[..24], plain);
}

/// The keys do not depend on the tag's length, so the short tag is the front of the long one.
#[test]
fn the_short_tag_is_on_rtp_only() {
    let master = |profile| {
        let key = hex("E1F97A0D3E018BE0D64FA32C06DE4139");
        MasterKey::new(profile, &key, &hex("0EC675AD498AFEEBB6960B3AABE6")).unwrap()
    };
    let long = SrtpProfile::Aes128CmSha1_80;
    let short = SrtpProfile::Aes128CmSha1_32;
    let mut long = Protect::new(long, &master(long)).unwrap();
    let mut short = Protect::new(short, &master(short)).unwrap();
    let packets = [&mut long, &mut short].map(|protect| sealed(protect, 7, 9, &[1, 2, 3]));
    assert_eq!((packets[0].len(), packets[1].len()), (25, 19));
    assert_eq!(packets[0][..19], packets[1]);
    assert_eq!((short.rtp_overhead(), short.rtcp_overhead()), (4, long.rtcp_overhead()));
}

/// RFC 7714 §16 and §17 give session keys, so these start below the derivation.
#[test]
fn gcm_packets_are_those_of_rfc_7714() {
    let key: Vec<u8> = (0..32).collect();
    let short = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key[..16]).unwrap());
    let long = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).unwrap());
    let salt: [u8; 12] = *b"Quid pro quo";
    check_rfc_7714(
        Cipher::Gcm { key: short, salt },
        "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833
         899d7f27beb16a9152cf765ee4390cce",
        "63e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b468630
         3ded0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4",
    );
    check_rfc_7714(
        Cipher::Gcm { key: long, salt },
        "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b
         7aa3db36dfffd6b0f9bb7878d7a76c13",
        "d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61d
         e0476f1b6fad1d1eb30c4446839f57ff6f6cb26ac3be800005d4",
    );
}

fn check_rfc_7714(cipher: Cipher, rtp: &str, rtcp: &str) {
    let head = hex("8040f17b8041f8d35501a0b2");
    let at = At { ssrc: 0x5501_a0b2, sequence: 0xf17b };
    let text = b"Gallia est omnis divisa in partes tres";
    let sealed = [&head[..], &hex(rtp)].concat();
    let mut out = vec![0; sealed.len()];
    out[..12].copy_from_slice(&head);
    assert_eq!(cipher.seal_rtp(at, 12, text, &mut out), Some(66));
    assert_eq!(out, sealed);
    assert_eq!(cipher.open_rtp(at, 12, &sealed, &mut out), Ok(50));
    assert_eq!(out[12..50], text[..]);

    let plain = hex("81c8000d4d617273 4e5450314e545032525450200000042a0000e9304c756e61
        deadbeefdeadbeefdeadbeefdeadbeefdeadbeef");
    let sealed = [&plain[..8], &hex(rtcp)].concat();
    let mut out = vec![0; sealed.len()];
    out[..plain.len()].copy_from_slice(&plain);
    let ssrc = u32::from_be_bytes(*b"Mars");
    assert_eq!(cipher.seal_rtcp(ssrc, 0x5d4, plain.len(), &mut out), Some(sealed.len()));
    assert_eq!(out, sealed);
    let (word, parts) = cipher.split_rtcp(&sealed).unwrap();
    assert_eq!(word, 0x8000_05d4);
    assert_eq!(cipher.open_rtcp(ssrc, 0x5d4, parts, &mut out), Ok(plain.len()));
    assert_eq!(out[..plain.len()], plain);
}

#[test]
fn both_ways_of_sealing_give_the_same_packet() {
    for profile in PROFILES {
        let (mut protect, mut unprotect) = pair(profile);
        for len in [0, 1, 15, 16, 17, 1200] {
            let payload: Vec<u8> = (0..len).map(|n| n as u8).collect();
            let sequence = 70_000 + len as u64;
            let apart = sealed(&mut protect, 5, sequence, &payload);
            let mut in_place = vec![0; apart.len()];
            in_place[..12].copy_from_slice(&header(5, sequence));
            in_place[12..12 + len].copy_from_slice(&payload);
            let total = protect.protect_rtp_in_place(sequence, 12, 12 + len, &mut in_place);
            assert_eq!((total, &in_place), (Some(apart.len()), &apart), "{profile:?} {len}");
            let mut out = vec![0; apart.len()];
            // 70,000 lies in the second round of sequence numbers: the first-packet rule finds it.
            let opened = unprotect.unprotect_rtp(&apart, &mut out).unwrap();
            assert_eq!((opened.sequence, &out[12..opened.len]), (sequence, &payload[..]));
        }
    }
}

#[test]
fn extensions_and_sources_are_authenticated_but_readable() {
    for profile in PROFILES {
        let (mut protect, mut unprotect) = pair(profile);
        let mut packet = hex("91 60 0001 00000000 00000009 0000000a bede 0001 10010203 ffff");
        packet.resize(26 + 16, 0);
        let len = protect.protect_rtp_in_place(1, 24, 26, &mut packet).unwrap();
        let mut out = [0; 64];
        let opened = unprotect.unprotect_rtp(&packet[..len], &mut out).unwrap();
        assert_eq!((opened.len, &out[20..26]), (26, &[0x10, 1, 2, 3, 0xff, 0xff][..]));
        packet[21] ^= 1;
        packet[3] = 2;
        assert_eq!(open(&mut unprotect, &packet[..len]), Err(Drop::Unauthenticated));
    }
}

#[test]
fn a_replayed_or_damaged_packet_is_dropped() {
    for profile in PROFILES {
        let (mut protect, mut unprotect) = pair(profile);
        let packets: Vec<_> = (0..200).map(|n| sealed(&mut protect, 1, n, b"hello")).collect();
        assert_eq!(open(&mut unprotect, &packets[150]), Ok(150));
        assert_eq!(open(&mut unprotect, &packets[150]), Err(Drop::Replayed));
        assert_eq!(open(&mut unprotect, &packets[23]), Ok(23));
        assert_eq!(open(&mut unprotect, &packets[23]), Err(Drop::Replayed));
        assert_eq!(open(&mut unprotect, &packets[22]), Err(Drop::TooOld));
        let last = &packets[199];
        for place in 0..last.len() {
            let mut damaged = last.clone();
            damaged[place] ^= 0x40;
            assert!(open(&mut unprotect, &damaged).is_err(), "{profile:?} byte {place}");
        }
        // The failures left no trace.
        assert_eq!(open(&mut unprotect, last), Ok(199));
        assert_eq!(open(&mut unprotect, &packets[151]), Ok(151));
    }
}

#[test]
fn rollover_is_followed_through_loss_and_reordering() {
    for profile in PROFILES {
        let (mut protect, mut unprotect) = pair(profile);
        let mut check = |sequence| {
            let packet = sealed(&mut protect, 1, sequence, b"x");
            assert_eq!(open(&mut unprotect, &packet), Ok(sequence), "{profile:?}");
        };
        check(65_500);
        check(65_536 + 20);
        check(65_535);
        check(65_536);
        for step in 1..9 {
            check(65_536 + step * 30_000);
        }
        check(65_536 + 7 * 30_000 + 29_999);
    }
}

#[test]
fn only_authentic_packets_make_a_source_and_sources_are_limited() {
    for profile in PROFILES {
        let (mut protect, mut unprotect) = pair(profile);
        for forged in 100..200 {
            let mut packet = sealed(&mut protect, forged, 1, b"x");
            *packet.last_mut().unwrap() ^= 1;
            assert_eq!(open(&mut unprotect, &packet), Err(Drop::Unauthenticated));
        }
        for ssrc in 0..4 {
            assert_eq!(open(&mut unprotect, &sealed(&mut protect, ssrc, 1, b"x")), Ok(1));
        }
        let fifth = sealed(&mut protect, 4, 1, b"x");
        assert_eq!(open(&mut unprotect, &fifth), Err(Drop::TooManySources));
        assert_eq!(open(&mut unprotect, &sealed(&mut protect, 3, 2, b"x")), Ok(2));
    }
}

#[test]
fn rtcp_round_trips_and_refuses_replay_damage_and_clear_text() {
    for profile in PROFILES {
        let (mut protect, mut unprotect) = pair(profile);
        let report = hex("80c9000100000001");
        let longer = hex("81c9000700000001 00000002 00000000 00000000 00000000 00000000 00000000");
        let mut out = [0; 128];
        for plain in [report, longer] {
            let mut packet = plain.clone();
            packet.resize(plain.len() + protect.rtcp_overhead(), 0);
            assert_eq!(protect.protect_rtcp(plain.len(), &mut packet), Some(packet.len()));
            for place in 0..packet.len() {
                let mut damaged = packet.clone();
                damaged[place] ^= 0x80;
                assert!(unprotect.unprotect_rtcp(&damaged, &mut out).is_err(), "byte {place}");
            }
            assert_eq!(unprotect.unprotect_rtcp(&packet, &mut out), Ok(plain.len()));
            assert_eq!(out[..plain.len()], plain);
            assert_eq!(unprotect.unprotect_rtcp(&packet, &mut out), Err(Drop::Replayed));
        }
        let clear = vec![0; 40];
        assert_eq!(unprotect.unprotect_rtcp(&clear, &mut out), Err(Drop::Unencrypted));
    }
}

#[test]
fn short_or_odd_packets_and_buffers_are_dropped_without_panic() {
    for profile in PROFILES {
        let (mut protect, mut unprotect) = pair(profile);
        let packet = sealed(&mut protect, 1, 1, b"hello");
        let mut out = [0; 128];
        for len in 0..packet.len() {
            assert!(unprotect.unprotect_rtp(&packet[..len], &mut out).is_err());
            assert!(unprotect.unprotect_rtcp(&packet[..len], &mut out).is_err());
        }
        for first in 0..=255 {
            let mut odd = packet.clone();
            odd[0] = first;
            assert_eq!(open(&mut unprotect, &odd).is_ok(), first == 0x80);
        }
        let another = sealed(&mut protect, 1, 2, b"hello");
        assert_eq!(unprotect.unprotect_rtp(&another, &mut out[..16]), Err(Drop::NoSpace));
        let mut small = [0x80; 30];
        assert_eq!(protect.protect_rtp(3, 12, b"123456789012345", &mut small), None);
        assert_eq!(protect.protect_rtcp(28, &mut small), None);
        assert_eq!(protect.protect_rtp(3, 64, b"", &mut small), None);
    }
}

#[test]
fn keys_of_the_wrong_length_are_refused() {
    let profile = SrtpProfile::AeadAes128Gcm;
    assert!(MasterKey::new(profile, &[0; 32], &[0; 12]).is_none());
    assert!(MasterKey::new(profile, &[0; 16], &[0; 14]).is_none());
    assert!(!format!("{:?}", master(profile)).contains('1'));
}

#[test]
fn plain_packets_pass_unchanged_but_never_twice() {
    let mut protect = Protect::plain();
    let mut unprotect = Unprotect::plain(1);
    let packet = |sequence: u16, ssrc: u8| {
        let [high, low] = sequence.to_be_bytes();
        vec![0x80, 96, high, low, 0, 0, 0, 1, 0, 0, 0, ssrc, 1, 2, 3]
    };
    let mut take = |bytes: &[u8]| {
        let mut out = [0; 64];
        unprotect.unprotect_rtp(bytes, &mut out).map(|opened| {
            assert_eq!(&out[..opened.len], bytes);
            opened.sequence
        })
    };
    assert_eq!(take(&packet(65_535, 1)), Ok(65_535));
    assert_eq!(take(&packet(0, 1)), Ok(65_536));
    assert_eq!(take(&packet(65_535, 1)), Err(Drop::Replayed));
    assert_eq!(take(&packet(1, 2)), Err(Drop::TooManySources));
    assert_eq!(take(&[0x80, 96]), Err(Drop::Malformed));

    let mut out = [0; 64];
    out[..12].copy_from_slice(&packet(7, 1)[..12]);
    assert_eq!(protect.protect_rtp(7, 12, &[1, 2, 3], &mut out), Some(15));
    assert_eq!(out[..15], packet(7, 1));
    assert_eq!(protect.protect_rtp_in_place(7, 12, 15, &mut out), Some(15));
    assert_eq!(out[..15], packet(7, 1));

    let report = [0x80, 201, 0, 1, 0, 0, 0, 9];
    let mut room = [0; 8];
    room.copy_from_slice(&report);
    assert_eq!(protect.protect_rtcp(8, &mut room), Some(8));
    assert_eq!(unprotect.unprotect_rtcp(&room, &mut out), Ok(8));
    assert_eq!(unprotect.unprotect_rtcp(&room, &mut out), Ok(8), "a report may say the same again");
    assert_eq!(out[..8], report);
    assert_eq!(unprotect.unprotect_rtcp(&room[..7], &mut out), Err(Drop::Malformed));
}

#[test]
fn packets_signed_together_are_those_signed_alone() {
    for profile in PROFILES {
        let (mut alone, _) = pair(profile);
        let (mut together, mut unprotect) = pair(profile);
        let (mut signer, mut bytes, mut used) = (Signer::default(), vec![0; 40_000], 0);
        let mut expected = Vec::new();
        for sequence in 0..37u64 {
            let payload = vec![sequence as u8; 100 + 29 * sequence as usize % 1000];
            expected.push(sealed(&mut alone, 9, sequence, &payload));
            let out = &mut bytes[used..];
            out[..12].copy_from_slice(&header(9, sequence));
            let payload = if sequence % 2 == 0 {
                Payload::Apart(&payload)
            } else {
                out[12..12 + payload.len()].copy_from_slice(&payload);
                Payload::InPlace(12 + payload.len())
            };
            let protected = together.protect_rtp_unsigned(sequence, 12, payload, out).unwrap();
            if protected.unsigned.is_some_and(|unsigned| signer.add(used, unsigned)) {
                signer.sign(&mut bytes);
            }
            used += protected.len;
        }
        signer.sign(&mut bytes);
        assert!(bytes[..used] == expected.concat(), "{profile:?}");
        for (sequence, packet) in (0..).zip(&expected) {
            assert_eq!(open(&mut unprotect, packet), Ok(sequence));
        }
    }
}
