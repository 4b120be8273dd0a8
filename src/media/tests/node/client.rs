//! A WebRTC client in a few lines, made of the pieces of `offhook-rtc` seen from the other side: controlling ICE, DTLS
//! client, SRTP, SCTP. It never waits longer than a step.
#![allow(dead_code)]

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Instant;

use offhook_rtc::dtls::{self, Certificate, Dtls};
use offhook_rtc::sctp::{self, Sctp};
use offhook_rtc::srtp::{Protect, SrtpKeys, Unprotect};
use offhook_rtc::twcc::Recorder;
use offhook_types::media::{
    CodecParams, DataKind, DtlsRole, Extension, Extensions, Fingerprint, IceCredentials,
    Negotiated, Remote,
};
use offhook_types::{Codec, PayloadType, Ssrc, Time};
use offhook_wire::demux::Kind;
use offhook_wire::stun::{self, Builder, Class, IntegrityKey, TransactionId, attribute};
use offhook_wire::{rtcp, rtp};

use crate::wire::Wire;

pub const MID: u8 = 4;
pub const RID: u8 = 10;
pub const REPAIRED_RID: u8 = 11;
pub const TRANSPORT: u8 = 3;
pub const LEVEL: u8 = 1;
pub const OPUS: u8 = 111;
pub const VP8: u8 = 96;
pub const VP8_RTX: u8 = 97;

/// What every test agrees on.
pub fn negotiated() -> Negotiated {
    let params = |number, codec, rtx: Option<u8>, video| CodecParams {
        payload_type: PayloadType(number),
        codec,
        rtx: rtx.map(PayloadType),
        nack: video,
        pli: video,
        transport_cc: true,
        remb: video,
    };
    let mut extensions = Extensions::default();
    extensions.set(Extension::Mid, MID);
    extensions.set(Extension::Rid, RID);
    extensions.set(Extension::RepairedRid, REPAIRED_RID);
    extensions.set(Extension::TransportCc, TRANSPORT);
    extensions.set(Extension::AudioLevel, LEVEL);
    let codecs =
        vec![params(OPUS, Codec::Opus, None, false), params(VP8, Codec::Vp8, Some(VP8_RTX), true)];
    Negotiated { codecs, extensions }
}

/// A received media packet, plain.
#[derive(Debug, Clone)]
pub struct Media {
    pub header: rtp::Header,
    pub payload: Vec<u8>,
    pub mid: Option<Vec<u8>>,
    pub level: Option<u8>,
    pub transport: Option<u16>,
    pub from: SocketAddr,
}

/// A media packet to send.
#[derive(Debug, Clone, Copy)]
pub struct Send<'a> {
    pub payload_type: u8,
    pub sequence: u64,
    pub timestamp: u32,
    pub ssrc: u32,
    pub payload: &'a [u8],
    pub mid: Option<&'a str>,
    pub rid: Option<&'a str>,
    pub transport: Option<u16>,
}

impl Default for Send<'_> {
    fn default() -> Self {
        Self {
            payload_type: OPUS,
            sequence: 1000,
            timestamp: 0,
            ssrc: 1,
            payload: b"sound",
            mid: None,
            rid: None,
            transport: None,
        }
    }
}

pub struct Client {
    wire: Wire,
    pub server: SocketAddr,
    pub credentials: IceCredentials,
    pub server_credentials: IceCredentials,
    certificate: Arc<Certificate>,
    origin: Instant,
    dtls: Option<Dtls>,
    sctp: Option<Sctp>,
    keys: Option<SrtpKeys>,
    protect: Option<Protect>,
    unprotect: Option<Unprotect>,
    buffer: Vec<u8>,
    discarded: Vec<u8>,
    transaction: u8,
    waits: bool,
    pub stun_answers: Vec<Class>,
    /// Checks of the server.
    pub checks_answered: u32,
    /// Leaves them unanswered.
    pub is_deaf: bool,
    pub media: VecDeque<Media>,
    pub control: VecDeque<Vec<u8>>,
    pub messages: Vec<(DataKind, Vec<u8>)>,
    pub open_channels: Vec<DataKind>,
    pub refused: Option<dtls::Refusal>,
    pub closed: bool,
    /// Give transport-wide feedback.
    pub answers: bool,
    recorder: Recorder,
    /// Keep protected media packets.
    pub keeps: bool,
    pub raw: Vec<Vec<u8>>,
    /// Media packets of which this is true are lost on the way.
    pub loses: Box<dyn FnMut(&Media) -> bool + core::marker::Send>,
}

