//! Speaks through running bridges or an rtpengine in real time, over sockets, in both directions at
//! once, and writes what is heard at either end, for scoring by `scripts/speech-quality`.
//!
//! Usage: `speech_live bridge|HOST:PORT CODEC SEED [IN.raw OUT_PREFIX LOSS_PERCENT]...`, where the
//! address is that of rtpengine's ng protocol. Samples are 16-bit little-endian mono at the codec's
//! rate. The calls are all at once; what is to be encoded and decoded at their ends is so before and
//! after. `OUT_PREFIX-to-phone.raw` and `OUT_PREFIX-to-room.raw` are written.
//!
//! Either gets the same packets: Opus by the room's encoder with forward error correction, G.711 or
//! G.722 from the phone, and the same ones of them are lost. What comes out is laid down by its RTP
//! timestamps, so that jitter of the last hop costs nothing; see `playout` for what is missing.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use offhook_bridge::PhoneCodec;
use offhook_bridge::codec::Encoder;
use offhook_types::{PayloadType, Rng, Ssrc};
use offhook_wire::rtp::{Header, write_header};

use far::{Ends, Far, Line};

mod far;
mod playout;
mod rtpengine;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [through, codec, seed, wanted @ ..] = arguments.as_slice() else {
        eprintln!("usage: speech_live bridge|HOST:PORT CODEC SEED [IN.raw OUT_PREFIX LOSS]...");
        std::process::exit(2);
    };
    let codec = match codec.as_str() {
        "pcma" => PhoneCodec::Pcma,
        "g722" => PhoneCodec::G722,
        _ => PhoneCodec::Pcmu,
    };
    let seed = seed.parse().unwrap();
    let wanted: Vec<&[String]> = wanted.chunks_exact(3).collect();
    let mut far = match through.as_str() {
        "bridge" => Far::bridges(),
        ng => Far::rtpengine(ng.parse().unwrap()),
    };
    let dial = |call: &&[String]| Call::new(&mut far, codec, &call[0], (&call[2], seed));
    let mut calls: Vec<Call> = wanted.iter().map(dial).collect();
    let heard = converse(&calls);
    far.close();
    for ((call, [at_phone, at_room]), wanted) in calls.iter_mut().zip(heard).zip(wanted) {
        let at_room = call.line.unprotect(at_room);
        write(&wanted[1], "to-phone", &playout::at_phone(&at_phone, codec));
        write(&wanted[1], "to-room", &playout::at_room(&at_room, codec.rate()));
    }
}

/// A call about to be spoken.
struct Call {
    line: Line,
    phone: End,
    room: End,
}

/// One end: its socket, where it sends and what, one packet each 20 ms; an empty one is lost.
struct End {
    socket: UdpSocket,
    to: SocketAddr,
    packets: Vec<Vec<u8>>,
}

impl Call {
    fn new(far: &mut Far, codec: PhoneCodec, input: &str, (loss, seed): (&str, u64)) -> Self {
        let loss: u32 = loss.parse().unwrap();
        let bytes = std::fs::read(input).unwrap();
        let samples: Vec<i16> =
            bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
        let [phone, room] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        let ends =
            Ends { phone: phone.local_addr().unwrap(), room: room.local_addr().unwrap(), codec };
        let mut line = far.connect(&ends);
        let mut voice = Encoder::opus(codec.rate()).unwrap();
        voice.set_loss(u8::try_from(loss).unwrap());
        let mut from_room = packets(&samples, voice, (OPUS, 48_000), codec.rate());
        line.protect(&mut from_room);
        let format = (payload_type(codec), codec.clock());
        let mut from_phone = packets(&samples, Encoder::new(codec).unwrap(), format, codec.rate());
        let mut rng = Rng::from_seed(seed);
        for packet in from_phone.iter_mut().zip(&mut from_room).flat_map(|(a, b)| [a, b]) {
            if rng.chance(loss) {
                packet.clear();
            }
        }
        let phone = End { socket: phone, to: line.phone, packets: from_phone };
        let room = End { socket: room, to: line.room, packets: from_room };
        Self { line, phone, room }
    }
}

/// All ends speak and listen; what phone and room of each call got.
fn converse(calls: &[Call]) -> Vec<[Vec<Vec<u8>>; 2]> {
    let begin = Instant::now() + FRAME;
    thread::scope(|scope| {
        let listeners: Vec<_> = calls
            .iter()
            .map(|call| {
                [&call.phone, &call.room].map(|end| {
                    scope.spawn(move || end.speak(begin));
                    scope.spawn(move || end.listen(begin))
                })
            })
            .collect();
        let hear = |ends: [thread::ScopedJoinHandle<'_, _>; 2]| ends.map(|end| end.join().unwrap());
        listeners.into_iter().map(hear).collect()
    })
}

impl End {
    fn speak(&self, begin: Instant) {
        for (packet, nth) in self.packets.iter().zip(0u32..) {
            thread::sleep((begin + FRAME * nth).saturating_duration_since(Instant::now()));
            if !packet.is_empty() {
                self.socket.send_to(packet, self.to).unwrap();
            }
        }
    }

    fn listen(&self, begin: Instant) -> Vec<Vec<u8>> {
        let end = begin + FRAME * u32::try_from(self.packets.len()).unwrap() + LINGER;
        let mut buffer = [0; 2048];
        let mut heard = Vec::new();
        // Silence that came since the call stands would only move the speech.
        self.socket.set_nonblocking(true).unwrap();
        while self.socket.recv(&mut buffer).is_ok() {}
        self.socket.set_nonblocking(false).unwrap();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return heard;
            }
            self.socket.set_read_timeout(Some(left)).unwrap();
            if let Ok(len) = self.socket.recv(&mut buffer) {
                heard.push(buffer[..len].to_vec());
            }
        }
    }
}

/// A packet for each 20 ms of the samples, of this payload type and clock.
fn packets(
    samples: &[i16],
    mut encoder: Encoder,
    (payload_type, clock): (PayloadType, u32),
    rate: u32,
) -> Vec<Vec<u8>> {
    let mut payload = [0; 1400];
    let frames = samples.chunks_exact(rate as usize / 50).zip(1u16..);
    let packet = |(frame, sequence): (&[i16], u16)| {
        let len = encoder.encode(frame, &mut payload).unwrap();
        let header = Header {
            marker: sequence == 1,
            payload_type,
            sequence,
            timestamp: u32::from(sequence) * (clock / 50),
            ssrc: VOICE,
        };
        let mut out = vec![0; 1500];
        let head = write_header(&mut out, &header, core::iter::empty()).unwrap();
        out.truncate(head);
        out.extend_from_slice(&payload[..len]);
        out
    };
    frames.map(packet).collect()
}

fn write(prefix: &str, direction: &str, samples: &[i16]) {
    let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    std::fs::write(format!("{prefix}-{direction}.raw"), bytes).unwrap();
}

/// Static payload types (RFC 3551 §6).
fn payload_type(codec: PhoneCodec) -> PayloadType {
    match codec {
        PhoneCodec::Pcma => PayloadType(8),
        PhoneCodec::G722 => PayloadType(9),
        _ => PayloadType(0),
    }
}

const OPUS: PayloadType = PayloadType(111);
const VOICE: Ssrc = Ssrc(77);
const FRAME: Duration = Duration::from_millis(20);
/// What is still in buffers after the last packet comes within this.
const LINGER: Duration = Duration::from_millis(500);
