//! Building compounds.

use offhook_types::Ssrc;

use super::report::{ReportBlock, SenderInfo};
use super::{
    BYE, PAYLOAD_FEEDBACK, RECEIVER_REPORT, SDES, SENDER_REPORT, TRANSPORT_FEEDBACK, transport_cc,
};
use crate::cursor;

/// What every transport-wide feedback starts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedbackHead {
    /// Who received.
    pub sender: Ssrc,
    /// Any stream of the transport.
    pub media: Ssrc,
    /// Transport-wide sequence number of the first packet reported.
    pub base: u16,
    /// Signed multiple of 64 ms that the first delta counts from.
    pub reference: i32,
    /// Counts feedback packets.
    pub feedback_count: u8,
}

/// Builds a compound in a caller's buffer. Each method appends one packet and says whether it fit;
/// one that did not fit leaves the compound as it was.
#[derive(Debug)]
pub struct Writer<'b> {
    out: cursor::Writer<'b>,
}

impl<'b> Writer<'b> {
    /// An empty compound.
    pub const fn new(out: &'b mut [u8]) -> Self {
        Self { out: cursor::Writer::new(out) }
    }

    /// Bytes written so far.
    pub const fn len(&self) -> usize {
        self.out.len()
    }

    /// No packet was written.
    pub const fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// A sender report with at most 31 blocks.
    pub fn sender_report(
        &mut self,
        sender: Ssrc,
        info: &SenderInfo,
        blocks: &[ReportBlock],
    ) -> Option<()> {
        let count = u8::try_from(blocks.len()).ok().filter(|&count| count < 32)?;
        self.packet(SENDER_REPORT, count, |out| {
            out.u32(sender.0)?;
            out.u64(info.ntp)?;
            out.u32(info.rtp_time)?;
            out.u32(info.packets)?;
            out.u32(info.octets)?;
            blocks.iter().try_for_each(|block| write_block(out, block))
        })
    }

    /// A receiver report with at most 31 blocks.
    pub fn receiver_report(&mut self, sender: Ssrc, blocks: &[ReportBlock]) -> Option<()> {
        let count = u8::try_from(blocks.len()).ok().filter(|&count| count < 32)?;
        self.packet(RECEIVER_REPORT, count, |out| {
            out.u32(sender.0)?;
            blocks.iter().try_for_each(|block| write_block(out, block))
        })
    }

    /// The canonical name of one source, at most 255 bytes.
    pub fn cname(&mut self, source: Ssrc, name: &str) -> Option<()> {
        let len = u8::try_from(name.len()).ok()?;
        self.packet(SDES, 1, |out| {
            out.u32(source.0)?;
            out.u8(1)?;
            out.u8(len)?;
            out.put(name.as_bytes())?;
            // At least one zero ends the items.
            out.u8(0)?;
            out.pad4()
        })
    }

    /// One source leaves.
    pub fn bye(&mut self, source: Ssrc) -> Option<()> {
        self.packet(BYE, 1, |out| out.u32(source.0))
    }

    /// Missing packets, best in ascending order: neighbours share one entry.
    pub fn nack(
        &mut self,
        sender: Ssrc,
        media: Ssrc,
        sequences: impl IntoIterator<Item = u16>,
    ) -> Option<()> {
        self.packet(TRANSPORT_FEEDBACK, 1, |out| {
            out.u32(sender.0)?;
            out.u32(media.0)?;
            let mut entry: Option<(u16, u16)> = None;
            for sequence in sequences {
                entry = match entry {
                    Some((pid, mask)) if (1..=16).contains(&sequence.wrapping_sub(pid)) => {
                        Some((pid, mask | (1 << (sequence.wrapping_sub(pid) - 1))))
                    }
                    Some((pid, _)) if pid == sequence => entry,
                    Some((pid, mask)) => {
                        out.u16(pid)?;
                        out.u16(mask)?;
                        Some((sequence, 0))
                    }
                    None => Some((sequence, 0)),
                };
            }
            // An empty list is no packet.
            let (pid, mask) = entry?;
            out.u16(pid)?;
            out.u16(mask)
        })
    }

    /// Ask for a key frame after a loss.
    pub fn pli(&mut self, sender: Ssrc, media: Ssrc) -> Option<()> {
        self.packet(PAYLOAD_FEEDBACK, 1, |out| {
            out.u32(sender.0)?;
            out.u32(media.0)
        })
    }

    /// Ask for a key frame; `sequence` grows by one for every new request.
    pub fn fir(&mut self, sender: Ssrc, media: Ssrc, sequence: u8) -> Option<()> {
        self.packet(PAYLOAD_FEEDBACK, 4, |out| {
            out.u32(sender.0)?;
            out.u32(0)?;
            out.u32(media.0)?;
            out.put(&[sequence, 0, 0, 0])
        })
    }

    /// A bitrate that the sender of `sources` should stay under.
    pub fn remb(&mut self, sender: Ssrc, bitrate: u64, sources: &[Ssrc]) -> Option<()> {
        let count = u8::try_from(sources.len()).ok()?;
        // The mantissa has 18 bits.
        let exponent = (64 - bitrate.leading_zeros()).saturating_sub(18);
        let mantissa = (bitrate >> exponent) as u32;
        self.packet(PAYLOAD_FEEDBACK, 15, |out| {
            out.u32(sender.0)?;
            out.u32(0)?;
            out.put(b"REMB")?;
            out.u8(count)?;
            out.u24((exponent << 18) | mantissa)?;
            sources.iter().try_for_each(|source| out.u32(source.0))
        })
    }

    /// Arrivals of the packets from `head.base` on: 250 us ticks since the previous one received
    /// (the first: since the reference), `None` for the ones missing.
    pub fn transport_cc(&mut self, head: &FeedbackHead, deltas: &[Option<i16>]) -> Option<()> {
        let count = u16::try_from(deltas.len()).ok().filter(|&count| count > 0)?;
        self.packet(TRANSPORT_FEEDBACK, 15, |out| {
            out.u32(head.sender.0)?;
            out.u32(head.media.0)?;
            out.u16(head.base)?;
            out.u16(count)?;
            out.u24(head.reference as u32)?;
            out.u8(head.feedback_count)?;
            transport_cc::write(out, deltas)
        })
    }

    /// Append one packet, padding its end with zeros to a whole word where the body did not. Only
    /// transport-wide feedback needs it; readers find its end by the packet count.
    fn packet(
        &mut self,
        packet_type: u8,
        count: u8,
        body: impl FnOnce(&mut cursor::Writer<'b>) -> Option<()>,
    ) -> Option<()> {
        let start = self.out.len();
        let wrote = (|| {
            self.out.put(&[0x80 | count, packet_type, 0, 0])?;
            body(&mut self.out)?;
            self.out.pad4()?;
            let words = u16::try_from((self.out.len() - start) / 4 - 1).ok()?;
            self.out.set_u16(start + 2, words)
        })();
        if wrote.is_none() {
            self.out.truncate(start);
        }
        wrote
    }
}

fn write_block(out: &mut cursor::Writer<'_>, block: &ReportBlock) -> Option<()> {
    out.u32(block.source.0)?;
    out.u8(block.fraction_lost)?;
    out.u24(block.total_lost.clamp(-0x80_0000, 0x7f_ffff) as u32)?;
    out.u32(block.highest_sequence)?;
    out.u32(block.jitter)?;
    out.u32(block.last_report)?;
    out.u32(block.delay)
}
