//! Which number a packet gets at a receiver.
//!
//! A receiver's stream is a chain of [`Segment`]s: runs of source numbers that map to outgoing
//! numbers by one constant. A segment ends where a packet is left out, so that the numbers after it
//! close up, and where the source changes. Numbers of packets that were not seen yet belong to the
//! segment around them: a packet lost before us leaves a gap that the receiver can ask about, and a
//! late one still finds its place.
//!
//! Segments say all that is needed to make any packet of the recent past again, so nothing is
//! stored per packet. A stream with two temporal layers, of which the upper is left out, needs one
//! segment per kept frame: 128 of them are four seconds at 30 frames per second, many round trips.

use crate::packet::Patch;
use offhook_wire::payload::{Description, PictureId};

/// Segments kept for video.
pub(crate) const VIDEO_SEGMENTS: usize = 128;
/// Segments that there is room for at the start.
const FIRST_SEGMENTS: usize = 8;
/// Segments kept for audio, where only pauses and padding start new ones.
pub(crate) const AUDIO_SEGMENTS: usize = 16;
/// A jump of more numbers than this is a restart or an outage that nobody repairs. One number is
/// left out to show it.
pub(crate) const MAX_GAP: u64 = 1000;

/// What is added to a source's own numbers, all wrapping in the width of their field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Shift {
    pub timestamp: u32,
    /// 15 bits.
    pub picture: u16,
    pub tl0: u8,
    /// 5 bits.
    pub key: u8,
    /// Frame number of the dependency descriptor.
    pub frame: u16,
}

/// The highest layers of a stream that go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cap {
    pub temporal: u8,
    pub spatial: u8,
}

impl Cap {
    pub const NONE: Self = Self { temporal: u8::MAX, spatial: u8::MAX };
}

/// Everything that is constant over a run of packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Form {
    pub layer: u8,
    pub shift: Shift,
    pub cap: Cap,
}

#[derive(Debug, Clone, Copy)]
struct Segment {
    /// First source number.
    source: u64,
    /// First outgoing number.
    out: u64,
    /// Source numbers covered.
    len: u64,
    /// Counts switches of the source.
    era: u32,
    form: Form,
}

/// A packet found by its outgoing number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    pub source: u64,
    pub sequence: u64,
    pub form: Form,
}

/// A receiver's numbering of one stream.
#[derive(Debug)]
pub(crate) struct Timeline {
    /// A ring that grows up to `most` as it is needed: most streams are never cut.
    segments: Vec<Option<Segment>>,
    most: usize,
    /// Place of the newest segment.
    newest: usize,
    /// The newest segment still grows.
    open: bool,
    era: u32,
    /// Source number after the highest one seen.
    expected: u64,
    /// Outgoing number of `expected`.
    next_out: u64,
    form: Form,
}

impl Timeline {
    /// `first` is the first outgoing number.
    pub(crate) fn new(segments: usize, first: u64) -> Self {
        let form = Form { layer: 0, shift: Shift::default(), cap: Cap::NONE };
        Self {
            segments: vec![None; FIRST_SEGMENTS.min(segments.max(1))],
            most: segments.max(1),
            newest: 0,
            open: false,
            era: 0,
            expected: 0,
            next_out: first,
            form,
        }
    }

    /// The next outgoing number.
    pub(crate) fn next_out(&self) -> u64 {
        self.next_out
    }

    /// How packets go out at present.
    pub(crate) fn form(&self) -> &Form {
        &self.form
    }

    /// Not older than anything seen since the last switch.
    #[inline]
    pub(crate) fn in_order(&self, source: u64) -> bool {
        source >= self.expected
    }

    /// From `source` on the stream comes from elsewhere or looks different; what came before is
    /// over.
    pub(crate) fn switch(&mut self, source: u64, form: Form) {
        self.open = false;
        self.era = self.era.wrapping_add(1);
        self.expected = source;
        self.form = form;
    }

    /// Later packets look different, the source goes on.
    pub(crate) fn reform(&mut self, form: Form) {
        if form != self.form {
            self.open = false;
            self.form = form;
        }
    }

    /// Forget what could be sent again; numbering goes on.
    pub(crate) fn forget(&mut self) {
        self.segments.fill(None);
        self.open = false;
        self.era = self.era.wrapping_add(1);
    }

