//! Figures that a caller tells every second.

use std::time::Duration;

use offhook_scenario::frames::Seen;
use offhook_scenario::histogram::Histogram;
use offhook_scenario::receive::{Incoming, Sums};
use offhook_types::{Codec, Time};

use super::data::Talked;
use super::send::Volume;

/// Of one peer connection, since the previous ones.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// What was sent: sound, pictures.
    pub sent: [Volume; 2],
    /// What came, stream by stream.
    pub streams: Vec<StreamFigures>,
    /// From the sender's clock to ours, every stamped packet.
    pub delays: Histogram,
    /// Bytes of RTP that came, headers and repairs included.
    pub wire_bytes: u64,
    /// Datagrams that did not authenticate.
    pub rejected: u64,
    /// From the beginning to where media may flow; `None` before.
    pub up_after: Option<Duration>,
    /// The last round trip of a connectivity check.
    pub rtt: Duration,
    /// What the server says that we may send it, where it says so.
    pub estimate_bps: Option<u64>,
    /// Data messages.
    pub messages: Talked,
}

/// Of one stream.
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
