use super::*;

fn at(millis: u64) -> Time {
    Time::from_millis(millis)
}

/// Packets 20 ms apart at 48 kHz.
fn reception(sequences: &[u64]) -> Reception {
    let mut reception = Reception::new(Ssrc(5), 48_000);
    for &sequence in sequences {
        reception.received(at(sequence * 20), sequence, sequence as u32 * 960);
    }
    reception
}

#[test]
fn nothing_is_reported_of_a_stream_that_never_came() {
    assert_eq!(Reception::new(Ssrc(1), 90_000).block(at(5)), None);
}

#[test]
fn loss_is_counted_in_all_and_per_interval() {
    let mut reception = reception(&[100, 101, 103, 104]);
    let block = reception.block(at(0)).unwrap();
    assert_eq!((block.fraction_lost, block.cumulative_lost), (51, 1));
    assert_eq!((block.ssrc, block.highest_sequence, block.jitter), (Ssrc(5), 104, 0));
    assert_eq!((block.last_sender_report, block.delay), (0, 0));
    // The lost one comes late and another twice: the interval had more packets than expected.
    reception.received(at(2100), 102, 0);
    reception.received(at(2100), 105, 105 * 960);
    reception.received(at(2100), 105, 105 * 960);
    let block = reception.block(at(0)).unwrap();
    assert_eq!((block.fraction_lost, block.cumulative_lost), (0, -1));
    assert_eq!(reception.totals(), (6, 7));
}

#[test]
fn what_was_lost_before_the_interval_is_not_lost_again() {
    let mut reception = reception(&[1, 2, 5, 6]);
    assert_eq!(reception.block(at(0)).unwrap().fraction_lost, 85);
    reception.received(at(140), 7, 7 * 960);
    let block = reception.block(at(0)).unwrap();
    assert_eq!((block.fraction_lost, block.cumulative_lost), (0, 2));
    assert_eq!(reception.block(at(0)).unwrap().fraction_lost, 0);
}

#[test]
fn a_packet_from_before_the_first_widens_the_range() {
    let mut reception = reception(&[65_537, 65_535]);
    assert_eq!(reception.totals(), (3, 2));
    assert_eq!(reception.block(at(0)).unwrap().highest_sequence, 65_537);
}

#[test]
fn extreme_numbers_fit_their_fields() {
    let mut reception = Reception::new(Ssrc(5), 48_000);
    reception.received(at(0), 0, 0);
    reception.received(at(0), 1 << 40, 0);
    let block = reception.block(at(0)).unwrap();
    assert_eq!((block.fraction_lost, block.cumulative_lost), (255, 0x7f_ffff));
}

#[test]
fn the_delay_since_the_senders_report_is_told() {
    let mut reception = reception(&[1]);
    reception.sender_report(at(1000), 0x1234_5678_9abc_def0);
    let block = reception.block(at(1500)).unwrap();
    assert_eq!((block.last_sender_report, block.delay), (0x5678_9abc, 32_768));
}

#[test]
fn jitter_follows_rfc_3550_appendix_a_8() {
    let mut reception = Reception::new(Ssrc(5), 48_000);
    let mut expected = 0f64;
    let mut last = 0i64;
    for n in 0..200u64 {
        let late = [0, 3, 1, 7, 2][(n % 5) as usize];
        reception.received(at(n * 20 + late), n, n as u32 * 960);
        let transit = late as i64 * 48;
        if n > 0 {
            expected += ((transit - last).abs() as f64 - expected) / 16.0;
        }
        last = transit;
    }
    let jitter = reception.block(at(0)).unwrap().jitter;
    assert!((f64::from(jitter) - expected).abs() < 2.0, "{jitter} {expected}");
    assert_eq!(reception.jitter().as_millis(), u128::from(jitter) / 48);
}

#[test]
fn packets_of_one_picture_and_clock_jumps_are_no_jitter() {
    let mut reception = Reception::new(Ssrc(5), 90_000);
    for picture in 0..50u64 {
        for part in 0..10u64 {
            let now = at(picture * 33 + part * 2);
            reception.received(now, picture * 10 + part, picture as u32 * 2970);
        }
    }
    assert_eq!(reception.block(at(0)).unwrap().jitter, 0);
    reception.received(at(1700), 501, 0xf000_0000);
    assert_eq!(reception.block(at(0)).unwrap().jitter, 0);
}
