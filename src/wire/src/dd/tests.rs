use proptest::prelude::*;

use super::*;

/// Bits written as text, spaces ignored.
fn bytes(bits: &str) -> Vec<u8> {
    let bits: Vec<u8> = bits.bytes().filter(|b| *b != b' ').map(|b| b - b'0').collect();
    bits.chunks(8)
        .map(|byte| byte.iter().enumerate().fold(0, |value, (at, bit)| value | bit << (7 - at)))
        .collect()
}

/// One spatial and three temporal layers, five templates, three decode targets, as an encoder of
/// L1T3 sends it.
fn l1t3() -> Vec<u8> {
    bytes(concat!(
        "1 1 000010 0000000000000111", // start, end, template 2, frame 7
        "1 0 0 0 0",                   // carries a structure
        "000010 00010",                // ids from 2, three targets
        "00 01 00 01 11",              // T0 T0 T1 T1 T2
        "10 10 10",                    // key frame: switch everywhere
        "11 10 10",
        "00 10 11",
        "00 11 01",
        "00 00 01",
    ))
}

fn frame(template: u8) -> Vec<u8> {
    vec![0x80 | template, 0, 8]
}

#[test]
fn mandatory_fields() {
    let value = l1t3();
    let descriptor = Descriptor::parse(&value).unwrap();
    assert!(descriptor.starts_frame && descriptor.ends_frame && descriptor.has_structure);
    assert_eq!((descriptor.template, descriptor.frame_number), (2, 7));
    assert_eq!(Descriptor::parse(&value[..2]).err(), Some(Malformed::Truncated));
    assert!(!Descriptor::parse(&value[..3]).unwrap().has_structure);
}

#[test]
fn templates_tell_layers_and_targets() {
    let value = l1t3();
    let structure = Structure::parse(&Descriptor::parse(&value).unwrap()).unwrap();
    for (template, temporal, switches) in
        [(2, 0, [true, true, true]), (4, 1, [false, true, false]), (6, 2, [false, false, false])]
    {
        let value = frame(template);
        let descriptor = Descriptor::parse(&value).unwrap();
        let layers = structure.layers(&descriptor).unwrap();
        assert_eq!(layers, Layers { spatial: 0, temporal });
        for (target, switch) in switches.into_iter().enumerate() {
            let most = Layers { spatial: 0, temporal: target as u8 };
            let found = structure.indication(&descriptor, most);
            assert_eq!(found == Some(Indication::Switch), switch, "{template} {target}");
        }
    }
    // A template that the structure does not have.
    let value = frame(7);
    assert_eq!(structure.layers(&Descriptor::parse(&value).unwrap()), None);
}

#[test]
fn every_cut_of_a_structure_is_refused() {
    let value = l1t3();
    for len in 0..value.len() {
        let whole = Descriptor::parse(&value[..len]).and_then(|d| Structure::parse(&d));
        assert!(whole.is_err(), "{len}");
    }
}

#[test]
fn a_structure_that_never_ends_is_refused() {
    let mut value = l1t3()[..5].to_vec();
    value.extend([0; 200]);
    let descriptor = Descriptor::parse(&value).unwrap();
    assert_eq!(Structure::parse(&descriptor).err(), Some(Malformed::Value));
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_fail(value: Vec<u8>, template: u8) {
        if let Ok(structure) = Descriptor::parse(&value).and_then(|d| Structure::parse(&d)) {
            let value = frame(template);
            let descriptor = Descriptor::parse(&value).unwrap();
            structure.indication(&descriptor, Layers { spatial: 3, temporal: 7 });
        }
    }
}
