//! Keys pressed: as events in RTP (RFC 4733) and in INFO.

use std::collections::VecDeque;

use offhook_types::phone::Digit;

/// Tells one key pressed from the many packets that say so.
#[derive(Debug, Default)]
pub struct Keys {
    last: Option<u32>,
}

impl Keys {
    /// An event packet came. A key is said once, with its first packet.
    pub fn hear(&mut self, timestamp: u32, payload: &[u8]) -> Option<Digit> {
        let &[event, _, _, _, ..] = payload else { return None };
        let digit = Digit::from_event(event)?;
        let newer = |last: u32| timestamp.wrapping_sub(last).cast_signed() > 0;
        let new = self.last.is_none_or(newer);
        if new {
            self.last = Some(timestamp);
        }
        new.then_some(digit)
    }
}

/// Presses keys, a packet every 20 ms.
#[derive(Debug, Default)]
pub struct Presses {
    waiting: VecDeque<Digit>,
    now: Option<Press>,
}

#[derive(Debug)]
struct Press {
    digit: Digit,
    timestamp: u32,
    packets: u16,
}

/// A packet that says that a key is pressed.
#[derive(Debug, PartialEq, Eq)]
pub struct EventPacket {
    /// Of the moment when the key went down.
    pub timestamp: u32,
    /// The first of this key.
    pub first: bool,
    /// The payload.
    pub payload: [u8; 4],
}

impl Presses {
    /// These are to be pressed.
    pub fn press(&mut self, digits: impl IntoIterator<Item = Digit>) {
        self.waiting.extend(digits);
    }

    /// What is sent instead of sound in these 20 ms.
    pub fn packet(&mut self, timestamp: u32) -> Option<EventPacket> {
        if self.now.is_none() {
            let digit = self.waiting.pop_front()?;
            self.now = Some(Press { digit, timestamp, packets: 0 });
        }
        let press = self.now.as_mut()?;
        press.packets += 1;
        let (digit, timestamp, packets) = (press.digit, press.timestamp, press.packets);
        if packets > HELD + GAP {
            self.now = None;
        }
        if packets > HELD + ENDS {
            return None;
        }
        let duration = packets.min(HELD) * TICKS;
        let end = if packets > HELD { 0x80 } else { 0 };
        let [high, low] = duration.to_be_bytes();
        let payload = [digit.event(), end | VOLUME, high, low];
        Some(EventPacket { timestamp, first: packets == 1, payload })
    }
}

/// The key in the body of an INFO: `Signal=5` and more lines, or the key alone.
pub fn in_info(body: &[u8]) -> Option<Digit> {
    let text = core::str::from_utf8(body).ok()?;
    let signal = text.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        name.trim().eq_ignore_ascii_case("signal").then_some(value)
    });
    let mut faces = signal.unwrap_or(text).trim().chars();
    let digit = Digit::from_face(faces.next()?);
    digit.filter(|_| faces.next().is_none())
}

/// The body of an INFO, `application/dtmf-relay`.
pub fn info(digit: Digit) -> String {
    format!("Signal={}\r\nDuration=160\r\n", digit.face())
}

/// A key is held for 100 ms,
const HELD: u16 = 5;
/// its end is said three times (RFC 4733 §2.5.1.4),
const ENDS: u16 = 3;
/// and the next is pressed 160 ms after it at the earliest.
const GAP: u16 = 8;
/// Of the clock of 8 kHz in 20 ms.
const TICKS: u16 = 160;
/// -10 dBm0.
const VOLUME: u8 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(faces: &str) -> Vec<Digit> {
        faces.chars().filter_map(Digit::from_face).collect()
    }

    #[test]
    fn what_is_pressed_is_heard_once_each() {
        let (mut presses, mut keys) = (Presses::default(), Keys::default());
        presses.press(digits("1123#"));
        let start = u32::MAX - 1000;
        let times = (0..100).map(|tick| start.wrapping_add(160 * tick));
        let packets = times.filter_map(|time| presses.packet(time));
        let heard = packets.filter_map(|packet| keys.hear(packet.timestamp, &packet.payload));
        assert_eq!(heard.collect::<Vec<_>>(), digits("1123#"));
    }

    #[test]
    fn a_key_is_eight_packets_of_which_three_end_it() {
        let mut presses = Presses::default();
        presses.press(digits("5"));
        let packets: Vec<_> = (0..20).filter_map(|tick| presses.packet(160 * tick)).collect();
        assert_eq!(packets.len(), 8);
        assert!(packets.iter().all(|packet| packet.timestamp == 0 && packet.payload[0] == 5));
        let ends = packets.iter().filter(|packet| packet.payload[1] & 0x80 != 0);
        assert_eq!(
            ends.map(|packet| packet.payload[2..].to_vec()).collect::<Vec<_>>(),
            [[3, 32]; 3]
        );
        assert!(packets[0].first && !packets[1].first);
    }

    #[test]
    fn keys_in_info() {
        let check = |body: &str, face| assert_eq!(in_info(body.as_bytes()).map(Digit::face), face);
        check("Signal=5\r\nDuration=160\r\n", Some('5'));
        check("Duration = 160\r\nsignal = *\r\n", Some('*'));
        check("7", Some('7'));
        check("Signal=55\r\n", None);
        check("", None);
        check(&info(Digit::from_event(11).unwrap()), Some('#'));
    }
}
