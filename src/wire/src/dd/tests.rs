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
        "0 100110 100010 100000 100000", // frame differences
        "01 0000 0100 0010 0001 0011",   // one chain
        "0",                             // no resolutions
    ))
}

/// Two spatial layers that depend on each other in key frames only: the upper one's target does not hold
/// the lower layer's other frames.
fn l2t1_key() -> Vec<u8> {
    bytes(concat!(
        "1 0 000000 0000000000000001",
        "1 0 0 0 0",
        "000000 00001", // ids from 0, two targets
        "00 10 00 11",  // S0 S0 S1 S1
        "10 10",        // key: S0
        "10 00",        // S0
        "00 10",        // key: S1
        "00 11",        // S1
        "0 100010 100000 100010",
        "10 0 1 0000 0000 0010 0001 0001 0000 0001 0010", // a chain for each
        "1 0000000101000000 0000000010110100 0000001010000000 0000000101101000",
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
        for (temporal, switch) in (0u8..).zip(switches) {
            let target = structure.target(Layers { spatial: 0, temporal }).unwrap();
            let found = structure.indications(&descriptor).unwrap().of(target);
            assert_eq!(found == Indication::Switch, switch, "{template} {temporal}");
        }
    }
    assert!(structure.is_nested());
    // A template that the structure does not have.
    let value = frame(7);
    assert_eq!(structure.layers(&Descriptor::parse(&value).unwrap()), None);
}

#[test]
fn a_target_may_leave_out_layers_below_its_own() {
    let value = l2t1_key();
    let structure = Structure::parse(&Descriptor::parse(&value).unwrap()).unwrap();
    let target = |spatial| structure.target(Layers { spatial, temporal: 7 }).unwrap();
    for (template, lower, upper) in [(0, true, true), (1, true, false), (2, false, true)] {
        let value = frame(template);
        let all = structure.indications(&Descriptor::parse(&value).unwrap()).unwrap();
        let holds = |spatial| all.of(target(spatial)) != Indication::NotPresent;
        assert_eq!((holds(0), holds(1)), (lower, upper), "{template}");
    }
    assert!(!structure.is_nested());
    assert_eq!(structure.within(Layers { spatial: 0, temporal: 0 }), 0b01);
    assert_eq!((structure.spatial_top(0b01), structure.spatial_top(0b11)), (0, 1));
}

#[test]
fn a_frame_may_have_indications_of_its_own() {
    let value = l2t1_key();
    let structure = Structure::parse(&Descriptor::parse(&value).unwrap()).unwrap();
    for value in [bytes("1 1 000001 0000000000000010 00100 00 11"), {
        bytes("1 1 000001 0000000000000010 01100 10 00 11")
    }] {
        let all = structure.indications(&Descriptor::parse(&value).unwrap()).unwrap();
        assert_eq!((all.of(0), all.of(1)), (Indication::NotPresent, Indication::Required));
    }
}

#[test]
fn active_targets_are_read_written_and_written_over() {
    for value in [l1t3(), l2t1_key()] {
        let carrier = Descriptor::parse(&value).unwrap();
        let structure = Structure::parse(&carrier).unwrap();
        let targets = structure.targets;
        assert_eq!(structure.active(&carrier), Some((1 << targets) - 1));
        let custom = bytes("1 0 000010 0000000000000011 0 0 1 0 0 11 01 10");
        for value in [value.clone(), frame(2), custom] {
            let before = Descriptor::parse(&value).unwrap();
            let mut out = [0xff; 255];
            let len = structure.activate(&before, 0b01).write(&value, &mut out).unwrap();
            let once = out[..len].to_vec();
            let after = Descriptor::parse(&once).unwrap();
            assert_eq!(structure.active(&after), Some(0b01));
            assert_eq!(structure.indications(&after), structure.indications(&before));
            assert_eq!(
                (after.template, after.frame_number),
                (before.template, before.frame_number)
            );
            assert_eq!(Structure::parse(&after).is_ok(), before.has_structure);
            let len = structure.activate(&after, 0b10).write(&once, &mut out).unwrap();
            assert_eq!(len, once.len(), "written over in place");
            assert_eq!(structure.active(&Descriptor::parse(&out[..len]).unwrap()), Some(0b10));
        }
    }
    let value = frame(2);
    let structure = Structure::parse(&Descriptor::parse(&l1t3()).unwrap()).unwrap();
    let descriptor = Descriptor::parse(&value).unwrap();
    assert_eq!(structure.active(&descriptor), None);
    assert_eq!(structure.activate(&descriptor, 1).write(&value, &mut [0; 3]), None);
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
            let target = structure.target(Layers { spatial: 3, temporal: 7 });
            let all = structure.indications(&descriptor);
            all.zip(target).map(|(all, target)| all.of(target));
            let active = structure.active(&descriptor).unwrap_or(5);
            structure.activate(&descriptor, active).write(&value, &mut [0; 255]);
        }
    }
}
