//! What a receiver may get of a track, and what that takes.

use offhook_types::media::Want;

use super::{MAX_LAYERS, Track};
use crate::allocate::{Ladder, Reach, Rung};
use crate::meter::Meter;

/// A ladder, and whether everything that a receiver wants is known well enough to be on it.
pub(crate) struct Offer {
    pub ladder: Ladder,
    pub complete: bool,
}

/// One picture size: the stream that carries it, and which of the spatial layers in it.
struct Size<'a> {
    layer: u8,
    spatial: u8,
    meter: &'a Meter,
    /// What it comes to under a cap that its publisher heeds.
    share: Option<u64>,
}

impl Size<'_> {
    /// What it takes up to a temporal layer, of so much in all.
    fn thinned(&self, temporal: u8, rate: u64) -> u64 {
        self.meter.rate((self.spatial, temporal)).map_or(rate, |thinned| thinned.min(rate))
    }
}

impl Track {
    /// The ways in which this track could serve a wish. A camera loses size before motion, and motion only
    /// where there is no smaller size; a screen loses motion before size, as its text must be read.
    pub(crate) fn offer(&self, want: &Want) -> Offer {
        let mut offer = Offer { ladder: Ladder::default(), complete: true };
        if self.muted || self.spec.is_none() {
            return offer;
        }
        let screen = want.weight.screen;
        let mut first = true;
        let mut best = None;
        for size in self.sizes(want).into_iter().flatten() {
            let most = want.temporal.min(size.meter.temporal_top());
            let Some(rate) = size.meter.rate((size.spatial, most)) else {
                offer.complete = false;
                if core::mem::take(&mut first) {
                    offer.push(&size, u8::MAX, 0);
                }
                continue;
            };
            // More than the least is given only for what it will cost.
            let rate = match size.share {
                Some(share) => share,
                None if first => rate,
                None => size.meter.grown(rate),
            };
            let thin = |temporal| size.thinned(temporal, rate);
            if screen && most > 0 {
                offer.push(&size, 0, thin(0));
            } else {
                let below = if first { 0..most } else { 0..0 };
                below.for_each(|temporal| offer.push(&size, temporal, thin(temporal)));
                offer.push(&size, u8::MAX, rate);
            }
            first = false;
            best = Some((size, most, rate));
        }
        if let Some((size, most, rate)) = best.filter(|_| screen) {
            for temporal in 1..most {
                offer.push(&size, temporal, size.thinned(temporal, rate));
            }
            offer.push(&size, u8::MAX, rate);
        }
        offer
    }

    /// The picture sizes that serve a wish, smallest first: those up to the wanted one, else the least above.
    fn sizes(&self, want: &Want) -> [Option<Size<'_>>; MAX_LAYERS] {
        let mut sizes = [const { None }; MAX_LAYERS];
        let single = self.spec.is_none_or(|spec| spec.layers <= 1);
        let mut places = sizes.iter_mut();
        for (stream, layer) in self.layers.iter().zip(0u8..) {
            if self.live & (1 << layer) == 0 || self.ceiling.leaves(layer) {
                continue;
            }
            let meter = &stream.meter;
            if single {
                let spatials = 0..=want.layer.min(stream.spatial_top);
                for (spatial, place) in spatials.zip(places.by_ref()) {
                    // The cap is on the whole stream.
                    let share = self.ceiling.share(0).filter(|_| spatial == stream.spatial_top);
                    *place = Some(Size { layer: spatial, spatial, meter, share });
                }
                break;
            }
            // Above the wanted one only when there is nothing else.
            if layer > want.layer && places.len() < MAX_LAYERS {
                break;
            }
            if let Some(place) = places.next() {
                let share = self.ceiling.share(layer);
                *place = Some(Size { layer, spatial: u8::MAX, meter, share });
            }
        }
        sizes
    }
}

impl Offer {
    fn push(&mut self, size: &Size<'_>, temporal: u8, rate: u64) {
        let reach = Reach { layer: size.layer, temporal };
        self.ladder.push(Rung { reach, rate, follows: size.share.is_some() });
    }
}
