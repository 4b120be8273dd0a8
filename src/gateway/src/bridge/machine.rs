//! The machine of one bridge.

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::VecDeque;
use std::sync::Arc;

use offhook_types::counters::Counters;
use offhook_types::{Rng, Time};

use super::count::Count;
use super::tone::Announcements;
use super::words::{Event, Options, Order, Report};

/// Which socket something leaves by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Port {
    /// The carrier's RTP (and RTCP, when muxed).
    CarrierRtp,
    /// The carrier's RTCP.
    CarrierRtcp,
    /// Everything of the relay leg.
    Relay,
}

/// What a bridge wants done.
#[derive(Debug)]
pub enum Output<'a> {
    /// Send a datagram.
    Send {
        /// By which socket.
        port: Port,
        /// To where.
        to: SocketAddr,
        /// The datagram.
        bytes: &'a [u8],
    },
    /// Tell the gateway.
    Event(Event),
}

/// The bridge of one phone leg. Sans-IO: it is handed what came and what time it is, and says what
/// to send.
pub struct Bridge {
    next: Time,
    events: VecDeque<Event>,
    counters: Counters<Count>,
}

impl Bridge {
    /// A bridge that ticks from `start` on.
    pub fn new(start: Time, _options: Options, _recordings: Arc<Announcements>, _rng: Rng) -> Self {
        Self { next: start, events: VecDeque::new(), counters: Counters::default() }
    }

    /// Takes an order.
    pub fn handle(&mut self, _now: Time, order: Order) {
        if matches!(order, Order::Close) {
            self.events.push_back(Event::Closed(Box::new(Report::default())));
        }
    }

    /// Takes a datagram from the carrier's RTP port.
    pub fn handle_carrier(&mut self, _now: Time, _from: SocketAddr, _bytes: &[u8]) {
        self.counters.add(Count::NotReady);
    }

    /// Takes a datagram from the carrier's RTCP port.
    pub fn handle_carrier_rtcp(&mut self, _now: Time, _from: SocketAddr, _bytes: &[u8]) {
        self.counters.add(Count::NotReady);
    }

    /// Takes a datagram from the relay's port.
    pub fn handle_relay(&mut self, _now: Time, _from: SocketAddr, _bytes: &[u8]) {
        self.counters.add(Count::NotReady);
    }

    /// When [`Bridge::handle_timeout`] is due.
    pub fn next_timeout(&self) -> Time {
        self.next
    }

    /// The time has come: mixes, encodes, sends.
    pub fn handle_timeout(&mut self, now: Time) {
        self.next = now + Duration::from_millis(20);
    }

    /// Hands out everything that the bridge wants done by now, in order.
    pub fn poll(&mut self, mut each: impl FnMut(Output<'_>)) {
        self.events.drain(..).for_each(|event| each(Output::Event(event)));
    }

    /// What was counted so far.
    pub fn counters(&self) -> &Counters<Count> {
        &self.counters
    }
}
