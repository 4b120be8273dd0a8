//! What moves a session's packets, behind one small interface: a peer connection as browsers have it ([`peer`]),
//! over UDP or TCP, or a QUIC connection ([`quic`]). Machines: what a wire received comes in with its time, and what is
//! to be sent goes out through an [`Outbox`].

pub mod peer;
pub mod quic;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use offhook_rtc::dtls::Certificate;
use offhook_types::media::DataKind;
use offhook_types::{Ssrc, Time};

use super::agreed::Agreed;
use super::outbox::Outbox;

/// Longest packet that is written; what one leg receives is no longer.
const LONGEST: usize = 1500;

/// What every caller of a process shares.
#[derive(Clone)]
pub struct Identity {
    /// One for all: making thousands would be the load.
    pub certificate: Arc<Certificate>,
    /// What [`Time::ZERO`] stands for.
    pub base: Instant,
}

impl Identity {
    /// The time now.
    pub fn now(&self) -> Time {
        Time::ZERO + self.base.elapsed()
    }
}

/// What a datagram held, plain in the caller's buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    /// So many bytes of RTP.
    Rtp(usize),
    /// So many bytes of RTCP.
    Rtcp(usize),
    /// Nothing for the caller.
    Nothing,
}

/// Where a transport is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Not there yet.
    Connecting,
    /// Media may flow.
    Up,
    /// Over, and why.
    Over(&'static str),
}

/// Writes a header or a whole compound to the front of a buffer, and answers its length; nothing if it does not fit.
pub type Write<'a> = &'a mut dyn FnMut(&mut [u8]) -> Option<usize>;

/// The machine. What it says beyond packets is for those that have it: a transport without data messages refuses them.
pub trait Transport: Send {
    /// The server described its side, for the first time or anew.
    fn agree(&mut self, now: Time, agreed: &Agreed);

    /// Where it is in its life.
    fn state(&self) -> State;

    /// The round trip as it was measured last; zero before.
    fn rtt(&self) -> Duration;

    /// Takes what the wire received; what it held for the caller is in `plain`, which is as long at least.
    fn handle(&mut self, now: Time, from: SocketAddr, packet: &[u8], plain: &mut [u8]) -> Opened;

    /// Send an RTP packet of a stream: `write` puts a header in front, `payload` follows. The sequence number is
    /// unwrapped. The length of what is sent.
    fn send_rtp(&mut self, numbers: (Ssrc, u64), payload: &[u8], write: Write<'_>)
    -> Option<usize>;

    /// Send the compound that `write` makes.
    fn send_rtcp(&mut self, write: Write<'_>) -> Option<usize>;

    /// To be sent.
    fn out(&mut self) -> &mut Outbox;

    /// Packets since the last call that do not authenticate or mean nothing.
    fn take_rejected(&mut self) -> u64;

    /// The server names more addresses.
    fn candidates(&mut self, _now: Time, _candidates: &[SocketAddr]) {}

    /// Lets time pass.
    fn handle_timeout(&mut self, _now: Time) {}

    /// When to call [`Transport::handle_timeout`].
    fn next_timeout(&self) -> Time {
        Time::MAX
    }

    /// Send a data message. False when it cannot be sent now.
    fn send_message(&mut self, _now: Time, _kind: DataKind, _payload: &[u8]) -> bool {
        false
    }

    /// The next data message that came.
    fn next_message(&mut self) -> Option<(DataKind, Vec<u8>)> {
        None
    }

    /// Say goodbye.
    fn close(&mut self, _now: Time) {}
}
