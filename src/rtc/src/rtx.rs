//! Retransmission payloads (RFC 4588 §4): the original sequence number in front of the original payload.

/// Splits the payload of a retransmission into the original sequence number and payload. `None` when too short;
/// an empty original payload is a probe and carries nothing.
pub fn unwrap(payload: &[u8]) -> Option<(u16, &[u8])> {
    let _ = payload;
    None
}

/// The two bytes to write in front of the original payload.
pub fn prefix(original_sequence: u16) -> [u8; 2] {
    original_sequence.to_be_bytes()
}
