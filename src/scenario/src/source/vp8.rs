//! VP8 as encoders packetize it (RFC 7741): a descriptor with a 15-bit picture id, and TL0PICIDX and TID where
//! there are temporal layers.

use super::picture::Piece;

/// The header bytes of one packet; the stamp and filling follow.
pub(super) fn write(piece: &Piece<'_>, out: &mut Vec<u8>) {
    let frame = piece.frame;
    // RFC 7741 §4.2: X always; N where nothing refers to the frame; S on the first packet.
    let discardable = frame.temporals > 1 && frame.temporal + 1 == frame.temporals;
    let first = piece.index == 0;
    out.push(0x80 | u8::from(discardable) << 5 | u8::from(first) << 4);
    out.push(if frame.temporals > 1 { 0xe0 } else { 0x80 });
    out.extend(((frame.number as u16) | 0x8000).to_be_bytes());
    if frame.temporals > 1 {
        // Y: the frame refers to layer zero only, so a receiver may start with its layer here.
        let sync = frame.temporal > 0 && frame.needs_base;
        out.extend([frame.base as u8, frame.temporal << 6 | u8::from(sync) << 5]);
    }
    if first {
        // RFC 6386 §9.1: bit 0 is zero for a key frame, which a start code and its size follow.
        out.extend([u8::from(!frame.key) | 0x10, 0, 0]);
        if frame.key {
            out.extend([0x9d, 0x01, 0x2a]);
            out.extend(frame.width.to_le_bytes());
            out.extend(frame.height.to_le_bytes());
        }
    }
}
