//! Telephone numbers in E.164 form.

use core::fmt;
use core::str::FromStr;

/// An E.164 number: `+`, a country code that does not start with zero, at most fifteen digits in all (ITU-T E.164 §6).
/// Its `Debug` form is redacted; use [`Number::as_str`] where the number itself is wanted.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Number(Box<str>);

/// Text that is not an E.164 number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an E.164 number: write a plus sign and 7 to 15 digits, country code first")]
pub struct BadNumber;

impl Number {
    /// The number as `+` and digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Number {
    type Err = BadNumber;

    fn from_str(text: &str) -> Result<Self, BadNumber> {
        let digits = text.strip_prefix('+').ok_or(BadNumber)?;
        let plausible = (7..=15).contains(&digits.len())
            && digits.bytes().all(|b| b.is_ascii_digit())
            && !digits.starts_with('0');
        if plausible { Ok(Self(text.into())) } else { Err(BadNumber) }
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted number]")
    }
}

/// What a phone call is placed to: a number, or a short code that only means something in a country,
/// such as an emergency number (RFC 3966 §5.1.4 calls it a local number). `Debug` is redacted.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dialed {
    /// A number of the whole world.
    Number(Number),
    /// Two to six digits.
    Short(Box<str>),
}

impl Dialed {
    /// As dialled: `+` and digits, or the digits of the short code.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Number(number) => number.as_str(),
            Self::Short(code) => code,
        }
    }

    /// The number, unless it is a short code.
    pub const fn number(&self) -> Option<&Number> {
        match self {
            Self::Number(number) => Some(number),
            Self::Short(_) => None,
        }
    }
}

impl From<Number> for Dialed {
    fn from(number: Number) -> Self {
        Self::Number(number)
    }
}

impl FromStr for Dialed {
    type Err = BadNumber;

    fn from_str(text: &str) -> Result<Self, BadNumber> {
        let short = (2..=6).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        if short { Ok(Self::Short(text.into())) } else { text.parse().map(Self::Number) }
    }
}

impl fmt::Debug for Dialed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted number]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_e164_is_accepted() {
        for (text, good) in [
            ("+4915112345678", true),
            ("+12025550123", true),
            ("+1234567", true),
            ("+123456789012345", true),
            ("4915112345678", false),
            ("+0123456789", false),
            ("+1234567890123456", false),
            ("+49 151", false),
            ("", false),
        ] {
            assert_eq!(text.parse::<Number>().is_ok(), good, "{text}");
        }
    }

    #[test]
    fn short_codes_are_dialed_but_are_no_numbers() {
        for (text, good) in
            [("112", true), ("911", true), ("1", false), ("1234567", false), ("+112", false)]
        {
            assert_eq!(text.parse::<Dialed>().is_ok(), good, "{text}");
        }
        assert_eq!("112".parse::<Dialed>().unwrap().number(), None);
    }

    #[test]
    fn debug_hides_the_number() {
        let number: Number = "+12025550123".parse().unwrap();
        assert!(!format!("{number:?}").contains("2025"));
    }
}
