//! Which packets of which sources were seen: one 128-packet window per source (RFC 3711 §3.3.2 asks
//! for at least 64).

use super::Drop;

/// The sources of one direction, each known since its first authentic packet.
pub(super) struct Sources {
    /// Kept apart from the windows so that the search touches 4 bytes per source.
    ssrcs: Vec<u32>,
    windows: Vec<Window>,
    max: usize,
}

impl Sources {
    pub(super) fn new(max: usize) -> Self {
        Self { ssrcs: Vec::new(), windows: Vec::new(), max }
    }

    #[inline]
    pub(super) fn window(&mut self, ssrc: u32) -> Option<&mut Window> {
        let place = self.ssrcs.iter().position(|&known| known == ssrc)?;
        self.windows.get_mut(place)
    }

    /// Remembers a source by its first authentic packet.
    pub(super) fn add(&mut self, ssrc: u32, index: u64) -> Result<(), Drop> {
        if self.ssrcs.len() >= self.max {
            return Err(Drop::TooManySources);
        }
        self.ssrcs.push(ssrc);
        self.windows.push(Window { highest: index, seen: 1 });
        Ok(())
    }
}

/// Bit `n` of `seen` says that `highest - n` was received.
pub(super) struct Window {
    highest: u64,
    seen: u128,
}

impl Window {
    /// The 48-bit index nearest to the newest that ends in `number` (RFC 3711 §3.3.1). `None` lies
    /// before the first packet that could have been sent, or after the last.
    #[inline]
    pub(super) fn unwrap(&self, number: u16) -> Option<u64> {
        let ahead = number.wrapping_sub(self.highest as u16) as i16;
        self.highest.checked_add_signed(i64::from(ahead)).filter(|&index| index < 1 << 48)
    }

    #[inline]
    pub(super) fn check(&self, index: u64) -> Result<(), Drop> {
        let Some(behind) = self.highest.checked_sub(index) else { return Ok(()) };
        match behind {
            0..128 if self.seen >> behind & 1 == 1 => Err(Drop::Replayed),
            0..128 => Ok(()),
            _ => Err(Drop::TooOld),
        }
    }

    /// Only for an index that passed [`Window::check`] and whose packet is authentic.
    #[inline]
    pub(super) fn record(&mut self, index: u64) {
        if let Some(behind) = self.highest.checked_sub(index) {
            self.seen |= 1u128.checked_shl(behind as u32).unwrap_or(0);
        } else {
            let ahead = u32::try_from(index - self.highest).unwrap_or(u32::MAX);
            self.seen = self.seen.checked_shl(ahead).unwrap_or(0) | 1;
            self.highest = index;
        }
    }
}
