//! Data messages of a caller: sent on a clock of their own, with a stamp inside, and heard from others. What is
//! around the stamp is what LiveKit's clients send, so that any such server hands it on.

use livekit_protocol as proto;
use offhook_scenario::MessagePlan;
use offhook_scenario::histogram::Histogram;
use offhook_scenario::stamp::{self, Stamp};
use offhook_types::Time;
use offhook_types::media::DataKind;
use prost::Message as _;

use super::transport::Transport;

/// What was sent and heard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Talked {
    /// Handed to the channel.
    pub sent: u64,
    /// Found the channel closed or full.
    pub refused: u64,
    /// Came from others.
    pub heard: u64,
    /// From the sender to here.
    pub delays: Histogram,
}

/// One caller's messages.
#[derive(Debug)]
pub struct Messages {
    plan: MessagePlan,
    due: Time,
    number: u32,
    talked: Talked,
}

impl Messages {
    /// As planned, from [`Messages::start`] on.
    pub fn new(plan: MessagePlan) -> Self {
        Self { plan, due: Time::MAX, number: 0, talked: Talked::default() }
    }

    /// The transport is up.
    pub fn start(&mut self, now: Time) {
        self.due = self.plan.every.map_or(Time::MAX, |every| now + every);
    }

    /// When the next message is due.
    pub fn due(&self) -> Time {
        self.due
    }

    /// Send what is due.
    pub fn poll(&mut self, now: Time, transport: &mut dyn Transport) {
        let Some(every) = self.plan.every.filter(|_| self.due <= now) else { return };
        self.due = now + every;
        self.number += 1;
        let (frame, sent_us) = (self.number, now.as_micros());
        let stamp = Stamp { sent_us, frame, needs: frame, count: 1, ..Stamp::default() };
        let mut payload = stamp.to_bytes().to_vec();
        payload.resize(self.plan.bytes.max(stamp::LEN), 0x55);
        let packet = self.packet(payload).encode_to_vec();
        match transport.send_message(now, self.plan.kind, &packet) {
            true => self.talked.sent += 1,
            false => self.talked.refused += 1,
        }
    }

    /// A message came.
    pub fn heard(&mut self, now: Time, kind: DataKind, payload: &[u8]) {
        if let Some(stamp) = Stamp::find(payload).filter(|_| kind == self.plan.kind) {
            self.talked.heard += 1;
            self.talked.delays.add(now.as_micros().saturating_sub(stamp.sent_us));
        }
    }

    /// What was sent and heard since the last call.
    pub fn take(&mut self) -> Talked {
        std::mem::take(&mut self.talked)
    }

    #[allow(deprecated)] // Older servers read the kind.
    fn packet(&self, payload: Vec<u8>) -> proto::DataPacket {
        let user = proto::UserPacket { payload, ..proto::UserPacket::default() };
        let kind = match self.plan.kind {
            DataKind::Reliable => proto::data_packet::Kind::Reliable,
            DataKind::Lossy => proto::data_packet::Kind::Lossy,
        };
        proto::DataPacket {
            kind: kind.into(),
            value: Some(proto::data_packet::Value::User(user)),
            ..proto::DataPacket::default()
        }
    }
}
