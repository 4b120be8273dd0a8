//! What the endpoints are started with.

use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

/// Everything that the endpoints are told at their start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Address that the sockets are bound to.
    pub bind: IpAddr,
    /// The endpoint of worker `n` listens on `base_port + n`. Zero takes any free port for each.
    pub base_port: u16,
    /// PEM files of the chain and its key; without them a certificate is made at each start.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// Kernel buffer of each socket and direction. The kernel may grant less.
    pub socket_buffer: usize,
    /// What one peer, and all together, may use.
    pub limits: Limits,
    /// A connection on which nothing arrives for so long is over.
    pub idle_timeout: Duration,
    /// From the first packet of a connection to its being in a room.
    pub join_timeout: Duration,
    /// How long a packet may wait to be sent. Later it is worth less than the next one.
    pub send_delay: Duration,
}

/// Upper bounds. Whatever exceeds one is refused or dropped, and counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections of one endpoint.
    pub connections: usize,
    /// Of these, from one address; IPv6 is counted by /64.
    pub connections_per_address: usize,
    /// Connections of one endpoint that have not joined a room.
    pub pending: usize,
    /// Beyond so many of these, a client must prove its address before anything is kept for it.
    pub unproven: usize,
    /// Bytes of a session message.
    pub message_bytes: usize,
    /// Packets that may wait to be sent on one connection.
    pub send_packets: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            bind: IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            base_port: 7982,
            certificate: None,
            socket_buffer: 4 << 20,
            limits: Limits::default(),
            idle_timeout: Duration::from_secs(15),
            join_timeout: Duration::from_secs(10),
            send_delay: Duration::from_millis(50),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 2000,
            connections_per_address: 100,
            pending: 256,
            unproven: 32,
            message_bytes: 64 << 10,
            // A key frame of 600 kB, or 50 ms at 100 Mbit/s.
            send_packets: 512,
        }
    }
}
