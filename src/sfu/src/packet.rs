//! Packets on their way through: what a publisher sent, and what one subscriber gets.

mod kept;

use offhook_types::media::{Extension, Extensions};
use offhook_types::{Codec, Mid, PayloadType, Ssrc};
use offhook_wire::payload::Description;
use offhook_wire::{Parsed, dd, rtp};

pub use kept::Kept;

/// Extensions that pass from publisher to subscriber. MID is the receiver's own; RID,
/// transport-wide numbers and send times belong to one hop.
const PASSING: [Extension; 5] = [
    Extension::AudioLevel,
    Extension::VideoOrientation,
    Extension::PlayoutDelay,
    Extension::AbsCaptureTime,
    Extension::DependencyDescriptor,
];

/// The extension values of one packet that pass through, found once for all its subscribers.
#[derive(Debug, Clone, Copy, Default)]
pub struct Carried<'a> {
    values: [Option<&'a [u8]>; PASSING.len()],
    /// There is one.
    any: bool,
}

impl<'a> Carried<'a> {
    /// Nothing.
    pub const NONE: Self = Self { values: [None; PASSING.len()], any: false };

    /// Pick what passes from a packet's extensions, which use the publisher's ids.
    #[inline]
    pub fn pick(block: &rtp::Extensions<'a>, ids: &Extensions) -> Self {
        let wanted = PASSING.map(|extension| ids.id(extension));
        let mut this = Self::NONE;
        for (id, value) in block.iter() {
            if let Some(place) = wanted.iter().position(|&wanted| wanted == Some(id))
                && let Some(slot) = this.values.get_mut(place)
            {
                *slot = Some(value);
                this.any = true;
            }
        }
        this
    }

    /// The value of one of the extensions that pass.
    #[inline]
    pub fn value(&self, extension: Extension) -> Option<&'a [u8]> {
        let place = PASSING.iter().position(|&passing| passing == extension)?;
        self.values.get(place).copied().flatten()
    }
}

/// A decrypted packet of a publisher with everything that routing needs to know about it.
#[derive(Debug, Clone, Copy)]
pub struct Inbound<'a> {
    /// Index into the track's layers, smallest picture first.
    pub layer: u8,
    /// What it is encoded with.
    pub codec: Codec,
    /// Sequence number, unwrapped per layer.
    pub sequence: u64,
    /// RTP time as on the wire.
    pub timestamp: u32,
    /// The marker bit.
    pub marker: bool,
    /// The payload without padding; empty for a packet that was only padding.
    pub payload: &'a [u8],
    /// Extension values that pass through.
    pub carried: Carried<'a>,
    /// What the payload's header says.
    pub description: Description,
}

impl<'a> Inbound<'a> {
    /// Describe a parsed packet. `ids` are the extension ids agreed with the publisher, `sequence`
    /// the unwrapped number.
    #[inline]
    pub fn new(
        (layer, codec, sequence): (u8, Codec, u64),
        packet: &rtp::Packet<'a>,
        ids: &Extensions,
    ) -> Parsed<Self> {
        Ok(Self {
            layer,
            codec,
            sequence,
            timestamp: packet.header().timestamp,
            marker: packet.header().marker,
            payload: packet.payload,
            carried: Carried::pick(&packet.head.extensions, ids),
            description: Description::of(codec, packet.payload)?,
        })
    }
}

/// Bytes to write over the front of a payload: picture numbers that continue the receiver's stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Patch {
    pub(crate) at: u8,
    pub(crate) len: u8,
    pub(crate) bytes: [u8; 4],
}

impl Patch {
    /// Nothing to write.
    pub const NONE: Self = Self { at: 0, len: 0, bytes: [0; 4] };

    /// The payload goes out as it came in.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Write over a copy of the payload.
    #[inline]
    pub fn apply(&self, payload: &mut [u8]) {
        let (at, len) = (usize::from(self.at), usize::from(self.len));
        if let (Some(place), Some(bytes)) = (payload.get_mut(at..at + len), self.bytes.get(..len)) {
            place.copy_from_slice(bytes);
        }
    }
}

