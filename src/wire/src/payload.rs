//! The first bytes of a payload: where frames start and end, what can be left out, and which few
//! bytes a relay rewrites. Nothing here decodes a picture. [`Description::of`] reads whichever
//! header the codec has.

pub mod av1;
pub mod h264;
pub mod red;
pub mod vp8;
pub mod vp9;

use offhook_types::Codec;

use crate::Parsed;

/// What a payload's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Description {
    /// Sound: every packet stands alone.
    Audio,
    /// RFC 7741.
    Vp8(vp8::Descriptor),
    /// RFC 9628.
    Vp9(vp9::Descriptor),
    /// RFC 6184.
    H264(h264::Description),
    /// AOMedia RTP payload format.
    Av1(av1::Description),
    /// Nothing: a packet without payload, sent for padding or probing.
    Empty,
}

impl Description {
    /// Read the header of a payload without padding.
    #[inline]
    pub fn of(codec: Codec, payload: &[u8]) -> Parsed<Self> {
        if payload.is_empty() {
            return Ok(Self::Empty);
        }
        match codec {
            Codec::Opus | Codec::Red => Ok(Self::Audio),
            Codec::Vp8 => vp8::Descriptor::parse(payload).map(Self::Vp8),
            Codec::Vp9 { .. } => vp9::Descriptor::parse(payload).map(Self::Vp9),
            Codec::H264(_) => h264::Description::parse(payload).map(Self::H264),
            Codec::Av1 { .. } => av1::Description::parse(payload).map(Self::Av1),
        }
    }

    /// This packet starts a frame that needs no earlier one (for spatial layers: the lowest layer's
    /// frame).
    #[inline]
    pub const fn starts_key_frame(&self) -> bool {
        match self {
            Self::Audio | Self::Empty => false,
            Self::Vp8(d) => d.key_frame,
            Self::Vp9(d) => d.key_frame,
            Self::H264(d) => d.starts_key_frame(),
            Self::Av1(d) => d.key_frame,
        }
    }

    /// Temporal layer, zero when the header does not say.
    #[inline]
    pub const fn temporal(&self) -> u8 {
        match self {
            Self::Vp8(d) => d.temporal,
            Self::Vp9(d) => d.temporal,
            _ => 0,
        }
    }

    /// Spatial layer inside one stream, zero when the header does not say.
    #[inline]
    pub const fn spatial(&self) -> u8 {
        match self {
            Self::Vp9(d) => d.spatial,
            _ => 0,
        }
    }
}

/// A numbering field inside a payload header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureId {
    /// 7 or 15 bits.
    pub value: u16,
    /// The field has 15 bits.
    pub long: bool,
    /// Where it starts in the payload.
    pub at: u8,
}

impl PictureId {
    /// Write `value` over the field, cut to its width.
    #[inline]
    pub fn rewrite(&self, payload: &mut [u8], value: u16) -> Option<()> {
        let at = usize::from(self.at);
        if self.long {
            let [high, low] = (0x8000 | value).to_be_bytes();
            payload.get_mut(at..at + 2)?.copy_from_slice(&[high, low]);
        } else {
            *payload.get_mut(at)? = value as u8 & 0x7f;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests;
