//! Figures that a caller tells every second.

use std::time::Duration;

use offhook_scenario::figures::StreamFigures;
use offhook_scenario::histogram::Histogram;

use super::data::Talked;
use super::send::Volume;

/// Of one connection, since the previous ones.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// What was sent: sound, pictures.
    pub sent: [Volume; 2],
    /// What came, stream by stream.
    pub streams: Vec<StreamFigures>,
    /// From the sender's clock to ours, every stamped packet.
    pub delays: Histogram,
    /// Bytes of RTP that came, headers and repairs included.
    pub wire_bytes: u64,
    /// Datagrams that did not authenticate or mean nothing.
    pub rejected: u64,
    /// From the beginning to where media may flow; `None` before.
    pub up_after: Option<Duration>,
    /// The round trip as the transport measured it last.
    pub rtt: Duration,
    /// What the server says that we may send it, where it says so.
    pub estimate_bps: Option<u64>,
    /// Data messages.
    pub messages: Talked,
}
