use proptest::prelude::*;

use super::*;

const ME: Ssrc = Ssrc(1);
const YOU: Ssrc = Ssrc(0x0203_0405);

fn build(write: impl FnOnce(&mut Writer<'_>) -> Option<()>) -> Vec<u8> {
    let mut out = vec![0; 2048];
    let mut writer = Writer::new(&mut out);
    write(&mut writer).unwrap();
    let len = writer.len();
    out.truncate(len);
    out
}

/// Packets of a compound as text, one line each; short enough to compare at a glance.
fn check(bytes: &[u8], expected: &[&str]) {
    let lines: Vec<String> = packets(bytes).map(|packet| line(&packet)).collect();
    assert_eq!(lines, expected);
}

fn line(packet: &Parsed<Packet<'_>>) -> String {
    match packet {
        Ok(Packet::SenderReport(report)) => {
            let info = &report.info;
            let blocks = report.blocks.iter().count();
            format!(
                "sr {} {:x} {} {} {}, {blocks}",
                report.sender.0, info.ntp, info.rtp_time, info.packets, info.octets
            )
        }
        Ok(Packet::ReceiverReport { sender, blocks }) => {
            let lost: Vec<i32> = blocks.iter().map(|block| block.total_lost).collect();
            format!("rr {} {lost:?}", sender.0)
        }
        Ok(Packet::Sdes(sdes)) => {
            let names = sdes
                .cnames()
                .map(|(source, name)| format!("{}={}", source.0, String::from_utf8_lossy(name)));
            format!("sdes {}", names.collect::<Vec<_>>().join(","))
        }
        Ok(Packet::Bye(sources)) => {
            format!("bye {:?}", sources.iter().map(|source| source.0).collect::<Vec<_>>())
        }
        Ok(Packet::Nack(nack)) => format!("nack {:?}", nack.sequences().collect::<Vec<_>>()),
        Ok(Packet::Pli { media, .. }) => format!("pli {:x}", media.0),
        Ok(Packet::Fir(fir)) => {
            format!("fir {:?}", fir.entries().map(|(source, n)| (source.0, n)).collect::<Vec<_>>())
        }
        Ok(Packet::Remb(remb)) => {
            format!("remb {} of {}", remb.bitrate, remb.sources.iter().count())
        }
        Ok(Packet::TransportCc(cc)) => {
            format!(
                "twcc {} {} {:?}",
                cc.reference,
                cc.feedback_count,
                cc.arrivals().collect::<Vec<_>>()
            )
        }
        Ok(Packet::Unknown { packet_type, format }) => format!("unknown {packet_type} {format}"),
        Err(reason) => format!("{reason:?}"),
    }
}

fn block(total_lost: i32) -> ReportBlock {
    ReportBlock {
        source: YOU,
        fraction_lost: 128,
        total_lost,
        highest_sequence: 0x0001_ffff,
        jitter: 7,
        last_report: 8,
        delay: 9,
    }
}

#[test]
fn a_compound_is_walked_in_order() {
    let info = SenderInfo { ntp: 0xabcd_0000_0001, rtp_time: 90_000, packets: 3, octets: 400 };
    let bytes = build(|w| {
        w.sender_report(ME, &info, &[block(5), block(-1)])?;
        w.receiver_report(ME, &[block(-8_388_608), block(9_999_999)])?;
        w.cname(ME, "abc")?;
        w.pli(ME, YOU)?;
        w.fir(ME, YOU, 9)?;
        w.bye(ME)
    });
    check(
        &bytes,
        &[
            "sr 1 abcd00000001 90000 3 400, 2",
            "rr 1 [-8388608, 8388607]",
            "sdes 1=abc",
            "pli 2030405",
            "fir [(33752069, 9)]",
            "bye [1]",
        ],
    );
    assert_eq!(bytes.len() % 4, 0);
}

#[test]
fn report_blocks_survive() {
    let bytes = build(|w| w.receiver_report(ME, &[block(-7)]));
    let Some(Ok(Packet::ReceiverReport { blocks, .. })) = packets(&bytes).next() else { panic!() };
    assert_eq!(blocks.iter().collect::<Vec<_>>(), [block(-7)]);
}

#[test]
fn nack_shares_entries_between_neighbours() {
    // RFC 4585 §6.2.1: one entry holds a number and the sixteen after it.
    let bytes = build(|w| w.nack(ME, YOU, [65_534, 65_534, 65_535, 14, 15, 40]));
    assert_eq!(bytes.len(), 12 + 3 * 4);
    check(&bytes, &["nack [65534, 65535, 14, 15, 40]"]);
    assert!(Writer::new(&mut [0; 64]).nack(ME, YOU, []).is_none());
}

#[test]
fn remb_rounds_down_to_its_mantissa() {
    check(&build(|w| w.remb(ME, 1_000_000, &[YOU])), &["remb 1000000 of 1"]);
    check(&build(|w| w.remb(ME, (1 << 40) + 1, &[])), &["remb 1099511627776 of 0"]);
    // An exponent of 63 with a full mantissa is beyond any bitrate.
    let mut forged = build(|w| w.remb(ME, 1, &[]));
    forged[17..20].fill(0xff);
    check(&forged, &["remb 18446744073709551615 of 0"]);
}

#[test]
fn other_application_feedback_is_unknown() {
    let mut bytes = build(|w| w.remb(ME, 1, &[]));
    bytes[12] = b'X';
    check(&bytes, &["unknown 206 15"]);
}

#[test]
fn bad_heads_end_the_walk_and_bad_bodies_do_not() {
    let pli = build(|w| w.pli(ME, YOU));
    let short_report = [0x81, 201, 0, 1, 0, 0, 0, 1];
    check(&[&short_report[..], &pli].concat(), &["Truncated", "pli 2030405"]);
    check(&[&pli[..], &[0x81, 201, 0xff, 0xff]].concat(), &["pli 2030405", "Truncated"]);
    check(&[&pli[..], &[0x41, 201, 0, 0], &pli].concat(), &["pli 2030405", "Version"]);
    check(&[0x80, 250, 0, 0], &["Version"]);
    check(&[0x80, 204, 0, 0], &["unknown 204 0"]);
}

#[test]
fn padding_is_cut() {
    let mut bytes = build(|w| w.pli(ME, YOU));
    bytes[0] |= 0x20;
    bytes[3] += 1;
    bytes.extend([0, 0, 0, 4]);
    check(&bytes, &["pli 2030405"]);
    *bytes.last_mut().unwrap() = 0;
    check(&bytes, &["Length"]);
    *bytes.last_mut().unwrap() = 200;
    check(&bytes, &["Length"]);
}

#[test]
fn names_beyond_the_packet_are_left_out() {
    let mut bytes = build(|w| w.cname(ME, "abcdefg"));
    bytes[9] = 200;
    check(&bytes, &["sdes "]);
}

#[test]
fn transport_feedback_uses_runs_and_vectors() {
    let head =
        FeedbackHead { sender: ME, media: YOU, base: 65_535, reference: -2, feedback_count: 3 };
    let mut deltas = vec![Some(4); 20];
    deltas.extend([None, Some(-1), Some(300), None, Some(0)]);
    let bytes = build(|w| w.transport_cc(&head, &deltas));
    // Head, fixed fields, run, two-bit vector, 21 one-byte and 2 two-byte deltas, padding.
    assert_eq!(bytes.len(), (4 + 16 + 2 + 2 + 21 + 4usize).next_multiple_of(4));
    let Some(Ok(Packet::TransportCc(cc))) = packets(&bytes).next() else { panic!() };
    assert_eq!((cc.base, cc.reference, cc.feedback_count), (65_535, -2, 3));
    let read: Vec<_> = cc.arrivals().collect();
    assert_eq!(read.first().map(|first| first.0), Some(65_535));
    assert_eq!(read.get(1).map(|second| second.0), Some(0));
    assert_eq!(read.iter().map(|(_, delta)| *delta).collect::<Vec<_>>(), deltas);
}

#[test]
fn transport_feedback_without_its_deltas_is_refused() {
    let head = FeedbackHead { sender: ME, media: YOU, base: 1, reference: 0, feedback_count: 0 };
    let mut bytes = build(|w| w.transport_cc(&head, &[Some(1); 8]));
    // Announce 8000 packets in a run: the deltas are not there.
    bytes[14..16].copy_from_slice(&8000u16.to_be_bytes());
    bytes[20..22].copy_from_slice(&(0x2000u16 | 8000).to_be_bytes());
    check(&bytes, &["Truncated"]);
    // A run of zero packets makes no progress and must not loop for ever.
    bytes[20..22].copy_from_slice(&0u16.to_be_bytes());
    check(&bytes, &["Truncated"]);
}

proptest! {
    #[test]
    fn transport_feedback_round_trips(
        deltas in proptest::collection::vec(proptest::option::of(-2000i16..2000), 1..400),
        base: u16,
    ) {
        let head = FeedbackHead { sender: ME, media: YOU, base, reference: 77, feedback_count: 1 };
        let bytes = build(|w| w.transport_cc(&head, &deltas));
        let Some(Ok(Packet::TransportCc(cc))) = packets(&bytes).next() else { panic!() };
        let read: Vec<_> = cc.arrivals().map(|(_, delta)| delta).collect();
        prop_assert_eq!(read, deltas);
    }

    #[test]
    fn nack_round_trips(mut sequences in proptest::collection::vec(any::<u16>(), 1..100)) {
        sequences.sort_unstable();
        sequences.dedup();
        let bytes = build(|w| w.nack(ME, YOU, sequences.iter().copied()));
        let Some(Ok(Packet::Nack(nack))) = packets(&bytes).next() else { panic!() };
        prop_assert_eq!(nack.sequences().collect::<Vec<_>>(), sequences);
    }

    #[test]
    fn no_bytes_make_the_walk_fail(bytes: Vec<u8>, head in 192u8..224, count: u8) {
        let mut bytes = bytes;
        bytes.splice(0..0, [0x80 | (count & 0x3f), head, 0, (bytes.len() / 4) as u8]);
        for packet in packets(&bytes) {
            line(&packet);
        }
    }

    #[test]
    fn a_packet_that_does_not_fit_leaves_the_compound(size in 0usize..60) {
        let mut out = vec![0; size];
        let mut writer = Writer::new(&mut out);
        let mut expected = 0;
        for _ in 0..6 {
            expected += usize::from(writer.pli(ME, YOU).is_some());
            let _ = writer.cname(ME, "a-name-that-is-long");
        }
        let len = writer.len();
        let read = packets(&out[..len]).filter(|p| matches!(p, Ok(Packet::Pli { .. }))).count();
        prop_assert_eq!(read, expected);
    }
}
