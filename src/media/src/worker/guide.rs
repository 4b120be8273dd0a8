//! How much a leg may be sent and how fast, as its receiver tells: transport-wide feedback, or REMB and receiver
//! reports, become an estimate, and the estimate a pace.

use core::time::Duration;

use offhook_rtc::congestion::{ClusterId, Controller, Departure, Limits, Reported};
use offhook_rtc::pacer::Pacer;
use offhook_sfu::Outgoing;
use offhook_types::media::{Extension, Negotiated};
use offhook_types::{MediaKind, PayloadType, Ssrc, Time};
use offhook_wire::rtcp::TransportCc;

use crate::Drop;

/// The congestion control and the pacer of a leg that receives video.
pub(super) struct Guide {
    pub(super) pacer: Pacer,
    /// Something waits in the pacer or a probe is under way.
    pub(super) paced: bool,
    /// Streams of which the pacer did not keep a new packet: the rest of the picture is of no use.
    pub(super) torn: Vec<Ssrc>,
    /// Once the receiver has agreed to transport-wide numbers; from then on to the leg's end.
    controller: Option<Controller>,
    /// Payload types whose packets carry numbers, one bit each. What a section did not agree to, its receiver does not
    /// read there, and would report as lost.
    numbered: u128,
    reported: Reported,
    limits: Limits,
    /// Payload types of sound, one bit each.
    sound: u128,
    wanted: u64,
    /// What the router was told last.
    told: Option<u64>,
    /// When the last receiver report came, with the bytes that had been sent by then.
    reported_at: (Time, u64),
    /// Bits a second that were sent between two reports.
    sent_rate: u64,
}

impl Guide {
    pub(super) fn new(now: Time, limits: &Limits) -> Self {
        Self {
            pacer: Pacer::new(),
            paced: false,
            torn: Vec::with_capacity(MOST_TORN),
            controller: None,
            numbered: 0,
            reported: Reported::new(now, *limits),
            limits: *limits,
            sound: 0,
            wanted: 0,
            told: None,
            reported_at: (now, 0),
            sent_rate: 0,
        }
    }

    pub(super) fn set_negotiated(&mut self, now: Time, negotiated: &Negotiated) {
        let sound =
            negotiated.codecs.iter().filter(|agreed| agreed.codec.kind() == MediaKind::Audio);
        self.sound = sound.fold(0, |sound, agreed| sound | bit(agreed.payload_type.0));
        let agreed = negotiated.codecs.iter().filter(|agreed| agreed.transport_cc);
        let types = agreed.flat_map(|agreed| [Some(agreed.payload_type), agreed.rtx]).flatten();
        // What was once sent under numbers is sent again under numbers, so they are given up only together with the
        // extension, with which the router too gives up sending the same again.
        self.numbered = match negotiated.extensions.id(Extension::TransportCc) {
            Some(_) => types.fold(self.numbered, |numbered, number| numbered | bit(number.0)),
            None => 0,
        };
        if self.numbered != 0 && self.controller.is_none() {
            self.controller = Some(Controller::new(now, &self.limits));
        }
    }

    /// A new packet of a stream was lost in the pacer. A stream that is not noted any more asks by itself.
    #[cold]
    pub(super) fn tear(&mut self, stream: Ssrc) {
        if self.torn.len() < MOST_TORN && !self.torn.contains(&stream) {
            self.torn.push(stream);
        }
    }

    /// Whether a new packet may leave now.
    #[inline]
    pub(super) fn passes(&mut self, now: Time, packet: &Outgoing<'_>) -> bool {
        let bytes = packet.payload.len() + HEADER_BYTES;
        if self.sound & bit(packet.payload_type.0) != 0 {
            self.pacer.pass(now, bytes);
            return true;
        }
        self.pacer.passes(now, bytes)
    }

    /// The transport-wide number of the next packet of a type; then it has to depart.
    #[inline]
    pub(super) fn next_number(&self, payload_type: PayloadType) -> Option<u16> {
        let controller = self.controller.as_ref()?;
        (self.numbered & bit(payload_type.0) != 0).then(|| controller.next_number())
    }

    /// The number of a packet that is sent again as it was: under another one it would be other bytes under the
    /// same SRTP index, which breaks GCM (RFC 7714 §8.1).
    pub(super) fn number_of(&self, packet: &Outgoing<'_>) -> Result<Option<u16>, Drop> {
        match &self.controller {
            Some(controller) if self.numbered & bit(packet.payload_type.0) != 0 => {
                let number = controller.number_of(packet.ssrc, packet.sequence as u16);
                number.map(Some).ok_or(Drop::ResendGone)
            }
            _ => Ok(None),
        }
    }

