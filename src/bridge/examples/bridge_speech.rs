//! Sends a recording through a bridge in both directions and writes what is heard, for scoring by
//! `scripts/speech-quality`.
//!
//! Usage: `bridge_speech IN.raw OUT_PREFIX CODEC LOSS_PERCENT SEED`, samples as 16-bit little-endian
//! mono at the codec's rate. `OUT_PREFIX-to-phone.raw` and `OUT_PREFIX-to-room.raw` are written.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "../benches/bridge/rig.rs"]
mod rig;

use offhook_bridge::PhoneCodec;
use offhook_types::Rng;
use rig::Rig;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [input, prefix, codec, loss, seed] = arguments.as_slice() else {
        eprintln!("usage: bridge_speech IN.raw OUT_PREFIX CODEC LOSS_PERCENT SEED");
        std::process::exit(2);
    };
    let codec = match codec.as_str() {
        "pcmu" => PhoneCodec::Pcmu,
        "pcma" => PhoneCodec::Pcma,
        "g722" => PhoneCodec::G722,
        _ => PhoneCodec::Opus,
    };
    let loss: u32 = loss.parse().unwrap();
    let mut rng = Rng::from_seed(seed.parse().unwrap());
    let bytes = std::fs::read(input).unwrap();
    let mut samples: Vec<i16> =
        bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    // What is in the buffers at the end comes out too.
    samples.resize(samples.len() + codec.rate() as usize / 4, 0);
    let mut rig = Rig::new(codec, u8::try_from(loss).unwrap());
    for frame in samples.chunks_exact(rig.frame()) {
        let [phone, voice] = rig.packets(frame);
        let mut comes = || !rng.chance(loss);
        let (phone_comes, voice_comes) = (comes(), comes());
        rig.turn(phone_comes.then_some(&phone), voice_comes.then_some(&voice));
    }
    for (name, heard) in [("to-phone", &rig.phone_heard), ("to-room", &rig.room_heard)] {
        let bytes: Vec<u8> = heard.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        std::fs::write(format!("{prefix}-{name}.raw"), bytes).unwrap();
    }
}
