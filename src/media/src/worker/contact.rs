//! What vouches for the address that a leg's packets come from and go to, and for the peer's consent to them.

use core::net::SocketAddr;
use core::time::Duration;

use offhook_rtc::ice::IceLite;
use offhook_types::Time;
use offhook_types::media::IceCredentials;

use crate::bucket::Bucket;

/// How a leg's peer is known.
pub(super) enum Contact {
    /// By the connectivity checks that it sends; they are its consent too.
    Checked(Box<Checked>),
    /// By the control plane, which gave its address and keys. Each packet that authenticates is its consent.
    Keyed {
        /// When the latest came, or the leg was opened.
        heard: Time,
    },
    /// By the transport at the other end of the tunnel, which keeps watch over it.
    Tunnelled,
}

/// What only a leg with ICE and DTLS has.
pub(super) struct Checked {
    pub(super) ice: IceLite,
    /// Our user fragments under which the leg is found; two during an ICE restart.
    pub(super) ufrags: Vec<String>,
    /// DTLS datagrams.
    pub(super) dtls: Bucket,
}

/// Browsers check a pair in use every 2.5 s, others every 5 s (RFC 7675 §5.1).
const OWNED: Duration = Duration::from_secs(8);
/// DTLS datagrams a second: a data channel at 16 Mbit/s.
const DTLS_RATE: u64 = 2000;
/// Before the keys: a handshake has about ten, some of them twice.
const HANDSHAKE_RATE: u64 = 100;

impl Contact {
    pub(super) fn checked(
        now: Time,
        local: IceCredentials,
        remote: Option<IceCredentials>,
    ) -> Self {
        let ufrags = vec![local.ufrag.clone()];
        let (ice, dtls) = (IceLite::new(local, remote), Bucket::new(now, HANDSHAKE_RATE));
        Self::Checked(Box::new(Checked { ice, ufrags, dtls }))
    }

    pub(super) fn keyed(now: Time) -> Self {
        Self::Keyed { heard: now }
    }

    /// The peer is a process of ours.
    pub(super) const fn is_relay(&self) -> bool {
        matches!(self, Self::Keyed { .. })
    }

    /// The half that only ICE and DTLS need.
    pub(super) fn as_checked(&mut self) -> Option<&mut Checked> {
        match self {
            Self::Checked(checked) => Some(checked),
            Self::Keyed { .. } | Self::Tunnelled => None,
        }
    }

    /// The handshake is over; data may follow.
    pub(super) fn keyed_up(&mut self, now: Time) {
        if let Self::Checked(checked) = self {
            checked.dtls = Bucket::new(now, DTLS_RATE);
        }
    }

    pub(super) fn ufrags(&self) -> &[String] {
        match self {
            Self::Checked(checked) => &checked.ufrags,
            Self::Keyed { .. } | Self::Tunnelled => &[],
        }
    }

    /// A packet of the peer authenticated.
    #[inline]
    pub(super) fn authenticated(&mut self, now: Time) {
        match self {
            Self::Keyed { heard } => *heard = now,
            Self::Checked(_) | Self::Tunnelled => {}
        }
    }

    /// When the peer last showed its consent to what we send (RFC 7675), if ever; the end of time where that is not
    /// for us to watch.
    pub(super) fn consented(&self) -> Option<Time> {
        match self {
            Self::Checked(checked) => checked.ice.consented(),
            Self::Keyed { heard } => Some(*heard),
            Self::Tunnelled => Some(Time::MAX),
        }
    }

    /// Whether no check may take an address of the leg away from it.
    pub(super) fn keeps_address(&self, now: Time, address: SocketAddr) -> bool {
        match self {
            Self::Checked(checked) => {
                checked.ice.heard_from(address).is_some_and(|heard| now.since(heard) < OWNED)
            }
            Self::Keyed { .. } | Self::Tunnelled => true,
        }
    }
}
