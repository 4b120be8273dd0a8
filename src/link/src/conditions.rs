//! What a link does to packets, and how that changes over time.

use core::time::Duration;

/// A share of all packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Share(u32);

impl Share {
    /// None of them.
    pub const NONE: Self = Self(0);
    /// All of them.
    pub const ALL: Self = Self(1_000_000);

    /// So many of a million; more than a million is all.
    pub const fn of_million(many: u32) -> Self {
        if many > Self::ALL.0 { Self::ALL } else { Self(many) }
    }

    /// So many of a hundred.
    pub const fn percent(many: u32) -> Self {
        Self::of_million(many.saturating_mul(10_000))
    }

    /// How many of a million.
    pub const fn per_million(self) -> u32 {
        self.0
    }
}

/// Losses that come together (Gilbert's model): the wire is good or bad, and in the bad state everything is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bursts {
    /// Packets between two bursts, on average.
    pub every: u32,
    /// Packets lost in one, on average.
    pub length: u32,
}

/// What a link does to packets. The default is a perfect one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conditions {
    /// Bits per second through the bottleneck; `None` is no bottleneck.
    pub rate_bps: Option<u64>,
    /// Longest that a packet may wait for the bottleneck, its own transmission included. What would wait longer is
    /// dropped, unless nothing else waits.
    pub queue: Duration,
    /// Packets lost by themselves.
    pub loss: Share,
    /// Packets lost together.
    pub bursts: Option<Bursts>,
    /// From the bottleneck to the other end.
    pub delay: Duration,
    /// Added to the delay, evenly from nothing to this. Packets stay in their order.
    pub jitter: Duration,
    /// Packets that are overtaken.
    pub late: Share,
    /// How much later than the others they come.
    pub late_by: Duration,
    /// Packets that come twice.
    pub double: Share,
}

impl Default for Conditions {
    fn default() -> Self {
        Self {
            rate_bps: None,
            // What access routers have had for long: enough for one round trip across an ocean.
            queue: Duration::from_millis(200),
            loss: Share::NONE,
            bursts: None,
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            late: Share::NONE,
            late_by: Duration::ZERO,
            double: Share::NONE,
        }
    }
}

/// Conditions from some time on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Step {
    /// After the link's beginning.
    pub after: Duration,
    /// From then on.
    pub conditions: Conditions,
}

/// Conditions over time. Before its first step a link is perfect.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Schedule {
    steps: Vec<Step>,
}

impl Schedule {
    /// In whichever order.
    pub fn new(mut steps: Vec<Step>) -> Self {
        steps.sort_by_key(|step| step.after);
        Self { steps }
    }

    /// The same all the time.
    pub fn constant(conditions: Conditions) -> Self {
        Self { steps: vec![Step { after: Duration::ZERO, conditions }] }
    }

    /// The conditions so long after the beginning.
    pub fn at(&self, after: Duration) -> Conditions {
        let last = self.begun(after).checked_sub(1).and_then(|last| self.steps.get(last));
        last.map(|step| step.conditions.clone()).unwrap_or_default()
    }

    /// Every step in its order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    pub(crate) fn begun(&self, after: Duration) -> usize {
        self.steps.partition_point(|step| step.after <= after)
    }

    pub(crate) fn step(&self, index: usize) -> Option<&Step> {
        self.steps.get(index)
    }
}
