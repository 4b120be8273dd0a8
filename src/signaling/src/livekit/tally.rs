//! What clients did that they should not, counted.

use std::sync::atomic::{AtomicU64, Ordering};

use offhook_types::counted;
use offhook_types::counters::Counted;

counted! {
    /// Something that a client of this door did wrong.
    pub enum Misdeed {
        /// Came with a token that does not open the door.
        BadToken = "bad_token",
        /// Wanted to join with a query that is none.
        BadQuery = "bad_query",
        /// Sent something that is not a message, or a description that is none.
        Malformed = "malformed",
        /// Sent more messages than it may.
        Flood = "flood",
        /// Did not read.
        Slow = "slow",
        /// Sent a data message that is too large.
        LargeData = "large_data",
        /// Sent more data than it may.
        DataFlood = "data_flood",
        /// Sent a data message that is none.
        MalformedData = "malformed_data",
        /// Sent data without permission, or to a room that is too busy.
        RefusedData = "refused_data",
    }
}

/// One number per misdeed, shared by all sessions. They are rare, so sharing costs nothing.
#[derive(Debug, Default)]
pub(super) struct Tally {
    counts: [AtomicU64; Misdeed::ALL.len()],
}

impl Tally {
    pub fn add(&self, what: Misdeed) {
        if let Some(count) = self.counts.get(what.index()) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub fn all(&self) -> Vec<(Misdeed, u64)> {
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed));
        Misdeed::ALL.iter().copied().zip(counts).collect()
    }
}
