//! The SIP messages of a phone leg as a picture in text: who said what to whom, and when.

use std::fmt::Write;

use offhook_store::Step;

use crate::iso8601;

/// Whether a drawing shows phone numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Numbers {
    /// Their digits are hidden.
    #[default]
    Hidden,
    /// As they were sent.
    Shown,
}

/// Draw messages that are in order. Times count from the first.
pub fn draw(steps: &[Step], numbers: Numbers) -> String {
    let Some(first) = steps.first() else { return String::new() };
    let mut text = format!("{}, from {}\n", first.phone, iso8601::show(first.at));
    let head = format!("{:>10}  {:<WIDTH$}  {}\n", "seconds", "offhook", "carrier");
    text.push_str(&head);
    for step in steps {
        let ms = step.at.0.saturating_sub(first.at.0);
        let line = step.line.lines().next().unwrap_or_default();
        let line = match numbers {
            Numbers::Hidden => hide(line),
            Numbers::Shown => line.to_owned(),
        };
        let arrow = arrow(&line, step.sent);
        // Writing to a string does not fail.
        let _ = writeln!(text, "{:>6}.{:03}  |{arrow}|  {}", ms / 1000, ms % 1000, step.peer);
        for further in step.line.lines().skip(1) {
            let further = if numbers == Numbers::Hidden { hide(further) } else { further.into() };
            let _ = writeln!(text, "{:>10}  |  {further}", "");
        }
    }
    text
}

/// Columns between the two sides.
const WIDTH: usize = 64;

fn arrow(line: &str, sent: bool) -> String {
    let most = WIDTH - 8;
    let mut said: String = line.chars().take(most).collect();
    if line.chars().count() > most {
        said.pop();
        said.push('…');
    }
    let rest = WIDTH.saturating_sub(said.chars().count() + 6);
    let dashes = "-".repeat(rest);
    if sent { format!("-- {said} {dashes}->") } else { format!("<-{dashes} {said} --") }
}

/// Hides the digits of what may be a phone number: what stands before an `@`, after `tel:`, and every
/// run of six digits and more. Addresses and ports have shorter runs.
fn hide(line: &str) -> String {
    let mut hidden = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find(|face: char| face.is_ascii_digit()) {
        let (before, digits) = rest.split_at(at);
        hidden.push_str(before);
        let end = digits.find(|face: char| !face.is_ascii_digit()).unwrap_or(digits.len());
        let (run, after) = digits.split_at(end);
        let user = after.starts_with('@') || short(&hidden, after);
        if run.len() >= LONG || user {
            hidden.extend(run.chars().map(|_| 'x'));
        } else {
            hidden.push_str(run);
        }
        rest = after;
    }
    hidden.push_str(rest);
    hidden
}

/// Whether digits between these are the user part of a URI with more in it, or a `tel:` number.
fn short(before: &str, after: &str) -> bool {
    let user = |scheme: &str| {
        before.rfind(scheme).is_some_and(|at| {
            let between = before.get(at + scheme.len()..).unwrap_or_default();
            !between.contains(['@', '>', ' ', ';'])
        })
    };
    let ends_at_host =
        after.split([' ', '>', ';', '?']).next().is_some_and(|uri| uri.contains('@'));
    user("tel:") || ((user("sip:") || user("sips:")) && ends_at_host)
}

/// From here on a run of digits may be a number.
const LONG: usize = 6;

#[cfg(test)]
mod tests {
    use offhook_types::{PhoneId, WallTime};

    use super::*;

    fn step(ms: u64, sent: bool, line: &str) -> Step {
        let (phone, at) = (PhoneId(7), WallTime(1_772_346_600_000 + ms));
        Step { phone, at, sent, peer: "192.0.2.1:5060".into(), line: line.into() }
    }

    #[test]
    fn both_directions_and_times_are_drawn() {
        let steps = [
            step(0, true, "INVITE sip:+4915112345678@carrier.example SIP/2.0"),
            step(1234, false, "SIP/2.0 180 Ringing"),
        ];
        let drawn = draw(&steps, Numbers::Hidden);
        let lines: Vec<&str> = drawn.lines().collect();
        assert_eq!(lines.len(), 4);
        assert!(lines[0].ends_with("2026-03-01T06:30:00.000Z"), "{drawn}");
        assert!(
            lines[2].starts_with("     0.000  |-- INVITE sip:+xxxxxxxxxxxxx@carrier"),
            "{drawn}"
        );
        assert!(lines[3].starts_with("     1.234  |<-"), "{drawn}");
        let bar = |line: &str| line.chars().collect::<Vec<_>>().iter().rposition(|c| *c == '|');
        assert_eq!(bar(lines[2]), bar(lines[3]), "{drawn}");
    }

    #[test]
    fn numbers_are_hidden_and_addresses_are_not() {
        for (line, expect) in [
            ("INVITE sip:112@192.0.2.1:5060 SIP/2.0", "INVITE sip:xxx@192.0.2.1:5060 SIP/2.0"),
            ("To: <tel:112>", "To: <tel:xxx>"),
            ("To: <sip:49-30-12@h.example>", "To: <sip:xx-xx-xx@h.example>"),
            ("SIP/2.0 486 Busy Here", "SIP/2.0 486 Busy Here"),
            ("Reason: Q.850;cause=17", "Reason: Q.850;cause=17"),
            (
                "From: \"4930901820\" <sip:a@192.0.2.100:15060>",
                "From: \"xxxxxxxxxx\" <sip:a@192.0.2.100:15060>",
            ),
        ] {
            assert_eq!(hide(line), expect);
        }
        let shown = draw(&[step(0, true, "BYE sip:112@h SIP/2.0")], Numbers::Shown);
        assert!(shown.contains("sip:112@h"), "{shown}");
    }
}
