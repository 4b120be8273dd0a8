//! The dependency descriptor header extension (AOMedia RTP payload format, Appendix A): frame
//! boundaries, and with the last [`Structure`] seen which layers and decode targets a frame belongs
//! to. Chains, frame differences and resolutions are passed over; a relay that leaves out whole
//! decode targets needs none of them.

use crate::cursor::{Bits, Reader};
use crate::{Malformed, Parsed};

/// Most templates a structure may hold: ids have six bits.
const MAX_TEMPLATES: usize = 64;
/// Most decode targets: their number has five bits.
const MAX_TARGETS: usize = 32;
/// A frame can have three bits of temporal and two of spatial layer (A.8.3).
const MAX_TEMPORAL: usize = 8;
const MAX_SPATIAL: usize = 4;
/// Where the frame number is in the extension's value.
pub const FRAME_NUMBER_AT: usize = 1;
/// Bits before the extended fields.
const MANDATORY: usize = 24;
/// Flags that the extended fields begin with.
const FLAGS: usize = 5;

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
    has_active: bool,
    /// The frame's indications differ from its template's. Only the first packet of a frame says so.
    pub custom: bool,
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
        let flags = extended.first().copied().unwrap_or(0);
        Ok(Self {
            starts_frame: first & 0x80 != 0,
            ends_frame: first & 0x40 != 0,
            template: first & 0x3f,
            frame_number,
            has_structure: flags & 0x80 != 0,
            has_active: flags & 0x40 != 0,
            custom: flags & 0x20 != 0,
            extended,
        })
    }
}

/// What each decode target does with one frame: two bits each, the first target in the lowest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Indications(u64);

