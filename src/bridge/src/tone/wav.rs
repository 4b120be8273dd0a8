//! Recordings: RIFF WAVE files of one channel and 16-bit samples at 8 or 16 kHz, brought to the other
//! rate once, when they are read.

use std::sync::Arc;

/// A recording at 8 and at 16 kHz.
#[derive(Debug)]
pub(super) struct Recording {
    pub(super) samples: [Arc<[i16]>; 2],
}

impl Recording {
    /// Reads a file, or says what is wrong with it.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        let (rate, samples) = read(bytes)?;
        let other = match rate {
            8000 => double(&samples),
            _ => halve(&samples),
        };
        let (narrow, wide) = if rate == 8000 { (samples, other) } else { (other, samples) };
        Ok(Self { samples: [narrow.into(), wide.into()] })
    }
}

fn read(bytes: &[u8]) -> Result<(u32, Vec<i16>), &'static str> {
    let rest = bytes.strip_prefix(b"RIFF").and_then(|rest| rest.get(4..));
    let mut rest = rest.and_then(|rest| rest.strip_prefix(b"WAVE")).ok_or("not a WAVE file")?;
    let mut rate = None;
    loop {
        let (head, body) = rest.split_at_checked(8).ok_or("it has no samples")?;
        let (id, len) = head.split_at(4);
        let len = len.try_into().map(u32::from_le_bytes).map_err(|_| "damaged")?;
        let len = usize::try_from(len).map_err(|_| "damaged")?;
        if id == b"data" {
            let rate = rate.ok_or("its format comes after its samples")?;
            // Writers that stream leave the length open.
            let data = body.get(..len).unwrap_or(body);
            if data.len() > MAX_SAMPLES * 2 {
                return Err("too long");
            }
            let samples = data.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]]));
            let samples: Vec<i16> = samples.collect();
            return if samples.is_empty() { Err("it has no samples") } else { Ok((rate, samples)) };
        }
        let chunk = body.get(..len).ok_or("damaged")?;
        if id == b"fmt " {
            rate = Some(format(chunk)?);
        }
        // Chunks are padded to an even length.
        rest = body.get(len + len % 2..).ok_or("it has no samples")?;
    }
}

/// The sample rate, if all else is as wanted.
fn format(chunk: &[u8]) -> Result<u32, &'static str> {
    let half = |at: usize| {
        chunk.get(at..at + 2).and_then(|bytes| bytes.try_into().ok()).map(u16::from_le_bytes)
    };
    let rate = chunk.get(4..8).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes);
    match (half(0), half(2), rate, half(14)) {
        (Some(1), Some(1), Some(rate @ (8000 | 16_000)), Some(16)) => Ok(rate),
        (Some(_), Some(_), Some(_), Some(_)) => Err("not 16-bit mono PCM at 8 or 16 kHz"),
        _ => Err("damaged"),
    }
}

fn double(samples: &[i16]) -> Vec<i16> {
    (0..2 * samples.len())
        .map(|nth| match nth % 2 {
            0 => samples[nth / 2],
            _ => half_band(|tap| sample(samples, nth as i64 / 2 + tap)),
        })
        .collect()
}

fn halve(samples: &[i16]) -> Vec<i16> {
    (0..samples.len() / 2)
        .map(|nth| {
            let between = half_band(|tap| sample(samples, 2 * nth as i64 + 2 * tap - 1));
            ((i32::from(samples[2 * nth]) + i32::from(between)) / 2) as i16
        })
        .collect()
}

fn sample(samples: &[i16], at: i64) -> f32 {
    usize::try_from(at).ok().and_then(|at| samples.get(at)).map_or(0.0, |&sample| sample.into())
}

/// The value half way between the taps 0 and 1, from the eight around it.
fn half_band(tap: impl Fn(i64) -> f32) -> i16 {
    let sum: f32 =
        HALF_BAND.iter().zip(1..).map(|(weight, at)| weight * (tap(1 - at) + tap(at))).sum();
    sum.clamp(-32_768.0, 32_767.0) as i16
}

/// A windowed sinc at half the rate; the weights of both sides sum to one.
const HALF_BAND: [f32; 4] = [0.6148, -0.1562, 0.0497, -0.0083];

/// Two minutes.
const MAX_SAMPLES: usize = 16_000 * 120;
/// With room for other chunks.
pub(super) const MAX_FILE: u64 = MAX_SAMPLES as u64 * 2 + 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    fn file(rate: u32, channels: u16, samples: &[i16]) -> Vec<u8> {
        let mut bytes = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0".to_vec();
        bytes.extend(channels.to_le_bytes());
        bytes.extend(rate.to_le_bytes());
        bytes.extend((rate * 2).to_le_bytes());
        bytes.extend([2, 0, 16, 0]);
        // An odd chunk of something else is passed over.
        bytes.extend(b"LIST\x03\0\0\0abc\0data");
        bytes.extend((samples.len() as u32 * 2).to_le_bytes());
        samples.iter().for_each(|sample| bytes.extend(sample.to_le_bytes()));
        bytes
    }

    #[test]
    fn recordings_are_there_at_both_rates() {
        for rate in [8000u32, 16_000] {
            let wave =
                |rate: u32| move |i: u32| (5000.0 * (i as f32 * 2500.0 / rate as f32).sin()) as i16;
            let samples: Vec<i16> = (0..rate / 10).map(wave(rate)).collect();
            let recording = Recording::parse(&file(rate, 1, &samples)).unwrap();
            for (samples, rate) in recording.samples.iter().zip([8000, 16_000]) {
                assert_eq!(samples.len(), rate as usize / 10);
                let ideal = (0..rate / 10).map(wave(rate));
                for (nth, (ideal, &got)) in ideal.zip(samples.iter()).enumerate().skip(10) {
                    let edge = nth + 10 > samples.len();
                    assert!(edge || (ideal - got).abs() < 150, "{nth}: {ideal} became {got}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_recording_is_refused() {
        let good = file(8000, 1, &[1, 2, 3]);
        assert!(Recording::parse(&good).is_ok());
        for len in 0..good.len() - 5 {
            assert!(Recording::parse(&good[..len]).is_err(), "cut to {len}");
        }
        assert!(Recording::parse(&file(8000, 2, &[1, 2])).is_err());
        assert!(Recording::parse(&file(44_100, 1, &[1, 2])).is_err());
        let mut absurd = good.clone();
        absurd[16..20].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(Recording::parse(&absurd).is_err());
    }
}
