//! A bridge in virtual time with a phone and a room of one voice, both of which lose packets as told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use offhook_bridge::codec::{Decoder, Encoder};
use offhook_bridge::{
    Announcements, Bridge, Carrier, Format, Latch, Options, Order, Output, PhoneCodec, Port,
    RtcpPath,
};
use offhook_rtc::srtp::{self, Protect, Unprotect};
use offhook_types::media::SrtpProfile;
use offhook_types::phone::{MasterKey, Relay};
use offhook_types::{PayloadType, Rng, Ssrc, Time};
use offhook_wire::demux::Kind;
use offhook_wire::rtp::{Header, Packet, write_header};

const PROFILE: SrtpProfile = SrtpProfile::AeadAes128Gcm;
const OPUS: PayloadType = PayloadType(111);
const PHONE: PayloadType = PayloadType(96);
const VOICE: Ssrc = Ssrc(77);

pub struct Rig {
    pub bridge: Bridge,
    pub now: Time,
    codec: PhoneCodec,
    sequence: u16,
    phone: Encoder,
    voice: Encoder,
    protect: Protect,
    unprotect: Unprotect,
    at_phone: Decoder,
    at_room: Decoder,
    /// What was heard so far.
    pub phone_heard: Vec<i16>,
    pub room_heard: Vec<i16>,
    /// Decode what comes out.
    pub listens: bool,
}

impl Rig {
    pub fn new(codec: PhoneCodec, expected_loss: u8) -> Self {
        let now = Time::from_millis(1000);
        let options = Options::default();
        let recordings = Arc::new(Announcements::default());
        let mut bridge = Bridge::new(now, options, recordings, Rng::from_seed(5));
        let remote = SocketAddr::from(([127, 0, 0, 1], 4000));
        bridge.handle(
            now,
            Order::SetCarrier(Box::new(Carrier {
                remote,
                rtcp: RtcpPath::Mux,
                sends: true,
                receives: true,
                formats: vec![Format { codec, send: PHONE, receive: PHONE }],
                telephone_event: None,
                comfort_noise: None,
                ptime_ms: 20,
                srtp: None,
                latch: Latch::Strict,
                inband_digits: false,
            })),
        );
        let key = |byte| MasterKey { key: vec![byte; 16], salt: vec![byte; 12] };
        bridge.handle(
            now,
            Order::Connect(Box::new(Relay {
                address: SocketAddr::from(([127, 0, 0, 1], 5000)),
                profile: PROFILE,
                to_room: key(1),
                from_room: key(2),
                ssrc: Ssrc(9),
                opus: OPUS,
                audio_level: 1,
            })),
        );
        bridge.handle(now, Order::Hear(vec![VOICE]));
        let key = |byte| srtp::MasterKey::new(PROFILE, &[byte; 16], &[byte; 12]).unwrap();
        let mut voice = Encoder::opus(codec.rate()).unwrap();
        voice.set_loss(expected_loss);
        Self {
            bridge,
            now,
            codec,
            sequence: 0,
            phone: Encoder::new(codec).unwrap(),
            voice,
            protect: Protect::new(PROFILE, &key(2)).unwrap(),
            unprotect: Unprotect::new(PROFILE, &key(1), 4).unwrap(),
            at_phone: Decoder::new(codec).unwrap(),
            at_room: Decoder::opus(codec.rate()).unwrap(),
            phone_heard: Vec::new(),
            room_heard: Vec::new(),
            listens: true,
        }
    }

    /// Samples in 20 ms.
    pub fn frame(&self) -> usize {
        self.codec.rate() as usize / 50
    }

    /// Packets of this turn's sound: from the phone, and from the room.
    pub fn packets(&mut self, samples: &[i16]) -> [Vec<u8>; 2] {
        let mut payload = [0; 1400];
        let mut packet = |encoder: &mut Encoder, payload_type, clock: u32, ssrc| {
            let len = encoder.encode(samples, &mut payload).unwrap();
            let header = Header {
                marker: self.sequence == 0,
                payload_type,
                sequence: self.sequence,
                timestamp: u32::from(self.sequence) * (clock / 50),
                ssrc,
            };
            let mut out = vec![0; 1500];
            let head = write_header(&mut out, &header, core::iter::empty()).unwrap();
            out[head..head + len].copy_from_slice(&payload[..len]);
            (out, head, head + len)
        };
        let (mut phone, _, len) = packet(&mut self.phone, PHONE, self.codec.clock(), Ssrc(3));
        phone.truncate(len);
        let (mut voice, head, len) = packet(&mut self.voice, OPUS, 48_000, VOICE);
        let sequence = u64::from(self.sequence);
        let len = self.protect.protect_rtp_in_place(sequence, head, len, &mut voice).unwrap();
        voice.truncate(len);
        self.sequence += 1;
        [phone, voice]
    }

    /// 20 ms pass, in which these packets come, where they are not lost.
    pub fn turn(&mut self, phone: Option<&[u8]>, voice: Option<&[u8]>) {
        let from = SocketAddr::from(([127, 0, 0, 1], 4000));
        if let Some(phone) = phone {
            self.bridge.handle_carrier(self.now, from, phone);
        }
        if let Some(voice) = voice {
            self.bridge.handle_relay(self.now, from, voice);
        }
        self.now = self.now + Duration::from_millis(20);
        self.bridge.handle_timeout(self.now);
        let Self { bridge, unprotect, at_phone, at_room, phone_heard, room_heard, .. } = self;
        let listens = self.listens;
        bridge.poll(|output| {
            let Output::Send { port, bytes, .. } = output else { return };
            if !listens || Kind::of(bytes) != Some(Kind::Rtp) {
                return;
            }
            let mut plain = [0; 1500];
            let (decoder, heard, bytes) = match port {
                Port::Relay => {
                    let opened = unprotect.unprotect_rtp(bytes, &mut plain).unwrap();
                    (&mut *at_room, &mut *room_heard, &plain[..opened.len])
                }
                _ => (&mut *at_phone, &mut *phone_heard, bytes),
            };
            decoder.decode(Packet::parse(bytes).unwrap().payload, heard).unwrap();
        });
    }
}