    /// A packet left under the next number.
    #[inline]
    pub(super) fn departed(&mut self, now: Time, departure: &Departure) {
        if let Some(controller) = &mut self.controller {
            controller.sent(now, departure);
        }
    }

    /// Transport-wide feedback. How many packets it told of that were never sent, or told of before; `lose` hears of
    /// those that are missing.
    pub(super) fn handle_feedback(
        &mut self,
        now: Time,
        feedback: &TransportCc<'_>,
        lose: impl FnMut(Ssrc, u16),
    ) -> u32 {
        let told =
            |controller: &mut Controller| controller.handle_feedback(now, feedback, lose).unknown;
        self.controller.as_mut().map_or(u32::from(feedback.count), told)
    }

    pub(super) fn handle_remb(&mut self, now: Time, bits_per_second: u64) {
        self.reported.handle_remb(now, bits_per_second);
    }

    /// The worst loss of a receiver report, in 1/256, when so many bytes had been sent in all.
    pub(super) fn handle_loss(&mut self, now: Time, fraction: u8, bytes: u64) {
        let (at, before) = self.reported_at;
        let span = now.since(at);
        if span >= REPORT_SPAN {
            let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX).max(1);
            self.sent_rate = bytes.saturating_sub(before).saturating_mul(8_000_000) / micros;
            self.reported_at = (now, bytes);
        }
        self.reported.handle_loss(now, fraction, self.sent_rate);
    }

    /// What the leg would be sent without a limit, and whether it can be sent padding.
    pub(super) fn set_wanted(&mut self, wanted: u64, can_pad: bool) {
        self.wanted = wanted;
        if let Some(controller) = &mut self.controller {
            controller.set_wanted(wanted, can_pad && self.numbered != 0);
        }
    }

    /// What the router was told last.
    pub(super) const fn told(&self) -> Option<u64> {
        self.told
    }

    pub(super) const fn wanted(&self) -> u64 {
        self.wanted
    }

    /// What may be sent, in bits a second; `None` while nothing limits it.
    pub(super) fn estimate(&self, now: Time) -> Option<u64> {
        match self.listening() {
            Some(controller) => Some(controller.estimate()),
            None => self.reported.estimate(now),
        }
    }

    /// Let time pass, set the pace, and begin a probe that is due. What the router has to be told, if it is to be told
    /// anything.
    pub(super) fn steer(&mut self, now: Time) -> Option<Option<u64>> {
        if let Some(controller) = &mut self.controller {
            controller.handle_timeout(now);
            if !self.pacer.is_probing()
                && let Some(probe) = controller.poll_probe(now)
            {
                self.pacer.begin(probe);
            }
        }
        let estimate = self.estimate(now);
        let pace = match self.listening() {
            Some(controller) => Some(controller.pace()),
            None => estimate.map(|bits| bits.saturating_add(bits / 2)),
        };
        self.pacer.set_rate(pace);
        let same = match (self.told, estimate) {
            (Some(told), Some(estimate)) => told.abs_diff(estimate) <= told / NEWS,
            (told, estimate) => told == estimate,
        };
        if same {
            return None;
        }
        self.told = estimate;
        Some(estimate)
    }

    pub(super) fn next_timeout(&self) -> Time {
        self.controller.as_ref().map_or(Time::MAX, Controller::next_timeout)
    }

    /// The controller, if the receiver answers it.
    fn listening(&self) -> Option<&Controller> {
        self.controller.as_ref().filter(|controller| self.numbered != 0 && !controller.is_deaf())
    }
}

const fn bit(payload_type: u8) -> u128 {
    1 << (payload_type & 0x7f)
}

/// Header, extensions and tag, about.
const HEADER_BYTES: usize = 48;
/// The router hears of changes of the estimate beyond this part of it.
const NEWS: u64 = 32;
/// Streams of one leg that are noted as torn in one turn.
const MOST_TORN: usize = 8;
/// Between two looks at what was sent.
const REPORT_SPAN: Duration = Duration::from_millis(400);

/// What a departure is made of. `original` is the number of the packet that a retransmission repeats.
#[inline]
pub(super) fn departure(
    packet: &Outgoing<'_>,
    original: Option<[u8; 2]>,
    (len, cluster): (usize, ClusterId),
) -> Departure {
    let sequence = original.map_or(packet.sequence as u16, u16::from_be_bytes);
    Departure { stream: packet.ssrc, sequence, size: len as u16, cluster }
}
