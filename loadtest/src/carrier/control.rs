//! What the carrier is told to do, line by line on its standard input.

use offhook_types::phone::Digit;

/// One line.
#[derive(Debug, PartialEq, Eq)]
pub enum Control {
    /// `call FROM TO`: place a call into the gateway.
    Call {
        /// Who calls.
        from: String,
        /// Whom.
        to: String,
    },
    /// `hangup ID`
    HangUp(u64),
    /// `digits ID 123#`
    Digits(u64, Vec<Digit>),
    /// `quit`: hang everything up and end.
    Quit,
}

impl Control {
    /// Reads a line; what is wrong with it otherwise.
    pub fn parse(line: &str) -> Result<Self, &'static str> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let id = |word: &str| word.parse().map_err(|_| "the id of a call is a number");
        match words.as_slice() {
            ["call", from, to] => Ok(Self::Call { from: (*from).to_owned(), to: (*to).to_owned() }),
            ["hangup", word] => Ok(Self::HangUp(id(word)?)),
            ["digits", word, faces] => {
                let digits: Option<Vec<_>> = faces.chars().map(Digit::from_face).collect();
                Ok(Self::Digits(id(word)?, digits.ok_or("digits are 0 to 9, A to D, * and #")?))
            }
            ["quit"] => Ok(Self::Quit),
            _ => Err("lines are `call FROM TO`, `hangup ID`, `digits ID 123#` and `quit`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read() {
        let check = |line, expect: Option<Control>| assert_eq!(Control::parse(line).ok(), expect);
        let (from, to) = ("+1202".to_owned(), "100".to_owned());
        check("call +1202 100", Some(Control::Call { from, to }));
        check(" hangup  7 ", Some(Control::HangUp(7)));
        let digits = "1#".chars().filter_map(Digit::from_face).collect();
        check("digits 7 1#", Some(Control::Digits(7, digits)));
        check("quit", Some(Control::Quit));
        for wrong in ["", "call 1", "hangup x", "digits 7 12x", "quit now"] {
            check(wrong, None);
        }
    }
}
