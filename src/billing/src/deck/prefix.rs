//! The first digits of numbers, as one integer.

use core::fmt;
use core::str::FromStr;

use offhook_types::Number;

/// One to fifteen digits that numbers start with, country code first, without a plus sign.
///
/// Each digit takes four bits from the top, counted from one, and what is not there is zero: prefixes
/// compare as their texts do, and whether one starts another is a mask and a comparison.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix(u64);

/// Text that is not a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a prefix: write 1 to 15 digits, country code first")]
pub struct BadPrefix;

impl Prefix {
    /// A whole number as a prefix.
    pub fn of(number: &Number) -> Self {
        Self::pack(number.as_str().bytes().skip(1))
    }

    /// How many digits.
    pub const fn len(self) -> u32 {
        16 - self.0.trailing_zeros() / 4
    }

    /// Never: a prefix has a digit.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether `other` starts with these digits.
    pub const fn starts(self, other: Self) -> bool {
        let below = u64::MAX << (self.0.trailing_zeros() / 4 * 4);
        other.0 & below == self.0
    }

    /// Without its last `many` digits; one is always left.
    pub const fn shortened(self, many: u32) -> Self {
        let left = self.len().saturating_sub(many);
        let left = if left == 0 { 1 } else { left };
        Self(self.0 & (u64::MAX << (64 - 4 * left)))
    }

    /// The integer inside: sorts and compares as the prefixes do.
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// The first `many` digits as a decimal number; missing ones count as zero.
    pub(super) fn head(self, many: u32) -> usize {
        (0..many).fold(0, |sum, place| {
            let nibble = (self.0 >> (60 - 4 * place)) & 0xf;
            sum * 10 + usize::try_from(nibble.saturating_sub(1)).unwrap_or(0)
        })
    }

    fn pack(digits: impl Iterator<Item = u8>) -> Self {
        let places = (0u32..15).map(|place| 60 - 4 * place);
        let nibbles = digits.zip(places).map(|(digit, shift)| {
            u64::from(digit.wrapping_sub(b'0').wrapping_add(1) & 0xf) << shift
        });
        Self(nibbles.fold(0, |all, nibble| all | nibble))
    }
}

impl FromStr for Prefix {
    type Err = BadPrefix;

    fn from_str(text: &str) -> Result<Self, BadPrefix> {
        let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
        let good = plain && (1..=15).contains(&text.len());
        if good { Ok(Self::pack(text.bytes())) } else { Err(BadPrefix) }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (0..self.len()).try_for_each(|place| {
            let nibble = (self.0 >> (60 - 4 * place)) & 0xf;
            write!(f, "{}", nibble.saturating_sub(1))
        })
    }
}

/// A whole number fits in a prefix, so long ones are not shown.
impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.len() > LONGEST_SHOWN {
            return f.write_str("[redacted number]");
        }
        fmt::Display::fmt(self, f)
    }
}

/// Ranges that decks price are this long at most as a rule; the subscriber follows.
const LONGEST_SHOWN: u32 = 9;
