//! Counts of times in buckets whose width grows with the time, so that quantiles are right to 3 % from
//! microseconds to hours.

/// 32 buckets for each doubling.
const BITS: u32 = 5;

/// Times in microseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    counts: Vec<u32>,
    total: u64,
}

impl Histogram {
    /// One more.
    pub fn add(&mut self, micros: u64) {
        let bucket = bucket(micros);
        if self.counts.len() <= bucket {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] += 1;
        self.total += 1;
    }

    /// All of another's.
    pub fn merge(&mut self, other: &Self) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.total += other.total;
    }

    /// The time that `share` of them do not exceed, in microseconds; `None` when there are none.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let rank = (self.total as f64 * share).ceil().max(1.0) as u64;
        let mut below = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            below += u64::from(*count);
            if below >= rank {
                return Some(middle(bucket));
            }
        }
        None
    }
}

fn bucket(micros: u64) -> usize {
    let exponent = (64 - micros.leading_zeros()).saturating_sub(BITS + 1);
    ((u64::from(exponent) << BITS) + (micros >> exponent)) as usize
}

fn middle(bucket: usize) -> f64 {
    let exponent = (bucket >> BITS).saturating_sub(1);
    let low = ((bucket - (exponent << BITS)) << exponent) as f64;
    low + ((1u64 << exponent) - 1) as f64 / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_has_a_bucket_near_it() {
        for micros in [0, 1, 31, 32, 63, 64, 65, 1000, 123_456, 9_999_999, 1 << 40] {
            let near = middle(bucket(micros));
            assert!((near - micros as f64).abs() <= micros as f64 / 60.0 + 0.5, "{micros} {near}");
            assert!(bucket(micros + 1) >= bucket(micros));
        }
    }

    #[test]
    fn quantiles_of_an_even_spread() {
        let mut all = Histogram::default();
        assert_eq!(all.quantile(0.5), None);
        for half in [0..5000u64, 5000..10_000] {
            let mut some = Histogram::default();
            half.for_each(|micros| some.add(micros));
            all.merge(&some);
        }
        for (share, expected) in [(0.5, 5000.0), (0.99, 9900.0), (1.0, 9999.0)] {
            let found = all.quantile(share).unwrap();
            assert!((found - expected).abs() < expected * 0.03, "{share}: {found}");
        }
    }
}
