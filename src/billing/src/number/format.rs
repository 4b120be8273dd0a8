//! How a trunk wants numbers written.

use core::fmt;
use core::str::FromStr;

use offhook_types::Dialed;

/// Rules that turn an E.164 number into what goes out on a trunk. The first rule whose digits the number
/// starts with replaces these digits; short codes go out as dialled.
///
/// Its text form is rules of `digits>replacement` between spaces, tried in order, where empty digits fit
/// every number:
///
/// | text | what goes out for +4930901820 and +12025550123 |
/// |---|---|
/// | `>+` | `+4930901820`, `+12025550123` (the default) |
/// | `>` | `4930901820`, `12025550123` |
/// | `>00` | `004930901820`, `0012025550123` |
/// | `49>0 >00` | `030901820`, `0012025550123` (as dialled in Germany) |
/// | `1>1 >011` | `0114930901820`, `12025550123` (as dialled in North America) |
/// | `>7788#` | `7788#4930901820` (a technical prefix) |
#[derive(Clone, PartialEq, Eq)]
pub struct Format {
    rules: Vec<Rule>,
}

#[derive(Clone, PartialEq, Eq)]
struct Rule {
    starts: Box<str>,
    becomes: Box<str>,
}

/// Text that is not a number format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a number format: write rules such as `49>0 >00`, the last one for every number")]
pub struct BadFormat;

impl Format {
    /// The number as this trunk wants it.
    pub fn write(&self, dialed: &Dialed) -> String {
        let Dialed::Number(number) = dialed else { return dialed.as_str().to_owned() };
        let digits = number.as_str().trim_start_matches('+');
        self.rules
            .iter()
            .find_map(|rule| {
                digits.strip_prefix(&*rule.starts).map(|rest| format!("{}{rest}", rule.becomes))
            })
            .unwrap_or_else(|| number.as_str().to_owned())
    }
}

/// E.164 with its plus sign.
impl Default for Format {
    fn default() -> Self {
        Self { rules: vec![Rule { starts: "".into(), becomes: "+".into() }] }
    }
}

impl FromStr for Format {
    type Err = BadFormat;

    fn from_str(text: &str) -> Result<Self, BadFormat> {
        let rules: Vec<Rule> = text.split_whitespace().map(rule).collect::<Result<_, _>>()?;
        let open = rules.iter().position(|rule| rule.starts.is_empty());
        // Nothing may be left without a rule, and nothing may stand behind the one for everything.
        let complete = open.is_some_and(|at| at + 1 == rules.len());
        if complete { Ok(Self { rules }) } else { Err(BadFormat) }
    }
}

fn rule(text: &str) -> Result<Rule, BadFormat> {
    let (starts, becomes) = text.split_once('>').ok_or(BadFormat)?;
    let digits = starts.len() <= 15 && starts.bytes().all(|byte| byte.is_ascii_digit());
    let sane = becomes.bytes().all(|b| b.is_ascii_digit() || b"+*#".contains(&b));
    if digits && sane && becomes.len() <= LONGEST_REPLACEMENT {
        Ok(Rule { starts: starts.into(), becomes: becomes.into() })
    } else {
        Err(BadFormat)
    }
}

/// Technical prefixes have about ten characters.
const LONGEST_REPLACEMENT: usize = 24;

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, rule) in self.rules.iter().enumerate() {
            let space = if nth > 0 { " " } else { "" };
            write!(f, "{space}{}>{}", rule.starts, rule.becomes)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(format: &str, dialed: &str, expect: &str) {
        let format: Format = format.parse().unwrap();
        assert_eq!(format.write(&dialed.parse().unwrap()), expect, "{format}");
        assert_eq!(format.to_string().parse(), Ok(format));
    }

    #[test]
    fn trunks_get_what_they_want() {
        for (format, berlin, washington) in [
            (">+", "+4930901820", "+12025550123"),
            (">", "4930901820", "12025550123"),
            (">00", "004930901820", "0012025550123"),
            ("49>0 >00", "030901820", "0012025550123"),
            ("1>1 >011", "0114930901820", "12025550123"),
            (">7788#", "7788#4930901820", "7788#12025550123"),
            ("4930>030 49>0 >+", "030901820", "+12025550123"),
        ] {
            check(format, "+4930901820", berlin);
            check(format, "+12025550123", washington);
        }
        assert_eq!(Format::default().to_string(), ">+");
    }

    #[test]
    fn short_codes_go_out_as_dialled() {
        check("49>0 >00", "112", "112");
    }

    #[test]
    fn formats_that_leave_numbers_out_are_refused() {
        for text in ["", "49>0", ">0 49>0", "+49>0 >", "49", ">a", "x>0 >", "> >"] {
            assert!(text.parse::<Format>().is_err(), "{text}");
        }
    }
}
