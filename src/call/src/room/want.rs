//! From a receiver's wish (a size, a quality, a frame rate) to what to ask of the relay.

use offhook_types::MediaKind;
use offhook_types::media::Want;

use super::words::{LayerView, TrackSettings};

/// `TrackSettings::quality` that means nothing at all.
const OFF: u8 = 3;
/// The best quality.
pub(super) const HIGH: u8 = 2;

/// A wish fulfilled: what the relay is asked, and the quality that the publisher must keep up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fulfilled {
    pub want: Want,
    /// Low, medium, high; `None` when paused.
    pub quality: Option<u8>,
}

/// `announced` are the layers as the publisher described them, smallest first; `streams` is how
/// many of them arrive as streams of their own.
pub(super) fn fulfil(
    settings: Option<&TrackSettings>,
    kind: MediaKind,
    announced: &[LayerView],
    streams: usize,
) -> Fulfilled {
    let best = Fulfilled { want: Want::BEST, quality: Some(HIGH) };
    let Some(settings) = settings else { return best };
    if settings.disabled || settings.quality.is_some_and(|q| q >= OFF) {
        return Fulfilled { want: Want { paused: true, ..Want::BEST }, quality: None };
    }
    if kind == MediaKind::Audio {
        return best;
    }
    let count = announced.len().max(streams);
    let index = match (wanted_side(settings, announced), settings.quality) {
        (Some(side), _) => by_side(side, announced),
        (None, Some(quality)) if announced.is_empty() => usize::from(quality),
        (None, Some(quality)) => by_quality(quality, announced),
        (None, None) => count,
    };
    let quality = announced.get(index).map_or(HIGH, |layer| layer.quality.min(HIGH));
    // A single stream carries all its layers; which of them it sends is the publisher's business.
    let top = index.saturating_add(1) >= streams;
    let layer = if top { u8::MAX } else { u8::try_from(index).unwrap_or(u8::MAX) };
    let want = Want { paused: false, layer, temporal: temporal(settings.fps) };
    Fulfilled { want, quality: Some(quality) }
}

/// The wanted length of the side that is shorter at the publisher, if a size was given that can be
/// compared. A tenth less is still satisfying, which keeps a tile of 350 lines on the 360 layer.
fn wanted_side(settings: &TrackSettings, announced: &[LayerView]) -> Option<u32> {
    let largest = announced.last()?;
    if settings.width == 0 || settings.height == 0 || largest.width == 0 || largest.height == 0 {
        return None;
    }
    let portrait = largest.height > largest.width;
    let side = if portrait { settings.width } else { settings.height };
    Some(side.saturating_sub(side / 10))
}

fn by_side(side: u32, announced: &[LayerView]) -> usize {
    let fits = |layer: &LayerView| layer.width.min(layer.height) >= side;
    announced.iter().position(fits).unwrap_or(announced.len().saturating_sub(1))
}

fn by_quality(quality: u8, announced: &[LayerView]) -> usize {
    announced.iter().rposition(|layer| layer.quality <= quality).unwrap_or(0)
}

/// Encoders of browsers send three temporal layers that halve the rate each: of 30 frames per
/// second the lowest holds 7.5 and two hold 15. A little more than that is asked for often, so the
/// steps are at a third above.
fn temporal(fps: u32) -> u8 {
    match fps {
        0 => u8::MAX,
        1..=10 => 0,
        11..=20 => 1,
        _ => u8::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers(sizes: &[(u8, u32, u32)]) -> Vec<LayerView> {
        let layer = |&(quality, width, height)| LayerView {
            quality,
            width,
            height,
            ..LayerView::default()
        };
        sizes.iter().map(layer).collect()
    }

    /// `wish` is width, height, quality; the outcome is layer and quality.
    fn check(wish: (u32, u32, Option<u8>), sizes: &[(u8, u32, u32)], expect: (u8, u8)) {
        let (width, height, quality) = wish;
        let settings = TrackSettings { width, height, quality, ..TrackSettings::default() };
        let announced = layers(sizes);
        let got = fulfil(Some(&settings), MediaKind::Video, &announced, announced.len().max(1));
        assert_eq!((got.want.layer, got.quality), (expect.0, Some(expect.1)), "{wish:?} {sizes:?}");
        assert!(!got.want.paused);
    }

    const HD: &[(u8, u32, u32)] = &[(0, 320, 180), (1, 640, 360), (2, 1280, 720)];
    const PORTRAIT: &[(u8, u32, u32)] = &[(0, 180, 320), (1, 360, 640), (2, 720, 1280)];
    const TWO: &[(u8, u32, u32)] = &[(0, 320, 180), (1, 640, 360)];

    #[test]
    fn a_size_takes_the_smallest_layer_that_fills_it() {
        check((160, 90, None), HD, (0, 0));
        check((320, 180, None), HD, (0, 0));
        check((350, 197, None), HD, (0, 0));
        check((400, 225, None), HD, (1, 1));
        check((1280, 720, None), HD, (u8::MAX, 2));
        check((3840, 2160, None), HD, (u8::MAX, 2));
        check((360, 640, None), PORTRAIT, (1, 1));
        check((1280, 720, None), TWO, (u8::MAX, 1));
    }

    #[test]
    fn a_quality_takes_the_layer_of_that_quality_or_the_next_below() {
        check((0, 0, Some(0)), HD, (0, 0));
        check((0, 0, Some(1)), HD, (1, 1));
        check((0, 0, Some(2)), HD, (u8::MAX, 2));
        check((0, 0, Some(2)), TWO, (u8::MAX, 1));
        check((0, 0, Some(0)), &[(2, 1280, 720)], (u8::MAX, 2));
        check((0, 0, None), HD, (u8::MAX, 2));
    }

    #[test]
    fn a_size_counts_more_than_a_quality() {
        check((320, 180, Some(2)), HD, (0, 0));
    }

    #[test]
    fn off_and_disabled_pause() {
        for settings in [
            TrackSettings { disabled: true, ..TrackSettings::default() },
            TrackSettings { quality: Some(3), ..TrackSettings::default() },
        ] {
            let got = fulfil(Some(&settings), MediaKind::Video, &[], 1);
            assert!(got.want.paused && got.quality.is_none());
        }
    }

    #[test]
    fn few_frames_take_few_temporal_layers() {
        assert_eq!([0, 5, 15, 30].map(temporal), [u8::MAX, 0, 1, u8::MAX]);
    }
}
