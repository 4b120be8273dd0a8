//! Transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).

use offhook_types::Ssrc;

use crate::Parsed;
use crate::cursor::{Reader, Writer};

/// Which packets of a transport arrived, and when.
#[derive(Debug, Clone, Copy)]
pub struct TransportCc<'a> {
    /// Who received.
    pub sender: Ssrc,
    /// Any stream of the transport.
    pub media: Ssrc,
    /// Transport-wide sequence number of the first packet reported.
    pub base: u16,
    /// How many packets are reported, received or not.
    pub count: u16,
    /// Signed multiple of 64 ms that the first delta counts from.
    pub reference: i32,
    /// Counts feedback packets, so that lost ones show.
    pub feedback_count: u8,
    chunks: &'a [u8],
}

impl<'a> TransportCc<'a> {
    pub(super) fn parse(body: &'a [u8]) -> Parsed<Self> {
        let mut reader = Reader::new(body);
        let (sender, media) = (Ssrc(reader.u32()?), Ssrc(reader.u32()?));
        let (base, count) = (reader.u16()?, reader.u16()?);
        let reference = ((reader.u24()? << 8) as i32) >> 8;
        let feedback_count = reader.u8()?;
        let this =
            Self { sender, media, base, count, reference, feedback_count, chunks: reader.rest() };
        // Both walks must reach the end of the announced packets, so that iterating later cannot
        // surprise anyone.
        let mut symbols = Symbols::new(this.chunks, count);
        let mut delta_bytes = 0usize;
        for symbol in &mut symbols {
            delta_bytes += usize::from(symbol?);
        }
        symbols.reader.take(delta_bytes)?;
        Ok(this)
    }

    /// Every packet reported: its sequence number, and if received the time in 250 us ticks since
    /// the previous received one (the first: since [`TransportCc::reference`]).
    pub fn arrivals(&self) -> ArrivalIter<'a> {
        let mut symbols = Symbols::new(self.chunks, self.count);
        for _ in &mut symbols {}
        ArrivalIter {
            symbols: Symbols::new(self.chunks, self.count),
            deltas: symbols.reader,
            sequence: self.base,
        }
    }
}

/// Iterates the packets of a [`TransportCc`].
#[derive(Debug, Clone)]
pub struct ArrivalIter<'a> {
    symbols: Symbols<'a>,
    deltas: Reader<'a>,
    sequence: u16,
}

impl Iterator for ArrivalIter<'_> {
    type Item = (u16, Option<i16>);

    fn next(&mut self) -> Option<Self::Item> {
        let sequence = self.sequence;
        let delta = match self.symbols.next()?.ok()? {
            0 => None,
            1 => Some(i16::from(self.deltas.u8().ok()?)),
            _ => Some(self.deltas.u16().ok()? as i16),
        };
        self.sequence = sequence.wrapping_add(1);
        Some((sequence, delta))
    }
}

/// Walks status chunks; a symbol is the number of delta bytes of its packet.
#[derive(Debug, Clone)]
struct Symbols<'a> {
    reader: Reader<'a>,
    /// Packets not yet yielded.
    left: u16,
    /// Symbols of the current chunk not yet yielded.
    in_chunk: u16,
    chunk: u16,
}

impl<'a> Symbols<'a> {
    const fn new(chunks: &'a [u8], count: u16) -> Self {
        Self { reader: Reader::new(chunks), left: count, in_chunk: 0, chunk: 0 }
    }
}

impl Iterator for Symbols<'_> {
    type Item = Parsed<u8>;

    fn next(&mut self) -> Option<Parsed<u8>> {
        while self.in_chunk == 0 {
            if self.left == 0 {
                return None;
            }
            self.chunk = match self.reader.u16() {
                Ok(chunk) => chunk,
                Err(reason) => {
                    self.left = 0;
                    return Some(Err(reason));
                }
            };
            self.in_chunk = match self.chunk >> 14 {
                0 | 1 => self.chunk & 0x1fff,
                2 => 14,
                _ => 7,
            };
        }
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        self.in_chunk -= 1;
        let symbol = match self.chunk >> 14 {
            0 | 1 => (self.chunk >> 13) & 3,
            2 => (self.chunk >> self.in_chunk) & 1,
            _ => (self.chunk >> (2 * self.in_chunk)) & 3,
        };
        // Symbol 3 is reserved; libwebrtc and others give it no delta, so do we.
        Some(Ok(if symbol == 3 { 0 } else { symbol as u8 }))
    }
}

/// The symbol of a delta: bytes it takes.
const fn symbol(delta: Option<i16>) -> u16 {
    match delta {
        None => 0,
        Some(0..=255) => 1,
        Some(_) => 2,
    }
}

/// Write chunks and deltas for `deltas`, ticks as in [`TransportCc::arrivals`].
pub(super) fn write(out: &mut Writer<'_>, deltas: &[Option<i16>]) -> Option<()> {
    let mut rest = deltas;
    while let Some(&first) = rest.first() {
        let same = symbol(first);
        let run = rest.iter().take(0x1fff).take_while(|&&delta| symbol(delta) == same).count();
        let taken = if run >= 7 || run == rest.len() {
            out.u16((same << 13) | run as u16)?;
            run
        } else if rest.iter().take(14).all(|&delta| symbol(delta) < 2) {
            out.u16(0x8000 | vector(rest, 14, 1))?;
            14
        } else {
            out.u16(0xc000 | vector(rest, 7, 2))?;
            7
        };
        rest = rest.get(taken..).unwrap_or_default();
    }
    for &delta in deltas {
        match (delta, symbol(delta)) {
            (Some(delta), 1) => out.u8(delta as u8)?,
            (Some(delta), 2) => out.u16(delta as u16)?,
            _ => {}
        }
    }
    Some(())
}

/// Up to `slots` symbols of `width` bits, first one in the highest bits, the rest zero.
fn vector(deltas: &[Option<i16>], slots: usize, width: usize) -> u16 {
    (0..slots).fold(0, |bits, slot| {
        let next = deltas.get(slot).map_or(0, |&delta| symbol(delta));
        (bits << width) | next
    })
}
