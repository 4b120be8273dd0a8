//! Sender and receiver reports, source descriptions, goodbye (RFC 3550 §6.4 to §6.6).

use offhook_types::Ssrc;

use crate::Parsed;
use crate::cursor::Reader;

/// A sender's clock and volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SenderInfo {
    /// Wall clock as 32.32 fixed point seconds since 1900.
    pub ntp: u64,
    /// The same instant on the stream's RTP clock.
    pub rtp_time: u32,
    /// Packets sent so far.
    pub packets: u32,
    /// Payload bytes sent so far.
    pub octets: u32,
}

/// A sender report.
#[derive(Debug, Clone, Copy)]
pub struct SenderReport<'a> {
    /// Who reports.
    pub sender: Ssrc,
    /// Its clock and volume.
    pub info: SenderInfo,
    /// What it receives.
    pub blocks: ReportBlocks<'a>,
}

impl<'a> SenderReport<'a> {
    pub(super) fn parse(body: &'a [u8], count: u8) -> Parsed<Self> {
        let mut reader = Reader::new(body);
        let sender = Ssrc(reader.u32()?);
        let info = SenderInfo {
            ntp: reader.u64()?,
            rtp_time: reader.u32()?,
            packets: reader.u32()?,
            octets: reader.u32()?,
        };
        Ok(Self { sender, info, blocks: ReportBlocks::parse(&mut reader, count)? })
    }
}

/// What a receiver says about one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportBlock {
    /// About whom.
    pub source: Ssrc,
    /// Loss since the previous report, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost so far; negative when duplicates outnumber losses.
    pub total_lost: i32,
    /// Highest sequence number received, cycles in the upper half.
    pub highest_sequence: u32,
    /// Interarrival jitter in units of the RTP clock.
    pub jitter: u32,
    /// Middle 32 bits of the NTP time of the last sender report, zero if none.
    pub last_report: u32,
    /// Delay since that report in 1/65536 s.
    pub delay: u32,
}

const BLOCK: usize = 24;

impl ReportBlock {
    fn parse(bytes: &[u8]) -> Parsed<Self> {
        let mut reader = Reader::new(bytes);
        let source = Ssrc(reader.u32()?);
        let fraction_lost = reader.u8()?;
        // Sign-extend 24 bits.
        let total_lost = ((reader.u24()? << 8) as i32) >> 8;
        Ok(Self {
            source,
            fraction_lost,
            total_lost,
            highest_sequence: reader.u32()?,
            jitter: reader.u32()?,
            last_report: reader.u32()?,
            delay: reader.u32()?,
        })
    }
}

/// The report blocks of one packet.
#[derive(Debug, Clone, Copy)]
pub struct ReportBlocks<'a> {
    bytes: &'a [u8],
}

impl<'a> ReportBlocks<'a> {
    pub(super) fn parse(reader: &mut Reader<'a>, count: u8) -> Parsed<Self> {
        Ok(Self { bytes: reader.take(BLOCK * usize::from(count))? })
    }

    /// Every block.
    pub fn iter(&self) -> impl Iterator<Item = ReportBlock> + Clone + 'a {
        self.bytes.chunks_exact(BLOCK).filter_map(|block| ReportBlock::parse(block).ok())
    }
}

/// Sources named by a goodbye.
#[derive(Debug, Clone, Copy)]
pub struct SourceList<'a> {
    bytes: &'a [u8],
}

impl<'a> SourceList<'a> {
    pub(super) fn parse(reader: &mut Reader<'a>, count: u8) -> Parsed<Self> {
        Ok(Self { bytes: reader.take(4 * usize::from(count))? })
    }

    /// Every source.
    pub fn iter(&self) -> impl Iterator<Item = Ssrc> + Clone + 'a {
        self.bytes.chunks_exact(4).filter_map(|bytes| Reader::new(bytes).u32().ok()).map(Ssrc)
    }
}

/// A source description. Only canonical names are read.
#[derive(Debug, Clone, Copy)]
pub struct Sdes<'a> {
    body: &'a [u8],
    chunks: u8,
}

impl<'a> Sdes<'a> {
    pub(super) const fn new(body: &'a [u8], chunks: u8) -> Self {
        Self { body, chunks }
    }

    /// Every source with its canonical name; chunks without one, or past a malformed one, are left
    /// out.
    pub fn cnames(&self) -> impl Iterator<Item = (Ssrc, &'a [u8])> + 'a {
        let mut reader = Reader::new(self.body);
        let mut left = self.chunks;
        core::iter::from_fn(move || {
            while left > 0 {
                left -= 1;
                match sdes_chunk(&mut reader) {
                    Ok((source, Some(name))) => return Some((source, name)),
                    Ok((_, None)) => {}
                    Err(_) => left = 0,
                }
            }
            None
        })
    }
}

/// One chunk: a source, items until a zero octet, padding to the next word (RFC 3550 §6.5).
fn sdes_chunk<'a>(reader: &mut Reader<'a>) -> Parsed<(Ssrc, Option<&'a [u8]>)> {
    let source = Ssrc(reader.u32()?);
    let mut name = None;
    let mut consumed = 0usize;
    loop {
        let item = reader.u8()?;
        consumed += 1;
        if item == 0 {
            break;
        }
        let len = usize::from(reader.u8()?);
        let text = reader.take(len)?;
        consumed += 1 + len;
        if item == 1 && name.is_none() {
            name = Some(text);
        }
    }
    reader.take(consumed.wrapping_neg() & 3)?;
    Ok((source, name))
}
