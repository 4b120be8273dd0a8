//! Packets in a byte stream: where one ends and the next begins. A stream carries either packets of
//! a leg in the frames of RFC 4571 (ICE over TCP, RFC 6544 §3), or a TURN client's messages, which
//! tell their own length (RFC 8656 §12.5, RFC 8489 §6.2.2). The first packet of both is STUN, and
//! its magic cookie shows which it is.

use crate::{Malformed, Parsed};

/// How a stream is cut into packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// A 16-bit length in front of each packet (RFC 4571 §2).
    Framed,
    /// STUN messages and ChannelData, each padded to four bytes.
    Turn,
}

/// Bytes in front of a framed packet, and of a ChannelData message.
pub const FRAME_HEADER: usize = 2;
/// Channel number and length (RFC 8656 §12.4).
pub const CHANNEL_HEADER: usize = 4;
/// Length of a STUN header, which a message's own length does not count.
const STUN_HEADER: usize = 20;
/// Up to and including the cookie of a framed STUN message.
const ENOUGH: usize = FRAME_HEADER + 8;
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

impl Dialect {
    /// Which one begins with these bytes; `None` while there are fewer than ten.
    ///
    /// # Errors
    /// [`Malformed::Version`] when it is neither.
    pub fn of(bytes: &[u8]) -> Parsed<Option<Self>> {
        let Some(start) = bytes.get(..ENOUGH) else { return Ok(None) };
        if start.ends_with(&COOKIE) {
            return Ok(Some(Self::Framed));
        }
        match start.get(4..8) {
            Some(cookie) if cookie == COOKIE => Ok(Some(Self::Turn)),
            _ => Err(Malformed::Version),
        }
    }

    /// The first packet, and how many bytes of the stream it takes with all that belongs to it;
    /// `None` while it is not whole. An empty frame is a packet without bytes.
    ///
    /// # Errors
    /// [`Malformed::Length`] for a packet longer than `longest`, as soon as its length is known, and
    /// [`Malformed::Version`] for what no TURN message begins with. Nothing after that can be read.
    pub fn split(self, bytes: &[u8], longest: usize) -> Parsed<Option<(&[u8], usize)>> {
        let &[first, second, third, fourth, ..] = bytes else {
            // A frame may be shorter than a TURN message's header.
            return match (self, bytes) {
                (Self::Framed, &[first, second, ..]) => {
                    cut(bytes, Self::framed(first, second), longest)
                }
                _ => Ok(None),
            };
        };
        let extent = match (self, first) {
            (Self::Framed, _) => Self::framed(first, second),
            (Self::Turn, 0..=0x3f) => {
                let whole = STUN_HEADER + length(third, fourth);
                Extent { skipped: 0, packet: whole, padded: whole }
            }
            (Self::Turn, 0x40..=0x4f) => {
                let whole = CHANNEL_HEADER + length(third, fourth);
                Extent { skipped: 0, packet: whole, padded: whole.next_multiple_of(4) }
            }
            (Self::Turn, _) => return Err(Malformed::Version),
        };
        cut(bytes, extent, longest)
    }

    fn framed(first: u8, second: u8) -> Extent {
        let packet = length(first, second);
        Extent { skipped: FRAME_HEADER, packet, padded: FRAME_HEADER + packet }
    }
}

/// The header of a frame around a packet; `None` for a packet that no frame holds.
pub fn frame_header(packet: &[u8]) -> Option<[u8; FRAME_HEADER]> {
    u16::try_from(packet.len()).ok().map(u16::to_be_bytes)
}

struct Extent {
    /// In front of the packet.
    skipped: usize,
    packet: usize,
    /// All of it.
    padded: usize,
}

fn length(high: u8, low: u8) -> usize {
    usize::from(u16::from_be_bytes([high, low]))
}

fn cut(bytes: &[u8], extent: Extent, longest: usize) -> Parsed<Option<(&[u8], usize)>> {
    if extent.packet > longest {
        return Err(Malformed::Length);
    }
    if bytes.len() < extent.padded {
        return Ok(None);
    }
    let packet = bytes.get(extent.skipped..extent.skipped + extent.packet);
    Ok(packet.map(|packet| (packet, extent.padded)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REQUEST: [u8; 20] =
        [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

    fn framed(packet: &[u8]) -> Vec<u8> {
        [&frame_header(packet).unwrap(), packet].concat()
    }

    #[test]
    fn the_cookie_tells_frames_from_turn() {
        let in_frame = framed(&REQUEST);
        for (bytes, expected) in [
            (&in_frame[..], Ok(Some(Dialect::Framed))),
            (&in_frame[..9], Ok(None)),
            (&REQUEST[..], Ok(Some(Dialect::Turn))),
            (b"GET / HTTP/1.1", Err(Malformed::Version)),
            (&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3], Err(Malformed::Version)),
            (&[], Ok(None)),
        ] {
            assert_eq!(Dialect::of(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn packets_are_cut_where_they_end() {
        let check = |dialect: Dialect, bytes: &[u8], expected: Parsed<Option<(&[u8], usize)>>| {
            assert_eq!(dialect.split(bytes, 100), expected, "{dialect:?} {bytes:?}");
        };
        use Dialect::{Framed, Turn};
        check(Framed, &[0], Ok(None));
        check(Framed, &[0, 0, 9], Ok(Some((&[], 2))));
        check(Framed, &[0, 1, 9, 9], Ok(Some((&[9], 3))));
        check(Framed, &[0, 3, 9, 9], Ok(None));
        check(Framed, &[0, 101], Err(Malformed::Length));
        check(Turn, &[0x40, 0, 0], Ok(None));
        check(Turn, &[0x40, 0, 0, 1, 7], Ok(None));
        check(Turn, &[0x40, 0, 0, 1, 7, 0, 0, 0, 5], Ok(Some((&[0x40, 0, 0, 1, 7], 8))));
        check(Turn, &REQUEST, Ok(Some((&REQUEST, 20))));
        check(Turn, &REQUEST[..19], Ok(None));
        check(Turn, &[0x40, 0, 0, 97], Err(Malformed::Length));
        check(Turn, &[0x50, 0, 0, 0], Err(Malformed::Version));
        check(Turn, &[0x80, 0, 0, 0], Err(Malformed::Version));
    }

    proptest! {
        #[test]
        fn frames_come_out_as_they_went_in(
            packets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..9),
        ) {
            let stream: Vec<u8> = packets.iter().flat_map(|packet| framed(packet)).collect();
            let (mut rest, mut out) = (stream.as_slice(), Vec::new());
            while let Ok(Some((packet, taken))) = Dialect::Framed.split(rest, 64) {
                out.push(packet.to_vec());
                rest = &rest[taken..];
            }
            prop_assert_eq!((out, rest.len()), (packets, 0));
        }

        #[test]
        fn nothing_is_taken_that_is_not_there(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            for dialect in [Dialect::Framed, Dialect::Turn] {
                if let Ok(Some((packet, taken))) = dialect.split(&bytes, 64) {
                    prop_assert!(packet.len() <= taken && taken <= bytes.len());
                }
            }
        }
    }
}
