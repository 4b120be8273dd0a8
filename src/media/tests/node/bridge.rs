//! One of our own processes on the other side of a relay leg: a socket, an address and keys, and nothing else.

use std::net::{SocketAddr, UdpSocket};

use offhook_rtc::srtp::{self, Protect, Unprotect};
use offhook_types::media::{
    CodecParams, Connection, Extension, Extensions, Ingress, Keyed, Layer, MasterKey, Negotiated,
    SrtpProfile,
};
use offhook_types::{Codec, MediaKind, PayloadType, Ssrc, TrackId};
use offhook_wire::{rtcp, rtp};

/// What the relay leg agreed on. None of it is what the clients of these tests agreed on.
pub const OPUS: u8 = 96;
pub const LEVEL: u8 = 5;
/// In -dBov.
pub const LOUD: u8 = 10;
/// The stream that the bridge sends.
pub const SSRC: Ssrc = Ssrc(4000);

const PROFILE: SrtpProfile = SrtpProfile::AeadAes128Gcm;

/// As the control plane tells the node.
pub fn negotiated() -> Negotiated {
    let mut extensions = Extensions::default();
    extensions.set(Extension::AudioLevel, LEVEL);
    let opus = CodecParams {
        payload_type: PayloadType(OPUS),
        codec: Codec::Opus,
        rtx: None,
        nack: false,
        pli: false,
        transport_cc: false,
        remb: false,
    };
    Negotiated { codecs: vec![opus], extensions }
}

/// The bridge's stream as a track.
pub fn ingress(track: TrackId) -> Ingress {
    let layers = vec![Layer { ssrc: Some(SSRC), ..Layer::default() }];
    Ingress { track, kind: MediaKind::Audio, mid: None, layers }
}

pub struct Bridge {
    socket: UdpSocket,
    pub server: SocketAddr,
    secret: u8,
    protect: Protect,
    unprotect: Unprotect,
    sequence: u64,
    /// How loud it is, in -dBov; 127 is silence (RFC 6464 §3).
    pub level: u8,
    /// Heard, plain.
    pub media: Vec<(rtp::Header, Vec<u8>)>,
    pub control: Vec<Vec<u8>>,
}

impl Bridge {
    /// A bridge whose keys are made of one number.
    pub fn new(server: SocketAddr, secret: u8) -> Self {
        let socket = UdpSocket::bind((server.ip(), 0)).unwrap();
        socket.set_nonblocking(true).unwrap();
        let (to_room, from_room) = keys(secret);
        Self {
            socket,
            server,
            secret,
            protect: Protect::new(PROFILE, &cipher_key(&to_room)).unwrap(),
            unprotect: Unprotect::new(PROFILE, &cipher_key(&from_room), 64).unwrap(),
            sequence: 100,
            level: LOUD,
            media: Vec::new(),
            control: Vec::new(),
        }
    }

    /// Under keys that the node was not given, with numbers that it has not seen.
    pub fn stranger(server: SocketAddr) -> Self {
        Self { sequence: 20_000, ..Self::new(server, 50) }
    }

    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    /// The same socket under other keys.
    pub fn renew(self, secret: u8) -> Self {
        // What is still unread is under the keys of before.
        while self.socket.recv_from(&mut [0; 2000]).is_ok() {}
        Self { socket: self.socket, ..Self::new(self.server, secret) }
    }

    /// As the control plane tells the node.
    pub fn keyed(&self) -> Keyed {
        let (receive, send) = keys(self.secret);
        Keyed { remote: self.address(), profile: PROFILE, receive, send }
    }

    pub fn connection(&self) -> Connection {
        Connection::Keyed(self.keyed())
    }

    /// Send the next packet of 20 ms.
    pub fn speak(&mut self) {
        let packet = self.packet();
        self.send_raw(&packet);
    }

    /// The next packet, protected.
    pub fn packet(&mut self) -> Vec<u8> {
        self.sequence += 1;
        let header = rtp::Header {
            marker: false,
            payload_type: PayloadType(OPUS),
            sequence: self.sequence as u16,
            timestamp: self.sequence as u32 * 960,
            ssrc: SSRC,
        };
        let mut out = vec![0; 500];
        let level = [0x80 | self.level];
        let extensions = [(LEVEL, level.as_slice())].into_iter();
        let len = rtp::write_header(&mut out, &header, extensions).unwrap();
        let len = self.protect.protect_rtp(self.sequence, len, b"phone", &mut out).unwrap();
        out.truncate(len);
        out
    }

    /// A compound control packet, protected.
    pub fn control_packet(&mut self, build: impl FnOnce(&mut rtcp::Writer<'_>)) -> Vec<u8> {
        let mut out = vec![0; 500];
        let mut writer = rtcp::Writer::new(&mut out);
        build(&mut writer);
        let len = writer.len();
        let len = self.protect.protect_rtcp(len, &mut out).unwrap();
        out.truncate(len);
        out
    }

    /// Say that we are there, and nothing else.
    pub fn report(&mut self) {
        let packet = self.control_packet(|writer| {
            writer.receiver_report(SSRC, &[]).unwrap();
        });
        self.send_raw(&packet);
    }

    pub fn send_raw(&self, bytes: &[u8]) {
        self.socket.send_to(bytes, self.server).unwrap();
    }

    /// Take what has arrived. Whatever does not authenticate fails the test.
    pub fn step(&mut self) {
        let (mut packet, mut plain) = ([0; 2000], [0; 2000]);
        while let Ok((len, from)) = self.socket.recv_from(&mut packet) {
            assert_eq!(from, self.server);
            let packet = &packet[..len];
            if (192..224).contains(&packet[1]) {
                let len = self.unprotect.unprotect_rtcp(packet, &mut plain).unwrap();
                self.control.push(plain[..len].to_vec());
            } else {
                let len = self.unprotect.unprotect_rtp(packet, &mut plain).unwrap().len;
                let parsed = rtp::Packet::parse(&plain[..len]).unwrap();
                self.media.push((*parsed.header(), parsed.payload.to_vec()));
            }
        }
    }
}

/// To the room and from it.
fn keys(secret: u8) -> (MasterKey, MasterKey) {
    let key = |byte| MasterKey { key: vec![byte; 16], salt: vec![byte; 12] };
    (key(secret), key(secret + 1))
}

fn cipher_key(key: &MasterKey) -> srtp::MasterKey {
    srtp::MasterKey::new(PROFILE, &key.key, &key.salt).unwrap()
}
