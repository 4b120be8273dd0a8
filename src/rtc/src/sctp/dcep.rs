//! The messages that open a data channel (RFC 8832 §5).

use offhook_wire::cursor::Reader;
use sctp_proto::ReliabilityType;

/// How a channel delivers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ChannelType {
    pub(super) unordered: bool,
    pub(super) reliability: ReliabilityType,
    /// Retransmissions or milliseconds, by `reliability`.
    pub(super) limit: u32,
}

impl ChannelType {
    pub(super) const RELIABLE: Self =
        Self { unordered: false, reliability: ReliabilityType::Reliable, limit: 0 };
    /// Unordered, never sent again.
    pub(super) const LOSSY: Self =
        Self { unordered: true, reliability: ReliabilityType::Rexmit, limit: 0 };
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Message<'a> {
    Open { channel: ChannelType, label: &'a [u8] },
    Ack,
}

/// DATA_CHANNEL_ACK (§5.2).
pub(super) const ACK: [u8; 1] = [MESSAGE_ACK];

pub(super) fn read(payload: &[u8]) -> Option<Message<'_>> {
    let mut reader = Reader::new(payload);
    match reader.u8().ok()? {
        MESSAGE_ACK => Some(Message::Ack),
        MESSAGE_OPEN => {
            let kind = reader.u8().ok()?;
            let _priority = reader.u16().ok()?;
            let limit = reader.u32().ok()?;
            let label_len = usize::from(reader.u16().ok()?);
            let protocol_len = usize::from(reader.u16().ok()?);
            let label = reader.take(label_len).ok()?;
            let _protocol = reader.take(protocol_len).ok()?;
            let reliability = match kind & !UNORDERED {
                0 => ReliabilityType::Reliable,
                1 => ReliabilityType::Rexmit,
                2 => ReliabilityType::Timed,
                _ => return None,
            };
            let channel = ChannelType { unordered: kind & UNORDERED != 0, reliability, limit };
            Some(Message::Open { channel, label })
        }
        _ => None,
    }
}

/// DATA_CHANNEL_OPEN (§5.1) without a sub-protocol, at normal priority.
pub(super) fn open(channel: ChannelType, label: &str) -> Vec<u8> {
    let kind = match channel.reliability {
        ReliabilityType::Reliable => 0,
        ReliabilityType::Rexmit => 1,
        ReliabilityType::Timed => 2,
    };
    let mut message = vec![MESSAGE_OPEN, kind | if channel.unordered { UNORDERED } else { 0 }];
    message.extend(PRIORITY_NORMAL.to_be_bytes());
    message.extend(channel.limit.to_be_bytes());
    message.extend((label.len() as u16).to_be_bytes());
    message.extend([0, 0]);
    message.extend(label.as_bytes());
    message
}

const MESSAGE_ACK: u8 = 2;
const MESSAGE_OPEN: u8 = 3;
const UNORDERED: u8 = 0x80;
const PRIORITY_NORMAL: u16 = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for channel in [ChannelType::RELIABLE, ChannelType::LOSSY] {
            let message = open(channel, "_label");
            assert_eq!(read(&message), Some(Message::Open { channel, label: b"_label" }));
            for len in 0..message.len() {
                assert_eq!(read(&message[..len]), None);
            }
        }
        assert_eq!(read(&ACK), Some(Message::Ack));
    }

    #[test]
    fn unknown_messages_and_channel_types_are_refused() {
        let mut message = open(ChannelType::RELIABLE, "x");
        message[1] = 3;
        assert_eq!(read(&message), None);
        assert_eq!(read(&[9]), None);
    }
}
