//! The dependency descriptor header extension (AOMedia RTP payload format, Appendix A): frame
//! boundaries, and with the last [`Structure`] seen the layers of a frame. Chains, frame
//! differences and resolutions are not read.

use crate::cursor::{Bits, Reader};
use crate::{Malformed, Parsed};

/// Most templates a structure may hold: ids have six bits.
const MAX_TEMPLATES: usize = 64;
/// Where the frame number is in the extension's value.
pub const FRAME_NUMBER_AT: usize = 1;

/// What a decode target does with a frame (A.8.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Indication {
    /// The frame is not part of it.
    NotPresent,
    /// The frame is part of it and nothing later depends on it.
    Discardable,
    /// From this frame on the target can be decoded by whoever decoded the frames before it in a
    /// lower target.
    Switch,
    /// Later frames depend on it.
    Required,
}

/// The fields that every descriptor starts with, and the structure when it carries one.
#[derive(Debug, Clone, Copy)]
pub struct Descriptor<'a> {
    /// First packet of a frame.
    pub starts_frame: bool,
    /// Last packet of a frame.
    pub ends_frame: bool,
    /// Which template of the structure describes the frame.
    pub template: u8,
    /// Frame number.
    pub frame_number: u16,
    /// The descriptor carries a structure; read it with [`Structure::parse`].
    pub has_structure: bool,
    extended: &'a [u8],
}

impl<'a> Descriptor<'a> {
    /// Read the value of the extension.
    #[inline]
    pub fn parse(value: &'a [u8]) -> Parsed<Self> {
        let mut reader = Reader::new(value);
        let first = reader.u8()?;
        let frame_number = reader.u16()?;
        let extended = reader.rest();
        Ok(Self {
            starts_frame: first & 0x80 != 0,
            ends_frame: first & 0x40 != 0,
            template: first & 0x3f,
            frame_number,
            has_structure: extended.first().is_some_and(|flags| flags & 0x80 != 0),
            extended,
        })
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Template {
    spatial: u8,
    temporal: u8,
    /// Two bits per decode target, first target in the lowest bits.
    indications: u64,
}

/// The templates that descriptors refer to until the next key frame.
#[derive(Debug, Clone)]
pub struct Structure {
    offset: u8,
    templates: [Template; MAX_TEMPLATES],
    count: u8,
    targets: u8,
}

impl Structure {
    /// Read the structure that a descriptor carries.
    pub fn parse(descriptor: &Descriptor<'_>) -> Parsed<Self> {
        if !descriptor.has_structure {
            return Err(Malformed::Value);
        }
        let mut bits = Bits::new(descriptor.extended);
        bits.bits(5)?;
        let offset = bits.bits(6)? as u8;
        let targets = bits.bits(5)? as u8 + 1;
        let mut templates = [Template::default(); MAX_TEMPLATES];
        let mut count = 0usize;
        let (mut spatial, mut temporal) = (0u8, 0u8);
        loop {
            let place = templates.get_mut(count).ok_or(Malformed::Value)?;
            *place = Template { spatial, temporal, indications: 0 };
            count += 1;
            match bits.bits(2)? {
                0 => {}
                1 => temporal += 1,
                2 => {
                    temporal = 0;
                    spatial += 1;
                }
                _ => break,
            }
            // A.8.3: three bits of temporal and two of spatial layer are all a frame can have.
            if temporal > 7 || spatial > 3 {
                return Err(Malformed::Value);
            }
        }
        for template in templates.iter_mut().take(count) {
            for target in 0..targets {
                template.indications |= u64::from(bits.bits(2)?) << (2 * target);
            }
        }
        Ok(Self { offset, templates, count: count as u8, targets })
    }

    /// The layers of a frame; `None` when its template is not in this structure.
    #[inline]
    pub fn layers(&self, descriptor: &Descriptor<'_>) -> Option<Layers> {
        let template = self.template(descriptor)?;
        Some(Layers { spatial: template.spatial, temporal: template.temporal })
    }

    /// What the best decode target within `most` does with a frame.
    pub fn indication(&self, descriptor: &Descriptor<'_>, most: Layers) -> Option<Indication> {
        let template = self.template(descriptor)?;
        let target = (0..self.targets)
            .filter(|&target| {
                let reach = self.reach(target);
                reach.spatial <= most.spatial && reach.temporal <= most.temporal
            })
            .max_by_key(|&target| {
                let reach = self.reach(target);
                (reach.spatial, reach.temporal)
            })?;
        Some(match template.indications >> (2 * target) & 3 {
            0 => Indication::NotPresent,
            1 => Indication::Discardable,
            2 => Indication::Switch,
            _ => Indication::Required,
        })
    }

    fn template(&self, descriptor: &Descriptor<'_>) -> Option<&Template> {
        let index = descriptor.template.wrapping_sub(self.offset) & 63;
        self.templates.get(..usize::from(self.count))?.get(usize::from(index))
    }

    /// The highest layers that a decode target holds (A.8.3.4).
    fn reach(&self, target: u8) -> Layers {
        let mut reach = Layers::default();
        for template in self.templates.iter().take(usize::from(self.count)) {
            if template.indications >> (2 * target) & 3 != 0 {
                reach.spatial = reach.spatial.max(template.spatial);
                reach.temporal = reach.temporal.max(template.temporal);
            }
        }
        reach
    }
}

/// A pair of layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Layers {
    /// Spatial.
    pub spatial: u8,
    /// Temporal.
    pub temporal: u8,
}

#[cfg(test)]
mod tests;
