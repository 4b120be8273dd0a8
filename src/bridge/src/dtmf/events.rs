//! RFC 4733 telephone events: four bytes of event, end bit, volume and duration.

use std::collections::VecDeque;

use offhook_types::Ssrc;
use offhook_types::phone::Digit;

use super::{PRESS_MS, RELEASE_MS};

/// Understands the events that come.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    current: Option<Event>,
}

/// The event that was heard last.
#[derive(Debug, Clone, Copy)]
struct Event {
    ssrc: Ssrc,
    timestamp: u32,
    code: u8,
    duration: u16,
    ended: bool,
}

/// A payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Heard {
    /// A key that was not reported before.
    pub(crate) pressed: Option<Digit>,
    /// Timestamp units since the packet's timestamp.
    pub(crate) duration: u16,
}

impl Incoming {
    /// `None` when the payload is too short. Copies, later packets and later segments of one press
    /// are one press, and a press whose end was lost ends with the next.
    pub(crate) fn handle(&mut self, ssrc: Ssrc, timestamp: u32, payload: &[u8]) -> Option<Heard> {
        let &[code, flags, high, low, ..] = payload else { return None };
        let duration = u16::from_be_bytes([high, low]);
        let ended = flags & END != 0;
        let event = Event { ssrc, timestamp, code, duration, ended };
        let pressed = match self.current.as_mut().filter(|current| current.ssrc == ssrc) {
            Some(current) if current.timestamp == timestamp => {
                current.ended |= ended;
                current.duration = current.duration.max(duration);
                None
            }
            // A straggler of an earlier press.
            Some(current) if (timestamp.wrapping_sub(current.timestamp) as i32) < 0 => None,
            Some(current) => {
                let goes_on = current.code == code
                    && !current.ended
                    && timestamp.wrapping_sub(current.timestamp).abs_diff(SEGMENT) <= SLACK;
                *current = event;
                (!goes_on).then(|| Digit::from_event(code)).flatten()
            }
            None => {
                self.current = Some(event);
                Digit::from_event(code)
            }
        };
        Some(Heard { pressed, duration })
    }
}

/// Sends keys, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    waiting: VecDeque<Digit>,
    current: Option<Press>,
}

/// A key being sent.
#[derive(Debug, Clone, Copy)]
struct Press {
    digit: Digit,
    /// Timestamp of its start.
    started: u32,
    /// Milliseconds since its start.
    elapsed: u16,
    /// Packets that said that it ended.
    ends: u8,
    /// Milliseconds of silence left after it.
    silence: u16,
}

/// What to send instead of sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing is pressed: sound.
    Sound,
    /// A packet with this marker, timestamp and payload.
    Packet { marker: bool, timestamp: u32, payload: [u8; 4] },
    /// Nothing: the silence between keys.
    Silence,
}

impl Outgoing {
    /// Keys to send.
    pub(crate) fn press(&mut self, digits: &[Digit]) {
        let room = MAX_WAITING.saturating_sub(self.waiting.len());
        self.waiting.extend(digits.iter().take(room));
    }

    /// The next key without a packet, for sending as tones.
    pub(crate) fn next_digit(&mut self) -> Option<Digit> {
        self.waiting.pop_front()
    }

    /// A packet time of `millis` passes, which begins at `timestamp`; `per_ms` timestamp units each
    /// millisecond.
    pub(crate) fn step(&mut self, timestamp: u32, millis: u16, per_ms: u16) -> Step {
        let mut press = match self.current {
            Some(press) => press,
            None => match self.waiting.pop_front() {
                Some(digit) => {
                    Press { digit, started: timestamp, elapsed: 0, ends: 0, silence: RELEASE_MS }
                }
                None => return Step::Sound,
            },
        };
        if press.ends == END_PACKETS {
            press.silence = press.silence.saturating_sub(millis);
            self.current = (press.silence > 0).then_some(press);
            return Step::Silence;
        }
        let marker = press.elapsed == 0;
        if press.elapsed < PRESS_MS {
            press.elapsed = press.elapsed.saturating_add(millis);
        }
        let end = press.elapsed >= PRESS_MS;
        press.ends += u8::from(end);
        self.current = Some(press);
        let [high, low] = press.elapsed.saturating_mul(per_ms).to_be_bytes();
        let flags = VOLUME | if end { END } else { 0 };
        let payload = [press.digit.event(), flags, high, low];
        Step::Packet { marker, timestamp: press.started, payload }
    }
}

