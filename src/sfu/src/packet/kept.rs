//! A subscriber's packet that leaves later than it was routed.

use offhook_types::media::Extensions;
use offhook_types::{Mid, PayloadType, Ssrc};
use offhook_wire::dd;

use super::{Carried, Outgoing, Patch};

/// An [`Outgoing`] without its payload: enough to make it again from the packet it was made of.
#[derive(Debug, Clone, Copy)]
pub struct Kept {
    ssrc: Ssrc,
    sequence: u64,
    timestamp: u32,
    payload_type: PayloadType,
    marker: bool,
    /// Bytes of payload, the last ones of the source's: what precedes them is redundancy.
    len: usize,
    patch: Patch,
    ids: Extensions,
    mid: Mid,
    frame_shift: u16,
    activation: Option<dd::Activation>,
}

impl Outgoing<'_> {
    /// Everything but the payload.
    pub fn keep(&self) -> Kept {
        Kept {
            ssrc: self.ssrc,
            sequence: self.sequence,
            timestamp: self.timestamp,
            payload_type: self.payload_type,
            marker: self.marker,
            len: self.payload.len(),
            patch: self.patch,
            ids: *self.ids,
            mid: self.mid,
            frame_shift: self.frame_shift,
            activation: self.activation,
        }
    }
}

impl Kept {
    /// The stream that it belongs to.
    pub const fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    /// The packet exactly as it was. `payload` is the source's whole one, `carried` its extension
    /// values. `None` when the source is too short to be that packet's.
    pub fn render<'a>(
        &'a self,
        payload: &'a [u8],
        carried: &'a Carried<'a>,
    ) -> Option<Outgoing<'a>> {
        let start = payload.len().checked_sub(self.len)?;
        Some(Outgoing {
            ssrc: self.ssrc,
            sequence: self.sequence,
            timestamp: self.timestamp,
            payload_type: self.payload_type,
            marker: self.marker,
            payload: payload.get(start..)?,
            patch: self.patch,
            // A packet that only fills its number says nothing of what it left out.
            carried: if self.len == 0 { &Carried::NONE } else { carried },
            ids: &self.ids,
            mid: self.mid,
            frame_shift: self.frame_shift,
            activation: self.activation,
        })
    }
}
