//! What a media node is started with. Every limit is fixed at the start, so that memory and work are bounded from then
//! on and a flood meets a counter.

use core::net::{IpAddr, Ipv6Addr};
use core::time::Duration;
use std::path::PathBuf;

use offhook_rtc::congestion;

/// Everything that a node is told at its start.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Where the workers listen. The unspecified IPv6 address means both families on one socket; on a host without
    /// IPv6 it falls back to the unspecified IPv4 address.
    pub bind: IpAddr,
    /// The first worker's UDP port; worker `n` listens on `base_port + n`. Zero takes any free port for each.
    pub base_port: u16,
    /// Worker threads, at least one. One per core that media may use.
    pub workers: u16,
    /// Pin worker `n` to the `n`th core that the process may run on.
    pub pin: bool,
    /// Addresses written into host candidates, best first. Empty: the address bound to, or where that is
    /// unspecified the
    /// addresses that this host would reach the internet from, or loopback.
    pub advertise: Vec<IpAddr>,
    /// Threads that do DTLS handshakes and data channels, at least one.
    pub handshake_threads: u16,
    /// Give each worker a tunnel, for legs whose transport another part of the process ends.
    pub tunnels: bool,
    /// Socket receive buffer in bytes. The kernel may grant less; that is logged.
    pub receive_buffer: usize,
    /// Socket send buffer in bytes. The kernel may grant less; that is logged.
    pub send_buffer: usize,
    /// Most audio tracks of a room that are heard at a time, the loudest; zero is all.
    pub voices: usize,
    /// TCP ports that streams are accepted on (ICE over TCP, and TLS where there is a certificate), at the
    /// address of the workers. Zero takes any free port. Empty: UDP only.
    pub stream_ports: Vec<u16>,
    /// What peers are shown that begin with TLS.
    pub stream_tls: Option<StreamTls>,
    /// Announce only candidates over TCP: to see that they do, and for networks where UDP is never to be used.
    pub stream_only: bool,
    /// What one peer, and all together, may use.
    pub limits: Limits,
    /// Where the estimate of what a receiver may be sent starts and stays between.
    pub congestion: congestion::Limits,
    /// How long is waited for what.
    pub timeouts: Timeouts,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            bind: IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            base_port: 7882,
            workers: 1,
            pin: true,
            advertise: Vec::new(),
            handshake_threads: 1,
            tunnels: false,
            // 4 MiB holds 1800 datagrams of 1200 bytes (2315 bytes each in the kernel's accounting), which is 10 ms at
            // 180,000 packets a second.
            receive_buffer: 4 << 20,
            send_buffer: 4 << 20,
            voices: 5,
            stream_ports: Vec::new(),
            stream_tls: None,
            stream_only: false,
            limits: Limits::default(),
            // A small picture and sound at the start. The first probes, of three and six times that, come within a
            // tenth of a second.
            congestion: congestion::Limits { start: 600_000, min: 50_000, max: 20_000_000 },
            timeouts: Timeouts::default(),
        }
    }
}

/// A certificate for TLS, as PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamTls {
    /// The chain, the server's own first.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Upper bounds. Whatever exceeds one is refused politely or dropped and counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Legs on one worker.
    pub legs_per_worker: usize,
    /// Tracks that one leg may publish.
    pub ingress_per_leg: usize,
    /// Tracks that one leg may receive.
    pub egress_per_leg: usize,
    /// Authenticated or not: datagrams a second that one leg may send us.
    pub packets_per_second: u32,
    /// Bits a second that one leg may send us.
    pub bits_per_second: u64,
    /// DTLS handshakes in progress on the node.
    pub handshakes: usize,
    /// Streams of the node.
    pub streams: usize,
    /// Of these, from one address (IPv6: /64).
    pub streams_per_address: u32,
    /// Packet slots of one worker. A slot is held while a packet may be asked for again, so this bounds how much is
    /// kept for retransmission: about 1.6 KB each.
    pub slots: usize,
    /// Video packets of one layer kept for retransmission.
    pub history_video: usize,
    /// Audio packets kept for retransmission.
    pub history_audio: usize,
    /// Longest data channel message.
    pub message_bytes: usize,
    /// Bytes waiting on one leg's reliable channel before the reader counts as too slow.
    pub data_buffer_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            legs_per_worker: 2000,
            ingress_per_leg: 32,
            egress_per_leg: 512,
            // A 1080p simulcast publisher with screen share sends about 1000 packets a second.
            packets_per_second: 8000,
            bits_per_second: 64_000_000,
            handshakes: 128,
            streams: 4000,
            // Everybody in an office whose firewall takes no UDP.
            streams_per_address: 400,
            slots: 16_384,
            history_video: 512,
            history_audio: 32,
            message_bytes: 65_536,
            data_buffer_bytes: 4 << 20,
        }
    }
}

/// How long is waited for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// From opening a leg to its keys.
    pub setup: Duration,
    /// Without a valid connectivity check on a live leg (RFC 7675 §5.1 seen from the lite side), or on a relay
    /// leg without a packet that authenticates.
    pub consent: Duration,
    /// How long a packet is kept for retransmission. A NACK that comes later repairs nothing that is still awaited.
    pub history: Duration,
    /// Between two quality events of a leg.
    pub quality: Duration,
    /// How long `stop` waits for each thread.
    pub stop: Duration,
    /// How long a worker that was woken by a packet waits for the rest of the burst, so that it is forwarded together.
    /// Only a worker with a tenth of a core's work does: with less, there is little to save.
    pub linger: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            setup: Duration::from_secs(15),
            consent: Duration::from_secs(30),
            history: Duration::from_millis(1500),
            quality: Duration::from_secs(3),
            stop: Duration::from_secs(3),
            // Of none, 100 us and 500 us the best in the limits benchmark: a fifth less CPU than none, and less delay
            // at p99 than 500 us.
            linger: Duration::from_micros(100),
        }
    }
}
