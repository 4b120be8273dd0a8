//! A synthetic VP8 stream: frames of equal packets, a key frame on request and every second, the sending
//! time in each packet.

use std::time::Instant;

use bytes::{BufMut, Bytes, BytesMut};

/// Where in the payload the sending time stands: behind the VP8 descriptor (4 bytes) and a frame header (10 bytes).
const STAMP_AT: usize = 14;

/// One packet's worth of payload.
pub struct Piece {
    /// VP8 descriptor, header and filling.
    pub payload: Bytes,
    /// Last of its frame.
    pub last: bool,
}

/// Produces frames.
pub struct Source {
    packets: u32,
    payload: usize,
    picture: u16,
    frame: u64,
}

impl Source {
    /// Frames of `packets` packets of `payload` bytes each.
    pub fn new(packets: u32, payload: usize) -> Self {
        Self { packets, payload, picture: 0, frame: 0 }
    }

    /// The packets of the next frame; `key` makes it a key frame.
    pub fn frame(&mut self, origin: Instant, key: bool) -> Vec<Piece> {
        self.picture = self.picture.wrapping_add(1) & 0x7fff;
        self.frame += 1;
        (0..self.packets).map(|i| self.piece(origin, key, i)).collect()
    }

    fn piece(&self, origin: Instant, key: bool, index: u32) -> Piece {
        let mut out = BytesMut::with_capacity(self.payload);
        // RFC 7741 §4.2: X, S on the first packet; I with a 15-bit picture id.
        out.put_u8(0x80 | if index == 0 { 0x10 } else { 0 });
        out.put_u8(0x80);
        out.put_u16(0x8000 | self.picture);
        // RFC 6386 §9.1: bit 0 of the first byte is 0 for a key frame, followed by the start code and 640x360.
        out.put_slice(&[u8::from(!key) | 0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01]);
        out.put_u64(u64::try_from(origin.elapsed().as_nanos()).unwrap_or(u64::MAX));
        out.resize(self.payload.max(STAMP_AT + 8), 0x55);
        Piece { payload: out.freeze(), last: index + 1 == self.packets }
    }
}

/// Nanoseconds after the origin at which a received payload was sent.
pub fn sent_at(payload: &[u8]) -> Option<u64> {
    // The relay may have rewritten the descriptor, not its size.
    let stamp = payload.get(STAMP_AT..STAMP_AT + 8)?;
    Some(u64::from_be_bytes(stamp.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_carries_its_time_and_ends_once() {
        let origin = Instant::now();
        let pieces = Source::new(3, 200).frame(origin, true);
        assert_eq!(pieces.iter().map(|p| p.last).collect::<Vec<_>>(), [false, false, true]);
        for piece in &pieces {
            assert_eq!(piece.payload.len(), 200);
            let age = origin.elapsed().as_nanos() as u64 - sent_at(&piece.payload).unwrap();
            assert!(age < 1_000_000_000);
        }
    }
}
