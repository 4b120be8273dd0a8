//! RTP over QUIC (draft-ietf-avtcore-rtp-over-quic-14 §5): in front of each packet in a datagram, and of each
//! stream, is a flow identifier; in a stream each packet is preceded by its length. Both are QUIC's
//! variable-length integers (RFC 9000 §16).

use crate::cursor::Reader;
use crate::{Malformed, Parsed};

/// Names one flow of packets within a connection and direction, below 2^62.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowId(u64);

impl FlowId {
    /// `None` at and above 2^62, which cannot be written.
    pub const fn new(id: u64) -> Option<Self> {
        if id <= VARINT_MAX { Some(Self(id)) } else { None }
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// Why a connection or stream is closed (§10). Numbers of our own begin at [`error::OURS`].
pub mod error {
    /// Nothing is wrong.
    pub const NO_ERROR: u64 = 0x00;
    /// Wrong without a number of its own.
    pub const GENERAL_ERROR: u64 = 0x01;
    /// The implementation failed.
    pub const INTERNAL_ERROR: u64 = 0x02;
    /// A payload that is not what §5 says.
    pub const PACKET_ERROR: u64 = 0x03;
    /// A stream that the peer should not have opened.
    pub const STREAM_CREATION_ERROR: u64 = 0x04;
    /// The packet is no longer needed.
    pub const FRAME_CANCELLED: u64 = 0x05;
    /// A flow that was not agreed on.
    pub const UNKNOWN_FLOW_ID: u64 = 0x06;
    /// The peer lacks something that was agreed on, such as datagrams.
    pub const EXPECTATION_UNMET: u64 = 0x07;
    /// The first number that this document leaves to the application.
    pub const OURS: u64 = 0x100;
}

/// A datagram's flow and packet.
#[inline]
pub fn datagram(bytes: &[u8]) -> Parsed<(FlowId, &[u8])> {
    let mut reader = Reader::new(bytes);
    let flow = FlowId(varint(&mut reader)?);
    if reader.is_empty() { Err(Malformed::Truncated) } else { Ok((flow, reader.rest())) }
}

/// How many bytes a variable-length integer has, from its first byte.
#[inline]
pub const fn varint_len(first: u8) -> usize {
    1 << (first >> 6)
}

/// A variable-length integer.
#[inline]
pub fn varint(reader: &mut Reader<'_>) -> Parsed<u64> {
    let first = *reader.rest().first().ok_or(Malformed::Truncated)?;
    let bytes = reader.take(varint_len(first))?;
    let rest = bytes.get(1..).unwrap_or_default();
    let value = u64::from(first & 0x3f);
    Ok(rest.iter().fold(value, |value, &byte| value << 8 | u64::from(byte)))
}

/// A variable-length integer in its shortest form.
#[derive(Debug, Clone, Copy)]
pub struct Varint {
    bytes: [u8; 8],
    len: u8,
}

impl Varint {
    /// `None` at and above 2^62.
    #[inline]
    pub fn new(value: u64) -> Option<Self> {
        let (mark, len) = match value {
            0..=0x3f => (0u64, 1u8),
            0x40..=0x3fff => (0x40 << 8, 2),
            0x4000..=0x3fff_ffff => (0x80 << 24, 4),
            0x4000_0000..=VARINT_MAX => (0xc0 << 56, 8),
            _ => return None,
        };
        // The bytes that count are moved to the front.
        let bytes = ((value | mark) << (64 - 8 * u32::from(len))).to_be_bytes();
        Some(Self { bytes, len })
    }

    /// As it is written.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl From<FlowId> for Varint {
    fn from(flow: FlowId) -> Self {
        // A flow identifier is below 2^62.
        Self::new(flow.0).unwrap_or(Self { bytes: [0; 8], len: 1 })
    }
}

const VARINT_MAX: u64 = (1 << 62) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9000 §A.1: bytes and what they stand for.
    const VECTORS: [(&[u8], u64); 4] = [
        (&[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c], 151_288_809_941_952_652),
        (&[0x9d, 0x7f, 0x3e, 0x7d], 494_878_333),
        (&[0x7b, 0xbd], 15_293),
        (&[0x25], 37),
    ];

    #[test]
    fn integers_of_the_standard_are_read_and_written() {
        for (bytes, value) in VECTORS {
            let mut reader = Reader::new(bytes);
            assert_eq!(varint(&mut reader), Ok(value));
            assert!(reader.is_empty());
            assert_eq!(Varint::new(value).unwrap().as_bytes(), bytes);
        }
        // Not the shortest form, and allowed.
        assert_eq!(varint(&mut Reader::new(&[0x40, 0x25])), Ok(37));
    }

    #[test]
    fn every_length_begins_where_the_one_before_ends() {
        for (edge, len) in [(0x3f, 1), (0x3fff, 2), (0x3fff_ffff, 4), (VARINT_MAX, 8)] {
            let written = Varint::new(edge).unwrap();
            assert_eq!(written.as_bytes().len(), len);
            assert_eq!(varint(&mut Reader::new(written.as_bytes())), Ok(edge));
            let next = Varint::new(edge + 1).map(|next| next.as_bytes().len());
            assert_eq!(next, (len < 8).then_some(len * 2));
        }
        assert_eq!(FlowId::new(1 << 62), None);
        assert_eq!(Varint::from(FlowId::new(5).unwrap()).as_bytes(), [5]);
    }

    #[test]
    fn a_datagram_is_a_flow_and_a_packet() {
        let flow = |id| FlowId::new(id).unwrap();
        assert_eq!(datagram(&[2, 0x80, 1]), Ok((flow(2), &[0x80, 1][..])));
        assert_eq!(datagram(&[0x41, 0, 9]), Ok((flow(0x100), &[9][..])));
        for cut in [&[][..], &[2], &[0x41], &[0x41, 0], &[0xc0, 1, 2, 3, 4, 5, 6]] {
            assert_eq!(datagram(cut), Err(Malformed::Truncated), "{cut:?}");
        }
    }
}
