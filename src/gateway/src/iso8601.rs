//! Instants as people and other programs write them (ISO 8601), to the millisecond.

use std::time::{SystemTime, UNIX_EPOCH};

use offhook_types::WallTime;

/// The instant now. The gateway's machines are handed it; only tasks and doors read the clock.
pub fn now() -> WallTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallTime(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// `2026-03-01T06:30:15.250Z`.
pub fn show(at: WallTime) -> String {
    let (days, ms) = (at.0 / DAY_MS, at.0 % DAY_MS);
    let (year, month, day) = civil(days);
    let (hour, minute) = (ms / 3_600_000, ms / 60_000 % 60);
    let (second, rest) = (ms / 1000 % 60, ms % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{rest:03}Z")
}

/// A date (its first instant in UTC), or a date and time of day with `Z` or an offset: `2026-03-01`,
/// `2026-03-01T06:30Z`, `2026-03-01T06:30:15.250+01:00`. From 1970 on.
pub fn read(text: &str) -> Option<WallTime> {
    let (date, time) = match text.split_once(['T', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let days = days(year, month, day)?;
    let (ms, offset_ms) = time.map_or(Some((0, 0)), time_of_day)?;
    let total = i64::try_from(days * DAY_MS + ms).ok()?.checked_sub(offset_ms)?;
    u64::try_from(total).ok().map(WallTime)
}

/// Milliseconds since midnight there, and how far that place is ahead of UTC.
fn time_of_day(text: &str) -> Option<(u64, i64)> {
    let (clock, offset_ms) = match text.strip_suffix('Z') {
        Some(clock) => (clock, 0),
        None => {
            let (clock, zone) = text.split_at_checked(text.rfind(['+', '-'])?)?;
            let [hours, minutes] = numbers(zone.get(1..)?, ':', [2, 2])?;
            let ahead = i64::try_from((hours * 60 + minutes) * 60_000).ok()?;
            let sane = hours < 24 && minutes < 60;
            (clock, sane.then_some(if zone.starts_with('-') { -ahead } else { ahead })?)
        }
    };
    let (clock, ms) = match clock.split_once('.') {
        Some((clock, part)) if (1..=3).contains(&part.len()) => {
            (clock, digits(&format!("{part:0<3}"))?)
        }
        Some(_) => return None,
        None => (clock, 0),
    };
    let [hour, minute, second] = match clock.len() {
        5 => numbers(clock, ':', [2, 2]).map(|[hour, minute]| [hour, minute, 0])?,
        _ => numbers(clock, ':', [2, 2, 2])?,
    };
    let sane = hour < 24 && minute < 60 && second < 60;
    sane.then_some((((hour * 60 + minute) * 60 + second) * 1000 + ms, offset_ms))
}

/// Numbers of exactly these lengths.
fn numbers<const N: usize>(text: &str, separator: char, lengths: [usize; N]) -> Option<[u64; N]> {
    let mut parts = text.split(separator);
    let mut read = [0; N];
    for (number, length) in read.iter_mut().zip(lengths) {
        *number = digits(parts.next().filter(|part| part.len() == length)?)?;
    }
    parts.next().is_none().then_some(read)
}

fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Days since 1970-01-01 of a date that exists.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    // The year is taken to begin in March, so that the leap day is its last.
    let (shifted, place) =
        if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let before = shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400;
    let within = (153 * place + 2) / 5 + day.checked_sub(1)?;
    let days = (before + within).checked_sub(DAYS_TO_1970)?;
    ((1..=12).contains(&month) && civil(days) == (year, month, day)).then_some(days)
}

/// The date of a day since 1970-01-01.
const fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + DAYS_TO_1970;
    let (era, of_era) = (days / ERA, days % ERA);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let place = (5 * of_year + 2) / 153;
    let day = of_year - (153 * place + 2) / 5 + 1;
    let month = if place < 10 { place + 3 } else { place - 9 };
    (era * 400 + year + (month <= 2) as u64, month, day)
}

const DAY_MS: u64 = 86_400_000;
/// Days from 0000-03-01 to 1970-01-01.
const DAYS_TO_1970: u64 = 719_468;
/// Days in four hundred years.
const ERA: u64 = 146_097;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_times_and_offsets_are_read() {
        for (text, expect) in [
            ("1970-01-01", Some(0)),
            ("2000-02-29", Some(951_782_400_000)),
            ("2026-03-01T06:30Z", Some(1_772_346_600_000)),
            ("2026-03-01T06:30:15.25Z", Some(1_772_346_615_250)),
            ("2026-03-01T07:30+01:00", Some(1_772_346_600_000)),
            ("2026-03-01 05:30:00-01:00", Some(1_772_346_600_000)),
            ("2026-02-29", None),
            ("2026-13-01", None),
            ("2026-00-01", None),
            ("2026-01-00", None),
            ("1969-12-31", None),
            ("0000-01-01", None),
            ("2026-03-01T06:30", None),
            ("2026-03-01T24:00Z", None),
            ("2026-03-01T06:30:15.2500Z", None),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(read(text), expect.map(WallTime), "{text}");
        }
    }

    #[test]
    fn what_is_shown_can_be_read() {
        assert_eq!(show(WallTime(1_772_346_615_250)), "2026-03-01T06:30:15.250Z");
        for day in (0..60_000).step_by(7) {
            let at = WallTime(day * DAY_MS + 12_345_678);
            assert_eq!(read(&show(at)), Some(at));
        }
    }
}