impl Client {
    /// A client on the loopback address of the server's family.
    pub fn new(serial: u64, server: SocketAddr, server_credentials: IceCredentials) -> Self {
        let ip: IpAddr =
            if server.is_ipv4() { [127, 0, 0, 1].into() } else { "::1".parse().unwrap() };
        let server = SocketAddr::new(ip, server.port());
        Self::over(Wire::udp((ip, 0).into()), (serial, server), server_credentials)
    }

    /// A client whose packets travel over this.
    pub fn over(
        wire: Wire,
        (serial, server): (u64, SocketAddr),
        server_credentials: IceCredentials,
    ) -> Self {
        Self {
            wire,
            server,
            credentials: credentials(&format!("client{serial}")),
            server_credentials,
            certificate: Arc::new(Certificate::generate().unwrap()),
            origin: Instant::now(),
            dtls: None,
            sctp: None,
            keys: None,
            protect: None,
            unprotect: None,
            buffer: vec![0; 2048],
            discarded: vec![0; 1 << 16],
            transaction: 0,
            waits: true,
            stun_answers: Vec::new(),
            checks_answered: 0,
            is_deaf: false,
            media: VecDeque::new(),
            control: VecDeque::new(),
            messages: Vec::new(),
            open_channels: Vec::new(),
            refused: None,
            closed: false,
            answers: false,
            recorder: Recorder::new(Ssrc(1)),
            keeps: false,
            raw: Vec::new(),
            loses: Box::new(|_| false),
        }
    }

    /// Our half, for the server that is to wait for our hello.
    pub fn remote(&self) -> Remote {
        Remote {
            ice: self.credentials.clone(),
            fingerprint: self.certificate.fingerprint(),
            role: DtlsRole::Server,
        }
    }

    pub fn now(&self) -> Time {
        Time::ZERO + self.origin.elapsed()
    }

    /// Do not wait in [`Client::step`]: the server is driven by the same thread.
    pub fn never_wait(&mut self) {
        self.waits = false;
    }

    /// The keys that the handshake gave.
    pub fn keys(&self) -> Option<&SrtpKeys> {
        self.keys.as_ref()
    }

    /// The socket, for options.
    pub fn descriptor(&self) -> i32 {
        self.wire.descriptor()
    }

    /// Throw away what has arrived, unread.
    pub fn discard(&mut self) {
        while self.wire.receive(&mut self.discarded, false).is_ok() {}
    }

    pub fn address(&self) -> SocketAddr {
        self.wire.address()
    }

    /// A connectivity check that nominates.
    pub fn check(&mut self) {
        let packet = self.check_packet();
        self.send_raw(&packet);
    }

    pub fn check_with(&mut self, password: &[u8]) {
        let packet = self.check_packet_with(password);
        self.send_raw(&packet);
    }

    pub fn check_packet(&mut self) -> Vec<u8> {
        let password = self.server_credentials.pwd.clone();
        self.check_packet_with(password.as_bytes())
    }

    fn check_packet_with(&mut self, password: &[u8]) -> Vec<u8> {
        self.transaction = self.transaction.wrapping_add(1);
        let mut packet = [0; 256];
        let user = format!("{}:{}", self.server_credentials.ufrag, self.credentials.ufrag);
        let transaction = TransactionId([self.transaction; 12]);
        let len = Builder::new(&mut packet, Class::Request, stun::BINDING, transaction)
            .attribute(attribute::USERNAME, user.as_bytes())
            .attribute(attribute::PRIORITY, &1_853_824_767u32.to_be_bytes())
            .attribute(attribute::ICE_CONTROLLING, &7u64.to_be_bytes())
            .attribute(attribute::USE_CANDIDATE, &[])
            .integrity(&IntegrityKey::new(password))
            .fingerprint()
            .finish()
            .unwrap();
        packet[..len].to_vec()
    }

    /// Begin the handshake, expecting a certificate with this fingerprint.
    pub fn shake_hands(&mut self, expected: Fingerprint) {
        let setup = dtls::Setup {
            certificate: self.certificate.clone(),
            role: DtlsRole::Client,
            peer: expected,
            base: self.origin,
        };
        self.dtls = Some(Dtls::new(self.now(), setup));
        self.poll();
    }

    pub fn is_up(&self) -> bool {
        self.keys.is_some()
    }

    pub fn send_raw(&mut self, bytes: &[u8]) {
        self.wire.send(bytes, self.server);
    }

    /// Go on from another socket, as after a change of network. The old one stays open.
    pub fn move_to(&mut self, wire: Wire) -> Wire {
        core::mem::replace(&mut self.wire, wire)
    }

