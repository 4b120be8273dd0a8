//! The receiver's side of transport-wide congestion control (draft-holmer-rmcat-transport-wide-cc-extensions-01): records
//! when each packet of a leg arrived and reports it to the sender, whose estimator does the rest.

use offhook_types::rtp::Ssrc;
use offhook_types::time::Time;

/// Arrivals of one leg that wait to be reported.
pub struct Recorder {
    sender: Ssrc,
}

impl Recorder {
    /// `sender` is the SSRC that our feedback is sent from.
    pub fn new(sender: Ssrc) -> Self {
        Self { sender }
    }

    /// A packet arrived with this transport-wide sequence number on a stream of `media`.
    pub fn received(&mut self, now: Time, sequence: u16, media: Ssrc) {
        let _ = (now, sequence, media, self.sender);
    }

    /// Writes one feedback packet to `out` when it is time and returns its length. Call until `None`.
    pub fn poll(&mut self, now: Time, out: &mut [u8]) -> Option<usize> {
        let _ = (now, out);
        None
    }

    /// When to poll next; `None` while nothing waits.
    pub fn next_timeout(&self) -> Option<Time> {
        None
    }
}
