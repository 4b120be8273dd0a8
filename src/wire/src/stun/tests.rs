use proptest::prelude::*;

use super::*;

/// RFC 5769 §2.1: a request with long attributes.
const REQUEST: &str = "000100582112a442b7e7a701bc34d686fa87dfae80220010\
    5354554e207465737420636c69656e74\
    002400046e0001ff80290008932ff9b151263b36000600096576746a3a68367659202020\
    000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf";
/// RFC 5769 §2.2: an IPv4 response.
const RESPONSE_4: &str = "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220\
    002000080001a147e112a643000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96";
/// RFC 5769 §2.3: an IPv6 response.
const RESPONSE_6: &str = "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220\
    002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9\
    00080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c";
const PASSWORD: &[u8] = b"VOkJxbRl1RmTxUk/WvJxBt";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks_exact(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}

fn key() -> IntegrityKey {
    IntegrityKey::new(PASSWORD)
}

#[test]
fn request_of_rfc_5769() {
    let request = bytes(REQUEST);
    let message = Message::parse(&request).unwrap();
    assert_eq!((message.class, message.method), (Class::Request, BINDING));
    assert_eq!(message.username(), Some(&b"evtj:h6vY"[..]));
    assert_eq!(message.priority(), Some(0x6e00_01ff));
    assert_eq!(message.ice_controlled(), Some(0x932f_f9b1_5126_3b36));
    assert_eq!(message.ice_controlling(), None);
    assert!(!message.use_candidate());
    assert_eq!(message.unknown_required().count(), 0);
    assert!(message.verify_integrity(&key()));
    assert_eq!(message.verify_fingerprint(), Some(true));
    assert!(!message.verify_integrity(&IntegrityKey::new(b"wrong")));
}

#[test]
fn responses_of_rfc_5769() {
    for (hex, address) in [
        (RESPONSE_4, "192.0.2.1:32853"),
        (RESPONSE_6, "[2001:db8:1234:5678:11:2233:4455:6677]:32853"),
    ] {
        let response = bytes(hex);
        let message = Message::parse(&response).unwrap();
        assert_eq!(message.class, Class::Success);
        assert_eq!(message.xor_mapped_address(), Some(address.parse().unwrap()));
        assert!(message.verify_integrity(&key()));
        assert_eq!(message.verify_fingerprint(), Some(true));
    }
}

#[test]
fn any_changed_byte_breaks_integrity_or_fingerprint() {
    let request = bytes(REQUEST);
    for at in 0..request.len() {
        let mut forged = request.clone();
        forged[at] ^= 1;
        let intact = Message::parse(&forged).is_ok_and(|message| {
            message.verify_integrity(&key()) && message.verify_fingerprint() == Some(true)
        });
        assert!(!intact, "byte {at}");
    }
}

#[test]
fn every_cut_is_refused() {
    let request = bytes(REQUEST);
    for len in 0..request.len() {
        assert!(Message::parse(&request[..len]).is_err(), "{len}");
    }
}

#[test]
fn attributes_after_integrity_do_not_exist() {
    let transaction = TransactionId([7; 12]);
    let mut out = [0; 256];
    let len = Builder::new(&mut out, Class::Request, BINDING, transaction)
        .attribute(attribute::USERNAME, b"a:b")
        .integrity(&key())
        .attribute(attribute::USE_CANDIDATE, &[])
        .fingerprint()
        .finish()
        .unwrap();
    let message = Message::parse(&out[..len]).unwrap();
    assert!(message.verify_integrity(&key()));
    assert!(!message.use_candidate());
    assert_eq!(message.attributes().count(), 1);
}

#[test]
fn fingerprint_is_the_last_attribute() {
    let mut out = [0; 256];
    let len = Builder::new(&mut out, Class::Request, BINDING, TransactionId([0; 12]))
        .fingerprint()
        .attribute(attribute::PRIORITY, &[0; 4])
        .finish()
        .unwrap();
    assert_eq!(Message::parse(&out[..len]).err(), Some(Malformed::Value));
}

#[test]
fn errors_name_code_and_unknown_attributes() {
    let mut out = [0; 256];
    let request = [0x7fff, attribute::PRIORITY];
    let len = Builder::new(&mut out, Class::Error, BINDING, TransactionId([1; 12]))
        .error_code(420, "Unknown Attribute")
        .unknown_attributes(request.into_iter())
        .integrity(&key())
        .fingerprint()
        .finish()
        .unwrap();
    let message = Message::parse(&out[..len]).unwrap();
    assert_eq!((message.class, message.error_code()), (Class::Error, Some(420)));
    assert_eq!(message.attribute(attribute::UNKNOWN_ATTRIBUTES), Some(&[0x7f, 0xff, 0, 0x24][..]));
    assert!(message.verify_integrity(&key()));
}

#[test]
fn unknown_attributes_below_0x8000_are_named() {
    let mut out = [0; 256];
    let len = Builder::new(&mut out, Class::Request, BINDING, TransactionId([1; 12]))
        .attribute(0x7001, &[1])
        .attribute(0x9001, &[1])
        .attribute(attribute::USE_CANDIDATE, &[])
        .finish()
        .unwrap();
    let message = Message::parse(&out[..len]).unwrap();
    assert_eq!(message.unknown_required().collect::<Vec<_>>(), [0x7001]);
    assert!(message.use_candidate());
    assert!(!message.verify_integrity(&key()));
    assert_eq!(message.verify_fingerprint(), None);
}

#[test]
fn classes_and_methods_keep_apart() {
    for class in [Class::Request, Class::Indication, Class::Success, Class::Error] {
        for method in [1, 0x10, 0x80, 0xfff] {
            let mut out = [0; 20];
            let builder = Builder::new(&mut out, class, method, TransactionId([2; 12]));
            assert_eq!(builder.finish(), Some(20));
            let message = Message::parse(&out).unwrap();
            assert_eq!((message.class, message.method), (class, method));
        }
    }
}

proptest! {
    #[test]
    fn addresses_survive(v6: bool, ip: [u8; 16], port: u16, transaction: [u8; 12]) {
        let ip4: [u8; 4] = ip[..4].try_into().unwrap();
        let ip = if v6 { IpAddr::from(ip) } else { IpAddr::from(ip4) };
        let address = SocketAddr::new(ip, port);
        let mut out = [0; 128];
        let len = Builder::new(&mut out, Class::Success, BINDING, TransactionId(transaction))
            .xor_mapped_address(address)
            .integrity(&key())
            .fingerprint()
            .finish()
            .unwrap();
        let message = Message::parse(&out[..len]).unwrap();
        prop_assert_eq!(message.xor_mapped_address(), Some(address));
        prop_assert!(message.verify_integrity(&key()));
        prop_assert_eq!(message.verify_fingerprint(), Some(true));
        for short in 0..len {
            let id = TransactionId(transaction);
            let cut = Builder::new(&mut out[..short], Class::Success, BINDING, id)
                .xor_mapped_address(address)
                .integrity(&key())
                .fingerprint()
                .finish();
            prop_assert_eq!(cut, None);
        }
    }

    #[test]
    fn no_bytes_make_the_reader_fail(tail: Vec<u8>) {
        let mut message = vec![0, 1];
        message.extend(((tail.len() & !3) as u16).to_be_bytes());
        message.extend(MAGIC.to_be_bytes());
        message.extend([0; 12]);
        message.extend(&tail[..tail.len() & !3]);
        if let Ok(message) = Message::parse(&message) {
            prop_assert!(message.attributes().count() <= tail.len());
            message.verify_integrity(&key());
            message.verify_fingerprint();
        }
    }
}
