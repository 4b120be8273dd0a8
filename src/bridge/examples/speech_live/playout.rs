//! What the ends make of the packets that reach them: each is laid down by its RTP timestamp, so
//! neither order nor jitter matter. Where nothing came the room's libopus recovers or conceals, as
//! browsers do, and the phone says its last packet once more.

use std::collections::BTreeMap;

use offhook_bridge::PhoneCodec;
use offhook_bridge::codec::Decoder;
use offhook_types::PayloadType;
use offhook_wire::demux::Kind;
use offhook_wire::rtp::Packet;

/// What the phone hears.
pub fn at_phone(packets: &[Vec<u8>], codec: PhoneCodec) -> Vec<i16> {
    let mut decoder = Decoder::new(codec).unwrap();
    let mut heard = Vec::new();
    for (at, payload) in placed(packets, crate::payload_type(codec), codec.clock()) {
        let at = at * codec.rate() as usize / 1000;
        let mut sound = Vec::new();
        decoder.decode(payload, &mut sound).unwrap();
        while heard.len() < at {
            let again = heard.len().saturating_sub(sound.len());
            let missing = (at - heard.len()).min(heard.len() - again).max(1);
            heard.extend_from_within(again..again + missing);
        }
        heard.truncate(at);
        heard.extend(sound);
    }
    heard
}

/// What the room hears.
pub fn at_room(packets: &[Vec<u8>], rate: u32) -> Vec<i16> {
    let mut decoder = opus::Decoder::new(rate, opus::Channels::Mono).unwrap();
    let frame = rate as usize / 50;
    let mut heard = Vec::new();
    let mut run = |payload: &[u8], samples: usize, recover, heard: &mut Vec<i16>| {
        let mut sound = vec![0; samples];
        let len = decoder.decode(payload, &mut sound, recover).unwrap();
        heard.extend(&sound[..len]);
    };
    for (at, payload) in placed(packets, crate::OPUS, 48_000) {
        let at = at * rate as usize / 1000;
        while heard.len() + frame < at {
            run(&[], frame, false, &mut heard);
        }
        if heard.len() < at {
            let missing = at - heard.len();
            run(payload, missing, true, &mut heard);
        }
        if heard.len() == at {
            run(payload, 6 * frame, false, &mut heard);
        }
    }
    heard
}

/// Payloads of a type by their time in milliseconds after the first.
fn placed(
    packets: &[Vec<u8>],
    payload_type: PayloadType,
    clock: u32,
) -> impl Iterator<Item = (usize, &[u8])> {
    let mut first = None;
    let mut by_time = BTreeMap::new();
    for bytes in packets.iter().filter(|bytes| Kind::of(bytes) == Some(Kind::Rtp)) {
        let packet = Packet::parse(bytes).unwrap();
        let header = packet.header();
        if header.payload_type != payload_type || packet.payload.is_empty() {
            continue;
        }
        let first = *first.get_or_insert(header.timestamp);
        let after = header.timestamp.wrapping_sub(first) as usize;
        by_time.insert(after / (clock / 1000) as usize, packet.payload);
    }
    by_time.into_iter()
}