    /// Forget what could be sent again of a layer that does not go out.
    pub(crate) fn forget_layer(&mut self, layer: u8) {
        for place in &mut self.segments {
            // An empty segment stands in, so that older ones are still found.
            if let Some(segment) = place.as_mut().filter(|segment| segment.form.layer == layer) {
                segment.len = 0;
            }
        }
    }

    /// The number of a packet that is in order and goes out.
    #[inline]
    pub(crate) fn advance(&mut self, source: u64) -> u64 {
        let gap = self.close_wide_gap(source);
        if !self.open {
            self.begin();
        }
        self.grow(gap + 1);
        self.expected = source.wrapping_add(1);
        self.next_out - 1
    }

    /// A packet that is in order is left out: the numbers after it close up. The answer is how many
    /// numbers before it are kept for packets that were not seen.
    pub(crate) fn skip(&mut self, source: u64) -> u64 {
        let gap = self.settle(source);
        self.open = false;
        self.expected = source.wrapping_add(1);
        gap
    }

    /// Keep numbers for the packets that were not seen before this one, in the present form: nobody
    /// knows whether they would have gone out. The answer is how many.
    pub(crate) fn settle(&mut self, source: u64) -> u64 {
        let gap = self.close_wide_gap(source);
        if gap > 0 {
            if !self.open {
                self.begin();
            }
            self.grow(gap);
            self.expected = source;
        }
        gap
    }

    /// The number kept for a late packet, and how it goes out. `None` before the last switch, or
    /// when it was left out.
    pub(crate) fn late(&self, source: u64) -> Option<(u64, Form)> {
        self.recent().take_while(|segment| segment.era == self.era).find_map(|segment| {
            let offset = source.checked_sub(segment.source).filter(|&at| at < segment.len)?;
            Some((segment.out + offset, segment.form))
        })
    }

    /// The packet that went out, or would have, under a wire number.
    pub(crate) fn find(&self, sequence: u16) -> Option<Found> {
        let last = self.next_out.checked_sub(1)?;
        let behind = (last as u16).wrapping_sub(sequence);
        let sequence = last.checked_sub(u64::from(behind))?;
        self.recent().find_map(|segment| {
            let offset = sequence.checked_sub(segment.out).filter(|&at| at < segment.len)?;
            Some(Found {
                source: segment.source.wrapping_add(offset),
                sequence,
                form: segment.form,
            })
        })
    }

    /// Source numbers between the expected one and this; zero after a jump too wide to keep numbers
    /// for.
    #[inline]
    fn close_wide_gap(&mut self, source: u64) -> u64 {
        let gap = source.saturating_sub(self.expected);
        if gap <= MAX_GAP {
            return gap;
        }
        self.open = false;
        self.next_out += 1;
        self.expected = source;
        0
    }

    fn begin(&mut self) {
        let full = self.segments.len();
        let next = (self.newest + 1) % full;
        // The oldest would be overwritten: a larger ring keeps it.
        if full < self.most && self.segments.get(next).is_some_and(Option::is_some) {
            self.segments.rotate_left(next);
            self.segments.resize((2 * full).min(self.most), None);
            self.newest = full - 1;
        }
        self.newest = (self.newest + 1) % self.segments.len();
        let segment = Segment {
            source: self.expected,
            out: self.next_out,
            len: 0,
            era: self.era,
            form: self.form,
        };
        if let Some(place) = self.segments.get_mut(self.newest) {
            *place = Some(segment);
        }
        self.open = true;
    }

    #[inline]
    fn grow(&mut self, by: u64) {
        if let Some(Some(segment)) = self.segments.get_mut(self.newest) {
            segment.len += by;
        }
        self.next_out += by;
    }

    /// Segments, newest first.
    fn recent(&self) -> impl Iterator<Item = &Segment> + '_ {
        let (upto, after) = self.segments.split_at(self.newest + 1);
        upto.iter().rev().chain(after.iter().rev()).map_while(Option::as_ref)
    }
}

/// Picture numbers of a packet, as they were published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Pictures {
    pub picture: Option<u16>,
    pub tl0: Option<u8>,
    pub key: Option<u8>,
    pub frame: Option<u16>,
}