/// One packet for one subscriber.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// The stream that the receiver was told.
    pub ssrc: Ssrc,
    /// Sequence number; the low 16 bits go on the wire, all of it is the SRTP packet index. Starts
    /// below 2^15.
    pub sequence: u64,
    /// RTP time.
    pub timestamp: u32,
    /// The receiver's payload type.
    pub payload_type: PayloadType,
    /// The marker bit.
    pub marker: bool,
    /// The payload before [`Outgoing::patch`]. Empty for a packet that only fills its number.
    pub payload: &'a [u8],
    /// What to write over the payload's copy.
    pub patch: Patch,
    pub(crate) carried: &'a Carried<'a>,
    pub(crate) ids: &'a Extensions,
    pub(crate) mid: Mid,
    /// Added to the frame number of a dependency descriptor.
    pub(crate) frame_shift: u16,
    /// Written into a dependency descriptor.
    pub(crate) activation: Option<dd::Activation>,
}

impl Outgoing<'_> {
    /// Write the RTP header with the receiver's extensions; its length, `None` when it does not
    /// fit.
    ///
    /// `transport_sequence` is the sender's transport-wide number, written where the receiver
    /// agreed to it.
    #[inline]
    pub fn write_header(&self, out: &mut [u8], transport_sequence: Option<u16>) -> Option<usize> {
        match self.carried.value(Extension::DependencyDescriptor) {
            Some(value) if self.frame_shift != 0 || self.activation.is_some() => {
                let mut buffer = [0; 255];
                let len = match self.activation {
                    Some(activation) => activation.write(value, &mut buffer)?,
                    None => {
                        buffer.get_mut(..value.len())?.copy_from_slice(value);
                        value.len()
                    }
                };
                let copy = buffer.get_mut(..len)?;
                shift_frame_number(copy, self.frame_shift);
                self.write_header_with(out, transport_sequence, Some(copy))
            }
            descriptor => self.write_header_with(out, transport_sequence, descriptor),
        }
    }

    #[inline]
    fn write_header_with(
        &self,
        out: &mut [u8],
        transport_sequence: Option<u16>,
        descriptor: Option<&[u8]>,
    ) -> Option<usize> {
        let header = rtp::Header {
            marker: self.marker,
            payload_type: self.payload_type,
            sequence: self.sequence as u16,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
        };
        let number = transport_sequence.unwrap_or_default().to_be_bytes();
        let mut list = List { entries: [(0, &[]); 2 + PASSING.len()], used: 0 };
        list.add(self.ids.id(Extension::Mid), self.mid.as_bytes());
        if transport_sequence.is_some() {
            list.add(self.ids.id(Extension::TransportCc), &number);
        }
        if self.carried.any {
            for (extension, value) in PASSING.into_iter().zip(self.carried.values) {
                let is_descriptor = extension == Extension::DependencyDescriptor;
                if let Some(value) = if is_descriptor { descriptor } else { value } {
                    list.add(self.ids.id(extension), value);
                }
            }
        }
        rtp::write_header(out, &header, list.entries.iter().take(list.used).copied())
    }

    /// Copy the payload and write the patch over it; its length, `None` when it does not fit.
    #[inline]
    pub fn write_payload(&self, out: &mut [u8]) -> Option<usize> {
        let place = out.get_mut(..self.payload.len())?;
        place.copy_from_slice(self.payload);
        self.patch.apply(place);
        Some(self.payload.len())
    }
}

/// The extensions of a packet. A list, since the writer may have to go through it twice, and an iterator made of parts
/// costs more than that.
struct List<'x> {
    entries: [(u8, &'x [u8]); 2 + PASSING.len()],
    used: usize,
}

impl<'x> List<'x> {
    #[inline]
    fn add(&mut self, id: Option<u8>, value: &'x [u8]) {
        if let Some(id) = id
            && let Some(place) = self.entries.get_mut(self.used)
        {
            *place = (id, value);
            self.used += 1;
        }
    }
}

fn shift_frame_number(descriptor: &mut [u8], shift: u16) {
    let place = descriptor.get_mut(dd::FRAME_NUMBER_AT..).and_then(<[u8]>::first_chunk_mut::<2>);
    if let Some(place) = place {
        *place = u16::from_be_bytes(*place).wrapping_add(shift).to_be_bytes();
    }
}
