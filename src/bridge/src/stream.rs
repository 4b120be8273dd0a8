//! The RTP stream that we send to one side: its name, numbers and timestamps.

use offhook_rtc::srtp::Protect;
use offhook_types::{PayloadType, Rng, Ssrc};
use offhook_wire::rtp::{Header, write_header};

#[derive(Debug)]
pub(super) struct Stream {
    ssrc: Ssrc,
    /// Its low 16 bits are on the wire.
    sequence: u64,
    timestamp: u32,
    /// The next packet is the first after silence.
    marker: bool,
}

/// A packet to be sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outgoing<'a> {
    pub(super) payload_type: PayloadType,
    pub(super) payload: &'a [u8],
    /// Events carry the time of their start, not now.
    pub(super) timestamp: Option<u32>,
    pub(super) marker: bool,
    /// A header extension of one byte: id and value.
    pub(super) extension: Option<(u8, u8)>,
}

impl Stream {
    pub(super) fn new(ssrc: Ssrc, rng: &mut Rng) -> Self {
        // Below 2^15, so that the far side's rollover counter starts right even if the first
        // packets are lost (RFC 3711 §3.3.1).
        let sequence = u64::from(rng.next_u32() >> 17);
        Self { ssrc, sequence, timestamp: rng.next_u32(), marker: true }
    }

    pub(super) fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    /// Timestamp of the next sample.
    pub(super) fn timestamp(&self) -> u32 {
        self.timestamp
    }

    /// Time passes, with or without a packet.
    pub(super) fn advance(&mut self, ticks: u32) {
        self.timestamp = self.timestamp.wrapping_add(ticks);
    }

    /// Sound stops for a while.
    pub(super) fn pause(&mut self) {
        self.marker = true;
    }

    /// Writes a packet, protected if there is a key; its length.
    pub(super) fn write(
        &mut self,
        packet: &Outgoing<'_>,
        protect: Option<&mut Protect>,
        out: &mut [u8],
    ) -> Option<usize> {
        let header = Header {
            marker: packet.marker || (packet.timestamp.is_none() && self.marker),
            payload_type: packet.payload_type,
            sequence: self.sequence as u16,
            timestamp: packet.timestamp.unwrap_or(self.timestamp),
            ssrc: self.ssrc,
        };
        let extension = packet.extension.map(|(id, value)| (id, [value]));
        let extensions = extension.iter().map(|(id, value)| (*id, value.as_slice()));
        let header_len = write_header(out, &header, extensions)?;
        let len = match protect {
            Some(protect) => protect.protect_rtp(self.sequence, header_len, packet.payload, out)?,
            None => {
                let len = header_len + packet.payload.len();
                out.get_mut(header_len..len)?.copy_from_slice(packet.payload);
                len
            }
        };
        self.sequence += 1;
        if packet.timestamp.is_none() {
            self.marker = false;
        }
        Some(len)
    }
}
