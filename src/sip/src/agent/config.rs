//! What an agent is set up with: addresses, limits and timers, all decided before the first packet.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use super::{PeerId, Transport};
use crate::uri::HostPort;

/// What an agent is set up with.
#[derive(Clone)]
pub struct Config {
    /// Where the agent is reached, one per transport and address family.
    pub doors: Vec<Door>,
    /// `User-Agent` and `Server`.
    pub product: String,
    /// Timers of RFC 3261 and of this agent.
    pub timers: Timers,
    /// What is never exceeded.
    pub limits: Limits,
    /// What is offered and asked for in session timers (RFC 4028).
    pub refresh: Refresh,
    /// The realm of challenges to peers that have to log in.
    pub realm: String,
    /// What proves that a challenge is ours: random, and nobody else's.
    pub key: [u8; 32],
    /// Say every message as an [`Output::Trace`](super::Output::Trace).
    pub trace: bool,
}

/// Holds a key.
impl core::fmt::Debug for Config {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Config({:?}, {:?}, {:?})", self.doors, self.timers, self.limits)
    }
}

/// One socket, and how the world sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    /// Of which transport.
    pub transport: Transport,
    /// Where the socket is bound; what leaves is sent from here.
    pub local: SocketAddr,
    /// What `Via` and `Contact` say: the address in front of the NAT, or a name.
    pub advertised: HostPort,
}

/// The timers of RFC 3261 §17.1.1.1, and how long the agent waits for its own side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timers {
    /// Round trip estimate; every other timer follows from it.
    pub t1: Duration,
    /// Longest interval between retransmissions.
    pub t2: Duration,
    /// How long a message stays in the network.
    pub t4: Duration,
    /// How long the caller may keep an offer, a REFER or an answer in its hands.
    pub decision: Duration,
    /// How long an incoming call may ring.
    pub ring: Duration,
    /// How long the resolver may take with one question.
    pub resolver: Duration,
    /// How long the addresses of a resolved host count as its peer's after their last use.
    pub remembered: Duration,
}

/// What is never exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Calls at a time.
    pub calls: usize,
    /// Client and server transactions at a time.
    pub transactions: usize,
    /// Server transactions of one source address at a time.
    pub per_source: usize,
    /// Early dialogs of one outgoing call.
    pub forks: usize,
    /// Largest message that is read, in bytes.
    pub message: usize,
}

/// Session timers (RFC 4028).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refresh {
    /// What is asked for.
    pub interval: Duration,
    /// The shortest that is accepted (`Min-SE`), at least 90 s (RFC 4028 §4).
    pub shortest: Duration,
}

/// Whose packets are read. Others are counted and forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Who that is.
    pub id: PeerId,
    /// Network address.
    pub net: IpAddr,
    /// How many leading bits of it count.
    pub prefix: u8,
    /// Only from this port; `None` for every port.
    pub port: Option<u16>,
}

impl Peer {
    /// Whether `source` is this peer's.
    pub fn has(&self, source: SocketAddr) -> bool {
        let bits = |ip: IpAddr| match ip.to_canonical() {
            IpAddr::V4(ip) => (32, u128::from(ip.to_bits()) << 96),
            IpAddr::V6(ip) => (128, ip.to_bits()),
        };
        let ((wide, net), (family, ip)) = (bits(self.net), bits(source.ip()));
        let shift = 128_u32.saturating_sub(u32::from(self.prefix).min(wide));
        let same = (net ^ ip).checked_shr(shift).unwrap_or(0) == 0;
        wide == family && same && self.port.is_none_or(|port| port == source.port())
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            doors: Vec::new(),
            product: "Offhook".into(),
            timers: Timers::default(),
            limits: Limits::default(),
            refresh: Refresh::default(),
            realm: "offhook".into(),
            key: [0; 32],
            trace: true,
        }
    }
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            decision: Duration::from_secs(10),
            ring: Duration::from_secs(180),
            resolver: Duration::from_secs(5),
            remembered: Duration::from_secs(3600),
        }
    }
}

impl Timers {
    /// Sixty-four T1: timers B, F, H, J, L and M.
    pub const fn patience(&self) -> Duration {
        self.t1.saturating_mul(64)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            calls: 20_000,
            transactions: 100_000,
            per_source: 20_000,
            forks: 12,
            message: 65_535,
        }
    }
}

impl Default for Refresh {
    fn default() -> Self {
        Self { interval: Duration::from_secs(1800), shortest: Duration::from_secs(90) }
    }
}
