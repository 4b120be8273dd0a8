//! Money as integers: millionths of a currency's main unit. There is no float anywhere near it.

use core::fmt;
use core::str::FromStr;

/// Millionths of the main unit of a currency (one dollar is 1,000,000). An `i64` of them holds nine
/// million millions, so sums of real books cannot overflow; operations are checked all the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Micros(pub i64);

impl Micros {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// More than anyone has.
    pub const MAX: Self = Self(i64::MAX);

    /// The sum, unless it does not fit.
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// The difference, unless it does not fit.
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(difference) => Some(Self(difference)),
            None => None,
        }
    }

    /// The sum, or the nearest amount that fits: for figures that are shown, not booked.
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, or the nearest amount that fits: for figures that are shown, not booked.
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

/// Written in main units with six decimals: `-0.012300`.
impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let whole = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:06}", whole / 1_000_000, whole % 1_000_000)
    }
}

impl fmt::Debug for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Text that is not an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an amount: write main units with at most six decimals and a point, such as 0.0125")]
pub struct BadAmount;

impl FromStr for Micros {
    type Err = BadAmount;

    fn from_str(text: &str) -> Result<Self, BadAmount> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let pointed = digits.contains('.');
        if whole.is_empty() || pointed == part.is_empty() || part.len() > 6 {
            return Err(BadAmount);
        }
        if !plain(whole) || !plain(part) {
            return Err(BadAmount);
        }
        let micros: i64 = format!("{part:0<6}").parse().map_err(|_| BadAmount)?;
        let whole: i64 = whole.parse().map_err(|_| BadAmount)?;
        let sum = whole.checked_mul(1_000_000).and_then(|units| units.checked_add(micros));
        let sum = sum.ok_or(BadAmount)?;
        Ok(Self(if negative { -sum } else { sum }))
    }
}

/// An ISO 4217 code: three capital letters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Currency([u8; 3]);

impl Currency {
    /// United States dollar, what a fresh installation counts in.
    pub const USD: Self = Self(*b"USD");

    /// The code.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Text that is not a currency code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a currency: write its ISO 4217 code, three capital letters, such as EUR")]
pub struct BadCurrency;

impl FromStr for Currency {
    type Err = BadCurrency;

    fn from_str(text: &str) -> Result<Self, BadCurrency> {
        let code: [u8; 3] = text.as_bytes().try_into().map_err(|_| BadCurrency)?;
        if code.iter().all(u8::is_ascii_uppercase) { Ok(Self(code)) } else { Err(BadCurrency) }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_survive_printing() {
        for micros in [0, 1, -1, 999_999, 1_000_000, -12_300, i64::MAX, -i64::MAX] {
            assert_eq!(Micros(micros).to_string().parse(), Ok(Micros(micros)));
        }
    }

    #[test]
    fn only_plain_amounts_are_read() {
        for (text, expect) in [
            ("0.0125", Some(12_500)),
            ("3", Some(3_000_000)),
            ("-0.000001", Some(-1)),
            ("", None),
            (".5", None),
            ("5.", None),
            ("0.0000001", None),
            ("1e3", None),
            ("+1", None),
            ("1,5", None),
            ("9223372036855", None),
        ] {
            assert_eq!(text.parse::<Micros>().ok(), expect.map(Micros), "{text}");
        }
    }

    #[test]
    fn currencies_are_three_capitals() {
        assert_eq!("USD".parse(), Ok(Currency::USD));
        for text in ["usd", "US", "USDT", "U D", ""] {
            assert!(text.parse::<Currency>().is_err(), "{text}");
        }
    }
}
