//! What every packet of ours says about itself, somewhere near the front of its payload: when it was sent,
//! and which frame it belongs to. A relay changes payload descriptors, never what is behind them, so
//! whoever receives the payload can measure without trusting any other number.

/// Says that a stamp follows.
const MAGIC: [u8; 4] = *b"OHLT";
/// How far into a payload a stamp may start: behind the longest descriptors and frame headers of ours and the
/// framing of data messages.
const SEARCHED: usize = 96;
/// Bytes of a stamp.
pub const LEN: usize = 30;

/// One packet's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stamp {
    /// Microseconds after the process's origin.
    pub sent_us: u64,
    /// Tells tracks apart: a relay may hand a stream's number on from one track to the next.
    pub source: u32,
    /// Number of the frame in its layer.
    pub frame: u32,
    /// Number of the frame that is needed to decode it; itself for a key frame.
    pub needs: u32,
    /// Position of the packet in its frame.
    pub index: u16,
    /// Packets of the frame that carry stamps.
    pub count: u16,
    /// Simulcast layer, the smallest picture first.
    pub layer: u8,
    /// Temporal layer.
    pub temporal: u8,
}

impl Stamp {
    /// The bytes.
    pub fn to_bytes(self) -> [u8; LEN] {
        let mut out = [0; LEN];
        out[..4].copy_from_slice(&MAGIC);
        out[4..12].copy_from_slice(&self.sent_us.to_be_bytes());
        out[12..16].copy_from_slice(&self.frame.to_be_bytes());
        out[16..20].copy_from_slice(&self.needs.to_be_bytes());
        out[20..22].copy_from_slice(&self.index.to_be_bytes());
        out[22..24].copy_from_slice(&self.count.to_be_bytes());
        out[24..28].copy_from_slice(&self.source.to_be_bytes());
        out[28..].copy_from_slice(&[self.layer, self.temporal]);
        out
    }

    /// The stamp of a payload, if it has one.
    pub fn find(payload: &[u8]) -> Option<Self> {
        let front = &payload[..payload.len().min(SEARCHED)];
        let at = front.windows(MAGIC.len()).position(|word| word == MAGIC)?;
        let bytes: &[u8; LEN] = payload.get(at..)?.first_chunk()?;
        let word = |at: usize| [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        let half = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        let [high, low] = [word(4), word(8)].map(u32::from_be_bytes).map(u64::from);
        Some(Self {
            sent_us: high << 32 | low,
            source: u32::from_be_bytes(word(24)),
            frame: u32::from_be_bytes(word(12)),
            needs: u32::from_be_bytes(word(16)),
            index: half(20),
            count: half(22),
            layer: bytes[28],
            temporal: bytes[29],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_found_wherever_a_descriptor_ends() {
        let stamp = Stamp {
            sent_us: 1 << 40 | 7,
            source: 5,
            frame: 70_000,
            needs: 69_999,
            index: 3,
            count: 8,
            layer: 2,
            temporal: 1,
        };
        for before in [0, 1, 14, 70] {
            let mut payload = vec![0x55; before];
            payload.extend(stamp.to_bytes());
            assert_eq!(Stamp::find(&payload), Some(stamp));
            assert_eq!(Stamp::find(&payload[..payload.len() - 1]), None, "cut off");
        }
        assert_eq!(Stamp::find(&[0x55; 100]), None);
        assert_eq!(Stamp::find(b"OH"), None);
    }
}
