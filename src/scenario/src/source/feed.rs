//! What a published track gives over time: its frames in all their layers, or its sound, each when it is due.

use std::sync::Arc;
use std::time::Duration;

use offhook_types::{Rng, Time};

use super::allowance::Allowance;
use super::{Picture, Voice};
use crate::{Track, TrackKind};

/// Behind by more than this, what was missed is not sent in a burst.
const HELD_UP: Duration = Duration::from_millis(500);

/// One track on its own clock.
pub struct Feed {
    /// What it is.
    pub track: Arc<Track>,
    content: Content,
    /// Layers that anybody wants.
    wanted: Vec<bool>,
    /// What each may be sent at.
    allowance: Allowance,
    due: Time,
    timestamp: u32,
    next_key: Time,
    key_wanted: bool,
    payload: Vec<u8>,
}

enum Content {
    Video(Vec<Picture>),
    Audio(Voice),
}

/// One packet to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece<'a> {
    /// Of which of the track's layers.
    pub layer: usize,
    /// Its place in the frame.
    pub index: u16,
    /// Of a key frame.
    pub key: bool,
    /// On the RTP clock.
    pub timestamp: u32,
    /// The last of a frame, or the first of a talk.
    pub marker: bool,
    /// Of sound: voice flag and level, as RFC 6464 §3 has them in a byte.
    pub level: Option<u8>,
    /// What is in it.
    pub payload: &'a [u8],
}

impl Feed {
    /// Nothing is due before [`Feed::start`].
    pub fn new(track: Arc<Track>, rng: &mut Rng) -> Self {
        let content = match track.kind {
            TrackKind::Video => {
                let source = rng.next_u32();
                let layers = 0..track.layers.len() as u8;
                Content::Video(layers.map(|layer| Picture::new(&track, layer, source)).collect())
            }
            TrackKind::Audio => {
                let bytes = track.layers.first().map_or(80, |layer| layer.frame_bytes);
                let rng = Rng::from_seed(rng.next_u64());
                Content::Audio(Voice::new(track.talk, track.dtx, bytes, rng))
            }
        };
        Self {
            content,
            wanted: vec![true; track.layers.len()],
            allowance: Allowance::new(track.layers.len()),
            due: Time::MAX,
            timestamp: rng.next_u32(),
            next_key: Time::MAX,
            key_wanted: true,
            payload: Vec::new(),
            track,
        }
    }

    /// The first frame is due within one frame's time, so that not all callers send at once.
    pub fn start(&mut self, now: Time, rng: &mut Rng) {
        let apart = self.track.interval().as_micros() as u32;
        self.due = now + Duration::from_micros(rng.below(apart).into());
        self.next_key = now + self.track.key_every;
    }

    /// When the next frame is due.
    pub fn due(&self) -> Time {
        self.due
    }

    /// A key frame is asked for.
    pub fn want_key(&mut self) {
        self.key_wanted = true;
    }

    /// Send only these layers from now on. One that is wanted again begins with a key frame.
    pub fn limit(&mut self, wanted: &[bool]) {
        for (layer, &wanted) in self.wanted.iter_mut().zip(wanted) {
            self.key_wanted |= wanted && !*layer;
            *layer = wanted;
        }
    }

    /// Send no more than so many bits a second from now on, headers included.
    pub fn allow(&mut self, bits: u64) {
        if self.track.kind == TrackKind::Video {
            self.key_wanted |= self.allowance.share(&self.track, bits);
        }
    }

    /// Every packet of the frame that is due.
    pub fn poll(&mut self, now: Time, send: &mut dyn FnMut(&Piece<'_>)) {
        if self.due > now {
            return;
        }
        let interval = self.track.interval();
        self.due = self.due + interval;
        if now.since(self.due) > HELD_UP {
            self.due = now + interval;
        }
        self.timestamp = self.timestamp.wrapping_add(self.track.ticks());
        match self.track.kind {
            TrackKind::Video => self.pictures(now, send),
            TrackKind::Audio => self.sound(now, send),
        }
    }

    fn pictures(&mut self, now: Time, send: &mut dyn FnMut(&Piece<'_>)) {
        let Content::Video(pictures) = &mut self.content else { return };
        let key = std::mem::take(&mut self.key_wanted) || self.next_key <= now;
        if key {
            self.next_key = now + self.track.key_every;
        }
        let scale = if key { self.track.key_scale } else { 1 };
        self.allowance.step();
        let layers = self.track.layers.iter().zip(pictures).zip(&self.wanted).enumerate();
        for (layer, ((plan, picture), &wanted)) in layers {
            if !wanted || !self.allowance.allows(layer) {
                continue;
            }
            let (packets, bytes) = self.allowance.frame(plan, layer, scale);
            let frame = picture.next(key, packets);
            for index in 0..frame.packets {
                picture.write(now, &frame, index, bytes, &mut self.payload);
                send(&Piece {
                    layer,
                    index,
                    key: frame.key,
                    timestamp: self.timestamp,
                    marker: index + 1 == frame.packets,
                    level: None,
                    payload: &self.payload,
                });
            }
        }
    }

    fn sound(&mut self, now: Time, send: &mut dyn FnMut(&Piece<'_>)) {
        let Content::Audio(voice) = &mut self.content else { return };
        let Some(sound) = voice.poll() else { return };
        voice.write(now, &sound, &mut self.payload);
        send(&Piece {
            layer: 0,
            index: 0,
            key: false,
            timestamp: self.timestamp,
            marker: sound.onset,
            level: Some(u8::from(sound.voice) << 7 | sound.level),
            payload: &self.payload,
        });
    }
}