    pub fn send_from_elsewhere(&self, bytes: &[u8]) {
        let other = UdpSocket::bind((self.server.ip(), 0)).unwrap();
        other.send_to(bytes, self.server).unwrap();
    }

    pub fn send(&mut self, packet: &Send<'_>) {
        let bytes = self.protect(packet);
        self.send_raw(&bytes);
    }

    pub fn protect(&mut self, packet: &Send<'_>) -> Vec<u8> {
        let mut out = vec![0; 2000];
        let header = rtp::Header {
            marker: false,
            payload_type: PayloadType(packet.payload_type),
            sequence: packet.sequence as u16,
            timestamp: packet.timestamp,
            ssrc: Ssrc(packet.ssrc),
        };
        let transport = packet.transport.map(u16::to_be_bytes);
        let rid = if packet.payload_type == VP8_RTX { REPAIRED_RID } else { RID };
        let extensions = [
            packet.mid.map(|mid| (MID, mid.as_bytes())),
            packet.rid.map(|name| (rid, name.as_bytes())),
            transport.as_ref().map(|number| (TRANSPORT, number.as_slice())),
        ];
        let len = rtp::write_header(&mut out, &header, extensions.into_iter().flatten()).unwrap();
        let protect = self.protect.as_mut().unwrap();
        let len = protect.protect_rtp(packet.sequence, len, packet.payload, &mut out).unwrap();
        out.truncate(len);
        out
    }

