//! How an encoder of several layers shares what it may send, as libwebrtc's does: each layer gets what it is set
//! to, from the lowest on, and the highest that still runs what is left. One that would get less than its least is
//! not sent.

use crate::{Layer, Track};

/// What each layer of a track may be sent at now.
#[derive(Debug, Clone)]
pub(super) struct Allowance {
    /// In 1/1024 of what it is set to; zero is not sent.
    parts: Vec<u32>,
    /// Bytes of key frames that the frames after them still have to make good for.
    debts: Vec<usize>,
    /// Frames so far, which vary in size.
    frames: u32,
}

/// All that a layer is set to.
const WHOLE: u32 = 1024;
/// What the network adds to a packet: headers of IP, UDP and RTP, extensions, tag.
pub(crate) const OVERHEAD: usize = 72;
/// Encoders do not hit their rate in every frame: these parts of it, in 1/16, are 1/32 too much together.
const SIZES: [u32; 8] = [16, 13, 19, 17, 22, 12, 18, 15];

/// The least that libwebrtc sends a picture of a height at, in bits a second (`simulcast.cc`).
const LEAST: [(u16, u64); 5] =
    [(1080, 800_000), (720, 600_000), (540, 350_000), (360, 150_000), (0, 30_000)];

impl Allowance {
    /// Everything.
    pub(super) fn new(layers: usize) -> Self {
        Self { parts: vec![WHOLE; layers], debts: vec![0; layers], frames: 0 }
    }

    /// Share so many bits a second, headers included. True when a layer begins that was not sent.
    pub(super) fn share(&mut self, track: &Track, bits: u64) -> bool {
        let mut left = bits;
        let (mut begins, mut runs) = (false, true);
        for (index, (layer, part)) in track.layers.iter().zip(&mut self.parts).enumerate() {
            let full = on_wire(layer, track.bits(layer));
            let mut least = least(layer).min(full);
            if *part == 0 {
                // What was not sent begins a fifth higher, so that it does not come and go.
                least = (least + least / 5).min(full);
            }
            runs &= left >= least || index == 0;
            let given = if runs { left.max(least).min(full) } else { 0 };
            left = left.saturating_sub(given);
            let now = (given * u64::from(WHOLE) / full.max(1)) as u32;
            begins |= *part == 0 && now > 0;
            *part = now;
        }
        begins
    }

    /// A layer is sent.
    pub(super) fn allows(&self, layer: usize) -> bool {
        self.parts.get(layer).is_some_and(|&part| part > 0)
    }

    /// The next frame of all layers.
    pub(super) fn step(&mut self) {
        self.frames = self.frames.wrapping_add(1);
    }

    /// Packets of a frame of a layer, and the bytes of each; `scale` is how many times larger than others it is.
    pub(super) fn frame(&mut self, plan: &Layer, layer: usize, scale: u16) -> (u16, usize) {
        let part = self.parts.get(layer).copied().unwrap_or(0);
        let debt = self.debts.get_mut(layer).filter(|_| part < WHOLE);
        let Some(debt) = debt else {
            return (plan.packets.saturating_mul(scale), plan.packet_bytes);
        };
        let size = SIZES.get(self.frames as usize % SIZES.len()).copied().unwrap_or(16);
        let whole = usize::from(plan.packets) * plan.packet_bytes;
        let usual = whole * part as usize / WHOLE as usize * size as usize / 16;
        *debt += usual * usize::from(scale.saturating_sub(1));
        let paid = if scale > 1 { 0 } else { (*debt).min(usual / 3) };
        *debt -= paid;
        let bytes = usual * usize::from(scale) - paid;
        let packets = bytes.div_ceil(plan.packet_bytes.max(1)).max(1);
        (packets as u16, bytes / packets)
    }
}

fn least(layer: &Layer) -> u64 {
    LEAST.iter().find(|(height, _)| *height <= layer.height).map_or(0, |&(_, least)| least)
}

fn on_wire(layer: &Layer, payload: u64) -> u64 {
    let bytes = layer.packet_bytes.max(1) as u64;
    payload * (bytes + OVERHEAD as u64) / bytes
}