const END: u8 = 0x80;
/// Decibels below 1 mW (RFC 4733 §2.3.4): as loud as a keypad.
const VOLUME: u8 = 10;
/// The end is said three times (RFC 4733 §2.5.1.4).
const END_PACKETS: u8 = 3;
const MAX_WAITING: usize = 64;
/// A press longer than a duration can say continues in a new segment (RFC 4733 §2.5.1.3), which
/// begins where the last one is full; some begin a packet earlier.
const SEGMENT: u32 = 0xffff;
const SLACK: u32 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds packets of (timestamp, event, end, duration) and says what was pressed.
    fn check(packets: &[(u32, u8, bool, u16)]) -> String {
        let mut incoming = Incoming::default();
        let mut pressed = String::new();
        for &(timestamp, code, end, duration) in packets {
            let [high, low] = duration.to_be_bytes();
            let payload = [code, if end { END } else { 0 } | VOLUME, high, low];
            let heard = incoming.handle(Ssrc(1), timestamp, &payload).unwrap();
            pressed.extend(heard.pressed.map(Digit::face));
        }
        pressed
    }

    #[test]
    fn a_press_is_heard_once() {
        for (packets, expected) in [
            (
                &[(0, 5, false, 160), (0, 5, false, 320), (0, 5, true, 480), (0, 5, true, 480)][..],
                "5",
            ),
            (&[(0, 11, true, 800)], "#"),
            // The end is lost; the same key again.
            (&[(0, 1, false, 160), (3000, 1, false, 160)], "11"),
            (&[(0, 1, true, 800), (1600, 1, true, 800)], "11"),
            // A straggler of the first after the second began.
            (&[(0, 1, false, 160), (1600, 2, false, 160), (0, 1, true, 800)], "12"),
            // Eight seconds and more are two segments.
            (
                &[(9, 3, false, 0xffff), (9 + 0xffff, 3, false, 160), (9 + 0xffff, 3, true, 320)],
                "3",
            ),
            (&[(9, 3, true, 0xffff), (9 + 0xffff, 3, false, 160)], "33"),
            (&[(u32::MAX, 4, true, 160), (1600, 4, true, 160)], "44"),
            // Flash is no key.
            (&[(0, 16, true, 160)], ""),
        ] {
            assert_eq!(check(packets), expected, "{packets:?}");
        }
        assert_eq!(Incoming::default().handle(Ssrc(1), 0, &[1, 2, 3]), None);
    }

    #[test]
    fn a_key_is_sent_with_growing_duration_and_three_ends() {
        let mut outgoing = Outgoing::default();
        outgoing.press(&[Digit::from_face('7').unwrap(), Digit::from_face('8').unwrap()]);
        let mut steps = Vec::new();
        for nth in 0..30u32 {
            steps.push(outgoing.step(nth * 160, 20, 8));
        }
        let packet = |marker, timestamp, code, flags, duration: u16| {
            let [high, low] = duration.to_be_bytes();
            Step::Packet { marker, timestamp, payload: [code, flags, high, low] }
        };
        assert_eq!(steps[0], packet(true, 0, 7, 10, 160));
        assert_eq!(steps[3], packet(false, 0, 7, 10, 640));
        assert_eq!(steps[4..7], [packet(false, 0, 7, 138, 800); 3]);
        assert_eq!(steps[7..11], [Step::Silence; 4]);
        assert_eq!(steps[11], packet(true, 11 * 160, 8, 10, 160));
        assert_eq!(steps[22..], [Step::Sound; 8]);
    }
}
