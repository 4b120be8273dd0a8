//! What stands between the phone and the room.

use std::net::SocketAddr;

use offhook_bridge::{
    Bridges, Carrier, Config, Event, Format, Handle, Latch, Notice, Options, Order, PhoneCodec,
    RtcpPath,
};
use offhook_rtc::srtp::{self, Protect, Unprotect};
use offhook_types::media::SrtpProfile;
use offhook_types::phone::{MasterKey, Relay};
use offhook_types::{PhoneId, Ssrc};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::rtpengine::Ng;
use crate::{OPUS, VOICE, payload_type};

/// Where phone and room are.
pub struct Ends {
    pub phone: SocketAddr,
    pub room: SocketAddr,
    pub codec: PhoneCodec,
}

pub enum Far {
    /// One worker of bridges.
    Bridges { bridges: Bridges, notices: UnboundedReceiver<Notice>, opened: u64 },
    /// A running rtpengine's control address.
    Rtpengine(SocketAddr),
}

/// A call through it.
pub struct Line {
    /// Where the phone sends.
    pub phone: SocketAddr,
    /// Where the room sends.
    pub room: SocketAddr,
    /// Of the room's side, where that is SRTP.
    srtp: Option<(Protect, Unprotect)>,
    /// Ends the call when dropped.
    _ng: Option<Ng>,
}

impl Far {
    pub fn bridges() -> Self {
        let config = Config { ports: 20_000..=60_000, ..Config::default() };
        let (bridges, notices) = Bridges::start(config).unwrap();
        Self::Bridges { bridges, notices, opened: 0 }
    }

    pub fn rtpengine(ng: SocketAddr) -> Self {
        Self::Rtpengine(ng)
    }

    pub fn connect(&mut self, ends: &Ends) -> Line {
        match self {
            Self::Bridges { bridges, opened, .. } => {
                *opened += 1;
                bridge(&bridges.handle(), PhoneId(*opened), ends)
            }
            Self::Rtpengine(ng) => rtpengine(*ng, ends),
        }
    }

    /// The bridges hang up and their figures are printed: what jitter of this machine has cost is in
    /// them.
    pub fn close(self) {
        let Self::Bridges { bridges, mut notices, .. } = self else { return };
        bridges.stop();
        while let Ok(notice) = notices.try_recv() {
            if let Event::Closed(report) = notice.event {
                println!("{report:?}");
            }
        }
    }
}

impl Line {
    /// The room's packets as they go on the wire.
    pub fn protect(&mut self, packets: &mut [Vec<u8>]) {
        let Some((protect, _)) = &mut self.srtp else { return };
        for (packet, sequence) in packets.iter_mut().zip(1u64..) {
            let len = packet.len();
            packet.resize(len + 64, 0);
            let len = protect.protect_rtp_in_place(sequence, HEADER, len, packet).unwrap();
            packet.truncate(len);
        }
    }

    /// What came to the room, in clear; its RTCP is left out.
    pub fn unprotect(&mut self, packets: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        let Some((_, unprotect)) = &mut self.srtp else { return packets };
        let open = |packet: Vec<u8>| {
            let mut plain = vec![0; 2048];
            let len = unprotect.unprotect_rtp(&packet, &mut plain).ok()?.len;
            plain.truncate(len);
            Some(plain)
        };
        packets.into_iter().filter_map(open).collect()
    }
}

/// Both sides are plain RTP.
fn rtpengine(ng: SocketAddr, ends: &Ends) -> Line {
    let ng = Ng::new(ng);
    let name = match ends.codec {
        PhoneCodec::Pcma => "PCMA",
        PhoneCodec::G722 => "G722",
        _ => "PCMU",
    };
    let opus = "opus/48000/2\r\na=fmtp:111 useinbandfec=1";
    let phone = ng.offer(&description(ends.room, OPUS.0, opus), name);
    let pcm = format!("{name}/8000");
    let room = ng.answer(&description(ends.phone, payload_type(ends.codec).0, &pcm));
    Line { phone, room, srtp: None, _ng: Some(ng) }
}

/// The room's side is SRTP.
fn bridge(handle: &Handle, id: PhoneId, ends: &Ends) -> Line {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let opened = runtime.block_on(handle.open(id, Options::default())).unwrap();
    describe(handle, id, ends);
    let key = |byte| srtp::MasterKey::new(PROFILE, &[byte; 16], &[byte; 12]).unwrap();
    let protect = Protect::new(PROFILE, &key(2)).unwrap();
    let unprotect = Unprotect::new(PROFILE, &key(1), 4).unwrap();
    let srtp = Some((protect, unprotect));
    Line { phone: opened.carrier, room: opened.relay, srtp, _ng: None }
}

fn describe(handle: &Handle, id: PhoneId, ends: &Ends) {
    let payload_type = payload_type(ends.codec);
    handle.order(
        id,
        Order::SetCarrier(Box::new(Carrier {
            remote: ends.phone,
            rtcp: RtcpPath::Mux,
            sends: true,
            receives: true,
            formats: vec![Format { codec: ends.codec, send: payload_type, receive: payload_type }],
            telephone_event: None,
            comfort_noise: None,
            ptime_ms: 20,
            srtp: None,
            latch: Latch::Strict,
            inband_digits: false,
        })),
    );
    let key = |byte| MasterKey { key: vec![byte; 16], salt: vec![byte; 12] };
    handle.order(
        id,
        Order::Connect(Box::new(Relay {
            address: ends.room,
            profile: PROFILE,
            to_room: key(1),
            from_room: key(2),
            ssrc: Ssrc(9),
            opus: OPUS,
            audio_level: 0,
        })),
    );
    handle.order(id, Order::Hear(vec![VOICE]));
}

fn description(address: SocketAddr, payload_type: u8, codec: &str) -> String {
    let (ip, port) = (address.ip(), address.port());
    format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP {payload_type}\r\na=rtpmap:{payload_type} {codec}\r\n\
         a=ptime:20\r\na=sendrecv\r\n"
    )
}

const PROFILE: SrtpProfile = SrtpProfile::AeadAes128Gcm;
/// RTP without extensions.
const HEADER: usize = 12;