impl Pictures {
    pub(crate) fn of(description: &Description, frame: Option<u16>) -> Self {
        let value = |id: Option<PictureId>| id.map(|id| id.value);
        match description {
            Description::Vp8(d) => Self {
                picture: value(d.picture_id),
                tl0: d.tl0_picture_index,
                key: d.key_index,
                frame,
            },
            Description::Vp9(d) => {
                Self { picture: value(d.picture_id), tl0: d.tl0_picture_index, key: None, frame }
            }
            _ => Self { frame, ..Self::default() },
        }
    }

    /// The numbers as they go out.
    pub(crate) fn shifted(&self, shift: &Shift) -> Self {
        Self {
            picture: self.picture.map(|value| value.wrapping_add(shift.picture) & 0x7fff),
            tl0: self.tl0.map(|value| value.wrapping_add(shift.tl0)),
            key: self.key.map(|value| value.wrapping_add(shift.key) & 0x1f),
            frame: self.frame.map(|value| value.wrapping_add(shift.frame)),
        }
    }

    /// What to add so that the first key frame of a new source follows `last`, the highest numbers
    /// that went out. `unseen` packets after it have numbers too, each perhaps a picture of its
    /// own.
    pub(crate) fn following(&self, last: &Self, unseen: u16, timestamp: u32) -> Shift {
        let next = unseen.wrapping_add(1);
        let shift = |last: Option<u16>, own: Option<u16>| match (last, own) {
            (Some(last), Some(own)) => last.wrapping_add(next).wrapping_sub(own),
            _ => 0,
        };
        Shift {
            timestamp,
            picture: shift(last.picture, self.picture) & 0x7fff,
            tl0: shift(last.tl0.map(u16::from), self.tl0.map(u16::from)) as u8,
            key: shift(last.key.map(u16::from), self.key.map(u16::from)) as u8 & 0x1f,
            frame: shift(last.frame, self.frame),
        }
    }

    /// These numbers, where they are known, else the older ones.
    pub(crate) fn or(self, older: Self) -> Self {
        Self {
            picture: self.picture.or(older.picture),
            tl0: self.tl0.or(older.tl0),
            key: self.key.or(older.key),
            frame: self.frame.or(older.frame),
        }
    }
}

/// The bytes that carry the picture numbers of a packet, shifted. They are neighbours: picture id,
/// then TL0PICIDX, then for VP8 the byte with the key index; for VP9 the layer byte lies between
/// the first two.
#[inline]
pub(crate) fn patch(payload: &[u8], description: &Description, shift: &Shift) -> Patch {
    if shift.picture == 0 && shift.tl0 == 0 && shift.key == 0 {
        return Patch::NONE;
    }
    let (id, tl0_at, tl0, key) = match description {
        Description::Vp8(d) => {
            (d.picture_id, d.tl0_at, d.tl0_picture_index, d.key_index.map(|_| d.layer_at))
        }
        Description::Vp9(d) => (d.picture_id, d.tl0_at, d.tl0_picture_index, None),
        _ => return Patch::NONE,
    };
    let tl0_at = tl0.map(|_| tl0_at);
    let Some(first) = id.map(|id| id.at).or(tl0_at).or(key) else { return Patch::NONE };
    let id_end = id.map_or(first, |id| id.at + 1 + u8::from(id.long));
    let end = key.or(tl0_at).map_or(id_end, |at| at + 1);
    let len = end.saturating_sub(first);
    let mut patch = Patch { at: first, len, bytes: [0; 4] };
    let source = payload.get(usize::from(first)..usize::from(end));
    let (Some(source), Some(bytes)) = (source, patch.bytes.get_mut(..usize::from(len))) else {
        return Patch::NONE;
    };
    bytes.copy_from_slice(source);
    if let Some(id) = id {
        let relative = PictureId { at: id.at - first, ..id };
        relative.rewrite(bytes, id.value.wrapping_add(shift.picture) & 0x7fff);
    }
    if let Some(byte) = tl0_at.and_then(|at| bytes.get_mut(usize::from(at - first))) {
        *byte = byte.wrapping_add(shift.tl0);
    }
    if let Some(byte) = key.and_then(|at| bytes.get_mut(usize::from(at - first))) {
        *byte = (*byte & 0xe0) | (byte.wrapping_add(shift.key) & 0x1f);
    }
    patch
}
