//! Dates in price lists (ISO 8601): `2026-03-01` or `2026-03-01T06:00:00Z`, always UTC.

use offhook_types::WallTime;

/// A date (its first instant) or a date and time of day in UTC; from 1970 on.
pub(super) fn read(text: &str) -> Option<WallTime> {
    let (date, time) = match text.split_once(['T', ' ']) {
        Some((date, time)) => (date, Some(time.strip_suffix('Z')?)),
        None => (text, None),
    };
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = match time {
        Some(time) if time.len() == 5 => {
            let [hour, minute] = numbers(time, ':', [2, 2])?;
            [hour, minute, 0]
        }
        Some(time) => numbers(time, ':', [2, 2, 2])?,
        None => [0, 0, 0],
    };
    if year < 1970 || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = ((days(year, month, day)? * 24 + hour) * 60 + minute) * 60 + second;
    Some(WallTime(seconds * 1000))
}

/// Numbers of exactly these lengths.
fn numbers<const N: usize>(text: &str, separator: char, lengths: [usize; N]) -> Option<[u64; N]> {
    let mut parts = text.split(separator);
    let mut read = [0; N];
    for (number, length) in read.iter_mut().zip(lengths) {
        let part = parts.next().filter(|part| part.len() == length)?;
        *number = part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse().ok())??;
    }
    parts.next().is_none().then_some(read)
}

/// Days since 1970-01-01, in the Gregorian calendar.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let lengths = [31, if leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let before = usize::try_from(month.checked_sub(1)?).ok()?;
    if day == 0 || day > *lengths.get(before)? {
        return None;
    }
    let past = year - 1;
    let leaps = past / 4 - past / 100 + past / 400 - LEAPS_BEFORE_1970;
    Some((year - 1970) * 365 + leaps + lengths.iter().take(before).sum::<u64>() + day - 1)
}

const fn leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// 1969 / 4 - 1969 / 100 + 1969 / 400.
const LEAPS_BEFORE_1970: u64 = 492 - 19 + 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect_s: Option<u64>) {
        assert_eq!(read(text), expect_s.map(|seconds| WallTime(seconds * 1000)), "{text}");
    }

    #[test]
    fn dates_and_times_are_read() {
        check("1970-01-01", Some(0));
        check("2000-02-29", Some(951_782_400));
        check("2026-03-01", Some(1_772_323_200));
        check("2026-03-01T06:30Z", Some(1_772_346_600));
        check("2026-03-01T06:30:15Z", Some(1_772_346_615));
        check("2026-03-01 06:30:15Z", Some(1_772_346_615));
        check("9999-12-31", Some(253_402_214_400));
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "2026-3-1",
            "2026-02-29",
            "2026-13-01",
            "2026-00-01",
            "2026-01-00",
            "1969-12-31",
            "01.03.2026",
            "2026-03-01T06:30",
            "2026-03-01T24:00Z",
            "2026-03-01T06:60Z",
            "2026-03-01T",
            "2026-03-01T06:30+01:00",
            "+026-03-01",
            "2026-03-01-",
            "2026-03-01T06:30:15:00Z",
        ] {
            check(text, None);
        }
    }
}
