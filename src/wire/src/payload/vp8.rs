//! The VP8 payload descriptor (RFC 7741 §4.2) and the first byte of the frame (§4.3).

use super::PictureId;
use crate::Parsed;
use crate::cursor::Reader;

/// One packet's descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Descriptor {
    /// Bytes before the frame data.
    pub len: u8,
    /// First packet of a frame: S is set and the partition is the first one.
    pub starts_frame: bool,
    /// First packet of a key frame.
    pub key_frame: bool,
    /// No other frame refers to this one.
    pub discardable: bool,
    /// Frame number.
    pub picture_id: Option<PictureId>,
    /// Number of the last frame in temporal layer zero.
    pub tl0_picture_index: Option<u8>,
    /// Where it is.
    pub tl0_at: u8,
    /// Temporal layer; zero when not said.
    pub temporal: u8,
    /// A receiver of lower layers may start with this layer here (Y).
    pub layer_sync: bool,
    /// Number of the last key frame, 5 bits.
    pub key_index: Option<u8>,
    /// Where the byte with layer and key index is, when there is one.
    pub layer_at: u8,
}

impl Descriptor {
    /// Read the descriptor in front of a payload.
    #[inline]
    pub fn parse(payload: &[u8]) -> Parsed<Self> {
        let mut reader = Reader::new(payload);
        let at = |reader: &Reader<'_>| (payload.len() - reader.len()) as u8;
        let first = reader.u8()?;
        let mut this = Self {
            // S with partition 0.
            starts_frame: first & 0x17 == 0x10,
            discardable: first & 0x20 != 0,
            ..Self::default()
        };
        if first & 0x80 != 0 {
            let present = reader.u8()?;
            if present & 0x80 != 0 {
                let start = at(&reader);
                this.picture_id = Some(picture_id(&mut reader, start)?);
            }
            if present & 0x40 != 0 {
                this.tl0_at = at(&reader);
                this.tl0_picture_index = Some(reader.u8()?);
            }
            if present & 0x30 != 0 {
                this.layer_at = at(&reader);
                let byte = reader.u8()?;
                if present & 0x20 != 0 {
                    this.temporal = byte >> 6;
                    this.layer_sync = byte & 0x20 != 0;
                }
                if present & 0x10 != 0 {
                    this.key_index = Some(byte & 0x1f);
                }
            }
        }
        this.len = at(&reader);
        // RFC 7741 §4.3: bit P of the frame tag is zero for a key frame. A descriptor without data
        // says nothing.
        this.key_frame = this.starts_frame && reader.u8().is_ok_and(|tag| tag & 1 == 0);
        Ok(this)
    }
}

/// Seven bits, or fifteen when the first bit is set.
#[inline]
pub(super) fn picture_id(reader: &mut Reader<'_>, at: u8) -> Parsed<PictureId> {
    let first = reader.u8()?;
    if first & 0x80 == 0 {
        return Ok(PictureId { value: u16::from(first), long: false, at });
    }
    let value = u16::from_be_bytes([first & 0x7f, reader.u8()?]);
    Ok(PictureId { value, long: true, at })
}
