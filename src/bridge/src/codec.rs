//! Codecs of both sides under one set of verbs: [`Decoder`] and [`Encoder`]. Samples are 16-bit,
//! mono, at [`PhoneCodec::rate`].

use super::words::PhoneCodec;
use g722::{Compressor, Expander};
use opus::OpusDecoder;
pub(super) use opus::OpusEncoder;

pub(super) mod g711;
mod g722;
mod opus;

impl PhoneCodec {
    /// Samples per second.
    pub const fn rate(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma => 8000,
            Self::G722 | Self::Opus => 16_000,
        }
    }

    /// RTP clock ticks per second.
    pub const fn clock(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 => 8000,
            Self::Opus => 48_000,
        }
    }
}

/// From payloads to samples.
pub struct Decoder(Decoding);

#[allow(clippy::large_enum_variant)] // One per stream, and boxing it would only move the bytes.
enum Decoding {
    Pcmu,
    Pcma,
    G722(Expander),
    Opus(OpusDecoder),
}

impl Decoder {
    /// `None` when libopus has no memory.
    pub fn new(codec: PhoneCodec) -> Option<Self> {
        Some(Self(match codec {
            PhoneCodec::Pcmu => Decoding::Pcmu,
            PhoneCodec::Pcma => Decoding::Pcma,
            PhoneCodec::G722 => Decoding::G722(Expander::new()),
            PhoneCodec::Opus => return Self::opus(codec.rate()),
        }))
    }

    /// Opus, straight to 8 or 16 kHz. `None` when libopus has no memory.
    pub fn opus(rate: u32) -> Option<Self> {
        OpusDecoder::new(rate).map(|decoder| Self(Decoding::Opus(decoder)))
    }

    /// How many samples a payload holds; `None` when it cannot be read.
    pub(super) fn span(&self, payload: &[u8]) -> Option<usize> {
        let span = match &self.0 {
            Decoding::Pcmu | Decoding::Pcma => payload.len(),
            Decoding::G722(_) => 2 * payload.len(),
            Decoding::Opus(decoder) => decoder.span(payload)?,
        };
        (1..=MAX_SPAN).contains(&span).then_some(span)
    }

    /// Appends the samples of a payload; says how many, `None` when it cannot be read.
    pub fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) -> Option<usize> {
        let start = out.len();
        match &mut self.0 {
            Decoding::Pcmu => out.extend(payload.iter().map(|&code| g711::from_ulaw(code))),
            Decoding::Pcma => out.extend(payload.iter().map(|&code| g711::from_alaw(code))),
            Decoding::G722(expander) => expander.decode(payload, out),
            Decoding::Opus(decoder) => decoder.decode(payload, out)?,
        }
        Some(out.len() - start)
    }

    /// Opus makes up for losses by itself.
    pub(super) fn as_opus(&mut self) -> Option<&mut OpusDecoder> {
        match &mut self.0 {
            Decoding::Opus(decoder) => Some(decoder),
            _ => None,
        }
    }

    /// Tells a decoder with memory what was played instead of a lost packet, so that its predictors
    /// start from something likely.
    pub(super) fn concealed(&mut self, samples: &[i16]) {
        if let Decoding::G722(expander) = &mut self.0 {
            expander.follow(samples);
        }
    }
}

/// From samples to payloads.
pub struct Encoder(Encoding);

#[allow(clippy::large_enum_variant)]
enum Encoding {
    Pcmu,
    Pcma,
    G722(Compressor),
    Opus(OpusEncoder),
}

impl Encoder {
    /// `None` when libopus has no memory.
    pub fn new(codec: PhoneCodec) -> Option<Self> {
        Some(Self(match codec {
            PhoneCodec::Pcmu => Encoding::Pcmu,
            PhoneCodec::Pcma => Encoding::Pcma,
            PhoneCodec::G722 => Encoding::G722(Compressor::new()),
            PhoneCodec::Opus => return Self::opus(codec.rate()),
        }))
    }

    /// Opus from 8 or 16 kHz. `None` when libopus has no memory.
    pub fn opus(rate: u32) -> Option<Self> {
        OpusEncoder::new(rate, false).map(|encoder| Self(Encoding::Opus(encoder)))
    }

    /// Writes a payload; its length, `None` when `out` is too small.
    pub fn encode(&mut self, samples: &[i16], out: &mut [u8]) -> Option<usize> {
        match &mut self.0 {
            Encoding::Pcmu => g711_all(samples, out, g711::to_ulaw),
            Encoding::Pcma => g711_all(samples, out, g711::to_alaw),
            Encoding::G722(compressor) => compressor.encode(samples, out),
            Encoding::Opus(encoder) => encoder.encode(samples, out),
        }
    }

    /// The far side loses this much.
    pub fn set_loss(&mut self, percent: u8) {
        if let Encoding::Opus(encoder) = &mut self.0 {
            encoder.set_loss(percent);
        }
    }
}

fn g711_all(samples: &[i16], out: &mut [u8], law: impl Fn(i16) -> u8) -> Option<usize> {
    let out = out.get_mut(..samples.len())?;
    for (code, &sample) in out.iter_mut().zip(samples) {
        *code = law(sample);
    }
    Some(samples.len())
}

/// The longest that a packet lasts: 120 ms of Opus (RFC 6716 §2.1.4), at 16 kHz.
pub(super) const MAX_SPAN: usize = 1920;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_codec_says_how_long_a_payload_is_and_decodes_that_much() {
        for (codec, payload, samples) in [
            (PhoneCodec::Pcmu, 160, 160),
            (PhoneCodec::Pcma, 80, 80),
            (PhoneCodec::G722, 160, 320),
            (PhoneCodec::Pcmu, 0, 0),
            (PhoneCodec::Pcmu, 3000, 0),
        ] {
            let mut decoder = Decoder::new(codec).unwrap();
            let payload = vec![0x55; payload];
            let span = decoder.span(&payload);
            assert_eq!(span, (samples > 0).then_some(samples), "{codec:?}");
            if let Some(span) = span {
                assert_eq!(decoder.decode(&payload, &mut Vec::new()), Some(span));
            }
        }
    }

    #[test]
    fn opus_goes_both_ways_at_both_rates() {
        for rate in [8000, 16_000] {
            let frame = rate as usize / 50;
            let mut encoder = OpusEncoder::new(rate, false).unwrap();
            let mut decoder = Decoder::opus(rate).unwrap();
            let mut payload = [0; 500];
            let silence = vec![0; frame];
            let len = encoder.encode(&silence, &mut payload).unwrap();
            assert_eq!(decoder.span(&payload[..len]), Some(frame));
            assert_eq!(decoder.decode(&payload[..len], &mut Vec::new()), Some(frame));
            assert_eq!(decoder.span(&[0xff; 1]), None);
        }
    }
}
