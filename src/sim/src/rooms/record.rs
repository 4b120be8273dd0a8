//! What became of one participant, second by second.

use core::time::Duration;

use offhook_scenario::figures::{StreamFigures, Tally};
use offhook_scenario::histogram::Histogram;
use offhook_scenario::{Group, Seat};
use offhook_types::{MediaKind, Time};

/// One participant.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// Who.
    pub identity: String,
    /// Position of its group in the scenario.
    pub group: usize,
    /// Visits.
    pub joins: u64,
    /// From joining to the first picture of anybody, or sound where no pictures are watched, of each visit.
    pub firsts: Vec<Duration>,
    /// Every second.
    pub seconds: Vec<Second>,
    /// Packets published by those it watches, since the last second was noted.
    pub offered: u64,
    first_told: bool,
}

/// One second.
#[derive(Debug, Clone, Default)]
pub(super) struct Second {
    /// It was there.
    pub present: bool,
    /// Packets published by those it watches.
    pub offered: u64,
    /// What came.
    pub tally: Tally,
    /// What it may be sent, in bits a second, when the second ended.
    pub estimate: Option<u64>,
}

impl Record {
    /// Nothing yet.
    pub(super) fn new(seat: &Seat) -> Self {
        Self { identity: seat.identity.clone(), group: seat.group, ..Self::default() }
    }

    /// It was not there when a second ended.
    pub(super) fn absent(&mut self, now: Time) {
        self.second(now);
    }

    /// What came since the last note.
    pub(super) fn note(
        &mut self,
        now: Time,
        group: &Group,
        (streams, delays): (&[StreamFigures], Histogram),
        estimate: Option<u64>,
    ) {
        let kind =
            if group.watches(MediaKind::Video) { MediaKind::Video } else { MediaKind::Audio };
        let of_kind = streams.iter().filter(|stream| stream.codec.kind() == kind);
        let first = of_kind.filter_map(|stream| stream.first_after).min();
        if let Some(first) = first.filter(|_| !self.first_told) {
            self.first_told = true;
            self.firsts.push(first);
        }
        let offered = core::mem::take(&mut self.offered);
        let second = self.second(now);
        (second.present, second.estimate) = (true, estimate);
        second.offered += offered;
        streams.iter().for_each(|stream| second.tally.stream(stream));
        second.tally.delays.merge(&delays);
    }

    /// A visit is over.
    pub(super) fn left(&mut self) {
        self.first_told = false;
    }

    /// The second that is over, or in which somebody leaves.
    fn second(&mut self, now: Time) -> &mut Second {
        let index = (now.as_micros().saturating_sub(1) / 1_000_000) as usize;
        if self.seconds.len() <= index {
            self.seconds.resize(index + 1, Second::default());
        }
        &mut self.seconds[index]
    }
}
