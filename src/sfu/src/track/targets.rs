//! What a packet's frame is to the decode targets of its stream, from its dependency descriptor.

use offhook_wire::dd::{Activation, Descriptor, Indication, Indications, Layers, Structure};

use super::{Layer, MAX_LAYERS};
use crate::munge::Cap;
use crate::packet::Inbound;

/// A described frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'p> {
    pub(super) descriptor: Descriptor<'p>,
    pub(super) layers: Layers,
    pub(super) all: Indications,
    /// The targets that the publisher keeps up, one bit each.
    pub(super) active: u32,
    /// Going down to fewer spatial layers takes a key frame.
    pub unnested: bool,
    /// The payload says which layers are in it, too, and that is what a receiver goes by that does not read
    /// descriptors.
    pub optional: bool,
}

/// A described frame with the structure that its description means.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Targets<'t> {
    pub frame: &'t Frame<'t>,
    structure: &'t Structure,
}

impl<'t> Targets<'t> {
    #[inline]
    pub(crate) fn of(
        frame: Option<&'t Frame<'t>>,
        packet: &Inbound<'_>,
        layers: &'t [Layer; MAX_LAYERS],
    ) -> Option<Self> {
        let frame = frame?;
        let structure = layers.get(usize::from(packet.layer))?.structure.as_deref()?;
        Some(Self { frame, structure })
    }

    /// What the frame is to a receiver of these layers; `None` when no target fits.
    #[inline]
    pub(crate) fn indication(&self, cap: Cap) -> Option<Indication> {
        Some(self.frame.all.of(self.structure.target(layers(cap))?))
    }

    /// The frame ends the picture for a receiver of these layers.
    #[inline]
    pub(crate) fn ends_picture(&self, cap: Cap) -> bool {
        self.frame.descriptor.ends_frame && self.frame.layers.spatial == cap.spatial
    }

    /// How to tell a receiver of these layers which targets it may count on. `news` is said once more even
    /// where the publisher says nothing.
    pub(crate) fn activation(&self, cap: Cap, news: bool) -> Option<Activation> {
        let descriptor = &self.frame.descriptor;
        if !descriptor.starts_frame {
            return None;
        }
        let active = self.structure.within(layers(cap)) & self.frame.active;
        let said = self.structure.active(descriptor);
        let differs = said.is_some_and(|said| said != active);
        (differs || (news && said.is_none())).then(|| self.structure.activate(descriptor, active))
    }
}

fn layers(cap: Cap) -> Layers {
    Layers { spatial: cap.spatial, temporal: cap.temporal }
}