impl Indications {
    /// What one target does.
    #[inline]
    pub const fn of(self, target: u8) -> Indication {
        match (self.0 >> (2 * (target & 31))) & 3 {
            0 => Indication::NotPresent,
            1 => Indication::Discardable,
            2 => Indication::Switch,
            _ => Indication::Required,
        }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Template {
    spatial: u8,
    temporal: u8,
    indications: Indications,
}

/// The templates that descriptors refer to until the next key frame.
#[derive(Debug, Clone)]
pub struct Structure {
    offset: u8,
    templates: [Template; MAX_TEMPLATES],
    count: u8,
    targets: u8,
    /// The highest layers that each decode target holds (A.8.3.4).
    reaches: [Layers; MAX_TARGETS],
    /// By spatial and temporal layer, the best target within both, plus one.
    best: [[u8; MAX_TEMPORAL]; MAX_SPATIAL],
    /// Bits of the extended fields up to its end, where it was carried.
    end: usize,
}

impl Structure {
    /// Read the structure that a descriptor carries.
    pub fn parse(descriptor: &Descriptor<'_>) -> Parsed<Self> {
        if !descriptor.has_structure {
            return Err(Malformed::Value);
        }
        let mut bits = Bits::new(descriptor.extended);
        bits.bits(FLAGS as u32)?;
        let offset = bits.bits(6)? as u8;
        let targets = bits.bits(5)? as u8 + 1;
        let mut templates = [Template::default(); MAX_TEMPLATES];
        let count = read_layers(&mut bits, &mut templates)?;
        let known = templates.get_mut(..count).unwrap_or_default();
        for template in known.iter_mut() {
            template.indications = read_indications(&mut bits, targets)?;
        }
        pass_references(&mut bits, (known, targets))?;
        let mut this = Self {
            offset,
            count: count as u8,
            targets,
            reaches: [Layers::default(); MAX_TARGETS],
            best: [[0; MAX_TEMPORAL]; MAX_SPATIAL],
            end: bits.position(),
            templates,
        };
        this.survey();
        Ok(this)
    }

    /// The layers of a frame; `None` when its template is not in this structure.
    #[inline]
    pub fn layers(&self, descriptor: &Descriptor<'_>) -> Option<Layers> {
        let template = self.template(descriptor)?;
        Some(Layers { spatial: template.spatial, temporal: template.temporal })
    }

    /// What the decode targets do with a frame; `None` when its template is not in this structure.
    #[inline]
    pub fn indications(&self, descriptor: &Descriptor<'_>) -> Option<Indications> {
        let template = self.template(descriptor)?;
        if !descriptor.custom {
            return Some(template.indications);
        }
        let mut bits = Bits::new(descriptor.extended);
        let mask = if descriptor.has_active { usize::from(self.targets) } else { 0 };
        for _ in 0..self.active_at(descriptor) + mask {
            bits.bit().ok()?;
        }
        read_indications(&mut bits, self.targets).ok()
    }

    /// The best decode target within `most`; `None` when even the least exceeds it.
    #[inline]
    pub fn target(&self, most: Layers) -> Option<u8> {
        let row = self.best.get(usize::from(most.spatial).min(MAX_SPATIAL - 1))?;
        row.get(usize::from(most.temporal).min(MAX_TEMPORAL - 1))?.checked_sub(1)
    }

    /// The decode targets that a descriptor declares active, one bit each; all of them when it
    /// declares nothing but carries the structure, `None` when nothing changes.
    pub fn active(&self, descriptor: &Descriptor<'_>) -> Option<u32> {
        let mut bits = Bits::new(descriptor.extended);
        if !descriptor.has_active {
            return descriptor.has_structure.then(|| self.all());
        }
        for _ in 0..self.active_at(descriptor) {
            bits.bit().ok()?;
        }
        bits.bits(u32::from(self.targets)).ok()
    }

    /// The decode targets within `most`, one bit each.
    pub fn within(&self, most: Layers) -> u32 {
        let reaches = self.reaches.iter().take(usize::from(self.targets)).enumerate();
        let within = |(_, reach): &(usize, &Layers)| {
            reach.spatial <= most.spatial && reach.temporal <= most.temporal
        };
        reaches.filter(within).fold(0, |mask, (target, _)| mask | 1 << target)
    }

    /// The highest spatial layer of some decode targets, one bit each.
    pub fn spatial_top(&self, active: u32) -> u8 {
        let reaches = self.reaches.iter().enumerate();
        let active = reaches.filter(|(target, _)| active & (1 << target) != 0);
        active.map(|(_, reach)| reach.spatial).max().unwrap_or(0)
    }

    /// Whether whoever receives a target has all frames of those with fewer spatial layers, so that it
    /// can go down to them at any picture. It is not so where layers depend on each other in key
    /// frames only.
    pub fn is_nested(&self) -> bool {
        let templates = self.templates.iter().take(usize::from(self.count));
        let targets = (0..MAX_SPATIAL as u8)
            .filter_map(|spatial| self.target(Layers { spatial, temporal: u8::MAX }));
        let holds =
            |template: &Template, target| template.indications.of(target) != Indication::NotPresent;
        let nested = |lower, upper| {
            templates.clone().all(|template| !holds(template, lower) || holds(template, upper))
        };
        targets.clone().zip(targets.skip(1)).all(|(lower, upper)| nested(lower, upper))
    }

    /// How to declare other decode targets active in a descriptor (A.8.2).
    pub fn activate(&self, descriptor: &Descriptor<'_>, active: u32) -> Activation {
        Activation {
            active,
            targets: self.targets,
            at: u16::try_from(MANDATORY + self.active_at(descriptor)).unwrap_or(u16::MAX),
            insert: !descriptor.has_active,
        }
    }

    fn all(&self) -> u32 {
        u32::MAX >> (32 - u32::from(self.targets.clamp(1, 32)))
    }

    /// Where in the extended fields the active decode targets are, or would be.
    fn active_at(&self, descriptor: &Descriptor<'_>) -> usize {
        if descriptor.has_structure { self.end } else { FLAGS }
    }

    fn template(&self, descriptor: &Descriptor<'_>) -> Option<&Template> {
        let index = descriptor.template.wrapping_sub(self.offset) & 63;
        self.templates.get(..usize::from(self.count))?.get(usize::from(index))
    }

    /// Find out how far each target reaches, and which one serves which layers.
    fn survey(&mut self) {
        let templates = self.templates.iter().take(usize::from(self.count));
        for (reach, target) in self.reaches.iter_mut().zip(0..self.targets) {
            let held = |t: &&Template| t.indications.of(target) != Indication::NotPresent;
            for template in templates.clone().filter(held) {
                reach.spatial = reach.spatial.max(template.spatial);
                reach.temporal = reach.temporal.max(template.temporal);
            }
        }
        for (row, spatial) in self.best.iter_mut().zip(0u8..) {
            for (best, temporal) in row.iter_mut().zip(0u8..) {
                let reaches = self.reaches.iter().zip(1..=self.targets);
                let within = reaches
                    .filter(|(reach, _)| reach.spatial <= spatial && reach.temporal <= temporal);
                let found = within.max_by_key(|(reach, _)| (reach.spatial, reach.temporal));
                *best = found.map_or(0, |(_, target)| target);
            }
        }
    }
}

/// Template layers (A.8.3.1); how many templates there are.
fn read_layers(bits: &mut Bits<'_>, templates: &mut [Template]) -> Parsed<usize> {
    let (mut spatial, mut temporal) = (0u8, 0u8);
    for (template, count) in templates.iter_mut().zip(1..) {
        (template.spatial, template.temporal) = (spatial, temporal);
        match bits.bits(2)? {
            0 => {}
            1 => temporal += 1,
            2 => {
                temporal = 0;
                spatial += 1;
            }
            _ => return Ok(count),
        }
        if usize::from(temporal) >= MAX_TEMPORAL || usize::from(spatial) >= MAX_SPATIAL {
            return Err(Malformed::Value);
        }
    }
    Err(Malformed::Value)
}

fn read_indications(bits: &mut Bits<'_>, targets: u8) -> Parsed<Indications> {
    (0..targets).try_fold(Indications::default(), |all, target| {
        Ok(Indications(all.0 | u64::from(bits.bits(2)?) << (2 * target)))
    })
}

/// Frame differences, chains and resolutions of a structure, only to find its end.
fn pass_references(bits: &mut Bits<'_>, (templates, targets): (&[Template], u8)) -> Parsed<()> {
    for _ in templates {
        while bits.bit()? {
            bits.bits(4)?;
        }
    }
    let chains = bits.below(u32::from(targets) + 1)?;
    if chains > 0 {
        for _ in 0..targets {
            bits.below(chains)?;
        }
        for _ in 0..templates.len() as u32 * chains {
            bits.bits(4)?;
        }
    }
    if bits.bit()? {
        let sizes = templates.iter().map(|template| template.spatial).max().unwrap_or(0) + 1;
        (0..sizes).try_for_each(|_| bits.bits(32).map(|_| ()))?;
    }
    Ok(())
}

/// Another set of active decode targets for one descriptor, from [`Structure::activate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Activation {
    active: u32,
    targets: u8,
    /// In bits from the start of the extension's value, which has 255 bytes at most.
    at: u16,
    /// The descriptor has none yet.
    insert: bool,
}

impl Activation {
    /// Copy a descriptor with this set in it; the length, `None` when it does not fit.
    pub fn write(&self, value: &[u8], out: &mut [u8]) -> Option<usize> {
        let mut source = Bits::new(value);
        let mut copy = Copy { out, at: 0 };
        for at in 0..usize::from(self.at) {
            let bit = source.bit().unwrap_or(false);
            copy.put(bit || at == MANDATORY + 1)?;
        }
        for target in (0..self.targets).rev() {
            copy.put(self.active & (1 << target) != 0)?;
            if !self.insert {
                source.bit().ok()?;
            }
        }
        while let Ok(bit) = source.bit() {
            copy.put(bit)?;
        }
        while !copy.at.is_multiple_of(8) {
            copy.put(false)?;
        }
        Some(copy.at / 8)
    }
}

/// Bits written one after another.
struct Copy<'b> {
    out: &'b mut [u8],
    at: usize,
}

impl Copy<'_> {
    fn put(&mut self, bit: bool) -> Option<()> {
        let place = self.out.get_mut(self.at / 8)?;
        let mask = 0x80 >> (self.at % 8);
        *place = if bit { *place | mask } else { *place & !mask };
        self.at += 1;
        Some(())
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
