//! Keys: as events in RTP (RFC 4733) and as pairs of tones in the sound (ITU-T Q.23, Q.24), both
//! ways.

pub(super) use detect::Detector;
pub(super) use events::{Incoming, Outgoing, Step};

mod detect;
mod events;

/// Low and high frequencies in hertz, in the order of the rows and columns of a keypad.
pub(super) const LOW: [u16; 4] = [697, 770, 852, 941];
pub(super) const HIGH: [u16; 4] = [1209, 1336, 1477, 1633];
/// The keys by row and column.
pub(super) const KEYPAD: [[char; 4]; 4] =
    [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];

/// How long a key that we press sounds, and the silence after it. Q.24 wants 40 ms of each; old
/// equipment wants more.
pub(super) const PRESS_MS: u16 = 100;
pub(super) const RELEASE_MS: u16 = 80;

/// The two frequencies of a key.
pub(super) fn frequencies(face: char) -> Option<(u16, u16)> {
    KEYPAD.iter().zip(LOW).find_map(|(keys, low)| {
        let column = keys.iter().position(|&key| key == face)?;
        Some((low, HIGH[column]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_its_two_frequencies() {
        for (face, pair) in
            [('1', (697, 1209)), ('5', (770, 1336)), ('#', (941, 1477)), ('D', (941, 1633))]
        {
            assert_eq!(frequencies(face), Some(pair));
        }
        assert_eq!(frequencies('E'), None);
    }
}
