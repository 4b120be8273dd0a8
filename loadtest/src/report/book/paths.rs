//! Sums for each way in.

use std::collections::BTreeMap;
use std::ops::Range;

use offhook_scenario::DoorName;
use offhook_scenario::figures::Tally;
use offhook_scenario::histogram::Histogram;

use super::{Book, quantiles};
use crate::report::PathTotals;

#[derive(Default)]
struct Sum {
    receivers: u32,
    tally: Tally,
    first: Histogram,
}

impl Book {
    /// Sums over the seconds from `window`, by door, wire and link, of those who receive.
    pub fn paths(&self, [from, to]: [u32; 2]) -> Vec<PathTotals> {
        let window = from as usize..to as usize;
        let mut paths: BTreeMap<&str, Sum> = BTreeMap::new();
        for entry in self.people.iter().filter(|entry| entry.watches.contains(&true)) {
            let sum = paths.entry(&entry.person.path).or_default();
            let rows = entry.window(&window);
            sum.receivers += u32::from(!rows.is_empty());
            rows.iter().for_each(|row| sum.tally.add(&row.tally));
            if let Some(ms) = entry.person.first_ms {
                sum.first.add((ms * 1000.0) as u64);
            }
        }
        let seconds = f64::from(to - from).max(1.0);
        paths.into_iter().map(|(path, sum)| sum.totals(path, seconds)).collect()
    }

    /// Packets that came to those behind a door.
    pub(super) fn received_over(&self, door: DoorName, window: &Range<usize>) -> u64 {
        let behind = self.people.iter().filter(|entry| entry.door == door);
        behind.flat_map(|entry| entry.window(window)).map(|row| row.tally.received).sum()
    }
}

impl Sum {
    fn totals(self, path: &str, seconds: f64) -> PathTotals {
        let tally = self.tally;
        let each = seconds * f64::from(self.receivers.max(1));
        PathTotals {
            path: path.into(),
            receivers: self.receivers,
            received: tally.received,
            lost: u64::try_from(tally.lost).unwrap_or(0),
            loss: tally.loss(),
            repaired: tally.repaired,
            delay_ms: quantiles(&tally.delays),
            first_ms: quantiles(&self.first),
            fps: tally.fps(),
            freezes: tally.freezes,
            kbps_per_receiver: tally.bytes as f64 / 125.0 / each,
        }
    }
}
