//! From a receiver's wish (a size, a quality, a frame rate) to what to ask of the relay.

use offhook_types::MediaKind;
use offhook_types::media::{Want, Weight};

use super::words::{LayerView, Source, TrackRequest, TrackSettings};

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

/// `request` is the track as its publisher described it, with its layers smallest first; `streams` is
/// how many of them arrive as streams of their own. In one stream they may all be inside.
pub(super) fn fulfil(
    settings: Option<&TrackSettings>,
    request: &TrackRequest,
    streams: usize,
) -> Fulfilled {
    let announced = &request.layers;
    let weight = weight(settings, request.source);
    let best = Fulfilled { want: Want { weight, ..Want::BEST }, quality: Some(HIGH) };
    let Some(settings) = settings else { return best };
    if settings.disabled || settings.quality.is_some_and(|q| q >= OFF) {
        return Fulfilled { want: Want { paused: true, ..best.want }, quality: None };
    }
    if request.kind == MediaKind::Audio {
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
    let arriving = if streams > 1 { streams } else { count };
    let top = index.saturating_add(1) >= arriving;
    let layer = if top { u8::MAX } else { u8::try_from(index).unwrap_or(u8::MAX) };
    let temporal = temporal(settings.fps);
    Fulfilled { want: Want { layer, temporal, ..best.want }, quality: Some(quality) }
}

/// How much a track matters. Clients count priorities down from one, the highest.
fn weight(settings: Option<&TrackSettings>, source: Source) -> Weight {
    let screen = source == Source::Screen;
    let Some(settings) = settings else { return Weight { screen, ..Weight::NONE } };
    let behind = |priority: u32| u8::try_from(priority - 1).unwrap_or(u8::MAX - 1).min(u8::MAX - 1);
    let priority = if settings.priority == 0 { 0 } else { u8::MAX - behind(settings.priority) };
    // In steps of a factor of two: a few pixels more make no tile more important than its neighbour.
    let pixels = settings.width.saturating_mul(settings.height);
    let pixels = pixels.checked_ilog2().map_or(0, |log| 1 << log);
    Weight { priority, screen, pixels }
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

    fn request(sizes: &[(u8, u32, u32)]) -> TrackRequest {
        let layer = |&(quality, width, height)| LayerView {
            quality,
            width,
            height,
            ..LayerView::default()
        };
        let layers = sizes.iter().map(layer).collect();
        TrackRequest { layers, ..TrackRequest::new("", MediaKind::Video) }
    }

    /// `wish` is width, height, quality; the outcome is layer and quality.
    fn check(wish: (u32, u32, Option<u8>), sizes: &[(u8, u32, u32)], expect: (u8, u8)) {
        let (width, height, quality) = wish;
        let settings = TrackSettings { width, height, quality, ..TrackSettings::default() };
        let request = request(sizes);
        // Whether they come apart or in one stream makes no difference.
        for streams in [sizes.len(), 1] {
            let got = fulfil(Some(&settings), &request, streams);
            let (layer, quality) = (got.want.layer, got.quality);
            assert_eq!((layer, quality), (expect.0, Some(expect.1)), "{wish:?} {sizes:?}");
            assert!(!got.want.paused);
        }
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
            let got = fulfil(Some(&settings), &request(&[]), 1);
            assert!(got.want.paused && got.quality.is_none());
        }
    }

    #[test]
    fn few_frames_take_few_temporal_layers() {
        assert_eq!([0, 5, 15, 30].map(temporal), [u8::MAX, 0, 1, u8::MAX]);
    }
    #[test]
    fn a_higher_priority_a_screen_and_a_larger_tile_weigh_more() {
        let settings = |priority, width| TrackSettings {
            priority,
            width,
            height: 100,
            ..TrackSettings::default()
        };
        let weigh = |priority, width, source| weight(Some(&settings(priority, width)), source);
        let ascending = [
            weight(None, Source::Camera),
            weigh(0, 100, Source::Camera),
            weigh(0, 200, Source::Camera),
            weigh(0, 100, Source::Screen),
            weigh(1000, 100, Source::Camera),
            weigh(2, 100, Source::Camera),
            weigh(1, 100, Source::Camera),
        ];
        assert!(ascending.is_sorted_by(|a, b| a < b), "{ascending:?}");
    }
}
