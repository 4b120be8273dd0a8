//! What a receiver's streams did between two looks, and what that comes to: a [`Tally`] of a participant's second,
//! or of many of them together.

use std::time::Duration;

use offhook_types::{Codec, MediaKind, Time};

use crate::frames::Seen;
use crate::histogram::Histogram;
use crate::receive::{Incoming, Sums};

/// Of one stream, since the previous ones.
#[derive(Debug, Clone)]
pub struct StreamFigures {
    /// What it is encoded with.
    pub codec: Codec,
    /// Packets that should have come; late ones make it up later, so this and the next are only right in sum.
    pub expected: u64,
    /// Packets that came, each once.
    pub packets: u64,
    /// Their payload.
    pub bytes: u64,
    /// By retransmission among them.
    pub repaired: u64,
    /// Packets asked for again.
    pub nacks: u64,
    /// Key frames asked for.
    pub key_requests: u64,
    /// Pictures.
    pub seen: Seen,
    /// From the beginning to the first picture or sound.
    pub first_after: Option<Duration>,
    /// Simulcast layer of the last packet.
    pub layer: Option<u8>,
    /// The picture stands still.
    pub frozen: bool,
}

/// What of a stream was told already.
#[derive(Debug, Clone, Copy, Default)]
pub struct Told {
    /// Its packets.
    pub sums: Sums,
    /// Its pictures.
    pub seen: Seen,
}

impl Told {
    /// All of it, up to now.
    pub fn of(stream: &Incoming) -> Self {
        Self { sums: stream.sums, seen: stream.frames.seen() }
    }
}

impl StreamFigures {
    /// What a stream did between two tellings.
    pub fn new(now: Time, stream: &Incoming, before: &Told, first: Option<Duration>) -> Self {
        let after = Told::of(stream);
        let (old, new) = (&before.sums, &after.sums);
        let (then, seen) = (&before.seen, &after.seen);
        Self {
            codec: stream.codec,
            expected: new.expected - old.expected,
            packets: new.packets - old.packets,
            bytes: new.bytes - old.bytes,
            repaired: new.repaired - old.repaired,
            nacks: new.nacks - old.nacks,
            key_requests: new.key_requests - old.key_requests,
            seen: Seen {
                started: seen.started - then.started,
                complete: seen.complete - then.complete,
                rendered: seen.rendered - then.rendered,
                keys: seen.keys - then.keys,
                freezes: seen.freezes - then.freezes,
                frozen: seen.frozen - then.frozen,
                switches: seen.switches - then.switches,
            },
            first_after: first,
            layer: stream.frames.heard(),
            frozen: stream.frames.is_frozen(now),
        }
    }
}

/// Sums over streams and time.
#[derive(Debug, Default, Clone)]
pub struct Tally {
    /// Packets that came, each once.
    pub received: u64,
    /// Packets that should have come.
    pub expected: u64,
    /// Packets missing; what comes late makes up for what an earlier second lacked.
    pub lost: i64,
    /// Packets that came by retransmission.
    pub repaired: u64,
    /// Payload that came.
    pub bytes: u64,
    /// Frames of which a packet came.
    pub begun: u64,
    /// Frames that came whole.
    pub complete: u64,
    /// Frames that could be shown.
    pub shown: u64,
    /// Seconds of video streams that showed something or should have.
    pub streams: u64,
    /// Freezes.
    pub freezes: u64,
    /// Their length together.
    pub frozen: Duration,
    /// Seconds of video streams that ended with a picture that stood still.
    pub stalled: u64,
    /// Changes of the simulcast layer.
    pub switches: u64,
    /// Packets asked for again.
    pub nacks: u64,
    /// Key frames asked for.
    pub key_requests: u64,
    /// From sender to receiver, every stamped packet.
    pub delays: Histogram,
    layer_sum: f32,
    layer_count: u32,
}

impl Tally {
    /// One stream's second.
    pub fn stream(&mut self, stream: &StreamFigures) {
        self.received += stream.packets;
        self.expected += stream.expected;
        self.lost += stream.expected as i64 - stream.packets as i64;
        self.repaired += stream.repaired;
        self.bytes += stream.bytes;
        self.nacks += stream.nacks;
        self.key_requests += stream.key_requests;
        if stream.codec.kind() == MediaKind::Audio {
            return;
        }
        self.begun += stream.seen.started;
        self.complete += stream.seen.complete;
        self.shown += stream.seen.rendered;
        self.freezes += stream.seen.freezes;
        self.frozen += stream.seen.frozen;
        // A stream of which nothing comes is paused, or its sender is gone.
        let live = stream.packets > 0 && stream.first_after.is_some();
        self.streams += u64::from(live);
        self.stalled += u64::from(live && stream.frozen);
        self.switches += stream.seen.switches;
        if let Some(layer) = stream.layer.filter(|_| stream.packets > 0) {
            self.layer_sum += f32::from(layer);
            self.layer_count += 1;
        }
    }

    /// Add another one.
    pub fn add(&mut self, other: &Self) {
        self.received += other.received;
        self.expected += other.expected;
        self.lost += other.lost;
        self.repaired += other.repaired;
        self.bytes += other.bytes;
        self.begun += other.begun;
        self.complete += other.complete;
        self.shown += other.shown;
        self.streams += other.streams;
        self.freezes += other.freezes;
        self.frozen += other.frozen;
        self.stalled += other.stalled;
        self.switches += other.switches;
        self.nacks += other.nacks;
        self.key_requests += other.key_requests;
        self.delays.merge(&other.delays);
        self.layer_sum += other.layer_sum;
        self.layer_count += other.layer_count;
    }

    /// Mean simulcast layer of the video that came.
    pub fn layer(&self) -> Option<f32> {
        (self.layer_count > 0).then(|| self.layer_sum / self.layer_count as f32)
    }

    /// Share of what was expected that is missing.
    pub fn loss(&self) -> Option<f64> {
        share(self.lost.max(0) as f64, self.expected)
    }

    /// Frames shown per second and video stream.
    pub fn fps(&self) -> Option<f64> {
        share(self.shown as f64, self.streams)
    }

    /// Per video stream.
    pub fn freezes_per_minute(&self) -> Option<f64> {
        share(self.freezes as f64 * 60.0, self.streams)
    }

    /// Share of the time of video streams in which the picture stood still at the end of a second: a stream that never
    /// moves again has no freeze that ends.
    pub fn frozen_share(&self) -> Option<f64> {
        share(self.stalled as f64, self.streams)
    }
}

/// A part of a whole, unless that is nothing.
pub fn share(part: f64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part / whole as f64)
}
