//! The only place that reads a clock. A worker reads it once a turn.

use std::time::{Instant, SystemTime};

use offhook_types::{Time, WallTime};

/// Time since the node started.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    /// The instant that [`Time::ZERO`] stands for.
    pub(crate) origin: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { origin: Instant::now() }
    }

    pub(crate) fn now(&self) -> Time {
        Time::ZERO + self.origin.elapsed()
    }

    /// The calendar, for sender reports.
    pub(crate) fn wall() -> WallTime {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        WallTime(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}
