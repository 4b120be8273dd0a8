//! Telephone numbers as people and carriers write them, read into E.164. The library behind it knows
//! every country's plan; it is asked here only, at the edge.

use offhook_types::{Dialed, Number};
use phonenumber::{Mode, country};

/// Longest text that is looked at. E.164 has 15 digits; the rest are spaces, brackets and prefixes.
const LONGEST: usize = 40;

/// Read a number: E.164 with or without spaces, dots, dashes and brackets, or, when a country is
/// given (ISO 3166 alpha-2), as it is dialled there.
pub fn read(typed: &str, country: &str) -> Option<Number> {
    let country = match country.trim() {
        "" => None,
        name if name.len() == 2 => Some(name.to_ascii_uppercase().parse().ok()?),
        _ => return None,
    };
    read_in(typed, country)
}

/// Read a number as it is dialled in the country of another.
pub fn read_from(typed: &str, caller: &Number) -> Option<Number> {
    let home = phonenumber::parse(None, caller.as_str()).ok();
    read_in(typed, home.and_then(|number| number.country().id()))
}

/// Read what is dialled on the phone whose number is `home`: a number as [`read_from`] reads it, or a
/// short code, such as an emergency number. Whether anybody answers a short code is for routing to say.
pub fn read_dialed(typed: &str, home: &Number) -> Option<Dialed> {
    let typed = typed.trim();
    let code: String = typed.chars().filter(|c| !SPACES.contains(*c)).collect();
    match code.parse() {
        // No plan has subscribers this short, and an emergency number must never be taken for one.
        Ok(Dialed::Short(short)) if short.len() <= 3 => Some(Dialed::Short(short)),
        Ok(Dialed::Short(short)) => {
            let number = read_from(typed, home).map(Dialed::Number);
            number.or(Some(Dialed::Short(short)))
        }
        _ => read_from(typed, home).map(Dialed::Number),
    }
}

/// What people put between digits, and between those of a short code.
const SPACES: &str = " -.\u{a0}";

fn read_in(typed: &str, country: Option<country::Id>) -> Option<Number> {
    let typed = typed.trim();
    let plain = |c: char| c.is_ascii_digit() || "+ -./()\u{a0}".contains(c);
    if typed.chars().count() > LONGEST || !typed.chars().all(plain) {
        return None;
    }
    let squeezed: String = typed.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect();
    // Written out in full it needs no number plan, which may be older than the number. `(0)` is the
    // exception: Germans and Britons write it where the trunk prefix would be.
    if squeezed.starts_with('+') && !typed.contains("(0)") {
        return squeezed.parse().ok();
    }
    if squeezed.is_empty() || (country.is_none() && !squeezed.starts_with('+')) {
        return None;
    }
    let number = phonenumber::parse(country, typed).ok()?;
    let valid = phonenumber::is_valid(&number);
    valid.then(|| number.format().mode(Mode::E164).to_string().parse().ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(typed: &str, country: &str, expect: &str) {
        let read = read(typed, country);
        assert_eq!(read.as_ref().map_or("", Number::as_str), expect, "{typed} in {country:?}");
    }

    #[test]
    fn typed_forms_become_e164() {
        check("+12025550123", "", "+12025550123");
        check(" +1 (202) 555-0123 ", "", "+12025550123");
        check("(202) 555-0123", "US", "+12025550123");
        check("0151 1234 5678", "de", "+4915112345678");
        check("030 901820", "DE", "+4930901820");
        check("+44 (0)20 7946 0958", "", "+442079460958");
        check("0049 30 901820", "FR", "+4930901820");
        check("011 49 30 901820", "US", "+4930901820");
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for typed in ["", "+", "0151 1234 5678", "hello", "+49 x", "123", "+12345678901234567890"] {
            check(typed, "", "");
        }
        check("12", "DE", "");
        check("0151 1234 5678", "Germany", "");
        check("0151 1234 5678", "??", "");
        check(&"1".repeat(1000), "DE", "");
    }

    #[test]
    fn callers_dial_as_at_home() {
        let berlin: Number = "+4930901820".parse().unwrap();
        let read = read_from("0151 12345678", &berlin);
        assert_eq!(read.as_ref().map(Number::as_str), Some("+4915112345678"));
        assert_eq!(read_from("hello", &berlin), None);
    }

    #[test]
    fn short_codes_are_read_as_dialled() {
        for (typed, home, expect) in [
            ("112", "+4930901820", "112"),
            ("1 1 0", "+4930901820", "110"),
            (" 911 ", "+12025550123", "911"),
            ("9-1-1", "+12025550123", "911"),
            ("15", "+33142685300", "15"),
            ("10111", "+27115550123", "10111"),
            ("1122", "+92215550123", "1122"),
            ("030 901820", "+4930901820", "+4930901820"),
            ("+49 30 901820", "+12025550123", "+4930901820"),
            ("+112", "+4930901820", ""),
            ("(112)", "+4930901820", ""),
            ("1", "+4930901820", ""),
            ("", "+4930901820", ""),
        ] {
            let read = read_dialed(typed, &home.parse().unwrap());
            assert_eq!(read.as_ref().map_or("", Dialed::as_str), expect, "{typed} from {home}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(typed in "[+0-9 ()./-]{0,45}", country in "(DE|US|GB|)") {
            let _ = read(&typed, &country);
        }
    }
}
