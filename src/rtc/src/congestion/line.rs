//! A straight line through points, by least squares. It is kept as sums, so points are not kept.

/// The points so far. They should begin near zero: squares of large numbers have no room for small differences.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    count: f64,
    x: f64,
    y: f64,
    xx: f64,
    xy: f64,
    yy: f64,
}

/// How steep a line is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Slope {
    /// As the points have it.
    pub(super) mean: f64,
    /// Its standard error: by how much it may be off, as unevenly as the points lie.
    pub(super) error: f64,
}

impl Line {
    pub(super) const EMPTY: Self = Self { count: 0.0, x: 0.0, y: 0.0, xx: 0.0, xy: 0.0, yy: 0.0 };

    pub(super) fn add(&mut self, x: f64, y: f64) {
        self.count += 1.0;
        self.x += x;
        self.y += y;
        self.xx += x * x;
        self.xy += x * y;
        self.yy += y * y;
    }

    /// `None` with fewer than three points, or if they lie above each other.
    pub(super) fn slope(&self) -> Option<Slope> {
        let Self { count, x, y, .. } = *self;
        let wide = self.xx - x * x / count;
        let high = self.yy - y * y / count;
        let both = self.xy - x * y / count;
        if count < 3.0 || wide <= 0.0 {
            return None;
        }
        let mean = both / wide;
        let rest = (high - mean * both).max(0.0);
        Some(Slope { mean, error: (rest / (count - 2.0) / wide).sqrt() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(points: &[(f64, f64)], expect: Option<(f64, f64)>) {
        let mut line = Line::EMPTY;
        points.iter().for_each(|&(x, y)| line.add(x, y));
        let slope = line.slope().map(|slope| (slope.mean, slope.error));
        match (slope, expect) {
            (Some((mean, error)), Some(expect)) => {
                let off = (mean - expect.0).abs() + (error - expect.1).abs();
                assert!(off < 1e-3, "{points:?}: {mean} {error}");
            }
            (got, expect) => assert_eq!(got, expect, "{points:?}"),
        }
    }

    #[test]
    fn the_slope_and_its_error_are_those_of_the_least_squares() {
        check(&[(0.0, 5.0), (1.0, 7.0), (2.0, 9.0), (5.0, 15.0)], Some((2.0, 0.0)));
        check(&[(0.0, 0.0), (1.0, 2.0), (2.0, 1.0), (3.0, 3.0)], Some((0.8, 0.4243)));
        check(&[(0.0, 0.0), (1.0, 2.0)], None);
        check(&[(4.0, 0.0), (4.0, 2.0), (4.0, 9.0)], None);
        check(&[], None);
    }
}
