//! The frames of one video layer.

use offhook_types::{Codec, Time};

use super::{h264, vp8};
use crate::Track;
use crate::stamp::{self, Stamp};

/// Header bytes of a packet at most: descriptor and frame header of VP8, parameter sets of H.264.
const HEADERS: usize = 32;

/// Makes frames.
#[derive(Debug, Clone)]
pub struct Picture {
    codec: Codec,
    source: u32,
    width: u16,
    height: u16,
    layer: u8,
    temporals: u8,
    /// Frames so far; numbers begin at one.
    frames: u32,
    /// Frames of temporal layer zero so far.
    base: u32,
    /// Since the last key frame.
    position: u32,
    /// The last frame of temporal layers zero and one.
    last: [u32; 2],
}

/// One frame before it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Its number in the layer.
    pub number: u32,
    /// Needs no other.
    pub key: bool,
    /// Packets.
    pub packets: u16,
    /// Temporal layer.
    pub temporal: u8,
    /// Temporal layers of the stream.
    pub(super) temporals: u8,
    /// Frames of temporal layer zero, this one included.
    pub(super) base: u32,
    /// Refers to a frame of temporal layer zero.
    pub(super) needs_base: bool,
    needs: u32,
    pub(super) width: u16,
    pub(super) height: u16,
    layer: u8,
}

/// One packet of a frame.
pub(super) struct Piece<'a> {
    pub frame: &'a Frame,
    pub index: u16,
    /// Bytes behind the header.
    pub rest: usize,
}

impl Picture {
    /// Frames of a track that is called `source`, as its layer of this number.
    pub fn new(track: &Track, layer: u8, source: u32) -> Self {
        let codec = track.codec;
        let size = track.layers.get(usize::from(layer)).map(|layer| (layer.width, layer.height));
        let (width, height) = size.unwrap_or_default();
        // H.264 has no field for temporal layers.
        let temporals = if codec == Codec::Vp8 { track.temporal_layers.clamp(1, 3) } else { 1 };
        Self {
            codec,
            source,
            width,
            height,
            layer,
            temporals,
            frames: 0,
            base: 0,
            position: 0,
            last: [0; 2],
        }
    }

    /// The next frame, in so many packets.
    pub fn next(&mut self, key: bool, packets: u16) -> Frame {
        let key = key || self.frames == 0;
        self.frames += 1;
        self.position = if key { 0 } else { self.position + 1 };
        let temporal = temporal(self.temporals, self.position);
        let needs = match temporal {
            _ if key => self.frames,
            2 if self.last[1] > self.last[0] => self.last[1],
            _ => self.last[0],
        };
        let needs_base = needs == self.last[0];
        if temporal == 0 {
            self.base += 1;
        }
        if let Some(last) = self.last.get_mut(usize::from(temporal)) {
            *last = self.frames;
        }
        Frame {
            number: self.frames,
            key,
            packets: packets.max(if key && self.codec != Codec::Vp8 { 2 } else { 1 }),
            temporal,
            temporals: self.temporals,
            base: self.base,
            needs_base,
            needs,
            width: self.width,
            height: self.height,
            layer: self.layer,
        }
    }

    /// Write the payload of a packet of a frame, `bytes` long if that is enough for what must be in it.
    pub fn write(&self, now: Time, frame: &Frame, index: u16, bytes: usize, out: &mut Vec<u8>) {
        out.clear();
        let piece = Piece { frame, index, rest: bytes.saturating_sub(HEADERS).max(stamp::LEN) };
        match self.codec {
            Codec::Vp8 => vp8::write(&piece, out),
            _ => h264::write(&piece, out),
        }
        let stamp = Stamp {
            sent_us: now.as_micros(),
            source: self.source,
            frame: frame.number,
            needs: frame.needs,
            index,
            count: frame.packets,
            layer: frame.layer,
            temporal: frame.temporal,
        };
        let header = out.len();
        out.extend(stamp.to_bytes());
        // Parameter sets say how long they are; everything else is as long as asked for.
        let parameters = self.codec != Codec::Vp8 && frame.key && index == 0;
        let len = if parameters { header + piece.rest } else { bytes };
        out.resize(len.max(out.len()), 0x55);
    }
}

/// The usual patterns: 0, 0 1, 0 2 1 2.
fn temporal(layers: u8, position: u32) -> u8 {
    match (layers, position % 4) {
        (1, _) | (2, 0 | 2) | (3, 0) => 0,
        (2, _) | (3, 2) => 1,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use offhook_wire::payload::Description;

    use super::*;
    use crate::source::Talk;
    use crate::{H264_MODE_1, TrackKind};

    fn track(codec: Codec, temporal_layers: u8) -> Track {
        Track {
            name: "t".into(),
            kind: TrackKind::Video,
            codec,
            fps: 30,
            layers: Vec::new(),
            temporal_layers,
            key_every: Duration::from_secs(1),
            key_scale: 1,
            talk: Talk::Always,
            dtx: true,
        }
    }

    /// Every packet of the next frame, read back as a relay and a receiver do.
    fn check(picture: &mut Picture, key: bool) -> (Frame, Vec<(Description, Stamp, usize)>) {
        let frame = picture.next(key, 3);
        let mut out = Vec::new();
        let pieces = (0..frame.packets).map(|index| {
            picture.write(Time::from_micros(77), &frame, index, 1000, &mut out);
            let description = Description::of(picture.codec, &out).unwrap();
            (description, Stamp::find(&out).unwrap(), out.len())
        });
        let pieces = pieces.collect();
        (frame, pieces)
    }

    #[test]
    fn a_relay_sees_key_frames_where_they_start_and_a_receiver_every_stamp() {
        for codec in [Codec::Vp8, H264_MODE_1] {
            let mut picture = Picture::new(&track(codec, 1), 1, 9);
            for (asked, key) in [(false, true), (false, false), (true, true), (false, false)] {
                let (frame, pieces) = check(&mut picture, asked);
                assert_eq!(frame.key, key);
                let keys = pieces.iter().map(|(d, ..)| d.starts_key_frame()).collect::<Vec<_>>();
                // The parameter sets and the slice behind them both start one.
                assert_eq!(keys, [key, key && codec == H264_MODE_1, false], "{codec:?}");
                for (index, (_, stamp, len)) in pieces.iter().enumerate() {
                    assert_eq!((stamp.index, stamp.count), (index as u16, 3));
                    assert_eq!(
                        (stamp.needs == stamp.frame, stamp.layer, stamp.sent_us),
                        (key, 1, 77)
                    );
                    assert!((950..=1020).contains(len), "{len}");
                }
            }
        }
    }

    #[test]
    fn temporal_layers_refer_downwards_only() {
        let mut picture = Picture::new(&track(Codec::Vp8, 3), 0, 9);
        let seen: Vec<(u8, u32)> = (0..9)
            .map(|_| {
                let (frame, pieces) = check(&mut picture, false);
                let Description::Vp8(vp8) = pieces[0].0 else { panic!("{pieces:?}") };
                assert_eq!(vp8.temporal, frame.temporal);
                (frame.temporal, pieces[0].1.needs)
            })
            .collect();
        let expected = [(0, 1), (2, 1), (1, 1), (2, 3), (0, 1), (2, 5), (1, 5), (2, 7), (0, 5)];
        assert_eq!(seen, expected);
    }
}
