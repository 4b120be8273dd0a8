//! H.264 payloads: which NAL units a packet carries (RFC 6184 §5.2 to §5.8).

use crate::cursor::Reader;
use crate::{Malformed, Parsed};

const SLICE_IDR: u8 = 5;
const SPS: u8 = 7;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

/// What one packet carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Description {
    /// A sequence parameter set: what a decoder needs before an IDR picture.
    pub parameters: bool,
    /// The start of a slice of an IDR picture.
    pub idr: bool,
}

impl Description {
    /// Read the NAL unit headers of a payload.
    #[inline]
    pub fn parse(payload: &[u8]) -> Parsed<Self> {
        let mut reader = Reader::new(payload);
        let mut this = Self::default();
        match reader.u8()? & 0x1f {
            STAP_A => {
                // Every turn consumes a length field and at least one byte.
                while !reader.is_empty() {
                    let len = usize::from(reader.u16()?);
                    let unit = reader.take(len)?;
                    this.note(unit.first().ok_or(Malformed::Length)? & 0x1f);
                }
            }
            FU_A => {
                let header = reader.u8()?;
                if header & 0x80 != 0 {
                    this.note(header & 0x1f);
                }
            }
            // 0, 30 and 31 are undefined; the other aggregation and fragmentation types belong to
            // mode 2.
            0 | 25..=27 | 29..=31 => return Err(Malformed::Value),
            single => this.note(single),
        }
        Ok(this)
    }

    /// The packet belongs to the start of a key frame. Encoders that repeat parameter sets in the
    /// stream put them first, so a packet with them is where to start; see
    /// [`Description::parameters`].
    #[inline]
    pub const fn starts_key_frame(&self) -> bool {
        self.parameters || self.idr
    }

    fn note(&mut self, unit: u8) {
        self.parameters |= unit == SPS;
        self.idr |= unit == SLICE_IDR;
    }
}
