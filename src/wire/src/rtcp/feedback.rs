//! Feedback about packets and pictures: NACK, FIR, REMB.

use offhook_types::Ssrc;

use super::report::SourceList;
use crate::cursor::Reader;
use crate::{Malformed, Parsed};

/// Packets that were not received (RFC 4585 §6.2.1).
#[derive(Debug, Clone, Copy)]
pub struct Nack<'a> {
    /// Who misses them.
    pub sender: Ssrc,
    /// Of which stream.
    pub media: Ssrc,
    pairs: &'a [u8],
}

impl<'a> Nack<'a> {
    pub(super) fn parse(body: &'a [u8]) -> Parsed<Self> {
        let mut reader = Reader::new(body);
        let (sender, media) = (Ssrc(reader.u32()?), Ssrc(reader.u32()?));
        if reader.is_empty() {
            return Err(Malformed::Truncated);
        }
        Ok(Self { sender, media, pairs: reader.rest() })
    }

    /// Every missing sequence number, at most 17 for each four bytes of the packet.
    pub fn sequences(&self) -> NackIter<'a> {
        NackIter { pairs: Reader::new(self.pairs), pid: 0, mask: 0 }
    }
}

/// Iterates the sequence numbers of a [`Nack`].
#[derive(Debug, Clone)]
pub struct NackIter<'a> {
    pairs: Reader<'a>,
    pid: u16,
    /// Bits still to yield; bit `i` is `pid + i + 1`.
    mask: u16,
}

impl Iterator for NackIter<'_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        if self.mask != 0 {
            let bit = self.mask.trailing_zeros() as u16;
            self.mask &= self.mask - 1;
            return Some(self.pid.wrapping_add(bit + 1));
        }
        self.pid = self.pairs.u16().ok()?;
        self.mask = self.pairs.u16().ok()?;
        Some(self.pid)
    }
}

/// Full intra requests (RFC 5104 §4.3.1).
#[derive(Debug, Clone, Copy)]
pub struct Fir<'a> {
    /// Who asks.
    pub sender: Ssrc,
    entries: &'a [u8],
}

impl<'a> Fir<'a> {
    pub(super) fn parse(body: &'a [u8]) -> Parsed<Self> {
        let mut reader = Reader::new(body);
        let sender = Ssrc(reader.u32()?);
        reader.u32()?;
        Ok(Self { sender, entries: reader.rest() })
    }

    /// Every stream asked for, with the command's sequence number.
    pub fn entries(&self) -> FirIter<'a> {
        FirIter { entries: Reader::new(self.entries) }
    }
}

/// Iterates the entries of a [`Fir`].
#[derive(Debug, Clone)]
pub struct FirIter<'a> {
    entries: Reader<'a>,
}

impl Iterator for FirIter<'_> {
    type Item = (Ssrc, u8);

    fn next(&mut self) -> Option<(Ssrc, u8)> {
        let source = Ssrc(self.entries.u32().ok()?);
        let [sequence, ..] = self.entries.array::<4>().ok()?;
        Some((source, sequence))
    }
}

/// Receiver estimated maximum bitrate (draft-alvestrand-rmcat-remb-03 §2.2).
#[derive(Debug, Clone, Copy)]
pub struct Remb<'a> {
    /// Who estimates.
    pub sender: Ssrc,
    /// Bits per second.
    pub bitrate: u64,
    /// The streams that share it.
    pub sources: SourceList<'a>,
}

impl<'a> Remb<'a> {
    /// `None` when it is some other application layer feedback.
    pub(super) fn parse(body: &'a [u8]) -> Parsed<Option<Self>> {
        let mut reader = Reader::new(body);
        let sender = Ssrc(reader.u32()?);
        reader.u32()?;
        if reader.take(4).ok() != Some(b"REMB") {
            return Ok(None);
        }
        let count = reader.u8()?;
        let packed = reader.u24()?;
        let (exponent, mantissa) = (packed >> 18, u64::from(packed & 0x3_ffff));
        // 18 bits shifted by up to 63: beyond 64 bits is a forged number, not a bitrate.
        let bitrate = if mantissa.leading_zeros() < exponent {
            u64::MAX
        } else {
            mantissa.checked_shl(exponent).unwrap_or(u64::MAX)
        };
        Ok(Some(Self { sender, bitrate, sources: SourceList::parse(&mut reader, count)? }))
    }
}
