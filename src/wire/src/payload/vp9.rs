//! The VP9 payload descriptor (RFC 9628 §4.2).

use super::{PictureId, vp8};
use crate::Parsed;
use crate::cursor::Reader;

/// One packet's descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Descriptor {
    /// Bytes before the frame data.
    pub len: u8,
    /// Picture number, the same for all spatial layers of a picture.
    pub picture_id: Option<PictureId>,
    /// First packet of a layer's frame (B).
    pub starts_frame: bool,
    /// Last packet of a layer's frame (E).
    pub ends_frame: bool,
    /// The frame refers to earlier pictures (P).
    pub inter_predicted: bool,
    /// The frame refers to the spatial layer below (D).
    pub inter_layer: bool,
    /// Temporal layer; zero when not said.
    pub temporal: u8,
    /// Spatial layer; zero when not said.
    pub spatial: u8,
    /// Later pictures of higher temporal layers need nothing before this picture above its own
    /// layer (U).
    pub switching_up: bool,
    /// References are listed in the packet (F); otherwise they follow from the structure.
    pub flexible: bool,
    /// Number of the last picture in temporal layer zero (not in flexible mode).
    pub tl0_picture_index: Option<u8>,
    /// Where it is.
    pub tl0_at: u8,
    /// First packet of a picture that needs no earlier one.
    pub key_frame: bool,
    /// Spatial layers of the stream, when the packet carries the scalability structure.
    pub spatial_layers: Option<u8>,
}

impl Descriptor {
    /// Read the descriptor in front of a payload.
    #[inline]
    pub fn parse(payload: &[u8]) -> Parsed<Self> {
        let mut reader = Reader::new(payload);
        let at =
            |reader: &Reader<'_>| u8::try_from(payload.len() - reader.len()).unwrap_or(u8::MAX);
        let first = reader.u8()?;
        let mut this = Self {
            inter_predicted: first & 0x40 != 0,
            flexible: first & 0x10 != 0,
            starts_frame: first & 0x08 != 0,
            ends_frame: first & 0x04 != 0,
            ..Self::default()
        };
        if first & 0x80 != 0 {
            let start = at(&reader);
            this.picture_id = Some(vp8::picture_id(&mut reader, start)?);
        }
        if first & 0x20 != 0 {
            let layers = reader.u8()?;
            this.temporal = layers >> 5;
            this.switching_up = layers & 0x10 != 0;
            this.spatial = layers >> 1 & 7;
            this.inter_layer = layers & 1 != 0;
            if !this.flexible {
                this.tl0_at = at(&reader);
                this.tl0_picture_index = Some(reader.u8()?);
            }
        }
        if this.flexible && this.inter_predicted {
            // At most three reference differences; N marks that another follows.
            for _ in 0..3 {
                if reader.u8()? & 1 == 0 {
                    break;
                }
            }
        }
        if first & 0x02 != 0 {
            this.spatial_layers = Some(structure(&mut reader)?);
        }
        this.len = at(&reader);
        this.key_frame = !this.inter_predicted
            && this.starts_frame
            && this.spatial == 0
            && !this.inter_layer
            && !reader.is_empty();
        Ok(this)
    }
}

/// Skip the scalability structure (RFC 9628 §4.2.1); the number of spatial layers.
fn structure(reader: &mut Reader<'_>) -> Parsed<u8> {
    let first = reader.u8()?;
    let layers = (first >> 5) + 1;
    if first & 0x10 != 0 {
        reader.take(4 * usize::from(layers))?;
    }
    if first & 0x08 != 0 {
        let pictures = reader.u8()?;
        for _ in 0..pictures {
            let references = reader.u8()? >> 2 & 3;
            reader.take(usize::from(references))?;
        }
    }
    Ok(layers)
}