    /// Send a compound control packet.
    pub fn send_control(&mut self, build: impl FnOnce(&mut rtcp::Writer<'_>)) {
        let mut out = vec![0; 1500];
        let mut writer = rtcp::Writer::new(&mut out);
        build(&mut writer);
        let len = writer.len();
        let len = self.protect.as_mut().unwrap().protect_rtcp(len, &mut out).unwrap();
        self.send_raw(&out[..len]);
    }

    /// The server asks whether we are here.
    fn answer(&mut self, check: &stun::Message<'_>) {
        let key = IntegrityKey::new(self.credentials.pwd.as_bytes());
        let user = format!("{}:{}", self.credentials.ufrag, self.server_credentials.ufrag);
        assert_eq!(check.username(), Some(user.as_bytes()));
        assert!(check.verify_integrity(&key) && check.ice_controlled().is_some());
        self.checks_answered += 1;
        if self.is_deaf {
            return;
        }
        let answer = self.answer_packet(check.transaction.0);
        self.send_raw(&answer);
    }

    /// The answer to a check with this transaction.
    pub fn answer_packet(&self, transaction: [u8; 12]) -> Vec<u8> {
        let key = IntegrityKey::new(self.credentials.pwd.as_bytes());
        let mut out = [0; 128];
        let transaction = TransactionId(transaction);
        let len = Builder::new(&mut out, Class::Success, stun::BINDING, transaction)
            .xor_mapped_address(self.server)
            .integrity(&key)
            .fingerprint()
            .finish()
            .unwrap();
        out[..len].to_vec()
    }

    pub fn send_message(&mut self, kind: DataKind, payload: &[u8]) {
        self.sctp.as_mut().unwrap().send(kind, payload).unwrap();
        self.poll();
    }

    pub fn say_goodbye(&mut self) {
        let now = self.now();
        self.dtls.as_mut().unwrap().close(now);
        self.poll();
    }

    /// Take what has arrived; if nothing has, wait for the socket's read timeout first.
    pub fn step(&mut self) {
        let (mut packet, mut waits) = ([0; 4096], self.waits);
        while let Ok((len, from)) = self.wire.receive(&mut packet, waits) {
            self.take(&packet[..len], from);
            waits = false;
        }
        let now = self.now();
        if let Some(dtls) = &mut self.dtls {
            dtls.handle_timeout(now);
        }
        if let Some(sctp) = &mut self.sctp {
            sctp.handle_timeout(now);
        }
        self.poll();
        self.report_arrivals(now);
    }

    fn report_arrivals(&mut self, now: Time) {
        let (mut out, head) = (vec![0; 1500], 8);
        while let Some(len) = self.recorder.poll(now, &mut out[head..]) {
            rtcp::Writer::new(&mut out).receiver_report(Ssrc(1), &[]).unwrap();
            let protect = self.protect.as_mut().unwrap();
            let len = protect.protect_rtcp(head + len, &mut out).unwrap();
            self.send_raw(&out[..len]);
        }
    }

    fn take(&mut self, packet: &[u8], from: SocketAddr) {
        let now = self.now();
        match Kind::of(packet) {
            Some(Kind::Stun) => {
                let message = stun::Message::parse(packet).unwrap();
                match message.class {
                    Class::Request => self.answer(&message),
                    class => self.stun_answers.push(class),
                }
            }
            Some(Kind::Dtls) => {
                if let Some(dtls) = &mut self.dtls {
                    dtls.handle_packet(now, packet);
                    self.poll();
                }
            }
            Some(Kind::Rtp) => {
                if self.keeps {
                    let is_known = self.raw.iter().any(|known| known == packet);
                    self.raw.push(packet.to_vec());
                    if is_known {
                        return;
                    }
                }
                let mut plain = vec![0; packet.len()];
                let opened = self.unprotect.as_mut().unwrap().unprotect_rtp(packet, &mut plain);
                let len = opened.expect("what the server sends is authentic and new").len;
                let parsed = rtp::Packet::parse(&plain[..len]).unwrap();
                let transport =
                    parsed.extension(TRANSPORT).and_then(|number| number.try_into().ok());
                let transport = transport.map(u16::from_be_bytes);
                let media = Media {
                    transport,
                    header: *parsed.header(),
                    payload: parsed.payload.to_vec(),
                    mid: parsed.extension(MID).map(<[u8]>::to_vec),
                    level: parsed.extension(LEVEL).and_then(|level| level.first().copied()),
                    from,
                };
                if (self.loses)(&media) {
                    return;
                }
                if let Some(number) = transport.filter(|_| self.answers) {
                    self.recorder.received(now, number, parsed.header().ssrc);
                }
                // Padding on a retransmission stream is a probe.
                if parsed.payload.is_empty() && parsed.header().payload_type.0 == VP8_RTX {
                    return;
                }
                self.media.push_back(media);
            }
            Some(Kind::Rtcp) => {
                let mut plain = vec![0; packet.len()];
                let len = self.unprotect.as_mut().unwrap().unprotect_rtcp(packet, &mut plain);
                plain.truncate(len.expect("what the server sends is authentic and new"));
                self.control.push_back(plain);
            }
            None => panic!("the server sent something unknown"),
        }
    }

    fn poll(&mut self) {
        let now = self.now();
        loop {
            self.poll_dtls(now);
            let mut moved = false;
            while let Some(output) = self.sctp.as_mut().and_then(|sctp| sctp.poll(now)) {
                match output {
                    sctp::Output::Packet(packet) => {
                        moved |= self.dtls.as_mut().unwrap().send(now, &packet);
                    }
                    sctp::Output::Opened(kind) => self.open_channels.push(kind),
                    sctp::Output::Message { kind, payload } => self.messages.push((kind, payload)),
                    sctp::Output::Closed => {}
                }
            }
            if !moved {
                return;
            }
        }
    }

    fn poll_dtls(&mut self, now: Time) {
        while let Some(dtls) = &mut self.dtls {
            match dtls.poll(&mut self.buffer) {
                dtls::Output::Packet(packet) => {
                    self.wire.send(packet, self.server);
                }
                dtls::Output::Connected(connected) => {
                    let keys = connected.keys;
                    self.protect = Protect::new(keys.profile, &keys.local);
                    self.unprotect = Unprotect::new(keys.profile, &keys.remote, 256);
                    self.keys = Some(keys);
                    let setup = sctp::Setup {
                        role: DtlsRole::Client,
                        opens_channels: true,
                        max_message: 65_536,
                        max_buffered: 1 << 20,
                        base: self.origin,
                    };
                    self.sctp = Some(Sctp::new(now, setup));
                }
                dtls::Output::Data(data) => {
                    if let Some(sctp) = &mut self.sctp {
                        sctp.handle_packet(now, data);
                    }
                }
                dtls::Output::Refused(refusal) => self.refused = Some(refusal),
                dtls::Output::Closed => self.closed = true,
                dtls::Output::Timeout(_) => return,
            }
        }
    }
}

pub fn credentials(name: &str) -> IceCredentials {
    IceCredentials { ufrag: name.to_owned(), pwd: format!("{name:0<22}password") }
}

/// A VP8 payload: one packet that is a whole frame.
pub fn vp8(key_frame: bool, picture: u16, len: usize) -> Vec<u8> {
    let [high, low] = (0x8000 | picture).to_be_bytes();
    let mut payload = vec![0x90, 0x80, high, low, u8::from(!key_frame)];
    payload.resize(len.max(16), picture as u8);
    payload
}
