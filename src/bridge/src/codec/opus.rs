//! libopus as the bridge uses it: mono, 8 or 16 kHz in and out, so that nothing is resampled; on
//! RTP the clock is 48 kHz all the same (RFC 7587 §4.1).

use opus::{Application, Bitrate, Channels, Signal};

use super::MAX_SPAN;

pub(crate) struct OpusDecoder {
    inner: opus::Decoder,
    rate: u32,
}

impl OpusDecoder {
    pub(crate) fn new(rate: u32) -> Option<Self> {
        Some(Self { inner: opus::Decoder::new(rate, Channels::Mono).ok()?, rate })
    }

    pub(super) fn span(&self, payload: &[u8]) -> Option<usize> {
        opus::packet::get_nb_samples(payload, self.rate).ok()
    }

    pub(super) fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) -> Option<()> {
        self.run(payload, MAX_SPAN, false, out)
    }

    /// The `samples` before `next`, from its forward error correction, or extrapolated where it has
    /// none.
    pub(crate) fn recover(
        &mut self,
        next: &[u8],
        samples: usize,
        out: &mut Vec<i16>,
    ) -> Option<()> {
        self.run(next, samples, true, out)
    }

    /// Extrapolates over a loss. Whole multiples of 2.5 ms.
    pub(crate) fn conceal(&mut self, samples: usize, out: &mut Vec<i16>) -> Option<()> {
        self.run(&[], samples, false, out)
    }

    fn run(&mut self, payload: &[u8], max: usize, fec: bool, out: &mut Vec<i16>) -> Option<()> {
        let start = out.len();
        out.resize(start + max, 0);
        let decoded =
            out.get_mut(start..).and_then(|free| self.inner.decode(payload, free, fec).ok());
        out.truncate(start + decoded.unwrap_or(0));
        decoded.map(|_| ())
    }
}

pub(crate) struct OpusEncoder {
    inner: opus::Encoder,
    loss: u8,
}

impl OpusEncoder {
    /// `None` when libopus has no memory.
    pub(crate) fn new(rate: u32, dtx: bool) -> Option<Self> {
        let mut inner = opus::Encoder::new(rate, Channels::Mono, Application::Voip).ok()?;
        inner.set_complexity(COMPLEXITY).ok()?;
        inner.set_signal(Signal::Voice).ok()?;
        inner.set_inband_fec(true).ok()?;
        inner.set_dtx(dtx).ok()?;
        let bitrate = if rate <= 8000 { NARROW_BITRATE } else { WIDE_BITRATE };
        inner.set_bitrate(Bitrate::Bits(bitrate)).ok()?;
        Some(Self { inner, loss: 0 })
    }

    pub(crate) fn encode(&mut self, samples: &[i16], out: &mut [u8]) -> Option<usize> {
        self.inner.encode(samples, out).ok()
    }

    /// What the receiver loses decides how much goes into forward error correction.
    pub(crate) fn set_loss(&mut self, percent: u8) {
        if percent != self.loss
            && self.inner.set_packet_loss_perc(percent.min(MAX_LOSS).into()).is_ok()
        {
            self.loss = percent;
        }
    }
}

/// 156 encodes plus decodes per core at 8 kHz were measured with it; 10 costs half as much again and
/// is not heard in telephone speech.
const COMPLEXITY: i32 = 5;
const NARROW_BITRATE: i32 = 28_000;
const WIDE_BITRATE: i32 = 36_000;
/// Beyond this libopus spends so much on redundancy that speech itself suffers.
const MAX_LOSS: u8 = 25;
