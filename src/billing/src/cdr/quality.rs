//! How a call sounded, in figures.

use offhook_types::counted;
use offhook_types::counters::Counted;

counted! {
    /// How speech was coded.
    pub enum VoiceCodec {
        /// ITU-T G.711 µ-law.
        Pcmu = "pcmu",
        /// ITU-T G.711 A-law.
        Pcma = "pcma",
        /// ITU-T G.722.
        G722 = "g722",
        /// Opus (RFC 6716).
        Opus = "opus",
    }
}

impl VoiceCodec {
    /// The inverse of [`label`](Counted::label).
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|codec| codec.label() == label)
    }
}

/// Both directions of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Voice {
    /// The codec on the side of the carrier.
    pub carrier: Option<VoiceCodec>,
    /// The codec on the side of the room.
    pub room: Option<VoiceCodec>,
    /// What came from the carrier, as we counted it.
    pub from_carrier: Stream,
    /// What went to the carrier, as its reports say.
    pub to_carrier: Stream,
}

impl Voice {
    /// Take newer figures; a side that has none keeps what it had.
    pub fn merge(&mut self, newer: &Self) {
        self.carrier = newer.carrier.or(self.carrier);
        self.room = newer.room.or(self.room);
        self.from_carrier.merge(&newer.from_carrier);
        self.to_carrier.merge(&newer.to_carrier);
    }
}

/// One direction of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stream {
    /// Packets that arrived.
    pub packets: u64,
    /// Packets that did not.
    pub lost: u64,
    /// Interarrival jitter (RFC 3550 §6.4.1), in microseconds.
    pub jitter_us: u32,
    /// Mean opinion score in hundredths, 100 to 500, by [`mos`](super::mos); zero when unknown.
    pub mos: u16,
}

impl Stream {
    /// Packets lost of a thousand sent, rounded up.
    pub fn loss_permille(&self) -> u32 {
        let sent = self.packets.saturating_add(self.lost);
        let loss = self.lost.saturating_mul(1000).div_ceil(sent.max(1));
        u32::try_from(loss).unwrap_or(1000)
    }

    fn merge(&mut self, newer: &Self) {
        if newer.packets >= self.packets && *newer != Self::default() {
            *self = *newer;
        }
    }
}
