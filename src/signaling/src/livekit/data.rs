//! Data messages: from the client's channels to others' and back. They are read only as far as
//! needed to say who sent them and to whom they go; what is inside passes through.

use std::sync::Arc;
use std::time::Instant;

use livekit_protocol as proto;
use offhook_call::room::{Act, DataMessage};
use offhook_types::ParticipantId;
use offhook_types::media::{Command, DataKind};
use prost::Message;
use proto::data_packet::Value;
use tracing::debug;

use super::Misdeed;
use super::session::{End, Session};

/// Receivers that one message may name.
const NAMED: usize = 1000;

impl Session {
    /// The client sent a message.
    pub async fn message(&mut self, kind: DataKind, payload: &[u8]) {
        if let Err(misdeed) = self.pass(kind, payload).await {
            debug!(?misdeed, bytes = payload.len(), "data message dropped");
            self.door.tally.add(misdeed);
        }
    }

    async fn pass(&mut self, kind: DataKind, payload: &[u8]) -> Result<(), Misdeed> {
        if payload.len() > self.door.config.max_data_bytes {
            return Err(Misdeed::LargeData);
        }
        if !self.data.take(Instant::now(), payload.len()) {
            return Err(Misdeed::DataFlood);
        }
        let packet = proto::DataPacket::decode(payload).map_err(|_| Misdeed::MalformedData)?;
        if kind == DataKind::Reliable && !self.is_new(packet.sequence) {
            return Ok(());
        }
        let message = stamped(kind, packet, payload, &self.identity, &self.sid);
        // Lossy messages do not wait for a busy room.
        let passed = match kind {
            DataKind::Reliable => self.seat.act(Act::Data(message)).await.is_ok(),
            DataKind::Lossy => self.seat.post(Act::Data(message)),
        };
        if passed { Ok(()) } else { Err(Misdeed::RefusedData) }
    }

    /// After a resume clients repeat what may have been lost.
    fn is_new(&mut self, sequence: u32) -> bool {
        let new = sequence == 0 || sequence > self.sequence;
        self.sequence = self.sequence.max(sequence);
        new
    }

    /// Someone else sent a message.
    pub fn deliver(&mut self, kind: DataKind, payload: Arc<[u8]>) -> Result<(), End> {
        match self.peers.receiving() {
            Some(peer) if peer.up => {
                let leg = peer.leg();
                self.command(Command::SendData { leg, kind, payload })
            }
            // Before the channels are there, nothing can be sent over them.
            _ => Ok(()),
        }
    }
}

/// A message as others shall read it: with its sender's name on it, whatever the sender wrote.
fn stamped(
    kind: DataKind,
    mut packet: proto::DataPacket,
    payload: &[u8],
    identity: &str,
    sid: &str,
) -> DataMessage {
    let mut to_identities = core::mem::take(&mut packet.destination_identities);
    let mut to_participants: Vec<ParticipantId> = Vec::new();
    let payload = match packet.value.take() {
        Some(Value::User(mut user)) => {
            // Older clients name sender and receivers inside.
            let sids = user.destination_sids.iter();
            to_participants.extend(sids.filter_map(|sid| sid.parse::<ParticipantId>().ok()));
            to_identities.append(&mut user.destination_identities);
            user.destination_sids.clear();
            (user.participant_identity, user.participant_sid) = (identity.into(), sid.into());
            packet.value = Some(Value::User(user));
            (packet.participant_identity, packet.participant_sid) = (identity.into(), sid.into());
            packet.encode_to_vec()
        }
        // Of what may be newer than we are, every byte is kept: a field that is written again at
        // the end counts (protobuf encoding, "last one wins").
        _ => {
            let stamp = proto::DataPacket {
                participant_identity: identity.into(),
                participant_sid: sid.into(),
                ..proto::DataPacket::default()
            };
            let mut bytes = payload.to_vec();
            bytes.extend(stamp.encode_to_vec());
            bytes
        }
    };
    to_identities.truncate(NAMED);
    to_participants.truncate(NAMED);
    DataMessage { kind, to_identities, to_participants, payload: payload.into() }
}

/// A message from the server itself.
pub(super) fn from_server(request: proto::SendDataRequest) -> DataMessage {
    let kind = match request.kind() {
        proto::data_packet::Kind::Reliable => DataKind::Reliable,
        proto::data_packet::Kind::Lossy => DataKind::Lossy,
    };
    let to_participants = request.destination_sids.iter().filter_map(|sid| sid.parse().ok());
    let to_participants = to_participants.collect();
    let user = proto::UserPacket {
        payload: request.data,
        topic: request.topic,
        nonce: request.nonce,
        ..proto::UserPacket::default()
    };
    let packet = proto::DataPacket {
        kind: request.kind,
        value: Some(Value::User(user)),
        ..proto::DataPacket::default()
    };
    DataMessage {
        kind,
        to_identities: request.destination_identities,
        to_participants,
        payload: packet.encode_to_vec().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(packet: &proto::DataPacket, extra: &[u8]) -> (DataMessage, proto::DataPacket) {
        let mut bytes = packet.encode_to_vec();
        bytes.extend(extra);
        let read = proto::DataPacket::decode(bytes.as_slice()).unwrap();
        let message = stamped(DataKind::Reliable, read, &bytes, "ann", "PA_1");
        let seen = proto::DataPacket::decode(&*message.payload).unwrap();
        assert_eq!(
            (seen.participant_identity.as_str(), seen.participant_sid.as_str()),
            ("ann", "PA_1")
        );
        (message, seen)
    }

    #[test]
    fn nobody_speaks_in_anothers_name() {
        let user = proto::UserPacket {
            participant_identity: "bob".into(),
            participant_sid: "PA_2".into(),
            destination_identities: vec!["cat".into()],
            payload: b"hi".to_vec(),
            ..proto::UserPacket::default()
        };
        let packet = proto::DataPacket {
            participant_identity: "bob".into(),
            destination_identities: vec!["dan".into()],
            sequence: 7,
            value: Some(Value::User(user)),
            ..proto::DataPacket::default()
        };
        let (message, seen) = check(&packet, &[]);
        assert_eq!(message.to_identities, ["dan", "cat"]);
        assert_eq!(seen.sequence, 7);
        let Some(Value::User(user)) = seen.value else { panic!() };
        assert_eq!(
            (user.participant_identity.as_str(), user.participant_sid.as_str()),
            ("ann", "PA_1")
        );
        assert_eq!(user.payload, b"hi");
    }

    #[test]
    fn what_we_do_not_know_passes_unchanged() {
        let packet = proto::DataPacket {
            participant_sid: "PA_2".into(),
            destination_identities: vec!["dan".into()],
            ..proto::DataPacket::default()
        };
        // Field 100, three bytes.
        let unknown = [0xa2, 0x06, 0x03, 1, 2, 3];
        let (message, _) = check(&packet, &unknown);
        assert_eq!(message.to_identities, ["dan"]);
        assert!(message.payload.windows(unknown.len()).any(|window| window == unknown));
    }
}
