//! Columns that several tables share: ids, times, labels, amounts, rates.

use offhook_billing::rate::Rate;
use offhook_types::counters::Counted;
use offhook_types::{Micros, WallTime};
use sqlx::sqlite::SqliteRow;

use super::{Field, unsigned};
use crate::Error;

/// A column of 64 bits.
pub(super) fn bits(row: &SqliteRow, what: &'static str) -> Result<u64, Error> {
    Ok(unsigned(row.field(what)?))
}

/// A column of 64 bits, or nothing.
pub(super) fn optional_bits(row: &SqliteRow, what: &'static str) -> Result<Option<u64>, Error> {
    Ok(row.field::<Option<i64>>(what)?.map(unsigned))
}

/// A number that fits something smaller.
pub(super) fn small<T: TryFrom<i64>>(row: &SqliteRow, what: &'static str) -> Result<T, Error> {
    T::try_from(row.field::<i64>(what)?).map_err(|_| Error::Corrupt { what })
}

/// A number that fits something smaller, or nothing.
pub(super) fn optional_small<T: TryFrom<i64>>(
    row: &SqliteRow,
    what: &'static str,
) -> Result<Option<T>, Error> {
    let found = row.field::<Option<i64>>(what)?;
    found.map(|value| T::try_from(value).map_err(|_| Error::Corrupt { what })).transpose()
}

/// A time.
pub(super) fn time(row: &SqliteRow, what: &'static str) -> Result<WallTime, Error> {
    bits(row, what).map(WallTime)
}

/// A time, or nothing.
pub(super) fn optional_time(
    row: &SqliteRow,
    what: &'static str,
) -> Result<Option<WallTime>, Error> {
    Ok(optional_bits(row, what)?.map(WallTime))
}

/// An amount.
pub(super) fn micros(row: &SqliteRow, what: &'static str) -> Result<Micros, Error> {
    row.field(what).map(Micros)
}

/// What has a text form.
pub(super) fn parsed<T: std::str::FromStr>(
    row: &SqliteRow,
    what: &'static str,
) -> Result<T, Error> {
    row.field::<&str>(what)?.parse().map_err(|_| Error::Corrupt { what })
}

/// What has a text form, or nothing.
pub(super) fn optional_parsed<T: std::str::FromStr>(
    row: &SqliteRow,
    what: &'static str,
) -> Result<Option<T>, Error> {
    let text = row.field::<Option<&str>>(what)?;
    text.map(|text| text.parse().map_err(|_| Error::Corrupt { what })).transpose()
}

/// One of a closed set.
pub(super) fn label<T: Counted>(row: &SqliteRow, what: &'static str) -> Result<T, Error> {
    of_label(row.field(what)?).ok_or(Error::Corrupt { what })
}

/// One of a closed set, or nothing.
pub(super) fn optional_label<T: Counted>(
    row: &SqliteRow,
    what: &'static str,
) -> Result<Option<T>, Error> {
    let text = row.field::<Option<&str>>(what)?;
    text.map(|text| of_label(text).ok_or(Error::Corrupt { what })).transpose()
}

fn of_label<T: Counted>(label: &str) -> Option<T> {
    T::ALL.iter().copied().find(|value| value.label() == label)
}

/// A blob of a known length.
pub(super) fn bytes<const N: usize>(row: &SqliteRow, what: &'static str) -> Result<[u8; N], Error> {
    row.field::<&[u8]>(what)?.try_into().map_err(|_| Error::Corrupt { what })
}

/// A rate as text: its fields in order, `-` for no greatest cost.
pub(super) fn rate_text(rate: &Rate) -> String {
    let most = rate.max_cost.map_or_else(|| "-".into(), |most| most.0.to_string());
    format!(
        "{} {} {} {} {} {} {most} {}",
        rate.per_minute.0,
        rate.connection_fee.0,
        rate.first_increment_s,
        rate.next_increment_s,
        rate.minimum_s,
        rate.grace_s,
        rate.rounding
    )
}

/// The rate of a column.
pub(super) fn rate(row: &SqliteRow, what: &'static str) -> Result<Rate, Error> {
    parse_rate(row.field(what)?).ok_or(Error::Corrupt { what })
}

fn parse_rate(text: &str) -> Option<Rate> {
    let mut fields = text.split(' ');
    let rate = Rate {
        per_minute: Micros(fields.next()?.parse().ok()?),
        connection_fee: Micros(fields.next()?.parse().ok()?),
        first_increment_s: fields.next()?.parse().ok()?,
        next_increment_s: fields.next()?.parse().ok()?,
        minimum_s: fields.next()?.parse().ok()?,
        grace_s: fields.next()?.parse().ok()?,
        max_cost: match fields.next()? {
            "-" => None,
            most => Some(Micros(most.parse().ok()?)),
        },
        rounding: fields.next()?.parse().ok()?,
    };
    fields.next().is_none().then_some(rate)
}

#[cfg(test)]
mod tests {
    use offhook_billing::rate::Rounding;

    use super::*;

    #[test]
    fn rates_survive_their_text() {
        let odd = Rate {
            per_minute: Micros(12_345),
            connection_fee: Micros(7),
            first_increment_s: 30,
            next_increment_s: 6,
            minimum_s: 10,
            grace_s: 3,
            max_cost: Some(Micros(i64::MAX)),
            rounding: Rounding::HalfEven,
        };
        for rate in [odd, Rate::FREE] {
            assert_eq!(parse_rate(&rate_text(&rate)), Some(rate));
        }
        assert_eq!(parse_rate("1 2 3"), None);
        assert_eq!(parse_rate(&format!("{} up", rate_text(&odd))), None);
    }
}
