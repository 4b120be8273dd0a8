//! What the carrier does with a call, by the last two digits of the number that was dialed.

use core::time::Duration;

use super::sound::Play;

/// One thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Do nothing for so long.
    Wait(Duration),
    /// Say that it rings (180).
    Ring,
    /// Say that it goes on, with sound before the answer (183 with a description).
    Early(Play),
    /// Answer. What follows waits for the ACK.
    Answer(Play),
    /// Turn it away with this status and, where there is one, this cause of Q.850.
    Reject(u16, Option<u16>),
    /// Turn it away to the number that ends in these digits (302).
    Redirect(&'static str),
    /// Put the caller on hold, or take the call back.
    Hold(bool),
    /// Send a re-INVITE that asks the caller for an offer.
    AskOffer,
    /// Ask the caller to call the number that ends in these digits instead (REFER).
    Transfer(&'static str),
    /// From here on BYEs are not heard.
    Deafen,
    /// Hang up.
    HangUp,
}

/// What is done with a call to this number.
pub fn steps(number: &str) -> &'static [Step] {
    let digits: Vec<u8> = number.bytes().filter(u8::is_ascii_digit).collect();
    // Short numbers are those of emergency and service lines. They answer whatever they end in.
    let last = if digits.len() < 4 { &[] } else { digits.get(digits.len() - 2..).unwrap_or(&[]) };
    let row = TABLE.iter().find(|(name, _)| name.as_bytes() == last);
    row.map_or(ORDINARY, |(_, steps)| steps)
}

/// The number with other last digits.
pub fn beside(number: &str, last: &str) -> String {
    let kept = number.len().saturating_sub(last.len());
    format!("{}{last}", number.get(..kept).unwrap_or_default())
}

const fn seconds(seconds: u64) -> Step {
    Step::Wait(Duration::from_secs(seconds))
}

/// What every number does that is not in the table.
const ORDINARY: &[Step] = &[Step::Ring, seconds(1), Step::Answer(Play::Tone)];

/// The table of docs/TESTING.md.
const TABLE: [(&str, &[Step]); 17] = [
    ("01", ORDINARY),
    ("02", &[Step::Ring, seconds(1), Step::Answer(Play::Echo)]),
    ("03", &[Step::Reject(486, Some(17))]),
    ("04", &[Step::Ring]),
    ("05", &[Step::Early(Play::Announcement), seconds(3), Step::Answer(Play::Tone)]),
    ("06", &[Step::Early(Play::Announcement), seconds(3), Step::Reject(404, Some(1))]),
    ("07", &[Step::Ring, seconds(1), Step::Answer(Play::Beeps)]),
    (
        "08",
        &[
            Step::Ring,
            seconds(1),
            Step::Answer(Play::Tone),
            seconds(3),
            Step::Hold(true),
            seconds(3),
            Step::Hold(false),
        ],
    ),
    ("09", &[Step::Ring, seconds(1), Step::Answer(Play::Tone), seconds(5), Step::HangUp]),
    ("10", &[Step::Reject(603, Some(21))]),
    ("11", &[Step::Reject(503, None)]),
    ("12", &[Step::Ring, seconds(1), Step::Deafen, Step::Answer(Play::Tone)]),
    ("13", &[Step::Redirect("01")]),
    ("14", &[Step::Ring, seconds(1), Step::Answer(Play::Tone), seconds(1), Step::AskOffer]),
    ("15", &[Step::Answer(Play::Nothing)]),
    ("16", &[Step::Ring, seconds(1), Step::Answer(Play::Tone), seconds(2), Step::Transfer("01")]),
    ("17", &[Step::Answer(Play::Silence)]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_two_digits_decide_and_short_numbers_answer() {
        let check =
            |number, first: Step| assert_eq!(steps(number).first(), Some(&first), "{number}");
        check("+12025550103", Step::Reject(486, Some(17)));
        check("004930000003", Step::Reject(486, Some(17)));
        check("+1 202 555-0110", Step::Reject(603, Some(21)));
        check("+12025550199", Step::Ring);
        for short in ["911", "112", "", "+"] {
            assert_eq!(steps(short), ORDINARY, "{short}");
        }
    }

    #[test]
    fn rows_are_numbered_from_one() {
        for (row, (digits, _)) in (1..).zip(TABLE) {
            assert_eq!(digits, format!("{row:02}"));
        }
    }

    #[test]
    fn the_number_beside_has_other_last_digits() {
        assert_eq!(beside("+12025550113", "01"), "+12025550101");
        assert_eq!(beside("7", "01"), "01");
    }
}
