//! RTP packets (RFC 3550 §5.1) with header extensions (RFC 8285).
//!
//! [`Head`] reads what is in the clear in an SRTP packet. [`Packet`] reads a whole decrypted
//! packet, padding removed. [`write_header`] writes a header with its extensions. None of them
//! allocates; they are on the per-packet path.

mod extension;
mod unwrap;

use offhook_types::{PayloadType, Ssrc};

pub use extension::{ExtensionIter, Extensions};
pub use unwrap::{SequenceUnwrapper, TimestampUnwrapper};

use crate::{Malformed, Parsed};

/// Length of a header without contributors and extensions.
pub const MIN_HEADER: usize = 12;

/// The fixed fields of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// End of a frame for video, start of a talk spurt for audio.
    pub marker: bool,
    /// What the payload is.
    pub payload_type: PayloadType,
    /// Sixteen bits on the wire; see [`SequenceUnwrapper`].
    pub sequence: u16,
    /// In units of the codec's clock.
    pub timestamp: u32,
    /// Which stream.
    pub ssrc: Ssrc,
}

/// A header with its extensions: what can be read before decryption.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// The fixed fields.
    pub header: Header,
    /// How many contributing sources follow the fixed fields; nothing here needs them.
    pub csrc_count: u8,
    /// The header extensions.
    pub extensions: Extensions<'a>,
    /// Bytes before the payload.
    pub header_len: usize,
    /// The padding flag; the padding's length is the last byte of the decrypted payload.
    pub padded: bool,
}

impl<'a> Head<'a> {
    /// Read a header from the front of a packet, encrypted or not.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Parsed<Self> {
        let Some(([b0, b1, fixed @ ..], _)) = bytes.split_first_chunk::<MIN_HEADER>() else {
            return Err(Malformed::Truncated);
        };
        let &[s0, s1, t0, t1, t2, t3, c0, c1, c2, c3] = fixed;
        if b0 >> 6 != 2 {
            return Err(Malformed::Version);
        }
        let csrc_count = b0 & 0x0f;
        let mut header_len = MIN_HEADER + 4 * usize::from(csrc_count);
        let mut extensions = Extensions::NONE;
        if b0 & 0x10 != 0 {
            let after = bytes.get(header_len..).ok_or(Malformed::Truncated)?;
            let ([p0, p1, l0, l1], block) =
                after.split_first_chunk::<4>().ok_or(Malformed::Truncated)?;
            let len = 4 * usize::from(u16::from_be_bytes([*l0, *l1]));
            let block = block.get(..len).ok_or(Malformed::Truncated)?;
            extensions = Extensions::new(u16::from_be_bytes([*p0, *p1]), block);
            header_len += 4 + len;
        } else if bytes.len() < header_len {
            return Err(Malformed::Truncated);
        }
        let header = Header {
            marker: b1 & 0x80 != 0,
            payload_type: PayloadType(b1 & 0x7f),
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: Ssrc(u32::from_be_bytes([c0, c1, c2, c3])),
        };
        Ok(Self { header, csrc_count, extensions, header_len, padded: b0 & 0x20 != 0 })
    }
}

/// A decrypted packet.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'a> {
    /// The header and its extensions.
    pub head: Head<'a>,
    /// The payload without padding; empty for a packet that is only padding.
    pub payload: &'a [u8],
    /// Bytes of padding after the payload.
    pub padding: u8,
}

impl<'a> Packet<'a> {
    /// Read a decrypted packet.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Parsed<Self> {
        let head = Head::parse(bytes)?;
        let payload = bytes.get(head.header_len..).ok_or(Malformed::Truncated)?;
        let padding = match (head.padded, payload.last()) {
            (false, _) => 0,
            // RFC 3550 §5.1: the last octet counts itself, so zero is forbidden.
            (true, None | Some(0)) => return Err(Malformed::Length),
            (true, Some(&padding)) => padding,
        };
        let len = payload.len().checked_sub(usize::from(padding)).ok_or(Malformed::Length)?;
        Ok(Self { head, payload: payload.get(..len).unwrap_or_default(), padding })
    }

    /// The fixed fields.
    #[inline]
    pub fn header(&self) -> &Header {
        &self.head.header
    }

    /// The value of a header extension.
    #[inline]
    pub fn extension(&self, id: u8) -> Option<&'a [u8]> {
        self.head.extensions.find(id)
    }
}

/// Write a header and its extensions to the front of `out`; the length, or `None` when it does not
/// fit or a value is longer than RFC 8285 can carry. One-byte extensions are written unless an id
/// or value needs the two-byte form. The padding flag is not set.
#[inline]
pub fn write_header<'x, I>(out: &mut [u8], header: &Header, extensions: I) -> Option<usize>
where
    I: Iterator<Item = (u8, &'x [u8])> + Clone,
{
    let (fixed, rest) = out.split_first_chunk_mut::<MIN_HEADER>()?;
    let [s0, s1] = header.sequence.to_be_bytes();
    let [t0, t1, t2, t3] = header.timestamp.to_be_bytes();
    let [c0, c1, c2, c3] = header.ssrc.0.to_be_bytes();
    let second = (u8::from(header.marker) << 7) | (header.payload_type.0 & 0x7f);
    *fixed = [0x80, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3];
    let block = extension::write(rest, extensions)?;
    if block > 0 {
        fixed[0] |= 0x10;
    }
    Some(MIN_HEADER + block)
}

#[cfg(test)]
mod tests;
