//! The only place that reads a clock. A worker reads it once a turn.

use std::time::Instant;

use offhook_types::Time;

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
}
