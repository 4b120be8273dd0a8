//! Bounded reading and writing of network-order integers. All parsers stand on [`Reader`], all
//! builders on [`Writer`]; neither can run past its bytes.

use crate::{Malformed, Parsed};

/// Reads from the front of a byte slice.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Start at the first byte.
    #[inline]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What was not read yet.
    #[inline]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// How many bytes were not read yet.
    #[inline]
    pub const fn len(&self) -> usize {
        self.rest.len()
    }

    /// Everything was read.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next `len` bytes.
    #[inline]
    pub fn take(&mut self, len: usize) -> Parsed<&'a [u8]> {
        let (front, rest) = self.rest.split_at_checked(len).ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(front)
    }

    /// The next `N` bytes by value.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Parsed<[u8; N]> {
        let (front, rest) = self.rest.split_first_chunk::<N>().ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(*front)
    }

    /// One byte.
    #[inline]
    pub fn u8(&mut self) -> Parsed<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// Two bytes.
    #[inline]
    pub fn u16(&mut self) -> Parsed<u16> {
        self.array().map(u16::from_be_bytes)
    }

    /// Three bytes.
    #[inline]
    pub fn u24(&mut self) -> Parsed<u32> {
        self.array::<3>().map(|[a, b, c]| u32::from_be_bytes([0, a, b, c]))
    }

    /// Four bytes.
    #[inline]
    pub fn u32(&mut self) -> Parsed<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// Eight bytes.
    #[inline]
    pub fn u64(&mut self) -> Parsed<u64> {
        self.array().map(u64::from_be_bytes)
    }
}

/// Reads bits from the front of a byte slice, most significant first.
#[derive(Debug, Clone)]
pub struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    /// Start at the first bit.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bits were read.
    pub const fn position(&self) -> usize {
        self.at
    }

    /// One bit.
    pub fn bit(&mut self) -> Parsed<bool> {
        let byte = self.bytes.get(self.at / 8).ok_or(Malformed::Truncated)?;
        let bit = (byte >> (7 - self.at % 8)) & 1;
        self.at += 1;
        Ok(bit == 1)
    }

    /// Up to 32 bits as a number.
    pub fn bits(&mut self, count: u32) -> Parsed<u32> {
        (0..count.min(32)).try_fold(0u32, |value, _| Ok((value << 1) | u32::from(self.bit()?)))
    }

    /// A non-symmetric unsigned number below `limit` (AV1 RTP payload format, Appendix A.8.1
    /// `ns(n)`).
    pub fn below(&mut self, limit: u32) -> Parsed<u32> {
        let width = 32 - limit.leading_zeros();
        let Some(short) = width.checked_sub(1) else { return Ok(0) };
        let spare = 1u64.checked_shl(width).unwrap_or(0).saturating_sub(u64::from(limit));
        let value = self.bits(short)?;
        if u64::from(value) < spare {
            return Ok(value);
        }
        let extra = u32::from(self.bit()?);
        let wide = ((u64::from(value) << 1) | u64::from(extra)).saturating_sub(spare);
        u32::try_from(wide).map_err(|_| Malformed::Value)
    }
}

/// Writes to the front of a byte slice. Every method says whether it fit; one that did not fit
/// wrote nothing.
#[derive(Debug)]
pub struct Writer<'b> {
    bytes: &'b mut [u8],
    at: usize,
}

impl<'b> Writer<'b> {
    /// Start at the first byte.
    #[inline]
    pub const fn new(bytes: &'b mut [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bytes were written.
    #[inline]
    pub const fn len(&self) -> usize {
        self.at
    }

    /// Nothing was written yet.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.at == 0
    }

    /// What was written.
    #[inline]
    pub fn written(&self) -> &[u8] {
        self.bytes.get(..self.at).unwrap_or_default()
    }

    /// Forget everything after the first `len` bytes.
    #[inline]
    pub fn truncate(&mut self, len: usize) {
        self.at = self.at.min(len);
    }

    /// Append bytes.
    #[inline]
    pub fn put(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.at.checked_add(bytes.len())?;
        self.bytes.get_mut(self.at..end)?.copy_from_slice(bytes);
        self.at = end;
        Some(())
    }

    /// Append one byte.
    #[inline]
    pub fn u8(&mut self, value: u8) -> Option<()> {
        self.put(&[value])
    }

    /// Append two bytes.
    #[inline]
    pub fn u16(&mut self, value: u16) -> Option<()> {
        self.put(&value.to_be_bytes())
    }

    /// Append the low three bytes.
    #[inline]
    pub fn u24(&mut self, value: u32) -> Option<()> {
        let [_, a, b, c] = value.to_be_bytes();
        self.put(&[a, b, c])
    }

    /// Append four bytes.
    #[inline]
    pub fn u32(&mut self, value: u32) -> Option<()> {
        self.put(&value.to_be_bytes())
    }

    /// Append eight bytes.
    #[inline]
    pub fn u64(&mut self, value: u64) -> Option<()> {
        self.put(&value.to_be_bytes())
    }

    /// Append zeros until the length is a multiple of four.
    #[inline]
    pub fn pad4(&mut self) -> Option<()> {
        let missing = self.at.wrapping_neg() & 3;
        self.put([0u8; 3].get(..missing)?)
    }

    /// Write over two bytes that were written before.
    #[inline]
    pub fn set_u16(&mut self, at: usize, value: u16) -> Option<()> {
        let end = at.checked_add(2).filter(|&end| end <= self.at)?;
        self.bytes.get_mut(at..end)?.copy_from_slice(&value.to_be_bytes());
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_read_or_written_past_the_end() {
        let mut reader = Reader::new(&[1, 2, 3]);
        assert_eq!(reader.u16(), Ok(0x0102));
        assert_eq!(reader.u16(), Err(Malformed::Truncated));
        assert_eq!(reader.u8(), Ok(3));
        let mut out = [0; 3];
        let mut writer = Writer::new(&mut out);
        assert_eq!(writer.u16(0x0102), Some(()));
        assert_eq!(writer.u16(0x0304), None);
        assert_eq!(writer.written(), [1, 2]);
        assert_eq!(writer.set_u16(1, 9), None);
    }

    #[test]
    fn non_symmetric_numbers_use_the_shorter_form_first() {
        // Appendix A.8.1 of the AV1 RTP payload format, table for n = 5.
        for (bits, value) in [(0b00u8, 0), (0b01, 1), (0b10, 2)] {
            assert_eq!(Bits::new(&[bits << 6]).below(5), Ok(value));
        }
        for (bits, value) in [(0b110u8, 3), (0b111, 4)] {
            assert_eq!(Bits::new(&[bits << 5]).below(5), Ok(value));
        }
        assert_eq!(Bits::new(&[]).below(1), Ok(0));
        assert_eq!(Bits::new(&[]).below(0), Ok(0));
    }
}
