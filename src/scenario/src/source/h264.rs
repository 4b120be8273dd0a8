//! H.264 as encoders packetize it in mode 1 (RFC 6184): parameter sets in a STAP-A before each IDR
//! picture, slices as single units or in FU-A fragments.

use super::picture::Piece;

/// Constrained Baseline, level 3.1, 640x360; nobody decodes it.
const SPS: [u8; 11] = [0x67, 0x42, 0xe0, 0x1f, 0x95, 0xa0, 0x14, 0x01, 0x6e, 0x9b, 0x80];
const PPS: [u8; 4] = [0x68, 0xce, 0x3c, 0x80];
/// Supplemental information with user data, which carries the stamp of a packet that has no slice.
const SEI: [u8; 2] = [0x06, 0x05];

/// The header bytes of one packet; the stamp and filling follow. The first packet of a key frame is the parameter
/// sets'.
pub(super) fn write(piece: &Piece<'_>, out: &mut Vec<u8>) {
    let (key, first) = (piece.frame.key, piece.index == 0);
    if key && first {
        // RFC 6184 §5.7.1; the last unit takes what follows the header.
        out.push(0x78);
        for unit in [&SPS[..], &PPS[..]] {
            out.extend((unit.len() as u16).to_be_bytes());
            out.extend(unit);
        }
        out.extend(((piece.rest + SEI.len()) as u16).to_be_bytes());
        out.extend(SEI);
        return;
    }
    let (nri, kind) = if key { (0x60, 5) } else { (0x40, 1) };
    let slices_start = u16::from(key);
    let start = piece.index == slices_start;
    let end = piece.index + 1 == piece.frame.packets;
    if start && end {
        out.push(nri | kind);
    } else {
        // RFC 6184 §5.8: S and E mark the ends of the fragmented unit.
        out.extend([nri | 28, u8::from(start) << 7 | u8::from(end) << 6 | kind]);
    }
}
