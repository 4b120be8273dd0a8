//! Numbers that wrap on the wire, made 64 bits wide once, at the door.

/// Extends RTP sequence numbers. Each is taken to be the one nearest to the highest seen so far, so
/// reordering across the wrap is read right up to 2^15 packets.
///
/// The first number lands in cycle one (65536 and up), so that packets overtaken by the first one
/// still have a number. The low 16 bits are always those on the wire.
#[derive(Debug, Clone, Copy, Default)]
pub struct SequenceUnwrapper {
    highest: Option<u64>,
}

impl SequenceUnwrapper {
    /// Nothing seen yet.
    pub const fn new() -> Self {
        Self { highest: None }
    }

    /// The extended number, remembered when it is the highest.
    #[inline]
    pub fn unwrap(&mut self, sequence: u16) -> u64 {
        let extended = self.peek(sequence);
        self.highest = Some(self.highest.map_or(extended, |highest| highest.max(extended)));
        extended
    }

    /// The extended number, not remembered (for packets not yet authenticated).
    #[inline]
    pub fn peek(&self, sequence: u16) -> u64 {
        let Some(highest) = self.highest else { return (1 << 16) + u64::from(sequence) };
        let ahead = sequence.wrapping_sub(highest as u16) as i16;
        highest.saturating_add_signed(i64::from(ahead))
    }

    /// The highest number so far.
    pub const fn highest(&self) -> Option<u64> {
        self.highest
    }
}

/// Extends RTP timestamps in the same way: nearest to the highest seen, first one in cycle one
/// (2^32 and up).
#[derive(Debug, Clone, Copy, Default)]
pub struct TimestampUnwrapper {
    highest: Option<u64>,
}

impl TimestampUnwrapper {
    /// Nothing seen yet.
    pub const fn new() -> Self {
        Self { highest: None }
    }

    /// The extended timestamp, remembered when it is the highest.
    #[inline]
    pub fn unwrap(&mut self, timestamp: u32) -> u64 {
        let extended = match self.highest {
            None => (1 << 32) + u64::from(timestamp),
            Some(highest) => {
                let ahead = timestamp.wrapping_sub(highest as u32) as i32;
                highest.saturating_add_signed(i64::from(ahead))
            }
        };
        self.highest = Some(self.highest.map_or(extended, |highest| highest.max(extended)));
        extended
    }
}
