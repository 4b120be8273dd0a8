//! Which payload types and header extensions of an offered section are agreed. Inside a bundle a
//! number means one thing (RFC 9143 §9.1), so [`Bundle`] keeps what earlier sections made of it.

use std::collections::BTreeMap;

use offhook_types::media::{CodecParams, Extension, Extensions, Negotiated};
use offhook_types::{Codec, MediaKind, PayloadType};
use offhook_wire::sdp::{Direction, Encoding, ExtensionName, Extmap, Feedback, Format, Section};

/// What the numbers of a bundle mean.
#[derive(Debug, Default)]
pub(super) struct Bundle {
    payload_types: BTreeMap<u8, Encoding>,
    order: Vec<CodecParams>,
    extensions: Extensions,
    /// Some section announces stereo sound; the parameters of a payload type are the same in every
    /// section, so this is too.
    stereo: bool,
}

/// Which way media flows in a section, seen from us.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flow {
    pub(super) sends: bool,
    pub(super) receives: bool,
}

impl Bundle {
    /// Look over all sections before the first is agreed.
    pub(super) fn survey(sections: &[Section]) -> Self {
        let stereo = sections.iter().filter(|section| section.direction.sends()).any(|section| {
            section.formats.iter().any(|format| format.parameter("sprop-stereo") == Some("1"))
        });
        Self { stereo, ..Self::default() }
    }

    /// The payload types of a section that we take, in the peer's order.
    pub(super) fn formats(
        &mut self,
        kind: MediaKind,
        offered: &[Format],
        flow: Flow,
    ) -> Vec<Format> {
        let mut agreed: Vec<Format> = Vec::new();
        for format in offered {
            let Some(codec) = format.codec().filter(|&codec| codec.kind() == kind && taken(codec))
            else {
                continue;
            };
            if !self.claim(format) {
                continue;
            }
            let feedback = feedback(kind, format, flow);
            let fmtp = if codec == Codec::Opus { self.opus(format) } else { format.fmtp.clone() };
            agreed.push(Format { fmtp, feedback, ..format.clone() });
        }
        let media: Vec<PayloadType> = agreed.iter().map(|format| format.payload_type).collect();
        let repairs = |format: &&Format| match format.encoding {
            Encoding::Rtx { of, clock_rate } => media.contains(&of) && clock_rate == clock(kind),
            _ => false,
        };
        let repairs: Vec<Format> = offered.iter().filter(repairs).cloned().collect();
        for format in repairs {
            if self.claim(&format) {
                agreed.push(Format { feedback: Vec::new(), ..format });
            }
        }
        let rank = |format: &Format| {
            offered.iter().position(|other| other.payload_type == format.payload_type)
        };
        agreed.sort_by_key(rank);
        self.record(&agreed);
        agreed
    }

    /// The header extensions of a section that we take, under the peer's numbers.
    pub(super) fn extmaps(&mut self, offered: &[Extmap]) -> Vec<Extmap> {
        let mut agreed: Vec<Extmap> = Vec::new();
        for extmap in offered {
            let ExtensionName::Known(extension) = extmap.name else { continue };
            let inactive = extmap.direction == Some(Direction::Inactive);
            let twice = agreed.iter().any(|other| other.name == extmap.name);
            if inactive || twice || !useful(extension) {
                continue;
            }
            let number = self.extensions.id(extension);
            let meaning = self.extensions.by_id(extmap.id);
            if number.is_some_and(|id| id != extmap.id) || meaning.is_some_and(|e| e != extension) {
                continue;
            }
            self.extensions.set(extension, extmap.id);
            let direction = extmap.direction.map(reversed);
            agreed.push(Extmap { direction, ..extmap.clone() });
        }
        agreed
    }

    /// All that was agreed.
    pub(super) fn negotiated(self) -> Negotiated {
        Negotiated { codecs: self.order, extensions: self.extensions }
    }

    /// Take what a peer's answer to our offer says about payload types.
    pub(super) fn record(&mut self, formats: &[Format]) {
        for format in formats {
            let Some(codec) = format.codec() else { continue };
            let repair = |other: &&Format| match other.encoding {
                Encoding::Rtx { of, .. } => of == format.payload_type,
                _ => false,
            };
            let rtx = formats.iter().find(repair).map(|other| other.payload_type);
            let params = CodecParams {
                payload_type: format.payload_type,
                codec,
                rtx,
                nack: format.has(&Feedback::Nack),
                pli: format.has(&Feedback::NackPli),
                transport_cc: format.has(&Feedback::TransportCc),
                remb: format.has(&Feedback::GoogRemb),
            };
            let known = |other: &&mut CodecParams| other.payload_type == format.payload_type;
            match self.order.iter_mut().find(known) {
                Some(other) => {
                    other.rtx = other.rtx.or(params.rtx);
                    other.nack |= params.nack;
                    other.pli |= params.pli;
                    other.transport_cc |= params.transport_cc;
                    other.remb |= params.remb;
                }
                None => self.order.push(params),
            }
        }
    }

    /// False when another section gave the number another meaning.
    pub(super) fn claim(&mut self, format: &Format) -> bool {
        let number = format.payload_type.0;
        let known = self.payload_types.entry(number).or_insert_with(|| format.encoding.clone());
        *known == format.encoding
    }

    /// What we ask of an Opus sender. `stereo` is only asked of one that has it to give: a mono
    /// microphone would spend the bits twice. Everything else is the sender's business.
    fn opus(&self, format: &Format) -> String {
        let mut parameters = Vec::new();
        if let Some(time) = format.parameter("minptime") {
            parameters.push(format!("minptime={time}"));
        }
        if format.parameter("useinbandfec") == Some("1") {
            parameters.push("useinbandfec=1".into());
        }
        if self.stereo {
            parameters.push("stereo=1".into());
        }
        parameters.join(";")
    }
}

/// Codecs that are forwarded.
pub(super) fn taken(codec: Codec) -> bool {
    match codec {
        Codec::Opus | Codec::Vp8 | Codec::H264(_) => true,
        Codec::Vp9 { profile } => matches!(profile, 0 | 2),
        Codec::Av1 { profile } => profile == 0,
        Codec::Red => false,
    }
}

/// Feedback that both sides understand. Of two ways to tell us what a receiver's way carries, the one with more to
/// say; a sender that has the one is told by the other what all its receivers can take.
fn feedback(kind: MediaKind, format: &Format, flow: Flow) -> Vec<Feedback> {
    let mut known = vec![Feedback::Nack];
    if kind == MediaKind::Video {
        known.extend([Feedback::NackPli, Feedback::CcmFir]);
    }
    if format.has(&Feedback::TransportCc) {
        known.insert(0, Feedback::TransportCc);
        if flow.receives && kind == MediaKind::Video {
            known.insert(1, Feedback::GoogRemb);
        }
    } else if flow.sends && kind == MediaKind::Video {
        known.insert(0, Feedback::GoogRemb);
    }
    known.retain(|feedback| format.has(feedback));
    known
}

/// The same in every section, whichever way media flows: Chromium offers a section that is added
/// later nothing but what earlier sections of its kind agreed, and simulcast fails without
/// restriction identifiers. What a section has no use for is never written into its packets.
fn useful(extension: Extension) -> bool {
    extension != Extension::AbsSendTime
}

fn reversed(direction: Direction) -> Direction {
    Direction::new(direction.receives(), direction.sends())
}

const fn clock(kind: MediaKind) -> u32 {
    match kind {
        MediaKind::Audio => 48_000,
        MediaKind::Video => 90_000,
    }
}
