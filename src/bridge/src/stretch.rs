//! Time-stretching by one pitch period: takes a period out, or plays one twice, with the seam
//! blended over its whole length, so that nothing is heard of it in voices and little elsewhere.

use super::conceal::similarity;

/// What stretching did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Shortened(usize),
    Lengthened(usize),
}

/// Shortens the front of `samples` by one period, if there is one that is not heard. Needs
/// [`needed`] samples.
pub(super) fn shorten(samples: &mut Vec<i16>, rate: u32) -> Option<Change> {
    let period = period(samples, rate)?;
    blend(samples, period);
    // What is left at the front was blended into the second period.
    samples.drain(..period);
    Some(Change::Shortened(period))
}

/// Plays the first period twice.
pub(super) fn lengthen(samples: &mut Vec<i16>, rate: u32) -> Option<Change> {
    let period = period(samples, rate)?;
    let (first, rest) = samples.split_at(period);
    // From the end of the second period back to the start of the second: first, second blended into
    // first, then all from the second on.
    let seam: Vec<i16> = first
        .iter()
        .zip(rest)
        .enumerate()
        .map(|(nth, (&again, &next))| mix(next, again, nth, period))
        .collect();
    samples.splice(period..period, seam);
    Some(Change::Lengthened(period))
}

/// Samples that must lie ready for a stretch at this rate: two of the longest periods.
pub(super) const fn needed(rate: u32) -> usize {
    2 * longest(rate)
}

/// Writes the first period, fading, into the second.
fn blend(samples: &mut [i16], period: usize) {
    let (first, rest) = samples.split_at_mut(period);
    for (nth, (&from, to)) in first.iter().zip(rest.iter_mut()).enumerate() {
        *to = mix(from, *to, nth, period);
    }
}

fn mix(from: i16, to: i16, nth: usize, len: usize) -> i16 {
    let (from, to, nth, len) = (i64::from(from), i64::from(to), nth as i64, len as i64);
    ((from * (len - nth) + to * nth) / len.max(1)) as i16
}

/// The period at which the front repeats well enough; in quiet any will do.
fn period(samples: &[i16], rate: u32) -> Option<usize> {
    let front = samples.get(..needed(rate))?;
    if is_quiet(front) {
        return Some(longest(rate) * 2 / 3);
    }
    let stride = (rate / 4000).max(1) as usize;
    let lags = (shortest(rate)..=longest(rate)).step_by(stride);
    let scored = lags.map(|lag| {
        let (first, rest) = front.split_at(lag);
        (lag, similarity(first, rest.get(..lag).unwrap_or_default(), stride))
    });
    let best = scored.max_by(|a, b| a.1.total_cmp(&b.1))?;
    (best.1 > ALIKE).then_some(best.0)
}

fn is_quiet(samples: &[i16]) -> bool {
    let energy: i64 = samples.iter().map(|&s| i64::from(s) * i64::from(s)).sum();
    energy < QUIET * samples.len() as i64
}

const fn shortest(rate: u32) -> usize {
    rate as usize / 400
}

const fn longest(rate: u32) -> usize {
    rate as usize * 15 / 1000
}

/// Below this similarity a seam would be heard.
const ALIKE: f32 = 0.85;
/// Mean square of about -55 dB of full scale.
const QUIET: i64 = 60 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    fn voice(samples: usize) -> Vec<i16> {
        (0..samples).map(|i| (8000.0 * (i as f32 * 0.0785).sin()) as i16).collect()
    }

    #[test]
    fn a_period_goes_or_comes_without_a_seam() {
        let before = voice(400);
        let mut shorter = before.clone();
        let Some(Change::Shortened(by)) = shorten(&mut shorter, 8000) else { panic!("a voice") };
        assert_eq!(shorter.len(), before.len() - by);
        let mut longer = before.clone();
        let Some(Change::Lengthened(by)) = lengthen(&mut longer, 8000) else { panic!("a voice") };
        assert_eq!(longer.len(), before.len() + by);
        for samples in [&shorter, &longer] {
            let step = samples.windows(2).map(|w| (w[1] - w[0]).abs()).max().unwrap();
            // The sine itself moves by 628 per sample.
            assert!(step < 900, "a step of {step}");
        }
    }

    #[test]
    fn noise_is_left_alone_and_quiet_is_not() {
        let mut rng = offhook_types::Rng::from_seed(3);
        let mut noise: Vec<i16> =
            (0..400).map(|_| (rng.next_u32() >> 17) as i16 - 16_384).collect();
        assert_eq!(shorten(&mut noise, 8000), None);
        assert_eq!(shorten(&mut vec![3; 400], 8000), Some(Change::Shortened(80)));
        assert_eq!(shorten(&mut vec![3; 100], 8000), None, "too little");
    }
}
