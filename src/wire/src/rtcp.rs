//! RTCP reports and feedback (RFC 3550 §6, RFC 4585, RFC 5104, REMB, transport-wide feedback), read
//! and written.
//!
//! [`packets`] walks a compound or reduced-size packet (RFC 5506); [`Writer`] builds one.

mod feedback;
mod report;
mod transport_cc;
mod write;

use offhook_types::Ssrc;

pub use feedback::{Fir, FirIter, Nack, NackIter, Remb};
pub use report::{ReportBlock, ReportBlocks, Sdes, SenderInfo, SenderReport, SourceList};
pub use transport_cc::{ArrivalIter, TransportCc};
pub use write::{FeedbackHead, Writer};

use crate::cursor::Reader;
use crate::{Malformed, Parsed};

pub(crate) const SENDER_REPORT: u8 = 200;
pub(crate) const RECEIVER_REPORT: u8 = 201;
pub(crate) const SDES: u8 = 202;
pub(crate) const BYE: u8 = 203;
pub(crate) const TRANSPORT_FEEDBACK: u8 = 205;
pub(crate) const PAYLOAD_FEEDBACK: u8 = 206;

/// One packet of a compound.
#[derive(Debug, Clone, Copy)]
pub enum Packet<'a> {
    /// What a sender says about its clock and volume, with reports about what it receives.
    SenderReport(SenderReport<'a>),
    /// What a receiver says about what it receives.
    ReceiverReport {
        /// Who reports.
        sender: Ssrc,
        /// About whom.
        blocks: ReportBlocks<'a>,
    },
    /// Names of sources.
    Sdes(Sdes<'a>),
    /// Sources that leave.
    Bye(SourceList<'a>),
    /// Packets that were not received (RFC 4585 §6.2.1).
    Nack(Nack<'a>),
    /// A picture was lost (RFC 4585 §6.3.1).
    Pli {
        /// Who asks.
        sender: Ssrc,
        /// Of which stream.
        media: Ssrc,
    },
    /// A key frame is wanted (RFC 5104 §4.3.1).
    Fir(Fir<'a>),
    /// Receiver estimated maximum bitrate (draft-alvestrand-rmcat-remb-03).
    Remb(Remb<'a>),
    /// Arrival times (draft-holmer-rmcat-transport-wide-cc-extensions-01).
    TransportCc(TransportCc<'a>),
    /// Well-formed, but nothing that we use.
    Unknown {
        /// The packet type.
        packet_type: u8,
        /// The count or format field.
        format: u8,
    },
}

/// Walk the packets of a compound. A packet with a bad body yields its reason and the walk goes on;
/// a packet with a bad head ends it, since nothing says where the next one starts.
pub const fn packets(bytes: &[u8]) -> Packets<'_> {
    Packets { rest: bytes }
}

/// Iterates the packets of a compound.
#[derive(Debug, Clone)]
pub struct Packets<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Packets<'a> {
    type Item = Parsed<Packet<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        match split(self.rest) {
            Ok((head, body, rest)) => {
                self.rest = rest;
                Some(parse_body(head, body))
            }
            Err(reason) => {
                self.rest = &[];
                Some(Err(reason))
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct HeadFields {
    count: u8,
    packet_type: u8,
}

/// The head of the first packet, its body without padding, and what follows it.
fn split(bytes: &[u8]) -> Parsed<(HeadFields, &[u8], &[u8])> {
    let mut reader = Reader::new(bytes);
    let [first, packet_type] = reader.array()?;
    let words = reader.u16()?;
    if first >> 6 != 2 || !(192..=223).contains(&packet_type) {
        return Err(Malformed::Version);
    }
    let mut body = reader.take(4 * usize::from(words))?;
    if first & 0x20 != 0 {
        // RFC 3550 §6.4.1: the last octet counts the padding, itself included, in whole words.
        let padding = usize::from(*body.last().ok_or(Malformed::Length)?);
        let len = body.len().checked_sub(padding).ok_or(Malformed::Length)?;
        if padding == 0 {
            return Err(Malformed::Length);
        }
        body = body.get(..len).unwrap_or_default();
    }
    Ok((HeadFields { count: first & 0x1f, packet_type }, body, reader.rest()))
}

fn parse_body(head: HeadFields, body: &[u8]) -> Parsed<Packet<'_>> {
    let mut reader = Reader::new(body);
    match (head.packet_type, head.count) {
        (SENDER_REPORT, count) => SenderReport::parse(body, count).map(Packet::SenderReport),
        (RECEIVER_REPORT, count) => {
            let sender = Ssrc(reader.u32()?);
            let blocks = ReportBlocks::parse(&mut reader, count)?;
            Ok(Packet::ReceiverReport { sender, blocks })
        }
        (SDES, count) => Ok(Packet::Sdes(Sdes::new(body, count))),
        (BYE, count) => SourceList::parse(&mut reader, count).map(Packet::Bye),
        (TRANSPORT_FEEDBACK, 1) => Nack::parse(body).map(Packet::Nack),
        (TRANSPORT_FEEDBACK, 15) => TransportCc::parse(body).map(Packet::TransportCc),
        (PAYLOAD_FEEDBACK, 1) => {
            Ok(Packet::Pli { sender: Ssrc(reader.u32()?), media: Ssrc(reader.u32()?) })
        }
        (PAYLOAD_FEEDBACK, 4) => Fir::parse(body).map(Packet::Fir),
        (PAYLOAD_FEEDBACK, 15) => match Remb::parse(body)? {
            Some(remb) => Ok(Packet::Remb(remb)),
            None => Ok(Packet::Unknown { packet_type: PAYLOAD_FEEDBACK, format: 15 }),
        },
        (packet_type, format) => Ok(Packet::Unknown { packet_type, format }),
    }
}

#[cfg(test)]
mod tests;
